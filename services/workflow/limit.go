package workflow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

const (
	// parting is how long a handler whose context has ended may take to come back, before its message is handed back
	// without it.
	parting = 5 * time.Second
	// remembered is how long a message counts as one whose handler hangs when it does not come again: another process
	// may have taken it.
	remembered = 5 * time.Minute
)

var errLimit = errors.New("its time limit is over")

// call asks a handler within its time limit. When that or ctx ends, the handler has parting to come back
// and is then left behind. A panic in it is an error like any other.
func (l *delivering) call(ctx context.Context, kind string, limit time.Duration, in incoming, ask func(context.Context) (outcome, error)) (outcome, error) {
	limited, cancel := context.WithTimeoutCause(ctx, limit, errLimit)
	defer cancel()
	type answer struct {
		outcome
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if p := recover(); p != nil {
				a = answer{err: fmt.Errorf("handler panicked: %v", p)}
				l.log(in).Error("handler panicked", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			}
			answers <- a
		}()
		a.outcome, a.err = ask(limited)
	}()

	message := hanging{kind, in.Subject, in.Sequence}
	select {
	case a := <-answers:
		if limited.Err() == nil {
			l.hangs.over(message)
		}
		return a.outcome, a.err
	case <-limited.Done():
	}
	err := ctx.Err()
	if err == nil {
		err = fmt.Errorf("the handler did not end within %s: %w", limit, errLimit)
		l.hangs.begin(message, l.o.Now())
	}
	timer := time.NewTimer(parting)
	defer timer.Stop()
	select {
	case a := <-answers:
		if a.err != nil {
			return a.outcome, fmt.Errorf("%w: %w", err, a.err)
		}
		l.hangs.over(message)
		return a.outcome, nil
	case <-timer.C:
	}
	l.hangs.leave(message, l.o.Now())
	l.log(in).Error("handler does not heed its context and is left behind", slog.String("kind", kind), slog.Duration("limit", limit))
	go func() {
		<-answers
		l.hangs.back(message)
	}()
	return outcome{}, err
}

// hanging names a message whose handler took longer than its route allows.
type hanging struct {
	kind, subject string
	sequence      uint64
}

// hangs holds the messages whose handlers hang.
type hangs struct {
	tell func(kind string, messages, handlers int) // by how much the numbers change

	mu       sync.Mutex
	messages map[hanging]*hang
	closed   bool // nothing is delivered any more
}

type hang struct {
	last     time.Time // when the handler was seen to hang
	handlers int       // left behind, and not back yet
}

func (h *hangs) begin(m hanging, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.note(m, now)
}

func (h *hangs) note(m hanging, now time.Time) *hang {
	known := h.messages[m]
	if known == nil {
		known = &hang{}
		h.messages[m] = known
		h.tell(m.kind, 1, 0)
	}
	known.last = now
	return known
}

func (h *hangs) leave(m hanging, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.note(m, now).handlers++
	h.tell(m.kind, 0, 1)
}

func (h *hangs) back(m hanging) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.messages[m].handlers--
	h.tell(m.kind, 0, -1)
	if h.closed {
		h.forget(m)
	}
}

// over is called when a handler has answered, or its message is given up.
func (h *hangs) over(m hanging) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forget(m)
}

// expire forgets what was seen to hang before a time.
func (h *hangs) expire(before time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for m, known := range h.messages {
		if !known.last.After(before) {
			h.forget(m)
		}
	}
}

func (h *hangs) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for m := range h.messages {
		h.forget(m)
	}
}

// forget takes a message off, unless a handler of it still runs.
func (h *hangs) forget(m hanging) {
	if known := h.messages[m]; known != nil && known.handlers == 0 {
		delete(h.messages, m)
		h.tell(m.kind, -1, 0)
	}
}
