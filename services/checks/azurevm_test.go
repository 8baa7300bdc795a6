package checks

import (
	"strings"
	"testing"
	"time"

	"reprotect.example/services/observed"
)

func TestAzureVM(t *testing.T) {
	t.Parallel()
	const other = "/subscriptions/s2/resourceGroups/elsewhere/providers/Microsoft.Compute/virtualMachines/"
	set := func(vms ...observed.AzureVM) func(*site) {
		return func(s *site) { s.Vault.AzureVMs.VMs = vms }
	}
	both := func(changes ...func(*site)) func(*site) {
		return func(s *site) {
			for _, c := range changes {
				c(s)
			}
		}
	}
	noDisks := func(s *site) { s.web().AzureDisks = nil }
	blind := func(s *site) { s.Vault.AzureVMs.Elsewhere = "AuthorizationFailed" }
	forbidden := func(s *site) { s.Vault.AzureVMs.Groups[strings.ToLower(azureID)] = "AuthorizationFailed" }
	renamed := observed.AzureVM{ID: azureVMs + "web01-0f0e0d0c-0b0a-4908-8706-050403020100", Name: "web01-0f0e0d0c-0b0a-4908-8706-050403020100"}
	common := func(machine string) []judgement {
		return []judgement{
			{"not permitted", forbidden, Unknown, "AuthorizationFailed"},
			{"nobody looked", func(s *site) { s.Vault.AzureVMs = observed.AzureVMs{} }, Unknown, "Nobody looked"},
			{"group not listed", func(s *site) { clear(s.Vault.AzureVMs.Groups) }, Unknown, "Nobody looked"},
			{"not in Azure", func(s *site) { s.db().Location, s.web().Location = "Primary", "Primary" }, Skipped, "does not run in Azure"},
			{"back already, without a word of the VM", func(s *site) {
				for _, i := range []*observed.Item{s.db(), s.web()} {
					i.Provider, i.AzureVM, i.AzureGroup = "InMage", "", ""
				}
			}, Skipped, "replicates back already"},
			{"place not said", func(s *site) {
				for _, i := range []*observed.Item{s.db(), s.web()} {
					i.AzureVM, i.AzureGroup = "", ""
				}
			}, Unknown, "does not say where"},
			{"item gone", func(s *site) { s.Vault.Items = nil }, Unknown, machine},
		}
	}
	for _, code := range []string{"machine.azure-vm-present", "machine.resource-group"} {
		for _, machine := range []string{"db01", "web01"} {
			judge(t, code, machine, common(machine))
		}
	}
	judge(t, "machine.azure-vm-present", "db01", []judgement{
		{"there", nil, Passed, "db01 in resource group g"},
		{"deleted", set(), Failed, "neither in resource group g nor anywhere else"},
		{"gone, and the rest cannot be seen", both(set(), blind), Unknown, "AuthorizationFailed"},
		{"one of that name elsewhere", set(observed.AzureVM{ID: other + "db01", Name: "db01"}), Unknown, "db01 in elsewhere"},
	})
	judge(t, "machine.resource-group", "db01", []judgement{
		{"in place", nil, Passed, "resource group g"},
		{"one of that name elsewhere", set(observed.AzureVM{ID: other + "db01", Name: "db01"}), Failed, "db01 in elsewhere"},
		{"gone", set(), Skipped, "machine.azure-vm-present fails"},
		{"gone, and the rest cannot be seen", both(set(), blind), Failed, "not in resource group g any more"},
	})
	judge(t, "machine.azure-vm-present", "web01", []judgement{
		{"by its disks", nil, Passed, "web01 in resource group g"},
		{"by its disks, under another name", set(observed.AzureVM{ID: azureVMs + "x", Name: "x", Disks: []string{"web01-os"}}), Passed, "Azure VM x"},
		{"moved", set(observed.AzureVM{ID: other + "web01", Name: "web01", Disks: []string{"web01-os"}}), Passed, "elsewhere"},
		{"deleted", set(), Failed, "web01"},
		{"gone, and the rest cannot be seen", both(set(), blind), Unknown, "AuthorizationFailed"},
		{"another has its name", set(observed.AzureVM{ID: azureVMs + "web01", Name: "web01", Disks: []string{"foreign"}}), Unknown, "web01 in g"},
		{"by its name", noDisks, Passed, "web01 in resource group g"},
		{"by its name with a GUID, since its own was taken", both(noDisks, set(renamed)), Passed, renamed.Name},
		{"both names", both(noDisks, set(renamed, observed.AzureVM{ID: azureVMs + "web01", Name: "web01"})), Unknown, "web01 in g, " + renamed.Name + " in g"},
		{"a name that only begins so", both(noDisks, set(observed.AzureVM{ID: azureVMs + "web01-test", Name: "web01-test"})), Unknown, "web01-test in g"},
		{"a longer name", both(noDisks, set(observed.AzureVM{ID: azureVMs + "web010", Name: "web010"})), Failed, "web01"},
		{"its name elsewhere", both(noDisks, set(observed.AzureVM{ID: other + "web01", Name: "web01"})), Unknown, "web01 in elsewhere"},
		{"nothing to know it by", both(noDisks, func(s *site) { s.web().AzureVMName = "" }), Unknown, "does not name"},
	})
	judge(t, "machine.resource-group", "web01", []judgement{
		{"in place", nil, Passed, "resource group g"},
		{"moved", set(observed.AzureVM{ID: other + "web01", Name: "web01", Disks: []string{"web01-os"}}), Failed, "moved from resource group g to elsewhere"},
		{"deleted", set(), Skipped, "machine.azure-vm-present fails"},
		{"its name elsewhere", both(noDisks, set(observed.AzureVM{ID: other + "web01", Name: "web01"})), Unknown, "web01 in elsewhere"},
	})
}

// TestSiteRecoveryAzureChecks walks what the Azure VM and the item say before a reprotect, by the ids of the findings.
func TestSiteRecoveryAzureChecks(t *testing.T) {
	t.Parallel()
	vm := func(s *site) *observed.AzureVM { return &s.Vault.AzureVMs.VMs[1] }
	power := func(state string) func(*site) { return func(s *site) { vm(s).Power = state } }
	unlisted := func(s *site) { s.Vault.AzureVMs.Groups[strings.ToLower(azureID)] = "AuthorizationFailed" }
	judge(t, "machine.azure-vm-running", "web01", []judgement{
		{"F10 on", nil, Passed, "Azure VM web01 of web01 runs"},
		{"F10 off", power("deallocated"), Failed, "Azure VM web01 of web01 does not run: Azure calls it deallocated."},
		{"F10 on its way", power("starting"), Failed, "starting"},
		{"F10 not said", power(""), Unknown, "does not say whether"},
		{"F10 unread", func(s *site) { vm(s).Power, s.Vault.AzureVMs.PowerUnread = "", "HTTP 503" }, Unknown, "HTTP 503"},
		{"F10 others unread", func(s *site) { s.Vault.AzureVMs.PowerUnread = "HTTP 503" }, Passed, "runs"},
		{"F10 unlisted", unlisted, Unknown, "AuthorizationFailed"},
		{"F10 which it is, is not clear", func(s *site) { s.web().AzureDisks, vm(s).Name = nil, "web01-test" }, Unknown, "is not known"},
		{"F10 not in Azure", func(s *site) { s.web().Location = "Primary" }, Skipped, "does not run in Azure"},
	})
	judge(t, "machine.azure-vm-running", "db01", []judgement{{"F10 classic, off", func(s *site) { s.Vault.AzureVMs.VMs[0].Power = "stopped" }, Failed, "stopped"}})
	judge(t, "machine.azure-disks", "web01", []judgement{
		{"F11 as replicated", nil, Passed, "All disks of Azure VM web01 (1)"},
		{"F11 one more", func(s *site) { vm(s).Disks = append(vm(s).Disks, "newdata-web02") }, Warned, "has 1 disk(s) that were not replicated to Azure: newdata-web02."},
		{"F11 one less", func(s *site) { s.web().AzureDisks = append(s.web().AzureDisks, "another") }, Passed, "(1)"},
		{"F11 not said", func(s *site) { vm(s).Disks = nil; s.web().AzureDisks = nil }, Unknown, "does not say which managed disks"},
		{"F11 unlisted", unlisted, Unknown, "AuthorizationFailed"},
	})
	classic := func(disks ...string) func(*site) {
		return func(s *site) { s.Vault.AzureVMs.VMs[0].Disks = disks }
	}
	judge(t, "machine.azure-disks", "db01", []judgement{
		{"F11 by number, as many", classic("a", "b"), Passed, "(2)"},
		{"F11 by number, one more", classic("a", "b", "c"), Warned, "has 3 disks, and 2 were replicated to Azure. Site Recovery does not say which of these were: a, b, c."},
		{"F11 the item does not say", func(s *site) { s.db().Disks = nil }, Unknown, "does not name the disks"},
	})
	uncommitted := func(change func(*observed.Item)) func(*site) {
		return func(s *site) { s.web().State = "UnplannedFailoverCommitPendingStatesBegin"; change(s.web()) }
	}
	judge(t, "machine.failover-committed", "web01", []judgement{
		{"F12a committed", nil, Passed, "is committed"},
		{"F12a not committed", uncommitted(func(i *observed.Item) { i.FailoverPoint, i.FailoverPointAt = "p1", now.Add(-2*time.Hour) }), Warned,
			"The failover of 2026-11-22 08:00 UTC of web01 is not committed. The reprotect commits it, with the recovery point of 2026-11-22 07:00 UTC"},
		{"F12a the point's time is not known", uncommitted(func(i *observed.Item) { i.FailoverPoint, i.FailedOverAt = "p1", time.Time{} }), Warned, "The failover of web01 is not committed. The reprotect commits it, with recovery point p1, of which"},
		{"F12a the point is not known", uncommitted(func(*observed.Item) {}), Warned, "which Site Recovery does not name"},
		{"F12a back already", func(s *site) {
			s.web().Provider, s.web().State, s.web().Location = "InMageRcmFailback", "Protected", "Primary"
		}, Skipped, "replicates back already"},
		{"F12a not failed over", func(s *site) { s.web().State, s.web().Location = "Protected", "Primary" }, Skipped, "no failover"},
		{"F12a unknown", func(s *site) { s.web().State = "" }, Unknown, "not known where web01 stands"},
	})
	judge(t, "machine.replication-health", "web01", []judgement{
		{"F5 sound", nil, Passed, "healthy"},
		{"F5 Azure's words", func(s *site) {
			s.web().HealthErrors = []observed.Problem{{Code: "151197", Message: "Ensure the URLs are accessible from the machine.", Causes: "A proxy.", Action: "Allow them."}}
		}, Warned, "Site Recovery says of web01: Ensure the URLs are accessible from the machine (151197), cause: A proxy, Azure recommends: Allow them."},
		{"F5 critical without a word", func(s *site) { s.web().Health = "Critical" }, Warned, "calls the health of web01 critical, and does not say why"},
		{"F5 for information", func(s *site) { s.web().HealthErrors = []observed.Problem{{Message: "powered up", Severity: "Info"}} }, Passed, "healthy"},
		{"F5 not said", func(s *site) { s.web().Health = "" }, Unknown, "nothing at all"},
	})
}
