package checks

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/observed"
)

var now = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

const (
	vaultID  = "/subscriptions/s/resourceGroups/g/providers/Microsoft.RecoveryServices/vaults/v"
	csID     = vaultID + "/replicationFabrics/cs"
	rcmID    = vaultID + "/replicationFabrics/rcm"
	azureID  = "/subscriptions/s/resourceGroups/g"
	azureVMs = azureID + "/providers/Microsoft.Compute/virtualMachines/"
	storage  = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/logs"
	gib      = int64(1) << 30
)

// site is a site in which every check passes (but for those that only say what to think of), with one machine
// of each architecture: db01 classic, web01 modernized. A test changes one property and judges.
type site struct{ Input }

func healthy() *site {
	heartbeat := now.Add(-time.Minute)
	item := func(name string, a observed.Architecture, provider, fabric string) observed.Item {
		return observed.Item{
			ID: fabric + "/replicationProtectionContainers/c/replicationProtectedItems/" + name, Name: name, Architecture: a, Provider: provider,
			FabricID: fabric, State: "UnplannedFailoverStatesBegin", StateText: "Failover committed", Location: "Recovery",
			FailedOverAt: now.Add(-time.Hour), OS: observed.Windows, OSVersion: "Microsoft Windows Server 2019 Datacenter", VMID: "bios-" + name,
			Disks: []observed.ItemDisk{{Name: "Disk0", CapacityBytes: 40 * gib}, {Name: "Disk1", CapacityBytes: 60 * gib}}, LogStorage: storage, Health: "Normal",
			AzureVMName: name, AzureGroup: azureID,
		}
	}
	vm := func(name, ref, power string) observed.VM {
		disk := func(n int, capacity int64) observed.VMDisk {
			return observed.VMDisk{Label: fmt.Sprintf("Hard disk %d", n), File: fmt.Sprintf("[VMFS-01] %s/%d.vmdk", name, n), DatastoreRef: "ds-1", UUID: fmt.Sprintf("disk-%s-%d", name, n), CapacityBytes: capacity}
		}
		return observed.VM{
			Ref: ref, Name: name, Path: "/DC/vm/" + name, BIOSUUID: "bios-" + name, InstanceUUID: "instance-" + name, HostRef: "host-1",
			Power: power, Connection: "connected", Tools: "guestToolsRunning", ToolsVersion: "guestToolsCurrent",
			Controllers: []observed.Controller{{Kind: "lsilogicsascontroller", Label: "SCSI controller 0"}},
			Disks:       []observed.VMDisk{disk(1, 40*gib), disk(2, 60*gib)}, ExtraConfig: map[string]string{"disk.enableuuid": "TRUE"},
			GuestDisks: []observed.GuestDisk{{Path: `C:\`, FileSystem: "NTFS"}, {Path: `R:\`, FileSystem: "NTFS"}},
			MovesRead:  true, DatacenterRef: "dc", Networks: []string{"network-1"}, PoolRef: "pool-1",
		}
	}
	datastore := func(ref, name, kind string) observed.Datastore {
		return observed.Datastore{
			Ref: ref, Name: name, Type: kind, Accessible: true, Maintenance: "normal", CapacityBytes: 900 * gib, FreeBytes: 300 * gib,
			Mounts:         map[string]observed.Mount{"host-1": {Mode: "readWrite", Mounted: true, Accessible: true}},
			CommittedBytes: map[string]int64{"vm-db": 30 * gib, "vm-web": 30 * gib}, UncommittedBytes: map[string]int64{"vm-db": 70 * gib, "vm-web": 70 * gib},
		}
	}
	s := &site{Input{
		Now: now,
		Vault: observed.Vault{
			Taken: now, Name: "v", Items: []observed.Item{item("db01", observed.Classic, "InMageAzureV2", csID), item("web01", observed.Modernized, "InMageRcm", rcmID)},
			Fabrics: []observed.Fabric{
				{
					ID: csID, Name: "CS-01", Architecture: observed.Classic, Health: "Normal", Heartbeat: heartbeat, Version: "9.62.1.1", HostName: "CS-01", IPAddress: "10.0.0.4",
					ProcessServers: []observed.ProcessServer{{ID: "PS-ID", Name: "PS-AZ-01", IPAddress: "10.9.0.4", Version: "9.62.1.1", Heartbeat: heartbeat, Health: "Normal"}},
					MasterTargets: []observed.MasterTarget{{
						ID: "MT-ID", Name: "MT-WIN-01", OS: observed.Windows, OSVersion: "Microsoft Windows Server 2019 Datacenter", Version: "9.62.1.1", Heartbeat: heartbeat, DiskCount: 10,
						RetentionVolumes: []observed.RetentionVolume{{Name: "R", CapacityBytes: 500 * gib, FreeBytes: 400 * gib}},
					}},
				},
				{
					ID: rcmID, Name: "appliances", Architecture: observed.Modernized,
					Appliances: []observed.Appliance{{ID: "APPL-ID", Name: "ASR-APPL-01", BIOSID: "bios-ASR-APPL-01", Health: "Normal", Heartbeat: heartbeat, Datastores: []string{"VMFS-01", "VMFS-02"}}},
				},
			},
			Policies: []observed.Policy{{ID: vaultID + "/replicationPolicies/back", Name: "back", Provider: "InMage"}},
			Mappings: []observed.Mapping{{FabricID: csID, ContainerID: csID + "/c", TargetContainerID: csID + "/c", PolicyID: vaultID + "/replicationPolicies/back"}},
			VCenters: []observed.RegisteredVCenter{{Name: "vcenter", Address: "vcenter.tokyo.example", FabricID: csID}},
			AzureVMs: observed.AzureVMs{
				Taken: now, Groups: map[string]string{strings.ToLower(azureID): ""},
				VMs: []observed.AzureVM{{ID: azureVMs + "db01", Name: "db01", Disks: []string{"db01-os"}, Power: "running"}, {ID: azureVMs + "web01", Name: "web01", Disks: []string{"web01-os"}, Power: "running"}},
			},
			Probes: []observed.Probe{{Name: "ps-to-cs", Address: "10.0.0.4:443"}},
		},
		Inventory: observed.Inventory{
			Taken: now, URL: "https://vcenter.tokyo.example/sdk", User: "TOKYO\\asr",
			VMs: []observed.VM{vm("db01", "vm-db", "poweredOff"), vm("web01", "vm-web", "poweredOff"), vm("MT-WIN-01", "vm-mt", "poweredOn"), vm("ASR-APPL-01", "vm-appl", "poweredOn")},
			Hosts: []observed.Host{
				{Ref: "host-1", Name: "esx01", Connection: "connected", DatastoreRefs: []string{"ds-1", "ds-2"}, Licence: "vSphere 8 Enterprise Plus", LicenceKey: "esx.enterprisePlus"},
				{Ref: "host-2", Name: "esx02", Connection: "connected", DatastoreRefs: []string{"ds-1"}, Licence: "vSphere 8 Enterprise Plus", LicenceKey: "esx.enterprisePlus"},
			},
			Datastores: []observed.Datastore{datastore("ds-1", "VMFS-01", "vmfs"), datastore("ds-2", "VMFS-02", "vmfs")},
			Privileges: map[string]observed.Privileges{
				"dc": {Path: "/DC", Kind: "Datacenter"}, "vm-db": {Path: "/DC/vm/db01", Kind: "VirtualMachine"}, "ds-1": {Path: "/DC/datastore/VMFS-01", Kind: "Datastore"},
				"host-1": {Path: "/DC/host/esx01", Kind: "HostSystem"}, "network-1": {Path: "a network of /DC/vm/db01", Kind: "Network"}, "pool-1": {Path: "the resource pool of /DC/vm/db01", Kind: "ResourcePool"},
			},
		},
		Site: Site{NetworkPath: VPN, VCenterURL: "https://vcenter.tokyo.example/sdk", ConfigurationServerAddress: "10.0.0.4", Probes: 1},
	}}
	s.db().AzureVM, s.web().AzureDisks = azureVMs+"DB01", []string{"WEB01-os"} // a classic item names its VM, a modernized one its disks
	s.Case = events.Case{
		Attest: map[string]string{"configuration-server.backup": "of last night", "process-server.placement": "vnet-failover"},
		Machines: []events.Machine{
			{Name: "db01", Item: s.Vault.Items[0].ID, Architecture: "classic", OS: observed.Windows, Choice: events.Choice{MasterTarget: "MT-WIN-01", ProcessServer: "PS-AZ-01", RetentionDrive: "R", Datastore: "auto"}},
			{Name: "web01", Item: s.Vault.Items[1].ID, Architecture: "modernized", OS: observed.Windows, Choice: events.Choice{Appliance: "ASR-APPL-01", LogStorageAccount: storage, Datastore: "auto"}},
		},
	}
	return s
}

func (s *site) db() *observed.Item             { return &s.Vault.Items[0] }
func (s *site) web() *observed.Item            { return &s.Vault.Items[1] }
func (s *site) dbVM() *observed.VM             { return &s.Inventory.VMs[0] }
func (s *site) webVM() *observed.VM            { return &s.Inventory.VMs[1] }
func (s *site) mtVM() *observed.VM             { return &s.Inventory.VMs[2] }
func (s *site) cs() *observed.Fabric           { return &s.Vault.Fabrics[0] }
func (s *site) ps() *observed.ProcessServer    { return &s.cs().ProcessServers[0] }
func (s *site) mt() *observed.MasterTarget     { return &s.cs().MasterTargets[0] }
func (s *site) appliance() *observed.Appliance { return &s.Vault.Fabrics[1].Appliances[0] }
func (s *site) ds() *observed.Datastore        { return &s.Inventory.Datastores[0] }
func (s *site) host() *observed.Host           { return &s.Inventory.Hosts[0] }
func (s *site) mount(m observed.Mount)         { s.ds().Mounts["host-1"] = m }

// without takes a VM out of vCenter.
func (s *site) without(name string) {
	var rest []observed.VM
	for _, vm := range s.Inventory.VMs {
		if vm.Name != name {
			rest = append(rest, vm)
		}
	}
	s.Inventory.VMs = rest
	s.Inventory.Removals = append(s.Inventory.Removals, observed.Removal{Name: name, At: now, User: "TOKYO\\admin"})
}

// add puts another machine of db01's kind into the vault, and into the case if that is wanted.
func (s *site) add(name string, inCase bool) *observed.Item {
	item, machine := s.Vault.Items[0], s.Case.Machines[0]
	item.Name, item.ID, item.VMID = name, csID+"/c/"+name, "bios-"+name
	machine.Name, machine.Item = name, item.ID
	s.Vault.Items = append(s.Vault.Items, item)
	vm := s.Inventory.VMs[0]
	vm.Name, vm.Ref, vm.BIOSUUID, vm.InstanceUUID = name, "vm-"+name, "bios-"+name, "instance-"+name
	vm.Disks = nil
	for _, d := range s.Inventory.VMs[0].Disks {
		d.UUID += "-" + name
		vm.Disks = append(vm.Disks, d)
	}
	vm.ExtraConfig = maps.Clone(vm.ExtraConfig)
	s.Inventory.VMs = append(s.Inventory.VMs, vm)
	if inCase {
		s.Case.Machines = append(s.Case.Machines, machine)
	}
	return &s.Vault.Items[len(s.Vault.Items)-1]
}

// finding is what Run says of one check; machine is "" for a check of the whole case.
func (s *site) finding(t *testing.T, code, machine string) events.Finding {
	t.Helper()
	for _, f := range Run(s.Input) {
		if f.Check == code && f.Machine == machine {
			return f
		}
	}
	t.Fatalf("no finding of %s for %q", code, machine)
	return events.Finding{}
}

// judgement is a row of the tables: what one change of the healthy site makes of a check.
type judgement struct {
	name     string
	change   func(*site)
	want     string
	evidence string // a part of it
}

// foreign are words of Azure, vCenter and people in the rows: they stay as they came.
var foreign = []string{
	"Planned failover finished", "Tools are missing", "Ensure the URLs are accessible from the machine", "no such host", "none is named", "of last night",
}

// judge runs rows against one check. machine is the one that is judged; "" for the whole case.
func judge(t *testing.T, code, machine string, rows []judgement) {
	t.Helper()
	for _, row := range rows {
		t.Run(code+" "+row.name, func(t *testing.T) {
			t.Parallel()
			s := healthy()
			if row.change != nil {
				row.change(s)
			}
			f := s.finding(t, code, machine)
			if f.Status != row.want {
				t.Fatalf("status %s, want %s: %s", f.Status, row.want, f.Evidence)
			}
			if !strings.Contains(f.Evidence, row.evidence) {
				t.Errorf("evidence %q does not say %q", f.Evidence, row.evidence)
			}
			if left := englishSentence(InJapanese(f.Evidence), foreign...); left != "" {
				t.Errorf("%q stays English in %q", left, InJapanese(f.Evidence))
			}
			if quiet := f.Status == Passed || f.Status == Skipped; quiet != (f.Remedy == "") {
				t.Errorf("status %s with remedy %q", f.Status, f.Remedy)
			}
		})
	}
}
