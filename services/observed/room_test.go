package observed

import (
	"strings"
	"testing"
)

// How much room disks still take, in GB: the sums stand in the rows.
func TestVSphereNeeds(t *testing.T) {
	t.Parallel()
	disk := func(capacity int64) VMDisk {
		return VMDisk{Label: "Hard disk 1", DatastoreRef: "ds", CapacityBytes: capacity * gib}
	}
	thin := func(capacity int64) VMDisk { d := disk(capacity); d.Thin = true; return d }
	delta := func(d VMDisk) VMDisk { d.Delta = true; return d }
	raw := func(capacity int64) VMDisk { d := disk(capacity); d.RDM = true; return d }
	snapshot := []Snapshot{{ID: 1, Name: "before"}}
	for _, row := range []struct {
		name                   string
		disks                  []VMDisk
		snapshots              []Snapshot
		committed, uncommitted int64 // as vCenter counts
		want                   int64
	}{
		{"thick: all of it is taken", []VMDisk{disk(100)}, nil, 100, 0, 0},
		{"thin: 100 - 30 written", []VMDisk{thin(100)}, nil, 30, 70, 70},
		{"thin with 8 of swap to come: 70 + 8", []VMDisk{thin(100)}, nil, 30, 78, 78},
		{"committed has logs and swap, which are no disk: 70 stays", []VMDisk{thin(100)}, nil, 42, 70, 70},
		{"two thin disks: (100 - 30) + (60 - 60)", []VMDisk{thin(100), thin(60)}, nil, 90, 70, 70},
		{"F05 vSAN keeps two copies: 2 x (260 - 130)", []VMDisk{thin(260)}, nil, 260, 260, 260},
		{"a raw device map takes none", []VMDisk{raw(500)}, nil, 0, 0, 0},
		{"a raw device map beside a thin disk", []VMDisk{raw(500), thin(100)}, nil, 30, 70, 70},
		{"F04 240 of deltas merge into a base of 20 of 260: all that is taken, 20 + 240, at most", []VMDisk{delta(thin(260))}, snapshot, 260, 20, 260},
		{"F04 more is taken than the disk holds: 260", []VMDisk{delta(thin(260))}, snapshot, 400, 20, 260},
		{"F04 few deltas: what may grow is more", []VMDisk{delta(thin(260))}, snapshot, 30, 250, 250},
		{"deltas merge into a thick base, which has its room", []VMDisk{delta(disk(260))}, snapshot, 300, 220, 220},
		{"a snapshot whose disks do not say that they are deltas", []VMDisk{thin(260)}, snapshot, 100, 20, 100},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			vm := VM{Ref: "vm", Name: "db01", Disks: row.disks, Snapshots: row.snapshots}
			inv := Inventory{Datastores: []Datastore{{
				Ref: "ds", Name: "VMFS-01", CommittedBytes: map[string]int64{"vm": row.committed * gib}, UncommittedBytes: map[string]int64{"vm": row.uncommitted * gib},
			}}}
			need, why := vm.Needs(inv)
			if why != "" || need["ds"] != row.want*gib || len(need) != 1 {
				t.Errorf("%v GB, want %d: %s", float64(need["ds"])/float64(gib), row.want, why)
			}
		})
	}

	for _, row := range []struct {
		name string
		vm   VM
		why  string
	}{
		{"disks unread", VM{Name: "db01", Unread: Unread{"config": "gone"}}, "config.hardware.device: gone"},
		{"usage unread", VM{Name: "db01", Disks: []VMDisk{disk(1)}, Unread: Unread{"storage": "gone"}}, "storage.perDatastoreUsage: gone"},
		{"no disks", VM{Name: "db01"}, "no disks"},
		{"F02 no datastore", VM{Name: "db01", Disks: []VMDisk{{Label: "Hard disk 2"}}}, "the datastore of Hard disk 2"},
		{"usage of another only", VM{Ref: "other", Name: "db01", Disks: []VMDisk{disk(1)}}, "takes on datastore VMFS-01"},
	} {
		inv := Inventory{Datastores: []Datastore{{Ref: "ds", Name: "VMFS-01", UncommittedBytes: map[string]int64{"vm": 0}}}}
		if need, why := row.vm.Needs(inv); need != nil || !strings.Contains(why, row.why) {
			t.Errorf("%s: %v, %q", row.name, need, why)
		}
	}
	if need, why := (VM{Disks: []VMDisk{disk(1)}}).Needs(Inventory{}); why != "" || len(need) != 1 {
		t.Errorf("a datastore that is not shown: %v, %s", need, why)
	}

	for _, row := range []struct {
		disks []int64
		want  int64
		ok    bool
	}{{[]int64{40, 60}, 100, true}, {nil, 0, false}, {[]int64{40, 0}, 0, false}} {
		var item Item
		for _, n := range row.disks {
			item.Disks = append(item.Disks, ItemDisk{CapacityBytes: n})
		}
		if got, ok := item.Needs(); got != row.want || ok != row.ok {
			t.Errorf("made anew, %v: %d, %v", row.disks, got, ok)
		}
	}
}
