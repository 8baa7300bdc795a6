package servicebus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// Publish implements bus.Broker. A second outcome of a step is dropped, without a word (Cannot).
func (c *Conn) Publish(ctx context.Context, m bus.Message) error {
	topic := TopicEvents
	switch {
	case strings.HasPrefix(m.Subject, events.SubjectNotifications+"."):
		topic = TopicNotifications
	case strings.HasPrefix(m.Subject, events.SubjectCommands+"."):
		topic = TopicCommands
	}
	out, what := outgoing(m), "publish on "+m.Subject
	if err := fits(out); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return c.send(ctx, topic, what, func(ctx context.Context, s *azservicebus.Sender) error {
		return s.SendMessage(ctx, out, nil)
	})
}

// send lets a sender of an entity do something. One that Azure has detached for good stays dead, and is replaced.
func (c *Conn) send(ctx context.Context, entity, what string, do func(context.Context, *azservicebus.Sender) error) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	s, err := c.sender(entity)
	if err == nil {
		err = do(ctx, s)
	}
	var known *azservicebus.Error
	if errors.As(err, &known) && known.Code != azservicebus.CodeTimeout {
		c.mu.Lock()
		if c.senders[entity] == s {
			delete(c.senders, entity)
		}
		c.mu.Unlock()
		if s != nil {
			closing, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer stop()
			_ = s.Close(closing) // it is given up
		}
	}
	return c.sent(entity, what, err)
}

func (c *Conn) sender(entity string) (*azservicebus.Sender, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.senders[entity]; s != nil {
		return s, nil
	}
	s, err := c.client.NewSender(entity, nil)
	if err == nil {
		c.senders[entity] = s
	}
	return s, err
}

// scheduled is a wake-up that was scheduled and has not come yet, as far as this process knows.
type scheduled struct {
	sequence int64
	at       time.Time
}

// Wake implements bus.Broker with a message scheduled to the service's queue. Where m has an id, the queue's
// duplicate detection drops a second one of that id; where it has none, one that this process scheduled under the key
// before is cancelled.
func (c *Conn) Wake(ctx context.Context, service, key string, at time.Time, m bus.Message) error {
	out := outgoing(m)
	out.ApplicationProperties[propWoken], out.ApplicationProperties[propKey] = "true", key
	name, what := service+"/"+key, "schedule a wake-up of "+service
	if err := fits(out); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return c.send(ctx, wakeQueue(service), what, func(ctx context.Context, s *azservicebus.Sender) error {
		sequence, err := s.ScheduleMessages(ctx, []*azservicebus.Message{out}, c.clock.Brokers(at), nil)
		if err != nil || m.ID != "" || len(sequence) == 0 {
			return err
		}
		c.mu.Lock()
		old, replaced := c.wakes[name]
		c.wakes[name] = scheduled{sequence[0], at}
		c.mu.Unlock()
		if !replaced || time.Now().After(old.at) {
			return nil
		}
		// When it has come meanwhile, it does no harm: a handler that is woken once too often only looks.
		_ = s.CancelScheduledMessages(ctx, []int64{old.sequence}, nil)
		return nil
	})
}

// came forgets a wake-up that has come.
func (c *Conn) came(service, key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.wakes, service+"/"+key)
}
