package asrsim

import (
	"strings"
	"time"
)

// fault is an error of the service: in a job, or in the answer to a request.
type fault struct {
	code, message, causes, action string
	task                          int // of a reprotect job, in which it comes up
}

// Steps of a reprotect job, as indices of its tasks.
const (
	taskPrerequisites = iota
	taskCommit
	taskDiscover
	taskRequirements
	taskReprotect
)

// agentMissing is how a reprotect ends before the agent has registered again (S33). Its code is not
// published: a client has only the words.
var agentMissing = fault{
	message: "Reprotect could not be started: the Mobility service agent is not installed on virtual machine '%s'.",
	causes:  "The Mobility service has not registered since the failover. It registers up to 15 minutes after the Azure virtual machine has started.",
	action:  "Wait until the agent has registered, then retry the operation.",
	task:    taskPrerequisites,
}

// faults are the documented ones, by code; the %s is the machine. Codes and causes are those of Microsoft's
// troubleshooting pages, the wording is shortened.
var faults = map[string]fault{
	"95226": {message: "Reprotect failed because virtual machine '%s' in Azure cannot communicate with the on-premises configuration server.",
		causes: "The configuration server cannot be reached over the VPN or ExpressRoute, or the InMage Scout Application Service does not run.",
		action: "Check the connection and the service, then retry the operation.", task: taskPrerequisites},
	"78093": {message: "The virtual machine '%s' is not running, is in a hung state or is not accessible.",
		causes: "The Azure virtual machine is switched off, hangs, or is connected to the wrong network.",
		action: "Start the virtual machine, check its network, then retry the operation.", task: taskPrerequisites},
	"78052": {message: "Reprotect failed for virtual machine '%s': protection could not be completed on-premises.",
		causes: "A virtual machine with the same name exists on the host of the master target.",
		action: "Select a master target on another host, or rename the virtual machine, then retry the operation.", task: taskDiscover},
	"8061": {message: "The datastore for virtual machine '%s' is not accessible from the ESXi host.",
		causes: "The datastore is not mounted read-write on the host, or it is neither VMFS nor vSAN.",
		action: "Mount the datastore read-write on the host, or select another datastore.", task: taskReprotect},
	"8038": {message: "Virtual machine '%s' could not be brought up on the ESXi host.",
		causes: "The ESXi host is short of memory.",
		action: "Free memory on the host or select another one, then retry the operation.", task: taskReprotect},
	"78253": {message: "The replication policy for virtual machine '%s' is not valid or is not associated.",
		causes: "The policy does not exist or is not associated with the configuration server.",
		action: "Select an associated failback policy.", task: taskRequirements},
	"499": {message: "An internal error occurred while virtual machine '%s' was being reprotected.",
		causes: "The operation failed due to an internal error.",
		action: "Retry the last action.", task: taskReprotect},
	"506": {message: "A parameter of the operation on virtual machine '%s' is not valid.",
		causes: "A parameter is missing or has an invalid value.",
		action: "Correct the parameter and retry the operation.", task: taskRequirements},
	"EP0886": {message: "The Mobility service of virtual machine '%s' cannot register with the configuration server.",
		causes: "The configuration server refused the registration, or port 443 is blocked.",
		action: "Check the connection to the configuration server and the registration.", task: taskPrerequisites},
}

// warnings are errors that an operation's status may carry while it runs or has succeeded (seen in recordings).
var warnings = map[string]string{
	"28175":  "The VM name '%s' was modified to avoid name conflicts.",
	"310024": "The name provided for the virtual machine '%s' is unavailable.",
	"28061":  "The operation on virtual machine '%s' completed with a warning.",
	"45031":  "Protection has already been enabled for the virtual machine.",
}

// faultOf words a fault for a machine. A code that no page documents gets Azure's general words.
func faultOf(code, machine string) fault {
	f, ok := faults[code]
	if !ok {
		f = fault{
			message: "The operation on virtual machine '%s' failed with error " + code + ".",
			causes:  "The cause is given by the error code.",
			action:  "Look the error code up and retry the operation.",
			task:    taskReprotect,
		}
	}
	f.code = code
	return f.naming(machine)
}

func (f fault) naming(machine string) fault {
	f.message = strings.ReplaceAll(f.message, "%s", machine)
	return f
}

func warningText(code, machine string) string {
	text, ok := warnings[code]
	if !ok {
		return "The operation on virtual machine '" + machine + "' reported " + code + "."
	}
	return strings.ReplaceAll(text, "%s", machine)
}

// jobError is an entry of a job's errors. No recording of a failed VMware reprotect is public: the shape is that of
// other failed jobs, whose provider says nothing but an id.
func (f fault) jobError(taskID, activity, id string, at time.Time) object {
	return object{
		"serviceErrorDetails": object{
			"code": f.code, "message": f.message, "possibleCauses": f.causes,
			"recommendedAction": f.action, "activityId": activity,
		},
		"providerErrorDetails": object{"errorCode": 0, "errorMessage": nil, "errorId": id, "possibleCauses": "", "recommendedAction": ""},
		"errorLevel":           "Error", "creationTime": stamp(at), "taskId": taskID,
	}
}
