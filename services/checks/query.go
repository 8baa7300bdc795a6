package checks

import (
	"slices"

	"reprotect.example/events"
	"reprotect.example/services/observed"
)

// Query names what must be read in vCenter for a case: its machines, who writes their disks, and the process
// servers, which vCenter knows when they stand on-premises.
func Query(c events.Case, vault observed.Vault) observed.Query {
	var q observed.Query
	seen := map[observed.VMRef]bool{}
	add := func(ref observed.VMRef) {
		if (ref.Name != "" || ref.ID != "") && !seen[ref] {
			seen[ref] = true
			q.VMs = append(q.VMs, ref)
		}
	}
	look := newVaultLookup(vault)
	for _, m := range c.Machines {
		item, fabric := observed.Item{Name: m.Name}, observed.Fabric{}
		i := look.item(m)
		if i.It != nil {
			item = *i.It
		}
		if f := look.fabric(i); f.It != nil {
			fabric = *f.It
		}
		add(machineRef(item))
		writer, _ := Writer(m, fabric)
		add(writer)
		if seen[writer] && !slices.Contains(q.Writers, writer) {
			q.Writers = append(q.Writers, writer)
		}
		if ps, ok := fabric.ProcessServer(m.ProcessServer); ok {
			add(observed.VMRef{Name: ps.Name})
		}
	}
	return q
}

func machineRef(item observed.Item) observed.VMRef {
	return observed.VMRef{Name: item.Name, ID: item.VMID}
}

// Writer names the VM that will write the disks of a machine: the master target, or the VM of the appliance.
func Writer(m events.Machine, fabric observed.Fabric) (ref observed.VMRef, role string) {
	if m.Architecture == string(observed.Modernized) {
		ref := observed.VMRef{Name: m.Appliance}
		if a, ok := fabric.Appliance(m.Appliance); ok {
			ref = observed.VMRef{Name: a.Name, ID: a.BIOSID}
		}
		return ref, "appliance"
	}
	ref = observed.VMRef{Name: m.MasterTarget}
	if mt, ok := fabric.MasterTarget(m.MasterTarget); ok {
		ref.Name = mt.Name // the choice may be an id
	}
	return ref, "master target"
}
