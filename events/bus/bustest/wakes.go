package bustest

import (
	"context"
	"testing"
	"time"

	"reprotect.example/events/bus"
)

func wake(t *testing.T, ctx context.Context, b bus.Broker, key string, at time.Time, data string) {
	t.Helper()
	m := bus.Message{Headers: map[string]string{"Reprotect-Test": "kept"}, Data: []byte(data)}
	if err := b.Wake(ctx, "validator", key, at, m); err != nil {
		t.Fatalf("wake: %v", err)
	}
}

func wakes(t *testing.T, h Harness) {
	c := consumer(h, "validator")
	b, ctx := h.New(t, c), Patience(t, h)
	conn, _ := b.Connect(t)
	s := Consume(t, ctx, conn, c)
	at := time.Now().Add(h.AckWait)
	wake(t, ctx, conn, "a.registration", at, "look")
	d := Next(t, ctx, s)
	r := d.Received()
	if early := time.Until(at); early > h.Early {
		t.Errorf("%v too early", early)
	}
	if !r.Woken || string(r.Data) != "look" || r.Headers["Reprotect-Test"] != "kept" {
		t.Errorf("got %+v", r)
	}
	settle(t, ctx, d)
	Silent(t, ctx, s, 2*h.AckWait)
}

func replacesWake(t *testing.T, h Harness) {
	c := consumer(h, "validator")
	b, ctx := h.New(t, c), Patience(t, h)
	conn, _ := b.Connect(t)
	s := Consume(t, ctx, conn, c)
	now := time.Now()
	wake(t, ctx, conn, "a.registration", now.Add(h.AckWait), "old")
	wake(t, ctx, conn, "a.registration", now.Add(3*h.AckWait/2), "new")
	wake(t, ctx, conn, "b.registration", now.Add(h.AckWait/2), "other")
	for _, want := range []string{"other", "new"} {
		d := Next(t, ctx, s)
		if got := string(d.Received().Data); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		settle(t, ctx, d)
	}
	Silent(t, ctx, s, h.AckWait)
}

func wakeOutlives(t *testing.T, h Harness) {
	c := consumer(h, "validator")
	b, ctx := h.New(t, c), Patience(t, h)
	conn, cut := b.Connect(t)
	wake(t, ctx, conn, "a.registration", time.Now().Add(h.AckWait/2), "look")
	cut()
	again, _ := b.Connect(t)
	if got := string(Next(t, ctx, Consume(t, ctx, again, c)).Received().Data); got != "look" {
		t.Errorf("got %q", got)
	}
}

func wakeHidden(t *testing.T, h Harness) {
	c := consumer(h, "validator")
	b, ctx := h.New(t, c), Patience(t, h)
	conn, _ := b.Connect(t)
	s := Consume(t, ctx, conn, c)
	wake(t, ctx, conn, "a.registration", time.Now().Add(h.AckWait/4), "look")
	settle(t, ctx, Next(t, ctx, s))
	if log := b.Log(t); len(log) != 0 {
		t.Errorf("the event log shows %d messages: %s …", len(log), log[0].Subject)
	}
}
