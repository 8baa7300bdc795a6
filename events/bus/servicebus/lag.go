package servicebus

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"

	"reprotect.example/events/bus"
)

// Lag is how far a service is behind.
type Lag struct {
	Service string
	Pending uint64 // not settled yet, whether delivered or not
	Again   int    // of these, delivered before
	Waiting uint64 // wake-ups and tries that are scheduled, due, or under way
}

// Lag counts what stands in the subscriptions and the queue of a service; found says whether it has any. It looks at
// every message, as listening allows; Azure bills that as so many operations.
func (c *Conn) Lag(ctx context.Context, service string) (l Lag, found bool, err error) {
	l.Service = service
	count := func(topic string, open func() (*azservicebus.Receiver, error), one func(bus.Received)) error {
		ctx, cancel := c.bounded(ctx)
		defer cancel()
		r, err := open()
		if err == nil {
			var next int64
			err = peek(ctx, r, topic, &next, func(r bus.Received, _ *azservicebus.ReceivedMessage) error {
				one(r)
				return nil
			})
			_ = r.Close(ctx) // it only looked
		}
		if is(err, azservicebus.CodeNotFound, amqp.ErrCondNotFound) {
			return nil
		}
		found = found || err == nil
		return c.went("count what "+service+" has not done", err)
	}
	for _, topic := range topics {
		err := count(topic, func() (*azservicebus.Receiver, error) {
			return c.client.NewReceiverForSubscription(topic, short(service, 50), nil)
		}, func(r bus.Received) {
			l.Pending++
			if r.Attempt > 1 {
				l.Again++
			}
		})
		if err != nil {
			return l, found, err
		}
	}
	err = count("", func() (*azservicebus.Receiver, error) { return c.client.NewReceiverForQueue(wakeQueue(service), nil) }, func(bus.Received) { l.Waiting++ })
	return l, found, err
}
