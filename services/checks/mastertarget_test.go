package checks

import (
	"testing"
	"time"

	"reprotect.example/services/observed"
)

// hideMT makes a property of the master target's VM unreadable.
func hideMT(path string) func(*site) {
	return func(s *site) { s.mtVM().Unread = map[string]string{path: "no permission"} }
}

var (
	mtGone     = judgement{"VM not found", func(s *site) { s.without("MT-WIN-01") }, Unknown, "shows no VM of master target MT-WIN-01"}
	mtUnread   = judgement{"fabrics unread", noFabrics, Unknown, "HTTP 503"}
	noVCenter  = judgement{"no vCenter", func(s *site) { s.InventoryError = "down" }, Unknown, "down"}
	mtUnlisted = judgement{"not registered", func(s *site) { s.Case.Machines[0].MasterTarget = "MT-X" }, Unknown, "MT-X"}
)

func TestMasterTargetServer(t *testing.T) {
	t.Parallel()
	judge(t, "master-target.connected", "db01", []judgement{
		{"connected", nil, Passed, "MT-WIN-01"}, mtGone, mtUnread, noVCenter,
		{"late", func(s *site) { s.mt().Heartbeat = late }, Failed, "15m0s ago"},
		{"no heartbeat", func(s *site) { s.mt().Heartbeat = time.Time{} }, Unknown, "no heartbeat"},
		{"off", func(s *site) { s.mtVM().Power = "poweredOff" }, Failed, "switched off"},
		{"suspended", func(s *site) { s.mtVM().Power = "suspended" }, Failed, "suspended"},
		{"odd power", func(s *site) { s.mtVM().Power = "" }, Unknown, "power state"},
		{"power unread", hideMT("runtime.powerState"), Unknown, "no permission"},
		{"problems", func(s *site) { s.mt().Problems = []observed.Problem{{Message: "Tools are missing."}} }, Warned, "Tools are missing."},
		{"by id", func(s *site) { s.Case.Machines[0].MasterTarget = "mt-id" }, Passed, "MT-WIN-01"},
		{"not registered", func(s *site) { s.Case.Machines[0].MasterTarget = "MT-X" }, Failed, "MT-X is not registered"},
		{"not chosen", func(s *site) { s.Case.Machines[0].MasterTarget = "" }, Failed, "No master target is chosen"},
	})
	judge(t, "master-target.version", "db01", []judgement{
		{"same", nil, Passed, "9.62.1.1"}, mtUnread, mtUnlisted,
		{"older", func(s *site) { s.mt().Version = "9.61.999.1" }, Passed, "9.61.999.1"},
		{"newer than the process server", func(s *site) { s.ps().Version = "9.9.9.9" }, Failed, "process server PS-AZ-01 with 9.9.9.9"},
		{"newer than the configuration server", func(s *site) { s.cs().Version = "9.62.1" }, Failed, "configuration server CS-01 with 9.62.1"},
		{"not said", func(s *site) { s.mt().Version = "" }, Unknown, "cannot be compared"},
		{"no process server", func(s *site) { s.Case.Machines[0].ProcessServer = "PS-X" }, Unknown, "PS-X"},
		{"older Windows", func(s *site) { s.mt().OSVersion = "Microsoft Windows Server 2016" }, Warned, "older than"},
	})
	judge(t, "master-target.os-family", "db01", []judgement{
		{"same", nil, Passed, "both run windows"}, mtUnread, mtUnlisted,
		{"different", func(s *site) { s.mt().OS = observed.Linux }, Failed, "MT-WIN-01 runs linux"},
		{"not said", func(s *site) { s.mt().OS = "" }, Unknown, "does not say"},
		{"machine's not said", func(s *site) { s.Case.Machines[0].OS = "" }, Unknown, "does not say"},
	})
	judge(t, "master-target.disk-slots", "db01", []judgement{
		{"few", nil, Passed, "2 disk(s) to master target MT-WIN-01, which has 10 of 60"}, mtUnread, mtUnlisted,
		{"just full", func(s *site) { s.mt().DiskCount = 58 }, Passed, "58 of 60"},
		{"one too many", func(s *site) { s.mt().DiskCount = 59 }, Failed, "1 too many"},
		{"more than full", func(s *site) { s.mt().DiskCount = 70 }, Failed, "2 too many"},
		{"with the whole case", func(s *site) { s.mt().DiskCount = 58; s.add("app01", true) }, Failed, "adds 4"},
		{"with one that is there already", func(s *site) { s.mt().DiskCount = 58; s.add("app01", true).Provider = "InMage" }, Passed, "adds 2"},
		{"own disks", func(s *site) { s.mtVM().Disks = make([]observed.VMDisk, 59) }, Failed, "59 of 60"},
		{"disks from vCenter", func(s *site) { s.db().Disks = nil }, Passed, "adds 2"},
		{"disks not known", func(s *site) { s.db().Disks, s.dbVM().Disks = nil, nil }, Unknown, "disks of db01"},
	})
}

func TestMasterTargetVM(t *testing.T) {
	t.Parallel()
	judge(t, "master-target.snapshots", "db01", []judgement{
		{"none", nil, Passed, "no snapshots"}, mtGone, noVCenter,
		{"one", func(s *site) { s.mtVM().Snapshots = []observed.Snapshot{{Path: "before", Created: now}} }, Failed, "before of 2026-11-22 09:00 UTC"},
		{"delta disk", func(s *site) { s.mtVM().Disks[0].Delta = true }, Failed, "Hard disk 1 on the delta disk [VMFS-01]"},
		{"consolidation", func(s *site) { s.mtVM().Consolidate = true }, Failed, "consolidated"},
		{"snapshots unread", hideMT("snapshot.rootSnapshotList"), Unknown, "no permission"},
		{"disks unread", hideMT("config.hardware.device"), Unknown, "no permission"},
		{"config unread", hideMT("config"), Unknown, "no permission"},
	})
	judge(t, "master-target.disk-enable-uuid", "db01", []judgement{
		{"TRUE", nil, Passed, "TRUE"}, mtGone, noVCenter,
		{"FALSE", func(s *site) { s.mtVM().ExtraConfig["disk.enableuuid"] = "FALSE" }, Failed, "FALSE"},
		{"missing", func(s *site) { s.mtVM().ExtraConfig = map[string]string{"a": "b"} }, Failed, "no configuration parameter"},
		{"nothing read", func(s *site) { s.mtVM().ExtraConfig = nil }, Unknown, "MT-WIN-01"},
		{"unread", hideMT("config.extraConfig"), Unknown, "no permission"},
	})
	kinds := func(kinds ...string) func(*site) {
		return func(s *site) {
			s.mtVM().Controllers = nil
			for _, k := range kinds {
				s.mtVM().Controllers = append(s.mtVM().Controllers, observed.Controller{Kind: k, Label: "SCSI controller 1"})
			}
		}
	}
	judge(t, "master-target.scsi-controller", "db01", []judgement{
		{"SAS", nil, Passed, "LSI Logic"}, mtGone, noVCenter,
		{"parallel, and SATA", kinds("lsilogiccontroller", "ahcicontroller"), Passed, "LSI Logic"},
		{"paravirtual beside it", kinds("lsilogiccontroller", "paravirtualscsicontroller", "idecontroller"), Failed, "SCSI controller 1"},
		{"paravirtual, as older types name it", kinds("paravirtualscsi"), Failed, "paravirtual"},
		{"only another", kinds("buslogiccontroller"), Failed, "no LSI Logic"},
		{"none", kinds(), Unknown, "no disk controllers"},
		{"unread", hideMT("config.hardware.device"), Unknown, "no permission"},
	})
	judge(t, "master-target.vmware-tools", "db01", []judgement{
		{"running", nil, Passed, "run"}, mtGone, noVCenter,
		{"stopped", func(s *site) { s.mtVM().Tools = "guestToolsNotRunning" }, Failed, "do not run"},
		{"not installed", func(s *site) {
			s.mtVM().Tools, s.mtVM().ToolsVersion = "guestToolsNotRunning", "guestToolsNotInstalled"
		}, Failed, "not installed"},
		{"not installed, off", func(s *site) { s.mtVM().Power, s.mtVM().ToolsVersion = "poweredOff", "guestToolsNotInstalled" }, Failed, "not installed"},
		{"off", func(s *site) { s.mtVM().Power = "poweredOff" }, Unknown, "poweredOff"},
		{"disconnected", func(s *site) { s.mtVM().Connection = "disconnected" }, Unknown, "disconnected"},
		{"not said", func(s *site) { s.mtVM().Tools = "" }, Unknown, "does not say"},
		{"unread", hideMT("guest.toolsRunningStatus"), Unknown, "no permission"},
	})
	types := func(kind string) func(*site) {
		return func(s *site) {
			for i := range s.Inventory.Datastores {
				s.Inventory.Datastores[i].Type = kind
			}
		}
	}
	judge(t, "master-target.vmfs", "db01", []judgement{
		{"VMFS", nil, Passed, "VMFS-01"}, mtGone, noVCenter,
		{"one of two", func(s *site) { s.ds().Type = "nfs" }, Passed, "VMFS-02"},
		{"not accessible", func(s *site) {
			s.ds().Accessible = false
			s.Inventory.Datastores[1].Mounts["host-1"] = observed.Mount{}
		}, Failed, "no accessible VMFS"},
		{"vSAN only", types("vsan"), Warned, "vSAN"},
		{"NFS only", types("nfs"), Failed, "esx01"},
		{"unread types", types(""), Unknown, "VMFS-01"},
		{"unread list", func(s *site) { s.host().Unread = map[string]string{"datastore": "no permission"} }, Unknown, "no permission"},
		{"host not found", func(s *site) { s.mtVM().HostRef = "host-x" }, Unknown, "host of MT-WIN-01"},
	})
}

func TestUUIDCollision(t *testing.T) {
	t.Parallel()
	judge(t, "master-target.uuid-collision", "db01", []judgement{
		{"own", nil, Passed, "of their own"}, mtGone, noVCenter,
		{"BIOS", func(s *site) { s.mtVM().BIOSUUID = "BIOSDB01" }, Failed, "BIOS UUID"},
		{"instance", func(s *site) { s.mtVM().InstanceUUID = "INSTANCE-db01" }, Failed, "instance UUID"},
		{"disk", func(s *site) { s.mtVM().Disks[1].UUID = "DISKDB011" }, Failed, "disk UUID disk-db01-1 (Hard disk 1 and Hard disk 2)"},
		{"the only VM of that name is the master target", func(s *site) {
			s.without("db01")
			s.Inventory.VMs[1].Name, s.Inventory.VMs[1].GuestHost = "db01", "MT-WIN-01"
		}, Failed, "the master target itself"},
		{"VM gone", func(s *site) { s.without("db01") }, Skipped, "db01"},
		{"disk UUID missing", func(s *site) { s.dbVM().Disks[0].UUID = "" }, Unknown, "Hard disk 1 of db01"},
		{"master target's missing", func(s *site) { s.mtVM().BIOSUUID = "" }, Unknown, "BIOS UUID"},
		{"master target's disk UUID missing", func(s *site) { s.mtVM().Disks[0].UUID = "" }, Unknown, "Hard disk 1 of MT-WIN-01"},
		{"unread", hideMT("config.hardware.device"), Unknown, "no permission"},
	})
}

func TestRetention(t *testing.T) {
	t.Parallel()
	drive := func(name string) func(*site) { return func(s *site) { s.Case.Machines[0].RetentionDrive = name } }
	judge(t, "retention-drive.present", "db01", []judgement{
		{"offered", nil, Passed, "offers R with 500.0 GB, of which 400.0 GB are free"}, mtUnread, mtUnlisted,
		{"written otherwise", drive(`r:\`), Passed, "offers R"},
		{"Linux", func(s *site) { s.mt().RetentionVolumes[0].Name = "/mnt/retention/"; drive("/mnt/retention")(s) }, Passed, "/mnt/retention/"},
		{"another", drive("S"), Failed, "does not offer S as a retention drive, only R"},
		{"none offered", func(s *site) { s.mt().RetentionVolumes = nil }, Failed, "no retention drive; R is wanted"},
		{"none chosen", drive(""), Failed, "No retention drive is chosen"},
	})
	judge(t, "retention-drive.eligible", "db01", []judgement{
		{"NTFS", nil, Passed, "NTFS"}, mtGone, mtUnread, noVCenter,
		{"FAT32", func(s *site) { s.mtVM().GuestDisks[1].FileSystem = "FAT32" }, Failed, "FAT32"},
		{"vfat", func(s *site) { s.mtVM().GuestDisks[1].FileSystem = "vfat" }, Failed, "vfat"},
		{"no capacity", func(s *site) { s.mt().RetentionVolumes[0].CapacityBytes = 0 }, Failed, "no capacity"},
		{"system volume", func(s *site) { s.mt().RetentionVolumes[0].Name = "C"; drive("C")(s) }, Failed, "system volume"},
		{"root", func(s *site) { s.mt().RetentionVolumes[0].Name = "/"; drive("/")(s) }, Failed, "system volume"},
		{"not offered", drive("S"), Skipped, "retention-drive.present fails"},
		{"file system not said", func(s *site) { s.mtVM().GuestDisks[1].FileSystem = "" }, Unknown, "do not tell"},
		{"volume not said", func(s *site) { s.mtVM().GuestDisks = nil }, Unknown, "do not tell"},
		{"unread", hideMT("guest.disk"), Unknown, "no permission"},
	})
	judge(t, "failback-policy.present", "db01", []judgement{
		{"associated", nil, Passed, "policy back"}, mtUnread,
		{"not associated", func(s *site) { s.Vault.Mappings = nil }, Failed, "CS-01"},
		{"only the forward one", func(s *site) { s.Vault.Mappings[0].TargetContainerID = "/azure" }, Failed, "CS-01"},
		{"mappings unread", func(s *site) { s.Vault.Unread = map[string]string{"mappings": "HTTP 503"} }, Unknown, "HTTP 503"},
		{"policies unread", func(s *site) { s.Vault.Unread = map[string]string{"policies": "HTTP 503"} }, Unknown, "HTTP 503"},
	})
}

func TestMayFit(t *testing.T) {
	t.Parallel()
	disks := func(n int) func(*site) {
		return func(s *site) { s.db().Disks = make([]observed.ItemDisk, n) }
	}
	for _, tt := range []struct {
		name   string
		change func(*site)
		want   bool
	}{
		{"few", disks(2), true},
		{"few, on a full master target", func(s *site) { s.mt().DiskCount = 60 }, true},
		{"all that it takes", disks(60), true},
		{"one too many", disks(61), false},
		{"too many with the whole case", func(s *site) { disks(59)(s); s.add("app01", true) }, false},
		{"not known", func(s *site) { s.db().Disks, s.dbVM().Disks = nil, nil }, false},
	} {
		s := healthy()
		tt.change(s)
		if got := MayFit(s.Input); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
