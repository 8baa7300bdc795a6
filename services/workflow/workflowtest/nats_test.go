package workflowtest

import (
	"context"
	"net/url"
	"slices"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/bustest"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/events/bus/jetstream/embedded"
	"reprotect.example/events/bus/jetstream/natstest"
	"reprotect.example/services/workflow"
)

// A service under way when the server restarts goes on by itself: new messages, those it had not settled, and
// wake-ups.
func TestRunOutlivesTheServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := natstest.Start(t, embedded.Options{Dir: dir})
	u, err := url.Parse(first.URL())
	if err != nil {
		t.Fatal(err)
	}
	s := workflow.Service{Name: "validator", Routes: []workflow.Route{workflow.On(events.TypeAccepted, events.StepValidation, looksTwice)}}
	c := natstest.Connect(t, first)
	if err := c.SetUp(t.Context(), jetstream.Topology(1, s.Consumer())); err != nil {
		t.Fatal(err)
	}

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- workflow.Run(ctx, c, s, workflow.Options{AckWait: 2 * time.Second}) }()
	t.Cleanup(stop)

	bustest.Publish(t, t.Context(), c, acceptedMessage(t, "before"))
	eventually(t, "the first look at the case", func() bool { return len(natstest.ReadAll(t, c, jetstream.StreamLog)) == 2 })
	first.Close()
	eventually(t, "the loss is seen", func() bool { return c.Ready() != nil })
	second := natstest.Start(t, embedded.Options{Dir: dir, Listen: u.Host})
	observer := natstest.Connect(t, second)
	bustest.Publish(t, t.Context(), observer, acceptedMessage(t, "after"))
	for _, caseID := range []string{"before", "after"} {
		eventually(t, caseID+" validated", func() bool {
			return slices.ContainsFunc(natstest.ReadAll(t, observer, jetstream.StreamLog), func(r bus.Received) bool {
				return r.Subject == events.FactSubject("tokyo", caseID, "validation", "validated")
			})
		})
	}
	if err := c.Ready(); err != nil {
		t.Errorf("the connection did not come back: %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("run ended with %v", err)
	}
}

// looksTwice waits once, so that a wake-up is pending, then decides.
func looksTwice(_ context.Context, e workflow.Event[events.Accepted], _ string) (workflow.Result[string], error) {
	if e.Looks == 0 {
		waiting := workflow.Fact(events.TypeWaiting, "", events.Waiting{For: "agent", Message: "not yet", Since: e.Time, NextLook: e.Time})
		return workflow.Result[string]{Publish: []workflow.Draft{waiting}, After: 2 * time.Second}, nil
	}
	return workflow.Result[string]{Publish: []workflow.Draft{workflow.Fact(events.TypeValidated, "", events.Validated{Case: e.Data.Case, Findings: []events.Finding{}})}}, nil
}

// eventually polls until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("in 30 s not: %s", what)
		}
	}
}
