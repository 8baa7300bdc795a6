package executor

import (
	"context"
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/checks"
	"reprotect.example/services/executor/admission"
	"reprotect.example/services/executor/submission"
	"reprotect.example/services/observed"
	"reprotect.example/services/waiting"
	"reprotect.example/services/workflow"
)

// startState is what a case that waits for its start keeps between looks.
type startState struct {
	Said   waiting.Told `json:"said,omitzero"`    // the wait that was told last
	Looks  int          `json:"looks,omitempty"`  // in this wait
	Queued bool         `json:"line,omitempty"`   // it has waited in the admission queue
	Unsure bool         `json:"unsure,omitempty"` // a submission may have arrived unseen: only a fresh look shows it
	Begun  bool         `json:"begun,omitempty"`  // some of its machines are under way
	// Refused is what Azure answered when nothing of the case had started: it is tried again, within a bound.
	Refused *refusal `json:"refused,omitempty"`
}

type startResult = workflow.Result[startState]

// starter takes one case to its start: it observes, plans, and does what is planned.
type starter struct {
	site  Site
	queue *admission.Queue
	clock func() time.Time
	e     workflow.Event[events.Registered]
	c     events.Case

	// What one look shows.
	now        time.Time
	vault      observed.Vault
	moves      []move
	cancelling *events.Cancelling // nil: nobody asked for the end
	retry      time.Time          // when somebody asked last for another try

	state  startState
	queued bool           // it keeps its place in the queue until the next look
	turn   admission.Turn // what it was admitted for
}

// registered answers the last precondition with the submissions.
func (x executor) registered(ctx context.Context, e workflow.Event[events.Registered], before startState) (startResult, error) {
	site, queue, err := x.site(e.Site)
	if err != nil {
		return startResult{}, err
	}
	s := starter{site: site, queue: queue, clock: x.now, e: e, c: e.Data.Case, now: x.now(), state: before}
	var result startResult
	defer func() {
		switch {
		case s.queued:
		case s.state.Begun && (result.After > 0 || err != nil):
			queue.Keep(e.Case, s.turn, 15*site.Look)
		default: // also in a panic
			queue.Leave(e.Case, s.turn)
		}
	}()
	if err = s.observe(ctx); err != nil {
		result, err = s.surroundings(err)
		return result, err
	}
	result, err = s.apply(ctx, s.plan())
	return result, err
}

// observe looks at the vault, and decides about each machine. One that a shared look does not show is looked for once
// more in a fresh one: the shared one may be older than what took the item's place.
func (s *starter) observe(ctx context.Context) (err error) {
	age := s.queue.MaxAge(s.site.Look)
	if s.state.Unsure {
		age = 0
	}
	if s.vault, err = s.site.look(ctx, age, observed.ItemIDs(s.c)...); err != nil {
		return err
	}
	absent := func(m events.Machine) bool {
		_, found := s.vault.Item(m.Item)
		return !found
	}
	if age > 0 && slices.ContainsFunc(s.c.Machines, absent) {
		if s.vault, err = s.site.look(ctx, 0, observed.ItemIDs(s.c)...); err != nil {
			return err
		}
	}
	s.state.Unsure = false
	s.moves = make([]move, len(s.c.Machines))
	for i, m := range s.c.Machines {
		s.moves[i] = sight{c: s.c, i: i, vault: s.vault, since: s.e.Time, owner: s.queue.Owner}.decide()
		if s.moves[i].kind != submit {
			continue
		}
		if job, at := s.queue.Job(m.Item); job != "" && !s.vault.Began.After(at) { // younger than the look
			s.moves[i] = move{kind: adopt, job: job}
		} else if _, problem := submission.Resolve(m, s.item(i), s.vault); problem != nil {
			s.moves[i] = move{kind: stop, because: *problem}
		}
	}
	s.state.Begun = s.under() > 0
	if mark, found, err := workflow.Mark(ctx, s.e, events.TypeCancelling); err != nil {
		return err
	} else if found {
		s.cancelling = &mark.Data
	}
	if s.state.Refused == nil {
		return nil
	}
	mark, found, err := workflow.Mark(ctx, s.e, events.TypeRetrying)
	if found {
		s.retry = mark.Time
	}
	return err
}

// step is what a case does next, after a look.
type step int

const (
	cancelAll  step = iota + 1 // it ends as cancelled
	cancelRest                 // it starts with what is under way, and the others are not started
	failAll                    // it ends as failed
	holdOff                    // another job holds a machine
	awaitAzure                 // what Azure refused is not due yet
	giveUpAll                  // what Azure refused has lasted too long
	rehearse                   // the dry run ends
	submitAll                  // who is to be started asks for admission, and is submitted
)

// plan says what the case does next. It is a pure function of what was observed and kept.
func (s *starter) plan() step {
	under, r := s.under(), s.state.Refused
	switch {
	case s.cancelling != nil && under == 0:
		return cancelAll
	case s.cancelling != nil: // some run already, from before a crash: who follows them cancels them
		return cancelRest
	case s.problems(stop) != nil && under == 0: // else it ends with the others
		return failAll
	case s.problems(hold) != nil:
		return holdOff
	case r != nil && under == 0 && !r.Due && r.over(s.now, s.bound(r)):
		return giveUpAll
	case r != nil && under == 0 && !r.Due && s.now.Before(r.Next) && !s.retry.After(r.At):
		return awaitAzure
	case s.c.DryRun:
		return rehearse
	default:
		return submitAll
	}
}

func (s *starter) apply(ctx context.Context, next step) (startResult, error) {
	switch next { //nolint:exhaustive // submitAll goes on below
	case cancelAll:
		return s.end(workflow.Fact(events.TypeCancelled, events.StepSubmission, events.Cancelled{Case: s.c, Reason: s.cancelling.Reason, Machines: s.states()}))
	case cancelRest:
		return s.goOnWithout(func(i int) events.Problem { return notAnyMore(s.c, i) })
	case failAll:
		return s.fail(s.problems(stop))
	case holdOff:
		held := s.problems(hold)
		return s.wait(events.Waiting{
			For: events.ForJob, Code: held[0].Code, Machines: places(held), Items: s.items(hold), Message: join(held), Since: s.e.Time,
		}, waiting.Pause(s.site.Look, s.state.Looks))
	case giveUpAll:
		return s.fail([]events.Problem{s.state.Refused.problem()})
	case awaitAzure:
		return s.await()
	case rehearse:
		return s.end(workflow.Fact(events.TypeRehearsed, "", events.Rehearsed{Case: s.c, Would: s.c.Machines}))
	}
	if s.state.Refused != nil {
		s.state.Refused.Due = true // until it is submitted, however long it waits for its turn
	}
	if len(s.starting()) > 0 {
		d := s.queue.Ask(s.request(), s.vault)
		if d.Outcome != admission.Admitted {
			return s.waitInQueue(d)
		}
		s.turn = d.Turn
		if result, over, err := s.checkAgain(ctx); over || err != nil {
			return result, err
		}
	}
	return s.submit(ctx)
}

func (s *starter) item(i int) observed.Item {
	item, _ := s.vault.Item(s.c.Machines[i].Item)
	return item
}

// under counts the machines that are on their way already.
func (s *starter) under() (n int) {
	for _, m := range s.moves {
		if m.kind == adopt || m.kind == done {
			n++
		}
	}
	return n
}

// starting are the machines that are to be started, by their places in the case.
func (s *starter) starting() (all []int) {
	for i, m := range s.moves {
		if m.kind == submit {
			all = append(all, i)
		}
	}
	return all
}

// request asks for the start of all that are to be started.
func (s *starter) request() admission.Request {
	r := askFor(s.e.Case, s.e.Request, s.c, s.site.Look)
	r.Waited, r.Begun = s.state.Queued, s.state.Begun
	for i, m := range s.moves {
		if job, known := s.vault.Job(m.job); m.kind == adopt && (!known || !job.Done()) {
			r.Running++
		}
		if m.kind == submit {
			r.Machines = append(r.Machines, needs(s.c.Machines[i], s.item(i), s.vault))
		}
	}
	return r
}

func (s *starter) end(d workflow.Draft) (startResult, error) {
	return startResult{Publish: []workflow.Draft{d}}, nil
}

func (s *starter) fail(because []events.Problem) (startResult, error) {
	return s.end(workflow.Fact(events.TypeFailed, events.StepSubmission, events.Failed{
		Case: &s.c, Code: because[0].Code, Message: join(because), Remedy: because[0].Remedy, Machines: s.states(),
	}))
}

func (s *starter) wait(w events.Waiting, pause time.Duration) (startResult, error) {
	return s.keep(waiting.On(w, s.state.Said, s.now, pause)), nil
}

// keep leaves what is to be known at the next look.
func (s *starter) keep(r workflow.Result[waiting.Told]) startResult {
	s.state.Looks++
	if !r.State.Equal(s.state.Said) {
		s.state.Looks = 0
	}
	s.state.Said = r.State
	return workflow.Keep(r, s.state)
}

func (s *starter) surroundings(err error) (startResult, error) {
	result, err := waiting.Surroundings(err, s.c.Names(), s.state.Said, s.state.Looks, s.now, s.site.Look)
	if err != nil {
		return startResult{}, err
	}
	return s.keep(result), nil
}

func (s *starter) waitInQueue(d admission.Decision) (startResult, error) {
	s.queued, s.state.Queued = true, true
	pause := waiting.Pause(s.site.Look, 0)
	if d.Soonest > 0 { // to the moment, or the starts that are allowed would not be used
		pause = min(d.Soonest, 10*s.site.Look)
	}
	return s.wait(events.Waiting{
		For: waitsFor(d), Machines: s.c.Names(), Message: d.Message, Since: s.e.Time, Place: d.Place,
	}, pause)
}

// started is the case with what runs, and what otherwise says of each machine that was not on its way yet.
func (s *starter) started(otherwise func(i int) events.Job) (startResult, error) {
	c := s.c
	c.Machines, c.RegisteredAt = slices.Clone(c.Machines), s.e.Time
	var jobs []events.Job
	for i, m := range c.Machines {
		j := events.Job{}
		switch s.moves[i].kind {
		case done:
		case adopt:
			j.Job, j.Adopted = s.moves[i].job, true
		default:
			j = otherwise(i)
		}
		j.Machine, j.Item = m.Name, c.Beside(i)
		c.Machines[i].Job = j.Job
		jobs = append(jobs, j)
	}
	return s.end(workflow.Fact(events.TypeStarted, "", events.Started{Case: c, Jobs: jobs}))
}

// goOnWithout ends the start of a case of which some machines are under way already, and says why the others are not.
func (s *starter) goOnWithout(why func(i int) events.Problem) (startResult, error) {
	return s.started(func(i int) events.Job {
		because := why(i)
		return events.Job{Refused: &because}
	})
}

// checkAgain reads everything anew for a case that waited long, and lets the checks judge the machines that are to
// be started. Over says that the case does not go on now.
func (s *starter) checkAgain(ctx context.Context) (result startResult, over bool, err error) {
	if s.now.Sub(s.c.CheckedAt) <= staleAfter {
		return result, false, nil
	}
	vault, err := s.vault, error(nil)
	if s.now.Sub(vault.AsOf()) > staleAfter {
		vault, err = s.site.look(ctx, 0, observed.ItemIDs(s.c)...)
	}
	var inventory observed.Inventory
	if err == nil {
		inventory, err = s.site.Inventory.Inventory(ctx, checks.Query(s.c, vault))
	}
	if err != nil {
		result, err = s.surroundings(err)
		return result, true, err
	}
	s.c.CheckedAt = vault.AsOf().UTC()
	findings := checks.Run(checks.Input{Now: s.now, Case: s.c, Vault: vault, Inventory: inventory, Site: s.site.Checks})
	blocking := slices.DeleteFunc(checks.Blocking(findings), func(f events.Finding) bool {
		return f.Machine != "" && !slices.ContainsFunc(s.starting(), func(i int) bool { return s.concerns(f, i) })
	})
	switch {
	case len(blocking) == 0:
		return result, false, nil
	case !slices.ContainsFunc(blocking, func(f events.Finding) bool { return !strings.HasSuffix(f.Check, ".disk-slots") }):
		result, err = s.waitInQueue(admission.Decision{Outcome: admission.NoDiskSlot, Place: 1, Message: blocking[0].Evidence})
		s.queued = false // others may fit meanwhile
	case s.under() > 0:
		problem := checks.Problems(blocking)[0]
		result, err = s.goOnWithout(func(int) events.Problem { return problem })
	default:
		result, err = s.end(workflow.Fact(events.TypeRejected, events.StepSubmission, events.Rejected{Case: s.c, Findings: findings, Problems: checks.Problems(blocking)}))
	}
	return result, true, err
}

// concerns says whether a finding is about machine i, as far as it tells two of one name apart.
func (s *starter) concerns(f events.Finding, i int) bool {
	m := s.c.Machines[i]
	return strings.EqualFold(f.Machine, m.Name) && (f.Item == "" || observed.NormalID(f.Item) == observed.NormalID(m.Item))
}

// states says of each machine of a case that did not start where it stands.
func (s *starter) states() (all []events.MachineState) {
	for i, m := range s.c.Machines {
		state := events.MachineState{Machine: m.Name, Item: s.c.Beside(i), State: events.StateNotStarted, Code: s.moves[i].because.Code, Message: s.moves[i].because.Message}
		switch s.moves[i].kind {
		case adopt:
			state.State, state.Job, state.Code, state.Message = events.StateRunning, s.moves[i].job, "", ""
		case done:
			state.State = events.StateReplicating
		default: // not started
		}
		all = append(all, state)
	}
	return all
}

func (s *starter) problems(kind moveKind) (found []events.Problem) {
	for _, m := range s.moves {
		if m.kind == kind {
			found = append(found, m.because)
		}
	}
	return found
}

// items are those of the machines of a kind, in their order, where the name of one does not say which it is.
func (s *starter) items(kind moveKind) []string {
	var which []int
	for i, m := range s.moves {
		if m.kind == kind {
			which = append(which, i)
		}
	}
	return itemsOf(s.c, which...)
}

func places(problems []events.Problem) []string {
	var places []string
	for _, p := range problems {
		places = append(places, p.Place)
	}
	return places
}

func join(problems []events.Problem) string {
	var lines []string
	for _, p := range problems {
		lines = append(lines, strings.TrimRight(p.Message, ". ")+".")
	}
	return strings.Join(lines, " ")
}
