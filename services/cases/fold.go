package cases

import (
	"cmp"
	"slices"
	"strings"

	"reprotect.example/events"
)

// reached is how far a case is when a step is decided, in percent, as long as no progress was reported: most of
// the time goes into the replication.
var reached = map[string]int{
	events.StepRequest: 2, events.StepValidation: 4, events.StepPlacement: 6,
	events.StepRegistration: 8, events.StepSubmission: 10, events.StepReplication: 100,
	events.StepFailback: 50, events.StepCommit: 70, events.StepProtection: 100,
}

// Fold says where the case stands of which these are facts, all of one case. Its History is for History to tell. Of no
// facts comes the zero Case.
func Fold(entries []Entry) Case {
	c := Case{Machines: []Machine{}}
	entries = once(entries)
	for _, e := range entries {
		c.ID, c.Site = e.Header.Case, e.Header.Site
		c.Request = cmp.Or(c.Request, e.Header.Request)
		if c.Since.IsZero() {
			c.Since = e.Time
		}
		c.Updated = e.Time
	}
	// What is carried along grows from step to step, so it is taken in the order of the steps.
	var last Entry
	for _, e := range outcomes(valid(entries)) {
		c.decide(e)
		last = e
	}
	c.report(entries, last)
	c.alarms(entries)
	return c
}

// valid leaves out the outcomes that an administrator has made void: of a step with marks only that stands which was decided
// after the newest of them, as its id says (events.OutcomeAnew). The order in which they came does not matter.
func valid(entries []Entry) []Entry {
	marks := map[string]uint64{} // by step
	for _, e := range entries {
		if d, ok := e.Data.(events.Voided); ok {
			marks[e.Header.Step] = max(marks[e.Header.Step], d.Sequence)
		}
	}
	if len(marks) == 0 {
		return entries
	}
	return slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool {
		void := marks[e.Header.Step]
		return void > 0 && e.Kind.Decides() && e.Header.ID != events.OutcomeAnew(e.Header.Case, e.Header.Step, void)
	})
}

// outcomes lists what decided each step, in the order of the steps; what ended the case comes last, and only that of the
// first step counts.
func outcomes(entries []Entry) []Entry {
	var decided, last []Entry
	for _, e := range entries {
		switch e.Kind.Role {
		case events.Outcome:
			decided = append(decided, e)
		case events.End:
			last = append(last, e)
		default: // decides nothing
		}
	}
	steps := events.Steps()
	byStep := func(a, b Entry) int { return slices.Index(steps, a.Header.Step) - slices.Index(steps, b.Header.Step) }
	slices.SortStableFunc(decided, byStep)
	slices.SortStableFunc(last, byStep)
	return append(decided, last[:min(len(last), 1)]...)
}

// decide takes in the outcome of a step.
func (c *Case) decide(e Entry) {
	c.State, c.Step = events.CaseState(e.Kind.Name), e.Header.Step
	c.End, c.Good = ends(e)
	if c.End {
		c.EndedAt = e.Time
	}
	if c.Good {
		c.Percent = 100
	} else if !c.End {
		c.Percent = max(c.Percent, reached[c.Step])
	}
	switch d := e.Data.(type) {
	case events.Accepted:
		c.Accepted, c.Cause = &d.Case, e.Header.Causation
		c.carry(d.Case)
	case events.Validated:
		c.carry(d.Case)
		c.Findings = d.Findings
	case events.Placed:
		c.carry(d.Case)
		c.Placements = d.Placements
	case events.Registered:
		c.carry(d.Case)
	case events.Started:
		c.carry(d.Case)
		at := c.each(len(d.Jobs), func(i int) (string, string) { return d.Jobs[i].Machine, d.Jobs[i].Item })
		for i, j := range d.Jobs {
			m := &c.Machines[at[i]]
			m.Job, m.State = j.Job, events.StateRunning
			switch {
			case j.Refused != nil:
				m.State = events.StateFailed
				if j.Again {
					m.State = events.StateNotStarted
				}
				m.Code, m.Message, m.Remedy = j.Refused.Code, j.Refused.Message, j.Refused.Remedy
			case j.Job == "":
				m.State = events.StateReplicating
			}
		}
	case events.Rehearsed:
		c.carry(d.Case)
	case events.Completed:
		c.carry(d.Case)
		c.protected(d.Machines)
	case events.Home:
		c.carry(d.Case)
		c.home(d.Machines)
	case events.Committed:
		c.carry(d.Case)
		at := c.each(len(d.Machines), func(i int) (string, string) { return d.Machines[i].Machine, d.Machines[i].Item })
		for i, s := range d.Machines {
			m := &c.Machines[at[i]]
			m.State, m.Job = events.StateCommitted, cmp.Or(s.Job, m.Job)
		}
	case events.Withdrawn:
		c.carry(d.Case)
		c.rest(d.Machines)
	case events.Protected:
		c.carry(d.Case)
		c.protected(d.Machines)
	case events.Refused:
		c.blocked(d.Problems)
		c.Asked, c.RequestedBy = askedFor(d.Original)
	case events.Rejected:
		c.carry(d.Case)
		if len(d.Findings) > 0 {
			c.Findings = d.Findings
		}
		c.Placements = append(c.Placements, d.Placements...)
		c.blocked(d.Problems)
	case events.Failed:
		if d.Case != nil {
			c.carry(*d.Case)
		}
		c.Why, c.Code, c.Words, c.Remedy = d.Message, d.Code, d.Words, d.Remedy
		c.rest(d.Machines)
	case events.Cancelled:
		c.carry(d.Case)
		c.Why = d.Reason
		c.rest(d.Machines)
	default:
		if c.End {
			c.Why = e.Problem
		}
	}
}

// ends says whether an outcome ends its case, and as it should. That of a leg's last step does, whichever leg that is.
func ends(e Entry) (over, good bool) {
	switch d := e.Data.(type) {
	case events.Home:
		over = d.Case.Last() == events.StepFailback
		return over, over
	case events.Committed:
		over = d.Case.Last() == events.StepCommit
		return over, over
	case events.Withdrawn:
		return true, d.Case.Leg == events.LegWithdraw
	}
	good = e.Kind == events.TypeCompleted.Kind || e.Kind == events.TypeRehearsed.Kind || e.Kind == events.TypeProtected.Kind
	return e.Kind.Role == events.End, good
}

// home takes in which machines run on-premises.
func (c *Case) home(states []events.HomeState) {
	at := c.each(len(states), func(i int) (string, string) { return states[i].Machine, states[i].Item })
	for i, s := range states {
		m := &c.Machines[at[i]]
		m.State, m.Up, m.Job = events.StateHome, s.Up, cmp.Or(s.Job, m.Job)
		if down := int(s.Up.Sub(s.Down).Seconds()); !s.Down.IsZero() && down >= 0 {
			m.DownSeconds = &down
		}
	}
}

// protected takes in which machines are protected, and by which item.
func (c *Case) protected(states []events.ProtectedState) {
	at := c.each(len(states), func(i int) (string, string) { return states[i].Machine, former(states[i].Item, states[i].FormerItem) })
	for i, p := range states {
		m := &c.Machines[at[i]]
		if !strings.EqualFold(p.Item, m.Item) {
			m.NewItem = p.Item
		}
		m.State, m.Percent, m.Since, m.LagSeconds = events.StateProtected, 100, p.Since, p.LagSeconds
		m.Location = cmp.Or(p.Location, m.Location)
	}
}

// carry takes the case so far from an outcome.
func (c *Case) carry(from events.Case) {
	c.Leg, c.Until, c.Follows = from.Leg, from.Until, from.Follows
	c.Together, c.Plan, c.DryRun, c.RetryOf = from.Together, from.Plan, from.DryRun, from.RetryOf
	c.Reason, c.RequestedBy = from.Reason, from.RequestedBy
	at := c.each(len(from.Machines), func(i int) (string, string) { return from.Machines[i].Name, from.Machines[i].Item })
	for i, m := range from.Machines {
		to := &c.Machines[at[i]]
		to.Item = cmp.Or(to.Item, m.Item)
		to.Architecture, to.OS, to.Location = m.Architecture, m.OS, m.Location
		to.Datastore, to.Job = m.Datastore, cmp.Or(m.Job, to.Job)
	}
}

// blocked takes the problems that ended the case; the first remedy stands for all, show lists each.
func (c *Case) blocked(problems []events.Problem) {
	c.Problems = problems
	var why []string
	for _, p := range problems {
		why = append(why, p.Sentence())
		c.Remedy, c.Code = cmp.Or(c.Remedy, p.Remedy), cmp.Or(c.Code, p.Code)
	}
	c.Why = strings.Join(why, "; ")
}

// rest takes where each machine stands when the case ended early.
func (c *Case) rest(states []events.MachineState) {
	at := c.each(len(states), func(i int) (string, string) { return states[i].Machine, states[i].Item })
	for i, s := range states {
		m := &c.Machines[at[i]]
		m.State, m.Code, m.Message, m.Remedy, m.Job = s.State, s.Code, s.Message, s.Remedy, cmp.Or(s.Job, m.Job)
		if s.State == events.StateProtected {
			m.Percent, m.Since, m.LagSeconds = 100, s.Since, s.LagSeconds
		}
	}
}
