package observed

import "fmt"

// Needs is the room that the disks of a VM that exists may still take on each datastore, by its ref (S34): what vCenter
// counts as uncommitted there, in the datastore's own bytes, so that copies that a vSAN policy makes are in it. A raw
// device map has none. The reprotect job merges snapshots (S5): then a base that grows as it is written to takes what
// its deltas hold, which is no more than the VM takes there, nor than its disks can hold, before they go.
//
// Why says in a clause why it is not known.
func (vm VM) Needs(inv Inventory) (need map[string]int64, why string) {
	if why := vm.Unread.Why("config.hardware.device", "storage.perDatastoreUsage", "snapshot.rootSnapshotList"); why != "" {
		return nil, fmt.Sprintf("VM %s could not be read in full: %s", vm.Place(), why)
	}
	if len(vm.Disks) == 0 {
		return nil, fmt.Sprintf("vCenter shows no disks of VM %s", vm.Place())
	}
	need, merged := map[string]int64{}, map[string]int64{}
	for _, disk := range vm.Disks {
		if disk.DatastoreRef == "" {
			return nil, fmt.Sprintf("vCenter does not tell the datastore of %s of VM %s", disk.Label, vm.Place())
		}
		need[disk.DatastoreRef] += 0
		if disk.Thin && (disk.Delta || len(vm.Snapshots) > 0) {
			merged[disk.DatastoreRef] += disk.CapacityBytes
		}
	}
	for ref := range need {
		d, visible := inv.Datastore(ref)
		if !visible {
			continue // which is said of the datastore
		}
		uncommitted, known := d.UncommittedBytes[vm.Ref]
		if !known {
			return nil, fmt.Sprintf("vCenter does not tell what VM %s takes on datastore %s", vm.Place(), d.Name)
		}
		need[ref] = max(uncommitted, min(merged[ref], d.CommittedBytes[vm.Ref]))
	}
	return need, ""
}

// Needs is what the disks of a machine take that are made anew: all of their capacity (S22, S35). ok is false when
// Site Recovery does not say it.
func (i Item) Needs() (bytes int64, ok bool) {
	for _, disk := range i.Disks {
		if disk.CapacityBytes <= 0 {
			return 0, false
		}
		bytes += disk.CapacityBytes
	}
	return bytes, len(i.Disks) > 0
}
