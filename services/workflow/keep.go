package workflow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// keeper is the ordered consumer of a service that keeps every message (Service.Keep).
type keeper struct {
	*delivering
	turn chan struct{} // holds the one who takes the next delivery and hands it over
}

func newKeeper(d *delivering) keeper { return keeper{d, make(chan struct{}, 1)} }

// kept stands in the place of a route: its messages follow from no handler, and nobody waits for their answers.
var kept = Route{
	kind:   events.Kind{Name: "everything"},
	giveUp: func(events.Header, incoming, error) []Draft { return nil },
}

// next hands a delivery over before anybody takes the one after it, and returns what waits until it is kept.
func (k keeper) next(ctx, working context.Context) (process func(), err error) {
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	d, in, err := k.take(ctx)
	if err != nil {
		return nil, err
	}
	var wait func() error
	if !k.endless(in) {
		wait = k.hand(working, in)
	}
	return func() {
		k.process(working, d, in, func(ctx context.Context, d bus.Delivery, in incoming) (kind, how string, err error) {
			return k.await(ctx, d, in, wait)
		})
	}, nil
}

// hand hands a message over. A panic comes out of what waits, where it is an error like any other.
func (k keeper) hand(ctx context.Context, in incoming) (wait func() error) {
	defer func() {
		if p := recover(); p != nil {
			wait = func() error { panic(p) }
		}
	}()
	return k.service.Keep(ctx, in.Received)
}

// await settles a message once it is kept. One that cannot be kept is brought again by a wake-up, so that its deliveries
// are not counted.
func (k keeper) await(ctx context.Context, d bus.Delivery, in incoming, wait func() error) (kind, how string, err error) {
	// Each message waits for itself: of one case there may be many.
	header := events.Header{ID: fmt.Sprintf("%s %d %s", in.Subject, in.Sequence, in.ID)}
	result, failure := outcome{}, errEndless(in)
	if !k.endless(in) {
		result, failure = k.call(ctx, kept.kind.Name, kept.limit(), in, func(ctx context.Context) (outcome, error) {
			err := wait()
			if err != nil && ctx.Err() == nil {
				k.log(in).Warn("message cannot be kept, will try again", slog.Any("error", err))
				return outcome{after: Backoff(in.wait.Looks+1, k.o.Jitter())}, nil
			}
			return outcome{}, err
		})
	}
	if errors.Is(failure, errLimit) {
		result, failure = outcome{after: Backoff(in.wait.Looks+1, k.o.Jitter())}, nil
	}
	how, err = k.settle(ctx, d, in, kept, header, result, failure)
	return kept.kind.Name, how, err
}

// everything is what a service keeps that keeps all of these sites.
func everything(sites []string) []string {
	if len(sites) == 0 {
		return []string{events.SubjectCommands + ".>", events.SubjectFacts + ".>", events.SubjectNotifications + ".>"}
	}
	filters := append([]string{events.SubjectCommands + ".>"}, perSite(sites, ">")...)
	for _, site := range sites {
		filters = append(filters, events.NotificationSubject(site, "*"))
	}
	return filters
}
