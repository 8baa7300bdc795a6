package bustest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"reprotect.example/events/bus"
)

func oneOutcome(t *testing.T, h Harness) {
	b, ctx := h.New(t), Patience(t, h)
	const steps, racers = 20, 8
	for step := range steps {
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for racer := range racers {
			conn, _ := b.Connect(t)
			m := Message(fmt.Sprint("case", step), "validation", []string{"validated", "rejected", "failed"}[racer%3])
			wg.Go(func() {
				err := conn.Publish(ctx, m)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won++
				case !errors.Is(err, bus.ErrDecided):
					t.Errorf("racer: %v", err)
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Errorf("step %d: %d racers won", step, won)
		}
	}
	if n := len(b.Log(t)); n != steps {
		t.Errorf("%d messages stand in the log, want %d", n, steps)
	}
}

func fencesApart(t *testing.T, h Harness) {
	b, ctx := h.New(t), Patience(t, h)
	conn, _ := b.Connect(t)
	Publish(t, ctx, conn, Message("a", "validation", "validated"), Message("a", "placement", "placed"),
		Message("b", "validation", "rejected"), Message("aa", "validation", "validated"))
	for _, m := range []bus.Message{Message("a", "validation", "rejected"), Message("b", "validation", "rejected")} {
		if err := conn.Publish(ctx, m); !errors.Is(err, bus.ErrDecided) {
			t.Errorf("%s: got %v, want ErrDecided", m.Subject, err)
		}
	}
}
