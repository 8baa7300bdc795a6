package checks

import (
	"slices"

	"reprotect.example/events"
	"reprotect.example/services/facts"
)

// Query names what must be read in vCenter for a case: its machines, who writes their disks, and the process
// servers, which vCenter knows when they stand on-premises.
func Query(c events.Case, vault facts.Vault) facts.Query {
	var q facts.Query
	seen := map[facts.VMRef]bool{}
	add := func(ref facts.VMRef) {
		if (ref.Name != "" || ref.ID != "") && !seen[ref] {
			seen[ref] = true
			q.VMs = append(q.VMs, ref)
		}
	}
	look := newVaultLookup(vault)
	for _, m := range c.Machines {
		item, fabric := facts.Item{Name: m.Name}, facts.Fabric{}
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
			add(facts.VMRef{Name: ps.Name})
		}
	}
	return q
}

func machineRef(item facts.Item) facts.VMRef { return facts.VMRef{Name: item.Name, ID: item.VMID} }

// Writer names the VM that will write the disks of a machine: the master target, or the VM of the appliance.
func Writer(m events.Machine, fabric facts.Fabric) (ref facts.VMRef, role string) {
	if m.Architecture == string(facts.Modernized) {
		ref := facts.VMRef{Name: m.Appliance}
		if a, ok := fabric.Appliance(m.Appliance); ok {
			ref = facts.VMRef{Name: a.Name, ID: a.BIOSID}
		}
		return ref, "appliance"
	}
	ref = facts.VMRef{Name: m.MasterTarget}
	if mt, ok := fabric.MasterTarget(m.MasterTarget); ok {
		ref.Name = mt.Name // the choice may be an id
	}
	return ref, "master target"
}
