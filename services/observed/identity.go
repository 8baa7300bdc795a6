package observed

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// VMRef names one virtual machine in any of the ways that Site Recovery, or the config of the site, knows it. All
// but one may be empty.
type VMRef struct {
	Name string // as in the inventory
	ID   string // instance UUID, BIOS UUID or managed object id
	Host string // of a server: what its guest calls itself
	IP   string // of a server: an address of its guest
	Path string // inventory path, which the config names: then nothing else counts

	Datastores string // names of those on which its disks lay, one a line
}

// Sighting is the result of a search for one VM: the VM that is meant, or why there is none.
type Sighting struct {
	VM         *VM
	Candidates []*VM // what it might be, when none is taken for it
	// Absent tells "all were looked at, and it is none of them" from "cannot be told".
	Absent bool

	ref    VMRef
	hidden int // VMs that do not show their names
}

// Finder finds virtual machines in constant time: a vCenter may have ten thousand.
type Finder struct {
	vms     []VM
	by      map[string][]int
	unnamed []int // whose name was not read
}

// NewFinder makes a finder of these VMs, of which it reads Ref, Name, Path, the UUIDs and what the guest says.
func NewFinder(vms []VM) *Finder {
	f := &Finder{vms: vms, by: make(map[string][]int, 4*len(vms))}
	for i := range vms {
		for _, key := range keysOf(&vms[i]) {
			if at := f.by[key]; len(at) == 0 || at[len(at)-1] != i {
				f.by[key] = append(at, i)
			}
		}
		if vms[i].Name == "" {
			f.unnamed = append(f.unnamed, i)
		}
	}
	return f
}

// Find is NewFinder(inv.VMs).Find, for whoever looks once.
func (inv Inventory) Find(ref VMRef) Sighting { return NewFinder(inv.VMs).Find(ref) }

func keysOf(vm *VM) []string {
	keys := []string{"ref/" + vm.Ref}
	add := func(kind, value string) {
		if value != "" {
			keys = append(keys, kind+value)
		}
	}
	add("name/", NormalName(vm.Name))
	add("path/", pathKey(vm.Path))
	add("instance/", NormalUUID(vm.InstanceUUID))
	add("bios/", NormalUUID(vm.BIOSUUID))
	add("host/", shortHost(vm.GuestHost))
	for _, ip := range vm.GuestIPs {
		add("ip/", addressKey(ip))
	}
	return keys
}

// Find finds the VM that a reference means. It is the one rule of checks, placement, guard and reports:
//
//  1. by the inventory path that the config names, and by nothing else;
//  2. by instance UUID or managed object id, else by BIOS UUID, in the byte order of the BIOS or in that of the guest.
//     Where several VMs have it, as a replica and its source, the other ways decide among them;
//  3. by the guest's host name or IP address, the name helping;
//  4. by name alone, where one VM has it and nothing that was read speaks against it; where several have it, the one
//     with a disk on a datastore on which the disks lay.
//
// Of several that fit equally well none is taken. What was not read never decides.
func (f *Finder) Find(ref VMRef) Sighting {
	s := Sighting{ref: ref, hidden: len(f.unnamed)}
	if ref.Path != "" {
		return s.take(f.all("path/", pathKey(ref.Path)))
	}
	named := f.all("name/", NormalName(ref.Name))
	if byID := f.byID(ref.ID); len(byID) > 0 {
		best := mostFitting(ref, byID)
		if len(best) == 1 && !SameName(best[0].Name, ref.Name) {
			// One of that name may be the one that is meant, if it does not show its id.
			best = append(best, slices.DeleteFunc(named, (*VM).identified)...)
		}
		return s.take(best)
	}
	witnessed := append(f.all("host/", shortHost(ref.Host)), f.all("ip/", addressKey(ref.IP))...)
	witnessed = slices.DeleteFunc(unique(witnessed), func(vm *VM) bool { return !fits(ref, vm).witnessed() })
	if len(witnessed) > 0 {
		return s.take(mostFitting(ref, witnessed))
	}
	plausible := slices.DeleteFunc(slices.Clone(named), func(vm *VM) bool { w := fits(ref, vm); return w.otherHost || w.otherID })
	switch {
	case len(plausible) == 0:
		s.Candidates = named
		s.Absent = len(named) == 0 && s.hidden == 0
	case len(f.unnamed) > 0:
		s.Candidates = plausible
	default:
		return s.take(onDatastores(ref, plausible))
	}
	return s
}

// onDatastores leaves out of several VMs those of which the disks lie elsewhere, unless all do: they were moved.
func onDatastores(ref VMRef, vms []*VM) []*VM {
	if len(vms) < 2 || ref.Datastores == "" {
		return vms
	}
	names := strings.Split(ref.Datastores, "\n")
	there := slices.DeleteFunc(slices.Clone(vms), func(vm *VM) bool { return vm.liesElsewhere(names) })
	if len(there) == 0 {
		return vms
	}
	return there
}

// liesElsewhere says whether a VM has disks, and none of them on these datastores.
func (vm *VM) liesElsewhere(datastores []string) bool {
	return len(vm.Disks) > 0 && vm.Unread["config.hardware.device"] == "" && !slices.ContainsFunc(vm.Disks, func(d VMDisk) bool {
		name, _, _ := strings.Cut(strings.TrimPrefix(d.File, "["), "]")
		return slices.ContainsFunc(datastores, func(known string) bool { return SameName(known, name) })
	})
}

// Candidates lists every VM that Find looks at for a reference: among these alone it finds the same.
func (f *Finder) Candidates(ref VMRef) []*VM {
	if ref.Path != "" {
		return f.all("path/", pathKey(ref.Path))
	}
	named := f.all("name/", NormalName(ref.Name))
	if byID := f.byID(ref.ID); len(byID) > 0 {
		return unique(append(byID, slices.DeleteFunc(named, (*VM).identified)...))
	}
	all := append(named, f.all("host/", shortHost(ref.Host))...)
	all = append(all, f.all("ip/", addressKey(ref.IP))...)
	for _, i := range f.unnamed {
		all = append(all, &f.vms[i])
	}
	return unique(all)
}

// identified says whether a VM shows all of its ids.
func (vm *VM) identified() bool { return vm.BIOSUUID != "" && vm.InstanceUUID != "" }

func (s Sighting) take(vms []*VM) Sighting {
	switch len(vms) {
	case 1:
		s.VM = vms[0]
	case 0:
		s.Absent = s.hidden == 0
	default:
		s.Candidates = vms
	}
	return s
}

// Confirmed says whether what was found cannot be outdone by a VM of which the guest's host name and address are not
// known yet. One that runs, has the name and calls itself so is enough where its guest tells no address.
func (s Sighting) Confirmed() bool {
	if s.ref.Path != "" || s.ref.Host == "" && s.ref.IP == "" {
		return true
	}
	if s.VM == nil {
		return false
	}
	w := fits(s.ref, s.VM)
	return w.id || w.name && w.host && (w.address || s.ref.IP == "" || len(s.VM.GuestIPs) == 0 && s.VM.Power == "poweredOn")
}

// byID finds by instance UUID, else by BIOS UUID in both byte orders: a BIOS UUID stands in the guest with its first
// three groups reversed, and a replica has that of its source.
func (f *Finder) byID(id string) []*VM {
	uuid := NormalUUID(id)
	if uuid == "" {
		return nil
	}
	if found := unique(append(f.all("instance/", uuid), f.all("ref/", id)...)); len(found) > 0 {
		return found
	}
	return unique(append(f.all("bios/", uuid), f.all("bios/", guestOrder(uuid))...))
}

func (f *Finder) all(kind, value string) []*VM {
	if value == "" {
		return nil // of what is not known
	}
	var vms []*VM
	for _, i := range f.by[kind+value] {
		vms = append(vms, &f.vms[i])
	}
	return vms
}

func unique(vms []*VM) []*VM {
	seen := map[*VM]bool{}
	return slices.DeleteFunc(vms, func(vm *VM) bool {
		was := seen[vm]
		seen[vm] = true
		return was
	})
}

// fitness is how a VM fits a reference.
type fitness struct {
	id, name, host, address bool
	otherHost, otherID      bool // what was read speaks against it
}

func fits(ref VMRef, vm *VM) fitness {
	uuid, bios, instance := NormalUUID(ref.ID), NormalUUID(vm.BIOSUUID), NormalUUID(vm.InstanceUUID)
	w := fitness{
		id:      uuid != "" && (uuid == instance || ref.ID == vm.Ref || uuid == bios || bios != "" && guestOrder(uuid) == bios),
		name:    ref.Name != "" && SameName(vm.Name, ref.Name),
		host:    SameHost(vm.GuestHost, ref.Host),
		address: slices.ContainsFunc(vm.GuestIPs, func(ip string) bool { return SameAddress(ip, ref.IP) }),
	}
	w.otherHost = !w.host && vm.GuestHost != "" && ref.Host != ""
	w.otherID = !w.id && isUUID(uuid) && bios != "" && instance != ""
	return w
}

// witnessed says whether the guest says that it is the one. An address alone does not count against its host name:
// addresses are given out again, and those inside a machine are in many.
func (w fitness) witnessed() bool { return w.host || w.address && (w.name || !w.otherHost) }

// weight orders VMs: the guest's own word counts more than a name that somebody gave.
func (w fitness) weight() int {
	weight := 0
	for _, is := range []struct {
		so     bool
		counts int
	}{{w.host, 4}, {w.address, 4}, {w.name, 2}, {w.otherHost, -1}} {
		if is.so {
			weight += is.counts
		}
	}
	return weight
}

// mostFitting are those of the VMs that fit best.
func mostFitting(ref VMRef, vms []*VM) (best []*VM) {
	for _, vm := range vms {
		switch order := cmp.Compare(fits(ref, vm).weight(), weightOf(ref, best)); {
		case len(best) == 0 || order > 0:
			best = []*VM{vm}
		case order == 0:
			best = append(best, vm)
		}
	}
	return best
}

func weightOf(ref VMRef, best []*VM) int {
	if len(best) == 0 {
		return 0
	}
	return fits(ref, best[0]).weight()
}

// Why says in a sentence why there is no VM of what is looked for; "" when there is one. User is the account that
// looked.
func (s Sighting) Why(what, user string) string {
	switch {
	case s.VM != nil:
		return ""
	case len(s.Candidates) > 1:
		return fmt.Sprintf("vCenter has %d VMs that may be %s: %s.", len(s.Candidates), what, strings.Join(Paths(s.Candidates), ", "))
	case len(s.Candidates) == 1:
		return fmt.Sprintf("vCenter has no VM that is %s for certain: %s.", what, s.doubt(s.Candidates[0]))
	case s.ref.Path != "":
		return fmt.Sprintf("vCenter shows no VM at %s, where the config has %s: it was moved or renamed, or it is hidden from the account %s.", s.ref.Path, what, user)
	case s.hidden > 0:
		return fmt.Sprintf("vCenter shows no VM of %s, and the account %s cannot read the names of %d VM(s).", what, user, s.hidden)
	}
	return fmt.Sprintf("vCenter shows no VM of %s: it was deleted or renamed, or it is hidden from the account %s.", what, user)
}

// doubt says what speaks against the only VM that might be it.
func (s Sighting) doubt(vm *VM) string {
	switch w := fits(s.ref, vm); {
	case w.otherHost:
		return fmt.Sprintf("%s has the name, and its guest calls itself %s", vm.Place(), vm.GuestHost)
	case w.otherID:
		return fmt.Sprintf("%s has the name, and other UUIDs than %s", vm.Place(), s.ref.ID)
	}
	return fmt.Sprintf("%s has the name, and the names of %d other VM(s) cannot be read", vm.Place(), s.hidden)
}

// Place is a VM's inventory path, or its name where there is none.
func (vm VM) Place() string { return cmp.Or(vm.Path, vm.Name, vm.Ref) }

// Paths lists VMs as people find them.
func Paths(vms []*VM) []string {
	paths := make([]string, len(vms))
	for i, vm := range vms {
		paths[i] = vm.Place()
	}
	return paths
}

func pathKey(path string) string { return NormalName(strings.Trim(path, "/")) }

// shortHost is what hosts that may be the same share.
func shortHost(name string) string {
	name = NormalName(name)
	if dot := strings.IndexByte(name, '.'); dot > 0 {
		return name[:dot]
	}
	return name
}

func addressKey(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	return a.WithZone("").Unmap().String()
}

// SameAddress compares IP addresses, however they are written. What is none is the same as nothing.
func SameAddress(a, b string) bool { return addressKey(a) != "" && addressKey(a) == addressKey(b) }

// NormalUUID spells a UUID in lower case without dashes, spaces and braces, so that the forms of vCenter, VMX files
// and Site Recovery compare.
func NormalUUID(s string) string { return uuidForm.Replace(strings.ToLower(s)) }

var uuidForm = strings.NewReplacer("-", "", " ", "", "{", "", "}", "")

// isUUID takes the normal form.
func isUUID(normal string) bool {
	_, err := hex.DecodeString(normal)
	return err == nil && len(normal) == 32
}

// guestOrder turns a BIOS UUID in its normal form into what the guest sees, or back: from hardware version 13 on the
// bytes of its first three groups stand in the reverse order. It is "" for what is no UUID.
func guestOrder(normal string) string {
	b, err := hex.DecodeString(normal)
	if err != nil || len(b) != 16 {
		return ""
	}
	slices.Reverse(b[:4])
	slices.Reverse(b[4:6])
	slices.Reverse(b[6:8])
	return hex.EncodeToString(b)
}
