package asrsim

import (
	"fmt"
	"strings"
	"time"

	"reprotect.example/services/lab/scenario"
)

const agentVersion = "9.62.7172.1"

// itemView is a replication protected item as GET and lists show it. Before the reprotect it is InMageRcm or
// InMageAzureV2. Afterwards a modernized item is InMageRcmFailback in place, and a classic machine has a new
// item, InMage (all recorded but the last one, which is made from the SDK's type).
func (s *Server) itemView(m *machine, now time.Time) object {
	f := s.fabricOf(m)
	p := object{
		"friendlyName": m.spec.Name, "protectedItemType": "", "protectableItemId": s.protectableID(m, now),
		"recoveryServicesProviderId":             s.providerID(f),
		"primaryFabricFriendlyName":              f.friendly,
		"primaryFabricProvider":                  f.itemProvider,
		"primaryProtectionContainerFriendlyName": f.containerFriendly,
		"testFailoverState":                      "None", "testFailoverStateDescription": "None",
		"switchProviderState": "None", "switchProviderStateDescription": nil,
		"replicationHealth": "Normal", "failoverHealth": "Normal", "healthErrors": []any{},
		"currentScenario":    s.currentScenario(m, now),
		"eventCorrelationId": s.sc.UUID("correlation", m.spec.Name),
	}
	switch {
	case s.returned(m, now):
		s.describeReturn(p, m, f, now)
	case s.phase(m, now).forwardAgain():
		s.describeForward(p, m, f, now)
	default:
		s.describeFailover(p, m, f, now)
	}
	s.patches.apply("item/"+m.spec.Name, p)
	return object{
		"id": s.itemID(m, now), "name": s.itemName(m, now),
		"type":       "Microsoft.RecoveryServices/vaults/replicationFabrics/replicationProtectionContainers/replicationProtectedItems",
		"properties": p,
	}
}

// protectableID is what a classic item protects: the machine that runs now.
func (s *Server) protectableID(m *machine, now time.Time) any {
	switch {
	case !m.classic():
		return nil
	case s.returned(m, now):
		return s.containerID(s.fabricOf(m)) + "/replicationProtectableItems/" + s.ownAzureID(m)
	}
	return s.containerID(s.fabricOf(m)) + "/replicationProtectableItems/" + s.ownID(m)
}

// currentScenario shows the job that runs: the only lock that the service shows.
func (s *Server) currentScenario(m *machine, now time.Time) object {
	j := s.running(m, now)
	if j == nil {
		return object{"scenarioName": "None", "jobId": s.id("replicationJobs", "None"), "startTime": "1753-01-01T01:01:01Z"}
	}
	return object{"scenarioName": j.kind.scenario, "jobId": s.jobID(j), "startTime": stamp(j.start)}
}

// describeFailover fills in what a failed-over item says. SwitchProtection, the service's word for reprotect,
// is allowed even before the agent has registered (seen in a recording); nothing is while a job runs (inferred).
func (s *Server) describeFailover(p object, m *machine, f *fabric, now time.Time) {
	p["protectionState"], p["protectionStateDescription"] = "UnplannedFailoverCommitPendingStatesBegin", "Failover completed"
	operations := []string{"CompleteMigration", "Commit", "DisableProtection", "ChangePit", "SwitchProtection"}
	details := s.rcmDetails
	if m.classic() {
		p["protectionState"], p["protectionStateDescription"] = "UnplannedFailoverStatesBegin", "Failover committed"
		operations = []string{"CompleteMigration", "DisableProtection", "SwitchProtection"}
		details = s.azureV2Details
	}
	if !m.classic() && s.failoverCommitted(m, now) {
		p["protectionState"], p["protectionStateDescription"] = "UnplannedFailoverCommitted", "Failover committed"
		operations = []string{"CompleteMigration", "DisableProtection", "SwitchProtection"}
	}
	if s.running(m, now) != nil {
		operations = []string{}
	}
	p["allowedOperations"] = operations
	p["activeLocation"] = "Recovery"
	s.describeAzureSide(p, f)
	p["lastSuccessfulFailoverTime"] = stamp(s.failedOverAt())
	p["failoverRecoveryPointId"] = s.recoveryPoint(m, now)
	p["providerSpecificDetails"] = details(m, f, now)
}

// recoveryPoint is the id of the point that the failover used, the last one.
func (s *Server) recoveryPoint(m *machine, now time.Time) string {
	return s.itemID(m, now) + "/recoveryPoints/" + s.failoverPoint(m)
}

// describeReturn fills in what an item says that replicates from Azure to on-premises.
func (s *Server) describeReturn(p object, m *machine, f *fabric, now time.Time) {
	p["protectionState"], p["protectionStateDescription"] = "InitialReplicationInProgress", "Initial replication is in progress"
	p["allowedOperations"] = []string{"DisableProtection"}
	if phase := s.phase(m, now); phase == Protected || phase == FailingBack {
		p["protectionState"], p["protectionStateDescription"] = "Protected", "Protected"
		failover := "PlannedFailover"
		if m.classic() {
			failover = "UnplannedFailover"
		}
		p["allowedOperations"] = []string{failover, "DisableProtection"}
	}
	p["activeLocation"] = "Primary"
	switch s.phase(m, now) { //nolint:exhaustive // the others are as said above
	case Protected:
		if f := m.way.failover; m.classic() && f != nil && f.state(now) == "Failed" { // recorded of a failover to Azure
			p["protectionState"], p["protectionStateDescription"] = "UnplannedFailoverCompletionFailed", "Failover couldn't be completed"
		}
		s.describeResync(p, m)
	case FailingBack:
		p["protectionState"], p["protectionStateDescription"] = "PlannedFailoverTransitionStatesBegin", "Planned failover in progress"
		if m.classic() {
			p["protectionState"], p["protectionStateDescription"] = "UnplannedFailoverTransitionStatesBegin", "Failover in progress"
		}
		if m.way.undo != nil {
			p["protectionState"], p["protectionStateDescription"] = "CancelFailoverStatesBegin", "Cancelling failover"
		}
	case Home, Committed, ProtectingAgain:
		s.describeHome(p, m, now)
	}
	if s.running(m, now) != nil {
		p["allowedOperations"] = []string{}
	}
	p["recoveryFabricFriendlyName"], p["recoveryFabricId"] = f.friendly, s.fabricID(f)
	p["recoveryProtectionContainerFriendlyName"] = f.containerFriendly
	p["recoveryContainerId"] = s.containerID(f)
	p["policyId"], p["policyFriendlyName"] = s.id("replicationPolicies", f.failback), f.failback
	p["failoverRecoveryPointId"] = ""
	if !m.failedBack.IsZero() {
		p["lastSuccessfulFailoverTime"] = stamp(m.failedBack) // the start of its job, and so it stays (seen in recordings)
	}
	if m.way.undo != nil && !m.resolved && s.phase(m, now) == Protected {
		p["healthErrors"] = append(p["healthErrors"].([]any), s.poweredUp(m))
	}
	if m.classic() {
		p["providerSpecificDetails"] = s.inMageDetails(m, now)
	} else {
		p["providerSpecificDetails"] = s.rcmFailbackDetails(m, f, now)
	}
}

// describeHome fills in what an item says that has failed back: the location turns to Recovery, which is on-premises in
// this direction. Recorded are a modernized machine before the commit and a classic one after it; the other two are
// assumed.
func (s *Server) describeHome(p object, m *machine, now time.Time) {
	p["activeLocation"] = "Recovery"
	p["protectionState"], p["protectionStateDescription"] = "CommitPendingStatesBegin", "Planned failover finished"
	operations := []string{"CompleteMigration", "Commit", "DisableProtection", "SwitchProtection", "CancelFailover"}
	if m.classic() {
		p["protectionState"], p["protectionStateDescription"] = "UnplannedFailoverCommitPendingStatesBegin", "Failover completed"
		operations = []string{"CompleteMigration", "Commit", "DisableProtection", "SwitchProtection"}
	}
	if m.way.committed(now) {
		p["protectionState"], p["protectionStateDescription"] = "UnplannedFailoverCommitted", "Failover committed"
		operations = []string{"CompleteMigration", "DisableProtection", "SwitchProtection"}
	}
	p["allowedOperations"] = operations
}

// poweredUp is the error of level Info that a cancelled failback leaves behind (recorded).
func (s *Server) poweredUp(m *machine) object {
	return object{
		"innerHealthErrors": []any{}, "errorSource": "ReplicationUnitProviderErrorOnPrimary", "errorType": "1004", "errorLevel": "Info",
		"errorCategory": "Replication", "errorCode": "548004", "summaryMessage": "Recomputing replication health.",
		"errorMessage":   "The virtual machine " + m.spec.Name + " has been powered up after a shutdown and replication has resumed or will resume for the virtual machine.",
		"possibleCauses": "", "recommendedAction": "", "creationTimeUtc": stamp(m.way.undo.end), "recoveryProviderErrorMessage": nil,
		"entityId": s.internalID(m, true), "errorId": "2:1004", "customerResolvability": "NotAllowed",
	}
}

// internalID is what jobs know a machine by: modernized another one after the reprotect.
func (s *Server) internalID(m *machine, reversed bool) string {
	switch {
	case m.classic() && reversed:
		return s.ownAzureID(m)
	case m.classic():
		return s.ownID(m)
	case reversed:
		return s.sc.UUID("internal-back", m.spec.Name)
	}
	return s.sc.UUID("internal", m.spec.Name)
}

// progress is the initial replication as the item shows it: nothing at first, then percent and bytes, nothing
// again when it is over (seen in recordings). To the original location only changes travel, to an alternate
// one everything (M3).
func (s *Server) progress(m *machine, now time.Time) (percent, processed, transferred any, health string) {
	done := s.replicated(m, now)
	if done >= 1 || done < 0.02 {
		return nil, nil, nil, "None"
	}
	bytes, travelled := s.moved(m, m.diskBytes(), now)
	return int(done * 100), bytes, travelled, "InProgress"
}

// moved is how many of that many bytes have been compared, and how many of them sent.
func (s *Server) moved(m *machine, of int64, now time.Time) (processed, transferred int64) {
	processed = int64(s.replicated(m, now) * float64(of))
	if m.spec.Deleted {
		return processed, processed
	}
	return processed, processed / 10
}

func (s *Server) rcmDetails(m *machine, f *fabric, now time.Time) object {
	name := m.spec.Name
	d := object{
		"instanceType": "InMageRcm", "internalIdentifier": s.internalID(m, false),
		"fabricDiscoveryMachineId": s.discoveryID(m), "multiVmGroupName": nullable(m.spec.Group),
		"discoveryType": "VCenter", "processServerId": f.provider, "processServerName": f.providerFriendly,
		"processorCoreCount": 4, "allocatedMemoryInMB": 8192.0, "runAsAccountId": s.account(m),
		"osType": title(m.spec.OS), "firmwareType": "BIOS", "primaryNicIpAddress": scenario.Address(scenario.AtHome, m.index),
		"targetGeneration": "V1", "licenseType": "NotSpecified", "storageAccountId": nil,
		"targetVmName": name, "targetVmSize": "Standard_F4s_v2", "targetResourceGroupId": s.resourceGroupID(),
		"targetLocation": azureLocation, "targetAvailabilitySetId": "", "targetAvailabilityZone": "", "targetProximityPlacementGroupId": "",
		"targetBootDiagnosticsStorageAccountId": s.LogStorage(),
		"targetNetworkId":                       s.armID("Microsoft.Network/virtualNetworks/vnet-failover"), "testNetworkId": "",
		"lastRpoInSeconds": 222, "lastRpoCalculatedTime": stamp(s.failedOverAt()),
		"lastRecoveryPointReceived": stamp(s.failedOverAt().Add(-s.sc.Real(222 * time.Second))), "lastRecoveryPointId": s.recoveryPoint(m, now),
		"failoverRecoveryPointId": s.recoveryPoint(m, now), "lastAgentUpgradeType": nil, "agentUpgradeJobId": nil, "agentUpgradeAttemptToVersion": nil,
		"initialReplicationProgressPercentage": nil, "initialReplicationProcessedBytes": nil,
		"initialReplicationTransferredBytes": nil, "initialReplicationProgressHealth": "None",
		"resyncProgressPercentage": nil, "resyncProcessedBytes": nil, "resyncTransferredBytes": nil,
		"resyncProgressHealth": "None", "resyncRequired": "false", "resyncState": "None",
		"agentUpgradeState": "None", "isLastUpgradeSuccessful": "false",
		"isAgentRegistrationSuccessfulAfterFailover": m.registered(now),
		"mobilityAgentDetails": object{
			"version": agentVersion, "latestVersion": nil, "latestAgentReleaseDate": nil, "driverVersion": agentVersion,
			"latestUpgradableVersionWithoutReboot": nil, "lastHeartbeatUtc": stamp(s.staleHeartbeat()),
			"reasonsBlockingUpgrade": []string{"AlreadyOnLatestVersion"}, "isUpgradeable": "false",
		},
		"lastAgentUpgradeErrorDetails": []any{}, "agentUpgradeBlockingErrorDetails": []any{object{
			"errorCode": "InMageRcmUpgradeBlockedAlreadyOnLatestVersion", "errorMessage": "The Mobility agent of source machine '" + name + "' cannot be updated.",
			"possibleCauses":         " The Mobility agent of source machine '" + name + "' is already on latest version '" + agentVersion + "'.",
			"recommendedAction":      "No action is needed as agent is already on the latest version.",
			"errorMessageParameters": object{"vmName": name, "rcmUri": "https://rcm.japaneast.example", "applianceName": f.providerFriendly, "agentVersion": agentVersion, "latestVersion": nil},
			"errorTags":              object{"category": "ClientError"},
		}},
		"vmNics": []any{object{
			"nicId": mac(m.index), "isPrimaryNic": "true", "isSelectedForFailover": "true",
			"sourceIPAddress": scenario.Address(scenario.AtHome, m.index), "sourceIPAddressType": "Static", "sourceNetworkId": "VM Network",
			"targetIPAddress": "", "targetIPAddressType": "Dynamic", "targetSubnetName": "default",
			"sourceSubnetName": nil, "testSubnetName": nil, "testIPAddress": nil, "testIPAddressType": "Dynamic",
		}},
		"discoveredVmDetails": s.discovered(m, now),
	}
	disks := []any{}
	for i, gb := range m.spec.DiskGB {
		id, name := diskName(m, i)
		disks = append(disks, object{
			"diskId": id, "diskName": name, "isOSDisk": fmt.Sprint(i == 0), "capacityInBytes": gb << 30,
			"logStorageAccountId": s.LogStorage(), "diskEncryptionSetId": nil, "diskType": "Premium_LRS",
			"targetManagedDiskId": s.armID("Microsoft.Compute/disks/" + s.azureDisk(m, i)),
			"seedManagedDiskId":   s.armID("Microsoft.Compute/disks/asrseed" + s.azureDisk(m, i)), "seedBlobUri": nil, "targetBlobUri": nil,
			"dataPendingInLogDataStoreInMB": 0.0, "dataPendingAtSourceAgentInMB": 0.1, "isInitialReplicationComplete": "true",
		})
	}
	d["protectedDisks"] = disks
	if m.spec.Physical {
		d["discoveryType"] = "Physical"
	}
	return d
}

// discovered is what the appliance found in vCenter; a physical server has nothing there.
func (s *Server) discovered(m *machine, now time.Time) any {
	if m.spec.Physical {
		return nil
	}
	return object{
		"vCenterId": s.siteVCenterID(), "vCenterFqdn": "", "datastores": []string{m.spec.Datastore},
		"ipAddresses": []string{scenario.Address(scenario.AtHome, m.index)}, "vmwareToolsStatus": "NOT_RUNNING", "powerStatus": "OFF",
		"vmFqdn": m.spec.Name, "osName": m.spec.OSVersion,
		"createdTimestamp": stamp(s.failedOverAt()), "updatedTimestamp": stamp(s.beat(now)),
		"isDeleted": m.spec.Deleted, "lastDiscoveryTimeInUtc": stamp(s.beat(now)),
	}
}

func (s *Server) rcmFailbackDetails(m *machine, f *fabric, now time.Time) object {
	name, in := m.spec.Name, m.last.input
	percent, processed, transferred, health := s.progress(m, now)
	resyncState, resyncPercent, resyncHealth := m.resync(now)
	vcenter := any(s.siteVCenterID())
	if m.spec.Physical {
		vcenter = nil
	}
	disks := []any{}
	for i, gb := range m.spec.DiskGB {
		id, disk := diskName(m, i)
		view := object{
			"diskId": id, "diskName": disk, "isOSDisk": fmt.Sprint(i == 0), "capacityInBytes": gb << 30,
			"diskUuid":                      s.sc.UUID(fmt.Sprintf("disk%d", i), name),
			"dataPendingInLogDataStoreInMB": 0.0, "dataPendingAtSourceAgentInMB": 0.2,
			"isInitialReplicationComplete": "false", // and so it stays until a failback (seen in recordings)
		}
		if !m.failedBack.IsZero() {
			view["isInitialReplicationComplete"] = "true"
		}
		if s.phase(m, now) == Replicating {
			view["irDetails"] = s.diskProgress(m, gb<<30, now)
		}
		disks = append(disks, view)
	}
	view := object{
		"instanceType": "InMageRcmFailback", "internalIdentifier": s.internalID(m, true),
		"azureVirtualMachineId": s.azureVMID(m), "multiVmGroupName": nullable(m.spec.Group),
		"reprotectAgentId": in.ReprotectAgentID, "reprotectAgentName": s.componentName(in.ReprotectAgentID),
		"osType": title(m.spec.OS), "logStorageAccountId": in.LogStorageAccountID,
		"targetvCenterId": vcenter, "targetDataStoreName": in.DatastoreName, "targetVmName": name,
		"initialReplicationProgressPercentage": percent, "initialReplicationProcessedBytes": processed,
		"initialReplicationTransferredBytes": transferred, "initialReplicationProgressHealth": health,
		"resyncProgressPercentage": resyncPercent, "resyncProcessedBytes": nil, "resyncTransferredBytes": nil,
		"resyncProgressHealth": resyncHealth, "resyncRequired": fmt.Sprint(m.resyncDue), "resyncState": resyncState,
		"protectedDisks": disks,
		"mobilityAgentDetails": object{
			"version": agentVersion, "latestVersion": nil, "driverVersion": agentVersion,
			"latestUpgradableVersionWithoutReboot": nil, "lastHeartbeatUtc": stamp(s.agentHeartbeat(m, now)),
			"reasonsBlockingUpgrade": []string{"UnsupportedProtectionScenario"}, "isUpgradeable": "false",
		},
		"vmNics":              []any{object{"macAddress": mac(m.index), "networkName": nil, "adapterType": nil, "sourceIpAddress": scenario.Address(scenario.InAzure, m.index)}},
		"discoveredVmDetails": nil,
		"lastUsedPolicyId":    s.id("replicationPolicies", f.forward), "lastUsedPolicyFriendlyName": f.forward,
		"isAgentRegistrationSuccessfulAfterFailover": nil,
	}
	if m.failbackStatus != "" { // these stay after a cancellation (seen in recordings)
		view["lastPlannedFailoverStatus"], view["lastPlannedFailoverStartTime"] = m.failbackStatus, stamp(m.failedBack)
		view["isAgentRegistrationSuccessfulAfterFailover"] = s.registeredAtHome(m, now)
		if found, ok := s.discovered(m, now).(object); ok {
			found["powerStatus"], found["vmwareToolsStatus"], found["isDeleted"] = "ON", "OK", false
			view["discoveredVmDetails"] = found
		}
	}
	return view
}

// registeredAtHome says whether the agent has registered after the failback: not at once, and not after a cancellation
// (seen in recordings).
func (s *Server) registeredAtHome(m *machine, now time.Time) bool {
	j := m.way.failover
	return j != nil && s.phase(m, now).atHome() && !now.Before(j.end.Add(s.sc.Real(s.sc.Times.Agent)))
}

// diskProgress is a disk's share of the initial replication. Before it starts it has no times
// (seen in recordings).
func (s *Server) diskProgress(m *machine, capacity int64, now time.Time) object {
	percent, _, _, _ := s.progress(m, now)
	if percent == nil {
		return object{
			"progressHealth": "Queued", "transferredBytes": 0, "last15MinutesTransferredBytes": 0, "lastDataTransferTimeUtc": nil,
			"processedBytes": 0, "startTime": nil, "lastRefreshTime": nil, "progressPercentage": nil,
		}
	}
	bytes, travelled := s.moved(m, capacity, now)
	return object{
		"progressHealth": "InProgress", "transferredBytes": travelled, "last15MinutesTransferredBytes": travelled,
		"lastDataTransferTimeUtc": stamp(now), "processedBytes": bytes, "startTime": stamp(s.replicatesSince(m, now)),
		"lastRefreshTime": stamp(now), "progressPercentage": percent,
	}
}

func (s *Server) azureV2Details(m *machine, f *fabric, now time.Time) object {
	name := m.spec.Name
	old := stamp(s.failedOverAt())
	disks, managed := []any{}, []any{}
	for i, gb := range m.spec.DiskGB {
		id, disk := diskName(m, i)
		disks = append(disks, object{
			"diskId": id, "diskName": disk, "protectionStage": "DifferentialSync", "healthErrorCode": nil,
			"rpoInSeconds": 248, "resyncRequired": "NotRequired", "resyncProgressPercentage": 0, "resyncDurationInSeconds": 896,
			"diskCapacityInBytes": gb << 30, "diskResized": "NotResized", "lastRpoCalculatedTime": old,
			"fileSystemCapacityInBytes": gb << 30, "sourceDataInMegaBytes": 0.0, "psDataInMegaBytes": 0.0, "targetDataInMegaBytes": 0.0,
			"resyncProcessedBytes": 0, "resyncTotalTransferredBytes": 0, "resyncLast15MinutesTransferredBytes": 0,
			"resyncLastDataTransferTimeUTC": nil, "resyncStartTime": nil, "progressHealth": "Completed", "progressStatus": "Grey",
		})
		managed = append(managed, object{"diskId": id, "seedManagedDiskId": s.armID("Microsoft.Compute/disks/asrseed" + s.azureDisk(m, i)), "replicaDiskType": "Premium_LRS", "diskEncryptionSetId": nil})
	}
	d := s.classicDetails(m, now)
	for k, v := range (object{
		"instanceType": "InMageAzureV2", "protectionStage": "DifferentialSync",
		"vmProtectionState": "UnplannedFailoverStatesBegin", "vmProtectionStateDescription": "Failover committed",
		"resyncProgressPercentage": 0, "agentVersion": agentVersion,
		"isAgentUpdateRequired": "NotRequired", "isRebootAfterUpdateRequired": "NotRequired",
		"masterTargetId": s.hostID(ConfigurationServer), "processServerId": s.hostID(ProcessServer), "processServerName": ProcessServer,
		"protectedDisks": disks, "osType": title(m.spec.OS),
		"recoveryAzureVMName": name, "recoveryAzureVMSize": "Standard_F4s_v2", "targetVmId": s.azureVMID(m),
		"recoveryAzureResourceGroupId": s.resourceGroupID(), "recoveryAzureLogStorageAccountId": s.LogStorage(),
		"useManagedDisks": "true", "licenseType": "NoLicenseType", "sqlServerLicenseType": "NotSpecified",
		"agentExpiryDate": never, "vhdName": disks[0].(object)["diskName"], "osDiskId": disks[0].(object)["diskId"], "azureVMDiskDetails": []any{},
		"recoveryAzureStorageAccount": nil, "selectedRecoveryAzureNetworkId": s.armID("Microsoft.Network/virtualNetworks/vnet-failover"),
		"selectedTfoAzureNetworkId": nil, "selectedSourceNicId": mac(m.index), "enableRdpOnTargetOption": "Never", "recoveryAvailabilitySetId": nil,
		"targetAvailabilityZone": nil, "targetProximityPlacementGroupId": nil, "protectedManagedDisks": managed,
		"lastRecoveryPointReceived": stamp(s.failedOverAt().Add(-s.sc.Real(248 * time.Second))), "firmwareType": "BIOS", "azureVmGeneration": "V1",
		"isAdditionalStatsAvailable": false, "totalDataTransferred": -1, "totalProgressHealth": "Completed",
		"targetVmTags": object{}, "seedManagedDiskTags": nil, "targetManagedDiskTags": nil, "targetNicTags": object{},
		"lastRpoCalculatedTime": old, "lastUpdateReceivedTime": old,
		"replicaId": s.ownID(m) + "_replica_" + f.container,
	}) {
		d[k] = v
	}
	return d
}

func (s *Server) inMageDetails(m *machine, now time.Time) object {
	in := m.last.input
	percent, _, transferred, health := s.progress(m, now)
	stage, state, text := "InitialReplication", "InitialReplicationInProgress", "Initial replication is in progress"
	if p := s.phase(m, now); p != Replicating {
		stage, state, text, health = "DifferentialSync", "Protected", "Protected", "Completed"
		if p.atHome() && m.way.committed(now) {
			state, text = "UnplannedFailoverCommitted", "Failover committed"
		}
	}
	disks := []any{}
	for i, gb := range m.spec.DiskGB {
		id, disk := diskName(m, i)
		required := "NotRequired"
		if m.resyncDue {
			required = "Required"
		}
		view := object{
			"diskId": id, "diskName": disk, "protectionStage": stage, "healthErrorCode": nil, "resyncRequired": required,
			"diskCapacityInBytes": gb << 30, "fileSystemCapacityInBytes": gb << 30, "diskResized": "NotResized", "rpoInSeconds": 242,
			"resyncProgressPercentage": 0, "resyncDurationInSeconds": 298, "sourceDataInMB": 0.0, "psDataInMB": 0.0, "targetDataInMB": 0.0,
			"lastRpoCalculatedTime": stamp(s.beat(now)), "resyncProcessedBytes": 0, "resyncTotalTransferredBytes": 0,
			"resyncLast15MinutesTransferredBytes": 0, "resyncLastDataTransferTimeUTC": nil, "resyncStartTime": nil,
			"progressHealth": "Completed", "progressStatus": "Grey",
		}
		if _, resyncPercent, _ := m.resync(now); resyncPercent != nil {
			view["resyncProgressPercentage"] = resyncPercent
		}
		if percent != nil {
			processed, transferred := s.moved(m, gb<<30, now)
			view["progressHealth"] = "InProgress"
			view["resyncProgressPercentage"] = percent
			view["resyncProcessedBytes"], view["resyncTotalTransferredBytes"] = processed, transferred
		}
		disks = append(disks, view)
	}
	site := "Azure"
	if s.phase(m, now).atHome() {
		site = "OnPrem"
	}
	d := s.classicDetails(m, now)
	for k, v := range (object{
		"instanceType": "InMage", "activeSiteType": site, "protectionStage": stage,
		"vmProtectionState": state, "vmProtectionStateDescription": text,
		"agentDetails":   object{"agentVersion": agentVersion, "agentUpdateStatus": "NotRequired", "postUpdateRebootStatus": "NotRequired", "agentExpiryDate": never},
		"masterTargetId": in.MasterTargetID, "processServerId": in.ProcessServerID,
		"osDetails": object{"osVhdId": nil, "osType": title(m.spec.OS), "vhdName": nil}, "protectedDisks": disks,
		"rebootAfterUpdateStatus": nil, "totalProgressHealth": health, "totalDataTransferred": -1, "isAdditionalStatsAvailable": false,
		"azureStorageAccountId": nil, "lastRpoCalculatedTime": stamp(s.beat(now)), "osVersion": nil, "sourceVmCpuCount": 0, "sourceVmRamSizeInMB": 0,
		"retentionWindowStart": stamp(ahead(s.beat(now))), "retentionWindowEnd": stamp(ahead(s.beat(now))),
		"consistencyPoints":      object{"systemLevelTag": stamp(ahead(s.beat(now)))},
		"resyncDetails":          object{"initialReplicationType": "InitialReplication", "initialReplicationProgressPercentage": "0"},
		"lastUpdateReceivedTime": stamp(now),
		"vmId":                   s.ownAzureID(m), "infrastructureVmId": s.ownAzureID(m), "vCenterInfrastructureId": nil,
		"discoveryType": "Physical", // whatever the machine was on-premises (seen in recordings)
		"datastores":    []string{in.DatastoreName},
		"replicaId":     s.ownID(m),
	}) {
		d[k] = v
	}
	if percent != nil {
		d["totalDataTransferred"] = transferred
		d["resyncDetails"] = object{"initialReplicationType": "InitialReplication", "initialReplicationProgressPercentage": fmt.Sprint(percent)}
	}
	return d
}

// never is how the service writes that something does not expire.
const never = "9999-12-31T23:59:59.9999999"

// ahead is a time of the configuration server's own zone, marked as if it were UTC: hours in the future (seen in
// recordings).
func ahead(t time.Time) time.Time { return t.Add(5 * time.Hour) }

// classicDetails are the fields that both classic providers have.
func (s *Server) classicDetails(m *machine, now time.Time) object {
	d := object{
		"infrastructureVmId": s.ownID(m), "vmId": s.ownID(m), "vCenterInfrastructureId": vcenterInfrastructure,
		"discoveryType": "vCenter", "datastores": []string{m.spec.Datastore},
		"ipAddress": scenario.Address(scenario.AtHome, m.index), "lastHeartbeat": stamp(s.agentHeartbeat(m, now)),
		"rpoInSeconds": 248, "compressedDataRateInMB": 0.0, "uncompressedDataRateInMB": 0.0,
		"multiVmGroupId": s.sc.UUID("group-of-one", m.spec.Name), "multiVmGroupName": s.sc.UUID("group-of-one", m.spec.Name), "multiVmSyncStatus": "Enabled",
		"diskResized": "NotResized", "sourceVmCpuCount": 4, "sourceVmRamSizeInMB": 8192,
		"osVersion": m.spec.OSVersion, "validationErrors": []any{},
		"vmNics": []any{object{
			"nicId": mac(m.index), "replicaNicId": nil, "sourceNicArmId": nil, "vMNetworkName": "VM Network", "recoveryVMNetworkId": nil,
			"ipConfigs": []any{}, "selectionType": "NotSelected", "recoveryNetworkSecurityGroupId": nil, "enableAcceleratedNetworkingOnRecovery": nil,
			"tfoVMNetworkId": nil, "tfoNetworkSecurityGroupId": nil, "enableAcceleratedNetworkingOnTfo": nil, "recoveryNicName": nil,
			"recoveryNicResourceGroupName": nil, "reuseExistingNic": false, "tfoRecoveryNicName": nil, "tfoRecoveryNicResourceGroupName": nil, "tfoReuseExistingNic": false,
		}},
	}
	if m.spec.Group != "" {
		d["multiVmGroupId"], d["multiVmGroupName"] = s.sc.UUID("group", m.spec.Group), m.spec.Group
	}
	if m.spec.Physical {
		d["discoveryType"], d["vCenterInfrastructureId"], d["datastores"] = "Physical", nil, []string{}
	}
	return d
}

// diskName names a disk as the Mobility service of that system does.
func diskName(m *machine, i int) (id, name string) {
	if m.spec.OS == "windows" {
		return fmt.Sprintf("{%d}", 1_000_000+m.index*64+i), fmt.Sprintf(`\\.\PHYSICALDRIVE%d`, i)
	}
	device := "/dev/sd" + string(rune('a'+i%26))
	return device, device
}

func (s *Server) discoveryID(m *machine) string {
	if m.spec.Physical {
		return s.physicalSiteID() + "/machines/" + s.sc.UUID("bios", m.spec.Name)
	}
	return s.siteID() + "/machines/vcenter_" + s.sc.UUID("instance", m.spec.Name)
}

func nullable(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func title(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func mac(i int) string { return fmt.Sprintf("00:50:56:%02X:%02X:%02X", i>>16&0x3f, i>>8&0xff, i&0xff) }
