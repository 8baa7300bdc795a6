package executor

import (
	"slices"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/facts"
	"reprotect.example/services/waiting"
)

// broken is a machine whose job failed for what an operator can mend.
func broken(problems ...facts.Problem) *fake {
	return &fake{look: vaultOf(failedOver("web01")), jobs: map[string]facts.Job{"j1": jobIn("Failed", problems...), "job-web01": jobIn("Failed", problems...)}}
}

var noWay = facts.Problem{Code: "95226", Class: facts.Operator, Message: "no way to the server", Remedy: "check the VPN"}

func TestWhatAnOperatorCanMendIsWaitedFor(t *testing.T) {
	for _, tt := range []struct {
		name     string
		problems []facts.Problem
		code     string
		remedy   string
	}{
		{"known", []facts.Problem{noWay}, "95226", "check the VPN"},
		{"unknown: with Azure's advice", []facts.Problem{{Code: "4711", Class: facts.Operator, Message: "?", Remedy: "Azure's advice"}}, "4711", "Azure's advice"},
		{"a warning before the cause", []facts.Problem{{Code: "45031", Message: "protected already", Class: facts.Temporary}, noWay}, "95226", "check the VPN"},
		{"without any word", nil, "job.failed", "portal"},
		{"only a warning named", []facts.Problem{{Code: "28175", Severity: "Warning", Class: facts.Temporary}}, "job.failed", "portal"},
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
			if d.For != waiting.ForOperator || d.Code != tt.code || !strings.Contains(d.Remedy, tt.remedy) || !d.Until.Equal(cleared.Add(2*time.Hour)) {
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
	busy.JobID, busy.Scenario = "j2", facts.ReprotectScenario
	f.look = vaultOf(busy)
	f.look.Jobs = []facts.Job{{ID: "j2", State: "InProgress", Scenario: facts.ReprotectScenario, TargetName: "web01", Start: cleared.Add(time.Minute)}}
	w.looks(11 * time.Minute)
	if said, _ := w.looks(time.Minute); len(f.submitted) != 0 {
		t.Errorf("submitted beside a job that runs: %+v", said)
	}
}

func TestCancelsWhatRuns(t *testing.T) {
	f := &fake{look: vaultOf(failedOver("web01")), jobs: map[string]facts.Job{"j1": jobIn("Cancelled")}}
	f.look.Jobs = []facts.Job{jobIn("InProgress")}
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
	f.look.Jobs = []facts.Job{jobIn("Cancelled")}
	said, _ = w.looks(time.Minute)
	if d, ok := said[0].(events.Cancelled); !ok || d.Reason != "wrong window" || d.Machines[0].State != cancelled {
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
		{"the data flows already: that goes on in Azure", &fake{look: vaultOf(replicates(20))}, replicating},
		{"it was protected before", &fake{look: vaultOf(protectedItem)}, "completed"},
		{"its job had failed and waits for somebody", broken(noWay), cancelled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := watch(t, tt.vault, events.Job{Machine: "web01", Job: "j1"})
			if tt.want == cancelled {
				w.looks(0)
			}
			mark(w, events.TypeCancelling, events.Cancelling{})
			said, after := w.looks(time.Minute)
			if after != 0 {
				t.Fatalf("it waits on: %+v", said)
			}
			switch d := said[0].(type) {
			case events.Cancelled:
				if d.Machines[0].State != tt.want {
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
