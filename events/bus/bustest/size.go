package bustest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

func tooLarge(t *testing.T, h Harness) {
	b, ctx := h.New(t), patience(t, h)
	conn, _ := b.Connect(t)
	m := message("a", "request", "accepted")
	m.Data = make([]byte, 2<<20)
	if err := conn.Publish(ctx, m); !errors.Is(err, bus.ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
	m.Data = make([]byte, events.MaxSize)
	publish(t, ctx, conn, m)
}

// narrow is a broker that takes only small messages on one subject.
type narrow struct {
	bus.Broker
	subject string
}

func (n narrow) Publish(ctx context.Context, m bus.Message) error {
	if m.Subject == n.subject && len(m.Data) > 1000 {
		return fmt.Errorf("%d bytes: %w", len(m.Data), bus.ErrTooLarge)
	}
	return n.Broker.Publish(ctx, m)
}

func loopUnpublishable(t *testing.T, h Harness) {
	var calls atomic.Int32
	answer := events.Validated{}
	s := service(func(_ context.Context, e bus.Event[events.Accepted]) (bus.Result, error) {
		calls.Add(1)
		a := answer
		a.Case = e.Data.Case
		return bus.Result{Publish: []bus.Draft{bus.Fact(events.TypeValidated, "", a)}}, nil
	})
	for name, size := range map[string]int{"by the limit of events": 300 << 10, "by the bus": 2000} {
		calls.Store(0)
		answer.Findings = []events.Finding{{Evidence: strings.Repeat("x", size)}}
		b, conn, ctx := setUp(t, h, s)
		stop := serve(t, h, narrow{conn, "reprotect.event.tokyo.a.validation.validated"}, s, bus.Options{})
		publishAccepted(t, ctx, conn, "a")
		if dead := deadLetter(t, ctx, b); dead.Reason != "rejected" || dead.Attempts != 1 || !strings.Contains(dead.Error, "bytes") {
			t.Errorf("%s: dead letter %+v", name, dead)
		}
		if f := failedFact(t, ctx, b); f.Code != "event.too-large" || !strings.Contains(f.Message, "bytes") || f.Remedy == "" {
			t.Errorf("%s: failed fact %+v", name, f)
		}
		stop()
		if n := calls.Load(); n != 1 {
			t.Errorf("%s: %d calls", name, n)
		}
	}
}

func loopNoRoom(t *testing.T, h Harness) {
	s := service(func(context.Context, bus.Event[events.Accepted]) (bus.Result, error) {
		return bus.Result{}, bus.Reject("8061", strings.Repeat("no way ", 1000), "mount it")
	})
	b, conn, ctx := setUp(t, h, s)
	serve(t, h, conn, s, bus.Options{})
	e := accepted("a")
	e.Data.Case.Machines[0].Item = strings.Repeat("x", events.MaxSize-2000)
	raw, err := events.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	m := message("a", "request", "accepted")
	m.Data, m.Headers = raw, nil
	publish(t, ctx, conn, m)
	if dead := deadLetter(t, ctx, b); dead.Reason != "rejected" || dead.Attempts != 1 || !strings.Contains(dead.Error, "no way") {
		t.Errorf("dead letter of reason %s after %d attempts: %s", dead.Reason, dead.Attempts, dead.Error)
	}
	r := await(t, ctx, b, "the failed fact", on("reprotect.event.tokyo.a.validation.failed"))
	if f, err := events.Decode(events.TypeFailed, r.Data); err != nil || f.Data.Code != "8061" || f.Data.Case != nil {
		t.Errorf("failed fact of code %s, %v", f.Data.Code, err)
	}
}
