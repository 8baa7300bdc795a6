package asr

import (
	"context"
	"sync"
	"time"

	"reprotect.example/services/observed"
)

const (
	lookLimit  = 2 * time.Minute // a look that takes longer is given up
	failureAge = 5 * time.Second // how long a failed look answers for a new one
)

// looks shares what is read: at any moment at most one look runs, for whoever wants its outcome.
type looks struct {
	mu      sync.Mutex
	begun   int     // how many looks were begun
	current *flight // running, or nil
	good    *flight // the last one that succeeded, or nil
	failed  *flight // the last one that failed, or nil
}

// flight is one look at the vault, on its way or over.
type flight struct {
	number int
	began  time.Time
	whole  bool
	done   chan struct{}

	waiting   int                // callers; when the last one leaves, the flight is cancelled
	cancel    context.CancelFunc // ends the flight
	abandoned bool

	vault observed.Vault // valid after done
	err   error
}

// share returns the outcome of a look that is young enough, running one with read when there is none.
func (s *looks) share(ctx context.Context, maxAge time.Duration, now func() time.Time, read func(context.Context, bool) (observed.Vault, error)) (observed.Vault, error) {
	s.mu.Lock()
	before := s.begun
	for {
		for _, l := range []*flight{s.good, s.failed} {
			if l != nil && l.answers(before, maxAge, now()) {
				s.mu.Unlock()
				return l.vault, l.err
			}
		}
		if s.current == nil {
			s.start(ctx, maxAge <= 0, now, read)
		}
		l := s.current
		wanted := l.answers(before, maxAge, now())
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
		if ctx.Err() != nil {
			s.mu.Unlock()
			return observed.Vault{}, ctx.Err()
		}
		if wanted {
			s.mu.Unlock()
			return l.vault, l.err
		}
	}
}

// answers says whether the outcome serves a caller that came when `before` looks had begun.
func (l *flight) answers(before int, maxAge time.Duration, now time.Time) bool {
	if l.abandoned && l.vault.Taken.IsZero() {
		return false // on its way to end without an outcome
	}
	if maxAge <= 0 {
		return l.whole && l.number > before
	}
	if l.err != nil {
		maxAge = min(maxAge, failureAge)
	}
	return l.number > before || now.Sub(l.began) <= maxAge
}

func (s *looks) start(ctx context.Context, whole bool, now func() time.Time, read func(context.Context, bool) (observed.Vault, error)) {
	// The look serves others too: it must not end with the context of the caller that happened to start it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookLimit)
	s.begun++
	l := &flight{number: s.begun, began: now(), whole: whole, done: make(chan struct{}), cancel: cancel}
	s.current = l
	go func() {
		defer cancel()
		vault, err := read(ctx, whole)
		s.mu.Lock()
		defer s.mu.Unlock()
		l.vault, l.err = vault, err
		s.current = nil
		if err == nil {
			s.good, s.failed = l, nil
		} else if !l.abandoned {
			s.failed = l
		}
		close(l.done)
	}()
}
