package workflow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"reprotect.example/events/bus"
)

// Options of Run. The zero value is fit for production.
type Options struct {
	Now         func() time.Time
	Jitter      func() float64 // 0 ≤ x < 1
	Log         *slog.Logger
	AckWait     time.Duration // 30 s
	Concurrency int           // handlers at once; 64
	MaxAttempts int           // deliveries of one message before it is given up; 10
	Grace       time.Duration // for handlers under way when ctx ends; 20 s
	// Observe is told of each message when it is done with: "done", "waiting",
	// "retried", "dead-lettered", "passed".
	Observe func(service, kind, how string, took time.Duration)
	// Hanging is told by how much the number of messages changes whose handler took longer than its route allows and
	// that have not come to an end since, and that of handlers which still run after they were left behind.
	Hanging func(service, kind string, messages, handlers int)
	// Occupied is told under how many steps something was found to stand that is no outcome of them, since the service
	// began and until they are decided. 'reprotect bus void' makes it void.
	Occupied func(service string, steps int)
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
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
	if o.Hanging == nil {
		o.Hanging = func(string, string, int, int) {}
	}
	if o.Occupied == nil {
		o.Occupied = func(string, int) {}
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
			o.Log.Warn("the service cannot be held, will try again", slog.String("service", s.Name), slog.Any("error", err))
			pause(ctx, Backoff(1, o.Jitter()))
			continue
		}
		o.Log.Info("this process serves, others stand by", slog.String("service", s.Name))
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
	l := &delivering{
		broker: b, service: s, o: o, source: source, leaving: ctx.Done(),
		underway: underway{since: map[bus.Delivery]time.Time{}},
		hangs:    hangs{messages: map[hanging]*hang{}, tell: func(kind string, messages, handlers int) { o.Hanging(s.Name, kind, messages, handlers) }},
	}
	l.occupied.tell = func(steps int) { o.Occupied(s.Name, steps) }
	defer l.hangs.close()
	next := loop{l, s.served()}.next
	if s.Keep != nil {
		next = newKeeper(l).next
	}
	var beating, workers sync.WaitGroup
	beating.Go(func() { l.heartbeat(working) })
	defer beating.Wait()
	defer stop()
	broke := make(chan struct{})
	end := sync.OnceFunc(func() { close(broke) })
	for range o.Concurrency {
		workers.Go(func() {
			for {
				process, err := next(ctx, working)
				if err != nil {
					end()
					return
				}
				process()
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
