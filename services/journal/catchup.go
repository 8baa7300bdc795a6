package journal

import (
	"context"
	"fmt"

	"reprotect.example/events/bus"
)

// CatchUp keeps what the stream holds and the journal does not: all of it when the file is new, else what came
// while the journal was away. from hands each message after a sequence of the stream to each, in order, and ends at
// the last; it must end with each's error.
//
// Keep may be called meanwhile, as may CatchUp again: a message is kept once whichever way it came, and what was
// caught up with stays. Call it whenever this process begins to keep the journal, before it takes what the
// subscription delivers: that is newer.
func (s *Store) CatchUp(ctx context.Context, from func(ctx context.Context, after uint64, each func(bus.Received) error) error) error {
	s.writing.Lock()
	s.caughtUp = false // others may have taken what the subscription delivered since
	s.writing.Unlock()
	_, after, err := s.Last(ctx)
	if err != nil {
		return err
	}
	batch, bytes := &pending{catches: after}, 0
	err = from(ctx, after, func(r bus.Received) error {
		w := read(r)
		batch.rows, batch.catches = append(batch.rows, &w), max(batch.catches, r.Sequence)
		bytes += len(r.Data)
		if len(batch.rows) < mostMessages && bytes < mostBytes {
			return nil
		}
		full := batch
		batch, bytes = &pending{catches: full.catches}, 0
		return s.hand(ctx, full)()
	})
	if err != nil {
		return fmt.Errorf("journal: catch up with the stream after sequence %d: %w", after, err)
	}
	batch.finished = true
	return s.hand(ctx, batch)()
}
