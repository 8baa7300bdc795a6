package jetstream_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/events/bus/jetstream/embedded"
	"reprotect.example/events/bus/jetstream/natstest"
)

func TestConsumeNeedsSetUp(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Options{Fast: true}))
	demand := func(when string, consumer bus.Consumer) {
		t.Helper()
		_, err := c.Consume(t.Context(), consumer)
		if !errors.Is(err, bus.ErrMissing) || !strings.Contains(err.Error(), "reprotect bus setup") {
			t.Errorf("%s: %v; want ErrMissing that says what to run", when, err)
		}
	}
	demand("nothing set up", validator)
	setUp(t, c, validator)
	demand("another service set up", bus.Consumer{Service: "executor"})
	if _, err := c.Consume(t.Context(), validator); err != nil {
		t.Errorf("set up: %v", err)
	}
}

func TestReadNeedsSetUp(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Options{Fast: true}))
	err := c.Read(t.Context(), jetstream.Reading{Stream: jetstream.StreamLog}, func(bus.Received) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "reprotect bus setup") {
		t.Errorf("read: %v", err)
	}
	if _, err := c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "reprotect bus setup") {
		t.Errorf("status: %v", err)
	}
}

// A second SetUp changes nothing, and a new version's SetUp brings its filters to a subscription that has work
// under way.
func TestSetUpAgain(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Options{Fast: true}))
	setUp(t, c, validator)
	publish(t, c, fact("a", "request", "accepted"), fact("b", "request", "accepted"))
	receive(t, c, validator, 1)
	setUp(t, c, validator)
	if log := natstest.ReadAll(t, c, jetstream.StreamLog); len(log) != 2 {
		t.Errorf("%d messages after the second set-up, want 2", len(log))
	}
	wider := validator
	wider.Filters = append([]string{events.SubjectCommands + ".>"}, validator.Filters...)
	setUp(t, c, wider)
	publish(t, c, bus.Message{Subject: "reprotect.command.request", ID: "r1", Data: []byte("command")})
	if got := receive(t, c, wider, 2); got[0] != "b" || got[1] != "command" {
		t.Errorf("came %v, want what was pending and what the new filter matches", got)
	}
}

// A service adds what it lacks, and leaves alone what an administrator set up otherwise.
func TestAddMissing(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Options{Fast: true}))
	setUp(t, c, validator)
	wider := validator
	wider.Filters = append([]string{events.SubjectCommands + ".>"}, validator.Filters...)
	executor := bus.Consumer{Service: "executor", Filters: []string{events.SubjectCommands + ".>"}}
	for range 2 {
		if err := c.AddMissing(t.Context(), jetstream.Topology(1, wider, executor)); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, c, bus.Message{Subject: "reprotect.command.request", ID: "r1", Data: []byte("command")}, fact("a", "request", "accepted"))
	if got := receive(t, c, validator, 1); got[0] != "a" {
		t.Errorf("the subscription that was there got %v: its filters were changed", got)
	}
	if got := receive(t, c, executor, 1); got[0] != "command" {
		t.Errorf("the subscription that was missing got %v", got)
	}
}

func TestStatusCounts(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Options{Fast: true}))
	executor := bus.Consumer{Service: "executor", Filters: []string{"reprotect.event.*.*.registration.registered"}}
	setUp(t, c, validator, executor)
	publish(t, c, fact("a", "request", "accepted"), fact("b", "request", "accepted"), fact("c", "request", "accepted"))
	publish(t, c, bus.Message{Subject: "reprotect.dead.validator", ID: "d", Data: []byte("{}")})
	if err := c.Wake(t.Context(), "executor", "a.look", time.Now().Add(time.Hour), bus.Message{}); err != nil {
		t.Fatal(err)
	}
	receive(t, c, validator, 1)
	eventually(t, "1 settled, 2 pending", func() bool {
		s, err := c.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		services := map[string]jetstream.Lag{}
		for _, l := range s.Services {
			services[l.Service] = l
		}
		return s.Messages == 3 && s.Bytes > 0 && s.Dead == 1 && s.Server == "reprotect" && len(services) == 2 &&
			services["validator"].Pending+uint64(services["validator"].UnderWay) == 2 &&
			services["executor"] == jetstream.Lag{Service: "executor", Waiting: 1}
	})
}
