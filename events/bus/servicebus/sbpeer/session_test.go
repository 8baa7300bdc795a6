package sbpeer_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"reprotect.example/events/bus/servicebus/sbpeer"
)

func inSession(id, session string) *azservicebus.Message {
	m := message(id, id)
	m.SessionID = &session
	return m
}

func (e *env) accept(t *testing.T, session string) *azservicebus.SessionReceiver {
	t.Helper()
	r, err := e.client(t).AcceptSessionForQueue(patience(t), "sessions", session, nil)
	ok(t, err)
	t.Cleanup(func() { r.Close(context.Background()) })
	return r
}

func TestSessions(t *testing.T) {
	both(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		s := e.sender(t, "sessions")
		send(t, s, inSession("a1", "a"), inSession("b1", "b"), inSession("a2", "a"))
		if err := s.SendMessage(patience(t), message("x", "x"), nil); err == nil {
			t.Error("a message without a session was accepted")
		}
		a := e.accept(t, "a")
		if a.LockedUntil().IsZero() {
			t.Error("no time of the lock")
		}
		_, err := e.client(t).AcceptSessionForQueue(patience(t), "sessions", "a", nil)
		if err == nil {
			t.Fatal("two hold the session")
		}
		b, err := e.client(t).AcceptNextSessionForQueue(patience(t), "sessions", nil)
		ok(t, err)
		if b.SessionID() != "b" {
			t.Fatalf("got session %s", b.SessionID())
		}
		all := receive(t, a, 2)
		if all[0].MessageID != "a1" || all[1].MessageID != "a2" || *all[0].SessionID != "a" {
			t.Fatalf("got %+v", all)
		}
		ok(t, a.SetSessionState(patience(t), []byte("state"), nil))
		state, err := a.GetSessionState(patience(t), nil)
		ok(t, err)
		if string(state) != "state" {
			t.Fatalf("state %q", state)
		}
		before := a.LockedUntil()
		e.peer.Advance(30 * time.Second)
		ok(t, a.RenewSessionLock(patience(t), nil))
		if a.LockedUntil().Sub(before) < 29*time.Second {
			t.Errorf("locked until %v, before: %v", a.LockedUntil(), before)
		}
		ok(t, a.CompleteMessage(patience(t), all[0], nil))
		ok(t, a.Close(patience(t)))
		again := e.accept(t, "a")
		if m := one(t, again); m.MessageID != "a2" || m.DeliveryCount != 1 {
			t.Fatalf("got %s, delivery %d", m.MessageID, m.DeliveryCount)
		}
		state, err = again.GetSessionState(patience(t), nil)
		ok(t, err)
		if string(state) != "state" {
			t.Fatalf("state %q", state)
		}
	})
}

func TestNextSession(t *testing.T) {
	bubble(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := e.client(t).AcceptNextSessionForQueue(ctx, "sessions", nil)
		code(t, err, azservicebus.CodeTimeout)
		got := make(chan string)
		go func() {
			r, err := e.client(t).AcceptNextSessionForQueue(patience(t), "sessions", nil)
			if err != nil {
				got <- err.Error()
				return
			}
			got <- r.SessionID()
		}()
		s, pause := e.sender(t, "sessions"), time.After(5*time.Second)
		<-pause
		send(t, s, inSession("1", "late"))
		if id := <-got; id != "late" {
			t.Fatalf("got session %s", id)
		}
	})
}

// TestSessionLockLost runs in virtual time because the SDK pauses for seconds.
func TestSessionLockLost(t *testing.T) {
	bubble(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		send(t, e.sender(t, "sessions"), inSession("1", "a"))
		a := e.accept(t, "a")
		m := one(t, a)
		e.peer.Advance(61 * time.Second)
		counts(t, e.peer, "sessions", sbpeer.Counts{Active: 1})
		if err := a.CompleteMessage(patience(t), m, nil); err == nil {
			t.Fatal("settled without the lock")
		}
		ok(t, a.Close(patience(t))) // it took the session anew
		if m := one(t, e.accept(t, "a")); m.DeliveryCount != 2 {
			t.Fatalf("delivery %d", m.DeliveryCount)
		}
	})
}

func TestListSessions(t *testing.T) {
	both(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		s := e.sender(t, "sessions")
		list := func(o *azservicebus.ListSessionsOptions) (ids []string) {
			for pager := e.client(t).NewListSessionsForQueuePager("sessions", o); pager.More(); {
				page, err := pager.NextPage(patience(t))
				ok(t, err)
				ids = append(ids, page.Sessions...)
			}
			return ids
		}
		if ids := list(nil); len(ids) != 0 {
			t.Fatalf("got %v", ids)
		}
		start := e.peer.Now()
		send(t, s, inSession("1", "b"), inSession("2", "a"), inSession("3", "a"))
		if ids := list(nil); !slices.Equal(ids, []string{"a", "b"}) {
			t.Fatalf("got %v", ids)
		}
		e.peer.Advance(time.Second)
		ok(t, e.accept(t, "c").SetSessionState(patience(t), []byte("x"), nil))
		if ids := list(&azservicebus.ListSessionsOptions{SessionStateUpdatedAfter: &start}); !slices.Equal(ids, []string{"c"}) {
			t.Fatalf("got %v", ids)
		}
	})
}

// TestCancelledAccept gives up on a session; the one who asked later gets it.
func TestCancelledAccept(t *testing.T) {
	bubble(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		ctx, cancel := context.WithCancel(t.Context())
		first := make(chan error)
		go func() {
			_, err := e.client(t).AcceptNextSessionForQueue(ctx, "sessions", nil)
			first <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		send(t, e.sender(t, "sessions"), inSession("1", "a"))
		r, err := e.client(t).AcceptNextSessionForQueue(patience(t), "sessions", nil)
		ok(t, err)
		one(t, r)
		r.Close(patience(t))
	})
}

func TestDeferInSession(t *testing.T) {
	both(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		send(t, e.sender(t, "sessions"), inSession("1", "a"), inSession("2", "a"))
		r := e.accept(t, "a")
		all := receive(t, r, 2)
		ok(t, r.DeferMessage(patience(t), all[0], nil))
		ok(t, r.AbandonMessage(patience(t), all[1], nil))
		if m := one(t, r); m.MessageID != "2" || m.DeliveryCount != 2 {
			t.Fatalf("got %s, delivery %d", m.MessageID, m.DeliveryCount)
		}
		back, err := r.ReceiveDeferredMessages(patience(t), []int64{*all[0].SequenceNumber}, nil)
		ok(t, err)
		ok(t, r.CompleteMessage(patience(t), back[0], nil))
		ok(t, r.Close(patience(t)))
		counts(t, e.peer, "sessions", sbpeer.Counts{Active: 1})
	})
}
