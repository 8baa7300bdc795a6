package executor

import (
	"context"
	"errors"
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
// submission: a reprotect job that began later is ours, even if it has ended (a process died after submitting).
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
			if j.Start.After(since) || !j.Done() {
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

// registered answers the last precondition with the submissions.
func (x executor) registered(ctx context.Context, e bus.Event[events.Registered]) (bus.Result, error) {
	site, err := x.site(e.Site)
	if err != nil {
		return bus.Result{}, err
	}
	c := e.Data.Case
	surroundings := func(err error) (bus.Result, error) {
		return waiting.Surroundings(err, e.Header, c.Names(), e.Wait, x.now(), site.Look)
	}

	age := site.Look
	if e.Attempt > 1 || e.Wait.Looks > 0 {
		age = 0 // somebody may have submitted before it died: only a look that began now shows its job
	}
	vault, err := site.Vault.Vault(ctx, age)
	if err != nil {
		return surroundings(err)
	}
	if x.now().Sub(c.CheckedAt) > staleAfter {
		var rejected *events.Rejected
		if c, rejected, err = x.checkAgain(ctx, site, c, vault); err != nil {
			return surroundings(err)
		}
		if rejected != nil {
			return bus.Result{Publish: []bus.Draft{bus.Fact(events.TypeRejected, events.StepSubmission, *rejected)}}, nil
		}
	}
	moves, items, err := x.look(ctx, site, c, vault, e.Time)
	if err != nil {
		return surroundings(err)
	}
	if blocked := problems(moves, stop); blocked != nil {
		return bus.Result{Publish: []bus.Draft{bus.Fact(events.TypeFailed, events.StepSubmission, notStarted(c, moves, blocked))}}, nil
	}
	if held := problems(moves, hold); held != nil {
		return waiting.On(events.Waiting{
			For: waiting.ForJob, Code: held[0].Code, Machines: places(held), Message: join(held), Since: e.Time,
		}, e.Wait, x.now(), waiting.Pause(site.Look, e.Wait.Looks)), nil
	}
	if c.DryRun {
		return bus.Result{Publish: []bus.Draft{bus.Fact(events.TypeRehearsed, "", events.Rehearsed{Case: c, Would: c.Machines})}}, nil
	}
	return x.submitAll(ctx, site, e, c, vault, moves, items)
}

// look reads each machine afresh and decides about it.
func (x executor) look(ctx context.Context, site Site, c events.Case, vault facts.Vault, since time.Time) ([]move, []facts.Item, error) {
	moves, items := make([]move, len(c.Machines)), make([]facts.Item, len(c.Machines))
	for i, m := range c.Machines {
		item, err := site.Vault.Item(ctx, m.Item)
		found := err == nil
		if fault, ok := facts.FaultOf(err); !found && (!ok || !gone(fault)) {
			return nil, nil, err
		}
		if !found { // a shared look may be older than what took the item's place
			if vault, err = site.Vault.Vault(ctx, 0); err != nil {
				return nil, nil, err
			}
		}
		items[i], moves[i] = item, decide(m, item, found, vault, since)
		if moves[i].kind != submit {
			continue
		}
		if _, problem := submission(m, item, vault); problem != nil {
			moves[i] = move{kind: stop, because: *problem}
		}
	}
	return moves, items, nil
}

func gone(f *facts.Fault) bool {
	return f.Code == "azure.not-found" || strings.EqualFold(f.Code, "ArmResourceDoesNotExist") || strings.EqualFold(f.Code, "NotFound")
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
func (x executor) submitAll(ctx context.Context, site Site, e bus.Event[events.Registered], c events.Case, vault facts.Vault, moves []move, items []facts.Item) (bus.Result, error) {
	machines := make([]events.Machine, len(c.Machines))
	copy(machines, c.Machines)
	jobs := make([]events.Job, len(machines))
	running := 0
	var refused []events.Problem
	for i, m := range machines {
		jobs[i].Machine = m.Name
		switch moves[i].kind {
		case done:
			running++
		case adopt:
			jobs[i].Job, jobs[i].Adopted = moves[i].job, true
			running++
		case submit:
			r, problem := submission(m, items[i], vault)
			if problem != nil {
				return bus.Result{}, errors.New(problem.Message)
			}
			job, err := site.Vault.Reprotect(ctx, r)
			fault, _ := facts.FaultOf(err)
			switch {
			case err == nil:
				jobs[i].Job = job
				running++
			case fault != nil && fault.Code == codeNoAgent && x.now().Before(e.Time.Add(site.AgentWait)):
				return waiting.On(events.Waiting{
					For: waiting.ForAgent, Machines: []string{m.Name}, Code: fault.Code, Remedy: fault.Remedy,
					Message: fault.What, Since: e.Time, Until: e.Time.Add(site.AgentWait),
				}, e.Wait, x.now(), waiting.Pause(site.Look, 0)), nil
			case fault != nil && fault.Class == facts.Permanent || fault != nil && fault.Code == codeNoAgent:
				problem := events.Problem{Code: fault.Code, Place: m.Name, Message: words(fault), Remedy: fault.Remedy}
				jobs[i].Refused = &problem
				refused = append(refused, problem)
			default:
				return waiting.Surroundings(err, e.Header, []string{m.Name}, e.Wait, x.now(), site.Look)
			}
		}
		machines[i].Job = jobs[i].Job
	}
	if running == 0 {
		return bus.Result{Publish: []bus.Draft{bus.Fact(events.TypeFailed, events.StepSubmission, notStarted(c, moves, refused))}}, nil
	}
	c.Machines = machines
	return bus.Result{Publish: []bus.Draft{bus.Fact(events.TypeStarted, "", events.Started{Case: c, Jobs: jobs})}}, nil
}

// codeNoAgent is the fault of a reprotect that came before the agent (S33). Azure has no code for it.
const codeNoAgent = "azure.agent-not-installed"

// checkAgain reads everything anew for a case that waited long, and lets the checks judge again.
func (x executor) checkAgain(ctx context.Context, site Site, c events.Case, vault facts.Vault) (events.Case, *events.Rejected, error) {
	inventory, err := site.Inventory.Inventory(ctx, checks.Query(c, vault))
	if err != nil {
		return c, nil, err
	}
	c.CheckedAt = x.now().UTC()
	findings := checks.Run(checks.Input{Now: x.now(), Case: c, Vault: vault, Inventory: inventory, Site: site.Checks})
	blocking := checks.Blocking(findings)
	if len(blocking) == 0 {
		return c, nil, nil
	}
	return c, &events.Rejected{Case: c, Findings: findings, Problems: checks.Problems(blocking)}, nil
}

func notStarted(c events.Case, moves []move, because []events.Problem) events.Failed {
	f := events.Failed{Case: &c, Code: because[0].Code, Message: join(because), Remedy: because[0].Remedy}
	for i, m := range c.Machines {
		state := events.MachineState{Machine: m.Name, State: "not-started", Code: moves[i].because.Code, Message: moves[i].because.Message}
		if moves[i].kind == adopt {
			state = events.MachineState{Machine: m.Name, State: "running", Job: moves[i].job}
		}
		f.Machines = append(f.Machines, state)
	}
	return f
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
