package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"reprotect.example/events/bus"
)

const (
	pullBatch  = 64 // few messages ahead: what lies in a buffer grows old
	pullFor    = 30 * time.Second
	pullBeat   = 5 * time.Second
	pullSilent = 3 * pullBeat // then the request is lost
	pullAgain  = time.Second  // after the server refused one
)

// pull asks a durable consumer for messages, over and over.
//
// The client library's own iterator takes a message without a body for an answer of the server when a header Status of
// its sender says so: it hands such a message to nobody, or ends. Here what the server delivers shows by its reply subject,
// which the server alone sets.
type pull struct {
	conn            *Conn
	stream, durable string
	subscription    *nats.Subscription
	messages        chan *nats.Msg
	answers         chan *nats.Msg // of the server itself
	heard           atomic.Int64   // when anything came last, in Unix nanoseconds
	closing         <-chan struct{}
}

// ackPrefix begins the reply subject of what a consumer delivers.
const ackPrefix = "$JS.ACK."

func (c *Conn) pull(stream, durable string, closing <-chan struct{}) (p *pull, err error) {
	p = &pull{
		conn: c, stream: stream, durable: durable, closing: closing,
		messages: make(chan *nats.Msg, 2*pullBatch), answers: make(chan *nats.Msg, 16),
	}
	p.subscription, err = c.nc.Subscribe(c.nc.NewInbox(), p.hear)
	return p, err
}

// hear takes what comes.
func (p *pull) hear(msg *nats.Msg) {
	p.heard.Store(time.Now().UnixNano())
	to := p.messages
	if !strings.HasPrefix(msg.Reply, ackPrefix) {
		if to = p.answers; msg.Header.Get("Status") == "100" { // it lives
			return
		}
	}
	select {
	case to <- msg:
	case <-p.closing:
		if to == p.messages {
			_ = respond(msg, "-NAK") // so that others need not wait for it to expire
		}
	}
}

func (p *pull) request() error {
	body, err := json.Marshal(map[string]any{"batch": pullBatch, "expires": pullFor, "idle_heartbeat": pullBeat})
	if err != nil {
		return err
	}
	p.heard.Store(time.Now().UnixNano())
	return p.conn.nc.PublishRequest(api+"CONSUMER.MSG.NEXT."+p.stream+"."+p.durable, p.subscription.Subject, body)
}

// run hands each message on until closing; an error says that the consumer is there no longer, or the connection.
func (p *pull) run(each func(*nats.Msg)) error {
	status := p.conn.nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer p.conn.nc.RemoveStatusListener(status)
	defer p.stop()
	ticker := time.NewTicker(pullBeat)
	defer ticker.Stop()
	left := 0 // of what was asked for
	for {
		if left <= 0 {
			if err := p.request(); err != nil {
				return err
			}
			left = pullBatch
		}
		select {
		case <-p.closing:
			return nil
		case msg := <-p.messages:
			left--
			each(msg)
		case answer := <-p.answers:
			left = 0
			if err := p.over(answer); err != nil {
				return err
			}
		case now := <-status:
			if now == nats.CLOSED {
				return nats.ErrConnectionClosed
			}
			left = 0 // the server that was asked may be gone
		case <-ticker.C:
			if time.Since(time.Unix(0, p.heard.Load())) > pullSilent {
				left = 0
			}
		}
	}
}

// over is what an answer means that ends a request. It waits before the next one, where the server could not serve this.
func (p *pull) over(answer *nats.Msg) error {
	status, said := answer.Header.Get("Status"), answer.Header.Get("Description")
	if status == "404" || status == "408" { // nothing came in time
		return nil
	}
	if strings.Contains(strings.ToLower(said), "consumer deleted") {
		return fmt.Errorf("the server says %s", said)
	}
	p.conn.log.Debug("bus ends a request for messages", slog.String("stream", p.stream), slog.String("status", status), slog.String("why", said))
	select {
	case <-p.closing:
		return nil
	case <-time.After(pullAgain):
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.conn.timeout)
	defer cancel()
	err := p.conn.consumer(ctx, p.stream, p.durable)
	if errors.Is(err, bus.ErrMissing) || errors.Is(err, bus.ErrNotPermitted) {
		return err
	}
	return nil // it is asked again
}

// stop hands back what was fetched ahead, so that others need not wait for it to expire.
func (p *pull) stop() {
	_ = p.subscription.Unsubscribe() // fails where the connection is closed
	for {
		select {
		case msg := <-p.messages:
			_ = respond(msg, "-NAK")
		default:
			return
		}
	}
}

// consumer says whether a durable consumer is there, and learns what time it is on the server.
func (c *Conn) consumer(ctx context.Context, stream, durable string) error {
	begun := time.Now()
	consumer, err := c.js.Consumer(ctx, stream, durable)
	if err != nil {
		err = c.explain(err, api+"CONSUMER.INFO."+stream+".", begun)
		if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
			err = fmt.Errorf("%w: run 'reprotect bus setup': %w", bus.ErrMissing, err)
		}
		return err
	}
	if at := consumer.CachedInfo().TimeStamp; !at.IsZero() {
		c.clock.Saw(at, c.now())
	}
	return nil
}

// respond tells the server what becomes of a delivery.
func respond(msg *nats.Msg, what string) error { return msg.Respond([]byte(what)) }
