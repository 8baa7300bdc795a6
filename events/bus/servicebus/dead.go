package servicebus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// longestProperty keeps what is said of a dead letter within what the properties of a message may take.
const longestProperty = 16 << 10

// deadLetter is what goes with a message to the dead letters. The original is there already: it is not said twice.
func deadLetter(dead bus.Message) *azservicebus.DeadLetterOptions {
	reason, description, said := "given-up", "", string(dead.Data)
	if e, err := events.Decode(events.TypeDead, dead.Data); err == nil {
		reason, description = e.Data.Reason, e.Data.Error
		e.Data.Original = nil
		if raw, err := events.Encode(e); err == nil {
			said = string(raw)
		}
	}
	description = strings.ToValidUTF8(description[:min(len(description), 4<<10)], "")
	o := &azservicebus.DeadLetterOptions{Reason: &reason, ErrorDescription: &description}
	if len(said) <= longestProperty {
		o.PropertiesToModify = map[string]any{propDead: said}
	}
	return o
}

// letter turns a message among the dead letters of a service into the dead letter that it is on every bus.
func letter(service, topic string, m *azservicebus.ReceivedMessage) (bus.Received, error) {
	r := bus.Original(incoming(m, topic))
	dead := bus.Received{Message: bus.Message{Subject: events.DeadSubject(service)}, Published: r.Published, Attempt: 1}
	if said, ok := m.ApplicationProperties[propDead].(string); ok {
		e, err := events.Decode(events.TypeDead, []byte(said))
		if err != nil {
			dead.Data = []byte(said)
			return dead, nil
		}
		e.Data.Original = r.Data
		dead.Data, err = events.EncodeDead(e)
		dead.ID, dead.Published = e.ID, e.Time
		return dead, err
	}
	// Azure gave it up: nobody of ours could say anything, since its process died each time.
	data := events.Dead{
		Service: service, Reason: text(m.DeadLetterReason), Error: text(m.DeadLetterErrorDescription), Attempts: max(r.Attempt-1, 1),
		Subject: r.Subject, ID: r.ID, Headers: r.Headers, Original: r.Data, Sequence: r.Sequence,
	}
	dead.ID = fmt.Sprintf("%s/%d/%d", service, r.Sequence, r.Attempt)
	h := events.Header{ID: dead.ID, Source: "/reprotect/" + service, Type: events.TypeDead.CloudType(), DataSchema: events.TypeDead.Schema(), Time: r.Published.UTC()}
	var err error
	dead.Data, err = events.EncodeDead(events.Event[events.Dead]{Header: h, Data: data})
	return dead, err
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// Dead hands the dead letters of these services to each, the oldest first. Their sequence is a number that each keeps as
// long as it stands there; it says nothing of their order. It ends with each's error.
func (c *Conn) Dead(ctx context.Context, services []string, each func(bus.Received) error) error {
	var all []bus.Received
	for _, service := range services {
		for _, q := range c.deadOf(service) {
			if err := c.readDead(ctx, service, q, &all); err != nil {
				return err
			}
		}
	}
	slices.SortStableFunc(all, func(a, b bus.Received) int { return cmp.Or(a.Published.Compare(b.Published), cmp.Compare(a.ID, b.ID)) })
	for _, r := range all {
		if err := each(r); err != nil {
			return err
		}
	}
	return nil
}

// deadQueue is a sub-queue in which dead letters of a service lie.
type deadQueue struct {
	name  string
	topic string // "" for the service's own queue
	open  func() (*azservicebus.Receiver, error)
}

func (c *Conn) deadOf(service string) []deadQueue {
	o := &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueDeadLetter}
	queue := wakeQueue(service)
	queues := []deadQueue{{queue, "", func() (*azservicebus.Receiver, error) { return c.client.NewReceiverForQueue(queue, o) }}}
	for _, topic := range topics {
		subscription := short(service, 50)
		queues = append(queues, deadQueue{topic + "/" + subscription, topic, func() (*azservicebus.Receiver, error) {
			return c.client.NewReceiverForSubscription(topic, subscription, o)
		}})
	}
	return queues
}

// number tells a dead letter from all others: by where it lies, and its number there.
func (q deadQueue) number(m *azservicebus.ReceivedMessage) uint64 {
	sequence := int64(0)
	if m.SequenceNumber != nil {
		sequence = *m.SequenceNumber
	}
	h := fnv.New32a()
	fmt.Fprintf(h, "%s %d", q.name, sequence)
	return uint64(h.Sum32())
}

func (c *Conn) readDead(ctx context.Context, service string, q deadQueue, all *[]bus.Received) error {
	bounded, cancel := c.bounded(ctx)
	defer cancel()
	r, err := q.open()
	if err != nil {
		return c.went("read the dead letters of "+service, err)
	}
	defer func() { _ = r.Close(bounded) }()
	var next int64
	err = peek(bounded, r, q.topic, &next, func(_ bus.Received, m *azservicebus.ReceivedMessage) error {
		l, err := letter(service, q.topic, m)
		l.Sequence = q.number(m)
		if err == nil {
			*all = append(*all, l)
		}
		return err
	})
	if is(err, azservicebus.CodeNotFound, amqp.ErrCondNotFound) {
		return nil // a service that takes nothing of that topic
	}
	return c.went("read the dead letters of "+service, err)
}

// RemoveDead takes the dead letter of that number away (Dead), after its message was delivered once more.
func (c *Conn) RemoveDead(ctx context.Context, number uint64, dead events.Event[events.Dead]) error {
	service := dead.Data.Service
	for _, q := range c.deadOf(service) {
		done, err := c.removeDead(ctx, number, dead, q)
		if err != nil {
			return fmt.Errorf("the message goes to %s once more, but its dead letter stays: %w", service, err)
		}
		if done {
			return nil
		}
	}
	return fmt.Errorf("the message goes to %s once more, but its dead letter %d is not to be had: somebody else took it away, or is about to: "+
		"see 'reprotect bus dead list' in a minute", service, number)
}

// removeDead takes a dead letter away, if it lies in that queue and nobody else has it. Its id alone would not do: a
// message that was given up again has left a letter of the same id.
func (c *Conn) removeDead(ctx context.Context, number uint64, dead events.Event[events.Dead], q deadQueue) (done bool, err error) {
	what := "take away the dead letter " + dead.ID
	bounded, cancel := c.bounded(ctx)
	defer cancel()
	r, err := q.open()
	if err != nil {
		return false, c.went(what, err)
	}
	defer func() { _ = r.Close(bounded) }()
	var others []*azservicebus.ReceivedMessage
	defer func() {
		for _, m := range others {
			_ = r.AbandonMessage(bounded, m, nil) // else its lock runs out
		}
	}()
	for {
		waiting, stop := context.WithTimeout(bounded, time.Second)
		page, err := r.ReceiveMessages(waiting, marksPage, nil)
		stop()
		if len(page) == 0 {
			if err == nil || errors.Is(err, context.DeadlineExceeded) || is(err, azservicebus.CodeNotFound, amqp.ErrCondNotFound) {
				return false, nil
			}
			return false, c.went(what, err)
		}
		for _, m := range page {
			if l, err := letter(dead.Data.Service, q.topic, m); err == nil && q.number(m) == number && l.ID == dead.ID && !done {
				if err := r.CompleteMessage(bounded, m, nil); err != nil {
					return false, c.went(what, err)
				}
				done = true
				continue
			}
			others = append(others, m)
		}
		if done {
			return true, nil
		}
	}
}

// tidied are the subscriptions that nobody has to receive from.
func tidied() (all [][2]string) {
	for _, topic := range topics {
		all = append(all, [2]string{topic, SubscriptionAudit})
	}
	return append(all, [2]string{TopicEvents, subscriptionMarks}, [2]string{TopicNotifications, SubscriptionChatbot})
}

// Tidy lets what is older than its time to live go from the subscriptions that are only looked at: Azure removes it where
// somebody receives, and nowhere else, so that it would fill its topic. It takes one message of each and hands that back,
// which counts as one of its hundred deliveries: once a day is enough, and far from too often. Where this account may not
// receive, whoever may has to.
func (c *Conn) Tidy(ctx context.Context) error {
	var errs []error
	for _, at := range tidied() {
		errs = append(errs, c.tidy(ctx, at[0], at[1]))
	}
	return errors.Join(errs...)
}

func (c *Conn) tidy(ctx context.Context, topic, subscription string) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	r, err := c.client.NewReceiverForSubscription(topic, subscription, nil)
	if err == nil {
		defer func() { _ = r.Close(context.WithoutCancel(ctx)) }() // what it holds comes free with it
		waiting, end := context.WithTimeout(ctx, tidyWait)
		defer end()
		var taken []*azservicebus.ReceivedMessage
		if taken, err = r.ReceiveMessages(waiting, 1, nil); errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			err = nil // nothing stands there
		}
		for _, m := range taken {
			err = errors.Join(err, r.AbandonMessage(ctx, m, nil))
		}
	}
	switch {
	case is(err, azservicebus.CodeUnauthorizedAccess, amqp.ErrCondUnauthorizedAccess):
		return fmt.Errorf("tidy subscription %s of %s: %w", subscription, topic, bus.ErrNotPermitted)
	case is(err, azservicebus.CodeNotFound, amqp.ErrCondNotFound): // an older topology
		return nil
	case err != nil:
		return fmt.Errorf("tidy subscription %s of %s: %w", subscription, topic, err)
	}
	return nil
}

// tidyWait is how long a receive may take to find something.
const tidyWait = 5 * time.Second

// Audit hands everything that stands in the audit subscriptions to each, in order, without taking it.
func (c *Conn) Audit(ctx context.Context, each func(bus.Received) error) error {
	bounded, cancel := c.bounded(ctx)
	defer cancel()
	for _, topic := range topics {
		r, err := c.client.NewReceiverForSubscription(topic, SubscriptionAudit, nil)
		if err != nil {
			return c.went("audit", err)
		}
		var next int64
		err = peek(bounded, r, topic, &next, func(r bus.Received, _ *azservicebus.ReceivedMessage) error { return each(r) })
		_ = r.Close(bounded) // it only looked
		if err != nil {
			return c.went("audit", err)
		}
	}
	return nil
}
