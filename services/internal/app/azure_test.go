package app

import (
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/cases/recorded"
)

// nats-N2, F4: on Service Bus, which drops a second outcome without a word, whatever keeps a step from being decided is seen by
// the journal: under the step, or by the id of its outcome. Nothing that the product has ever published is taken for such.
func TestTheJournalSeesAnOccupiedStep(t *testing.T) {
	core, logged := observer.New(zap.WarnLevel)
	steps := -1
	o := outside{log: zap.New(core), occupied: func(service string, n int) {
		if service != "journal" {
			t.Errorf("said by %s", service)
		}
		steps = n
	}}
	w := &watchedSteps{of: map[string]bool{}}
	for _, r := range append(recorded.Load(t, recorded.ServiceBus).Log, recorded.Load(t, recorded.NATS).Log...) {
		w.see(o, r)
	}
	if steps != -1 || logged.Len() > 0 {
		t.Fatalf("the product's own: %v", logged.All())
	}
	message := func(subject, id, data string) bus.Received {
		return bus.Received{Message: bus.Message{Subject: subject, ID: id, Data: []byte(data)}, Sequence: 7}
	}
	voided, err := events.Encode(events.Event[events.Voided]{Header: events.Header{
		ID: "c2/placement/voided-9", Source: "/reprotect/tokyo/administrator", Type: events.TypeVoided.CloudType(), DataSchema: events.TypeVoided.Schema(),
		Subject: "c2", Site: "tokyo", Case: "c2", Step: "placement", Request: "r1", Time: recorded.Load(t, recorded.NATS).Log[0].Published,
	}, Data: events.Voided{Subject: "reprotect.event.tokyo.c2.placement.placed", Sequence: 7, Reason: "forged", RequestedBy: "admin"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		what string
		r    bus.Received
		want int // steps that are occupied then
	}{
		{"rubbish under a step", message("reprotect.event.tokyo.c1.validation.validated", "x", "{}"), 1},
		{"again", message("reprotect.event.tokyo.c1.validation.validated", "x", "{}"), 1},
		{"the id of an outcome on another subject", message("reprotect.event.tokyo.c2.progress.waiting", "c2/placement", "{}"), 2},
		{"and of another case", message("reprotect.event.tokyo.c2.validation.validated", "c3/submission", "{}"), 3},
		{"a command may have any id", message("reprotect.command.request", "c4/submission", "{}"), 3},
		{"an id that is no outcome's", message("reprotect.notification.tokyo.info", "c4/notification/x", "{}"), 3},
		{"a report", message("reprotect.event.tokyo.c4.progress.waiting", "c4/progress/3", "{}"), 3},
		{"void", message("reprotect.event.tokyo.c2.placement.voided", "c2/placement/voided-9", string(voided)), 2},
		{"void once more", message("reprotect.event.tokyo.c2.placement.voided", "c2/placement/voided-9", string(voided)), 2},
	} {
		w.see(o, tt.r)
		if steps != tt.want {
			t.Errorf("%s: %d steps are occupied, want %d", tt.what, steps, tt.want)
		}
	}
	if lines := logged.All(); len(lines) != 3 || !strings.Contains(lines[0].Message, "bus void") || lines[0].ContextMap()["case"] != "c1" {
		t.Errorf("logged: %v", lines)
	}
}
