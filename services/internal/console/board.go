package console

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
	"reprotect.example/services/status"
)

// board is where all cases stand. It follows the journal, and reads again only the cases that moved.
type board struct {
	journal Journal
	serves  func() bool
	health  func() []status.Part

	mu      sync.Mutex
	byID    map[string]cases.Case
	place   uint64 // of the newest message that is taken in
	away    error  // why nothing is known now
	changed chan struct{}
	current *snapshot // of what stands now; nil: to be made
}

// snapshot is a board at one moment. It is shared, and nobody changes it.
type snapshot struct {
	Cases []cases.Case // as a list of all cases has them, the oldest first; without findings, which the page of a case reads
	Place uint64
	Away  error // why nothing is known: then there are no cases

	health func() []status.Part
	mu     sync.Mutex
	views  map[string]status.View // by language
}

// viewLasts is how long a view of what stands is good though nothing has changed: parts of the process may have.
const viewLasts = 2 * time.Second

// status says what needs a person, and what goes on.
func (s *snapshot) status(lang string, now time.Time) status.View {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, made := s.views[lang]
	if age := now.Sub(v.AsOf); !made || age > viewLasts || age < 0 {
		v = status.Of(status.Given{Cases: s.Cases, Health: s.health(), Lang: lang, Now: now})
		s.views[lang] = v
	}
	return v
}

var (
	errStarting  = errors.New("reads the journal")
	errStandsBy  = errors.New("stands by")
	errFollowing = errors.New("the journal ended")
)

func newBoard(o Options) *board {
	return &board{journal: o.Journal, serves: o.Serves, health: o.Health, away: errStarting, changed: make(chan struct{})}
}

// pauses of the board.
const (
	gather    = 30 * time.Millisecond // what comes at once is taken in at once
	lookAgain = time.Second           // whether this process serves, and after an error
)

// run keeps the board until ctx ends.
func (b *board) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := errStandsBy
		if b.serves() {
			err = b.follow(ctx)
		}
		b.lose(err)
		pause(ctx, lookAgain)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// follow reads all cases once, and then those that move, until it fails or this process serves no more.
func (b *board) follow(ctx context.Context) error {
	from, err := b.journal.Last(ctx)
	if err != nil {
		return err
	}
	all, err := b.journal.Standings(ctx)
	if err != nil {
		return err
	}
	b.begin(all, from)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	moved := newMoves()
	var following sync.WaitGroup
	following.Go(func() {
		cancel(errors.Join(errFollowing, b.journal.Follow(ctx, nil, from+1, func(r bus.Received) error {
			moved.add(r)
			return nil
		})))
	})
	defer following.Wait()
	defer cancel(nil) // before it is waited for
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
			if !b.serves() {
				return errStandsBy
			}
		case <-moved.some:
			pause(ctx, gather)
			ids, place := moved.take()
			var now []cases.Case
			if len(ids) > 0 {
				if now, err = b.journal.Standings(ctx, ids...); err != nil {
					return err
				}
			}
			b.update(now, place)
		}
	}
}

// moves are the cases about which something was kept that is not taken in yet.
type moves struct {
	mu    sync.Mutex
	ids   map[string]bool
	place uint64
	some  chan struct{} // holds a token when there are any
}

func newMoves() *moves { return &moves{ids: map[string]bool{}, some: make(chan struct{}, 1)} }

func (m *moves) add(r bus.Received) {
	m.mu.Lock()
	if _, id, _, _, ok := events.SplitFact(r.Subject); ok {
		m.ids[id] = true
	}
	m.place = r.Sequence
	m.mu.Unlock()
	select {
	case m.some <- struct{}{}:
	default:
	}
}

func (m *moves) take() (ids []string, place uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id := range m.ids {
		ids = append(ids, id)
	}
	clear(m.ids)
	return ids, m.place
}

func (b *board) begin(all []cases.Case, place uint64) {
	b.change(func() {
		b.byID, b.place, b.away = make(map[string]cases.Case, len(all)), place, nil
		b.put(all)
	})
}

func (b *board) update(moved []cases.Case, place uint64) {
	b.change(func() {
		b.place = place
		b.put(moved)
	})
}

func (b *board) lose(err error) {
	b.mu.Lock()
	same := b.away != nil && err != nil && b.away.Error() == err.Error()
	b.mu.Unlock()
	if same {
		return
	}
	b.change(func() { b.byID, b.away = nil, err })
}

func (b *board) put(all []cases.Case) {
	for _, c := range all {
		c.Findings, c.Placements, c.History = nil, nil, nil
		b.byID[c.ID] = c
	}
}

// change lets everybody know who waits for it.
func (b *board) change(do func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	do()
	b.current = nil
	close(b.changed)
	b.changed = make(chan struct{})
}

// snapshot is what stands now, and what is closed when that has changed.
func (b *board) snapshot() (*snapshot, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.current == nil {
		b.current = &snapshot{Place: b.place, Away: b.away, health: b.health, views: map[string]status.View{}}
		if b.away == nil {
			all := make([]cases.Case, 0, len(b.byID))
			for _, c := range b.byID {
				all = append(all, c)
			}
			b.current.Cases = cases.Listed(all)
		}
	}
	return b.current, b.changed
}

// find is a case of a snapshot.
func (s *snapshot) find(id string) (cases.Case, bool) {
	i := slices.IndexFunc(s.Cases, func(c cases.Case) bool { return c.ID == id })
	if i < 0 {
		return cases.Case{}, false
	}
	return s.Cases[i], true
}
