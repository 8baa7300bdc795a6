package journal

import (
	"context"
	"encoding/json"
	"time"

	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
)

// Back says which messages somebody who looks back wants; what is empty does not restrict.
type Back struct {
	Before uint64   // only places below this one; 0: from the newest on
	Types  []string // of CloudEvents
	Case   string
	Site   string
	Person string // a part of who asked, whatever its case
	Since  time.Time
	Until  time.Time
	Limit  int // of messages; 0: a page of the database
}

// mostBack is how many places one look back goes through at most: a rare message may be far away, and nobody waits for
// the whole log.
const mostBack = 50_000

// LookBack returns messages, the newest first, and the place before which a next look goes on: 0 when the beginning was
// reached. It may return fewer than were asked for, even none, and a place to go on at.
func (s *Store) LookBack(ctx context.Context, b Back) (found []bus.Received, next uint64, err error) {
	last, _, err := s.Last(ctx)
	if err != nil {
		return nil, 0, err
	}
	to := last
	if b.Before > 0 && b.Before <= last {
		to = b.Before - 1
	}
	limit := b.Limit
	if limit < 1 || limit > pageMessages-1 {
		limit = pageMessages - 1
	}
	from := to - min(to, mostBack) + 1
	where, args := b.condition()
	args = append([]any{int64(from), int64(to)}, args...)
	page, more, err := s.page(ctx, `SELECT `+columns+` FROM events WHERE place >= ? AND place <= ?`+where+` ORDER BY place DESC LIMIT ?`, append(args, limit+1)...)
	if err != nil {
		return nil, 0, err
	}
	for _, m := range page[:min(len(page), limit)] {
		found = append(found, m.Received)
	}
	switch {
	case len(page) > limit, more: // or they were too much at once
		next = found[len(found)-1].Sequence
	case from > 1 && from <= to:
		next = from
	}
	return found, next, nil
}

func (b Back) condition() (where string, args []any) {
	and := func(condition string, values ...any) { where, args = where+" AND "+condition, append(args, values...) }
	if len(b.Types) > 0 {
		types := make([]any, len(b.Types))
		for i, t := range b.Types {
			types[i] = t
		}
		and("type IN ("+marks(len(types))+")", types...)
	}
	if b.Case != "" {
		and("case_id = ?", b.Case)
	}
	if b.Site != "" {
		and("site = ?", b.Site)
	}
	if !b.Since.IsZero() {
		and("time >= ?", stamp(b.Since))
	}
	if !b.Until.IsZero() {
		and("time <= ?", stamp(b.Until))
	}
	if b.Person != "" {
		// A command names who asked, a fact the one for whom its case is. What is no JSON names nobody.
		and(`CASE WHEN json_valid(CAST(data AS TEXT)) THEN instr(lower(coalesce(json_extract(CAST(data AS TEXT), '$.data.requestedBy'),
			json_extract(CAST(data AS TEXT), '$.data.case.requestedBy'), json_extract(CAST(data AS TEXT), '$.requestedBy'), '')), lower(?)) > 0 ELSE 0 END`, b.Person)
	}
	return where, args
}

// Standings returns where these cases stand, without their history, in no order; none named: all. Unlike Cases it leaves
// no request out that has become cases: who keeps many of these answers together says so with cases.Listed.
func (s *Store) Standings(ctx context.Context, ids ...string) ([]cases.Case, error) {
	query, args := `SELECT document FROM cases`, []any{}
	if len(ids) > 0 {
		raw, err := json.Marshal(ids)
		if err != nil {
			return nil, s.explain("read the cases", err)
		}
		query, args = query+` WHERE id IN (SELECT value FROM json_each(?))`, append(args, string(raw))
	}
	return s.documents(ctx, query, args...)
}

// documents reads stored cases.
func (s *Store) documents(ctx context.Context, query string, args ...any) ([]cases.Case, error) {
	rows, err := s.readers.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, s.explain("read the cases", err)
	}
	defer func() { _ = rows.Close() }() // what fails shows in Err
	listed := []cases.Case{}
	for rows.Next() {
		var document []byte
		var c cases.Case
		if err = rows.Scan(&document); err == nil {
			err = json.Unmarshal(document, &c)
		}
		if err != nil {
			return nil, s.explain("read the cases", err)
		}
		listed = append(listed, c)
	}
	if err := rows.Err(); err != nil {
		return nil, s.explain("read the cases", err)
	}
	return listed, nil
}
