package workflow

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/memory"
)

var stood = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func header(change func(h *events.Header)) events.Header {
	h := events.Header{
		ID: "r7-web01/validation", Source: "/reprotect/tokyo/validator", Type: events.TypeValidated.CloudType(),
		Site: "tokyo", Case: "r7-web01", Step: events.StepValidation, Request: "r7", Subject: "r7-web01", Time: stood,
	}
	if change != nil {
		change(&h)
	}
	return h
}

// An event counts on its own subject only, in each part of it.
func TestAnEventFitsItsSubject(t *testing.T) {
	const own = "reprotect.event.tokyo.r7-web01.validation.validated"
	for _, tt := range []struct {
		name, subject string
		change        func(h *events.Header)
		says          string // "": it fits
	}{
		{"its own", own, nil, ""},
		{"another site", strings.Replace(own, "tokyo", "osaka", 1), nil, "but stands on"},
		{"another case", strings.Replace(own, "web01", "web02", 1), nil, "but stands on"},
		{"another step", strings.Replace(own, ".validation.", ".placement.", 1), nil, "but stands on"},
		{"another kind", strings.Replace(own, "validated", "rejected", 1), nil, "but stands on"},
		{"no fact", "reprotect.command.request", nil, "is not that of a fact"},
		{"a type of a later version", own, func(h *events.Header) { h.Type = "example.reprotect.later.v1" }, "not known to this version"},
	} {
		err := fits(header(tt.change), tt.subject)
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// Only what its service decided under the step is an outcome, and the mark of an administrator.
func TestWhatIsNoOutcome(t *testing.T) {
	const own = "reprotect.event.tokyo.r7-web01.validation.validated"
	c := events.Case{Machines: []events.Machine{{Name: "web01", Item: "/vaults/v/items/1", Architecture: "modernized"}}, RequestedAt: stood}
	encoded := func(change func(h *events.Header)) []byte {
		raw, err := events.Encode(events.Event[events.Validated]{Header: header(change), Data: events.Validated{Case: c, Findings: []events.Finding{}}})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	progress, err := events.Encode(events.Event[events.Progressed]{
		Header: header(func(h *events.Header) { h.Type, h.Step = events.TypeProgressed.CloudType(), events.StepProgress }),
		Data:   events.Progressed{Machines: []events.MachineProgress{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, subject, step string
		data                []byte
		says                string
	}{
		{"an outcome", own, events.StepValidation, encoded(nil), ""},
		{"no event", own, events.StepValidation, []byte("x"), "it cannot be read"},
		{"of another site", own, events.StepValidation, encoded(func(h *events.Header) { h.Site = "osaka" }), "it is of case"},
		{"of another case", own, events.StepValidation, encoded(func(h *events.Header) { h.Case = "r8" }), "it is of case"},
		{"of another step", own, events.StepPlacement, encoded(nil), "it is of case"},
		{"of another service", own, events.StepValidation, encoded(func(h *events.Header) { h.Source = "/reprotect/tokyo/notifier" }), "only /reprotect/tokyo/validator decides"},
		{"on another subject", own + "x", events.StepValidation, encoded(nil), "decides nothing"},
		{"that decides nothing", "reprotect.event.tokyo.r7-web01.progress.progressed", events.StepProgress, progress, "decides nothing"},
	} {
		by := bus.Received{Message: bus.Message{Subject: tt.subject, Data: tt.data}}
		why := NoOutcome(by, "tokyo", "r7-web01", tt.step, "/reprotect/tokyo/validator")
		if (why == "") != (tt.says == "") || !strings.Contains(why, tt.says) {
			t.Errorf("%s: %q", tt.name, why)
		}
	}
}

// What is answered to nobody in particular cannot be published.
func TestAnAnswerNamesItsSiteAndCase(t *testing.T) {
	draft := Fact(events.TypeCancelled, events.StepValidation, events.Cancelled{Case: events.Case{}})
	for _, tt := range []struct{ site, caseID string }{{"", "r7"}, {"tokyo", ""}, {"", ""}} {
		answered := events.Header{ID: "x", Site: tt.site, Case: tt.caseID}
		if _, err := message("validator", draft, answered, 1, anew{}, stood); err == nil || !strings.Contains(err.Error(), "names no site or no case") {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

// An event without a time has that of its message.
func TestTimeOfAnEvent(t *testing.T) {
	in := incoming{Received: bus.Received{Published: stood.Add(time.Minute)}}
	if got := at(events.Header{Time: stood}, in); !got.Equal(stood) {
		t.Errorf("%s", got)
	}
	if got := at(events.Header{}, in); !got.Equal(stood.Add(time.Minute)) {
		t.Errorf("%s", got)
	}
}

// What a service subscribes to: of its sites, or of all.
func TestFilters(t *testing.T) {
	notes := OnNotification(func(context.Context, Event[events.Note], None) (Result[None], error) { return Result[None]{}, nil })
	for _, tt := range []struct {
		name  string
		got   []string
		wants []string
	}{
		{"notifications of all sites", notes.filters(nil), []string{"reprotect.notification.*.*"}},
		{"notifications of two", notes.filters([]string{"tokyo", "osaka"}), []string{"reprotect.notification.tokyo.*", "reprotect.notification.osaka.*"}},
		{"a fact of its step", factFilters(events.TypeValidated.Kind)(nil), []string{"reprotect.event.*.*.validation.validated"}},
		{"a fact of any step", factFilters(events.TypeFailed.Kind)([]string{"tokyo"}), []string{"reprotect.event.tokyo.*.*.failed"}},
	} {
		if !slices.Equal(tt.got, tt.wants) {
			t.Errorf("%s: %v, want %v", tt.name, tt.got, tt.wants)
		}
	}
}

// A notification counts on the subject of its site and level only.
func TestANotificationFitsItsSubject(t *testing.T) {
	asked := 0
	notes := OnNotification(func(context.Context, Event[events.Note], None) (Result[None], error) {
		asked++
		return Result[None]{}, nil
	})
	raw, err := events.Encode(events.Event[events.Note]{
		Header: header(func(h *events.Header) {
			h.Type, h.Step, h.ID, h.Source = events.TypeNotification.CloudType(), "", "r7-web01/notification/1", "/reprotect/tokyo/notifier"
		}),
		Data: events.Note{Level: events.LevelInfo, Title: "Title", Text: "Text", Kind: "request", Fact: "r7-web01/request"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for subject, fits := range map[string]bool{
		"reprotect.notification.tokyo.info": true, "reprotect.notification.osaka.info": false, "reprotect.notification.tokyo.critical": false,
	} {
		asked = 0
		in := incoming{Received: bus.Received{Message: bus.Message{Subject: subject, Data: raw}}}
		_, err := notes.open(in).ask(t.Context(), &delivering{broker: memory.New(memory.Faults{}).Connect()})
		if (err == nil) != fits || (asked == 1) != fits {
			t.Errorf("%s: asked %d times, %v", subject, asked, err)
		}
	}
}
