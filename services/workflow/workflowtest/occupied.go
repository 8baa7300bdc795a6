package workflowtest

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/bustest"
	"reprotect.example/services/workflow"
)

// nats-N2: what occupies a step raises an alarm where the bus tells of it, and once an administrator has made it void, the
// step is decided, by waits of its own.
func loopOccupied(t *testing.T, h bustest.Harness) {
	s := service(func(_ context.Context, e workflow.Event[events.Accepted], left string) (workflow.Result[string], error) {
		if e.Looks == 0 {
			return workflow.Result[string]{After: 100 * time.Millisecond, State: "looked"}, nil
		}
		return workflow.Result[string]{Publish: []workflow.Draft{workflow.Fact(events.TypeValidated, "", events.Validated{Case: e.Data.Case, Findings: []events.Finding{}})}}, nil
	})
	b, ctx := h.New(t, s.Consumer()), bustest.Patience(t, h)
	conn, _ := b.Connect(t)
	rogue := bustest.Message("c1", events.StepValidation, "validated")
	rogue.Once, rogue.Data = "", []byte(`{"stream":"REPROTECT","seq":1}`)
	bustest.Publish(t, ctx, conn, rogue)
	var occupied atomic.Int64
	stop := serve(t, h, conn, s, workflow.Options{Occupied: func(_ string, n int) { occupied.Store(int64(n)) }})
	publishAccepted(t, ctx, conn, "c1")
	if _, silent := h.Cannot["fences steps and cases apart"]; !silent {
		said := await(t, ctx, b, "the alarm", on(events.FactSubject("tokyo", "c1", events.StepProgress, "waiting")))
		if e, err := events.Decode(events.TypeWaiting, said.Data); err != nil || e.Data.For != events.ForOperator || e.Data.Code != "step.occupied" || !strings.Contains(e.Data.Remedy, "reprotect bus void c1 validation") {
			t.Errorf("said: %+v, %v", e.Data, err)
		}
		await(t, ctx, b, "the dead letter", on(events.DeadSubject("validator")))
		if n := occupied.Load(); n != 1 {
			t.Errorf("%d steps are said to be occupied", n)
		}
	}

	stands := await(t, ctx, b, "what occupies", on(rogue.Subject))
	mark := bustest.Message("c1", events.StepValidation, "voided")
	mark.ID, mark.Once = "c1/validation/voided-1", ""
	bustest.Publish(t, ctx, conn, mark)
	marked := await(t, ctx, b, "the mark", on(mark.Subject))
	in := await(t, ctx, b, "what leads to the step", on(events.FactSubject("tokyo", "c1", events.StepRequest, "accepted")))
	for range 2 { // twice does no harm
		if err := workflow.Redecide(ctx, conn, "validator", in, events.StepValidation, stands.Sequence, marked.Sequence, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	anew := events.OutcomeAnew("c1", events.StepValidation, stands.Sequence)
	decided := func(r bus.Received) bool { return r.Subject == rogue.Subject && r.ID == anew }
	e, err := events.Decode(events.TypeValidated, await(t, ctx, b, "the outcome", decided).Data)
	if err != nil || e.ID != anew {
		t.Errorf("decided anew: %v, %v", e.Header, err)
	}
	n := 0
	for _, r := range b.Log(t) {
		if bus.Match(events.OutcomeFilter("tokyo", "c1", events.StepValidation), r.Subject) {
			n++
		}
	}
	if n != 3 {
		t.Errorf("%d messages stand under the step, want what was void, the mark and the outcome", n)
	}
	stop()
	if n := occupied.Load(); n != 0 {
		t.Errorf("%d steps are said to be occupied still", n)
	}
}
