package checks

import (
	"maps"
	"slices"
	"testing"

	"reprotect.example/services/observed"
)

// property is one that the product asks vCenter for. Hiding it leaves its fields empty, with the reason.
type property struct {
	path string
	of   string // which of the site's objects
	hide func(*site)
}

func vmProperty(path, of string, vm func(*site) *observed.VM, empty func(*observed.VM)) property {
	return property{path, of, func(s *site) {
		it := vm(s)
		it.Unread = maps.Clone(it.Unread)
		if it.Unread == nil {
			it.Unread = observed.Unread{}
		}
		it.Unread[path] = "NoPermission"
		empty(it)
	}}
}

// properties are all that a look asks of the machines, hosts and datastores of the healthy site.
func properties() (all []property) {
	vms := map[string]func(*site) *observed.VM{
		"db01": (*site).dbVM, "web01": (*site).webVM, "MT-WIN-01": (*site).mtVM, "ASR-APPL-01": func(s *site) *observed.VM { return &s.Inventory.VMs[3] },
	}
	fields := map[string]func(*observed.VM){
		"name": func(vm *observed.VM) { vm.Name = "" }, "datastore": func(vm *observed.VM) { vm.Datastores = nil },
		"config.uuid": func(vm *observed.VM) { vm.BIOSUUID = "" }, "config.instanceUuid": func(vm *observed.VM) { vm.InstanceUUID = "" },
		"config.template": func(vm *observed.VM) { vm.Template = false }, "config.guestId": func(vm *observed.VM) { vm.GuestID = "" },
		"config.extraConfig":     func(vm *observed.VM) { vm.ExtraConfig = nil },
		"config.hardware.device": func(vm *observed.VM) { vm.Disks, vm.Controllers = nil, nil },
		"config": func(vm *observed.VM) {
			vm.BIOSUUID, vm.InstanceUUID, vm.Template, vm.ExtraConfig, vm.Disks, vm.Controllers = "", "", false, nil, nil, nil
		},
		"runtime.host": func(vm *observed.VM) { vm.HostRef = "" }, "runtime.powerState": func(vm *observed.VM) { vm.Power = "" },
		"runtime.connectionState":     func(vm *observed.VM) { vm.Connection = "" },
		"runtime.consolidationNeeded": func(vm *observed.VM) { vm.Consolidate = false },
		"guest.guestFamily":           func(vm *observed.VM) { vm.GuestFamily = "" },
		"guest.toolsRunningStatus":    func(vm *observed.VM) { vm.Tools = "" }, "guest.toolsVersionStatus2": func(vm *observed.VM) { vm.ToolsVersion = "" },
		"guest.disk": func(vm *observed.VM) { vm.GuestDisks = nil }, "guest.hostName": func(vm *observed.VM) { vm.GuestHost = "" },
		"guest.ipAddress": func(vm *observed.VM) { vm.GuestIPs = nil }, "snapshot.rootSnapshotList": func(vm *observed.VM) { vm.Snapshots = nil },
		"storage.perDatastoreUsage": func(*observed.VM) {}, "network": func(vm *observed.VM) { vm.Networks = nil },
		"resourcePool": func(vm *observed.VM) { vm.PoolRef = "" }, "moves": func(vm *observed.VM) { vm.Moves, vm.MovesRead = nil, false },
	}
	for of, vm := range vms {
		for path, empty := range fields {
			all = append(all, vmProperty(path, of, vm, empty))
			if path == "storage.perDatastoreUsage" {
				last := &all[len(all)-1]
				hide := last.hide
				last.hide = func(s *site) {
					hide(s)
					for i := range s.Inventory.Datastores {
						delete(s.Inventory.Datastores[i].CommittedBytes, vm(s).Ref)
						delete(s.Inventory.Datastores[i].UncommittedBytes, vm(s).Ref)
					}
				}
			}
		}
	}
	for path, empty := range map[string]func(*observed.Host){
		"name": func(h *observed.Host) { h.Name = "" }, "datastore": func(h *observed.Host) { h.DatastoreRefs = nil }, "licence": func(h *observed.Host) { h.Licence, h.LicenceKey = "", "" },
		"runtime.connectionState": func(h *observed.Host) { h.Connection = "" }, "runtime.inMaintenanceMode": func(h *observed.Host) { h.Maintenance = false },
	} {
		all = append(all, property{path, "esx01", func(s *site) { s.host().Unread = observed.Unread{path: "NoPermission"}; empty(s.host()) }})
	}
	for path, empty := range map[string]func(*observed.Datastore){
		"name": func(d *observed.Datastore) { d.Name = "" }, "host": func(d *observed.Datastore) { d.Mounts = nil }, "summary.type": func(d *observed.Datastore) { d.Type = "" },
		"summary.accessible": func(d *observed.Datastore) { d.Accessible = false }, "summary.maintenanceMode": func(d *observed.Datastore) { d.Maintenance = "" },
		"summary.capacity": func(d *observed.Datastore) { d.CapacityBytes = 0 }, "summary.freeSpace": func(d *observed.Datastore) { d.FreeBytes = 0 },
		"parent": func(d *observed.Datastore) { d.PodRef, d.PodName = "", "" },
		"summary": func(d *observed.Datastore) {
			d.Type, d.Accessible, d.Maintenance, d.CapacityBytes, d.FreeBytes = "", false, "", 0, 0
		},
	} {
		all = append(all, property{path, "VMFS-01", func(s *site) { s.ds().Unread = observed.Unread{path: "NoPermission"}; empty(s.ds()) }})
	}
	return all
}

// Hiding a property of the healthy site makes no check fail or warn: what is not read is not taken for a fault.
func TestVSphereHiddenFailsNothing(t *testing.T) {
	t.Parallel()
	for _, p := range properties() {
		t.Run("1.6/A06/G01/"+p.of+"/"+p.path, func(t *testing.T) {
			t.Parallel()
			s := healthy()
			p.hide(s)
			for _, f := range Run(s.Input) {
				if f.Status == Failed || f.Status == Warned {
					t.Errorf("%s of %q: %s: %s", f.Check, f.Machine, f.Status, f.Evidence)
				}
			}
		})
	}
}

// A fault that only a property shows is unknown once that is hidden: what is not read is not taken for good.
func TestVSphereHiddenPassesNothing(t *testing.T) {
	t.Parallel()
	hidden := map[string]property{}
	for _, p := range properties() {
		hidden[p.of+" "+p.path] = p
	}
	mt := func(change func(*observed.VM)) func(*site) { return func(s *site) { change(s.mtVM()) } }
	db := func(change func(*observed.VM)) func(*site) { return func(s *site) { change(s.dbVM()) } }
	for _, row := range []struct {
		property string
		fault    func(*site)
		check    string
		machine  string
	}{
		{"MT-WIN-01 runtime.powerState", mt(func(vm *observed.VM) { vm.Power = "poweredOff" }), "master-target.connected", "db01"},
		{"MT-WIN-01 config.template", mt(func(vm *observed.VM) { vm.Template = true }), "master-target.connected", "db01"},
		{"MT-WIN-01 snapshot.rootSnapshotList", mt(func(vm *observed.VM) { vm.Snapshots = []observed.Snapshot{{Path: "a"}} }), "master-target.snapshots", "db01"},
		{"MT-WIN-01 runtime.consolidationNeeded", mt(func(vm *observed.VM) { vm.Consolidate = true }), "master-target.snapshots", "db01"},
		{"MT-WIN-01 config.hardware.device", mt(func(vm *observed.VM) { vm.Disks[0].Delta = true }), "master-target.snapshots", "db01"},
		{"MT-WIN-01 config.hardware.device", mt(func(vm *observed.VM) { vm.Controllers[0].Kind = "paravirtualscsicontroller" }), "master-target.scsi-controller", "db01"},
		{"MT-WIN-01 config.extraConfig", mt(func(vm *observed.VM) { vm.ExtraConfig = map[string]string{"disk.enableuuid": "FALSE"} }), "master-target.disk-enable-uuid", "db01"},
		{"MT-WIN-01 guest.toolsRunningStatus", mt(func(vm *observed.VM) { vm.Tools = "guestToolsNotRunning" }), "master-target.vmware-tools", "db01"},
		{"MT-WIN-01 guest.disk", mt(func(vm *observed.VM) { vm.GuestDisks[1].FileSystem = "FAT32" }), "retention-drive.eligible", "db01"},
		{"MT-WIN-01 config.uuid", mt(func(vm *observed.VM) { vm.BIOSUUID = "bios-db01" }), "master-target.uuid-collision", "db01"},
		{"MT-WIN-01 config.instanceUuid", mt(func(vm *observed.VM) { vm.InstanceUUID = "instance-db01" }), "master-target.uuid-collision", "db01"},
		{"MT-WIN-01 moves", mt(func(vm *observed.VM) { vm.Moves = []observed.Move{{State: "running"}} }), "master-target.storage-vmotion", "db01"},
		{"MT-WIN-01 datastore", mt(func(vm *observed.VM) { vm.Datastores = []string{"ds-9"} }), "master-target.storage-vmotion", "db01"},
		{"db01 config.hardware.device", func(s *site) { deleted(s); s.dbVM().Disks[0].RDM = true }, "machine.rdm", "db01"},
		{"db01 config.template", db(func(vm *observed.VM) { vm.Template = true }), "location.original-or-alternate", "db01"},
		{"db01 snapshot.rootSnapshotList", db(func(vm *observed.VM) { vm.Snapshots = []observed.Snapshot{{Path: "a"}} }), "machine.snapshots", "db01"},
		{"db01 snapshot.rootSnapshotList", func(s *site) {
			s.dbVM().Snapshots, s.dbVM().Disks[0].Thin = []observed.Snapshot{{Path: "a"}}, true
			s.ds().CommittedBytes["vm-db"], s.ds().FreeBytes, s.ds().UncommittedBytes["vm-db"], s.ds().UncommittedBytes["vm-web"] = 50*gib, 10*gib, 0, 0
		}, "datastore.space", "db01"},
		{"db01 runtime.powerState", db(func(vm *observed.VM) { vm.Power = "poweredOn" }), "machine.powered-off", "db01"},
		{"db01 config.extraConfig", db(func(vm *observed.VM) { vm.ExtraConfig = map[string]string{"a": "b"} }), "machine.disk-uuid", "db01"},
		{"db01 storage.perDatastoreUsage", func(s *site) { s.ds().UncommittedBytes["vm-db"] = 999 * gib }, "datastore.space", "db01"},
		{"db01 network", func(s *site) {
			s.Inventory.Privileges["network-1"] = observed.Privileges{Path: "a network", Kind: "Network", Lacking: []string{"Network.Assign"}}
			s.webVM().Networks = nil
			s.mtVM().Networks = nil
		}, "vcenter.privileges", ""},
		{"esx01 datastore", func(s *site) { s.host().DatastoreRefs = nil }, "master-target.vmfs", "db01"},
		{"esx01 licence", func(s *site) { s.host().Licence = "vSphere Hypervisor" }, "esxi.licence", "db01"},
		{"esx01 runtime.connectionState", func(s *site) { s.host().Connection = "disconnected" }, "master-target.connected", "db01"},
		{"esx01 runtime.inMaintenanceMode", func(s *site) { alternate("auto")(s); deleted(s); s.host().Maintenance = true }, "location.original-or-alternate", "db01"},
		{"VMFS-01 summary.type", func(s *site) { s.ds().Type = "nfs" }, "datastore.type", "db01"},
		{"VMFS-01 host", func(s *site) { s.mount(observed.Mount{Mode: "readOnly", Mounted: true, Accessible: true}) }, "datastore.read-write", "db01"},
		{"VMFS-01 summary.accessible", func(s *site) { s.ds().Accessible = false }, "datastore.read-write", "db01"},
		{"VMFS-01 summary.maintenanceMode", func(s *site) { s.ds().Maintenance = "inMaintenance" }, "datastore.read-write", "db01"},
		{"VMFS-01 summary.freeSpace", func(s *site) { s.ds().FreeBytes = 1 }, "datastore.space", "db01"},
		{"VMFS-01 summary", func(s *site) { s.ds().FreeBytes = 1 }, "datastore.space", "db01"},
		{"VMFS-01 parent", func(s *site) {
			s.ds().PodRef = "pod"
			s.mtVM().Datastores = []string{"ds-1"}
			s.Inventory.Pods = []observed.Pod{{Ref: "pod", Name: "pod", Enabled: true, Behaviour: "automated"}}
		}, "master-target.storage-vmotion", "db01"},
	} {
		t.Run("1.6/"+row.property+"/"+row.check, func(t *testing.T) {
			t.Parallel()
			p, ok := hidden[row.property]
			if !ok {
				t.Fatalf("no property %s", row.property)
			}
			s := healthy()
			row.fault(s)
			if seen := s.finding(t, row.check, row.machine); !slices.Contains([]string{Failed, Warned, Unknown}, seen.Status) {
				t.Fatalf("the fault is not seen: %s: %s", seen.Status, seen.Evidence)
			}
			p.hide(s)
			if f := s.finding(t, row.check, row.machine); f.Status != Unknown {
				t.Errorf("%s: %s", f.Status, f.Evidence)
			}
		})
	}
}

func deleted(s *site) {
	yes := true
	s.db().VMDeleted, s.web().VMDeleted = &yes, &yes
}
