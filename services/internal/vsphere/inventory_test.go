package vsphere_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reprotect.example/services/internal/vsphere"
	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/lab/vcenter"
	"reprotect.example/services/lab/vcenter/vcentertest"
	"reprotect.example/services/observed"
)

const gib = int64(1) << 30

func connect(t *testing.T, srv *vcenter.Server, caFile string) *vsphere.Client {
	t.Helper()
	c, err := vsphere.New(vsphere.Options{URL: srv.URL(), Username: srv.Username, Password: srv.Password, CAFile: caFile})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

func look(t *testing.T, c *vsphere.Client, names ...string) observed.Inventory {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	inv, err := c.Inventory(ctx, query(names...))
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func query(names ...string) (q observed.Query) {
	for _, n := range names {
		q.VMs = append(q.VMs, observed.VMRef{Name: n})
	}
	return q
}

// one returns the only machine of that name.
func one(t *testing.T, inv observed.Inventory, name string) observed.VM {
	t.Helper()
	vms := inv.VM(observed.VMRef{Name: name})
	if len(vms) != 1 {
		t.Fatalf("%d machines named %s", len(vms), name)
	}
	return vms[0]
}

func datastore(t *testing.T, inv observed.Inventory, name string) observed.Datastore {
	t.Helper()
	named := inv.DatastoresNamed(name)
	if len(named) != 1 {
		t.Fatalf("%d datastores named %s", len(named), name)
	}
	return named[0]
}

func TestInventory(t *testing.T) {
	s := scenario.Default(4)
	s.Datastores = append(s.Datastores, scenario.Datastore{
		Name: "VMFS-RO", Type: "VMFS", Hosts: []string{s.Hosts[0].Name}, ReadOnly: []string{s.Hosts[1].Name}, CapacityGB: 10, FreeGB: 5,
	})
	srv, caFile := vcentertest.Start(t, s)
	inv := look(t, connect(t, srv, caFile), "MT-LINUX-01", "db01", "web01", "absent")

	if len(inv.VMs) != 3 || len(inv.Unread) != 0 {
		t.Fatalf("%d machines, unread %v", len(inv.VMs), inv.Unread)
	}
	if inv.URL != srv.URL() || inv.User != srv.Username || inv.Version == "" || inv.InstanceID == "" || inv.Taken.IsZero() {
		t.Errorf("head: %+v", inv)
	}

	t.Run("master target", func(t *testing.T) {
		got := one(t, inv, "MT-LINUX-01")
		host, _ := inv.Host(got.HostRef)
		ds := datastore(t, inv, "VMFS-01")
		want := observed.VM{
			Ref: got.Ref, Name: "MT-LINUX-01", Path: "/DC-TOKYO/vm/MT-LINUX-01",
			BIOSUUID: s.UUID("bios", "MT-LINUX-01"), InstanceUUID: s.UUID("instance", "MT-LINUX-01"),
			HostRef: host.Ref, Power: "poweredOn", Connection: "connected", GuestFamily: "linux", GuestID: "ubuntu64Guest",
			Tools: "guestToolsRunning", ToolsVersion: "guestToolsCurrent",
			Controllers: got.Controllers, ExtraConfig: got.ExtraConfig,
			Disks: []observed.VMDisk{
				{Label: "Hard disk 1", File: "[VMFS-01] MT-LINUX-01/MT-LINUX-01.vmdk", DatastoreRef: ds.Ref, UUID: s.UUID("disk0", "MT-LINUX-01"), CapacityBytes: 80 * gib, Thin: true},
				{Label: "Hard disk 2", File: "[VMFS-01] MT-LINUX-01/MT-LINUX-01_1.vmdk", DatastoreRef: ds.Ref, UUID: s.UUID("disk1", "MT-LINUX-01"), CapacityBytes: 500 * gib, Thin: true},
			},
			GuestDisks: []observed.GuestDisk{
				{Path: "/", FileSystem: "ext4", CapacityBytes: 80 * gib, FreeBytes: 72 * gib},
				{Path: "/mnt/retention", FileSystem: "ext4", CapacityBytes: 500 * gib, FreeBytes: 450 * gib},
			},
			GuestHost: "MT-LINUX-01", GuestIPs: got.GuestIPs, PoolRef: got.PoolRef, DatacenterRef: got.DatacenterRef, Networks: got.Networks,
			Datastores: []string{ds.Ref},
			Unread:     map[string]string{},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if kinds := scsiKinds(got); !slices.Equal(kinds, []string{"lsilogiccontroller"}) {
			t.Errorf("SCSI controllers: %v", kinds)
		}
		if got.ExtraConfig["disk.enableuuid"] != "TRUE" {
			t.Errorf("extra config: %v", got.ExtraConfig)
		}
		if host.Name != "esx02.tokyo.example" || host.ClusterName != "CL-TOKYO" || host.Connection != "connected" || host.LicenceKey != "esx.enterprisePlus.cpuPackage" {
			t.Errorf("host: %+v", host)
		}
		if len(host.DatastoreRefs) != len(s.Datastores) {
			t.Errorf("host mounts %d datastores", len(host.DatastoreRefs))
		}
	})

	t.Run("failed-over machine", func(t *testing.T) {
		got := one(t, inv, "db01")
		if got.Power != "poweredOff" || got.GuestFamily != "linux" || got.Tools != "guestToolsNotRunning" || len(got.Unread) != 0 {
			t.Errorf("%+v", got)
		}
		ds := datastore(t, inv, "VMFS-02")
		if ds.CommittedBytes[got.Ref] != (60+200)*gib/2 {
			t.Errorf("committed: %v", ds.CommittedBytes)
		}
	})

	t.Run("datastores", func(t *testing.T) {
		if len(inv.Datastores) != len(s.Datastores) {
			t.Fatalf("%d datastores", len(inv.Datastores))
		}
		for _, want := range s.Datastores {
			got := datastore(t, inv, want.Name)
			if got.Type != strings.ToLower(want.Type) || !got.Accessible || got.Maintenance != "normal" ||
				got.CapacityBytes != want.CapacityGB*gib || got.FreeBytes != want.FreeGB*gib || got.Path != "/DC-TOKYO/datastore/"+want.Name {
				t.Errorf("%+v", got)
			}
			for _, h := range inv.Hosts {
				mode := "readWrite"
				if slices.Contains(want.ReadOnly, h.Name) {
					mode = "readOnly"
				}
				if (got.Mounts[h.Ref] != observed.Mount{Mode: mode, Mounted: true, Accessible: true}) {
					t.Errorf("%s on %s: %+v", want.Name, h.Name, got.Mounts[h.Ref])
				}
			}
		}
	})

	t.Run("privileges are all granted", func(t *testing.T) {
		var paths []string
		for _, p := range inv.Privileges {
			paths = append(paths, p.Path)
		}
		for _, want := range []string{"/DC-TOKYO", "/DC-TOKYO/vm/db01", "/DC-TOKYO/host/CL-TOKYO/esx01.tokyo.example", "/DC-TOKYO/datastore/VMFS-01"} {
			if !slices.Contains(paths, want) {
				t.Errorf("%s was not asked about; %v were", want, paths)
			}
		}
		for _, p := range inv.Privileges {
			if p.Lacking != nil || p.Unread != "" {
				t.Errorf("%+v", p)
			}
		}
	})
}

// lacking is what the account lacks on what has that path.
func lacking(inv observed.Inventory, path string) []string {
	for _, p := range inv.Privileges {
		if p.Path == path {
			return p.Lacking
		}
	}
	return []string{"not asked"}
}

func scsiKinds(vm observed.VM) (kinds []string) {
	for _, c := range vm.Controllers {
		if strings.Contains(c.Kind, "scsi") || strings.Contains(c.Kind, "lsilogic") {
			kinds = append(kinds, c.Kind)
		}
	}
	return kinds
}

// Each action of the lab must be visible in what is read: that proves both sides.
func TestInventorySeesChanges(t *testing.T) {
	s := scenario.Default(2)
	srv, caFile := vcentertest.Start(t, s)
	c := connect(t, srv, caFile)
	const mt, ds, host = "MT-LINUX-01", "VMFS-02", "esx02.tokyo.example"
	for _, tc := range []struct {
		action string // and its arguments
		seen   func(observed.Inventory) bool
	}{
		{"add-snapshot " + mt + " before", func(i observed.Inventory) bool {
			vm := one(t, i, mt)
			return len(vm.Snapshots) == 1 && vm.Snapshots[0].Path == "before" && !vm.Snapshots[0].Created.IsZero() && vm.Disks[0].Delta && vm.Disks[1].Delta
		}},
		{"add-snapshot " + mt + " after", func(i observed.Inventory) bool {
			vm := one(t, i, mt)
			return len(vm.Snapshots) == 2 && vm.Snapshots[1].Path == "before/after" && vm.Disks[0].File == "[VMFS-01] MT-LINUX-01/MT-LINUX-01-000002.vmdk"
		}},
		{"remove-snapshot " + mt, func(i observed.Inventory) bool {
			vm := one(t, i, mt)
			return len(vm.Snapshots) == 0 && !vm.Disks[0].Delta && vm.Disks[0].File == "[VMFS-01] MT-LINUX-01/MT-LINUX-01.vmdk" &&
				datastore(t, i, "VMFS-01").CommittedBytes[vm.Ref] == 290*gib
		}},
		{"set-consolidation " + mt + " true", func(i observed.Inventory) bool { return one(t, i, mt).Consolidate }},
		{"power-off " + mt, func(i observed.Inventory) bool {
			vm := one(t, i, mt)
			return vm.Power == "poweredOff" && vm.Tools == "guestToolsNotRunning"
		}},
		{"power-on " + mt, func(i observed.Inventory) bool {
			vm := one(t, i, mt)
			return vm.Power == "poweredOn" && vm.Tools == "guestToolsRunning"
		}},
		{"set-tools " + mt + " stopped", func(i observed.Inventory) bool { return one(t, i, mt).Tools == "guestToolsNotRunning" }},
		{"set-tools " + mt + " missing", func(i observed.Inventory) bool { return one(t, i, mt).ToolsVersion == "guestToolsNotInstalled" }},
		{"set-controller " + mt + " pvscsi", func(i observed.Inventory) bool {
			return slices.Equal(scsiKinds(one(t, i, mt)), []string{"paravirtualscsicontroller"})
		}},
		{"set-controller " + mt + " lsisas", func(i observed.Inventory) bool {
			return slices.Equal(scsiKinds(one(t, i, mt)), []string{"lsilogicsascontroller"})
		}},
		{"set-enable-uuid " + mt + " FALSE", func(i observed.Inventory) bool { return one(t, i, mt).ExtraConfig["disk.enableuuid"] == "FALSE" }},
		{"set-enable-uuid " + mt + " none", func(i observed.Inventory) bool {
			_, there := one(t, i, mt).ExtraConfig["disk.enableuuid"]
			return !there
		}},
		{"set-bios-uuid " + mt + " " + s.UUID("bios", "web01"), func(i observed.Inventory) bool { return one(t, i, mt).BIOSUUID == s.UUID("bios", "web01") }},
		{"set-instance-uuid " + mt + " x", func(i observed.Inventory) bool { return one(t, i, mt).InstanceUUID == "x" }},
		{"set-disk-uuid " + mt + " 1 y", func(i observed.Inventory) bool {
			vm := one(t, i, mt)
			return vm.Disks[1].UUID == "y" && vm.Disks[0].UUID == s.UUID("disk0", mt)
		}},
		{"make-rdm " + mt + " 1", func(i observed.Inventory) bool {
			vm := one(t, i, mt)
			return vm.Disks[1].RDM && vm.Disks[1].UUID == "y" && !vm.Disks[0].RDM
		}},
		{"set-volume " + mt + " /mnt/retention vfat 3", func(i observed.Inventory) bool {
			return slices.Contains(one(t, i, mt).GuestDisks, observed.GuestDisk{Path: "/mnt/retention", FileSystem: "vfat", CapacityBytes: 500 * gib, FreeBytes: 3 * gib})
		}},
		{"set-volume " + mt + " /mnt/retention none 0", func(i observed.Inventory) bool { return len(one(t, i, mt).GuestDisks) == 1 }},
		{"datastore-type " + ds + " NFS41", func(i observed.Inventory) bool { return datastore(t, i, ds).Type == "nfs41" }},
		{"datastore-space " + ds + " 7", func(i observed.Inventory) bool { return datastore(t, i, ds).FreeBytes == 7*gib }},
		{"datastore-accessible " + ds + " false", func(i observed.Inventory) bool {
			d := datastore(t, i, ds)
			return !d.Accessible && !d.Mounts[one(t, i, mt).HostRef].Accessible
		}},
		{"datastore-accessible " + ds + " true", func(i observed.Inventory) bool { return datastore(t, i, ds).Accessible }},
		{"datastore-maintenance " + ds + " inMaintenance", func(i observed.Inventory) bool { return datastore(t, i, ds).Maintenance == "inMaintenance" }},
		{"mount " + ds + " " + host + " ro", func(i observed.Inventory) bool {
			return datastore(t, i, ds).Mounts[one(t, i, mt).HostRef].Mode == "readOnly"
		}},
		{"mount " + ds + " " + host + " none", func(i observed.Inventory) bool {
			vm := one(t, i, mt)
			h, _ := i.Host(vm.HostRef)
			_, mounted := datastore(t, i, ds).Mounts[vm.HostRef]
			return !mounted && !slices.Contains(h.DatastoreRefs, datastore(t, i, ds).Ref)
		}},
		{"mount " + ds + " " + host + " rw", func(i observed.Inventory) bool {
			return datastore(t, i, ds).Mounts[one(t, i, mt).HostRef].Mode == "readWrite"
		}},
		{"disconnect-host " + host, func(i observed.Inventory) bool {
			vm := one(t, i, mt)
			h, _ := i.Host(vm.HostRef)
			return h.Connection == "disconnected" && vm.Connection == "disconnected"
		}},
		{"connect-host " + host, func(i observed.Inventory) bool { return one(t, i, mt).Connection == "connected" }},
		{"set-licence " + host + " free", func(i observed.Inventory) bool {
			h, _ := i.Host(one(t, i, mt).HostRef)
			return strings.HasPrefix(h.LicenceKey, "esxBasic") && strings.Contains(h.Licence, "Hypervisor")
		}},
		{"revoke-privilege Datastore.AllocateSpace", func(i observed.Inventory) bool {
			return slices.Equal(lacking(i, "/DC-TOKYO"), []string{"Datastore.AllocateSpace"}) &&
				slices.Equal(lacking(i, "/DC-TOKYO/datastore/VMFS-01"), []string{"Datastore.AllocateSpace"}) &&
				len(lacking(i, "/DC-TOKYO/vm/"+mt)) == 0
		}},
		{"grant-privilege Datastore.AllocateSpace", func(i observed.Inventory) bool { return len(lacking(i, "/DC-TOKYO")) == 0 }},
		{"hide-property " + mt + " config.extraConfig", func(i observed.Inventory) bool {
			vm := one(t, i, mt)
			return strings.Contains(vm.Unread["config.extraConfig"], "NoPermission") && vm.ExtraConfig == nil && len(vm.Disks) == 2
		}},
		{"show-properties " + mt, func(i observed.Inventory) bool { return len(one(t, i, mt).Unread) == 0 }},
		{"hide-property " + ds + " summary", func(i observed.Inventory) bool {
			d := datastore(t, i, ds)
			return d.Unread["summary.type"] != "" && d.Unread["summary.freeSpace"] != "" && len(d.Mounts) == 2
		}},
		{"hide-property " + host + " runtime.connectionState", func(i observed.Inventory) bool {
			h, _ := i.Host(one(t, i, mt).HostRef)
			return h.Unread["runtime.connectionState"] != "" && h.Name == host
		}},
		{"expire-sessions", func(i observed.Inventory) bool { return len(i.VMs) == 2 }},
		{"delete-vm web01", func(i observed.Inventory) bool { return len(i.VM(observed.VMRef{Name: "web01"})) == 0 }},
		{"delete-vm " + mt, func(i observed.Inventory) bool { return len(i.VMs) == 0 }},
	} {
		t.Run(tc.action, func(t *testing.T) {
			words := strings.Fields(tc.action)
			vcentertest.Do(t, srv, words[0], words[1:]...)
			if inv := look(t, c, mt, "web01"); !tc.seen(inv) {
				t.Errorf("not seen in %+v", inv)
			}
		})
	}
}

func TestInventoryFindsByID(t *testing.T) {
	s := scenario.Default(3)
	srv, caFile := vcentertest.Start(t, s)
	c := connect(t, srv, caFile)
	ref := one(t, look(t, c, "app01"), "app01").Ref
	vcentertest.Do(t, srv, "set-bios-uuid", "MT-LINUX-01", s.UUID("bios", "app01"))
	for _, tc := range []struct {
		name string
		ref  observed.VMRef
		want []string
	}{
		{"instance UUID beats the name", observed.VMRef{Name: "web01", ID: strings.ToUpper(s.UUID("instance", "db01"))}, []string{"db01"}},
		{"UUID without dashes", observed.VMRef{ID: observed.NormalUUID(s.UUID("bios", "db01"))}, []string{"db01"}},
		{"managed object id", observed.VMRef{ID: ref}, []string{"app01"}},
		{"unknown id, known name in other letters", observed.VMRef{Name: "WEB01", ID: "gone"}, []string{"web01"}},
		{"an id that two share", observed.VMRef{ID: s.UUID("bios", "app01")}, []string{"MT-LINUX-01", "app01"}},
		{"nothing", observed.VMRef{}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inv, err := c.Inventory(t.Context(), observed.Query{VMs: []observed.VMRef{tc.ref}})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, vm := range inv.VMs {
				got = append(got, vm.Name)
			}
			slices.Sort(got)
			if !slices.Equal(got, tc.want) {
				t.Errorf("found %v, want %v", got, tc.want)
			}
			// Also without a machine the privileges at the datacenter count: a new one is to be made there.
			if lacking(inv, "/DC-TOKYO") != nil {
				t.Error("the datacenter's privileges were not asked")
			}
		})
	}
}

func TestRoundTripsDoNotGrowWithMachines(t *testing.T) {
	s := scenario.Default(50)
	srv, caFile := vcentertest.Start(t, s)
	c := connect(t, srv, caFile)
	look(t, c, "web01") // logs in
	calls := func(names ...string) int {
		before := total(srv)
		inv := look(t, c, names...)
		if len(inv.VMs) != len(names) {
			t.Fatalf("%d of %d machines", len(inv.VMs), len(names))
		}
		return total(srv) - before
	}
	var all []string
	for _, m := range s.Machines {
		all = append(all, m.Name)
	}
	if one, fifty := calls("web01"), calls(all...); one != fifty || fifty > 4 {
		t.Errorf("%d calls for one machine, %d for fifty", one, fifty)
	}
}

// Two thousand machines that nobody asked about cost a longer list and no call more.
func TestUnrelatedMachines(t *testing.T) {
	if testing.Short() {
		t.Skip("furnishes two thousand machines")
	}
	s := scenario.Default(2050)
	srv, caFile := vcentertest.Start(t, s)
	c := connect(t, srv, caFile)
	look(t, c, "web01") // logs in
	var names []string
	for _, m := range s.Machines[1000:1050] {
		names = append(names, m.Name)
	}
	before := total(srv)
	inv := look(t, c, names...)
	if calls := total(srv) - before; calls > 4 || len(inv.VMs) != 50 {
		t.Errorf("%d calls, %d machines", calls, len(inv.VMs))
	}
	for _, vm := range inv.VMs {
		if len(vm.Disks) == 0 || vm.Power != "poweredOff" || vm.HostRef == "" || len(vm.Unread) > 0 {
			t.Errorf("%+v", vm)
		}
	}
}

func total(srv *vcenter.Server) (n int) {
	for _, calls := range srv.Calls() {
		n += calls
	}
	return n
}

func TestDatastores(t *testing.T) {
	s := scenario.Default(1)
	s.Hosts = append(s.Hosts, scenario.Host{Name: "esx09.tokyo.example"}) // in no cluster
	s.Datastores[0].Hosts = append(s.Datastores[0].Hosts, "esx09.tokyo.example")
	srv, caFile := vcentertest.Start(t, s)
	inv, err := connect(t, srv, caFile).Datastores(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(inv.Datastores) != len(s.Datastores) || len(inv.Hosts) != 3 || len(inv.VMs) != 0 {
		t.Fatalf("%d datastores, %d hosts, %d machines", len(inv.Datastores), len(inv.Hosts), len(inv.VMs))
	}
	for _, h := range inv.Hosts {
		if alone := h.Name == "esx09.tokyo.example"; alone != (h.ClusterRef == "") || alone != (h.ClusterName != "CL-TOKYO") {
			t.Errorf("%+v", h)
		}
	}
	if d := datastore(t, inv, "VMFS-01"); len(d.Mounts) != 3 || d.Path != "/DC-TOKYO/datastore/VMFS-01" {
		t.Errorf("%+v", d)
	}
	if inv.Unread["privileges"] == "" || inv.Unread["licence"] == "" {
		t.Errorf("what was not read must be noted: %v", inv.Unread)
	}
}
