package workflow_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/workflow"
)

// occupiedBus has something under every step.
type occupiedBus struct {
	bus.Broker
	by bus.Received
}

func (b occupiedBus) Publish(context.Context, bus.Message) error { return &bus.Decided{By: b.by} }

// nats-N2: who finds its step decided looks at what stands there. What is no outcome of it is said, and never settled silently.
func TestWhatStandsUnderAStepIsLookedAt(t *testing.T) {
	event := func(change func(*events.Header)) []byte {
		h := events.Header{
			ID: "c1/replication", Source: "/reprotect/tokyo/executor", Type: events.TypeCompleted.CloudType(), Subject: "c1",
			DataSchema: events.TypeCompleted.Schema(), Time: time.Unix(0, 0).UTC(), Site: "tokyo", Case: "c1", Step: events.StepReplication, Request: "r1",
		}
		change(&h)
		raw, err := events.Encode(events.Event[events.Completed]{Header: h, Data: events.Completed{Case: events.Case{Machines: []events.Machine{{Name: "web01"}}}}})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for name, tt := range map[string]struct {
		by   []byte
		says string // "": it is an outcome
	}{
		"its outcome":          {event(func(*events.Header) {}), ""},
		"the broker's answer":  {[]byte(`{"stream":"REPROTECT","seq":7}`), "cannot be read"},
		"nothing":              {nil, "cannot be read"},
		"another case's":       {event(func(h *events.Header) { h.Case, h.Subject, h.ID = "c2", "c2", "c2/replication" }), `of case "c2"`},
		"from somebody else":   {event(func(h *events.Header) { h.Source = "/reprotect/tokyo/validator" }), "only /reprotect/tokyo/executor decides"},
		"another site's":       {event(func(h *events.Header) { h.Site = "osaka"; h.Source = "/reprotect/tokyo/executor" }), `of site "osaka"`},
		"a report of its own":  {event(func(h *events.Header) { h.Type = events.TypeProgressed.CloudType() }), "decides nothing"},
		"from another program": {event(func(h *events.Header) { h.Source = "/chatbot" }), `comes from "/chatbot"`},
	} {
		t.Run(name, func(t *testing.T) {
			b := occupiedBus{by: bus.Received{Message: bus.Message{Subject: "reprotect.event.tokyo.c1.replication.completed", Data: tt.by}, Sequence: 7}}
			answered := events.Header{ID: "c1/submission", Site: "tokyo", Case: "c1", Request: "r1"}
			draft := workflow.Fact(events.TypeCompleted, events.StepReplication, events.Completed{Case: events.Case{Machines: []events.Machine{{Name: "web01"}}}})
			err := workflow.Report(t.Context(), b, "executor", answered, 1, draft, time.Unix(9, 0))
			var rejection *workflow.Rejection
			switch {
			case tt.says == "" && err != nil:
				t.Errorf("%v", err)
			case tt.says != "" && (!errors.As(err, &rejection) || !strings.Contains(rejection.Message, tt.says) || !strings.Contains(rejection.Message, "at 7 on reprotect.event.tokyo.c1.replication.completed")):
				t.Errorf("%v; want it to say %q", err, tt.says)
			}
		})
	}
}
