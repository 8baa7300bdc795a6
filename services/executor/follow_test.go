package executor

import (
	"context"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/executor/admission"
	"reprotect.example/services/executor/submission"
	"reprotect.example/services/observed"
	"reprotect.example/services/workflow"
)

// watched follows one machine through looks, as the bus would: what one look leaves comes to the next.
type watched struct {
	t     *testing.T
	vault *fake
	now   time.Time
	kept  followState
	event workflow.Event[events.Started]
	queue *admission.Queue
	marks map[string]events.Event[any] // by kind
}

func watch(t *testing.T, f *fake, jobs ...events.Job) *watched {
	w := &watched{t: t, vault: f, now: cleared, marks: map[string]events.Event[any]{}}
	w.queue = queueAt(func() time.Time { return w.now })
	w.event.Stands = func(_ context.Context, subject string) (bus.Received, bool, error) {
		e, found := w.marks[subject[strings.LastIndex(subject, ".")+1:]]
		if !found {
			return bus.Received{}, false, nil
		}
		raw, err := events.Encode(e)
		return bus.Received{Message: bus.Message{Data: raw}}, true, err
	}
	w.event.Site, w.event.Case, w.event.Time = "tokyo", "r7", cleared
	w.event.Data.Jobs = jobs
	for _, j := range jobs {
		item := failedOver(j.Machine)
		w.event.Data.Case.Machines = append(w.event.Data.Case.Machines, machineOf(item))
	}
	return w
}

// looks looks once, after a pause, and returns what is published, and the pause until the next look.
func (w *watched) looks(after time.Duration) (said []any, pause time.Duration) {
	w.t.Helper()
	w.now = w.now.Add(after)
	site := Site{Vault: w.vault, Look: 30 * time.Second, AgentWait: 20 * time.Minute, JobWait: 2 * time.Hour}
	w.vault.look.Began = w.now
	x := executor{sites: map[string]Site{"tokyo": site}, queues: map[string]*admission.Queue{"tokyo": w.queue}, now: func() time.Time { return w.now }}
	r, err := x.started(context.Background(), w.event, w.kept)
	if err != nil {
		w.t.Fatal(err)
	}
	w.kept = later(w.t, r.State)
	for _, d := range r.Publish {
		said = append(said, d.Data())
	}
	return said, r.After
}

// look returns the first of what is published, or nil.
func (w *watched) look(after time.Duration) (any, time.Duration) {
	w.t.Helper()
	said, pause := w.looks(after)
	if said == nil {
		return nil, pause
	}
	return said[0], pause
}

// mark publishes a mark of the case now.
func mark[T any](w *watched, t events.Type[T], data T) {
	w.marks[t.Name] = events.Event[any]{Header: events.Header{
		ID: "r7/" + t.Step + "/9", Source: "/reprotect/tokyo/validator", Type: t.CloudType(), Subject: "r7", Time: w.now,
		Site: "tokyo", Case: "r7", Step: t.Step, Request: "r7",
	}, Data: data}
}

func replicates(percent int) observed.Item {
	i := failedOver("web01")
	i.Provider, i.Location, i.State, i.StateText = "InMageRcmFailback", "Primary", "InitialReplicationInProgress", "Initial replication is in progress"
	i.Replication.Percent = &percent
	return i
}

func jobIn(state string, problems ...observed.Problem) observed.Job {
	return observed.Job{ID: "j1", State: state, FriendlyName: "Reprotect", Scenario: observed.ReprotectScenario, TargetName: "web01", Errors: problems}
}

// Each read of a job counts in Azure's budget, and the next look shows this one.
func TestAJobThatIsYoungerThanTheLookIsNotRead(t *testing.T) {
	f := &fake{look: vaultOf(failedOver("web01"))}
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"})
	item := f.look.Items[0]
	w.queue.Occupied("r7", admission.Machine{Item: item.ID}, "j1", observed.Vault{Began: cleared.Add(time.Second + 1)})
	p, _ := w.look(0)
	if d := p.(events.Progressed); d.Machines[0].State != events.StateRunning || f.reads != 0 {
		t.Errorf("%+v after %d reads", d, f.reads)
	}
}

func TestS03_AJobThatSucceededIsNotYetAProtectedMachine(t *testing.T) {
	f := &fake{look: vaultOf(failedOver("web01"))}
	f.look.Jobs = []observed.Job{jobIn("InProgress")}
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"})
	p, after := w.look(0)
	if d := p.(events.Progressed); d.Machines[0].State != events.StateRunning || after > time.Minute {
		t.Fatalf("%+v, next look after %v", d, after)
	}
	if p, _ := w.look(30 * time.Second); p != nil {
		t.Errorf("nothing moved, but it says %+v", p)
	}

	// A job that succeeded is not yet a protected machine.
	f.look.Jobs = []observed.Job{jobIn("Succeeded")}
	f.jobs = map[string]observed.Job{"j1": jobIn("Succeeded")}
	p, _ = w.look(30 * time.Second)
	if d := p.(events.Progressed); d.Machines[0].State != events.StateRunning || d.Percent != jobShare {
		t.Fatalf("%+v", d)
	}

	f.look = vaultOf(replicates(10))
	p, _ = w.look(30 * time.Second)
	if d := p.(events.Progressed).Machines[0]; d.State != events.StateReplicating || *d.Replication != 10 || !d.ETA.IsZero() {
		t.Errorf("no estimate has a basis yet: %+v", d)
	}
	f.look = vaultOf(replicates(20))
	p, _ = w.look(10 * time.Minute)
	if d := p.(events.Progressed).Machines[0]; !d.ETA.Equal(w.now.Add(80 * time.Minute)) {
		t.Errorf("10 percent took 10 minutes, so 80 minutes are left, not %v", d.ETA.Sub(w.now))
	}

	protectedItem := replicates(100)
	protectedItem.State = "Protected"
	f.look = vaultOf(protectedItem)
	p, after = w.look(time.Minute)
	if d := p.(events.Completed); len(d.Machines) != 1 || d.Machines[0].Item != protectedItem.ID || after != 0 {
		t.Errorf("%+v", d)
	}
}

func TestFollowsTheNewItemOfTheClassicPath(t *testing.T) {
	f := &fake{look: vaultOf(), jobs: map[string]observed.Job{}}
	succeeded := jobIn("Succeeded")
	succeeded.NewItemID = "/items/web01-new"
	f.jobs["j1"], f.look.Jobs = succeeded, []observed.Job{jobIn("Succeeded")}
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"})
	w.look(0) // the old item is gone, the new one not there yet
	next := replicates(100)
	next.ID, next.Name, next.Provider, next.State = "/Items/WEB01-new", "renamed", "InMage", "Protected"
	f.look = vaultOf(next)
	p, _ := w.look(30 * time.Second)
	if d, ok := p.(events.Completed); !ok || d.Machines[0].Item != next.ID {
		t.Errorf("%+v", p)
	}
}

func TestLooksLessOftenWhileDataOnlyFlows(t *testing.T) {
	f := &fake{look: vaultOf(replicates(10))}
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"})
	_, first := w.look(0)
	var last time.Duration
	for range 20 {
		_, last = w.look(time.Minute)
	}
	if first > 35*time.Second || last < 4*time.Minute || last > 6*time.Minute {
		t.Errorf("pauses go from %v to %v, want from one look to ten", first, last)
	}
	f.look = vaultOf(replicates(11))
	if _, again := w.look(last); again > 35*time.Second {
		t.Errorf("after a move the next pause is %v", again)
	}
}

func TestTellsWhenNothingMoves(t *testing.T) {
	f := &fake{look: vaultOf(replicates(10))}
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"})
	w.look(0)
	p, _ := w.look(quiet + time.Minute)
	d, ok := p.(events.Waiting)
	if !ok || d.For != "replication" || d.Remedy == "" {
		t.Fatalf("%+v", p)
	}
	if p, _ := w.look(time.Minute); p != nil {
		t.Errorf("said twice: %+v", p)
	}
}

func TestJobEndsBadly(t *testing.T) {
	cases := []struct {
		name string
		job  observed.Job
		code string
		part string
	}{
		{"permanent", jobIn("Failed", observed.Problem{Code: "90002", Class: observed.Permanent, Message: "datastore", Remedy: "mount it read-write"}), "90002", "mount it"},
		{"cancelled by somebody", jobIn("Cancelled"), "job.cancelled", "retry"},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{look: vaultOf(failedOver("web01")), jobs: map[string]observed.Job{"j1": tt.job}}
			p, after := watch(t, f, events.Job{Machine: "web01", Job: "j1"}).look(0)
			d, ok := p.(events.Failed)
			if !ok || d.Code != tt.code || !strings.Contains(d.Remedy, tt.part) || d.Machines[0].State != events.StateFailed || after != 0 {
				t.Errorf("%+v", p)
			}
			if len(f.submitted) != 0 {
				t.Error("it was submitted again")
			}
		})
	}
}

func TestAFailureThatPassesIsSubmittedAgainInBounds(t *testing.T) {
	f := &fake{look: vaultOf(failedOver("web01")), jobs: map[string]observed.Job{}}
	passing := jobIn("Failed", observed.Problem{Code: "499", Class: observed.Temporary, Message: "internal error"})
	f.jobs["j1"], f.jobs["job-web01"] = passing, passing
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"})
	var last any
	for range 20 * submission.MostTries {
		if p, after := w.look(time.Minute); after == 0 {
			last = p
			break
		}
	}
	d, ok := last.(events.Failed)
	if !ok || d.Code != "499" || len(f.submitted) != submission.MostTries || !strings.Contains(d.Message, "6 times") {
		t.Errorf("submitted %d times again, then %+v", len(f.submitted), last)
	}
}

func TestAgentNotInstalledIsSurvived(t *testing.T) {
	waiting := failedOver("web01")
	no := false
	waiting.AgentRegistered = &no
	f := &fake{look: vaultOf(waiting), jobs: map[string]observed.Job{
		"j1": jobIn("Failed", observed.Problem{Message: "The Mobility agent is not installed on web01."}),
	}}
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"})
	if p, after := w.look(time.Minute); after == 0 || len(f.submitted) != 0 {
		t.Fatalf("submitted %d times before the agent is back: %+v", len(f.submitted), p)
	}
	yes := true
	f.look.Items[0].AgentRegistered = &yes
	f.look = vaultOf(f.look.Items[0])
	if _, after := w.look(time.Minute); after == 0 || len(f.submitted) != 1 {
		t.Fatalf("submitted %d times after the agent is back", len(f.submitted))
	}

	late := &fake{look: vaultOf(waiting), jobs: f.jobs}
	w = watch(t, late, events.Job{Machine: "web01", Job: "j1"})
	if p, _ := w.look(20 * time.Minute); p.(events.Failed).Code != noAgent {
		t.Errorf("%+v", p)
	}
}

func TestOneFailsTheOthersAreFollowedToTheirEnd(t *testing.T) {
	second := replicates(50)
	second.ID, second.Name = "/items/db01", "db01"
	f := &fake{look: vaultOf(failedOver("web01"), second), jobs: map[string]observed.Job{
		"j1": jobIn("Failed", observed.Problem{Code: "90002", Class: observed.Permanent, Message: "datastore", Remedy: "mount it"}),
	}}
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"}, events.Job{Machine: "db01", Job: "j2"})
	if p, after := w.look(0); after == 0 {
		t.Fatalf("ended while db01 still replicates: %+v", p)
	}
	f.look.Items[1].State = "Protected"
	p, _ := w.look(time.Minute)
	d := p.(events.Failed)
	if d.Machines[0].State != events.StateFailed || d.Machines[1].State != events.StateProtected || !strings.Contains(d.Message, "1 of 2") {
		t.Errorf("%+v", d)
	}
}

func TestAMachineFoundDoneIsNotJudgedByAnOldLook(t *testing.T) {
	f := &fake{look: vaultOf(failedOver("web01"))}
	f.look.Taken = cleared.Add(-time.Second)
	w := watch(t, f, events.Job{Machine: "web01"})
	if p, after := w.look(0); after == 0 {
		t.Fatalf("judged by a look from before: %+v", p)
	}
	f.look.Taken = cleared.Add(time.Minute)
	if p, _ := w.look(time.Minute); p.(events.Failed).Code != "machine.gone" {
		t.Errorf("%+v", p)
	}
}

func TestAJobWithoutEndFailsTheCase(t *testing.T) {
	f := &fake{look: vaultOf(failedOver("web01"))}
	f.look.Jobs = []observed.Job{jobIn("InProgress")}
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"})
	w.look(time.Minute)
	p, _ := w.look(2 * time.Hour)
	if d, ok := p.(events.Failed); !ok || d.Code != "job.timeout" || !strings.Contains(d.Message, "left running") {
		t.Errorf("%+v", p)
	}
}

func TestBadSurroundingsAreBorneAndProgressGoesOn(t *testing.T) {
	f := &fake{look: vaultOf(replicates(10))}
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"})
	w.look(0)
	f.err = &observed.Fault{Class: observed.Temporary, Code: "azure.unreachable", What: "Azure does not answer"}
	if p, after := w.look(time.Minute); p.(events.Waiting).For != "azure" || after == 0 {
		t.Fatalf("%+v", p)
	}
	if p, _ := w.look(time.Minute); p != nil {
		t.Errorf("said twice: %+v", p)
	}
	f.err = nil
	if p, _ := w.look(time.Minute); p.(events.Progressed).Machines[0].State != events.StateReplicating {
		t.Errorf("%+v", p)
	}
}

// Between two looks a machine may have become protected and failed back.
func TestWhoIsHomeWasProtected(t *testing.T) {
	item := replicates(100)
	item.State, item.Location = "CommitPendingStatesBegin", "Recovery"
	said, after := watch(t, &fake{look: vaultOf(item)}, events.Job{Machine: "web01", Job: "j1"}).looks(0)
	if d, ok := said[0].(events.Completed); !ok || after != 0 {
		t.Errorf("%+v", d)
	}
}

// A fact may name more jobs than the case has machines, or one that is of none: neither stops those that it follows.
func TestAJobOfNoMachineIsPassedBy(t *testing.T) {
	f := &fake{look: vaultOf(replicates(10)), jobs: map[string]observed.Job{}}
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"}, events.Job{Machine: "nobody", Job: "j2"})
	if said, pause := w.looks(time.Minute); len(said) == 0 || pause <= 0 {
		t.Errorf("%+v, again after %s", said, pause)
	}
}
