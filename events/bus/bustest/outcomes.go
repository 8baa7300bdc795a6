package bustest

import (
	"errors"
	"fmt"
	"slices"
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

func decidesAnew(t *testing.T, h Harness) {
	b, ctx := h.New(t), Patience(t, h)
	conn, _ := b.Connect(t)
	decided := func(what string, err error) {
		t.Helper()
		if _, silent := h.Cannot["fences steps and cases apart"]; !errors.Is(err, bus.ErrDecided) && (err != nil || !silent) {
			t.Errorf("%s: got %v, want ErrDecided", what, err)
		}
	}
	mark := Message("a", "placement", "voided")
	mark.ID, mark.Once = "a/placement/voided-1", ""
	anew := Message("a", "placement", "placed")
	Publish(t, ctx, conn, Message("b", "placement", "placed"), Message("a", "placement", "failed"), mark)
	for _, r := range b.Log(t) {
		if r.Subject == mark.Subject {
			anew.After = r.Sequence
		}
	}
	if anew.After == 0 {
		t.Fatal("the mark does not stand in the log")
	}
	decided("who does not know of the mark", conn.Publish(ctx, Message("a", "placement", "rejected")))
	anew.ID = fmt.Sprint("a/placement/", anew.After)
	Publish(t, ctx, conn, anew)
	again := Message("a", "placement", "rejected")
	again.ID, again.After = anew.ID, anew.After
	decided("a second one", conn.Publish(ctx, again))
	var of []string
	for _, r := range b.Log(t) {
		of = append(of, r.Subject)
	}
	want := []string{Message("b", "placement", "placed").Subject, Message("a", "placement", "failed").Subject, mark.Subject, anew.Subject}
	if !slices.Equal(of, want) {
		t.Errorf("the log has %q, want %q", of, want)
	}
}
