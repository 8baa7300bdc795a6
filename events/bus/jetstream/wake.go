package jetstream

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"reprotect.example/events/bus"
)

// Wake implements bus.Broker with a message that the server delivers at its time. It comes at most half a
// second or so late.
func (c *Conn) Wake(ctx context.Context, service, key string, at time.Time, m bus.Message) error {
	msg := &nats.Msg{Subject: timerSubject(service, key), Header: header(m.Headers), Data: m.Data}
	schedule(msg, service, key, c.clock.Brokers(at))
	begun := time.Now()
	_, err := c.js.PublishMsg(ctx, msg)
	if err != nil {
		err = fmt.Errorf("wake-up of %s: %w", service, c.explain(err, msg.Subject, begun))
	}
	return c.sent(StreamWake(service), err)
}

// schedule sets the server's headers by hand: nats.go writes whole seconds, which may fire a second early.
func schedule(msg *nats.Msg, service, key string, at time.Time) {
	msg.Header.Set("Nats-Schedule", "@at "+at.UTC().Format(time.RFC3339Nano))
	msg.Header.Set("Nats-Schedule-Target", dueSubject(service, key))
}

const (
	reconcileEvery = time.Minute
	overdue        = 30 * time.Second
)

// reconcile publishes anew the timers that are overdue: those that came due while the server's storage was full
// stay stuck until then.
func (c *Conn) reconcile(ctx context.Context, service string, done <-chan struct{}) {
	ticker := time.NewTicker(reconcileEvery)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			if err := c.consumer(ctx, StreamLog, service); err != nil && ctx.Err() == nil { // it tells the server's time
				c.log.Warn("the server's time could not be read", slog.String("service", service), slog.Any("error", err))
			}
			n, err := c.renewOverdue(ctx, service, c.clock.Brokers(c.now()).Add(-overdue))
			if err != nil && ctx.Err() == nil {
				c.log.Warn("overdue wake-ups could not be read", slog.String("service", service), slog.Any("error", err))
			}
			if n > 0 {
				c.log.Warn("wake-ups were stuck and are scheduled anew", slog.String("service", service), slog.Int("count", n))
			}
		}
	}
}

// renewOverdue walks the timers of a service and publishes anew each that should have fired before a time, which
// must have passed: what is renewed is due now, and so not met again on the walk.
func (c *Conn) renewOverdue(ctx context.Context, service string, before time.Time) (renewed int, err error) {
	prefix := timerSubject(service, "")
	for from := uint64(1); ; {
		page, last, err := c.page(ctx, StreamWake(service), pageRequest{Seq: from, Next: prefix + ">", Batch: pageSize})
		if err != nil {
			return renewed, err
		}
		for _, msg := range page {
			text, _ := strings.CutPrefix(msg.Header.Get("Nats-Schedule"), "@at ")
			at, err := time.Parse(time.RFC3339Nano, text)
			if err != nil || !at.Before(before) {
				continue
			}
			key := strings.TrimPrefix(told(msg, jetstream.SubjectHeader), prefix)
			anew := &nats.Msg{Subject: prefix + key, Header: nats.Header{}, Data: msg.Data}
			for k, v := range msg.Header {
				if !strings.HasPrefix(k, "Nats-") {
					anew.Header[k] = v
				}
			}
			schedule(anew, service, key, c.clock.Brokers(c.now()))
			if _, err := c.js.PublishMsg(ctx, anew); err != nil {
				return renewed, fmt.Errorf("wake-up %s: %w", key, err)
			}
			renewed++
		}
		if len(page) == 0 {
			return renewed, nil
		}
		from = last + 1
	}
}
