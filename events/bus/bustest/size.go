package bustest

import (
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

func tooLarge(t *testing.T, h Harness) {
	b, ctx := h.New(t), Patience(t, h)
	conn, _ := b.Connect(t)
	m := Message("a", "request", "accepted")
	m.Data = make([]byte, 2<<20)
	if err := conn.Publish(ctx, m); !errors.Is(err, bus.ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
	m.Data = make([]byte, events.MaxSize)
	Publish(t, ctx, conn, m)
}

// Noise is a text of n bytes that hardly compresses.
func Noise(n int) string {
	raw := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(raw) // never fails
	return base64.StdEncoding.EncodeToString(raw)[:n]
}

func wakeSizes(t *testing.T, h Harness) {
	c := consumer(h, "validator")
	b, ctx := h.New(t, c), Patience(t, h)
	conn, _ := b.Connect(t)
	sized := func(data, headers int) bus.Message {
		return bus.Message{Headers: map[string]string{"Reprotect-Test": Noise(headers)}, Data: []byte(Noise(data))}
	}
	for what, m := range map[string]bus.Message{"data": sized(2<<20, 1), "headers": sized(1, 100<<10)} {
		if err := conn.Wake(ctx, "validator", "a.registration", time.Now(), m); !errors.Is(err, bus.ErrTooLarge) {
			t.Errorf("with too large %s: got %v, want ErrTooLarge", what, err)
		}
	}
	most := sized(events.MaxSize, 4<<10)
	if err := conn.Wake(ctx, "validator", "a.registration", time.Now(), most); err != nil {
		t.Fatalf("wake: %v", err)
	}
	s := Consume(t, ctx, conn, c)
	for attempt := range 2 {
		d := Next(t, ctx, s)
		if r := d.Received(); string(r.Data) != string(most.Data) || r.Headers["Reprotect-Test"] != most.Headers["Reprotect-Test"] {
			t.Errorf("got %d bytes and headers of %d", len(r.Data), len(r.Headers["Reprotect-Test"]))
		}
		if attempt == 0 {
			if err := d.Retry(ctx, 0); err != nil {
				t.Fatalf("retry: %v", err)
			}
		}
	}
}
