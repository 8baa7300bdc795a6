package executor

import (
	"fmt"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/executor/admission"
	"reprotect.example/services/observed"
)

// move is what is to be done about one machine before its job is there.
type move struct {
	kind    moveKind
	job     string // adopt: the job that runs
	because events.Problem
}

type moveKind int

const (
	submit moveKind = iota + 1
	adopt           // a reprotect job is there already
	done            // it replicates back already
	hold            // another job holds the machine: look again later
	stop            // it cannot be reprotected
)

// decide says what to do about a machine, from what Azure says of it now. Since is when the case was cleared for
// submission: a reprotect job that began since is ours, even if it has ended (a process died after submitting).
func decide(m events.Machine, item observed.Item, found bool, vault observed.Vault, since time.Time) move {
	if !found {
		if reversed, ok := vault.Became(m.Name); ok {
			return move{kind: done, because: events.Problem{Place: reversed.ID}}
		}
		if admission.Changing(vault, m.Name) {
			return move{kind: hold, because: events.Problem{
				Code: "machine.changing", Place: m.Name,
				Message: fmt.Sprintf("A reprotect of %s is under way: its old item is gone, and its new one is not there yet", m.Name),
			}}
		}
		return move{kind: stop, because: events.Problem{
			Code: "machine.gone", Place: m.Name, Message: fmt.Sprintf("The replicated item of %s is not in the vault any more", m.Name),
			Remedy: "Look in the vault what became of it, then send the request again.",
		}}
	}
	job, known := vault.Job(item.JobID)
	switch {
	case item.ReversedOnce():
		return move{kind: done}
	case item.Busy() && (item.Scenario == observed.ReprotectScenario || known && job.Scenario == observed.ReprotectScenario):
		return move{kind: adopt, job: item.JobID}
	case item.Busy():
		return move{kind: hold, because: events.Problem{
			Code: "machine.busy", Place: m.Name,
			Message: fmt.Sprintf("Site Recovery job %s (%s) holds %s. The reprotect starts when it has ended", item.JobID, item.Scenario, m.Name),
		}}
	}
	// A job says the name of its machine, and nothing that leads to its item. Where two machines have that name,
	// only the lock on the item tells, and Azure's refusal to run two jobs on it.
	if len(vault.ItemsNamed(m.Name)) < 2 {
		for _, j := range vault.ReprotectsOf(m.Name) {
			if !j.Start.Before(since.Add(-clockStep)) || !j.Done() {
				return move{kind: adopt, job: j.ID}
			}
		}
	}
	switch item.Stage() {
	case observed.StageFailingOver:
		return move{kind: hold, because: events.Problem{
			Code: "machine.busy", Place: m.Name,
			Message: fmt.Sprintf("The failover of %s has not finished: Site Recovery says %q. The reprotect starts when it has", m.Name, item.StateText),
		}}
	case observed.StageUnknown:
		if item.Ours() {
			return move{kind: hold, because: events.Problem{
				Code: "machine.state-unknown", Place: m.Name,
				Message: fmt.Sprintf("What Site Recovery says of %s is not known: state %q (%s), active location %q, allowed operations %v",
					m.Name, item.State, item.StateText, item.Location, item.Operations),
			}}
		}
	}
	if !item.FailedOver() {
		return move{kind: stop, because: events.Problem{
			Code: "machine.not-failed-over", Place: m.Name,
			Message: fmt.Sprintf("%s is not failed over any more: Site Recovery says %q, active location %s", m.Name, item.StateText, item.Location),
			Remedy:  "Only a machine that runs in Azure after a failover can be reprotected (S1).",
		}}
	}
	return move{kind: submit}
}

// clockStep is more than what Azure's times, in steps of 100 ns, lack of the real ones.
const clockStep = time.Microsecond
