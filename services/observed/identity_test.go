package observed

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const (
	biosOfDB     = "420c1d3a-5b6e-7f80-91a2-b3c4d5e6f708"
	swappedOfDB  = "3a1d0c42-6e5b-807f-91a2-b3c4d5e6f708"
	instanceOfDB = "500c1d3a-5b6e-7f80-91a2-b3c4d5e6f708"
	anotherUUID  = "11111111-2222-3333-4444-555555555555"
)

// Which VM is meant: found, none, or several of which none is taken.
func TestVSphereIdentity(t *testing.T) {
	t.Parallel()
	db := VM{Ref: "vm-1", Name: "db01", Path: "/TOKYO/vm/db01", BIOSUUID: biosOfDB, InstanceUUID: instanceOfDB}
	replica := VM{Ref: "vm-0", Name: "db01_replica", Path: "/TOKYO/vm/db01_replica", BIOSUUID: biosOfDB, InstanceUUID: instanceOfDB}
	mt := VM{Ref: "vm-2", Name: "tky-asr-mt (Linux)", Path: "/TOKYO/vm/tky-asr-mt (Linux)", BIOSUUID: "a", InstanceUUID: "b", GuestHost: "mt-linux-01.tokyo.example", GuestIPs: []string{"fe80::1", "10.0.0.5"}}
	server := VMRef{Name: "MT-LINUX-01", Host: "MT-LINUX-01", IP: "10.0.0.5"}
	with := func(vm VM, change func(*VM)) VM { change(&vm); return vm }
	named := func(ref, name, path string) VM {
		return VM{Ref: ref, Name: name, Path: path, BIOSUUID: ref, InstanceUUID: ref}
	}
	on := func(ref, datastore string) VM {
		return with(named(ref, "db01", "/"+ref), func(vm *VM) { vm.Disks = []VMDisk{{File: "[" + datastore + "] db01/db01.vmdk"}} })
	}
	lay := VMRef{Name: "db01", Datastores: "OTHER\nVMFS-01"}
	for _, row := range []struct {
		name string
		vms  []VM
		ref  VMRef
		want string // ref of the VM; "" is none
		why  string
	}{
		{"by instance UUID", []VM{db}, VMRef{Name: "x", ID: strings.ToUpper(instanceOfDB)}, "vm-1", ""},
		{"by BIOS UUID", []VM{db}, VMRef{Name: "x", ID: biosOfDB}, "vm-1", ""},
		{"by object id", []VM{db}, VMRef{Name: "x", ID: "vm-1"}, "vm-1", ""},
		{"1.5 E01 in the byte order of the guest", []VM{db}, VMRef{Name: "x", ID: swappedOfDB}, "vm-1", ""},
		{"1.2 A04 a replica first", []VM{replica, db}, VMRef{Name: "db01", ID: biosOfDB}, "vm-1", ""},
		{"1.2 A04 a replica last", []VM{db, replica}, VMRef{Name: "DB01", ID: instanceOfDB}, "vm-1", ""},
		{"1.2 A04 a replica whose source has another name now", []VM{with(db, func(vm *VM) { vm.Name = "db01-old" }), replica}, VMRef{Name: "db01", ID: biosOfDB}, "", "2 VMs that may be it: /TOKYO/vm/db01, /TOKYO/vm/db01_replica"},
		{"an id decides against a name", []VM{db, named("vm-9", "web01", "/TOKYO/vm/web01")}, VMRef{Name: "web01", ID: biosOfDB}, "vm-1", ""},
		{"the one of the name hides its ids", []VM{replica, with(db, func(vm *VM) { vm.BIOSUUID, vm.InstanceUUID = "", "" })}, VMRef{Name: "db01", ID: biosOfDB}, "", "2 VMs"},
		{"the one of the name has other ids", []VM{named("vm-9", "db01", "/TOKYO/vm/db01")}, VMRef{Name: "db01", ID: anotherUUID}, "", "other UUIDs than " + anotherUUID},
		{"none", []VM{db}, VMRef{Name: "web01", ID: anotherUUID}, "", "shows no VM of it"},
		{"1.3 E07 F01 two of a name in two folders", []VM{named("vm-1", "MT-LINUX-01", "/TOKYO/vm/a/MT-LINUX-01"), named("vm-2", "mt-linux-01", "/TOKYO/vm/b/mt-linux-01")}, server, "", "2 VMs that may be it: /TOKYO/vm/a/MT-LINUX-01, /TOKYO/vm/b/mt-linux-01"},
		{"1.3 two of a name, of which one says who it is", []VM{named("vm-1", "MT-LINUX-01", "/a"), with(mt, func(vm *VM) { vm.Name = "MT-LINUX-01" })}, server, "vm-2", ""},
		{"1.3 two of a name and guest", []VM{with(mt, func(vm *VM) { vm.Ref = "vm-8" }), mt}, server, "", "2 VMs"},
		{"1.3 two of a name and guest, of which one has the address", []VM{with(mt, func(vm *VM) { vm.Ref, vm.GuestIPs = "vm-8", []string{"10.0.0.6"} }), mt}, server, "vm-2", ""},
		{"1.5 A02 by the guest's host name", []VM{db, with(mt, func(vm *VM) { vm.GuestIPs = nil })}, server, "vm-2", ""},
		{"1.5 A02 by the guest's address", []VM{db, with(mt, func(vm *VM) { vm.GuestHost = "" })}, server, "vm-2", ""},
		{"1.5 A02 an address that another guest has now", []VM{with(mt, func(vm *VM) { vm.GuestHost = "fileserver" })}, server, "", "shows no VM"},
		{"1.5 A03 a namesake that is off", []VM{named("vm-1", "MT-LINUX-01", "/TOKYO/vm/old"), mt}, server, "vm-2", ""},
		{"1.5 A03 a namesake with another guest", []VM{with(named("vm-1", "MT-LINUX-01", "/TOKYO/vm/MT-LINUX-01"), func(vm *VM) { vm.GuestHost = "fileserver" })}, server, "", "/TOKYO/vm/MT-LINUX-01 has the name, and its guest calls itself fileserver"},
		{"by name alone", []VM{db, named("vm-1", "MT-LINUX-01", "/x")}, server, "vm-1", ""},
		{"by name alone, while others hide theirs", []VM{{Ref: "vm-7"}, named("vm-1", "MT-LINUX-01", "/x")}, server, "", "the names of 1 other VM(s) cannot be read"},
		{"1.5 E06 a name in decomposed letters", []VM{named("vm-1", "\u30b1\u3099ート", "/x")}, VMRef{Name: "\u30b2ート"}, "vm-1", ""},
		{"two of a name, of which one lies where the disks lay", []VM{on("vm-1", "VMFS-02"), on("vm-2", "vmfs-01")}, lay, "vm-2", ""},
		{"two of a name on that datastore", []VM{on("vm-1", "VMFS-01"), on("vm-2", "VMFS-01")}, lay, "", "2 VMs"},
		{"two of a name, of which one does not show its disks", []VM{named("vm-1", "db01", "/a"), on("vm-2", "VMFS-01")}, lay, "", "2 VMs"},
		{"two of a name, both moved", []VM{on("vm-1", "VMFS-03"), on("vm-2", "VMFS-04")}, lay, "", "2 VMs"},
		{"one of a name, moved", []VM{on("vm-1", "VMFS-03")}, lay, "vm-1", ""},
		{"by path", []VM{named("vm-1", "a", "/TOKYO/vm/MT"), mt}, VMRef{Name: "MT-LINUX-01", Host: "MT-LINUX-01", Path: "/tokyo/vm/mt/"}, "vm-1", ""},
		{"by a path where nothing is", []VM{mt}, VMRef{Name: "MT-LINUX-01", Host: "MT-LINUX-01", Path: "/TOKYO/vm/MT"}, "", "no VM at /TOKYO/vm/MT"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			seen := NewFinder(row.vms).Find(row.ref)
			got := ""
			if seen.VM != nil {
				got = seen.VM.Ref
			}
			if got != row.want || !strings.Contains(seen.Why("it", "asr"), row.why) || (got != "") != (seen.Why("it", "asr") == "") {
				t.Errorf("found %q, want %q: %s", got, row.want, seen.Why("it", "asr"))
			}
			if seen.Absent && (seen.VM != nil || seen.Candidates != nil) {
				t.Errorf("absent and yet there: %+v", seen)
			}
		})
	}
}

// Among its candidates alone, in any order, a reference finds what it finds among all.
func TestVSphereIdentityNeedsItsCandidatesOnly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		vms := rapid.SliceOfN(rapid.Custom(drawVM), 0, 8).Draw(t, "vms")
		for i := range vms {
			vms[i].Ref = string(rune('a' + i))
		}
		ref := VMRef{Name: drawName(t), Host: drawName(t), IP: drawAddress(t), ID: drawUUID(t), Datastores: drawDatastore(t)}
		whole := NewFinder(vms)
		var some []VM
		for _, vm := range whole.Candidates(ref) {
			some = append(some, *vm)
		}
		some = rapid.Permutation(some).Draw(t, "order")
		all, few := whole.Find(ref), NewFinder(some).Find(ref)
		if refOf(all.VM) != refOf(few.VM) || all.Absent != few.Absent || !slices.Equal(sorted(all.Candidates), sorted(few.Candidates)) {
			t.Fatalf("all: %+v\nfew: %+v", all, few)
		}
	})
}

func drawName(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "mt", "MT", "mt.tokyo.example", "db01", "\u30b1\u3099", "\u30b2"}).Draw(t, "name")
}

func drawAddress(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "10.0.0.5", "10.0.0.6", "::ffff:10.0.0.5"}).Draw(t, "address")
}

func drawUUID(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", biosOfDB, swappedOfDB, instanceOfDB, anotherUUID, "a"}).Draw(t, "id")
}

func drawDatastore(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "A", "B"}).Draw(t, "datastore")
}

func drawVM(t *rapid.T) VM {
	var disks []VMDisk
	if name := drawDatastore(t); name != "" {
		disks = []VMDisk{{File: "[" + name + "] x/x.vmdk"}}
	}
	return VM{Disks: disks, Name: drawName(t), BIOSUUID: drawUUID(t), InstanceUUID: drawUUID(t), GuestHost: drawName(t), GuestIPs: []string{drawAddress(t)}}
}

func refOf(vm *VM) string {
	if vm == nil {
		return ""
	}
	return vm.Ref
}

func sorted(vms []*VM) (refs []string) {
	for _, vm := range vms {
		refs = append(refs, vm.Ref)
	}
	slices.Sort(refs)
	return refs
}
