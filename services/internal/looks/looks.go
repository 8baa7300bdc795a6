// Package looks shares what is read of a system outside: at any moment at most one look runs, for whoever wants what it
// sees. So the cost depends on time and not on how many ask.
package looks

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	limit      = 2 * time.Minute // a look that takes longer is given up
	failureAge = 5 * time.Second // how long a failed look answers for a new one, so that an outage is not asked by each caller
)

// Shared is a kind of look that callers share. Q is what a caller asks of it, V what it sees. Safe for concurrent use.
type Shared[Q, V any] struct {
	read func(ctx context.Context, asks []Q) (V, error)
	now  func() time.Time

	mu      sync.Mutex
	begun   int      // how many looks were begun
	next    []*Q     // what the next look is to answer, in the order in which it was asked
	current *look[V] // running, or nil
	good    *look[V] // the last one that succeeded, or nil
	failed  *look[V] // the last one that failed, if none succeeded since, or nil
}

// New shares read, which looks once and answers all that was asked until it began: at least one ask. What it returns is
// common property of the callers. It need not bound its time: its context ends after two minutes, or when nobody waits
// for it any more.
func New[Q, V any](now func() time.Time, read func(ctx context.Context, asks []Q) (V, error)) *Shared[Q, V] {
	return &Shared[Q, V]{read: read, now: now}
}

// look is one look, running or over.
type look[V any] struct {
	number    int
	began     time.Time
	done      chan struct{}
	cancel    context.CancelFunc
	waiting   int  // callers; when the last one leaves, the look is cancelled
	abandoned bool // they have left
	value     V    // valid after done
	err       error
}

// Get returns what a look saw that was begun for this ask, or that is at most maxAge old, counted from its beginning, and
// fits; with maxAge 0 only one that began after the call serves. A look that failed answers for at most five seconds. fits
// is called by one caller at a time; nil: every look fits.
//
// The error is that of the look, or of ctx; the look goes on for the others then.
func (s *Shared[Q, V]) Get(ctx context.Context, ask Q, maxAge time.Duration, fits func(V) bool) (V, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.begun
	defer s.withdraw(&ask)
	for {
		for _, l := range []*look[V]{s.good, s.failed} {
			if l != nil && s.serves(l, before, maxAge) && l.answers(before, fits) {
				return l.value, l.err
			}
		}
		if l := s.current; l == nil || !s.serves(l, before, maxAge) {
			if !slices.Contains(s.next, &ask) {
				s.next = append(s.next, &ask)
			}
		}
		if s.current == nil {
			s.start(ctx)
		}
		l := s.current
		served := s.serves(l, before, maxAge) // a look that was young when one began to wait for it is young enough
		s.await(ctx, l)
		if err := ctx.Err(); err != nil {
			var none V
			return none, err
		}
		if served && l.answers(before, fits) {
			return l.value, l.err
		}
	}
}

// serves says whether a look is young enough for a caller that came when `before` looks had begun.
func (s *Shared[Q, V]) serves(l *look[V], before int, maxAge time.Duration) bool {
	if l.abandoned && l == s.current {
		return false // on its way to end without a value
	}
	if l.err != nil {
		maxAge = min(maxAge, failureAge)
	}
	return l.number > before || maxAge > 0 && s.now().Sub(l.began) <= maxAge
}

// answers says whether a look that is over, and served, has seen what the caller wants: one that was begun for it has, as
// far as there is anything to see.
func (l *look[V]) answers(before int, fits func(V) bool) bool {
	return l.number > before || l.err != nil || fits == nil || fits(l.value)
}

// await waits until a look is over or ctx ends. The lock is held before and after.
func (s *Shared[Q, V]) await(ctx context.Context, l *look[V]) {
	l.waiting++
	s.mu.Unlock()
	select {
	case <-l.done:
	case <-ctx.Done():
	}
	s.mu.Lock()
	if l.waiting--; l.waiting == 0 && s.current == l {
		l.abandoned = true
		l.cancel()
	}
}

func (s *Shared[Q, V]) withdraw(ask *Q) {
	s.next = slices.DeleteFunc(s.next, func(other *Q) bool { return other == ask })
}

// start begins the next look.
func (s *Shared[Q, V]) start(ctx context.Context) {
	asks := make([]Q, len(s.next))
	for i, ask := range s.next {
		asks[i] = *ask
	}
	s.next = nil
	// The look serves others too: it must not end with the context of the caller that happened to start it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	s.begun++
	l := &look[V]{number: s.begun, began: s.now(), done: make(chan struct{}), cancel: cancel}
	s.current = l
	go func() {
		defer cancel()
		value, err := s.read(ctx, asks)
		s.mu.Lock()
		defer s.mu.Unlock()
		l.value, l.err = value, err
		s.current = nil
		if err == nil {
			s.good, s.failed = l, nil
		} else if !l.abandoned {
			s.failed = l
		}
		close(l.done)
	}()
}
