// Package workflowtest is the suite of the workflow: what the delivery loop does on top of a bus, whichever it is.
package workflowtest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/bustest"
	"reprotect.example/services/workflow"
)

var tests = []bustest.Test{
	{Name: "publishes the answer, then settles", Run: loopAnswers},
	{Name: "a handler that fails is tried again, then given up with a dead letter and a failed fact", Run: loopGivesUp},
	{Name: "a rejection is given up at once", Run: loopRejects},
	{Name: "a message whose answer cannot be published is given up at once, with the reason", Run: loopUnpublishable},
	{Name: "a message that leaves no room for its failed fact is given up all the same", Run: loopNoRoom},
	{Name: "a panic is an error like any other", Run: loopPanics},
	{Name: "a message that kills its process each time is given up", Run: loopEndless},
	{Name: "an event that cannot be read becomes a dead letter and the next passes", Run: loopMalformed},
	{Name: "an event on the wrong subject becomes a dead letter", Run: loopWrongSubject},
	{Name: "a command that cannot be read is refused and the next passes", Run: loopRefuses},
	{Name: "a handler that waits is woken with what it left", Run: loopWaits},
	{Name: "a handler finds a long note again, whatever happens in between", Run: loopLongNote},
	{Name: "a message whose note no bus can carry is given up at once, with the reason", Run: loopNoteTooLong},
	{Name: "a handler that decides no step waits and reports beside its messages", Run: loopReports},
	{Name: "a second outcome is dropped and the message settled", Run: loopDecided},
	{Name: "a step that something occupies is decided anew when that is void", Run: loopOccupied},
	{Name: "a long handler keeps its message", Run: loopHeartbeat},
	{Name: "a case that is cancelled ends where it waits", Run: loopCancels},
	{Name: "a service that serves alone goes to the next process when its own stops", Run: loopAlone},
	{Name: "what is kept is handed over in the order of the bus", Run: loopKeepsOrder},
	{Name: "drains, letting a handler finish", Run: loopDrains},
	{Name: "drains within the grace, though no handler comes back", Run: loopDrainsBusy},
	{Name: "a process that dies between publish and settle repeats without effect", Run: loopRepeats},
}

// Run runs the suite over an adapter of the bus.
func Run(t *testing.T, h bustest.Harness) { bustest.RunTests(t, h, tests) }

// serve runs a service until the test ends or stop is called; stop waits for it.
func serve(t *testing.T, h bustest.Harness, b bus.Broker, s workflow.Service, o workflow.Options) (stop func()) {
	t.Helper()
	o.AckWait = h.AckWait
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- workflow.Run(ctx, b, s, o) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, bus.ErrClosed) {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func accepted(caseID string) events.Event[events.Accepted] {
	return events.Event[events.Accepted]{
		Header: events.Header{
			ID: caseID + "/request", Source: "/reprotect/tokyo/validator", Type: events.TypeAccepted.CloudType(),
			Subject: caseID, Site: "tokyo", Case: caseID, Step: events.StepRequest, Request: "r1", Position: 1,
			Time: time.Now().UTC(),
		},
		Data: events.Accepted{Case: events.Case{Machines: []events.Machine{{Name: "web01", Item: "/items/1", Architecture: "classic"}}}},
	}
}

func publishAccepted(t *testing.T, ctx context.Context, b bus.Broker, caseID string) {
	t.Helper()
	raw, err := events.Encode(accepted(caseID))
	if err != nil {
		t.Fatal(err)
	}
	m := bustest.Message(caseID, "request", "accepted")
	m.Data, m.Headers = raw, nil
	bustest.Publish(t, ctx, b, m)
}

// await polls the log until pick finds what it looks for.
func await(t *testing.T, ctx context.Context, b bustest.Bus, what string, pick func(bus.Received) bool) bus.Received {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		log := b.Log(t)
		if i := slices.IndexFunc(log, pick); i >= 0 {
			return log[i]
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s did not come", what)
		}
	}
}

func on(subject string) func(bus.Received) bool {
	return func(r bus.Received) bool { return r.Subject == subject }
}

type validation = workflow.Handler[events.Accepted, string]

func service(h validation) workflow.Service {
	return workflow.Service{Name: "validator", Routes: []workflow.Route{workflow.On(events.TypeAccepted, events.StepValidation, h)}}
}

func validate(_ context.Context, e workflow.Event[events.Accepted], _ string) (workflow.Result[string], error) {
	return workflow.Result[string]{Publish: []workflow.Draft{workflow.Fact(events.TypeValidated, "", events.Validated{Case: e.Data.Case, Findings: []events.Finding{}})}}, nil
}

func setUp(t *testing.T, h bustest.Harness, s workflow.Service) (bustest.Bus, bus.Broker, context.Context) {
	t.Helper()
	c := s.Consumer()
	c.AckWait, c.Pending = h.AckWait, 256
	b := h.New(t, c)
	conn, _ := b.Connect(t)
	return b, conn, bustest.Patience(t, h)
}

func loopAnswers(t *testing.T, h bustest.Harness) {
	s := service(validate)
	b, conn, ctx := setUp(t, h, s)
	serve(t, h, conn, s, workflow.Options{})
	publishAccepted(t, ctx, conn, "a")
	r := await(t, ctx, b, "the answer", on("reprotect.event.tokyo.a.validation.validated"))
	e, err := events.Decode(events.TypeValidated, r.Data)
	if err != nil {
		t.Fatal(err)
	}
	want := events.Header{
		ID: "a/validation", Source: "/reprotect/tokyo/validator", Type: "io.reprotect.validated.v1", Subject: "a",
		DataSchema: "urn:reprotect:schema:validated:v1", Site: "tokyo", Case: "a", Step: "validation", Request: "r1",
		Causation: "a/request", Position: 2, Time: e.Time,
	}
	if e.Header != want {
		t.Errorf("got  %+v\nwant %+v", e.Header, want)
	}
}

func deadLetter(t *testing.T, ctx context.Context, b bustest.Bus) events.Dead {
	t.Helper()
	r := await(t, ctx, b, "the dead letter", on("reprotect.dead.validator"))
	e, err := events.Decode(events.TypeDead, r.Data)
	if err != nil {
		t.Fatal(err)
	}
	return e.Data
}

func failedFact(t *testing.T, ctx context.Context, b bustest.Bus) events.Failed {
	t.Helper()
	r := await(t, ctx, b, "the failed fact", on("reprotect.event.tokyo.a.validation.failed"))
	e, err := events.Decode(events.TypeFailed, r.Data)
	if err != nil {
		t.Fatal(err)
	}
	if e.Data.Case == nil || len(e.Data.Case.Machines) != 1 {
		t.Errorf("the failed fact does not carry the case: %+v", e.Data)
	}
	return e.Data
}

func loopGivesUp(t *testing.T, h bustest.Harness) {
	var calls atomic.Int32
	s := service(func(context.Context, workflow.Event[events.Accepted], string) (workflow.Result[string], error) {
		calls.Add(1)
		return workflow.Result[string]{}, errors.New("disk on fire")
	})
	b, conn, ctx := setUp(t, h, s)
	serve(t, h, conn, s, workflow.Options{MaxAttempts: 3})
	publishAccepted(t, ctx, conn, "a")
	if dead := deadLetter(t, ctx, b); dead.Reason != "attempts-exhausted" || dead.Attempts != 3 || !strings.Contains(dead.Error, "disk on fire") {
		t.Errorf("dead letter %+v", dead)
	}
	if f := failedFact(t, ctx, b); f.Code != "internal" || f.Remedy == "" {
		t.Errorf("failed fact %+v", f)
	}
	if n := calls.Load(); n != 3 {
		t.Errorf("%d calls", n)
	}
}

func loopRejects(t *testing.T, h bustest.Harness) {
	s := service(func(context.Context, workflow.Event[events.Accepted], string) (workflow.Result[string], error) {
		return workflow.Result[string]{}, workflow.Reject("8061", "no way", "mount it")
	})
	b, conn, ctx := setUp(t, h, s)
	serve(t, h, conn, s, workflow.Options{})
	publishAccepted(t, ctx, conn, "a")
	if f := failedFact(t, ctx, b); f.Code != "8061" || f.Message != "no way" || f.Remedy != "mount it" {
		t.Errorf("failed fact %+v", f)
	}
	if dead := deadLetter(t, ctx, b); dead.Reason != "rejected" || dead.Attempts != 1 {
		t.Errorf("dead letter %+v", dead)
	}
}

func loopPanics(t *testing.T, h bustest.Harness) {
	s := service(func(context.Context, workflow.Event[events.Accepted], string) (workflow.Result[string], error) {
		panic("boom")
	})
	b, conn, ctx := setUp(t, h, s)
	serve(t, h, conn, s, workflow.Options{MaxAttempts: 2})
	publishAccepted(t, ctx, conn, "a")
	if dead := deadLetter(t, ctx, b); !strings.Contains(dead.Error, "boom") {
		t.Errorf("dead letter %+v", dead)
	}
}

func loopEndless(t *testing.T, h bustest.Harness) {
	s := service(func(context.Context, workflow.Event[events.Accepted], string) (workflow.Result[string], error) {
		t.Error("the handler was called once more")
		return workflow.Result[string]{}, nil
	})
	b, conn, ctx := setUp(t, h, s)
	publishAccepted(t, ctx, conn, "a")
	c := s.Consumer()
	c.AckWait = h.AckWait
	for range 5 { // processes that die with it
		doomed, cut := b.Connect(t)
		bustest.Next(t, ctx, bustest.Consume(t, ctx, doomed, c))
		cut()
	}
	serve(t, h, conn, s, workflow.Options{MaxAttempts: 1})
	if dead := deadLetter(t, ctx, b); dead.Reason != "attempts-exhausted" || !strings.Contains(dead.Error, "never came to an end") {
		t.Errorf("dead letter %+v", dead)
	}
	failedFact(t, ctx, b)
}

func loopMalformed(t *testing.T, h bustest.Harness) {
	s := service(validate)
	b, conn, ctx := setUp(t, h, s)
	serve(t, h, conn, s, workflow.Options{})
	m := bustest.Message("bad", "request", "accepted")
	m.Data = []byte(`{"specversion":"1.0","id":"bad/request","source":"/x","type":"io.reprotect.accepted.v9","site":"tokyo","case":"bad","step":"request","data":{}}`)
	bustest.Publish(t, ctx, conn, m)
	publishAccepted(t, ctx, conn, "good")
	if dead := deadLetter(t, ctx, b); dead.Reason != "malformed" || string(dead.Original) != string(m.Data) || dead.Subject != m.Subject {
		t.Errorf("dead letter %+v", dead)
	}
	await(t, ctx, b, "the next", on("reprotect.event.tokyo.good.validation.validated"))
}

func loopWrongSubject(t *testing.T, h bustest.Harness) {
	s := service(validate)
	b, conn, ctx := setUp(t, h, s)
	serve(t, h, conn, s, workflow.Options{})
	raw, err := events.Encode(accepted("a"))
	if err != nil {
		t.Fatal(err)
	}
	m := bustest.Message("b", "request", "accepted") // says it is of case a
	m.Data = raw
	bustest.Publish(t, ctx, conn, m)
	if dead := deadLetter(t, ctx, b); dead.Reason != "malformed" || !strings.Contains(dead.Error, "stands on") {
		t.Errorf("dead letter %+v", dead)
	}
}

func loopRefuses(t *testing.T, h bustest.Harness) {
	refuse := func(e events.Header, original []byte, err error) workflow.Draft {
		return workflow.Fact(events.TypeRefused, "", events.Refused{
			Problems: []events.Problem{{Code: "x", Message: err.Error()}}, Original: string(original),
		}).For("tokyo", events.Token(e.ID), e.ID)
	}
	s := workflow.Service{Name: "validator", Routes: []workflow.Route{
		workflow.OnCommand(events.TypeRequest, func(_ context.Context, e workflow.Event[events.Request], _ string) (workflow.Result[string], error) {
			c := events.Case{Machines: []events.Machine{{Name: e.Data.Machines[0].Name, Item: "/items/1", Architecture: "classic"}}}
			return workflow.Result[string]{Publish: []workflow.Draft{workflow.Fact(events.TypeAccepted, "", events.Accepted{Case: c}).For("tokyo", "good", e.ID)}}, nil
		}, refuse),
		workflow.OnUnknownCommand(refuse),
	}}
	b, conn, ctx := setUp(t, h, s)
	serve(t, h, conn, s, workflow.Options{})
	bustest.Publish(t, ctx, conn,
		bus.Message{Subject: "reprotect.command.request", ID: "one", Data: []byte("{")},
		bus.Message{Subject: "reprotect.command.explode", ID: "two", Data: []byte(`{}`)},
		bus.Message{Subject: "reprotect.command.request", ID: "three", Data: []byte(`{"machines":[{"name":"web01"}]}`)})
	await(t, ctx, b, "the refusal of no JSON", on("reprotect.event.tokyo.one.request.refused"))
	await(t, ctx, b, "the refusal of an unknown command", on("reprotect.event.tokyo.two.request.refused"))
	r := await(t, ctx, b, "the good one", on("reprotect.event.tokyo.good.request.accepted"))
	if e, err := events.Decode(events.TypeAccepted, r.Data); err != nil || e.Request != "three" {
		t.Errorf("%+v, %v", e, err)
	}
}

func loopReports(t *testing.T, h bustest.Harness) {
	woken := make(chan string, 1)
	var answered events.Header
	s := workflow.Service{Name: "guard", Routes: []workflow.Route{
		workflow.On(events.TypeAccepted, "", func(_ context.Context, e workflow.Event[events.Accepted], kept string) (workflow.Result[string], error) {
			if e.Looks == 0 {
				return workflow.Result[string]{After: h.AckWait / 4, State: "known"}, nil
			}
			answered = e.Header
			select {
			case woken <- kept:
			default:
			}
			return workflow.Result[string]{}, nil
		}),
	}}
	b, conn, ctx := setUp(t, h, s)
	serve(t, h, conn, s, workflow.Options{})
	publishAccepted(t, ctx, conn, "a")
	select {
	case w := <-woken:
		if w != "known" {
			t.Errorf("woken with %+v", w)
		}
	case <-ctx.Done():
		t.Fatal("not woken")
	}
	violated := workflow.Fact(events.TypeViolated, "", events.Violated{Code: "x", What: "w", Endangers: "e", Do: "d"})
	for _, number := range []int{3, 3, 1} {
		if err := workflow.Report(ctx, conn, s.Name, answered, number, violated, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	var ids []string
	for _, r := range b.Log(t) {
		if r.Subject != "reprotect.event.tokyo.a.guard.violated" {
			continue
		}
		e, err := events.Decode(events.TypeViolated, r.Data)
		if err != nil || e.Source != "/reprotect/tokyo/guard" || e.Causation != "a/request" || e.Request != "r1" || e.ID != r.ID {
			t.Errorf("reported %+v, %v", e.Header, err)
		}
		ids = append(ids, e.ID)
	}
	if want := []string{"a/guard/4", "a/guard/2"}; !slices.Equal(ids, want) { // the event that is answered has position 1
		t.Errorf("reported %v, want %v", ids, want)
	}
}

func loopWaits(t *testing.T, h bustest.Harness) {
	var mu sync.Mutex
	type look struct {
		looks int
		kept  string
	}
	var looks []look
	s := service(func(ctx context.Context, e workflow.Event[events.Accepted], kept string) (workflow.Result[string], error) {
		mu.Lock()
		defer mu.Unlock()
		looks = append(looks, look{e.Looks, kept})
		if e.Looks < 2 {
			waiting := workflow.Fact(events.TypeWaiting, "", events.Waiting{For: "agent", Message: "not yet", Since: e.Time, NextLook: e.Time})
			return workflow.Result[string]{Publish: []workflow.Draft{waiting}, After: h.AckWait / 4, State: strings.Repeat("n", e.Looks+1)}, nil
		}
		return validate(ctx, e, "")
	})
	b, conn, ctx := setUp(t, h, s)
	serve(t, h, conn, s, workflow.Options{})
	publishAccepted(t, ctx, conn, "a")
	r := await(t, ctx, b, "the answer", on("reprotect.event.tokyo.a.validation.validated"))
	if e, err := events.Decode(events.TypeValidated, r.Data); err != nil || e.Position != 4 {
		t.Errorf("position %d, %v", e.Position, err)
	}
	mu.Lock()
	defer mu.Unlock()
	want := []look{{}, {1, "n"}, {2, "nn"}}
	if !slices.Equal(looks, want) {
		t.Errorf("looks %+v, want %+v", looks, want)
	}
	var ids []string
	for _, r := range b.Log(t) {
		if strings.Contains(r.Subject, ".progress.") {
			ids = append(ids, r.ID)
		}
	}
	if !slices.Equal(ids, []string{"a/progress/2", "a/progress/3"}) {
		t.Errorf("reports %v", ids)
	}
}
