package checks

import (
	"testing"

	"reprotect.example/services/observed"
)

// alternate takes both machines' VMs away and names a datastore for them.
func alternate(datastore string) func(*site) {
	return func(s *site) {
		s.without("db01")
		s.without("web01")
		s.Case.Machines[0].Datastore, s.Case.Machines[1].Datastore = datastore, datastore
	}
}

func TestDatastores(t *testing.T) {
	t.Parallel()
	for _, machine := range []string{"db01", "web01"} {
		vm := func(s *site) *observed.VM { return &s.Inventory.VMs[map[string]int{"db01": 0, "web01": 1}[machine]] }
		common := []judgement{
			{"alternate, auto", alternate("auto"), Skipped, "the placement step chooses"},
			{"no vCenter", func(s *site) { s.InventoryError = "down" }, Unknown, "down"},
			{"disks unread", func(s *site) { vm(s).Unread = map[string]string{"config.hardware.device": "no permission"} }, Unknown, "no permission"},
			{"no disks", func(s *site) { vm(s).Disks = nil }, Unknown, "no disks"},
			{"item gone", func(s *site) { s.Vault.Items = nil }, Unknown, "not in the vault"},
		}
		judge(t, "datastore.type", machine, append(common,
			judgement{"VMFS", nil, Passed, "VMFS-01 is VMFS"},
			judgement{"NFS", func(s *site) { s.ds().Type = "nfs41" }, Failed, "VMFS-01: type NFS41 is not supported"},
			judgement{"one disk on NFS", func(s *site) { vm(s).Disks[1].DatastoreRef = "ds-2"; s.Inventory.Datastores[1].Type = "nfs" }, Failed, "VMFS-02"},
			judgement{"vSAN", func(s *site) { s.ds().Type = "vsan" }, Warned, "vSAN"},
			judgement{"not said", func(s *site) { s.ds().Type = "" }, Unknown, "does not tell"},
			judgement{"unread", func(s *site) { s.ds().Type, s.ds().Unread = "", map[string]string{"summary.type": "no permission"} }, Unknown, "no permission"},
			judgement{"not shown", func(s *site) { s.Inventory.Datastores = s.Inventory.Datastores[1:] }, Unknown, "no datastore ds-1"},
			judgement{"alternate, named", func(s *site) { alternate("vmfs-01")(s); s.ds().Type = "nfs" }, Failed, "NFS"},
			judgement{"a name has no effect at the original location", func(s *site) {
				s.Case.Machines[0].Datastore, s.Case.Machines[1].Datastore = "VMFS-02", "VMFS-02"
				s.Inventory.Datastores[1].Type = "nfs"
			}, Passed, "VMFS-01"},
		))
		judge(t, "datastore.read-write", machine, append(common,
			judgement{"read-write", nil, Passed, "mounted read-write on esx01"},
			judgement{"read-only", func(s *site) { s.mount(observed.Mount{Mode: "readOnly", Mounted: true, Accessible: true}) }, Failed, "VMFS-01: it is mounted read-only on esx01"},
			judgement{"not mounted", func(s *site) { delete(s.ds().Mounts, "host-1") }, Failed, "not mounted on esx01, the host of"},
			judgement{"unmounted", func(s *site) { s.mount(observed.Mount{Mode: "readWrite", Accessible: true}) }, Failed, "not mounted"},
			judgement{"no path", func(s *site) { s.mount(observed.Mount{Mode: "readWrite", Mounted: true}) }, Failed, "cannot reach"},
			judgement{"not accessible", func(s *site) { s.ds().Accessible = false }, Failed, "not accessible"},
			judgement{"in maintenance", func(s *site) { s.ds().Maintenance = "inMaintenance" }, Failed, "maintenance"},
			judgement{"mounts unread", func(s *site) { s.ds().Unread = map[string]string{"host": "no permission"} }, Unknown, "no permission"},
			judgement{"host unread", func(s *site) { s.Inventory.Hosts = nil }, Unknown, "could not be read"},
			judgement{"writer not found", func(s *site) { s.without("MT-WIN-01"); s.without("ASR-APPL-01") }, Unknown, "shows no VM of"},
			judgement{"alternate, not shown", alternate("VMFS-99"), Failed, "VMFS-99 is not mounted"},
			judgement{"alternate, named", alternate("VMFS-02"), Passed, "VMFS-02"},
		))
		judge(t, "datastore.space", machine, append(common,
			judgement{"room", nil, Passed, machine + " needs 70.0 GB on datastore VMFS-01, with the other machines of the case 140.0 GB, and 300.0 GB are free"},
			judgement{"just enough", func(s *site) { s.ds().FreeBytes = 140 * gib }, Passed, "140.0 GB are free"},
			judgement{"too little", func(s *site) { s.ds().FreeBytes = 140*gib - 1 }, Failed, "needs 70.0 GB"},
			judgement{"usage not told", func(s *site) { s.ds().UncommittedBytes = nil }, Unknown, "takes on datastore VMFS-01"},
			judgement{"usage unread", func(s *site) { vm(s).Unread = map[string]string{"storage.perDatastoreUsage": "no permission"} }, Unknown, "no permission"},
			judgement{"written already", func(s *site) {
				s.ds().FreeBytes = 0
				s.db().Provider, s.web().Provider = "InMage", "InMageRcmFailback"
			}, Passed, "needs 0.0 GB"},
			judgement{"alternate needs all", func(s *site) { alternate("VMFS-02")(s); s.Inventory.Datastores[1].FreeBytes = 199 * gib }, Failed, "needs 100.0 GB"},
			judgement{"alternate, room", alternate("VMFS-02"), Passed, "needs 100.0 GB"},
			judgement{"alternate, disks not known", func(s *site) { alternate("VMFS-02")(s); s.db().Disks, s.web().Disks = nil, nil }, Unknown, "does not name the disks"},
			judgement{"free unread", func(s *site) { s.ds().Unread = map[string]string{"summary.freeSpace": "no permission"} }, Unknown, "no permission"},
			judgement{"not shown", func(s *site) { s.Inventory.Datastores = nil }, Unknown, "no datastore"},
		))
	}
	judge(t, "datastore.read-write", "web01", []judgement{
		{"not among the appliance's", func(s *site) { s.appliance().Datastores = []string{"VMFS-02"} }, Failed, "VMFS-01: appliance ASR-APPL-01 does not list it"},
		{"listed in another letter case", func(s *site) { s.appliance().Datastores = []string{"vmfs-01"} }, Passed, "VMFS-01"},
		{"appliance not registered", func(s *site) { s.appliance().Name, s.appliance().ID = "OTHER", "OTHER" }, Unknown, "not registered"},
	})
}

func TestLocation(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	rows := func(machine, writer string) []judgement {
		return []judgement{
			{"original", nil, Passed, "original location: VM /DC/vm/" + machine + ", with its disks on VMFS-01."},
			{"original, disks unread", func(s *site) {
				for i := range s.Inventory.VMs {
					s.Inventory.VMs[i].Unread = map[string]string{"config.hardware.device": "no permission"}
				}
			}, Passed, "no permission"},
			{"alternate, auto", alternate("auto"), Passed, "a new VM on host esx01 of the " + writer + " and a datastore that the placement step chooses"},
			{"alternate, named", alternate("VMFS-02"), Passed, "datastore VMFS-02"},
			{"alternate, host not read", func(s *site) { alternate("VMFS-02")(s); s.Inventory.Hosts = nil }, Passed, "the host of the " + writer},
			{"physical", func(s *site) { s.db().Physical, s.web().Physical = true, true }, Passed, "alternate location"},
			{"no vCenter", func(s *site) { s.InventoryError = "down" }, Unknown, "down"},
		}
	}
	judge(t, "location.original-or-alternate", "db01", rows("db01", "master target MT-WIN-01"))
	judge(t, "location.original-or-alternate", "web01", append(rows("web01", "appliance ASR-APPL-01"),
		judgement{"deleted, says Site Recovery", func(s *site) { s.web().VMDeleted = &yes }, Passed, "says that the on-premises VM was deleted"},
		judgement{"hidden from the account", func(s *site) { alternate("auto")(s); s.Inventory.Removals, s.web().VMDeleted = nil, &no }, Unknown, "hidden from the account"},
	))
}
