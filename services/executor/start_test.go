package executor

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/checks"
	"reprotect.example/services/executor/admission"
	"reprotect.example/services/observed"
	"reprotect.example/services/workflow"
)

var cleared = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// fake is a vault in memory. Submissions are written down, and answered by refuse when it is there.
type fake struct {
	look      observed.Vault
	stale     *observed.Vault // what looks show that may be old
	jobs      map[string]observed.Job
	unread    map[string]error // by job: why it cannot be read
	submitted []observed.Reprotect
	cancelled []string

	refuseCancel error
	refuse       func(machine string) error
	err          error // of every look
	noFresh      error // of those that must be fresh
	freshest     time.Duration
	reads        int // jobs read in full
}

func (f *fake) Vault(_ context.Context, maxAge time.Duration, _ ...string) (observed.Vault, error) {
	f.freshest = maxAge
	if f.stale != nil && maxAge > 0 {
		return *f.stale, f.err
	}
	if f.noFresh != nil && maxAge == 0 {
		return observed.Vault{}, f.noFresh
	}
	return f.look, f.err
}

func (f *fake) Cancel(_ context.Context, job string) error {
	f.cancelled = append(f.cancelled, job)
	return f.refuseCancel
}

func (f *fake) Job(_ context.Context, id string) (observed.Job, error) {
	f.reads++
	return f.jobs[id], f.unread[id]
}

func (f *fake) Reprotect(_ context.Context, r observed.Reprotect) (string, error) {
	if f.refuse != nil {
		if err := f.refuse(r.Item.Name); err != nil {
			return "", err
		}
	}
	f.submitted = append(f.submitted, r)
	return "job-" + observed.LastSegment(r.Item.ID), nil
}

func (f *fake) Inventory(context.Context, observed.Query) (observed.Inventory, error) {
	return observed.Inventory{}, f.err
}

func failedOver(name string) observed.Item {
	return observed.Item{
		ID: "/items/" + name, Name: name, Architecture: observed.Modernized, Provider: "InMageRcm", FabricID: "/fabrics/rcm",
		State: "UnplannedFailoverCommitPendingStatesBegin", StateText: "Failover completed", Location: "Recovery", OS: "linux",
	}
}

func vaultOf(items ...observed.Item) observed.Vault {
	return observed.Vault{Items: items, Fabrics: []observed.Fabric{
		{ID: "/fabrics/rcm", Architecture: observed.Modernized, Appliances: []observed.Appliance{{ID: "agent-1", Name: "APPL-01"}}},
		{ID: "/fabrics/cs", Architecture: observed.Classic, MasterTargets: []observed.MasterTarget{{ID: "mt-1", Name: "MT-01"}}, ProcessServers: []observed.ProcessServer{{ID: "ps-1", Name: "PS-01"}}},
	}}
}

func machineOf(i observed.Item) events.Machine {
	return events.Machine{
		Name: i.Name, Item: i.ID, Architecture: string(i.Architecture),
		Choice: events.Choice{Appliance: "APPL-01", Datastore: "VMFS-01", LogStorageAccount: "/storage/log", MasterTarget: "MT-01", ProcessServer: "PS-01", RetentionDrive: "R"},
	}
}

func TestDecide(t *testing.T) {
	with := func(change func(*observed.Item)) observed.Item {
		i := failedOver("web01")
		change(&i)
		return i
	}
	job := func(state string, start time.Time, scenario string) observed.Job {
		return observed.Job{ID: "j1", State: state, Start: start, Scenario: scenario, TargetName: "WEB01"}
	}
	twin := with(func(i *observed.Item) { i.ID = "/items/twin" })
	reversed := func(i observed.Item) observed.Item {
		i.Provider = "InMage"
		return i
	}
	now := cleared.Add(time.Minute)
	cases := []struct {
		name  string
		item  observed.Item
		gone  bool
		vault observed.Vault
		want  moveKind
		job   string
		code  string
		since time.Time // when the case was cleared, if not then
	}{
		{name: "failed over and idle", item: failedOver("web01"), want: submit},
		{name: "replicates back already", item: with(func(i *observed.Item) { i.Provider = "InMageRcmFailback" }), want: done},
		{name: "its reprotect runs", item: with(func(i *observed.Item) { i.JobID, i.Scenario = "j1", observed.ReprotectScenario }), want: adopt, job: "j1"},
		{name: "its reprotect runs, as only the job list says", item: with(func(i *observed.Item) { i.JobID = "j1" }),
			vault: observed.Vault{Jobs: []observed.Job{job("InProgress", cleared, observed.ReprotectScenario)}}, want: adopt, job: "j1"},
		{name: "another job holds it", item: with(func(i *observed.Item) { i.JobID, i.Scenario = "j1", "TestFailover" }), want: hold, code: "machine.busy"},
		{name: "our reprotect failed while we were dead", item: failedOver("web01"),
			vault: observed.Vault{Jobs: []observed.Job{job("Failed", cleared.Add(time.Second), observed.ReprotectScenario)}}, want: adopt, job: "j1"},
		{name: "our reprotect failed that began at the moment the case was cleared", item: failedOver("web01"),
			since: cleared.Add(42), vault: observed.Vault{Jobs: []observed.Job{job("Failed", cleared, observed.ReprotectScenario)}}, want: adopt, job: "j1"},
		{name: "an older reprotect failed", item: failedOver("web01"),
			vault: observed.Vault{Jobs: []observed.Job{job("Failed", cleared.Add(-time.Minute), observed.ReprotectScenario)}}, want: submit},
		{name: "another kind of job ended since", item: failedOver("web01"),
			vault: observed.Vault{Jobs: []observed.Job{job("Succeeded", cleared.Add(time.Second), "TestFailover")}}, want: submit},
		{name: "another machine of that name is reprotected", item: failedOver("web01"),
			vault: observed.Vault{Items: []observed.Item{failedOver("web01"), twin}, Jobs: []observed.Job{job("InProgress", cleared.Add(time.Second), observed.ReprotectScenario)}}, want: submit},
		{name: "gone, and two machines of its name replicate back", gone: true,
			vault: observed.Vault{Items: []observed.Item{reversed(with(func(i *observed.Item) { i.ID = "/items/another" })), reversed(twin)}}, want: stop, code: "machine.gone"},
		{name: "not failed over", item: with(func(i *observed.Item) { i.State, i.Location = "Protected", "Primary" }), want: stop, code: "machine.not-failed-over"},
		{name: "its failover is not over", item: with(func(i *observed.Item) { i.State = "UnplannedFailoverTransitionStatesBegin" }), want: hold, code: "machine.busy"},
		{name: "a state that nobody knows", item: with(func(i *observed.Item) { i.State = "Quiescing" }), want: hold, code: "machine.state-unknown"},
		{name: "a commit runs", item: with(func(i *observed.Item) { i.JobID, i.Scenario = "j1", observed.CommitScenario }), want: hold, code: "machine.busy"},
		{name: "gone", gone: true, want: stop, code: "machine.gone"},
		{name: "gone while its reprotect runs", gone: true, want: hold, code: "machine.changing",
			vault: observed.Vault{Taken: now, Jobs: []observed.Job{job("InProgress", cleared, observed.ReprotectScenario)}}},
		{name: "gone right after its reprotect", gone: true, want: hold, code: "machine.changing",
			vault: observed.Vault{Taken: now, Jobs: []observed.Job{ended(job("Succeeded", cleared, observed.ReprotectScenario), cleared)}}},
		{name: "gone long after its reprotect", gone: true, want: stop, code: "machine.gone",
			vault: observed.Vault{Taken: now, Jobs: []observed.Job{ended(job("Succeeded", cleared, observed.ReprotectScenario), cleared.Add(-time.Hour))}}},
		{name: "gone, but its new item replicates back", gone: true, want: done,
			vault: observed.Vault{Items: []observed.Item{{ID: "/items/new", Name: "web01", Provider: "InMage"}}}},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			if tt.vault.Items == nil && !tt.gone {
				tt.vault.Items = []observed.Item{tt.item}
			}
			c := events.Case{Machines: []events.Machine{machineOf(failedOver("web01"))}}
			got := sight{c: c, vault: tt.vault, since: latest(cleared, tt.since), owner: nobodys}.decide()
			if got.kind != tt.want || got.job != tt.job || got.because.Code != tt.code && tt.code != "" {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// queueAt is a queue without limits.
func queueAt(now func() time.Time) *admission.Queue {
	return admission.NewLedger(now).Queue(admission.Limits{})
}

const noAgent = "azure.agent-not-installed"

// nobodys knows of no job whose it is.
func nobodys(string) (string, bool) { return "", false }

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func ended(j observed.Job, at time.Time) observed.Job {
	j.End = at
	return j
}

// The shared look still shows the machine as it was; its item was replaced since.
func TestAnItemThatIsGoneIsLookedForAfresh(t *testing.T) {
	old := vaultOf(failedOver("web01"))
	back := failedOver("web01")
	back.ID, back.Provider = "/items/web01-new", "InMage"
	f := &fake{look: vaultOf(back), stale: &old}
	r := ask(t, f, func(e *workflow.Event[events.Registered]) {
		e.Data.Case.Machines = []events.Machine{machineOf(failedOver("web01"))}
	})
	if d, ok := r.Publish[0].Data().(events.Started); !ok || d.Jobs[0].Job != "" || d.Jobs[0].Refused != nil || len(f.submitted) != 0 {
		t.Errorf("%+v", r.Publish[0].Data())
	}
}

// A shared look that shows every machine serves; one that lacks a machine is followed by a fresh one, and by one only. When
// that cannot be had, nothing is concluded from the shared one.
func TestAFreshLookWhereAMachineIsMissing(t *testing.T) {
	now := cleared.Add(-time.Hour)
	queue := func() *admission.Queue {
		now = cleared.Add(-time.Hour)
		q := queueAt(func() time.Time { return now })
		now = cleared.Add(time.Minute) // looks may be shared
		return q
	}
	there := &fake{look: vaultOf(failedOver("web01"))}
	if askIn(t, queue(), there, nil); there.freshest == 0 {
		t.Error("every machine was there, and a fresh look was taken")
	}
	missing := vaultOf()
	gone := &fake{look: vaultOf(failedOver("web01")), stale: &missing}
	if r := askIn(t, queue(), gone, nil); gone.freshest != 0 || len(gone.submitted) != 1 {
		t.Errorf("%+v", r)
	}
	unread := &fake{look: vaultOf(failedOver("web01")), stale: &missing, noFresh: &observed.Fault{Code: "azure.unavailable", Class: observed.Temporary, What: "HTTP 503", Remedy: "wait"}}
	r := askIn(t, queue(), unread, nil)
	if w, ok := r.Publish[0].Data().(events.Waiting); !ok || w.Code != "azure.unavailable" || len(unread.submitted) != 0 || r.After <= 0 {
		t.Errorf("%+v", r)
	}
}

// later is a state as it comes back at the next look.
func later[S any](t *testing.T, state S) (back S) {
	t.Helper()
	raw, err := json.Marshal(state)
	if err == nil {
		err = json.Unmarshal(raw, &back)
	}
	if err != nil {
		t.Fatal(err)
	}
	return back
}

func ask(t *testing.T, f *fake, change func(*workflow.Event[events.Registered])) startResult {
	t.Helper()
	return askIn(t, queueAt(func() time.Time { return cleared }), f, change)
}

func askIn(t *testing.T, l *admission.Queue, f *fake, change func(*workflow.Event[events.Registered])) startResult {
	t.Helper()
	x := executor{sites: map[string]Site{"tokyo": {Vault: f, Inventory: f, Look: 30 * time.Second, AgentWait: 20 * time.Minute, JobWait: time.Hour, Checks: checks.Site{}}},
		queues: map[string]*admission.Queue{"tokyo": l}, now: func() time.Time { return cleared.Add(time.Minute) }}
	e := workflow.Event[events.Registered]{Attempt: 1}
	e.Site, e.Case, e.Time = "tokyo", "r7", cleared
	e.Data.Case.CheckedAt = cleared
	for _, i := range f.look.Items {
		e.Data.Case.Machines = append(e.Data.Case.Machines, machineOf(i))
	}
	if change != nil {
		change(&e)
	}
	r, err := x.registered(context.Background(), e, startState{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSubmitsBothArchitectures(t *testing.T) {
	classic := failedOver("db01")
	classic.Architecture, classic.Provider, classic.FabricID = observed.Classic, "InMageAzureV2", "/fabrics/cs"
	f := &fake{look: vaultOf(failedOver("web01"), classic)}
	f.look.Policies = []observed.Policy{{ID: "/policies/back"}}
	f.look.Mappings = []observed.Mapping{{PolicyID: "/policies/back", FabricID: "/fabrics/cs", ContainerID: "/c", TargetContainerID: "/C"}}
	d := ask(t, f, nil).Publish[0].Data().(events.Started)
	if len(d.Jobs) != 2 || d.Jobs[0].Job != "job-web01" || d.Jobs[1].Job != "job-db01" || d.Case.Machines[1].Job != "job-db01" {
		t.Errorf("started %+v", d)
	}
	modern, old := f.submitted[0], f.submitted[1]
	if modern.ApplianceID != "agent-1" || modern.LogStorage != "/storage/log" || modern.Datastore != "VMFS-01" || modern.MasterTargetID != "" {
		t.Errorf("modernized %+v", modern)
	}
	if old.MasterTargetID != "mt-1" || old.ProcessServerID != "ps-1" || old.PolicyID != "/policies/back" || old.RetentionDrive != "R" || old.Datastore != "VMFS-01" {
		t.Errorf("classic %+v", old)
	}
}

func TestNothingStartsBeforeAllMayStart(t *testing.T) {
	busy := failedOver("db01")
	busy.JobID, busy.Scenario = "j9", "TestFailover"
	f := &fake{look: vaultOf(failedOver("web01"), busy)}
	r := ask(t, f, nil)
	if w := r.Publish[0].Data().(events.Waiting); w.For != "job" || !slices.Equal(w.Machines, []string{"db01"}) || r.After <= 0 {
		t.Errorf("%+v", r)
	}

	home := failedOver("db01")
	home.State, home.Location = "Protected", "Primary"
	g := &fake{look: vaultOf(failedOver("web01"), home)}
	if fact := ask(t, g, nil).Publish[0].Data().(events.Failed); fact.Code != "machine.not-failed-over" || len(fact.Machines) != 2 || fact.Remedy == "" {
		t.Errorf("%+v", fact)
	}
	if len(f.submitted)+len(g.submitted) != 0 {
		t.Error("something was submitted")
	}
}

// Who may not list the jobs does not see a reprotect that runs.
func TestNothingStartsWithoutTheJobs(t *testing.T) {
	f := &fake{look: vaultOf(failedOver("web01"))}
	f.look.Unread = map[string]string{"jobs": "no permission"}
	r := ask(t, f, nil)
	w := r.Publish[0].Data().(events.Waiting)
	if len(f.submitted) > 0 || r.After == 0 || w.Code != "azure.unread" || !strings.Contains(w.Message, "no permission") {
		t.Errorf("submitted %v, %+v", f.submitted, w)
	}
}

// A retry on a quiet site: the queue still keeps the place of the job that failed, for nobody has asked it since.
func TestAJobThatFailedIsNotAdoptedFromTheQueue(t *testing.T) {
	f := &fake{look: vaultOf(failedOver("web01"))}
	f.look.Began = cleared.Add(time.Minute)
	f.look.Taken = f.look.Began
	f.look.Jobs = []observed.Job{{ID: "j1", State: "Failed", Scenario: observed.ReprotectScenario, TargetName: "web01", Start: cleared.Add(-time.Hour), End: cleared.Add(-time.Minute)}}
	l := queueAt(func() time.Time { return cleared })
	l.Occupied("r6", admission.Machine{Item: f.look.Items[0].ID, Name: "web01"}, "j1", observed.Vault{Began: cleared.Add(1 - time.Hour)})
	r := askIn(t, l, f, nil)
	started := r.Publish[0].Data().(events.Started)
	if len(f.submitted) != 1 || started.Jobs[0].Adopted {
		t.Errorf("submitted %v, %+v", f.submitted, started.Jobs)
	}
}

func TestDryRunSubmitsNothing(t *testing.T) {
	f := &fake{look: vaultOf(failedOver("web01"))}
	r := ask(t, f, func(e *workflow.Event[events.Registered]) { e.Data.Case.DryRun = true })
	if d, ok := r.Publish[0].Data().(events.Rehearsed); !ok || len(d.Would) != 1 || len(f.submitted) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestRefusals(t *testing.T) {
	cases := []struct {
		name  string
		fault observed.Fault
		after time.Duration // of the event
		want  string        // waiting for …, or the code of a failed fact
	}{
		{"the agent is not there yet", observed.Fault{Code: noAgent, Class: observed.Temporary, What: "agent is not installed"}, time.Minute, "agent"},
		{"the agent never came", observed.Fault{Code: noAgent, Class: observed.Temporary, What: "agent is not installed"}, 20 * time.Minute, noAgent},
		{"throttled", observed.Fault{Code: "azure.throttled", Class: observed.Temporary, What: "slow down", After: time.Hour}, time.Minute, "throttle"},
		{"another operation runs", observed.Fault{Code: "azure.conflict", Class: observed.Temporary, What: "busy"}, time.Minute, "azure"},
		{"not permitted: somebody must see to it", observed.Fault{Code: "azure.forbidden", Class: observed.Operator, What: "no right"}, time.Minute, "azure"},
		{"its item was replaced a moment ago", observed.Fault{Code: "ArmResourceDoesNotExist", Class: observed.Permanent, What: "gone"}, time.Minute, "azure"},
		{"for good", observed.Fault{Code: "90002", Class: observed.Permanent, What: "datastore", Remedy: "mount it"}, time.Minute, "90002"},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{look: vaultOf(failedOver("web01")), refuse: func(string) error { return &tt.fault }}
			r := ask(t, f, func(e *workflow.Event[events.Registered]) { e.Time = cleared.Add(time.Minute - tt.after) })
			switch d := r.Publish[0].Data().(type) {
			case events.Waiting:
				if d.For != events.Reason(tt.want) || r.After < tt.fault.After || r.After == 0 {
					t.Errorf("%+v, again after %v", d, r.After)
				}
			case events.Failed:
				if d.Code != tt.want {
					t.Errorf("%+v", d)
				}
			}
		})
	}
}

func TestOneRefusedForGoodLeavesTheOthersRunning(t *testing.T) {
	f := &fake{look: vaultOf(failedOver("web01"), failedOver("db01")), refuse: func(machine string) error {
		if machine == "db01" {
			return &observed.Fault{Code: "90001", Class: observed.Permanent, What: "name taken", Remedy: "rename"}
		}
		return nil
	}}
	d := ask(t, f, nil).Publish[0].Data().(events.Started)
	if d.Jobs[0].Job != "job-web01" || d.Jobs[1].Job != "" || d.Jobs[1].Refused == nil || d.Jobs[1].Refused.Code != "90001" {
		t.Errorf("started %+v", d.Jobs)
	}
}

func TestTheLookBeganAfterTheProcessTookOver(t *testing.T) {
	now := cleared
	l := queueAt(func() time.Time { return now })
	for _, tt := range []struct{ after, want time.Duration }{{0, 0}, {10 * time.Second, 10*time.Second - 1}, {time.Hour, 30 * time.Second}} {
		if now = cleared.Add(tt.after); l.MaxAge(30*time.Second) != tt.want {
			t.Errorf("%v after it took over it takes a look that is %v old, in which the job of the process before may be missing", tt.after, l.MaxAge(30*time.Second))
		}
	}
}

func TestOldChecksAreMadeAgain(t *testing.T) {
	f := &fake{look: vaultOf(failedOver("web01"))} // an inventory without anything: checks that block
	r := ask(t, f, func(e *workflow.Event[events.Registered]) { e.Data.Case.CheckedAt = cleared.Add(-10 * time.Minute) })
	d, ok := r.Publish[0].Data().(events.Rejected)
	if !ok || r.Publish[0].Step() != events.StepSubmission || len(d.Problems) == 0 || len(f.submitted) != 0 {
		t.Errorf("%+v", r)
	}
	if !strings.Contains(d.Problems[0].Message+d.Problems[0].Remedy, " ") {
		t.Errorf("a problem without words: %+v", d.Problems[0])
	}
}

// What looks hand on to each other may be older than the checks may be.
func TestOldFactsAreReadAnewBeforeAStart(t *testing.T) {
	fresh := vaultOf(failedOver("web01"))
	old := fresh
	fresh.Taken, fresh.Oldest = cleared, cleared
	old.Taken, old.Oldest = cleared, cleared.Add(-time.Hour)
	f := &fake{look: fresh, stale: &old}
	now := cleared.Add(-time.Hour)
	l := queueAt(func() time.Time { return now })
	now = cleared.Add(time.Minute) // looks may be shared
	r := askIn(t, l, f, func(e *workflow.Event[events.Registered]) { e.Data.Case.CheckedAt = cleared.Add(-time.Hour) })
	if d := r.Publish[0].Data().(events.Rejected); f.freshest != 0 || !d.Case.CheckedAt.Equal(cleared) {
		t.Errorf("a look %s old, checked %s", f.freshest, d.Case.CheckedAt)
	}
}

// A case of which some machines are under way is not rejected: that would say that nothing was changed.
func TestOldChecksBlockOnlyWhatIsToBeStarted(t *testing.T) {
	under := failedOver("web01")
	under.JobID, under.Scenario = "j1", observed.ReprotectScenario
	f := &fake{look: vaultOf(under, failedOver("db01"))}
	r := ask(t, f, func(e *workflow.Event[events.Registered]) { e.Data.Case.CheckedAt = cleared.Add(-10 * time.Minute) })
	d, ok := r.Publish[0].Data().(events.Started)
	if !ok || d.Jobs[0].Job != "j1" || d.Jobs[1].Refused == nil || d.Jobs[1].Refused.Message == "" || len(f.submitted) != 0 {
		t.Errorf("%+v", r.Publish[0].Data())
	}
}

// Sites of one vault share what is reserved there, whatever the letter case in which the config names it.
func TestSitesOfOneVaultShareItsReservations(t *testing.T) {
	for _, tt := range []struct {
		vaults [2]string
		want   admission.Outcome
	}{{[2]string{"S/G/Vault", "s/g/vault"}, admission.NoDiskSlot}, {[2]string{"s/g/a", "s/g/b"}, admission.Admitted}, {[2]string{"", ""}, admission.Admitted}} {
		ledgers := ledgersOf(map[string]Site{"tokyo": {VaultID: tt.vaults[0]}, "osaka": {VaultID: tt.vaults[1]}}, func() time.Time { return cleared })
		ask := func(site, item string) admission.Outcome {
			return ledgers.queues[site].Ask(admission.Request{ID: item, Machines: []admission.Machine{{Item: item, Writer: "a", Disks: 40}}}, observed.Vault{}).Outcome
		}
		if ask("tokyo", "web01") != admission.Admitted {
			t.Error("everything is free")
		}
		if got := ask("osaka", "db01"); got != tt.want {
			t.Errorf("%v: %v", tt.vaults, got)
		}
	}
}
