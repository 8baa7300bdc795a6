package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/events/bus/jetstream/embedded"
	"reprotect.example/services/workflow"
)

var validator = bus.Consumer{Service: "validator", Filters: []string{"reprotect.event.*.*.request.accepted"}, AckWait: 2 * time.Second, Pending: 64}

func fact(caseID, step, name string) bus.Message {
	return bus.Message{
		Subject: events.FactSubject("tokyo", caseID, step, name), ID: caseID + "/" + step,
		Once: events.OutcomeFilter("tokyo", caseID, step), Data: []byte(caseID),
	}
}

func setUp(t *testing.T, c *jetstream.Conn, consumers ...bus.Consumer) {
	t.Helper()
	if err := c.SetUp(t.Context(), jetstream.Topology(1, consumers...)); err != nil {
		t.Fatal(err)
	}
}

func publish(t *testing.T, b bus.Broker, messages ...bus.Message) {
	t.Helper()
	for _, m := range messages {
		if err := b.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
}

// receive settles and returns what n deliveries hold, sorted.
func receive(t *testing.T, b bus.Broker, c bus.Consumer, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	source, err := b.Consume(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	var got []string
	for range n {
		d, err := source.Next(ctx)
		if err != nil {
			t.Fatalf("after %v: %v", got, err)
		}
		got = append(got, string(d.Received().Data))
		if err := d.Ack(ctx); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(got)
	return got
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

func TestRestartKeepsEverything(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := start(t, embedded.Options{Dir: dir})
	c := connect(t, first)
	setUp(t, c, validator)
	publish(t, c, fact("settled", "request", "accepted"), fact("underway", "request", "accepted"), fact("waiting", "request", "accepted"))
	if got := receive(t, c, validator, 1); got[0] != "settled" {
		t.Fatalf("first came %v", got)
	}
	due := time.Now().Add(time.Second)
	for _, key := range []string{"soon", "late"} {
		if err := c.Wake(t.Context(), validator.Service, key+".look", due, bus.Message{Data: []byte("wake-up " + key)}); err != nil {
			t.Fatal(err)
		}
		due = due.Add(2 * time.Second)
	}
	c.Close()
	first.Close()

	again := connect(t, start(t, embedded.Options{Dir: dir}))
	want := []string{"underway", "waiting", "wake-up late", "wake-up soon"}
	if got := receive(t, again, validator, len(want)); !slices.Equal(got, want) {
		t.Errorf("after the restart came %q, want %q", got, want)
	}
	if err := again.Publish(t.Context(), fact("settled", "request", "refused")); !errors.Is(err, bus.ErrDecided) {
		t.Errorf("a second outcome after the restart: %v", err)
	}
	if log := readAll(t, again, jetstream.StreamLog); len(log) != 3 {
		t.Errorf("the event log has %d messages, want 3", len(log))
	}
}

// A service under way when the server restarts goes on by itself: new messages, those it had not settled, and
// wake-ups.
func TestRunOutlivesTheServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := start(t, embedded.Options{Dir: dir})
	u, err := url.Parse(first.URL())
	if err != nil {
		t.Fatal(err)
	}
	s := workflow.Service{Name: "validator", Routes: []workflow.Route{workflow.On(events.TypeAccepted, events.StepValidation, looksTwice)}}
	c := connect(t, first)
	setUp(t, c, s.Consumer())

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- workflow.Run(ctx, c, s, workflow.Options{AckWait: 2 * time.Second}) }()
	t.Cleanup(stop)

	publish(t, c, acceptedFact(t, "before"))
	eventually(t, "the first look at the case", func() bool { return len(readAll(t, c, jetstream.StreamLog)) == 2 })
	first.Close()
	eventually(t, "the loss is seen", func() bool { return c.Ready() != nil })
	second := start(t, embedded.Options{Dir: dir, Listen: u.Host})
	observer := connect(t, second)
	publish(t, observer, acceptedFact(t, "after"))
	for _, caseID := range []string{"before", "after"} {
		eventually(t, caseID+" validated", func() bool {
			return slices.ContainsFunc(readAll(t, observer, jetstream.StreamLog), func(r bus.Received) bool {
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

func acceptedFact(t *testing.T, caseID string) bus.Message {
	t.Helper()
	m := fact(caseID, "request", "accepted")
	raw, err := events.Encode(events.Event[events.Accepted]{
		Header: events.Header{
			ID: m.ID, Source: "/reprotect/tokyo/validator", Type: events.TypeAccepted.CloudType(), Time: time.Now().UTC(),
			Subject: caseID, Site: "tokyo", Case: caseID, Step: events.StepRequest, Request: fmt.Sprint("r-", caseID), Position: 1,
		},
		Data: events.Accepted{Case: events.Case{Machines: []events.Machine{{Name: "web01", Item: "/items/1", Architecture: "classic"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	m.Data = raw
	return m
}
