package observed

// Needs is what the disks of a VM that exists may still take on each datastore, by datastore ref: their capacity
// without what the VM takes there already (S34).
func (vm VM) Needs(inv Inventory) map[string]int64 {
	need := map[string]int64{}
	for _, disk := range vm.Disks {
		need[disk.DatastoreRef] += disk.CapacityBytes
	}
	for ref := range need {
		if d, ok := inv.Datastore(ref); ok {
			need[ref] = max(need[ref]-d.CommittedBytes[vm.Ref], 0)
		}
	}
	return need
}

// Needs is what the disks of a machine take that are made anew: all of their capacity (S22, S35).
func (i Item) Needs() (bytes int64) {
	for _, disk := range i.Disks {
		bytes += disk.CapacityBytes
	}
	return bytes
}
