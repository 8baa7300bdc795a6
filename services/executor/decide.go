package executor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/executor/admission"
	"reprotect.example/services/observed"
)

// clockStep is more than what Azure's times, in steps of 100 ns, lack of the real ones.
const clockStep = time.Microsecond

// key makes ids comparable: the service spells them in any letter case.
func key(id string) string { return strings.ToLower(strings.Trim(id, "/")) }

// title is what people call machine i of a case: its name, and its item where another has that name.
func title(c events.Case, i int) string {
	if item := c.Beside(i); item != "" {
		return fmt.Sprintf("%s (%s)", c.Machines[i].Name, observed.LastSegment(item))
	}
	return c.Machines[i].Name
}

// needs is what the start of a machine takes.
func needs(m events.Machine, item observed.Item, vault observed.Vault) admission.Machine {
	return admission.Machine{Item: m.Item, Name: m.Name, Writer: vault.WriterOf(m, item.FabricID).Key(), Disks: len(item.Disks)}
}

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

// sight is what is known when it is decided about machine i of a case.
type sight struct {
	c     events.Case
	i     int
	vault observed.Vault
	since time.Time       // the case was cleared for submission: a reprotect job that began since may be ours
	now   []observed.Item // what the machines of the case became, as far as that is known; zero: it is not
	owner func(job string) (item string, known bool)
}

// decide says what to do about a machine, from what Azure says of it now. A reprotect job of it that began since the
// case was cleared is ours, even if it has ended: a process died after submitting.
func (s sight) decide() move {
	m := s.c.Machines[s.i]
	item, found := s.vault.Item(m.Item)
	if !found {
		if _, ok := s.successor(); ok {
			return move{kind: done}
		}
		if admission.Changing(s.vault, m.Name) {
			return move{kind: hold, because: events.Problem{
				Code: "machine.changing", Place: m.Name,
				Message: fmt.Sprintf("A reprotect of %s is under way: its old item is gone, and its new one is not there yet", title(s.c, s.i)),
			}}
		}
		return move{kind: stop, because: events.Problem{
			Code: "machine.gone", Place: m.Name, Message: fmt.Sprintf("The replicated item of %s is not in the vault any more", title(s.c, s.i)),
			Remedy: "Look in the vault what became of it, then send the request again.",
		}}
	}
	job, known := s.vault.Job(item.JobID)
	switch {
	case item.ReversedOnce():
		return move{kind: done}
	case item.Busy() && (item.Scenario == observed.ReprotectScenario || known && job.Scenario == observed.ReprotectScenario):
		return move{kind: adopt, job: item.JobID}
	case item.Busy():
		return move{kind: hold, because: events.Problem{
			Code: "machine.busy", Place: m.Name,
			Message: fmt.Sprintf("Site Recovery job %s (%s) holds %s. The reprotect starts when it has ended", item.JobID, item.Scenario, title(s.c, s.i)),
		}}
	}
	if job, ok := s.byName(m); ok {
		return move{kind: adopt, job: job}
	}
	switch item.Stage() {
	case observed.StageFailingOver:
		return move{kind: hold, because: events.Problem{
			Code: "machine.busy", Place: m.Name,
			Message: fmt.Sprintf("The failover of %s has not finished: Site Recovery says %q. The reprotect starts when it has", title(s.c, s.i), item.StateText),
		}}
	case observed.StageUnknown:
		if item.Ours() {
			return move{kind: hold, because: events.Problem{
				Code: "machine.state-unknown", Place: m.Name,
				Message: fmt.Sprintf("What Site Recovery says of %s is not known: state %q (%s), active location %q, allowed operations %v",
					title(s.c, s.i), item.State, item.StateText, item.Location, item.Operations),
			}}
		}
	}
	if !item.FailedOver() {
		return move{kind: stop, because: events.Problem{
			Code: "machine.not-failed-over", Place: m.Name,
			Message: fmt.Sprintf("%s is not failed over any more: Site Recovery says %q, active location %s", title(s.c, s.i), item.StateText, item.Location),
			Remedy:  "Only a machine that runs in Azure after a failover can be reprotected (S1).",
		}}
	}
	return move{kind: submit}
}

// byName finds the job of an idle machine. A job says the name of its machine, and nothing that leads to its item.
// Where two machines have that name, only the lock on the item tells, and Azure's refusal to run two jobs on it. One
// of two may have no item at this moment.
func (s sight) byName(m events.Machine) (job string, ok bool) {
	if s.c.Beside(s.i) != "" || len(s.vault.ItemsNamed(m.Name)) > 1 {
		return "", false
	}
	for _, j := range s.vault.ReprotectsOf(m.Name) {
		if j.Start.Before(s.since.Add(-clockStep)) && j.Done() {
			continue
		}
		if item, known := s.owner(j.ID); !known || key(item) == key(m.Item) {
			return j.ID, true
		}
	}
	return "", false
}

// successor is the item that took the place of the machine's, as a classic reprotect makes it. It has the name and
// nothing else that leads to it, unless the job names it. Of machines of one name that all came back each has one of
// the new items, and which of them nobody can say; while one is on its way, nothing is known of the others.
func (s sight) successor() (observed.Item, bool) {
	m := s.c.Machines[s.i]
	taken := map[string]bool{}
	missing, rank := 0, 0 // machines of that name of which it is not known what they are now
	for i, o := range s.c.Machines {
		if !strings.EqualFold(o.Name, m.Name) {
			continue
		}
		if item, there := s.vault.Item(o.Item); there {
			taken[key(item.ID)] = true
			continue
		}
		if i < len(s.now) && s.now[i].ID != "" && i != s.i {
			taken[key(s.now[i].ID)] = true
			continue
		}
		if missing++; i < s.i {
			rank++
		}
	}
	back := slices.DeleteFunc(s.vault.ItemsNamed(m.Name), func(i observed.Item) bool { return !i.ReversedOnce() || taken[key(i.ID)] })
	if len(back) != missing {
		return observed.Item{}, false
	}
	slices.SortFunc(back, func(a, b observed.Item) int { return strings.Compare(key(a.ID), key(b.ID)) })
	return back[rank], true
}
