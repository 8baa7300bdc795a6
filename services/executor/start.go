package executor

import (
	"context"
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/checks"
	"reprotect.example/services/executor/admission"
	"reprotect.example/services/observed"
	"reprotect.example/services/waiting"
	"reprotect.example/services/workflow"
)

// patience is what a case that waits for its start keeps between looks.
type patience struct {
	Said   waiting.Told `json:"said,omitzero"`    // the wait that was told last
	Looks  int          `json:"looks,omitempty"`  // in this wait
	Queued bool         `json:"line,omitempty"`   // it has waited in the admission queue
	Unsure bool         `json:"unsure,omitempty"` // a submission may have arrived unseen: only a fresh look shows it
	Tries  int          `json:"tries,omitempty"`  // refusals that pass
	Begun  bool         `json:"begun,omitempty"`  // some of its machines are under way
	// Refused is what an operator has to mend before the case can start.
	Refused *refusal `json:"refused,omitempty"`
}

// refusal is Azure's answer to a submission that somebody has to do something about. Nothing of the case has started.
type refusal struct {
	Machine string    `json:"machine"`
	Code    string    `json:"code"`
	Message string    `json:"message"`
	Remedy  string    `json:"remedy"`
	First   time.Time `json:"first"` // of the first refusal
	At      time.Time `json:"at"`    // of the last one
	Next    time.Time `json:"next"`  // when it is tried again by itself
	Tries   int       `json:"tries"`
	Due     bool      `json:"due,omitempty"` // it is on its way to the next try
}

// registered answers the last precondition with the submissions.
func (x executor) registered(ctx context.Context, e workflow.Event[events.Registered], before patience) (workflow.Result[patience], error) {
	site, queue, err := x.site(e.Site)
	if err != nil {
		return workflow.Result[patience]{}, err
	}
	s := starter{site: site, queue: queue, e: e, c: e.Data.Case, now: x.now(), memory: before}
	var result workflow.Result[patience]
	defer func() {
		switch {
		case s.queued:
		case s.memory.Begun && (result.After > 0 || err != nil):
			queue.Keep(e.Case, 15*site.Look)
		default: // also in a panic
			queue.Leave(e.Case)
		}
	}()
	result, err = s.start(ctx)
	return result, err
}

// starter takes one case to its start.
type starter struct {
	site   Site
	queue  *admission.Queue
	e      workflow.Event[events.Registered]
	c      events.Case
	now    time.Time
	vault  observed.Vault
	items  map[string]observed.Item // by id as in the case
	moves  []move
	memory patience
	queued bool // it keeps its place until the next look
}

func (s *starter) start(ctx context.Context) (workflow.Result[patience], error) {
	age := s.queue.MaxAge(s.site.Look)
	if s.memory.Unsure {
		age = 0
	}
	if err := s.look(ctx, age); err != nil {
		return s.surroundings(err)
	}
	s.memory.Unsure = false
	cancelling, cancelled, err := workflow.Mark(ctx, s.e, events.TypeCancelling)
	if err != nil {
		return workflow.Result[patience]{}, err
	}
	under, starting := s.count()
	s.memory.Begun = under > 0
	switch {
	case cancelled && under == 0:
		return s.end(workflow.Fact(events.TypeCancelled, events.StepSubmission, events.Cancelled{
			Case: s.c, Reason: cancelling.Data.Reason, Machines: states(s.c, s.moves),
		}))
	case cancelled: // some run already, from before a crash: who follows them cancels them
		return s.goOnWithout(notAnyMore)
	}
	if blocked := problems(s.moves, stop); blocked != nil && under == 0 { // else it ends with the others
		return s.end(workflow.Fact(events.TypeFailed, events.StepSubmission, notStarted(s.c, s.moves, blocked)))
	}
	if held := problems(s.moves, hold); held != nil {
		return s.wait(events.Waiting{
			For: waiting.ForJob, Code: held[0].Code, Machines: places(held), Message: join(held), Since: s.e.Time,
		}, waiting.Pause(s.site.Look, s.memory.Looks))
	}
	if s.memory.Refused != nil && !s.memory.Begun {
		if result, waits, err := s.awaitOperator(ctx); waits || err != nil {
			return result, err
		}
	}
	if s.c.DryRun {
		return s.end(workflow.Fact(events.TypeRehearsed, "", events.Rehearsed{Case: s.c, Would: s.c.Machines}))
	}
	if len(starting) > 0 {
		r := request(s.e.Case, s.e.Request, s.c, s.site.Look)
		r.Waited, r.Begun, r.Running = s.memory.Queued, s.memory.Begun, s.running()
		for _, m := range starting {
			r.Machines = append(r.Machines, needs(m, s.items[m.Item], s.vault))
		}
		if d := s.queue.Ask(r, s.vault); d.Outcome != admission.Admitted {
			return s.waitForTurn(d)
		}
		if result, done, err := s.checkAgain(ctx, under, starting); done || err != nil {
			return result, err
		}
	}
	return s.submitAll(ctx)
}

// count says how many machines of the case are on their way already, and which are to be started.
func (s *starter) count() (under int, starting []events.Machine) {
	for i, m := range s.c.Machines {
		switch s.moves[i].kind {
		case adopt, done:
			under++
		case submit:
			starting = append(starting, m)
		}
	}
	return under, starting
}

// running counts the jobs of the case that run already.
func (s *starter) running() (n int) {
	for _, m := range s.moves {
		if job, known := s.vault.Job(m.job); m.kind == adopt && (!known || !job.Done()) {
			n++
		}
	}
	return n
}

func (s *starter) end(d workflow.Draft) (workflow.Result[patience], error) {
	return workflow.Result[patience]{Publish: []workflow.Draft{d}}, nil
}

func (s *starter) wait(w events.Waiting, pause time.Duration) (workflow.Result[patience], error) {
	return s.keep(waiting.On(w, s.memory.Said, s.now, pause)), nil
}

// keep leaves what is to be known at the next look.
func (s *starter) keep(r workflow.Result[waiting.Told]) workflow.Result[patience] {
	s.memory.Looks++
	if !r.State.Equal(s.memory.Said) {
		s.memory.Said, s.memory.Looks = r.State, 0
	}
	return workflow.Keep(r, s.memory)
}

func (s *starter) surroundings(err error) (workflow.Result[patience], error) {
	result, err := waiting.Surroundings(err, s.c.Names(), s.memory.Said, s.memory.Looks, s.now, s.site.Look)
	if err != nil {
		return workflow.Result[patience]{}, err
	}
	return s.keep(result), nil
}

func (s *starter) waitForTurn(d admission.Decision) (workflow.Result[patience], error) {
	s.queued, s.memory.Queued = true, true
	pause := waiting.Pause(s.site.Look, 0)
	if d.Soonest > 0 { // to the moment, or the starts that are allowed would not be used
		pause = min(d.Soonest, 10*s.site.Look)
	}
	return s.wait(events.Waiting{
		For: waitsFor(d), Machines: s.c.Names(), Message: d.Message, Since: s.e.Time, Place: d.Place,
	}, pause)
}

// look decides about each machine from a look at the vault. A machine that a shared look does not show is looked
// for once more in a fresh one: the shared one may be older than what took the item's place.
func (s *starter) look(ctx context.Context, age time.Duration) (err error) {
	if s.vault, err = s.site.look(ctx, age); err != nil {
		return err
	}
	absent := func(m events.Machine) bool {
		_, found := s.vault.Item(m.Item)
		return !found
	}
	if age > 0 && slices.ContainsFunc(s.c.Machines, absent) {
		if s.vault, err = s.site.look(ctx, 0); err != nil {
			return err
		}
	}
	s.moves, s.items = make([]move, len(s.c.Machines)), map[string]observed.Item{}
	for i, m := range s.c.Machines {
		item, found := s.vault.Item(m.Item)
		s.items[m.Item], s.moves[i] = item, decide(m, item, found, s.vault, s.e.Time)
		if s.moves[i].kind != submit {
			continue
		}
		if job, at := s.queue.Job(m.Item); job != "" && !s.vault.Began.After(at) { // younger than the look
			s.moves[i] = move{kind: adopt, job: job}
		} else if _, problem := submission(m, item, s.vault); problem != nil {
			s.moves[i] = move{kind: stop, because: *problem}
		}
	}
	return nil
}

// begun is the case with what runs, and what otherwise says of each machine that was not on its way yet.
func (s *starter) begun(otherwise func(events.Machine) events.Job) events.Started {
	c := s.c
	c.Machines = slices.Clone(c.Machines)
	started := events.Started{}
	for i, m := range c.Machines {
		j := events.Job{Machine: m.Name}
		switch s.moves[i].kind {
		case done:
		case adopt:
			j.Job, j.Adopted = s.moves[i].job, true
		default:
			j = otherwise(m)
		}
		c.Machines[i].Job = j.Job
		started.Jobs = append(started.Jobs, j)
	}
	started.Case = c
	return started
}

// goOnWithout ends the start of a case of which some machines are under way already, and says why the others are not.
func (s *starter) goOnWithout(why func(events.Machine) events.Problem) (workflow.Result[patience], error) {
	return s.end(workflow.Fact(events.TypeStarted, "", s.begun(func(m events.Machine) events.Job {
		because := why(m)
		return events.Job{Machine: m.Name, Refused: &because}
	})))
}

// checkAgain reads everything anew for a case that waited long, and lets the checks judge the machines that are to
// be started. Done says that the case does not go on now.
func (s *starter) checkAgain(ctx context.Context, under int, starting []events.Machine) (result workflow.Result[patience], done bool, err error) {
	if s.now.Sub(s.c.CheckedAt) <= staleAfter {
		return result, false, nil
	}
	vault, err := s.vault, error(nil)
	if s.now.Sub(vault.AsOf()) > staleAfter {
		vault, err = s.site.look(ctx, 0)
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
		return f.Machine != "" && !slices.ContainsFunc(starting, func(m events.Machine) bool { return m.Name == f.Machine })
	})
	switch {
	case len(blocking) == 0:
		return result, false, nil
	case !slices.ContainsFunc(blocking, func(f events.Finding) bool { return !strings.HasSuffix(f.Check, ".disk-slots") }):
		result, err = s.waitForTurn(admission.Decision{Outcome: admission.NoDiskSlot, Place: 1, Message: blocking[0].Evidence})
		s.queued = false // others may fit meanwhile
	case under > 0:
		problem := checks.Problems(blocking)[0]
		result, err = s.goOnWithout(func(events.Machine) events.Problem { return problem })
	default:
		result, err = s.end(workflow.Fact(events.TypeRejected, events.StepSubmission, events.Rejected{Case: s.c, Findings: checks.Told(findings), Problems: checks.Problems(checks.Told(blocking))}))
	}
	return result, true, err
}

// states says of each machine of a case that did not start where it stands.
func states(c events.Case, moves []move) []events.MachineState {
	var all []events.MachineState
	for i, m := range c.Machines {
		state := events.MachineState{Machine: m.Name, State: notYet, Code: moves[i].because.Code, Message: moves[i].because.Message}
		switch moves[i].kind {
		case adopt:
			state = events.MachineState{Machine: m.Name, State: running, Job: moves[i].job}
		case done:
			state = events.MachineState{Machine: m.Name, State: replicating}
		}
		all = append(all, state)
	}
	return all
}

func notStarted(c events.Case, moves []move, because []events.Problem) events.Failed {
	return events.Failed{Case: &c, Code: because[0].Code, Message: join(because), Remedy: because[0].Remedy, Machines: states(c, moves)}
}

func problems(moves []move, kind moveKind) []events.Problem {
	var found []events.Problem
	for _, m := range moves {
		if m.kind == kind {
			found = append(found, m.because)
		}
	}
	return found
}

func places(problems []events.Problem) []string {
	names := make([]string, len(problems))
	for i, p := range problems {
		names[i] = p.Place
	}
	return names
}

func join(problems []events.Problem) string {
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = strings.TrimRight(p.Message, ".") + "."
	}
	return strings.Join(lines, " ")
}

func words(f *observed.Fault) string {
	if f.Words == "" {
		return f.What
	}
	return f.What + ": " + f.Words
}
