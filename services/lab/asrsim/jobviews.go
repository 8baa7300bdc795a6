package asrsim

import (
	"fmt"
	"strings"
	"time"

	"reprotect.example/services/lab/scenario"
)

// operation is a long-running operation, named like its job; the cancellation of a job is one of its own.
type operation struct {
	id     string
	job    *job
	start  time.Time
	cancel bool
}

// status is the ARM status of an operation: a cancelled one is "Canceled" there, unlike the job.
func (op *operation) status(now time.Time) string {
	state := op.job.state(now)
	switch {
	case op.cancel && state != "InProgress":
		return "Succeeded"
	case state == "Cancelled":
		return "Canceled"
	}
	return state
}

// view is the body of replicationOperationStatus. percentComplete is null in every recording.
func (op *operation) view(now time.Time) object {
	status := op.status(now)
	var problem, end any
	switch f := op.job.fault; {
	case op.cancel:
	case status == "Failed":
		problem = object{"code": f.code, "message": f.message, "details": nil}
	case op.job.warning != nil:
		problem = object{"code": op.job.warning.code, "message": op.job.warning.message, "details": nil}
	}
	if status != "InProgress" {
		end = stamp(op.job.end.Truncate(time.Second))
	}
	return object{
		"error": problem, "id": nil, "name": op.id, "properties": nil, "status": status,
		"startTime": stamp(op.start), "endTime": end, "percentComplete": nil,
	}
}

func (s *Server) jobID(j *job) string { return s.id("replicationJobs", j.id) }

// summary is a job as lists show it: without tasks, errors, details and activity (seen in recordings).
func (s *Server) summary(j *job, now time.Time) object {
	return s.jobView(j, now, nil, []any{}, []any{}, nil)
}

// full is a job as its own GET shows it.
func (s *Server) full(j *job, now time.Time) object {
	activity := s.activity(j)
	errors := []any{}
	if j.state(now) == "Failed" {
		errors = append(errors, s.jobError(j, s.taskID(j, j.failingTask())))
	}
	tasks := []any{}
	for i := range j.kind.tasks {
		tasks = append(tasks, s.taskView(j, i, now))
	}
	return s.jobView(j, now, activity, tasks, errors, s.jobDetails(j, now))
}

func (s *Server) activity(j *job) string {
	return s.sc.UUID("activity", j.id) + " ActivityId: " + s.sc.UUID("request", j.id)
}

func (s *Server) jobError(j *job, task string) object {
	return j.fault.jobError(task, s.activity(j), s.sc.UUID("error", j.id), j.end)
}

// taskID is a task's name for machines: where the kind has none, a UUID that each job has anew.
func (s *Server) taskID(j *job, t taskKind) string {
	if t.id == "" {
		return s.sc.UUID("task/"+t.name, j.id)
	}
	return t.id
}

func (s *Server) jobView(j *job, now time.Time, activity any, tasks, errors []any, details any) object {
	state := j.state(now)
	text, actions := state, []string{}
	switch {
	case state == "Succeeded":
		text = "Completed"
	case state == "InProgress" && j.cancelled:
		text = "Cancelling"
	case state == "InProgress" && j.cancellable():
		actions = []string{"Cancel"}
	}
	target, name := j.fabric.provider, j.fabric.friendly
	if j.vault {
		target, name = "8000000000000000001", ""
	}
	if j.plan != "" {
		target, name = s.sc.UUID("plan", j.plan), j.plan
	}
	if j.machine != nil {
		target, name = s.internalID(j.machine, j.reversed), j.machine.spec.Name
	}
	properties := object{
		"activityId": activity, "scenarioName": j.kind.scenario, "friendlyName": j.kind.friendly,
		"state": state, "stateDescription": text, "tasks": tasks, "errors": errors,
		"startTime": stamp(j.start), "allowedActions": actions,
		"targetObjectId": target, "targetObjectName": name, "targetInstanceType": j.kind.target,
		"customDetails": details,
	}
	if state != "InProgress" {
		properties["endTime"] = j.end.UTC().Format("2006-01-02T15:04:05Z") // whole seconds, cut (seen in recordings)
	}
	return object{
		"id": s.jobID(j), "name": j.id,
		"type": "Microsoft.RecoveryServices/vaults/replicationJobs", "properties": properties,
	}
}

// noTime is how the service writes a time of a task that has not come (seen in recordings: without a zone).
const noTime = "0001-01-01T00:00:00"

func (s *Server) taskView(j *job, i int, now time.Time) object {
	t := j.kind.tasks[i]
	state, text, started, ended := j.taskState(i, now)
	from, to := j.bounds(i)
	if to.After(j.end) {
		to = j.end
	}
	view := object{
		"taskId": s.taskID(j, t), "name": t.name, "startTime": noTime, "endTime": noTime, "allowedActions": []any{},
		"friendlyName": t.friendly, "state": state, "stateDescription": text,
		"taskType": "TaskDetails", "customDetails": object{"instanceType": "TaskDetails"}, "groupTaskCustomDetails": nil,
		"errors": []any{},
	}
	if started {
		view["startTime"] = stamp(from)
	}
	if ended {
		view["endTime"] = stamp(to)
	}
	if state == "Failed" {
		view["errors"] = []any{s.jobError(j, s.taskID(j, t))}
	}
	if child := j.children[i]; started && child != nil {
		s.nestChild(view, j, child)
	}
	return view
}

// nestChild turns a task of a classic reprotect into the group task that it becomes, naming the job it started.
func (s *Server) nestChild(view object, j, child *job) {
	name := j.machine.spec.Name
	target, friendly := s.internalID(j.machine, child.reversed), any(child.kind.friendly)
	if child.kind == discoverJob {
		target, friendly = scenario.Address(scenario.InAzure, j.machine.index), nil // what it looks for is the machine's address in Azure
	}
	nested := object{
		"taskId": child.kind.scenario, "name": name, "friendlyName": name,
		"startTime": view["startTime"], "endTime": view["endTime"], "allowedActions": []any{},
		"state": view["state"], "stateDescription": view["stateDescription"],
		"taskType": "JobTaskDetails",
		"customDetails": object{"instanceType": "JobTaskDetails", "jobTask": object{
			"jobId": s.jobID(child), "jobFriendlyName": friendly,
			"targetObjectId": target, "targetObjectName": name, "targetInstanceType": "Vm",
			"jobScenarioName": child.kind.scenario,
		}},
		"groupTaskCustomDetails": nil, "errors": []any{},
	}
	view["friendlyName"] = fmt.Sprintf("%s (1)", view["friendlyName"])
	view["taskType"] = "GroupTaskDetails"
	view["customDetails"] = nil
	view["groupTaskCustomDetails"] = object{"instanceType": "GroupTaskDetails", "childTasks": []any{nested}}
}

func (s *Server) jobDetails(j *job, now time.Time) object {
	details := object{"instanceType": "AsrJobDetails", "affectedObjectDetails": object{}}
	if j.machine == nil {
		return details
	}
	details["affectedObjectDetails"] = s.affected(j, now)
	switch j.kind {
	case reprotectJob:
		var successor any
		if j.state(now) == "Succeeded" {
			successor = lowerSubscriptions(s.itemIDOf(j.machine, s.nameAfter(j.machine, j.reprotects())))
		}
		details["instanceType"], details["newReplicationProtectedItemId"] = "SwitchProtectionJobDetails", successor
	case plannedJob, unplannedJob:
		details["instanceType"], details["protectedItemDetails"] = "FailoverJobDetails", []any{}
	}
	return details
}

// affected names both ends of what a job is about: on the way back both are on-premises.
func (s *Server) affected(j *job, now time.Time) object {
	m, f := j.machine, j.fabric
	other := "" // modernized
	if m.classic() && j.reversed {
		other = s.ownID(m)
	}
	if m.classic() && j.kind == reprotectJob && j.state(now) == "Succeeded" {
		other = s.ownAzureID(m)
	}
	profile := f.forward
	view := object{
		"primaryVmId": s.internalID(m, j.reversed), "primaryVmName": m.spec.Name, "recoveryVmId": other, "recoveryVmName": m.spec.Name,
		"primaryCloudId": f.container, "primaryCloudName": f.containerFriendly, "recoveryCloudId": s.sc.UUID("container", azureName), "recoveryCloudName": azureName,
		"primaryVmmId": f.provider, "primaryVmmName": f.friendly, "recoveryVmmId": s.sc.UUID("vmm", azureName), "recoveryVmmName": azureName,
		"primaryFabricProviderId": f.affectedProvider, "recoveryFabricProviderId": "Azure",
	}
	if j.reversed {
		profile = f.failback
		for _, end := range []string{"CloudId", "CloudName", "VmmId", "VmmName", "FabricProviderId"} {
			view["recovery"+end] = view["primary"+end]
		}
	}
	view["protectionProfileId"] = s.sc.UUID("profile", profile)
	return view
}

// lowerSubscriptions is the other spelling in which the service gives its ids.
func lowerSubscriptions(id string) string {
	return strings.Replace(id, "/Subscriptions/", "/subscriptions/", 1)
}

// stamp writes a time as the service does, to a hundred nanoseconds.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }
