package executor

import (
	"fmt"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/executor/submission"
	"reprotect.example/services/observed"
)

// act is what is to be done about a machine before it can be said where it stands. The plan is made anew then.
type act int

const (
	nothing  act = iota
	readJob      // in full: it has changed
	resubmit     // it is submitted again, when it is its turn
	cancelJob
)

const (
	jobShare    = 30        // of a machine's way the job is taken as a third, the replication as the rest
	quiet       = time.Hour // how long nothing may move until the operator is told
	cancelBound = time.Hour // for a job to end that was cancelled
	lostAfter   = 10        // looks for which Site Recovery may not know a job before it counts as lost
)

// view is what a look shows of a case that is followed, beside its machines.
type view struct {
	c          events.Case
	id         string // of the case
	began      time.Time
	registered time.Time // when all agents of the case were there
	site       Site
	now        time.Time
	vault      observed.Vault
	moved      time.Time // when something moved last
	cancelling bool
	retry      time.Time // when somebody asked last for another try
	ours       func(item string) (job string, at time.Time)
	owner      func(job string) (item string, known bool)
	became     []observed.Item // the items that jobs named, by the machines' places
}

// plan says where a machine stands now, and what is to be done first to know that. Its item is the truth, its job
// explains. It is a pure function, to be read from top to bottom: the first that is so counts.
func (v *view) plan(m machine) (machine, act) {
	m.item = v.itemOf(m)
	m.stand = standing{MachineProgress: events.MachineProgress{Machine: m.Name, Item: v.c.Beside(m.place), Job: m.job()}}
	s := &m.stand
	job, listed := v.vault.Job(s.Job)
	ours, at := v.ours(m.Item)
	switch {
	case m.first.Refused != nil && !m.first.Again: // not started, for good
		s.end(events.StateFailed, m.first.Refused.Code, m.first.Refused.Message, m.first.Refused.Remedy)
		if s.Code == codeCancelled {
			s.State = events.StateCancelled
		}
	case m.item.Protected() || m.item.Home(): // who is home was protected before
		s.State, s.Percent, s.Task = events.StateProtected, 100, m.item.StateText
		if m.known.Since.IsZero() {
			m.known.Since = v.vault.Taken.UTC()
		}
		s.Since = m.known.Since
	case m.item.ReversedOnce():
		return v.replicates(m), nothing
	case m.known.Failure != nil && !m.known.Failure.Settled:
		return v.again(m)
	case m.first.Again && m.known.Failure == nil:
		m.known.Failure = v.firstRefusal(*m.first.Refused)
		return v.again(m)
	case s.Job == "" && v.vault.Taken.Before(v.began.Add(v.site.Look)):
		s.State, s.Percent, s.Task = events.StateRunning, jobShare, "waiting for a look at what it became"
	case s.Job == "":
		s.end(events.StateFailed, "machine.gone", fmt.Sprintf("%s replicated back when the case began, and its item is not in the vault any more", v.title(m)),
			"Look in the vault what became of it, then send the request again.")
	case listed && !job.Done() && job.State != "Suspended":
		s.runs = true
		return v.jobRuns(m, job)
	case !listed && ours == s.Job && !v.vault.Began.After(at): // younger than the look
		return v.jobRuns(m, observed.Job{FriendlyName: "Reprotect"})
	case m.known.Ended == s.Job: // its item shows at one of the next looks
		v.jobSucceeded(s)
	case m.read == nil:
		return m, readJob // once it has changed, never while it runs
	case m.read.fault != nil:
		return v.jobUnread(m, m.read.fault)
	default:
		return v.jobRead(m, m.read.job)
	}
	return m, nothing
}

func (v *view) title(m machine) string { return title(v.c, m.place) }

// itemOf finds what a machine is now: the item that it was, or the one that a classic reprotect put in its place. Its
// job names that one; by the name alone it is found only where the job cannot say.
func (v *view) itemOf(m machine) observed.Item {
	if item, ok := v.vault.Item(m.known.Became); ok {
		return item
	}
	if item, ok := v.vault.Item(m.Item); ok {
		return item
	}
	job := m.job()
	asked := job == "" || m.known.Ended == job || m.read != nil && m.read.fault != nil || m.known.Failure != nil && !m.known.Failure.Settled
	if m.known.Became != "" || !asked {
		return observed.Item{}
	}
	item, _ := v.sight(m, v.began).successor()
	return item
}

func (v *view) sight(m machine, since time.Time) sight {
	return sight{c: v.c, i: m.place, vault: v.vault, since: since, now: v.became, owner: v.owner}
}

// late says whether the bound has passed that a case has for becoming protected.
func (v *view) late() bool { return v.now.After(v.began.Add(v.site.JobWait)) }

// jobRuns says where a machine stands whose job has not ended.
func (v *view) jobRuns(m machine, job observed.Job) (machine, act) {
	s := &m.stand
	s.State, s.Percent, s.Task = events.StateRunning, jobShare/3, job.FriendlyName
	if job.State == "Suspended" {
		s.Task = "suspended in Site Recovery: look at the job in the portal"
	}
	if v.late() && v.now.After(job.Start.Add(v.site.JobWait)) { // one that was submitted again has its own time
		s.end(events.StateFailed, "job.timeout", fmt.Sprintf("Site Recovery job %s of %s has not come to an end within %s. It is left running", s.Job, v.title(m), v.site.JobWait),
			"Look at the job in the portal. When it has ended, retry the case: a machine that is protected by then is found to be so.")
		return m, nothing
	}
	if !v.cancelling {
		return m, nothing
	}
	if !m.known.CancelTaken && !m.asked {
		return m, cancelJob
	}
	s.Task = "being cancelled"
	if v.now.Sub(m.known.Cancel) > cancelBound {
		s.end(events.StateCancelled, "job.cancel-timeout",
			fmt.Sprintf("Site Recovery was asked %s ago to end job %s of %s, and it still runs: look at it in the portal", cancelBound, s.Job, v.title(m)), "")
		return m, nothing
	}
	s.waits = v.waits(m, events.Waiting{
		For: events.ForCancel, Since: m.known.Cancel, Until: m.known.Cancel.Add(cancelBound),
		Message: fmt.Sprintf("Site Recovery job %s of %s was cancelled, and comes to its end", s.Job, v.title(m)),
	})
	return m, nothing
}

// jobSucceeded says where a machine stands whose item does not show yet what its job did.
func (v *view) jobSucceeded(s *standing) {
	s.State, s.Percent, s.Task = events.StateRunning, jobShare, "waiting for the initial replication to begin"
	if v.late() {
		s.end(events.StateFailed, "replication.timeout",
			fmt.Sprintf("Site Recovery job %s of %s has succeeded, but %s after the start of the case the machine is not seen to replicate back", s.Job, s.Machine, v.site.JobWait),
			"Look in the portal where the machine stands. If it still runs in Azure and nothing replicates, retry the case.")
	}
}

// jobRead says what a job means that was read in full.
func (v *view) jobRead(m machine, job observed.Job) (machine, act) {
	s := &m.stand
	m.known.Unread = time.Time{}
	switch job.State {
	case "Succeeded":
		m.known.Ended, m.known.Became = s.Job, job.NewItemID
		var warnings []events.Problem
		for _, p := range job.Errors {
			warnings = append(warnings, events.Problem{Code: first(p.Code, "job.warning"), Place: m.Name, Message: first(p.Message, "It carries "+p.Code), Remedy: p.Remedy})
		}
		m, _ = v.plan(m) // it has ended: the item tells, or is about to show
		m.stand.warnings = warnings
	case "Failed":
		return v.jobFailed(m, job)
	case "Cancelled":
		s.end(events.StateFailed, "job.cancelled", fmt.Sprintf("Somebody cancelled Site Recovery job %s of %s", s.Job, v.title(m)), "If the machine is still to come home, retry the case.")
		if v.cancelling {
			s.end(events.StateCancelled, s.Code, fmt.Sprintf("Site Recovery job %s of %s was cancelled; the machine still runs in Azure", s.Job, v.title(m)), "")
		}
	default:
		return v.jobRuns(m, job)
	}
	return m, nothing
}

// jobUnread says where a machine stands whose job cannot be read, while the machines beside it are judged all the same.
func (v *view) jobUnread(m machine, fault *observed.Fault) (machine, act) {
	if m.known.Unread.IsZero() {
		m.known.Unread = v.now.UTC()
	}
	since := m.known.Unread
	if submission.Handle(fault.Code, fault.Class) == submission.LookAfresh && v.now.Sub(since) >= lostAfter*v.site.Look {
		m.stand.words = submission.Words(fault)
		m.stand.end(events.StateFailed, "job.unknown", fmt.Sprintf("Site Recovery does not know job %s of %s any more, and the machine does not replicate back", m.stand.Job, v.title(m)),
			"Look in the vault where the machine stands. If it still runs in Azure, retry the case.")
		return m, nothing
	}
	m, do := v.jobRuns(m, observed.Job{FriendlyName: "its job cannot be read"})
	if do == nothing && !m.stand.rests() && m.stand.waits == nil {
		m.stand.waits = v.waits(m, events.Waiting{
			For: events.ForAzure, Code: fault.Code, Message: submission.Words(fault), Remedy: fault.Remedy, Since: since, Until: v.began.Add(v.site.JobWait),
		})
	}
	return m, do
}

// jobFailed says what a failed job means: what passes is submitted again, what somebody can see to is waited for, and
// all else ends the machine's way.
func (v *view) jobFailed(m machine, job observed.Job) (machine, act) {
	cause := submission.Cause(job)
	if v.cancelling {
		m.stand.end(events.StateCancelled, cause.Code, fmt.Sprintf("Site Recovery job %s of %s failed before it was cancelled; the machine still runs in Azure", m.stand.Job, v.title(m)), "")
		return m, nothing
	}
	m.failed(m.stand.Job, false)
	v.fails(m.known.Failure, cause, submission.HandleJob(cause.Code, cause.Class))
	return v.again(m)
}

// failed begins, or goes on with, the failure of a machine. Its memory is its own: what was planned before stays.
func (m *machine) failed(of string, refused bool) {
	f := failure{}
	if m.known.Failure != nil {
		f = *m.known.Failure
	}
	f.Refused = refused
	if !refused {
		f.Of, m.known.Job = of, ""
	}
	m.known.Failure = &f
}

// fails takes in what failed, and when it is tried again.
func (v *view) fails(f *failure, cause observed.Problem, do submission.Handling) {
	f.fails(cause, do, v.now.UTC())
	f.Next = v.now.Add(do.Pause(v.site.Look, f.Alike))
	switch do {
	case submission.AwaitAgent:
		deadline := agentDeadline(v.site, v.registered)
		f.Next = lastTry(f.Next, v.now, deadline)
		f.Over = !v.now.Before(deadline)
	case submission.TryAgain, submission.LookAfresh:
		f.Over = f.Alike >= submission.MostTries
	case submission.AwaitOperator, submission.AwaitAzure:
		f.Over = v.late()
	default:
		f.Over = true
	}
}

// firstRefusal is what is known of a machine that Azure refused when others of its case had begun. It is tried once
// more at least, however long ago that was.
func (v *view) firstRefusal(because events.Problem) *failure {
	cause := observed.Problem{Code: because.Code, Class: submission.ClassOf(because.Code, because.Message), Message: because.Message, Remedy: because.Remedy}
	f := &failure{Refused: true}
	f.fails(cause, submission.Handle(cause.Code, cause.Class), v.began)
	f.Next = v.began.Add(f.Do.Pause(v.site.Look, 0))
	return f
}

// again waits until a machine may be submitted again, and then asks for that.
func (v *view) again(m machine) (machine, act) {
	f, s := m.known.Failure, &m.stand
	bounded := f.Do == submission.AwaitOperator || f.Do == submission.AwaitAzure || f.Do == submission.LookAfresh
	switch {
	case f.Over || bounded && v.late():
		v.gaveUp(m, s)
		return m, nothing
	case v.cancelling:
		s.end(events.StateCancelled, f.Cause.Code, f.what(v.title(m))+", and it was not submitted again; the machine still runs in Azure", "")
		s.Job = f.Of
		return m, nothing
	}
	s.State, s.Percent, s.Task, s.Job = events.StateRunning, jobShare/3, "to be submitted again", f.Of
	if f.Of == "" {
		s.State, s.Percent = events.StateNotStarted, 0
	}
	next := v.sight(m, f.At).decide()
	if next.kind == adopt && next.job != f.Of { // somebody else was quicker
		m.submitted(next.job)
		s.Job = next.job
		return m, nothing
	}
	asked := bounded && v.retry.After(f.At)
	unregistered := f.Do == submission.AwaitAgent && m.item.AgentRegistered != nil && !*m.item.AgentRegistered && v.now.Before(agentDeadline(v.site, v.registered))
	switch {
	case m.queued != nil:
		s.waits = m.queued
	case v.now.Before(f.Next) && !asked || unregistered || m.tried: // once a look
		s.waits = v.waits(m, v.untilTry(m, f))
	case next.kind == stop:
		s.end(events.StateFailed, next.because.Code, next.because.Message, next.because.Remedy)
	case next.kind == hold:
		s.waits = v.waits(m, events.Waiting{For: events.ForJob, Code: next.because.Code, Message: next.because.Message, Since: f.At})
	case next.kind != submit: // it is about to show
	default:
		if _, problem := submission.Resolve(m.Machine, m.item, v.vault); problem != nil {
			s.end(events.StateFailed, problem.Code, problem.Message, problem.Remedy)
			return m, nothing
		}
		return m, resubmit
	}
	return m, nothing
}

// submitted notes the job that a machine was submitted with again.
func (m *machine) submitted(job string) {
	f := *m.known.Failure
	f.Settled, f.Queued, f.Refused = true, false, false
	m.known.Failure, m.known.Job = &f, job
}

// gaveUp ends a machine's way with what failed.
func (v *view) gaveUp(m machine, s *standing) {
	f := m.known.Failure
	message := f.what(v.title(m))
	if f.Tries > 0 {
		message += fmt.Sprintf(", and it was tried %d times", f.Tries+1)
	}
	s.end(events.StateFailed, f.Cause.Code, message, first(f.Cause.Remedy, "Look at the job in the portal, remove the cause, then retry the case. The machine still runs in Azure."))
	s.words, s.Job = f.Cause.Message, f.Of
}

// what says what failed.
func (f *failure) what(title string) string {
	switch {
	case f.Of == "":
		return fmt.Sprintf("Azure refused to start %s", title)
	case f.Refused:
		return fmt.Sprintf("Azure refused to start %s again after job %s had failed", title, f.Of)
	}
	return fmt.Sprintf("Site Recovery job %s of %s failed", f.Of, title)
}

// untilTry words the wait until the next try.
func (v *view) untilTry(m machine, f *failure) events.Waiting {
	w := events.Waiting{
		For: events.ForAzure, Code: f.Cause.Code, Remedy: f.Cause.Remedy, Since: f.First,
		Message: fmt.Sprintf("%s: %s. ", f.what(v.title(m)), strings.TrimRight(f.Cause.Message, ". ")),
	}
	switch f.Do {
	case submission.AwaitAgent:
		w.Message += "It is tried again"
		w.For, w.Until = events.ForAgent, agentDeadline(v.site, v.registered)
	case submission.AwaitOperator:
		w.For, w.Until = events.ForOperator, v.began.Add(v.site.JobWait)
		w.Message += triedAgain(v.id)
		w.Remedy = first(w.Remedy, "Look at the job in the portal and remove the cause.")
	case submission.TryAgain:
		w.Message += "It is tried again"
	default:
		w.Until = v.began.Add(v.site.JobWait)
		w.Message += triedSoFar(f.Alike)
	}
	return w
}

// waits names the machine that waits.
func (v *view) waits(m machine, w events.Waiting) *events.Waiting {
	w.Machines, w.Items = []string{m.Name}, itemsOf(v.c, m.place)
	return &w
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
