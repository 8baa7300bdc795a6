package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/lab/scenario"
)

// change publishes a command about a case.
func (w *world) change(command, id, caseID, reason string) {
	w.t.Helper()
	w.publish(events.SubjectCommands+"."+command, id, fmt.Sprintf(`{"case": %q, "reason": %q}`, caseID, reason))
}

// Before the start a cancelled case leaves no trace in Azure; a retry is a case of its own, which names the old.
func TestCancelBeforeTheStartAndRetry(t *testing.T) {
	w := start(t, modernized("early-m"), classic("early-c"))
	for _, m := range []string{"early-m", "early-c"} {
		w.do("hold-agent", m)
	}
	w.serve(w.config)
	w.request("early", "", "early-m", "early-c")
	for _, m := range []string{"early-m", "early-c"} {
		id := caseOf("early", m)
		await(w, events.TypeWaiting, id)
		w.change("cancel", "cancel-"+m, id, "wrong window")
		cancelled := await(w, events.TypeCancelled, id)
		d := cancelled.Data
		if d.Reason != "wrong window" || len(d.Machines) != 1 || d.Machines[0].State != "not-started" {
			t.Errorf("%s was cancelled so: %+v", m, d)
		}
		w.told(cancelled.Header, events.LevelWarning, "Cancelled: "+m)
		w.submissions(m, 0)

		w.change("cancel", "cancel-again-"+m, id, "again")
		refused := await(w, events.TypeRefused, "cancel-again-"+m)
		if p := refused.Data.Problems[0]; p.Code != "case.ended" {
			t.Errorf("a second cancel: %+v", p)
		}
		w.do("register-agent", m)
		w.change("retry", "retry-"+m, id, "right window")
		again := await(w, events.TypeAccepted, id+"--2").Data.Case
		if again.RetryOf != id || again.Reason != "right window" {
			t.Errorf("the retry is %+v", again)
		}
		w.completes(id + "--2")
		w.submissions(m, 1)
	}
}

// A job that runs is cancelled in Azure, and its end awaited.
func TestCancelWhileTheJobRuns(t *testing.T) {
	long := scenario.Default(0).Times
	long.Job = 24 * time.Hour
	w := startWith(t, long, modernized("runs-m"), classic("runs-c"))
	w.serve(w.config)
	w.request("runs", "", "runs-m", "runs-c")
	for _, m := range []string{"runs-m", "runs-c"} {
		id := caseOf("runs", m)
		started := await(w, events.TypeStarted, id).Data
		w.change("cancel", "cancel-"+m, id, "wrong host")
		d := await(w, events.TypeCancelled, id).Data
		if d.Machines[0].State != "cancelled" || d.Machines[0].Job != started.Jobs[0].Job {
			t.Errorf("%s: %+v", m, d.Machines)
		}
		w.submissions(m, 1)
	}
}

// What an operator can correct is waited for, with Azure's own words and advice; a retry takes the case up at once.
func TestOperatorMendsAndRetries(t *testing.T) {
	w := start(t, modernized("fix-m"), classic("fix-c"))
	w.serve(w.config)
	codes := map[string]string{"fix-m": "4711", "fix-c": "78093"} // unknown, and known
	for m, code := range codes {
		w.do("fail-next", m, code)
	}
	w.request("fix", "", "fix-m", "fix-c")
	for m, code := range codes {
		id := caseOf("fix", m)
		waits := await(w, events.TypeWaiting, id, func(d events.Waiting) bool { return d.For == "operator" })
		if d := waits.Data; d.Code != code || d.Remedy == "" || !strings.Contains(d.Message, "failed") || !strings.Contains(d.Message, "reprotect retry "+id) {
			t.Errorf("%s waits so: %+v", m, d)
		}
		w.told(waits.Header, events.LevelWarning, "Waiting: "+m)
		w.change("retry", "retry-"+m, id, "corrected")
		w.completes(id)
		w.submissions(m, 2)
	}
}

// A request that waits for Azure has no case yet; it is cancelled by its own id, until it has become cases.
func TestCancelWhileAzureIsDown(t *testing.T) {
	w := start(t, modernized("down-m"), modernized("later-m"))
	w.serve(w.config)
	w.do("azure-down", "on")
	w.request("down", "", "down-m")
	w.waits("down-m", "azure.unavailable", "azure")
	w.change("cancel", "cancel-down", "down", "wrong window")
	if d := await(w, events.TypeRefused, "down").Data; d.Problems[0].Code != "request.cancelled" || !strings.Contains(d.Problems[0].Message, "wrong window") {
		t.Errorf("%+v", d)
	}
	w.request("later", "", "later-m")
	w.waits("later-m", "azure.unavailable", "azure")
	w.do("azure-down", "off")
	await(w, events.TypeAccepted, caseOf("later", "later-m"))
	w.change("cancel", "cancel-later", "later", "too late")
	if d := await(w, events.TypeRefused, "cancel-later").Data; d.Problems[0].Code != "request.begun" {
		t.Errorf("%+v", d)
	}
	w.completes(caseOf("later", "later-m"))
	w.submissions("down-m", 0)
}

// A case that is asked for while its master target is full waits, as those do that were asked for before; it can be
// cancelled, and goes on by itself.
func TestAFullMasterTargetIsWaitedFor(t *testing.T) {
	w := start(t, classic("full-c"), classic("wrong-c"))
	w.serve(w.config)
	w.do("set-server", "MT-LINUX-01", "diskCount", "60")
	w.request("full", "", "full-c", "wrong-c")
	w.waits("full-c", "master-target.disk-slots", "disk-slot")
	w.change("cancel", "cancel-full", caseOf("full", "wrong-c"), "wrong window")
	await(w, events.TypeCancelled, caseOf("full", "wrong-c"))
	w.do("set-server", "MT-LINUX-01", "diskCount", "none")
	w.completes(caseOf("full", "full-c"))
	w.submissions("full-c", 1)
	w.submissions("wrong-c", 0)
}
