package datastore

import (
	"slices"
	"strings"
	"testing"

	"reprotect.example/events"
	"reprotect.example/services/faults"
	"reprotect.example/services/observed"
)

// Explain judges each datastore as the placement would, and those that only others see.
func TestExplain(t *testing.T) {
	gone := func(_ *observed.Vault, inv *observed.Inventory) { inv.VMs = inv.VMs[1:] }
	cases := []struct {
		name       string
		modernized bool
		change     func(*observed.Vault, *observed.Inventory)
		datastore  string
		reason     string // part of it; "" is accepted
		remedy     string
		chosen     string
	}{
		{name: "room is judged for a machine that is made anew", change: func(v *observed.Vault, inv *observed.Inventory) {
			gone(v, inv)
			inv.Datastores[0].FreeBytes = 39 * gib
		}, datastore: "VMFS-01", reason: "40 GB are needed, 39 GB are free", remedy: "Free 1 GB", chosen: "VMFS-02"},
		{name: "room is judged where the disks lie, for what they can still grow", change: func(_ *observed.Vault, inv *observed.Inventory) {
			inv.Datastores[0].FreeBytes = 29 * gib
		}, datastore: "VMFS-01", reason: "30 GB are needed, 29 GB are free", remedy: "Free 1 GB"},
		{name: "room on others has no part in it while the disks exist", change: func(_ *observed.Vault, inv *observed.Inventory) {
			inv.Datastores[1].FreeBytes = 1
		}, datastore: "VMFS-02", chosen: "VMFS-01"},
		{name: "every datastore with disks is judged, not only the first that is bad", change: func(_ *observed.Vault, inv *observed.Inventory) {
			inv.VMs[0].Disks = append(inv.VMs[0].Disks, observed.VMDisk{DatastoreRef: "ds-2", CapacityBytes: 600 * gib})
			inv.Datastores[1].UncommittedBytes = map[string]int64{"vm-1": 600 * gib}
			inv.Datastores[0].Accessible = false
		}, datastore: "VMFS-02", reason: "600 GB are needed, 500 GB are free", remedy: "Free 100 GB"},
		{name: "one of the disks lies on a datastore that the account does not see", change: func(_ *observed.Vault, inv *observed.Inventory) {
			inv.VMs[0].Disks = append(inv.VMs[0].Disks, observed.VMDisk{DatastoreRef: "ds-9", File: "[VMFS-09] web01/web01_1.vmdk", CapacityBytes: gib})
		}, datastore: "VMFS-09", reason: "vCenter does not show it to account TOKYO\\asr, and a disk of web01 lies on it", remedy: "right to see it"},
		{name: "the master target has one that the account does not see", change: func(v *observed.Vault, _ *observed.Inventory) {
			mt := &v.Fabrics[0].MasterTargets[0]
			mt.Datastores = append(mt.Datastores, observed.FabricDatastore{Name: "VMFS-08", Type: "VMFS"})
		}, datastore: "VMFS-08", reason: "lists it on master target MT-01", remedy: "right to see it", chosen: "VMFS-01"},
		{name: "the appliance has one that the account does not see", modernized: true, change: func(v *observed.Vault, inv *observed.Inventory) {
			gone(v, inv)
			v.Fabrics[0].Appliances[0].Datastores = []string{"vmfs-02", "VMFS-07"}
		}, datastore: "VMFS-07", reason: "lists it on appliance APPL-01", remedy: "right to see it", chosen: "VMFS-02"},
		{name: "the appliance has not discovered it yet", modernized: true, change: gone, datastore: "VMFS-01", reason: "does not list it", remedy: "next discovery", chosen: "VMFS-02"},
		{name: "the master target has not discovered it yet", change: func(v *observed.Vault, _ *observed.Inventory) {
			v.Fabrics[0].MasterTargets[0].Datastores = []observed.FabricDatastore{{Name: "VMFS-01"}}
		}, datastore: "VMFS-02", reason: "has not discovered it", remedy: "Refresh the configuration server", chosen: "VMFS-01"},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			vault, inv := home()
			inv.User = `TOKYO\asr`
			tt.change(&vault, &inv)
			m := theCase("").Machines[0]
			if tt.modernized {
				m.Architecture, m.Appliance = "modernized", "APPL-01"
			}
			p := Explain(m, vault.Items[0], vault.WriterOf(m, ""), inv)
			if p.Datastore != tt.chosen || p.Why == "" {
				t.Errorf("chose %q, want %q: %s", p.Datastore, tt.chosen, p.Why)
			}
			i := slices.IndexFunc(p.Considered, func(v events.DatastoreVerdict) bool { return v.Name == tt.datastore })
			if i < 0 {
				t.Fatalf("%s is not listed: %+v", tt.datastore, p.Considered)
			}
			v := p.Considered[i]
			if v.Accepted != (tt.reason == "") || !strings.Contains(v.Reason, tt.reason) || !strings.Contains(v.Remedy, tt.remedy) {
				t.Errorf("%+v", v)
			}
			if _, known := faults.Lookup(v.Code); !v.Accepted && !known {
				t.Errorf("the catalogue does not know code %q", v.Code)
			}
			if !slices.IsSortedFunc(p.Considered, byName) {
				t.Error("not in the order of their names")
			}
		})
	}
}
