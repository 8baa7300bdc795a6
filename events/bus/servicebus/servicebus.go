// Package servicebus is the bus on Azure Service Bus, and the only importer of azservicebus.
//
// Commands and facts go through the topic reprotect, notifications through reprotect-notifications; each service has
// a subscription, and a queue for what it is to see later: its wake-ups, and messages that it tries again. A step's
// outcome carries the step as its message id: the topic's duplicate detection keeps the first. That a second outcome
// was dropped is not told to who published it (Cannot).
//
// Service Bus cannot be read again from its beginning. The journal keeps the event log for those who ask.
package servicebus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"

	"reprotect.example/events/bus"
)

// Cannot declares what this bus cannot do of the contract suite (bustest), by the test's name, and why.
func Cannot() map[string]string {
	const silent = "the topic drops a second outcome, and tells nobody that it did"
	return map[string]string{
		"lets one outcome of many racers win": silent,
		"fences steps and cases apart":        silent,
	}
}

// Options say how to reach the namespace: with a connection string, or with its name and a credential.
type Options struct {
	ConnectionString string
	Namespace        string // fully qualified: contoso.servicebus.windows.net
	Credential       azcore.TokenCredential
	Name             string // of this program, for Azure's logs
	Way              Way
	// Dial opens the connection in place of Way; nil: the network. A simulation hands in pipes.
	Dial func(ctx context.Context) (net.Conn, error)
	Log  *slog.Logger
	// Timeout bounds each call whose context has no deadline; default 20 s.
	Timeout time.Duration
}

// Conn is a connection. It implements bus.Broker, reconnects by itself for ever, and may be used by many goroutines.
type Conn struct {
	client  *azservicebus.Client
	log     *slog.Logger
	timeout time.Duration
	open    context.Context // ends with Close
	end     context.CancelFunc

	mu      sync.Mutex
	senders map[string]*azservicebus.Sender // by entity
	wakes   map[string]scheduled            // by service and key: wake-ups without an id, which may be replaced
	marks   marks

	sending   bus.Troubles // by entity
	receiving bus.Troubles // of what receives, looks or holds
	clock     bus.Clock
}

// Connect makes a connection. It is opened at the first use: only wrong options are an error.
func Connect(o Options) (*Conn, error) {
	c := &Conn{
		log: o.Log, timeout: o.Timeout,
		senders: map[string]*azservicebus.Sender{}, wakes: map[string]scheduled{}, marks: marks{turn: make(chan struct{}, 1)},
	}
	c.open, c.end = context.WithCancel(context.Background())
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.timeout == 0 {
		c.timeout = 20 * time.Second
	}
	options := &azservicebus.ClientOptions{
		ApplicationID: short(o.Name, 24),
		RetryOptions:  azservicebus.RetryOptions{MaxRetries: 3, RetryDelay: 500 * time.Millisecond, MaxRetryDelay: 5 * time.Second},
	}
	var err error
	if options.NewWebSocketConn, err = c.dialer(o); err != nil {
		return nil, err
	}
	switch {
	case o.ConnectionString != "":
		c.client, err = azservicebus.NewClientFromConnectionString(o.ConnectionString, options)
		if err != nil { // the SDK's own error may quote the string, which holds a key
			return nil, errors.New("bus: the connection string of Service Bus is not valid: copy it from the namespace's shared access policies")
		}
	case o.Namespace != "" && o.Credential != nil:
		if c.client, err = azservicebus.NewClient(o.Namespace, o.Credential, options); err != nil {
			return nil, fmt.Errorf("bus: Service Bus namespace %s: %w", o.Namespace, err)
		}
	default:
		return nil, errors.New("bus: Service Bus needs a connection string, or a namespace and a credential")
	}
	return c, nil
}

// Close cuts the connection.
func (c *Conn) Close() {
	c.end()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = c.client.Close(ctx) // nothing more can be done about it
}

// Ready says why the bus could not be used at the last call of either direction; nil when it could.
func (c *Conn) Ready() error { return errors.Join(c.Sends(), c.Receives()) }

// Sends says why the last message to an entity was not taken; nil when each was.
func (c *Conn) Sends() error { return c.sending.Err() }

// Receives says why nothing could be received, looked at or held at the last call; nil when it could.
func (c *Conn) Receives() error { return c.receiving.Err() }

// Ahead is by how much Azure's clock is ahead of the local one, as far as it was seen; negative: behind. What is scheduled
// goes by Azure's.
func (c *Conn) Ahead() time.Duration { return c.clock.Ahead() }

// went takes note of how a call went that receives, looks or holds, and words its error.
func (c *Conn) went(what string, err error) error {
	return c.noted(&c.receiving, "", what, err)
}

// sent takes note of how a call went that sends to an entity, and words its error.
func (c *Conn) sent(entity, what string, err error) error {
	return c.noted(&c.sending, entity, what, err)
}

func (c *Conn) noted(troubles *bus.Troubles, with, what string, err error) error {
	if err != nil && c.open.Err() != nil {
		return fmt.Errorf("%s: %w", what, bus.ErrClosed)
	}
	switch {
	case err == nil:
	case is(err, azservicebus.CodeUnauthorizedAccess, amqp.ErrCondUnauthorizedAccess):
		err = fmt.Errorf("%s: %w: %w", what, bus.ErrNotPermitted, err)
	case errors.Is(err, azservicebus.ErrMessageTooLarge), is(err, "", amqp.ErrCondMessageSizeExceeded):
		err = fmt.Errorf("%s: %w: %w", what, bus.ErrTooLarge, err)
	case is(err, "", amqp.ErrCondResourceLimitExceeded):
		err = fmt.Errorf("%s: %w: what nobody takes fills it; see 'reprotect bus status', receive from the subscription audit, or give the topic more room: %w", what, bus.ErrFull, err)
	case is(err, azservicebus.CodeNotFound, amqp.ErrCondNotFound):
		err = fmt.Errorf("%s: %w: run 'reprotect bus setup': %w", what, bus.ErrMissing, err)
	default:
		err = fmt.Errorf("%s: %w", what, err)
	}
	if !errors.Is(err, context.Canceled) && !errors.Is(err, bus.ErrTooLarge) && !is(err, azservicebus.CodeLockLost, lockLost) { // no trouble of the bus
		troubles.Note(with, err)
	}
	return err
}

const lockLost amqp.ErrCond = "com.microsoft:message-lock-lost"

// is says whether an error is of that kind, as the SDK names it or as it came over the wire.
func is(err error, code azservicebus.Code, condition amqp.ErrCond) bool {
	var known *azservicebus.Error
	var wire *amqp.Error
	return errors.As(err, &known) && known.Code == code || errors.As(err, &wire) && wire.Condition == condition
}

// bounded is ctx with the connection's timeout, and its end.
func (c *Conn) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	stop := context.AfterFunc(c.open, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// lost says whether nothing will come of trying on: who runs the service subscribes anew.
func lost(err error) bool {
	return errors.Is(err, bus.ErrClosed) || errors.Is(err, bus.ErrMissing) || errors.Is(err, bus.ErrNotPermitted)
}
