package asrsim

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	asr "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/recoveryservices/armrecoveryservicessiterecovery/v2"

	"reprotect.example/services/lab/scenario"
)

func TestModernizedMachineComesHome(t *testing.T) {
	t.Parallel()
	l := standard(t)
	before := l.item("web01")
	rcm := before.Properties.ProviderSpecificDetails.(*asr.InMageRcmReplicationDetails)
	if *rcm.IsAgentRegistrationSuccessfulAfterFailover {
		t.Error("the agent counts as registered right after the failover")
	}
	if !contains(before.Properties.AllowedOperations, "SwitchProtection") || *before.Properties.ReplicationHealth != "Normal" {
		t.Error("a fresh failover must list SwitchProtection and be healthy, registered or not")
	}
	l.advance(12 * time.Minute)
	rcm = l.item("web01").Properties.ProviderSpecificDetails.(*asr.InMageRcmReplicationDetails)
	if !*rcm.IsAgentRegistrationSuccessfulAfterFailover || rcm.MobilityAgentDetails.LastHeartbeatUTC.After(*before.Properties.LastSuccessfulFailoverTime) {
		t.Error("after its time the agent must be registered; its heartbeat stays that of before the failover")
	}

	poller, id := l.mustReprotect("web01")
	running := l.item("web01").Properties
	if got := *running.CurrentScenario.JobID; lastSegment(got) != id || *running.CurrentScenario.ScenarioName != "SwitchReplicationGroupProtection" {
		t.Errorf("current scenario names %s, want %s", got, id)
	}
	l.checkTasks(id, "InProgress", "NotStarted", "NotStarted", "NotStarted", "NotStarted")
	l.advance(90 * time.Second) // of 12 minutes
	l.checkTasks(id, "Succeeded", "Succeeded", "InProgress", "NotStarted", "NotStarted")
	l.advance(6 * time.Minute)
	l.checkTasks(id, "Succeeded", "Succeeded", "Succeeded", "Succeeded", "InProgress")
	if job := l.job(id); *job.Properties.State != "InProgress" || job.Properties.EndTime != nil || *job.Properties.AllowedActions[0] != "Cancel" {
		t.Errorf("running job: %+v", job.Properties)
	}
	l.poll(poller, false)

	l.advance(5 * time.Minute)
	l.poll(poller, true)
	result, err := poller.Result(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if *result.ID != *before.ID {
		t.Errorf("the item changed its id from %s to %s", *before.ID, *result.ID)
	}
	l.advance(10 * time.Minute)
	p := l.item("web01").Properties
	back := p.ProviderSpecificDetails.(*asr.InMageRcmFailbackReplicationDetails)
	if *p.ProtectionState != "InitialReplicationInProgress" || *p.ActiveLocation != "Primary" {
		t.Errorf("after the job: %s at %s", *p.ProtectionState, *p.ActiveLocation)
	}
	if n := *back.InitialReplicationProgressPercentage; n < 45 || n > 55 {
		t.Errorf("half of the initial replication shows %d%%", n)
	}
	bytes := *back.InitialReplicationProcessedBytes
	l.advance(5 * time.Minute)
	back = l.item("web01").Properties.ProviderSpecificDetails.(*asr.InMageRcmFailbackReplicationDetails)
	if *back.InitialReplicationProcessedBytes <= bytes {
		t.Error("bytes do not grow")
	}
	l.advance(5 * time.Minute)
	p = l.item("web01").Properties
	if *p.ProtectionState != "Protected" || !contains(p.AllowedOperations, "PlannedFailover") {
		t.Errorf("at the end: %s, allowed %v", *p.ProtectionState, p.AllowedOperations)
	}
	if n := l.sim.Submissions()["web01"]; n != 1 {
		t.Errorf("%d submissions", n)
	}
}

func TestClassicMachineBecomesANewItem(t *testing.T) {
	t.Parallel()
	sc := scenario.Default(4)
	sc.NewItems = true
	l := newLab(t, sc, Options{})
	before := l.item("mail01")
	failover := *before.Properties.LastSuccessfulFailoverTime
	v2 := before.Properties.ProviderSpecificDetails.(*asr.InMageAzureV2ReplicationDetails)
	if v2.LastHeartbeat.After(failover) {
		t.Error("the heartbeat is newer than the failover before the agent has registered")
	}
	l.advance(13 * time.Minute)
	v2 = l.item("mail01").Properties.ProviderSpecificDetails.(*asr.InMageAzureV2ReplicationDetails)
	if !v2.LastHeartbeat.After(failover) {
		t.Error("the heartbeat stays older than the failover")
	}

	_, id := l.mustReprotect("mail01")
	l.advance(6 * time.Minute)
	l.checkTasks(id, "Succeeded", "Other", "Succeeded", "Succeeded", "InProgress")
	group := l.job(id).Properties.Tasks[4].GroupTaskCustomDetails.GetGroupTaskDetails()
	child := group.ChildTasks[0].CustomDetails.(*asr.JobTaskDetails).JobTask
	if got := l.job(*child.JobID); *got.Properties.ScenarioName != "EnableDr" {
		t.Errorf("the child job is %s", *got.Properties.ScenarioName)
	}
	l.advance(6 * time.Minute)

	details := l.job(id).Properties.CustomDetails.(*asr.SwitchProtectionJobDetails)
	if details.NewReplicationProtectedItemID == nil {
		t.Fatal("the job names no new item")
	}
	after := l.item("mail01")
	if !strings.EqualFold(*after.ID, *details.NewReplicationProtectedItemID) || strings.EqualFold(*after.ID, *before.ID) {
		t.Errorf("new item %s, job names %s, old item %s", *after.ID, *details.NewReplicationProtectedItemID, *before.ID)
	}
	fabric, container, item := names(*before.ID)
	_, err := l.sdk.NewReplicationProtectedItemsClient().Get(t.Context(), l.sc.ResourceGroup, l.sc.Vault, fabric, container, item, nil)
	if status, _, inner := codes(t, err); status != http.StatusNotFound || inner != "ArmResourceDoesNotExist" {
		t.Errorf("the old item answers %d %s", status, inner)
	}
	if got := l.scenarios(); slices.Contains(got, "PrimaryIrCompletion") {
		t.Errorf("jobs before the initial replication: %v", got)
	}
	l.advance(14 * time.Minute)
	if p := l.item("mail01").Properties; *p.ProtectionState != "InitialReplicationInProgress" {
		t.Errorf("during the initial replication: %s", *p.ProtectionState)
	} else if d := p.ProviderSpecificDetails.(*asr.InMageReplicationDetails); *d.ResyncDetails.InitialReplicationProgressPercentage != "70" {
		t.Errorf("14 of 20 minutes show %s%%", *d.ResyncDetails.InitialReplicationProgressPercentage)
	}
	l.advance(6 * time.Minute)
	p := l.item("mail01").Properties
	inMage, isInMage := p.ProviderSpecificDetails.(*asr.InMageReplicationDetails)
	if !isInMage || *p.ProtectionState != "Protected" || *inMage.MasterTargetID != l.sim.hostID("MT-WIN-01") {
		t.Errorf("at the end: %T %s", p.ProviderSpecificDetails, *p.ProtectionState)
	}
	want := []string{"SecondaryIrCompletion", "PrimaryIrCompletion", "EnableDr", "DiscoverReplica", "SwitchReplicationGroupProtection"}
	if got := l.scenarios(); !slices.Equal(got, want) {
		t.Errorf("jobs %v, want the newest first: %v", got, want)
	}
}

func TestPhysicalAndDeletedMachines(t *testing.T) {
	t.Parallel()
	sc := scenario.Default(4)
	for i := range sc.Machines {
		sc.Machines[i].Agent, sc.Machines[i].Physical = -1, i < 2
		sc.Machines[i].Deleted = i >= 2
	}
	l := newLab(t, sc, Options{})
	for name := range l.items() {
		l.mustReprotect(name)
	}
	l.advance(22 * time.Minute)
	share := func(name string) float64 {
		d := l.item(name).Properties.ProviderSpecificDetails.(*asr.InMageRcmFailbackReplicationDetails)
		return float64(*d.InitialReplicationTransferredBytes) / float64(*d.InitialReplicationProcessedBytes)
	}
	if original, alternate := share("web01"), share("app01"); alternate != 1 || original > 0.2 {
		t.Errorf("transferred share: %.2f to the original location, %.2f to an alternate one", original, alternate)
	}
	l.advance(10 * time.Minute)
	for name, item := range l.items() {
		if *item.Properties.ProtectionState != "Protected" {
			t.Errorf("%s: %s", name, *item.Properties.ProtectionState)
		}
	}
}

func TestReprotectBeforeTheAgentIsBackFailsAndCanBeRetried(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"web01", "db01"} {
		l := standard(t)
		poller, id := l.mustReprotect(name)
		l.advance(time.Minute)
		p := l.job(id).Properties
		if *p.State != "Failed" || len(p.Errors) != 1 {
			t.Fatalf("%s: job %s with %d errors", name, *p.State, len(p.Errors))
		}
		if e := p.Errors[0].ServiceErrorDetails; !strings.Contains(*e.Message, "agent is not installed") || *e.Code != "" {
			t.Errorf("%s: error %q %q", name, *e.Code, *e.Message)
		}
		if err := l.pollErr(poller); err == nil {
			t.Errorf("%s: the operation did not fail", name)
		}
		item := l.item(name).Properties
		if lastSegment(*item.CurrentScenario.JobID) != "None" || *item.ActiveLocation != "Recovery" {
			t.Errorf("%s: after the failure %s, job %s", name, *item.ActiveLocation, *item.CurrentScenario.JobID)
		}
		if err := l.sim.RegisterAgent(name); err != nil {
			t.Fatal(err)
		}
		_, retry := l.mustReprotect(name)
		l.advance(12 * time.Minute)
		if got := *l.job(retry).Properties.State; got != "Succeeded" || retry == id {
			t.Errorf("%s: retry %s", name, got)
		}
		if n := l.sim.Submissions()[name]; n != 2 {
			t.Errorf("%s: %d submissions", name, n)
		}
	}
}

func TestFailNextFailsOneJobWithItsCode(t *testing.T) {
	t.Parallel()
	for code, task := range map[string]int{"95226": taskPrerequisites, "78052": taskDiscover, "8061": taskReprotect, "31337": taskReprotect} {
		sc := scenario.Default(4)
		sc.Machines[1].FailWith = code
		sc.Machines[1].Agent = -1
		l := newLab(t, sc, Options{})
		_, id := l.mustReprotect("db01")
		l.advance(12 * time.Minute)
		p := l.job(id).Properties
		if *p.State != "Failed" || *p.Errors[0].ServiceErrorDetails.Code != code || *p.Errors[0].ProviderErrorDetails.ErrorID == "" {
			t.Errorf("%s: %s %+v", code, *p.State, p.Errors)
		}
		if got := *p.Tasks[task].State; got != "Failed" || len(p.Tasks[task].Errors) != 1 {
			t.Errorf("%s: task %s is %s", code, *p.Tasks[task].Name, got)
		}
		if summary := l.jobs()[0].Properties; len(summary.Errors) != 0 || len(summary.Tasks) != 0 || summary.CustomDetails != nil {
			t.Errorf("%s: a list shows more than a summary", code)
		}
		_, id = l.mustReprotect("db01")
		l.advance(12 * time.Minute)
		if got := *l.job(id).Properties.State; got != "Succeeded" {
			t.Errorf("%s: the job after it is %s", code, got)
		}
	}
}

func TestCancelGivesTheItemBack(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"web01", "db01"} {
		l := standard(t)
		l.advance(12 * time.Minute)
		poller, id := l.mustReprotect(name)
		l.advance(5 * time.Minute)
		jobs := l.sdk.NewReplicationJobsClient()
		cancel, err := jobs.BeginCancel(t.Context(), l.sc.ResourceGroup, l.sc.Vault, id, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = jobs.BeginCancel(t.Context(), l.sc.ResourceGroup, l.sc.Vault, id, nil)
		if status, _, _ := codes(t, err); status != http.StatusConflict {
			t.Errorf("%s: a second cancel answers %d", name, status)
		}
		if got := *l.job(id).Properties.StateDescription; got != "Cancelling" {
			t.Errorf("%s: %s", name, got)
		}
		l.advance(10 * time.Second)
		if _, err := cancel.Poll(t.Context()); err != nil || !cancel.Done() {
			t.Fatalf("%s: the cancellation goes on: %v", name, err)
		}
		if result, err := cancel.Result(t.Context()); err != nil || *result.Properties.State != "Cancelled" {
			t.Errorf("%s: result %v %v", name, result.Properties, err)
		}
		if err := l.pollErr(poller); err == nil {
			t.Errorf("%s: the cancelled operation succeeded", name)
		}
		for _, j := range l.jobs() {
			if *j.Properties.State != "Cancelled" && *j.Properties.ScenarioName != "DiscoverReplica" { // which had ended
				t.Errorf("%s: %s is %s", name, *j.Properties.ScenarioName, *j.Properties.State)
			}
		}
		l.advance(time.Hour)
		if p := l.item(name).Properties; *p.ActiveLocation != "Recovery" || !contains(p.AllowedOperations, "SwitchProtection") {
			t.Errorf("%s: the item did not come back", name)
		}
		l.mustReprotect(name)
	}
}

func TestWarningDoesNotChangeTheStatus(t *testing.T) {
	t.Parallel()
	l := standard(t)
	l.advance(12 * time.Minute)
	if err := l.sim.WarnNext("web01", "28175"); err != nil {
		t.Fatal(err)
	}
	_, id := l.mustReprotect("web01")
	for _, want := range []string{"InProgress", "Succeeded"} {
		body := l.get(l.path("replicationOperationStatus/" + id))
		if body["status"] != want || body["error"].(map[string]any)["code"] != "28175" {
			t.Errorf("status %v, error %v", body["status"], body["error"])
		}
		l.advance(12 * time.Minute)
	}
}

func TestScenarioWithoutTimes(t *testing.T) {
	t.Parallel()
	sc := scenario.Default(2)
	sc.Times = scenario.Times{}
	sc.Machines[0].FailWith = "499"
	l := newLab(t, sc, Options{})
	_, failing := l.mustReprotect("web01")
	l.mustReprotect("db01")
	l.advance(time.Millisecond)
	if p := l.job(failing).Properties; *p.State != "Failed" || *p.Tasks[taskReprotect].State != "Failed" {
		t.Errorf("job %s, last task %s", *p.State, *p.Tasks[taskReprotect].State)
	}
	if m, _ := l.sim.Machine("db01"); m.Phase != Protected {
		t.Errorf("db01 is %s", m.Phase)
	}
}

// The simulator has no timers of its own, so in a bubble its clock is the bubble's.
func TestVirtualTimeAndSpeed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sc := scenario.Default(2)
		sc.Speed = 60
		s := New(sc, Options{})
		m, err := s.Machine("web01")
		if err != nil || m.AgentRegistered {
			t.Fatalf("%+v %v", m, err)
		}
		<-time.After(12 * time.Second)
		body := `{"properties":{"failoverDirection":"RecoveryToPrimary","providerSpecificDetails":{"instanceType":"InMageRcm","datastoreName":"VMFS-01",
			"logStorageAccountId":"` + s.LogStorage() + `","reprotectAgentId":"` + sc.UUID("appliance", "ASR-APPL-01") + `"}}}`
		r := httptest.NewRequest("POST", "https://arm.example"+m.ItemID+"/reProtect?api-version=2025-01-01", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer any")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code != http.StatusAccepted {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		for _, step := range []struct {
			wait time.Duration
			want Phase
		}{{0, Reprotecting}, {12 * time.Second, Replicating}, {20 * time.Second, Protected}} {
			<-time.After(step.wait)
			if m, _ := s.Machine("web01"); m.Phase != step.want || m.Submissions != 1 {
				t.Errorf("after %v: %+v, want %s", step.wait, m, step.want)
			}
		}
	})
}

func (l *lab) checkTasks(id string, want ...string) {
	l.t.Helper()
	var got []string
	for _, task := range l.job(id).Properties.Tasks {
		got = append(got, *task.State)
	}
	if !slices.Equal(got, want) {
		l.t.Errorf("tasks %v, want %v", got, want)
	}
}

// scenarios are the names of the listed jobs, in order.
func (l *lab) scenarios() (found []string) {
	for _, j := range l.jobs() {
		found = append(found, *j.Properties.ScenarioName)
	}
	return found
}

func (l *lab) poll(p reprotectPoller, done bool) {
	l.t.Helper()
	if _, err := p.Poll(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
	if p.Done() != done {
		l.t.Errorf("operation done: %v, want %v", p.Done(), done)
	}
}

// pollErr is how the operation failed.
func (l *lab) pollErr(p reprotectPoller) error {
	l.t.Helper()
	if _, err := p.Poll(l.t.Context()); err != nil {
		return err
	}
	_, err := p.Result(l.t.Context())
	return err
}

func contains(list []*string, want string) bool {
	return slices.ContainsFunc(list, func(s *string) bool { return *s == want })
}

func TestFailsBack(t *testing.T) {
	t.Parallel()
	l := standard(t)
	l.advance(13 * time.Minute)
	l.mustReprotect("mail01")
	if err := l.sim.FailBack("mail01"); err == nil {
		t.Error("a machine that is not protected went home")
	}
	l.advance(40 * time.Minute)
	r := l.sim.Reprotects()
	if len(r) != 1 || r[0].Machine != "mail01" || !r[0].Good || r[0].Writer == "" || r[0].Disks == 0 {
		t.Errorf("accepted %+v", r)
	}
	disks := func() int {
		n := 0
		for _, mt := range l.classicFabric().MasterTargetServers {
			n += int(*mt.DiskCount)
		}
		return n
	}
	before := disks()
	if err := l.sim.FailBack("mail01"); err != nil {
		t.Fatal(err)
	}
	if after := disks(); before != r[0].Disks || after != 0 {
		t.Errorf("the master targets hold %d disks before and %d after", before, after)
	}
	if p := l.item("mail01").Properties; *p.ProtectionState != "UnplannedFailoverCommitPendingStatesBegin" || *p.ActiveLocation != "Recovery" || !contains(p.AllowedOperations, "Commit") {
		t.Errorf("at home: %s, %s, allowed %v", *p.ProtectionState, *p.ActiveLocation, p.AllowedOperations)
	}
	if err := l.sim.CommitFailback("mail01"); err != nil {
		t.Fatal(err)
	}
	if p := l.item("mail01").Properties; *p.ProtectionState != "UnplannedFailoverCommitted" || contains(p.AllowedOperations, "Commit") {
		t.Errorf("committed: %s, allowed %v", *p.ProtectionState, p.AllowedOperations)
	}
	if l.sim.CancelFailback("mail01") == nil {
		t.Error("what is committed was cancelled")
	}
}
