package executor

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/executor/submission"
	"reprotect.example/services/observed"
	"reprotect.example/services/workflow"
)

// refusal is Azure's answer to a submission when nothing of the case had started.
type refusal struct {
	Machine string              `json:"machine"`
	Title   string              `json:"title,omitempty"` // what people call it
	Item    string              `json:"item,omitempty"`  // where its name does not say which machine it is
	Do      submission.Handling `json:"do,omitempty"`
	Code    string              `json:"code"`
	Message string              `json:"message"`
	Remedy  string              `json:"remedy"`
	First   time.Time           `json:"first"` // of the first refusal
	At      time.Time           `json:"at"`    // of the last one
	Next    time.Time           `json:"next"`  // when it is tried again by itself
	Tries   int                 `json:"tries"` // before, of this kind
	Due     bool                `json:"due,omitempty"`
}

func (r *refusal) handling() submission.Handling {
	return cmp.Or(r.Do, submission.AwaitOperator) // as it was kept before there were others
}

func (r *refusal) problem() events.Problem {
	return events.Problem{Code: r.Code, Place: r.Machine, Message: r.Message, Remedy: r.Remedy}
}

// over says whether a refusal has lasted too long to be tried again. What waits for the agent, or is tried a few
// times, ends with its next refusal.
func (r *refusal) over(now, bound time.Time) bool {
	switch r.handling() {
	case submission.AwaitAgent, submission.TryAgain:
		return false
	default: // those that may last
	}
	return now.After(bound)
}

// bound is when a refusal has lasted too long: counted from the first one, for the case may have waited long before.
func (s *starter) bound(r *refusal) time.Time { return r.First.Add(s.site.JobWait) }

// submit starts what is to be started. Every machine of the case may start now; what a crash or a passing error
// leaves undone is taken up at the next delivery, where what runs is adopted.
func (s *starter) submit(ctx context.Context) (startResult, error) {
	jobs := map[int]events.Job{}
	cancelled := false
	for i := range s.c.Machines {
		switch s.moves[i].kind {
		case submit:
		case stop:
			jobs[i] = events.Job{Refused: &s.moves[i].because}
			continue
		default:
			continue
		}
		if len(jobs) > 0 && !cancelled {
			var err error
			if _, cancelled, err = workflow.Mark(ctx, s.e, events.TypeCancelling); err != nil {
				return startResult{}, err
			}
		}
		if cancelled {
			because := notAnyMore(s.c, i)
			jobs[i] = events.Job{Refused: &because}
			continue
		}
		job, fault, err := s.submitOne(ctx, i)
		if err != nil {
			return startResult{}, err
		}
		if fault != nil {
			result, settled, err := s.refused(i, fault, &job)
			if !settled || err != nil {
				return result, err
			}
			if job.Refused != nil && !s.state.Begun { // a group is complete, or nothing of it starts (S37)
				return s.fail([]events.Problem{*job.Refused})
			}
		}
		jobs[i] = job
		s.state.Begun = true
	}
	return s.started(func(i int) events.Job { return jobs[i] })
}

// submitOne submits one machine, in the site's pace. A fault is Azure's answer; err is anything else.
func (s *starter) submitOne(ctx context.Context, i int) (job events.Job, fault *observed.Fault, err error) {
	m := s.c.Machines[i]
	r, problem := submission.Resolve(m, s.item(i), s.vault)
	if problem != nil { // the look has shown that it can be resolved
		return job, nil, fmt.Errorf("%s was not submitted: %s", title(s.c, i), problem.Message)
	}
	if err := s.queue.Pace(ctx, len(s.c.Machines)); err != nil {
		return job, nil, fmt.Errorf("%s was not submitted: %w", title(s.c, i), err)
	}
	job.Job, err = s.site.Vault.Reprotect(ctx, r)
	if err == nil {
		s.queue.Submitted(m.Item, job.Job)
		return job, nil, nil
	}
	fault, ok := observed.FaultOf(err)
	if !ok {
		return job, nil, err
	}
	return job, fault, nil
}

// refused says what a refusal means for machine i, as the table of handlings has it. Settled: the machine's own way
// goes on, or has ended, as the job says. Else the case waits; once something of it has started, the others do not
// wait for the one, unless Azure is not to be had.
func (s *starter) refused(i int, fault *observed.Fault, job *events.Job) (result startResult, settled bool, err error) {
	do := submission.Handle(fault.Code, fault.Class)
	if do.Uncertain() {
		s.state.Unsure = true
		if do != submission.LookAfresh { // its reservation stands until a look shows otherwise
			s.queue.Submitted(s.c.Machines[i].Item, "")
		}
	}
	tries := 0
	if before := s.state.Refused; before != nil && before.handling() == do {
		tries = before.Tries + 1
	}
	late := do == submission.AwaitAgent && !s.now.Before(agentDeadline(s.site, s.e.Time)) || do.Counted() && tries >= submission.MostTries
	switch {
	case do == submission.Bear:
		result, err = s.surroundings(fault)
		return result, false, err
	case do != submission.GiveUp && !late && !s.state.Begun:
		result, err = s.tryLater(i, fault, do, tries)
		return result, false, err
	}
	job.Refused = &events.Problem{Code: fault.Code, Place: s.c.Machines[i].Name, Message: submission.Words(fault), Remedy: fault.Remedy}
	job.Again = do != submission.GiveUp && !late
	return result, true, nil
}

// tryLater keeps what Azure refused, and waits.
func (s *starter) tryLater(i int, fault *observed.Fault, do submission.Handling, tries int) (startResult, error) {
	at := s.clock().UTC()
	r := &refusal{
		Machine: s.c.Machines[i].Name, Title: title(s.c, i), Item: s.c.Beside(i), Do: do,
		Code: fault.Code, Message: submission.Cut(submission.Words(fault)), Remedy: fault.Remedy, First: at, At: at, Tries: tries,
		Next: at.Add(max(do.Pause(s.site.Look, tries), fault.After)),
	}
	if before := s.state.Refused; before != nil {
		r.First = before.First
	}
	if do == submission.AwaitAgent {
		r.Next = lastTry(r.Next, at.Add(fault.After), agentDeadline(s.site, s.e.Time))
	}
	s.state.Refused = r
	return s.await()
}

// await words the wait until the next try of what Azure refused.
func (s *starter) await() (startResult, error) {
	r := s.state.Refused
	w := events.Waiting{For: events.ForAzure, Code: r.Code, Machines: []string{r.Machine}, Remedy: r.Remedy, Since: r.First, Until: s.bound(r)}
	if r.Item != "" {
		w.Items = []string{r.Item}
	}
	said := fmt.Sprintf("Azure refused to start %s: %s. Nothing of the case has started. ", cmp.Or(r.Title, r.Machine), strings.TrimRight(r.Message, ". "))
	pause := 2 * s.site.Look // a retry that somebody asks for is to be seen soon
	switch r.handling() {
	case submission.AwaitAgent:
		w.For, w.Since, w.Until, w.Message = events.ForAgent, s.e.Time, agentDeadline(s.site, s.e.Time), r.Message
		pause = max(r.Next.Sub(s.now), s.site.Look/2)
	case submission.AwaitOperator:
		w.For, w.Message = events.ForOperator, said+triedAgain(s.e.Case)
	default:
		w.Message = said + triedSoFar(r.Tries)
		pause = min(max(r.Next.Sub(s.now), s.site.Look/2), pause)
	}
	if r.handling().Counted() {
		w.Until = time.Time{} // it ends with its last try
	}
	return s.wait(w, pause)
}
