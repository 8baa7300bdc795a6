package asrsim

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"reprotect.example/services/lab/scenario"
)

// How long the jobs of upkeep take, simulated (measured in recordings; that of health errors is assumed).
const (
	resyncTakes  = 55 * time.Second
	resolveTakes = 30 * time.Second
	updateTakes  = 7*time.Minute + 38*time.Second
	removeTakes  = 67 * time.Second
)

// The resynchronization and the change of the appliance are recorded; the other two are named as their kin.
var (
	resyncJob = &kind{"RepairVMReplication", "Resynchronize the virtual machine", "ProtectionEntity", []taskKind{
		{"RepairVmReplicationTask", "RepairVmReplicationTask", "Starting resynchronization for the virtual machine", 1},
	}}
	resolveJob = &kind{"ResolveHealthErrors", "Resolve health errors", "ProtectionEntity", []taskKind{
		{"ResolveHealthErrorsTask", "ResolveHealthErrorsTask", "Resolving health errors", 1},
	}}
	updateJob = &kind{"UpdateApplianceForRPI", "Update appliance for protected item", "ProtectionEntity", []taskKind{
		{"UpdateAppliancePreflightChecksTask", "UpdateAppliancePreflightChecksTask", "Prerequisites check for updating appliance", 0.001},
		{"UpdateApplianceForProtectedItemTask", "UpdateApplianceForProtectedItemTask", "Update appliance for protected item", 1},
	}}
	removeJob = &kind{"DisableDr", "Disable replication", "ProtectionEntity", []taskKind{
		{"DisableProtectionTask", "DisableProtectionTask", "Disabling protection", 1},
	}}
)

// upkeepOf starts a job on an item that nothing else holds.
func (s *Server) upkeepOf(rq *request, k *kind, takes time.Duration, check func(*machine) *reply, began func(*job)) reply {
	m, found := s.item(rq)
	if !found {
		return rq.notFound(rq.params[2])
	}
	if f, conflict := s.busy(m, rq); conflict {
		return rq.serviceError(http.StatusConflict, f)
	}
	if refused := check(m); refused != nil {
		return *refused
	}
	j := s.begin(m, k, max(s.sc.Real(takes), time.Microsecond), rq.now)
	if k == removeJob {
		m.removal = j
	} else {
		m.upkeep = j
	}
	began(j)
	return s.started(rq, j)
}

func (rq *request) conflict(m *machine, what string) *reply {
	r := rq.serviceError(http.StatusConflict, notAllowed(m, what))
	return &r
}

// postResync compares the disks of a machine anew: first a job, then the comparison, which the item shows.
func (s *Server) postResync(rq *request) reply {
	return s.upkeepOf(rq, resyncJob, resyncTakes, func(m *machine) *reply {
		if p := s.phase(m, rq.now); p != Protected && p != ProtectedAgain || !m.resyncDue || !m.resyncFrom.IsZero() {
			return rq.conflict(m, "A resynchronization")
		}
		return nil
	}, func(j *job) {
		s.mayFail(j, scenario.ActResync)
		m := j.machine
		s.effects(j, effect{j.full, func(at time.Time) {
			m.resyncFrom, m.resyncTo = at, at.Add(s.replication()/4)
			s.later(m.resyncTo, func(time.Time) { m.resyncDue, m.resyncFrom, m.resyncTo = false, time.Time{}, time.Time{} })
		}})
	})
}

// postResolve resolves the health errors that a request names.
func (s *Server) postResolve(rq *request) reply {
	var body struct {
		Properties struct {
			HealthErrors []struct {
				HealthErrorID string `json:"healthErrorId"`
			} `json:"healthErrors"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(rq.body, &body); err != nil {
		return invalidContent(err)
	}
	return s.upkeepOf(rq, resolveJob, resolveTakes, func(m *machine) *reply {
		known := map[string]bool{}
		for _, e := range s.itemView(m, rq.now)["properties"].(object)["healthErrors"].([]any) {
			if id, ok := e.(object)["errorId"].(string); ok {
				known[id] = true
			}
		}
		for _, e := range body.Properties.HealthErrors {
			if !known[e.HealthErrorID] {
				r := rq.badRequest("The health error '"+e.HealthErrorID+"' was not found.", "Specify the errorId of a health error of the protected item.")
				return &r
			}
		}
		if len(body.Properties.HealthErrors) == 0 {
			r := rq.badRequest("The required parameter 'healthErrors' is missing.", "Specify 'healthErrors'.")
			return &r
		}
		return nil
	}, func(j *job) {
		s.effects(j, effect{j.full, func(time.Time) { j.machine.resolved = true }})
	})
}

// postUpdateAppliance lets another appliance replicate a modernized machine.
func (s *Server) postUpdateAppliance(rq *request) reply {
	var body struct {
		Properties struct {
			TargetApplianceID       string `json:"targetApplianceId"`
			ProviderSpecificDetails struct {
				InstanceType string `json:"instanceType"`
			} `json:"providerSpecificDetails"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(rq.body, &body); err != nil {
		return invalidContent(err)
	}
	target, found := s.componentByID(appliance, lastOf(body.Properties.TargetApplianceID))
	return s.upkeepOf(rq, updateJob, updateTakes, func(m *machine) *reply {
		var r reply
		switch p := s.phase(m, rq.now); {
		case m.classic() || p != Protected && p != ProtectedAgain:
			return rq.conflict(m, "To update the appliance")
		case body.Properties.ProviderSpecificDetails.InstanceType != "InMageRcm":
			r = rq.badRequest("The instance type '"+body.Properties.ProviderSpecificDetails.InstanceType+"' does not fit the provider of the protected item.", "Use InMageRcm.")
		case !found:
			r = rq.badRequest("The appliance '"+body.Properties.TargetApplianceID+"' was not found.", "Select an appliance of the vault.")
		default:
			return nil
		}
		return &r
	}, func(j *job) {
		s.effects(j, effect{j.full, func(at time.Time) {
			if m := j.machine; s.phase(m, at) == ProtectedAgain {
				m.way.forward.input.ProcessServerID = target.id
			} else {
				m.last.input.ReprotectAgentID = target.id
			}
		}})
	})
}

// postRemove takes the protection of a machine away; the item is gone then. DELETE, which the service has for items that
// cannot be removed in order, does here the same.
func (s *Server) postRemove(rq *request) reply {
	return s.upkeepOf(rq, removeJob, removeTakes, func(*machine) *reply { return nil }, func(*job) {})
}

func lastOf(id string) string { return id[strings.LastIndexByte(strings.TrimRight(id, "/"), '/')+1:] }

// describeResync says of an item that its disks have to be compared anew, and how far that is.
func (s *Server) describeResync(p object, m *machine) {
	if !m.resyncDue {
		return
	}
	code, words := "324510", "Replication of virtual machine '"+m.spec.Name+"' needs a resynchronization."
	if m.classic() {
		code = "78024"
	}
	problem := healthError(code, m.spec.Name, words, "Data that was written in Azure did not arrive.", "Resynchronize the virtual machine.")
	problem["errorId"], problem["errorLevel"] = "2:"+code, "Critical"
	p["replicationHealth"], p["healthErrors"] = "Critical", []any{problem}
	p["allowedOperations"] = append([]string{"RepairReplication"}, p["allowedOperations"].([]string)...) // until it is done
}

// resync is what an item's details say of the comparison: state, percent and health.
func (m *machine) resync(now time.Time) (state string, percent any, health string) {
	switch {
	case !m.resyncDue:
		return "None", nil, "None"
	case m.resyncFrom.IsZero():
		return "PreparedForResynchronization", nil, "Queued"
	case !m.resyncTo.After(m.resyncFrom):
		return "StartedResynchronization", 100, "InProgress"
	}
	return "StartedResynchronization", int(100 * now.Sub(m.resyncFrom) / m.resyncTo.Sub(m.resyncFrom)), "InProgress"
}

// RequireResync makes the disks of a machine need a comparison before its failback, or no longer.
func (s *Server) RequireResync(machine string, due bool) error {
	return s.onMachine(machine, func(m *machineNow) { m.resyncDue, m.resyncFrom, m.resyncTo = due, time.Time{}, time.Time{} })
}
