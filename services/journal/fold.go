package journal

import (
	"context"
	"encoding/json"
	"slices"

	"reprotect.example/services/cases"
)

// mostFolded is how many cases that are under way are kept in memory. The others are read again when they move.
const mostFolded = 1000

// folded is what the projection of a case stands on: the facts that cases.Compact leaves of it.
type folded struct {
	entries []cases.Entry // in the order of the log
	stored  []uint64      // the places in case_events
	ended   bool
}

// fold takes a fact into its case; project stores what comes out.
func (s *Store) fold(ctx context.Context, w *row, at uint64, touched map[string]*folded) error {
	if !w.counts {
		return nil
	}
	f, err := s.folded(ctx, w.caseID)
	if err != nil {
		return err
	}
	touched[w.caseID] = f
	e := w.entry
	e.Sequence = at
	f.add(e)
	return nil
}

// folded returns the case as far as it is stored and, in a transaction, as far as it was folded.
func (s *Store) folded(ctx context.Context, id string) (*folded, error) {
	if f, ok := s.cases[id]; ok {
		return f, nil
	}
	rows, err := s.prepared.counted.QueryContext(ctx, id)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // what fails shows in Err
	f := &folded{}
	for rows.Next() {
		m, err := scan(rows)
		if err != nil {
			return nil, err
		}
		f.entries = append(f.entries, cases.ReadEntry(m.Received))
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	f.stored = f.places()
	s.cases[id] = f
	return f, nil
}

func (f *folded) places() []uint64 {
	places := make([]uint64, len(f.entries))
	for i, e := range f.entries {
		places[i] = e.Sequence
	}
	return places
}

// add takes in the next fact of the log.
func (f *folded) add(e cases.Entry) { f.entries = cases.Compact(append(f.entries, e)) }

// project stores where the touched cases stand, and what that stands on.
func (s *Store) project(ctx context.Context, touched map[string]*folded) error {
	for id, f := range touched {
		now := f.places()
		for _, at := range f.stored {
			if !slices.Contains(now, at) {
				if _, err := s.prepared.uncount.ExecContext(ctx, id, int64(at)); err != nil {
					return err
				}
			}
		}
		for _, at := range now {
			if !slices.Contains(f.stored, at) {
				if _, err := s.prepared.count.ExecContext(ctx, id, int64(at)); err != nil {
					return err
				}
			}
		}
		f.stored = now
		c := cases.Fold(f.entries)
		f.ended = c.End
		document, err := json.Marshal(c)
		if err != nil {
			return err
		}
		_, err = s.prepared.store.ExecContext(ctx, c.ID, c.Site, c.Request, c.State, c.Step, c.Percent, c.End, c.Good, stamp(c.Since), stamp(c.Updated), string(document))
		if err != nil {
			return err
		}
	}
	return nil
}

// forget drops from memory the cases that have ended, which move no more, and some others when there are too many.
func (s *Store) forget() {
	for id, f := range s.cases {
		if f.ended || len(s.cases) > mostFolded {
			delete(s.cases, id)
		}
	}
}

// Reproject makes the cases anew from the events. It is for after a change of what is projected; while it runs,
// nothing is kept.
func (s *Store) Reproject(ctx context.Context) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.closed() {
		return ErrClosed
	}
	return s.reproject(ctx)
}

// reproject is for one who holds writing, or is alone.
func (s *Store) reproject(ctx context.Context) error {
	clear(s.cases)
	defer clear(s.cases)
	err := s.transact(ctx, func() error {
		if _, err := s.writer.ExecContext(ctx, `DELETE FROM case_events; DELETE FROM cases`); err != nil {
			return err
		}
		// Nobody else writes meanwhile, so a reader sees the same events, and goes on while cases are stored.
		rows, err := s.readers.QueryContext(ctx, `SELECT `+columns+` FROM events INDEXED BY events_by_case WHERE case_id > '' ORDER BY case_id, place`)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }() // what fails shows in Err
		touched := map[string]*folded{}
		for rows.Next() {
			m, err := scan(rows)
			if err != nil {
				return err
			}
			w := read(m.Received)
			if !w.counts {
				continue
			}
			if touched[w.caseID] == nil { // the case before is complete
				if err := s.project(ctx, touched); err != nil {
					return err
				}
				clear(touched)
				touched[w.caseID] = &folded{}
			}
			touched[w.caseID].add(w.entry)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		return s.project(ctx, touched)
	})
	if err != nil {
		return s.explain("make the cases anew", err)
	}
	return nil
}
