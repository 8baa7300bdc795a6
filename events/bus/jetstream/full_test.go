package jetstream_test

import (
	"errors"
	"strings"
	"testing"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/events/bus/jetstream/embedded"
	"reprotect.example/events/bus/jetstream/natstest"
)

// nats-N12a: a full store has its own words, sending has its own, and both are over when there is room.
func TestAFullStore(t *testing.T) {
	t.Parallel()
	o := embedded.Options{Fast: true, Dir: t.TempDir(), MaxStore: 64 << 10}
	s := natstest.Start(t, o)
	c := natstest.Connect(t, s)
	setUp(t, c)
	publish(t, c, bus.Message{Subject: "reprotect.command.request", ID: "r1", Data: []byte(strings.Repeat("x", 100<<10))})
	m := fact("r1", "request", "accepted")
	err := c.Publish(t.Context(), m)
	if !errors.Is(err, bus.ErrFull) || !strings.Contains(err.Error(), "max_file_store") {
		t.Errorf("a full store: %v", err)
	}
	if c.Sends() == nil || !strings.Contains(c.Sends().Error(), jetstream.StreamLog) || c.Receives() != nil || c.Ready() == nil {
		t.Errorf("sends %v, receives %v, ready %v", c.Sends(), c.Receives(), c.Ready())
	}
	s.Close()
	o.MaxStore, o.Listen = 0, strings.TrimPrefix(s.URL(), "nats://")
	natstest.Start(t, o)
	for c.Publish(t.Context(), m) != nil && t.Context().Err() == nil {
		continue // it connects anew
	}
	if err := c.Ready(); err != nil {
		t.Errorf("not ready: %v", err)
	}
}
