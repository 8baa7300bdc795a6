package executor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/checks"
	"reprotect.example/services/facts"
	"reprotect.example/services/waiting"
)

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

// decide says what to do about a machine, from what Azure says of it now. Since is when the case was cleared for
// submission: a reprotect job that began since is ours, even if it has ended (a process died after submitting).
func decide(m events.Machine, item facts.Item, found bool, vault facts.Vault, since time.Time) move {
	if !found {
		if reversed, ok := vault.Became(m.Name); ok {
			return move{kind: done, because: events.Problem{Place: reversed.ID}}
		}
		if changing(vault, m.Name) {
			return move{kind: hold, because: events.Problem{
				Code: "machine.changing", Place: m.Name,
				Message: fmt.Sprintf("A reprotect of %s is under way: its old item is gone, and its new one is not there yet", m.Name),
			}}
		}
		return move{kind: stop, because: events.Problem{
			Code: "machine.gone", Place: m.Name, Message: fmt.Sprintf("The replicated item of %s is not in the vault any more", m.Name),
			Remedy: "Look in the vault what became of it, then send the request again.",
		}}
	}
	job, known := vault.Job(item.JobID)
	switch {
	case item.ReversedOnce():
		return move{kind: done}
	case item.Busy() && (item.Scenario == facts.ReprotectScenario || known && job.Scenario == facts.ReprotectScenario):
		return move{kind: adopt, job: item.JobID}
	case item.Busy():
		return move{kind: hold, because: events.Problem{
			Code: "machine.busy", Place: m.Name,
			Message: fmt.Sprintf("Site Recovery job %s (%s) holds %s. The reprotect starts when it has ended", item.JobID, item.Scenario, m.Name),
		}}
	}
	// A job says the name of its machine, and nothing that leads to its item. Where two machines have that name,
	// only the lock on the item tells, and Azure's refusal to run two jobs on it.
	if len(vault.ItemsNamed(m.Name)) < 2 {
		for _, j := range vault.ReprotectsOf(m.Name) {
			if !j.Start.Before(since.Truncate(time.Microsecond)) || !j.Done() { // Azure's times are cut to 100 ns
				return move{kind: adopt, job: j.ID}
			}
		}
	}
	if !item.FailedOver() {
		return move{kind: stop, because: events.Problem{
			Code: "machine.not-failed-over", Place: m.Name,
			Message: fmt.Sprintf("%s is not failed over any more: Site Recovery says %q, active location %s", m.Name, item.StateText, item.Location),
			Remedy:  "Only a machine that runs in Azure after a failover can be reprotected (S1).",
		}}
	}
	return move{kind: submit}
}

// changing says whether a reprotect of the machine runs or has just run: on the classic path the item is replaced.
func changing(vault facts.Vault, machine string) bool {
	return slices.ContainsFunc(vault.ReprotectsOf(machine), func(j facts.Job) bool {
		return !j.Done() || j.State == "Succeeded" && vault.Taken.Sub(j.End) < replacedWithin
	})
}

// replacedWithin is how long after a successful job the new item may still be on its way.
const replacedWithin = 30 * time.Minute

// patience is what a case that waits for its start keeps between looks.
type patience struct {
	Said   string `json:"said,omitempty"`   // the wait that was told last
	Looks  int    `json:"looks,omitempty"`  // in this wait
	Line   bool   `json:"line,omitempty"`   // it has stood in the line
	Unsure bool   `json:"unsure,omitempty"` // a submission may have arrived unseen: only a fresh look shows it
	Tries  int    `json:"tries,omitempty"`  // refusals that pass
}

// registered answers the last precondition with the submissions.
func (x executor) registered(ctx context.Context, e bus.Event[events.Registered]) (bus.Result, error) {
	site, line, err := x.site(e.Site)
	if err != nil {
		return bus.Result{}, err
	}
	s := starter{site: site, line: line, e: e, c: e.Data.Case, now: x.now(), memory: waiting.State[patience](e.Wait)}
	result, err := s.start(ctx)
	if !s.inLine {
		line.leave(e.Case)
	}
	return result, err
}

// starter takes one case to its start.
type starter struct {
	site   Site
	line   *line
	e      bus.Event[events.Registered]
	c      events.Case
	now    time.Time
	vault  facts.Vault
	items  map[string]facts.Item // by id as in the case
	moves  []move
	memory patience
	inLine bool // it keeps its place until the next look
}

func (s *starter) start(ctx context.Context) (bus.Result, error) {
	age := s.line.age(s.site.Look)
	if s.memory.Unsure {
		age = 0
	}
	if err := s.look(ctx, age); err != nil {
		return s.surroundings(err)
	}
	s.memory.Unsure = false
	cancelling, cancelled, err := bus.Mark(ctx, s.e, events.TypeCancelling)
	if err != nil {
		return bus.Result{}, err
	}
	under, starting := s.count()
	switch {
	case cancelled && under == 0:
		return s.end(bus.Fact(events.TypeCancelled, events.StepSubmission, events.Cancelled{
			Case: s.c, Reason: cancelling.Data.Reason, Machines: states(s.c, s.moves),
		}))
	case cancelled: // some run already, from before a crash: who follows them cancels them
		return s.goOnWithout(func(m events.Machine) events.Problem {
			return events.Problem{Code: codeCancelled, Place: m.Name, Message: "The case was cancelled before " + m.Name + " was started"}
		})
	}
	if blocked := problems(s.moves, stop); blocked != nil {
		return s.end(bus.Fact(events.TypeFailed, events.StepSubmission, notStarted(s.c, s.moves, blocked)))
	}
	if held := problems(s.moves, hold); held != nil {
		return s.wait(events.Waiting{
			For: waiting.ForJob, Code: held[0].Code, Machines: places(held), Message: join(held), Since: s.e.Time,
		}, waiting.Pause(s.site.Look, s.memory.Looks))
	}
	if s.c.DryRun {
		return s.end(bus.Fact(events.TypeRehearsed, "", events.Rehearsed{Case: s.c, Would: s.c.Machines}))
	}
	if len(starting) > 0 {
		t := s.line.ask(s.e.Header, s.c, starting, s.items, s.vault, s.memory.Line, s.site.Look)
		if !t.go_ {
			return s.standInLine(t)
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

func (s *starter) end(d bus.Draft) (bus.Result, error) {
	return bus.Result{Publish: []bus.Draft{d}}, nil
}

func (s *starter) wait(w events.Waiting, pause time.Duration) (bus.Result, error) {
	result := waiting.On(w, bus.Wait{Note: s.memory.Said}, s.now, pause)
	return s.keep(result), nil
}

// keep leaves what is to be known at the next look.
func (s *starter) keep(r bus.Result) bus.Result {
	s.memory.Looks++
	if r.Note != s.memory.Said {
		s.memory.Said, s.memory.Looks = r.Note, 0
	}
	r.Note = waiting.Note(s.memory)
	return r
}

func (s *starter) surroundings(err error) (bus.Result, error) {
	result, err := waiting.Surroundings(err, s.e.Header, s.c.Names(), bus.Wait{Note: s.memory.Said, Looks: s.memory.Looks}, s.now, s.site.Look)
	if err != nil {
		return result, err
	}
	return s.keep(result), nil
}

func (s *starter) standInLine(t turn) (bus.Result, error) {
	s.inLine, s.memory.Line = true, true
	pause := waiting.Pause(s.site.Look, 0)
	if t.soonest > 0 { // to the moment, or the starts that are allowed would not be used
		pause = min(t.soonest, 10*s.site.Look)
	}
	return s.wait(events.Waiting{
		For: t.reason, Machines: s.c.Names(), Message: t.message, Since: s.e.Time, Place: t.place,
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
	s.moves, s.items = make([]move, len(s.c.Machines)), map[string]facts.Item{}
	for i, m := range s.c.Machines {
		item, found := s.vault.Item(m.Item)
		s.items[m.Item], s.moves[i] = item, decide(m, item, found, s.vault, s.e.Time)
		if s.moves[i].kind != submit {
			continue
		}
		if job, _ := s.line.job(m.Item); job != "" { // younger than the look
			s.moves[i] = move{kind: adopt, job: job}
		} else if _, problem := submission(m, item, s.vault); problem != nil {
			s.moves[i] = move{kind: stop, because: *problem}
		}
	}
	return nil
}

// submission resolves the names that were chosen into what Azure wants (S34, M2).
func submission(m events.Machine, item facts.Item, vault facts.Vault) (facts.Reprotect, *events.Problem) {
	fabric, _ := vault.Fabric(item.FabricID)
	r := facts.Reprotect{Item: item, Datastore: m.Datastore}
	missing := func(code, what, remedy string) (facts.Reprotect, *events.Problem) {
		return r, &events.Problem{Code: code, Place: m.Name, Message: fmt.Sprintf("%s for %s", what, m.Name), Remedy: remedy}
	}
	if item.Architecture == facts.Modernized {
		appliance, ok := fabric.Appliance(m.Appliance)
		if !ok {
			return missing("appliance.unknown", fmt.Sprintf("The vault has no appliance %q", m.Appliance), "Name one of the vault's appliances.")
		}
		if m.LogStorageAccount == "" {
			return missing("log-storage.present", "No log storage account is named", "Name one in the request or in the site's defaults (M2).")
		}
		r.ApplianceID, r.LogStorage = appliance.ID, m.LogStorageAccount
		return r, nil
	}
	mt, ok := fabric.MasterTarget(m.MasterTarget)
	if !ok {
		return missing("master-target.unknown", fmt.Sprintf("The configuration server has no master target %q", m.MasterTarget), "Name one of its master targets.")
	}
	ps, ok := fabric.ProcessServer(m.ProcessServer)
	if !ok {
		return missing("process-server.unknown", fmt.Sprintf("The configuration server has no process server %q", m.ProcessServer), "Name one of its process servers.")
	}
	policy, ok := vault.FailbackPolicy(item.FabricID)
	if !ok {
		return missing("failback-policy.present", "No failback policy is associated with the configuration server", "Associate one in the vault (S32).")
	}
	r.MasterTargetID, r.ProcessServerID, r.PolicyID, r.RetentionDrive = mt.ID, ps.ID, policy.ID, m.RetentionDrive
	return r, nil
}

// submitAll starts what is to be started. Every machine of the case may start now; what a crash or a passing
// error leaves undone is taken up at the next delivery, where what runs is adopted.
func (s *starter) submitAll(ctx context.Context) (bus.Result, error) {
	jobs := map[string]events.Job{}
	for i, m := range s.c.Machines {
		if s.moves[i].kind != submit {
			continue
		}
		job, problem, result, err := s.submit(ctx, m)
		switch {
		case err != nil:
			return result, err
		case result.After > 0:
			return result, nil
		case problem != nil:
			jobs[m.Name] = events.Job{Machine: m.Name, Refused: problem}
		default:
			jobs[m.Name] = events.Job{Machine: m.Name, Job: job}
		}
	}
	started := s.begun(func(m events.Machine) events.Job { return jobs[m.Name] })
	var refused []events.Problem
	for _, j := range started.Jobs {
		if j.Refused != nil {
			refused = append(refused, *j.Refused)
		}
	}
	if len(refused) == len(started.Jobs) {
		return s.end(bus.Fact(events.TypeFailed, events.StepSubmission, notStarted(s.c, s.moves, refused)))
	}
	return s.end(bus.Fact(events.TypeStarted, "", started))
}

// submit starts one machine. Of job, problem and a result that waits exactly one is returned.
func (s *starter) submit(ctx context.Context, m events.Machine) (job string, _ *events.Problem, wait bus.Result, err error) {
	r, problem := submission(m, s.items[m.Item], s.vault)
	if problem != nil {
		return "", problem, wait, nil
	}
	if err := s.line.pace.Wait(ctx); err != nil {
		return "", nil, wait, fmt.Errorf("%s was not submitted: %w", m.Name, err)
	}
	job, err = s.site.Vault.Reprotect(ctx, r)
	if err == nil {
		s.line.submitted(m, job)
		return job, nil, wait, nil
	}
	fault, ok := facts.FaultOf(err)
	if !ok {
		return "", nil, wait, err
	}
	deadline := s.e.Time.Add(s.site.AgentWait)
	switch {
	case fault.Code == codeNoAgent && s.now.Before(deadline):
		wait, err = s.wait(events.Waiting{
			For: waiting.ForAgent, Machines: []string{m.Name}, Code: fault.Code, Remedy: fault.Remedy,
			Message: fault.What, Since: s.e.Time, Until: deadline,
		}, waiting.Pause(s.site.Look, 0))
		return "", nil, wait, err
	case fault.Class == facts.Permanent && !gone(fault), fault.Code == codeNoAgent, fault.Class == facts.Temporary && s.memory.Tries >= mostTries && !passing(fault):
		return "", &events.Problem{Code: fault.Code, Place: m.Name, Message: words(fault), Remedy: fault.Remedy}, wait, nil
	}
	s.memory.Unsure = true // it may have arrived, or another job may have been quicker
	if fault.Class == facts.Temporary && !passing(fault) {
		s.memory.Tries++
	}
	if fault.Class != facts.Permanent {
		s.line.submitted(m, "") // its place is kept until a look shows otherwise
	}
	wait, err = s.surroundings(err)
	return "", nil, wait, err
}

// passing says whether a fault is of the surroundings, not of the machine: it is borne for as long as it lasts.
func passing(f *facts.Fault) bool {
	switch f.Code {
	case "azure.throttled", "azure.unreachable", "azure.unavailable", "azure.timeout", "azure.interrupted", "azure.no-job", "azure.conflict":
		return true
	}
	return false
}

const (
	// codeNoAgent is the fault of a reprotect that came before the agent (S33). Azure has no code for it.
	codeNoAgent   = "azure.agent-not-installed"
	codeCancelled = "case.cancelled"
)

// gone says whether a fault is that of an item which is not there: it has just been replaced, and a fresh look
// tells by what.
func gone(f *facts.Fault) bool {
	return f.Code == "azure.not-found" || f.Code == "ArmResourceDoesNotExist"
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
func (s *starter) goOnWithout(why func(events.Machine) events.Problem) (bus.Result, error) {
	return s.end(bus.Fact(events.TypeStarted, "", s.begun(func(m events.Machine) events.Job {
		because := why(m)
		return events.Job{Machine: m.Name, Refused: &because}
	})))
}

// checkAgain reads everything anew for a case that waited long, and lets the checks judge the machines that are to
// be started. Done says that the case does not go on now.
func (s *starter) checkAgain(ctx context.Context, under int, starting []events.Machine) (result bus.Result, done bool, err error) {
	if s.now.Sub(s.c.CheckedAt) <= staleAfter {
		return result, false, nil
	}
	inventory, err := s.site.Inventory.Inventory(ctx, checks.Query(s.c, s.vault))
	if err != nil {
		result, err = s.surroundings(err)
		return result, true, err
	}
	s.c.CheckedAt = s.now.UTC()
	findings := checks.Run(checks.Input{Now: s.now, Case: s.c, Vault: s.vault, Inventory: inventory, Site: s.site.Checks})
	blocking := slices.DeleteFunc(checks.Blocking(findings), func(f events.Finding) bool {
		return f.Machine != "" && !slices.ContainsFunc(starting, func(m events.Machine) bool { return m.Name == f.Machine })
	})
	switch {
	case len(blocking) == 0:
		return result, false, nil
	case !slices.ContainsFunc(blocking, func(f events.Finding) bool { return !strings.HasSuffix(f.Check, ".disk-slots") }):
		result, err = s.standInLine(turn{reason: waiting.ForDiskSlot, place: 1, message: blocking[0].Evidence})
		s.inLine = false // others may fit meanwhile
	case under > 0:
		problem := checks.Problems(blocking)[0]
		result, err = s.goOnWithout(func(events.Machine) events.Problem { return problem })
	default:
		result, err = s.end(bus.Fact(events.TypeRejected, events.StepSubmission, events.Rejected{Case: s.c, Findings: findings, Problems: checks.Problems(blocking)}))
	}
	return result, true, err
}

// states says of each machine of a case that did not start where it stands.
func states(c events.Case, moves []move) []events.MachineState {
	var all []events.MachineState
	for i, m := range c.Machines {
		state := events.MachineState{Machine: m.Name, State: "not-started", Code: moves[i].because.Code, Message: moves[i].because.Message}
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

func words(f *facts.Fault) string {
	if f.Words == "" {
		return f.What
	}
	return f.What + ": " + f.Words
}
