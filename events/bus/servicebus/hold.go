package servicebus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"

	"reprotect.example/events/bus"
)

// Who holds a service has the session of its name in the queue for holds. Azure gives a session to one at a time, and
// takes it away when its lock is not renewed, but also as soon as the holder's connection breaks, of which the holder may
// not know yet. So a holder leaves a mark in the session's state, and takes it away when it goes. Who gets a session that
// is marked waits until whoever left the mark counts itself the holder no longer.
const (
	renewEvery = 3 * time.Second
	// sure is how long after the last renewal began a holder still counts as one: before the lock of 10 s runs out.
	sure      = 7 * time.Second
	holdFor   = 10 * time.Second // holdLock, as Azure counts from when it is renewed
	askEvery  = time.Second
	renewCall = 3 * time.Second
	mark      = "held"
)

// Hold implements bus.Broker. A holder that cannot reach the namespace for 7 seconds counts as one no longer. Where the
// namespace sees its connection break, somebody else holds the service 7 seconds after that; where its machine is gone
// without a word, the session's lock of 10 seconds must run out before.
func (c *Conn) Lease(ctx context.Context, service string) (context.Context, func(), error) {
	what := "hold " + service
	var away, answers bool // what the last asking found
	for {
		began := time.Now()
		asking, cancel := c.bounded(ctx)
		session, err := c.client.AcceptSessionForQueue(asking, queueHold, short(service, 100), nil)
		cancel()
		taken := is(err, azservicebus.CodeTimeout, sessionTaken)
		if err == nil {
			if began, err = c.own(ctx, session, began); err != nil {
				c.leave(session, time.Time{})
			}
			taken = errors.Is(err, errBetween) || is(err, azservicebus.CodeLockLost, lockLost)
		}
		switch {
		case err == nil:
			_ = c.went(what, nil)
			held, release := c.keep(ctx, service, session, began)
			return held, release, nil
		case ctx.Err() != nil:
			return nil, nil, ctx.Err()
		case c.open.Err() != nil:
			return nil, nil, fmt.Errorf("hold %s: %w", service, bus.ErrClosed)
		}
		if taken {
			if !answers {
				_ = c.went(what, nil)
			}
			away, answers = false, true
			c.log.Debug("somebody else has the service", slog.String("service", service), slog.Any("error", err))
		} else {
			if err = c.went(what, err); lost(err) {
				return nil, nil, err
			}
			if !away {
				c.log.Warn("the service cannot be asked for, will try on", slog.String("service", service), slog.Any("error", err))
			}
			away, answers = true, false
		}
		select {
		case <-time.After(askEvery):
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-c.open.Done():
		}
	}
}

// sessionTaken is what the namespace says of a session that somebody else has. A timeout that it tells of itself is an
// answer, too.
const sessionTaken amqp.ErrCond = "com.microsoft:session-cannot-be-locked"

// errBetween says that others may have had the session in the midst of taking it.
var errBetween = errors.New("the session was lost for a moment")

// own makes this process the holder of the session that it asked for at a time. It returns from when on the lock runs.
func (c *Conn) own(ctx context.Context, session *azservicebus.SessionReceiver, began time.Time) (time.Time, error) {
	until := session.LockedUntil()
	call := func(do func(context.Context) error) error {
		ctx, cancel := context.WithTimeout(ctx, renewCall)
		defer cancel()
		return do(ctx)
	}
	var state []byte
	err := call(func(ctx context.Context) (err error) {
		state, err = session.GetSessionState(ctx, nil)
		return err
	})
	if err != nil {
		return began, err
	}
	marked := string(state) == mark // the SDK clears a state by an empty one
	if marked {
		select {
		case <-time.After(sure):
		case <-ctx.Done():
			return began, ctx.Err()
		case <-c.open.Done():
			return began, bus.ErrClosed
		}
	}
	err = call(func(ctx context.Context) error { return session.SetSessionState(ctx, []byte(mark), nil) })
	if err == nil && !session.LockedUntil().Equal(until) { // the SDK took it anew; others may have had it in between
		err = errBetween
	}
	if err == nil && marked {
		began = time.Now()
		err = call(func(ctx context.Context) error { return session.RenewSessionLock(ctx, nil) })
	}
	return began, err
}

// keep renews the session until ctx ends, it is released, or it is lost.
func (c *Conn) keep(ctx context.Context, service string, session *azservicebus.SessionReceiver, began time.Time) (context.Context, func()) {
	held, end := context.WithCancel(ctx)
	stop := context.AfterFunc(c.open, end)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer stop()
		defer end()
		ticker := time.NewTicker(renewEvery)
		defer ticker.Stop()
		what := "renew the hold of " + service
		away := false
		for {
			lapse := time.AfterFunc(time.Until(began.Add(sure)), end)
			select {
			case <-held.Done():
				lapse.Stop()
				c.leave(session, began.Add(sure))
				return
			case <-ticker.C:
			}
			next := time.Now()
			renewing, cancel := context.WithTimeout(held, renewCall)
			err := session.RenewSessionLock(renewing, nil)
			cancel()
			lapse.Stop()
			taken := is(err, azservicebus.CodeLockLost, lockLost)
			if away && (err == nil || taken) {
				_ = c.went(what, nil) // it answers again
			}
			away = err != nil && !taken
			switch {
			case err == nil:
				began = next
				c.clock.Saw(session.LockedUntil().Add(-holdFor), time.Now())
			case taken:
				c.log.Warn("the hold was lost to another process", slog.String("service", service))
				end()
			case held.Err() == nil:
				c.log.Warn("the hold could not be renewed", slog.String("service", service), slog.Any("error", c.went(what, err)))
			}
		}
	}()
	return held, sync.OnceFunc(func() {
		end()
		<-done
	})
}

// leave gives the session back; when that fails, its lock runs out. Until a time nobody else can be the holder: the mark
// is this process's own, and goes first.
func (c *Conn) leave(session *azservicebus.SessionReceiver, until time.Time) {
	if left := min(time.Until(until), time.Second); left > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), left)
		_ = session.SetSessionState(ctx, nil, nil) // else the next one waits
		cancel()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = session.Close(ctx)
}
