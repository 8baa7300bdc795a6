package executor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/executor/admission"
	"reprotect.example/services/executor/submission"
	"reprotect.example/services/observed"
)

// machine is one machine of a case that is followed. It is its item, as the case has it: names are for people.
type machine struct {
	events.Machine

	place int        // in the case
	first events.Job // as the case started with it
	known known

	// Of this look:
	item   observed.Item   // what it is in the vault now; zero: nobody can say
	read   *reading        // its job in full, once that was asked for
	queued *events.Waiting // it waits for its turn to be submitted again
	asked  bool            // for the end of its job
	tried  bool            // to submit it again
	stand  standing
}

// known is what is kept of a machine between looks.
type known struct {
	Job         string    `json:"job,omitempty"`     // that it was submitted with again
	Failure     *failure  `json:"failure,omitempty"` // its job failed, or Azure refused it
	Ended       string    `json:"ended,omitempty"`   // its job that succeeded, once it was read in full
	Became      string    `json:"became,omitempty"`  // the new item that its job named
	Seen        milestone `json:"seen,omitzero"`     // where its replication stood at first
	Reached     int       `json:"reached,omitempty"` // percent of its replication, as Azure said last
	Halted      time.Time `json:"halted,omitzero"`   // since when its replication has stopped
	Bytes       int64     `json:"bytes,omitempty"`   // replicated so far
	Since       time.Time `json:"since,omitzero"`    // when it was seen protected first
	Cancel      time.Time `json:"cancel,omitzero"`   // when the end of its job was asked for first
	CancelTaken bool      `json:"cancelTaken,omitempty"`
	Unread      time.Time `json:"unread,omitzero"`     // since when its job cannot be read
	Violation   string    `json:"violation,omitempty"` // code of the last one that the guard told of it
}

// milestone is where a replication stood at a time.
type milestone struct {
	Percent int       `json:"percent"`
	Bytes   int64     `json:"bytes,omitempty"`
	At      time.Time `json:"at"`
}

// failure is what is known of a machine whose job failed, or which Azure refused.
type failure struct {
	Of     string              `json:"of,omitempty"`    // the job that failed; empty: there was none
	Cause  observed.Problem    `json:"cause"`           // what failed
	Do     submission.Handling `json:"do,omitempty"`    // what is done about it
	First  time.Time           `json:"first"`           // of the first failure
	At     time.Time           `json:"at"`              // of the last one
	Next   time.Time           `json:"next"`            // when it is tried again by itself
	Tries  int                 `json:"tries"`           // submissions after the first
	Alike  int                 `json:"alike,omitempty"` // tries since it is handled in this way
	Queued bool                `json:"queued,omitempty"`
	// Refused: Azure did not take the last submission; there is no job of it.
	Refused bool `json:"refused,omitempty"`
	Over    bool `json:"over,omitempty"`    // it is not tried again
	Settled bool `json:"settled,omitempty"` // it was submitted again: its new job tells
}

// reading is a job that was read in full, or why it could not be.
type reading struct {
	job   observed.Job
	fault *observed.Fault
}

// standing is where one machine stands.
type standing struct {
	events.MachineProgress

	words    string
	waits    *events.Waiting  // it stands still until something passes, or somebody sees to it
	warnings []events.Problem // what its job carried that succeeded all the same
	runs     bool             // its job runs: it needs its place
}

// rests says whether nothing more is to be awaited of a machine. A replication goes on in Azure even when the case is
// cancelled, so it is followed to its end.
func (s standing) rests() bool {
	return s.State == events.StateProtected || s.State == events.StateFailed || s.State == events.StateCancelled
}

// end brings a machine to rest.
func (s *standing) end(state events.State, code, message, remedy string) {
	s.State, s.Code, s.Message, s.Remedy = state, code, message, remedy
}

// whole is why a machine failed, with Azure's own words.
func (s standing) whole() string {
	if s.words == "" {
		return s.Message
	}
	return s.Message + ": " + s.words
}

// job is the one that counts now.
func (m machine) job() string {
	switch {
	case m.known.Job != "":
		return m.known.Job
	case m.known.Failure != nil && m.known.Failure.Of != "":
		return m.known.Failure.Of
	}
	return m.first.Job
}

// fails takes in what failed, and when, and says what is done about it.
func (f *failure) fails(cause observed.Problem, do submission.Handling, at time.Time) {
	cause.Message = submission.Cut(cause.Message)
	cause.Causes, cause.Action = "", ""
	if f.Alike++; f.Do != do || f.First.IsZero() {
		f.Alike = 0
	}
	if f.First.IsZero() {
		f.First = at
	}
	f.Cause, f.Do, f.At, f.Settled = cause, do, at, false
}

// title is what people call machine i of a case: its name, and its item where another has that name.
func title(c events.Case, i int) string {
	if item := c.Beside(i); item != "" {
		return fmt.Sprintf("%s (%s)", c.Machines[i].Name, observed.LastSegment(item))
	}
	return c.Machines[i].Name
}

// needs is what the start of a machine takes.
func needs(m events.Machine, item observed.Item, vault observed.Vault) admission.Machine {
	return admission.Machine{Item: m.Item, Name: m.Name, Writer: vault.WriterOf(m, item.FabricID).Key(), Disks: item.DiskCount()}
}

// itemsOf are the items of machines of a case, in their order; none where their names say which they are.
func itemsOf(c events.Case, which ...int) (items []string) {
	if !slices.ContainsFunc(which, func(i int) bool { return c.Beside(i) != "" }) {
		return nil
	}
	for _, i := range which {
		items = append(items, c.Machines[i].Item)
	}
	return items
}

// askFor is what a case asks of the queue for starts, without its machines.
func askFor(id, of string, c events.Case, look time.Duration) admission.Request {
	return admission.Request{
		ID: id, Order: admission.Order{Asked: c.RequestedAt, Request: of, Rank: c.Rank},
		Patience: 15 * look, // longer than the longest pause
		Forming:  look + look/4,
	}
}

// waitsFor names in a waiting event what the queue lets a case wait for.
func waitsFor(d admission.Decision) events.Reason {
	if d.Outcome == admission.NoDiskSlot {
		return events.ForDiskSlot
	}
	return events.ForTurn
}

// agentDeadline is until when a missing agent is borne: counted from the fact that all agents of the case were there.
func agentDeadline(site Site, registered time.Time) time.Time { return registered.Add(site.AgentWait) }

// lastTry lets a try that would come after the deadline come at it, yet not before the earliest.
func lastTry(next, earliest, deadline time.Time) time.Time {
	switch {
	case next.Before(deadline):
		return next
	case deadline.Before(earliest):
		return earliest
	}
	return deadline
}

// triedAgain says what brings about the next try of what an operator has to see to.
func triedAgain(caseID string) string {
	return "It is tried again by itself from time to time, or at once after 'reprotect retry " + caseID + "'"
}

// triedSoFar is told anew with each try, and the pauses between them grow.
func triedSoFar(before int) string {
	if before == 0 {
		return "It is tried again at growing pauses"
	}
	return fmt.Sprintf("It was tried %d times, and is tried again at growing pauses", before+1)
}

// notAnyMore says why a machine of a cancelled case is not started.
func notAnyMore(c events.Case, i int) events.Problem {
	return events.Problem{Code: codeCancelled, Place: c.Machines[i].Name, Message: fmt.Sprintf("The case was cancelled before %s was started", title(c, i))}
}

const codeCancelled = "case.cancelled"

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
	if item.Unread != "" {
		return move{kind: hold, because: events.Problem{
			Code: "machine.unread", Place: m.Name, Message: fmt.Sprintf("The replicated item of %s could not be read: %s", title(s.c, s.i), item.Unread),
		}}
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
				Message: unknownState(title(s.c, s.i), item),
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
		if j.Start.Before(s.since.Add(-observed.ClockStep)) && j.Done() {
			continue
		}
		if item, known := s.owner(j.ID); !known || observed.NormalID(item) == observed.NormalID(m.Item) {
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
			taken[observed.NormalID(item.ID)] = true
			continue
		}
		if i < len(s.now) && s.now[i].ID != "" && i != s.i {
			taken[observed.NormalID(s.now[i].ID)] = true
			continue
		}
		if missing++; i < s.i {
			rank++
		}
	}
	back := slices.DeleteFunc(s.vault.ItemsNamed(m.Name), func(i observed.Item) bool { return !i.ReversedOnce() || taken[observed.NormalID(i.ID)] })
	if len(back) != missing {
		return observed.Item{}, false
	}
	slices.SortFunc(back, func(a, b observed.Item) int { return strings.Compare(observed.NormalID(a.ID), observed.NormalID(b.ID)) })
	return back[rank], true
}
