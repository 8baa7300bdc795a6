package events_test

import (
	"slices"
	"testing"

	"reprotect.example/events"
)

// The constants are what the schema allows, and the names of the events that decide a step.
func TestStatesAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	all := []events.CaseState{
		events.CaseAccepted, events.CaseRefused, events.CaseValidated, events.CaseRejected, events.CasePlaced, events.CaseRegistered,
		events.CaseStarted, events.CaseRehearsed, events.CaseCompleted, events.CaseFailed, events.CaseCancelled,
		events.CaseHome, events.CaseCommitted, events.CaseWithdrawn, events.CaseProtected,
	}
	for _, k := range events.Kinds() {
		if decides := k.Role == events.Outcome || k.Role == events.End; decides != slices.Contains(all, events.CaseState(k.Name)) {
			t.Errorf("%s decides a step: %v; it is a state of a case: %v", k.Name, decides, !decides)
		}
	}
	for _, s := range events.States() {
		raw := []byte(`{"percent":1,"machines":[{"machine":"web01","percent":1,"state":"` + string(s) + `"}]}`)
		if problems := events.Validate(events.TypeProgressed.Kind, raw); problems != nil {
			t.Errorf("%s: %v", s, problems)
		}
	}
	for _, r := range events.Reasons() {
		raw := []byte(`{"for":"` + string(r) + `","message":"m","since":"2026-11-22T01:02:00Z","nextLook":"2026-11-22T01:02:00Z"}`)
		if problems := events.Validate(events.TypeWaiting.Kind, raw); problems != nil {
			t.Errorf("%s: %v", r, problems)
		}
	}
}

// A machine is its replicated item, whatever the case of its letters; a name leads to it where only one has it.
func TestAMachineOfACaseIsItsItem(t *testing.T) {
	t.Parallel()
	c := events.Case{Machines: []events.Machine{{Name: "web01", Item: "/i/A"}, {Name: "WEB01", Item: "/i/b"}, {Name: "db01", Item: "/i/c"}}}
	for i, want := range []string{"/i/A", "/i/b", ""} {
		if got := c.Beside(i); got != want {
			t.Errorf("beside the name of machine %d stands %q, want %q", i, got, want)
		}
	}
	for _, tt := range []struct {
		name, item string
		want       int
	}{
		{"web01", "/I/a", 0},
		{"web01", "/I/B", 1},
		{"other", "/i/c", 2},  // the item counts
		{"DB01", "", 2},       // as older events have it
		{"db01", "/i/new", 2}, // its item is another by now
		{"web01", "", -1},
		{"web01", "/i/new", -1},
		{"mail01", "", -1},
	} {
		if got := c.Find(tt.name, tt.item); got != tt.want {
			t.Errorf("%s, %q is machine %d, want %d", tt.name, tt.item, got, tt.want)
		}
	}
}
