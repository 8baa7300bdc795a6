package workflowtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/bustest"
	"reprotect.example/events/bus/servicebus"
	"reprotect.example/events/bus/servicebus/sbharness"
	"reprotect.example/events/bus/servicebus/sbpeer"
	"reprotect.example/services/workflow"
)

// bubble is a peer in virtual time with one service, and a connection to it.
func bubble(t *testing.T, f func(t *testing.T, p *sbpeer.Peer, c *servicebus.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := sbharness.Peer(t, validator.Consumer())
		f(t, p, sbharness.Connect(t, p))
	})
}

// validator answers accepted with validated; whatever handle does comes first.
func answering(handle func(context.Context) error) workflow.Service {
	return workflow.Service{Name: "validator", Routes: []workflow.Route{
		workflow.On(events.TypeAccepted, events.StepValidation, func(ctx context.Context, e workflow.Event[events.Accepted], _ string) (workflow.Result[string], error) {
			if err := handle(ctx); err != nil {
				return workflow.Result[string]{}, err
			}
			return workflow.Result[string]{Publish: []workflow.Draft{workflow.Fact(events.TypeValidated, "", events.Validated{Case: e.Data.Case, Findings: []events.Finding{}})}}, nil
		}),
	}}
}

var validator = answering(func(context.Context) error { return nil })

func acceptedMessage(t *testing.T, caseID string) bus.Message {
	t.Helper()
	raw, err := events.Encode(accepted(caseID))
	if err != nil {
		t.Fatal(err)
	}
	m := bustest.Message(caseID, events.StepRequest, "accepted")
	m.Data, m.Headers = raw, nil
	return m
}

// serveLong runs a service, as the supervisor does, until the returned function is called.
func serveLong(t *testing.T, c bus.Broker, s workflow.Service) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil { // as the supervisor does
			if err := workflow.Run(ctx, c, s, workflow.Options{MaxAttempts: 3}); err != nil {
				t.Logf("run: %v", err)
				<-time.After(time.Second)
			}
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

// publishLong tries for ten minutes.
func publishLong(t *testing.T, c *servicebus.Conn, messages ...bus.Message) {
	t.Helper()
	for _, m := range messages {
		for begun := time.Now(); ; {
			err := c.Publish(t.Context(), m)
			if err == nil {
				break
			}
			if time.Since(begun) > 10*time.Minute {
				t.Fatal(err)
			}
			<-time.After(time.Second)
		}
	}
}

// subjects lists what stands in the event log.
func subjects(t *testing.T, c *servicebus.Conn) (all []string) {
	t.Helper()
	if err := c.Audit(t.Context(), func(r bus.Received) error {
		all = append(all, r.Subject)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func deadLetters(t *testing.T, c *servicebus.Conn) (letters []events.Event[events.Dead]) {
	t.Helper()
	if err := c.Dead(t.Context(), []string{"validator"}, func(r bus.Received) error {
		e, err := events.Decode(events.TypeDead, r.Data)
		letters = append(letters, e)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return letters
}

// What goes wrong between a message and its answer changes nothing: one answer stands, and no message is left.
func TestTroubleInTheMiddle(t *testing.T) {
	for name, trouble := range map[string]func(*sbpeer.Peer){
		"connection cut":                        func(p *sbpeer.Peer) { p.DropConnections() },
		"lock lost":                             func(p *sbpeer.Peer) { p.ExpireLocks() },
		"the answer is stored, not confirmed":   func(p *sbpeer.Peer) { p.DropBeforeDisposition(1) },
		"the settlement is lost":                func(p *sbpeer.Peer) { p.DropBeforeSettlement(1) },
		"the settlement is done, not confirmed": func(p *sbpeer.Peer) { p.DropAfterSettlement(1) },
		"server busy":                           func(p *sbpeer.Peer) { p.BusyFor(40 * time.Second) },
		"namespace away": func(p *sbpeer.Peer) {
			p.RefuseConnections(true)
			p.DropConnections()
			time.AfterFunc(2*time.Minute, func() { p.RefuseConnections(false) })
		},
		"links detached": func(p *sbpeer.Peer) {
			p.Detach(servicebus.TopicEvents, "")
			p.Detach(servicebus.TopicEvents+"/Subscriptions/validator", "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, p *sbpeer.Peer, c *servicebus.Conn) {
				var once sync.Once
				var calls atomic.Int32
				stop := serveLong(t, sbharness.Connect(t, p), answering(func(context.Context) error {
					calls.Add(1)
					once.Do(func() { trouble(p) })
					return nil
				}))
				publishLong(t, c, acceptedMessage(t, "a"))
				<-time.After(10 * time.Minute)
				stop()
				if all := subjects(t, c); len(all) != 2 || all[1] != "reprotect.event.tokyo.a.validation.validated" {
					t.Errorf("%d calls, and the log holds %v", calls.Load(), all)
				}
				if counts := p.Count(servicebus.TopicEvents + "/Subscriptions/validator"); counts.Active+counts.Locked+counts.Dead != 0 {
					t.Errorf("left: %+v", counts)
				}
			})
		})
	}
}

// While the namespace is away a service is not ready; it is again, without any message, when the namespace is back.
func TestReadyAgain(t *testing.T) {
	bubble(t, func(t *testing.T, p *sbpeer.Peer, _ *servicebus.Conn) {
		c := sbharness.Connect(t, p)
		stop := serveLong(t, c, validator)
		<-time.After(time.Minute)
		if err := c.Ready(); err != nil {
			t.Errorf("before: %v", err)
		}
		p.RefuseConnections(true)
		p.DropConnections()
		<-time.After(2 * time.Minute)
		if c.Ready() == nil {
			t.Error("ready while the namespace is away")
		}
		p.RefuseConnections(false)
		<-time.After(2 * time.Minute)
		if err := c.Ready(); err != nil {
			t.Errorf("after: %v", err)
		}
		stop()
	})
}

// Who drains locks nothing more, though all its handlers are busy: the others have it at once.
func TestADrainLocksNothing(t *testing.T) {
	bubble(t, func(t *testing.T, p *sbpeer.Peer, c *servicebus.Conn) {
		begun, release := make(chan struct{}), make(chan struct{})
		service := answering(func(context.Context) error {
			begun <- struct{}{}
			<-release
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- workflow.Run(ctx, sbharness.Connect(t, p), service, workflow.Options{Concurrency: 1}) }()
		publishLong(t, c, acceptedMessage(t, "a"))
		<-begun
		cancel()
		synctest.Wait()
		publishLong(t, c, acceptedMessage(t, "b"))
		synctest.Wait()
		if counts := p.Count(servicebus.TopicEvents + "/Subscriptions/validator"); counts.Locked != 1 || counts.Active != 1 {
			t.Errorf("while it drains: %+v", counts)
		}
		close(release)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// skewed runs a test for clocks that agree, and for one of this machine that is ahead of Azure's and behind it.
func skewed(t *testing.T, f func(t *testing.T, p *sbpeer.Peer)) {
	for _, ahead := range []time.Duration{0, -10 * time.Minute, -20 * time.Second, 20 * time.Second, 10 * time.Minute} {
		t.Run(fmt.Sprintf("Azure ahead by %s", ahead), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f(t, sbharness.PeerAs(t, sbpeer.Options{Ahead: ahead}, validator.Consumer()))
			})
		})
	}
}

// Each message is tried twice, since each fails at first, and answered once.
func TestSkewedClocksLoseNothing(t *testing.T) {
	skewed(t, func(t *testing.T, p *sbpeer.Peer) {
		var calls atomic.Int32
		stop := serveLong(t, sbharness.Connect(t, p), workflow.Service{Name: "validator", Routes: []workflow.Route{
			workflow.On(events.TypeAccepted, events.StepValidation, func(_ context.Context, e workflow.Event[events.Accepted], _ string) (workflow.Result[string], error) {
				calls.Add(1)
				if e.Attempt == 1 {
					return workflow.Result[string]{}, errors.New("not yet")
				}
				return workflow.Result[string]{Publish: []workflow.Draft{workflow.Fact(events.TypeValidated, "", events.Validated{Case: e.Data.Case, Findings: []events.Finding{}})}}, nil
			}),
		}})
		c := sbharness.Connect(t, p)
		for i := range 30 {
			publishLong(t, c, acceptedMessage(t, fmt.Sprint("c", i)))
		}
		<-time.After(30 * time.Minute)
		stop()
		if all := subjects(t, c); len(all) != 60 {
			t.Errorf("the log holds %d facts", len(all))
		}
		if n := calls.Load(); n != 60 {
			t.Errorf("%d calls", n)
		}
		for _, store := range []string{servicebus.TopicEvents + "/Subscriptions/validator", "reprotect-wake-validator"} {
			if counts := p.Count(store); counts != (sbpeer.Counts{}) {
				t.Errorf("left in %s: %+v", store, counts)
			}
		}
	})
}
