package checks

import (
	"fmt"
	"slices"
	"strings"

	"reprotect.example/services/observed"
)

var datastoreChecks = []Check{
	{
		Code: "datastore.type", Level: Block, For: both, Refs: []string{"S20"},
		Title:     "The datastore is VMFS or vSAN.",
		Fault:     "The datastore is not VMFS.",
		Why:       "Site Recovery supports VMFS and vSAN only; NFS is not even offered. vSAN can be offered and still fail in the job.",
		Remedy:    "Choose a VMFS datastore, or move the disks of the on-premises VM to one.",
		Reference: pageReprotect, Judge: eachPlace(judgeType),
	},
	{
		Code: "datastore.read-write", Level: Block, For: both, Refs: []string{"S21", "S36", "M3"},
		Title:     "The master target or the appliance can write to the datastore.",
		Fault:     "The master target or the appliance cannot write to the datastore.",
		Why:       "The disks are written from the host of the master target or appliance: the datastore must be mounted there read-write.",
		Remedy:    "In vCenter, mount the datastore read-write on the host of the master target or appliance.",
		Reference: pagePrepare, Judge: eachPlace(judgeMount),
	},
	{
		Code: "datastore.space", Level: Block, For: both, Refs: []string{"S34"},
		Title:     "The datastore has room for the disks.",
		Fault:     "The datastore has too little room for the disks.",
		Why:       "An alternate location needs the full capacity of all disks; at the original location the disks can still grow to their capacity.",
		Remedy:    "Make room on the datastore, or choose another.",
		Reference: pageReprotect, Judge: eachPlace(judgeSpace),
	},
	{
		Code: "location.original-or-alternate", Level: Info, For: both, Refs: []string{"S22", "S35"},
		Title:     "It is known where the machine comes home.",
		Fault:     "The machine cannot come home to where it would go.",
		Unread:    "It is not known where the machine comes home.",
		Why:       "When the on-premises VM exists its disks are written; when it is gone a new VM is made on the host of the master target or appliance.",
		Remedy:    "Nothing need be done. To use the original VM again, register it in vCenter before the reprotect.",
		Reference: pageKinds, Judge: judgeLocation,
	},
}

// Home is where the disks of a machine come to lie.
type Home struct {
	observed.Homeward
	Open   bool // alternate, and the placement step chooses the datastore
	Places []Place
	Unread string // why the datastores are not known

	NeedUnread string // why it is not known how much room the disks need
}

// Place is a datastore with what one machine needs there.
type Place struct {
	Name      string
	Datastore observed.Datastore
	Missing   bool // vCenter shows no datastore of that name
	Need      int64
}

// locate follows the disks, not what the request names: at the original location that has no effect (S34).
func locate(s Subject) Home {
	switch {
	case s.Homeward.Unclear != "":
		return Home{Homeward: s.Homeward}
	case s.Homeward.Alternate():
		return newHome(s, *s.Item.It)
	}
	return oldHome(s, *s.Item.It, *s.Homeward.VM)
}

func oldHome(s Subject, item observed.Item, vm observed.VM) Home {
	home := Home{Homeward: s.Homeward}
	if why := vm.Unread.Why("config.hardware.device"); why != "" {
		home.Unread = fmt.Sprintf("The disks of VM %s could not be read: %s.", vm.Name, why)
		return home
	}
	need, why := vm.Needs(s.Inventory)
	if home.NeedUnread = sentence(why); len(vm.Disks) == 0 || slices.ContainsFunc(vm.Disks, func(d observed.VMDisk) bool { return d.DatastoreRef == "" }) {
		home.Unread = home.NeedUnread
		return home
	}
	for _, disk := range vm.Disks {
		if slices.ContainsFunc(home.Places, func(p Place) bool { return p.Datastore.Ref == disk.DatastoreRef }) {
			continue
		}
		d, ok := s.lookup.datastore(disk.DatastoreRef)
		d.Ref = disk.DatastoreRef
		p := Place{Name: orRef(s.Inventory.DatastoreLabel(d), disk.DatastoreRef), Datastore: d, Missing: !ok, Need: need[d.Ref]}
		if item.ReversedOnce() { // its disks are being written already
			p.Need, home.NeedUnread = 0, ""
		}
		home.Places = append(home.Places, p)
	}
	return home
}

func newHome(s Subject, item observed.Item) Home {
	home := Home{Homeward: s.Homeward}
	name := s.Machine.Datastore
	if name == "" || strings.EqualFold(name, "auto") {
		home.Open = true
		return home
	}
	if s.lookup.noInventory != "" {
		home.Unread = "vCenter could not be read: " + s.lookup.noInventory + "."
		return home
	}
	p := Place{Name: name}
	switch named := s.Inventory.DatastoresNamed(name); len(named) {
	case 0:
		p.Missing = true
	default:
		p.Datastore = named[0]
		if mounted := slices.IndexFunc(named, func(d observed.Datastore) bool { return d.RefuseMount(s.station()) == nil }); mounted >= 0 {
			p.Datastore = named[mounted]
		}
		p.Name = s.Inventory.DatastoreLabel(p.Datastore)
	}
	if !item.ReversedOnce() {
		need, known := item.Needs()
		if p.Need = need; !known {
			home.NeedUnread = fmt.Sprintf("Site Recovery does not name the disks of %s, so it is not known how much room they need.", s.Machine.Name)
		}
	}
	home.Places = []Place{p}
	return home
}

// sentence ends a sentence that the rules give without its end.
func sentence(why string) string {
	if why == "" {
		return ""
	}
	return why + "."
}

// eachPlace judges every datastore that the machine's disks lie on or will lie on; the worst verdict stands.
func eachPlace(judge func(Subject, Place) Verdict) func(Subject) Verdict {
	return func(s Subject) Verdict {
		switch h := s.Home; {
		case h.Unclear != "":
			return unknown("%s", h.Unclear)
		case h.Open:
			return skipped("%s goes to an alternate location, and the placement step chooses its datastore.", s.Machine.Name)
		case h.Unread != "":
			return unknown("%s", h.Unread)
		}
		var verdicts []Verdict
		for _, p := range s.Home.Places {
			verdicts = append(verdicts, judge(s, p))
		}
		return worst(verdicts)
	}
}

func judgeType(s Subject, p Place) Verdict {
	if p.Missing {
		return unknown("vCenter shows no datastore %s.", p.Name)
	}
	if r := p.Datastore.RefuseType(); r != nil {
		return refused(*r, p.Name)
	}
	return pass("Datastore %s is VMFS.", p.Name)
}

func judgeMount(s Subject, p Place) Verdict {
	switch {
	case s.Host.It == nil:
		return unknown("%s", s.Host.Why)
	case p.Missing:
		return fail("Datastore %s is not mounted on %s, the host of the %s, as far as the vCenter account can see.", p.Name, s.Host.It.Name, s.By).
			remedy("Check the name of the datastore, mount it read-write on host %s, or give the account the right to see it.", s.Host.It.Name)
	}
	if r := p.Datastore.RefuseMount(s.station()); r != nil {
		return refused(*r, p.Name)
	}
	mounted := pass("Datastore %s is mounted read-write on %s, the host of the %s.", p.Name, s.Host.It.Name, s.By)
	if s.Machine.Architecture != string(observed.Modernized) {
		return mounted
	}
	if s.Appliance.It == nil {
		return unknown("%s", s.Appliance.Why)
	}
	if r := p.Datastore.RefuseUndiscovered(s.By); r != nil { // what the appliance itself says (M3)
		return refused(*r, p.Name)
	}
	return mounted
}

func judgeSpace(s Subject, p Place) Verdict {
	switch {
	case p.Missing:
		return unknown("vCenter shows no datastore %s.", p.Name)
	case s.Home.NeedUnread != "":
		return unknown("%s", s.Home.NeedUnread)
	case s.wantedUnread[p.Datastore.Ref] != "":
		return unknown("How much room all machines of the case need on datastore %s is not known: %s", p.Name, s.wantedUnread[p.Datastore.Ref])
	}
	need := fmt.Sprintf("%s needs %s on datastore %s", s.Machine.Name, gb(p.Need), p.Name)
	whole := s.wanted[p.Datastore.Ref]
	if whole > p.Need {
		need += fmt.Sprintf(", with the other machines of the case %s", gb(whole))
	}
	if r := p.Datastore.RefuseFull(whole, 0); r != nil {
		v := refused(*r, p.Name)
		if !r.Unknown {
			v.Evidence = fmt.Sprintf("%s. %s", need, v.Evidence)
		}
		return v
	}
	return pass("%s, and %s are free.", need, gb(p.Datastore.FreeBytes))
}

func judgeLocation(s Subject) Verdict {
	h := s.Home
	if h.Unclear != "" {
		return unknown("%s", h.Unclear).
			remedy("Give the vCenter account the right to see the VM of %s. If it was deleted, attest it in the request: location.original-or-alternate=<when, and by whom>.", s.Machine.Name)
	}
	if vm := h.VM; vm != nil && vm.Unread.Why("config.template") != "" {
		return unknown("Whether VM %s is a template could not be read: %s.", vm.Place(), vm.Unread.Why("config.template"))
	}
	if vm := h.VM; vm != nil && vm.Template {
		v := fail("VM %s, to which %s would go home, is a template.", vm.Place(), s.Machine.Name).
			remedy("In vCenter, convert the template to a VM, or see which VM was meant.")
		v.Level = Block
		return v
	}
	var names []string
	for _, p := range h.Places {
		names = append(names, p.Name)
	}
	if !h.Alternate() {
		where := "with its disks on " + list(names) + "."
		if h.Unread != "" {
			where = "but: " + h.Unread
		}
		return pass("%s goes to its original location: VM %s, %s", s.Machine.Name, s.VM.It.Place(), where)
	}
	host := "the host of the " + s.By.String()
	if s.Host.It != nil {
		host = "host " + s.Host.It.Name + " of the " + s.By.String()
	}
	if why, unclear := s.station().NoNewVM(); unclear {
		return unknown("%s goes to an alternate location, and %s.", s.Machine.Name, why)
	} else if why != "" {
		v := fail("%s goes to an alternate location, and no VM can be made there: %s.", s.Machine.Name, why).
			remedy("In vCenter, end the maintenance of host %s, or choose what writes the disks on another host.", s.Host.It.Name)
		v.Level = Block
		return v
	}
	where := "a datastore that the placement step chooses"
	if !h.Open {
		where = "datastore " + s.Machine.Datastore
	}
	return pass("%s goes to an alternate location: a new VM on %s and %s. %s", s.Machine.Name, host, where, h.Why)
}
