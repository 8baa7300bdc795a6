package workflow

import (
	"context"
	"fmt"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

func (l *delivering) deadLetter(ctx context.Context, d bus.Delivery, in incoming, reason string, cause error) error {
	data := events.Dead{
		Service: l.service.durable(), Reason: reason, Error: cause.Error(), Attempts: in.Attempt,
		Subject: in.Subject, Headers: in.Headers, Original: in.Data, ID: in.ID, Sequence: in.Sequence,
	}
	id := fmt.Sprintf("%s/%d/%d", l.service.durable(), in.Sequence, in.Attempt)
	h := events.Header{
		ID: id, Source: "/reprotect/" + l.service.Name,
		Type: events.TypeDead.CloudType(), DataSchema: events.TypeDead.Schema(), Time: l.o.Now().UTC(),
	}
	raw, err := events.EncodeDead(events.Event[events.Dead]{Header: h, Data: data})
	if err != nil {
		return err
	}
	return d.DeadLetter(ctx, bus.Message{Subject: events.DeadSubject(l.service.Name), ID: id, Data: raw})
}

// Requeue delivers the message of a dead letter once more, to the service that gave it up and to no other.
func Requeue(ctx context.Context, b bus.Broker, dead events.Dead, now time.Time) error {
	if dead.Cut() {
		return fmt.Errorf("the message on %s was too large to be kept whole: publish it anew", dead.Subject)
	}
	in := bus.Received{
		Message:  bus.Message{Subject: dead.Subject, ID: dead.ID, Headers: dead.Headers, Data: dead.Original},
		Sequence: dead.Sequence, Published: now,
	}
	key := events.Token(fmt.Sprintf("requeue %s %d", dead.Subject, dead.Sequence))
	// Its waits are others than those of the first time, which a broker may remember.
	m, err := wrap(in, wait{Chain: fmt.Sprintf("%x.", now.UnixNano())})
	if err != nil {
		return fmt.Errorf("the message on %s: %w", dead.Subject, err)
	}
	return b.Wake(ctx, dead.Service, key, now, m)
}
