package workflow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// delivering is what the loop and the keeper have in common: one subscription of a service.
type delivering struct {
	broker  bus.Broker
	service Service
	o       Options
	source  bus.Source
	leaving <-chan struct{} // closed when nothing more is taken

	underway underway
	hangs    hangs
	occupied occupiedSteps
}

// loop asks the handlers of a service's routes, many at once.
type loop struct {
	*delivering
	routes []served
}

// next waits for a delivery, and returns what takes it to its end.
func (l loop) next(ctx, working context.Context) (process func(), err error) {
	d, in, err := l.take(ctx)
	if err != nil {
		return nil, err
	}
	return func() { l.process(working, d, in, l.answer) }, nil
}

func (l *delivering) take(ctx context.Context) (d bus.Delivery, in incoming, err error) {
	if d, err = l.source.Next(ctx); err != nil {
		return nil, in, err
	}
	l.underway.add(d, l.o.Now())
	return d, unwrap(d.Received()), nil
}

// endless says whether a message was delivered so often that it is not looked at any more.
func (l *delivering) endless(in incoming) bool { return in.Attempt > endless*l.o.MaxAttempts }

// answering answers a delivery, and says of what kind it is and what became of it.
type answering func(ctx context.Context, d bus.Delivery, in incoming) (kind, how string, err error)

// process takes one delivery to its end. An error on the way leaves the message unsettled; the broker delivers
// it again.
func (l *delivering) process(ctx context.Context, d bus.Delivery, in incoming, answer answering) {
	begun := l.o.Now()
	defer l.underway.remove(d)
	kind, how, err := answer(ctx, d, in)
	if err != nil && ctx.Err() == nil {
		l.log(in).Warn("message not settled, it will come again", slog.Any("error", err))
	}
	l.o.Observe(l.service.Name, kind, how, l.o.Now().Sub(begun))
}

// log names the message in what is logged of it.
func (l *delivering) log(in incoming) *slog.Logger {
	return l.o.Log.With(slog.String("service", l.service.Name), slog.String("subject", in.Subject), slog.Uint64("sequence", in.Sequence))
}

func (l loop) answer(ctx context.Context, d bus.Delivery, in incoming) (kind, how string, err error) {
	route, ok := routeOf(l.routes, in.Subject)
	if !ok && l.service.All {
		return "", "passed", d.Ack(ctx)
	}
	if !ok {
		return "", "dead-lettered", l.deadLetter(ctx, d, in, "malformed", errors.New("no handler for this subject"))
	}
	message, failure := route.read(in)
	header := message.header
	if header.ID == "" {
		header.ID = bus.CommandID(in.Received)
	}
	for looks := 1; ; looks++ {
		var result outcome
		asked := failure
		switch {
		case l.endless(in):
			asked = errEndless(in)
		case failure == nil:
			result, asked = l.call(ctx, route.kind.Name, route.limit(), in, func(ctx context.Context) (outcome, error) { return message.ask(ctx, l.delivering) })
		}
		how, err = l.settle(ctx, d, in, route, header, result, asked)
		var trouble *busTrouble
		if !errors.As(err, &trouble) {
			return route.kind.Name, how, err
		}
		l.log(in).Warn("the answer is not on the bus, will ask and publish anew", slog.Int("times", looks), slog.Any("error", err))
		if !l.stays(ctx, Backoff(looks, l.o.Jitter())) {
			return route.kind.Name, how, errors.Join(err, d.Retry(ctx, Backoff(in.Attempt, l.o.Jitter())))
		}
	}
}

// busTrouble is why an answer is not on the bus. That is no fault of its message, and takes none of its tries: it stays
// under way, and its handler is asked anew until the bus takes the answer.
type busTrouble struct{ error }

func (b *busTrouble) Unwrap() error { return b.error }

// stays waits, and says whether this process goes on with its messages.
func (l *delivering) stays(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-l.leaving:
	case <-ctx.Done():
	}
	return false
}

func errEndless(in incoming) error {
	return fmt.Errorf("delivered %d times, and never came to an end", in.Attempt)
}

// settle does what a handler has left to do, or what follows from its failure, and ends the delivery.
func (l *delivering) settle(ctx context.Context, d bus.Delivery, in incoming, route Route, header events.Header, result outcome, failure error) (how string, err error) {
	var rejection *Rejection
	if failure == nil {
		how, err = l.finish(ctx, d, in, route, header, result)
		if !errors.As(err, &rejection) {
			return how, err
		}
		failure = err
	}
	if ctx.Err() != nil {
		return "retried", nil // drained: whoever comes next takes it up
	}

	var broken *malformed
	var reason string
	switch {
	case errors.As(failure, &broken):
		reason = "malformed"
	case errors.As(failure, &rejection):
		reason = "rejected"
	case in.Attempt >= l.o.MaxAttempts:
		reason = "attempts-exhausted"
	}
	if reason == "" {
		pause := Backoff(in.Attempt, l.o.Jitter())
		l.log(in).Warn("handler failed, will try again", slog.Int("attempt", in.Attempt), slog.Duration("after", pause), slog.Any("error", failure))
		return "retried", d.Retry(ctx, pause)
	}
	l.log(in).Error("message given up", slog.String("reason", reason), slog.Int("attempt", in.Attempt), slog.Any("error", failure))
	l.hangs.over(hanging{route.kind.Name, in.Subject, in.Sequence})
	if reason != "malformed" {
		if err := l.tell(ctx, in, header, route, failure); err != nil {
			return "retried", err
		}
	}
	return "dead-lettered", l.deadLetter(ctx, d, in, reason, failure)
}

// tell publishes that a message is given up; without its case, where that leaves no room.
func (l *delivering) tell(ctx context.Context, in incoming, h events.Header, route Route, failure error) error {
	var rejection *Rejection
	err := l.publish(ctx, in, h, route.giveUp(h, in, failure))
	if errors.As(err, &rejection) {
		in.Data = nil
		err = l.publish(ctx, in, h, route.giveUp(h, in, failure))
	}
	var stands *Occupied
	if errors.As(err, &stands) && h.Case != "" {
		now := l.o.Now()
		return l.publish(ctx, in, h, []Draft{Fact(events.TypeWaiting, "", events.Waiting{
			For: events.ForOperator, Code: stands.Code, Message: stands.Message, Remedy: stands.Remedy, Since: now, NextLook: now,
		})})
	}
	if errors.As(err, &rejection) {
		l.log(in).Error("only the dead letter tells that the message is given up", slog.Any("error", err))
		return nil
	}
	return err
}

// finish publishes what the handler drafted, then schedules the wake-up if it asked for one, then settles. A *Rejection
// says that this can never be done; the message is under way still.
func (l *delivering) finish(ctx context.Context, d bus.Delivery, in incoming, route Route, h events.Header, r outcome) (string, error) {
	err := l.publish(ctx, in, h, r.publish)
	var rejection *Rejection
	switch {
	case errors.As(err, &rejection):
		return "", err
	case err != nil:
		return "retried", &busTrouble{err}
	}
	if r.after <= 0 {
		return "done", d.Ack(ctx)
	}
	of := cmp.Or(h.Case, events.Token(h.ID))
	if route.each {
		of = events.Token(h.ID)
	}
	key := of + "." + cmp.Or(route.step, route.kind.Name) // a route may decide no step
	if in.wait.Anew.Void > 0 {                            // beside what may wait from before
		key += fmt.Sprintf("-%d", in.wait.Anew.Void)
	}
	wait := wait{Looks: in.wait.Looks + 1, State: r.state, Position: position(in, h) + len(r.publish), Chain: in.wait.Chain, Anew: in.wait.Anew}
	woken, err := wrap(in.Received, wait)
	if err == nil {
		woken.ID = fmt.Sprintf("%s#%s%d", key, wait.Chain, wait.Looks)
		err = l.broker.Wake(ctx, l.service.durable(), key, l.o.Now().Add(r.after), woken)
	}
	switch {
	case errors.Is(err, bus.ErrTooLarge):
		return "", unpublishable(err)
	case err != nil:
		return "retried", &busTrouble{fmt.Errorf("schedule wake-up: %w", err)}
	}
	return "waiting", d.Ack(ctx)
}

// underway holds the deliveries whose handlers run, so that one ticker can keep them all alive.
type underway struct {
	mu    sync.Mutex
	since map[bus.Delivery]time.Time
}

func (u *underway) add(d bus.Delivery, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.since[d] = now
}

func (u *underway) remove(d bus.Delivery) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.since, d)
}

// before lists the deliveries that are under way since before t.
func (u *underway) before(t time.Time) []bus.Delivery {
	u.mu.Lock()
	defer u.mu.Unlock()
	var old []bus.Delivery
	for d, since := range u.since {
		if !since.After(t) {
			old = append(old, d)
		}
	}
	return old
}

// heartbeat tells the broker that handlers still work, well within AckWait, until ctx ends.
func (l *delivering) heartbeat(ctx context.Context) {
	pause := l.o.AckWait / 4
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			l.hangs.expire(l.o.Now().Add(-remembered))
			for _, d := range l.underway.before(l.o.Now().Add(-pause)) {
				if err := d.Extend(ctx); err != nil && ctx.Err() == nil {
					l.o.Log.Warn("delivery not extended, it may come again", slog.String("service", l.service.Name), slog.Any("error", err))
				}
			}
		}
	}
}
