package executor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/executor/admission"
	"reprotect.example/services/faults"
	"reprotect.example/services/observed"
	"reprotect.example/services/waiting"
	"reprotect.example/services/workflow"
)

// again is what is known of a machine whose job failed.
type again struct {
	Job   string           `json:"job,omitempty"`  // that it was submitted with once more; empty while that is to come
	Tries int              `json:"tries"`          // submissions after the first
	At    time.Time        `json:"at"`             // of the failure
	Next  time.Time        `json:"next"`           // when it is tried again by itself
	Cause observed.Problem `json:"cause"`          // what failed
	Of    string           `json:"of,omitempty"`   // the job that failed
	Turn  bool             `json:"turn,omitempty"` // it waits in the admission queue
	// Refused: Azure did not take the last submission; there is no job of it.
	Refused bool      `json:"refused,omitempty"`
	First   time.Time `json:"first"`           // of the first failure
	Alike   int       `json:"alike,omitempty"` // tries since the class of the cause changed
	Over    bool      `json:"over,omitempty"`  // it is not tried again
}

const (
	mostTries = 5 // submissions again after a failure that passes
	// Somebody who mends a cause takes longer than what passes: in looks, doubling.
	firstOperatorPause, mostOperatorPause = 20, 120
	cancelBound                           = time.Hour // for a job to end that was cancelled
	longestWords                          = 240       // of Azure's that are kept between looks
)

// jobFailed says what a failed job means: a failure that passes is submitted again, a few times; one that somebody
// can mend waits for that; all others end the machine's way.
func (f *follower) jobFailed(ctx context.Context, m events.Machine, s standing, job observed.Job) (standing, error) {
	cause := observed.Problem{Code: "job.failed", Class: observed.Operator, Message: job.StateText}
	for _, p := range job.Errors {
		known, isKnown := faults.Recognize(faults.Azure, p.Code, p.Message)
		if p.Severity == "Warning" || isKnown && known.Warning {
			continue
		}
		if cause = p; isKnown {
			cause.Code, cause.Class = known.Code, known.Class
		}
		break
	}
	cause.Code = first(cause.Code, "job.failed")
	if f.cancelling != nil {
		s.State, s.Code = cancelled, cause.Code
		s.Message = fmt.Sprintf("Site Recovery job %s of %s failed before it was cancelled; the machine still runs in Azure", s.Job, m.Name)
		return s, nil
	}
	a := f.memory.Again[m.Name]
	a.Of, a.Job, a.Refused = s.Job, "", false
	a.fails(cause, f.now.UTC())
	a.Over = !f.triesAgain(&a)
	remember(&f.memory.Again, m.Name, a) // its job is not read again, while others of the case go on
	return f.toBeTried(ctx, m, s, a)
}

// fails takes in what failed, and when.
func (a *again) fails(cause observed.Problem, at time.Time) {
	cause.Message = cut(cause.Message)
	cause.Causes, cause.Action = "", ""
	if a.Alike++; a.Cause.Class != cause.Class || a.First.IsZero() {
		a.Alike = 0
	}
	if a.First.IsZero() {
		a.First = at
	}
	a.Cause, a.At = cause, at
}

// triesAgain says whether a machine may be submitted again after what failed, and notes when.
func (f *follower) triesAgain(a *again) bool {
	look := f.site.Look
	switch {
	case a.Cause.Code == codeNoAgent && f.now.Before(f.e.Time.Add(f.site.AgentWait)):
		a.Next = f.now.Add(look)
	case a.Cause.Class == observed.Temporary && a.Cause.Code != codeNoAgent && a.Alike < mostTries:
		a.Next = f.now.Add(min(look<<a.Alike, 10*look))
	case a.Cause.Class == observed.Operator && !f.late():
		a.Next = f.now.Add(operatorPause(look, a.Alike))
	default:
		return false
	}
	return true
}

// operatorPause is the time until the next try by itself, while somebody mends the cause.
func operatorPause(look time.Duration, tries int) time.Duration {
	return min(firstOperatorPause*look<<min(tries, 5), mostOperatorPause*look)
}

func cut(words string) string {
	if len(words) <= longestWords {
		return words
	}
	return strings.ToValidUTF8(words[:longestWords], "") + "…"
}

// gaveUp ends a machine's way with what failed.
func (f *follower) gaveUp(m events.Machine, s standing, a again) standing {
	s.State, s.Code, s.words, s.Remedy = failed, a.Cause.Code, a.Cause.Message, a.Cause.Remedy
	s.Job = a.Of
	s.Message = a.what(m)
	if a.Tries > 0 {
		s.Message += fmt.Sprintf(", and it was tried %d times", a.Tries+1)
	}
	if s.Remedy == "" {
		s.Remedy = "Look at the job in the portal, mend the cause, then retry the case. The machine still runs in Azure."
	}
	return s
}

// what says what failed.
func (a again) what(m events.Machine) string {
	if a.Of == "" {
		return fmt.Sprintf("Azure refused to start %s", m.Name)
	}
	if a.Refused {
		return fmt.Sprintf("Azure refused to start %s again after job %s had failed", m.Name, a.Of)
	}
	return fmt.Sprintf("Site Recovery job %s of %s failed", a.Of, m.Name)
}

// toBeTried waits until a machine may be submitted again, and does so.
func (f *follower) toBeTried(ctx context.Context, m events.Machine, s standing, a again) (standing, error) {
	if a.Over || a.Cause.Class == observed.Operator && f.late() {
		return f.gaveUp(m, s, a), nil
	}
	if f.cancelling != nil {
		s.State, s.Code, s.Job = cancelled, a.Cause.Code, a.Of
		s.Message = a.what(m) + ", and it was not submitted again; the machine still runs in Azure"
		return s, nil
	}
	s.State, s.Percent, s.Task, s.Job = running, jobShare/3, "to be submitted again", a.Of
	if a.Of == "" {
		s.State, s.Percent = notYet, 0
	}
	item, found := f.vault.Item(m.Item)
	mv := decide(m, item, found, f.vault, a.At)
	if mv.kind == adopt && mv.job != a.Of { // somebody else was quicker
		a.Job = mv.job
		remember(&f.memory.Again, m.Name, a)
		s.Job = mv.job
		return s, nil
	}
	asked, err := f.retryAsked(ctx, a)
	if err != nil {
		return s, err
	}
	noAgent := a.Cause.Code == codeNoAgent && item.AgentRegistered != nil && !*item.AgentRegistered
	if f.now.Before(a.Next) && !asked || noAgent && f.now.Before(f.e.Time.Add(f.site.AgentWait)) {
		s.waits = f.waitAgain(m, a)
		return s, nil
	}
	switch mv.kind {
	case submit:
		return f.submitAgain(ctx, m, s, a, item)
	case stop:
		s.State, s.Code, s.Message, s.Remedy = failed, mv.because.Code, mv.because.Message, mv.because.Remedy
	case hold:
		s.waits = &events.Waiting{For: waiting.ForJob, Code: mv.because.Code, Machines: []string{m.Name}, Message: mv.because.Message, Since: a.At}
	}
	return s, nil
}

// retryAsked says whether somebody asked for another try since the failure.
func (f *follower) retryAsked(ctx context.Context, a again) (bool, error) {
	if a.Cause.Class != observed.Operator {
		return false, nil
	}
	mark, found, err := workflow.Mark(ctx, f.e, events.TypeRetrying)
	return found && mark.Time.After(a.At), err
}

// waitAgain words the wait until the next try.
func (f *follower) waitAgain(m events.Machine, a again) *events.Waiting {
	w := &events.Waiting{
		For: waiting.ForAzure, Code: a.Cause.Code, Machines: []string{m.Name}, Remedy: a.Cause.Remedy, Since: a.First,
		Message: fmt.Sprintf("%s: %s. ", a.what(m), strings.TrimRight(a.Cause.Message, ". ")),
	}
	switch {
	case a.Cause.Code == codeNoAgent:
		w.Message += "It is tried again"
		w.For, w.Until = waiting.ForAgent, f.e.Time.Add(f.site.AgentWait)
	case a.Cause.Class == observed.Operator:
		w.For, w.Until = waiting.ForOperator, f.e.Time.Add(f.site.JobWait)
		w.Message += triedAgain(f.e.Case)
		if w.Remedy == "" {
			w.Remedy = "Look at the job in the portal and mend the cause."
		}
	default:
		w.Message += "It is tried again"
	}
	return w
}

// submitAgain submits a machine once more when it is its turn.
func (f *follower) submitAgain(ctx context.Context, m events.Machine, s standing, a again, item observed.Item) (standing, error) {
	r, problem := submission(m, item, f.vault)
	if problem != nil {
		s.State, s.Code, s.Message, s.Remedy = failed, problem.Code, problem.Message, problem.Remedy
		return s, nil
	}
	alone := f.e.Case + "/" + m.Name
	ask := request(alone, f.e.Request, f.e.Data.Case, f.site.Look)
	ask.Waited, ask.Machines = a.Turn, []admission.Machine{needs(m, item, f.vault)}
	if d := f.queue.Ask(ask, f.vault); d.Outcome != admission.Admitted {
		a.Turn = true
		remember(&f.memory.Again, m.Name, a)
		s.waits = &events.Waiting{For: waitsFor(d), Machines: []string{m.Name}, Message: d.Message, Since: a.At, Place: d.Place}
		return s, nil
	}
	defer f.queue.Leave(alone)
	if err := f.queue.Pace(ctx, 1); err != nil {
		return s, fmt.Errorf("%s was not submitted again: %w", m.Name, err)
	}
	job, err := f.site.Vault.Reprotect(ctx, r)
	fault, ok := observed.FaultOf(err)
	switch {
	case err == nil:
		f.queue.Submitted(m.Item, job)
		s.Job = job
		a.Job, a.Turn, a.Tries, a.Refused = job, false, a.Tries+1, false
		remember(&f.memory.Again, m.Name, a)
		return s, nil
	case !ok || everywhere(fault) || gone(fault): // it may have arrived, or somebody else was quicker
		f.queue.Submitted(m.Item, "")
		f.memory.Unsure = true
		return s, err
	}
	cause := observed.Problem{Code: fault.Code, Class: fault.Class, Message: words(fault), Remedy: fault.Remedy}
	if passing(fault) { // of Azure, and for this machine alone: looks go on. That may last
		f.queue.Submitted(m.Item, "")
		f.memory.Unsure, cause.Class = true, observed.Operator
	}
	a.Tries, a.Turn, a.Refused = a.Tries+1, false, true
	a.fails(cause, f.now.UTC())
	a.Over = !f.triesAgain(&a)
	remember(&f.memory.Again, m.Name, a)
	if a.Over {
		return f.gaveUp(m, s, a), nil
	}
	s.waits = f.waitAgain(m, a)
	return s, nil
}

// cancelJob asks once for the end of a job that runs, and awaits it.
func (f *follower) cancelJob(ctx context.Context, m events.Machine, s standing) (standing, error) {
	if f.cancelling == nil || s.State != running {
		return s, nil
	}
	asked, known := f.memory.Cancel[m.Name]
	if !known {
		err := f.site.Vault.Cancel(ctx, s.Job)
		if fault, ok := observed.FaultOf(err); err != nil && (!ok || passing(fault) && fault.Code != "azure.conflict") {
			return s, err
		}
		asked = f.now.UTC() // when Azure refuses, the job is at its end: the next look shows it
		remember(&f.memory.Cancel, m.Name, asked)
	}
	s.Task = "being cancelled"
	if f.now.Sub(asked) > cancelBound {
		s.State, s.Code = cancelled, "job.cancel-timeout"
		s.Message = fmt.Sprintf("Site Recovery was asked %s ago to end job %s of %s, and it still runs: look at it in the portal", cancelBound, s.Job, m.Name)
		return s, nil
	}
	s.waits = &events.Waiting{
		For: waiting.ForCancel, Machines: []string{m.Name}, Since: asked, Until: asked.Add(cancelBound),
		Message: fmt.Sprintf("Site Recovery job %s of %s was cancelled, and comes to its end", s.Job, m.Name),
	}
	return s, nil
}
