package observed

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

// A second opinion: inventories with names of any letters, duplicates, folders and several datacenters are read by the
// Finder and by a plain slow search that is written from the rule itself. Both must find the same.
func TestVSphereSecondOpinion(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.OneOf(rapid.StringN(1, 6, -1), rapid.SampledFrom([]string{"mt", "MT", "a/b", "a%2fb", "\u30b1\u3099", "\u30b2", "Straße"})), 1, 4).Draw(t, "names")
		pick := func(label string) string { return rapid.SampledFrom(append([]string{""}, names...)).Draw(t, label) }
		var vms []VM
		for i := range rapid.IntRange(0, 7).Draw(t, "count") {
			var disks []VMDisk
			if name := drawDatastore(t); name != "" {
				disks = []VMDisk{{File: "[" + name + "] x.vmdk"}}
			}
			vms = append(vms, VM{
				Disks: disks,
				Ref:   fmt.Sprint("vm-", i), Name: pick("name"), BIOSUUID: drawUUID(t), InstanceUUID: drawUUID(t), GuestHost: pick("host"), GuestIPs: []string{drawAddress(t)},
				Path: "/" + rapid.SampledFrom([]string{"TOKYO", "OSAKA"}).Draw(t, "datacenter") + "/vm/" + pick("folder"),
			})
		}
		ref := VMRef{Name: pick("wanted name"), ID: drawUUID(t), Host: pick("wanted host"), IP: drawAddress(t), Datastores: drawDatastore(t)}
		if len(vms) > 0 && rapid.IntRange(0, 9).Draw(t, "by path") == 0 {
			ref.Path = strings.ToUpper(vms[0].Path)
		}
		seen := NewFinder(vms).Find(ref)
		want := plainly(vms, ref)
		got := sorted(seen.Candidates)
		if seen.VM != nil {
			got = []string{"= " + seen.VM.Ref}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%+v\namong %+v\nfound %v, want %v", ref, vms, got, want)
		}
	})
}

func fold(s string) string { return norm.NFC.String(cases.Fold().String(norm.NFC.String(s))) }

// plainly is the rule in words: "= ref" of the one VM, or the refs of those that may be it.
func plainly(vms []VM, ref VMRef) []string {
	among := func(fits func(VM) bool) (found []VM) {
		for _, vm := range vms {
			if fits(vm) {
				found = append(found, vm)
			}
		}
		return found
	}
	answer := func(found []VM) (refs []string) {
		if len(found) == 1 {
			return []string{"= " + found[0].Ref}
		}
		for _, vm := range found {
			refs = append(refs, vm.Ref)
		}
		slices.Sort(refs)
		return refs
	}
	if ref.Path != "" {
		return answer(among(func(vm VM) bool { return fold(strings.Trim(vm.Path, "/")) == fold(strings.Trim(ref.Path, "/")) }))
	}
	name := func(vm VM) bool { return ref.Name != "" && fold(vm.Name) == fold(ref.Name) }
	host := func(vm VM) bool {
		a, b := fold(vm.GuestHost), fold(ref.Host)
		return a != "" && b != "" && (a == b || strings.HasPrefix(a, b+".") && !strings.Contains(b, ".") || strings.HasPrefix(b, a+".") && !strings.Contains(a, "."))
	}
	address := func(vm VM) bool {
		return ref.IP != "" && strings.TrimPrefix(vm.GuestIPs[0], "::ffff:") == strings.TrimPrefix(ref.IP, "::ffff:")
	}
	other := func(vm VM) bool { return ref.Host != "" && vm.GuestHost != "" && !host(vm) }
	points := func(vm VM) (n int) {
		if host(vm) {
			n += 4
		}
		if address(vm) {
			n += 4
		}
		if name(vm) {
			n += 2
		}
		if other(vm) {
			n--
		}
		return n
	}
	best := func(found []VM) (top []VM) {
		for _, vm := range found {
			if !slices.ContainsFunc(found, func(o VM) bool { return points(o) > points(vm) }) {
				top = append(top, vm)
			}
		}
		return top
	}
	instance := among(func(vm VM) bool { return ref.ID != "" && vm.InstanceUUID == ref.ID })
	bios := among(func(vm VM) bool {
		other := map[string]string{biosOfDB: swappedOfDB, swappedOfDB: biosOfDB}[ref.ID]
		return ref.ID != "" && (vm.BIOSUUID == ref.ID || other != "" && vm.BIOSUUID == other)
	})
	for _, found := range [][]VM{instance, bios} {
		if len(found) == 0 {
			continue
		}
		top := best(found)
		if len(top) == 1 && fold(top[0].Name) != fold(ref.Name) {
			top = append(top, among(func(vm VM) bool {
				return name(vm) && (vm.BIOSUUID == "" || vm.InstanceUUID == "") && vm.Ref != top[0].Ref
			})...)
		}
		return answer(top)
	}
	if told := among(func(vm VM) bool { return host(vm) || address(vm) && (name(vm) || !other(vm)) }); len(told) > 0 {
		return answer(best(told))
	}
	isUUID := len(ref.ID) == 36
	likely := among(func(vm VM) bool {
		return name(vm) && !other(vm) && !(isUUID && vm.BIOSUUID != "" && vm.InstanceUUID != "")
	})
	nameless := among(func(vm VM) bool { return vm.Name == "" })
	if there := among(func(vm VM) bool {
		lies := len(vm.Disks) == 0 || strings.HasPrefix(vm.Disks[0].File, "["+ref.Datastores+"]")
		return lies && slices.ContainsFunc(likely, func(o VM) bool { return o.Ref == vm.Ref })
	}); ref.Datastores != "" && len(nameless) == 0 && len(there) > 0 {
		likely = there
	}
	if len(likely) == 1 && len(nameless) == 0 {
		return answer(likely)
	}
	var refs []string
	if len(likely) == 0 {
		likely = among(name)
	}
	for _, vm := range likely {
		refs = append(refs, vm.Ref)
	}
	slices.Sort(refs)
	return refs
}
