package executor

import (
	"fmt"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/waiting"
)

// goOn tells what moved, and waits: shortly while a job is due, longer and longer while data only flows, shortly
// again when something moved.
func (f *follower) goOn(standings []standing) bus.Result {
	progress := events.Progressed{}
	jobsDue := false
	var stuck *events.Waiting
	for _, s := range standings {
		progress.Percent += s.Percent
		progress.Machines = append(progress.Machines, s.MachineProgress)
		jobsDue = jobsDue || s.State == running && s.waits == nil
		if s.waits != nil && stuck == nil {
			stuck = s.waits
		}
	}
	progress.Percent /= len(standings)
	progress.Warnings = f.warnings

	result := bus.Result{After: waiting.Next(f.site.Look, 0, f.vault.Began, f.now)}
	said := digest(standings)
	moved := said != f.memory.Said || f.warnings != nil
	if moved {
		f.memory.Said, f.memory.Moved, f.memory.Still = said, f.now, 0
		result.Publish = append(result.Publish, bus.Fact(events.TypeProgressed, "", progress))
	} else if f.memory.Still++; !jobsDue {
		result.After = waiting.Next(f.site.Look, f.memory.Still, f.vault.Began, f.now)
	}
	switch {
	case stuck != nil:
		result.After = min(result.After, 2*f.site.Look) // a retry that somebody asks for is to be seen soon
		told := waiting.On(*stuck, bus.Wait{Note: f.memory.Waits}, f.now, result.After)
		f.memory.Waits = told.Note
		result.Publish = append(result.Publish, told.Publish...)
	case !moved:
		f.memory.Waits = ""
		result.Publish = f.sayQuiet(result.After)
	}
	result.Note = waiting.Note(f.memory)
	return result
}

// sayQuiet tells that nothing has moved for long, and again after another such time.
func (f *follower) sayQuiet(pause time.Duration) []bus.Draft {
	silent := f.now.Sub(f.memory.Moved)
	if silent <= quiet || f.now.Sub(f.memory.Quiet) <= quiet {
		return nil
	}
	f.memory.Quiet = f.now
	return []bus.Draft{bus.Fact(events.TypeWaiting, "", events.Waiting{
		For: waiting.ForReplication, Machines: f.e.Data.Case.Names(), Since: f.now.Add(-silent).UTC(), NextLook: f.now.Add(pause).UTC(),
		Message: fmt.Sprintf("Nothing has moved for %s", silent.Round(time.Minute)),
		Remedy:  "Look in the portal whether data still flows: bandwidth of VPN or ExpressRoute, health of the process server or appliance.",
	})}
}

// digest changes when something worth telling does: bytes and estimates do not count by themselves.
func digest(standings []standing) string {
	var b strings.Builder
	for _, s := range standings {
		fmt.Fprintf(&b, "%s %s %d %s;", s.Machine, s.State, s.Percent, s.Task)
	}
	return b.String()
}

// end is the outcome of a case whose machines have all come to rest. Violation is what the guard reported last.
func (f *follower) end(standings []standing, violation string) bus.Draft {
	c := f.e.Data.Case
	var bad []standing
	var states []events.MachineState
	var good []events.ProtectedState
	for i, s := range standings {
		states = append(states, events.MachineState{Machine: s.Machine, State: s.State, Job: s.job, Code: s.code, Message: s.why})
		switch s.State {
		case protected:
			good = append(good, events.ProtectedState{
				Machine: s.Machine, Item: s.item, Location: c.Machines[i].Location, Since: f.memory.Since[s.Machine],
				LagSeconds: s.lag, Violation: violation,
			})
		case failed:
			bad = append(bad, s)
		}
	}
	switch {
	case len(good) == len(standings):
		return bus.Fact(events.TypeCompleted, "", events.Completed{Case: c, Machines: good})
	case f.cancelling != nil:
		return bus.Fact(events.TypeCancelled, events.StepReplication, events.Cancelled{Case: c, Reason: f.cancelling.Reason, Machines: states})
	}
	failed := events.Failed{Case: &c, Code: bad[0].code, Message: bad[0].why, Words: bad[0].words, Remedy: bad[0].remedy, Machines: states}
	if len(standings) > 1 {
		failed.Message = fmt.Sprintf("%d of %d machines are protected, %d failed. %s", len(good), len(standings), len(bad), bad[0].why)
	}
	return bus.Fact(events.TypeFailed, events.StepReplication, failed)
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
