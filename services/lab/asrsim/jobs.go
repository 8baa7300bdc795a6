package asrsim

import (
	"container/heap"
	"fmt"
	"time"
)

// kind is a sort of job with its tasks; until says which part of the job is over when the task ends.
type kind struct {
	scenario, friendly, target string
	tasks                      []taskKind
}

type taskKind struct {
	id, name, friendly string
	until              float64
}

// The reprotect's names and tasks are recorded; so are the names of the others, but their tasks are inferred.
var (
	reprotectJob = &kind{"SwitchReplicationGroupProtection", "Reprotect", "ProtectionEntity", []taskKind{
		taskPrerequisites: {"SwitchReplicationGroupProtectionPreflightTask", "SwitchReplicationGroupProtectionPreflightTask", "Prerequisite check", 0.05},
		taskCommit:        {"CommitFailoverTask", "VmCommitFailover", "Committing failover", 0.10},
		taskDiscover:      {"DiscoverReplicaTask", "DiscoverReplicaTask", "Discovering replica virtual machine", 0.20},
		taskRequirements:  {"GetSwitchProtectionRequirementsTask", "GetSwitchProtectionRequirementsTask", "Getting reprotection requirements", 0.30},
		taskReprotect:     {"ProtectReplicaTask", "ProtectReplicaTask", "Reprotecting virtual machine", 1},
	}}
	enableJob = &kind{"EnableDr", "Enable replication", "ProtectionEntity", []taskKind{
		{"EnableProtectionPrerequisitesCheckTask", "EnableProtectionPrerequisitesCheckTask", "Prerequisites check for enabling protection", 0.2},
		{"EnableDrTask", "EnableDrTask", "Enable replication", 1},
	}}
	discoverJob = &kind{"DiscoverReplica", "Discover replica", "ProtectionEntity", []taskKind{
		{"DiscoverReplicaTask", "DiscoverReplicaTask", "Discovering replica virtual machine", 1},
	}}
	primaryIRJob = &kind{"PrimaryIrCompletion", "Finalize protection on the primary virtual machine", "ProtectionEntity", []taskKind{
		{"PrimaryIrCompletionTask", "PrimaryIrCompletionTask", "Finalizing protection on the primary virtual machine", 1},
	}}
	secondaryIRJob = &kind{"SecondaryIrCompletion", "Finalize protection on the recovery virtual machine", "ProtectionEntity", []taskKind{
		{"SecondaryIrCompletionTask", "SecondaryIrCompletionTask", "Finalizing protection on the recovery virtual machine", 1},
	}}
	refreshJob = &kind{"RefreshServer", "Refresh server", "Server", []taskKind{
		{"RefreshServerTask", "RefreshServerTask", "Refreshing the server", 1},
	}}
)

// job is fixed when it is accepted, but for a cancellation: when it starts and ends, and whether it fails.
type job struct {
	id        string
	kind      *kind
	machine   *machine // nil when the target is a server or a plan
	plan      string   // the target
	vault     bool     // the target is the vault itself
	fabric    *fabric
	parent    *job         // of a job that another one starts
	children  map[int]*job // classic: the jobs that tasks of a reprotect start
	itemName  string
	reversed  bool // it began on an item of the way back
	committed bool // of a reprotect: the failover was committed before

	start, full, end time.Time // full: when it would have ended, had it succeeded
	act              string    // of the way home: what is asked for
	fault            *fault
	warning          *fault
	cancelled        bool
	input            reprotectInput
}

// reprotects is how many a machine has had once a reprotect job has ended.
func (j *job) reprotects() int {
	if j.reversed {
		return 2
	}
	return 1
}

func (j *job) state(now time.Time) string {
	switch {
	case now.Before(j.end):
		return "InProgress"
	case j.cancelled:
		return "Cancelled"
	case j.fault != nil:
		return "Failed"
	}
	return "Succeeded"
}

// cancellable says whether it is a job that somebody asked for; those that follow from it end with it.
func (j *job) cancellable() bool { return j.machine != nil && j.parent == nil }

// part is the moment at which that part of the job is over, if it succeeds.
func (j *job) part(share float64) time.Time {
	return j.start.Add(time.Duration(share * float64(j.full.Sub(j.start))))
}

// bounds are the start and the end of task i.
func (j *job) bounds(i int) (from, to time.Time) {
	from = j.start
	if i > 0 {
		from = j.part(j.kind.tasks[i-1].until)
	}
	return from, j.part(j.kind.tasks[i].until)
}

// skips says whether a task has nothing to do.
func (j *job) skips(i int) bool {
	return j.kind == reprotectJob && i == taskCommit && j.committed ||
		j.kind == unplannedJob && (i == 1 || i == 2) // nothing is to be shut down or synchronized (recorded)
}

// taskState is the state of task i, and whether it has started and ended.
func (j *job) taskState(i int, now time.Time) (state, text string, started, ended bool) {
	if j.skips(i) {
		return "Other", "Skipped", false, false
	}
	from, to := j.bounds(i)
	over := !now.Before(j.end)
	if over && j.kind == resyncJob && j.state(now) == "Succeeded" {
		return "InProgress", "InProgress", true, false // and so it stays (seen in a recording)
	}
	if over {
		now = j.end
	}
	switch {
	case now.Before(from) && over:
		return "Other", "Skipped", false, false
	case now.Before(from):
		return "NotStarted", "NotStarted", false, false
	case !now.Before(to):
		return "Succeeded", "Completed", true, true
	case over && j.cancelled:
		return "Cancelled", "Cancelled", true, true
	case over:
		return "Failed", "Failed", true, true
	}
	return "InProgress", "InProgress", true, false
}

// failingTask is the task in which a failed job ended.
func (j *job) failingTask() taskKind {
	for i := range j.kind.tasks {
		if _, to := j.bounds(i); !j.skips(i) && j.end.Before(to) {
			return j.kind.tasks[i]
		}
	}
	return j.kind.tasks[len(j.kind.tasks)-1]
}

// startReprotect makes the job of an accepted reprotect, and plans what follows from it.
func (s *Server) startReprotect(m *machine, in reprotectInput, now time.Time) *job {
	m.submissions++
	j := &job{
		id:   s.sc.UUID("job", fmt.Sprintf("%s/%d", m.spec.Name, m.submissions)),
		kind: reprotectJob, machine: m, fabric: s.fabricOf(m), itemName: s.itemName(m, now), start: now, input: in,
		committed: s.failoverCommitted(m, now),
	}
	m.way = way{}
	// A job takes a moment even when the scenario says nothing, so that a failure has a task to lie in.
	j.full = now.Add(max(s.sc.Real(s.sc.Times.Job), time.Microsecond))
	j.end = j.full
	if code, ok := take(&m.warnNext); ok {
		j.warning = &fault{code: code, message: warningText(code, m.spec.Name)}
	}
	if f, fails := s.obstacle(m, now); fails {
		j.fault = &f
		from, to := j.bounds(f.task)
		j.end = from.Add(to.Sub(from) / 2)
	}
	m.last = j
	s.jobs = append(s.jobs, j)
	s.operations[j.id] = &operation{id: j.id, job: j, start: now}
	if j.fault == nil {
		s.planFollowers(j)
		s.planReturn(j)
	}
	return j
}

// obstacle is why a reprotect that starts now will fail.
func (s *Server) obstacle(m *machine, now time.Time) (fault, bool) {
	if m.azureVM != azureRunning {
		return faultOf("78093", m.spec.Name), true
	}
	if !m.registered(now) {
		return agentMissing.naming(m.spec.Name), true
	}
	if code, ok := take(&m.failNext); ok {
		return faultOf(code, m.spec.Name), true
	}
	return fault{}, false
}

// planFollowers plans the jobs of a classic machine that start by themselves: EnableDr inside the reprotect,
// the two completions during the initial replication (as recorded, at about two thirds and at the end of it).
// Recordings of a modernized machine show none.
func (s *Server) planFollowers(j *job) {
	if !j.machine.classic() {
		return
	}
	follow := func(k *kind, item string, start, end time.Time) *job {
		f := &job{
			id: s.sc.UUID(k.scenario, j.id), kind: k, machine: j.machine, fabric: j.fabric, parent: j,
			itemName: item, start: start, full: end, end: end,
		}
		heap.Push(&s.due, f)
		return f
	}
	before, after, ir := j.itemName, s.nameAfter(j.machine, j.reprotects()), s.replication()
	protected := j.end.Add(ir)
	j.children = map[int]*job{}
	for _, c := range []struct {
		task int
		kind *kind
	}{{taskDiscover, discoverJob}, {taskReprotect, enableJob}} {
		if c.kind == discoverJob && j.reversed {
			continue // in the forward direction that task starts no job (seen in recordings)
		}
		from, to := j.bounds(c.task)
		j.children[c.task] = follow(c.kind, before, from, to)
	}
	follow(primaryIRJob, after, j.end.Add(ir*2/3), j.end.Add(ir*2/3+ir/50))
	follow(secondaryIRJob, after, protected.Add(-ir/50), protected)
}

// startDueJobs lets the planned jobs start whose time has come, in their order.
func (s *Server) startDueJobs(now time.Time) {
	for len(s.due) > 0 && !s.due[0].start.After(now) {
		if j := heap.Pop(&s.due).(*job); !j.parent.cancelled {
			s.jobs = append(s.jobs, j)
		}
	}
}

// startRefresh makes the job that refreshes a server (S25): it takes a simulated minute, and then retention
// drives that were added before are visible.
func (s *Server) startRefresh(f *fabric, now time.Time) *job {
	end := now.Add(max(s.sc.Real(time.Minute), time.Microsecond))
	j := &job{
		id:   s.sc.UUID("job", fmt.Sprintf("refresh/%s/%d", f.name, len(s.jobs))),
		kind: refreshJob, fabric: f, start: now, full: end, end: end,
	}
	s.jobs = append(s.jobs, j)
	s.operations[j.id] = &operation{id: j.id, job: j, start: now}
	for _, mt := range s.componentsOf(masterTarget) {
		if f.classic && mt.retentionFrom.After(end) {
			mt.retentionFrom = end
		}
	}
	return j
}

// cancel ends a running job a few simulated seconds from now; the item then is as it was before.
func (s *Server) cancel(j *job, now time.Time) *operation {
	j.cancelled, j.fault = true, nil
	j.end = now.Add(s.sc.Real(10 * time.Second))
	s.undone(j)
	for _, child := range j.children {
		if child.state(now) == "InProgress" {
			child.cancelled, child.end = true, j.end
		}
	}
	op := &operation{id: s.sc.UUID("cancel", j.id), job: j, start: now, cancel: true}
	s.operations[op.id] = op
	return op
}

func (s *Server) jobByID(id string) (*job, bool) {
	if op, ok := s.operations[id]; ok && !op.cancel {
		return op.job, true
	}
	for _, j := range s.jobs {
		if j.id == id {
			return j, true
		}
	}
	return nil, false
}

func take(list *[]string) (first string, ok bool) {
	if len(*list) == 0 {
		return "", false
	}
	first, *list = (*list)[0], (*list)[1:]
	return first, true
}

// jobHeap holds planned jobs, the earliest first.
type jobHeap []*job

func (h jobHeap) Len() int           { return len(h) }
func (h jobHeap) Less(i, k int) bool { return h[i].start.Before(h[k].start) }
func (h jobHeap) Swap(i, k int)      { h[i], h[k] = h[k], h[i] }
func (h *jobHeap) Push(j any)        { *h = append(*h, j.(*job)) }
func (h *jobHeap) Pop() any {
	old := *h
	j := old[len(old)-1]
	*h = old[:len(old)-1]
	return j
}
