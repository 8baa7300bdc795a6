package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/lab/scenario"
)

// seen says whether something of that kind was published of a case that is like that.
func seen[T any](w *world, t events.Type[T], caseID string, like func(T) bool) bool {
	entries, _ := w.now()
	for _, e := range entries {
		if d, ok := e.event.Data.(T); ok && e.event.Case == caseID && e.kind == t.Kind && like(d) {
			return true
		}
	}
	return false
}

// comesHome lets vCenter show a machine on, as its failback does, once the product has asked for that, and awaits that it is home.
func (w *world) comesHome(caseID, machine string) events.Home {
	w.t.Helper()
	anyHome := func(events.Home) bool { return true }
	w.until(machine+" is to be switched on, or is home", limit, func() bool {
		return seen(w, events.TypeHome, caseID, anyHome) || seen(w, events.TypeWaiting, caseID, func(d events.Waiting) bool { return d.Code == "home.off" })
	})
	if !seen(w, events.TypeHome, caseID, anyHome) {
		w.do("power-on", machine)
	}
	return await(w, events.TypeHome, caseID).Data
}

// The way home of both architectures, on the real bus and against the lab: failed back, committed by a person, and each told
// once. A person who asks too early is refused with the stage at which the machine stands.
func TestTheWayHome(t *testing.T) {
	w := startWith(t, scenario.Times{Job: time.Minute, InitialReplication: 2 * time.Minute}, modernized("web01"), classic("db01"))
	w.serve(w.config)
	w.request("back", "", "web01", "db01")
	w.completes(caseOf("back", "web01"))
	w.completes(caseOf("back", "db01"))

	w.publish(events.CommandSubject(events.TypeCommit.Kind), "early", `{"machines": [{"name": "web01"}], "reason": "too early"}`)
	early := await(w, events.TypeRejected, caseOf("early", "web01")).Data
	if p := early.Problems[0]; p.Code != "readiness.stage" || !strings.Contains(p.Message, "may be failed back") {
		t.Errorf("%+v", early.Problems)
	}

	w.publish(events.CommandSubject(events.TypeFailback.Kind), "home", `{"ready": true, "until": "committed", "reason": "CHG1", "requestedBy": "ops"}`)
	for _, m := range []string{"web01", "db01"} {
		id := caseOf("home", m)
		h := w.comesHome(id, m)
		if s := h.Machines[0]; s.Job == "" || s.VM == "" || s.Up.IsZero() || s.Down.IsZero() {
			t.Errorf("%s: %+v", m, s)
		}
		due := await(w, events.TypeWaiting, id, func(d events.Waiting) bool { return d.Code == "commit.due" }).Data
		if due.For != events.ForOperator || !strings.Contains(due.Message, "Azure VM") || !strings.Contains(due.Remedy, "reprotect commit "+m) {
			t.Errorf("%s: %+v", m, due)
		}
		w.publish(events.CommandSubject(events.TypeCommit.Kind), "commit-"+m, fmt.Sprintf(`{"case": %q, "reason": "it works", "requestedBy": "owner"}`, id))
		done := await(w, events.TypeCommitted, caseOf("commit-"+m, m)).Data
		if done.Case.Follows != id || done.Machines[0].Job == "" || done.Machines[0].Evidence == "" || len(done.Machines[0].Gone) == 0 {
			t.Errorf("%s: %+v", m, done)
		}
		await(w, events.TypeCommitted, id) // the failback sees that it is committed
	}
}

// A failback that is not committed can be withdrawn: the machine is protected in Azure again.
func TestAFailbackIsWithdrawn(t *testing.T) {
	w := startWith(t, scenario.Times{Job: time.Minute, InitialReplication: 2 * time.Minute}, modernized("web01"))
	w.serve(w.config)
	w.request("back", "", "web01")
	w.completes(caseOf("back", "web01"))
	w.publish(events.CommandSubject(events.TypeFailback.Kind), "home", `{"machines": [{"name": "web01"}]}`)
	w.comesHome(caseOf("home", "web01"), "web01")
	w.publish(events.CommandSubject(events.TypeWithdraw.Kind), "undo", fmt.Sprintf(`{"case": %q, "reason": "it does not start"}`, caseOf("home", "web01")))
	back := await(w, events.TypeWithdrawn, caseOf("undo", "web01")).Data
	if back.Machines[0].State != events.StateWithdrawn || back.Case.Leg != events.LegWithdraw {
		t.Errorf("%+v", back)
	}
}
