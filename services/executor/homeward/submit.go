package homeward

import (
	"context"
	"fmt"
	"slices"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/checks"
	"reprotect.example/services/executor/submission"
	"reprotect.example/services/observed"
	"reprotect.example/services/readiness"
	"reprotect.example/services/waiting"
	"reprotect.example/services/workflow"
)

// refusal is Azure's answer to a submission.
type refusal struct {
	Do    submission.Handling `json:"do"`
	First time.Time           `json:"first"` // of the first refusal alike
	Next  time.Time           `json:"next"`  // when it is tried again
	Tries int                 `json:"tries"` // alike
	Why   failure             `json:"why"`
}

// staleAfter is the age at which what a case was judged by is read and judged again before it is submitted.
const staleAfter = 10 * time.Minute

// Submit answers validated: the job of the leg is started, or found to run.
func (l Leader) Submit(ctx context.Context, e workflow.Event[events.Validated], before State) (Result, error) {
	c := e.Data.Case
	if c.Leg == events.LegReprotect {
		return Result{}, nil // the datastore service answers
	}
	d, wait, err := lead(ctx, l, e, c, task{leg: c.Leg, step: events.StepSubmission, since: e.Time, begins: true}, before)
	if wait != nil || err != nil {
		return deref(wait), err
	}
	st := d.plan()
	under := st.move == going || st.move == read || st.move == await || st.move == arrived || st.move == fail && st.job != ""
	switch {
	case d.unseen && st.job == "": // its answer was lost
		return d.usual(st, events.StateNotStarted, 10)
	case under && c.DryRun:
		return d.rehearsed(), nil
	case under:
		return d.started(st.job, true), nil
	case d.cancelling != nil:
		return d.cancels(events.StateNotStarted), nil
	case st.move == fail && st.because.Code == "readiness.stage":
		return d.rejected(nil, []events.Problem{{Code: st.because.Code, Place: d.machine.Name, Message: st.because.Message, Remedy: st.because.Remedy}}), nil
	case st.move != submit:
		return d.usual(st, events.StateNotStarted, 10)
	case c.DryRun:
		return d.rehearsed(), nil
	}
	if d.now.Sub(c.CheckedAt) > staleAfter && d.site.Recheck != nil {
		findings, err := d.site.Recheck(ctx, c, d.vault)
		if err != nil {
			return d.surroundings(err)
		}
		if blocking := checks.Blocking(findings); len(blocking) > 0 {
			return d.rejected(findings, checks.Problems(blocking)), nil
		}
	}
	job, result, err := d.send(ctx)
	if result != nil || err != nil {
		return deref(result), err
	}
	return d.started(job, false), nil
}

func (d *leading) started(job string, adopted bool) Result {
	c := d.c
	c.Machines = slices.Clone(c.Machines)
	c.Machines[0].Job = job
	return end(workflow.Fact(events.TypeStarted, "", events.Started{Case: c, Jobs: []events.Job{{Machine: d.machine.Name, Job: job, Adopted: adopted && job != ""}}}))
}

func (d *leading) rehearsed() Result {
	return end(workflow.Fact(events.TypeRehearsed, "", events.Rehearsed{Case: d.c, Would: d.c.Machines}))
}

func (d *leading) rejected(findings []events.Finding, problems []events.Problem) Result {
	return end(workflow.Fact(events.TypeRejected, d.at, events.Rejected{Case: d.c, Findings: findings, Problems: problems}))
}

// send submits the machine, once. Without an error and a result the job is Azure's answer.
func (d *leading) send(ctx context.Context) (job string, result *Result, err error) {
	if r := d.state.Refused; r != nil && d.now.Before(r.Next) {
		w := d.refused(*r)
		return "", &w, nil
	}
	if _, mine := d.sent.claim(d.machine.Item, d.leg, d.vault.Began); !mine {
		w := d.goes(step{task: "submitted"}, events.StateRunning, 10) // by another delivery: a look will show it
		return "", &w, nil
	}
	sent := false
	defer func() { d.sent.settle(d.machine.Item, d.leg, job, sent, d.now) }()
	call, f, err := d.call(ctx)
	switch {
	case f != nil:
		w := d.waits(events.Waiting{For: events.ForOperator, Code: f.Code, Message: f.Message, Remedy: f.Remedy}, waiting.Pause(d.look, d.state.Looks))
		return "", &w, nil
	case err != nil:
		r, err := d.surroundings(err)
		return "", &r, err
	}
	turn, cancel := context.WithTimeout(ctx, d.look)
	defer cancel()
	if err := d.site.Pace(turn); err != nil {
		if ctx.Err() != nil {
			return "", nil, fmt.Errorf("%s was not submitted: %w", d.title, err)
		}
		w := d.waits(events.Waiting{For: events.ForTurn, Message: fmt.Sprintf("The %s of %s waits for its turn: as many are submitted as the site's starts a minute allow", d.what, d.title)}, waiting.Pause(d.look, 0))
		return "", &w, nil
	}
	job, err = call(ctx)
	if err == nil {
		sent, d.kept.Job, d.state.Refused = true, job, nil
		return job, nil, nil
	}
	fault, ok := observed.FaultOf(err)
	if !ok {
		sent, d.state.Unsure = true, true // it may have arrived
		return "", nil, err
	}
	do := submission.Handle(fault.Code, fault.Class)
	sent, d.state.Unsure = do.Uncertain(), do.Uncertain()
	if do == submission.Bear {
		r, err := d.surroundings(err)
		return "", &r, err
	}
	r := d.takes(fault, do)
	return "", &r, nil
}

// takes keeps what Azure answered: it is tried again within its bounds, or the case ends.
func (d *leading) takes(fault *observed.Fault, do submission.Handling) Result {
	why := failure{Code: fault.Code, Message: fmt.Sprintf("Azure refused the %s of %s", d.what, d.title), Words: submission.Cut(submission.Words(fault)), Remedy: fault.Remedy}
	r := refusal{Do: do, First: d.now.UTC(), Why: why}
	if b := d.state.Refused; b != nil && b.Do == do {
		r.First, r.Tries = b.First, b.Tries+1
	}
	over := do == submission.GiveUp || do.Counted() && r.Tries >= submission.MostTries || d.now.Sub(r.First) > d.jobWait
	if over {
		return d.fails(why)
	}
	r.Next = d.now.Add(do.Pause(d.look, r.Tries)).UTC()
	d.state.Refused = &r
	return d.refused(r)
}

// refused waits until what Azure refused is tried again.
func (d *leading) refused(r refusal) Result {
	w := events.Waiting{For: events.ForAzure, Code: r.Why.Code, Message: r.Why.Message + ": " + r.Why.Words, Remedy: r.Why.Remedy, Until: r.First.Add(d.jobWait)}
	if r.Do == submission.AwaitOperator || r.Do == submission.AwaitAgent {
		w.For = events.ForOperator
	}
	return d.waits(w, max(r.Next.Sub(d.now), d.look/10))
}

// call is the request of the leg. A failure is that somebody has to choose first.
func (d *leading) call(ctx context.Context) (send func(context.Context) (string, error), choose *failure, err error) {
	v, i := d.site.Vault, d.item
	switch d.leg {
	case events.LegFailback:
		point := observed.CrashConsistent
		if d.c.Point == events.ApplicationConsistent {
			point = observed.ApplicationConsistent
		}
		return func(ctx context.Context) (string, error) { return v.Failback(ctx, i, point) }, nil, nil
	case events.LegCommit:
		return func(ctx context.Context) (string, error) { return v.Commit(ctx, i) }, nil, nil
	case events.LegWithdraw:
		return func(ctx context.Context) (string, error) { return v.CancelFailover(ctx, i) }, nil, nil
	case events.LegProtect:
		forward, choose, err := d.forward(ctx)
		return func(ctx context.Context) (string, error) { return v.ReprotectForward(ctx, i, forward) }, choose, err
	case events.LegReprotect:
	}
	return nil, nil, fmt.Errorf("nothing submits the leg %q", d.leg)
}

// forward chooses how the machine is protected to Azure again.
func (d *leading) forward(ctx context.Context) (f observed.Forward, choose *failure, err error) {
	var accounts []observed.RunAsAccount
	if fabric, ok := d.vault.Fabric(d.item.FabricID); ok && d.item.Architecture == observed.Modernized && fabric.SiteID != "" {
		accounts, err = d.site.Vault.RunAsAccounts(ctx, fabric.SiteID)
		if fault, isFault := observed.FaultOf(err); isFault && fault.Class != observed.Temporary {
			err = nil // it may not be allowed: then what the machine had counts
		}
		if err != nil {
			return f, nil, err
		}
	}
	f, unclear := d.vault.ForwardOf(d.item, accounts, "")
	if wanted := d.site.RunAsAccount(d.machine.OS); unclear != nil && wanted != "" {
		f, unclear = d.vault.ForwardOf(d.item, accounts, wanted)
	}
	if unclear != nil {
		row := failure{Code: "protect.choice", Message: fmt.Sprintf("It is not known how %s is to be protected to Azure: %v", d.title, unclear)}
		row.Remedy = "Name it in the config (a run-as account under sites.SITE.defaults.runAsAccount), correct it in the vault, or protect the machine there: the case finds it protected then."
		return f, &row, nil
	}
	return f, nil, nil
}

// stands says where the machine stands that a case is left with.
func (d *leading) stands() string {
	if !d.found {
		return "Where it stands is not known."
	}
	return readiness.Standing(d.item)
}

func deref(r *Result) Result {
	if r == nil {
		return Result{}
	}
	return *r
}
