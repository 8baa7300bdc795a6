package e2e

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/internal/asr"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/observed"
)

func TestS40_S41_ProtectedIsTheEnd(t *testing.T) {
	w := start(t,
		machine("lin-m", "modernized", "linux"), machine("win-m", "modernized", "windows"),
		machine("lin-c", "classic", "linux"), machine("win-c", "classic", "windows"))
	w.serve(w.config)
	all := w.ready.Machines
	w.request("all", "", all...)
	for _, m := range all {
		done := w.completes(caseOf("all", m))
		if len(done.Machines) != 1 || done.Machines[0].Machine != m || done.Machines[0].Location != "original" {
			t.Errorf("%s: %+v", m, done.Machines)
		}
		w.submissions(m, 1)
		started := await(w, events.TypeStarted, caseOf("all", m))
		w.told(started.Header, events.LevelInfo, "Reprotect started: "+m)
	}
	if m := w.completed("all", "lin-c").Machines[0]; !strings.EqualFold(m.Item, w.completed("all", "lin-c").Case.Machines[0].Item) {
		t.Errorf("a classic machine ends with another item than it began with: %s", m.Item)
	}
}

func (w *world) completed(request, machine string) events.Completed {
	w.t.Helper()
	return await(w, events.TypeCompleted, caseOf(request, machine)).Data
}

func TestRehearsalAndPreconditions(t *testing.T) {
	w := start(t, modernized("dry-m"), classic("dry-c"), classic("blocked"))
	w.serve(w.config)

	w.request("dry", `, "dryRun": true`, "dry-m", "dry-c")
	for _, m := range []string{"dry-m", "dry-c"} {
		rehearsed := await(w, events.TypeRehearsed, caseOf("dry", m))
		if would := rehearsed.Data.Would; len(would) != 1 || would[0].Datastore == "" || would[0].Datastore == "auto" {
			t.Errorf("%s: would %+v", m, would)
		}
		w.told(rehearsed.Header, events.LevelInfo, "Rehearsal passed: "+m)
		w.submissions(m, 0)
	}

	nfs := await(w, events.TypeRejected, w.request("nfs", `, "datastore": "NFS-01"`, "blocked"))
	if text := fmt.Sprint(nfs.Data.Problems); !strings.Contains(text, "NFS") || nfs.Data.Problems[0].Remedy == "" {
		t.Errorf("rejected with %+v", nfs.Data.Problems)
	}
	w.told(nfs.Header, events.LevelWarning, "Not reprotected: blocked")

	w.do("add-snapshot", "MT-LINUX-01", "before-patching")
	rejected := await(w, events.TypeRejected, w.request("early", "", "blocked"))
	problem := rejected.Data.Problems[0]
	if problem.Code != "master-target.snapshots" || !strings.Contains(problem.Message, "before-patching") || problem.Remedy == "" {
		t.Errorf("rejected with %+v", problem)
	}
	w.told(rejected.Header, events.LevelWarning, "Not reprotected: blocked")
	w.submissions("blocked", 0)

	w.do("remove-snapshot", "MT-LINUX-01")
	w.completes(w.request("later", "", "blocked"))
	w.submissions("blocked", 1)
}

func TestFailingJobs(t *testing.T) {
	w := start(t, modernized("no-datastore"), modernized("refused"), modernized("lost"), modernized("internal-m"), classic("internal-c"),
		modernized("warned"), modernized("busy-service"))
	w.serve(w.config)
	tests := []struct {
		action, machine, code string
		submissions           int
		remedy, words         string // of a case that fails; "" completes
	}{
		{"fail-next", "no-datastore", "8061", 2, "", ""}, // an operator's: it is tried again
		{"refuse-next", "refused", "8038", 1, "", ""},
		{"fail-next", "lost", "ArmResourceDoesNotExist", 1, "list", ""},
		{"fail-next", "internal-m", "499", 2, "", ""},
		{"fail-next", "internal-c", "499", 2, "", ""},
		{"warn-next", "warned", "28175", 1, "", ""},
		{"refuse-next", "busy-service", "499", 1, "", ""},
	}
	for _, tc := range tests {
		w.do(tc.action, tc.machine, tc.code)
		w.request("fails-"+tc.machine, "", tc.machine)
	}
	for _, tc := range tests {
		id := caseOf("fails-"+tc.machine, tc.machine)
		if tc.remedy == "" {
			w.completes(id)
		} else {
			failed := await(w, events.TypeFailed, id)
			d := failed.Data
			if d.Code != tc.code || !strings.Contains(strings.ToLower(d.Remedy), tc.remedy) || !strings.Contains(d.Words+d.Message, tc.words) {
				t.Errorf("%s failed with %+v", tc.machine, d)
			}
			if len(d.Machines) != 1 || d.Machines[0].Machine != tc.machine {
				t.Errorf("%s: the failure does not say where the machine stands: %+v", tc.machine, d.Machines)
			}
			w.told(failed.Header, events.LevelCritical, "Reprotect failed: "+tc.machine)
		}
		w.submissions(tc.machine, tc.submissions)
	}
}

func TestAlternateLocation(t *testing.T) {
	gone := []string{"gone-m", "gone-c"}
	w := start(t, modernized(gone[0]), classic(gone[1]))
	for _, m := range gone {
		w.do("delete-vm", m)
	}
	w.serve(w.config)
	w.request("alternate", "", gone...)
	for _, m := range gone {
		done := w.completes(caseOf("alternate", m))
		if len(done.Machines) != 1 || done.Machines[0].Location != "alternate" {
			t.Errorf("%s: %+v", m, done.Machines)
		}
		placed := await(w, events.TypePlaced, caseOf("alternate", m)).Data
		if p := placed.Placements[0]; p.Datastore == "" || p.Why == "" {
			t.Errorf("%s: placed without a reason: %+v", m, p)
		}
	}
}

func TestTogether(t *testing.T) {
	group := []string{"one", "two", "three"}
	w := start(t, modernized("one"), classic("two"), modernized("three"), modernized("apart"))
	w.serve(w.config)
	id := w.request("both", `, "together": true`, group...)
	done := w.completes(id)
	if len(done.Machines) != len(group) {
		t.Errorf("one case of %d machines, want %d", len(done.Machines), len(group))
	}
	for i, m := range group {
		if done.Machines[i].Machine != m {
			t.Errorf("machine %d of the case is %s, want %s", i, done.Machines[i].Machine, m)
		}
		w.submissions(m, 1)
	}
	w.submissions("apart", 0)
	entries, _ := w.now()
	for _, e := range entries {
		if e.kind == events.TypeAccepted.Kind && e.event.Case != id {
			t.Errorf("another case was made: %s", e.event.Case)
		}
	}
}

// The machines of a replication group go together or not at all (S37).
func TestReplicationGroup(t *testing.T) {
	group := []scenario.Machine{classic("erp-app"), classic("erp-db")}
	for i := range group {
		group[i].Group = "erp"
	}
	w := start(t, append(group, classic("apart"))...)
	w.serve(w.config)
	rejected := await(w, events.TypeRejected, w.request("half", "", "erp-app"))
	if p := rejected.Data.Problems[0]; p.Code != "group.complete" || !strings.Contains(p.Message+p.Remedy, "erp-db") {
		t.Errorf("rejected with %+v", p)
	}
	w.submissions("erp-app", 0)

	w.request("whole", "", "erp-db", "apart", "erp-app")
	if done := w.completes(caseOf("whole", "erp-db")); len(done.Machines) != 2 || done.Case.Group != "erp" {
		t.Errorf("the case of the group: %+v", done)
	}
	if done := w.completes(caseOf("whole", "apart")); len(done.Machines) != 1 {
		t.Errorf("the case beside the group: %+v", done)
	}
	for _, m := range []string{"erp-app", "erp-db", "apart"} {
		w.submissions(m, 1)
	}
}

// A vault may hold two machines of one name. The refusal says how to name the one that is meant.
func TestMachinesOfOneName(t *testing.T) {
	other := classic("web01") // vCenter does not know its id: where its disks lay tells which VM it is
	other.Datastore = "VMFS-02"
	w := start(t, modernized("web01"), other)
	w.serve(w.config)
	w.request("which", "", "web01")
	problem := await(w, events.TypeRefused, "which").Data.Problems[0]
	twins := regexp.MustCompile(`/Subscriptions/\S+`).FindAllString(problem.Remedy, -1)
	if problem.Code != "machine.ambiguous" || problem.Place != "/data/machines/0/name" || len(twins) != 2 {
		t.Fatalf("refused with %+v", problem)
	}
	w.request("this", "", twins[1])
	done := w.completed("this", "web01")
	if item := done.Case.Machines[0].Item; item != twins[1] {
		t.Errorf("%s was reprotected, want %s", item, twins[1])
	}
}

// Somebody starts the job in the portal, between the checks and the submission, or before the request.
func TestAdoptedJob(t *testing.T) {
	times := scenario.Default(0).Times
	times.Job = 4 * time.Hour // six seconds here: longer than a slow machine takes to look
	w := startWith(t, times, modernized("between-m"), classic("between-c"), modernized("before"))
	azure := vaultOf(t, w.config)
	adopted := func(caseID, job string) {
		t.Helper()
		started := await(w, events.TypeStarted, caseID).Data
		if j := started.Jobs[0]; !j.Adopted || j.Job != job {
			t.Errorf("case %s follows %+v, want the adopted job %s", caseID, j, job)
		}
		w.completes(caseID)
	}

	w.serve(w.config, "validator", "datastore", "agentwatcher", "notifier")
	jobs := map[string]string{}
	between := []string{"between-m", "between-c"}
	w.request("adopt", "", between...)
	for _, m := range between {
		registered := await(w, events.TypeRegistered, caseOf("adopt", m)).Data
		jobs[m] = submit(t, azure, registered.Case.Machines[0])
	}
	w.serve(w.config, "executor")
	for _, m := range between {
		adopted(caseOf("adopt", m), jobs[m])
		w.submissions(m, 1)
	}

	rehearsed := await(w, events.TypeRehearsed, w.request("look", `, "dryRun": true`, "before")).Data
	job := submit(t, azure, rehearsed.Would[0])
	adopted(w.request("after", "", "before"), job)
	w.submissions("before", 1)
}

// The same machine is asked for by two people at once, and again when it is protected: one job, and every case
// comes to its good end.
func TestAskedForAgain(t *testing.T) {
	machines := []string{"again-m", "again-c"}
	w := start(t, modernized(machines[0]), classic(machines[1]))
	w.serve(w.config)
	w.request("one", "", machines...)
	w.request("two", "", machines...)
	for _, m := range machines {
		w.completes(caseOf("one", m))
		w.completes(caseOf("two", m))
	}
	w.request("late", "", machines...)
	for _, m := range machines {
		w.completes(caseOf("late", m))
		w.submissions(m, 1)
	}
}

// submit starts a reprotect as somebody else does, with what the product would have chosen.
func submit(t *testing.T, azure *asr.Client, m events.Machine) (job string) {
	t.Helper()
	vault, err := azure.Vault(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	item, _ := vault.Item(m.Item)
	fabric, _ := vault.Fabric(item.FabricID)
	policy, _ := vault.FailbackPolicy(item.FabricID)
	mt, _ := fabric.MasterTarget(m.MasterTarget)
	ps, _ := fabric.ProcessServer(m.ProcessServer)
	appliance, _ := fabric.Appliance(m.Appliance)
	r := observed.Reprotect{Item: item, Datastore: m.Datastore, ApplianceID: appliance.ID, LogStorage: m.LogStorageAccount}
	if item.Architecture == observed.Classic {
		r = observed.Reprotect{
			Item: item, Datastore: m.Datastore,
			MasterTargetID: mt.ID, ProcessServerID: ps.ID, RetentionDrive: m.RetentionDrive, PolicyID: policy.ID,
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if job, err = azure.Reprotect(ctx, r); err != nil {
		t.Fatal(err)
	}
	return job
}

func vaultOf(t *testing.T, c config.Config) *asr.Client {
	t.Helper()
	credential, err := asr.Credential(c.Azure.TokenFile, "")
	if err != nil {
		t.Fatal(err)
	}
	v := c.Sites[site].Vault
	client, err := asr.New(asr.Options{
		Subscription: v.Subscription, ResourceGroup: v.ResourceGroup, Vault: v.Name,
		Credential: credential, Endpoint: c.Azure.Endpoint, CAFile: c.Azure.CAFile, Look: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}
