package observed

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

var stageNames = []Stage{
	StageUnknown, StageUnprotected, StageProtected, StageFailingOver, StageFailoverFailed, StageUncommitted, StageCommitted, StageMigrated,
	StageReprotecting, StageInitial, StageReplicationFailed, StageResynchronizing, StageReady, StageFailbackCancelled,
	StageFailingBack, StageHomeUncommitted, StageHome,
}

// TestSiteRecoveryStages holds the table against the findings, by their ids, and against itself.
func TestSiteRecoveryStages(t *testing.T) {
	t.Parallel()
	forth := func(state, location string) Item {
		return Item{Provider: "InMageRcm", State: state, Location: location}
	}
	back := func(state, location string) Item {
		return Item{Provider: "InMageRcmFailback", State: state, Location: location}
	}
	with := func(i Item, change func(*Item)) Item {
		change(&i)
		return i
	}
	for _, tt := range []struct {
		name string
		item Item
		want Stage
	}{
		{"F2 failback in transition", back("PlannedFailoverTransitionStatesBegin", "Primary"), StageFailingBack},
		{"F2 failback failed", with(back("Protected", "Primary"), func(i *Item) { i.LastFailback = "Failed" }), StageFailbackCancelled},
		{"F2 failback failed, as a state", back("PlannedFailoverFailed", "Primary"), StageFailbackCancelled},
		{"F2 after a cancellation the last status still says Succeeded", with(back("Protected", "Primary"), func(i *Item) { i.LastFailback = "Succeeded" }), StageReady},
		{"F2 cancellation runs", with(back("CommitPendingStatesBegin", "Recovery"), func(i *Item) { i.JobID, i.Scenario = "j", "CancelFailover" }), StageFailingBack},
		{"F3 modernized, not committed", back("CommitPendingStatesBegin", "Recovery"), StageHomeUncommitted},
		{"F3 classic, committed", Item{Provider: "InMage", State: "UnplannedFailoverCommitted", Location: "Recovery", ActiveSite: "OnPrem"}, StageHome},
		{"the twin of F3: failed over to Azure and committed", Item{Provider: "InMageAzureV2", State: "UnplannedFailoverCommitted", Location: "Recovery"}, StageCommitted},
		{"classic, committed, but active in Azure", Item{Provider: "InMage", State: "UnplannedFailoverCommitted", Location: "Recovery", ActiveSite: "Azure"}, StageUnknown},
		{"B1 commit runs", with(back("CommitPendingStatesBegin", "Recovery"), func(i *Item) { i.JobID, i.Scenario = "j", "CommitFailover" }), StageHomeUncommitted},
		{"home, reprotected to Azure again", with(back("CommitPendingStatesBegin", "Recovery"), func(i *Item) { i.JobID, i.Scenario = "j", ReprotectScenario }), StageHome},
		{"a job runs at home, but the state was not read", with(back("", "Recovery"), func(i *Item) { i.JobID, i.Scenario = "j", ReprotectScenario }), StageUnknown},
		{"a failback's job runs, but the state was not read", with(back("", "Primary"), func(i *Item) { i.JobID, i.Scenario = "j", "PlannedFailover" }), StageUnknown},
		{"a reprotect runs, but the state was not read", with(forth("", "Recovery"), func(i *Item) { i.JobID, i.Scenario = "j", ReprotectScenario }), StageUnknown},
		{"B2 failover failed, location Recovery", forth("UnplannedFailoverFailed", "Recovery"), StageFailoverFailed},
		{"B2 failover in transition, location Recovery", forth("UnplannedFailoverTransitionStatesBegin", "Recovery"), StageFailingOver},
		{"B2 failed over, but reprotect is not offered", with(forth("UnplannedFailoverCommitted", "Recovery"), func(i *Item) { i.Operations = []string{"DisableProtection"} }), StageUnknown},
		{"F12b commit runs", with(forth("UnplannedFailoverCommitPendingStatesBegin", "Recovery"), func(i *Item) { i.JobID, i.Scenario = "j", "CommitFailover" }), StageUncommitted},
		{"F4 resynchronization due", with(back("Protected", "Primary"), func(i *Item) { i.Operations = []string{"PlannedFailover", "RepairReplication"} }), StageResynchronizing},
		{"F4 resynchronization required", with(back("Protected", "Primary"), func(i *Item) { i.Replication.ResyncDue = new(true) }), StageResynchronizing},
		{"F4 resynchronization not required", with(back("Protected", "Primary"), func(i *Item) { i.Replication.ResyncDue = new(bool) }), StageReady},
		{"B9 resynchronization prepared", with(back("Protected", "Primary"), func(i *Item) { i.Replication.ResyncState = "PreparedForResynchronization" }), StageResynchronizing},
		{"B9 resynchronization runs", with(back("Protected", "Primary"), func(i *Item) { i.Replication.ResyncState = "StartedResynchronization" }), StageResynchronizing},
		{"B9 no resynchronization", with(back("Protected", "Primary"), func(i *Item) { i.Replication.ResyncState = "None" }), StageReady},
		{"F5b replication failed", back("InitialReplicationFailed", "Primary"), StageReplicationFailed},
		{"reprotect runs", with(forth("UnplannedFailoverCommitted", "Recovery"), func(i *Item) { i.JobID, i.Scenario = "j", ReprotectScenario }), StageReprotecting},
		{"migrated", forth("MigrationCompleted", "Recovery"), StageMigrated},
		{"F8 not ours", Item{Provider: "HyperVReplicaAzure", State: "UnplannedFailoverCommitted", Location: "Recovery"}, StageUnknown},
		{"no state", forth("", "Recovery"), StageUnknown},
		{"no location", forth("UnplannedFailoverCommitted", ""), StageUnknown},
		{"committed, at the primary site", forth("UnplannedFailoverCommitted", "Primary"), StageUnknown},
		{"protected back, at the recovery site", back("Protected", "Recovery"), StageUnknown},
		{"a name that only begins like a known one", forth("UnplannedFailoverCommittedNot", "Recovery"), StageUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.item.Stage(); got != tt.want {
				t.Errorf("%s, want %s: %+v", got, tt.want, tt.item)
			}
		})
	}
	t.Run("every row is reached and has its basis", func(t *testing.T) {
		for n, row := range stages {
			if !slices.Contains(stageNames, row.stage) || !slices.Contains([]Basis{Recorded, Documented, Assumed}, row.basis) {
				t.Errorf("row %d: stage %q, basis %q", n, row.stage, row.basis)
			}
			if row.scenarios == nil && row.states == nil {
				t.Errorf("row %d fits every state", n)
			}
			if !reached(n) {
				t.Errorf("row %d (%s) is hidden by those before it", n, row.stage)
			}
		}
	})
}

// reached looks for an item whose first row is that one.
func reached(n int) bool {
	row := stages[n]
	provider := "InMageRcm"
	if row.way == fromAzure {
		provider = "InMageRcmFailback"
	}
	or := func(list []string, none string) []string {
		if list == nil {
			return []string{none}
		}
		return list
	}
	for _, state := range or(row.states, "Protected") {
		for _, scenario := range or(row.scenarios, "") {
			for _, location := range []string{row.location, "Primary", "Recovery"} {
				i := Item{Provider: provider, State: state, Scenario: scenario, Location: location, ActiveSite: row.site, LastFailback: or(row.planned, "")[0]}
				if scenario != "" {
					i.JobID = "j"
				}
				if row.demands != "" {
					i.Operations = []string{row.demands}
				}
				i.Replication.ResyncDue = &row.resync
				first := slices.IndexFunc(stages, func(r stageRow) bool { return r.fits(i) })
				if first == n {
					return true
				}
			}
		}
	}
	return false
}

// A machine is in one of four conditions at most, whatever the service answers; letter case does not matter; and
// nothing passes for failed over or protected without its state and its location.
func TestSiteRecoveryStagesExclude(t *testing.T) {
	t.Parallel()
	var states []string
	for _, row := range stages {
		states = append(states, row.states...)
	}
	states = append(states, "", "MigrationCompleted", "Quiescing")
	rapid.Check(t, func(t *rapid.T) {
		pick := func(name string, from ...string) string { return rapid.SampledFrom(from).Draw(t, name) }
		i := Item{
			Provider: pick("provider", "InMage", "InMageRcm", "InMageAzureV2", "InMageRcmFailback", "A2A", ""),
			State:    pick("state", states...), Location: pick("location", "Primary", "Recovery", "", "recovery"),
			Scenario:     pick("scenario", "", ReprotectScenario, "PlannedFailover", "UnplannedFailover", "CancelFailover", "CommitFailover", "TestFailover"),
			LastFailback: pick("last", "", "Succeeded", "Failed", "Cancelled", "Unknown"), ActiveSite: pick("site", "", "OnPrem", "Azure"),
			Replication: Replication{ResyncState: pick("resync", "", "None", "StartedResynchronization", "Odd")},
			Operations:  rapid.SliceOf(rapid.SampledFrom([]string{"SwitchProtection", "RepairReplication", "DisableProtection"})).Draw(t, "operations"),
		}
		if i.Scenario != "" {
			i.JobID = "j"
		}
		n := 0
		for _, is := range []bool{i.FailedOver(), i.Protected(), i.Home(), i.Migrated()} {
			if is {
				n++
			}
		}
		if n > 1 {
			t.Fatalf("%s is at several stages at once", i.Stage())
		}
		if (i.FailedOver() || i.Protected() || i.Home()) && (i.State == "" || i.Location == "" || !i.Ours()) {
			t.Fatalf("%s without state, location or provider", i.Stage())
		}
		if (i.Protected() || i.Home()) && !i.ReversedOnce() || i.FailedOver() && i.ReversedOnce() {
			t.Fatalf("%s in the wrong direction", i.Stage())
		}
	})
}
