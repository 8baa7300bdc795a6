package journal

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"time"

	"reprotect.example/events/bus"
	"reprotect.example/services/audit"
)

// Comparison is what a part of the stream and the journal say of each other. Numbers are sequences of the stream.
type Comparison struct {
	After, UpTo uint64         // the part: what is behind After, to UpTo
	End         bool           // nothing more is to be compared: begin anew
	Missing     []bus.Received // stand in the stream, and the journal has not kept them
	Changed     []uint64       // say something else in the stream than when they were kept
	Lost        []uint64       // were kept, and the stream has them no more
	Holes       []uint64       // are between others, and neither here nor there: nothing is ever taken out of the stream

	begun time.Time // when the first message was stored that the stream has: what was kept before is of an older one
}

// Same says that nothing differs.
func (c Comparison) Same() bool {
	return len(c.Missing)+len(c.Changed)+len(c.Lost)+len(c.Holes) == 0
}

// mostHoles bounds how many holes are named.
const mostHoles = 1000

var errMost = errors.New("the part is read")

// Compare holds the next part of the stream, of so many messages at most, against what is kept; last is what it said of the
// part before, or the zero value. Only what the journal calls complete is compared. from is as for CatchUp; wants says which
// subjects this journal keeps.
//
// A server of a cluster may answer with what it had a moment ago: who finds a difference should compare the same part again
// before he believes it (last.Again).
func (s *Store) Compare(
	ctx context.Context, last Comparison, most int, wants func(subject string) bool,
	from func(ctx context.Context, after uint64, each func(bus.Received) error) error,
) (Comparison, error) {
	c := last.next()
	_, complete, err := s.Last(ctx)
	if err != nil {
		return c, err
	}
	var part []bus.Received
	err = from(ctx, c.After, func(r bus.Received) error {
		if r.Sequence > complete || len(part) == most {
			return errMost
		}
		part = append(part, r)
		return nil
	})
	if err != nil && !errors.Is(err, errMost) {
		return c, err
	}
	c.UpTo = complete
	if c.End = len(part) < most; !c.End {
		c.UpTo = part[most-1].Sequence
	}
	if c.After == 0 { // what was before the first has gone with its time
		if len(part) == 0 {
			c.UpTo = 0
			return c, nil
		}
		c.begun, c.After = part[0].Published, part[0].Sequence-1
	}
	if c.UpTo <= c.After {
		return c, nil
	}
	found, err := s.between(ctx, c.After, c.UpTo, c.begun)
	if err != nil {
		return c, err
	}
	stands := map[uint64]map[string]bool{} // the keys that a message of the stream may have been kept under
	for _, r := range part {
		w := read(r)
		other, _ := audit.OtherKeyOf(r, w.key)
		stands[r.Sequence] = map[string]bool{w.key: true, other: true}
		if !wants(r.Subject) {
			continue
		}
		switch same, kept, err := s.keeps(ctx, &w); {
		case err != nil:
			return c, err
		case !kept:
			c.Missing = append(c.Missing, r)
		case !same:
			c.Changed = append(c.Changed, r.Sequence)
		}
	}
	covered := map[uint64]bool{}
	for _, f := range found {
		if covered[f.origin] = true; !stands[f.origin][f.key] {
			c.Lost = append(c.Lost, f.origin)
		}
	}
	for next, i := c.After+1, 0; i < len(part); i++ {
		for ; next < part[i].Sequence && len(c.Holes) < mostHoles; next++ {
			if !covered[next] {
				c.Holes = append(c.Holes, next)
			}
		}
		next = part[i].Sequence + 1
	}
	return c, nil
}

// next is the part behind this one.
func (c Comparison) next() Comparison {
	if c.End {
		return Comparison{}
	}
	return Comparison{After: c.UpTo, begun: c.begun}
}

// Again is what to give to Compare in its place, so that the same part is compared once more.
func (c Comparison) Again() Comparison {
	return Comparison{UpTo: c.After, begun: c.begun}
}

// keptAs is a message that is kept, as far as a comparison needs it.
type keptAs struct {
	origin uint64
	key    string
}

// between are the messages that were kept of a part of this stream.
func (s *Store) between(ctx context.Context, after, upTo uint64, begun time.Time) (found []keptAs, err error) {
	rows, err := s.readers.QueryContext(ctx, `SELECT origin, key FROM events WHERE origin > ? AND origin <= ? AND published >= ?`, int64(after), int64(upTo), stamp(begun))
	if err != nil {
		return nil, s.explain("compare it with the stream", err)
	}
	defer func() { _ = rows.Close() }() // what fails shows in Err
	for rows.Next() {
		var f keptAs
		if err := rows.Scan(&f.origin, &f.key); err != nil {
			return nil, s.explain("compare it with the stream", err)
		}
		found = append(found, f)
	}
	if err := rows.Err(); err != nil {
		return nil, s.explain("compare it with the stream", err)
	}
	return found, nil
}

// keeps says whether a message of the stream is kept, and as it stands there. One that says something else than an earlier
// one of its id is kept with that, unless it is a command (audit.OtherKeyOf).
func (s *Store) keeps(ctx context.Context, w *row) (same, kept bool, err error) {
	other, told := audit.OtherKeyOf(w.received, w.key)
	var origin uint64
	var leaf, data []byte
	var published string
	under := func(key string) error {
		return s.readers.QueryRowContext(ctx, `SELECT origin, leaf, published, data FROM events WHERE key = ?`, key).Scan(&origin, &leaf, &published, &data)
	}
	itself := func() bool { return origin == w.received.Sequence && published == stamp(w.received.Published) }
	err = under(w.key)
	if err == nil && told && !itself() && !bytes.Equal(data, w.received.Data) {
		err = under(other)
	}
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, false, nil
	case err != nil:
		return false, false, s.explain("compare it with the stream", err)
	}
	return !itself() || bytes.Equal(leaf, w.leaf[:]), true, nil
}
