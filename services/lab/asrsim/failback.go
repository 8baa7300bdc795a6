package asrsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
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

// way is the failback of a machine, job by job; the zero value: nothing began yet.
type way struct {
	failover, undo, commit *job
}

// phase says where a protected machine stands by its failback.
func (w way) phase(now time.Time) Phase {
	switch {
	case w.failover == nil || w.failover.state(now) == "Failed" || w.failover.state(now) == "Cancelled":
		return Protected
	case w.failover.state(now) == "InProgress":
		return FailingBack
	case w.undo == nil || w.undo.state(now) == "Cancelled":
		return Home
	case w.undo.state(now) == "InProgress":
		return FailingBack
	}
	return Protected
}

func (w way) committed(now time.Time) bool {
	return w.commit != nil && w.commit.state(now) == "Succeeded"
}

// running is the job of the failback that runs.
func (w way) running(now time.Time) *job {
	for _, j := range []*job{w.commit, w.undo, w.failover} {
		if j != nil && j.state(now) == "InProgress" {
			return j
		}
	}
	return nil
}

// running is the job that holds a machine's item; nil when none does.
func (s *Server) running(m *machine, now time.Time) *job {
	if m.last != nil && m.last.state(now) == "InProgress" {
		return m.last
	}
	if m.committing != nil && m.committing.state(now) == "InProgress" {
		return m.committing
	}
	return m.way.running(now)
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

// beginFailback starts a failback, which takes so long.
func (s *Server) beginFailback(m *machine, takes time.Duration, now time.Time) *job {
	k := plannedJob
	if m.classic() {
		k = unplannedJob
	}
	j := s.begin(m, k, takes, now)
	m.way = way{failover: j}
	m.failedBack = now // and so it stays after a cancellation (seen in recordings)
	return j
}

// beginCommit commits whatever failover waits for it; without one the job fails.
func (s *Server) beginCommit(m *machine, takes time.Duration, now time.Time) *job {
	phase := s.phase(m, now)
	j := s.begin(m, commitJob, takes, now)
	switch {
	case phase == Home && !m.way.committed(now):
		m.way.commit = j
	case phase == FailedOver && !s.failoverCommitted(m, now):
		m.committing = j
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
		} `json:"providerSpecificDetails"`
	} `json:"properties"`
}

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
	if m.classic() || s.phase(m, rq.now) != Home || m.way.committed(rq.now) {
		return rq.serviceError(http.StatusConflict, notAllowed(m, "To cancel the failover"))
	}
	j := s.begin(m, undoJob, s.sc.Real(cancelTakes), rq.now)
	m.way.undo = j
	return s.started(rq, j)
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

// planReturn plans the failback and its commit of a machine that goes home by itself.
func (s *Server) planReturn(j *job) {
	after := s.sc.Real(j.machine.spec.FailBack)
	if after <= 0 {
		return
	}
	home := j.end.Add(s.replication() + after)
	s.later(home, func(now time.Time) {
		if j.machine.last == j && j.machine.way.failover == nil && s.phase(j.machine, now) == Protected {
			own := s.beginFailback(j.machine, 0, now)
			s.later(home.Add(s.sc.Real(committedAfter)), func(now time.Time) {
				if j.machine.way.failover == own && s.phase(j.machine, now) == Home && !j.machine.way.committed(now) {
					s.beginCommit(j.machine, 0, now)
				}
			})
		}
	})
}

// step is what happens by itself at a time.
type step struct {
	at time.Time
	do func(now time.Time)
}

// later keeps steps in the order of their times.
func (s *Server) later(at time.Time, do func(time.Time)) {
	i, _ := slices.BinarySearchFunc(s.steps, at, func(st step, at time.Time) int {
		if st.at.After(at) {
			return 1
		}
		return -1
	})
	s.steps = slices.Insert(s.steps, i, step{at, do})
}

// takeSteps lets happen what is due.
func (s *Server) takeSteps(now time.Time) {
	for len(s.steps) > 0 && !s.steps[0].at.After(now) {
		st := s.steps[0]
		s.steps = s.steps[1:]
		st.do(st.at)
	}
}
