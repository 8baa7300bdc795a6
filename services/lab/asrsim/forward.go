package asrsim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"reprotect.example/services/lab/scenario"
)

// forwardTakes is how long the job that protects a classic machine towards Azure again takes (measured in a recording).
const forwardTakes = 2*time.Minute + 9*time.Second

// postForward protects a machine towards Azure again that has come home, committed or not.
func (s *Server) postForward(rq *request, m *machine, body reprotectBody) reply {
	in := body.Properties.ProviderSpecificDetails
	if f, bad := s.invalidForward(m, body.Properties.FailoverDirection, in); bad {
		return rq.serviceError(http.StatusBadRequest, f)
	}
	return s.started(rq, s.beginForward(m, in, rq.now))
}

// beginForward makes the job of an accepted request. It commits the failback, where nobody has.
func (s *Server) beginForward(m *machine, in reprotectInput, now time.Time) *job {
	takes := s.sc.Times.Job
	if m.classic() {
		takes = forwardTakes
	}
	j := s.begin(m, reprotectJob, max(s.sc.Real(takes), time.Microsecond), now)
	j.input, j.committed = in, m.way.committed(now)
	m.way.forward = j
	s.mayFail(j, scenario.ActProtect)
	if c, found := s.forwardServer(m, in.ProcessServerID); j.fault == nil && found && !c.silent.IsZero() {
		s.fail(j, silentWriter(m, c))
	}
	if !j.committed {
		_, commits := j.bounds(taskCommit)
		s.effects(j, effect{commits, func(at time.Time) {
			m.way.settled = true
			s.setAzure(m, azureDeleted, at)
		}})
	}
	if j.fault == nil {
		s.planFollowers(j)
	}
	return j
}

// forwardServer is the process server of that id which can take a machine's data to Azure.
func (s *Server) forwardServer(m *machine, id string) (*component, bool) {
	if !m.classic() {
		return s.componentByID(appliance, id)
	}
	if c, found := s.componentByID(processServer, id); found {
		return c, true
	}
	return s.componentByID(configurationServer, id) // it has a process server of its own
}

// invalidForward finds what is wrong with the request itself. Its direction word does not tell it from a reprotect to
// on-premises (seen in recordings): the provider does.
func (s *Server) invalidForward(m *machine, direction string, in reprotectInput) (fault, bool) {
	parameter := func(message, action string) (fault, bool) {
		f := faultOf("506", m.spec.Name)
		f.message, f.action = message, action
		return f, true
	}
	f := s.fabricOf(m)
	want, directions := "InMageRcmFailback", []string{"", "PrimaryToRecovery", "RecoveryToPrimary"}
	required := []field{{"processServerId", in.ProcessServerID}, {"runAsAccountId", in.RunAsAccountID}}
	if m.classic() {
		want, directions = "InMageAzureV2", directions[1:]
		required = append(required, field{"masterTargetId", in.MasterTargetID}, field{"policyId", in.PolicyID})
	}
	if !slices.ContainsFunc(directions, func(d string) bool { return strings.EqualFold(d, direction) }) {
		return parameter("The failover direction '"+direction+"' is not valid.", "Use RecoveryToPrimary.")
	}
	if in.InstanceType != want {
		return parameter("The instance type '"+in.InstanceType+"' does not fit the provider of the protected item.", "Use "+want+".")
	}
	for _, field := range required {
		if field.value == "" {
			return parameter("The required parameter '"+field.name+"' is missing.", "Specify '"+field.name+"'.")
		}
	}
	if _, found := s.forwardServer(m, in.ProcessServerID); !found {
		return parameter("The process server '"+in.ProcessServerID+"' was not found.", "Select a process server on-premises.")
	}
	if _, found := s.forwardServer(m, in.MasterTargetID); m.classic() && !found {
		return parameter("The master target '"+in.MasterTargetID+"' was not found.", "Select the master target of the process server.")
	}
	if !s.knowsAccount(m, in.RunAsAccountID) {
		return parameter("The account '"+in.RunAsAccountID+"' was not found.", "Select an account of the site.")
	}
	if in.PolicyID != "" && !sameID(in.PolicyID, s.id("replicationPolicies", f.forward)) {
		return faultOf("78253", m.spec.Name), true
	}
	return fault{}, false
}

func (s *Server) knowsAccount(m *machine, id string) bool {
	if m.classic() {
		return slices.Contains(classicAccounts, id)
	}
	return slices.ContainsFunc(s.siteAccounts(), func(a object) bool { return sameID(a["id"].(string), id) })
}

// classicAccounts are the configuration server's.
var classicAccounts = []string{"1", "2", "3"}

// siteAccounts are the run-as accounts of the appliances' site, one of each kind.
func (s *Server) siteAccounts() (all []object) {
	for _, a := range []struct{ key, name, kind string }{
		{"vcenter", "vcenter", "VMwareFabric"}, {"vm", "windows", "WindowsGuest"}, {"vm-linux", "linux", "LinuxGuest"},
	} {
		name := s.sc.UUID("account", a.key)
		all = append(all, object{
			"id": s.siteID() + "/runasaccounts/" + name, "name": name, "type": "Microsoft.OffAzure/VMwareSites/runasaccounts",
			"properties": object{"displayName": a.name, "credentialType": a.kind,
				"createdTimestamp": stamp(s.failedOverAt()), "updatedTimestamp": stamp(s.failedOverAt())},
		})
	}
	return all
}

// account is the one with which a machine was protected towards Azure.
func (s *Server) account(m *machine) string {
	key := "vm"
	if m.spec.OS == "linux" {
		key = "vm-linux"
	}
	return s.siteID() + "/runasaccounts/" + s.sc.UUID("account", key)
}

// offAzure answers for the site of the appliances (Microsoft.OffAzure/VMwareSites): its run-as accounts.
func (s *Server) offAzure(method string, path string) reply {
	s.counts["site"]++
	switch {
	case !sameID(path, s.siteID()+"/runasaccounts"):
		return armError(http.StatusNotFound, "ResourceNotFound", "The Resource '"+path+"' was not found.")
	case s.refused["site"]:
		return s.notAuthorized("Microsoft.OffAzure/VMwareSites/runasaccounts/read", "resourceGroups/"+s.sc.ResourceGroup)
	case method != http.MethodGet:
		return armError(http.StatusMethodNotAllowed, "MethodNotAllowed", "The resource does not support the method '"+method+"'.").with("Allow", http.MethodGet)
	}
	return ok(object{"value": s.siteAccounts()})
}

// describeForward fills in what the item says of a machine that replicates to Azure again: as one that never failed over.
func (s *Server) describeForward(p object, m *machine, f *fabric, now time.Time) {
	p["protectionState"], p["protectionStateDescription"] = "Protected", "Protected"
	operations := []string{"UnplannedFailover", "DisableProtection", "TestFailover"}
	if s.phase(m, now) == ReplicatingAgain {
		p["protectionState"], p["protectionStateDescription"] = "InitialReplicationInProgress", "Initial replication is in progress"
		if s.awaitsPoint(m, now) {
			p["protectionState"], p["protectionStateDescription"] = "InitialReplicationRecoveryCompletionPending", "Waiting for first recovery point"
		}
		operations = []string{"DisableProtection"}
	}
	if s.running(m, now) != nil {
		operations = []string{}
	}
	p["allowedOperations"] = operations
	p["activeLocation"] = "Primary"
	s.describeAzureSide(p, f)
	p["failoverRecoveryPointId"] = nil
	if s.phase(m, now) == ProtectedAgain {
		p["failoverHealth"], p["healthErrors"] = "Warning", []any{s.untested(m)}
		s.describeResync(p, m)
	}
	if m.classic() {
		p["failoverRecoveryPointId"] = s.recoveryPoint(m, now) // lists leave it out (seen in recordings)
		p["providerSpecificDetails"] = s.azureV2Forward(m, f, now)
	} else {
		p["providerSpecificDetails"] = s.rcmForward(m, f, now)
	}
}

// untested is the warning of a machine whose failover was not tested since it is protected (recorded).
func (s *Server) untested(m *machine) object {
	return object{
		"innerHealthErrors": []any{}, "errorSource": "ReplicationUnitFailoverValidatorError", "errorType": "15", "errorLevel": "Warning",
		"errorCategory": "TestFailover", "errorCode": "161011", "summaryMessage": "",
		"errorMessage":      "No successful test failover has been done on the virtual machine '" + m.spec.Name + "'.",
		"possibleCauses":    "No successful test failover has been done on the virtual machine after it was replicated.",
		"recommendedAction": "Do a test failover on the virtual machine.", "creationTimeUtc": stamp(m.way.forward.end.Add(s.replication())),
		"recoveryProviderErrorMessage": nil, "entityId": s.internalID(m, false), "errorId": "6:15", "customerResolvability": "NotAllowed",
	}
}

// describeAzureSide names Azure as the recovery side, and the policy of that direction.
func (s *Server) describeAzureSide(p object, f *fabric) {
	p["recoveryFabricFriendlyName"], p["recoveryFabricId"] = azureName, azureName
	p["recoveryProtectionContainerFriendlyName"] = azureName
	p["recoveryContainerId"] = s.azureContainerID()
	p["policyId"], p["policyFriendlyName"] = s.id("replicationPolicies", f.forward), f.forward
}

// firstPointAfter is the part of the initial replication to Azure after which only the first recovery point is awaited;
// percentages stay at the last value then (both seen in recordings, of a modernized machine).
const firstPointAfter = 0.64

func (s *Server) awaitsPoint(m *machine, now time.Time) bool {
	return !m.classic() && s.phase(m, now) == ReplicatingAgain && s.replicated(m, now) >= firstPointAfter
}

func (s *Server) rcmForward(m *machine, f *fabric, now time.Time) object {
	d := s.rcmDetails(m, f, now)
	in, protected := m.way.forward.input, s.phase(m, now) == ProtectedAgain
	d["processServerId"], d["processServerName"] = in.ProcessServerID, s.componentName(in.ProcessServerID)
	d["runAsAccountId"] = in.RunAsAccountID
	d["isAgentRegistrationSuccessfulAfterFailover"], d["failoverRecoveryPointId"] = nil, nil
	d["mobilityAgentDetails"].(object)["lastHeartbeatUtc"] = stamp(s.beat(now))
	if found, ok := d["discoveredVmDetails"].(object); ok {
		found["powerStatus"], found["vmwareToolsStatus"], found["isDeleted"] = "ON", "OK", false
	}
	lastPoint := []string{"lastRpoInSeconds", "lastRpoCalculatedTime", "lastRecoveryPointReceived"}
	if protected {
		d["lastRpoCalculatedTime"] = stamp(s.beat(now))
		d["lastRecoveryPointReceived"] = stamp(s.beat(now).Add(-s.sc.Real(222 * time.Second)))
		d["lastRecoveryPointId"] = s.itemID(m, now) + "/recoveryPoints/" + s.sc.UUID("recoverypoint-again", m.spec.Name)
	} else {
		for _, key := range lastPoint {
			delete(d, key)
		}
		d["lastRecoveryPointId"] = nil
		percent, processed, transferred, health := s.progress(m, now)
		d["initialReplicationProgressPercentage"], d["initialReplicationProcessedBytes"] = percent, processed
		d["initialReplicationTransferredBytes"], d["initialReplicationProgressHealth"] = transferred, health
	}
	d["resyncState"], d["resyncProgressPercentage"], d["resyncProgressHealth"] = m.resync(now)
	d["resyncRequired"] = fmt.Sprint(m.resyncDue)
	for i, disk := range d["protectedDisks"].([]any) {
		view := disk.(object)
		view["targetManagedDiskId"] = nil
		if !protected && !s.awaitsPoint(m, now) {
			view["isInitialReplicationComplete"] = "false"
			view["irDetails"] = s.forwardProgress(m, m.spec.DiskGB[i]<<30, now)
		}
	}
	return d
}

// forwardProgress writes its times in three ways of its own (seen in a recording).
func (s *Server) forwardProgress(m *machine, capacity int64, now time.Time) object {
	view := s.diskProgress(m, capacity, now)
	for key, form := range map[string]string{
		"lastDataTransferTimeUtc": "2006-Jan-02 15:04:05.000000", "startTime": "2006-Jan-02 15:04:05", "lastRefreshTime": "1/2/2006 3:04:05 PM",
	} {
		if text, ok := view[key].(string); ok {
			if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
				view[key] = at.Format(form)
			}
		}
	}
	return view
}

func (s *Server) azureV2Forward(m *machine, f *fabric, now time.Time) object {
	d := s.azureV2Details(m, f, now)
	in, protected := m.way.forward.input, s.phase(m, now) == ProtectedAgain
	d["masterTargetId"], d["processServerId"] = in.MasterTargetID, in.ProcessServerID
	if c, found := s.forwardServer(m, in.ProcessServerID); found {
		d["processServerName"] = c.name
	}
	d["targetVmId"] = s.armID("Microsoft.Compute/virtualMachines/") // of none (seen in recordings)
	d["vmProtectionState"], d["vmProtectionStateDescription"] = "Protected", "Protected"
	d["lastHeartbeat"], d["lastRpoCalculatedTime"], d["lastUpdateReceivedTime"] = stamp(s.beat(now)), stamp(s.beat(now)), stamp(now)
	d["lastRecoveryPointReceived"] = stamp(s.beat(now).Add(-s.sc.Real(248 * time.Second)))
	stage := "DifferentialSync"
	if !protected {
		stage = "InitialReplication"
		d["protectionStage"], d["vmProtectionState"], d["vmProtectionStateDescription"] = stage, "InitialReplicationInProgress", "Initial replication is in progress"
		delete(d, "lastRecoveryPointReceived")
		percent, _, transferred, health := s.progress(m, now)
		d["totalProgressHealth"] = health
		if percent != nil {
			d["resyncProgressPercentage"], d["totalDataTransferred"] = percent, transferred
		}
	}
	for _, disk := range d["protectedDisks"].([]any) {
		view := disk.(object)
		view["protectionStage"], view["lastRpoCalculatedTime"] = stage, stamp(s.beat(now))
		if m.resyncDue {
			view["resyncRequired"] = "Required"
		}
	}
	return d
}
