package checks

import (
	"strings"
	"testing"

	"reprotect.example/services/observed"
)

// The findings about vCenters that nobody here made, by their numbers: one change of the healthy site, and what a
// check must say of it.
func TestVSphereFindings(t *testing.T) {
	t.Parallel()
	lacking := func(ref, path, kind string, ids ...string) func(*site) {
		return func(s *site) {
			s.Inventory.Privileges[ref] = observed.Privileges{Path: path, Kind: kind, Lacking: ids}
		}
	}
	twin := func(s *site, name string) *observed.VM { // another VM beside the site's own
		vm := s.Inventory.VMs[2]
		vm.Ref, vm.Name, vm.Path, vm.BIOSUUID, vm.InstanceUUID = "vm-twin", name, "/DC/vm/old/"+name, "bios-twin", "instance-twin"
		s.Inventory.VMs = append([]observed.VM{vm}, s.Inventory.VMs...)
		return &s.Inventory.VMs[0]
	}
	const device = "config.hardware.device"
	for _, row := range []struct {
		id       string
		change   func(*site)
		check    string
		machine  string // "" for the whole case
		want     string
		evidence string
	}{
		{"1.1/E02/another case's VM", lacking("vm-app", "/DC/vm/app01", "VirtualMachine", "VirtualMachine.Config.AddExistingDisk"), "vcenter.privileges", "", Passed, "all documented"},
		{"1.1/E02/the case's own VM", lacking("vm-db", "/DC/vm/db01", "VirtualMachine", "VirtualMachine.Config.AddExistingDisk"), "vcenter.privileges", "", Failed, "/DC/vm/db01"},
		{"1.1/E02/the writer", lacking("vm-mt", "/DC/vm/MT-WIN-01", "VirtualMachine", "VirtualMachine.Config.AddExistingDisk"), "vcenter.privileges", "", Failed, "/DC/vm/MT-WIN-01"},
		{"1.1/E02/another datacenter", lacking("dc-osaka", "/OSAKA", "Datacenter", "Task.Create"), "vcenter.privileges", "", Passed, "all documented"},
		{"A16/a datastore where nothing of the case lies", lacking("ds-2", "/DC/datastore/NFS-01", "Datastore", "Datastore.AllocateSpace"), "vcenter.privileges", "", Passed, "all documented"},
		{"A16/the datastore of the disks", lacking("ds-1", "/DC/datastore/VMFS-01", "Datastore", "Datastore.AllocateSpace"), "vcenter.privileges", "", Failed, "VMFS-01"},
		{"A16/one that gave no answer", func(s *site) {
			s.Inventory.Privileges["ds-1"] = observed.Privileges{Path: "/DC/datastore/VMFS-01", Kind: "Datastore", Unread: "the vCenter gave no answer"}
		}, "vcenter.privileges", "", Unknown, "on /DC/datastore/VMFS-01 (the vCenter gave no answer)"},
		{"A16/another that gave no answer", func(s *site) {
			s.Inventory.Privileges["ds-2"] = observed.Privileges{Path: "/DC/datastore/NFS-01", Kind: "Datastore", Unread: "the vCenter gave no answer"}
		}, "vcenter.privileges", "", Passed, "all documented"},
		{"6/Network.Assign counts on the network", lacking("dc", "/DC", "Datacenter", "Network.Assign", "Resource.AssignVMToPool"), "vcenter.privileges", "", Passed, "all documented"},
		{"6/Network.Assign on the network", lacking("network-1", "a network of /DC/vm/db01", "Network", "Network.Assign"), "vcenter.privileges", "", Failed, "a network of"},
		{"6/Network.Assign where no network is known", func(s *site) {
			lacking("dc", "/DC", "Datacenter", "Network.Assign")(s)
			for i := range s.Inventory.VMs {
				s.Inventory.VMs[i].Networks = nil
			}
		}, "vcenter.privileges", "", Failed, "Network.Assign; on /DC"},

		{"1.2/A04/the replica's disks are not the machine's", func(s *site) {
			replica := twin(s, "db01_replica")
			replica.BIOSUUID, replica.InstanceUUID, replica.Disks = "bios-db01", "instance-db01", nil
		}, "datastore.type", "db01", Passed, "VMFS-01"},
		{"1.3/E07/F01/two VMs of the master target's name", func(s *site) { twin(s, "mt-win-01") }, "master-target.connected", "db01", Unknown, "2 VMs that may be master target MT-WIN-01: /DC/vm/old/mt-win-01, /DC/vm/MT-WIN-01"},
		{"1.3/E07/F01/and its host", func(s *site) { twin(s, "mt-win-01") }, "datastore.read-write", "db01", Unknown, "2 VMs"},
		{"1.5/A02/another name than its guest", func(s *site) { s.mtVM().Name, s.mtVM().GuestHost = "tky-asr-mt", "MT-WIN-01.tokyo.example" }, "master-target.connected", "db01", Passed, "tky-asr-mt is switched on"},
		{"1.5/A02/by address", func(s *site) {
			s.mt().IPAddress = "10.0.0.5"
			s.mtVM().Name, s.mtVM().GuestIPs = "tky-asr-mt", []string{"fe80::1", "10.0.0.5"}
		}, "master-target.snapshots", "db01", Passed, "tky-asr-mt"},
		{"1.5/A03/a namesake that is off", func(s *site) {
			s.mtVM().Name, s.mtVM().GuestHost, s.mtVM().Snapshots = "mt-win-01.tokyo.example", "mt-win-01.tokyo.example", []observed.Snapshot{{Path: "before"}}
			twin(s, "MT-WIN-01").Power = "poweredOff"
			s.Inventory.VMs[0].GuestHost = ""
			s.Inventory.VMs[0].Snapshots = nil
		}, "master-target.snapshots", "db01", Failed, "mt-win-01.tokyo.example has 1 snapshot(s): before"},
		{"1.5/E01/the byte order of the guest", func(s *site) {
			s.appliance().BIOSID = "420c1d3a-5b6e-7f80-91a2-b3c4d5e6f708"
			s.Inventory.VMs[3].Name, s.Inventory.VMs[3].BIOSUUID = "asr appliance", "3a1d0c42-6e5b-807f-91a2-b3c4d5e6f708"
		}, "appliance.storage-vmotion", "web01", Passed, "asr appliance"},
		{"1.5/E06/decomposed letters", func(s *site) {
			s.mt().Name, s.Case.Machines[0].MasterTarget, s.mtVM().Name = "\u30b2ート", "\u30b2ート", "\u30b1\u3099ート"
		}, "master-target.connected", "db01", Passed, "is switched on"},
		{"1/the config names its VM", func(s *site) {
			twin(s, "mt-win-01").Path = "/DC/vm/asr/mt"
			s.mt().VMPath = "/dc/vm/asr/mt"
		}, "master-target.connected", "db01", Passed, "mt-win-01 is switched on"},
		{"1/the config names a VM that is not there", func(s *site) { s.mt().VMPath = "/DC/vm/none" }, "master-target.connected", "db01", Unknown, "no VM at /DC/vm/none"},

		{"1.4/G04/B09/a datastore of that name elsewhere", func(s *site) {
			osaka := s.Inventory.Datastores[1]
			osaka.Ref, osaka.Name, osaka.Path, osaka.FreeBytes, osaka.Mounts = "ds-osaka", "VMFS-01", "/OSAKA/datastore/VMFS-01", 5*gib, nil
			s.ds().Path = "/DC/datastore/VMFS-01"
			s.Inventory.Datastores = append([]observed.Datastore{osaka}, s.Inventory.Datastores...)
		}, "datastore.read-write", "db01", Passed, "Datastore /DC/datastore/VMFS-01 is mounted read-write"},
		{"1.4/G04/B09/and its room", func(s *site) {
			osaka := s.Inventory.Datastores[1]
			osaka.Ref, osaka.Name, osaka.FreeBytes = "ds-osaka", "VMFS-01", 5*gib
			s.Inventory.Datastores = append([]observed.Datastore{osaka}, s.Inventory.Datastores...)
		}, "datastore.space", "db01", Passed, "300.0 GB are free"},

		{"E03/hidden or deleted", func(s *site) { s.without("db01"); s.Inventory.Removals = nil }, "location.original-or-alternate", "db01", Unknown, "deleted or renamed, or it is hidden"},
		{"E03/hidden or deleted, its datastores", func(s *site) { s.without("db01"); s.Inventory.Removals = nil }, "datastore.type", "db01", Unknown, "hidden"},
		{"E03/its events say so", func(s *site) { s.without("db01") }, "location.original-or-alternate", "db01", Passed, `TOKYO\admin removed it at 2026-11-22 09:00 UTC`},
		{"E03/another's events", func(s *site) { s.without("db01"); s.Inventory.Removals[0].Name = "db02" }, "location.original-or-alternate", "db01", Unknown, "hidden"},
		{"E03/a person vouches for it", func(s *site) {
			s.without("db01")
			s.Inventory.Removals = nil
			s.Case.Attest["location.original-or-alternate"] = "deleted in May"
		}, "location.original-or-alternate", "db01", Passed, "A person vouches"},
		{"E03/nobody vouches away a VM that is there", func(s *site) { s.Case.Attest["location.original-or-alternate"] = "deleted in May" }, "location.original-or-alternate", "db01", Passed, "original location"},
		{"E03/modernized", func(s *site) { s.without("web01"); s.Inventory.Removals = nil }, "location.original-or-alternate", "web01", Passed, "alternate location"},

		{"A07/disconnected", func(s *site) { s.mtVM().Connection = "disconnected" }, "master-target.connected", "db01", Unknown, "is disconnected"},
		{"A07/orphaned", func(s *site) { s.mtVM().Connection = "orphaned" }, "master-target.connected", "db01", Unknown, "is orphaned"},
		{"A07/its host does not answer", func(s *site) { s.host().Connection = "notResponding" }, "master-target.connected", "db01", Unknown, "esx01 of VM MT-WIN-01 is notResponding"},
		{"A07/host in maintenance, alternate location", func(s *site) { alternate("auto")(s); s.host().Maintenance = true }, "location.original-or-alternate", "db01", Failed, "host esx01 of the master target MT-WIN-01 is in maintenance mode"},
		{"A07/host in maintenance, original location", func(s *site) { s.host().Maintenance = true }, "location.original-or-alternate", "db01", Passed, "original location"},
		{"A08/the machine is a template", func(s *site) { s.dbVM().Template = true }, "location.original-or-alternate", "db01", Failed, "is a template"},
		{"A08/the master target is a template", func(s *site) { s.mtVM().Template = true }, "master-target.connected", "db01", Failed, "is a template"},
		{"A08/the appliance is a template", func(s *site) { s.Inventory.VMs[3].Template = true }, "appliance.healthy", "web01", Failed, "is a template"},
		{"A09/a delta disk by its name only", func(s *site) { s.mtVM().Disks[0].File = "[VMFS-01] MT/MT-000001.vmdk" }, "master-target.snapshots", "db01", Warned, "has the name of a delta disk"},
		{"A10/1", func(s *site) { s.mtVM().ExtraConfig["disk.enableuuid"] = "1" }, "master-target.disk-enable-uuid", "db01", Warned, `"1"`},
		{"A10/yes", func(s *site) { s.mtVM().ExtraConfig["disk.enableuuid"] = "Yes" }, "master-target.disk-enable-uuid", "db01", Warned, `"Yes"`},
		{"A10/0", func(s *site) { s.mtVM().ExtraConfig["disk.enableuuid"] = "0" }, "master-target.disk-enable-uuid", "db01", Failed, `"0"`},
		{"A11/they run", func(s *site) { s.mtVM().ToolsVersion = "guestToolsNotInstalled" }, "master-target.vmware-tools", "db01", Passed, "run on VM"},
		{"A12/BusLogic beside LSI", func(s *site) {
			s.mtVM().Controllers = append(s.mtVM().Controllers, observed.Controller{Kind: "buslogiccontroller", Label: "SCSI controller 1"})
		}, "master-target.scsi-controller", "db01", Warned, "others: SCSI controller 1"},
		{"F02/a disk without a datastore", func(s *site) { s.dbVM().Disks[1].DatastoreRef = "" }, "datastore.read-write", "db01", Unknown, "the datastore of Hard disk 2"},
		{"G02/no config", func(s *site) {
			s.dbVM().Unread, s.dbVM().Disks = observed.Unread{"config": "the vCenter did not return it"}, nil
		}, "datastore.space", "db01", Unknown, "did not return it"},
		{"6/two reasons are parted", func(s *site) {
			s.dbVM().Unread, s.mtVM().Unread = observed.Unread{device: "one"}, observed.Unread{device: "two"}
		}, "master-target.uuid-collision", "db01", Unknown, "db01 (config.hardware.device: one), MT-WIN-01 (config.hardware.device: two)"},
		{"1.6/A06/mounts hidden", func(s *site) {
			for i := range s.Inventory.Datastores {
				s.Inventory.Datastores[i].Mounts, s.Inventory.Datastores[i].Unread = nil, observed.Unread{"host": "NoPermission"}
			}
		}, "master-target.vmfs", "db01", Unknown, "VMFS-01 (host: NoPermission)"},
		{"1.6/G01/free space hidden", func(s *site) {
			s.ds().FreeBytes, s.ds().Unread = 0, observed.Unread{"summary.freeSpace": "NoPermission"}
		}, "datastore.space", "db01", Unknown, "NoPermission"},
	} {
		t.Run(row.id, func(t *testing.T) {
			t.Parallel()
			s := healthy()
			row.change(s)
			f := s.finding(t, row.check, row.machine)
			if f.Status != row.want || !strings.Contains(f.Evidence, row.evidence) {
				t.Errorf("%s: %s, want %s: %q", f.Status, f.Evidence, row.want, row.evidence)
			}
		})
	}
}

// E05: what Storage DRS may do with a VM.
func TestVSphereE05(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		pod      observed.Pod
		rule     observed.PodRule
		want     string
		evidence string
	}{
		{"off", observed.Pod{Behaviour: "automated"}, observed.PodRule{}, Passed, "is off"},
		{"automated", observed.Pod{Enabled: true, Behaviour: "automated"}, observed.PodRule{}, Warned, "may move the VM."},
		{"manual", observed.Pod{Enabled: true, Behaviour: "manual"}, observed.PodRule{}, Warned, "a person may apply one"},
		{"manual, but for space", observed.Pod{Enabled: true, Behaviour: "manual", Overrides: map[string]string{"space load balance": "automated", "I/O load balance": "manual"}}, observed.PodRule{}, Warned, "may move the VM for: space load balance"},
		{"manual for the VM", observed.Pod{Enabled: true, Behaviour: "automated", Overrides: map[string]string{"space load balance": "automated"}}, observed.PodRule{Behaviour: "manual"}, Warned, "a person may apply one"},
		{"automated for the VM", observed.Pod{Enabled: true, Behaviour: "manual"}, observed.PodRule{Behaviour: "automated"}, Warned, "may move the VM."},
		{"left out", observed.Pod{Enabled: true, Behaviour: "automated"}, observed.PodRule{Excluded: true}, Passed, "leaves the VM out"},
		{"not said", observed.Pod{Enabled: true}, observed.PodRule{}, Unknown, "nothing at all"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := healthy()
			row.pod.Ref, row.pod.Name, row.pod.Rules = "pod", "POD", map[string]observed.PodRule{"vm-mt": row.rule}
			s.Inventory.Pods, s.ds().PodRef, s.mtVM().Datastores = []observed.Pod{row.pod}, "pod", []string{"ds-1"}
			if f := s.finding(t, "master-target.storage-vmotion", "db01"); f.Status != row.want || !strings.Contains(f.Evidence, row.evidence) {
				t.Errorf("%s: %s", f.Status, f.Evidence)
			}
		})
	}
}
