package workflow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"go.uber.org/zap"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// Options of Run. The zero value is fit for production.
type Options struct {
	Now         func() time.Time
	Jitter      func() float64 // 0 ≤ x < 1
	Log         *zap.Logger
	AckWait     time.Duration // 30 s
	Concurrency int           // handlers at once; 64
	MaxAttempts int           // deliveries of one message before it is given up; 10
	Grace       time.Duration // for handlers under way when ctx ends; 20 s
	// Observe is told of each message when it is done with: "done", "waiting",
	// "retried", "buried", "passed".
	Observe func(service, kind, how string, took time.Duration)
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.AckWait == 0 {
		o.AckWait = 30 * time.Second
	}
	if o.Concurrency == 0 {
		o.Concurrency = 64
	}
	if o.MaxAttempts == 0 {
		o.MaxAttempts = 10
	}
	if o.Grace == 0 {
		o.Grace = 20 * time.Second
	}
	if o.Observe == nil {
		o.Observe = func(string, string, string, time.Duration) {}
	}
	return o
}

// endless times MaxAttempts is how often a message may be delivered in all. One that kills its process each time
// never comes back with an error.
const endless = 5

// Backoff is the pause before another delivery: half a second doubling to half a minute, of which a random half
// is taken off, so that those who failed together do not return together.
func Backoff(attempt int, jitter float64) time.Duration {
	const first, most = 500 * time.Millisecond, 30 * time.Second
	pause := float64(first) * math.Pow(2, float64(min(attempt-1, 10)))
	return time.Duration(min(pause, float64(most)) * (1 - jitter/2))
}

// Run delivers messages to the service's handlers until ctx ends; then it takes no more, lets those under way
// finish within the grace, and returns nil. It fails only when the subscription cannot be made or the
// connection is closed for good.
func Run(ctx context.Context, b bus.Broker, s Service, o Options) error {
	o = o.withDefaults()
	if !s.Alone {
		return run(ctx, context.WithoutCancel(ctx), b, s, o)
	}
	for ctx.Err() == nil {
		if s.StandBy != nil {
			s.StandBy()
		}
		held, release, err := hold(ctx, b, s.durable())
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, bus.ErrClosed), errors.Is(err, bus.ErrMissing), errors.Is(err, bus.ErrNotPermitted):
			return fmt.Errorf("%s: hold: %w", s.Name, err)
		case err != nil:
			o.Log.Warn("the service cannot be held, will try again", zap.String("service", s.Name), zap.Error(err))
			pause(ctx, Backoff(1, o.Jitter()))
			continue
		}
		o.Log.Info("this process serves, others stand by", zap.String("service", s.Name))
		if s.Begin != nil {
			beginning, end := context.WithCancel(held)
			stop := context.AfterFunc(ctx, end)
			s.Begin(beginning)
			stop()
			end()
		}
		err = run(ctx, held, b, s, o)
		release()
		if err != nil {
			return err
		}
	}
	return nil
}

// hold asks for the service until ctx ends. What is held outlives ctx, for the handlers under way.
func hold(ctx context.Context, b bus.Broker, service string) (context.Context, func(), error) {
	asking, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, giveUp)
	held, release, err := b.Lease(asking, service)
	if err != nil {
		giveUp()
		return nil, nil, err
	}
	end := func() {
		release()
		giveUp()
	}
	if !stop() {
		end()
		return nil, nil, ctx.Err()
	}
	return held, end, nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// run delivers until ctx ends; handlers may go on as long as held lasts, and when that ends everything stops at once.
func run(ctx, held context.Context, b bus.Broker, s Service, o Options) error {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	defer context.AfterFunc(held, leave)()
	consumer := s.Consumer()
	consumer.AckWait, consumer.Pending = o.AckWait, 4*o.Concurrency
	source, err := b.Consume(ctx, consumer)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("%s: subscribe: %w", s.Name, err)
	}
	defer source.Close()

	// Handlers outlive ctx by the grace.
	working, stop := context.WithCancel(held)
	l := &loop{broker: b, service: s, o: o, source: source, turn: make(chan struct{}, 1), underway: underway{since: map[bus.Delivery]time.Time{}}}
	var beating, workers sync.WaitGroup
	beating.Go(func() { l.heartbeat(working) })
	defer beating.Wait()
	defer stop()
	broke := make(chan struct{})
	end := sync.OnceFunc(func() { close(broke) })
	for range o.Concurrency {
		workers.Go(func() {
			for {
				delivery, in, err := l.take(ctx, working)
				if err != nil {
					end()
					return
				}
				l.process(working, delivery, in)
			}
		})
	}
	select {
	case <-broke:
	case <-ctx.Done(): // the workers may all be busy
	}
	source.Close()
	if ctx.Err() == nil { // closed under us: nothing can be published or settled any more
		stop()
		workers.Wait()
		return fmt.Errorf("%s: %w", s.Name, bus.ErrClosed)
	}
	timer := time.AfterFunc(o.Grace, stop)
	defer timer.Stop()
	workers.Wait()
	return nil
}

type loop struct {
	broker  bus.Broker
	service Service
	o       Options
	source  bus.Source

	underway underway
	turn     chan struct{} // holds the one who takes the next delivery, where they are handed on in order
}

// take waits for the next delivery. One that is handed on in order is handed on before anybody takes the next.
func (l *loop) take(ctx, working context.Context) (d bus.Delivery, in incoming, err error) {
	if l.service.inOrder() {
		select {
		case l.turn <- struct{}{}:
			defer func() { <-l.turn }()
		case <-ctx.Done():
			return nil, in, ctx.Err()
		}
	}
	if d, err = l.source.Next(ctx); err != nil {
		return nil, in, err
	}
	l.underway.add(d, l.o.Now())
	in = unwrap(d.Received())
	if route, ok := l.service.route(in.Subject); ok && route.hand != nil && !l.endless(in) {
		route.hand(working, &in)
	}
	return d, in, nil
}

// endless says whether a message was delivered so often that it is not looked at any more.
func (l *loop) endless(in incoming) bool { return in.Attempt > endless*l.o.MaxAttempts }

// process takes one delivery to its end. An error on the way leaves the message unsettled; the broker delivers
// it again.
func (l *loop) process(ctx context.Context, d bus.Delivery, in incoming) {
	begun := l.o.Now()
	defer l.underway.remove(d)
	log := l.o.Log.With(zap.String("service", l.service.Name), zap.String("subject", in.Subject), zap.Uint64("sequence", in.Sequence))
	kind, how, err := l.answer(ctx, d, in, log)
	if err != nil && ctx.Err() == nil {
		log.Warn("message not settled, it will come again", zap.Error(err))
	}
	l.o.Observe(l.service.Name, kind, how, l.o.Now().Sub(begun))
}

func (l *loop) answer(ctx context.Context, d bus.Delivery, in incoming, log *zap.Logger) (kind, how string, err error) {
	route, ok := l.service.route(in.Subject)
	if !ok && l.service.All {
		return "", "passed", d.Ack(ctx)
	}
	if !ok {
		return "", "buried", l.bury(ctx, d, in, "malformed", errors.New("no handler for this subject"))
	}
	var header events.Header
	var result Result
	failure := fmt.Errorf("delivered %d times, and never came to an end", in.Attempt)
	if !l.endless(in) {
		header, result, failure = l.call(ctx, route, in, log)
	} else if e, err := events.Parse(in.Data); err == nil {
		header = e.Header
	}
	kind = route.kind.Name
	if header.ID == "" {
		header.ID = bus.CommandID(in.Received)
	}
	var rejection *Rejection
	if failure == nil {
		how, err = l.finish(ctx, d, in, route, header, result)
		if !errors.As(err, &rejection) {
			return kind, how, err
		}
		failure = err
	}
	if ctx.Err() != nil {
		return kind, "retried", nil // drained: whoever comes next takes it up
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
		log.Warn("handler failed, will try again", zap.Int("attempt", in.Attempt), zap.Duration("after", pause), zap.Error(failure))
		return kind, "retried", d.Retry(ctx, pause)
	}
	log.Error("message given up", zap.String("reason", reason), zap.Int("attempt", in.Attempt), zap.Error(failure))
	if reason != "malformed" {
		if err := l.tell(ctx, in, header, route, failure, log); err != nil {
			return kind, "retried", err
		}
	}
	return kind, "buried", l.bury(ctx, d, in, reason, failure)
}

// tell publishes that a message is given up; without its case, where that leaves no room.
func (l *loop) tell(ctx context.Context, in incoming, h events.Header, route Route, failure error, log *zap.Logger) error {
	var rejection *Rejection
	err := l.publish(ctx, in, h, route.giveUp(h, in, failure))
	if errors.As(err, &rejection) {
		in.Data = nil
		err = l.publish(ctx, in, h, route.giveUp(h, in, failure))
	}
	if errors.As(err, &rejection) {
		log.Error("only the dead letter tells that the message is given up", zap.Error(err))
		return nil
	}
	return err
}

// call runs the handler; a panic in it is an error like any other.
func (l *loop) call(ctx context.Context, route Route, in incoming, log *zap.Logger) (h events.Header, r Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("handler panicked: %v", p)
			log.Error("handler panicked", zap.Any("panic", p), zap.StackSkip("stack", 1))
			e, _ := events.Parse(in.Data) // the handler's own reading is lost
			h = e.Header
		}
	}()
	return route.handle(ctx, in, l)
}

// finish publishes what the handler drafted, then schedules the wake-up if it asked for one, then settles. A *Rejection
// says that this can never be done; the message is under way still.
func (l *loop) finish(ctx context.Context, d bus.Delivery, in incoming, route Route, h events.Header, r Result) (string, error) {
	err := l.publish(ctx, in, h, r.Publish)
	var rejection *Rejection
	switch {
	case errors.As(err, &rejection):
		return "", err
	case err != nil:
		return "retried", errors.Join(err, d.Retry(ctx, Backoff(in.Attempt, l.o.Jitter())))
	}
	if r.After <= 0 {
		return "done", d.Ack(ctx)
	}
	of := cmp.Or(h.Case, events.Token(h.ID))
	key := of + "." + cmp.Or(route.step, route.kind.Name) // a route may decide no step
	wait := Wait{Looks: in.wait.Looks + 1, Note: r.Note, Position: position(in, h) + len(r.Publish), Chain: in.wait.Chain}
	woken, err := wrap(in.Received, wait)
	if err == nil {
		woken.ID = fmt.Sprintf("%s#%s%d", key, wait.Chain, wait.Looks)
		err = l.broker.Wake(ctx, l.service.durable(), key, l.o.Now().Add(r.After), woken)
	}
	switch {
	case errors.Is(err, bus.ErrTooLarge):
		return "", unpublishable(err)
	case err != nil:
		return "retried", fmt.Errorf("schedule wake-up: %w", err)
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
func (l *loop) heartbeat(ctx context.Context) {
	pause := l.o.AckWait / 4
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			for _, d := range l.underway.before(l.o.Now().Add(-pause)) {
				if err := d.Extend(ctx); err != nil && ctx.Err() == nil {
					l.o.Log.Warn("delivery not extended, it may come again", zap.String("service", l.service.Name), zap.Error(err))
				}
			}
		}
	}
}
