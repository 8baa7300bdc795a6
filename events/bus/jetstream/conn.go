// Package jetstream is the bus on NATS JetStream, and the only importer of nats.go.
//
// The event log is the stream REPROTECT; what services gave up stands in REPROTECT_DEAD; wake-ups live in one
// stream per service, so that nothing that schedules can write to the log. A step's outcome is published
// expecting that nothing stands under the step's subjects: the server refuses the second one.
package jetstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// Options say how to reach the server.
type Options struct {
	URL       string // one or more, separated by commas
	CredsFile string
	User      string
	Password  string
	CAFile    string // PEM; default: the system's
	Name      string // of this connection, shown by the server
	// InboxPrefix keeps replies apart where each account may only subscribe to its own.
	InboxPrefix string
	Log         *slog.Logger
	// Timeout bounds each call whose context has no deadline; default 10 s.
	Timeout time.Duration
	// Now is the local clock; nil: time.Now. A test sets it wrong.
	Now func() time.Time
}

// Conn is a connection. It implements bus.Broker, reconnects by itself for ever, and may be used by many
// goroutines.
type Conn struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	log     *slog.Logger
	timeout time.Duration
	name    string

	mu     sync.Mutex
	denied map[string]time.Time // subjects on which the server refused to publish

	sending bus.Troubles // by stream
	now     func() time.Time
	clock   bus.Clock
}

// Connect connects; it fails when the server cannot be reached now.
func Connect(o Options) (*Conn, error) {
	c := &Conn{log: o.Log, timeout: o.Timeout, name: o.Name, denied: map[string]time.Time{}}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.timeout == 0 {
		c.timeout = 10 * time.Second
	}
	if c.now = o.Now; c.now == nil {
		c.now = time.Now
	}
	options := []nats.Option{
		nats.Name(o.Name), nats.MaxReconnects(-1), nats.ReconnectWait(500 * time.Millisecond),
		nats.ReconnectJitter(200*time.Millisecond, time.Second),
		nats.ErrorHandler(c.asyncError),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				c.log.Warn("bus disconnected, will reconnect", slog.Any("error", err))
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) { c.log.Info("bus reconnected", slog.String("server", nc.ConnectedServerName())) }),
	}
	if o.CredsFile != "" {
		options = append(options, nats.UserCredentials(o.CredsFile))
	}
	if o.User != "" {
		options = append(options, nats.UserInfo(o.User, o.Password))
	}
	if o.InboxPrefix != "" {
		options = append(options, nats.CustomInboxPrefix(o.InboxPrefix))
	}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("bus: CA file: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("bus: CA file %s holds no PEM certificate", o.CAFile)
		}
		options = append(options, nats.Secure(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}))
	}
	nc, err := nats.Connect(o.URL, options...)
	if err != nil {
		if errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) {
			return nil, fmt.Errorf("bus: the server refuses these credentials: %w: %w", bus.ErrNotPermitted, err)
		}
		return nil, fmt.Errorf("bus: connect: %w", err)
	}
	c.nc = nc
	if c.js, err = jetstream.New(nc, jetstream.WithDefaultTimeout(c.timeout)); err != nil {
		nc.Close()
		return nil, fmt.Errorf("bus: %w", err)
	}
	return c, nil
}

// Close cuts the connection.
func (c *Conn) Close() { c.nc.Close() }

// Ready says why the bus cannot be used at the moment; nil when it can.
func (c *Conn) Ready() error {
	if err := c.Receives(); err != nil {
		return err
	}
	return c.Sends()
}

// Receives says why nothing can be received at the moment; nil when it can.
func (c *Conn) Receives() error {
	if !c.nc.IsConnected() {
		return fmt.Errorf("bus: not connected (%s)", c.nc.Status())
	}
	return nil
}

// Sends says why the last message to a stream was not stored; nil when each was.
func (c *Conn) Sends() error { return c.sending.Err() }

// Ahead is by how much the server's clock is ahead of the local one, as far as it was seen; negative: behind. What is
// scheduled goes by the server's.
func (c *Conn) Ahead() time.Duration { return c.clock.Ahead() }

// sent takes note of how a publication to a stream went. What is about the message alone is no trouble of the bus.
func (c *Conn) sent(stream string, err error) error {
	switch {
	case err == nil, errors.Is(err, bus.ErrDecided), errors.Is(err, bus.ErrOtherContent):
		c.sending.Note(stream, nil)
	case errors.Is(err, context.Canceled), errors.Is(err, bus.ErrTooLarge):
	default:
		c.sending.Note(stream, fmt.Errorf("%s: %w", stream, err))
	}
	return err
}

// asyncError notes refused publications: the server tells of them apart from the call, which only times out.
func (c *Conn) asyncError(_ *nats.Conn, _ *nats.Subscription, err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		c.log.Warn("bus reports an error", slog.Any("error", err))
		return
	}
	if _, rest, ok := strings.Cut(err.Error(), `Publish to "`); ok {
		subject, _, _ := strings.Cut(rest, `"`)
		c.noteDenial(subject)
	}
	c.log.Error("bus refuses an operation to this account", slog.Any("error", err))
}

func (c *Conn) noteDenial(subject string) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.denied, func(_ string, at time.Time) bool { return now.Sub(at) > time.Minute })
	c.denied[subject] = now
}

// explain turns the error of a call that began at a time into ErrNotPermitted when the server refused this account
// to publish on a subject that begins so: the call itself only saw a timeout. What was too large becomes ErrTooLarge.
func (c *Conn) explain(err error, prefix string, begun time.Time) error {
	var refusal *jetstream.APIError
	if errors.Is(err, nats.ErrMaxPayload) || errors.As(err, &refusal) && (refusal.ErrorCode == overLimit || refusal.ErrorCode == longHeaders) {
		return fmt.Errorf("%w: %w", bus.ErrTooLarge, err)
	}
	switch {
	case errors.As(err, &refusal) && slices.Contains(full, refusal.ErrorCode):
		return fmt.Errorf("%w: the server has no room left: see 'reprotect bus status', give the disk, max_file_store or the max_file of the account more room; it goes on by itself then: %w", bus.ErrFull, err)
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.As(err, &refusal) && slices.Contains(off, refusal.ErrorCode):
		return fmt.Errorf("JetStream does not answer for it: the server switches JetStream off when its disk is full, and on again at its next start: %w", err)
	case !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, nats.ErrTimeout):
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for subject, at := range c.denied {
		if strings.HasPrefix(subject, prefix) && !at.Before(begun) {
			return bus.ErrNotPermitted
		}
	}
	return err
}

// api begins the subjects on which the server takes requests.
const api = "$JS.API."

// The server's answers to a publication that expects a sequence.
const (
	wrongSequence jetstream.ErrorCode = 10071 // something stands there
	inFlight      jetstream.ErrorCode = 10164 // another such publication is under way
	overLimit     jetstream.ErrorCode = 10054 // of the stream
	longHeaders   jetstream.ErrorCode = 10097 // over 64 KB
)

var (
	// full are the answers of a server without room: for the account, in all, in its store, in a stream.
	full = []jetstream.ErrorCode{10002, 10023, 10047, 10077}
	// off are those of one whose JetStream is off, or not on for the account.
	off = []jetstream.ErrorCode{10039, 10076}
)

// Publish implements bus.Broker.
func (c *Conn) Publish(ctx context.Context, m bus.Message) error {
	return c.sent(streamOf(m.Subject), c.publish(ctx, m))
}

func (c *Conn) publish(ctx context.Context, m bus.Message) error {
	msg := &nats.Msg{Subject: m.Subject, Header: header(m.Headers), Data: m.Data}
	var options []jetstream.PublishOpt
	if m.ID != "" {
		msg.Header.Set(nats.MsgIdHdr, m.ID)
	}
	if m.Once != "" {
		options = append(options, jetstream.WithExpectLastSequenceForSubject(m.After, m.Once))
	}
	for pause := 5 * time.Millisecond; ; pause *= 2 {
		begun := time.Now()
		ack, err := c.js.PublishMsg(ctx, msg, options...)
		var refusal *jetstream.APIError
		switch {
		case err == nil && ack.Duplicate && m.ID != "" && msg.Header.Get(nats.MsgIdHdr) != "":
			// The server has seen the id, by whomever and on whatever subject: that decides nothing.
			if m.Once == "" {
				if same, err := c.isStored(ctx, ack.Sequence, m); same || err != nil {
					return err
				}
			}
			msg.Header.Del(nats.MsgIdHdr)
			continue
		case err == nil:
			return nil
		case errors.As(err, &refusal) && refusal.ErrorCode == wrongSequence:
			return c.decided(ctx, m)
		case errors.As(err, &refusal) && refusal.ErrorCode == inFlight && pause < time.Second:
			select {
			case <-time.After(pause):
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return fmt.Errorf("publish on %s: %w", m.Subject, c.explain(err, m.Subject, begun))
	}
}

// decided says what stands under the step of a message: the newest, since an older one is void.
func (c *Conn) decided(ctx context.Context, m bus.Message) error {
	page, _, err := c.page(ctx, StreamLog, pageRequest{Latest: []string{m.Once}, Batch: pageSize})
	if err == nil && len(page) == 0 { // a server that has not caught up
		err = errors.New("nothing yet")
	}
	if err != nil {
		return fmt.Errorf("publish on %s: something stands under its step, and what that is could not be read: %w", m.Subject, err)
	}
	var newest bus.Received
	for _, msg := range page {
		by, err := stored(msg)
		if err != nil {
			return err
		}
		if by.Sequence > newest.Sequence {
			newest = by
		}
	}
	return &bus.Decided{By: newest}
}

// isStored says whether the message of that number is this one, and not just one with its id.
func (c *Conn) isStored(ctx context.Context, sequence uint64, m bus.Message) (bool, error) {
	page, at, err := c.page(ctx, streamOf(m.Subject), pageRequest{Seq: sequence, Next: ">", Batch: 1})
	switch {
	case err != nil:
		return false, fmt.Errorf("publish on %s: its id is known, and what stands there is not: %w", m.Subject, err)
	case len(page) == 0 || at != sequence || told(page[0], jetstream.SubjectHeader) != m.Subject:
		return false, nil
	case strings.HasPrefix(m.Subject, events.SubjectCommands+".") && !bytes.Equal(page[0].Data, m.Data):
		return false, fmt.Errorf("publish on %s: %w: %s", m.Subject, bus.ErrOtherContent, m.ID)
	}
	return true, nil
}

func streamOf(subject string) string {
	if strings.HasPrefix(subject, events.SubjectDead+".") {
		return StreamDead
	}
	return StreamLog
}

func header(h map[string]string) nats.Header {
	result := nats.Header{}
	for k, v := range h {
		if !strings.HasPrefix(k, "Nats-") { // the server's own, from an earlier delivery
			result[k] = []string{v}
		}
	}
	return result
}

// received turns a delivered message into the bus's form.
func received(subject string, h nats.Header, data []byte) bus.Received {
	r := bus.Received{Message: bus.Message{Subject: subject, ID: h.Get(nats.MsgIdHdr), Data: data}}
	for k := range h {
		if !strings.HasPrefix(k, "Nats-") {
			if r.Headers == nil {
				r.Headers = map[string]string{}
			}
			r.Headers[k] = h.Get(k)
		}
	}
	return r
}
