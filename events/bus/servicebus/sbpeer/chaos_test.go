package sbpeer_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"reprotect.example/events/bus/servicebus/sbpeer"
)

// TestNothingIsLost sends and receives from many clients while everything goes wrong, in virtual time.
func TestNothingIsLost(t *testing.T) {
	bubble(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		const clients, each = 3, 150
		err := e.peer.Setup(sbpeer.Topology{Topics: []sbpeer.Topic{{
			Name: "chaos", DuplicateWindow: time.Hour, Subscriptions: []sbpeer.Subscription{{Name: "all", Receiving: sbpeer.Receiving{MaxDelivery: 1000}}},
		}}})
		ok(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 6*time.Hour)
		defer cancel()
		var wg sync.WaitGroup
		for i := range clients {
			wg.Go(func() {
				s, err := e.client(t).NewSender("chaos", nil)
				if err != nil {
					t.Error(err)
					return
				}
				pace := time.NewTicker(50 * time.Millisecond)
				defer pace.Stop()
				for n := range each {
					<-pace.C
					for {
						once, cancel := context.WithTimeout(ctx, 5*time.Second)
						err := s.SendMessage(once, message(fmt.Sprintf("%d/%d", i, n), "x"), nil)
						cancel()
						if err == nil {
							break
						}
						if ctx.Err() != nil {
							t.Errorf("message %d/%d: %v", i, n, err)
							return
						}
					}
				}
			})
		}
		var mu sync.Mutex
		seen := map[string]int{}
		for range clients {
			wg.Go(func() {
				r, err := e.client(t).NewReceiverForSubscription("chaos", "all", nil)
				if err != nil {
					t.Error(err)
					return
				}
				for {
					mu.Lock()
					done := len(seen) == clients*each
					mu.Unlock()
					if done || ctx.Err() != nil {
						return
					}
					once, cancel := context.WithTimeout(ctx, 10*time.Second)
					all, _ := r.ReceiveMessages(once, 20, nil)
					cancel()
					for _, m := range all {
						once, cancel := context.WithTimeout(ctx, 2*time.Second)
						err := r.CompleteMessage(once, m, nil)
						cancel()
						if err != nil {
							continue // it comes again, if it was not settled
						}
						mu.Lock()
						seen[m.MessageID]++
						mu.Unlock()
					}
				}
			})
		}
		faults := []func(){
			func() { e.peer.DropConnections() },
			func() { e.peer.DropBeforeDisposition(2) },
			func() { e.peer.Detach("chaos/Subscriptions/all", "") },
			func() { e.peer.Detach("chaos", "amqp:internal-error") },
			func() { e.peer.ExpireLocks() },
			func() { e.peer.Busy(5) },
			func() { e.peer.DropBeforeSettlement(1) },
			func() { e.peer.WithholdCredit(true) },
			func() { e.peer.WithholdCredit(false) },
			func() { e.peer.RefuseConnections(true); e.peer.DropConnections("chaos") },
			func() { e.peer.RefuseConnections(false) },
		}
		for i := range 5 * len(faults) {
			after := time.Duration(i) * 170 * time.Millisecond
			time.AfterFunc(after, faults[(i*7)%len(faults)])
		}
		time.AfterFunc(time.Minute, func() { e.peer.RefuseConnections(false); e.peer.WithholdCredit(false) })
		wg.Wait()
		for id, n := range seen {
			if n != 1 {
				t.Errorf("message %s was settled %d times", id, n)
			}
		}
		counts(t, e.peer, "chaos/Subscriptions/all", sbpeer.Counts{})
		if st := e.peer.Stats(); st.Sends-st.Duplicates != clients*each || len(seen) != clients*each {
			t.Errorf("%d messages were seen, %+v", len(seen), st)
		} else {
			t.Logf("%+v", st)
		}
	})
}
