package executor

import (
	"context"
	"fmt"
	"strings"

	"reprotect.example/events"
	"reprotect.example/services/observed"
	"reprotect.example/services/waiting"
	"reprotect.example/services/workflow"
)

// submission resolves the names that were chosen into what Azure wants (S34, M2).
func submission(m events.Machine, item observed.Item, vault observed.Vault) (observed.Reprotect, *events.Problem) {
	fabric, _ := vault.Fabric(item.FabricID)
	r := observed.Reprotect{Item: item, Datastore: m.Datastore}
	missing := func(code, what, remedy string) (observed.Reprotect, *events.Problem) {
		return r, &events.Problem{Code: code, Place: m.Name, Message: fmt.Sprintf("%s for %s", what, m.Name), Remedy: remedy}
	}
	if item.Architecture == observed.Modernized {
		appliance, ok := fabric.Appliance(m.Appliance)
		if !ok {
			return missing("appliance.unknown", fmt.Sprintf("The vault has no appliance %q", m.Appliance), "Name one of the vault's appliances.")
		}
		if m.LogStorageAccount == "" {
			return missing("log-storage.present", "No log storage account is named", "Name one in the request or in the site's defaults (M2).")
		}
		r.ApplianceID, r.LogStorage = appliance.ID, m.LogStorageAccount
		return r, nil
	}
	mt, ok := fabric.MasterTarget(m.MasterTarget)
	if !ok {
		return missing("master-target.unknown", fmt.Sprintf("The configuration server has no master target %q", m.MasterTarget), "Name one of its master targets.")
	}
	ps, ok := fabric.ProcessServer(m.ProcessServer)
	if !ok {
		return missing("process-server.unknown", fmt.Sprintf("The configuration server has no process server %q", m.ProcessServer), "Name one of its process servers.")
	}
	policy, ok := vault.FailbackPolicy(item.FabricID)
	if !ok {
		return missing("failback-policy.present", "No failback policy is associated with the configuration server", "Associate one in the vault (S32).")
	}
	r.MasterTargetID, r.ProcessServerID, r.PolicyID, r.RetentionDrive = mt.ID, ps.ID, policy.ID, m.RetentionDrive
	return r, nil
}

// submitAll starts what is to be started. Every machine of the case may start now; what a crash or a passing
// error leaves undone is taken up at the next delivery, where what runs is adopted.
func (s *starter) submitAll(ctx context.Context) (workflow.Result[patience], error) {
	jobs := map[string]events.Job{}
	cancelled := false
	for i, m := range s.c.Machines {
		switch s.moves[i].kind {
		case submit:
		case stop:
			jobs[m.Name] = events.Job{Machine: m.Name, Refused: &s.moves[i].because}
			continue
		default:
			continue
		}
		if len(jobs) > 0 && !cancelled {
			var err error
			if _, cancelled, err = workflow.Mark(ctx, s.e, events.TypeCancelling); err != nil {
				return workflow.Result[patience]{}, err
			}
		}
		if cancelled {
			because := notAnyMore(m)
			jobs[m.Name] = events.Job{Machine: m.Name, Refused: &because}
			continue
		}
		job, wait, err := s.submit(ctx, m)
		if err != nil || wait.After > 0 {
			return wait, err
		}
		if job.Refused != nil && !s.memory.Begun { // a group is complete, or nothing of it starts (S37)
			return s.end(workflow.Fact(events.TypeFailed, events.StepSubmission, notStarted(s.c, s.moves, []events.Problem{*job.Refused})))
		}
		jobs[m.Name] = job
		s.memory.Begun = true
	}
	return s.end(workflow.Fact(events.TypeStarted, "", s.begun(func(m events.Machine) events.Job { return jobs[m.Name] })))
}

// notAnyMore says why a machine of a cancelled case is not started.
func notAnyMore(m events.Machine) events.Problem {
	return events.Problem{Code: codeCancelled, Place: m.Name, Message: "The case was cancelled before " + m.Name + " was started"}
}

// awaitOperator waits for what an operator has to mend before the case can start: until somebody asks for another try,
// or one is due by itself.
func (s *starter) awaitOperator(ctx context.Context) (result workflow.Result[patience], waits bool, err error) {
	r := s.memory.Refused
	if r.Due {
		return result, false, nil
	}
	if s.now.After(r.First.Add(s.site.JobWait)) {
		problem := events.Problem{Code: r.Code, Place: r.Machine, Message: r.Message, Remedy: r.Remedy}
		result, err = s.end(workflow.Fact(events.TypeFailed, events.StepSubmission, notStarted(s.c, s.moves, []events.Problem{problem})))
		return result, true, err
	}
	mark, asked, err := workflow.Mark(ctx, s.e, events.TypeRetrying)
	if err != nil {
		return result, false, err
	}
	if r.Due = asked && mark.Time.After(r.At) || !s.now.Before(r.Next); r.Due {
		return result, false, nil
	}
	result, err = s.waitForOperator()
	return result, true, err
}

func (s *starter) waitForOperator() (workflow.Result[patience], error) {
	r := s.memory.Refused
	return s.wait(events.Waiting{
		For: waiting.ForOperator, Code: r.Code, Machines: []string{r.Machine}, Remedy: r.Remedy, Since: r.First, Until: r.First.Add(s.site.JobWait),
		Message: fmt.Sprintf("Azure refused to start %s: %s. Nothing of the case has started. %s", r.Machine, strings.TrimRight(r.Message, ". "), triedAgain(s.e.Case)),
	}, 2*s.site.Look)
}

// triedAgain says what brings about the next try of what an operator has to mend.
func triedAgain(caseID string) string {
	return "It is tried again by itself from time to time, or at once after 'reprotect retry " + caseID + "'"
}

// refusedFor keeps what an operator has to mend, and waits for that.
func (s *starter) refusedFor(m events.Machine, fault *observed.Fault) (workflow.Result[patience], error) {
	at := s.now.UTC()
	r := &refusal{Machine: m.Name, Code: fault.Code, Message: cut(words(fault)), Remedy: fault.Remedy, First: at, At: at}
	if before := s.memory.Refused; before != nil {
		r.First, r.Tries = before.First, before.Tries+1
	}
	r.Next = at.Add(operatorPause(s.site.Look, r.Tries))
	s.memory.Refused = r
	return s.waitForOperator()
}

// ours says whether a fault is of the way to Azure (a login, a permission, a certificate), not of the machine.
func ours(f *observed.Fault) bool { return strings.HasPrefix(f.Code, "azure.") }

// submit starts one machine, or says why it was not; or it waits, when nothing of the case has started, or Azure is not
// to be had. Once something has started, the others do not wait for the one.
func (s *starter) submit(ctx context.Context, m events.Machine) (job events.Job, wait workflow.Result[patience], err error) {
	job.Machine = m.Name
	r, problem := submission(m, s.items[m.Item], s.vault)
	if problem != nil {
		job.Refused = problem
		return job, wait, nil
	}
	if err := s.queue.Pace(ctx, len(s.c.Machines)); err != nil {
		return job, wait, fmt.Errorf("%s was not submitted: %w", m.Name, err)
	}
	job.Job, err = s.site.Vault.Reprotect(ctx, r)
	if err == nil {
		s.queue.Submitted(m.Item, job.Job)
		return job, wait, nil
	}
	fault, ok := observed.FaultOf(err)
	if !ok {
		return job, wait, err
	}
	aboutIt := !passing(fault) && !gone(fault) && !(fault.Class == observed.Operator && ours(fault))
	noAgent, deadline := fault.Code == codeNoAgent, s.e.Time.Add(s.site.AgentWait)
	late := noAgent && !s.now.Before(deadline)
	refused := &events.Problem{Code: fault.Code, Place: m.Name, Message: words(fault), Remedy: fault.Remedy}
	switch {
	case aboutIt && (late || fault.Class == observed.Permanent && !noAgent || fault.Class == observed.Temporary && s.memory.Tries >= mostTries):
		job.Refused = refused
		return job, wait, nil
	case (aboutIt || noAgent) && s.memory.Begun:
		job.Refused, job.Again = refused, true
		return job, wait, nil
	case noAgent:
		wait, err = s.wait(events.Waiting{
			For: waiting.ForAgent, Machines: []string{m.Name}, Code: fault.Code, Remedy: fault.Remedy,
			Message: fault.What, Since: s.e.Time, Until: deadline,
		}, waiting.Pause(s.site.Look, 0))
		return job, wait, err
	case aboutIt && fault.Class == observed.Operator:
		wait, err = s.refusedFor(m, fault)
		return job, wait, err
	}
	s.memory.Unsure = true // it may have arrived, or another job may have been quicker
	if aboutIt {
		s.memory.Tries++
	}
	if !gone(fault) {
		s.queue.Submitted(m.Item, "") // its place is kept until a look shows otherwise
	}
	wait, err = s.surroundings(err)
	return job, wait, err
}

// passing says whether a fault is of the surroundings, not of the machine: it is borne for as long as it lasts.
func passing(f *observed.Fault) bool {
	switch f.Code {
	case "azure.throttled", "azure.unreachable", "azure.unavailable", "azure.timeout", "azure.interrupted", "azure.no-job", "azure.conflict":
		return true
	}
	return false
}

// everywhere says whether a fault that passes keeps everything from Azure, not one machine.
func everywhere(f *observed.Fault) bool {
	return f.Code == "azure.throttled" || f.Code == "azure.unreachable" || f.Code == "azure.timeout" || f.Code == "azure.interrupted"
}

const (
	// codeNoAgent is the fault of a reprotect that came before the agent (S33). Azure has no code for it.
	codeNoAgent   = "azure.agent-not-installed"
	codeCancelled = "case.cancelled"
)

// gone says whether a fault is that of an item which is not there: it has just been replaced, and a fresh look
// tells by what.
func gone(f *observed.Fault) bool {
	return f.Code == "azure.not-found" || f.Code == "ArmResourceDoesNotExist"
}
