package sbpeer_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"reprotect.example/events/bus/servicebus/sbpeer"
)

func TestAbandonUntilDead(t *testing.T) {
	both(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		s, r := e.sender(t, "work"), e.queue(t, "work", nil)
		send(t, s, message("1", "body"))
		for i := range 3 {
			m := one(t, r)
			if m.DeliveryCount != uint32(i+1) {
				t.Fatalf("delivery %d counts as %d", i+1, m.DeliveryCount)
			}
			if i > 0 && m.ApplicationProperties["tried"] != "yes" {
				t.Fatalf("properties %v", m.ApplicationProperties)
			}
			ok(t, r.AbandonMessage(patience(t), m, &azservicebus.AbandonMessageOptions{PropertiesToModify: map[string]any{"tried": "yes"}}))
		}
		counts(t, e.peer, "work", sbpeer.Counts{Dead: 1})
		dead := e.queue(t, "work", &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueDeadLetter})
		peeked, err := dead.PeekMessages(patience(t), 10, nil)
		ok(t, err)
		m := one(t, dead)
		if len(peeked) != 1 || *m.DeadLetterReason != "MaxDeliveryCountExceeded" || *m.DeadLetterSource != "work" || m.ApplicationProperties["tried"] != "yes" {
			t.Fatalf("%d peeked, got %+v", len(peeked), m)
		}
		ok(t, dead.RenewMessageLock(patience(t), m, nil))
		ok(t, dead.CompleteMessage(patience(t), m, nil))
		counts(t, e.peer, "work", sbpeer.Counts{})
	})
}

func TestDeadLetterWithReason(t *testing.T) {
	both(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		send(t, e.sender(t, "events"), message("1", "body"))
		r := e.subscription(t, "all", nil)
		ok(t, r.DeadLetterMessage(patience(t), one(t, r), &azservicebus.DeadLetterOptions{
			Reason: ptr("poison"), ErrorDescription: ptr("cannot be read"), PropertiesToModify: map[string]any{"who": "test"},
		}))
		dead := e.subscription(t, "all", &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueDeadLetter})
		m := one(t, dead)
		if *m.DeadLetterReason != "poison" || *m.DeadLetterErrorDescription != "cannot be read" || m.ApplicationProperties["who"] != "test" {
			t.Fatalf("got %+v", m)
		}
		ok(t, dead.AbandonMessage(patience(t), m, nil))
		ok(t, dead.CompleteMessage(patience(t), one(t, dead), nil))
		counts(t, e.peer, "events/Subscriptions/all", sbpeer.Counts{})
	})
}

func TestDefer(t *testing.T) {
	both(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		send(t, e.sender(t, "work"), message("1", "a"), message("2", "b"))
		r := e.queue(t, "work", nil)
		all := receive(t, r, 2)
		ok(t, r.DeferMessage(patience(t), all[0], nil))
		ok(t, r.DeferMessage(patience(t), all[1], nil))
		counts(t, e.peer, "work", sbpeer.Counts{Deferred: 2})
		peeked, err := r.PeekMessages(patience(t), 10, nil)
		ok(t, err)
		if len(peeked) != 2 || peeked[0].State != azservicebus.MessageStateDeferred {
			t.Fatalf("peeked %+v", peeked)
		}
		back, err := r.ReceiveDeferredMessages(patience(t), []int64{*all[1].SequenceNumber, *all[0].SequenceNumber}, nil)
		ok(t, err)
		if len(back) != 2 || string(back[0].Body) != "b" || back[0].LockToken == [16]byte{} {
			t.Fatalf("got %+v", back)
		}
		ok(t, r.RenewMessageLock(patience(t), back[0], nil))
		ok(t, r.CompleteMessage(patience(t), back[0], nil))
		ok(t, r.AbandonMessage(patience(t), back[1], nil))
		counts(t, e.peer, "work", sbpeer.Counts{Deferred: 1})
		_, err = r.ReceiveDeferredMessages(patience(t), []int64{*all[1].SequenceNumber}, nil)
		code(t, err, azservicebus.CodeNotFound)
		back, err = r.ReceiveDeferredMessages(patience(t), []int64{*all[0].SequenceNumber}, nil)
		ok(t, err)
		ok(t, r.DeadLetterMessage(patience(t), back[0], &azservicebus.DeadLetterOptions{Reason: ptr("late")}))
		counts(t, e.peer, "work", sbpeer.Counts{Dead: 1})
	})
}

func TestReceiveAndDelete(t *testing.T) {
	both(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		send(t, e.sender(t, "work"), message("1", "a"))
		r := e.queue(t, "work", &azservicebus.ReceiverOptions{ReceiveMode: azservicebus.ReceiveModeReceiveAndDelete})
		one(t, r)
		counts(t, e.peer, "work", sbpeer.Counts{})
	})
}

func TestLocks(t *testing.T) {
	both(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		send(t, e.sender(t, "work"), message("1", "a"))
		r := e.queue(t, "work", nil)
		m := one(t, r)
		e.peer.Advance(20 * time.Second)
		before := *m.LockedUntil
		ok(t, r.RenewMessageLock(patience(t), m, nil))
		if d := m.LockedUntil.Sub(before); d < 19*time.Second {
			t.Fatalf("the lock was prolonged by %v", d)
		}
		e.peer.Advance(20 * time.Second)
		counts(t, e.peer, "work", sbpeer.Counts{Locked: 1})
		e.peer.Advance(11 * time.Second)
		counts(t, e.peer, "work", sbpeer.Counts{Active: 1})
		code(t, r.RenewMessageLock(patience(t), m, nil), azservicebus.CodeLockLost)
		code(t, r.CompleteMessage(patience(t), m, nil), azservicebus.CodeLockLost)
		if m = one(t, r); m.DeliveryCount != 2 {
			t.Fatalf("delivery %d", m.DeliveryCount)
		}
		if n := e.peer.ExpireLocks(); n != 1 {
			t.Fatalf("%d locks expired", n)
		}
		code(t, r.AbandonMessage(patience(t), m, nil), azservicebus.CodeLockLost)
		m = one(t, r)
		ok(t, r.CompleteMessage(patience(t), m, nil))
		if st := e.peer.Stats(); st.Renewals != 1 || st.Deliveries != 3 || st.Settlements != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// TestLockInVirtualTime needs no Advance: the bubble's clock is enough.
func TestLockInVirtualTime(t *testing.T) {
	bubble(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		send(t, e.sender(t, "work"), message("1", "a"))
		r := e.queue(t, "work", nil)
		m, start := one(t, r), time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		again, err := r.ReceiveMessages(ctx, 1, nil)
		ok(t, err)
		if d := time.Since(start); d < 29*time.Second || d > 31*time.Second || again[0].DeliveryCount != 2 {
			t.Fatalf("delivery %d after %v", again[0].DeliveryCount, d)
		}
		code(t, r.CompleteMessage(patience(t), m, nil), azservicebus.CodeLockLost)
		ok(t, r.CompleteMessage(patience(t), again[0], nil))
	})
}

func TestTimeToLive(t *testing.T) {
	both(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		s, r := e.sender(t, "short"), e.queue(t, "short", nil)
		shorter := message("1", "a")
		shorter.TimeToLive = ptr(10 * time.Second)
		send(t, s, shorter, message("2", "b"))
		e.peer.Advance(11 * time.Second)
		counts(t, e.peer, "short", sbpeer.Counts{Active: 2}) // nobody receives
		m := one(t, r)
		counts(t, e.peer, "short", sbpeer.Counts{Locked: 1, Dead: 1})
		e.peer.Advance(55 * time.Second) // it is over, but locked
		counts(t, e.peer, "short", sbpeer.Counts{Locked: 1, Dead: 1})
		ok(t, r.AbandonMessage(patience(t), m, nil))
		counts(t, e.peer, "short", sbpeer.Counts{Dead: 2})
		dead := e.queue(t, "short", &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueDeadLetter})
		if m := one(t, dead); *m.DeadLetterReason != "TTLExpiredException" {
			t.Fatalf("got %+v", m)
		}
		expiring := message("3", "c")
		expiring.TimeToLive = ptr(time.Second)
		send(t, e.sender(t, "work"), expiring)
		e.peer.Advance(2 * time.Second)
		counts(t, e.peer, "work", sbpeer.Counts{Active: 1})
		send(t, e.sender(t, "work"), message("4", "d"))
		if m := one(t, e.queue(t, "work", nil)); m.MessageID != "4" {
			t.Errorf("received %s", m.MessageID)
		}
		expiring.MessageID = ptr("5")
		send(t, e.sender(t, "work"), expiring)
		e.peer.Advance(2 * time.Second) // somebody receives
		counts(t, e.peer, "work", sbpeer.Counts{Locked: 1})
	})
}

func TestReleasedMessagesDoNotCount(t *testing.T) {
	both(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		s, r := e.sender(t, "work"), e.queue(t, "work", nil)
		send(t, s, message("1", "a"))
		m, err := r.ReceiveMessages(patience(t), 10, nil) // leaves credit behind, and somebody who hands back
		ok(t, err)
		ok(t, r.CompleteMessage(patience(t), m[0], nil))
		send(t, s, message("2", "b"), message("3", "c"))
		for _, m := range receive(t, r, 2) {
			if m.DeliveryCount != 1 {
				t.Fatalf("message %s: delivery %d", m.MessageID, m.DeliveryCount)
			}
			ok(t, r.CompleteMessage(patience(t), m, nil))
		}
	})
}

func TestLargeMessages(t *testing.T) {
	both(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		s, r := e.sender(t, "work"), e.queue(t, "work", nil)
		body := bytes.Repeat([]byte("0123456789abcdef"), 250<<10/16) // several frames each way
		send(t, s, &azservicebus.Message{MessageID: ptr("1"), Body: body})
		m := one(t, r)
		if !bytes.Equal(m.Body, body) {
			t.Fatalf("%d bytes came of %d", len(m.Body), len(body))
		}
		ok(t, r.CompleteMessage(patience(t), m, nil))
		if n := e.peer.Operations(); n != 8 {
			t.Errorf("%d operations for 4 x 64 KB each way", n)
		}
		err := s.SendMessage(patience(t), &azservicebus.Message{Body: make([]byte, 300<<10)}, nil)
		if !errors.Is(err, azservicebus.ErrMessageTooLarge) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestPeek(t *testing.T) {
	both(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		s, r := e.sender(t, "work"), e.queue(t, "work", nil)
		send(t, s, message("1", "a"), message("2", "b"), message("3", "c"))
		later := message("4", "d")
		later.ScheduledEnqueueTime = ptr(e.peer.Now().Add(time.Hour))
		send(t, s, later)
		first, err := r.PeekMessages(patience(t), 2, nil)
		ok(t, err)
		rest, err := r.PeekMessages(patience(t), 10, nil)
		ok(t, err)
		if len(first) != 2 || len(rest) != 2 || rest[0].MessageID != "3" || rest[1].State != azservicebus.MessageStateScheduled {
			t.Fatalf("peeked %d and %d", len(first), len(rest))
		}
		none, err := r.PeekMessages(patience(t), 10, nil)
		ok(t, err)
		if len(none) != 0 {
			t.Fatalf("peeked %d more", len(none))
		}
		counts(t, e.peer, "work", sbpeer.Counts{Active: 3, Scheduled: 1})
	})
}

// TestSettleOverManagement settles a message that came over a connection that is gone. The SDK insists on the link that
// is gone for as long as it may, unless it has only the lock token. It pauses for seconds before it tries again.
func TestSettleOverManagement(t *testing.T) {
	bubble(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		send(t, e.sender(t, "work"), message("1", "a"))
		r := e.queue(t, "work", nil)
		m := one(t, r)
		e.peer.DropConnections()
		if err := r.CompleteMessage(patience(t), m, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		ok(t, r.CompleteMessage(patience(t), &azservicebus.ReceivedMessage{LockToken: m.LockToken}, nil))
		counts(t, e.peer, "work", sbpeer.Counts{})
	})
}
