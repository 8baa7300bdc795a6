package servicebus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"reprotect.example/events/bus"
)

const (
	atOnce = 32                   // messages that are taken with one call; their locks run from then on
	gather = 2 * time.Millisecond // for more messages after the first; the SDK's own 20 ms would be most of a hop
	// gatherAll is for a service that wants their order: what arrives after a call has ended, the SDK gives back, and
	// it comes again behind others.
	gatherAll   = 50 * time.Millisecond
	settleLimit = 3 * time.Second
	linger      = time.Minute // after a source was closed, for the deliveries under way
	firstPause  = 500 * time.Millisecond
	mostPause   = 15 * time.Second
)

// Consume implements bus.Broker. The subscriptions and the queue must exist ('reprotect bus setup').
func (c *Conn) Consume(ctx context.Context, spec bus.Consumer) (bus.Source, error) {
	spec.AckWait = cmp.Or(spec.AckWait, defaultLock)
	s := &source{conn: c, spec: spec, deliveries: make(chan *delivery)}
	s.open, s.end = context.WithCancel(c.open)
	open := func(topic string, r *azservicebus.Receiver, err error) error {
		if err != nil {
			return err
		}
		s.receivers = append(s.receivers, receiver{r, topic})
		looking, cancel := c.bounded(ctx)
		defer cancel()
		_, err = r.PeekMessages(looking, 1, nil) // says whether it is there, and whether it may be read
		return err
	}
	var err error
	for _, topic := range topics {
		if err == nil && rulesFor(topic, spec.Filters) != nil {
			r, failed := c.client.NewReceiverForSubscription(topic, short(spec.Service, 50), nil)
			err = open(topic, r, failed)
		}
	}
	if err == nil {
		r, failed := c.client.NewReceiverForQueue(wakeQueue(spec.Service), nil)
		err = open("", r, failed)
	}
	if err = c.went("subscribe as "+spec.Service, err); err != nil {
		s.Close()
		s.closeReceivers()
		return nil, err
	}
	for _, r := range s.receivers {
		s.pumps.Go(func() { s.pump(r) })
	}
	go func() {
		s.pumps.Wait()
		select { // deliveries under way are settled over their links
		case <-c.open.Done():
		case <-time.After(linger):
		}
		s.closeReceivers()
	}()
	return s, nil
}

// receiver is a receiver of a subscription to a topic, or of the service's own queue ("").
type receiver struct {
	*azservicebus.Receiver
	topic string
}

// source merges what a service receives.
type source struct {
	conn       *Conn
	spec       bus.Consumer
	receivers  []receiver
	deliveries chan *delivery
	open       context.Context // ends with Close
	end        context.CancelFunc
	pumps      sync.WaitGroup
}

// mostEmpty is how often a receive may answer nothing before that is trouble: one that goes well waits for a message.
const mostEmpty = 3

var errEmpty = errors.New("the link breaks each time before a message has come")

// pump takes messages until the source closes. Whatever breaks is tried again, with growing pauses.
func (s *source) pump(r receiver) {
	options := &azservicebus.ReceiveMessagesOptions{TimeAfterFirstMessage: gather}
	if s.spec.InOrder {
		options.TimeAfterFirstMessage = gatherAll
	}
	empty := 0 // answers without a message, one after the other
	for pause := firstPause; s.open.Err() == nil; {
		messages, err := r.ReceiveMessages(s.open, atOnce, options)
		if s.open.Err() != nil {
			s.handBack(r, messages)
			return
		}
		if err == nil && len(messages) == 0 { // the link broke, and the SDK has made another: over and over is no success
			if empty++; empty > mostEmpty {
				err = errEmpty
			}
		} else {
			empty = 0
		}
		if err = s.conn.went("receive as "+s.spec.Service, err); err != nil {
			s.conn.log.Warn("bus cannot be received from", slog.String("service", s.spec.Service), slog.Duration("after", pause), slog.Any("error", err))
			if lost(err) { // who runs the service subscribes anew
				s.Close()
				return
			}
			select {
			case <-s.open.Done():
			case <-time.After(pause):
			}
			pause = min(2*pause, mostPause)
			s.look(r)
			continue
		}
		pause = firstPause
		received := time.Now()
		for i, m := range messages {
			if m.LockedUntil != nil { // a lock as long as AckWait began when Azure handed it out
				s.conn.clock.Saw(m.LockedUntil.Add(-s.spec.AckWait), received)
			}
			if s.lapsed(received) {
				break
			}
			d := s.delivery(r, m, received)
			if d == nil {
				continue
			}
			select {
			case s.deliveries <- d:
			case <-s.open.Done():
				s.handBack(r, messages[i:])
				return
			}
		}
	}
}

// lapsed says whether the locks of what was received then have run out while it waited for a handler: it comes again.
// Azure's own clock, by which it gives the end of a lock, may differ from this one.
func (s *source) lapsed(received time.Time) bool { return time.Since(received) >= s.spec.AckWait }

// look asks whether the bus is back: who receives hears nothing of it until a message comes.
func (s *source) look(r receiver) {
	ctx, cancel := s.conn.bounded(s.open)
	defer cancel()
	_, err := r.PeekMessages(ctx, 1, nil)
	_ = s.conn.went("look whether "+s.spec.Service+" can be received from", err) // the next call tells
}

// delivery makes one of a message; nil for one that is not wanted.
func (s *source) delivery(r receiver, m *azservicebus.ReceivedMessage, at time.Time) *delivery {
	d := &delivery{source: s, receiver: r.Receiver, message: m, at: at, received: incoming(m, r.topic)}
	if d.received.Woken {
		key, _ := m.ApplicationProperties[propKey].(string)
		s.conn.came(s.spec.Service, key)
		return d
	}
	if slices.ContainsFunc(s.spec.Filters, func(f string) bool { return bus.Match(f, d.received.Subject) }) {
		return d
	}
	if r.topic == TopicCommands && d.received.Subject == unknownCommand && !slices.Contains(s.spec.Filters, ">") {
		s.conn.log.Warn("a message to the commands is none that is known, and is dropped: label it reprotect.command.request, or the like",
			slog.String("service", s.spec.Service), slog.String("id", m.MessageID), slog.Uint64("sequence", d.received.Sequence))
	}
	// A rule lets more pass than a filter: what no filter wants is none of this service's.
	if err := d.Ack(s.open); err != nil && s.open.Err() == nil {
		s.conn.log.Warn("message that is not wanted was not settled", slog.String("service", s.spec.Service), slog.Any("error", err))
	}
	return nil
}

// handBack lets others have what this process has taken and will not work on.
func (s *source) handBack(r receiver, messages []*azservicebus.ReceivedMessage) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.open), settleLimit)
	defer cancel()
	for _, m := range messages {
		if s.conn.open.Err() == nil && r.AbandonMessage(ctx, m, nil) != nil {
			return // their locks run out
		}
	}
}

func (s *source) closeReceivers() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.open), settleLimit)
	defer cancel()
	for _, r := range s.receivers {
		_ = r.Close(ctx) // the connection's end closes it, too
	}
}

// Next implements bus.Source.
func (s *source) Next(ctx context.Context) (bus.Delivery, error) {
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.open.Done():
			return nil, bus.ErrClosed
		case d := <-s.deliveries:
			if !s.lapsed(d.at) {
				return d, nil
			}
		}
	}
}

// Close implements bus.Source.
func (s *source) Close() { s.end() }

type delivery struct {
	source   *source
	receiver *azservicebus.Receiver
	message  *azservicebus.ReceivedMessage
	at       time.Time // when it came
	received bus.Received
}

// Received implements bus.Delivery.
func (d *delivery) Received() bus.Received { return d.received }

// Ack implements bus.Delivery.
func (d *delivery) Ack(ctx context.Context) error {
	return d.settle(ctx, "settle", func(ctx context.Context, m *azservicebus.ReceivedMessage) error {
		return d.receiver.CompleteMessage(ctx, m, nil)
	})
}

// settle ends a delivery over its link; where that is broken, by its lock over the connection, which may be a new one.
func (d *delivery) settle(ctx context.Context, what string, do func(context.Context, *azservicebus.ReceivedMessage) error) error {
	c := d.source.conn
	what = fmt.Sprintf("%s %s", what, d.received.Subject)
	bounded, cancel := context.WithTimeout(ctx, settleLimit)
	err := do(bounded, d.message)
	cancel()
	var known *azservicebus.Error
	if err == nil || ctx.Err() != nil || c.open.Err() != nil || errors.As(err, &known) && known.Code == azservicebus.CodeLockLost {
		return c.went(what, err)
	}
	bounded, cancel = c.bounded(ctx)
	defer cancel()
	return c.went(what, do(bounded, &azservicebus.ReceivedMessage{LockToken: d.message.LockToken}))
}

// Retry implements bus.Delivery with a copy that is scheduled first: when the process dies before the original is
// completed, both are there, and the second one finds its work done.
func (d *delivery) Retry(ctx context.Context, after time.Duration) error {
	again := copyOf(d.message, d.received)
	err := d.source.conn.send(ctx, wakeQueue(d.source.spec.Service), "schedule another try of "+d.received.Subject, func(ctx context.Context, s *azservicebus.Sender) error {
		_, err := s.ScheduleMessages(ctx, []*azservicebus.Message{again}, d.source.conn.clock.Brokers(time.Now()).Add(after), nil)
		return err
	})
	if err != nil {
		return err
	}
	return d.Ack(ctx)
}

// DeadLetter implements bus.Delivery: the message goes to the dead letters of its subscription or queue, with the reason.
func (d *delivery) DeadLetter(ctx context.Context, dead bus.Message) error {
	options := deadLetter(dead)
	return d.settle(ctx, "give up", func(ctx context.Context, m *azservicebus.ReceivedMessage) error {
		return d.receiver.DeadLetterMessage(ctx, m, options)
	})
}

// Extend implements bus.Delivery.
func (d *delivery) Extend(ctx context.Context) error {
	bounded, cancel := d.source.conn.bounded(ctx)
	defer cancel()
	return d.source.conn.went("extend "+d.received.Subject, d.receiver.RenewMessageLock(bounded, d.message, nil))
}
