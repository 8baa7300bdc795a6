// Package observed holds what Site Recovery and vCenter say, as plain data.
//
// internal/asr and internal/vsphere fill these types; the checks and the services read them. Nothing here
// talks to anything. Identifiers of Azure compare without regard to case (use SameID): the service returns
// them in any letter case.
package observed

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Architecture of the vault's VMware protection.
type Architecture string

const (
	// Classic has a configuration server, process servers and master targets.
	Classic Architecture = "classic"
	// Modernized has replication appliances (M1).
	Modernized Architecture = "modernized"
)

// Operating system families as Site Recovery distinguishes them (S8).
const (
	Windows = "windows"
	Linux   = "linux"
)

// Vault is one look at a Recovery Services vault.
type Vault struct {
	Began    time.Time // what happened later may be missing
	Taken    time.Time // when the look was complete
	Oldest   time.Time // when the oldest part was read: looks hand on what changes rarely; zero: nothing is older than the look
	ID       string    // ARM id
	Name     string
	Items    []Item
	Jobs     []Job // summaries: no tasks, no errors; read one with its own call
	Fabrics  []Fabric
	Policies []Policy
	Mappings []Mapping
	VCenters []RegisteredVCenter
	Plans    []Plan
	// Unread names the parts that could not be read ("jobs", "fabrics", "policies", "mappings", "vcenters",
	// "plans") and why. A part named here is empty because it is unknown, not because there is nothing.
	Unread map[string]string

	// What else was observed of the site around that time; empty when nobody looked.
	AzureVMs AzureVMs
	Probes   []Probe

	index *index // of Indexed
}

// Item is one replicated machine (replication protected item).
type Item struct {
	ID           string // ARM id, as the service spelt it
	Name         string // friendly name: what an operator calls the machine
	Architecture Architecture
	Provider     string // InMageAzureV2, InMage, InMageRcm, InMageRcmFailback
	FabricID     string // ARM id of the fabric the item lies in
	ContainerID  string
	PolicyID     string

	State      string // protectionState, verbatim
	StateText  string // protectionStateDescription, verbatim
	Location   string // activeLocation: Primary or Recovery, of the direction in which it replicates now
	ActiveSite string // classic, reversed: Azure or OnPrem; "" when not said
	Operations []string
	Scenario   string // of the running job; "" when idle
	JobID      string // last segment of the running job's id; "" when idle

	Health         string
	HealthErrors   []Problem
	FailoverHealth string
	FailedOverAt   time.Time
	FailoverPoint  string // the recovery point that the failover was made with: last segment of its id; "" when not said
	// FailoverPointAt is when that point was made. Read only with the item itself, while another may be chosen still.
	FailoverPointAt time.Time
	LastFailback    string // modernized: lastPlannedFailoverStatus; "Succeeded" stays after a cancellation

	OS        string // windows, linux or "" when not said
	OSVersion string
	Physical  bool
	// OriginUnread: the item replicates back, and the one from before was not seen: whether the machine was a physical
	// server is not known.
	OriginUnread bool
	GroupID      string // multi-VM replication group; "" when none
	GroupName    string

	AzureVM         string // ARM id of the Azure VM
	AzureVMName     string
	AzureGroup      string   // ARM id of the resource group that the failover used; "" when not said
	AzureDisks      []string // names of the managed disks that the failover attached; empty when not said
	AgentVersion    string
	AgentHeartbeat  time.Time
	AgentRegistered *bool // modernized: registered after the failover; nil when not said (M4)

	MasterTargetID  string // classic
	ProcessServerID string
	ApplianceID     string // modernized: the reprotect agent, once reprotected
	LogStorage      string // modernized: ARM id of the log storage account

	// VMID is the on-premises machine as Site Recovery names it: modernized by the UUID that vCenter knows, classic by one
	// of the configuration server's own. "" when not said.
	VMID       string
	VCenterID  string
	VMDeleted  *bool // modernized discovery says that the on-premises VM is gone; nil when not said
	PowerState string
	Datastores []string
	Disks      []ItemDisk

	Replication Replication

	Forward Forward // how it is, or was, protected towards Azure

	// Lean: only what the list of items says was read, which leaves out disks, master target and more. What it leaves
	// out is unknown, not none.
	Lean   bool
	Unread string // why the item could not be read, in part or at all; "" when it could
}

// RecoveryPoint is a point in time to which a machine can be brought.
type RecoveryPoint struct {
	ID, Type string
	At       time.Time // as the service marks it: answers were seen that lie hours ahead
}

// ItemDisk is a disk that was replicated forward (M6: only these come back).
type ItemDisk struct {
	ID, Name, UUID string
	CapacityBytes  int64
}

// Replication is the progress of the initial replication or resynchronisation on the way back.
type Replication struct {
	Percent          *int // nil when the service does not say
	LagSeconds       *int // age of the last recovery point; nil when the service does not say
	ProcessedBytes   int64
	TransferredBytes int64
	PendingBytes     *int64 // written in Azure and not yet on-premises; nil when the service does not say
	Health           string

	// ResyncDue says whether the disks have to be compared anew before a failback; nil when the service does not say.
	ResyncDue   *bool
	ResyncState string // modernized: of such a comparison, verbatim
}

// Resynchronizes says whether a resynchronization is due or runs.
func (r Replication) Resynchronizes() bool {
	return r.ResyncDue != nil && *r.ResyncDue || strings.EqualFold(r.ResyncState, "PreparedForResynchronization") || strings.EqualFold(r.ResyncState, "StartedResynchronization")
}

// AsOf is the time since when all of the look holds: it may not know of what changed later.
func (v Vault) AsOf() time.Time {
	if v.Oldest.IsZero() {
		return v.Taken
	}
	return v.Oldest
}

// Job is a Site Recovery job.
type Job struct {
	ID           string // last segment: the id that the product keeps
	Scenario     string // e.g. SwitchReplicationGroupProtection for a reprotect
	FriendlyName string
	State        string // NotStarted, InProgress, Succeeded, Failed, Cancelled, Suspended, Other
	StateText    string
	Target       string // target object id
	TargetName   string
	Start, End   time.Time // End is zero while it runs
	Actions      []string
	NewItemID    string // classic: the item that the machine becomes
	Tasks        []Task // empty in summaries
	Errors       []Problem
}

// ReprotectScenario is the scenario name of a reprotect job (seen in recordings of both architectures).
const ReprotectScenario = "SwitchReplicationGroupProtection"

// CommitScenario is the scenario name of a job that commits a failover (seen in recordings of both architectures).
const CommitScenario = "CommitFailover"

// Done says whether the job has come to its end, good or bad.
func (j Job) Done() bool {
	switch j.State {
	case "Succeeded", "Failed", "Cancelled":
		return true
	}
	return false
}

// Task is a step of a job.
type Task struct {
	ID, Name, State, StateText string
	Start, End                 time.Time
}

// Problem is an error as Azure words it, and what we know of it.
type Problem struct {
	Code, Message, Causes, Action string
	ID                            string // of an item's health error, by which it is resolved; "" otherwise
	Severity                      string // "Warning": the operation goes on, or has succeeded
	Class                         Class  // of a job's problems; "" otherwise
	Remedy                        string // ours, else Azure's recommended action
}

// Fabric is a configuration server (classic) or an appliance fabric (modernized).
type Fabric struct {
	ID, Name       string
	InternalID     string
	Architecture   Architecture
	Health         string
	HealthErrors   []Problem
	Heartbeat      time.Time // classic: of the configuration server
	Service        string    // classic: state of the configuration server's service, verbatim; "" when not said
	Expires        []Expiry  // classic: of the configuration server
	Version        string    // classic: agent version of the configuration server
	HostName       string
	IPAddress      string
	ProcessServers []ProcessServer
	MasterTargets  []MasterTarget
	Appliances     []Appliance
	RunAsAccounts  map[string]string // classic: id -> name
	SiteID         string            // modernized: ARM id of the site in Microsoft.OffAzure, which has the run-as accounts
}

// ProcessServer takes the data from the Azure VM and sends it on-premises (S6).
type ProcessServer struct {
	ID, Name, IPAddress, Version string
	Heartbeat                    time.Time
	Health                       string
	Problems                     []Problem
	Service                      string // state of its service, verbatim; "" when not said
	Expires                      []Expiry
}

// VMRef is how a process server's VM is found, where it stands on-premises.
func (p ProcessServer) VMRef() VMRef { return VMRef{Name: p.Name, Host: p.Name, IP: p.IPAddress} }

// MasterTarget receives the data and writes the VMDKs (S7).
type MasterTarget struct {
	ID, Name, IPAddress, OS, OSVersion, Version string
	VersionStatus                               string
	VMPath                                      string // inventory path of its VM, where the config of the site names it
	Heartbeat                                   time.Time
	DiskCount                                   int
	RetentionVolumes                            []RetentionVolume
	Datastores                                  []FabricDatastore
	Problems                                    []Problem
	Expires                                     []Expiry
}

// RetentionVolume is a drive that the master target offers (S24, S25).
type RetentionVolume struct {
	Name                     string
	CapacityBytes, FreeBytes int64
}

// FabricDatastore is a datastore as Site Recovery discovered it.
type FabricDatastore struct {
	Name, UUID, Type   string
	CapacityGB, FreeGB float64
}

// Appliance is a reprotect agent of a replication appliance (M1, M2).
type Appliance struct {
	ID, Name, BIOSID, FQDN string
	VMPath                 string // inventory path of its VM, where the config of the site names it
	Version                string
	Health                 string
	Problems               []Problem
	Heartbeat              time.Time
	Parts                  []Component // what lies beside the reprotect agent on the appliance
	LastDiscovery          time.Time
	Datastores             []string // accessible ones, by name
	VCenterID              string
	ProtectedItems         int
}

// Policy is a replication policy; Provider InMage is a classic failback policy (S32).
type Policy struct {
	ID, Name, Provider string
}

// Mapping associates a policy with two containers. The classic failback policy is the policy of the mapping
// whose target container is its own container (seen in recordings).
type Mapping struct {
	ID, PolicyID, ContainerID, TargetContainerID, State string
	FabricID                                            string
}

// RegisteredVCenter is a vCenter that the vault knows (S48).
type RegisteredVCenter struct {
	ID, Name, Address, Status string
	Heartbeat                 time.Time
	FabricID                  string
}

// Plan is a recovery plan, its members in the plan's order.
type Plan struct {
	ID, Name string
	Items    []string    // ARM ids of replication protected items
	Groups   []PlanGroup // in their order, whatever is in them
}

// Reprotect is what a submission says; which fields count depends on the architecture.
type Reprotect struct {
	Item Item

	Datastore string // name; mandatory even when disks exist (S34)

	MasterTargetID, ProcessServerID, RetentionDrive, PolicyID, RunAsAccountID string // classic

	ApplianceID, LogStorage string // modernized
}

// SameID compares two Azure ids as the service does: without regard to case.
func SameID(a, b string) bool { return strings.EqualFold(strings.Trim(a, "/"), strings.Trim(b, "/")) }

// ClockStep is more than what Azure's times, in steps of 100 ns, lack of the real ones.
const ClockStep = time.Microsecond

// LastSegment is the name at the end of an Azure id, or the whole when it has no slash.
func LastSegment(id string) string {
	id = strings.TrimRight(id, "/")
	return id[strings.LastIndexByte(id, '/')+1:]
}

// WithVMPaths is the vault with what the config of the site says of where the VMs of its master targets and appliances
// lie: inventory paths by name. It does not change v.
func (v Vault) WithVMPaths(masterTargets, appliances map[string]string) Vault {
	if len(masterTargets)+len(appliances) == 0 {
		return v
	}
	v.Fabrics = slices.Clone(v.Fabrics)
	for i, f := range v.Fabrics {
		f.MasterTargets, f.Appliances = slices.Clone(f.MasterTargets), slices.Clone(f.Appliances)
		for j, mt := range f.MasterTargets {
			f.MasterTargets[j].VMPath = named(masterTargets, mt.Name)
		}
		for j, a := range f.Appliances {
			f.Appliances[j].VMPath = named(appliances, a.Name)
		}
		v.Fabrics[i] = f
	}
	return v
}

func named(paths map[string]string, name string) string {
	for n, path := range paths {
		if SameName(n, name) {
			return path
		}
	}
	return ""
}

// FailbackPolicy returns the classic failback policy of a fabric (S32).
func (v Vault) FailbackPolicy(fabricID string) (Policy, bool) {
	for _, m := range v.Mappings {
		if !SameID(m.FabricID, fabricID) || m.TargetContainerID == "" || !SameID(m.TargetContainerID, m.ContainerID) {
			continue
		}
		for _, p := range v.Policies {
			if SameID(p.ID, m.PolicyID) {
				return p, true
			}
		}
	}
	return Policy{}, false
}

// MasterTarget returns the master target of that name or id.
func (f Fabric) MasterTarget(name string) (MasterTarget, bool) {
	for _, m := range f.MasterTargets {
		if strings.EqualFold(m.Name, name) || strings.EqualFold(m.ID, name) {
			return m, true
		}
	}
	return MasterTarget{}, false
}

// ProcessServer returns the process server of that name or id.
func (f Fabric) ProcessServer(name string) (ProcessServer, bool) {
	for _, p := range f.ProcessServers {
		if strings.EqualFold(p.Name, name) || strings.EqualFold(p.ID, name) {
			return p, true
		}
	}
	return ProcessServer{}, false
}

// Appliance returns the reprotect agent of that name or id.
func (f Fabric) Appliance(name string) (Appliance, bool) {
	for _, a := range f.Appliances {
		if strings.EqualFold(a.Name, name) || strings.EqualFold(a.ID, name) || strings.EqualFold(a.FQDN, name) {
			return a, true
		}
	}
	return Appliance{}, false
}

// UnreadParts lists the parts that could not be read, in order.
func (v Vault) UnreadParts() []string { return slices.Sorted(maps.Keys(v.Unread)) }
