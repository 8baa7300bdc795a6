package cases_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

// homeSteps are those of a case that leads machines home.
var homeSteps = []string{events.StepRequest, events.StepValidation, events.StepSubmission, events.StepFailback, events.StepCommit, events.StepProtection}

// along tells what has been decided of a case of a leg up to a step, as the services do.
func along(t *rapid.T, leg events.HomeCase, steps []string) []cases.Entry {
	s := &teller{T: t, at: begun, leg: leg, machines: []events.Machine{{Name: "web01", Item: "/items/a", Architecture: "modernized"}}}
	for _, step := range steps {
		before := len(s.facts)
		s.outcome(step)
		for i := before; i < len(s.facts); i++ { // all of it can be read
			if s.facts[i].Data == nil {
				s.facts = s.facts[:before]
				s.outcome(step)
			}
		}
	}
	return s.facts
}

// ofLeg are the steps of each leg, written out a second time.
var ofLeg = []struct {
	leg   events.HomeCase
	steps []string
	state []events.State // of the machine after each
}{
	{events.HomeCase{Leg: events.LegFailback, Until: events.UntilHome}, []string{"request", "validation", "submission", "failback"}, []events.State{"not-started", "not-started", "running", "home"}},
	{events.HomeCase{Leg: events.LegFailback, Until: events.UntilCommitted}, []string{"request", "validation", "submission", "failback", "commit"}, []events.State{"not-started", "not-started", "running", "home", "committed"}},
	{events.HomeCase{Leg: events.LegFailback, Until: events.UntilProtected}, []string{"request", "validation", "submission", "failback", "commit", "protection"}, []events.State{"not-started", "not-started", "running", "home", "committed", "protected"}},
	{events.HomeCase{Leg: events.LegCommit}, []string{"request", "validation", "submission", "commit"}, []events.State{"not-started", "not-started", "running", "committed"}},
	{events.HomeCase{Leg: events.LegWithdraw}, []string{"request", "validation", "submission", "commit"}, []events.State{"not-started", "not-started", "running", "withdrawn"}},
	{events.HomeCase{Leg: events.LegProtect}, []string{"request", "validation", "submission", "protection"}, []events.State{"not-started", "not-started", "running", "protected"}},
}

// A case ends, and as it should, with the last step of its leg, and never before.
func TestEachLegEndsWithItsLastStep(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		row := rapid.SampledFrom(ofLeg).Draw(t, "leg")
		n := rapid.IntRange(1, len(row.steps)).Draw(t, "steps")
		facts := along(t, row.leg, row.steps[:n])
		if slices.ContainsFunc(facts, func(e cases.Entry) bool { return e.Data == nil || e.Time.IsZero() }) {
			t.Skip("not all of it can be read")
		}
		for i, j := range facts { // some starts are refused: that is another story
			if d, ok := j.Data.(events.Started); ok {
				d.Jobs = []events.Job{{Machine: "web01", Job: "j1"}}
				facts[i].Data = d
			}
		}
		c := cases.Fold(delivered(t, facts))
		last := n == len(row.steps)
		if c.End != last || c.Good != last || c.Step != row.steps[n-1] || c.Leg != row.leg.Leg || len(c.Machines) != 1 || c.Machines[0].State != row.state[n-1] || last != (c.Percent == 100) {
			t.Fatalf("after %v: %+v", row.steps[:n], c)
		}
		if withdrawn := c.State == events.CaseWithdrawn; withdrawn && row.leg.Leg != events.LegWithdraw {
			t.Fatalf("%+v", c)
		}
	})
}

// A failback that somebody withdrew ends without success: it was to lead home.
func TestAWithdrawnFailbackIsNoSuccess(t *testing.T) {
	t.Parallel()
	s := stories{t: t}
	c := events.Case{HomeCase: events.HomeCase{Leg: events.LegFailback, Until: events.UntilCommitted}, Machines: []events.Machine{{Name: "web01", Item: "/items/a"}}}
	got := cases.Fold([]cases.Entry{
		s.told(events.TypeHome.Kind, 5, events.Home{Case: c, Machines: []events.HomeState{{Machine: "web01", Down: begun, Up: begun.Add(20 * time.Minute)}}}),
		s.told(events.TypeWithdrawn.Kind, 6, events.Withdrawn{Case: c, Machines: []events.MachineState{{Machine: "web01", State: events.StateWithdrawn}}}),
	})
	if m := got.Machines[0]; !got.End || got.Good || m.State != events.StateWithdrawn || m.DownSeconds == nil || *m.DownSeconds != 1200 {
		t.Errorf("%+v", got)
	}
}

// stories tell facts that belong to one case.
type stories struct{ t *testing.T }

func (stories) told(k events.Kind, position int, data any) cases.Entry {
	at := begun.Add(time.Duration(position) * time.Minute)
	return cases.Entry{Kind: k, Data: data, Time: at, Header: events.Header{ID: "r1-web01/" + k.Step, Case: "r1-web01", Step: k.Step, Site: "tokyo", Type: k.CloudType(), Position: position, Time: at}}
}

// What a case that led a machine home says of it: whether it stands ready for another failback.
func TestWhoIsHomeStandsReadyNoMore(t *testing.T) {
	t.Parallel()
	machine := cases.Machine{Name: "web01", Item: "/items/a", State: events.StateProtected}
	back := cases.Case{ID: "r1-web01", Site: "tokyo", Request: "r1", State: events.CaseCompleted, End: true, Good: true, Since: begun, Machines: []cases.Machine{machine}}
	for _, tt := range []struct {
		state events.State
		end   bool
		ready bool
	}{
		{events.StateNotStarted, false, true},
		{events.StateRunning, false, false},
		{events.StateHome, true, false},
		{events.StateCommitted, true, false},
		{events.StateProtected, true, false},
		{events.StateWithdrawn, true, true},
		{events.StateFailed, true, true},
	} {
		machine.State = tt.state
		onward := cases.Case{ID: "r2-web01", Site: "tokyo", Request: "r2", Leg: events.LegFailback, End: tt.end, Since: begun.Add(time.Hour), Machines: []cases.Machine{machine}}
		if got := cases.ReadyMachines([]cases.Case{back, onward}); (len(got) == 1) != tt.ready {
			t.Errorf("%s: %+v", tt.state, got)
		}
	}
}

// A commit that is done does not hide the failback that goes on behind it.
func TestAFailbackThatGoesOnIsWhereItsMachineStands(t *testing.T) {
	t.Parallel()
	at := func(id string, leg events.Leg, since time.Duration, end bool) cases.Case {
		return cases.Case{ID: id, Site: "tokyo", Request: id, Leg: leg, End: end, Since: begun.Add(since), Machines: []cases.Machine{{Name: "web01", Item: "/items/a", State: events.StateCommitted}}}
	}
	for _, tt := range []struct {
		goesOn bool
		want   string
	}{{true, "r1-web01"}, {false, "r2-web01"}} {
		got := cases.Standings([]cases.Case{at("r1-web01", events.LegFailback, 0, !tt.goesOn), at("r2-web01", events.LegCommit, time.Hour, true)})
		if len(got) != 1 || got[0].Case.ID != tt.want {
			t.Errorf("the failback goes on: %v: %+v", tt.goesOn, got)
		}
	}
}
