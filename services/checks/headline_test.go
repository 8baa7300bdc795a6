package checks

import (
	"strings"
	"testing"
)

// A5: a finding's title says what is the case. Under no status but a pass is it the ideal, and each language has its own.
func TestHeadlinesSayWhatIs(t *testing.T) {
	for _, c := range Catalogue() {
		for _, lang := range []string{English, Japanese} {
			ideal, seen := c.Headline(Passed, lang), map[string]string{}
			for _, status := range []string{Failed, Unknown, Waived, Skipped} {
				says := c.Headline(status, lang)
				if says == "" || says == ideal || seen[says] != "" || isJapanese(says) != (lang == Japanese) {
					t.Errorf("%s, %s in %s: %q (the ideal is %q)", c.Code, status, lang, says, ideal)
				}
				seen[says] = status
			}
			if warned := c.Headline(Warned, lang); warned != c.Headline(Failed, lang) {
				t.Errorf("%s: a warning in %s says %q", c.Code, lang, warned)
			}
		}
	}
	for code, want := range map[string]string{
		"machine.azure-vm-present":   "It is not known whether the Azure VM that the machine became is there.",
		"master-target.vmware-tools": "It is not known whether VMware Tools run on the master target.",
		"machine.disk-uuid":          "It is not known whether disk.EnableUUID is TRUE on the on-premises VM.",
		"machine.replication-health": "It is not known whether Site Recovery reports no error of the machine.",
		"machine.failed-over":        "It is not known in which state the machine is.",
	} {
		if c, _ := Lookup(code); c.Headline(Unknown, English) != want {
			t.Errorf("%s: %q", code, c.Headline(Unknown, English))
		}
	}
}

// A6a: an Azure VM that is gone has no resource group to be moved back to, and cannot be started.
func TestNoRemedyForWhatIsGone(t *testing.T) {
	s := healthy()
	s.Vault.AzureVMs.VMs = nil
	if f := s.finding(t, "machine.azure-vm-present", "db01"); f.Status != Failed || !f.Blocks {
		t.Fatalf("the Azure VM is gone, and the check says %s: %s", f.Status, f.Evidence)
	}
	for _, code := range []string{"machine.resource-group", "machine.azure-vm-running", "machine.azure-disks"} {
		if f := s.finding(t, code, "db01"); f.Status != Skipped || f.Remedy != "" || !strings.Contains(f.Evidence, "machine.azure-vm-present") {
			t.Errorf("%s says %s %q, to do %q", code, f.Status, f.Evidence, f.Remedy)
		}
	}
	for _, c := range Catalogue() { // a rule is about a check that is judged before, of the same machines
		if c.After == "" {
			continue
		}
		earlier, ok := Lookup(c.After)
		if !ok || earlier.PerCase || c.PerCase {
			t.Errorf("%s goes after %q", c.Code, c.After)
		}
	}
}

// A6c: whoever names a master target that there is not is told those that there are.
func TestUnknownServerNamesThoseThatThereAre(t *testing.T) {
	s := healthy()
	s.Case.Machines[0].MasterTarget = "MT-LINUX-99"
	f := s.finding(t, "master-target.connected", "db01")
	if f.Status != Failed || !strings.Contains(f.Remedy, s.Vault.Fabrics[0].MasterTargets[0].Name) || strings.Contains(f.Remedy, "switch") {
		t.Errorf("%s: %q, to do %q", f.Status, f.Evidence, f.Remedy)
	}
}
