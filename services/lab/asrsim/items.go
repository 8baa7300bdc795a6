package asrsim

import (
	"fmt"
	"strings"
	"time"
)

const agentVersion = "9.62.7172.1"

// itemView is a replication protected item as GET and lists show it. Before the reprotect it is InMageRcm or
// InMageAzureV2. Afterwards a modernized item is InMageRcmFailback in place, and a classic machine has a new
// item, InMage (all recorded but the last one, which is made from the SDK's type).
func (s *Server) itemView(m *machine, now time.Time) object {
	f := s.fabricOf(m)
	p := object{
		"friendlyName": m.spec.Name, "protectedItemType": "", "protectableItemId": nil,
		"recoveryServicesProviderId":             s.providerID(f),
		"primaryFabricFriendlyName":              f.friendly,
		"primaryFabricProvider":                  f.providerType,
		"primaryProtectionContainerFriendlyName": f.containerFriendly,
		"testFailoverState":                      "None", "testFailoverStateDescription": "None",
		"switchProviderState": "None", "switchProviderStateDescription": nil,
		"replicationHealth": "Normal", "failoverHealth": "Normal", "healthErrors": []any{},
		"currentScenario":    s.currentScenario(m, now),
		"eventCorrelationId": s.sc.UUID("correlation", m.spec.Name),
	}
	if s.returned(m, now) {
		s.describeReturn(p, m, f, now)
	} else {
		s.describeFailover(p, m, f, now)
	}
	s.patches.apply("item/"+m.spec.Name, p)
	return object{
		"id": s.itemID(m, now), "name": s.itemName(m, now),
		"type":       "Microsoft.RecoveryServices/vaults/replicationFabrics/replicationProtectionContainers/replicationProtectedItems",
		"properties": p,
	}
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
	p["recoveryFabricFriendlyName"], p["recoveryFabricId"] = azureName, azureName
	p["recoveryProtectionContainerFriendlyName"] = azureName
	p["recoveryContainerId"] = s.azureContainerID()
	p["policyId"], p["policyFriendlyName"] = s.id("replicationPolicies", f.forward), f.forward
	p["lastSuccessfulFailoverTime"] = stamp(s.failedOverAt())
	p["failoverRecoveryPointId"] = s.itemID(m, now) + "/recoveryPoints/" + s.sc.UUID("recoverypoint", m.spec.Name)
	p["providerSpecificDetails"] = details(m, f, now)
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
	case FailingBack:
		p["protectionState"], p["protectionStateDescription"] = "PlannedFailoverTransitionStatesBegin", "Planned failover in progress"
		if m.classic() {
			p["protectionState"], p["protectionStateDescription"] = "UnplannedFailoverTransitionStatesBegin", "Failover in progress"
		}
		if m.way.undo != nil {
			p["protectionState"], p["protectionStateDescription"] = "CancelFailoverStatesBegin", "Cancelling failover"
		}
	case Home:
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
		"instanceType": "InMageRcm", "internalIdentifier": s.sc.UUID("internal", name),
		"fabricDiscoveryMachineId": s.discoveryID(m), "multiVmGroupName": nullable(m.spec.Group),
		"discoveryType": "VCenter", "processServerId": f.provider, "processServerName": f.providerFriendly,
		"processorCoreCount": 4, "allocatedMemoryInMB": 8192.0, "runAsAccountId": s.siteID() + "/runasaccounts/" + s.sc.UUID("account", "vm"),
		"osType": title(m.spec.OS), "firmwareType": "BIOS", "primaryNicIpAddress": address(10, m.index),
		"targetGeneration": "V1", "licenseType": "NotSpecified", "storageAccountId": nil,
		"targetVmName": name, "targetVmSize": "Standard_F4s_v2", "targetResourceGroupId": s.resourceGroupID(),
		"targetLocation": azureLocation, "targetAvailabilitySetId": "", "targetAvailabilityZone": "", "targetProximityPlacementGroupId": "",
		"targetBootDiagnosticsStorageAccountId": s.LogStorage(),
		"targetNetworkId":                       s.armID("Microsoft.Network/virtualNetworks/vnet-failover"), "testNetworkId": "",
		"lastRpoInSeconds": 222, "lastRpoCalculatedTime": stamp(s.failedOverAt()),
		"initialReplicationProgressPercentage": nil, "initialReplicationProcessedBytes": nil,
		"initialReplicationTransferredBytes": nil, "initialReplicationProgressHealth": "None",
		"resyncProgressPercentage": nil, "resyncProcessedBytes": nil, "resyncTransferredBytes": nil,
		"resyncProgressHealth": "None", "resyncRequired": "false", "resyncState": "None",
		"agentUpgradeState": "None", "isLastUpgradeSuccessful": "false",
		"isAgentRegistrationSuccessfulAfterFailover": m.registered(now),
		"mobilityAgentDetails": object{
			"version": agentVersion, "latestVersion": nil, "latestAgentReleaseDate": nil, "driverVersion": agentVersion,
			"latestUpgradableVersionWithoutReboot": nil, "lastHeartbeatUtc": stamp(s.agentHeartbeat(m, now)),
			"reasonsBlockingUpgrade": []string{"AlreadyOnLatestVersion"}, "isUpgradeable": "false",
		},
		"lastAgentUpgradeErrorDetails": []any{}, "agentUpgradeBlockingErrorDetails": []any{},
		"vmNics": []any{object{
			"nicId": mac(m.index), "isPrimaryNic": "true", "isSelectedForFailover": "true",
			"sourceIPAddress": address(10, m.index), "sourceIPAddressType": "Static", "sourceNetworkId": "VM Network",
			"targetIPAddress": "", "targetIPAddressType": "Dynamic", "targetSubnetName": "default",
		}},
		"discoveredVmDetails": s.discovered(m, now),
	}
	disks := []any{}
	for i, gb := range m.spec.DiskGB {
		id, name := diskName(m, i)
		disks = append(disks, object{
			"diskId": id, "diskName": name, "isOSDisk": fmt.Sprint(i == 0), "capacityInBytes": gb << 30,
			"logStorageAccountId": s.LogStorage(), "diskEncryptionSetId": nil, "diskType": "Premium_LRS",
			"targetManagedDiskId":           s.armID("Microsoft.Compute/disks/" + s.azureDisk(m, i)),
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
		"ipAddresses": []string{address(10, m.index)}, "vmwareToolsStatus": "NOT_RUNNING", "powerStatus": "OFF",
		"vmFqdn": m.spec.Name, "osName": m.spec.OSVersion,
		"createdTimestamp": stamp(s.failedOverAt()), "updatedTimestamp": stamp(s.beat(now)),
		"isDeleted": m.spec.Deleted, "lastDiscoveryTimeInUtc": stamp(s.beat(now)),
	}
}

func (s *Server) rcmFailbackDetails(m *machine, f *fabric, now time.Time) object {
	name, in := m.spec.Name, m.last.input
	percent, processed, transferred, health := s.progress(m, now)
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
			"dataPendingInLogDataStoreInMB": 0.0, "dataPendingAtSourceAgentInMB": 0.2, "isInitialReplicationComplete": "true",
		}
		if s.phase(m, now) == Replicating {
			view["isInitialReplicationComplete"] = "false"
			view["irDetails"] = s.diskProgress(m, gb<<30, now)
		}
		disks = append(disks, view)
	}
	var lastFailback, failbackAt any
	if !m.failedBack.IsZero() {
		lastFailback, failbackAt = "Succeeded", stamp(m.failedBack) // both stay after a cancellation (seen in recordings)
	}
	return object{
		"lastPlannedFailoverStatus": lastFailback, "lastPlannedFailoverStartTime": failbackAt,
		"instanceType": "InMageRcmFailback", "internalIdentifier": s.sc.UUID("internal-back", name),
		"azureVirtualMachineId": s.azureVMID(m), "multiVmGroupName": nullable(m.spec.Group),
		"reprotectAgentId": in.ReprotectAgentID, "reprotectAgentName": s.componentName(in.ReprotectAgentID),
		"osType": title(m.spec.OS), "logStorageAccountId": in.LogStorageAccountID,
		"targetvCenterId": vcenter, "targetDataStoreName": in.DatastoreName, "targetVmName": name,
		"initialReplicationProgressPercentage": percent, "initialReplicationProcessedBytes": processed,
		"initialReplicationTransferredBytes": transferred, "initialReplicationProgressHealth": health,
		"resyncProgressPercentage": nil, "resyncProcessedBytes": nil, "resyncTransferredBytes": nil,
		"resyncProgressHealth": "None", "resyncRequired": "false", "resyncState": "None",
		"protectedDisks": disks,
		"mobilityAgentDetails": object{
			"version": agentVersion, "latestVersion": nil, "driverVersion": agentVersion,
			"latestUpgradableVersionWithoutReboot": nil, "lastHeartbeatUtc": stamp(s.agentHeartbeat(m, now)),
			"reasonsBlockingUpgrade": []string{"UnsupportedProtectionScenario"}, "isUpgradeable": "false",
		},
		"vmNics":              []any{object{"macAddress": mac(m.index), "networkName": nil, "adapterType": nil, "sourceIpAddress": address(20, m.index)}},
		"discoveredVmDetails": nil,
		"lastUsedPolicyId":    s.id("replicationPolicies", f.forward), "lastUsedPolicyFriendlyName": f.forward,
		"isAgentRegistrationSuccessfulAfterFailover": nil,
	}
}

// diskProgress is a disk's share of the initial replication. Before it starts its times are empty strings
// (seen in recordings).
func (s *Server) diskProgress(m *machine, capacity int64, now time.Time) object {
	percent, _, _, _ := s.progress(m, now)
	if percent == nil {
		return object{
			"progressHealth": "Queued", "transferredBytes": 0, "last15MinutesTransferredBytes": 0, "lastDataTransferTimeUtc": "",
			"processedBytes": 0, "startTime": "", "lastRefreshTime": "", "progressPercentage": nil,
		}
	}
	bytes, travelled := s.moved(m, capacity, now)
	return object{
		"progressHealth": "InProgress", "transferredBytes": travelled, "last15MinutesTransferredBytes": travelled,
		"lastDataTransferTimeUtc": stamp(now), "processedBytes": bytes, "startTime": stamp(m.last.end),
		"lastRefreshTime": stamp(now), "progressPercentage": percent,
	}
}

func (s *Server) azureV2Details(m *machine, f *fabric, now time.Time) object {
	name := m.spec.Name
	old := stamp(s.failedOverAt())
	disks := []any{}
	for i, gb := range m.spec.DiskGB {
		id, disk := diskName(m, i)
		disks = append(disks, object{
			"diskId": id, "diskName": disk, "protectionStage": "DifferentialSync", "healthErrorCode": nil,
			"rpoInSeconds": 248, "resyncRequired": "NotRequired", "resyncProgressPercentage": 0, "resyncDurationInSeconds": 896,
			"diskCapacityInBytes": gb << 30, "diskResized": "NotResized", "lastRpoCalculatedTime": old,
		})
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
		"useManagedDisks": "true", "licenseType": "NoLicenseType",
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
		stage, state, text = "DifferentialSync", "Protected", "Protected"
	}
	disks := []any{}
	for i, gb := range m.spec.DiskGB {
		id, disk := diskName(m, i)
		view := object{
			"diskId": id, "diskName": disk, "protectionStage": stage, "healthErrorCode": nil, "resyncRequired": "NotRequired",
			"diskCapacityInBytes": gb << 30, "diskResized": "NotResized",
		}
		if percent != nil {
			processed, transferred := s.moved(m, gb<<30, now)
			view["resyncProgressPercentage"] = percent
			view["resyncProcessedBytes"], view["resyncTotalTransferredBytes"] = processed, transferred
		}
		disks = append(disks, view)
	}
	site := "Azure"
	if s.phase(m, now) == Home {
		site = "OnPrem"
	}
	d := s.classicDetails(m, now)
	for k, v := range (object{
		"instanceType": "InMage", "activeSiteType": site, "protectionStage": stage,
		"vmProtectionState": state, "vmProtectionStateDescription": text,
		"agentDetails":   object{"agentVersion": agentVersion, "agentUpdateStatus": "NotRequired", "postUpdateRebootStatus": "NotRequired"},
		"masterTargetId": in.MasterTargetID, "processServerId": in.ProcessServerID,
		"osDetails": object{"osType": title(m.spec.OS)}, "protectedDisks": disks,
		"rebootAfterUpdateStatus": "NotRequired", "totalProgressHealth": health,
		"lastUpdateReceivedTime": stamp(now),
		"vmId":                   s.ownAzureID(m), "infrastructureVmId": s.ownAzureID(m), "vCenterInfrastructureId": nil,
		"discoveryType": "Physical", "datastores": []string{}, // whatever the machine was on-premises (seen in recordings)
		"replicaId": s.ownAzureID(m) + "_replica_" + s.fabricOf(m).container,
	}) {
		d[k] = v
	}
	if percent != nil {
		d["totalDataTransferred"] = transferred
		d["resyncDetails"] = object{"initialReplicationType": "AutomaticOverTheNetwork", "initialReplicationProgressPercentage": fmt.Sprint(percent)}
	}
	return d
}

// classicDetails are the fields that both classic providers have.
func (s *Server) classicDetails(m *machine, now time.Time) object {
	d := object{
		"infrastructureVmId": s.ownID(m), "vmId": s.ownID(m), "vCenterInfrastructureId": vcenterInfrastructure,
		"discoveryType": "vCenter", "datastores": []string{m.spec.Datastore},
		"ipAddress": address(10, m.index), "lastHeartbeat": stamp(s.agentHeartbeat(m, now)),
		"rpoInSeconds": 248, "compressedDataRateInMB": 0.0, "uncompressedDataRateInMB": 0.0,
		"multiVmGroupId": s.sc.UUID("group-of-one", m.spec.Name), "multiVmGroupName": s.sc.UUID("group-of-one", m.spec.Name), "multiVmSyncStatus": "Enabled",
		"diskResized": "NotResized", "sourceVmCpuCount": 4, "sourceVmRamSizeInMB": 8192,
		"osVersion": m.spec.OSVersion, "vmNics": []any{}, "validationErrors": []any{},
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

func address(network, i int) string { return fmt.Sprintf("10.%d.%d.%d", network, i/250%250, 1+i%250) }

func mac(i int) string { return fmt.Sprintf("00:50:56:%02X:%02X:%02X", i>>16&0x3f, i>>8&0xff, i&0xff) }
