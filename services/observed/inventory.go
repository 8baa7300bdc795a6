package observed

import (
	"regexp"
	"strings"
	"time"
)

// Query says which machines one look at vCenter is about. Which they are, Finder tells.
type Query struct {
	VMs []VMRef
	// Writers are those of the VMs that write the disks of others (master targets, appliances): of them also
	// the relocations are read, which costs calls of their own.
	Writers []VMRef
}

// Inventory is one look at a vCenter: the machines of a query with their hosts, datastores and clusters, and
// every datastore that those hosts mount.
type Inventory struct {
	Taken      time.Time
	URL        string
	Version    string
	InstanceID string
	User       string
	VMs        []VM
	Hosts      []Host
	Datastores []Datastore
	Pods       []Pod
	// Privileges holds, by managed object id, which of the documented privileges the account lacks there (S4, S43, N3).
	Privileges map[string]Privileges
	// Removals are the machines that were taken out of the inventory lately; read where one that is looked for is not shown.
	Removals []Removal
	// Unread names the parts that could not be read ("privileges", "licence", "removals") and why.
	Unread map[string]string
}

// VM is a virtual machine as vCenter sees it. A property that could not be read stands in Unread with the
// reason, and its field is empty.
type VM struct {
	Ref           string // managed object id, e.g. vm-42
	Name          string
	Path          string // inventory path
	BIOSUUID      string
	InstanceUUID  string
	GuestHost     string   // what the guest calls itself, as VMware Tools report it
	GuestIPs      []string // of all its networks
	HostRef       string
	Power         string // poweredOn, poweredOff, suspended
	Connection    string // connected, disconnected, …
	GuestFamily   string // windows, linux or ""
	GuestID       string
	Tools         string // guestToolsRunning, guestToolsNotRunning, …
	ToolsVersion  string // guestToolsNotInstalled, guestToolsCurrent, …
	Controllers   []Controller
	Disks         []VMDisk
	ExtraConfig   map[string]string // keys in lower case
	Snapshots     []Snapshot
	Consolidate   bool // vCenter says that disks need consolidation
	GuestDisks    []GuestDisk
	Datastores    []string // refs of the datastores on which the machine has anything
	Networks      []string // refs
	PoolRef       string   // resource pool; a template has none
	DatacenterRef string
	Template      bool
	Moves         []Move // newest first; unread as "moves"
	MovesRead     bool   // Moves are those of the last seven days: read of writers only
	Unread        Unread // property path -> reason
}

// Removal says that a machine was deleted, or taken out of the inventory.
type Removal struct {
	Name string
	At   time.Time
	User string
}

// Privileges are those of the account on one object.
type Privileges struct {
	Path    string   // or what people know the object by
	Kind    string   // as the API names it: Datacenter, VirtualMachine, Datastore, Network, …
	Lacking []string // of those that count there; none is: all granted
	Unread  string   // why some could not be read
}

// Controller is a disk controller of a VM; Kind is the type name of the vSphere API in lower case without
// "virtual" in front: "lsilogiccontroller", "lsilogicsascontroller", "paravirtualscsicontroller", ….
type Controller struct {
	Kind  string
	Label string
}

// VMDisk is a virtual disk.
type VMDisk struct {
	Label         string
	File          string // [datastore] folder/name.vmdk
	DatastoreRef  string
	UUID          string
	CapacityBytes int64
	Delta         bool // has a parent: a snapshot's delta disk
	Thin          bool // its base may grow as it is written to
	RDM           bool
}

// NamedDelta says whether the disk's file is called as the delta disks of snapshots are: name-000001.vmdk.
func (d VMDisk) NamedDelta() bool { return deltaName.MatchString(d.File) }

var deltaName = regexp.MustCompile(`(?i)-[0-9]{6}\.vmdk$`)

// Snapshot is one of a VM's snapshots; Path names its parents ("before/after").
type Snapshot struct {
	ID         int32 // unique within the VM, for ever
	Name, Path string
	Created    time.Time
}

// Move is a task that moves a VM, or its disks, to another place (S13, S23, M5).
type Move struct {
	Kind       string // the task's id, e.g. VirtualMachine.relocate
	State      string // queued, running, success, error
	User       string // who asked for it; "" when the vCenter did by itself
	Scope      Scope  // of one that runs
	Begun, End time.Time
}

// Scope says what a move moves.
type Scope string

// Scopes of a move; "" when it is not known.
const (
	MovesDisks Scope = "disks"
	MovesHost  Scope = "host" // the disks stay
)

// Over says whether the task has come to its end.
func (m Move) Over() bool { return m.State != "queued" && m.State != "running" }

// Pod is a datastore cluster, whose Storage DRS may move disks.
type Pod struct {
	Ref, Name string
	Enabled   bool
	Behaviour string            // automated or manual: what happens to a VM without a rule of its own
	Overrides map[string]string // by what is done ("space load balance"): automated or manual, where that is not Behaviour
	// Rules are those of single VMs, by VM ref.
	Rules  map[string]PodRule
	Unread Unread
}

// PodRule is what Storage DRS does with one VM; an empty Behaviour is that of the pod.
type PodRule struct {
	Excluded  bool
	Behaviour string
}

// GuestDisk is a volume that VMware Tools report.
type GuestDisk struct {
	Path, FileSystem         string
	CapacityBytes, FreeBytes int64
}

// Host is an ESXi host.
type Host struct {
	Ref, Name     string
	Path          string
	Connection    string
	Maintenance   bool
	ClusterRef    string
	ClusterName   string
	DatastoreRefs []string
	Licence       string // name of the assigned licence; "" when not read
	LicenceKey    string // edition key, e.g. esx.enterprisePlus.cpuPackage
	Unread        Unread
}

// Datastore is a datastore and how each host mounts it.
type Datastore struct {
	Ref, Name        string
	Path             string
	Type             string // lower case: vmfs, vsan, nfs, nfs41, vvol, other
	Accessible       bool
	Maintenance      string // normal, enteringMaintenance, inMaintenance
	CapacityBytes    int64
	FreeBytes        int64
	Mounts           map[string]Mount // by host ref
	PodRef           string           // SDRS cluster, when it is in one
	PodName          string
	CommittedBytes   map[string]int64 // by VM ref: what the VM already takes there, when read
	UncommittedBytes map[string]int64 // by VM ref: what the VM may still take there, when read
	Unread           Unread
}

// Mount is how a host mounts a datastore.
type Mount struct {
	Mode       string // readWrite, readOnly
	Mounted    bool
	Accessible bool
}

// VM returns the machine that a ref means, or all that it might be.
func (inv Inventory) VM(ref VMRef) []VM {
	seen := inv.Find(ref)
	if seen.VM != nil {
		return []VM{*seen.VM}
	}
	if len(seen.Candidates) < 2 {
		return nil
	}
	vms := make([]VM, len(seen.Candidates))
	for i, vm := range seen.Candidates {
		vms[i] = *vm
	}
	return vms
}

// Host returns the host of that ref.
func (inv Inventory) Host(ref string) (Host, bool) {
	for _, h := range inv.Hosts {
		if h.Ref == ref {
			return h, true
		}
	}
	return Host{}, false
}

// Pod returns the datastore cluster of that ref.
func (inv Inventory) Pod(ref string) (Pod, bool) {
	for _, p := range inv.Pods {
		if p.Ref == ref {
			return p, true
		}
	}
	return Pod{}, false
}

// Datastore returns the datastore of that ref.
func (inv Inventory) Datastore(ref string) (Datastore, bool) {
	for _, d := range inv.Datastores {
		if d.Ref == ref {
			return d, true
		}
	}
	return Datastore{}, false
}

// DatastoresNamed returns the datastores of that name: every datacenter may have one. The inventory path serves as
// well.
func (inv Inventory) DatastoresNamed(name string) (named []Datastore) {
	for _, d := range inv.Datastores {
		if SameName(d.Name, name) || d.Path != "" && SameName(d.Path, name) {
			named = append(named, d)
		}
	}
	return named
}

// DatastoreLabel is what people call a datastore: its name, or its path where others have the name too.
func (inv Inventory) DatastoreLabel(d Datastore) string {
	if d.Path != "" && len(inv.DatastoresNamed(d.Name)) > 1 {
		return d.Path
	}
	return d.Name
}

// Unread tells why properties could not be read, by their paths. What is in it is not known: its field is empty.
type Unread map[string]string

// Why is the reason why one of the paths, or what it lies in, could not be read; "" when all were.
func (u Unread) Why(paths ...string) string {
	for _, path := range paths {
		for p := path; ; {
			if reason, ok := u[p]; ok {
				return path + ": " + strings.TrimSuffix(reason, ".")
			}
			dot := strings.LastIndexByte(p, '.')
			if dot < 0 {
				break
			}
			p = p[:dot]
		}
	}
	return ""
}
