package procedure

import (
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/lab/scenario"
)

func TestS01_OnlyFailedOverMachines(t *testing.T) {
	do(t, "set-item web01 protectionState Protected", "set-item web01 protectionState none")
	finds(t, preflightOf(t, request("web01")), "machine.failed-over", "fail", "web01")
}

func TestS02_NoWayBackAfterMigrationMoveOrDeletion(t *testing.T) {
	t.Run("deleted", func(t *testing.T) {
		do(t, "set-azure-vm web01 deleted", "set-azure-vm web01 running")
		finds(t, preflightOf(t, request("web01")), "machine.azure-vm-present", "fail", "web01")
	})
	t.Run("moved", func(t *testing.T) {
		do(t, "set-azure-vm web01 moved", "set-azure-vm web01 running")
		finds(t, preflightOf(t, request("web01")), "machine.resource-group", "fail", "web01")
	})
	t.Run("migrated", func(t *testing.T) {
		do(t, "set-item web01 protectionState MigrationCompleted", "set-item web01 protectionState none")
		finds(t, preflightOf(t, request("web01")), "machine.not-migrated", "fail")
	})
}

func TestS04_S43_ReadOnlyVCenterAccount(t *testing.T) {
	do(t, "revoke-privilege Datastore.AllocateSpace", "grant-privilege Datastore.AllocateSpace")
	finds(t, preflightOf(t, request("web01")), "vcenter.privileges", "fail", "Datastore.AllocateSpace")
}

func TestS05_SnapshotsOnTheMachineAreMerged(t *testing.T) {
	do(t, "add-snapshot web01 monday", "remove-snapshot web01")
	finds(t, preflightOf(t, request("web01")), "machine.snapshots", "warn", "monday")
}

func TestS06_S16_ProcessServerPlacement(t *testing.T) {
	finds(t, preflightOf(t, request("db01"), func(c *config.Config) { network(c, "expressroute") }), "process-server.placement", "pass")
	vpn := func(c *config.Config) { network(c, "vpn") }
	finds(t, preflightOf(t, request("db01"), vpn), "process-server.placement", "unknown", "PS-AZ-01")
	r := request("db01")
	r.Attest = map[string]string{"process-server.placement": "it stands in the Azure network of the machines"}
	finds(t, preflightOf(t, r, vpn), "process-server.placement", "pass", "Azure network")
}

// network says what the site's config says of the way to Azure.
func network(c *config.Config, path string) {
	sites := map[string]config.Site{}
	for name, s := range c.Sites {
		s.Network.Path = path
		sites[name] = s
	}
	c.Sites = sites
}

func TestS07_S19_MasterTargetConnectedAndNotFull(t *testing.T) {
	t.Run("silent", func(t *testing.T) {
		do(t, "stop-heartbeat MT-LINUX-01", "start-heartbeat MT-LINUX-01")
		finds(t, preflightOf(t, request("db01")), "master-target.connected", "fail", "MT-LINUX-01")
	})
	t.Run("full", func(t *testing.T) {
		do(t, "set-server MT-LINUX-01 diskCount 60", "set-server MT-LINUX-01 diskCount none")
		finds(t, preflightOf(t, request("db01")), "master-target.disk-slots", "fail", "60")
	})
}

func TestS08_S26_SameOperatingSystemFamily(t *testing.T) {
	r := request("db01") // Linux
	r.MasterTarget = "MT-WIN-01"
	finds(t, preflightOf(t, r), "master-target.os-family", "fail", "MT-WIN-01", "db01")
}

func TestS10_ConfigurationServerConnected(t *testing.T) {
	do(t, "stop-heartbeat CS-01", "start-heartbeat CS-01")
	finds(t, preflightOf(t, request("db01")), "configuration-server.connected", "fail", "CS-01")
}

func TestS12_S28_DiskEnableUUID(t *testing.T) {
	do(t, "set-enable-uuid MT-LINUX-01 FALSE", "set-enable-uuid MT-LINUX-01 TRUE")
	finds(t, preflightOf(t, request("db01")), "master-target.disk-enable-uuid", "fail", "MT-LINUX-01")
}

func TestS13_S23_StorageVMotionOfTheMasterTarget(t *testing.T) {
	do(t, "begin-relocation MT-LINUX-01", "end-relocation MT-LINUX-01")
	finds(t, preflightOf(t, request("db01")), "master-target.storage-vmotion", "fail", "MT-LINUX-01")
}

func TestS14_S25_RetentionDrivePresent(t *testing.T) {
	do(t, "remove-retention MT-LINUX-01")
	finds(t, preflightOf(t, request("db01")), "retention-drive.present", "fail", "MT-LINUX-01")
	do(t, "add-retention MT-LINUX-01") // shows up to 15 minutes later, which pass fast here
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, f := range preflightOf(t, request("db01")).Findings {
			if f.Check == "retention-drive.present" && f.Status == "pass" {
				return
			}
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("the drive never showed")
		}
	}
}

func TestS15_S17_PrivatePath(t *testing.T) {
	report := preflightOf(t, request("db01"), func(c *config.Config) { network(c, "") })
	finds(t, report, "network.private-path", "warn")
}

func TestS18_S47_PortsAreOpen(t *testing.T) {
	report := preflightOf(t, request("db01"), func(c *config.Config) {
		network(c, "vpn")
		s := c.Sites["tokyo"]
		s.Network.Probes = []config.Probe{{Name: "ps-to-cs", Address: "127.0.0.1:1"}}
		c.Sites["tokyo"] = s
	})
	finds(t, report, "network.ports", "warn", "ps-to-cs")
}

func TestS20_OnlyVMFSOrVSAN(t *testing.T) {
	do(t, "datastore-type VMFS-01 NFS", "datastore-type VMFS-01 VMFS")
	report := preflightOf(t, request("web01"))
	finds(t, report, "datastore.type", "fail", "VMFS-01")
	for _, v := range report.Placements[0].Considered {
		if v.Name == "NFS-01" && (v.Accepted || v.Reason == "" || v.Remedy == "") {
			t.Errorf("%+v", v)
		}
	}
}

func TestS21_S36_MountedReadWriteOnTheMasterTargetsHost(t *testing.T) {
	do(t, "mount VMFS-02 esx02.tokyo.example ro", "mount VMFS-02 esx02.tokyo.example rw")
	finds(t, preflightOf(t, request("db01")), "datastore.read-write", "fail", "VMFS-02", "esx02.tokyo.example")
}

func TestS22_S35_AlternateLocationNamesItsHost(t *testing.T) {
	finds(t, preflightOf(t, request("web01")), "location.original-or-alternate", "pass", "riginal")
	report := preflightOf(t, request("gone01"))
	finds(t, report, "location.original-or-alternate", "pass", "lternate", ".tokyo.example")
	if len(report.Placements) != 1 || report.Placements[0].Location != "alternate" || report.Placements[0].Datastore == "" {
		t.Errorf("placed %+v, problems %+v", report.Placements, report.Problems)
	}
}

func TestS24_RetentionDriveEligible(t *testing.T) {
	do(t, "set-volume MT-LINUX-01 /mnt/retention vfat 100", "set-volume MT-LINUX-01 /mnt/retention ext4 100")
	finds(t, preflightOf(t, request("db01")), "retention-drive.eligible", "fail", "/mnt/retention")
}

func TestS27_VMwareTools(t *testing.T) {
	do(t, "set-tools MT-LINUX-01 stopped", "set-tools MT-LINUX-01 running")
	finds(t, preflightOf(t, request("db01")), "master-target.vmware-tools", "fail", "MT-LINUX-01")
}

func TestS29_VMFSOnTheMasterTargetsHost(t *testing.T) {
	do(t, "datastore-type VMFS-01 NFS", "datastore-type VMFS-01 VMFS")
	do(t, "datastore-type VMFS-02 NFS", "datastore-type VMFS-02 VMFS")
	do(t, "datastore-type VSAN-01 NFS", "datastore-type VSAN-01 vsan")
	finds(t, preflightOf(t, request("db01")), "master-target.vmfs", "fail", "esx02.tokyo.example")
}

func TestS30_SnapshotOnTheMasterTarget(t *testing.T) {
	do(t, "add-snapshot MT-LINUX-01 before-patching", "remove-snapshot MT-LINUX-01")
	finds(t, preflightOf(t, request("db01")), "master-target.snapshots", "fail", "before-patching", "MT-LINUX-01")
}

func TestS31_ParavirtualController(t *testing.T) {
	do(t, "set-controller MT-LINUX-01 pvscsi", "set-controller MT-LINUX-01 lsilogic")
	finds(t, preflightOf(t, request("db01")), "master-target.scsi-controller", "fail", "MT-LINUX-01")
}

func TestS32_FailbackPolicy(t *testing.T) {
	do(t, "refuse-requests mappings", "allow-requests mappings")
	finds(t, preflightOf(t, request("db01")), "failback-policy.present", "unknown")
}

func TestS34_EnoughSpace(t *testing.T) {
	do(t, "datastore-space VMFS-02 0", "datastore-space VMFS-02 120000")
	report := preflightOf(t, request("db01"))
	finds(t, report, "datastore.space", "fail", "VMFS-02")
}

func TestS37_GroupsGoTogether(t *testing.T) {
	finds(t, preflightOf(t, request("grp01")), "group.complete", "fail", "grp02")
	finds(t, preflightOf(t, request("grp01", "grp02")), "group.complete", "pass")
	report := preflightOf(t, events.Request{Plan: "ERP"})
	if len(report.Machines) != 2 || report.Machines[0].Name != "grp02" {
		t.Errorf("the plan became %+v", report.Machines)
	}
}

func TestS38_OneGroupOneMasterTarget(t *testing.T) {
	r := request("grp01", "grp02")
	r.Machines[1].MasterTarget = "MT-LINUX-01"
	finds(t, preflightOf(t, r), "group.same-master-target", "fail", "MT-LINUX-01", "MT-WIN-01")
}

func TestS39_OnPremisesMachineIsOff(t *testing.T) {
	do(t, "power-on web01", "power-off web01")
	finds(t, preflightOf(t, request("web01")), "machine.powered-off", "warn", "web01")
}

func TestS42_UUIDsOfOneTemplate(t *testing.T) {
	before := uuidOf(t, "MT-LINUX-01")
	do(t, "set-bios-uuid MT-LINUX-01 "+uuidOf(t, "db01"), "set-bios-uuid MT-LINUX-01 "+before)
	finds(t, preflightOf(t, request("db01")), "master-target.uuid-collision", "fail", "db01")
}

// uuidOf is the BIOS UUID of a machine, as both simulators have it.
func uuidOf(t *testing.T, name string) string {
	t.Helper()
	return scenario.Default(0).UUID("bios", name)
}

func TestS44_S45_LinuxNetwork(t *testing.T) {
	finds(t, preflightOf(t, request("web01")), "machine.linux-network", "warn", "web01")
}

func TestS46_FreeESXi(t *testing.T) {
	do(t, "set-licence esx02.tokyo.example free", "set-licence esx02.tokyo.example full")
	finds(t, preflightOf(t, request("db01")), "esxi.licence", "fail", "esx02.tokyo.example")
}

func TestS47_ProcessServerConnected(t *testing.T) {
	do(t, "stop-heartbeat PS-AZ-01", "start-heartbeat PS-AZ-01")
	finds(t, preflightOf(t, request("db01")), "process-server.connected", "fail", "PS-AZ-01")
}

func TestS48_VCenter(t *testing.T) {
	do(t, "refuse-requests vcenters", "allow-requests vcenters")
	finds(t, preflightOf(t, request("db01")), "vcenter.discovered", "unknown")
	closed := preflightOf(t, request("db01"), func(c *config.Config) {
		network(c, "vpn")
		s := c.Sites["tokyo"]
		s.VCenter.URL = "https://127.0.0.1:1/sdk"
		c.Sites["tokyo"] = s
	})
	finds(t, closed, "vcenter.connected", "fail", "127.0.0.1:1")
}

func TestS49_WindowsServer2008R2AsPhysicalServer(t *testing.T) {
	finds(t, preflightOf(t, request("old01")), "machine.os-supported", "fail", "old01")
	finds(t, preflightOf(t, request("mail01")), "machine.os-supported", "pass")
}

// A host that is lost takes what runs on it out of sight: nothing of it may pass.
func TestS27_ToolsOnADisconnectedHostAreUnknown(t *testing.T) {
	do(t, "disconnect-host esx02.tokyo.example", "connect-host esx02.tokyo.example")
	finds(t, preflightOf(t, request("db01")), "master-target.vmware-tools", "unknown", "MT-LINUX-01")
}
