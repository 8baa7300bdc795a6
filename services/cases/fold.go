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
}

// project makes the case of its entries, which are in the order of the log and hold no event twice.
func project(entries []Entry) Case {
	c := Case{ID: entries[0].Header.Case, Site: entries[0].Header.Site, Machines: []Machine{}}
	for _, e := range entries {
		c.Request = cmp.Or(c.Request, e.Header.Request)
		if c.Since.IsZero() || e.Time.Before(c.Since) {
			c.Since = e.Time
		}
		if e.Time.After(c.Updated) {
			c.Updated = e.Time
		}
		c.History = append(c.History, Describe(e))
	}
	// What is carried along grows from step to step, so it is taken in the order of the steps.
	var last Entry
	for _, e := range outcomes(entries) {
		c.decide(e)
		last = e
	}
	c.report(entries, last)
	c.alarms(entries)
	return c
}

// outcomes lists what decided each step, in the order of the steps; what ended the case comes last, and only the
// first that did counts.
func outcomes(entries []Entry) []Entry {
	var decided, ends []Entry
	for _, e := range entries {
		switch e.Kind.Role {
		case events.Outcome:
			decided = append(decided, e)
		case events.End:
			ends = append(ends, e)
		}
	}
	steps := events.Steps()
	slices.SortStableFunc(decided, func(a, b Entry) int {
		return slices.Index(steps, a.Header.Step) - slices.Index(steps, b.Header.Step)
	})
	return append(decided, ends[:min(len(ends), 1)]...)
}

// decide takes in the outcome of a step.
func (c *Case) decide(e Entry) {
	c.State, c.Step = events.CaseState(e.Kind.Name), e.Header.Step
	c.End = e.Kind.Role == events.End
	c.Good = c.State == events.CaseCompleted || c.State == events.CaseRehearsed
	if c.Good {
		c.Percent = 100
	} else if !c.End {
		c.Percent = max(c.Percent, reached[c.Step])
	}
	switch d := e.Data.(type) {
	case events.Accepted:
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
		for _, j := range d.Jobs {
			m := c.machine(j.Machine)
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
		for _, p := range d.Machines {
			m := c.machine(p.Machine)
			m.State, m.Percent, m.Since, m.LagSeconds = events.StateProtected, 100, p.Since, p.LagSeconds
			m.Location = cmp.Or(p.Location, m.Location)
		}
	case events.Refused:
		c.blocked(d.Problems)
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

// carry takes the case so far from an outcome.
func (c *Case) carry(from events.Case) {
	c.Together, c.Plan, c.DryRun, c.RetryOf = from.Together, from.Plan, from.DryRun, from.RetryOf
	c.Reason, c.RequestedBy = from.Reason, from.RequestedBy
	for _, m := range from.Machines {
		to := c.machine(m.Name)
		to.Architecture, to.OS, to.Location = m.Architecture, m.OS, m.Location
		to.Datastore, to.Job = m.Datastore, cmp.Or(m.Job, to.Job)
	}
}

func (c *Case) machine(name string) *Machine {
	i := slices.IndexFunc(c.Machines, func(m Machine) bool { return strings.EqualFold(m.Name, name) })
	if i < 0 {
		c.Machines = append(c.Machines, Machine{Name: name, State: events.StateNotStarted})
		i = len(c.Machines) - 1
	}
	return &c.Machines[i]
}

// blocked takes the problems that ended the case; the first remedy stands for all, show lists each.
func (c *Case) blocked(problems []events.Problem) {
	c.Problems = problems
	var why []string
	for _, p := range problems {
		why = append(why, placed(p))
		c.Remedy, c.Code = cmp.Or(c.Remedy, p.Remedy), cmp.Or(c.Code, p.Code)
	}
	c.Why = strings.Join(why, "; ")
}

// rest takes where each machine stands when the case ended early.
func (c *Case) rest(states []events.MachineState) {
	for _, s := range states {
		m := c.machine(s.Machine)
		m.State, m.Code, m.Message, m.Remedy, m.Job = s.State, s.Code, s.Message, s.Remedy, cmp.Or(s.Job, m.Job)
		if s.State == events.StateProtected {
			m.Percent, m.Since, m.LagSeconds = 100, s.Since, s.LagSeconds
		}
	}
}

// report takes in the reports; last is the latest outcome. A report that was published before it, or beside it by
// a second delivery, is history and no longer the state.
func (c *Case) report(entries []Entry, last Entry) {
	var latest, progressed *Entry
	cancelling := false
	for i, e := range entries {
		switch d := e.Data.(type) {
		case events.Returned:
			c.machine(d.Machine).Returned = e.Time
		case events.Cancelling:
			cancelling = true
		case events.Progressed:
			if progressed == nil || !older(e, *progressed) {
				progressed = &entries[i]
			}
		}
		if e.Kind == events.TypeWaiting.Kind || e.Kind == events.TypeProgressed.Kind {
			if latest == nil || !older(e, *latest) {
				latest = &entries[i]
			}
		}
	}
	if progressed != nil && !c.Good {
		c.progressed(progressed.Data.(events.Progressed))
	}
	if c.End {
		return
	}
	if cancelling {
		c.State = events.CaseCancelling
		return
	}
	if latest == nil || !older(last, *latest) {
		return
	}
	if progressed != nil && older(last, *progressed) {
		c.Waiting = standsStill(entries, progressed.Data.(events.Progressed))
	}
	told, waits := latest.Data.(events.Waiting)
	if waits && (c.Waiting == nil || c.Waiting.For != events.ForOperator) { // nothing is more urgent than what somebody must mend
		c.Waiting = &told
	}
	if latest.Kind == events.TypeWaiting.Kind || c.Waiting != nil {
		c.State = events.CaseWaiting
	}
}

// standsStill is what a machine of a case stands still for while the others go their way, an operator first. The report
// that told it says more, where it is among the entries.
func standsStill(entries []Entry, p events.Progressed) *events.Waiting {
	i := slices.IndexFunc(p.Machines, func(m events.MachineProgress) bool { return m.For == events.ForOperator })
	if i < 0 {
		i = slices.IndexFunc(p.Machines, func(m events.MachineProgress) bool { return m.For != "" })
	}
	if i < 0 {
		return nil
	}
	m := p.Machines[i]
	w := events.Waiting{For: m.For, Code: m.Code, Message: m.Message, Remedy: m.Remedy, Machines: []string{m.Machine}}
	var told *Entry
	for n, e := range entries {
		d, ok := e.Data.(events.Waiting)
		if ok && d.For == m.For && d.Code == m.Code && slices.Contains(d.Machines, m.Machine) && (told == nil || older(*told, e)) {
			w, told = d, &entries[n]
		}
	}
	return &w
}

// older says whether a stands before b on the case's way. Position rises along it; one position may be used twice,
// by a delivery that came again and decided otherwise: then the outcome counts, whichever came first.
func older(a, b Entry) bool {
	if a.Header.Position != b.Header.Position && a.Header.Position > 0 && b.Header.Position > 0 {
		return a.Header.Position < b.Header.Position
	}
	report := func(e Entry) bool { return e.Kind.Role == events.Report }
	if a.Header.Position > 0 && b.Header.Position > 0 && report(a) != report(b) {
		return report(a)
	}
	return a.Sequence < b.Sequence
}

// progressed takes in the latest progress; of machines that have come to rest the outcome says more.
func (c *Case) progressed(p events.Progressed) {
	c.Percent = max(c.Percent, p.Percent)
	for _, now := range p.Machines {
		m := c.machine(now.Machine)
		m.Percent, m.Task, m.Replication, m.Bytes = max(m.Percent, now.Percent), now.Task, now.Replication, now.Bytes
		if !c.End {
			m.State, m.ETA, m.Rate, m.Since, m.Job = now.State, now.ETA, now.Rate, now.Since, cmp.Or(now.Job, m.Job)
			m.Code, m.Message, m.Remedy = now.Code, now.Message, now.Remedy
		}
	}
}
