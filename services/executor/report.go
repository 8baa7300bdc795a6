package executor

import (
	"fmt"
	"slices"
	"strings"

	"reprotect.example/events"
	"reprotect.example/services/observed"
	"reprotect.example/services/waiting"
	"reprotect.example/services/workflow"
)

// goOn tells what moved, and waits: shortly while a job is due, longer and longer while data only flows, shortly
// again when something moved.
func (f *follower) goOn() followResult {
	progress := events.Progressed{}
	var waits []events.Waiting
	jobsDue, waited := false, false
	var open []machine
	for i := range f.machines {
		s := &f.machines[i].stand
		if s.State == events.StateFailed {
			s.Message = s.whole()
			waits = add(waits, *f.leavesOthers(f.machines[i]))
		}
		if s.waits != nil {
			waits = add(waits, *s.waits)
			s.For, s.Code, s.Message, s.Remedy = s.waits.For, s.waits.Code, s.waits.Message, s.waits.Remedy
		}
		progress.Percent += s.Percent
		progress.Machines = append(progress.Machines, s.MachineProgress)
		progress.Warnings = append(progress.Warnings, s.warnings...)
		jobsDue = jobsDue || s.State == events.StateRunning && s.waits == nil
		waited = waited || s.waits != nil
		if s.waits == nil && !s.rests() {
			open = append(open, f.machines[i])
		}
		f.keep(f.machines[i])
	}
	sparing(progress.Machines)
	progress.Percent /= len(f.machines)

	result := followResult{After: waiting.Next(f.site.Look, 0, f.vault.Began, f.now)}
	said := f.digest()
	moved := said != f.state.Said || progress.Warnings != nil
	if moved {
		f.state.Said, f.state.Moved, f.state.Still = said, f.now, 0
		result.Publish = append(result.Publish, workflow.Fact(events.TypeProgressed, "", progress))
	} else if f.state.Still++; !jobsDue {
		result.After = waiting.Next(f.site.Look, f.state.Still, f.vault.Began, f.now)
	}
	if waited {
		result.After = min(result.After, 2*f.site.Look) // a retry that somebody asks for is to be seen soon
	}
	if w, long := f.stillness(open); long && !moved {
		waits = add(waits, w)
	}
	told := map[string]waiting.Told{}
	for _, w := range waits {
		id := string(w.For) + " " + w.Code
		if w.Items != nil {
			id += " items"
		}
		r := waiting.On(w, f.state.Told[id], f.now, result.After)
		told[id] = r.State
		result.Publish = append(result.Publish, r.Publish...)
	}
	f.state.Told, f.state.Outage = told, waiting.Told{}
	result.State = f.state
	return result
}

// inFull is how many machines of a case have the words to a code beside it; of the others the code is enough.
const inFull = 10

// sparing says the same words once in a large case, so that an event of it fits every bus.
func sparing(machines []events.MachineProgress) {
	said := map[string]int{}
	for i := range machines {
		m := &machines[i]
		if said[m.Code]++; said[m.Code] > inFull {
			m.Message, m.Remedy = "", ""
		}
	}
}

// leavesOthers tells of a machine that failed while others of its case go on: somebody may see to it meanwhile.
func (f *follower) leavesOthers(m machine) *events.Waiting {
	return f.waits(m, events.Waiting{
		For: events.ForOthers, Code: m.stand.Code, Remedy: m.stand.Remedy, Since: f.e.Time,
		Message: strings.TrimRight(m.stand.Message, ". ") + ". The case goes on with its other machines, and ends with them",
	})
}

// worded is how many machines that wait for the same have their words in full.
const worded = 3

// add joins what machines wait for alike.
func add(waits []events.Waiting, w events.Waiting) []events.Waiting {
	i := slices.IndexFunc(waits, func(o events.Waiting) bool {
		return o.For == w.For && o.Code == w.Code && (o.Items == nil) == (w.Items == nil)
	})
	if i < 0 {
		return append(waits, w)
	}
	same := &waits[i]
	same.Machines = append(same.Machines, w.Machines...)
	same.Items = append(same.Items, w.Items...)
	if same.Since.After(w.Since) {
		same.Since = w.Since
	}
	if len(same.Machines) <= worded && !strings.Contains(same.Message, w.Message) {
		same.Message = strings.TrimRight(same.Message, ". ") + ". " + w.Message
	}
	return waits
}

// stillness tells of machines of which nothing has moved for long, with what Azure says of them meanwhile.
func (f *follower) stillness(still []machine) (w events.Waiting, long bool) {
	if len(still) == 0 || f.now.Sub(f.state.Moved) <= quiet {
		return w, false
	}
	w = events.Waiting{
		For: events.ForReplication, Since: f.state.Moved.UTC(),
		Message: "Nothing has moved since " + f.state.Moved.UTC().Format("2006-01-02 15:04 MST"),
		Remedy:  "Look in the portal whether data still flows: bandwidth of VPN or ExpressRoute, health of the process server or appliance.",
	}
	said := 0
	var places []int
	for _, m := range still {
		w.Machines = append(w.Machines, m.Name)
		places = append(places, m.place)
		if words := observed.Words(m.item.HealthErrors); words != "" && said < worded {
			said++
			w.Message += fmt.Sprintf(". Site Recovery says of %s: %s", f.title(m), words)
		}
	}
	w.Items = itemsOf(f.c, places...)
	return w, true
}

// digest changes when something worth telling does: bytes and estimates do not count by themselves.
func (f *follower) digest() string {
	var b strings.Builder
	for _, m := range f.machines {
		s := m.stand
		fmt.Fprintf(&b, "%s %s %s %d %s %s %s %s;", s.Machine, s.Item, s.State, s.Percent, s.Task, s.Job, s.For, s.Code)
	}
	return b.String()
}

// end is the outcome of a case whose machines have all come to rest.
func (f *follower) end() workflow.Draft {
	c := f.c
	c.Machines = slices.Clone(c.Machines)
	var bad []standing
	var states []events.MachineState
	var good []events.ProtectedState
	said := map[string]int{}
	for i, m := range f.machines {
		s, lag := m.stand, m.item.Replication.LagSeconds
		c.Machines[i].Job = s.Job // a submission after a failure made another
		state := events.MachineState{Machine: s.Machine, Item: s.Item, State: s.State, Job: s.Job, Code: s.Code}
		if said[s.Code]++; said[s.Code] <= inFull {
			state.Message, state.Remedy = s.whole(), s.Remedy
		}
		switch s.State {
		case events.StateProtected:
			state.Since, state.LagSeconds = s.Since, lag
			p := events.ProtectedState{
				Machine: s.Machine, Item: m.item.ID, Location: c.Machines[i].Location, Since: state.Since, LagSeconds: lag, Violation: first(m.known.Violation, f.state.Violation),
			}
			if !observed.SameID(p.Item, m.Item) {
				p.FormerItem = m.Item
			}
			good = append(good, p)
		case events.StateFailed:
			bad = append(bad, s)
		default: // neither protected nor failed: told as it stands
		}
		states = append(states, state)
	}
	switch {
	case len(good) == len(f.machines):
		return workflow.Fact(events.TypeCompleted, "", events.Completed{Case: c, Machines: good})
	case f.cancelling:
		return workflow.Fact(events.TypeCancelled, events.StepReplication, events.Cancelled{Case: c, Reason: f.cancel.Reason, Machines: states})
	}
	failed := events.Failed{Case: &c, Code: bad[0].Code, Message: bad[0].Message, Words: bad[0].words, Remedy: bad[0].Remedy, Machines: states}
	if len(f.machines) > 1 {
		failed.Message = fmt.Sprintf("%d of %d machines are protected, %d failed. %s", len(good), len(f.machines), len(bad), bad[0].Message)
	}
	return workflow.Fact(events.TypeFailed, events.StepReplication, failed)
}
