package jetstream_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

// What a set-up would do is what it does, and then nothing is left; an administrator's limits stay (A12d).
func TestDifferences(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Options{Fast: true}))
	wanted := jetstream.Topology(1, validator)
	settle := func(what string, want ...bus.Difference) {
		t.Helper()
		would, err := c.Differences(t.Context(), wanted)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, would); diff != "" {
			t.Errorf("%s (-want +would do):\n%s", what, diff)
		}
		did, err := c.Update(t.Context(), wanted)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(would, did); diff != "" {
			t.Errorf("%s (-would do +did):\n%s", what, diff)
		}
		if left, err := c.Differences(t.Context(), wanted); err != nil || len(left) > 0 {
			t.Errorf("%s: left are %v, %v", what, left, err)
		}
	}
	missing := func(entity string) bus.Difference { return bus.Difference{Entity: entity, Missing: true} }
	settle("from nothing", missing("stream REPROTECT"), missing("consumer audit of REPROTECT"), missing("consumer chatbot of REPROTECT"), missing("consumer validator of REPROTECT"),
		missing("stream REPROTECT_DEAD"), missing("consumer audit of REPROTECT_DEAD"), missing("stream REPROTECT_WAKE_validator"), missing("consumer validator of REPROTECT_WAKE_validator"))
	settle("again")

	limited := jetstream.Topology(1, validator)
	limited[0].Config.MaxBytes = 1 << 20
	if err := c.SetUp(t.Context(), limited); err != nil {
		t.Fatal(err)
	}
	settle("with a limit of an administrator")
	if s, err := c.Status(t.Context()); err != nil || s.Rooms[1].Limit != 1<<20 {
		t.Errorf("%+v, %v: the limit is gone", s.Rooms, err)
	}

	wanted[0].Config.Duplicates = 3 * time.Minute
	for i, consumer := range wanted[0].Consumers {
		if consumer.Durable == validator.Service {
			wanted[0].Consumers[i].FilterSubjects = []string{"reprotect.command.request", "reprotect.command.retry"}
		}
	}
	settle("a newer version", bus.Difference{Entity: "stream REPROTECT", Changes: []string{"duplicate_window: 2m0s -> 3m0s"}},
		bus.Difference{Entity: "consumer validator of REPROTECT", Changes: []string{`filter_subjects: ` + filters(validator) + ` -> ["reprotect.command.request","reprotect.command.retry"]`}})
}

func filters(c bus.Consumer) string {
	raw, _ := json.Marshal(c.Filters) // strings
	return string(raw)
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
