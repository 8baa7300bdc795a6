package datastore

import (
	"testing"

	"reprotect.example/events"
	"reprotect.example/services/observed"
)

// Hiding a property that the placement rests on places nothing, where the disks lie and where they are made anew.
func TestVSphereHiddenPlacesNothing(t *testing.T) {
	yes := true
	vm := func(path string, empty func(*observed.VM)) func(*observed.Inventory) {
		return func(inv *observed.Inventory) {
			inv.VMs[0].Unread = observed.Unread{path: "NoPermission"}
			empty(&inv.VMs[0])
		}
	}
	writer := func(path string, empty func(*observed.VM)) func(*observed.Inventory) {
		return func(inv *observed.Inventory) {
			inv.VMs[1].Unread = observed.Unread{path: "NoPermission"}
			empty(&inv.VMs[1])
		}
	}
	stores := func(path string, empty func(*observed.Datastore)) func(*observed.Inventory) {
		return func(inv *observed.Inventory) {
			for i := range inv.Datastores {
				inv.Datastores[i].Unread = observed.Unread{path: "NoPermission"}
				empty(&inv.Datastores[i])
			}
		}
	}
	for _, row := range []struct {
		name      string
		hide      func(*observed.Inventory)
		alternate bool // is judged there too
	}{
		{"G02/config", vm("config", func(vm *observed.VM) { vm.Disks, vm.BIOSUUID = nil, "" }), false},
		{"G02/config.hardware.device", vm("config.hardware.device", func(vm *observed.VM) { vm.Disks = nil }), false},
		{"1.6/config.template", vm("config.template", func(*observed.VM) {}), false},
		{"1.6/snapshot.rootSnapshotList", vm("snapshot.rootSnapshotList", func(*observed.VM) {}), false},
		{"1.6/storage.perDatastoreUsage", vm("storage.perDatastoreUsage", func(*observed.VM) {}), false},
		{"F02/the datastore of a disk", func(inv *observed.Inventory) { inv.VMs[0].Disks[0].DatastoreRef = "" }, false},
		{"1.6/name of the writer", writer("name", func(vm *observed.VM) { vm.Name = "" }), true},
		{"1.6/host of the writer", writer("runtime.host", func(vm *observed.VM) { vm.HostRef = "" }), true},
		{"1.3/F01/two writers of one name", func(inv *observed.Inventory) {
			inv.VMs = append(inv.VMs, observed.VM{Ref: "vm-9", Name: "mt-01", Path: "/DC/vm/old/mt-01", HostRef: "host-1"})
		}, true},
		{"A07/connection of the writer's host", func(inv *observed.Inventory) {
			inv.Hosts[0].Unread = observed.Unread{"runtime.connectionState": "NoPermission"}
		}, true},
		{"A07/the writer's host is not connected", func(inv *observed.Inventory) { inv.Hosts[0].Connection = "notResponding" }, true},
		{"1.6/summary.type", stores("summary.type", func(d *observed.Datastore) { d.Type = "" }), true},
		{"1.6/A06/G01/summary.accessible", stores("summary.accessible", func(d *observed.Datastore) { d.Accessible = false }), true},
		{"1.6/A06/G01/host", stores("host", func(d *observed.Datastore) { d.Mounts = nil }), true},
		{"1.6/A06/G01/summary.freeSpace", stores("summary.freeSpace", func(d *observed.Datastore) { d.FreeBytes = 0 }), true},
		{"1.6/summary.maintenanceMode", stores("summary.maintenanceMode", func(d *observed.Datastore) { d.Maintenance = "" }), true},
		{"1.6/name", stores("name", func(d *observed.Datastore) { d.Name = "" }), true},
	} {
		for _, alternate := range []bool{false, true} {
			if alternate && !row.alternate {
				continue
			}
			name := row.name
			if alternate {
				name += "/alternate"
			}
			t.Run(name, func(t *testing.T) {
				vault, inv := home()
				if alternate {
					vault.Items[0].VMDeleted = &yes
				}
				if placed, ok := Place(theCase(""), vault, inv).Data().(events.Placed); !ok || placed.Placements[0].Datastore == "" {
					t.Fatal("nothing is placed before anything is hidden")
				}
				row.hide(&inv)
				rejected, ok := Place(theCase(""), vault, inv).Data().(events.Rejected)
				if !ok || rejected.Placements[0].Datastore != "" || rejected.Placements[0].Why == "" {
					t.Errorf("placed: %+v", rejected.Placements)
				}
			})
		}
	}
}
