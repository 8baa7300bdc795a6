package checks

import (
	"strings"
	"testing"
	"time"

	"reprotect.example/services/observed"
)

func TestAppliance(t *testing.T) {
	t.Parallel()
	judge(t, "appliance.healthy", "web01", []judgement{
		{"normal", nil, Passed, "ASR-APPL-01"}, {"unread", noFabrics, Unknown, "HTTP 503"},
		{"warning", func(s *site) {
			s.appliance().Health, s.appliance().Problems = "Warning", []observed.Problem{{Message: "Low disk."}}
		}, Warned, "Low disk."},
		{"critical", func(s *site) { s.appliance().Health = "Critical" }, Failed, "critical"},
		{"F9 a part of it is critical", func(s *site) {
			s.appliance().Parts = []observed.Component{
				{Kind: "proxy of appliance", Name: "ASR-APPL-01", Heartbeat: now, Health: "Normal"},
				{Kind: "replication agent of appliance", Name: "ASR-APPL-01", Heartbeat: now, Health: "Critical", Problems: []observed.Problem{{Message: "No cache.", Code: "7"}}},
			}
		}, Failed, "Replication agent of appliance ASR-APPL-01: its health is critical: No cache (7)."},
		{"F9 parts that are alike", func(s *site) {
			s.appliance().Parts = []observed.Component{{Kind: "proxy of appliance", Name: "A", Heartbeat: late, Health: "Normal"}, {Kind: "process server of appliance", Name: "A", Heartbeat: late, Health: "Normal"}}
		}, Failed, "Proxy of appliance A, process server of appliance A: the last heartbeat was"},
		{"a template", func(s *site) { s.Inventory.VMs[3].Template = true }, Failed, "is a template"},
		{"perhaps a template", func(s *site) { s.Inventory.VMs[3].Unread = map[string]string{"config.template": "refused"} }, Unknown, "refused"},
		{"not said", func(s *site) { s.appliance().Health = "None" }, Unknown, "None"},
		{"late", func(s *site) { s.appliance().Heartbeat = late }, Failed, "15m0s ago"},
		{"no heartbeat", func(s *site) { s.appliance().Heartbeat = time.Time{} }, Unknown, "no heartbeat"},
		{"not registered", func(s *site) { s.Case.Machines[1].Appliance = "X" }, Failed, "X is not registered"},
		{"not chosen", func(s *site) { s.Case.Machines[1].Appliance = "" }, Failed, "No appliance is chosen"},
	})
	back := func(disks int) func(*site) {
		return func(s *site) {
			s.Vault.Items = append(s.Vault.Items, observed.Item{ID: "/x", Name: "x", ApplianceID: "appl-id", Provider: "InMageRcmFailback", Disks: make([]observed.ItemDisk, disks)})
		}
	}
	judge(t, "appliance.disk-slots", "web01", []judgement{
		{"few", nil, Passed, "adds 2 disk(s) to appliance ASR-APPL-01, which has 2 of 60"}, {"unread", noFabrics, Unknown, "HTTP 503"},
		{"just full", back(58), Passed, "58 of 60"},
		{"just full with its request", func(s *site) { s.Beside = map[string]int{"appl-id": 56} }, Passed, "2 of 60"},
		{"too many with its request", func(s *site) { s.Beside = map[string]int{"appl-id": 57} }, Warned, "Together with the rest of the request that is 1 too many"},
		{"too many, whatever its request has", func(s *site) { back(59)(s); s.Beside = map[string]int{"appl-id": 57} }, Failed, "1 too many"},
		{"one too many", back(59), Failed, "1 too many"},
		{"its own disks", func(s *site) { s.Inventory.VMs[3].Disks = make([]observed.VMDisk, 60) }, Failed, "60 of 60"},
		{"counted already", func(s *site) { back(58)(s); s.web().Provider, s.web().ApplianceID = "InMageRcmFailback", "APPL-ID" }, Passed, "adds 0"},
		{"disks not known", func(s *site) { s.web().Disks, s.webVM().Disks = nil, nil }, Unknown, "disks of web01"},
		{"not registered", func(s *site) { s.Case.Machines[1].Appliance = "X" }, Unknown, "X"},
	})
	account := func(id string) func(*site) {
		return func(s *site) { s.Case.Machines[1].LogStorageAccount = id }
	}
	shows := func(account observed.StorageAccount) func(*site) {
		return func(s *site) {
			s.Vault.AzureVMs.Accounts = map[string]observed.StorageAccount{strings.ToLower(storage): account}
			s.Vault.AzureVMs.VMs[1].Region = "japaneast"
		}
	}
	judge(t, "log-storage.present", "web01", []judgement{
		{"the forward one", nil, Passed, "used on its way"},
		{"another", account("/Subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/more"), Passed, "more is named"},
		{"none", account(""), Failed, "No log storage account"},
		{"a name", account("logs"), Failed, "not the Azure id"},
		{"item gone", func(s *site) { s.Vault.Items = s.Vault.Items[:1] }, Unknown, "not in the vault"},
		{"B6 read", shows(observed.StorageAccount{Region: "japaneast", Kind: "StorageV2", Tier: "Standard"}), Passed, "logs is there (StorageV2, Standard, japaneast)"},
		{"B6 gone", shows(observed.StorageAccount{Absent: true}), Failed, "does not exist"},
		{"B6 files only", shows(observed.StorageAccount{Kind: "FileStorage"}), Failed, "no blobs"},
		{"B6 closed", shows(observed.StorageAccount{Closed: "its public network access is disabled, and it has no private endpoint"}), Warned, "may not reach the log storage account logs: its public"},
		{"B6 another region", shows(observed.StorageAccount{Region: "Japan West"}), Warned, "lies in Japan West, and the Azure VM of web01 in japaneast"},
		{"B6 the region in other words", shows(observed.StorageAccount{Region: "Japan East", Kind: "StorageV2"}), Passed, "(StorageV2, Japan East)"},
		{"B6 the VM's region is not known", func(s *site) {
			shows(observed.StorageAccount{Region: "japanwest", Kind: "StorageV2"})(s)
			s.Vault.AzureVMs.VMs[1].Region = ""
		}, Passed, "japanwest"},
		{"B6 not to be read", shows(observed.StorageAccount{Unread: "no permission"}), Passed, "used on its way"},
	})
}
