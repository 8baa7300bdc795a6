package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// occupiedLog is a bus with an event log, and who was asked to decide a step anew.
type occupiedLog struct {
	Bus
	log      []bus.Received
	services []string
	asked    []string
}

func (o *occupiedLog) Read(_ context.Context, r Reading, each func(bus.Received) error) error {
	for _, one := range o.log {
		if slices.ContainsFunc(r.Filters, func(f string) bool { return bus.Match(f, one.Subject) }) {
			if err := each(one); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *occupiedLog) Publish(_ context.Context, m bus.Message) error {
	o.log = append(o.log, bus.Received{Message: m, Sequence: uint64(len(o.log) + 1)})
	return nil
}

func (o *occupiedLog) Status(context.Context) (s Status, err error) {
	for _, name := range o.services {
		s.Services = append(s.Services, Lag{Service: name})
	}
	return s, nil
}

func (o *occupiedLog) Redecide(_ context.Context, service string, in bus.Received, step string, void, mark uint64) error {
	o.asked = append(o.asked, fmt.Sprintf("%s decides %s by %s after %d, %d", service, step, in.Subject[strings.LastIndexByte(in.Subject, '.')+1:], void, mark))
	return nil
}

func stepFact(t *testing.T, source string, kind events.Kind, step string, data any) bus.Message {
	t.Helper()
	h := events.Header{
		ID: "c1/" + step, Source: source, Type: kind.CloudType(), DataSchema: kind.Schema(), Subject: "c1", Site: "tokyo", Case: "c1",
		Step: step, Request: "r1", Time: time.Unix(0, 0).UTC(),
	}
	raw, err := events.Encode(events.Event[any]{Header: h, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	return bus.Message{Subject: events.FactSubject("tokyo", "c1", step, kind.Name), ID: h.ID, Data: raw}
}

// nats-N2: an administrator makes void what occupies a step, by one mark, and who decides the step is asked anew.
func TestVoid(t *testing.T) {
	const executor, validator = "/reprotect/tokyo/executor", "/reprotect/tokyo/validator"
	c := events.Case{Machines: []events.Machine{{Name: "web01", Item: "/items/1", Architecture: "classic"}}}
	started := stepFact(t, executor, events.TypeStarted.Kind, events.StepSubmission, events.Started{Case: c, Jobs: []events.Job{{Machine: "web01", Job: "j"}}})
	completed := events.Completed{Case: c, Machines: []events.ProtectedState{{Machine: "web01", Item: "/items/1", Since: time.Unix(0, 0).UTC()}}}
	rogue := bus.Message{Subject: "reprotect.event.tokyo.c1.replication.completed", Data: []byte(`{"stream":"REPROTECT","seq":1}`)}
	for name, tt := range map[string]struct {
		log      []bus.Message
		services []string
		step     string
		force    bool
		asked    []string
		says     string
	}{
		"the broker's answer":        {log: []bus.Message{started, rogue}, asked: []string{"executor decides replication by started after 2, 3"}},
		"from somebody else":         {log: []bus.Message{started, stepFact(t, validator, events.TypeCompleted.Kind, events.StepReplication, completed)}, asked: []string{"executor decides replication by started after 2, 3"}},
		"its outcome":                {log: []bus.Message{started, stepFact(t, executor, events.TypeCompleted.Kind, events.StepReplication, completed)}, says: "is its valid outcome"},
		"its outcome, all the same":  {log: []bus.Message{started, stepFact(t, executor, events.TypeCompleted.Kind, events.StepReplication, completed)}, force: true, asked: []string{"executor decides replication by started after 2, 3"}},
		"nothing stands there":       {log: []bus.Message{started}, says: "nothing stands under step replication of case c1"},
		"nothing leads there":        {log: []bus.Message{rogue}, says: "case c1 has no started"},
		"services of some sites":     {log: []bus.Message{started, rogue}, services: []string{"executor-osaka", "executor-osaka-tokyo", "executors", "validator", "executor"}, asked: []string{"executor-osaka-tokyo decides replication by started after 2, 3", "executor decides replication by started after 2, 3"}},
		"no service is set up":       {log: []bus.Message{started, rogue}, services: []string{"validator"}, says: "no executor for site tokyo is set up"},
		"another step that it holds": {log: []bus.Message{started, rogue}, step: events.StepSubmission, says: "is its valid outcome"},
	} {
		t.Run(name, func(t *testing.T) {
			b := &occupiedLog{services: tt.services}
			if b.services == nil {
				b.services = []string{"validator", "executor"}
			}
			for _, m := range tt.log {
				if err := b.Publish(t.Context(), m); err != nil {
					t.Fatal(err)
				}
			}
			v := voiding{caseID: "c1", step: events.StepReplication, reason: "forged", by: "me", force: tt.force}
			if tt.step != "" {
				v.step = tt.step
			}
			_, err := v.do(t.Context(), b, time.Unix(9, 0), time.Second)
			if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("%v; want it to say %q", err, tt.says)
			}
			if !slices.Equal(b.asked, tt.asked) {
				t.Errorf("asked %q, want %q", b.asked, tt.asked)
			}
			if tt.says != "" {
				return
			}
			// Once more, after a command that was cut short: the same mark.
			stood, asked := len(b.log), len(b.asked)
			if _, err := v.do(t.Context(), b, time.Unix(10, 0), time.Second); err != nil || len(b.log) != stood || !slices.Equal(b.asked[asked:], tt.asked) {
				t.Errorf("again: %d messages more, asked %q, %v", len(b.log)-stood, b.asked[asked:], err)
			}
			mark, err := events.Decode(events.TypeVoided, b.log[2].Data)
			if err != nil || mark.Data != (events.Voided{Subject: rogue.Subject, Sequence: 2, Reason: "forged", RequestedBy: "me"}) {
				t.Errorf("the mark says %+v, %v", mark.Data, err)
			}
		})
	}
}
