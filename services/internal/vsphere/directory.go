package vsphere

import (
	"slices"
	"strings"

	"github.com/vmware/govmomi/vim25/types"

	"reprotect.example/services/observed"
)

// directory is the slim list of a vCenter: enough to find machines and to spell inventory paths.
type directory struct {
	places map[types.ManagedObjectReference]place
	vms    []observed.VM // by everything that a query may name them by
}

type place struct {
	name   string
	parent types.ManagedObjectReference // zero at the root
}

func newDirectory(objects []object) directory {
	dir := directory{places: make(map[types.ManagedObjectReference]place, len(objects))}
	for _, o := range objects {
		p := place{name: text(o, "name")}
		p.parent, _ = refOf(o, "parent")
		if app, ok := refOf(o, "parentVApp"); ok {
			p.parent = app // a machine in a vApp has no folder
		}
		dir.places[o.ref] = p
	}
	for _, o := range objects {
		if o.ref.Type == "VirtualMachine" {
			dir.vms = append(dir.vms, observed.VM{
				Ref: o.ref.Value, Name: text(o, "name"), Path: dir.placePath(o.ref),
				BIOSUUID: text(o, "config.uuid"), InstanceUUID: text(o, "config.instanceUuid"),
			})
		}
	}
	return dir
}

// introduce adds what the guests call themselves.
func (d directory) introduce(objects []object) {
	guests := make(map[string]object, len(objects))
	for _, o := range objects {
		guests[o.ref.Value] = o
	}
	for i, vm := range d.vms {
		d.vms[i].GuestHost, d.vms[i].GuestIPs = guestOf(guests[vm.Ref])
	}
}

// find returns every machine that the references of a query may mean, in the vCenter's order, each once.
func (d directory) find(refs []observed.VMRef) []types.ManagedObjectReference {
	finder := observed.NewFinder(d.vms)
	wanted := map[string]bool{}
	for _, ref := range refs {
		for _, vm := range finder.Candidates(ref) {
			wanted[vm.Ref] = true
		}
	}
	var found []types.ManagedObjectReference
	for _, vm := range d.vms {
		if wanted[vm.Ref] {
			found = append(found, types.ManagedObjectReference{Type: "VirtualMachine", Value: vm.Ref})
		}
	}
	return found
}

// path spells the inventory path of something with that name below parent, as govc and the API's inventory
// paths do: without the root folder.
func (d directory) path(name string, parent types.ManagedObjectReference) string {
	parts := []string{escape(name)}
	for ref := parent; ; {
		p, known := d.places[ref]
		if !known || p.parent == (types.ManagedObjectReference{}) {
			break
		}
		parts = append(parts, escape(p.name))
		ref = p.parent
	}
	slices.Reverse(parts)
	return "/" + strings.Join(parts, "/")
}

// placePath is the path of something that the directory lists.
func (d directory) placePath(ref types.ManagedObjectReference) string {
	p := d.places[ref]
	if p.parent == (types.ManagedObjectReference{}) {
		return "/"
	}
	return d.path(p.name, p.parent)
}

// datacenter is the datacenter that a listed object lies in; ok is false when none is visible above it.
func (d directory) datacenter(ref types.ManagedObjectReference) (dc types.ManagedObjectReference, ok bool) {
	for {
		if ref.Type == "Datacenter" {
			return ref, true
		}
		p, known := d.places[ref]
		if !known {
			return types.ManagedObjectReference{}, false
		}
		ref = p.parent
	}
}
