package vsphere

import (
	"maps"
	"strings"

	"github.com/vmware/govmomi/vim25/types"

	"reprotect.example/services/observed"
)

// hostProps and datastoreProps are read of every host and datastore of a look.
var (
	hostProps = []string{"name", "parent", "datastore", "runtime.connectionState", "runtime.inMaintenanceMode"}

	datastoreProps = []string{
		"name", "parent", "host", "summary.type", "summary.accessible", "summary.maintenanceMode",
		"summary.capacity", "summary.freeSpace",
	}

	// podProps are read of the datastore clusters around the machines of a look (S13, S23).
	podProps = []string{"name", "parent", podEntry}
)

// podEntry holds what Storage DRS does, with its rules for single machines.
const podEntry = "podStorageDrsEntry"

// notReturned is the reason of a property that every readable object has, which came neither with a value nor
// with a fault. vCenter leaves the whole config of a machine out while that cannot be reached.
const notReturned = "the vCenter did not return it"

// expect notes the paths that came without a value and without a reason.
func (o object) expect(paths ...string) {
	for _, path := range paths {
		if _, ok := o.props[path]; !ok && o.unread[path] == "" {
			o.unread[path] = notReturned
		}
	}
}

// decode adds the objects of a retrieval to an inventory.
func decode(inv *observed.Inventory, objects []object, dir directory) {
	names := map[types.ManagedObjectReference]string{}
	for _, o := range objects {
		names[o.ref] = text(o, "name")
	}
	committed, uncommitted := map[string]map[string]int64{}, map[string]map[string]int64{} // datastore, machine
	for _, o := range objects {
		switch o.ref.Type {
		case "VirtualMachine":
			inv.VMs = append(inv.VMs, decodeVM(o, dir))
			perDatastore, _ := prop[types.ArrayOfVirtualMachineUsageOnDatastore](o, usageProp)
			for _, u := range perDatastore.VirtualMachineUsageOnDatastore {
				add(committed, u.Datastore.Value, o.ref.Value, u.Committed)
				add(uncommitted, u.Datastore.Value, o.ref.Value, u.Uncommitted)
			}
		case "HostSystem":
			inv.Hosts = append(inv.Hosts, decodeHost(o, names, dir))
		case "Datastore":
			inv.Datastores = append(inv.Datastores, decodeDatastore(o, names, dir))
		case "StoragePod":
			inv.Pods = append(inv.Pods, decodePod(o))
		}
	}
	for i, d := range inv.Datastores {
		inv.Datastores[i].CommittedBytes, inv.Datastores[i].UncommittedBytes = committed[d.Ref], uncommitted[d.Ref]
	}
}

func add(sums map[string]map[string]int64, datastore, machine string, bytes int64) {
	if sums[datastore] == nil {
		sums[datastore] = map[string]int64{}
	}
	sums[datastore][machine] += bytes
}

func decodeHost(o object, names map[types.ManagedObjectReference]string, dir directory) observed.Host {
	o.expect("name", "datastore", "runtime.connectionState", "runtime.inMaintenanceMode")
	h := observed.Host{
		Ref: o.ref.Value, Name: text(o, "name"),
		Connection:    text(o, "runtime.connectionState"),
		DatastoreRefs: refValues(o, "datastore"),
		Unread:        o.unread,
	}
	h.Maintenance, _ = prop[bool](o, "runtime.inMaintenanceMode")
	// The parent of a host that is in no cluster is a plain ComputeResource.
	parent, ok := refOf(o, "parent")
	if h.Path = dir.path(h.Name, parent); ok && parent.Type == "ClusterComputeResource" {
		h.ClusterRef, h.ClusterName = parent.Value, names[parent]
	}
	return h
}

func decodeDatastore(o object, names map[types.ManagedObjectReference]string, dir directory) observed.Datastore {
	o.expect("name", "parent", "host", "summary.type", "summary.accessible", "summary.maintenanceMode", "summary.capacity", "summary.freeSpace")
	parent, _ := refOf(o, "parent")
	d := observed.Datastore{
		Ref: o.ref.Value, Name: text(o, "name"),
		Path:        dir.path(text(o, "name"), parent),
		Type:        strings.ToLower(text(o, "summary.type")),
		Maintenance: text(o, "summary.maintenanceMode"),
		Mounts:      map[string]observed.Mount{},
		Unread:      o.unread,
	}
	d.Accessible, _ = prop[bool](o, "summary.accessible")
	d.CapacityBytes, _ = prop[int64](o, "summary.capacity")
	d.FreeBytes, _ = prop[int64](o, "summary.freeSpace")
	if parent.Type == "StoragePod" {
		d.PodRef, d.PodName = parent.Value, names[parent]
	}
	mounts, _ := prop[types.ArrayOfDatastoreHostMount](o, "host")
	for _, m := range mounts.DatastoreHostMount {
		d.Mounts[m.Key.Value] = observed.Mount{
			Mode: m.MountInfo.AccessMode,
			// Unset means true, and as the summary says, by the documentation of HostMountInfo.
			Mounted:    m.MountInfo.Mounted == nil || *m.MountInfo.Mounted,
			Accessible: (m.MountInfo.Accessible == nil && d.Accessible) || (m.MountInfo.Accessible != nil && *m.MountInfo.Accessible),
		}
	}
	return d
}

func decodePod(o object) observed.Pod {
	o.expect("name", podEntry)
	entry, _ := prop[types.PodStorageDrsEntry](o, podEntry)
	config := entry.StorageDrsConfig
	p := observed.Pod{
		Ref: o.ref.Value, Name: text(o, "name"),
		Enabled: config.PodConfig.Enabled, Behaviour: config.PodConfig.DefaultVmBehavior,
		Rules: map[string]observed.PodRule{}, Unread: o.unread,
	}
	if o := config.PodConfig.AutomationOverrides; o != nil {
		p.Overrides = map[string]string{
			"space load balance": o.SpaceLoadBalanceAutomationMode, "I/O load balance": o.IoLoadBalanceAutomationMode, "rule enforcement": o.RuleEnforcementAutomationMode,
			"policy enforcement": o.PolicyEnforcementAutomationMode, "VM evacuation": o.VmEvacuationAutomationMode,
		}
		maps.DeleteFunc(p.Overrides, func(_, mode string) bool { return mode == "" })
	}
	for _, rule := range config.VmConfig {
		if rule.Vm != nil {
			p.Rules[rule.Vm.Value] = observed.PodRule{Excluded: rule.Enabled != nil && !*rule.Enabled, Behaviour: rule.Behavior}
		}
	}
	return p
}

func refValues(o object, path string) []string {
	refs, _ := prop[types.ArrayOfManagedObjectReference](o, path)
	var values []string
	for _, ref := range refs.ManagedObjectReference {
		values = append(values, ref.Value)
	}
	return values
}
