package executor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/executor/admission"
	"reprotect.example/services/executor/homeward"
	"reprotect.example/services/executor/submission"
	"reprotect.example/services/observed"
	"reprotect.example/services/waiting"
	"reprotect.example/services/workflow"
)

// followState is what following a case keeps between looks. All of it can be lost: a redelivery begins anew and comes
// to the same end.
type followState struct {
	Said      string                  `json:"said,omitempty"`      // the progress that was told last
	Outage    waiting.Told            `json:"outage,omitzero"`     // the surroundings that could not be read at the last look
	Told      map[string]waiting.Told `json:"told,omitempty"`      // the waits that were told last, each by what it is for and its code
	Moved     time.Time               `json:"moved,omitzero"`      // when something changed last
	Still     int                     `json:"still,omitempty"`     // looks since
	Unsure    bool                    `json:"unsure,omitempty"`    // a submission may have arrived unseen: only a fresh look shows it
	Machines  map[string]known        `json:"machines,omitempty"`  // by item
	Violation string                  `json:"violation,omitempty"` // code of the last one that the guard told of no machine in particular
	Homeward  homeward.State          `json:"homeward,omitzero"`   // of a case that leads its machine home
}

type followResult = workflow.Result[followState]

// follower follows one case to its end: it observes, plans, does what is planned, and reports.
type follower struct {
	view

	queue    *admission.Queue
	e        workflow.Event[events.Started]
	cancel   *events.Cancelling // nil: nobody asked for the end
	machines []machine
	state    followState
}

// started follows the jobs of a case, and then its machines, until all have come to rest.
func (x executor) started(ctx context.Context, e workflow.Event[events.Started], before followState) (followResult, error) {
	if e.Data.Case.Leg != events.LegReprotect {
		r, err := x.home.Follow(ctx, e, before.Homeward)
		return workflow.Keep(r, followState{Homeward: r.State}), err
	}
	site, queue, err := x.site(e.Site)
	if err != nil {
		return followResult{}, err
	}
	f := &follower{queue: queue, e: e, state: before, view: view{
		c: e.Data.Case, id: e.Case, began: e.Time, registered: e.Data.Case.RegisteredAt, site: site, now: x.now(), ours: queue.Job, owner: queue.Owner,
	}}
	if f.registered.IsZero() {
		f.registered = e.Time // an older version did not say
	}
	if f.state.Outage == (waiting.Told{}) { // until 2026 it stood in Said
		f.state.Outage = waiting.FromText(f.state.Said)
	}
	if f.state.Moved.IsZero() {
		f.state.Moved = e.Time
	}
	if err := f.observe(ctx); err != nil {
		return f.surroundings(err)
	}
	for i := range f.machines {
		if err := f.settle(ctx, &f.machines[i]); err != nil {
			return f.surroundings(err)
		}
	}
	if slices.ContainsFunc(f.machines, func(m machine) bool { return !m.stand.rests() }) {
		return f.goOn(), nil
	}
	for _, m := range f.machines {
		queue.Leave(f.requestID(m), 0)
	}
	return followResult{Publish: []workflow.Draft{f.end()}}, nil
}

// observe reads the marks of the case and looks at the vault.
func (f *follower) observe(ctx context.Context) error {
	for i, m := range f.c.Machines {
		f.machines = append(f.machines, machine{Machine: m, place: i, known: f.state.Machines[observed.NormalID(m.Item)]})
	}
	for n, job := range f.e.Data.Jobs {
		i := f.c.Find(job.Machine, job.Item)
		if i < 0 && n < len(f.machines) { // two of one name, told apart by nothing: in the order of the case
			i = n
		}
		if i >= 0 {
			f.machines[i].first = job
		}
	}
	if err := f.marks(ctx); err != nil {
		return err
	}
	age := f.queue.MaxAge(f.site.Look)
	if f.state.Unsure {
		age = 0
	}
	var err error
	if f.vault, err = f.site.look(ctx, age, observed.ItemIDs(f.c)...); err != nil {
		return err
	}
	f.state.Unsure = false
	f.became = make([]observed.Item, len(f.machines))
	for i, m := range f.machines {
		f.became[i], _ = f.vault.Item(m.known.Became)
	}
	for i := range f.machines {
		m := &f.machines[i]
		item := f.itemOf(*m)
		if bytes := item.Replication.ProcessedBytes; item.ReversedOnce() && bytes != m.known.Bytes { // it moves, though that is not worth an event
			f.state.Moved, m.known.Bytes = f.now, bytes
		}
	}
	f.moved = f.state.Moved
	return nil
}

// marks reads what others told the case: that it is to end, or to try again, and what the guard saw.
func (f *follower) marks(ctx context.Context) error {
	cancelling, found, err := workflow.Mark(ctx, f.e, events.TypeCancelling)
	if err != nil {
		return err
	}
	if found {
		f.cancel, f.cancelling = &cancelling.Data, true
	}
	violated, found, err := workflow.Mark(ctx, f.e, events.TypeViolated)
	if err != nil {
		return err
	}
	if found {
		if i := f.c.Find(violated.Data.Machine, violated.Data.Item); i >= 0 {
			f.machines[i].known.Violation = violated.Data.Code
		} else {
			f.state.Violation = violated.Data.Code
		}
	}
	if !slices.ContainsFunc(f.machines, func(m machine) bool { return m.known.Failure != nil && !m.known.Failure.Settled || m.first.Again }) {
		return nil
	}
	retrying, found, err := workflow.Mark(ctx, f.e, events.TypeRetrying)
	if found {
		f.retry = retrying.Time
	}
	return err
}

// settle plans for a machine, and does what is planned, until it can be said where it stands.
func (f *follower) settle(ctx context.Context, m *machine) error {
	for {
		planned, do := f.plan(*m)
		*m = planned
		var err error
		switch do {
		case nothing:
			if m.stand.runs {
				f.queue.Occupied(f.e.Case, needs(m.Machine, m.item, f.vault), m.stand.Job, f.vault)
			}
			return nil
		case readJob:
			err = f.readJob(ctx, m)
		case resubmit:
			err = f.resubmit(ctx, m)
		case cancelJob:
			err = f.cancelJob(ctx, m)
		}
		f.keep(*m)
		if err != nil {
			return err
		}
	}
}

// keep takes what is known of a machine over into what stays between looks.
func (f *follower) keep(m machine) {
	if f.state.Machines == nil {
		f.state.Machines = map[string]known{}
	}
	f.state.Machines[observed.NormalID(m.Item)] = m.known
}

func (f *follower) readJob(ctx context.Context, m *machine) error {
	job, err := f.site.Vault.Job(ctx, m.stand.Job)
	m.read = &reading{job: job}
	if err == nil {
		return nil
	}
	fault, ok := observed.FaultOf(err)
	if !ok || submission.Handle(fault.Code, fault.Class) == submission.Bear {
		return err
	}
	m.read.fault = fault
	return nil
}

// cancelJob asks for the end of a job that runs. When Azure refuses, the job is at its end, as the next look shows;
// when it is not known what became of the call, it is asked again.
func (f *follower) cancelJob(ctx context.Context, m *machine) error {
	err := f.site.Vault.Cancel(ctx, m.stand.Job)
	do := submission.Handling(0)
	if err != nil {
		fault, ok := observed.FaultOf(err)
		if !ok {
			return err
		}
		if do = submission.Handle(fault.Code, fault.Class); do == submission.Bear {
			return err
		}
	}
	m.asked, m.known.CancelTaken = true, do != submission.AwaitAzure
	if m.known.Cancel.IsZero() {
		m.known.Cancel = f.now.UTC()
	}
	return nil
}

// requestID is under what a machine asks the queue for its turn to be submitted again.
func (f *follower) requestID(m machine) string { return f.e.Case + "/" + observed.NormalID(m.Item) }

// resubmit submits a machine once more when it is its turn.
func (f *follower) resubmit(ctx context.Context, m *machine) error {
	failure := *m.known.Failure
	m.known.Failure, m.tried = &failure, true
	id := f.requestID(*m)
	ask := askFor(id, f.e.Request, f.c, f.site.Look)
	ask.Waited, ask.Machines = failure.Queued, []admission.Machine{needs(m.Machine, m.item, f.vault)}
	d := f.queue.Ask(ask, f.vault)
	if d.Outcome != admission.Admitted {
		failure.Queued = true
		m.queued = f.waits(*m, events.Waiting{For: waitsFor(d), Message: d.Message, Since: failure.At, Place: d.Place})
		return nil
	}
	defer f.queue.Leave(id, d.Turn)
	r, problem := submission.Resolve(m.Machine, m.item, f.vault)
	if problem != nil { // the plan has seen that it can be resolved
		return fmt.Errorf("%s was not submitted again: %s", f.title(*m), problem.Message)
	}
	if err := f.queue.Pace(ctx, 1); err != nil {
		return fmt.Errorf("%s was not submitted again: %w", f.title(*m), err)
	}
	job, err := f.site.Vault.Reprotect(ctx, r)
	if err == nil {
		f.queue.Submitted(m.Item, job)
		m.submitted(job)
		m.known.Failure.Tries++
		return nil
	}
	fault, ok := observed.FaultOf(err)
	do := submission.Bear
	if ok {
		do = submission.Handle(fault.Code, fault.Class)
	}
	if do.Uncertain() { // it may have arrived, or somebody else was quicker
		f.queue.Submitted(m.Item, "")
		f.state.Unsure = true
	}
	if do == submission.Bear {
		return err
	}
	failure.Refused, failure.Queued, failure.Tries = true, false, failure.Tries+1
	f.fails(&failure, observed.Problem{Code: fault.Code, Class: fault.Class, Message: submission.Words(fault), Remedy: fault.Remedy}, do)
	return nil
}

func (f *follower) surroundings(err error) (followResult, error) {
	for _, m := range f.machines { // what was found out of the others stays
		f.keep(m)
	}
	r, err := waiting.Surroundings(err, f.c.Names(), f.state.Outage, f.state.Still, f.now, f.site.Look)
	f.state.Outage, f.state.Said = r.State, "" // progress is told anew when all can be read again
	f.state.Still++
	return workflow.Keep(r, f.state), err
}
