package datastore

import (
	"fmt"
	"slices"
	"strings"

	"reprotect.example/events"
	"reprotect.example/services/observed"
)

// Explain places one machine as the service would if it were alone, and says of every datastore why it can or
// cannot be had. The inventory must hold every datastore that the account sees: what Site Recovery or the machine
// names beyond them is refused as not visible.
func Explain(m events.Machine, item observed.Item, fabric observed.Fabric, inv observed.Inventory) events.Placement {
	p := choose(m, item, fabric, inv, map[string]int64{})
	p.Considered = append(p.Considered, hidden(m, item, fabric, inv)...)
	slices.SortStableFunc(p.Considered, byName)
	return p
}

// hidden lists the datastores that exist for somebody else: Site Recovery found them on what writes the disks, or
// disks of the machine lie on them (S4, S43).
func hidden(m events.Machine, item observed.Item, fabric observed.Fabric, inv observed.Inventory) []events.DatastoreVerdict {
	var verdicts []events.DatastoreVerdict
	add := func(name, kind, who string) {
		known := func(v events.DatastoreVerdict) bool { return strings.EqualFold(v.Name, name) }
		if _, visible := inv.Datastore(name); visible || name == "" || slices.ContainsFunc(verdicts, known) {
			return
		}
		verdicts = append(verdicts, events.DatastoreVerdict{
			Name: name, Type: strings.ToLower(kind), Code: "datastore.hidden",
			Reason: fmt.Sprintf("vCenter does not show it to account %s, and %s", inv.User, who),
			Remedy: "Give the account the right to see it. If it is gone, refresh the configuration server or wait for the next discovery of the appliance.",
		})
	}
	if vm, ok := machineVM(m, item, inv); ok {
		for _, disk := range vm.Disks {
			if _, visible := inv.Datastore(disk.DatastoreRef); !visible {
				add(onDatastore(disk.File), "", "a disk of "+m.Name+" lies on it")
			}
		}
	}
	if m.Architecture == string(observed.Modernized) {
		a, _ := fabric.Appliance(m.Appliance)
		for _, name := range a.Datastores {
			add(name, "", "Site Recovery lists it on appliance "+a.Name)
		}
		return verdicts
	}
	mt, _ := fabric.MasterTarget(m.MasterTarget)
	for _, d := range mt.Datastores {
		add(d.Name, d.Type, "Site Recovery lists it on master target "+mt.Name)
	}
	return verdicts
}

// onDatastore is the datastore of a path as vSphere writes it: [datastore] folder/name.vmdk.
func onDatastore(file string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(file, "["), "]")
	return name
}

// machineVM is the machine's VM on-premises, when there is exactly one.
func machineVM(m events.Machine, item observed.Item, inv observed.Inventory) (observed.VM, bool) {
	vms := inv.VM(observed.VMRef{Name: m.Name, ID: item.VMID})
	if len(vms) != 1 || item.Physical || item.VMDeleted != nil && *item.VMDeleted {
		return observed.VM{}, false
	}
	return vms[0], true
}

func byName(a, b events.DatastoreVerdict) int { return strings.Compare(a.Name, b.Name) }
