package asrsim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"reprotect.example/services/lab/scenario"
)

// The requests of the way home, as recorded.
const (
	plannedBody   = `{"properties":{"providerSpecificDetails":{"instanceType":"InMageRcmFailback","recoveryPointType":"CrashConsistent"}}}`
	unplannedBody = `{"properties":{"failoverDirection":"PrimaryToRecovery","providerSpecificDetails":{"instanceType":"InMage","recoveryPointType":"LatestTime"}}}`
)

// homeLab is a lab in which agents have registered, with what was switched on and off on-premises.
type homeLab struct {
	*lab
	switched []string // "web01 on"
}

func newHomeLab(t *testing.T, change func(*scenario.Scenario)) *homeLab {
	t.Helper()
	sc := scenario.Default(4)
	for i := range sc.Machines {
		sc.Machines[i].Agent = -1
	}
	if change != nil {
		change(&sc)
	}
	h := &homeLab{}
	h.lab = newLab(t, sc, Options{OnPremises: func(machine string, on bool) {
		h.switched = append(h.switched, machine+map[bool]string{true: " on", false: " off"}[on])
	}})
	return h
}

// post sends a request about a machine, and returns status and the inner code.
func (h *homeLab) post(name, operation, body string) (status int, code string) {
	h.t.Helper()
	return h.postTo(*h.item(name).ID+"/"+operation, body)
}

func (h *homeLab) postTo(path, body string) (status int, code string) {
	h.t.Helper()
	resp, answer := h.send("POST", path+"?api-version=2025-01-01", body, nil)
	if e, isError := answer["error"].(map[string]any); isError {
		code, _ = e["code"].(string)
		if details, ok := e["details"].([]any); ok {
			code, _ = details[0].(map[string]any)["code"].(string)
		}
	}
	return resp.StatusCode, code
}

func (h *homeLab) must(name, operation, body string, takes time.Duration) {
	h.t.Helper()
	if status, code := h.post(name, operation, body); status != http.StatusAccepted {
		h.t.Fatalf("%s of %s: %d %s", operation, name, status, code)
	}
	h.advance(takes)
}

func (h *homeLab) protectedInAzure(names ...string) {
	h.t.Helper()
	for _, name := range names {
		h.mustReprotect(name)
	}
	h.advance(h.sc.Times.Job + h.sc.Times.InitialReplication)
}

// failBack takes a machine home, as its architecture wants it.
func (h *homeLab) failBack(name string) {
	h.t.Helper()
	if h.sim.byName[name].classic() {
		h.must(name, "unplannedFailover", unplannedBody, unplannedTakes)
	} else {
		h.must(name, "plannedFailover", plannedBody, plannedTakes)
	}
}

func (h *homeLab) forwardBody(name string, change func(map[string]string)) string {
	details := map[string]string{"instanceType": "InMageRcmFailback", "processServerId": h.sc.UUID("appliance", "ASR-APPL-01"), "runAsAccountId": h.sim.account(h.sim.byName[name])}
	if h.sim.byName[name].classic() {
		details = map[string]string{"instanceType": "InMageAzureV2", "masterTargetId": h.sim.hostID(ProcessServer), "processServerId": h.sim.hostID(ProcessServer),
			"runAsAccountId": "2", "policyId": h.sim.id("replicationPolicies", "policy-classic")}
	}
	direction := "RecoveryToPrimary"
	if change != nil {
		change(details)
		if d, given := details["direction"]; given {
			direction = d
			delete(details, "direction")
		}
	}
	var fields []string
	for key, value := range details {
		fields = append(fields, fmt.Sprintf("%q:%q", key, value))
	}
	return `{"properties":{"failoverDirection":"` + direction + `","providerSpecificDetails":{` + strings.Join(fields, ",") + `}}}`
}

// stands reads where a machine stands: the simulator's phase, what the item says, and its VM in Azure.
func (h *homeLab) stands(name string) string {
	h.t.Helper()
	state, err := h.sim.Machine(name)
	if err != nil {
		h.t.Fatal(err)
	}
	p := h.item(name).Properties
	resp, vm := h.send("GET", "/subscriptions/"+h.sc.Subscription+"/resourceGroups/"+h.sc.ResourceGroup+"/providers/Microsoft.Compute/virtualMachines/"+name+"/instanceView?api-version=2024-07-01", "", nil)
	azure := "deleted"
	if resp.StatusCode == http.StatusOK {
		azure = strings.TrimPrefix(vm["statuses"].([]any)[1].(map[string]any)["code"].(string), "PowerState/")
	}
	return fmt.Sprintf("%s %s %s, Azure VM %s", state.Phase, *p.ProtectionState, *p.ActiveLocation, azure)
}

// TestSiteRecoveryWayHome (way-home 1, 2, 3): failback, cancel, failback, commit, protect again; machines are switched on
// and off as the jobs go, and the item says at each stage what was recorded.
func TestSiteRecoveryWayHome(t *testing.T) {
	t.Parallel()
	for _, newItems := range []bool{false, true} {
		h := newHomeLab(t, func(sc *scenario.Scenario) { sc.NewItems = newItems })
		h.protectedInAzure("web01", "mail01")
		want := func(name, stands string, switched ...string) {
			t.Helper()
			if got := h.stands(name); got != stands || !slices.Equal(h.switched, switched) {
				t.Errorf("%s: %s, want %s; switched %v, want %v", name, got, stands, h.switched, switched)
			}
		}
		want("web01", "protected Protected Primary, Azure VM running")
		h.must("web01", "plannedFailover", plannedBody, plannedTakes*3/4)
		want("web01", "failing-back PlannedFailoverTransitionStatesBegin Primary, Azure VM stopped")
		h.advance(plannedTakes / 4)
		want("web01", "home CommitPendingStatesBegin Recovery, Azure VM stopped", "web01 on")
		h.must("web01", "failoverCancel", "", cancelTakes)
		want("web01", "protected Protected Primary, Azure VM running", "web01 on", "web01 off")
		h.failBack("web01")
		h.must("web01", "failoverCommit", "", finalizeTakes)
		want("web01", "committed UnplannedFailoverCommitted Recovery, Azure VM deleted", "web01 on", "web01 off", "web01 on")
		if status, code := h.post("web01", "failoverCancel", ""); status != http.StatusConflict || code != "OperationNotAllowed" {
			t.Errorf("a committed failback is cancelled: %d %s", status, code)
		}
		h.must("web01", "reProtect", h.forwardBody("web01", nil), 0)
		want("web01", "protecting-again UnplannedFailoverCommitted Recovery, Azure VM deleted", "web01 on", "web01 off", "web01 on")
		h.advance(h.sc.Times.Job)
		want("web01", "replicating-again InitialReplicationInProgress Primary, Azure VM deleted", "web01 on", "web01 off", "web01 on")
		h.advance(h.sc.Times.InitialReplication)
		want("web01", "protected-again Protected Primary, Azure VM deleted", "web01 on", "web01 off", "web01 on")
		if status, _ := h.post("web01", "reProtect", h.forwardBody("web01", nil)); status != http.StatusConflict {
			t.Errorf("protected twice: %d", status)
		}

		h.switched = nil
		h.failBack("mail01")
		want("mail01", "home UnplannedFailoverCommitPendingStatesBegin Recovery, Azure VM stopped", "mail01 on")
		h.must("mail01", "reProtect", h.forwardBody("mail01", nil), forwardTakes) // which commits
		want("mail01", "replicating-again InitialReplicationInProgress Primary, Azure VM deleted", "mail01 on")
		h.advance(h.sc.Times.InitialReplication)
		want("mail01", "protected-again Protected Primary, Azure VM deleted", "mail01 on")

		var acts []string
		for _, a := range h.sim.Acts() {
			acts = append(acts, a.Machine+" "+a.Scenario)
			if !a.Good || a.Own || !a.End.After(a.Start) {
				t.Errorf("%+v", a)
			}
		}
		if got := strings.Join(acts, ", "); got != "web01 PlannedFailover, web01 CancelFailover, web01 PlannedFailover, web01 CommitFailover, "+
			"web01 SwitchReplicationGroupProtection, mail01 UnplannedFailover, mail01 SwitchReplicationGroupProtection" {
			t.Errorf("acts: %s", got)
		}
	}
}

// TestFailbackThatFails (way-home 1): a modernized failback that fails is cancelled by the service itself, a classic one
// leaves its words; either machine can be failed back again, its VM in Azure runs, and nothing on-premises does.
func TestFailbackThatFails(t *testing.T) {
	t.Parallel()
	h := newHomeLab(t, func(sc *scenario.Scenario) {
		sc.Machines[3].FailActs = map[string][]string{scenario.ActFailback: {"8038"}}
	})
	h.protectedInAzure("web01", "mail01")
	for _, code := range []string{"8038", "499"} {
		if err := h.sim.FailAct("web01", scenario.ActFailback, code); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		h.failBack("web01")
		failed := h.sim.byName["web01"].way.failover
		job := h.job(failed.id).Properties
		if *job.State != "Failed" || len(job.Errors) != 1 || *job.Errors[0].ServiceErrorDetails.Code != failed.fault.code {
			t.Errorf("the failed job: %s %+v", *job.State, job.Errors)
		}
		if failed.fault.code == "8038" && *job.Tasks[3].State != "Failed" {
			t.Errorf("it failed elsewhere than at the host: %s", *job.Tasks[3].State)
		}
		h.advance(-plannedTakes)
		h.advance(failed.end.Sub(h.now()) + time.Second)
		if got := h.stands("web01"); !strings.HasPrefix(got, "failing-back CancelFailoverStatesBegin") || *h.item("web01").Properties.CurrentScenario.ScenarioName != "CancelFailover" {
			t.Errorf("the service does not cancel it: %s", got)
		}
		if status, code := h.post("web01", "plannedFailover", plannedBody); status != http.StatusConflict || code != "AnotherOperationInProgress" {
			t.Errorf("while it is cancelled: %d %s", status, code)
		}
		h.advance(cancelTakes)
		if got := h.stands("web01"); got != "protected Protected Primary, Azure VM running" {
			t.Errorf("after it: %s", got)
		}
	}
	if slices.Contains(h.switched, "web01 on") {
		t.Errorf("switched %v", h.switched)
	}
	h.failBack("web01")
	if got := h.stands("web01"); !strings.HasPrefix(got, "home CommitPendingStatesBegin") {
		t.Errorf("at last: %s", got)
	}

	h.failBack("mail01")
	if got := h.stands("mail01"); got != "protected UnplannedFailoverCompletionFailed Primary, Azure VM running" {
		t.Errorf("classic: %s", got)
	}
	h.failBack("mail01")
	if got := h.stands("mail01"); !strings.HasPrefix(got, "home ") {
		t.Errorf("classic, again: %s", got)
	}
	if err := h.sim.FailAct("mail01", "dance", "1"); err == nil {
		t.Error("an act that is none")
	}
}

// TestActsThatFail: a commit, a cancellation and a protection that fail leave the machine where it stood.
func TestActsThatFail(t *testing.T) {
	t.Parallel()
	h := newHomeLab(t, nil)
	h.protectedInAzure("web01")
	h.failBack("web01")
	const home = "home CommitPendingStatesBegin Recovery, Azure VM stopped"
	for _, c := range []struct{ act, operation, body string }{
		{scenario.ActCommit, "failoverCommit", ""}, {scenario.ActCancel, "failoverCancel", ""}, {scenario.ActProtect, "reProtect", h.forwardBody("web01", nil)},
	} {
		if err := h.sim.FailAct("web01", c.act, "506"); err != nil {
			t.Fatal(err)
		}
		h.must("web01", c.operation, c.body, h.sc.Times.Job)
		if got := h.stands("web01"); got != home && c.act != scenario.ActProtect {
			t.Errorf("after a failed %s: %s", c.act, got)
		}
	}
	if got := h.stands("web01"); got != "committed UnplannedFailoverCommitted Recovery, Azure VM deleted" { // its job had committed before it failed
		t.Errorf("after a failed protection: %s", got)
	}
	h.must("web01", "reProtect", h.forwardBody("web01", nil), h.sc.Times.Job+h.sc.Times.InitialReplication)
	if got := h.stands("web01"); got != "protected-again Protected Primary, Azure VM deleted" {
		t.Errorf("at last: %s", got)
	}
}

// TestWriterDies: a failback fails with the appliance or master target through which it runs, before or in between.
func TestWriterDies(t *testing.T) {
	t.Parallel()
	h := newHomeLab(t, nil)
	h.protectedInAzure("web01", "db01")
	for name, server := range map[string]string{"web01": "ASR-APPL-01", "db01": h.writerName("db01")} {
		operation, body, takes := "plannedFailover", plannedBody, plannedTakes
		if name == "db01" {
			operation, body, takes = "unplannedFailover", unplannedBody, unplannedTakes
		}
		h.must(name, operation, body, takes/2)
		if err := h.sim.StopHeartbeat(server); err != nil {
			t.Fatal(err)
		}
		j := h.job(h.sim.byName[name].way.failover.id).Properties
		if *j.State != "Failed" || !strings.Contains(*j.Errors[0].ServiceErrorDetails.Message, server) {
			t.Errorf("%s: %s", name, *j.State)
		}
		h.advance(cancelTakes)
		h.must(name, operation, body, takes)
		if got := h.stands(name); strings.HasPrefix(got, "home") {
			t.Errorf("%s comes home through a dead %s: %s", name, server, got)
		}
		h.advance(cancelTakes)
		if err := h.sim.StartHeartbeat(server); err != nil {
			t.Fatal(err)
		}
		h.must(name, operation, body, takes)
		if got := h.stands(name); !strings.HasPrefix(got, "home") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func (h *homeLab) writerName(machine string) string {
	c, _ := h.sim.writerOf(h.sim.byName[machine])
	return c.name
}

// A failback whose job somebody cancels when the Azure VM is off already leaves it running.
func TestCancelledFailbackStartsTheAzureVM(t *testing.T) {
	t.Parallel()
	h := newHomeLab(t, nil)
	h.protectedInAzure("web01")
	h.must("web01", "plannedFailover", plannedBody, plannedTakes*8/10)
	if status, _ := h.postTo(h.sim.id("replicationJobs", h.sim.byName["web01"].way.failover.id)+"/cancel", ""); status != http.StatusAccepted {
		t.Fatal(status)
	}
	h.advance(time.Minute)
	if got := h.stands("web01"); got != "protected Protected Primary, Azure VM running" {
		t.Error(got)
	}
	d := h.sim.itemView(h.sim.byName["web01"], h.now())["properties"].(object)["providerSpecificDetails"].(object)
	if d["lastPlannedFailoverStatus"] != "Cancelled" {
		t.Errorf("status %v", d["lastPlannedFailoverStatus"])
	}
}

// TestForwardRefusals: what is wrong with the request that protects a machine again is refused, and nothing begins.
func TestForwardRefusals(t *testing.T) {
	t.Parallel()
	h := newHomeLab(t, nil)
	h.protectedInAzure("web01", "mail01")
	h.failBack("web01")
	h.failBack("mail01")
	jobs := len(h.jobs())
	set := func(key, value string) func(map[string]string) {
		return func(d map[string]string) { d[key] = value }
	}
	for _, c := range []struct {
		name, machine string
		change        func(map[string]string)
		code          string
	}{
		{"another provider", "web01", set("instanceType", "InMageRcm"), "506"},
		{"classic as modernized", "mail01", set("instanceType", "InMageRcmFailback"), "506"},
		{"no process server", "web01", set("processServerId", ""), "506"},
		{"unknown process server", "web01", set("processServerId", "x"), "506"},
		{"no account", "web01", set("runAsAccountId", ""), "506"},
		{"unknown account", "web01", set("runAsAccountId", "2"), "506"},
		{"unknown account, classic", "mail01", set("runAsAccountId", "9"), "506"},
		{"no master target", "mail01", set("masterTargetId", ""), "506"},
		{"unknown master target", "mail01", set("masterTargetId", "x"), "506"},
		{"no policy, classic", "mail01", set("policyId", ""), "506"},
		{"policy of the other direction", "web01", set("policyId", h.sim.id("replicationPolicies", "policy-modernized-failback")), "78253"},
		{"no direction", "web01", set("direction", "Sideways"), "506"},
	} {
		if status, code := h.post(c.machine, "reProtect", h.forwardBody(c.machine, c.change)); status != http.StatusBadRequest || code != c.code {
			t.Errorf("%s: %d %s", c.name, status, code)
		}
	}
	if n := len(h.jobs()); n != jobs {
		t.Errorf("%d jobs began", n-jobs)
	}
	if status, code := h.post("web01", "failoverCommit", ""); /* it waits for its commit */ status != http.StatusAccepted {
		t.Errorf("%d %s", status, code)
	}
}

// TestPlanComesHome (way-home 1, plan; azps#15712): the groups of a plan one after the other; one that fails is the last.
// A plan's reprotect is refused.
func TestPlanComesHome(t *testing.T) {
	t.Parallel()
	h := newHomeLab(t, func(sc *scenario.Scenario) {
		*sc = scenario.Default(6)
		for i := range sc.Machines {
			sc.Machines[i].Agent = -1
		}
		sc.Plans = []scenario.Plan{
			{Name: "night", Groups: []scenario.Group{{Machines: []string{"web01"}, Before: []string{"Tell the shop"}}, {Machines: []string{"app01", "web02"}}}, Machines: []string{"web01", "app01", "web02"}},
			{Name: "mixed", Machines: []string{"web01", "db01"}}, {Name: "old", Machines: []string{"db01", "mail01"}}, {Name: "empty"},
		}
	})
	plan := func(name, operation string) string {
		return h.sim.id("replicationRecoveryPlans", name) + "/" + operation
	}
	body := `{"properties":{"failoverDirection":"RecoveryToPrimary","providerSpecificDetails":[{"instanceType":"InMageRcmFailback","recoveryPointType":"CrashConsistent"}]}}`
	if status, _ := h.postTo(plan("night", "plannedFailover"), body); status != http.StatusConflict {
		t.Errorf("before they are protected: %d", status)
	}
	h.protectedInAzure("web01", "app01", "web02", "db01", "mail01")
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{plan("nothing", "plannedFailover"), body, http.StatusNotFound},
		{plan("night", "plannedFailover"), "{", http.StatusBadRequest},
		{plan("night", "plannedFailover"), strings.Replace(body, "RecoveryToPrimary", "PrimaryToRecovery", 1), http.StatusBadRequest},
		{plan("night", "plannedFailover"), strings.Replace(body, "InMageRcmFailback", "InMage", 1), http.StatusBadRequest},
		{plan("mixed", "plannedFailover"), body, http.StatusConflict},
		{plan("night", "unplannedFailover"), strings.Replace(body, "InMageRcmFailback", "InMage", 1), http.StatusConflict},
		{plan("empty", "plannedFailover"), body, http.StatusBadRequest},
		{plan("night", "reProtect"), "", http.StatusConflict},
		{plan("night", "failoverCommit"), "", http.StatusConflict},
	} {
		if status, code := h.postTo(c.path, c.body); status != c.status {
			t.Errorf("%s: %d %s, want %d", c.path, status, code, c.status)
		}
	}
	if err := h.sim.FailAct("app01", scenario.ActFailback, "8038"); err != nil {
		t.Fatal(err)
	}
	state := func() string {
		for _, j := range h.jobs() {
			if *j.Properties.TargetInstanceType == "RecoveryPlan" {
				return *j.Properties.State + " " + *j.Properties.TargetObjectName
			}
		}
		return "none"
	}
	if status, code := h.postTo(plan("night", "plannedFailover"), body); status != http.StatusAccepted {
		t.Fatal(status, code)
	}
	h.advance(plannedTakes - time.Second)
	if got := h.stands("app01"); !strings.HasPrefix(got, "protected ") {
		t.Errorf("the second group begins before the first is home: %s", got)
	}
	h.advance(2 * time.Second)
	if got := h.stands("app01"); !strings.HasPrefix(got, "failing-back ") || state() != "InProgress night" {
		t.Errorf("the second group: %s, %s", got, state())
	}
	h.advance(plannedTakes + cancelTakes)
	for name, want := range map[string]string{"web01": "home", "web02": "home", "app01": "protected"} {
		if got := h.stands(name); !strings.HasPrefix(got, want+" ") {
			t.Errorf("%s: %s", name, got)
		}
	}
	if state() != "Failed night" {
		t.Errorf("the plan's job: %s", state())
	}
	h.failBack("app01")
	for _, step := range []struct {
		operation string
		takes     time.Duration
		want      string
	}{{"failoverCancel", cancelTakes, "protected"}, {"plannedFailover", 2 * plannedTakes, "home"}, {"failoverCommit", 2 * finalizeTakes, "committed"}} {
		if status, code := h.postTo(plan("night", step.operation), body); status != http.StatusAccepted {
			t.Fatal(step.operation, status, code)
		}
		h.advance(step.takes + 2*time.Minute + step.takes)
		for _, name := range []string{"web01", "app01", "web02"} {
			if got := h.stands(name); !strings.HasPrefix(got, step.want+" ") {
				t.Errorf("%s of the plan: %s stands %s", step.operation, name, got)
			}
		}
		if state() != "Succeeded night" {
			t.Errorf("%s: the plan's job: %s", step.operation, state())
		}
	}
	if status, code := h.postTo(plan("old", "unplannedFailover"), strings.Replace(body, "InMageRcmFailback", "InMage", 1)); status != http.StatusAccepted {
		t.Fatal(status, code)
	}
	h.advance(unplannedTakes)
	if got := h.stands("mail01"); !strings.HasPrefix(got, "home ") {
		t.Errorf("the classic plan: %s", got)
	}
	groups := h.get(plan("night", "") + "?api-version=2025-01-01")["properties"].(map[string]any)["groups"].([]any)
	if len(groups) != 4 || len(groups[3].(map[string]any)["replicationProtectedItems"].([]any)) != 2 || len(groups[2].(map[string]any)["startGroupActions"].([]any)) != 1 {
		t.Errorf("groups %v", groups)
	}
}

// TestUpkeep (way-home 6, 11): a machine that must be resynchronized says so, and is again as before after it; its health
// errors can be resolved, its appliance changed, and its protection taken away.
func TestUpkeep(t *testing.T) {
	t.Parallel()
	h := newHomeLab(t, func(sc *scenario.Scenario) {
		second := sc.Appliances[0]
		second.Name = "ASR-APPL-02"
		sc.Appliances = append(sc.Appliances, second)
	})
	h.protectedInAzure("web01", "mail01")
	allows := func(name, operation string) bool {
		return slices.ContainsFunc(h.item(name).Properties.AllowedOperations, func(o *string) bool { return *o == operation })
	}
	for _, name := range []string{"web01", "mail01"} {
		if status, _ := h.post(name, "repairReplication", ""); status != http.StatusConflict {
			t.Errorf("%s: resynchronized without a need: %d", name, status)
		}
		if err := h.sim.RequireResync(name, true); err != nil {
			t.Fatal(err)
		}
		if p := h.item(name).Properties; !allows(name, "RepairReplication") || *p.ReplicationHealth != "Critical" || len(p.HealthErrors) != 1 {
			t.Errorf("%s does not say that it needs a resynchronization", name)
		}
		h.must(name, "repairReplication", "", resyncTakes)
		if status, _ := h.post(name, "repairReplication", ""); status != http.StatusConflict {
			t.Errorf("%s: resynchronized twice: %d", name, status)
		}
		h.advance(h.sc.Times.InitialReplication)
		if p := h.item(name).Properties; *p.ReplicationHealth != "Normal" || len(p.HealthErrors) != 0 || allows(name, "RepairReplication") {
			t.Errorf("%s: after it %s %v", name, *p.ReplicationHealth, p.HealthErrors)
		}
	}

	h.failBack("web01")
	h.must("web01", "failoverCancel", "", cancelTakes) // it leaves a health error
	for body, want := range map[string]int{
		`{"properties":{"healthErrors":[]}}`: http.StatusBadRequest, `{"properties":{"healthErrors":[{"healthErrorId":"9:9"}]}}`: http.StatusBadRequest,
		"{": http.StatusBadRequest, `{"properties":{"healthErrors":[{"healthErrorId":"2:1004"}]}}`: http.StatusAccepted,
	} {
		if status, code := h.post("web01", "resolveHealthErrors", body); status != want {
			t.Errorf("%s: %d %s", body, status, code)
		}
		h.advance(resolveTakes)
	}
	if left := h.item("web01").Properties.HealthErrors; len(left) != 0 {
		t.Errorf("left: %v", left)
	}

	to := func(id, provider string) string {
		return `{"properties":{"targetApplianceId":"` + id + `","providerSpecificDetails":{"instanceType":"` + provider + `"}}}`
	}
	second := h.sc.UUID("appliance", "ASR-APPL-02")
	for _, c := range []struct {
		machine, body string
		status        int
	}{
		{"mail01", to(second, "InMageRcm"), http.StatusConflict}, {"web01", to(second, "A2A"), http.StatusBadRequest},
		{"web01", to("x", "InMageRcm"), http.StatusBadRequest}, {"web01", "{", http.StatusBadRequest}, {"web01", to(second, "InMageRcm"), http.StatusAccepted},
	} {
		if status, code := h.post(c.machine, "updateAppliance", c.body); status != c.status {
			t.Errorf("%s %s: %d %s", c.machine, c.body, status, code)
		}
	}
	h.advance(updateTakes)
	h.sim.Tick()
	if got := h.sim.byName["web01"].last.input.ReprotectAgentID; got != second {
		t.Errorf("appliance %s", got)
	}

	h.must("web01", "remove", `{"properties":{}}`, removeTakes)
	if _, there := h.items()["web01"]; there {
		t.Error("the item is still there")
	}
	if n := len(h.items()); n != 3 {
		t.Errorf("%d items", n)
	}
	if resp, _ := h.send("DELETE", *h.item("mail01").ID+"?api-version=2025-01-01", "", nil); resp.StatusCode != http.StatusAccepted {
		t.Errorf("delete: %s", resp.Status)
	}
}

// The run-as accounts of the appliances' site are listed, unless the identity may not.
func TestSiteAccounts(t *testing.T) {
	t.Parallel()
	h := newHomeLab(t, nil)
	path := h.sim.siteID() + "/runasaccounts?api-version=2020-07-07"
	if got := h.get(path)["value"].([]any); len(got) != 3 {
		t.Errorf("%v", got)
	}
	for _, c := range []struct {
		method, path string
		status       int
	}{{"GET", h.sim.siteID() + "/machines?api-version=2020-07-07", 404}, {"POST", path, 405}} {
		if resp, _ := h.send(c.method, c.path, "", nil); resp.StatusCode != c.status {
			t.Errorf("%s %s: %s", c.method, c.path, resp.Status)
		}
	}
	if err := h.sim.Refuse("site", true); err != nil {
		t.Fatal(err)
	}
	if resp, _ := h.send("GET", path, "", nil); resp.StatusCode != http.StatusForbidden {
		t.Errorf("%s", resp.Status)
	}
}

// TestFeeds (way-home 12): the SDK reads the vault's health, its events and its appliances.
func TestFeeds(t *testing.T) {
	t.Parallel()
	h := newHomeLab(t, nil)
	h.protectedInAzure("web01")
	if err := h.sim.RequireResync("web01", true); err != nil {
		t.Fatal(err)
	}
	health, err := h.sdk.NewReplicationVaultHealthClient().Get(t.Context(), h.sc.ResourceGroup, h.sc.Vault, nil)
	if err != nil {
		t.Fatal(err)
	}
	if items := health.Properties.ProtectedItemsHealth; *items.ResourceCount != 4 || len(items.Issues) != 1 || *items.CategorizedResourceCounts["protectedItemsCriticalCount"] != 1 {
		t.Errorf("health %+v", items)
	}
	critical := 0
	for events := h.sdk.NewReplicationEventsClient().NewListPager(h.sc.ResourceGroup, h.sc.Vault, nil); events.More(); {
		page, err := events.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Value {
			if *e.Properties.Severity == "Critical" && *e.Properties.AffectedObjectFriendlyName == "web01" {
				critical++
			}
		}
	}
	appliances, err := h.sdk.NewReplicationAppliancesClient().NewListPager(h.sc.ResourceGroup, h.sc.Vault, nil).NextPage(t.Context())
	if err != nil || critical != 1 || len(appliances.Value) != 1 {
		t.Errorf("%d critical events, %d appliances, %v", critical, len(appliances.Value), err)
	}
}
