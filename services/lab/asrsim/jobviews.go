package asrsim

import (
	"fmt"
	"strings"
	"time"
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
		end = stamp(op.job.end)
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
	activity := s.sc.UUID("activity", j.id)
	errors := []any{}
	if j.state(now) == "Failed" {
		errors = append(errors, j.fault.jobError(j.failingTask().id, activity, j.end))
	}
	tasks := []any{}
	for i := range j.kind.tasks {
		tasks = append(tasks, s.taskView(j, i, now))
	}
	return s.jobView(j, now, activity+" ActivityId: "+s.sc.UUID("request", j.id), tasks, errors, s.jobDetails(j, now))
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
	if j.machine != nil {
		target, name = j.itemName, j.machine.spec.Name
	}
	properties := object{
		"activityId": activity, "scenarioName": j.kind.scenario, "friendlyName": j.kind.friendly,
		"state": state, "stateDescription": text, "tasks": tasks, "errors": errors,
		"startTime": stamp(j.start), "allowedActions": actions,
		"targetObjectId": target, "targetObjectName": name, "targetInstanceType": j.kind.target,
		"customDetails": details,
	}
	if state != "InProgress" {
		properties["endTime"] = stamp(j.end)
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
		"taskId": t.id, "name": t.name, "startTime": noTime, "endTime": noTime, "allowedActions": []any{},
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
		view["errors"] = []any{j.fault.jobError(t.id, s.sc.UUID("activity", j.id), j.end)}
	}
	if started && j.child != nil && i == taskReprotect {
		s.nestChild(view, j)
	}
	return view
}

// nestChild turns the last task of a classic reprotect into the group task that it becomes, naming the job it
// started.
func (s *Server) nestChild(view object, j *job) {
	name := j.machine.spec.Name
	child := object{
		"taskId": j.child.kind.scenario, "name": name, "friendlyName": name,
		"startTime": view["startTime"], "endTime": view["endTime"], "allowedActions": []any{},
		"state": view["state"], "stateDescription": view["stateDescription"],
		"taskType": "JobTaskDetails",
		"customDetails": object{"instanceType": "JobTaskDetails", "jobTask": object{
			"jobId": s.jobID(j.child), "jobFriendlyName": j.child.kind.friendly,
			"targetObjectId": j.child.itemName, "targetObjectName": name, "targetInstanceType": "Vm",
			"jobScenarioName": j.child.kind.scenario,
		}},
		"groupTaskCustomDetails": nil, "errors": []any{},
	}
	view["friendlyName"] = fmt.Sprintf("%s (1)", view["friendlyName"])
	view["taskType"] = "GroupTaskDetails"
	view["customDetails"] = nil
	view["groupTaskCustomDetails"] = object{"instanceType": "GroupTaskDetails", "childTasks": []any{child}}
}

func (s *Server) jobDetails(j *job, now time.Time) object {
	if j.kind != reprotectJob {
		return object{"instanceType": "AsrJobDetails", "affectedObjectDetails": object{}}
	}
	affected := object{
		"primaryVmId": j.itemName, "primaryVmName": j.machine.spec.Name,
		"recoveryVmId": "", "recoveryVmName": j.machine.spec.Name,
		"primaryCloudId": j.fabric.container, "primaryCloudName": j.fabric.containerFriendly,
		"primaryVmmName": j.fabric.friendly, "recoveryVmmName": azureName, "recoveryCloudName": azureName,
		"primaryFabricProviderId": j.fabric.affectedProvider, "recoveryFabricProviderId": "Azure",
	}
	var successor any
	if j.state(now) == "Succeeded" {
		names := s.itemNames(j.machine)
		successor = lowerSubscriptions(s.itemIDOf(j.machine, names[len(names)-1]))
		if j.machine.classic() {
			affected["recoveryVmId"] = s.ownAzureID(j.machine)
		}
	}
	return object{
		"instanceType": "SwitchProtectionJobDetails", "newReplicationProtectedItemId": successor,
		"affectedObjectDetails": affected,
	}
}

// lowerSubscriptions is the other spelling in which the service gives its ids.
func lowerSubscriptions(id string) string {
	return strings.Replace(id, "/Subscriptions/", "/subscriptions/", 1)
}

// stamp writes a time as the service does, to a hundred nanoseconds.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }
