package executor

import (
	"context"
	"fmt"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/facts"
	"reprotect.example/services/waiting"
)

// submission resolves the names that were chosen into what Azure wants (S34, M2).
func submission(m events.Machine, item facts.Item, vault facts.Vault) (facts.Reprotect, *events.Problem) {
	fabric, _ := vault.Fabric(item.FabricID)
	r := facts.Reprotect{Item: item, Datastore: m.Datastore}
	missing := func(code, what, remedy string) (facts.Reprotect, *events.Problem) {
		return r, &events.Problem{Code: code, Place: m.Name, Message: fmt.Sprintf("%s for %s", what, m.Name), Remedy: remedy}
	}
	if item.Architecture == facts.Modernized {
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
func (s *starter) submitAll(ctx context.Context) (bus.Result, error) {
	jobs := map[string]events.Job{}
	for i, m := range s.c.Machines {
		if s.moves[i].kind != submit {
			continue
		}
		job, problem, result, err := s.submit(ctx, m)
		switch {
		case err != nil:
			return result, err
		case result.After > 0:
			return result, nil
		case problem != nil:
			jobs[m.Name] = events.Job{Machine: m.Name, Refused: problem}
		default:
			jobs[m.Name] = events.Job{Machine: m.Name, Job: job}
		}
	}
	started := s.begun(func(m events.Machine) events.Job { return jobs[m.Name] })
	var refused []events.Problem
	for _, j := range started.Jobs {
		if j.Refused != nil {
			refused = append(refused, *j.Refused)
		}
	}
	if len(refused) == len(started.Jobs) {
		return s.end(bus.Fact(events.TypeFailed, events.StepSubmission, notStarted(s.c, s.moves, refused)))
	}
	return s.end(bus.Fact(events.TypeStarted, "", started))
}

// submit starts one machine. Of job, problem and a result that waits exactly one is returned.
func (s *starter) submit(ctx context.Context, m events.Machine) (job string, _ *events.Problem, wait bus.Result, err error) {
	r, problem := submission(m, s.items[m.Item], s.vault)
	if problem != nil {
		return "", problem, wait, nil
	}
	if err := s.line.pace.Wait(ctx); err != nil {
		return "", nil, wait, fmt.Errorf("%s was not submitted: %w", m.Name, err)
	}
	job, err = s.site.Vault.Reprotect(ctx, r)
	if err == nil {
		s.line.submitted(m, job)
		return job, nil, wait, nil
	}
	fault, ok := facts.FaultOf(err)
	if !ok {
		return "", nil, wait, err
	}
	deadline := s.e.Time.Add(s.site.AgentWait)
	switch {
	case fault.Code == codeNoAgent && s.now.Before(deadline):
		wait, err = s.wait(events.Waiting{
			For: waiting.ForAgent, Machines: []string{m.Name}, Code: fault.Code, Remedy: fault.Remedy,
			Message: fault.What, Since: s.e.Time, Until: deadline,
		}, waiting.Pause(s.site.Look, 0))
		return "", nil, wait, err
	case fault.Class == facts.Permanent && !gone(fault), fault.Code == codeNoAgent, fault.Class == facts.Temporary && s.memory.Tries >= mostTries && !passing(fault):
		return "", &events.Problem{Code: fault.Code, Place: m.Name, Message: words(fault), Remedy: fault.Remedy}, wait, nil
	}
	s.memory.Unsure = true // it may have arrived, or another job may have been quicker
	if fault.Class == facts.Temporary && !passing(fault) {
		s.memory.Tries++
	}
	if fault.Class != facts.Permanent {
		s.line.submitted(m, "") // its place is kept until a look shows otherwise
	}
	wait, err = s.surroundings(err)
	return "", nil, wait, err
}

// passing says whether a fault is of the surroundings, not of the machine: it is borne for as long as it lasts.
func passing(f *facts.Fault) bool {
	switch f.Code {
	case "azure.throttled", "azure.unreachable", "azure.unavailable", "azure.timeout", "azure.interrupted", "azure.no-job", "azure.conflict":
		return true
	}
	return false
}

const (
	// codeNoAgent is the fault of a reprotect that came before the agent (S33). Azure has no code for it.
	codeNoAgent   = "azure.agent-not-installed"
	codeCancelled = "case.cancelled"
)

// gone says whether a fault is that of an item which is not there: it has just been replaced, and a fresh look
// tells by what.
func gone(f *facts.Fault) bool {
	return f.Code == "azure.not-found" || f.Code == "ArmResourceDoesNotExist"
}
