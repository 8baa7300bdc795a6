package servicebus_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/servicebus"
	"reprotect.example/events/bus/servicebus/sbpeer"
	"reprotect.example/services/workflow"
)

// bubble is a peer in virtual time with one service, and a connection to it.
func bubble(t *testing.T, f func(t *testing.T, p *sbpeer.Peer, c *servicebus.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := peer(t, validator.Consumer())
		f(t, p, connect(t, p))
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

func accepted(t *testing.T, caseID string) bus.Message {
	t.Helper()
	raw, err := events.Encode(events.Event[events.Accepted]{
		Header: events.Header{
			ID: caseID + "/request", Source: "/reprotect/tokyo/validator", Type: events.TypeAccepted.CloudType(), Subject: caseID,
			Site: "tokyo", Case: caseID, Step: events.StepRequest, Request: "r1", Position: 1, Time: time.Now().UTC(),
		},
		Data: events.Accepted{Case: events.Case{Machines: []events.Machine{{Name: "web01", Item: "/items/1", Architecture: "classic"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return bus.Message{
		Subject: events.FactSubject("tokyo", caseID, events.StepRequest, "accepted"), ID: caseID + "/request",
		Once: events.OutcomeFilter("tokyo", caseID, events.StepRequest), Data: raw,
	}
}

// run runs a service until the returned function is called.
func run(t *testing.T, c bus.Broker, s workflow.Service) (stop func()) {
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

func publish(t *testing.T, c *servicebus.Conn, messages ...bus.Message) {
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

// Nobody is told who lost, but only one outcome stands, for a week.
func TestOneOutcomeStands(t *testing.T) {
	bubble(t, func(t *testing.T, p *sbpeer.Peer, c *servicebus.Conn) {
		outcome := func(name string) bus.Message {
			return bus.Message{Subject: events.FactSubject("tokyo", "a", "validation", name), ID: "a/validation", Data: []byte("{}")}
		}
		var racers sync.WaitGroup
		for i := range 8 {
			racer := connect(t, p)
			racers.Go(func() { publish(t, racer, outcome([]string{"validated", "rejected", "failed"}[i%3])) })
		}
		racers.Wait()
		publish(t, c, outcome("cancelled"))
		p.Advance(6 * 24 * time.Hour)
		publish(t, c, outcome("failed"))
		if all := subjects(t, c); len(all) != 1 {
			t.Errorf("outcomes of one step: %v", all)
		}
	})
}

func TestMessageOverTheLimit(t *testing.T) {
	bubble(t, func(t *testing.T, _ *sbpeer.Peer, c *servicebus.Conn) {
		m := bus.Message{Subject: "reprotect.command.request", ID: "big", Data: make([]byte, 300<<10)}
		if err := c.Publish(t.Context(), m); err == nil || !strings.Contains(err.Error(), "over the limit") {
			t.Errorf("%v", err)
		}
		m.Data = make([]byte, events.MaxSize)
		publish(t, c, m) // the largest event goes through, with all its properties
	})
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
				stop := run(t, connect(t, p), answering(func(context.Context) error {
					calls.Add(1)
					once.Do(func() { trouble(p) })
					return nil
				}))
				publish(t, c, accepted(t, "a"))
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

// What the SDK says of a connection string may hold the key.
func TestNoSecretInErrors(t *testing.T) {
	for _, text := range []string{"Endpoint=sb://x;SharedAccessKey=s3cret", "s3cret", "Endpoint=:;SharedAccessKeyName=a;SharedAccessKey=s3cret"} {
		c, err := servicebus.Connect(servicebus.Options{ConnectionString: text})
		if err == nil {
			c.Close()
			continue
		}
		if strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "connection string") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestWhatIsMissingOrNotPermitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := sbpeer.New(sbpeer.Options{Keys: []sbpeer.Key{{Name: "all"}, {Name: "ops", Secret: "o", Rights: sbpeer.Send}}})
		t.Cleanup(p.Close)
		c := connect(t, p)
		if _, err := c.Consume(t.Context(), validator.Consumer()); !errors.Is(err, bus.ErrMissing) || !strings.Contains(err.Error(), "bus setup") {
			t.Errorf("subscribe where nothing is set up: %v", err)
		}
		if err := c.Publish(t.Context(), bus.Message{Subject: "reprotect.command.request", Data: []byte("{}")}); !errors.Is(err, bus.ErrMissing) {
			t.Errorf("publish where nothing is set up: %v", err)
		}
		if c.Ready() == nil {
			t.Error("ready all the same")
		}
	})
}

func TestLongNames(t *testing.T) {
	long := bus.Consumer{Service: "executor-" + strings.Repeat("a-very-long-site-", 5), Filters: []string{"reprotect.event.*.*.submission.started"}}
	for _, topic := range servicebus.NewTopology(long).Topics {
		for _, s := range topic.Subscriptions {
			if len(s.Name) > 50 {
				t.Errorf("%s has %d characters", s.Name, len(s.Name))
			}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		p := peer(t, long)
		c := connect(t, p)
		id := strings.Repeat("x", 300)
		publish(t, c, bus.Message{Subject: "reprotect.event.tokyo.a.submission.started", ID: id, Data: []byte("{}")})
		s, err := c.Consume(t.Context(), long)
		if err != nil {
			t.Fatal(err)
		}
		d, err := s.Next(t.Context())
		if err != nil || d.Received().ID != id {
			t.Errorf("%v, %+v", err, d)
		}
		s.Close()
	})
}

// While the namespace is away a service is not ready; it is again, without any message, when the namespace is back.
func TestReadyAgain(t *testing.T) {
	bubble(t, func(t *testing.T, p *sbpeer.Peer, _ *servicebus.Conn) {
		c := connect(t, p)
		stop := run(t, c, validator)
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
		go func() { ended <- workflow.Run(ctx, connect(t, p), service, workflow.Options{Concurrency: 1}) }()
		publish(t, c, accepted(t, "a"))
		<-begun
		cancel()
		synctest.Wait()
		publish(t, c, accepted(t, "b"))
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
