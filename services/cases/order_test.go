package cases_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

// Which of two reports, or of a report and an outcome, tells where the case stands.
func TestWhatOvertakesWhat(t *testing.T) {
	t.Parallel()
	wait := func(s *story, position int, why events.Reason) *story {
		return tell(s, events.TypeWaiting, "", position, events.Waiting{For: why, Message: "m", Since: begun})
	}
	at := func(s *story, minute int) *story { // the last was published then
		s.entries[len(s.entries)-1].Time = begun.Add(time.Duration(minute) * time.Minute)
		return s
	}
	for _, tt := range []struct {
		name  string
		story *story
		want  events.Reason // "": it moves
	}{
		{"a later position", wait(wait(upTo(events.StepPlacement), 4, "agent"), 5, "turn"), "turn"},
		{"a later position that came first", wait(wait(upTo(events.StepPlacement), 5, "turn"), 4, "agent"), "turn"},
		{"a later position, published first", at(wait(at(wait(upTo(events.StepPlacement), 5, "turn"), 50), 4, "agent"), 60), "turn"},
		{"behind the outcome", wait(upTo(events.StepPlacement), 4, "agent"), "agent"},
		{"beside the outcome, of a delivery that came again", wait(upTo(events.StepPlacement), 3, "agent"), ""},
		{"before the outcome", wait(upTo(events.StepPlacement), 2, "agent"), ""},
		{"without a position", wait(upTo(events.StepPlacement), 0, "agent"), ""},
	} {
		if c := one(t, tt.story.entries); c.For != tt.want || (c.State == events.CaseWaiting) != (tt.want != "") {
			t.Errorf("%s: it waits for %q and is %s, want %q", tt.name, c.For, c.State, tt.want)
		}
	}
	two := wait(wait(upTo(events.StepPlacement), 4, "agent"), 4, "turn") // by two deliveries at once
	two.entries[len(two.entries)-1].Header.ID += "-other"
	if c := one(t, two.entries); c.For != "turn" {
		t.Errorf("of two at one position the later is %s", c.For)
	}
}

// Of two events that have one id the earlier stands, whichever came first.
func TestTheEarlierOfOneIDStands(t *testing.T) {
	t.Parallel()
	s := tell(upTo(events.StepPlacement), events.TypeWaiting, "", 4, events.Waiting{For: "agent", Message: "m", Since: begun})
	tell(s, events.TypeWaiting, "", 4, events.Waiting{For: "turn", Message: "m", Since: begun})
	n := len(s.entries)
	for _, entries := range [][]cases.Entry{s.entries, append(append([]cases.Entry{s.entries[n-1]}, s.entries[:n-2]...), s.entries[n-2])} {
		if c := cases.Fold(entries); c.For != "agent" {
			t.Errorf("it waits for %s", c.For)
		}
		if left := cases.Compact(entries); len(left) != n-1 {
			t.Errorf("%d of %d are left", len(left), n)
		}
		if c := cases.Fold(cases.Compact(entries)); c.For != "agent" {
			t.Errorf("compacted, it waits for %s", c.For)
		}
	}
}

// The end of the first step counts, in whatever order two of them came.
func TestTheEndOfTheFirstStepStands(t *testing.T) {
	t.Parallel()
	s := tell(upTo(events.StepRequest), events.TypeFailed, events.StepPlacement, 3, events.Failed{Code: "later", Message: "m", Remedy: "r"})
	tell(s, events.TypeRejected, events.StepValidation, 2, events.Rejected{Case: two, Problems: []events.Problem{{Code: "first", Message: "m"}}})
	if c := one(t, s.entries); c.State != events.CaseRejected || c.Code != "first" || !c.EndedAt.Equal(s.entries[2].Time) {
		t.Errorf("%s, %s at %s", c.State, c.Code, c.EndedAt)
	}
}

func TestCasesStandTheOldestFirst(t *testing.T) {
	t.Parallel()
	all := []cases.Case{
		{ID: "c", Request: "r", Since: begun.Add(time.Hour)}, {ID: "b", Request: "r", Since: begun}, {ID: "a", Request: "r", Since: begun}, {ID: "q", Request: "q", Since: begun}, {ID: "w", Request: "w"},
	}
	var ids []string
	for _, c := range cases.Listed(all, cases.Case{ID: "q--x", Request: "q"}, cases.Case{ID: "w", Request: "w"}) {
		ids = append(ids, c.ID)
	}
	if diff := cmp.Diff([]string{"w", "a", "b", "c"}, ids); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A case that is asked about again and again keeps its history, in the order of the log and each event once.
func TestALogKeepsTheHistory(t *testing.T) {
	t.Parallel()
	s := upTo(events.StepSubmission)
	for i := range 50 {
		tell(s, events.TypeProgressed, "", 10+i, events.Progressed{Percent: i, Machines: []events.MachineProgress{{Machine: "web01", State: "replicating", Percent: i}}})
	}
	var l cases.Log
	if _, found := l.Case("r1-web01"); found || len(l.Cases()) != 0 {
		t.Error("an empty log knows a case")
	}
	for i := range s.entries {
		for _, e := range []cases.Entry{s.entries[len(s.entries)-1-i], s.entries[i]} {
			if id, err := l.Add(e); id != "r1-web01" || err != nil {
				t.Fatal(id, err)
			}
		}
		if c, _ := l.Case("r1-web01"); len(c.History) == 0 {
			t.Fatal("no history")
		}
	}
	c, found := l.Case("r1-web01")
	if !found || len(c.History) != len(s.entries) || c.Percent != 49 {
		t.Fatalf("%d lines of %d, %d %%", len(c.History), len(s.entries), c.Percent)
	}
	for i, line := range c.History {
		if line.Sequence != s.entries[i].Sequence {
			t.Errorf("line %d is of %d", i, line.Sequence)
		}
	}
}

// Machines with a pressing alarm come first, then by site and name.
func TestWhatPressesIsReadyFirst(t *testing.T) {
	t.Parallel()
	m := func(name string) cases.Machine {
		return cases.Machine{Name: name, Item: "/" + name, State: "protected"}
	}
	alarm := func(machine, state string) cases.Alarm {
		return cases.Alarm{ID: machine, State: state, Violated: events.Violated{Machine: machine}}
	}
	all := []cases.Case{
		{ID: "1", Site: "tokyo", Since: begun, Machines: []cases.Machine{m("b"), m("C"), m("d"), m("a")}, Alarms: []cases.Alarm{alarm("d", cases.AlarmOpen), alarm("C", cases.AlarmEnded), alarm("a", cases.AlarmCleared)}},
		{ID: "2", Site: "osaka", Since: begun, Machines: []cases.Machine{m("z")}},
	}
	var got []string
	for _, r := range cases.ReadyMachines(all) {
		got = append(got, r.Machine)
	}
	if diff := cmp.Diff([]string{"C", "d", "z", "a", "b"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
