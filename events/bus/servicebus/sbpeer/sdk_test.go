package sbpeer_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"reprotect.example/events/bus/servicebus/sbpeer"
)

// env is a peer and a way to reach it.
type env struct {
	peer    *sbpeer.Peer
	options func() *azservicebus.ClientOptions
}

// both runs a scenario over TCP, and over pipes in virtual time.
func both(t *testing.T, o sbpeer.Options, f func(t *testing.T, e *env)) {
	t.Helper()
	t.Run("tcp", func(t *testing.T) {
		p := sbpeer.New(o)
		t.Cleanup(p.Close)
		if err := p.Listen(0); err != nil {
			t.Fatal(err)
		}
		setup(t, p)
		f(t, &env{p, func() *azservicebus.ClientOptions { return &azservicebus.ClientOptions{RetryOptions: quick} }})
	})
	t.Run("bubble", func(t *testing.T) { bubble(t, o, f) })
}

func bubble(t *testing.T, o sbpeer.Options, f func(t *testing.T, e *env)) {
	synctest.Test(t, func(t *testing.T) {
		p := sbpeer.New(o)
		t.Cleanup(p.Close)
		setup(t, p)
		f(t, &env{p, func() *azservicebus.ClientOptions {
			return &azservicebus.ClientOptions{
				RetryOptions:     quick,
				NewWebSocketConn: func(context.Context, azservicebus.NewWebSocketConnArgs) (net.Conn, error) { return p.Pipe(), nil },
			}
		}})
	})
}

var quick = azservicebus.RetryOptions{MaxRetries: 3, RetryDelay: 5 * time.Millisecond, MaxRetryDelay: 20 * time.Millisecond}

func setup(t *testing.T, p *sbpeer.Peer) {
	t.Helper()
	err := p.Setup(sbpeer.Topology{
		Topics: []sbpeer.Topic{{
			Name: "events", DuplicateWindow: 10 * time.Minute,
			Subscriptions: []sbpeer.Subscription{
				{Name: "all", Receiving: sbpeer.Receiving{MaxDelivery: 3}},
				{Name: "alarms", Filters: []sbpeer.Filter{{Subject: "alarm"}, {Properties: map[string]any{"level": 3, "site": "tokyo"}}}},
			},
		}},
		Queues: []sbpeer.Queue{
			{Name: "work", Receiving: sbpeer.Receiving{LockDuration: 30 * time.Second, MaxDelivery: 3}},
			{Name: "short", Receiving: sbpeer.Receiving{TTL: time.Minute, DeadLetterExpired: true}},
			{Name: "sessions", Receiving: sbpeer.Receiving{RequiresSession: true, MaxDelivery: 3}},
			{Name: "small", Receiving: sbpeer.Receiving{MaxMessages: 2}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (e *env) client(t *testing.T, key ...string) *azservicebus.Client {
	t.Helper()
	c, err := azservicebus.NewClientFromConnectionString(e.peer.ConnectionString(key...), e.options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

func (e *env) sender(t *testing.T, entity string) *azservicebus.Sender {
	t.Helper()
	s, err := e.client(t).NewSender(entity, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

func (e *env) queue(t *testing.T, name string, o *azservicebus.ReceiverOptions) *azservicebus.Receiver {
	t.Helper()
	r, err := e.client(t).NewReceiverForQueue(name, o)
	return receiver(t, r, err)
}

func (e *env) subscription(t *testing.T, name string, o *azservicebus.ReceiverOptions) *azservicebus.Receiver {
	t.Helper()
	r, err := e.client(t).NewReceiverForSubscription("events", name, o)
	return receiver(t, r, err)
}

func receiver(t *testing.T, r *azservicebus.Receiver, err error) *azservicebus.Receiver {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(context.Background()) })
	return r
}

func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func ptr[T any](v T) *T { return &v }

func message(id, body string) *azservicebus.Message {
	return &azservicebus.Message{MessageID: &id, Body: []byte(body)}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func send(t *testing.T, s *azservicebus.Sender, messages ...*azservicebus.Message) {
	t.Helper()
	for _, m := range messages {
		ok(t, s.SendMessage(patience(t), m, nil))
	}
}

type receives interface {
	ReceiveMessages(context.Context, int, *azservicebus.ReceiveMessagesOptions) ([]*azservicebus.ReceivedMessage, error)
}

// receive waits for exactly n messages.
func receive(t *testing.T, r receives, n int) (all []*azservicebus.ReceivedMessage) {
	t.Helper()
	ctx := patience(t)
	for len(all) < n {
		got, err := r.ReceiveMessages(ctx, n-len(all), nil)
		if err != nil {
			t.Fatalf("after %d of %d messages: %v", len(all), n, err)
		}
		all = append(all, got...)
	}
	return all
}

func one(t *testing.T, r receives) *azservicebus.ReceivedMessage {
	t.Helper()
	return receive(t, r, 1)[0]
}

// code demands an error that the SDK gives this code.
func code(t *testing.T, err error, want azservicebus.Code) {
	t.Helper()
	var e *azservicebus.Error
	if !errors.As(err, &e) || e.Code != want {
		t.Fatalf("got %v, want an error of code %s", err, want)
	}
}

func counts(t *testing.T, p *sbpeer.Peer, entity string, want sbpeer.Counts) {
	t.Helper()
	if got := p.Count(entity); got != want {
		t.Fatalf("%s holds %+v, want %+v", entity, got, want)
	}
}

func TestSendAndComplete(t *testing.T) {
	both(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		s, r := e.sender(t, "work"), e.queue(t, "work", nil)
		m := message("1", "body")
		m.Subject, m.CorrelationID, m.ContentType = ptr("subject"), ptr("correlation"), ptr("text/plain")
		m.ApplicationProperties = map[string]any{"cloudEvents:type": "t", "n": int64(7), "flag": true}
		send(t, s, m)
		got := one(t, r)
		if string(got.Body) != "body" || got.MessageID != "1" || *got.Subject != "subject" || got.DeliveryCount != 1 ||
			got.ApplicationProperties["cloudEvents:type"] != "t" || got.ApplicationProperties["n"] != int64(7) ||
			*got.SequenceNumber != 1 || *got.EnqueuedSequenceNumber != 1 || got.EnqueuedTime.IsZero() || got.LockedUntil.Before(*got.EnqueuedTime) {
			t.Fatalf("got %+v", got)
		}
		counts(t, e.peer, "work", sbpeer.Counts{Locked: 1})
		ok(t, r.CompleteMessage(patience(t), got, nil))
		counts(t, e.peer, "work", sbpeer.Counts{})
		if st := e.peer.Stats(); st.Sends != 1 || st.Deliveries != 1 || st.Settlements != 1 || e.peer.Operations() != 2 {
			t.Errorf("%+v, %d operations", st, e.peer.Operations())
		}
	})
}

// TestManyMessages sends batches as full as the SDK makes them, and receives over more than a window of transfers.
func TestManyMessages(t *testing.T) {
	for _, mode := range []azservicebus.ReceiveMode{azservicebus.ReceiveModePeekLock, azservicebus.ReceiveModeReceiveAndDelete} {
		both(t, sbpeer.Options{}, func(t *testing.T, e *env) {
			const n = 6000
			s, r := e.sender(t, "work"), e.queue(t, "work", &azservicebus.ReceiverOptions{ReceiveMode: mode})
			batches := 0
			for i := 0; i < n; batches++ {
				b, err := s.NewMessageBatch(patience(t), nil)
				ok(t, err)
				for ; i < n; i++ {
					if err := b.AddMessage(message(fmt.Sprint(i), "a body of some bytes"), nil); errors.Is(err, azservicebus.ErrMessageTooLarge) {
						break
					}
				}
				ok(t, s.SendMessageBatch(patience(t), b, nil))
			}
			if batches < 2 {
				t.Fatal("no batch was full")
			}
			seen := map[string]bool{} // in no order: between two calls the SDK hands back what it got
			for left := n; left > 0; {
				all, err := r.ReceiveMessages(patience(t), min(left, 5000), nil)
				ok(t, err)
				left -= len(all)
				for _, m := range all {
					if seen[m.MessageID] || m.DeliveryCount != 1 {
						t.Fatalf("message %s came twice, or counts %d deliveries", m.MessageID, m.DeliveryCount)
					}
					seen[m.MessageID] = true
					if mode == azservicebus.ReceiveModePeekLock {
						ok(t, r.CompleteMessage(patience(t), m, nil))
					}
				}
			}
			counts(t, e.peer, "work", sbpeer.Counts{})
		})
	}
}

func TestPropertyQuotas(t *testing.T) {
	both(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		s := e.sender(t, "work")
		with := func(lengths ...int) *azservicebus.Message {
			m := message("1", strings.Repeat("b", 100<<10))
			m.ApplicationProperties = map[string]any{}
			for i, n := range lengths {
				m.ApplicationProperties[fmt.Sprint("p", i)] = strings.Repeat("x", n)
			}
			return m
		}
		schedule := func(m *azservicebus.Message) error {
			_, err := s.ScheduleMessages(patience(t), []*azservicebus.Message{m}, time.Now().Add(time.Hour), nil)
			return err
		}
		most := with(32<<10, 31<<10)
		send(t, s, most)
		ok(t, schedule(most))
		long, many := with(32<<10+1), with(22<<10, 22<<10, 22<<10)
		for what, err := range map[string]error{
			"one that is too long": s.SendMessage(patience(t), long, nil),
			"the same, scheduled":  schedule(long),
			"too many, scheduled":  schedule(many),
		} {
			if err == nil {
				t.Errorf("%s was taken", what)
			}
		}
		if err := s.SendMessage(patience(t), many, nil); !errors.Is(err, azservicebus.ErrMessageTooLarge) {
			t.Errorf("too many: %v", err)
		}
		counts(t, e.peer, "work", sbpeer.Counts{Active: 1, Scheduled: 1})
	})
}
