package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"reprotect.example/events/bus"
)

// Consume implements bus.Broker. The stream and the durable consumers must exist (SetUp).
func (c *Conn) Consume(ctx context.Context, spec bus.Consumer) (bus.Source, error) {
	s := &source{conn: c, deliveries: make(chan *delivery), closing: make(chan struct{})}
	for _, from := range []struct {
		stream string
		woken  bool
	}{{StreamLog, false}, {StreamWake(spec.Service), true}} {
		begun := time.Now()
		consumer, err := c.js.Consumer(ctx, from.stream, spec.Service)
		if err != nil {
			s.Close()
			err = c.explain(err, api+"CONSUMER.INFO."+from.stream+".", begun)
			if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
				err = fmt.Errorf("%w: run 'reprotect bus setup': %w", bus.ErrMissing, err)
			}
			return nil, fmt.Errorf("consume as %s from %s: %w", spec.Service, from.stream, err)
		}
		// Few messages ahead: what lies in a buffer grows old.
		messages, err := consumer.Messages(jetstream.PullMaxMessages(64), jetstream.PullHeartbeat(5*time.Second), jetstream.WithMessagesErrOnMissingHeartbeat(false))
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("consume as %s from %s: %w", spec.Service, from.stream, err)
		}
		s.iterators = append(s.iterators, messages)
		s.pumps.Go(func() { s.pump(messages, from.woken) })
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
	iterators       []jetstream.MessagesContext
	deliveries      chan *delivery
	closing         chan struct{}
	once            sync.Once
	pumps           sync.WaitGroup
	stopReconciling context.CancelFunc
}

func (s *source) pump(messages jetstream.MessagesContext, woken bool) {
	for {
		msg, err := messages.Next()
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) || errors.Is(err, jetstream.ErrConnectionClosed) {
			s.Close()
			return
		}
		if err != nil { // the consumer was deleted, or the like: whoever runs the service subscribes again
			s.conn.log.Warn("bus subscription broke", slog.Any("error", err))
			s.Close()
			return
		}
		d := &delivery{conn: s.conn, msg: msg, woken: woken}
		select {
		case s.deliveries <- d:
		case <-s.closing: // hand back what was fetched ahead, so that others need not wait for it to expire
			_ = msg.Nak()
		}
	}
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
		for _, i := range s.iterators {
			i.Drain()
		}
		if s.stopReconciling != nil {
			s.stopReconciling()
		}
	})
}

type delivery struct {
	conn  *Conn
	msg   jetstream.Msg
	woken bool
}

// Received implements bus.Delivery.
func (d *delivery) Received() bus.Received {
	r := received(d.msg.Subject(), d.msg.Headers(), d.msg.Data())
	r.Woken = d.woken
	if meta, err := d.msg.Metadata(); err == nil {
		r.Sequence, r.Published, r.Attempt = meta.Sequence.Stream, meta.Timestamp, int(meta.NumDelivered) //nolint:gosec // a count of deliveries
	}
	return r
}

// Ack implements bus.Delivery. The server makes it durable within 100 ms; a crash in between delivers again.
func (d *delivery) Ack(context.Context) error { return d.msg.Ack() }

// Retry implements bus.Delivery.
func (d *delivery) Retry(_ context.Context, after time.Duration) error {
	return d.msg.NakWithDelay(after)
}

// DeadLetter implements bus.Delivery.
func (d *delivery) DeadLetter(ctx context.Context, dead bus.Message) error {
	if err := d.conn.Publish(ctx, dead); err != nil {
		return fmt.Errorf("dead letter: %w", err)
	}
	return d.msg.TermWithReason("dead letter " + dead.ID)
}

// Extend implements bus.Delivery.
func (d *delivery) Extend(context.Context) error { return d.msg.InProgress() }
