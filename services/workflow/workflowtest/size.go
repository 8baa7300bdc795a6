package workflowtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/bustest"
	"reprotect.example/services/workflow"
)

// loopLongNote answers each look of a handler from here, so that what lies between two of them can be chosen.
func loopLongNote(t *testing.T, h bustest.Harness) {
	type answer struct {
		result workflow.Result[string]
		err    error
	}
	type view struct {
		event workflow.Event[events.Accepted]
		kept  string
	}
	looks, answers := make(chan view), make(chan answer)
	s := service(func(ctx context.Context, e workflow.Event[events.Accepted], kept string) (workflow.Result[string], error) {
		select {
		case looks <- view{e, kept}:
		case <-ctx.Done():
			return workflow.Result[string]{}, ctx.Err()
		}
		select {
		case a := <-answers:
			return a.result, a.err
		case <-ctx.Done():
			return workflow.Result[string]{}, ctx.Err()
		}
	})
	b, first, ctx := setUp(t, h, s)
	sent := accepted("a")
	sent.Data.Case.Machines[0].Item = bustest.Noise(60 << 10)
	raw, err := events.Encode(sent)
	if err != nil {
		t.Fatal(err)
	}
	look := func(when string, number int, note string) {
		t.Helper()
		select {
		case v := <-looks:
			e := v.event
			if e.Looks != number || v.kept != note || e.Data.Case.Machines[0].Item != sent.Data.Case.Machines[0].Item {
				t.Fatalf("%s: look %d, a note of %d bytes; want %d, the %d bytes that were left, and the event as it was", when, e.Looks, len(v.kept), number, len(note))
			}
		case <-ctx.Done():
			t.Fatalf("no look %s", when)
		}
	}
	leave := func(note string) {
		answers <- answer{result: workflow.Result[string]{After: h.AckWait / 4, State: note}}
	}
	note := bustest.Noise(120 << 10)
	one, two, three := "1"+note, "2"+note, "3"+note

	doomed, cut := b.Connect(t)
	serve(t, h, doomed, s, workflow.Options{})
	m := bustest.Message("a", "request", "accepted")
	m.Data, m.Headers = raw, nil
	bustest.Publish(t, ctx, first, m)
	look("at first", 0, "")
	leave(one)
	look("after the pause", 1, one)
	answers <- answer{err: errors.New("disk on fire")}
	look("after a retry", 1, one)
	cut()

	stop := serve(t, h, first, s, workflow.Options{})
	look("after its process died", 1, one)
	leave(two)
	stop()
	second, _ := b.Connect(t)
	serve(t, h, second, s, workflow.Options{})
	look("after a restart", 2, two)
	answers <- answer{err: workflow.Reject("8061", "no retention drive", "mount it")}

	dead := deadLetter(t, ctx, b)
	if string(dead.Original) != string(raw) || len(dead.Headers) != 0 {
		t.Fatalf("the dead letter keeps %d bytes of %d, and headers %v", len(dead.Original), len(raw), slices.Sorted(maps.Keys(dead.Headers)))
	}
	if err := workflow.Requeue(ctx, second, dead, time.Now()); err != nil {
		t.Fatal(err)
	}
	look("requeued", 0, "")
	leave(three)
	look("requeued, after the pause", 1, three)
	answers <- answer{}
}

func loopNoteTooLong(t *testing.T, h bustest.Harness) {
	for what, note := range map[string]string{"by the bus": bustest.Noise(2 << 20), "by any": strings.Repeat("n", 9<<20)} {
		var calls atomic.Int32
		s := service(func(context.Context, workflow.Event[events.Accepted], string) (workflow.Result[string], error) {
			calls.Add(1)
			return workflow.Result[string]{After: h.AckWait / 4, State: note}, nil
		})
		b, conn, ctx := setUp(t, h, s)
		stop := serve(t, h, conn, s, workflow.Options{})
		publishAccepted(t, ctx, conn, "a")
		if dead := deadLetter(t, ctx, b); dead.Reason != "rejected" || dead.Attempts != 1 || !strings.Contains(dead.Error, "too large for the bus") {
			t.Errorf("%s: dead letter of reason %s after %d attempts: %s", what, dead.Reason, dead.Attempts, dead.Error)
		}
		if f := failedFact(t, ctx, b); f.Code != "event.too-large" || f.Remedy == "" {
			t.Errorf("%s: failed fact %+v", what, f)
		}
		stop()
		if n := calls.Load(); n != 1 {
			t.Errorf("%s: %d calls", what, n)
		}
	}
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

func loopUnpublishable(t *testing.T, h bustest.Harness) {
	var calls atomic.Int32
	answer := events.Validated{}
	s := service(func(_ context.Context, e workflow.Event[events.Accepted], _ string) (workflow.Result[string], error) {
		calls.Add(1)
		a := answer
		a.Case = e.Data.Case
		return workflow.Result[string]{Publish: []workflow.Draft{workflow.Fact(events.TypeValidated, "", a)}}, nil
	})
	for name, size := range map[string]int{"by the limit of events": 300 << 10, "by the bus": 2000} {
		calls.Store(0)
		answer.Findings = []events.Finding{{Evidence: strings.Repeat("x", size)}}
		b, conn, ctx := setUp(t, h, s)
		stop := serve(t, h, narrow{conn, "reprotect.event.tokyo.a.validation.validated"}, s, workflow.Options{})
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

func loopNoRoom(t *testing.T, h bustest.Harness) {
	s := service(func(context.Context, workflow.Event[events.Accepted], string) (workflow.Result[string], error) {
		return workflow.Result[string]{}, workflow.Reject("8061", strings.Repeat("no way ", 1000), "mount it")
	})
	b, conn, ctx := setUp(t, h, s)
	serve(t, h, conn, s, workflow.Options{})
	e := accepted("a")
	e.Data.Case.Machines[0].Item = strings.Repeat("x", events.MaxSize-2000)
	raw, err := events.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	m := bustest.Message("a", "request", "accepted")
	m.Data, m.Headers = raw, nil
	bustest.Publish(t, ctx, conn, m)
	if dead := deadLetter(t, ctx, b); dead.Reason != "rejected" || dead.Attempts != 1 || !strings.Contains(dead.Error, "no way") {
		t.Errorf("dead letter of reason %s after %d attempts: %s", dead.Reason, dead.Attempts, dead.Error)
	}
	r := await(t, ctx, b, "the failed fact", on("reprotect.event.tokyo.a.validation.failed"))
	if f, err := events.Decode(events.TypeFailed, r.Data); err != nil || f.Data.Code != "8061" || f.Data.Case != nil {
		t.Errorf("failed fact of code %s, %v", f.Data.Code, err)
	}
}
