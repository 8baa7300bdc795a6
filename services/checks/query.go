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
		add(item.VMRef())
		writer := vault.WriterOf(m, item.FabricID).VM
		add(writer)
		if seen[writer] && !slices.Contains(q.Writers, writer) {
			q.Writers = append(q.Writers, writer)
		}
		if ps, ok := fabric.ProcessServer(m.ProcessServer); ok {
			add(ps.VMRef())
		}
	}
	return q
}
