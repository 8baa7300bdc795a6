package workflowtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/bustest"
	"reprotect.example/services/workflow"
)

func loopHeartbeat(t *testing.T, h bustest.Harness) {
	var calls atomic.Int32
	s := service(func(ctx context.Context, e workflow.Event[events.Accepted], _ string) (workflow.Result[string], error) {
		calls.Add(1)
		select { // three times as long as the broker would wait
		case <-time.After(3 * h.AckWait):
		case <-ctx.Done():
		}
		return validate(ctx, e, "")
	})
	b, conn, ctx := setUp(t, h, s)
	serve(t, h, conn, s, workflow.Options{})
	publishAccepted(t, ctx, conn, "a")
	await(t, ctx, b, "the answer", on("reprotect.event.tokyo.a.validation.validated"))
	if n := calls.Load(); n != 1 {
		t.Errorf("%d calls", n)
	}
}

// A backlog is handed over in order, although many messages wait at once to be kept.
func loopKeepsOrder(t *testing.T, h bustest.Harness) {
	const backlog, atOnce = 200, 20
	var handed []string
	enough, all := make(chan struct{}), make(chan struct{})
	var failed atomic.Bool
	s := workflow.Service{Name: "journal", Keep: func(ctx context.Context, r bus.Received) (kept func() error) {
		switch handed = append(handed, r.Subject); len(handed) {
		case atOnce:
			close(enough)
		case backlog:
			close(all)
		}
		return func() error {
			select {
			case <-enough:
			case <-ctx.Done():
				failed.Store(true)
			}
			return nil
		}
	}}
	_, conn, ctx := setUp(t, h, s)
	var published []string
	for i := range backlog {
		m := bustest.Message(fmt.Sprint("c", i), "request", "accepted")
		bustest.Publish(t, ctx, conn, m)
		published = append(published, m.Subject)
	}
	stop := serve(t, h, conn, s, workflow.Options{})
	select {
	case <-all:
	case <-ctx.Done():
		t.Error("not all came")
	}
	stop()
	if failed.Load() {
		t.Error("one message waited for the one before it to be kept")
	}
	late, newest := 0, 0
	for _, subject := range handed {
		i := slices.Index(published, subject)
		if i < newest {
			late++
		}
		newest = max(newest, i)
	}
	if late > backlog/20 { // a few may have been delivered again
		t.Errorf("handed over in the order %v", handed)
	}
}

func loopDrains(t *testing.T, h bustest.Harness) {
	begun, release := make(chan struct{}), make(chan struct{})
	s := service(func(ctx context.Context, e workflow.Event[events.Accepted], _ string) (workflow.Result[string], error) {
		close(begun)
		<-release
		return validate(ctx, e, "")
	})
	b, conn, ctx := setUp(t, h, s)
	stop := serve(t, h, conn, s, workflow.Options{})
	publishAccepted(t, ctx, conn, "a")
	<-begun
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	select {
	case <-stopped:
		t.Error("run ended under a handler")
	case <-time.After(h.AckWait / 4):
	}
	close(release)
	<-stopped
	if !slices.ContainsFunc(b.Log(t), on("reprotect.event.tokyo.a.validation.validated")) {
		t.Error("the handler's answer is lost")
	}
	other, _ := b.Connect(t)
	c := s.Consumer()
	c.AckWait = h.AckWait
	bustest.Silent(t, ctx, bustest.Consume(t, ctx, other, c), 2*h.AckWait)
}

func loopDrainsBusy(t *testing.T, h bustest.Harness) {
	begun, hopeless := make(chan struct{}, 2), make(chan struct{})
	s := service(func(ctx context.Context, _ workflow.Event[events.Accepted], _ string) (workflow.Result[string], error) {
		begun <- struct{}{}
		select {
		case <-ctx.Done():
		case <-hopeless:
		}
		return workflow.Result[string]{}, errors.New("stopped")
	})
	_, conn, ctx := setUp(t, h, s)
	stop := serve(t, h, conn, s, workflow.Options{Concurrency: 2, Grace: h.AckWait / 4})
	publishAccepted(t, ctx, conn, "a")
	publishAccepted(t, ctx, conn, "b")
	<-begun
	<-begun
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	select {
	case <-stopped:
	case <-time.After(4 * h.AckWait):
		t.Error("run goes on, though its grace is over")
		close(hopeless)
		<-stopped
	}
}

// dying is a broker whose process is cut off right after it published.
type dying struct {
	bus.Broker
	cut func()
}

func (d dying) Publish(ctx context.Context, m bus.Message) error {
	err := d.Broker.Publish(ctx, m)
	d.cut()
	return err
}

func loopRepeats(t *testing.T, h bustest.Harness) {
	answered := make(chan string, 8)
	s := service(func(ctx context.Context, e workflow.Event[events.Accepted], _ string) (workflow.Result[string], error) {
		answered <- e.Case
		return validate(ctx, e, "")
	})
	b, _, ctx := setUp(t, h, s)
	first, cut := b.Connect(t)
	serve(t, h, dying{first, cut}, s, workflow.Options{})
	pub, _ := b.Connect(t)
	publishAccepted(t, ctx, pub, "a")
	await(t, ctx, b, "the answer", on("reprotect.event.tokyo.a.validation.validated"))
	second, _ := b.Connect(t)
	serve(t, h, second, s, workflow.Options{})
	for range 2 {
		select {
		case <-answered:
		case <-ctx.Done():
			t.Fatal("the message was not delivered again")
		}
	}
	outcomes := 0
	for _, r := range b.Log(t) {
		var e struct{ Step string }
		if json.Unmarshal(r.Data, &e) == nil && e.Step == "validation" {
			outcomes++
		}
	}
	if outcomes != 1 {
		t.Errorf("%d outcomes", outcomes)
	}
}

func loopCancels(t *testing.T, h bustest.Harness) {
	var looks atomic.Int32
	s := service(func(context.Context, workflow.Event[events.Accepted], string) (workflow.Result[string], error) {
		looks.Add(1)
		return workflow.Result[string]{After: h.AckWait / 4}, nil
	})
	b, conn, ctx := setUp(t, h, s)
	serve(t, h, conn, s, workflow.Options{})
	publishAccepted(t, ctx, conn, "a")
	publishAccepted(t, ctx, conn, "b")
	raw, err := events.Encode(events.Event[events.Cancelling]{
		Header: events.Header{
			ID: "a/cancel", Source: "/reprotect/tokyo/validator", Type: events.TypeCancelling.CloudType(),
			Subject: "a", Site: "tokyo", Case: "a", Step: events.StepCancel, Request: "r1", Position: 2, Time: time.Now().UTC(),
		},
		Data: events.Cancelling{Reason: "wrong window"},
	})
	if err != nil {
		t.Fatal(err)
	}
	m := bustest.Message("a", events.StepCancel, events.TypeCancelling.Name)
	m.Data, m.Headers = raw, nil
	bustest.Publish(t, ctx, conn, m)
	r := await(t, ctx, b, "the end", on("reprotect.event.tokyo.a.validation.cancelled"))
	e, err := events.Decode(events.TypeCancelled, r.Data)
	if err != nil {
		t.Fatal(err)
	}
	if e.Data.Reason != "wrong window" || len(e.Data.Case.Machines) != 1 || e.Data.Machines[0].State != "not-started" {
		t.Errorf("%+v", e.Data)
	}
	before := looks.Load()
	tick := time.NewTicker(h.AckWait / 4)
	defer tick.Stop()
	for looks.Load() == before { // the other case waits on
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the other case is not looked at any more")
		}
	}
}

func loopAlone(t *testing.T, h bustest.Harness) {
	var serving, begun, waited [2]atomic.Int32
	instance := func(n int) workflow.Service {
		s := service(func(ctx context.Context, e workflow.Event[events.Accepted], _ string) (workflow.Result[string], error) {
			serving[n].Add(1)
			return validate(ctx, e, "")
		})
		s.Alone, s.StandBy = true, func() { waited[n].Add(1) }
		s.Begin = func(context.Context) {
			if serving[n].Load() > 0 {
				t.Error("served before it began")
			}
			begun[n].Add(1)
		}
		return s
	}
	b, first, ctx := setUp(t, h, instance(0))
	stop := serve(t, h, first, instance(0), workflow.Options{})
	publishAccepted(t, ctx, first, "a")
	await(t, ctx, b, "the first answer", on("reprotect.event.tokyo.a.validation.validated"))
	second, _ := b.Connect(t)
	serve(t, h, second, instance(1), workflow.Options{})
	for i := range 20 {
		publishAccepted(t, ctx, first, fmt.Sprint("b", i))
	}
	await(t, ctx, b, "the last answer", on("reprotect.event.tokyo.b19.validation.validated"))
	if serving[1].Load() != 0 || begun[1].Load() != 0 {
		t.Error("two processes serve")
	}
	if waited[1].Load() == 0 {
		t.Error("the second does not say that it waits")
	}
	stop()
	publishAccepted(t, ctx, second, "c")
	await(t, ctx, b, "the answer of the next", on("reprotect.event.tokyo.c.validation.validated"))
	if serving[1].Load() != 1 || begun[1].Load() != 1 {
		t.Errorf("served %d, begun %d times", serving[1].Load(), begun[1].Load())
	}
}

func loopDecided(t *testing.T, h bustest.Harness) {
	var calls atomic.Int32
	s := service(func(ctx context.Context, e workflow.Event[events.Accepted], _ string) (workflow.Result[string], error) {
		calls.Add(1)
		return validate(ctx, e, "")
	})
	b, conn, ctx := setUp(t, h, s)
	bustest.Publish(t, ctx, conn, bustest.Message("a", "validation", "rejected"))
	publishAccepted(t, ctx, conn, "a")
	publishAccepted(t, ctx, conn, "b")
	serve(t, h, conn, s, workflow.Options{Concurrency: 1})
	await(t, ctx, b, "the next case", on("reprotect.event.tokyo.b.validation.validated"))
	for _, r := range b.Log(t) {
		if r.Subject == "reprotect.event.tokyo.a.validation.validated" {
			t.Error("a second outcome was stored")
		}
	}
	if n := calls.Load(); n != 2 {
		t.Errorf("%d calls: the message of the decided step was not settled", n)
	}
}
