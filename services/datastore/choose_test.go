package datastore

import (
	"maps"
	"strings"
	"testing"

	"reprotect.example/events"
	"reprotect.example/services/faults"
	"reprotect.example/services/observed"
)

const gib = 1 << 30

// home is a site on which web01 lies on VMFS-01 with a 40 GB disk, 10 GB of it written, and MT-01 writes.
func home() (observed.Vault, observed.Inventory) {
	vault := observed.Vault{
		Items: []observed.Item{{
			ID: "/items/web01", Name: "web01", Architecture: observed.Classic, FabricID: "/fabrics/cs", VMID: "uuid-web01",
			Disks: []observed.ItemDisk{{Name: "Disk0", CapacityBytes: 40 * gib}},
		}},
		Fabrics: []observed.Fabric{{
			ID: "/fabrics/cs", Architecture: observed.Classic,
			MasterTargets: []observed.MasterTarget{{ID: "mt-1", Name: "MT-01", Datastores: []observed.FabricDatastore{{Name: "VMFS-01"}, {Name: "VMFS-02"}, {Name: "VSAN-01"}, {Name: "LOCAL-02"}}}},
			Appliances:    []observed.Appliance{{ID: "ap-1", Name: "APPL-01", Datastores: []string{"VMFS-02"}}},
		}},
	}
	rw := observed.Mount{Mode: "readWrite", Mounted: true, Accessible: true}
	store := func(ref, name, kind string, freeGB int64) observed.Datastore {
		return observed.Datastore{
			Ref: ref, Name: name, Type: kind, Accessible: true, Maintenance: "normal", CapacityBytes: 1000 * gib, FreeBytes: freeGB * gib,
			Mounts: map[string]observed.Mount{"host-1": rw},
		}
	}
	inv := observed.Inventory{
		Hosts: []observed.Host{{Ref: "host-1", Name: "esx01"}, {Ref: "host-2", Name: "esx02"}},
		VMs: []observed.VM{
			{Ref: "vm-1", Name: "web01", BIOSUUID: "uuid-web01", HostRef: "host-2", Disks: []observed.VMDisk{{DatastoreRef: "ds-1", CapacityBytes: 40 * gib}}},
			{Ref: "vm-2", Name: "MT-01", HostRef: "host-1"},
			{Ref: "vm-3", Name: "APPL-01", HostRef: "host-1"},
		},
		Datastores: []observed.Datastore{
			store("ds-1", "VMFS-01", "vmfs", 100), store("ds-2", "VMFS-02", "vmfs", 500),
			store("ds-3", "VSAN-01", "vsan", 900), store("ds-4", "NFS-01", "nfs", 999),
		},
	}
	inv.Removals = []observed.Removal{{Name: "web01"}}
	inv.Datastores[0].CommittedBytes = map[string]int64{"vm-1": 10 * gib}
	inv.Datastores[0].UncommittedBytes = map[string]int64{"vm-1": 30 * gib}
	return vault, inv
}

func theCase(datastore string) events.Case {
	return events.Case{Machines: []events.Machine{{
		Name: "web01", Item: "/items/web01", Architecture: "classic", Choice: events.Choice{MasterTarget: "MT-01", Datastore: datastore},
	}}}
}

func TestPlace(t *testing.T) {
	gone := func(_ *observed.Vault, inv *observed.Inventory) { inv.VMs = inv.VMs[1:] }
	cases := []struct {
		name      string
		datastore string
		change    func(*observed.Vault, *observed.Inventory)
		want      string // datastore; "" is a rejection
		location  string
		why       string // part of the reason
	}{
		{name: "auto keeps the datastore on which the machine lies", want: "VMFS-01", location: "original", why: "lie there"},
		{name: "auto takes the one with most room when the machine is gone, VMFS before vSAN", change: gone, want: "VMFS-02", location: "alternate", why: "most room"},
		{name: "vSAN where there is nothing else", change: func(v *observed.Vault, inv *observed.Inventory) {
			gone(v, inv)
			inv.Datastores = inv.Datastores[2:]
		}, want: "VSAN-01", location: "alternate"},
		{name: "only NFS", change: func(v *observed.Vault, inv *observed.Inventory) {
			gone(v, inv)
			inv.Datastores = inv.Datastores[3:]
		}, why: "none of the 1 datastores"},
		{name: "a named one is taken for a machine that is gone", datastore: "vmfs-01", change: gone, want: "VMFS-01", location: "alternate", why: "the request names it"},
		{name: "a named one has no effect while the disks exist", datastore: "VMFS-02", want: "VMFS-02", location: "original", why: "no effect"},
		{name: "a named one that cannot be used", datastore: "NFS-01", change: gone, why: "NFS is not supported"},
		{name: "a named one that the account does not see", datastore: "VMFS-99", change: gone, why: "not visible"},
		{name: "the machine's own is mounted read-only on the writer's host", change: func(_ *observed.Vault, inv *observed.Inventory) {
			inv.Datastores[0].Mounts = map[string]observed.Mount{"host-1": {Mode: "readOnly", Mounted: true, Accessible: true}}
		}, why: "mounted read-only on esx01"},
		{name: "the machine's own is not on the writer's host", change: func(_ *observed.Vault, inv *observed.Inventory) {
			inv.Datastores[0].Mounts = map[string]observed.Mount{"host-2": {Mode: "readWrite", Mounted: true, Accessible: true}}
		}, why: "not mounted on esx01"},
		{name: "original location needs only what is not written yet", change: func(_ *observed.Vault, inv *observed.Inventory) {
			inv.Datastores[0].FreeBytes = 30 * gib
		}, want: "VMFS-01", location: "original"},
		{name: "original location without that room", change: func(_ *observed.Vault, inv *observed.Inventory) {
			inv.Datastores[0].FreeBytes = 29 * gib
		}, why: "30 GB are needed, 29 GB are free"},
		{name: "alternate location needs the full capacity", datastore: "VMFS-02", change: func(v *observed.Vault, inv *observed.Inventory) {
			gone(v, inv)
			inv.Datastores[1].FreeBytes = 39 * gib
		}, why: "40 GB are needed, 39 GB are free"},
		{name: "not accessible", datastore: "VMFS-02", change: func(v *observed.Vault, inv *observed.Inventory) {
			gone(v, inv)
			inv.Datastores[1].Accessible = false
		}, why: "not accessible"},
		{name: "in maintenance", datastore: "VMFS-02", change: func(v *observed.Vault, inv *observed.Inventory) {
			gone(v, inv)
			inv.Datastores[1].Maintenance = "inMaintenance"
		}, why: "maintenance mode"},
		{name: "not discovered on the master target", datastore: "VMFS-02", change: func(v *observed.Vault, inv *observed.Inventory) {
			gone(v, inv)
			v.Fabrics[0].MasterTargets[0].Datastores = []observed.FabricDatastore{{Name: "VMFS-01"}}
		}, why: "has not discovered it"},
		{name: "the master target is not in vCenter", change: func(_ *observed.Vault, inv *observed.Inventory) { inv.VMs = inv.VMs[:1] }, why: "no VM of master target MT-01"},
		{name: "the type could not be read", change: func(_ *observed.Vault, inv *observed.Inventory) {
			inv.Datastores[0].Type, inv.Datastores[0].Unread = "", map[string]string{"summary": "NoPermission"}
		}, why: "could not be read (summary.type: NoPermission)"},
		{name: "the item is gone", change: func(v *observed.Vault, _ *observed.Inventory) { v.Items = nil }, why: "not in the vault any more"},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			vault, inv := home()
			if tt.change != nil {
				tt.change(&vault, &inv)
			}
			draft := Place(theCase(tt.datastore), vault, inv)
			switch d := draft.Data().(type) {
			case events.Placed:
				p, m := d.Placements[0], d.Case.Machines[0]
				if p.Datastore != tt.want || p.Location != tt.location || !strings.Contains(p.Why, tt.why) {
					t.Errorf("placed on %q (%s), because %q", p.Datastore, p.Location, p.Why)
				}
				if m.Datastore != tt.want || m.Location != tt.location {
					t.Errorf("the case says %q (%s)", m.Datastore, m.Location)
				}
			case events.Rejected:
				if tt.want != "" || !strings.Contains(d.Problems[0].Message, tt.why) || d.Problems[0].Remedy == "" {
					t.Errorf("rejected: %+v", d.Problems)
				}
			}
		})
	}
}

func TestPlaceSumsWhatACaseTakes(t *testing.T) {
	vault, inv := home()
	inv.VMs = inv.VMs[1:]
	second := vault.Items[0]
	second.ID, second.Name = "/items/web02", "web02"
	vault.Items = append(vault.Items, second)
	inv.Removals = append(inv.Removals, observed.Removal{Name: "web02"})
	inv.Datastores[1].FreeBytes = 70 * gib // room for one of the two
	c := theCase("VMFS-02")
	c.Machines = append(c.Machines, c.Machines[0])
	c.Machines[1].Name, c.Machines[1].Item = "web02", "/items/web02"
	d, ok := Place(c, vault, inv).Data().(events.Rejected)
	if !ok || len(d.Problems) != 1 || d.Problems[0].Place != "web02" || len(d.Placements) != 2 {
		t.Errorf("got %+v", d)
	}
}

func TestVerdicts(t *testing.T) {
	vault, inv := home()
	machine := theCase("").Machines[0]
	got := map[string]string{}
	for _, v := range Verdicts(vault.WriterOf(machine, ""), inv) {
		got[v.Name] = "refused"
		if v.Accepted {
			got[v.Name] = "accepted"
		}
		if v.Warning != "" {
			got[v.Name] += " with a warning"
		}
		if v.Accepted == (v.Reason != "") || !v.Accepted && v.Remedy == "" {
			t.Errorf("%+v", v)
		}
		if _, known := faults.Lookup(v.Code); v.Code != "" && !known || v.Code == "" && v.Reason+v.Warning != "" {
			t.Errorf("the catalogue does not know code %q of %s", v.Code, v.Name)
		}
	}
	want := map[string]string{"VMFS-01": "accepted", "VMFS-02": "accepted", "VSAN-01": "accepted with a warning", "NFS-01": "refused"}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}

	machine.Architecture, machine.Appliance = "modernized", "APPL-01"
	for _, v := range Verdicts(vault.WriterOf(machine, ""), inv) {
		if accessible := v.Name == "VMFS-02"; v.Accepted != accessible {
			t.Errorf("the appliance sees only VMFS-02: %+v", v)
		}
	}
}
