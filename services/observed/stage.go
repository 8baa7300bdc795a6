package observed

import (
	"slices"
	"strings"
)

// Stage is where a machine stands on its way to Azure and back, as one table tells from what Site Recovery says.
type Stage string

// The stages. A stage that is not reached yet is never assumed: what no row of the table knows is StageUnknown.
const (
	StageUnknown     Stage = "unknown"     // no row knows this combination: wait, and say so
	StageUnprotected Stage = "unprotected" // protection is being set up or taken away

	StageProtected      Stage = "protected"       // runs on-premises, replicates to Azure
	StageFailingOver    Stage = "failing-over"    // a failover to Azure is under way
	StageFailoverFailed Stage = "failover-failed" // a failover to Azure ended without success
	StageUncommitted    Stage = "failed-over"     // runs in Azure; the recovery point may still be changed
	StageCommitted      Stage = "committed"       // runs in Azure for good
	StageMigrated       Stage = "migrated"        // there is no way back (S2)

	StageReprotecting      Stage = "reprotecting" // the reprotect's job runs
	StageInitial           Stage = "initial-replication"
	StageReplicationFailed Stage = "replication-failed"
	StageResynchronizing   Stage = "resynchronizing" // a resynchronization is due or runs: not fit for a failback
	StageReady             Stage = "ready"           // protected in Azure: it may be failed back
	StageFailbackCancelled Stage = "cancelled"       // as ready: its failback failed or was cancelled

	StageFailingBack     Stage = "failing-back"     // a failback, or its cancellation, is under way
	StageHomeUncommitted Stage = "home-uncommitted" // runs on-premises; a commit is due, and it can still be cancelled
	StageHome            Stage = "home"             // runs on-premises, committed
)

// way is the direction in which an item replicates. activeLocation is relative to it: Primary of a reversed item is
// Azure.
type way int

const (
	eitherWay way = iota
	toAzure
	fromAzure
)

// Basis says how it is known that an answer means a stage.
type Basis string

// Bases of a row.
const (
	Recorded   Basis = "recorded"   // seen in recorded traffic of the real service
	Documented Basis = "documented" // in a public enumeration or page
	Assumed    Basis = "assumed"    // inferred: no recording or page shows it of a VMware machine
)

// stageRow is an answer of the service and the stage that it means. An empty column fits everything. Names fit
// without regard to case.
type stageRow struct {
	stage     Stage
	way       way
	scenarios []string // of the job that runs
	states    []string // protectionState
	location  string   // activeLocation
	site      string   // activeSiteType, of a classic reversed item: must not be another one
	allows    string   // in allowedOperations, when the item lists any
	demands   string   // in allowedOperations
	planned   []string // lastPlannedFailoverStatus: "Succeeded" stays after a cancellation and tells nothing
	resync    bool     // a resynchronization is due or runs
	basis     Basis
}

const (
	primary  = "Primary"
	recovery = "Recovery"
)

// The words of protectionState that recordings do not show are those of the enumeration that the sister service
// (Microsoft.DataReplication) publishes.
var (
	failingStates = []string{
		"PlannedFailoverTransitionStatesBegin", "PlannedFailoverInitiated", "PlannedFailoverCompleting", "PlannedFailoverTransitionStatesEnd",
		"UnplannedFailoverTransitionStatesBegin", "UnplannedFailoverInitiated", "UnplannedFailoverCompleting", "UnplannedFailoverTransitionStatesEnd",
	}
	failedStates = []string{"UnplannedFailoverFailed", "UnplannedFailoverCompletionFailed", "PlannedFailoverFailed", "PlannedFailoverCompletionFailed"}
	cancelling   = []string{
		"CancelFailoverStatesBegin", "CancelFailoverInProgressOnPrimary", "CancelFailoverInProgressOnRecovery",
		"CancelFailoverFailedOnPrimary", "CancelFailoverFailedOnRecovery", "CancelFailoverStatesEnd",
	}
	pendingStates = []string{
		"CommitPendingStatesBegin", "PlannedFailoverCommitPendingStatesBegin", "PlannedFailoverCompleted", "UnplannedFailoverCompleted",
		"CommitFailoverStatesBegin", "CommitFailoverInProgressOnPrimary", "CommitFailoverInProgressOnRecovery",
		"CommitFailoverFailedOnPrimary", "CommitFailoverFailedOnRecovery",
	}
	initialStates = []string{
		"InitialReplicationStatesBegin", "InitialReplicationCompletedOnPrimary", "InitialReplicationCompletedOnRecovery", "InitialReplicationStatesEnd",
	}
	unprotected = []string{
		"UnprotectedStatesBegin", "EnablingProtection", "EnablingFailed", "DisablingProtection", "MarkedForDeletion", "DisablingFailed", "UnprotectedStatesEnd",
	}
)

// stages are read from the top; the first row that fits tells. The jobs that run come first, for an item keeps its old
// state for a while.
var stages = []stageRow{
	{stage: StageReprotecting, way: toAzure, scenarios: []string{ReprotectScenario}, location: recovery, basis: Assumed},
	{stage: StageFailingOver, way: toAzure, scenarios: []string{"UnplannedFailover", "PlannedFailover"}, basis: Assumed},
	{stage: StageHome, way: fromAzure, scenarios: []string{ReprotectScenario}, location: recovery, basis: Assumed}, // to Azure again
	{stage: StageReprotecting, way: fromAzure, scenarios: []string{ReprotectScenario}, location: primary, basis: Assumed},
	{stage: StageFailingBack, way: fromAzure, scenarios: []string{"PlannedFailover", "UnplannedFailover", "CancelFailover"}, basis: Assumed},
	{stage: StageHomeUncommitted, way: fromAzure, scenarios: []string{"CommitFailover", "FinalizeFailback"}, location: recovery, basis: Assumed},

	{stage: StageProtected, way: toAzure, states: []string{"Protected"}, location: primary, basis: Recorded},
	{stage: StageInitial, way: toAzure, states: []string{"InitialReplicationInProgress", "InitialReplicationRecoveryCompletionPending"}, location: primary, basis: Recorded},
	{stage: StageInitial, way: toAzure, states: initialStates, location: primary, basis: Documented},
	{stage: StageReplicationFailed, way: toAzure, states: []string{"InitialReplicationFailed"}, location: primary, basis: Documented},
	{stage: StageFailingOver, way: toAzure, states: failingStates, basis: Documented},
	{stage: StageFailoverFailed, way: toAzure, states: []string{"UnplannedFailoverFailed", "UnplannedFailoverCompletionFailed"}, location: primary, basis: Recorded},
	{stage: StageFailoverFailed, way: toAzure, states: failedStates, basis: Documented},
	{stage: StageUncommitted, way: toAzure, states: []string{"UnplannedFailoverCommitPendingStatesBegin"}, location: recovery, allows: "SwitchProtection", basis: Recorded},
	{stage: StageUncommitted, way: toAzure, states: pendingStates, location: recovery, allows: "SwitchProtection", basis: Assumed},
	{stage: StageUncommitted, way: toAzure, states: []string{"ChangeRecoveryPointStatesBegin", "ChangeRecoveryPointInitiated", "ChangeRecoveryPointCompleted", "ChangeRecoveryPointFailed", "ChangeRecoveryPointStatesEnd"}, location: recovery, allows: "SwitchProtection", basis: Documented},
	{stage: StageCommitted, way: toAzure, states: []string{"UnplannedFailoverCommitted", "UnplannedFailoverStatesBegin"}, location: recovery, allows: "SwitchProtection", basis: Recorded}, // the latter in 2017
	{stage: StageCommitted, way: toAzure, states: []string{"PlannedFailoverCommitted", "CommitFailoverCompleted", "CommitFailoverStatesEnd", "ReprotectFailed"}, location: recovery, allows: "SwitchProtection", basis: Assumed},
	{stage: StageReprotecting, way: toAzure, states: []string{"ReprotectStatesBegin", "ReprotectInitiated", "ReprotectStatesEnd"}, location: recovery, basis: Documented},

	{stage: StageResynchronizing, way: fromAzure, states: []string{"Protected"}, location: primary, demands: "RepairReplication", basis: Recorded}, // forward; backward inferred
	{stage: StageResynchronizing, way: fromAzure, states: []string{"Protected"}, location: primary, resync: true, basis: Documented},
	{stage: StageFailbackCancelled, way: fromAzure, states: []string{"Protected"}, location: primary, planned: []string{"Cancelled", "Failed"}, basis: Documented},
	{stage: StageReady, way: fromAzure, states: []string{"Protected"}, location: primary, basis: Recorded},
	{stage: StageInitial, way: fromAzure, states: []string{"InitialReplicationInProgress"}, location: primary, basis: Recorded},
	{stage: StageInitial, way: fromAzure, states: append([]string{"InitialReplicationRecoveryCompletionPending"}, initialStates...), location: primary, basis: Assumed},
	{stage: StageReplicationFailed, way: fromAzure, states: []string{"InitialReplicationFailed"}, location: primary, basis: Documented},
	{stage: StageReprotecting, way: fromAzure, states: []string{"ReprotectStatesBegin", "ReprotectInitiated", "ReprotectStatesEnd"}, location: primary, basis: Assumed},
	{stage: StageFailingBack, way: fromAzure, states: failingStates, basis: Documented},
	{stage: StageFailingBack, way: fromAzure, states: cancelling, basis: Documented},
	{stage: StageFailbackCancelled, way: fromAzure, states: failedStates, location: primary, basis: Assumed}, // it returns to the state before
	{stage: StageHomeUncommitted, way: fromAzure, states: []string{"CommitPendingStatesBegin"}, location: recovery, basis: Recorded},
	{stage: StageHomeUncommitted, way: fromAzure, states: append([]string{"UnplannedFailoverCommitPendingStatesBegin"}, pendingStates...), location: recovery, basis: Assumed},
	{stage: StageHome, way: fromAzure, states: []string{"UnplannedFailoverCommitted"}, location: recovery, site: "OnPrem", basis: Recorded},
	{stage: StageHome, way: fromAzure, states: []string{"PlannedFailoverCommitted", "CommitFailoverCompleted", "CommitFailoverStatesEnd"}, location: recovery, site: "OnPrem", basis: Assumed},

	{stage: StageUnprotected, states: unprotected, basis: Documented},
}

// Stage says where the machine stands. It goes back when the service's answer does: a failback that failed or was
// cancelled is none. A machine that another scenario protects (Ours) stands nowhere: StageUnknown.
func (i Item) Stage() Stage {
	if !i.Ours() {
		return StageUnknown
	}
	if i.migrated() {
		return StageMigrated
	}
	if i.State == "" {
		return StageUnknown // a job alone does not tell: what was not read is unknown
	}
	for _, row := range stages {
		if row.fits(i) {
			return row.stage
		}
	}
	return StageUnknown
}

func (r stageRow) fits(i Item) bool {
	going := toAzure
	if i.ReversedOnce() {
		going = fromAzure
	}
	return (r.way == eitherWay || r.way == going) &&
		(r.scenarios == nil || i.Busy() && among(r.scenarios, i.Scenario)) &&
		(r.states == nil || among(r.states, i.State)) &&
		(r.location == "" || strings.EqualFold(r.location, i.Location)) &&
		(r.site == "" || i.ActiveSite == "" || strings.EqualFold(r.site, i.ActiveSite)) &&
		(r.allows == "" || len(i.Operations) == 0 || among(i.Operations, r.allows)) &&
		(r.demands == "" || among(i.Operations, r.demands)) &&
		(r.planned == nil || among(r.planned, i.LastFailback)) &&
		(!r.resync || i.Replication.Resynchronizes())
}

func among(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

// migrated: no recording shows the state of a completed migration; its words are enough, for nothing may be done then.
func (i Item) migrated() bool {
	return strings.Contains(i.State, "Migration") || strings.Contains(i.StateText, "igration completed")
}

// Ours says whether the machine is one that the product can reprotect: a VMware or physical machine.
func (i Item) Ours() bool {
	return i.Architecture != "" || i.ReversedOnce() || i.Provider == "InMageAzureV2" || i.Provider == "InMageRcm"
}

// protectors are the scenarios of Site Recovery that protect machines which are not ours, by provider.
var protectors = map[string]string{
	"A2A": "Azure to Azure", "A2ACrossClusterMigration": "Azure to Azure", "HyperVReplica2012": "Hyper-V", "HyperVReplica2012R2": "Hyper-V",
	"HyperVReplica": "Hyper-V", "HyperVReplicaBase": "Hyper-V", "HyperVReplicaAzure": "Hyper-V", "VMwareCbt": "Azure Migrate", "VMwareCbtMigration": "Azure Migrate",
}

// ProtectedBy names what protects a machine that is not ours, for people: "Hyper-V", or the provider's own name; ""
// when the machine is ours.
func (i Item) ProtectedBy() string {
	switch {
	case i.Ours():
		return ""
	case protectors[i.Provider] != "":
		return protectors[i.Provider]
	case i.Provider == "":
		return "a provider that Site Recovery does not name"
	}
	return "the provider " + i.Provider
}

// FailedOver says whether the machine runs in Azure after a failover that finished (S1), its reprotect perhaps under
// way.
func (i Item) FailedOver() bool {
	switch i.Stage() {
	case StageUncommitted, StageCommitted:
		return true
	case StageReprotecting:
		return !i.ReversedOnce()
	}
	return false
}

// Migrated says whether the migration was completed, after which there is no way back (S2).
func (i Item) Migrated() bool { return i.Stage() == StageMigrated }

// ReversedOnce says whether the item is that of the way back: it replicates from Azure to on-premises, or has come home.
func (i Item) ReversedOnce() bool {
	return i.Provider == "InMage" || i.Provider == "InMageRcmFailback"
}

// Protected says whether the machine replicates from Azure to on-premises and is protected there (S3, S40).
// A reprotect job that succeeded is not enough.
func (i Item) Protected() bool {
	s := i.Stage()
	return s == StageReady || s == StageFailbackCancelled
}

// Home says whether the machine has failed back: it runs on-premises again, and its disks have left the master
// target or appliance. The failback may have to be committed still.
func (i Item) Home() bool {
	s := i.Stage()
	return s == StageHome || s == StageHomeUncommitted
}

// AtHome says whether the machine runs on-premises and is neither on its way to Azure nor back: it was not failed
// over yet, or has come home.
func (i Item) AtHome() bool {
	switch i.Stage() {
	case StageProtected, StageHome, StageHomeUncommitted:
		return !i.Busy()
	case StageInitial, StageReplicationFailed, StageUnprotected:
		return !i.Busy() && !i.ReversedOnce() && strings.EqualFold(i.Location, primary)
	}
	return false
}

// Busy says whether a job holds the item: the only lock that the service shows.
func (i Item) Busy() bool { return i.JobID != "" }
