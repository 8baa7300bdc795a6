package servicebus

import (
	"context"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"reprotect.example/events/bus"
)

// marks are what stands in the subscription of that name, as far as this process has looked. Nobody receives from it,
// so a look sees everything from where the last one ended, until the messages' time is up.
type marks struct {
	turn     chan struct{} // holds a token while somebody looks
	receiver *azservicebus.Receiver
	next     int64 // sequence number to look from
	looked   time.Time
	newest   map[string]bus.Received // by subject
}

const (
	marksFresh = time.Second // how old a look may be (bus.Broker allows a mark a second to show)
	marksPage  = 250
)

// Stands implements bus.Broker.
func (c *Conn) Stands(ctx context.Context, subject string) (bus.Received, bool, error) {
	m := &c.marks
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-ctx.Done():
		return bus.Received{}, false, ctx.Err()
	}
	if m.newest == nil || time.Since(m.looked) >= marksFresh {
		if err := c.lookAtMarks(ctx); err != nil {
			return bus.Received{}, false, err
		}
	}
	r, found := m.newest[subject]
	return r, found, nil
}

func (c *Conn) lookAtMarks(ctx context.Context) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	m := &c.marks
	began := time.Now()
	if m.receiver == nil {
		r, err := c.client.NewReceiverForSubscription(TopicEvents, subscriptionMarks, nil)
		if err != nil {
			return c.went("look at marks", err)
		}
		m.receiver, m.newest = r, map[string]bus.Received{}
	}
	err := peek(ctx, m.receiver, TopicEvents, &m.next, func(r bus.Received, _ *azservicebus.ReceivedMessage) error {
		m.newest[r.Subject] = r
		return nil
	})
	if err = c.went("look at marks", err); err != nil {
		return err
	}
	m.looked = began
	return nil
}

// peek hands everything that stands in an entity (incoming says which) from a sequence number on to each, and moves the number behind it.
func peek(ctx context.Context, r *azservicebus.Receiver, topic string, next *int64, each func(bus.Received, *azservicebus.ReceivedMessage) error) error {
	for {
		page, err := r.PeekMessages(ctx, marksPage, &azservicebus.PeekMessagesOptions{FromSequenceNumber: next})
		if err != nil || len(page) == 0 {
			return err
		}
		for _, message := range page {
			if err := each(incoming(message, topic), message); err != nil {
				return err
			}
			if message.SequenceNumber != nil {
				*next = max(*next, *message.SequenceNumber+1)
			}
		}
	}
}
