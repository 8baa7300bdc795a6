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

// told adds up what Options.Hanging says.
type told struct {
	mu                 sync.Mutex
	messages, handlers map[string]int
}

func (h *told) hanging(service, kind string, messages, handlers int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.messages[service+"/"+kind] += messages
	h.handlers[service+"/"+kind] += handlers
}

func (h *told) now() (messages, handlers int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.messages["validator/accepted"], h.handlers["validator/accepted"]
}

func aCase(t *testing.T) bus.Message {
	t.Helper()
	e := events.Event[events.Accepted]{
		Header: events.Header{
			ID: "a/request", Source: "/reprotect/tokyo/validator", Type: events.TypeAccepted.CloudType(),
			Subject: "a", Site: "tokyo", Case: "a", Step: events.StepRequest, Request: "r1", Position: 1, Time: time.Now().UTC(),
		},
		Data: events.Accepted{Case: events.Case{Machines: []events.Machine{{Name: "web01", Item: "/items/1", Architecture: "classic"}}}},
	}
	raw, err := events.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	return bus.Message{Subject: events.FactSubject("tokyo", "a", events.StepRequest, "accepted"), ID: e.ID, Data: raw}
}

// run serves a handler of one route over a memory bus until the test ends.
func run1(t *testing.T, b *memory.Bus, h Handler[events.Accepted, None], o Options, change func(Route) Route) (stop func()) {
	t.Helper()
	s := Service{Name: "validator", Routes: []Route{change(On(events.TypeAccepted, events.StepValidation, h))}}
	conn := b.Connect()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, conn, s, o) }()
	if err := conn.Publish(ctx, aCase(t)); err != nil {
		t.Fatal(err)
	}
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func same(r Route) Route { return r }

func validated(e Event[events.Accepted]) Result[None] {
	return Result[None]{Publish: []Draft{Fact(events.TypeValidated, "", events.Validated{Case: e.Data.Case, Findings: []events.Finding{}})}}
}

func subjects(b *memory.Bus) (all []string) {
	for _, r := range b.Log() {
		all = append(all, r.Subject)
	}
	return all
}

const answered = "reprotect.event.tokyo.a.validation.validated"

func TestHandlerThatHangsIsEnded(t *testing.T) {
	for _, tt := range []struct {
		name    string
		heeds   bool
		change  func(Route) Route
		limit   time.Duration
		handing time.Duration // when its message is handed back
	}{
		{"one that heeds its context", true, same, 2 * time.Minute, 2 * time.Minute},
		{"one that does not", false, same, 2 * time.Minute, 2*time.Minute + parting},
		{"with a limit of its own", true, func(r Route) Route { return r.Within(7 * time.Second) }, 7 * time.Second, 7 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				free := make(chan struct{})
				var calls []time.Duration
				begun := time.Now()
				var h told
				h.messages, h.handlers = map[string]int{}, map[string]int{}
				var hows []string
				b := memory.New(memory.Faults{})
				stop := run1(t, b, func(ctx context.Context, e Event[events.Accepted], _ None) (Result[None], error) {
					calls = append(calls, time.Since(begun))
					switch {
					case e.Attempt > 1:
						return validated(e), nil
					case tt.heeds:
						<-ctx.Done()
						return Result[None]{}, ctx.Err()
					}
					<-free
					return validated(e), nil // too late: another delivery has the message
				}, Options{
					Hanging: h.hanging, Jitter: func() float64 { return 0 },
					Observe: func(_, _, how string, _ time.Duration) { hows = append(hows, how) },
				}, tt.change)
				<-time.After(tt.limit - time.Millisecond)
				if messages, _ := h.now(); messages != 0 {
					t.Errorf("%d messages hang before the limit", messages)
				}
				<-time.After(2 * time.Millisecond)
				synctest.Wait()
				if messages, _ := h.now(); messages != 1 {
					t.Errorf("%d messages hang after the limit", messages)
				}
				<-time.After(tt.handing - tt.limit)
				synctest.Wait()
				left := 0
				if !tt.heeds {
					left = 1
				}
				if messages, handlers := h.now(); messages != 1 || handlers != left {
					t.Errorf("handed back: %d messages hang, %d handlers are left behind", messages, handlers)
				}
				<-time.After(time.Second) // the pause is half of it
				synctest.Wait()
				if len(calls) != 2 || calls[1] != tt.handing+500*time.Millisecond || !slices.Contains(subjects(b), answered) || !slices.Equal(hows, []string{"retried", "done"}) {
					t.Errorf("called at %v, it ended %v, the log has %v", calls, hows, subjects(b))
				}
				if messages, handlers := h.now(); messages != left || handlers != left {
					t.Errorf("answered: %d messages hang, %d handlers are left behind", messages, handlers)
				}
				stop()
				close(free)
				synctest.Wait()
				if messages, handlers := h.now(); messages != 0 || handlers != 0 {
					t.Errorf("at the end %d messages hang, %d handlers are left behind", messages, handlers)
				}
			})
		})
	}
}

// A handler whose look at Azure ends with its context may wait for Azure like after any other such look.
func TestHandlerThatAnswersAtItsLimitHasAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := told{messages: map[string]int{}, handlers: map[string]int{}}
		b := memory.New(memory.Faults{})
		stop := run1(t, b, func(ctx context.Context, e Event[events.Accepted], _ None) (Result[None], error) {
			if e.Looks > 0 {
				return validated(e), nil
			}
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), errLimit) || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				t.Errorf("its context ended with %v: %v", ctx.Err(), context.Cause(ctx))
			}
			return Result[None]{After: time.Minute}, nil
		}, Options{Hanging: h.hanging}, same)
		<-time.After(Limit + time.Minute + time.Second)
		synctest.Wait()
		if messages, handlers := h.now(); messages != 0 || handlers != 0 || !slices.Contains(subjects(b), answered) {
			t.Errorf("%d messages hang, the log has %v", messages, subjects(b))
		}
		stop()
	})
}

func TestMessageWhoseHandlerAlwaysHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := told{messages: map[string]int{}, handlers: map[string]int{}}
		b := memory.New(memory.Faults{})
		free := make(chan struct{})
		stop := run1(t, b, func(context.Context, Event[events.Accepted], None) (Result[None], error) {
			<-free
			return Result[None]{}, nil
		}, Options{Hanging: h.hanging, MaxAttempts: 3}, same)
		<-time.After(4 * (Limit + parting))
		synctest.Wait()
		if messages, handlers := h.now(); messages != 1 || handlers != 3 {
			t.Errorf("%d messages hang, %d handlers are left behind", messages, handlers)
		}
		for _, r := range b.Log() {
			if r.Subject != "reprotect.dead.validator" {
				continue
			}
			e, err := events.Decode(events.TypeDead, r.Data)
			if err != nil || e.Data.Reason != "attempts-exhausted" || !strings.Contains(e.Data.Error, "did not end within 2m0s") {
				t.Errorf("dead letter %+v, %v", e.Data, err)
			}
		}
		if all := subjects(b); !slices.Contains(all, "reprotect.dead.validator") || !slices.Contains(all, "reprotect.event.tokyo.a.validation.failed") {
			t.Errorf("the log has %v", all)
		}
		close(free)
		synctest.Wait()
		<-time.After(remembered + time.Minute)
		synctest.Wait()
		if messages, handlers := h.now(); messages != 0 || handlers != 0 {
			t.Errorf("at the end %d messages hang, %d handlers are left behind", messages, handlers)
		}
		stop()
	})
}

// One process sees the handler hang, and another gets the message next.
func TestHangIsForgottenWhenItsMessageGoesElsewhere(t *testing.T) {
	var sum int
	h := hangs{messages: map[hanging]*hang{}, tell: func(_ string, messages, _ int) { sum += messages }}
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	h.begin(hanging{"k", "s", 1}, at)
	h.begin(hanging{"k", "s", 2}, at.Add(time.Minute))
	h.expire(at.Add(-time.Second))
	if sum != 2 {
		t.Errorf("%d hang", sum)
	}
	h.begin(hanging{"k", "s", 2}, at.Add(time.Hour))
	h.expire(at.Add(time.Minute))
	if sum != 1 {
		t.Errorf("%d hang", sum)
	}
}

func TestDrainsThoughAHandlerHeedsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := told{messages: map[string]int{}, handlers: map[string]int{}}
		free := make(chan struct{})
		stop := run1(t, memory.New(memory.Faults{}), func(context.Context, Event[events.Accepted], None) (Result[None], error) {
			<-free
			return Result[None]{}, nil
		}, Options{Hanging: h.hanging}, same)
		synctest.Wait()
		begun := time.Now()
		stop()
		if took := time.Since(begun); took != 20*time.Second+parting {
			t.Errorf("it took %s", took)
		}
		close(free)
		synctest.Wait()
		if messages, handlers := h.now(); messages != 0 || handlers != 0 {
			t.Errorf("at the end %d messages hang, %d handlers are left behind", messages, handlers)
		}
	})
}
