package checks

import (
	"strings"
	"testing"

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
		{"gone", set(), Failed, "not in resource group g any more"},
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
		{"deleted", set(), Unknown, "was not found"},
		{"its name elsewhere", both(noDisks, set(observed.AzureVM{ID: other + "web01", Name: "web01"})), Unknown, "web01 in elsewhere"},
	})
}
