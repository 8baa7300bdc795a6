package checks

import (
	"testing"
	"time"

	"reprotect.example/services/observed"
)

func TestMachineState(t *testing.T) {
	t.Parallel()
	rows := []judgement{
		{"failed over", nil, Passed, "since the failover of 2026-11-22 08:00 UTC"},
		{"time of failover not said", func(s *site) { s.db().FailedOverAt = time.Time{} }, Passed, "runs in Azure after a failover"},
		{"commit pending", func(s *site) { s.db().State = "UnplannedFailoverCommitPendingStatesBegin" }, Passed, "runs in Azure"},
		{"never failed over", func(s *site) { s.db().State, s.db().StateText, s.db().Location = "Protected", "Protected", "Primary" }, Failed, "has not been failed over to Azure: its state is Protected."},
		{"failover stuck", func(s *site) { s.db().Location = "Primary" }, Failed, "says of db01 what this product does not know"},
		{"failover running", func(s *site) { s.db().Scenario, s.db().JobID = "UnplannedFailover", "job-1" }, Failed, "A failover job holds db01: UnplannedFailover (job job-1)"},
		{"another job", func(s *site) {
			s.db().Scenario, s.db().JobID = "UpdateVmProperties", "job-1"
			s.Vault.Jobs = []observed.Job{{ID: "JOB-1", Scenario: "UpdateVmProperties", Start: now.Add(-time.Hour)}}
		}, Failed, "Another job holds db01 since 2026-11-22 08:00 UTC: UpdateVmProperties (job job-1)"},
		{"reprotect running", func(s *site) { s.db().Scenario, s.db().JobID = observed.ReprotectScenario, "job-1" }, Passed, "job-1): it will be adopted"},
		{"replicating back", func(s *site) {
			s.db().Provider, s.db().State, s.db().Location = "InMage", "InitialReplicationInProgress", "Primary"
		}, Passed, "running already"},
		{"protected", func(s *site) {
			s.db().Provider, s.db().State, s.db().Location = "InMage", "Protected", "Primary"
		}, Passed, "protected already"},
		{"failed back", func(s *site) {
			s.db().Provider, s.db().State, s.db().Location = "InMage", "UnplannedFailoverCommitted", "Recovery"
		}, Failed, "was failed back already"},
		{"failback running", func(s *site) {
			s.db().Provider, s.db().State, s.db().Location, s.db().Scenario, s.db().JobID = "InMage", "Protected", "Primary", "PlannedFailover", "job-1"
		}, Failed, "db01 fails back just now"},
		{"migrated", func(s *site) { s.db().State = "MigrationCompleted" }, Failed, "migration of db01 to Azure was completed"},
		{"item gone", func(s *site) { s.Vault.Items = s.Vault.Items[1:] }, Failed, "not in the vault any more"},
		{"item replaced by its classic reprotect", func(s *site) {
			s.db().ID, s.db().Provider, s.db().State, s.db().Location = "/new", "InMage", "Protected", "Primary"
		}, Passed, "protected already"},
	}
	judge(t, "machine.failed-over", "db01", rows)
	judge(t, "machine.failed-over", "web01", []judgement{
		{"failed over", nil, Passed, "web01"},
		{"protected, active at the primary site", func(s *site) {
			s.web().Provider, s.web().State, s.web().Location = "InMageRcmFailback", "Protected", "Primary"
		}, Passed, "protected already"},
		{"test failover", func(s *site) { s.web().State = "TestFailoverStatesBegin" }, Failed, "TestFailoverStatesBegin"},
	})
	judge(t, "machine.not-migrated", "db01", []judgement{
		{"failed over", nil, Passed, "was not migrated"},
		{"migrated", func(s *site) { s.db().State, s.db().StateText = "X", "Migration completed" }, Failed, "Migration completed"},
		{"state not said", func(s *site) { s.db().State = "" }, Unknown, "in which state db01 is"},
		{"item gone", func(s *site) { s.Vault.Items = s.Vault.Items[1:] }, Unknown, "not in the vault"},
	})
	judge(t, "machine.not-migrated", "web01", []judgement{{"migrated", func(s *site) { s.web().State = "MigrationCompleted" }, Failed, "web01"}})
}

// TestSiteRecoveryStageChecks holds what is said of a machine against the findings, by their ids.
func TestSiteRecoveryStageChecks(t *testing.T) {
	t.Parallel()
	back := func(change func(*observed.Item)) func(*site) {
		return func(s *site) {
			i := s.web()
			i.Provider, i.State, i.Location = "InMageRcmFailback", "Protected", "Primary"
			change(i)
		}
	}
	judge(t, "machine.failed-over", "web01", []judgement{
		{"B1 failback in transition: wait", back(func(i *observed.Item) { i.State = "PlannedFailoverTransitionStatesBegin" }), Failed, "fails back just now"},
		{"B1 F3 failback finished, as recorded: commit is due", back(func(i *observed.Item) {
			i.State, i.StateText, i.Location = "CommitPendingStatesBegin", "Planned failover finished", "Recovery"
		}), Failed, "is not committed"},
		{"F2 failback failed: ready again", back(func(i *observed.Item) { i.LastFailback = "Failed" }), Passed, "protected already"},
		{"B2 failover failed", func(s *site) { s.web().State = "UnplannedFailoverFailed" }, Failed, "has not finished"},
		{"B2 failover in transition", func(s *site) { s.web().State = "UnplannedFailoverTransitionStatesBegin" }, Failed, "has not finished"},
		{"B2 reprotect is not offered", func(s *site) { s.web().Operations = []string{"DisableProtection"} }, Failed, "what this product does not know"},
		{"F12b a commit runs: the reprotect waits", func(s *site) { s.web().Scenario, s.web().JobID = observed.CommitScenario, "job-1" }, Passed, "the reprotect waits for it"},
		{"F8 not ours", func(s *site) { s.web().Provider, s.web().Architecture = "HyperVReplicaAzure", "" }, Failed, "protected by Hyper-V"},
		{"state not said", func(s *site) { s.web().State = "" }, Unknown, "does not say"},
		{"location not said", func(s *site) { s.web().Location = "" }, Unknown, "does not say"},
	})
}

func TestMachineSystem(t *testing.T) {
	t.Parallel()
	judge(t, "machine.os-supported", "db01", []judgement{
		{"VM", nil, Passed, "as a VM"},
		{"old VM", func(s *site) { s.db().OSVersion = "Microsoft Windows Server 2008 R2" }, Passed, "as a VM"},
		{"old server", func(s *site) { s.db().Physical, s.db().OSVersion = true, "Microsoft Windows Server 2008 R2 SP1" }, Failed, "2008 R2 SP1"},
		{"newer server", func(s *site) { s.db().Physical = true }, Passed, "2019"},
		{"Linux server", func(s *site) { s.db().Physical, s.db().OS, s.db().OSVersion = true, observed.Linux, "" }, Passed, "Linux"},
		{"server of unknown system", func(s *site) { s.db().Physical, s.db().OSVersion = true, "" }, Unknown, "with which system"},
		{"an item that cannot be read", func(s *site) {
			i := s.db()
			*i = observed.Item{ID: i.ID, Name: i.Name, FabricID: i.FabricID, ContainerID: i.ContainerID, Lean: true, Unread: "HTTP 500"}
		}, Unknown, "db01 could not be read: HTTP 500"},
	})
	for _, machine := range []string{"db01", "web01"} {
		i := map[string]int{"db01": 0, "web01": 1}[machine]
		judge(t, "machine.linux-network", machine, []judgement{
			{"Windows", nil, Passed, "Windows"},
			{"Linux", func(s *site) { s.Case.Machines[i].OS = observed.Linux }, Warned, "runs Linux"},
			{"not said", func(s *site) { s.Case.Machines[i].OS = "" }, Unknown, machine},
		})
	}
}

func TestMachineVM(t *testing.T) {
	t.Parallel()
	for _, machine := range []string{"db01", "web01"} {
		vm := func(s *site) *observed.VM { return &s.Inventory.VMs[map[string]int{"db01": 0, "web01": 1}[machine]] }
		hide := func(path string) func(*site) {
			return func(s *site) { vm(s).Unread = map[string]string{path: "no permission"} }
		}
		gone := judgement{"VM gone", func(s *site) { s.without(machine) }, Skipped, "vCenter shows no VM of " + machine}
		noVCenter := judgement{"no vCenter", func(s *site) { s.InventoryError = "login refused" }, Unknown, "login refused"}
		judge(t, "machine.snapshots", machine, []judgement{
			{"none", nil, Passed, "no snapshots"}, gone, noVCenter,
			{"one", func(s *site) {
				vm(s).Snapshots = []observed.Snapshot{{Name: "after", Path: "before/after", Created: now}}
			}, Warned, "before/after of 2026-11-22 09:00 UTC"},
			{"unread", hide("snapshot.rootSnapshotList"), Unknown, "no permission"},
		})
		judge(t, "machine.powered-off", machine, []judgement{
			{"off", nil, Passed, "is switched off"}, gone, noVCenter,
			{"on", func(s *site) { vm(s).Power = "poweredOn" }, Warned, "/DC/vm/" + machine},
			{"suspended", func(s *site) { vm(s).Power = "suspended" }, Warned, "suspended"},
			{"disconnected", func(s *site) { vm(s).Connection = "disconnected" }, Unknown, "disconnected"},
			{"odd", func(s *site) { vm(s).Power = "" }, Unknown, "nothing at all"},
			{"unread", hide("runtime.powerState"), Unknown, "no permission"},
		})
		judge(t, "machine.rdm", machine, []judgement{
			{"none", nil, Passed, "no RDM disks"}, noVCenter,
			{"RDM at home", func(s *site) { vm(s).Disks[1].RDM = true }, Passed, "Hard disk 2"},
			{"RDM and alternate", func(s *site) {
				vm(s).Disks[1].RDM = true
				for i := range s.Vault.Items {
					deleted := true
					s.Vault.Items[i].VMDeleted = &deleted
				}
			}, Failed, "Hard disk 2"},
			{"VM gone", func(s *site) { s.without(machine) }, Unknown, "is gone"},
			{"physical", func(s *site) { s.db().Physical, s.web().Physical = true, true }, Skipped, "physical"},
			{"unread", hide("config.hardware.device"), Unknown, "no permission"},
			{"ambiguous", func(s *site) {
				s.db().VMID, s.web().VMID = "", ""
				twin := *vm(s)
				twin.Ref, twin.Path = "vm-twin", "/DC/vm/old/twin"
				s.Inventory.VMs = append(s.Inventory.VMs, twin)
			}, Unknown, "/DC/vm/old/twin"},
		})
	}
	judge(t, "machine.disk-uuid", "db01", []judgement{
		{"TRUE", nil, Passed, "TRUE"},
		{"true", func(s *site) { s.dbVM().ExtraConfig["disk.enableuuid"] = "true" }, Passed, "true"},
		{"FALSE", func(s *site) { s.dbVM().ExtraConfig["disk.enableuuid"] = "FALSE" }, Warned, "FALSE"},
		{"missing", func(s *site) { s.dbVM().ExtraConfig = map[string]string{"other": "1"} }, Warned, "no configuration parameter"},
		{"nothing read", func(s *site) { s.dbVM().ExtraConfig = nil }, Unknown, "no configuration parameters"},
		{"physical", func(s *site) { s.db().Physical = true }, Skipped, "physical"},
	})
}
