package executor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/observed"
	"reprotect.example/services/waiting"
	"reprotect.example/services/workflow"
)

// goOn tells what moved, and waits: shortly while a job is due, longer and longer while data only flows, shortly
// again when something moved.
func (f *follower) goOn(standings []standing) workflow.Result[memory] {
	progress := events.Progressed{}
	jobsDue := false
	var waits []events.Waiting
	for i, s := range standings {
		if s.State == failed {
			standings[i].Message = s.whole()
			waits = add(waits, f.leavesOthers(standings[i]))
		}
		if s.waits != nil {
			waits = add(waits, *s.waits)
			standings[i].For, standings[i].Code, standings[i].Message, standings[i].Remedy = s.waits.For, s.waits.Code, s.waits.Message, s.waits.Remedy
		}
		progress.Percent += s.Percent
		progress.Machines = append(progress.Machines, standings[i].MachineProgress)
		jobsDue = jobsDue || s.State == running && s.waits == nil
	}
	sparing(progress.Machines)
	progress.Percent /= len(standings)
	progress.Warnings = f.warnings

	result := workflow.Result[memory]{After: waiting.Next(f.site.Look, 0, f.vault.Began, f.now)}
	said := digest(standings)
	moved := said != f.memory.Said || f.warnings != nil
	if moved {
		f.memory.Said, f.memory.Moved, f.memory.Still = said, f.now, 0
		result.Publish = append(result.Publish, workflow.Fact(events.TypeProgressed, "", progress))
	} else if f.memory.Still++; !jobsDue {
		result.After = waiting.Next(f.site.Look, f.memory.Still, f.vault.Began, f.now)
	}
	if slices.ContainsFunc(standings, func(s standing) bool { return s.waits != nil }) {
		result.After = min(result.After, 2*f.site.Look) // a retry that somebody asks for is to be seen soon
	}
	if !moved && slices.ContainsFunc(standings, func(s standing) bool { return s.waits == nil && !f.rests(s) }) {
		result.Publish = f.sayQuiet(result.After)
	}
	told := map[string]waiting.Told{}
	for _, w := range waits {
		key := string(w.For) + " " + w.Code
		r := waiting.On(w, f.memory.Told[key], f.now, result.After)
		told[key] = r.State
		result.Publish = append(result.Publish, r.Publish...)
	}
	f.memory.Told, f.memory.Outage = told, waiting.Told{}
	result.State = f.memory
	return result
}

// whole is why a machine failed, with Azure's own words.
func (s standing) whole() string {
	if s.words == "" {
		return s.Message
	}
	return s.Message + ": " + s.words
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

// leavesOthers tells of a machine that failed while others of its case go on: somebody may mend it meanwhile.
func (f *follower) leavesOthers(s standing) events.Waiting {
	return events.Waiting{
		For: waiting.ForOthers, Code: s.Code, Machines: []string{s.Machine}, Remedy: s.Remedy, Since: f.e.Time,
		Message: strings.TrimRight(s.Message, ". ") + ". The case goes on with its other machines, and ends with them",
	}
}

// add joins what machines wait for alike.
func add(waits []events.Waiting, w events.Waiting) []events.Waiting {
	i := slices.IndexFunc(waits, func(o events.Waiting) bool { return o.For == w.For && o.Code == w.Code })
	if i < 0 {
		return append(waits, w)
	}
	same := &waits[i]
	same.Machines = append(same.Machines, w.Machines...)
	if same.Since.After(w.Since) {
		same.Since = w.Since
	}
	const worded = 3 // of them in full
	if len(same.Machines) <= worded && !strings.Contains(same.Message, w.Message) {
		same.Message = strings.TrimRight(same.Message, ". ") + ". " + w.Message
	}
	return waits
}

// sayQuiet tells that nothing has moved for long, and again after another such time.
func (f *follower) sayQuiet(pause time.Duration) []workflow.Draft {
	silent := f.now.Sub(f.memory.Moved)
	if silent <= quiet || f.now.Sub(f.memory.Quiet) <= quiet {
		return nil
	}
	f.memory.Quiet = f.now
	return []workflow.Draft{workflow.Fact(events.TypeWaiting, "", events.Waiting{
		For: waiting.ForReplication, Machines: f.e.Data.Case.Names(), Since: f.now.Add(-silent).UTC(), NextLook: f.now.Add(pause).UTC(),
		Message: fmt.Sprintf("Nothing has moved for %s", silent.Round(time.Minute)),
		Remedy:  "Look in the portal whether data still flows: bandwidth of VPN or ExpressRoute, health of the process server or appliance.",
	})}
}

// digest changes when something worth telling does: bytes and estimates do not count by themselves.
func digest(standings []standing) string {
	var b strings.Builder
	for _, s := range standings {
		fmt.Fprintf(&b, "%s %s %d %s %s %s %s;", s.Machine, s.State, s.Percent, s.Task, s.Job, s.For, s.Code)
	}
	return b.String()
}

// end is the outcome of a case whose machines have all come to rest.
func (f *follower) end(standings []standing) workflow.Draft {
	c := f.e.Data.Case
	c.Machines = slices.Clone(c.Machines)
	var bad []standing
	var states []events.MachineState
	var good []events.ProtectedState
	said := map[string]int{}
	for i, s := range standings {
		c.Machines[i].Job = s.Job // a submission after a failure made another
		state := events.MachineState{Machine: s.Machine, State: s.State, Job: s.Job, Code: s.Code}
		if said[s.Code]++; said[s.Code] <= inFull {
			state.Message, state.Remedy = s.whole(), s.Remedy
		}
		switch s.State {
		case protected:
			state.Since, state.LagSeconds = s.Since, s.lag
			good = append(good, events.ProtectedState{
				Machine: s.Machine, Item: s.item, Location: c.Machines[i].Location, Since: state.Since, LagSeconds: s.lag, Violation: first(f.memory.Danger[s.Machine], f.memory.Danger[""]),
			})
		case failed:
			bad = append(bad, s)
		}
		states = append(states, state)
	}
	switch {
	case len(good) == len(standings):
		return workflow.Fact(events.TypeCompleted, "", events.Completed{Case: c, Machines: good})
	case f.cancelling != nil:
		return workflow.Fact(events.TypeCancelled, events.StepReplication, events.Cancelled{Case: c, Reason: f.cancelling.Reason, Machines: states})
	}
	failed := events.Failed{Case: &c, Code: bad[0].Code, Message: bad[0].Message, Words: bad[0].words, Remedy: bad[0].Remedy, Machines: states}
	if len(standings) > 1 {
		failed.Message = fmt.Sprintf("%d of %d machines are protected, %d failed. %s", len(good), len(standings), len(bad), bad[0].Message)
	}
	return workflow.Fact(events.TypeFailed, events.StepReplication, failed)
}

// lostAfter is for how many looks Site Recovery may not know a job before it counts as lost.
const lostAfter = 10

// jobUnread says where a machine stands whose job cannot be read. What passes is borne, and holds up the whole case;
// any other refusal is about this job, and the machines beside it are judged all the same.
func (f *follower) jobUnread(ctx context.Context, m events.Machine, s standing, err error) (standing, error) {
	fault, ok := observed.FaultOf(err)
	if !ok || passing(fault) {
		return s, err
	}
	if f.memory.Unread[m.Name].IsZero() {
		remember(&f.memory.Unread, m.Name, f.now.UTC())
	}
	since := f.memory.Unread[m.Name]
	if gone(fault) && f.now.Sub(since) >= lostAfter*f.site.Look {
		s.State, s.Code, s.words = failed, "job.unknown", words(fault)
		s.Message = fmt.Sprintf("Site Recovery does not know job %s of %s any more, and the machine does not replicate back", s.Job, m.Name)
		s.Remedy = "Look in the vault where the machine stands. If it still runs in Azure, retry the case."
		return s, nil
	}
	f.runs(&s, observed.Job{FriendlyName: "its job cannot be read"})
	if s.State == failed {
		return s, nil
	}
	s.waits = &events.Waiting{
		For: waiting.ForAzure, Code: fault.Code, Machines: []string{m.Name}, Message: words(fault), Remedy: fault.Remedy,
		Since: since, Until: f.e.Time.Add(f.site.JobWait),
	}
	if f.cancelling != nil {
		return f.cancelJob(ctx, m, s)
	}
	return s, nil
}

func remember[T any](m *map[string]T, key string, value T) {
	if *m == nil {
		*m = map[string]T{}
	}
	(*m)[key] = value
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
