package datastore

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"reprotect.example/events"
	"reprotect.example/services/checks"
	"reprotect.example/services/observed"
)

// Auto leaves the choice to the product.
const Auto = "auto"

// Verdicts says of every datastore whether it can take the machine, and why not (S20, S21, S36, M3). Writer is
// the VM that writes the disks: the master target, or the appliance's VM; missing, the mounts are unknown and
// every datastore is refused with that reason.
func Verdicts(m events.Machine, fabric observed.Fabric, inv observed.Inventory) []events.DatastoreVerdict {
	host, why := writersHost(m, fabric, inv)
	var verdicts []events.DatastoreVerdict
	for _, d := range inv.Datastores {
		v := events.DatastoreVerdict{Name: d.Name, Type: d.Type, FreeBytes: d.FreeBytes}
		v.Code, v.Reason, v.Remedy = judge(m, d, host, why, fabric)
		if v.Code == codeVSAN {
			v.Accepted, v.Warning, v.Reason = true, v.Reason, ""
		}
		v.Accepted = v.Accepted || v.Code == ""
		verdicts = append(verdicts, v)
	}
	slices.SortStableFunc(verdicts, byName)
	return verdicts
}

// Codes of the catalogue that services decide by, or give in more than one place.
const (
	codeVSAN         = "datastore.vsan" // accepted with a warning
	codeUndiscovered = "datastore.undiscovered"
)

func judge(m events.Machine, d observed.Datastore, host observed.Host, noHost string, fabric observed.Fabric) (code, reason, remedy string) {
	mount, mounted := d.Mounts[host.Ref]
	switch {
	case d.Type == "":
		return "datastore.unread", "its type could not be read" + because(d.Unread), "Give the vCenter account the right to read it."
	case d.Type != "vmfs" && d.Type != "vsan":
		return "datastore.unsupported", fmt.Sprintf("type %s is not supported: only VMFS and vSAN (S20)", strings.ToUpper(d.Type)), "Choose a VMFS datastore."
	case noHost != "":
		return "datastore.no-writer", noHost, "Check the name of the master target or appliance, and that the vCenter account can see its VM."
	case !d.Accessible:
		return "datastore.inaccessible", "vCenter says it is not accessible", "Bring the datastore back, or choose another."
	case d.Maintenance != "" && d.Maintenance != "normal":
		return "datastore.maintenance", "it is in maintenance mode (" + d.Maintenance + ")", "End the maintenance, or choose another datastore."
	case !mounted || !mount.Mounted:
		return "datastore.unmounted", fmt.Sprintf("it is not mounted on %s, the host of the master target or appliance (S21)", host.Name), "Mount it read-write on " + host.Name + "."
	case !mount.Accessible:
		return "datastore.unreachable", fmt.Sprintf("host %s cannot reach it", host.Name), "Check the storage paths of " + host.Name + "."
	case mount.Mode != "readWrite":
		return "datastore.read-only", fmt.Sprintf("it is mounted read-only on %s (S21)", host.Name), "Mount it read-write on " + host.Name + "."
	}
	if reason, remedy = undiscovered(m, d, fabric); reason != "" {
		return codeUndiscovered, reason, remedy
	}
	if d.Type == "vsan" {
		return codeVSAN, "vSAN can be offered and still fail in the job; prefer VMFS (S20)", ""
	}
	return "", "", ""
}

// undiscovered says why Site Recovery cannot use a datastore that vCenter shows: it has not found it yet.
func undiscovered(m events.Machine, d observed.Datastore, fabric observed.Fabric) (reason, remedy string) {
	if m.Architecture == string(observed.Modernized) {
		a, ok := fabric.Appliance(m.Appliance)
		if ok && !slices.ContainsFunc(a.Datastores, func(name string) bool { return strings.EqualFold(name, d.Name) }) {
			return fmt.Sprintf("appliance %s does not list it as accessible (M3)", a.Name),
				"Give the appliance's vCenter account read-write on it, then wait for its next discovery."
		}
		return "", ""
	}
	mt, ok := fabric.MasterTarget(m.MasterTarget)
	if ok && len(mt.Datastores) > 0 && !slices.ContainsFunc(mt.Datastores, func(f observed.FabricDatastore) bool { return strings.EqualFold(f.Name, d.Name) }) {
		return fmt.Sprintf("Site Recovery has not discovered it on master target %s yet", mt.Name),
			"Refresh the configuration server and wait up to 15 minutes."
	}
	return "", ""
}

// writersHost finds the ESXi host of the machine that will write the disks.
func writersHost(m events.Machine, fabric observed.Fabric, inv observed.Inventory) (observed.Host, string) {
	ref, what := checks.Writer(m, fabric)
	vms := inv.VM(ref)
	if len(vms) == 0 {
		return observed.Host{}, fmt.Sprintf("%s %s was not found in vCenter, so its mounts are unknown", what, ref.Name)
	}
	host, ok := inv.Host(vms[0].HostRef)
	if !ok {
		return observed.Host{}, fmt.Sprintf("the host of %s %s could not be read in vCenter, so its mounts are unknown", what, ref.Name)
	}
	return host, ""
}

// choose places one machine. Room that earlier machines of the case take is in taken, by datastore ref; what
// this one takes is added.
func choose(m events.Machine, item observed.Item, fabric observed.Fabric, inv observed.Inventory, taken map[string]int64) events.Placement {
	p := events.Placement{Machine: m.Name, Considered: Verdicts(m, fabric, inv)}
	need := map[string]int64{}
	if vm, ok := machineVM(m, item, inv); ok {
		p.Location = "original"
		for _, disk := range vm.Disks {
			need[disk.DatastoreRef] += disk.CapacityBytes
		}
		for ref := range need { // only what is not written yet still needs room
			if d, ok := inv.Datastore(ref); ok {
				need[ref] = max(need[ref]-d.CommittedBytes[vm.Ref], 0)
			}
		}
	} else {
		p.Location = "alternate"
	}

	if p.Location == "original" && len(need) > 0 {
		return original(p, m, inv, need, taken)
	}
	return alternate(p, m, item, inv, taken)
}

// original: the disks exist, and the data goes where they lie. All of their datastores must be good; one that
// the request names is passed on and has no effect (S34).
func original(p events.Placement, m events.Machine, inv observed.Inventory, need, taken map[string]int64) events.Placement {
	home, most, visible := "", int64(-1), 0
	for i := range p.Considered {
		v := &p.Considered[i]
		d, _ := inv.Datastore(v.Name)
		n, lies := need[d.Ref]
		if !lies {
			continue
		}
		visible++
		refuseFull(v, n, d.FreeBytes-taken[d.Ref])
		if !v.Accepted && p.Why == "" {
			p.Why = fmt.Sprintf("the disks of %s lie on %s, and that cannot be used: %s", m.Name, v.Name, v.Reason)
		}
		if n > most {
			home, most = v.Name, n
		}
	}
	if visible < len(need) && p.Why == "" {
		p.Why = fmt.Sprintf("the disks of %s lie on a datastore that this vCenter account cannot see", m.Name)
	}
	if p.Why != "" {
		return p
	}
	p.Datastore, p.Why = home, "the disks of the on-premises machine lie there"
	if named := m.Datastore; named != "" && named != Auto && !strings.EqualFold(named, home) {
		if reason := refusal(p.Considered, named); reason != "" {
			p.Datastore, p.Why = "", reason
			return p
		}
		p.Datastore = named
		p.Why = fmt.Sprintf("the request names it; it has no effect, because the disks exist on %s (S34)", home)
	}
	for ref, n := range need {
		taken[ref] += n
	}
	return p
}

// alternate: the machine is gone and its disks are made anew, in full (S22, S35).
func alternate(p events.Placement, m events.Machine, item observed.Item, inv observed.Inventory, taken map[string]int64) events.Placement {
	var need int64
	for _, disk := range item.Disks {
		need += disk.CapacityBytes
	}
	best, most := "", int64(-1)
	for i := range p.Considered {
		v := &p.Considered[i]
		d, _ := inv.Datastore(v.Name)
		free := d.FreeBytes - taken[d.Ref]
		refuseFull(v, need, free)
		if v.Accepted && better(v.Type, free, best, most, p.Considered) {
			best, most = v.Name, free
		}
	}
	p.Datastore, p.Why = best, "it has the most room of those that can be used"
	if named := m.Datastore; named != "" && named != Auto {
		if reason := refusal(p.Considered, named); reason != "" {
			p.Datastore, p.Why = "", reason
			return p
		}
		p.Datastore, p.Why = named, "the request names it"
	}
	if p.Datastore == "" {
		p.Why = fmt.Sprintf("none of the %d datastores can take %s", len(p.Considered), m.Name)
		return p
	}
	if d, ok := inv.Datastore(p.Datastore); ok {
		taken[d.Ref] += need
	}
	return p
}

// better prefers VMFS to vSAN (S20), then the one with more room.
func better(kind string, free int64, best string, most int64, all []events.DatastoreVerdict) bool {
	i := slices.IndexFunc(all, func(v events.DatastoreVerdict) bool { return v.Name == best })
	if i < 0 || all[i].Type == kind {
		return free > most
	}
	return kind == "vmfs"
}

// refusal says why a named datastore cannot be used; "" when it can.
func refusal(all []events.DatastoreVerdict, name string) string {
	i := slices.IndexFunc(all, func(v events.DatastoreVerdict) bool { return strings.EqualFold(v.Name, name) })
	switch {
	case i < 0:
		return fmt.Sprintf("datastore %s, which the request names, is not visible to this vCenter account", name)
	case !all[i].Accepted:
		return fmt.Sprintf("datastore %s, which the request names, cannot be used: %s", name, all[i].Reason)
	}
	return ""
}

// refuseFull refuses a datastore without the room that is needed.
func refuseFull(v *events.DatastoreVerdict, need, free int64) {
	if !v.Accepted || need <= free {
		return
	}
	free = max(free, 0)
	v.Accepted, v.Code, v.Warning = false, "datastore.full", ""
	v.Reason = fmt.Sprintf("too little room: %.0f GB are needed, %.0f GB are free (S34)", gb(need), gb(free))
	v.Remedy = fmt.Sprintf("Free %.0f GB on it, or choose another for a machine that is made anew.", math.Ceil(gb(need-free)))
}

func gb(bytes int64) float64 { return float64(bytes) / (1 << 30) }

func because(unread map[string]string) string {
	for _, path := range []string{"summary.type", "summary"} {
		if reason := unread[path]; reason != "" {
			return " (" + reason + ")"
		}
	}
	return ""
}
