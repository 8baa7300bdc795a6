package vsphere

import (
	"slices"
	"testing"

	"github.com/vmware/govmomi/vim25/types"
	"pgregory.net/rapid"

	"reprotect.example/services/observed"
)

// A01: names are decoded once, and a path keeps apart what a name holds.
func TestVSphereA01(t *testing.T) {
	for written, want := range map[string]string{
		"MT%2fLINUX-01": "MT/LINUX-01", "SAN%2FLUN 1": "SAN/LUN 1", `a%5cb%5Cc`: `a\b\c`, "100%25": "100%", "%252f": "%2f", "%": "%", "%zz": "%zz", "": "",
	} {
		if got := unescape(written); got != want {
			t.Errorf("%q is %q, want %q", written, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		if name := rapid.String().Draw(t, "name"); unescape(escape(name)) != name {
			t.Errorf("%q became %q and %q", name, escape(name), unescape(escape(name)))
		}
	})
	if got := filePath("[SAN%2fLUN 1] db%2f01/db.vmdk"); got != "[SAN/LUN 1] db%2f01/db.vmdk" || observed.DatastoreOf(got) != "SAN/LUN 1" {
		t.Errorf("a file lies on %q: %q", observed.DatastoreOf(got), got)
	}
	if got := filePath("no datastore"); got != "no datastore" {
		t.Errorf("%q", got)
	}
}

func ref0(kind, value, guid string) types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: kind, Value: value, ServerGUID: guid}
}

// B02: a reference is its type and value, whatever else the vCenter writes beside it. A property without a value is not
// read.
func TestVSphereB02(t *testing.T) {
	content := func(ref types.ManagedObjectReference, props ...types.DynamicProperty) object {
		o, gone, err := decodeContent(types.ObjectContent{Obj: ref, PropSet: props})
		if gone || err != nil {
			t.Fatal(gone, err)
		}
		return o
	}
	dir := newDirectory([]object{
		content(ref0("Folder", "root", "one"), types.DynamicProperty{Name: "name", Val: "Datacenters"}),
		content(ref0("Datacenter", "dc", "one"), types.DynamicProperty{Name: "name", Val: "DC%2fTOKYO"}, types.DynamicProperty{Name: "parent", Val: ref0("Folder", "root", "")}),
		content(ref0("Folder", "vm", ""), types.DynamicProperty{Name: "name", Val: "vm"}, types.DynamicProperty{Name: "parent", Val: ref0("Datacenter", "dc", "two")}),
		content(ref0("VirtualMachine", "vm-1", "one"), types.DynamicProperty{Name: "name", Val: "MT%2fLINUX-01"}, types.DynamicProperty{Name: "parent", Val: ref0("Folder", "vm", "one")}, types.DynamicProperty{Name: "config.uuid"}),
	})
	if vm := dir.vms[0]; vm.Name != "MT/LINUX-01" || vm.Path != "/DC%2fTOKYO/vm/MT%2fLINUX-01" || vm.BIOSUUID != "" {
		t.Errorf("%+v", vm)
	}
	if found := dir.find([]observed.VMRef{{Name: "mt/linux-01"}}); len(found) != 1 || found[0] != ref0("VirtualMachine", "vm-1", "") {
		t.Errorf("%v", found)
	}
	if found := dir.find([]observed.VMRef{{Path: "/dc%2Ftokyo/vm/mt%2flinux-01"}}); len(found) != 1 {
		t.Errorf("by path: %v", found)
	}
	if dc, ok := dir.datacenter(ref0("VirtualMachine", "vm-1", "")); !ok || dc.Value != "dc" {
		t.Errorf("lies in %v", dc)
	}
}

// What a vCenter did not return of an object stands among what was not read.
func TestVSphereUnreturned(t *testing.T) {
	bare := object{ref: ref0("VirtualMachine", "vm-1", ""), props: map[string]any{}, unread: map[string]string{}}
	vm := decodeVM(bare, directory{})
	for _, path := range []string{"name", "config.hardware.device", "config.template", "runtime.host", "runtime.powerState", "runtime.connectionState", "runtime.consolidationNeeded", usageProp} {
		if vm.Unread.Why(path) == "" {
			t.Errorf("VM: %s counts as read", path)
		}
	}
	bare.ref, bare.unread = ref0("Datastore", "ds-1", ""), map[string]string{}
	ds := decodeDatastore(bare, nil, directory{})
	for _, path := range []string{"name", "parent", "host", "summary.type", "summary.accessible", "summary.maintenanceMode", "summary.capacity", "summary.freeSpace"} {
		if ds.Unread.Why(path) == "" {
			t.Errorf("datastore: %s counts as read", path)
		}
	}
	bare.ref, bare.unread = ref0("HostSystem", "host-1", ""), map[string]string{}
	host := decodeHost(bare, nil, directory{})
	for _, path := range []string{"name", "datastore", "runtime.connectionState", "runtime.inMaintenanceMode"} {
		if host.Unread.Why(path) == "" {
			t.Errorf("host: %s counts as read", path)
		}
	}
}

// A15: linked vCenters answer for each other, and number their hosts alike.
func TestVSphereA15(t *testing.T) {
	assignment := func(host, scope, name string) types.LicenseAssignmentManagerLicenseAssignment {
		return types.LicenseAssignmentManagerLicenseAssignment{EntityId: host, Scope: scope, AssignedLicense: types.LicenseManagerLicenseInfo{Name: name}}
	}
	got := assignedHere([]types.LicenseAssignmentManagerLicenseAssignment{
		assignment("host-1", "another", "vSphere 8 Hypervisor"), assignment("host-1", "OURS", "vSphere 8 Enterprise Plus"), assignment("host-2", "", "evaluation"), assignment("host-3", "another", "x"),
	}, "ours")
	names := func(host string) (names []string) {
		for _, l := range got[host] {
			names = append(names, l.Name)
		}
		return names
	}
	if !slices.Equal(names("host-1"), []string{"vSphere 8 Enterprise Plus"}) || !slices.Equal(names("host-2"), []string{"evaluation"}) || names("host-3") != nil {
		t.Errorf("%v", got)
	}
}
