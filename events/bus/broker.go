// Package bus is the port to a message bus that carries events at least once, with one outcome per step of a case.
//
// What a broker must do stands in Broker. The adapters are in the folders below, each beside its own SDK, and bustest
// holds every one of them to it. Services are built on it with services/workflow.
package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Message is what is published.
type Message struct {
	Subject string
	// ID is the event's id. A broker drops a second message of one id as far back as it remembers.
	ID string
	// Once is a subject filter that ends in its only wildcard, ".*". When a message stands under it already, Publish stores nothing and returns
	// ErrDecided. Of many who race, exactly one wins. Empty: no such demand.
	Once string
	// After, with Once, is the number in the event log of the mark under it (events.Voided) that makes what stood there
	// void: it decides the step anew, once. A mark that Once covers is published without Once.
	After   uint64
	Headers map[string]string
	Data    []byte
}

// Received is a message as the broker delivers it.
type Received struct {
	Message
	Sequence  uint64    // in the event log; rises, with gaps
	Published time.Time // when the broker stored it
	Attempt   int       // 1 at the first delivery
	Woken     bool      // comes from Wake, not from the event log
}

// Broker is what the product needs of a message bus.
//
// All methods may be called at once from many goroutines. They return when the broker has stored what they ask
// for. While the broker cannot be reached they fail; the caller tries again.
type Broker interface {
	// Publish stores a message in the event log. One of events.MaxSize bytes is not too large (ErrTooLarge).
	Publish(ctx context.Context, m Message) error
	// Wake delivers m to the service once, not before at. A later call with the same key replaces it; where both have
	// the same id, either may stand. It survives a restart of everything. A message with events.MaxSize bytes of data
	// and 4 KB of headers is not too large (ErrTooLarge).
	Wake(ctx context.Context, service, key string, at time.Time, m Message) error
	// Consume attaches to the service's durable subscription, in which the broker keeps what the service has not
	// settled. Several processes may attach at once and share the messages.
	Consume(ctx context.Context, c Consumer) (Source, error)
	// Stands returns the newest message that was published on exactly this subject, if any. It serves the marks
	// that services look for before they act (events.Kind.Mark); a mark may show a second after it was published.
	Stands(ctx context.Context, subject string) (m Received, found bool, err error)
	// Hold blocks until this process, and no other, holds the service. The context that it returns ends before
	// anybody else can hold it: at the release, or when the connection is lost for long. A process that dies loses
	// it within some ten seconds.
	Lease(ctx context.Context, service string) (held context.Context, release func(), err error)
}

// Consumer describes the durable subscription of a service.
type Consumer struct {
	Service string
	Filters []string      // subject filters, NATS syntax
	Narrow  []string      // what of it the service answers, where Filters take more; a broker may deliver that alone
	AckWait time.Duration // a delivery that is neither settled nor extended for so long is delivered again
	Pending int           // deliveries under way at most
	InOrder bool          // the order matters more than a few milliseconds
}

// Source hands out deliveries.
type Source interface {
	// Next blocks until there is a delivery; it fails when ctx ends or the source is closed for good.
	Next(ctx context.Context) (Delivery, error)
	// Close stops handing out; deliveries under way may still be settled.
	Close()
}

// Delivery is a message under way. One of Ack, Retry and DeadLetter ends it.
type Delivery interface {
	Received() Received
	Ack(ctx context.Context) error
	// Retry hands the message back, to be delivered again after the pause.
	Retry(ctx context.Context, after time.Duration) error
	// DeadLetter gives the message up: the dead letter is stored first.
	DeadLetter(ctx context.Context, dead Message) error
	// Extend says that the handler still works on it.
	Extend(ctx context.Context) error
}

var (
	// ErrDecided: the step has its outcome already. Ack and go on.
	ErrDecided = errors.New("decided already")
	// ErrOtherContent: a command with this id stands there already, and says something else.
	ErrOtherContent = errors.New("a command of this id was published before, with other content: give it another id")
	// ErrClosed: the connection to the broker was closed for good.
	ErrClosed = errors.New("bus is closed")
	// ErrMissing: the subscription was never set up on the broker.
	ErrMissing = errors.New("not set up on the bus")
	// ErrTooLarge: the broker takes no message of that size, however often it is tried.
	ErrTooLarge = errors.New("too large for the bus")
	// ErrFull: the broker has no room. It is trouble of the bus, not of the message: the caller tries again.
	ErrFull = errors.New("the bus is full")
	// ErrNotPermitted: the broker refuses this account the operation.
	ErrNotPermitted = errors.New("not permitted by the bus")
)

// Decided is ErrDecided where the broker can say what stands under the step. It is for the publisher to judge whether
// that is an outcome: something else there keeps the true one out for ever.
type Decided struct {
	By Received
}

func (d *Decided) Error() string {
	return fmt.Sprintf("%v, by %s (sequence %d)", ErrDecided, d.By.Subject, d.By.Sequence)
}

// Is makes it ErrDecided.
func (d *Decided) Is(target error) bool { return target == ErrDecided }

// CommandID is the id of a command that came bare: the one that the publisher gave the message, or the adapter, else the
// sequence in the event log.
func CommandID(r Received) string {
	if r.ID != "" {
		return r.ID
	}
	return fmt.Sprintf("r%d", r.Sequence)
}

// Match says whether a subject fits a filter: * stands for one token, > for the rest.
func Match(filter, subject string) bool {
	for {
		f, restF, moreF := strings.Cut(filter, ".")
		s, restS, moreS := strings.Cut(subject, ".")
		if f == ">" {
			return true
		}
		if f != "*" && f != s {
			return false
		}
		if !moreF || !moreS {
			return moreF == moreS
		}
		filter, subject = restF, restS
	}
}
