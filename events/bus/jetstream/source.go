package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"reprotect.example/events/bus"
)

// Consume implements bus.Broker. The stream and the durable consumers must exist (SetUp).
func (c *Conn) Consume(ctx context.Context, spec bus.Consumer) (bus.Source, error) {
	s := &source{conn: c, deliveries: make(chan *delivery), closing: make(chan struct{})}
	for _, from := range []struct {
		stream string
		woken  bool
	}{{StreamLog, false}, {StreamWake(spec.Service), true}} {
		err := c.consumer(ctx, from.stream, spec.Service)
		var p *pull
		if err == nil {
			p, err = c.pull(from.stream, spec.Service, s.closing)
		}
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("consume as %s from %s: %w", spec.Service, from.stream, err)
		}
		s.pumps.Go(func() { s.pump(p, from.woken) }) //nolint:contextcheck // a source lives until Close, not until the call ends that made it
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.stopReconciling = cancel
	s.pumps.Go(func() { c.reconcile(ctx, spec.Service, s.closing) })
	go func() {
		s.pumps.Wait()
		close(s.deliveries)
	}()
	return s, nil
}

// source merges the event log and the wake-ups of a service.
type source struct {
	conn            *Conn
	deliveries      chan *delivery
	closing         chan struct{}
	once            sync.Once
	pumps           sync.WaitGroup
	stopReconciling context.CancelFunc
}

// pump takes messages until the source closes, or the consumer is there no longer: whoever runs the service subscribes anew.
func (s *source) pump(p *pull, woken bool) {
	err := p.run(func(msg *nats.Msg) {
		select {
		case s.deliveries <- &delivery{conn: s.conn, msg: msg, woken: woken}:
		case <-s.closing:
			_ = respond(msg, "-NAK")
		}
	})
	if err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		s.conn.log.Warn("bus subscription broke", slog.Any("error", err))
	}
	s.Close()
}

// Next implements bus.Source.
func (s *source) Next(ctx context.Context) (bus.Delivery, error) {
	select {
	case <-s.closing:
		return nil, bus.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	default:
	}
	select {
	case <-s.closing:
		return nil, bus.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	case d, ok := <-s.deliveries:
		if !ok {
			return nil, bus.ErrClosed
		}
		return d, nil
	}
}

// Close implements bus.Source.
func (s *source) Close() {
	s.once.Do(func() {
		close(s.closing)
		if s.stopReconciling != nil {
			s.stopReconciling()
		}
	})
}

type delivery struct {
	conn  *Conn
	msg   *nats.Msg
	woken bool
}

// Received implements bus.Delivery.
func (d *delivery) Received() bus.Received {
	r := received(d.msg.Subject, d.msg.Header, d.msg.Data)
	r.Woken = d.woken
	if meta, err := d.msg.Metadata(); err == nil {
		r.Sequence, r.Published, r.Attempt = meta.Sequence.Stream, meta.Timestamp, int(meta.NumDelivered) //nolint:gosec // a count of deliveries
	}
	return r
}

// Ack implements bus.Delivery. The server makes it durable within 100 ms; a crash in between delivers again.
func (d *delivery) Ack(context.Context) error { return respond(d.msg, "+ACK") }

// Retry implements bus.Delivery.
func (d *delivery) Retry(_ context.Context, after time.Duration) error {
	return respond(d.msg, fmt.Sprintf(`-NAK {"delay": %d}`, after.Nanoseconds()))
}

// DeadLetter implements bus.Delivery.
func (d *delivery) DeadLetter(ctx context.Context, dead bus.Message) error {
	if err := d.conn.Publish(ctx, dead); err != nil {
		return fmt.Errorf("dead letter: %w", err)
	}
	return respond(d.msg, "+TERM dead letter "+dead.ID)
}

// Extend implements bus.Delivery.
func (d *delivery) Extend(context.Context) error { return respond(d.msg, "+WPI") }
