package jetstream_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/events/bus/jetstream/embedded"
	"reprotect.example/events/bus/jetstream/natstest"
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
	first := natstest.Start(t, embedded.Options{Dir: dir})
	c := natstest.Connect(t, first)
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

	again := natstest.Connect(t, natstest.Start(t, embedded.Options{Dir: dir}))
	want := []string{"underway", "waiting", "wake-up late", "wake-up soon"}
	if got := receive(t, again, validator, len(want)); !slices.Equal(got, want) {
		t.Errorf("after the restart came %q, want %q", got, want)
	}
	if err := again.Publish(t.Context(), fact("settled", "request", "refused")); !errors.Is(err, bus.ErrDecided) {
		t.Errorf("a second outcome after the restart: %v", err)
	}
	if log := natstest.ReadAll(t, again, jetstream.StreamLog); len(log) != 3 {
		t.Errorf("the event log has %d messages, want 3", len(log))
	}
}
