package observed

import (
	"cmp"
	"strings"

	"reprotect.example/events"
)

// Roles of what writes the disks of a machine on-premises, as operators call them.
const (
	RoleMasterTarget = "master target" // classic (S7)
	RoleAppliance    = "appliance"     // modernized (M1)
)

// MostDisks is how many disks a master target or an appliance takes (S7, M1).
const MostDisks = 60

// Writer is what writes the disks of a machine on-premises: a master target, or an appliance.
type Writer struct {
	Role string
	ID   string // as Site Recovery knows it; "" when the vault does not show it
	Name string // Site Recovery's, else what the choice says
	VM   VMRef  // how its VM is found in vCenter

	// Datastores are those that Site Recovery found there, by name. Lists says whether that is all of them: a master
	// target without any does not say.
	Datastores []FabricDatastore
	Lists      bool
}

// String is how an operator calls it.
func (w Writer) String() string { return strings.TrimSuffix(w.Role+" "+w.Name, " ") }

// Key tells writers apart: by id where the vault shows them, else by the name that was chosen.
func (w Writer) Key() string {
	if w.ID != "" {
		return strings.ToLower(w.ID)
	}
	return strings.ToLower(w.Name)
}

// WriterOf is what writes the disks of a machine, by the choice of its case. It is looked for in the fabric of the
// machine's item first, then in the others: the item may be about to be replaced, so that its fabric is not known.
func (v Vault) WriterOf(m events.Machine, fabricID string) Writer {
	if m.Architecture == string(Modernized) {
		return v.Writer(RoleAppliance, m.Appliance, fabricID)
	}
	return v.Writer(RoleMasterTarget, m.MasterTarget, fabricID)
}

// Writer finds the writer of that role by its name or id, in that fabric first.
func (v Vault) Writer(role, name, fabricID string) Writer {
	if home, ok := v.Fabric(fabricID); ok {
		if w, ok := home.Writer(role, name); ok {
			return w
		}
	}
	for _, f := range v.Fabrics {
		if w, ok := f.Writer(role, name); ok {
			return w
		}
	}
	return Writer{Role: role, Name: name, VM: VMRef{Name: name}}
}

// Writer returns the fabric's writer of that role, by name or id.
func (f Fabric) Writer(role, name string) (Writer, bool) {
	if role == RoleAppliance {
		a, ok := f.Appliance(name)
		return a.writer(), ok
	}
	mt, ok := f.MasterTarget(name)
	return mt.writer(), ok
}

// Writers lists the fabric's writers of that role, in its order.
func (f Fabric) Writers(role string) (all []Writer) {
	if role == RoleAppliance {
		for _, a := range f.Appliances {
			all = append(all, a.writer())
		}
		return all
	}
	for _, mt := range f.MasterTargets {
		all = append(all, mt.writer())
	}
	return all
}

func (a Appliance) writer() Writer {
	w := Writer{Role: RoleAppliance, ID: a.ID, Name: a.Name, VM: VMRef{Name: a.Name, ID: a.BIOSID, Host: cmp.Or(a.FQDN, a.Name), Path: a.VMPath}, Lists: true}
	for _, d := range a.Datastores {
		w.Datastores = append(w.Datastores, FabricDatastore{Name: d})
	}
	return w
}

func (m MasterTarget) writer() Writer {
	return Writer{
		Role: RoleMasterTarget, ID: m.ID, Name: m.Name, VM: VMRef{Name: m.Name, Host: m.Name, IP: m.IPAddress, Path: m.VMPath},
		Datastores: m.Datastores, Lists: len(m.Datastores) > 0,
	}
}

// Slots are the disks that a writer has.
type Slots struct {
	Shown   int // of this vault's machines, which replicate back through it
	Counted int // as Site Recovery counts: those of other vaults too, and of some that are on their way there
}

// Used is how many of its disks a writer has at least.
func (s Slots) Used() int { return max(s.Shown, s.Counted) }

// Foreign is how many of them are of machines that this vault does not show, at most: machines of this vault that
// are on their way there may be among them.
func (s Slots) Foreign() int { return max(s.Counted-s.Shown, 0) }

// Slots counts the disks of each writer, by Writer.Key. A machine that has come home has left its writer.
func (v Vault) Slots() map[string]Slots {
	slots := map[string]Slots{}
	for _, i := range v.Items {
		if id := strings.ToLower(i.MasterTargetID + i.ApplianceID); id != "" && i.ReversedOnce() && !i.Home() {
			slots[id] = Slots{Shown: slots[id].Shown + i.DiskCount()}
		}
	}
	for _, f := range v.Fabrics {
		for _, a := range f.Appliances {
			key := a.writer().Key()
			slots[key] = Slots{slots[key].Shown, a.ProtectedItems} // a machine has a disk at least
		}
		for _, mt := range f.MasterTargets {
			key := mt.writer().Key()
			slots[key] = Slots{slots[key].Shown, mt.DiskCount}
		}
	}
	return slots
}
