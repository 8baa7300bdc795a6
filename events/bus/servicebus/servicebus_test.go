package servicebus_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/servicebus"
	"reprotect.example/events/bus/servicebus/sbharness"
	"reprotect.example/events/bus/servicebus/sbpeer"
)

// bubble is a peer in virtual time with one service, and a connection to it.
func bubble(t *testing.T, f func(t *testing.T, p *sbpeer.Peer, c *servicebus.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := sbharness.Peer(t, validator)
		f(t, p, sbharness.Connect(t, p))
	})
}

var validator = bus.Consumer{Service: "validator", Filters: []string{"reprotect.event.*.*.request.accepted"}}

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
			racer := sbharness.Connect(t, p)
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
		c := sbharness.Connect(t, p)
		if _, err := c.Consume(t.Context(), validator); !errors.Is(err, bus.ErrMissing) || !strings.Contains(err.Error(), "bus setup") {
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
		p := sbharness.Peer(t, long)
		c := sbharness.Connect(t, p)
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

// F5b: a full topic has its own words, that say what fills it, and sending goes on by itself when there is room.
func TestAFullTopicSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := sbharness.Peer(t)
		conn := sbharness.Connect(t, p)
		m := bus.Message{Subject: "reprotect.event.tokyo.c1.progress.waiting", ID: "c1/progress/1", Data: []byte("{}")}
		if !p.Fill(servicebus.TopicEvents, true) {
			t.Fatal("no such topic")
		}
		err := conn.Publish(t.Context(), m)
		if !errors.Is(err, bus.ErrFull) || !strings.Contains(err.Error(), "subscription audit") {
			t.Errorf("full: %v", err)
		}
		if !errors.Is(conn.Ready(), bus.ErrFull) {
			t.Errorf("ready: %v", conn.Ready())
		}
		p.Fill(servicebus.TopicEvents, false)
		if err := conn.Publish(t.Context(), m); err != nil || conn.Ready() != nil {
			t.Errorf("with room again: %v, ready %v", err, conn.Ready())
		}
	})
}
