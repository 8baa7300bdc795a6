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
	vms    []entry
}

type place struct {
	name   string
	parent types.ManagedObjectReference // zero at the root
}

// entry is a machine by everything that a query may name it by.
type entry struct {
	ref                          types.ManagedObjectReference
	name, biosUUID, instanceUUID string
}

func newDirectory(objects []object) directory {
	dir := directory{places: make(map[types.ManagedObjectReference]place, len(objects))}
	for _, o := range objects {
		p := place{name: text(o, "name")}
		p.parent, _ = prop[types.ManagedObjectReference](o, "parent")
		if app, ok := prop[types.ManagedObjectReference](o, "parentVApp"); ok {
			p.parent = app // a machine in a vApp has no folder
		}
		dir.places[o.ref] = p
		if o.ref.Type == "VirtualMachine" {
			dir.vms = append(dir.vms, entry{
				ref: o.ref, name: p.name,
				biosUUID:     observed.NormalUUID(text(o, "config.uuid")),
				instanceUUID: observed.NormalUUID(text(o, "config.instanceUuid")),
			})
		}
	}
	return dir
}

// find returns the machines of a query in the vCenter's order, each once: by id, else by name as
// observed.Inventory.VM does. An id that several machines share finds them all.
func (d directory) find(q observed.Query) []types.ManagedObjectReference {
	wanted := map[types.ManagedObjectReference]bool{}
	for _, ref := range q.VMs {
		id := observed.NormalUUID(ref.ID)
		found := false
		for _, e := range d.vms {
			if id != "" && (id == e.biosUUID || id == e.instanceUUID || ref.ID == e.ref.Value) {
				wanted[e.ref], found = true, true
			}
		}
		for _, e := range d.vms {
			if !found && strings.EqualFold(e.name, ref.Name) {
				wanted[e.ref] = true
			}
		}
	}
	var refs []types.ManagedObjectReference
	for _, e := range d.vms {
		if wanted[e.ref] {
			refs = append(refs, e.ref)
		}
	}
	return refs
}

// path spells the inventory path of something with that name below parent, as govc and the API's inventory
// paths do: without the root folder.
func (d directory) path(name string, parent types.ManagedObjectReference) string {
	parts := []string{name}
	for ref := parent; ; {
		p, known := d.places[ref]
		if !known || p.parent == (types.ManagedObjectReference{}) {
			break
		}
		parts = append(parts, p.name)
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
