package bustest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

func mark(caseID, reason string, n int) bus.Message {
	return bus.Message{
		Subject: events.FactSubject("tokyo", caseID, events.StepRetry, events.TypeRetrying.Name),
		ID:      fmt.Sprintf("%s/retry/%d", caseID, n), Data: []byte(`{"reason":"` + reason + `"}`),
	}
}

func stands(t *testing.T, h Harness) {
	b, ctx := h.New(t), Patience(t, h)
	conn, _ := b.Connect(t)
	Publish(t, ctx, conn, mark("a", "first", 1), mark("b", "other", 1), mark("a", "second", 2))
	reader, _ := b.Connect(t)
	for caseID, want := range map[string]string{"a": "second", "b": "other", "c": ""} {
		m := mark(caseID, want, 0)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for { // it may show a moment later
			got, found, err := reader.Stands(ctx, m.Subject)
			if err != nil {
				t.Fatal(err)
			}
			if found == (want != "") && (!found || string(got.Data) == string(m.Data)) {
				if found && (got.Subject != m.Subject || got.Published.IsZero()) {
					t.Errorf("got %+v", got)
				}
				break
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Fatalf("%s: found %v, %s", m.Subject, found, got.Data)
			}
		}
	}
}

func hold(t *testing.T, ctx context.Context, b bus.Broker) (context.Context, func()) {
	t.Helper()
	held, release, err := b.Lease(ctx, "executor")
	if err != nil {
		t.Fatalf("hold: %v", err)
	}
	t.Cleanup(release)
	return held, release
}

// heldElsewhere demands that a process waits in vain for a while.
func heldElsewhere(t *testing.T, ctx context.Context, b bus.Broker, d time.Duration) {
	t.Helper()
	short, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	_, release, err := b.Lease(short, "executor")
	if err == nil {
		release()
		t.Fatal("two hold the service")
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("hold: %v", err)
	}
}

func holds(t *testing.T, h Harness) {
	b, ctx := h.New(t, consumer(h, "executor"), consumer(h, "guard")), Patience(t, h)
	first, _ := b.Connect(t)
	second, _ := b.Connect(t)
	held, release := hold(t, ctx, first)
	_, other, err := second.Lease(ctx, "guard") // another service is another matter
	if err != nil {
		t.Fatal(err)
	}
	other()
	heldElsewhere(t, ctx, second, 3*h.AckWait)
	if held.Err() != nil {
		t.Fatal("lost while it was held")
	}
	release()
	if held.Err() == nil {
		t.Fatal("held after the release")
	}
	hold(t, ctx, second)
	heldElsewhere(t, ctx, first, h.AckWait)
}

func holdOutlived(t *testing.T, h Harness) {
	b := h.New(t, consumer(h, "executor"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	first, cut := b.Connect(t)
	second, _ := b.Connect(t)
	held, _ := hold(t, ctx, first)
	cut()
	hold(t, ctx, second)
	if held.Err() == nil {
		t.Error("two hold the service")
	}
}

func holdSevered(t *testing.T, h Harness) {
	b, ctx := h.New(t, consumer(h, "executor")), Patience(t, h)
	first, _ := b.Connect(t)
	second, _ := b.Connect(t)
	held, _ := hold(t, ctx, first)
	restore := b.Sever(t, first)
	heldNext, _ := hold(t, ctx, second)
	if held.Err() == nil {
		t.Error("two hold the service: the first one counts itself the holder still")
	}
	restore()
	heldElsewhere(t, ctx, first, h.AckWait)

	b.Sever(t, second)() // for a moment: either may hold it then
	again, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	_, release, err := first.Lease(again, "executor")
	switch {
	case err == nil && heldNext.Err() == nil:
		t.Error("two hold the service after its holder was cut off for a moment")
	case err != nil && heldNext.Err() != nil:
		t.Errorf("nobody holds the service: %v", err)
	}
	if err == nil {
		release()
	}
}
