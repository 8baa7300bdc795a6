package app

import (
	"strconv"
	"testing"

	"go.uber.org/zap"

	"reprotect.example/services/checks"
	"reprotect.example/services/lab/scenario"
)

// TestSiteRecoveryChecks walks what Site Recovery says and the checks must not let pass, by the ids of the findings, with
// real clients against the lab.
func TestSiteRecoveryChecks(t *testing.T) {
	for i, row := range []struct {
		id             string
		check, machine string
		world          world
		status         string
	}{
		{"F9 provider", "appliance.healthy", modern, do("set-part ASR-APPL-01 dras health Critical"), checks.Failed},
		{"F9 proxy", "appliance.healthy", modern, do("set-part ASR-APPL-01 rcmProxies health Critical"), checks.Failed},
		{"F9 replication agent", "appliance.healthy", modern, do("set-part ASR-APPL-01 replicationAgents health Warning"), checks.Warned},
		{"F9 process server of the appliance", "appliance.healthy", modern, do("set-part ASR-APPL-01 processServers health Critical"), checks.Failed},
		{"F9 Recovery Services agent", "appliance.healthy", modern, do("set-part ASR-APPL-01 marsAgents lastHeartbeatUtc 2026-01-01T00:00:00Z"), checks.Failed},
		{"F9 health not said", "appliance.healthy", modern, do("set-part ASR-APPL-01 marsAgents health none"), checks.Unknown},
		{"F9 the push installer has no part in it", "appliance.healthy", modern, do("set-part ASR-APPL-01 pushInstallers health Critical"), checks.Passed},
		{"F9b certificate", "configuration-server.connected", old, do("set-server CS-01 sslCertExpiryDate 2024-01-01T00:00:00Z"), checks.Failed},
		{"F9b service", "configuration-server.connected", old, do("set-server CS-01 csServiceStatus Stopped"), checks.Failed},
		{"F9b agent", "configuration-server.connected", old, do("set-server CS-01 agentExpiryDate 2024-01-01T00:00:00Z"), checks.Failed},
		{"F9b process server's service", "process-server.connected", old, do("set-server PS-AZ-01 psServiceStatus Stopped"), checks.Failed},
		{"F9b process server's certificate", "process-server.connected", old, do("set-server PS-AZ-01 sslCertExpiryDate 2024-01-01T00:00:00Z"), checks.Failed},
		{"F10 off", "machine.azure-vm-running", modern, do("set-azure-vm web01 stopped"), checks.Failed},
		{"F10 off, classic", "machine.azure-vm-running", old, do("set-azure-vm db01 stopped"), checks.Failed},
		{"F10 hidden", "machine.azure-vm-running", modern, do("hide-azure-vms on"), checks.Unknown},
		{"F11 a new disk", "machine.azure-disks", modern, do("add-azure-disk web01 newdata-web02"), checks.Warned},
		{"F11 a new disk, classic", "machine.azure-disks", old, do("add-azure-disk db01 newdata-db01"), checks.Warned},
		{"F12a not committed", "machine.failover-committed", modern, do(), checks.Warned},
		{"F12a committed", "machine.failover-committed", old, do(), checks.Passed},
		{"F5 a health error", "machine.replication-health", modern, do(`set-item web01 healthErrors [{"errorCode":"151197","errorMessage":"Ensure|the|URLs|are|accessible"}]`), checks.Warned},
	} {
		if leftOut(i) {
			continue
		}
		t.Run(row.id, func(t *testing.T) { row.world.expect(t, row.check, row.machine, row.status) })
	}
}

// TestSiteRecoveryReadyNow asks the lab which machines may be failed back, with real clients (F4).
func TestSiteRecoveryReadyNow(t *testing.T) {
	sc := scenario.Default(4)
	vm := "/subscriptions/" + sc.Subscription + "/resourceGroups/" + sc.ResourceGroup + "/providers/Microsoft.Compute/virtualMachines/web01"
	protected := []string{
		"set-item web01 protectionState Protected", "set-item web01 activeLocation Primary", `set-item web01 allowedOperations ["PlannedFailover","DisableProtection"]`,
		"set-item web01 providerSpecificDetails.instanceType InMageRcmFailback", "set-item web01 providerSpecificDetails.reprotectAgentId ASR-APPL-01",
		"set-item web01 providerSpecificDetails.azureVirtualMachineId " + vm,
	}
	for _, row := range []struct {
		id, do, ready string
	}{
		{"F4 ready", "allow-requests recoverypoints", "true"},
		{"F4 health", "set-item web01 replicationHealth Critical", "false"},
		{"F4 resynchronization", `set-item web01 providerSpecificDetails.resyncRequired "true"`, "false"},
		{"F6 a field of the wrong kind", "set-item web01 providerSpecificDetails.resyncRequired true", "not known"},
		{"F4 Azure VM off", "set-azure-vm web01 stopped", "false"},
		{"F4 on-premises VM on", "power-on web01", "false"},
		{"F4 no recovery point", "remove-recovery-points web01", "false"},
		{"F4 a part of the appliance", "set-part ASR-APPL-01 dras health Critical", "false"},
		{"F4 recovery points not read", "refuse-requests recoverypoints", "not known"},
		{"F4 vCenter not read", "refuse-method RetrievePropertiesEx", "not known"},
	} {
		t.Run(row.id, func(t *testing.T) {
			c, do := inLab(t, sc)
			do(append(protected, row.do)...)
			all, err := Ready(t.Context(), c, "", zap.NewNop())
			if err != nil || len(all) != 1 || all[0].Machine != "web01" {
				t.Fatalf("%+v, %v", all, err)
			}
			got := "not known"
			if all[0].Ready != nil {
				got = strconv.FormatBool(*all[0].Ready)
			}
			if got != row.ready {
				t.Errorf("%s, want %s: %v", got, row.ready, all[0].Why)
			}
		})
	}
	c, do := inLab(t, sc)
	do("azure-down on")
	if all, err := Ready(t.Context(), c, "", zap.NewNop()); err == nil || len(all) != 0 {
		t.Errorf("F4 a vault that does not answer: %+v, %v", all, err)
	}
}
