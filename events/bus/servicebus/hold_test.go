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
	"reprotect.example/events/bus/servicebus"
	"reprotect.example/events/bus/servicebus/sbharness"
	"reprotect.example/events/bus/servicebus/sbpeer"
)

func holdPeer(t *testing.T) *sbpeer.Peer {
	t.Helper()
	return sbharness.Peer(t, bus.Consumer{Service: "executor", Filters: []string{"reprotect.event.*.*.submission.started"}, AckWait: 30 * time.Second})
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
			var networks [3]sbharness.Network
			var processes sync.WaitGroup
			for i := range networks {
				c := sbharness.ConnectOver(t, p, &networks[i])
				pace := rand.New(rand.NewPCG(seed, uint64(i)+2))
				processes.Go(func() {
					for ctx.Err() == nil {
						held, release, err := c.Lease(ctx, "executor")
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
				restore := networks[random.IntN(len(networks))].Sever()
				<-time.After(time.Duration(random.IntN(12_000)) * time.Millisecond)
				restore()
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
		first, second := sbharness.Connect(t, p), sbharness.Connect(t, p)
		_, release, err := first.Lease(t.Context(), "executor")
		if err != nil {
			t.Fatal(err)
		}
		var released atomic.Int64
		time.AfterFunc(time.Minute, func() {
			released.Store(time.Now().UnixNano()) // before: the next one may have it while release returns
			release()
		})
		_, release, err = second.Lease(t.Context(), "executor")
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		if took := time.Since(time.Unix(0, released.Load())); took > 2*time.Second {
			t.Errorf("the next one waited for %s", took)
		}
	})
}

// A holder that does not reach the namespace is not ready, though no other call fails; so is one that stands by. That
// somebody else has the service is no trouble.
func TestHoldsTellWhetherTheNamespaceAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := holdPeer(t)
		var networks [2]sbharness.Network
		holder, standBy := sbharness.ConnectOver(t, p, &networks[0]), sbharness.ConnectOver(t, p, &networks[1])
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		defer running.Wait()
		defer cancel()
		keep := func(c *servicebus.Conn) {
			for ctx.Err() == nil {
				if held, release, err := c.Lease(ctx, "executor"); err == nil {
					<-held.Done()
					release()
				}
			}
		}
		ready := func(when string, c *servicebus.Conn, want bool) {
			t.Helper()
			if err := c.Ready(); (err == nil) != want {
				t.Errorf("%s: %v", when, err)
			}
		}
		running.Go(func() { keep(holder) })
		<-time.After(5 * time.Second)
		running.Go(func() { keep(standBy) })
		<-time.After(time.Minute)
		ready("the holder", holder, true)
		ready("who stands by", standBy, true)

		thaw := networks[1].Freeze()
		<-time.After(25 * time.Second)
		ready("who stands by, cut off", standBy, false)
		thaw()
		<-time.After(time.Minute)
		ready("who stands by, back again", standBy, true)

		thaw = networks[0].Freeze()
		<-time.After(10 * time.Second)
		ready("the holder, cut off", holder, false)
		<-time.After(15 * time.Second)
		ready("the holder, cut off for long", holder, false)
		thaw()
		<-time.After(time.Minute)
		ready("the former holder, back again", holder, true)
		ready("the next holder", standBy, true)
	})
}
