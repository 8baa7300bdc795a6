package jetstream_test

import (
	"errors"
	"testing"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/events/bus/jetstream/embedded"
	"reprotect.example/events/bus/jetstream/natstest"
)

// nats-N6: an id that the server has seen says nothing of the step: whoever may command could otherwise take the ids of a case
// to come, and its outcomes would count as published.
func TestAKnownIDDecidesNothing(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Options{Fast: true}))
	setUp(t, c)
	outcome := fact("r1", "request", "accepted")
	report := bus.Message{Subject: "reprotect.event.tokyo.r1.progress.waiting", ID: "r1/progress/1", Data: []byte("waiting")}
	note := bus.Message{Subject: "reprotect.notification.tokyo.info", ID: "r1/notification/1", Data: []byte("note")}
	for _, m := range []bus.Message{outcome, report, note} {
		publish(t, c, bus.Message{Subject: "reprotect.command.cancel", ID: m.ID, Data: []byte("taken " + m.ID)})
	}
	for _, m := range []bus.Message{outcome, report, note} {
		if err := c.Publish(t.Context(), m); err != nil {
			t.Errorf("%s: %v", m.Subject, err)
		}
		if _, found, err := c.Stands(t.Context(), m.Subject); err != nil || !found {
			t.Errorf("%s stands: %v, %v", m.Subject, found, err)
		}
	}
	if err := c.Publish(t.Context(), outcome); !errors.Is(err, bus.ErrDecided) {
		t.Errorf("a second outcome: %v", err)
	}
}

// The same message again is stored once, as far back as the server remembers; nats-N7, F9: a command with a known id and other
// content is refused.
func TestTheSameMessageAgain(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Options{Fast: true}))
	setUp(t, c)
	report := bus.Message{Subject: "reprotect.event.tokyo.r1.progress.waiting", ID: "r1/progress/1", Data: []byte("waiting")}
	dead := bus.Message{Subject: "reprotect.dead.validator", ID: "validator/1/1", Data: []byte("dead")}
	command := bus.Message{Subject: "reprotect.command.request", ID: "r1", Data: []byte("web01")}
	for range 2 {
		publish(t, c, report, dead, command)
	}
	for stream, want := range map[string]int{jetstream.StreamLog: 2, jetstream.StreamDead: 1} {
		if got := natstest.ReadAll(t, c, stream); len(got) != want {
			t.Errorf("%s has %d messages, want %d", stream, len(got), want)
		}
	}
	command.Data = []byte("db01")
	if err := c.Publish(t.Context(), command); !errors.Is(err, bus.ErrOtherContent) {
		t.Errorf("other content: %v", err)
	}
}
