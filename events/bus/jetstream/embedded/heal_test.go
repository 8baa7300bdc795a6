package embedded

import (
	"testing"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
)

// nats-N5: a server that has lost its store is started anew where it was, and all goes on by itself.
func TestHeal(t *testing.T) {
	t.Parallel()
	s, err := Start(Options{Dir: t.TempDir(), Fast: true, Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := jetstream.Connect(jetstream.Options{URL: s.URL()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetUp(t.Context(), jetstream.Topology(1)); err != nil {
		t.Fatal(err)
	}
	first, second := bus.Message{Subject: "reprotect.command.request", ID: "r1"}, bus.Message{Subject: "reprotect.command.request", ID: "r2"}
	if err := c.Publish(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if healed, err := s.Heal(); healed || err != nil {
		t.Fatalf("nothing is wrong: %v %v", healed, err)
	}
	if err := s.ns.DisableJetStream(); err != nil { // as the server does by itself when its disk is full
		t.Fatal(err)
	}
	if err := c.Publish(t.Context(), second); err == nil || c.Sends() == nil {
		t.Fatalf("stored without a store: %v", err)
	}
	if healed, err := s.Heal(); !healed || err != nil {
		t.Fatalf("%v %v", healed, err)
	}
	for c.Publish(t.Context(), second) != nil && t.Context().Err() == nil {
		continue // it connects anew
	}
	stored := 0
	if err := c.Since(t.Context(), 0, func(bus.Received) error { stored++; return nil }); err != nil || stored != 2 || c.Ready() != nil {
		t.Errorf("%d messages, %v, ready: %v", stored, err, c.Ready())
	}
	s.Close()
	if healed, err := s.Heal(); healed || err != nil {
		t.Errorf("closed, and healed: %v %v", healed, err)
	}
}
