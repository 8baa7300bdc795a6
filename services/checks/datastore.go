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
		Why:       "Site Recovery supports VMFS and vSAN only; NFS is not even offered. vSAN can be offered and still fail in the job.",
		Remedy:    "Choose a VMFS datastore, or move the disks of the on-premises VM to one.",
		Reference: pageReprotect, Judge: eachPlace(judgeType),
	},
	{
		Code: "datastore.read-write", Level: Block, For: both, Refs: []string{"S21", "S36", "M3"},
		Title:     "The master target or the appliance can write to the datastore.",
		Why:       "The disks are written from the host of the master target or appliance: the datastore must be mounted there read-write.",
		Remedy:    "In vCenter, mount the datastore read-write on the host of the master target or appliance.",
		Reference: pagePrepare, Judge: eachPlace(judgeMount),
	},
	{
		Code: "datastore.space", Level: Block, For: both, Refs: []string{"S34"},
		Title:     "The datastore has room for the disks.",
		Why:       "An alternate location needs the full capacity of all disks; at the original location the disks can still grow to their capacity.",
		Remedy:    "Make room on the datastore, or choose another.",
		Reference: pageReprotect, Judge: eachPlace(judgeSpace),
	},
	{
		Code: "location.original-or-alternate", Level: Info, For: both, Refs: []string{"S22", "S35"},
		Title:     "It is known where the machine comes home.",
		Why:       "When the on-premises VM exists its disks are written; when it is gone a new VM is made on the host of the master target or appliance.",
		Remedy:    "Nothing need be done. To use the original VM again, register it in vCenter before the reprotect.",
		Reference: pageKinds, Judge: judgeLocation,
	},
}

// Home is where the disks of a machine come to lie.
type Home struct {
	Unclear   string // why it is not known whether the on-premises VM exists
	Alternate bool   // a new VM will be made (S22, S35)
	Open      bool   // alternate, and the placement step chooses the datastore
	Places    []Place
	Unread    string // why the datastores are not known
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
	if s.Item.It == nil {
		return Home{Unclear: s.Item.Why}
	}
	item := *s.Item.It
	deleted := item.VMDeleted != nil && *item.VMDeleted
	switch {
	case s.VM.It == nil && !s.VM.Absent:
		return Home{Unclear: s.VM.Why}
	case s.VM.It == nil && item.VMDeleted != nil && !deleted && !item.Physical:
		return Home{Unclear: s.VM.Why + " Site Recovery still sees it, so it is most likely hidden from the account."}
	case s.VM.It == nil || deleted:
		return newHome(s, item)
	}
	return oldHome(s, item, *s.VM.It)
}

func oldHome(s Subject, item observed.Item, vm observed.VM) Home {
	if why := unread(vm.Unread, "config.hardware.device"); why != "" {
		return Home{Unread: fmt.Sprintf("The disks of VM %s could not be read: %s.", vm.Name, why)}
	}
	if len(vm.Disks) == 0 {
		return Home{Unread: fmt.Sprintf("vCenter shows no disks of VM %s.", vm.Name)}
	}
	var home Home
	for _, disk := range vm.Disks {
		i := slices.IndexFunc(home.Places, func(p Place) bool { return p.Datastore.Ref == disk.DatastoreRef })
		if i < 0 {
			d, ok := s.lookup.datastore(disk.DatastoreRef)
			d.Ref = disk.DatastoreRef
			i = len(home.Places)
			home.Places = append(home.Places, Place{Name: orRef(d.Name, disk.DatastoreRef), Datastore: d, Missing: !ok})
		}
		home.Places[i].Need += disk.CapacityBytes
	}
	for i, p := range home.Places {
		home.Places[i].Need = max(p.Need-p.Datastore.CommittedBytes[vm.Ref], 0)
		if item.ReversedOnce() {
			home.Places[i].Need = 0 // its disks are being written already
		}
	}
	return home
}

func newHome(s Subject, item observed.Item) Home {
	home := Home{Alternate: true}
	name := s.Machine.Datastore
	if name == "" || strings.EqualFold(name, "auto") {
		home.Open = true
		return home
	}
	p := Place{Name: name}
	if s.lookup.noInventory != "" {
		home.Unread = "vCenter could not be read: " + s.lookup.noInventory + "."
		return home
	}
	d, ok := s.lookup.datastoreNamed(name)
	p.Datastore, p.Missing = d, !ok
	if !item.ReversedOnce() {
		for _, disk := range item.Disks {
			p.Need += disk.CapacityBytes
		}
	}
	home.Places = []Place{p}
	return home
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
	why := unread(p.Datastore.Unread, "summary.type")
	switch {
	case p.Missing:
		return unknown("vCenter shows no datastore %s.", p.Name)
	case why != "":
		return unknown("The type of datastore %s could not be read: %s.", p.Name, why)
	case p.Datastore.Type == "":
		return unknown("vCenter does not tell the type of datastore %s.", p.Name)
	case p.Datastore.Type == "vmfs":
		return pass("Datastore %s is VMFS.", p.Name)
	case p.Datastore.Type == "vsan":
		return warn("Datastore %s is vSAN: it can be offered and still fail in the job.", p.Name).
			remedy("Prefer a VMFS datastore where there is a choice.")
	}
	return fail("Datastore %s of %s is %s.", p.Name, s.Machine.Name, strings.ToUpper(p.Datastore.Type))
}

func judgeMount(s Subject, p Place) Verdict {
	d := p.Datastore
	switch why := unread(d.Unread, "host", "summary.accessible"); {
	case s.Host.It == nil:
		return unknown("%s", s.Host.Why)
	case p.Missing:
		return fail("Datastore %s is not mounted on host %s of the %s, as far as the vCenter account can see.", p.Name, s.Host.It.Name, s.writerName()).
			remedy("Check the name of the datastore, mount it read-write on host %s, or give the account the right to see it.", s.Host.It.Name)
	case why != "":
		return unknown("The mounts of datastore %s could not be read: %s.", p.Name, why)
	case !d.Accessible:
		return fail("vCenter says that datastore %s is not accessible.", p.Name).remedy("Mend the storage paths of datastore %s.", p.Name)
	case d.Maintenance != "" && d.Maintenance != "normal":
		return fail("Datastore %s is in maintenance mode.", p.Name).remedy("In vCenter, take datastore %s out of maintenance mode.", p.Name)
	}
	host := *s.Host.It
	mount, ok := d.Mounts[host.Ref]
	switch {
	case !ok || !mount.Mounted:
		return fail("Datastore %s is not mounted on host %s of the %s.", p.Name, host.Name, s.writerName()).
			remedy("In vCenter, mount datastore %s read-write on host %s.", p.Name, host.Name)
	case !mount.Accessible:
		return fail("Host %s of the %s cannot reach datastore %s.", host.Name, s.writerName(), p.Name).
			remedy("Mend the storage paths of host %s to datastore %s.", host.Name, p.Name)
	case mount.Mode != "readWrite":
		return fail("Datastore %s is mounted %s on host %s of the %s.", p.Name, orNothing(mount.Mode), host.Name, s.writerName()).
			remedy("In vCenter, mount datastore %s read-write on host %s.", p.Name, host.Name)
	}
	return judgeAccessible(s, p, pass("Datastore %s is mounted read-write on host %s of the %s.", p.Name, host.Name, s.writerName()))
}

// judgeAccessible adds, for modernized machines, what the appliance itself says (M3).
func judgeAccessible(s Subject, p Place, mounted Verdict) Verdict {
	if s.Machine.Architecture != string(observed.Modernized) {
		return mounted
	}
	if s.Appliance.It == nil {
		return unknown("%s", s.Appliance.Why)
	}
	a := *s.Appliance.It
	if slices.ContainsFunc(a.Datastores, func(name string) bool { return strings.EqualFold(name, p.Name) }) {
		return mounted
	}
	return fail("Appliance %s does not list datastore %s among those it can reach.", a.Name, p.Name).
		remedy("Give the vCenter account of appliance %s read-write access to datastore %s, then wait for the next discovery.", a.Name, p.Name)
}

func judgeSpace(s Subject, p Place) Verdict {
	why := unread(p.Datastore.Unread, "summary.freeSpace")
	switch {
	case p.Missing:
		return unknown("vCenter shows no datastore %s.", p.Name)
	case why != "":
		return unknown("The free space of datastore %s could not be read: %s.", p.Name, why)
	case s.Home.Alternate && len(s.Item.It.Disks) == 0:
		return unknown("Site Recovery does not name the disks of %s, so it is not known how much room they need.", s.Machine.Name)
	}
	need := fmt.Sprintf("%s needs %s on datastore %s", s.Machine.Name, gb(p.Need), p.Name)
	whole := s.wanted[p.Datastore.Ref]
	if whole > p.Need {
		need += fmt.Sprintf(", with the other machines of the case %s", gb(whole))
	}
	if whole > p.Datastore.FreeBytes {
		return fail("%s, and %s are free.", need, gb(p.Datastore.FreeBytes)).
			remedy("Free %s on datastore %s, or choose another for a machine that is made anew.", gb(whole-p.Datastore.FreeBytes), p.Name)
	}
	return pass("%s, and %s are free.", need, gb(p.Datastore.FreeBytes))
}

func judgeLocation(s Subject) Verdict {
	h := s.Home
	if h.Unclear != "" {
		return unknown("%s", h.Unclear)
	}
	var names []string
	for _, p := range h.Places {
		names = append(names, p.Name)
	}
	if !h.Alternate {
		where := "with its disks on " + list(names) + "."
		if h.Unread != "" {
			where = "but: " + h.Unread
		}
		return pass("%s goes to its original location: VM %s, %s", s.Machine.Name, place(*s.VM.It), where)
	}
	host := "the host of the " + s.writerName()
	if s.Host.It != nil {
		host = "host " + s.Host.It.Name + " of the " + s.writerName()
	}
	where := "a datastore that the placement step chooses"
	if !h.Open {
		where = "datastore " + s.Machine.Datastore
	}
	why := "Site Recovery says that the on-premises VM was deleted."
	if s.VM.It == nil {
		why = s.VM.Why
	}
	return pass("%s goes to an alternate location: a new VM on %s and %s. %s", s.Machine.Name, host, where, why)
}
