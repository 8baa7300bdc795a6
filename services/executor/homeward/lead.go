package homeward

import (
	"context"
	"fmt"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/executor/submission"
	"reprotect.example/services/observed"
	"reprotect.example/services/waiting"
	"reprotect.example/services/workflow"
)

// State is what a handler keeps of its case between looks. All of it can be lost: a redelivery begins anew and comes to
// the same end.
type State struct {
	Kept    kept         `json:"kept,omitzero"`
	Told    waiting.Told `json:"told,omitzero"`    // the wait that was told last
	Said    string       `json:"said,omitempty"`   // the progress that was told last
	Looks   int          `json:"looks,omitempty"`  // since anything was told
	Unsure  bool         `json:"unsure,omitempty"` // a submission may have arrived unseen: only a fresh look shows it
	Refused *refusal     `json:"refused,omitempty"`
}

// Result is what a handler wants done.
type Result = workflow.Result[State]

// leading is one case at one of its steps.
type leading struct {
	way

	site       Site
	sent       *submissions
	c          events.Case
	at         string             // the step that is decided
	cancelling *events.Cancelling // nil: nobody asked for the end
	state      State
}

// task is what a handler leads: which leg, to decide which step, and since when.
type task struct {
	leg    events.Leg
	step   string
	since  time.Time
	begins bool // the machine may be submitted
}

// lead observes: one look at the vault, and whether the case is to end. Where the surroundings cannot be read, the result
// says that it waits for them.
func lead[T any](ctx context.Context, l Leader, e workflow.Event[T], c events.Case, t task, before State) (d *leading, wait *Result, err error) {
	site, err := l.site(e.Site)
	if err != nil {
		return nil, nil, err
	}
	d = &leading{site: site, sent: l.sent, c: c, at: t.step, state: before}
	d.way = way{
		course: courses[t.leg], title: c.Machines[0].Name, machine: c.Machines[0], since: t.since, now: l.now(), look: site.Look, jobWait: site.JobWait,
		begins: t.begins, kept: before.Kept,
	}
	mark, found, err := workflow.Mark(ctx, e, events.TypeCancelling)
	if err != nil {
		return nil, nil, err
	}
	if found {
		d.cancelling = &mark.Data
	}
	if err := d.observe(ctx); err != nil {
		r, err := d.surroundings(err)
		return d, &r, err
	}
	return d, nil, nil
}

// observe looks at the vault. A machine that a shared look does not show is looked for in a fresh one.
func (d *leading) observe(ctx context.Context) (err error) {
	age := d.site.MaxAge(d.look)
	if d.state.Unsure {
		age = 0
	}
	full := observed.ItemIDs(d.c)
	if d.kept.Became != "" {
		full = append(full, d.kept.Became)
	}
	if d.vault, err = d.site.Vault.Vault(ctx, age, full...); err != nil {
		return err
	}
	if d.item, d.found = d.itemNow(); !d.found && age > 0 {
		if d.vault, err = d.site.Vault.Vault(ctx, 0, full...); err != nil {
			return err
		}
		d.item, d.found = d.itemNow()
	}
	if why := d.vault.Unread["jobs"]; why != "" {
		return &observed.Fault{Class: observed.Operator, Code: "azure.unread", Words: why,
			What: fmt.Sprintf("The jobs of vault %s could not be read, and nothing is submitted without them", d.vault.Name)}
	}
	d.state.Unsure = false
	if d.kept.Missing++; d.found {
		d.kept.Missing = 0
		d.title = d.item.Name
	}
	d.alone = len(d.vault.ItemsNamed(d.item.Name)) == 1
	if job, mine := d.sent.of(d.machine.Item, d.leg, d.vault.Began); mine {
		d.unseen = true
		if job != "" {
			d.kept.Job = job
		}
	}
	return nil
}

// itemNow is what the machine is now: the item that its job made of it, or the one that it was.
func (d *leading) itemNow() (observed.Item, bool) {
	for _, id := range []string{d.kept.Became, d.machine.Item} {
		if item, ok := d.vault.Item(id); ok {
			return item, true
		}
	}
	if named := d.vault.ItemsNamed(d.machine.Name); len(named) == 1 && string(named[0].Architecture) == d.machine.Architecture {
		return named[0], true
	}
	return observed.Item{}, false
}

// settle plans for the machine, and reads its job in full where that has ended, until there is something to say.
func (d *leading) settle(ctx context.Context) (step, error) {
	for {
		st := d.plan()
		if st.move != read {
			return st, nil
		}
		job, err := d.site.Vault.Job(ctx, st.job)
		fault, isFault := observed.FaultOf(err)
		switch {
		case isFault && submission.Handle(fault.Code, fault.Class) == submission.LookAfresh && d.kept.Lost < lostAfter:
			d.kept.Lost++
			return step{move: going, job: st.job, task: d.what}, nil
		case isFault && submission.Handle(fault.Code, fault.Class) == submission.LookAfresh:
			return d.way.fails("job.unknown", fmt.Sprintf("Site Recovery does not know job %s, the %s of %s, any more", st.job, d.what, d.title), "Look in the vault where the machine stands, then retry the case."), nil
		case err != nil:
			return st, err
		}
		d.kept.Lost = 0
		d.kept.ended(job, d.what, d.title, d.now)
		if d.kept.Ended != st.job { // the look and the job disagree: the next look tells
			return step{move: going, job: st.job, task: d.what}, nil
		}
	}
}

// usual is what comes of a step that is alike wherever it is found: the machine is on its way, stands still, or has failed.
func (d *leading) usual(st step, state events.State, percent int) (Result, error) {
	switch st.move {
	case going:
		return d.goes(st, state, percent), nil
	case fail:
		return d.fails(st.because), nil
	case hold, await, unsure:
		w := events.Waiting{For: st.why, Code: st.wrong.Code, Message: st.wrong.Message}
		if st.nobody {
			w.For, w.Remedy = events.ForOperator, "Look in the vault where the machine stands."
		}
		return d.waits(w, waiting.Pause(d.look, d.state.Looks)), nil
	case arrived, read, submit: // what comes of these depends on the step
	}
	return Result{}, fmt.Errorf("%s: nothing is known to be done at step %s (%d)", d.title, d.at, st.move)
}

// goes tells what has changed, and looks again: soon while a job runs, for its end is the machine's downtime.
func (d *leading) goes(st step, state events.State, percent int) Result {
	if st.percent != nil {
		percent += *st.percent * (100 - percent) / 100
	}
	m := events.MachineProgress{Machine: d.machine.Name, State: state, Job: st.job, Task: st.task, Percent: percent, Replication: st.percent}
	d.state.Told = waiting.Told{}
	r := Result{}
	if said := fmt.Sprint(state, st.job, st.task, percent); said != d.state.Said {
		d.state.Said, d.state.Looks = said, 0
		r.Publish = []workflow.Draft{workflow.Fact(events.TypeProgressed, "", events.Progressed{Percent: percent, Machines: []events.MachineProgress{m}})}
	} else if d.state.Looks++; d.leg != events.LegProtect || st.percent == nil {
		d.state.Looks = min(d.state.Looks, 1)
	}
	r.After = waiting.Next(d.look, d.state.Looks, d.vault.Began, d.now)
	return d.keep(r)
}

// waits says what the case stands still for: since it does.
func (d *leading) waits(w events.Waiting, pause time.Duration) Result {
	w.Machines = d.c.Names()
	w.Since = d.now.UTC()
	if d.state.Told.For == w.For && !d.state.Told.Since.IsZero() {
		w.Since = d.state.Told.Since
	}
	d.state.Said = ""
	r := waiting.On(w, d.state.Told, d.now, pause)
	if d.state.Looks++; !r.State.Equal(d.state.Told) {
		d.state.Looks = 0
	}
	d.state.Told = r.State
	return d.keep(Result{Publish: r.Publish, After: r.After})
}

func (d *leading) keep(r Result) Result {
	d.state.Kept = d.kept
	r.State = d.state
	return r
}

func (d *leading) surroundings(err error) (Result, error) {
	r, err := waiting.Surroundings(err, d.c.Names(), d.state.Told, d.state.Looks, d.now, d.look)
	if err != nil {
		return Result{}, err
	}
	d.state.Told, d.state.Said = r.State, ""
	d.state.Looks++
	return d.keep(Result{Publish: r.Publish, After: r.After}), nil
}

func end(drafts ...workflow.Draft) Result { return Result{Publish: drafts} }

// fails ends the case: what happened, Azure's words, and where the machine stands now.
func (d *leading) fails(f failure) Result {
	stands := d.stands()
	return end(workflow.Fact(events.TypeFailed, d.at, events.Failed{
		Case: &d.c, Code: f.Code, Message: strings.TrimRight(f.Message, ". ") + ". " + stands, Words: f.Words, Remedy: f.Remedy,
		Machines: []events.MachineState{{Machine: d.machine.Name, State: events.StateFailed, Job: d.kept.Job, Code: f.Code, Message: f.Message, Remedy: f.Remedy}},
	}))
}

// cancels ends the case on demand, with the machine left where it stands.
func (d *leading) cancels(state events.State) Result {
	return end(workflow.Fact(events.TypeCancelled, d.at, events.Cancelled{
		Case: d.c, Reason: d.cancelling.Reason, Machines: []events.MachineState{{Machine: d.machine.Name, State: state, Job: d.kept.Job, Message: d.stands()}},
	}))
}
