package app

import (
	"testing"

	"reprotect.example/services/checks"
)

// TestSiteRecoveryChecks walks what Site Recovery says and the checks must not let pass, by the ids of the findings, with
// real clients against the lab.
func TestSiteRecoveryChecks(t *testing.T) {
	for _, row := range []struct {
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
		t.Run(row.id, func(t *testing.T) { row.world.expect(t, row.check, row.machine, row.status) })
	}
}
