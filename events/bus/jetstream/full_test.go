package jetstream_test

import (
	"errors"
	"fmt"
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
	if r, err := c.Store(t.Context()); err != nil || r.Limit != 64<<10-1 {
		t.Errorf("room of the store: %+v, %v", r, err)
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

// nats-N12a: what each stream takes is told beside the limit of the store, before it is full; and an account that has taken
// all of its own is full, and goes on when it has more.
func TestRoom(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, embedded.Options{Fast: true, MaxStore: 1 << 20})
	c := natstest.Connect(t, s)
	setUp(t, c)
	var err error
	for i := 0; err == nil && i < 100; i++ {
		err = c.Publish(t.Context(), bus.Message{Subject: "reprotect.command.request", ID: fmt.Sprint("r", i), Data: []byte(strings.Repeat("x", 100<<10))})
	}
	if !errors.Is(err, bus.ErrFull) {
		t.Errorf("a full store: %v", err)
	}
	status, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rooms := map[string]jetstream.Room{}
	for _, r := range status.Rooms {
		rooms[r.Name] = r
	}
	store, log := rooms["store"], rooms[jetstream.StreamLog]
	if store.Limit != 1<<20-1 || store.Bytes < store.Limit/5*4 || log.Bytes < store.Limit/5*4 || log.Limit != 0 {
		t.Errorf("rooms %+v", status.Rooms)
	}
	if _, ok := rooms[jetstream.StreamDead]; !ok || len(rooms) != 3 {
		t.Errorf("the rooms are those of: %+v", status.Rooms)
	}
}
