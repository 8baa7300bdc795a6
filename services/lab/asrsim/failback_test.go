package asrsim

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// protect takes web01 as far as protected.
func (l *lab) protect() {
	l.t.Helper()
	l.advance(13 * time.Minute)
	l.mustReprotect("web01")
	l.advance(13*time.Minute + l.sc.Times.InitialReplication)
}

// TestSiteRecoveryFailback (R2, R3): a failback, its cancellation and its commit are jobs, which hold the item while they
// run, and the item stands in the end where the recordings have it.
func TestSiteRecoveryFailback(t *testing.T) {
	t.Parallel()
	l := standard(t)
	l.protect()
	l.mustReprotect("mail01")
	l.advance(13*time.Minute + l.sc.Times.InitialReplication)
	post := func(name, operation, body string) {
		t.Helper()
		if resp, answer := l.send("POST", *l.item(name).ID+"/"+operation+"?api-version=2025-01-01", body, nil); resp.StatusCode != http.StatusAccepted {
			t.Fatalf("%s of %s: %s %v", operation, name, resp.Status, answer)
		}
	}
	stands := func(name, scenario, state, location string, operations ...string) {
		t.Helper()
		p := l.item(name).Properties
		var allowed []string
		for _, o := range p.AllowedOperations {
			allowed = append(allowed, *o)
		}
		if *p.CurrentScenario.ScenarioName != scenario || *p.ProtectionState != state || *p.ActiveLocation != location || !slices.Equal(allowed, operations) {
			t.Errorf("%s: %s, %s, %s, allowed %v", name, *p.CurrentScenario.ScenarioName, *p.ProtectionState, *p.ActiveLocation, allowed)
		}
		if job := lastSegment(*p.CurrentScenario.JobID); scenario != "None" && *l.job(job).Properties.State != "InProgress" {
			t.Errorf("%s: its job %s does not run", name, job)
		}
	}
	const planned = `{"properties":{"providerSpecificDetails":{"instanceType":"InMageRcmFailback","recoveryPointType":"CrashConsistent"}}}`
	const unplanned = `{"properties":{"failoverDirection":"PrimaryToRecovery","providerSpecificDetails":{"instanceType":"InMage","recoveryPointType":"LatestTime"}}}`
	atHome := []string{"CompleteMigration", "Commit", "DisableProtection", "SwitchProtection", "CancelFailover"}

	post("web01", "plannedFailover", planned)
	stands("web01", "PlannedFailover", "PlannedFailoverTransitionStatesBegin", "Primary")
	l.advance(plannedTakes)
	stands("web01", "None", "CommitPendingStatesBegin", "Recovery", atHome...)
	post("web01", "failoverCancel", "")
	stands("web01", "CancelFailover", "CancelFailoverStatesBegin", "Primary")
	l.advance(cancelTakes)
	stands("web01", "None", "Protected", "Primary", "PlannedFailover", "DisableProtection")
	post("web01", "plannedFailover", planned)
	l.advance(plannedTakes)
	post("web01", "failoverCommit", "")
	stands("web01", "CommitFailover", "CommitPendingStatesBegin", "Recovery")
	l.advance(finalizeTakes)
	stands("web01", "None", "UnplannedFailoverCommitted", "Recovery", "CompleteMigration", "DisableProtection", "SwitchProtection")

	post("mail01", "unplannedFailover", unplanned)
	stands("mail01", "UnplannedFailover", "UnplannedFailoverTransitionStatesBegin", "Primary")
	l.advance(unplannedTakes)
	stands("mail01", "None", "UnplannedFailoverCommitPendingStatesBegin", "Recovery", "CompleteMigration", "Commit", "DisableProtection", "SwitchProtection")
}

// A failback whose job is cancelled never happened.
func TestCancelledFailbackJob(t *testing.T) {
	t.Parallel()
	l := standard(t)
	l.protect()
	resp, _ := l.send("POST", *l.item("web01").ID+"/plannedFailover?api-version=2025-01-01",
		`{"properties":{"providerSpecificDetails":{"instanceType":"InMageRcmFailback","recoveryPointType":"CrashConsistent"}}}`, nil)
	l.advance(time.Minute)
	if resp, answer := l.send("POST", l.path("replicationJobs/"+lastSegment(resp.Header.Get("x-ms-request-id"))+"/cancel"), "", nil); resp.StatusCode != http.StatusAccepted {
		t.Fatalf("%s %v", resp.Status, answer)
	}
	l.advance(time.Hour)
	if p := l.item("web01").Properties; *p.ProtectionState != "Protected" || *p.ActiveLocation != "Primary" {
		t.Errorf("%s at %s", *p.ProtectionState, *p.ActiveLocation)
	}
}

// What the state forbids, what does not fit the machine, and what lacks a field is refused, and nothing begins.
func TestSiteRecoveryFailbackRefused(t *testing.T) {
	t.Parallel()
	l := standard(t)
	l.protect()
	l.mustReprotect("mail01")
	l.advance(13*time.Minute + l.sc.Times.InitialReplication)
	jobs := len(l.jobs())
	body := func(direction, provider, point string) string {
		return `{"properties":{"failoverDirection":"` + direction + `","providerSpecificDetails":{"instanceType":"` + provider + `","recoveryPointType":"` + point + `"}}}`
	}
	for _, c := range []struct {
		name, machine, operation, body string
		status                         int
		code                           string
	}{
		{"not protected", "app01", "plannedFailover", body("", "InMageRcmFailback", "CrashConsistent"), 409, "OperationNotAllowed"},
		{"classic", "mail01", "plannedFailover", body("", "InMageRcmFailback", "CrashConsistent"), 409, "OperationNotAllowed"},
		{"modernized", "web01", "unplannedFailover", body("PrimaryToRecovery", "InMage", "LatestTime"), 409, "OperationNotAllowed"},
		{"no provider", "web01", "plannedFailover", body("", "", "CrashConsistent"), 400, "506"},
		{"unknown provider", "web01", "plannedFailover", body("", "A2A", "CrashConsistent"), 400, "506"},
		{"no point", "web01", "plannedFailover", body("", "InMageRcmFailback", ""), 400, "506"},
		{"wrong direction", "mail01", "unplannedFailover", body("RecoveryToPrimary", "InMage", "LatestTime"), 400, "506"},
		{"broken", "web01", "plannedFailover", "{", 400, ""},
		{"nothing to cancel", "web01", "failoverCancel", "", 409, "OperationNotAllowed"},
		{"classic is never cancelled", "mail01", "failoverCancel", "", 409, "OperationNotAllowed"},
	} {
		resp, answer := l.send("POST", *l.item(c.machine).ID+"/"+c.operation+"?api-version=2025-01-01", c.body, nil)
		e, _ := answer["error"].(map[string]any)
		inner := ""
		if details, ok := e["details"].([]any); ok {
			inner, _ = details[0].(map[string]any)["code"].(string)
		}
		if resp.StatusCode != c.status || inner != c.code || e["message"] == "" {
			t.Errorf("%s: %s %v", c.name, resp.Status, answer)
		}
	}
	if n := len(l.jobs()); n != jobs {
		t.Errorf("%d jobs began", n-jobs)
	}
	if resp, _ := l.send("POST", *l.item("web01").ID+"x/failoverCommit?api-version=2025-01-01", "", nil); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a commit of nothing: %s", resp.Status)
	}
}

// Versions and filters that the service does not know are refused as Resource Manager refuses them; a filter of jobs
// that it knows is honoured (B8).
func TestSiteRecoveryVersionsAndFilters(t *testing.T) {
	t.Parallel()
	l := standard(t)
	l.protect()
	l.mustReprotect("app01")
	jobs := strings.TrimSuffix(l.path("replicationJobs"), "?api-version=2025-01-01")
	for _, c := range []struct {
		query string
		code  string // or how many jobs
		n     int
	}{
		{"?api-version=2099-01-01", "NoRegisteredProviderFound", 0},
		{"?api-version=2014-01-01-preview", "NoRegisteredProviderFound", 0},
		{"?api-version=2025-01-01&$filter=" + "Colour%20eq%20'red'", "InvalidFilterInQueryString", 0},
		{"?api-version=2025-01-01&$filter=" + "JobStatus", "InvalidFilterInQueryString", 0},
		{"?api-version=2025-01-01&$filter=" + "JobStatus%20eq%20'InProgress'", "", 1},
		{"?api-version=2025-01-01&$filter=" + "JobStatus%20eq%20'Succeeded'", "", 1},
		{"?api-version=2025-01-01&$filter=" + "JobStatus%20eq%20'Failed'", "", 0},
		{"?api-version=2021-06-01", "", 2},
	} {
		resp, answer := l.send("GET", jobs+c.query, "", nil)
		e, _ := answer["error"].(map[string]any)
		code, _ := e["code"].(string)
		list, _ := answer["value"].([]any)
		if code != c.code || len(list) != c.n || (resp.StatusCode == http.StatusOK) != (c.code == "") {
			t.Errorf("%s: %s %s, %d jobs", c.query, resp.Status, code, len(list))
		}
	}
}
