package servicebus_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/servicebus/sbpeer"
)

func holdPeer(t *testing.T) *sbpeer.Peer {
	t.Helper()
	return peer(t, bus.Consumer{Service: "executor", Filters: []string{"reprotect.event.*.*.submission.started"}, AckWait: 30 * time.Second})
}

// Three processes want the same service, hold it for a while and leave, while their networks are cut at random: never do
// two count themselves its holder.
func TestNeverTwoHold(t *testing.T) {
	for seed := range uint64(2) {
		synctest.Test(t, func(t *testing.T) {
			p := holdPeer(t)
			random := rand.New(rand.NewPCG(seed, 1))
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
			defer cancel()
			var mu sync.Mutex
			holders := map[int]context.Context{}
			holds := 0
			var networks [3]network
			var processes sync.WaitGroup
			for i := range networks {
				c := connectOver(t, p, &networks[i])
				pace := rand.New(rand.NewPCG(seed, uint64(i)+2))
				processes.Go(func() {
					for ctx.Err() == nil {
						held, release, err := c.Hold(ctx, "executor")
						if err != nil {
							continue
						}
						mu.Lock()
						for j, other := range holders {
							if other.Err() == nil {
								t.Errorf("seed %d: %d and %d hold the service", seed, i, j)
							}
						}
						holders[i] = held
						holds++
						mu.Unlock()
						select {
						case <-held.Done():
						case <-time.After(time.Duration(pace.IntN(60)) * time.Second):
						}
						release()
					}
				})
			}
			for ctx.Err() == nil {
				mend := networks[random.IntN(len(networks))].sever()
				<-time.After(time.Duration(random.IntN(12_000)) * time.Millisecond)
				mend()
				<-time.After(time.Duration(random.IntN(20_000)) * time.Millisecond)
			}
			processes.Wait()
			if holds < 20 {
				t.Errorf("seed %d: held only %d times in twenty minutes", seed, holds)
			}
		})
	}
}

// Who leaves lets the next one in at once; only after one that was cut off the next one waits.
func TestACleanLeaveIsTakenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := holdPeer(t)
		first, second := connect(t, p), connect(t, p)
		_, release, err := first.Hold(t.Context(), "executor")
		if err != nil {
			t.Fatal(err)
		}
		var released atomic.Int64
		time.AfterFunc(time.Minute, func() {
			release()
			released.Store(time.Now().UnixNano())
		})
		_, release, err = second.Hold(t.Context(), "executor")
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		if took := time.Since(time.Unix(0, released.Load())); took > 2*time.Second {
			t.Errorf("the next one waited for %s", took)
		}
	})
}
