package events

// State is where one machine of a case stands.
type State string

// The states of a machine.
const (
	StateNotStarted  State = "not-started"
	StateRunning     State = "running"     // its job runs, no data flows yet
	StateReplicating State = "replicating" // its data flows back
	StateProtected   State = "protected"
	StateFailed      State = "failed"
	StateCancelled   State = "cancelled"

	// Of a machine that is led home. Protected it is there when it replicates to Azure again.
	StateHome      State = "home" // it runs on-premises; its failback can be withdrawn, until it is committed
	StateCommitted State = "committed"
	StateWithdrawn State = "withdrawn" // it runs in Azure again, and may be failed back
)

// States lists the states of a machine.
func States() []State {
	return []State{
		StateNotStarted, StateRunning, StateReplicating, StateProtected, StateFailed, StateCancelled, StateHome, StateCommitted, StateWithdrawn,
	}
}

// CaseState is where a case stands: what its last step was decided as, unless it waits or is about to be cancelled.
type CaseState string

// The states of a case.
const (
	CaseAccepted   CaseState = "accepted"
	CaseRefused    CaseState = "refused"
	CaseValidated  CaseState = "validated"
	CaseRejected   CaseState = "rejected"
	CasePlaced     CaseState = "placed"
	CaseRegistered CaseState = "registered"
	CaseStarted    CaseState = "started"
	CaseRehearsed  CaseState = "rehearsed"
	CaseCompleted  CaseState = "completed"
	CaseFailed     CaseState = "failed"
	CaseCancelled  CaseState = "cancelled"
	CaseHome       CaseState = "home"
	CaseCommitted  CaseState = "committed"
	CaseWithdrawn  CaseState = "withdrawn"
	CaseProtected  CaseState = "protected" // to Azure again

	CaseWaiting    CaseState = "waiting"
	CaseCancelling CaseState = "cancelling"
)

// Reason is what a case or a machine waits for. Later versions may know more of them.
type Reason string

// The reasons to wait.
const (
	ForAgent          Reason = "agent"
	ForRetentionDrive Reason = "retention-drive"
	ForTurn           Reason = "turn"        // its place in the admission queue
	ForDiskSlot       Reason = "disk-slot"   // at the master target or appliance (S7)
	ForJob            Reason = "job"         // another Site Recovery job holds the machine
	ForReplication    Reason = "replication" // nothing moves
	ForOperator       Reason = "operator"    // somebody has to remove the cause; it goes on by itself then
	ForCancel         Reason = "cancel"      // the end of a job that was cancelled
	ForOthers         Reason = "others"      // the rest of its case: this machine has failed
	ForCommit         Reason = "commit"      // the time at which its failback is committed
	ForThrottle       Reason = "throttle"
	ForAzure          Reason = "azure"
	ForVCenter        Reason = "vcenter"
)

// Reasons lists the reasons to wait that this version knows.
func Reasons() []Reason {
	return []Reason{
		ForAgent, ForRetentionDrive, ForTurn, ForDiskSlot, ForJob, ForReplication, ForOperator, ForCancel, ForOthers, ForCommit, ForThrottle, ForAzure, ForVCenter,
	}
}
