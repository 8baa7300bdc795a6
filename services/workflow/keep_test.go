package workflow

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/memory"
)

// keeping runs a service that keeps what comes, and returns the deliveries that it was handed, by subject.
func keeping(t *testing.T, b *memory.Bus, o Options, keep func(n int, r bus.Received) (kept func() error)) (handed func() []string, stop func()) {
	t.Helper()
	var mu sync.Mutex
	var all []string
	s := Service{Name: "journal", Keep: func(_ context.Context, r bus.Received) func() error {
		mu.Lock()
		all = append(all, r.Subject)
		n := len(all)
		mu.Unlock()
		return keep(n, r)
	}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	o.Jitter = func() float64 { return 0 }
	go func() { ended <- Run(ctx, b.Connect(), s, o) }()
	return func() []string {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(all)
		}, func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
}

func command(t *testing.T, b *memory.Bus, names ...string) {
	t.Helper()
	conn := b.Connect()
	for _, name := range names {
		if err := conn.Publish(t.Context(), bus.Message{Subject: "reprotect.command." + name, ID: name, Data: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
	}
}

// What cannot be kept comes again for as long as it takes, behind what came meanwhile, and never as a dead letter.
func TestWhatCannotBeKeptComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Faults{})
		failures := 0
		handed, stop := keeping(t, b, Options{MaxAttempts: 3}, func(_ int, r bus.Received) func() error {
			return func() error {
				if r.ID == "one" && failures < 20 {
					failures++
					return errors.New("the disk is full")
				}
				return nil
			}
		})
		command(t, b, "one", "two")
		if got := handed(); !slices.Equal(got, []string{"reprotect.command.one", "reprotect.command.two"}) {
			t.Errorf("handed %v", got)
		}
		<-time.After(499 * time.Millisecond)
		if got := handed(); len(got) != 2 {
			t.Errorf("it came again at once: %v", got)
		}
		<-time.After(20 * time.Minute)
		if got := handed(); len(got) != 22 || got[21] != "reprotect.command.one" {
			t.Errorf("handed %v", got)
		}
		if log := b.Log(); len(log) != 2 {
			t.Errorf("a dead letter: %d messages in the log", len(log))
		}
		stop()
	})
}

// A message is acknowledged when it is kept, not when it was handed over; many wait at once.
func TestNothingIsAcknowledgedBeforeItIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Faults{})
		hang := make(chan struct{})
		handed, stop := keeping(t, b, Options{Grace: time.Second}, func(int, bus.Received) func() error {
			return func() error { <-hang; return nil }
		})
		command(t, b, "one", "two", "three")
		if got := handed(); len(got) != 3 {
			t.Errorf("one waited for another: %v", got)
		}
		stop()
		close(hang)
		again, stop := keeping(t, b, Options{}, func(int, bus.Received) func() error { return func() error { return nil } })
		<-time.After(time.Minute)
		if got := again(); len(got) != 3 {
			t.Errorf("of what was not kept came %v", got)
		}
		stop()
		none, stop := keeping(t, b, Options{}, func(int, bus.Received) func() error { return func() error { return nil } })
		<-time.After(time.Minute)
		if got := none(); len(got) != 0 {
			t.Errorf("what was kept came again: %v", got)
		}
		stop()
	})
}

// A disk that hangs is waited for like one that is full.
func TestWhatIsNotKeptInTimeComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Faults{})
		free := make(chan struct{})
		handed, stop := keeping(t, b, Options{MaxAttempts: 3}, func(n int, _ bus.Received) func() error {
			return func() error {
				if n <= 5 {
					<-free
				}
				return nil
			}
		})
		command(t, b, "one")
		<-time.After(20 * time.Minute)
		if got := handed(); len(got) != 6 || len(b.Log()) != 1 {
			t.Errorf("handed %v, %d messages in the log", got, len(b.Log()))
		}
		close(free)
		stop()
	})
}

func TestAPanicWhileKeepingIsAnError(t *testing.T) {
	for name, keep := range map[string]func() func() error{
		"when it is handed over": func() func() error { panic("boom") },
		"when it is kept":        func() func() error { return func() error { panic("boom") } },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := memory.New(memory.Faults{})
				handed, stop := keeping(t, b, Options{MaxAttempts: 3}, func(_ int, r bus.Received) func() error {
					if r.ID == "bad" {
						return keep()
					}
					return func() error { return nil }
				})
				command(t, b, "bad", "good")
				<-time.After(time.Minute)
				if got := handed(); len(got) != 4 || !slices.Contains(got, "reprotect.command.good") {
					t.Errorf("handed %v", got)
				}
				log := b.Log()
				last := log[len(log)-1]
				e, err := events.Decode(events.TypeDead, last.Data)
				if err != nil || e.Data.Reason != "attempts-exhausted" || !strings.Contains(e.Data.Error, "boom") || len(log) != 3 {
					t.Errorf("of %d messages the last is %s: %+v, %v", len(log), last.Subject, e.Data, err)
				}
				stop()
			})
		})
	}
}

func TestWhatAKeeperSubscribesTo(t *testing.T) {
	s := Service{Name: "journal", Keep: func(context.Context, bus.Received) func() error { return nil }}
	if c := s.Consumer(); c.Service != "journal" || !c.InOrder || c.Narrow != nil || !slices.Equal(c.Filters, []string{"reprotect.command.>", "reprotect.event.>", "reprotect.notification.>"}) {
		t.Errorf("%+v", c)
	}
	s.Sites = []string{"osaka", "tokyo"}
	want := []string{"reprotect.command.>", "reprotect.event.osaka.>", "reprotect.event.tokyo.>", "reprotect.notification.osaka.*", "reprotect.notification.tokyo.*"}
	if c := s.Consumer(); c.Service != "journal-osaka-tokyo" || !slices.Equal(c.Filters, want) {
		t.Errorf("%+v", c)
	}
}
