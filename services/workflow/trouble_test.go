package workflow_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/memory"
	"reprotect.example/services/workflow"
)

// fullBus takes no fact and no wake-up while it is full; what it delivered it keeps under way.
type fullBus struct {
	bus.Broker
	full    *atomic.Bool
	refused *atomic.Int32
}

func (b fullBus) Publish(ctx context.Context, m bus.Message) error {
	if b.full.Load() {
		b.refused.Add(1)
		return fmt.Errorf("publish: %w", bus.ErrFull)
	}
	return b.Broker.Publish(ctx, m)
}

func (b fullBus) Wake(ctx context.Context, service, key string, at time.Time, m bus.Message) error {
	if b.full.Load() {
		b.refused.Add(1)
		return fmt.Errorf("wake: %w", bus.ErrFull)
	}
	return b.Broker.Wake(ctx, service, key, at, m)
}

// F2, F5b: however long the bus takes nothing, that uses up no tries: the message stays, its handler is asked anew now and
// then, and when there is room the case goes on as if nothing had been.
func TestTroubleOfTheBusTakesNoTries(t *testing.T) {
	for name, after := range map[string]time.Duration{"an outcome": 0, "a wake-up": time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := memory.New(memory.Faults{})
				full := fullBus{b.Connect(), &atomic.Bool{}, &atomic.Int32{}}
				var attempts, asked atomic.Int32
				handler := func(_ context.Context, e workflow.Event[events.Accepted], _ string) (workflow.Result[string], error) {
					attempts.Store(max(attempts.Load(), int32(e.Attempt)))
					asked.Add(1)
					if after > 0 && e.Looks == 0 {
						return workflow.Result[string]{After: after}, nil
					}
					return workflow.Result[string]{Publish: []workflow.Draft{workflow.Fact(events.TypeValidated, "", events.Validated{Case: e.Data.Case, Findings: []events.Finding{}})}}, nil
				}
				s := workflow.Service{Name: "validator", Routes: []workflow.Route{workflow.On(events.TypeAccepted, events.StepValidation, handler)}}
				raw, err := events.Encode(events.Event[events.Accepted]{
					Header: events.Header{
						ID: "c1/request", Source: "/reprotect/tokyo/validator", Type: events.TypeAccepted.CloudType(), DataSchema: events.TypeAccepted.Schema(),
						Subject: "c1", Site: "tokyo", Case: "c1", Step: events.StepRequest, Request: "r1", Position: 1, Time: time.Now().UTC(),
					},
					Data: events.Accepted{Case: events.Case{Machines: []events.Machine{{Name: "web01", Item: "/items/1", Architecture: "classic"}}}},
				})
				if err != nil {
					t.Fatal(err)
				}
				if err := b.Connect().Publish(t.Context(), bus.Message{Subject: "reprotect.event.tokyo.c1.request.accepted", ID: "c1/request", Data: raw}); err != nil {
					t.Fatal(err)
				}
				full.full.Store(true)
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- workflow.Run(ctx, full, s, workflow.Options{MaxAttempts: 3}) }()
				<-time.After(3 * time.Hour)
				if n := full.refused.Load(); n < 100 || n > 1000 { // half a minute apart, in the end
					t.Errorf("tried %d times in three hours", n)
				}
				full.full.Store(false)
				<-time.After(5 * time.Minute)
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
				var log []string
				for _, r := range b.Log() {
					log = append(log, r.Subject)
				}
				if got := strings.Join(log, " "); got != "reprotect.event.tokyo.c1.request.accepted reprotect.event.tokyo.c1.validation.validated" {
					t.Errorf("the log is %s", got)
				}
				if attempts.Load() != 1 {
					t.Errorf("delivered %d times, asked %d times", attempts.Load(), asked.Load())
				}
			})
		})
	}
}
