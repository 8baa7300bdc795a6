package asrsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// unending is far behind the end of any run of a recovery plan: it ends when its last group has.
const unending = 100_000 * time.Hour

// Jobs of a whole recovery plan have the scenarios of their machines'. Their tasks are not recorded.
var (
	planPlannedJob   = planKind(plannedJob)
	planUnplannedJob = planKind(unplannedJob)
	planCommitJob    = planKind(commitJob)
	planUndoJob      = planKind(undoJob)
)

func planKind(of *kind) *kind {
	return &kind{of.scenario, of.friendly, "RecoveryPlan", []taskKind{{"RecoveryPlanTask", "RecoveryPlanTask", of.friendly + " of the recovery plan", 1}}}
}

// members are the machines of a recovery plan by its groups, in their order.
func (s *Server) members(plan int) (groups [][]*machine) {
	of := func(names []string) (all []*machine) {
		for _, name := range names {
			if m, ok := s.byName[strings.ToLower(name)]; ok {
				all = append(all, m)
			}
		}
		return all
	}
	p := s.sc.Plans[plan]
	if len(p.Groups) == 0 {
		return [][]*machine{of(p.Machines)}
	}
	for _, g := range p.Groups {
		groups = append(groups, of(g.Machines))
	}
	return groups
}

// planAct is an operation on a whole plan: who takes part, and the job of one machine.
type planAct struct {
	kind  *kind
	what  string
	fits  func(*machine, time.Time) bool
	begin func(*machine, time.Time) *job
}

func postPlanFailback(classic bool) func(*Server, *request) reply {
	provider, of, takes := "InMageRcmFailback", planPlannedJob, plannedTakes
	if classic {
		provider, of, takes = "InMage", planUnplannedJob, unplannedTakes
	}
	return func(s *Server, rq *request) reply {
		var body struct {
			Properties struct {
				FailoverDirection       string `json:"failoverDirection"`
				ProviderSpecificDetails []struct {
					InstanceType      string `json:"instanceType"`
					RecoveryPointType string `json:"recoveryPointType"`
				} `json:"providerSpecificDetails"`
			} `json:"properties"`
		}
		if err := json.Unmarshal(rq.body, &body); err != nil {
			return invalidContent(err)
		}
		if !strings.EqualFold(body.Properties.FailoverDirection, "RecoveryToPrimary") { // a plan's primary side is on-premises
			return rq.badRequest("The failover direction '"+body.Properties.FailoverDirection+"' is not valid.", "Use RecoveryToPrimary.")
		}
		given := false
		for _, d := range body.Properties.ProviderSpecificDetails {
			given = given || d.InstanceType == provider && d.RecoveryPointType != ""
		}
		if !given {
			return rq.badRequest("The required parameter 'recoveryPointType' of "+provider+" is missing.", "Specify it in 'providerSpecificDetails'.")
		}
		return s.postPlan(rq, planAct{of, "The failover", func(m *machine, now time.Time) bool { return m.classic() == classic && s.phase(m, now) == Protected },
			func(m *machine, now time.Time) *job { return s.beginFailback(m, s.sc.Real(takes), now) }})
	}
}

func (s *Server) postPlanCommit(rq *request) reply {
	return s.postPlan(rq, planAct{planCommitJob, "The commit", func(m *machine, now time.Time) bool { return s.phase(m, now) == Home },
		func(m *machine, now time.Time) *job {
			return s.beginCommit(m, max(s.sc.Real(finalizeTakes), time.Microsecond), now)
		}})
}

func (s *Server) postPlanUndo(rq *request) reply {
	return s.postPlan(rq, planAct{planUndoJob, "To cancel the failover", func(m *machine, now time.Time) bool { return !m.classic() && s.phase(m, now) == Home },
		func(m *machine, now time.Time) *job { return s.beginUndo(m, nil, s.sc.Real(cancelTakes), now) }})
}

// postPlanReprotect refuses: the service has the operation, and none of the VMware providers takes part in it.
func (s *Server) postPlanReprotect(rq *request) reply {
	return rq.serviceError(http.StatusConflict, fault{
		code: "OperationNotAllowed", message: "Reprotect is not allowed for recovery plan '" + rq.params[0] + "'.",
		causes: "The replication provider does not support it for recovery plans.", action: "Reprotect each protected item.",
	})
}

func (s *Server) postPlan(rq *request, act planAct) reply {
	plan := -1
	for i, p := range s.sc.Plans {
		if strings.EqualFold(p.Name, rq.params[0]) {
			plan = i
		}
	}
	if plan < 0 {
		return rq.notFound(rq.params[0])
	}
	groups, some := s.members(plan), false
	for _, group := range groups {
		for _, m := range group {
			if f, conflict := s.busy(m, rq); conflict {
				return rq.serviceError(http.StatusConflict, f)
			}
			if !act.fits(m, rq.now) {
				return rq.serviceError(http.StatusConflict, notAllowed(m, act.what))
			}
			some = true
		}
	}
	if !some {
		return rq.badRequest("The recovery plan '"+rq.params[0]+"' has no protected items.", "Add protected items to the recovery plan.")
	}
	j := &job{
		id: s.sc.UUID("job", fmt.Sprintf("plan/%s/%d", s.sc.Plans[plan].Name, len(s.jobs))), kind: act.kind, plan: s.sc.Plans[plan].Name,
		fabric: s.fabricOf(groups[0][0]), start: rq.now, full: rq.now.Add(unending), end: rq.now.Add(unending),
	}
	s.jobs = append(s.jobs, j)
	s.operations[j.id] = &operation{id: j.id, job: j, start: rq.now}
	s.runGroups(j, groups, act.begin, rq.now)
	return s.accepted(rq, s.operations[j.id], s.id("replicationRecoveryPlans", s.sc.Plans[plan].Name))
}

// runGroups runs the machines of a group together; the next group follows when all of them have ended. A group in which
// one failed is the last.
func (s *Server) runGroups(j *job, groups [][]*machine, begin func(*machine, time.Time) *job, now time.Time) {
	ends := func(at time.Time, bad *fault) { j.end, j.full, j.fault = at, at, bad }
	for len(groups) > 0 && len(groups[0]) == 0 {
		groups = groups[1:]
	}
	if len(groups) == 0 {
		ends(now, nil)
		return
	}
	var mine []*job
	for _, m := range groups[0] {
		one := begin(m, now)
		one.parent = j
		mine = append(mine, one)
	}
	var look func(time.Time)
	look = func(at time.Time) {
		var failed *fault
		for _, one := range mine {
			switch one.state(at) {
			case "InProgress":
				s.later(one.end, look)
				return
			case "Succeeded":
			default:
				failed = &fault{
					code: "25036", message: "The operation on recovery plan '" + j.plan + "' failed for virtual machine '" + one.machine.spec.Name + "'.",
					causes: "The job '" + one.id + "' did not succeed.", action: "See the job's errors, then retry the operation.",
				}
			}
		}
		if failed != nil {
			ends(at, failed)
			return
		}
		s.runGroups(j, groups[1:], begin, at)
	}
	s.later(mine[0].end, look)
}
