package checks

import (
	"strings"
	"testing"

	"reprotect.example/services/observed"
)

// Row azdocs#25663: what to do about a server that is gone is not what to do on it.
func TestSiteRecoveryGone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		check, machine string
		change         func(*site)
		do, not        string
	}{
		{"configuration-server.connected", "db01", func(s *site) { s.Vault.Fabrics = s.Vault.Fabrics[1:] }, "register it with the vault again", "tmansvc"},
		{"configuration-server.knows-machine", "db01", func(s *site) { s.Vault.Fabrics = s.Vault.Fabrics[1:] }, "register it with the vault again", "refresh"},
		{"configuration-server.connected", "db01", func(s *site) { s.cs().Service = "Stopped" }, "tmansvc", "Restore"},
		{"process-server.connected", "db01", func(s *site) { s.cs().ProcessServers = nil }, "Name a process server", "On the process server"},
		{"master-target.connected", "db01", func(s *site) { s.cs().MasterTargets = nil }, "Name a master target", "switch the master target on"},
		{"appliance.healthy", "web01", func(s *site) { s.Case.Machines[1].Appliance = "gone" }, "Name an appliance", "Open the appliance"},
		{"machine.failed-over", "web01", func(s *site) { s.Vault.Items = nil }, "Look in the vault", "Fail the machine over"},
	} {
		for _, lang := range []string{English, Japanese} {
			s := healthy()
			s.Lang = lang
			tt.change(s)
			found := false
			for _, f := range Run(s.Input) {
				if f.Check != tt.check || !strings.EqualFold(f.Machine, tt.machine) {
					continue
				}
				found = true
				if lang == English && (!strings.Contains(f.Remedy, tt.do) || strings.Contains(f.Remedy, tt.not)) || lang == Japanese && !isJapanese(f.Remedy) {
					t.Errorf("%s: %q", tt.check, f.Remedy)
				}
			}
			if !found {
				t.Errorf("%s did not judge %s", tt.check, tt.machine)
			}
		}
	}
}

// Nothing that is missing leaves a hole in a sentence: names, ids and choices are taken out, each by itself.
func TestSiteRecoverySentencesHaveNoHoles(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(*site){
		"no choices": func(s *site) {
			for i := range s.Case.Machines {
				m := &s.Case.Machines[i]
				m.MasterTarget, m.ProcessServer, m.Appliance, m.Datastore, m.RetentionDrive, m.LogStorageAccount = "", "", "", "", "", ""
			}
		},
		"no fabrics":      func(s *site) { s.Vault.Fabrics = nil },
		"no items":        func(s *site) { s.Vault.Items = nil },
		"no inventory":    func(s *site) { s.Inventory = observed.Inventory{} },
		"servers without": func(s *site) { s.cs().HostName, s.cs().IPAddress, s.ps().IPAddress = "", "", "" },
		"items without words": func(s *site) {
			each(s, func(i *observed.Item) { i.State, i.StateText, i.Location, i.Operations = "", "", "", nil })
		},
		"items without ids": func(s *site) {
			each(s, func(i *observed.Item) { i.VMID, i.AzureVM, i.AzureVMName, i.LogStorage = "", "", "", "" })
		},
		"items without names": func(s *site) {
			each(s, func(i *observed.Item) { i.Disks, i.Datastores, i.OS, i.OSVersion, i.GroupName = nil, nil, "", "", "" })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := healthy()
			take(s)
			for _, f := range Run(s.Input) {
				for _, text := range []string{f.Evidence, f.Remedy} {
					for _, hole := range []string{"  ", " .", " ,", " :", "()", `""`, "%!"} {
						if strings.Contains(text, hole) {
							t.Errorf("%s says %q", f.Check, text)
						}
					}
				}
			}
		})
	}
}

func each(s *site, change func(*observed.Item)) {
	for i := range s.Vault.Items {
		change(&s.Vault.Items[i])
	}
}
