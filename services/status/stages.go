package status

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

// Stage is how many machines stand at a stage.
type Stage struct {
	Stage    string `json:"stage"`
	Machines int    `json:"machines"`
}

// Stages of a machine, in the order of the way, then its ends.
const (
	StageChecking    = "checking"
	StagePlacing     = "placing"
	StageAgent       = "agent"    // its agent is awaited
	StageQueued      = "queued"   // it may start when it is its turn
	StageStarting    = "starting" // its job runs, no data flows yet
	StageReplicating = "replicating"
	StageProtected   = "protected"
	StageReturned    = "returned" // its failback was seen

	StageFailingBack = "failing-back"    // a failback, or its withdrawal, goes on
	StageHome        = "home"            // it runs on-premises, and its failback is not committed
	StageCommitted   = "committed"       // its failback is
	StageAgain       = "protected-again" // it replicates to Azure

	StageRehearsed = "rehearsed" // only a dry run says anything of it
	StageFailed    = "failed"
	StageRejected  = "rejected"
	StageCancelled = "cancelled"
)

// StageNames lists the stages in their order.
func StageNames() []string {
	return []string{
		StageChecking, StagePlacing, StageAgent, StageQueued, StageStarting, StageReplicating, StageProtected, StageReturned,
		StageFailingBack, StageHome, StageCommitted, StageAgain,
		StageRehearsed, StageFailed, StageRejected, StageCancelled,
	}
}

func stages(standings []cases.Standing) []Stage {
	count := map[string]int{}
	for _, s := range standings {
		count[StageOf(*s.Case, *s.Machine)]++
	}
	var all []Stage
	for _, name := range StageNames() {
		all = append(all, Stage{name, count[name]})
	}
	return all
}

// byStep is where a machine stands that has not started, by the last step that was decided of its case.
var byStep = map[string]string{
	events.StepRequest: StageChecking, events.StepValidation: StagePlacing, events.StepPlacement: StageAgent,
	events.StepRegistration: StageQueued, events.StepSubmission: StageQueued,
}

// homeStages are where a machine stands that is led home, by its state.
var homeStages = map[events.State]string{
	events.StateRunning: StageFailingBack, events.StateHome: StageHome, events.StateCommitted: StageCommitted, events.StateReplicating: StageCommitted,
	events.StateProtected: StageAgain, events.StateWithdrawn: StageProtected,
}

// StageOf says where a machine of a case stands.
func StageOf(c cases.Case, m cases.Machine) string {
	if at, ok := homeStages[m.State]; ok && c.Leg != events.LegReprotect && c.State != events.CaseRehearsed {
		return at
	}
	switch {
	case m.State == events.StateProtected && !m.Returned.IsZero():
		return StageReturned
	case m.State == events.StateProtected:
		return StageProtected
	case c.State == events.CaseRehearsed:
		return StageRehearsed
	case c.State == events.CaseRejected:
		return StageRejected
	case c.State == events.CaseCancelled:
		return StageCancelled
	case c.End || m.State == events.StateFailed:
		return StageFailed
	case m.State == events.StateReplicating:
		return StageReplicating
	case m.State == events.StateNotStarted:
		return cmp.Or(byStep[c.Step], StageChecking)
	}
	return StageStarting
}

// Wait is what some machines wait for, which may pass by itself.
type Wait struct {
	For      events.Reason `json:"for"`
	Code     string        `json:"code,omitempty"`
	What     string        `json:"what"` // in plain English
	Machines int           `json:"machines"`
	Cases    int           `json:"cases"` // a request that has not become cases counts as one, without machines
	Since    time.Time     `json:"since,omitzero"`
	Until    time.Time     `json:"until,omitzero"` // when the first of them gives up
}

// waits groups what waits by its reason, the most machines first. What waits for a person is no patience: it stands in NeedsYou.
func waits(all []cases.Case) []Wait {
	groups := []Wait{}
	for _, c := range all {
		w := c.Waiting
		if c.End || w == nil || w.For == events.ForOperator {
			continue
		}
		i := slices.IndexFunc(groups, func(g Wait) bool { return g.For == w.For && g.Code == w.Code })
		if i < 0 {
			i = len(groups)
			groups = append(groups, Wait{For: w.For, Code: w.Code, What: cases.For(w.For)})
		}
		g := &groups[i]
		g.Cases++
		g.Machines += waitingMachines(c)
		g.Since, g.Until = earliest(g.Since, w.Since), earliest(g.Until, w.Until)
	}
	slices.SortStableFunc(groups, func(a, b Wait) int {
		return cmp.Or(cmp.Compare(b.Machines, a.Machines), cmp.Compare(b.Cases, a.Cases), strings.Compare(string(a.For), string(b.For)), strings.Compare(a.Code, b.Code))
	})
	return groups
}

// waitingMachines is how many machines of a case its wait is about: those that it names, else all that have yet to be protected.
func waitingMachines(c cases.Case) int {
	if n := len(c.Waiting.Machines); n > 0 {
		return n
	}
	n := 0
	for _, m := range c.Machines {
		if m.State != events.StateProtected {
			n++
		}
	}
	return n
}

// earliest is the earlier of two times of which either may be unknown.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
