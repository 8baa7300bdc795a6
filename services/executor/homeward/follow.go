package homeward

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/observed"
	"reprotect.example/services/waiting"
	"reprotect.example/services/workflow"
)

// Follow answers started: the job is followed to its end, and the machine to where the leg leads. A job that runs is not
// ended: the case of a failback that is to be cancelled ends when its machine is home, or has failed.
func (l Leader) Follow(ctx context.Context, e workflow.Event[events.Started], before State) (Result, error) {
	c := e.Data.Case
	at := map[events.Leg]string{events.LegFailback: events.StepFailback, events.LegProtect: events.StepProtection}[c.Leg]
	since := e.Time
	if !c.CheckedAt.IsZero() && c.CheckedAt.Before(since) { // it may have begun before it was found to run
		since = c.CheckedAt
	}
	d, wait, err := lead(ctx, l, e, c, task{leg: c.Leg, step: cmp.Or(at, events.StepCommit), since: since}, from(before, e.Data.Jobs))
	if wait != nil || err != nil {
		return deref(wait), err
	}
	st, err := d.settle(ctx)
	if err != nil {
		return d.surroundings(err)
	}
	if st.move != arrived {
		return d.usual(st, underWay[c.Leg], 20)
	}
	return d.arrives(ctx)
}

// underWay is the state of a machine while its leg goes on.
var underWay = map[events.Leg]events.State{
	events.LegFailback: events.StateRunning, events.LegCommit: events.StateHome, events.LegWithdraw: events.StateRunning, events.LegProtect: events.StateReplicating,
}

// from begins with the job that was started.
func from(before State, jobs []events.Job) State {
	if before.Kept.Job == "" && len(jobs) > 0 {
		before.Kept.Job = jobs[0].Job
	}
	return before
}

// arrives tells that the machine is where the leg leads.
func (d *leading) arrives(ctx context.Context) (Result, error) {
	switch d.leg {
	case events.LegFailback:
		return d.home(ctx)
	case events.LegCommit:
		return d.committed(ctx)
	case events.LegWithdraw:
		return d.withdrawn(), nil
	case events.LegProtect:
		return d.protected(), nil
	case events.LegReprotect:
	}
	return Result{}, fmt.Errorf("nothing follows the leg %q", d.leg)
}

// home tells that the machine runs on-premises, once vCenter shows it so.
func (d *leading) home(ctx context.Context) (Result, error) {
	vm, wait, err := d.runs(ctx)
	if wait != nil || err != nil {
		return deref(wait), err
	}
	h := events.HomeState{Machine: d.machine.Name, Job: d.kept.Job, Up: d.now.UTC(), VM: vm.Path, Host: vm.GuestHost, Tools: vm.Tools, Addresses: vm.GuestIPs}
	if job, known := d.vault.Job(d.kept.Job); known {
		h.Down = job.Start.UTC()
	}
	return end(workflow.Fact(events.TypeHome, "", events.Home{Case: d.c, Machines: []events.HomeState{h}})), nil
}

// toRun is how long a machine may take on-premises until a person is asked.
const toRun = 15 * time.Minute

// runs looks whether the machine runs on-premises: its VM is on, and VMware Tools answer where they are installed. What
// vCenter does not show is waited for.
func (d *leading) runs(ctx context.Context) (observed.VM, *Result, error) {
	ref := d.item.VMRef()
	inventory, err := d.site.Inventory.Inventory(ctx, observed.Query{VMs: []observed.VMRef{ref}})
	if err != nil {
		r, err := d.surroundings(err)
		return observed.VM{}, &r, err
	}
	seen := inventory.Find(ref)
	w := events.Waiting{For: events.ForVCenter}
	switch vm := seen.VM; {
	case vm == nil:
		w.Code, w.Message, w.Remedy = "home.not-found", seen.Why(d.title, inventory.User), "Look in vCenter for the VM of the machine, and whether the account may see it."
	case vm.Power != "poweredOn":
		w.Code, w.Message = "home.off", fmt.Sprintf("%s has come home, and its VM %s is not on: vCenter calls it %s", d.title, vm.Place(), cmp.Or(vm.Power, "nothing"))
		w.Remedy = "Switch the VM on in vCenter."
	case vm.Tools != "guestToolsRunning" && vm.ToolsVersion != "guestToolsNotInstalled":
		w.Code, w.Message = "home.no-tools", fmt.Sprintf("%s is on, and VMware Tools in VM %s do not answer", d.title, vm.Place())
		w.Remedy = "Look at the console of the VM in vCenter: whether its system has started, and whether it has its network."
	default:
		return *vm, nil, nil
	}
	if d.state.Told.For == events.ForVCenter && d.now.Sub(d.state.Told.Since) > toRun || d.state.Told.For == events.ForOperator {
		w.For = events.ForOperator
	}
	r := d.waits(w, waiting.Next(d.look, 0, d.vault.Began, d.now))
	return observed.VM{}, &r, nil
}

// Commit answers home: the failback is committed when its time has come, or it is seen that somebody has committed or
// withdrawn it.
func (l Leader) Commit(ctx context.Context, e workflow.Event[events.Home], before State) (Result, error) {
	c := e.Data.Case
	if c.Last() == events.StepFailback {
		return Result{}, nil // the case has ended
	}
	t := task{leg: events.LegCommit, step: events.StepCommit, since: e.Time}
	after, timed := c.CommitAfter()
	if due := e.Time.Add(after); timed {
		t.since, t.begins = due, !l.now().Before(due)
	}
	d, wait, err := lead(ctx, l, e, c, t, before)
	if wait != nil || err != nil {
		return deref(wait), err
	}
	stage := d.item.Stage()
	rests := d.found && d.item.Unread == "" && !d.item.Busy() && !d.unseen
	switch {
	case rests && slices.Contains(courses[events.LegWithdraw].to, stage):
		return d.withdrawn(), nil
	case rests && stage == observed.StageHomeUncommitted && d.cancelling != nil && d.kept.Job == "":
		return d.cancels(events.StateHome), nil
	case rests && stage == observed.StageHomeUncommitted && !t.begins:
		return d.awaitsCommit(e.Time.Add(after), timed), nil
	}
	st, err := d.settle(ctx)
	switch {
	case err != nil:
		return d.surroundings(err)
	case st.move == arrived:
		return d.committed(ctx)
	case st.move != submit:
		return d.usual(st, events.StateHome, 60)
	}
	if _, wait, err := d.runs(ctx); wait != nil || err != nil { // it is committed only while it is seen to run
		return deref(wait), err
	}
	job, result, err := d.send(ctx)
	if result != nil || err != nil {
		return deref(result), err
	}
	return d.goes(step{job: job, task: "Commit"}, events.StateHome, 60), nil
}

// awaitsCommit says what a failback waits for that is not committed: what the commit will destroy, and who does it.
func (d *leading) awaitsCommit(due time.Time, timed bool) Result {
	w := events.Waiting{For: events.ForOperator, Code: "commit.due"}
	w.Message = fmt.Sprintf("%s has come home, and its failback is not committed. The commit destroys for good: %s", d.title, strings.Join(d.gone(), "; "))
	w.Remedy = fmt.Sprintf("When the machine works, run 'reprotect commit %s'. To go back to Azure, run 'reprotect withdraw %s'", d.title, d.title)
	if d.item.Architecture == observed.Classic {
		w.Remedy = fmt.Sprintf("When the machine works, run 'reprotect commit %s'. Azure cannot withdraw the failback of a classic machine", d.title)
	}
	pause := waiting.Pause(d.look, d.state.Looks)
	if timed {
		w.For = events.ForCommit
		w.Message += fmt.Sprintf(". It is committed at %s, if the machine is seen to run on-premises then", due.UTC().Format("2006-01-02 15:04 UTC"))
		w.Remedy += ", or cancel the case"
		pause = min(pause, max(due.Sub(d.now), d.look/10))
	}
	w.Remedy += "."
	return d.waits(w, pause)
}

// gone is what a commit destroys.
func (d *leading) gone() []string {
	gone := []string{"Azure VM " + cmp.Or(d.item.AzureVMName, d.item.Name)}
	if d.item.Architecture == observed.Modernized { // there is none for a classic machine
		gone = append(gone, "the way back to Azure by 'withdraw'")
	}
	return gone
}

func (d *leading) committed(ctx context.Context) (Result, error) {
	s := events.CommittedState{Machine: d.machine.Name, Job: d.kept.Job, Gone: d.gone()}
	ref := d.item.VMRef()
	inventory, err := d.site.Inventory.Inventory(ctx, observed.Query{VMs: []observed.VMRef{ref}})
	switch seen := inventory.Find(ref); { // it is committed, whatever vCenter says
	case err != nil:
		s.Evidence = "vCenter could not be read: " + err.Error()
	case seen.VM == nil:
		s.Evidence = seen.Why(d.title, inventory.User)
	default:
		s.Evidence = fmt.Sprintf("VM %s: vCenter calls it %s, and VMware Tools %s.", seen.VM.Place(), cmp.Or(seen.VM.Power, "nothing"), cmp.Or(seen.VM.Tools, "nothing"))
	}
	return end(workflow.Fact(events.TypeCommitted, "", events.Committed{Case: d.c, Machines: []events.CommittedState{s}})), nil
}

func (d *leading) withdrawn() Result {
	return end(workflow.Fact(events.TypeWithdrawn, "", events.Withdrawn{Case: d.c, Machines: []events.MachineState{{Machine: d.machine.Name, State: events.StateWithdrawn, Job: d.kept.Job}}}))
}

// Protect answers committed: the machine is protected to Azure again.
func (l Leader) Protect(ctx context.Context, e workflow.Event[events.Committed], before State) (Result, error) {
	c := e.Data.Case
	if c.Last() == events.StepCommit {
		return Result{}, nil // the case has ended
	}
	d, wait, err := lead(ctx, l, e, c, task{leg: events.LegProtect, step: events.StepProtection, since: e.Time, begins: true}, before)
	if wait != nil || err != nil {
		return deref(wait), err
	}
	st, err := d.settle(ctx)
	switch {
	case err != nil:
		return d.surroundings(err)
	case st.move == arrived:
		return d.protected(), nil
	case st.move != submit:
		return d.usual(st, events.StateReplicating, 75)
	case d.cancelling != nil:
		return d.cancels(events.StateCommitted), nil
	}
	job, result, err := d.send(ctx)
	if result != nil || err != nil {
		return deref(result), err
	}
	return d.goes(step{job: job, task: "Reprotect"}, events.StateReplicating, 75), nil
}

func (d *leading) protected() Result {
	p := events.ProtectedState{Machine: d.machine.Name, Item: d.item.ID, Since: d.now.UTC(), LagSeconds: d.item.Replication.LagSeconds}
	if observed.NormalID(d.item.ID) != observed.NormalID(d.machine.Item) {
		p.FormerItem = d.machine.Item
	}
	return end(workflow.Fact(events.TypeProtected, "", events.Protected{Case: d.c, Machines: []events.ProtectedState{p}}))
}
