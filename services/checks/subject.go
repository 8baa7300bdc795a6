package checks

import (
	"time"

	"reprotect.example/events"
	"reprotect.example/services/observed"
)

// Subject is what a check judges: what was observed of one machine, looked up once. For a check of the whole case
// everything that belongs to one machine is empty, and Members has them all.
type Subject struct {
	*Shared

	Machine       events.Machine
	Item          Found[observed.Item]
	Fabric        Found[observed.Fabric]        // configuration server, or the appliances' fabric
	MasterTarget  Found[observed.MasterTarget]  // classic
	ProcessServer Found[observed.ProcessServer] // classic
	Appliance     Found[observed.Appliance]     // modernized
	VM            Found[observed.VM]            // the machine on-premises
	Homeward      observed.Homeward             // to that VM, or to a new one
	By            observed.Writer               // what writes the disks: the master target, or the appliance
	Writer        Found[observed.VM]            // its VM
	Host          Found[observed.Host]          // where the writer runs
	Home          Home
	Slots         Slots
}

// Shared is what all subjects of a run have in common. Checks only read it.
type Shared struct {
	Now            time.Time
	Case           events.Case
	Vault          observed.Vault
	Inventory      observed.Inventory
	InventoryError string // why there is no inventory; "" when there is one
	Site           Site
	Lang           string
	Ahead          bool
	Members        []Member

	wanted       map[string]int64  // by datastore ref: what the whole case needs there
	wantedUnread map[string]string // by datastore ref: why that is not known
	used         map[string]bool   // refs of all that the case uses in vCenter
	darkUses     []string          // what it uses, as far as that could not be read
	lookup       *lookup
}

// Member is a machine of the case with its item; the item is zero when the vault has none.
type Member struct {
	Machine events.Machine
	Item    observed.Item
}

// Found is the result of a look-up. It is nil when there is none; then Why says so in a sentence, and Absent
// tells "looked, and it is not there" from "could not look".
type Found[T any] struct {
	It     *T
	Why    string
	Absent bool
	Names  []string // of those that there are instead, as far as they are known
}

func found[T any](it *T) Found[T]        { return Found[T]{It: it} }
func absent[T any](why string) Found[T]  { return Found[T]{Why: why, Absent: true} }
func unclear[T any](why string) Found[T] { return Found[T]{Why: why} }

// Slots counts disks at the master target or appliance of a machine.
type Slots struct {
	observed.Slots
	Case    int    // disks that the machines of this case will add
	Beside  int    // that the other cases of its request will add
	Unclear string // why that cannot be counted
}

// subjects looks everything up: once for the whole case, and for each machine.
func subjects(in Input) (ofCase Subject, ofMachines []Subject) {
	look := newLookup(in)
	shared := &Shared{
		Now: in.Now, Case: in.Case, Vault: in.Vault, Inventory: in.Inventory, InventoryError: look.noInventory, Site: in.Site, Lang: in.Lang, Ahead: in.Ahead,
		wanted: map[string]int64{}, wantedUnread: map[string]string{}, used: map[string]bool{}, lookup: look,
	}
	ofMachines = make([]Subject, len(in.Case.Machines))
	for i, m := range in.Case.Machines {
		s := Subject{Shared: shared, Machine: m}
		s.find(look)
		s.Home = locate(s)
		for _, p := range s.Home.Places {
			shared.wanted[p.Datastore.Ref] += p.Need
			if s.Home.NeedUnread != "" {
				shared.wantedUnread[p.Datastore.Ref] = s.Home.NeedUnread
			}
		}
		for _, ref := range s.uses() {
			shared.used[ref] = true
		}
		if s.VM.It != nil {
			if why := s.VM.It.Unread.Why("network", "resourcePool"); why != "" {
				shared.darkUses = append(shared.darkUses, "the networks and the pool of "+s.VM.It.Place()+" ("+why+")")
			}
		}
		ofMachines[i] = s
		member := Member{Machine: m}
		if s.Item.It != nil {
			member.Item = *s.Item.It
		}
		shared.Members = append(shared.Members, member)
	}
	slots := countSlots(ofMachines, in.Vault)
	for i := range ofMachines {
		ofMachines[i].Slots = slots[ofMachines[i].By.Key()]
		ofMachines[i].Slots.Beside = in.Beside[ofMachines[i].By.Key()]
	}
	return Subject{Shared: shared}, ofMachines
}

func (s *Subject) find(look *lookup) {
	m := s.Machine
	s.Item = look.item(m)
	s.Fabric = look.fabric(s.Item)
	s.MasterTarget = server(s.Fabric, m.MasterTarget, "master target", observed.Fabric.MasterTarget)
	s.ProcessServer = server(s.Fabric, m.ProcessServer, "process server", observed.Fabric.ProcessServer)
	s.Appliance = server(s.Fabric, m.Appliance, "appliance", observed.Fabric.Appliance)
	if f := s.Fabric.It; f != nil {
		s.MasterTarget.Names = names(f.MasterTargets, func(mt observed.MasterTarget) string { return mt.Name })
		s.ProcessServer.Names = names(f.ProcessServers, func(ps observed.ProcessServer) string { return ps.Name })
		s.Appliance.Names = names(f.Appliances, func(a observed.Appliance) string { return a.Name })
	}
	s.VM, s.Homeward = look.machineVM(s.Item)
	fabricID := ""
	if s.Item.It != nil {
		fabricID = s.Item.It.FabricID
	}
	s.By = look.vault.WriterOf(m, fabricID)
	s.Writer = look.vm(s.By.VM, s.By.String())
	if s.By.Name == "" {
		s.Writer = absent[observed.VM]("No " + s.By.Role + " is chosen, and the site has no default.")
	}
	s.Host = look.host(s.Writer)
}

// uses lists what a failback of the machine touches in vCenter, by ref: its VM and the writer's with their hosts and
// datacenters, the networks and the pool of the VM, and the datastores of its disks.
func (s Subject) uses() (refs []string) {
	for _, vm := range []*observed.VM{s.VM.It, s.Writer.It} {
		if vm != nil {
			refs = append(refs, vm.Ref, vm.HostRef, vm.DatacenterRef)
		}
	}
	if s.VM.It != nil {
		refs = append(append(refs, s.VM.It.PoolRef), s.VM.It.Networks...)
	} else if s.Writer.It != nil {
		refs = append(refs, s.Writer.It.PoolRef) // a new VM is made beside the writer (S22)
	}
	for _, p := range s.Home.Places {
		refs = append(refs, p.Datastore.Ref)
	}
	return refs
}

// station is where the writer stands, as the rules about datastores want it.
func (s Subject) station() observed.Station {
	return observed.Station{Writer: s.By, Host: s.Host.It, Why: s.Host.Why}
}

// server finds a server of a fabric by the name that was chosen.
func server[T any](fabric Found[observed.Fabric], name, role string, find func(observed.Fabric, string) (T, bool)) Found[T] {
	if fabric.It == nil {
		return unclear[T](fabric.Why)
	}
	if name == "" {
		return absent[T]("No " + role + " is chosen, and the site has no default.")
	}
	if it, ok := find(*fabric.It, name); ok {
		return found(&it)
	}
	return absent[T]("The " + role + " " + name + " is not registered with " + fabric.It.Name + ".")
}

// Adds counts, by Writer.Key, the disks that the machines of a case bring to their master targets and appliances (S7, M1).
func Adds(c events.Case, vault observed.Vault) map[string]int {
	adds := map[string]int{}
	for _, m := range c.Machines {
		if item, ok := vault.ItemOf(m); ok && !item.ReversedOnce() {
			adds[vault.WriterOf(m, item.FabricID).Key()] += item.DiskCount()
		}
	}
	return adds
}

func names[T any](all []T, name func(T) string) []string {
	var names []string
	for _, it := range all {
		names = append(names, name(it))
	}
	return names
}

// countSlots counts, by master target or appliance, the disks there and those that the case will add.
func countSlots(ofMachines []Subject, vault observed.Vault) map[string]Slots {
	there := vault.Slots()
	slots := map[string]Slots{}
	for _, s := range ofMachines {
		if s.Item.It == nil {
			continue
		}
		n := slots[s.By.Key()]
		n.Slots = there[s.By.Key()]
		disks := len(s.Item.It.Disks)
		if disks == 0 && s.VM.It != nil {
			disks = len(s.VM.It.Disks)
		}
		switch {
		case s.Item.It.ReversedOnce(): // it is there already
		case disks == 0:
			n.Unclear = "Neither Site Recovery nor vCenter names the disks of " + s.Machine.Name + "."
		default:
			n.Case += disks
		}
		slots[s.By.Key()] = n
	}
	return slots
}

// with judges what was looked up; when that is missing the check is unknown for the reason why.
func with[T any](pick func(Subject) Found[T], judge func(Subject, T) Verdict) func(Subject) Verdict {
	return func(s Subject) Verdict {
		it := pick(s)
		if it.It == nil {
			return unknown("%s", it.Why)
		}
		return judge(s, *it.It)
	}
}

// must is with, for a check that fails when what it is about is not there. Its own remedy is for what is there; gone says
// what to do when it is not.
func must[T any](pick func(Subject) Found[T], judge func(Subject, T) Verdict, gone func(Verdict) Verdict) func(Subject) Verdict {
	return func(s Subject) Verdict {
		if it := pick(s); it.It == nil && it.Absent {
			v := gone(fail("%s", it.Why))
			if len(it.Names) > 0 {
				v = v.also(" There are: %s.", list(it.Names))
			}
			return v
		}
		return with(pick, judge)(s)
	}
}
