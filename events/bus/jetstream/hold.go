package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"reprotect.example/events/bus"
)

// Who holds a service is a message of the service's wake-up stream that the server forgets after holdFor, by its
// own clock. The holder renews it; whoever finds it gone takes its place, and the server lets one of many do so.
const (
	holdFor    = 10 * time.Second
	renewEvery = 2 * time.Second
	// sure is how long after the last renewal began a holder still counts as one: well before the server forgets.
	sure = 7 * time.Second
	free = "free" // body of what a holder leaves that goes by itself
)

func holdSubject(service string) string { return wakeSubject + service + ".hold" }

// Stands implements bus.Broker.
func (c *Conn) Stands(ctx context.Context, subject string) (bus.Received, bool, error) {
	return c.newest(ctx, api+"DIRECT.GET."+StreamLog+"."+subject, nil)
}

// Hold implements bus.Broker. A holder that cannot reach the server for 7 seconds counts as one no longer; 3 seconds
// after that somebody else can take its place.
func (c *Conn) Lease(ctx context.Context, service string) (context.Context, func(), error) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		begun := time.Now()
		last, err := c.takePlace(ctx, service)
		if err == nil {
			held, release := c.keep(ctx, service, last, begun)
			return held, release, nil
		}
		if !errors.Is(err, bus.ErrDecided) {
			return nil, nil, fmt.Errorf("hold %s: %w", service, err)
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-ticker.C:
		}
	}
}

// takePlace makes this process the holder when there is none; ErrDecided when there is.
func (c *Conn) takePlace(ctx context.Context, service string) (sequence uint64, err error) {
	body, err := json.Marshal(map[string]string{"last_by_subj": holdSubject(service)})
	if err != nil {
		return 0, err
	}
	last, found, err := c.newest(ctx, api+"DIRECT.GET."+StreamWake(service), body)
	if err != nil {
		return 0, err
	}
	if found && string(last.Data) != free {
		return 0, bus.ErrDecided
	}
	return c.claim(ctx, service, last.Sequence, c.name, holdFor)
}

// claim writes the holder's message in the place of the one before it, for a time.
func (c *Conn) claim(ctx context.Context, service string, before uint64, body string, ttl time.Duration) (sequence uint64, err error) {
	defer func() { err = c.sent(StreamWake(service), err) }()
	subject := holdSubject(service)
	msg := &nats.Msg{Subject: subject, Data: []byte(body)}
	begun := time.Now()
	ack, err := c.js.PublishMsg(ctx, msg, jetstream.WithExpectLastSequencePerSubject(before), jetstream.WithMsgTTL(ttl))
	var refusal *jetstream.APIError
	switch {
	case err == nil:
		return ack.Sequence, nil
	case errors.As(err, &refusal) && (refusal.ErrorCode == wrongSequence || refusal.ErrorCode == inFlight):
		return 0, bus.ErrDecided
	}
	return 0, c.explain(err, subject, begun)
}

// keep renews what is held until ctx ends, it is released, or it is lost.
func (c *Conn) keep(ctx context.Context, service string, last uint64, begun time.Time) (context.Context, func()) {
	held, end := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer end()
		ticker := time.NewTicker(renewEvery)
		defer ticker.Stop()
		for {
			lost := time.AfterFunc(time.Until(begun.Add(sure)), end)
			select {
			case <-held.Done():
				lost.Stop()
				c.leave(service, last)
				return
			case <-ticker.C:
			}
			next := time.Now()
			sequence, err := c.claim(held, service, last, c.name, holdFor)
			lost.Stop()
			switch {
			case err == nil:
				begun, last = next, sequence
			case errors.Is(err, bus.ErrDecided):
				c.log.Warn("the hold was lost to another process", slog.String("service", service))
				return
			case held.Err() != nil && ctx.Err() == nil:
				c.log.Warn("the hold was lost: the bus was away for too long", slog.String("service", service), slog.Any("error", err))
			default:
				c.log.Warn("the hold could not be renewed", slog.String("service", service), slog.Any("error", err))
			}
		}
	}()
	return held, sync.OnceFunc(func() {
		end()
		<-done
	})
}

// leave frees the place at once; when that fails, it is free when the server forgets.
func (c *Conn) leave(service string, last uint64) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := c.claim(ctx, service, last, free, time.Second); err != nil && !c.nc.IsClosed() {
		c.log.Info("the hold ends by itself", slog.String("service", service), slog.Any("error", err))
	}
}
