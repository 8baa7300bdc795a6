package sbpeer_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"reprotect.example/events/bus/servicebus/sbpeer"
)

func TestDropConnections(t *testing.T) {
	both(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		s, r := e.sender(t, "work"), e.queue(t, "work", nil)
		send(t, s, message("1", "a"))
		ok(t, r.CompleteMessage(patience(t), one(t, r), nil))
		if n := e.peer.DropConnections("nothing"); n != 0 {
			t.Fatalf("%d connections were dropped", n)
		}
		if n := e.peer.DropConnections("work"); n != 2 {
			t.Fatalf("%d connections were dropped", n)
		}
		send(t, s, message("2", "b"))
		if m := one(t, r); m.MessageID != "2" {
			t.Fatalf("got %s", m.MessageID)
		}
	})
}

func TestDropBeforeDisposition(t *testing.T) {
	both(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		s := e.sender(t, "events")
		e.peer.DropBeforeDisposition(1)
		send(t, s, message("1", "a")) // the SDK sends it again, and the id is remembered
		counts(t, e.peer, "events/Subscriptions/all", sbpeer.Counts{Active: 1})
		if st := e.peer.Stats(); st.Duplicates != 1 {
			t.Fatalf("%+v", st)
		}
	})
}

func TestDropSettlement(t *testing.T) {
	bubble(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		s, r := e.sender(t, "work"), e.queue(t, "work", nil)
		send(t, s, message("1", "a"))
		m := one(t, r)
		e.peer.DropBeforeSettlement(1)
		if err := r.CompleteMessage(patience(t), m, nil); err == nil {
			t.Fatal("settled, without a word from the peer")
		}
		counts(t, e.peer, "work", sbpeer.Counts{Locked: 1})
		e.peer.DropBeforeSettlement(1) // over the management link the SDK tries again, and succeeds
		ok(t, r.CompleteMessage(patience(t), &azservicebus.ReceivedMessage{LockToken: m.LockToken}, nil))
		counts(t, e.peer, "work", sbpeer.Counts{})

		send(t, s, message("2", "b"))
		m = one(t, r)
		e.peer.DropAfterSettlement(1)
		if err := r.CompleteMessage(patience(t), m, nil); err == nil {
			t.Fatal("settled, without a word from the peer")
		}
		counts(t, e.peer, "work", sbpeer.Counts{})
		code(t, r.CompleteMessage(patience(t), &azservicebus.ReceivedMessage{LockToken: m.LockToken}, nil), azservicebus.CodeLockLost)
	})
}

func TestDetach(t *testing.T) {
	both(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		s, r := e.sender(t, "work"), e.queue(t, "work", nil)
		send(t, s, message("1", "a"))
		one(t, r)
		if n := e.peer.Detach("work", ""); n != 6 { // each client's link and its two for management
			t.Fatalf("%d links were detached", n)
		}
		send(t, s, message("2", "b"))
		if m := one(t, r); m.MessageID != "2" {
			t.Fatalf("got %s", m.MessageID)
		}
	})
}

func TestBusy(t *testing.T) {
	both(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		s, r := e.sender(t, "work"), e.queue(t, "work", nil)
		e.peer.Busy(2)
		send(t, s, message("1", "a")) // the SDK tries three times more
		m := one(t, r)
		e.peer.Busy(1)
		ok(t, r.RenewMessageLock(patience(t), m, nil))
		e.peer.BusyFor(time.Minute)
		if err := s.SendMessage(patience(t), message("2", "b"), nil); err == nil || !strings.Contains(err.Error(), "server-busy") {
			t.Fatalf("got %v", err)
		}
		e.peer.Advance(time.Minute)
		send(t, s, message("2", "b"))
	})
}

func TestFull(t *testing.T) {
	both(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		s := e.sender(t, "small")
		send(t, s, message("1", "a"), message("2", "b"))
		if err := s.SendMessage(patience(t), message("3", "c"), nil); err == nil || !strings.Contains(err.Error(), "resource-limit-exceeded") {
			t.Fatalf("got %v", err)
		}
		events := e.sender(t, "events")
		e.peer.Fill("events", true)
		if err := events.SendMessage(patience(t), message("1", "a"), nil); err == nil {
			t.Fatal("a full topic took a message")
		}
		e.peer.Fill("events", false)
		send(t, events, message("1", "a"))
	})
}

func TestRefuseConnections(t *testing.T) {
	both(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		s := e.sender(t, "work")
		e.peer.RefuseConnections(true)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if err := s.SendMessage(ctx, message("1", "a"), nil); err == nil {
			t.Fatal("sent without a connection")
		}
		e.peer.RefuseConnections(false)
		send(t, s, message("1", "a"))
	})
}

func TestAuthorization(t *testing.T) {
	keys := []sbpeer.Key{
		{Name: "root", Secret: "a secret"},
		{Name: "sends", Secret: "another", Rights: sbpeer.Send, Entity: "events"},
		{Name: "listens", Secret: "third", Rights: sbpeer.Listen},
	}
	both(t, sbpeer.Options{Keys: keys}, func(t *testing.T, e *env) {
		_, err := e.client(t, "unknown").NewSender("events", nil)
		ok(t, err) // nothing is dialled yet
		s, _ := e.client(t, "unknown").NewSender("events", nil)
		code(t, s.SendMessage(patience(t), message("1", "a"), nil), azservicebus.CodeUnauthorizedAccess)
		s, _ = e.client(t, "sends").NewSender("events", nil)
		send(t, s, message("1", "a"))
		_, err = s.ScheduleMessages(patience(t), []*azservicebus.Message{message("2", "a")}, time.Now().Add(time.Hour), nil)
		ok(t, err)
		r, _ := e.client(t, "sends").NewReceiverForSubscription("events", "all", nil)
		_, err = r.ReceiveMessages(patience(t), 1, nil)
		code(t, err, azservicebus.CodeUnauthorizedAccess)
		s, _ = e.client(t, "sends").NewSender("work", nil)
		code(t, s.SendMessage(patience(t), message("1", "a"), nil), azservicebus.CodeUnauthorizedAccess)
		s, _ = e.client(t, "listens").NewSender("events", nil)
		code(t, s.SendMessage(patience(t), message("3", "a"), nil), azservicebus.CodeUnauthorizedAccess)
		r, _ = e.client(t, "listens").NewReceiverForSubscription("events", "all", nil)
		m := one(t, r)
		ok(t, r.RenewMessageLock(patience(t), m, nil))
		ok(t, r.CompleteMessage(patience(t), m, nil))
	})
}

func TestUnknownEntity(t *testing.T) {
	both(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		err := e.sender(t, "nowhere").SendMessage(patience(t), message("1", "a"), nil)
		if err == nil || !strings.Contains(err.Error(), "amqp:not-found") {
			t.Fatalf("got %v", err)
		}
		_, err = e.queue(t, "sessions", nil).ReceiveMessages(patience(t), 1, nil)
		if err == nil || !strings.Contains(err.Error(), "amqp:not-allowed") {
			t.Fatalf("got %v", err)
		}
	})
}

func TestScheduleThatIsNotConfirmed(t *testing.T) {
	bubble(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		s := e.sender(t, "events")
		e.peer.DropBeforeDisposition(1)
		_, err := s.ScheduleMessages(patience(t), []*azservicebus.Message{message("1", "a")}, e.peer.Now().Add(time.Hour), nil)
		ok(t, err) // at the second try, whose number is that of a message that was dropped
		counts(t, e.peer, "events", sbpeer.Counts{Scheduled: 1})
	})
}

func TestWithholdCredit(t *testing.T) {
	bubble(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		s := e.sender(t, "work")
		send(t, s, message("first", "a"))
		e.peer.WithholdCredit(true)
		var err error
		sent := 0
		for ; err == nil && sent < 2000; sent++ {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			err = s.SendMessage(ctx, message("n", "a"), nil)
			cancel()
		}
		if err == nil || sent > 1000 {
			t.Fatalf("%d sent, %v", sent, err)
		}
		e.peer.WithholdCredit(false)
		send(t, s, message("last", "a"))
	})
}

// TestIdle waits for a day on one connection, which heartbeats and new tokens keep.
func TestIdle(t *testing.T) {
	bubble(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		r := e.queue(t, "work", nil)
		s := e.sender(t, "work")
		send(t, s, message("1", "a"))
		m := one(t, r)
		ok(t, r.CompleteMessage(patience(t), m, nil))
		e.peer.RefuseConnections(true) // a second connection would fail
		sent := make(chan struct{})
		time.AfterFunc(24*time.Hour, func() {
			defer close(sent)
			if err := s.SendMessage(patience(t), message("2", "b"), nil); err != nil {
				t.Error(err)
			}
		})
		defer func() { <-sent }()
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Hour)
		defer cancel()
		all, err := r.ReceiveMessages(ctx, 1, nil)
		ok(t, err)
		if all[0].MessageID != "2" {
			t.Fatalf("got %s", all[0].MessageID)
		}
	})
}
