package asrsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"reprotect.example/services/lab/scenario"
)

// How long the jobs of a failback take, simulated (measured in recordings; that of a cancellation by the time of the
// error that it leaves behind).
const (
	plannedTakes   = 21*time.Minute + 15*time.Second
	unplannedTakes = 3*time.Minute + 35*time.Second
	cancelTakes    = 5*time.Minute + 30*time.Second
	commitTakes    = time.Second                  // of a failover
	finalizeTakes  = time.Minute + 51*time.Second // of a failback
)

// Their scenarios and tasks are recorded; where in a job its tasks end is assumed.
var (
	plannedJob = &kind{"PlannedFailover", "Planned failover", "ProtectionEntity", []taskKind{
		{"PlannedFailoverPreflightChecksTask", "VmPfoPrerequisitesCheck", "Prerequisites check for planned failover", 0.05},
		{"PrepareForFailoverTask", "VmPrepareForFailover", "Start failover", 0.30},
		{"FailoverTask", "VmFailover", "Shut down the Azure virtual machine", 0.70},
		{"PrepareProtectedEntitiesTask", "VmPrepareProtectedEntitiesTask", "Preparing on-premise virtual machine", 0.90},
		{"StartVmOnSecondary", "VmFoStartVmOnSecondary", "Starting on-premise virtual machine", 1},
	}}
	unplannedJob = &kind{"UnplannedFailover", "Failover", "ProtectionEntity", []taskKind{
		{"UnplannedFailoverPreflightChecksTask", "VmUfoPrerequisitesCheck", "Prerequisites check for failover", 0.27},
		{"ShutdownVmOnPrimaryForUFO", "VmShutdownVmOnPrimary", "Shut down the virtual machine", 0.27},
		{"PrepareForUnPlannedFailoverTask", "VmPrepareForUnPlannedFailover", "Synchronizing the latest changes", 0.27},
		{"FailoverTask", "VmFailover", "Start failover", 0.92},
		{"StartVmOnSecondary", "VmFoStartVmOnSecondary", "Start the replica virtual machine", 1},
	}}
	undoJob = &kind{"CancelFailover", "Cancel failover and resume replication", "ProtectionEntity", []taskKind{
		{"CancelFailoverPreflightChecksTask", "CancelFailoverPreflightChecksTask", "Prerequisites check for cancel failover", 0.01},
		{"CancelFailoverRecovery", "CancelFailoverRecovery", "Cancel failover recovery", 0.40},
		{"CancelFailoverPrimary", "CancelFailoverPrimaryTask", "Cancel failover primary", 0.80},
		{"StartVmOnPrimary", "StartVmOnPrimary", "Starting the virtual machine", 1},
	}}
	commitJob = &kind{"CommitFailover", "Commit", "ProtectionEntity", []taskKind{ // the ids of its tasks are UUIDs
		{"", "VmCommitPrerequisitesCheck", "Prerequisite check", 0.2},
		{"", "VmCommit", "Commit", 1},
	}}
)

// notReady is how a commit ends that comes at the wrong time: it is accepted, and its job fails (recorded).
var notReady = fault{
	code: "25037", message: "The virtual machine '%s' isn't ready for committing failback.",
	causes: "Check the Provider error for more information.", action: "Resolve the issue and retry the operation.",
}

// begin makes a job of a machine that takes so long in real time.
func (s *Server) begin(m *machine, k *kind, takes time.Duration, now time.Time) *job {
	m.begun++
	j := &job{
		id:   s.sc.UUID("job", fmt.Sprintf("%s/%s/%d", k.scenario, m.spec.Name, m.begun)),
		kind: k, machine: m, fabric: s.fabricOf(m), itemName: s.itemName(m, now), reversed: s.returned(m, now),
		start: now, full: now.Add(takes), end: now.Add(takes),
	}
	s.jobs = append(s.jobs, j)
	s.operations[j.id] = &operation{id: j.id, job: j, start: now}
	return j
}

// beginFailback starts a failback, which takes so long; one that takes no time does not fail. A modernized one that fails
// is cancelled by the service itself.
func (s *Server) beginFailback(m *machine, takes time.Duration, now time.Time) *job {
	k := plannedJob
	if m.classic() {
		k = unplannedJob
	}
	j := s.begin(m, k, takes, now)
	m.way = way{failover: j}
	m.failedBack = now // and so it stays after a cancellation (seen in recordings)
	if takes > 0 {
		s.mayFail(j, scenario.ActFailback)
	}
	if f, fails := s.writerGone(m); fails && takes > 0 {
		s.fail(j, f)
	}
	s.effects(j,
		effect{j.part(failbackStops), func(at time.Time) { s.setAzure(m, azureStopped, at) }},
		effect{j.part(failbackStarts), func(time.Time) { s.onPremises(m, true) }},
		effect{j.full, func(time.Time) { m.failbackStatus = "Succeeded" }},
	)
	return j
}

// beginUndo cancels a failback; by is the failed one after which the service does it by itself.
func (s *Server) beginUndo(m *machine, by *job, takes time.Duration, now time.Time) *job {
	j := s.begin(m, undoJob, takes, now)
	j.parent = by
	m.way.undo = j
	if by == nil {
		s.mayFail(j, scenario.ActCancel)
	}
	s.effects(j,
		effect{j.part(undoStops), func(time.Time) { s.onPremises(m, false) }},
		effect{j.full, func(at time.Time) { s.setAzure(m, azureRunning, at) }},
	)
	return j
}

// beginCommit commits whatever failover waits for it; without one the job fails.
func (s *Server) beginCommit(m *machine, takes time.Duration, now time.Time) *job {
	phase := s.phase(m, now)
	j := s.begin(m, commitJob, takes, now)
	switch {
	case phase == Home:
		m.way.commit = j
		s.mayFail(j, scenario.ActCommit)
		s.effects(j, effect{j.full, func(at time.Time) { s.setAzure(m, azureDeleted, at) }})
	case phase == FailedOver && !s.failoverCommitted(m, now):
		m.committing = j
		s.mayFail(j, scenario.ActCommit)
	default:
		f := notReady.naming(m.spec.Name)
		j.fault = &f
		j.end = j.part(0.1)
	}
	return j
}

// failoverCommitted says whether the failover to Azure was committed. That of a classic machine of the lab was, before
// the lab began; a reprotect commits it in any case.
func (s *Server) failoverCommitted(m *machine, now time.Time) bool {
	return m.classic() || m.committing != nil && m.committing.state(now) == "Succeeded"
}

// failoverBody is what the requests of a failback say.
type failoverBody struct {
	Properties struct {
		FailoverDirection       string `json:"failoverDirection"`
		ProviderSpecificDetails struct {
			InstanceType      string `json:"instanceType"`
			RecoveryPointType string `json:"recoveryPointType"`
			RecoveryPointID   string `json:"recoveryPointId"`
		} `json:"providerSpecificDetails"`
	} `json:"properties"`
}

// pointTypes are the recovery points that a failback may take, by provider.
var pointTypes = map[string][]string{"InMageRcmFailback": {"CrashConsistent", "ApplicationConsistent"}, "InMage": {"LatestTime", "LatestTag", "Custom"}}

// postPlanned fails a modernized machine back.
func (s *Server) postPlanned(rq *request) reply {
	return s.postFailback(rq, false, "InMageRcmFailback", plannedTakes)
}

// postUnplanned fails a classic machine back.
func (s *Server) postUnplanned(rq *request) reply {
	return s.postFailback(rq, true, "InMage", unplannedTakes)
}

func (s *Server) postFailback(rq *request, classic bool, provider string, takes time.Duration) reply {
	m, found := s.item(rq)
	if !found {
		return rq.notFound(rq.params[2])
	}
	var body failoverBody
	if err := json.Unmarshal(rq.body, &body); err != nil {
		return invalidContent(err)
	}
	if f, conflict := s.busy(m, rq); conflict {
		return rq.serviceError(http.StatusConflict, f)
	}
	in := body.Properties.ProviderSpecificDetails
	switch {
	case m.classic() != classic || s.phase(m, rq.now) != Protected:
		return rq.serviceError(http.StatusConflict, notAllowed(m, "The failover"))
	case in.InstanceType != provider:
		return rq.badRequest("The instance type '"+in.InstanceType+"' does not fit the provider of the protected item.", "Use "+provider+".")
	case in.RecoveryPointType == "":
		return rq.badRequest("The required parameter 'recoveryPointType' is missing.", "Specify 'recoveryPointType'.")
	case !slices.Contains(pointTypes[provider], in.RecoveryPointType):
		return rq.badRequest("The recovery point type '"+in.RecoveryPointType+"' is not valid.", "Use one of "+strings.Join(pointTypes[provider], ", ")+".")
	case in.RecoveryPointType == "Custom" && !s.hasPoint(m, in.RecoveryPointID, rq.now):
		return rq.badRequest("The recovery point '"+in.RecoveryPointID+"' was not found.", "Specify the id of a recovery point of the protected item.")
	case classic && !strings.EqualFold(body.Properties.FailoverDirection, "PrimaryToRecovery"):
		return rq.badRequest("The failover direction '"+body.Properties.FailoverDirection+"' is not valid.", "Use PrimaryToRecovery.")
	}
	return s.started(rq, s.beginFailback(m, s.sc.Real(takes), rq.now))
}

// postUndo cancels a failback that waits for its commit: modernized machines have that.
func (s *Server) postUndo(rq *request) reply {
	m, found := s.item(rq)
	if !found {
		return rq.notFound(rq.params[2])
	}
	if f, conflict := s.busy(m, rq); conflict {
		return rq.serviceError(http.StatusConflict, f)
	}
	if m.classic() || s.phase(m, rq.now) != Home {
		return rq.serviceError(http.StatusConflict, notAllowed(m, "To cancel the failover"))
	}
	return s.started(rq, s.beginUndo(m, nil, s.sc.Real(cancelTakes), rq.now))
}

func (s *Server) postCommit(rq *request) reply {
	m, found := s.item(rq)
	if !found {
		return rq.notFound(rq.params[2])
	}
	if f, conflict := s.busy(m, rq); conflict {
		return rq.serviceError(http.StatusConflict, f)
	}
	takes := commitTakes
	if s.phase(m, rq.now) == Home {
		takes = finalizeTakes
	}
	return s.started(rq, s.beginCommit(m, max(s.sc.Real(takes), time.Microsecond), rq.now))
}

func (s *Server) started(rq *request, j *job) reply {
	return s.accepted(rq, s.operations[j.id], s.itemIDOf(j.machine, j.itemName))
}

// busy refuses what comes while a job runs.
func (s *Server) busy(m *machine, rq *request) (fault, bool) {
	j := s.running(m, rq.now)
	if j == nil {
		return fault{}, false
	}
	return fault{
		code:    "AnotherOperationInProgress",
		message: "The operation cannot be started: job '" + j.id + "' is running for virtual machine '" + m.spec.Name + "'.",
		causes:  "Another operation is in progress for the protected item.",
		action:  "Wait until the running job has ended, then retry the operation.",
	}, true
}

func notAllowed(m *machine, what string) fault {
	return fault{
		code:    "OperationNotAllowed",
		message: what + " is not allowed in the present state of virtual machine '" + m.spec.Name + "'.",
		causes:  "The protected item is in another state.",
		action:  "Refresh the item and see its allowed operations.",
	}
}
