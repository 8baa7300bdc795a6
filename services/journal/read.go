package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// Reading says what to read of the journal.
type Reading struct {
	Filters []string // subject filters in the syntax of NATS; none: everything
	From    uint64   // place to begin at; 0: the first
	Latest  bool     // only the last message of each subject, of those from From on
	Follow  bool     // go on for ever instead of ending at the last message
}

// What is read from the database at once; in between nothing is held there.
const (
	pageMessages = 256
	pageBytes    = 4 << 20
)

// Read hands messages to each in the order of the journal; their Sequence is the place there. It ends with each's
// error, with ctx, with ErrClosed when the store is closed, or, unless it follows, at what was the last message
// when it began. A filter that cannot be read is ErrFilter.
func (s *Store) Read(ctx context.Context, r Reading, each func(bus.Received) error) error {
	return s.read(ctx, r, func(m kept) error { return each(m.Received) }, nil)
}

// followEvery is how often those who follow look for what another process has kept in the file.
const followEvery = time.Second

// read is Read for one who wants to know when it stands still: idle is told, each time when everything stored was
// handed out, up to which place that was; once in followEvery at least.
func (s *Store) read(ctx context.Context, r Reading, each func(kept) error, idle func(upTo uint64) error) error {
	sel, err := selecting(r.Filters)
	if err != nil {
		return err
	}
	next := max(r.From, 1)
	end, changed, err := s.state(ctx)
	if err != nil {
		return err
	}
	if r.Latest {
		if err := s.latest(ctx, sel, next, end, each); err != nil {
			return err
		}
		next = max(next, end+1)
	}
	for {
		if next <= end {
			if err := s.through(ctx, sel, next, end, each); err != nil {
				return err
			}
			next = end + 1
		}
		if !r.Follow {
			return nil
		}
		if idle != nil {
			if err := idle(next - 1); err != nil {
				return err
			}
		}
		if err := s.await(ctx, changed); err != nil {
			return err
		}
		if end, changed, err = s.state(ctx); err != nil {
			return err
		}
	}
}

// await blocks until this process has kept something, or another may have.
func (s *Store) await(ctx context.Context, changed <-chan struct{}) error {
	timer := time.NewTimer(followEvery)
	defer timer.Stop()
	select {
	case <-changed:
		return nil
	case <-timer.C:
		return nil
	case <-s.closing:
		return ErrClosed
	case <-ctx.Done():
		return s.explain("read on", ctx.Err())
	}
}

// state is the newest place of the file, and what is closed when this process keeps something after it.
func (s *Store) state(ctx context.Context) (last uint64, changed <-chan struct{}, err error) {
	s.changing.Lock()
	changed = s.changed
	s.changing.Unlock()
	last, _, err = s.Last(ctx)
	return last, changed, err
}

// through hands out what fits from one place to another.
func (s *Store) through(ctx context.Context, sel selection, from, to uint64, each func(kept) error) error {
	query := `SELECT ` + columns + ` FROM events WHERE ` + sel.where + ` AND place >= ? AND place <= ? ORDER BY place LIMIT ?`
	for from <= to {
		page, more, err := s.page(ctx, query, append(sel.args[:len(sel.args):len(sel.args)], int64(from), int64(to), pageMessages)...)
		if err != nil {
			return err
		}
		for _, m := range page {
			if !sel.fits(m.Subject) {
				continue
			}
			if err := each(m); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
		from = page[len(page)-1].Sequence + 1
	}
	return nil
}

// page reads the first messages of a query; more says that there may be others.
func (s *Store) page(ctx context.Context, query string, args ...any) (page []kept, more bool, err error) {
	rows, err := s.readers.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, false, s.explain("read messages", err)
	}
	defer func() { _ = rows.Close() }() // what fails shows in Err
	for size := 0; rows.Next(); {
		m, err := scan(rows)
		if err != nil {
			return nil, false, s.explain("read messages", err)
		}
		page, size = append(page, m), size+len(m.Data)
		if len(page) == pageMessages || size >= pageBytes {
			return page, true, nil
		}
	}
	if err := rows.Err(); err != nil {
		return nil, false, s.explain("read messages", err)
	}
	return page, false, nil
}

// latest hands out the last message of each subject that fits.
func (s *Store) latest(ctx context.Context, sel selection, from, to uint64, each func(kept) error) error {
	places, err := s.latestPlaces(ctx, sel, from, to)
	if err != nil {
		return err
	}
	query := `SELECT ` + columns + ` FROM events WHERE place IN (SELECT value FROM json_each(?)) ORDER BY place`
	for len(places) > 0 {
		raw, err := json.Marshal(places[:min(len(places), pageMessages)])
		if err != nil {
			return fmt.Errorf("journal: read messages: %w", err)
		}
		page, _, err := s.page(ctx, query, string(raw))
		if err != nil {
			return err
		}
		for _, m := range page {
			if err := each(m); err != nil {
				return err
			}
		}
		places = places[max(len(page), 1):] // a page may end early; nothing is ever taken out of the journal
	}
	return nil
}

func (s *Store) latestPlaces(ctx context.Context, sel selection, from, to uint64) (places []uint64, err error) {
	rows, err := s.readers.QueryContext(ctx, `SELECT subject, max(place) AS newest FROM events WHERE `+sel.where+` AND place >= ? AND place <= ? GROUP BY subject ORDER BY newest`, //nolint:gosec // the condition is made by selecting, all values are arguments
		append(sel.args[:len(sel.args):len(sel.args)], int64(from), int64(to))...)
	if err != nil {
		return nil, s.explain("read the subjects", err)
	}
	defer func() { _ = rows.Close() }() // what fails shows in Err
	for rows.Next() {
		var subject string
		var at uint64
		if err := rows.Scan(&subject, &at); err != nil {
			return nil, s.explain("read the subjects", err)
		}
		if sel.fits(subject) {
			places = append(places, at)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, s.explain("read the subjects", err)
	}
	return places, nil
}

// Story returns every fact of a case, in the order of the journal; none when nothing is known of it.
func (s *Store) Story(ctx context.Context, caseID string) (story []bus.Received, err error) {
	err = s.Read(ctx, Reading{Filters: []string{events.SubjectFacts + ".*." + caseID + ".>"}}, func(r bus.Received) error {
		story = append(story, r)
		return nil
	})
	return story, err
}

// Stands returns the newest message that was kept on exactly this subject, if any.
func (s *Store) Stands(ctx context.Context, subject string) (r bus.Received, found bool, err error) {
	m, found, err := s.stands(ctx, subject)
	return m.Received, found, err
}

func (s *Store) stands(ctx context.Context, subject string) (m kept, found bool, err error) {
	page, _, err := s.page(ctx, `SELECT `+columns+` FROM events WHERE subject = ? ORDER BY place DESC LIMIT 1`, subject)
	if err != nil || len(page) == 0 {
		return m, false, err
	}
	return page[0], true, nil
}

// Last returns the newest place, and the sequence of the broker up to which everything that the stream held was
// kept: what comes after it is to be caught up with. Where CatchUp was never called, that is 0.
func (s *Store) Last(ctx context.Context) (place, origin uint64, err error) {
	var e ends
	if err := e.scan(s.readers.QueryRowContext(ctx, selectEnds)); err != nil {
		return 0, 0, s.explain("read where it ends", err)
	}
	return e.last, e.complete, nil
}

// Stats is how much the journal holds.
type Stats struct {
	Journal    string    `json:"journal"` // the ID of the file
	Messages   uint64    `json:"messages"`
	Cases      uint64    `json:"cases"`
	Open       uint64    `json:"open"` // cases that have not ended
	Bytes      int64     `json:"bytes"`
	Place      uint64    `json:"place"`           // the newest
	Origin     uint64    `json:"origin"`          // the highest sequence of the broker that was seen
	Newest     time.Time `json:"newest,omitzero"` // when the broker stored the newest
	Duplicates uint64    `json:"duplicates"`      // deliveries that were passed over since the journal was opened
}

// Stats counts what the journal holds.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	st := Stats{Journal: s.id}
	var newest sql.NullString
	var origin string
	err := s.readers.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM cases), (SELECT count(*) FROM cases WHERE NOT ended),
		coalesce((SELECT max(place) FROM events), 0), (SELECT published FROM events ORDER BY place DESC LIMIT 1), (SELECT value FROM state WHERE name = 'origin')`).
		Scan(&st.Messages, &st.Cases, &st.Open, &st.Place, &newest, &origin)
	if err == nil {
		st.Newest, err = unstamp(newest.String)
	}
	if err == nil {
		_, err = fmt.Sscan(origin, &st.Origin)
	}
	if err != nil {
		return Stats{}, s.explain("count what it holds", err)
	}
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(s.path + suffix)
		if err == nil {
			st.Bytes += info.Size()
		} else if !errors.Is(err, os.ErrNotExist) {
			return Stats{}, fmt.Errorf("journal %s: look at the file: %w", s.path, err)
		}
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	st.Duplicates = s.duplicates
	return st, nil
}
