package executor

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/executor/admission"
	"reprotect.example/services/observed"
)

// broken is a machine whose job failed for what an operator can correct.
func broken(problems ...observed.Problem) *fake {
	return &fake{look: vaultOf(failedOver("web01")), jobs: map[string]observed.Job{"j1": jobIn("Failed", problems...), "job-web01": jobIn("Failed", problems...)}}
}

var noWay = observed.Problem{Code: "95226", Class: observed.Operator, Message: "no way to the server", Remedy: "check the VPN"}

func TestWhatAnOperatorCanSeeToIsWaitedFor(t *testing.T) {
	for _, tt := range []struct {
		name     string
		problems []observed.Problem
		code     string
		remedy   string
	}{
		{"known", []observed.Problem{noWay}, "95226", "check the VPN"},
		{"unknown: with Azure's advice", []observed.Problem{{Code: "4711", Class: observed.Operator, Message: "?", Remedy: "Azure's advice"}}, "4711", "Azure's advice"},
		{"a warning before the cause", []observed.Problem{{Code: "45031", Message: "protected already", Class: observed.Temporary}, noWay}, "95226", "check the VPN"},
		{"without any word", nil, "job.failed", "portal"},
		{"only a warning named", []observed.Problem{{Code: "28175", Severity: "Warning", Class: observed.Temporary}}, "job.failed", "portal"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := broken(tt.problems...)
			w := watch(t, f, events.Job{Machine: "web01", Job: "j1"})
			said, after := w.looks(0)
			i := slices.IndexFunc(said, func(d any) bool { _, ok := d.(events.Waiting); return ok })
			if i < 0 || after == 0 || after > time.Minute {
				t.Fatalf("%+v, again after %v", said, after)
			}
			d := said[i].(events.Waiting)
			if d.For != events.ForOperator || d.Code != tt.code || !strings.Contains(d.Remedy, tt.remedy) || !d.Until.Equal(cleared.Add(2*time.Hour)) {
				t.Errorf("%+v", d)
			}
			if said, _ := w.looks(time.Minute); said != nil || len(f.submitted) != 0 {
				t.Errorf("said twice, or submitted: %+v", said)
			}
		})
	}
}

func TestGoesOnByItselfOrOnRetry(t *testing.T) {
	f := broken(noWay)
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"})
	w.looks(0)
	if w.looks(9 * time.Minute); len(f.submitted) != 0 {
		t.Error("submitted too early")
	}
	if w.looks(2 * time.Minute); len(f.submitted) != 1 {
		t.Errorf("submitted %d times again by itself", len(f.submitted))
	}
	w.looks(time.Minute) // that fails, too: the next try is 20 minutes away
	w.looks(time.Minute)
	mark(w, events.TypeRetrying, events.Retrying{})
	if w.looks(time.Minute); len(f.submitted) != 2 {
		t.Errorf("submitted %d times after somebody asked for it", len(f.submitted))
	}
	w.looks(time.Minute)
	if w.looks(time.Minute); len(f.submitted) != 2 {
		t.Error("one retry was taken twice")
	}
	said, after := w.looks(2 * time.Hour)
	if d, ok := said[0].(events.Failed); !ok || d.Code != "95226" || d.Words != noWay.Message || after != 0 {
		t.Errorf("after its bound: %+v", said)
	}
}

func TestSomebodyElseWasQuicker(t *testing.T) {
	f := broken(noWay)
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"})
	w.looks(0)
	busy := failedOver("web01")
	busy.JobID, busy.Scenario = "j2", observed.ReprotectScenario
	f.look = vaultOf(busy)
	f.look.Jobs = []observed.Job{{ID: "j2", State: "InProgress", Scenario: observed.ReprotectScenario, TargetName: "web01", Start: cleared.Add(time.Minute)}}
	w.looks(11 * time.Minute)
	if said, _ := w.looks(time.Minute); len(f.submitted) != 0 {
		t.Errorf("submitted beside a job that runs: %+v", said)
	}
}

func TestCancelsWhatRuns(t *testing.T) {
	f := &fake{look: vaultOf(failedOver("web01")), jobs: map[string]observed.Job{"j1": jobIn("Cancelled")}}
	f.look.Jobs = []observed.Job{jobIn("InProgress")}
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"})
	w.looks(0)
	mark(w, events.TypeCancelling, events.Cancelling{Reason: "wrong window"})
	said, after := w.looks(time.Minute)
	if !slices.Equal(f.cancelled, []string{"j1"}) || after == 0 {
		t.Fatalf("cancelled %v, said %+v", f.cancelled, said)
	}
	if w.looks(time.Minute); len(f.cancelled) != 1 {
		t.Error("asked twice for the end of one job")
	}
	f.look.Jobs = []observed.Job{jobIn("Cancelled")}
	said, _ = w.looks(time.Minute)
	if d, ok := said[0].(events.Cancelled); !ok || d.Reason != "wrong window" || d.Machines[0].State != events.StateCancelled {
		t.Errorf("%+v", said)
	}
}

func TestCancelStates(t *testing.T) {
	protectedItem := replicates(100)
	protectedItem.State = "Protected"
	for _, tt := range []struct {
		name  string
		vault *fake
		want  string // state of the machine; completed: the case is
	}{
		{"it was protected before", &fake{look: vaultOf(protectedItem)}, "completed"},
		{"its job had failed and waits for somebody", broken(noWay), "cancelled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := watch(t, tt.vault, events.Job{Machine: "web01", Job: "j1"})
			if tt.want == "cancelled" {
				w.looks(0)
			}
			mark(w, events.TypeCancelling, events.Cancelling{})
			said, after := w.looks(time.Minute)
			if after != 0 {
				t.Fatalf("it waits on: %+v", said)
			}
			switch d := said[0].(type) {
			case events.Cancelled:
				if d.Machines[0].State != events.State(tt.want) {
					t.Errorf("%+v", d)
				}
			case events.Completed:
				if tt.want != "completed" {
					t.Errorf("%+v", d)
				}
			default:
				t.Errorf("%+v", d)
			}
		})
	}
}

// Nothing stops data that flows already: the machine is followed until it is protected.
func TestCancelWhileTheDataFlows(t *testing.T) {
	f := &fake{look: vaultOf(replicates(20))}
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"})
	mark(w, events.TypeCancelling, events.Cancelling{})
	if said, after := w.looks(time.Minute); after == 0 {
		t.Fatalf("left alone: %+v", said)
	}
	item := replicates(100)
	item.State = "Protected"
	f.look = vaultOf(item)
	said, _ := w.looks(time.Minute)
	if _, ok := said[0].(events.Completed); !ok {
		t.Errorf("%+v", said)
	}
}

// Each distinct wait of a group is told, a machine that failed as well, and stays told while the others move.
func TestAGroupTellsOfEachMachine(t *testing.T) {
	names := []string{"web01", "db01", "app01", "mail01"}
	f := &fake{jobs: map[string]observed.Job{
		"j-web01": {ID: "j-web01", State: "Failed", Errors: []observed.Problem{noWay}},
		"j-db01":  {ID: "j-db01", State: "Failed", Errors: []observed.Problem{{Code: "78093", Class: observed.Operator, Message: "no server", Remedy: "connect it"}}},
		"j-app01": {ID: "j-app01", State: "Failed", Errors: []observed.Problem{{Code: "90001", Class: observed.Permanent, Message: "never", Remedy: "begin anew"}}},
	}}
	var items []observed.Item
	var jobs []events.Job
	for _, n := range names {
		items = append(items, failedOver(n))
		jobs = append(jobs, events.Job{Machine: n, Job: "j-" + n})
	}
	f.look = vaultOf(items...)
	f.look.Jobs = []observed.Job{{ID: "j-mail01", State: "InProgress", TargetName: "mail01"}}
	w := watch(t, f, jobs...)
	said, _ := w.looks(0)
	waits := map[string]string{}
	for _, d := range said[1:] {
		wait := d.(events.Waiting)
		waits[wait.Machines[0]] = string(wait.For) + " " + wait.Code + " " + wait.Remedy
	}
	want := map[string]string{"web01": "operator 95226 check the VPN", "db01": "operator 78093 connect it", "app01": "others 90001 begin anew"}
	if !maps.Equal(waits, want) {
		t.Errorf("waits %v, want %v", waits, want)
	}
	p := said[0].(events.Progressed).Machines
	if p[0].For != events.ForOperator || p[0].Remedy != "check the VPN" || p[2].For != "" || p[2].Code != "90001" || p[2].Remedy != "begin anew" || p[3].Message != "" {
		t.Errorf("%+v", p)
	}
	if said, _ := w.looks(time.Minute); said != nil || f.reads != 3 {
		t.Errorf("told again: %+v; %d reads of 3 jobs", said, f.reads)
	}
	protectedItem := replicates(100)
	protectedItem.ID, protectedItem.Name, protectedItem.State = items[3].ID, "mail01", "Protected"
	f.look = vaultOf(append(items[:3:3], protectedItem)...)
	said, _ = w.looks(time.Minute)
	if p := said[0].(events.Progressed).Machines; len(said) != 1 || p[0].For != events.ForOperator {
		t.Errorf("%+v", said)
	}
	said, _ = w.looks(3 * time.Hour)
	if m := said[0].(events.Failed).Machines; m[0].Remedy != "check the VPN" || m[1].Remedy != "connect it" || m[2].Remedy != "begin anew" || m[3].State != events.StateProtected {
		t.Errorf("%+v", m)
	}
}

// A refusal of the submission counts like a job that failed: it has an end.
func TestRefusedWhenSubmittedAgain(t *testing.T) {
	f := broken(observed.Problem{Code: "499", Class: observed.Temporary, Message: "try again"})
	tries := 0
	f.refuse = func(string) error {
		tries++
		return &observed.Fault{Code: "95226", Class: observed.Operator, What: "refused", Remedy: "check the VPN"}
	}
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"})
	w.looks(0)
	said, pause := w.looks(time.Minute)
	if d := said[len(said)-1].(events.Waiting); d.For != events.ForOperator || d.Code != "95226" || d.Until.IsZero() || !strings.Contains(d.Message, "refused to start") {
		t.Errorf("%+v", d)
	}
	for pause > 0 && w.now.Before(cleared.Add(5*time.Hour)) {
		said, pause = w.looks(pause)
	}
	if d, ok := said[0].(events.Failed); !ok || d.Code != "95226" || tries > 8 {
		t.Errorf("after %d tries and %s: %+v", tries, w.now.Sub(cleared), said)
	}
}

// A machine that Azure refused while others of its group had begun is started when somebody has seen to the cause.
func TestARefusedMachineOfAGroupIsStartedLater(t *testing.T) {
	f := &fake{look: vaultOf(failedOver("web01"))}
	w := watch(t, f, events.Job{Machine: "web01", Again: true, Refused: &events.Problem{Code: "4711", Message: "no", Remedy: "do as Azure says"}})
	said, _ := w.looks(0)
	p, d := said[0].(events.Progressed).Machines[0], said[1].(events.Waiting)
	if p.State != events.StateNotStarted || d.For != events.ForOperator || !strings.HasPrefix(d.Message, "Azure refused to start web01: no") || d.Remedy != "do as Azure says" {
		t.Errorf("%+v, %+v", p, d)
	}
	w.looks(time.Minute)
	mark(w, events.TypeRetrying, events.Retrying{})
	said, _ = w.looks(time.Minute)
	if p := said[0].(events.Progressed).Machines[0]; len(f.submitted) != 1 || p.State != events.StateRunning && p.Job == "" {
		t.Errorf("%d submitted, %+v", len(f.submitted), p)
	}
}

func TestBytesThatFlowAreMovement(t *testing.T) {
	item := replicates(1)
	f := &fake{look: vaultOf(item)}
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"})
	for n := range 30 { // three hours
		item.Replication.ProcessedBytes += 1 << 20
		f.look = vaultOf(item)
		said, after := w.looks(6 * time.Minute)
		if n > 0 && said != nil || after == 0 {
			t.Fatalf("after %s: %+v", w.now.Sub(cleared), said)
		}
	}
	w.looks(quiet)
	if said, _ := w.looks(time.Minute); said == nil {
		t.Error("nothing flows any more, and nothing is said")
	} else if d, ok := said[0].(events.Failed); !ok || d.Code != "replication.timeout" {
		t.Errorf("%+v", said)
	}
}

func TestCompletedSaysWhatStandsReady(t *testing.T) {
	item := replicates(100)
	lag := 42
	item.State, item.Replication.LagSeconds = "Protected", &lag
	f := &fake{look: vaultOf(item)}
	f.look.Taken = cleared.Add(time.Minute)
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"})
	mark(w, events.TypeViolated, events.Violated{Code: "guard.powered-on", What: "on", Endangers: "disks", Do: "off"})
	said, _ := w.looks(time.Minute)
	d := said[0].(events.Completed).Machines[0]
	if !d.Since.Equal(f.look.Taken) || *d.LagSeconds != 42 || d.Violation != "guard.powered-on" {
		t.Errorf("%+v", d)
	}
}

func TestTheJobThatIsNamedIsTheLast(t *testing.T) {
	f := broken(noWay)
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"})
	w.looks(0)
	w.looks(time.Minute)
	mark(w, events.TypeRetrying, events.Retrying{})
	said, _ := w.looks(time.Minute)
	if d := said[0].(events.Progressed).Machines[0]; d.Job != "job-web01" {
		t.Errorf("%+v", d)
	}
	item := replicates(100)
	item.State = "Protected"
	f.look = vaultOf(item)
	said, _ = w.looks(time.Minute)
	if d := said[0].(events.Completed); d.Case.Machines[0].Job != "job-web01" || w.event.Data.Case.Machines[0].Job != "" {
		t.Errorf("%+v", d.Case)
	}
}

func TestAGroupThatFailsSaysSinceWhenTheOthersAreProtected(t *testing.T) {
	item := replicates(100)
	lag := 42
	item.State, item.Replication.LagSeconds = "Protected", &lag
	db := failedOver("db01")
	f := &fake{look: vaultOf(item, db), jobs: map[string]observed.Job{"j2": {ID: "j2", State: "Cancelled"}}}
	f.look.Taken = cleared.Add(time.Minute)
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"}, events.Job{Machine: "db01", Job: "j2"})
	said, _ := w.looks(time.Minute)
	web := said[0].(events.Failed).Machines[0]
	if !web.Since.Equal(f.look.Taken) || web.LagSeconds == nil || *web.LagSeconds != lag {
		t.Errorf("%+v", web)
	}
}

func TestAJobThatAzureDoesNotKnow(t *testing.T) {
	lost := &observed.Fault{Code: "ArmResourceDoesNotExist", Class: observed.Permanent, What: "cannot read job j1"}
	denied := &observed.Fault{Code: "azure.forbidden", Class: observed.Operator, What: "cannot read job j1", Remedy: "grant it"}
	for _, tt := range []struct {
		name   string
		unread *observed.Fault
		after  time.Duration // the machine's way ends then
		code   string
	}{
		{"lost", lost, 5 * time.Minute, "job.unknown"},
		{"not permitted", denied, 2*time.Hour + time.Minute, "job.timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db := failedOver("db01")
			f := &fake{look: vaultOf(failedOver("web01"), db), jobs: map[string]observed.Job{}, unread: map[string]error{"j1": tt.unread}}
			f.look.Jobs = []observed.Job{{ID: "j2", State: "InProgress", TargetName: "db01"}}
			w := watch(t, f, events.Job{Machine: "web01", Job: "j1"}, events.Job{Machine: "db01", Job: "j2"})
			said, _ := w.looks(0)
			if p := said[0].(events.Progressed); p.Machines[1].State != events.StateRunning {
				t.Errorf("beside it: %+v", p.Machines[1])
			}
			if d, ok := said[1].(events.Waiting); !ok || d.Machines[0] != "web01" || !d.Since.Equal(cleared) || d.Remedy != tt.unread.Remedy {
				t.Errorf("%+v", said[1])
			}
			f.look.Jobs, f.jobs["j2"] = nil, observed.Job{ID: "j2", State: "Cancelled"}
			if said, after := w.looks(time.Minute); after == 0 {
				t.Fatalf("given up at once: %+v", said)
			}
			said, after := w.looks(tt.after - time.Minute)
			d, ok := said[0].(events.Failed)
			if !ok || after != 0 || d.Machines[0].Code != tt.code {
				t.Errorf("%+v", said)
			}
		})
	}
}

// One machine that Azure answers with 500 does not hide the others, and has an end.
func TestAnOutageOfOneMachine(t *testing.T) {
	db := replicates(40)
	db.ID, db.Name = "/items/db01", "db01"
	f := broken(observed.Problem{Code: "499", Class: observed.Temporary, Message: "try again"})
	f.look = vaultOf(failedOver("web01"), db)
	tries := 0
	f.refuse = func(string) error {
		tries++
		return &observed.Fault{Code: "azure.unavailable", Class: observed.Temporary, What: "HTTP 500"}
	}
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"}, events.Job{Machine: "db01", Job: "j2"})
	w.looks(0)
	said, pause := w.looks(time.Minute)
	if p := said[0].(events.Progressed).Machines; p[0].Code != "azure.unavailable" || p[1].State != events.StateReplicating {
		t.Errorf("%+v", p)
	}
	db.State = "Protected"
	f.look = vaultOf(failedOver("web01"), db)
	for pause > 0 && w.now.Before(cleared.Add(5*time.Hour)) {
		said, pause = w.looks(pause)
	}
	if d, ok := said[0].(events.Failed); !ok || d.Machines[1].State != events.StateProtected || tries > 8 {
		t.Errorf("after %d tries: %+v", tries, said)
	}
}

// A refused machine of a group is tried once more, however long ago it was refused, and what it became counts first.
func TestARefusedMachineAfterALongOutage(t *testing.T) {
	refused := events.Job{Machine: "web01", Again: true, Refused: &events.Problem{Code: noAgent, Message: "no agent", Remedy: "wait"}}
	f := &fake{look: vaultOf(failedOver("web01"))}
	w := watch(t, f, refused)
	if said, after := w.looks(30 * time.Minute); len(f.submitted) != 1 || after == 0 {
		t.Errorf("%d submitted: %+v", len(f.submitted), said)
	}
	w = watch(t, &fake{look: vaultOf(replicates(40))}, refused)
	if said, _ := w.looks(30 * time.Minute); said[0].(events.Progressed).Machines[0].State != events.StateReplicating {
		t.Errorf("%+v", said)
	}
}

func TestNothingMovesBesideAMachineThatFailed(t *testing.T) {
	db := replicates(40)
	db.ID, db.Name = "/items/db01", "db01"
	f := broken(observed.Problem{Code: "90001", Class: observed.Permanent, Message: "never"})
	f.look = vaultOf(failedOver("web01"), db)
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"}, events.Job{Machine: "db01", Job: "j2"})
	w.looks(0)
	said, _ := w.looks(quiet + time.Minute)
	if all := waitingOf(said); len(all) != 2 || all[0].For != events.ForOthers || all[1].For != events.ForReplication || !slices.Equal(all[1].Machines, []string{"db01"}) {
		t.Errorf("%+v", said)
	}
}

// What an operator took long to see to leaves a failure that passes its own tries.
func TestTriesCountByClass(t *testing.T) {
	f := broken(noWay)
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"})
	w.looks(0)
	for range 6 {
		w.looks(time.Minute)
		mark(w, events.TypeRetrying, events.Retrying{})
		w.looks(time.Minute)
		w.looks(time.Minute)
	}
	f.jobs["job-web01"] = jobIn("Failed", observed.Problem{Code: "499", Class: observed.Temporary, Message: "try again"})
	w.looks(time.Minute)
	mark(w, events.TypeRetrying, events.Retrying{})
	w.looks(time.Minute)
	if said, after := w.looks(time.Minute); after == 0 {
		t.Errorf("after %d submissions: %+v", len(f.submitted), said)
	}
}

// Three hundred machines that wait for one cause fit into one event.
func TestALargeCaseIsSparingOfWords(t *testing.T) {
	f := &fake{jobs: map[string]observed.Job{}}
	var items []observed.Item
	var jobs []events.Job
	words := strings.Repeat("no way to the server ", 20)
	for i := range 300 {
		name := fmt.Sprintf("web%03d", i)
		items = append(items, failedOver(name))
		jobs = append(jobs, events.Job{Machine: name, Job: "j-" + name})
		f.jobs["j-"+name] = observed.Job{ID: "j-" + name, State: "Failed", Errors: []observed.Problem{{Code: "95226", Class: observed.Operator, Message: words, Remedy: words}}}
	}
	f.look = vaultOf(items...)
	w := watch(t, f, jobs...)
	said, _ := w.looks(0)
	raw, err := json.Marshal(said)
	if err != nil || len(raw) > events.MaxSize/2 {
		t.Errorf("%d bytes, %v", len(raw), err)
	}
	said, _ = w.looks(3 * time.Hour)
	failed := said[0].(events.Failed)
	failed.Case = nil // that is the case's own size
	if raw, err := json.Marshal(failed); err != nil || len(raw) > events.MaxSize/2 || failed.Machines[299].Code != "95226" {
		t.Errorf("%d bytes, %v: %+v", len(raw), err, failed.Machines[299])
	}
}

// A machine that is submitted again stands in the queue like any other, and is told so.
func TestWhoIsSubmittedAgainWaitsForItsTurn(t *testing.T) {
	f := broken(noWay)
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"})
	w.queue = admission.NewLedger(func() time.Time { return w.now }).Queue(admission.Limits{Concurrent: 1})
	w.looks(0)
	f.look.Jobs = []observed.Job{{ID: "j9", State: "InProgress", Scenario: observed.ReprotectScenario, TargetName: "other"}}
	said, pause := w.looks(11 * time.Minute)
	d, ok := said[1].(events.Waiting)
	if !ok || d.For != events.ForTurn || d.Place != 1 || !d.Since.Equal(cleared) || len(f.submitted) != 0 || pause > time.Minute {
		t.Fatalf("%+v, again after %v", said, pause)
	}
	if known := w.kept.Machines["items/web01"]; !known.Failure.Queued {
		t.Errorf("%+v", known.Failure)
	}
	f.look.Jobs = nil
	if w.looks(time.Minute); len(f.submitted) != 1 {
		t.Errorf("%d submitted", len(f.submitted))
	}
}

// The end of a job is asked for until Azure has taken the call; what Azure refuses has come to its end.
func TestACancelThatMayNotHaveArrivedIsAskedAgain(t *testing.T) {
	f := &fake{look: vaultOf(failedOver("web01"))}
	f.look.Jobs = []observed.Job{jobIn("InProgress")}
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"})
	mark(w, events.TypeCancelling, events.Cancelling{})
	for _, tt := range []struct {
		answer error
		asks   int
		taken  bool
	}{
		{&observed.Fault{Code: "azure.unavailable", Class: observed.Temporary, What: "HTTP 500"}, 1, false},
		{&observed.Fault{Code: "azure.throttled", Class: observed.Temporary, What: "slow down"}, 2, false},
		{&observed.Fault{Code: "4711", Class: observed.Permanent, What: "it has ended"}, 3, true},
		{nil, 3, true},
	} {
		f.refuseCancel = tt.answer
		w.looks(time.Minute)
		if known := w.kept.Machines["items/web01"]; len(f.cancelled) != tt.asks || known.CancelTaken != tt.taken {
			t.Errorf("after %v: asked %d times, %+v", tt.answer, len(f.cancelled), known)
		}
	}
}

// A violation is of the machine that it names, or of all.
func TestViolationsOfMachines(t *testing.T) {
	web, db := replicates(100), replicates(100)
	web.State, db.State, db.ID, db.Name = "Protected", "Protected", "/items/db01", "db01"
	for _, tt := range []struct {
		machine string
		want    []string
	}{{"db01", []string{"", "guard.snapshot"}}, {"", []string{"guard.snapshot", "guard.snapshot"}}} {
		w := watch(t, &fake{look: vaultOf(web, db)}, events.Job{Machine: "web01", Job: "j1"}, events.Job{Machine: "db01", Job: "j2"})
		mark(w, events.TypeViolated, events.Violated{Code: "guard.snapshot", Machine: tt.machine, What: "a", Endangers: "b", Do: "c"})
		said, _ := w.looks(0)
		for i, m := range said[0].(events.Completed).Machines {
			if m.Violation != tt.want[i] {
				t.Errorf("of %q: %+v", tt.machine, m)
			}
		}
	}
}
