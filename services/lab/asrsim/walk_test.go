package asrsim

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"reprotect.example/services/lab/scenario"
)

// walk takes machines of both architectures through every stage that the simulator has, and holds each answer against
// the recording of that stage, field by field.
type walk struct {
	*lab
	folder     string
	deviations map[string]string // "kind: path" -> recorded and shown
	older      bool              // the recording has an older or shortened form, which leaves things out
	assumed    map[string]bool   // rows of the README that a step without a recording stands on
}

// olderForms are recordings of 2017, and shortened ones.
var olderForms = []string{"classic_protecteditem_committed_InMageAzureV2.json", "classic_FAILED_commit_job_25037.json", "classic_reprotect_job_succeeded_grouptask.json"}

// TestSiteRecoveryWalk (kind 1): the simulator follows the recordings. What deviates, and what no recording shows,
// stands in the README's table, and nothing else does.
func TestSiteRecoveryWalk(t *testing.T) {
	t.Parallel()
	folder := os.Getenv("REPROTECT_RECORDINGS")
	if folder == "" {
		t.Skip("REPROTECT_RECORDINGS names no folder with recordings")
	}
	sc := scenario.Default(4)
	sc.Plans = []scenario.Plan{{Name: "plan", Machines: []string{"app01"}}}
	w := &walk{lab: newLab(t, sc, Options{}), folder: folder, deviations: map[string]string{}, assumed: map[string]bool{}}
	w.modernized("app01")
	w.classic("mail01")
	w.surroundings()
	rows := table(t)
	used := map[string]bool{}
	for _, at := range slices.Sorted(maps.Keys(w.deviations)) {
		row := slices.IndexFunc(rows, func(r row) bool { return r.basis == "deviates" && r.covers(at) })
		if row < 0 {
			t.Errorf("no row of the README says that it deviates: %s: %s", at, w.deviations[at])
			continue
		}
		used[rows[row].what] = true
	}
	for _, r := range rows {
		switch {
		case r.basis == "deviates" && !used[r.what]:
			t.Errorf("the README says that it deviates, and it does not: %s", r.what)
		case r.basis == "assumed" && !w.assumed[r.what]:
			t.Errorf("the README says that it is assumed, and no step of the walk stands on it: %s", r.what)
		case !slices.Contains([]string{"deviates", "assumed", "left out", "documented"}, r.basis) || r.why == "":
			t.Errorf("the README says no basis or no reason: %+v", r)
		}
	}
	for what := range w.assumed {
		if !slices.ContainsFunc(rows, func(r row) bool { return r.what == what && r.basis == "assumed" }) {
			t.Errorf("the README does not say that this is assumed: %s", what)
		}
	}
}

func (w *walk) modernized(name string) {
	w.item("InMageRcm", name, "rcm_cli_item_GET_failover_committed_pending.json")
	w.advance(13 * time.Minute)
	w.item("InMageRcm", name, "rcm_item_GET_failed_over_before_commit.json")
	if p := w.item0(name); p["lastSuccessfulFailoverTime"].(string) < p["providerSpecificDetails"].(map[string]any)["mobilityAgentDetails"].(map[string]any)["lastHeartbeatUtc"].(string) {
		w.t.Error("the heartbeat is newer than the failover: in the recordings it stays that of before")
	}

	resp, job := w.post(name, "reProtect", w.recorded("rcm_reverse_reprotect_post_2021.json", 0).request, w.reprotectBody(name))
	w.headers("reprotect", resp, w.recorded("rcm_reverse_reprotect_post_2021.json", 0))
	w.holds("job SwitchReplicationGroupProtection", w.recorded("rcm_reprotect_job_inprogress.json", 0).body, w.get(w.path("replicationJobs/"+job)))
	w.holds("status", w.recorded("rcm_reprotect_opstatus_inprogress_then_succeeded.json", 0).body, w.get(w.path("replicationOperationStatus/"+job)))
	w.assume("item while a job runs")
	w.advance(12 * time.Minute)
	w.holds("status", w.recorded("rcm_reprotect_opstatus_inprogress_then_succeeded.json", 1).body, w.get(w.path("replicationOperationStatus/"+job)))
	w.item("InMageRcmFailback", name, "rcm_cli_item_GET_failback_initial_replication.json")
	w.advance(w.sc.Times.InitialReplication / 2)
	w.assume("progress of a replication back")
	w.advance(w.sc.Times.InitialReplication)
	w.item("InMageRcmFailback", name, "rcm_cli_item_GET_protected_failback_before_plannedfailover.json")

	planned := w.recorded("rcm_plannedfailover_post_and_job_running.json", 0)
	resp, job = w.post(name, "plannedFailover", planned.request, nil)
	w.headers("plannedFailover", resp, planned)
	w.holds("job PlannedFailover", w.recorded("rcm_plannedfailover_post_and_job_running.json", 1).body, w.get(w.path("replicationJobs/"+job)))
	w.holds("status", w.recorded("rcm_cli_plannedfailover_post_and_opstatus.json", 1).body, w.get(w.path("replicationOperationStatus/"+job)))
	w.assume("item while a failback or its cancellation runs")
	w.advance(plannedTakes)
	w.holds("status", w.recorded("rcm_cli_plannedfailover_post_and_opstatus.json", -1).body, w.get(w.path("replicationOperationStatus/"+job)))
	w.item("InMageRcmFailback", name, "rcm_item_GET_after_planned_failover.json")
	w.listed("InMageRcmFailback list", name, "rcm_item_list_after_planned_failover.json", 3)

	undo := w.recorded("rcm_failovercancel_post_and_job_running.json", 0)
	resp, job = w.post(name, "failoverCancel", nil, nil)
	w.headers("failoverCancel", resp, undo)
	w.advance(30 * time.Second)
	w.holds("job CancelFailover", w.recorded("rcm_failovercancel_post_and_job_running.json", 1).body, w.get(w.path("replicationJobs/"+job)))
	w.advance(cancelTakes)
	w.assume("end of the jobs PlannedFailover and CancelFailover")
	w.item("InMageRcmFailback", name, "rcm_item_GET_after_failover_cancel.json")
	w.listed("InMageRcmFailback list", name, "rcm_item_list_after_failover_cancel.json", 0)

	_, _ = w.post(name, "plannedFailover", planned.request, nil)
	w.advance(plannedTakes + w.sc.Times.Agent)
	w.item("InMageRcmFailback", name, "rcm_item_GET_before_forward_reprotect.json")
	w.forwardModernized(name)
	w.failedFailback(name)
	w.commitOfAFailover("web01")
	w.assume("item after the commit of a modernized failback")
	w.upkeep("web01")
}

// forwardModernized protects a machine towards Azure again, straight from a failback that is not committed, as recorded.
func (w *walk) forwardModernized(name string) {
	forward := w.recorded("rcm_forward_reprotect_post_and_job_running.json", 0)
	resp, job := w.post(name, "reProtect", forward.request, w.forwardBody(name, forward.request))
	w.headers("reprotect", resp, forward)
	w.holds("job SwitchReplicationGroupProtection forward", w.recorded("rcm_forward_reprotect_post_and_job_running.json", 1).body, w.get(w.path("replicationJobs/"+job)))
	w.advance(w.sc.Times.Job)
	w.assume("end of the job that protects a modernized machine again")
	w.advance(w.sc.Times.InitialReplication / 2)
	w.item("InMageRcm", name, "rcm_cli_item_GET_waiting_first_recovery_point.json")
	w.advance(w.sc.Times.InitialReplication / 4)
	w.holds("InMageRcm", w.recorded("rcm_cli_item_GET_waiting_first_recovery_point.json", 1).body, w.get(*w.items()[name].ID+"?api-version=2025-01-01"))
	w.advance(w.sc.Times.InitialReplication)
	w.holds("InMageRcm protected", w.recorded("rcm_vault_level_LIST_filtered_by_plan_beside_GET.json", 1).body, w.get(*w.items()[name].ID+"?api-version=2025-01-01"))
	w.listed("InMageRcm protected list", name, "rcm_vault_level_LIST_filtered_by_plan_beside_GET.json", 0)
	_, job = w.post(name, "updateAppliance", nil, map[string]any{"properties": map[string]any{
		"targetApplianceId": w.sc.UUID("appliance", "ASR-APPL-01"), "providerSpecificDetails": map[string]any{"instanceType": "InMageRcm"}}})
	w.advance(updateTakes)
	w.holds("job UpdateApplianceForRPI", w.recorded("rcm_update_appliance_job_succeeded.json", 0).body, w.get(w.path("replicationJobs/"+job)))
}

// forwardBody is the recorded request with what this vault calls things.
func (w *walk) forwardBody(name string, recorded any) any {
	raw, err := json.Marshal(recorded)
	w.must(err)
	var body map[string]any
	w.must(json.Unmarshal(raw, &body))
	details := body["properties"].(map[string]any)["providerSpecificDetails"].(map[string]any)
	m := w.sim.byName[name]
	own := map[string]any{
		"processServerId": w.sc.UUID("appliance", "ASR-APPL-01"), "runAsAccountId": w.sim.account(m),
		"policyId": w.sim.id("replicationPolicies", w.sim.fabricOf(m).forward), "masterTargetId": w.sim.hostID(ProcessServer),
	}
	if m.classic() {
		own["processServerId"], own["runAsAccountId"] = w.sim.hostID(ProcessServer), "2"
	}
	for key := range details {
		if value, has := own[key]; has {
			details[key] = value
		}
	}
	return body
}

// failedFailback stands on what no recording shows.
func (w *walk) failedFailback(string) {
	w.assume("a failback that fails, and that the service cancels it by itself")
	w.assume("when in their jobs machines are switched on and off")
	w.assume("a failback through an appliance or master target that falls silent fails")
}

// upkeep holds what is done to a machine on its way against the recordings.
func (w *walk) upkeep(name string) {
	w.post(name, "reProtect", w.recorded("rcm_reverse_reprotect_post_2021.json", 0).request, w.reprotectBody(name))
	w.advance(w.sc.Times.Job + w.sc.Times.InitialReplication)
	_, _ = w.post(name, "plannedFailover", w.recorded("rcm_plannedfailover_post_and_job_running.json", 0).request, nil)
	w.advance(plannedTakes)
	remove := w.recorded("rcm_cli_remove_after_plannedfailover.json", 0)
	resp, job := w.post(name, "remove", remove.request, nil)
	w.headers("remove", resp, remove)
	w.holds("status", w.recorded("rcm_cli_remove_after_plannedfailover.json", 1).body, w.get(w.path("replicationOperationStatus/"+job)))
	w.advance(removeTakes)
	w.holds("status", w.recorded("rcm_cli_remove_after_plannedfailover.json", -1).body, w.get(w.path("replicationOperationStatus/"+job)))
	w.assume("DELETE of an item does what remove does")
	w.assume("jobs ResolveHealthErrors and DisableDr")
	w.assume("operations of a whole recovery plan")
	w.assume("resynchronization and change of the appliance of a machine that replicates back")
}

// resynchronized compares the disks of a machine anew, which replicates to Azure.
func (w *walk) resynchronized(name string) {
	w.must(w.sim.RequireResync(name, true))
	_, job := w.post(name, "repairReplication", nil, nil)
	w.advance(resyncTakes)
	w.holds("job RepairVMReplication", w.recorded("classic_resync_job_succeeded_task_inprogress.json", 0).body, w.get(w.path("replicationJobs/"+job)))
	w.advance(w.sc.Times.InitialReplication)
}

// commitOfAFailover holds the job of a commit against its recording.
func (w *walk) commitOfAFailover(name string) {
	commit := w.recorded("rcm_failover_commit_post_and_job.json", 0)
	resp, job := w.post(name, "failoverCommit", nil, nil)
	w.headers("failoverCommit", resp, commit)
	w.advance(500 * time.Millisecond)
	w.holds("job CommitFailover", w.recorded("rcm_failover_commit_post_and_job.json", 1).body, w.get(w.path("replicationJobs/"+job)))
	w.advance(time.Second)
	w.holds("job CommitFailover", w.recorded("rcm_failover_commit_post_and_job.json", 2).body, w.get(w.path("replicationJobs/"+job)))
	w.item("InMageRcm", name, "rcm_item_GET_failover_committed.json")
	_, job = w.post(name, "failoverCommit", nil, nil) // nothing waits for it any more: accepted, and it fails
	w.advance(time.Second)
	w.holds("job CommitFailover failed", w.recorded("classic_FAILED_commit_job_25037.json", 2).body, w.get(w.path("replicationJobs/"+job)))
}

func (w *walk) classic(name string) {
	w.item("InMageAzureV2", name, "classic_protecteditem_committed_InMageAzureV2.json")
	post := w.recorded("classic_reverse_reprotect_post_job_2021.json", 1)
	resp, job := w.post(name, "reProtect", post.request, w.reprotectBody(name))
	w.headers("reprotect", resp, post)
	w.advance(90 * time.Second) // of twelve minutes: the replica is being discovered
	w.holds("job SwitchReplicationGroupProtection classic", w.recorded("classic_reverse_reprotect_post_job_2021.json", 2).body, w.get(w.path("replicationJobs/"+job)))
	w.assume("the classic reprotect's last task starts a job EnableDr")
	w.advance(12 * time.Minute)
	w.holds("job SwitchReplicationGroupProtection classic, forward", w.recorded("classic_reprotect_job_succeeded_grouptask.json", 0).body, w.get(w.path("replicationJobs/"+job)))
	w.assume("tasks of the jobs that follow a classic reprotect")
	w.advance(w.sc.Times.InitialReplication)
	w.item("InMage", name, "classic_item_GET_before_failback.json")
	w.listed("InMage list", name, "classic_item_list_before_failback.json", 0)

	failover := w.recorded("classic_failback_unplannedfailover_post_and_job.json", 0)
	resp, job = w.post(name, "unplannedFailover", failover.request, nil)
	w.headers("unplannedFailover", resp, failover)
	w.advance(unplannedTakes * 95 / 100)
	w.holds("job UnplannedFailover", w.recorded("classic_failback_unplannedfailover_post_and_job.json", 2).body, w.get(w.path("replicationJobs/"+job)))
	w.advance(unplannedTakes)
	w.holds("job UnplannedFailover", w.recorded("classic_failback_unplannedfailover_post_and_job.json", 4).body, w.get(w.path("replicationJobs/"+job)))
	w.assume("item between a classic failback and its commit")
	_, job = w.post(name, "failoverCommit", nil, nil)
	w.advance(finalizeTakes)
	w.holds("job CommitFailover", w.recorded("classic_failback_commit_post_and_job.json", 3).body, w.get(w.path("replicationJobs/"+job)))
	w.item("InMage", name, "classic_item_GET_after_failback_commit.json")
	w.listed("InMage list", name, "classic_item_list_after_failback_commit.json", 0)
	w.listed("InMageAzureV2 list", "db01", "classic_item_list_after_failback_commit.json", 1)

	forward := w.recorded("classic_forward_reprotect_post_and_job.json", 0)
	resp, job = w.post(name, "reProtect", forward.request, w.forwardBody(name, forward.request))
	w.headers("reprotect", resp, forward)
	w.advance(forwardTakes / 2)
	w.holds("job SwitchReplicationGroupProtection classic again", w.recorded("classic_forward_reprotect_post_and_job.json", 1).body, w.get(w.path("replicationJobs/"+job)))
	w.advance(forwardTakes)
	w.holds("job SwitchReplicationGroupProtection classic again", w.recorded("classic_forward_reprotect_post_and_job.json", -1).body, w.get(w.path("replicationJobs/"+job)))
	w.assume("initial replication of a classic machine to Azure")
	w.advance(w.sc.Times.InitialReplication)
	w.holds("InMageAzureV2 protected", w.recorded("classic_AzureV2_item_LIST_beside_GET_protected.json", 1).body, w.get(*w.items()[name].ID+"?api-version=2025-01-01"))
	w.listed("InMageAzureV2 protected list", name, "classic_AzureV2_item_LIST_beside_GET_protected.json", 0)
	w.resynchronized(name)
}

// surroundings are what does not change on the way: fabrics, plans, lists of jobs.
func (w *walk) surroundings() {
	modernized := slices.IndexFunc(w.sim.fabrics, func(f *fabric) bool { return !f.classic })
	id := w.sim.fabricID(w.sim.fabrics[modernized])
	w.holds("fabric", w.recorded("rcm_cli_fabric_LIST_beside_GET.json", 1).body, w.get(id+"?api-version=2025-01-01"))
	for _, f := range w.get(w.path("replicationFabrics"))["value"].([]any) {
		if f.(map[string]any)["id"] == id {
			w.holds("fabric list", w.recorded("rcm_cli_fabric_LIST_beside_GET.json", 0).entry(0), f)
		}
	}
	w.holds("plan", w.recorded("rcm_cli_recoveryplan_PUT_GET_LIST.json", 3).body, w.get(w.path("replicationRecoveryPlans/plan")))
	w.holds("plan list", w.recorded("rcm_cli_recoveryplan_PUT_GET_LIST.json", 4).entry(0), w.get(w.path("replicationRecoveryPlans"))["value"].([]any)[0])
	w.holds("job list", w.recorded("jobs_LIST_with_failed_and_information.json", 0).entry(0), w.get(w.path("replicationJobs"))["value"].([]any)[0])
	w.holds("vault health", w.recorded("vaulthealth_refresh_and_get.json", 3).body, w.get(w.path("replicationVaultHealth")))
	resp, _ := w.send("POST", w.path("replicationVaultHealth/default/refresh"), "", nil)
	w.headers("refresh", resp, w.recorded("vaulthealth_refresh_and_get.json", 0))
	w.advance(2 * time.Second)
	w.holds("job RefreshVaultHealth", w.recorded("vaulthealth_refresh_and_get.json", 4).body, w.get(w.path("replicationJobs/"+lastSegment(resp.Header.Get("x-ms-request-id")))))
	event := w.get(w.path("replicationEvents"))["value"].([]any)[0]
	w.holds("event", w.recorded("classic_replicationEvents_LIST.json", 0).entry(0), event)
	w.holds("event", event, w.get(event.(map[string]any)["id"].(string)+"?api-version=2025-01-01"))
	w.get(w.path("replicationAppliances"))
	w.assume("content of replicationAppliances, and issues in the vault's health")
	w.assume("one event a machine: of its health as it stands")
	w.assume("vault-wide list of VMware items without a filter")
	w.assume("error of a failed reprotect job")
	w.assume("refusal of what the state forbids, or while a job runs")
	w.assume("refusal of a wrong body")
	w.assume("tasks of RefreshServer")
	w.assume("heartbeat of a classic agent is renewed when it registers")
}

func (w *walk) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// assume says that a step has no recording, and on which row of the README it stands.
func (w *walk) assume(what string) { w.assumed[what] = true }

func (w *walk) item(kind, name, recording string) {
	w.t.Helper()
	w.holds(kind, w.recorded(recording, 0).body, w.get(*w.items()[name].ID+"?api-version=2025-01-01"))
}

// item0 are the properties of a machine's item.
func (w *walk) item0(name string) map[string]any {
	return w.get(*w.items()[name].ID + "?api-version=2025-01-01")["properties"].(map[string]any)
}

func (w *walk) listed(kind, name, recording string, entry int) {
	w.t.Helper()
	for _, i := range w.get(w.path("replicationProtectedItems"))["value"].([]any) {
		if i.(map[string]any)["properties"].(map[string]any)["friendlyName"] == name {
			w.holds(kind, w.recorded(recording, 0).entry(entry), i)
		}
	}
}

// post sends what was recorded, with the names of this vault, and returns the answer and its job.
func (w *walk) post(name, operation string, recorded, own any) (*http.Response, string) {
	w.t.Helper()
	body := ""
	if own == nil {
		own = recorded
	}
	if own != nil {
		raw, err := json.Marshal(own)
		w.must(err)
		body = string(raw)
	}
	resp, answer := w.send("POST", *w.items()[name].ID+"/"+operation+"?api-version=2025-01-01", body, nil)
	if resp.StatusCode != http.StatusAccepted {
		w.t.Fatalf("%s of %s: %s %v", operation, name, resp.Status, answer)
	}
	return resp, lastSegment(resp.Header.Get("x-ms-request-id"))
}

// reprotectBody is the request of the product's own library for a machine.
func (w *walk) reprotectBody(name string) (body any) {
	raw, err := json.Marshal(w.input(name))
	w.must(err)
	w.must(json.Unmarshal(raw, &body))
	return body
}

// exchange is one request of a recording with its answer.
type exchange struct {
	t             *testing.T
	request, body any
	header        map[string]any
}

// entry is one of a list.
func (e exchange) entry(n int) any {
	return e.body.(map[string]any)["value"].([]any)[n]
}

func (w *walk) recorded(file string, n int) exchange {
	w.t.Helper()
	raw, err := os.ReadFile(filepath.Join(w.folder, file))
	w.must(err)
	var content any
	w.must(json.Unmarshal(raw, &content))
	all, isList := content.([]any)
	if o, isObject := content.(map[string]any); isObject {
		all = []any{o}
		if many, ok := o["exchanges"].([]any); ok {
			all = many
		}
	} else if !isList || n >= len(all) {
		w.t.Fatalf("%s has no exchange %d", file, n)
	}
	if n < 0 {
		n += len(all)
	}
	w.older = slices.Contains(olderForms, file)
	o := all[n].(map[string]any)
	delete(o, "_source")
	e := exchange{t: w.t, request: o["requestBody"], body: o["responseBody"]}
	if e.body == nil {
		e.body = o["body"]
	}
	if e.body == nil {
		e.body = o // the body alone
	}
	if text, isText := e.request.(string); isText && text != "" {
		w.must(json.Unmarshal([]byte(text), &e.request))
	} else if isText {
		e.request = nil
	}
	e.header, _ = o["headers"].(map[string]any)
	return e
}

func (w *walk) headers(kind string, resp *http.Response, recorded exchange) {
	for _, name := range []string{"Retry-After", "Location", "Azure-AsyncOperation", "x-ms-request-id"} {
		want := recorded.header[name]
		if list, many := want.([]any); many {
			want = list[0]
		}
		if want == nil {
			continue // cut by whoever recorded
		}
		text := resp.Header.Get(name)
		for _, v := range []*string{&text} {
			*v = strings.TrimPrefix(hostAndQuery.ReplaceAllString(*v, ""), "https://")
		}
		w.compare("headers "+kind, name, hostAndQuery.ReplaceAllString(want.(string), ""), text)
	}
}

var hostAndQuery = regexp.MustCompile(`^https://[^/]+|\?.*$`)

// holds compares what is shown with what was recorded.
func (w *walk) holds(kind string, recorded, shown any) {
	w.t.Helper()
	raw, err := json.Marshal(shown) // as it comes over the wire
	w.must(err)
	var plain any
	w.must(json.Unmarshal(raw, &plain))
	w.compare(kind, "", recorded, plain)
}

func (w *walk) compare(kind, path string, recorded, shown any) {
	deviates := func(a, b string) { w.deviations[kind+": "+path] = a + " recorded, " + b + " shown" }
	switch r := recorded.(type) {
	case map[string]any:
		s, ok := shown.(map[string]any)
		if !ok {
			deviates("object", kindOf(path, shown))
			return
		}
		for key := range r {
			if _, has := s[key]; !has {
				w.compareAbsent(kind, path+"."+key, kindOf(path+"."+key, r[key]), "absent")
			} else {
				w.compare(kind, path+"."+key, r[key], s[key])
			}
		}
		for key := range s {
			if _, has := r[key]; !has {
				w.compareAbsent(kind, path+"."+key, "absent", kindOf(path+"."+key, s[key]))
			}
		}
	case []any:
		s, ok := shown.([]any)
		switch {
		case !ok:
			deviates("list", kindOf(path, shown))
		case len(r) == 0 || len(s) == 0 || constant(path):
			if a, b := kindOf(path, r), kindOf(path, s); a != b {
				deviates(a, b)
			}
		case strings.HasSuffix(path, ".tasks"):
			if len(r) != len(s) {
				deviates(fmt.Sprint(len(r)), fmt.Sprint(len(s)))
				return
			}
			for n := range r {
				w.compare(kind, path+"[]", r[n], s[n])
			}
		default:
			w.compare(kind, path+"[]", r[0], s[0])
		}
	default:
		if a, b := kindOf(path, recorded), kindOf(path, shown); a != b {
			deviates(a, b)
		}
	}
}

func (w *walk) compareAbsent(kind, path, recorded, shown string) {
	if w.older && recorded == "absent" {
		return
	}
	w.deviations[kind+": "+path] = recorded + " recorded, " + shown + " shown"
}

// constant lists are compared whole.
func constant(path string) bool {
	return slices.ContainsFunc([]string{".allowedOperations", ".allowedActions", ".reasonsBlockingUpgrade", ".replicationProviders"}, func(end string) bool { return strings.HasSuffix(path, end) })
}

// named are the fields that hold what a site calls its own; of these only whether they are empty counts.
var named = regexp.MustCompile(`(?i)(name|version|friendlyName|address|addresses|biosId|location|size|datastores|ipAddress|clouds?Id|vmmId|uri|endpoint|fqdn|audience|authority|resourceId|serviceContainerId|targetObjectId|message|causes|action|diskId|networkId|accountId|volumeName|nicId|group|SubnetName|ipAddresses|accessibleDatastores|networkName|retentionDrive|profileId|replicaId|jobId)(\[\])?$`)

// site are the fields that differ from machine to machine: of these only whether they are there counts.
var site = regexp.MustCompile(`\.(firmwareType|targetGeneration|diskType|licenseType|isOSDisk|osType|diskId|targetAvailabilityZone|azureVmGeneration|useManagedDisks)$|ResourceGroupId$`)

var (
	activity   = regexp.MustCompile(` ActivityId: `)
	uuidForm   = regexp.MustCompile(`(?i)^\{?[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-[0-9a-f]{4}-?[0-9a-f]{12}\}?$`)
	timeForm   = regexp.MustCompile(`^[12]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?$`)
	otherTimes = regexp.MustCompile(`^(\d{4}-[A-Z][a-z]{2}-\d\d \d\d:\d\d:\d\d(\.\d{6})?|\d+/\d+/\d{4} \d+:\d\d:\d\d [AP]M)$`) // of disks that replicate to Azure
	numberForm = regexp.MustCompile(`^\d+(\.\d+)?$`)
)

// kindOf is what of a value is the service's and not the site's.
func kindOf(path string, v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return fmt.Sprint(v)
	case float64:
		return "number"
	case map[string]any:
		return "object"
	case []any:
		if len(v) == 0 {
			return "[]"
		}
		if constant(path) {
			var all []string
			for _, e := range v {
				all = append(all, fmt.Sprint(e))
			}
			slices.Sort(all)
			return fmt.Sprint(all)
		}
		return "list"
	}
	text := v.(string)
	switch form := uuidForm.FindStringSubmatch(text); {
	case path == ".name", site.MatchString(path) && text != "":
		return "name"
	case activity.MatchString(text):
		return "activity"
	case text == "":
		return `""`
	case text == noTime || strings.HasPrefix(text, "1753-") || strings.HasPrefix(text, "9999-"):
		return text
	case timeForm.MatchString(text):
		return "time"
	case otherTimes.MatchString(text):
		return "time as " + regexp.MustCompile(`[0-9]+`).ReplaceAllString(regexp.MustCompile(`[A-Z][a-z]{2}|[AP]M`).ReplaceAllString(text, "A"), "0")
	case strings.Count(text, "/") > 4 && strings.HasPrefix(strings.ToLower(text), "/subscriptions/"):
		return skeleton(text)
	case form != nil && (form[1] == "1"):
		return "UUID of version 1"
	case form != nil:
		return "UUID"
	case named.MatchString(path):
		return "name"
	case numberForm.MatchString(text):
		return "number in text"
	}
	return text
}

// skeleton is an id without the names in it.
func skeleton(id string) string {
	segments := strings.Split(id, "/")
	for n := range segments {
		if n > 0 && n%2 == 0 && segments[n-1] != "providers" && segments[n] != "None" {
			segments[n] = "*"
		}
	}
	return strings.Join(segments, "/")
}

// row is one of the README's table.
type row struct{ what, basis, why string }

// covers says whether a row of a deviation means that place: "kind: path", where * stands for anything.
func (r row) covers(at string) bool {
	for _, pattern := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(r.what, -1) {
		form := strings.ReplaceAll(regexp.QuoteMeta(pattern[1]), `\*`, `.*`)
		if regexp.MustCompile("^" + form + "$").MatchString(at) {
			return true
		}
	}
	return false
}

func table(t *testing.T) (rows []row) {
	t.Helper()
	content, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 3 || strings.HasPrefix(cells[0], "---") || strings.TrimSpace(cells[0]) == "what" {
			continue
		}
		rows = append(rows, row{strings.TrimSpace(cells[0]), strings.TrimSpace(cells[1]), strings.TrimSpace(cells[2])})
	}
	return rows
}
