package asr

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"

	sr "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/recoveryservices/armrecoveryservicessiterecovery/v2"

	"reprotect.example/services/observed"
)

// item converts a replication protected item. Items of other scenarios (Azure to Azure, Hyper-V) keep what all
// items have and get no architecture.
func item(i *sr.ReplicationProtectedItem) observed.Item {
	p := val(i.Properties)
	out := observed.Item{
		ID: val(i.ID), Name: first(val(p.FriendlyName), val(i.Name), observed.LastSegment(val(i.ID))), PolicyID: val(p.PolicyID),
		FabricID: upTo(val(i.ID), segFabrics), ContainerID: upTo(val(i.ID), segContainers),
		State: val(p.ProtectionState), StateText: val(p.ProtectionStateDescription), Location: val(p.ActiveLocation),
		Operations: texts(p.AllowedOperations),
		Health:     val(p.ReplicationHealth), FailoverHealth: val(p.FailoverHealth), HealthErrors: problems(p.HealthErrors...),
		FailedOverAt: when(p.LastSuccessfulFailoverTime), FailoverPoint: observed.LastSegment(val(p.FailoverRecoveryPointID)),
	}
	// An idle item names the job "None", begun in 1753.
	if s := val(p.CurrentScenario); !strings.EqualFold(observed.LastSegment(val(s.JobID)), "None") && val(s.JobID) != "" {
		out.Scenario, out.JobID = val(s.ScenarioName), observed.LastSegment(*s.JobID)
	}
	if p.ProviderSpecificDetails != nil {
		out.Provider = val(p.ProviderSpecificDetails.GetReplicationProviderSpecificSettings().InstanceType)
	}
	switch d := p.ProviderSpecificDetails.(type) {
	case *sr.InMageAzureV2ReplicationDetails:
		classicForward(&out, d)
	case *sr.InMageReplicationDetails:
		classicBack(&out, d)
	case *sr.InMageRcmReplicationDetails:
		modernizedForward(&out, d)
	case *sr.InMageRcmFailbackReplicationDetails:
		modernizedBack(&out, d)
	}
	out.Lean = out.Architecture != "" && len(out.Disks) == 0
	return out
}

func classicForward(out *observed.Item, d *sr.InMageAzureV2ReplicationDetails) {
	out.Architecture = observed.Classic
	out.OS, out.OSVersion = family(d.OSType), first(val(d.OSVersion), val(d.OSName))
	out.Physical = physical(d.DiscoveryType)
	out.GroupID, out.GroupName = classicGroup(d.MultiVMGroupID, d.MultiVMGroupName, d.MultiVMSyncStatus)
	out.AzureVM, out.AzureVMName, out.AzureGroup = val(d.TargetVMID), val(d.RecoveryAzureVMName), val(d.RecoveryAzureResourceGroupID)
	out.AgentVersion, out.AgentHeartbeat = val(d.AgentVersion), when(d.LastHeartbeat)
	out.MasterTargetID, out.ProcessServerID = val(d.MasterTargetID), val(d.ProcessServerID)
	out.Forward = observed.Forward{PolicyID: out.PolicyID, ProcessServerID: out.ProcessServerID, MasterTargetID: out.MasterTargetID}
	out.VMID, out.VCenterID = first(val(d.VMID), val(d.InfrastructureVMID)), val(d.VCenterInfrastructureID)
	out.Datastores = texts(d.Datastores)
	out.HealthErrors = append(out.HealthErrors, problems(d.ValidationErrors...)...)
	for _, disk := range d.ProtectedDisks {
		if disk != nil {
			out.Disks = append(out.Disks, observed.ItemDisk{ID: val(disk.DiskID), Name: val(disk.DiskName), CapacityBytes: val(disk.DiskCapacityInBytes)})
		}
	}
}

func classicBack(out *observed.Item, d *sr.InMageReplicationDetails) {
	out.Architecture = observed.Classic
	out.OS, out.OSVersion = family(val(d.OSDetails).OSType), val(d.OSVersion)
	out.ActiveSite = val(d.ActiveSiteType) // its discoveryType is Physical whatever the machine was
	out.GroupID, out.GroupName = classicGroup(d.MultiVMGroupID, d.MultiVMGroupName, d.MultiVMSyncStatus)
	out.AgentVersion, out.AgentHeartbeat = val(val(d.AgentDetails).AgentVersion), when(d.LastHeartbeat)
	out.MasterTargetID, out.ProcessServerID = val(d.MasterTargetID), val(d.ProcessServerID)
	out.VCenterID = val(d.VCenterInfrastructureID) // its vmId is that of the machine in Azure
	out.Datastores = texts(d.Datastores)
	out.HealthErrors = append(out.HealthErrors, problems(d.ValidationErrors...)...)
	out.Replication.Health = val(d.TotalProgressHealth)
	if d.RpoInSeconds != nil {
		lag := int(*d.RpoInSeconds)
		out.Replication.LagSeconds = &lag
	}
	if n, err := strconv.Atoi(val(val(d.ResyncDetails).InitialReplicationProgressPercentage)); err == nil {
		out.Replication.Percent = &n
	}
	r := &out.Replication
	for _, disk := range d.ProtectedDisks {
		if disk == nil {
			continue
		}
		out.Disks = append(out.Disks, observed.ItemDisk{ID: val(disk.DiskID), Name: val(disk.DiskName), CapacityBytes: val(disk.DiskCapacityInBytes)})
		r.ProcessedBytes += val(disk.ResyncProcessedBytes)
		r.TransferredBytes += val(disk.ResyncTotalTransferredBytes)
		r.PendingBytes = megabytes(r.PendingBytes, disk.SourceDataInMB, disk.PsDataInMB, disk.TargetDataInMB)
		r.ResyncDue = either(r.ResyncDue, needed(disk.ResyncRequired))
		if percent := disk.ResyncProgressPercentage; percent != nil && val(needed(disk.ResyncRequired)) && (r.Percent == nil || int(*percent) < *r.Percent) {
			n := int(*percent) // that of the disk that is behind
			r.Percent = &n
		}
	}
}

func modernizedForward(out *observed.Item, d *sr.InMageRcmReplicationDetails) {
	out.Architecture = observed.Modernized
	found := val(d.DiscoveredVMDetails)
	out.OS, out.OSVersion = family(d.OSType), first(val(d.OSName), val(found.OSName))
	out.Physical = physical(d.DiscoveryType)
	out.GroupID, out.GroupName = val(d.MultiVMGroupName), val(d.MultiVMGroupName) // it has no other id
	// The failover may have given the Azure VM another name (warning 28175), so its ARM id cannot be told from
	// the target's name; the item names it only after the reprotect.
	out.AzureVMName, out.AzureGroup = val(d.TargetVMName), val(d.TargetResourceGroupID)
	agent := val(d.MobilityAgentDetails)
	out.AgentVersion, out.AgentHeartbeat = val(agent.Version), when(agent.LastHeartbeatUTC)
	out.AgentRegistered = d.IsAgentRegistrationSuccessfulAfterFailover
	out.Forward = observed.Forward{PolicyID: out.PolicyID, ProcessServerID: val(d.ProcessServerID), RunAsAccountID: val(d.RunAsAccountID)}
	out.VMID, out.VCenterID = discoveredID(val(d.FabricDiscoveryMachineID)), val(found.VCenterID)
	out.VMDeleted, out.PowerState, out.Datastores = found.IsDeleted, val(found.PowerStatus), texts(found.Datastores)
	for _, disk := range d.ProtectedDisks {
		if disk != nil {
			out.Disks = append(out.Disks, observed.ItemDisk{ID: val(disk.DiskID), Name: val(disk.DiskName), CapacityBytes: val(disk.CapacityInBytes)})
			out.LogStorage = first(out.LogStorage, val(disk.LogStorageAccountID))
			if name := observed.LastSegment(val(disk.TargetManagedDiskID)); name != "" {
				out.AzureDisks = append(out.AzureDisks, name)
			}
		}
	}
}

func modernizedBack(out *observed.Item, d *sr.InMageRcmFailbackReplicationDetails) {
	out.Architecture = observed.Modernized
	found := val(d.DiscoveredVMDetails)
	out.OS, out.OSVersion = family(d.OSType), val(found.OSName)
	out.GroupID, out.GroupName = val(d.MultiVMGroupName), val(d.MultiVMGroupName)
	out.AzureVM = val(d.AzureVirtualMachineID)
	out.AzureVMName = observed.LastSegment(out.AzureVM)
	agent := val(d.MobilityAgentDetails)
	out.AgentVersion, out.AgentHeartbeat = val(agent.Version), when(agent.LastHeartbeatUTC)
	out.AgentRegistered = d.IsAgentRegistrationSuccessfulAfterFailover
	out.ApplianceID, out.LogStorage = val(d.ReprotectAgentID), val(d.LogStorageAccountID)
	out.LastFailback = string(val(d.LastPlannedFailoverStatus))
	out.Forward.PolicyID = val(d.LastUsedPolicyID)
	out.VCenterID = first(val(d.TargetvCenterID), val(found.VCenterID))
	out.VMDeleted, out.PowerState, out.Datastores = found.IsDeleted, val(found.PowerStatus), texts(found.Datastores)
	if len(out.Datastores) == 0 && val(d.TargetDataStoreName) != "" {
		out.Datastores = []string{*d.TargetDataStoreName}
	}
	var pending *int64
	for _, disk := range d.ProtectedDisks {
		if disk != nil {
			out.Disks = append(out.Disks, observed.ItemDisk{ID: val(disk.DiskID), Name: val(disk.DiskName), UUID: val(disk.DiskUUID), CapacityBytes: val(disk.CapacityInBytes)})
			pending = megabytes(pending, disk.DataPendingAtSourceAgentInMB, disk.DataPendingInLogDataStoreInMB)
		}
	}
	percent, processed, transferred, health := d.InitialReplicationProgressPercentage, d.InitialReplicationProcessedBytes, d.InitialReplicationTransferredBytes, d.InitialReplicationProgressHealth
	if percent == nil { // the first copy is over or not begun: a resynchronisation may run
		percent, processed, transferred, health = d.ResyncProgressPercentage, d.ResyncProcessedBytes, d.ResyncTransferredBytes, cmp.Or(d.ResyncProgressHealth, health)
	}
	out.Replication = observed.Replication{ProcessedBytes: val(processed), TransferredBytes: val(transferred), PendingBytes: pending, Health: string(val(health)),
		ResyncDue: needed(d.ResyncRequired), ResyncState: string(val(d.ResyncState))}
	if percent != nil {
		n := int(*percent)
		out.Replication.Percent = &n
	}
}

// classicGroup: a machine in no replication group carries the id of a group of its own, which has no other name; its
// consistency is switched on all the same (seen in recordings).
func classicGroup(id, name, sync *string) (string, string) {
	if strings.EqualFold(val(sync), "Disabled") || strings.EqualFold(val(id), val(name)) {
		return "", ""
	}
	return val(id), val(name)
}

// needed reads whether a resynchronization is: "true" and "false" in modernized answers, "Required" and "NotRequired" in
// classic ones. Nil when it is not said.
func needed(required *string) *bool {
	var due bool
	switch strings.ToLower(val(required)) {
	case "true", "required", "yes":
		due = true
	case "false", "notrequired", "no":
	default:
		return nil
	}
	return &due
}

// either is whether one of several is so; nil when nothing is known of any.
func either(a, b *bool) *bool {
	if a == nil || b != nil && *b {
		return b
	}
	return a
}

// megabytes adds what of these is said to a number of bytes; nil as long as nothing is.
func megabytes(sum *int64, parts ...*float64) *int64 {
	for _, mb := range parts {
		if mb == nil {
			continue
		}
		total := val(sum) + int64(*mb*(1<<20))
		sum = &total
	}
	return sum
}

func physical(discovery *string) bool {
	return strings.Contains(strings.ToLower(val(discovery)), "physical")
}

var uuidAtEnd = regexp.MustCompile(`(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// discoveredID: the discovery's machine id ends with the instance UUID of the VM behind the vCenter's name
// (seen in recordings); else it is the machine's name in the discovery.
func discoveredID(id string) string {
	return first(uuidAtEnd.FindString(id), observed.LastSegment(id))
}
