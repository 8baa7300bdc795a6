package checks

import (
	"testing"
	"time"

	"reprotect.example/services/observed"
)

// late is just too long ago for a heartbeat.
var late = now.Add(-observed.RecentHeartbeat - time.Second)

func noFabrics(s *site) {
	s.Vault.Fabrics, s.Vault.Unread = nil, map[string]string{"fabrics": "HTTP 503"}
}

func TestConfigurationServer(t *testing.T) {
	t.Parallel()
	judge(t, "configuration-server.connected", "db01", []judgement{
		{"recent", nil, Passed, "CS-01 was 2026-11-22 08:59 UTC"},
		{"at the limit", func(s *site) { s.cs().Heartbeat = now.Add(-observed.RecentHeartbeat) }, Passed, "CS-01"},
		{"late", func(s *site) { s.cs().Heartbeat = late }, Failed, "15m0s ago"},
		{"none", func(s *site) { s.cs().Heartbeat = time.Time{} }, Unknown, "no heartbeat"},
		{"critical", func(s *site) {
			s.cs().Health, s.cs().HealthErrors = "Critical", []observed.Problem{{Message: "Disk full."}}
		}, Failed, "Configuration server CS-01: its health is critical: Disk full."},
		{"F9 stopped", func(s *site) { s.cs().Service = "Stopped" }, Failed, "its service is stopped"},
		{"F9 certificate expired", func(s *site) { s.cs().Expires = []observed.Expiry{{Of: "certificate", At: late}} }, Failed, "its certificate expired"},
		{"azdocs#25663 gone", func(s *site) { s.Vault.Fabrics = s.Vault.Fabrics[1:] }, Failed, "no configuration server"},
		{"unread", noFabrics, Unknown, "HTTP 503"},
	})
	judge(t, "configuration-server.knows-machine", "db01", []judgement{
		{"known", nil, Passed, "CS-01 has db01"},
		{"gone", func(s *site) { s.Vault.Fabrics = s.Vault.Fabrics[1:] }, Failed, "in which db01 lies"},
		{"no id", func(s *site) { s.db().VMID = "" }, Unknown, "no id"},
		{"master target of another", func(s *site) {
			other := observed.Fabric{ID: vaultID + "/replicationFabrics/cs2", Name: "CS-02", MasterTargets: s.cs().MasterTargets}
			s.cs().MasterTargets = nil
			s.Vault.Fabrics = append(s.Vault.Fabrics, other)
		}, Failed, "belongs to configuration server CS-02"},
		{"unread", noFabrics, Unknown, "HTTP 503"},
	})
	judge(t, "configuration-server.address", "db01", []judgement{
		{"as recorded", nil, Passed, "10.0.0.4"},
		{"another", func(s *site) { s.cs().IPAddress = "10.0.0.5" }, Warned, "10.0.0.5; 10.0.0.4 is recorded"},
		{"not recorded", func(s *site) { s.Site.ConfigurationServerAddress = "" }, Skipped, "configurationServerAddress: 10.0.0.4"},
		{"not recorded, not said", func(s *site) { s.Site.ConfigurationServerAddress, s.cs().IPAddress = "", "" }, Skipped, "records no address"},
		{"not said", func(s *site) { s.cs().IPAddress = "" }, Unknown, "does not say"},
		{"unread", noFabrics, Unknown, "HTTP 503"},
	})
	judge(t, "configuration-server.backup", "", []judgement{
		{"attested", nil, Passed, "Attested: of last night."},
		{"not attested", func(s *site) { s.Case.Attest = nil }, Warned, "Nobody vouches"},
	})
}

func TestProcessServer(t *testing.T) {
	t.Parallel()
	judge(t, "process-server.connected", "db01", []judgement{
		{"recent", nil, Passed, "PS-AZ-01"},
		{"late", func(s *site) { s.ps().Heartbeat = late }, Failed, "PS-AZ-01"},
		{"none", func(s *site) { s.ps().Heartbeat = time.Time{} }, Unknown, "no heartbeat"},
		{"critical", func(s *site) { s.ps().Health = "Critical" }, Failed, "critical"},
		{"F9 stopped", func(s *site) { s.ps().Service = "Stopped" }, Failed, "Process server PS-AZ-01: its service is stopped"},
		{"F9 agent expires soon", func(s *site) { s.ps().Expires = []observed.Expiry{{Of: "agent", At: now.AddDate(0, 0, 9)}} }, Warned, "its agent expires at"},
		{"not chosen", func(s *site) { s.Case.Machines[0].ProcessServer = "" }, Failed, "No process server is chosen"},
		{"not registered", func(s *site) { s.Case.Machines[0].ProcessServer = "PS-X" }, Failed, "PS-X is not registered with CS-01"},
		{"unread", noFabrics, Unknown, "HTTP 503"},
	})
	judge(t, "process-server.placement", "db01", []judgement{
		{"attested", nil, Passed, "Attested: vnet-failover."},
		{"not attested", func(s *site) { s.Case.Attest = nil }, Unknown, "does not say where"},
		{"on-premises with ExpressRoute", func(s *site) {
			s.ps().Name, s.Site.NetworkPath = "CS-01", ExpressRoute
			s.Case.Machines[0].ProcessServer = "CS-01"
		}, Passed, "ExpressRoute"},
		{"the configuration server, by name", func(s *site) { s.ps().Name = "cs-01"; s.Case.Machines[0].ProcessServer = "cs-01" }, Warned, "itself"},
		{"the configuration server, by address", func(s *site) { s.ps().IPAddress = "10.0.0.4" }, Warned, "itself"},
		{"a VM on-premises", func(s *site) {
			s.Inventory.VMs = append(s.Inventory.VMs, observed.VM{Ref: "vm-ps", Name: "PS-AZ-01", Path: "/DC/vm/PS-AZ-01"})
		}, Warned, "runs on-premises as VM /DC/vm/PS-AZ-01"},
		{"not registered", func(s *site) { s.Case.Machines[0].ProcessServer = "PS-X" }, Unknown, "PS-X"},
	})
}

func TestNetworkPath(t *testing.T) {
	t.Parallel()
	judge(t, "network.private-path", "", []judgement{
		{"VPN", nil, Passed, "VPN"},
		{"ExpressRoute", func(s *site) { s.Site.NetworkPath = ExpressRoute }, Passed, "ExpressRoute"},
		{"none", func(s *site) { s.Site.NetworkPath = "" }, Warned, "neither"},
		{"odd", func(s *site) { s.Site.NetworkPath = "internet" }, Warned, "internet"},
	})
}

func TestPorts(t *testing.T) {
	t.Parallel()
	probe := func(p observed.Probe) func(*site) {
		return func(s *site) { s.Vault.Probes, s.Site.Probes = append(s.Vault.Probes, p), 2 }
	}
	judge(t, "network.ports", "", []judgement{
		{"open", nil, Passed, "ps-to-cs (10.0.0.4:443) accepts"},
		{"one is closed", probe(observed.Probe{Name: "vm-to-ps", Address: "10.9.0.4:9443", Failure: "connection refused"}), Warned, "vm-to-ps (10.9.0.4:9443) accepts no connection: connection refused."},
		{"one could not be tried", probe(observed.Probe{Name: "vm-to-ps", Address: "ps:9443", Failure: "no such host", Unclear: true}), Unknown, "no such host"},
		{"one was not tried", func(s *site) { s.Site.Probes = 2 }, Unknown, "2 probe(s), and 1"},
		{"none", func(s *site) { s.Site.Probes, s.Vault.Probes = 0, nil }, Skipped, "network.probes"},
	})
}

func TestVCenter(t *testing.T) {
	t.Parallel()
	judge(t, "vcenter.connected", "", []judgement{
		{"answers", nil, Passed, "vcenter.tokyo.example"},
		{"does not", func(s *site) { s.InventoryError = "login refused" }, Failed, "vcenter.tokyo.example could not be read: login refused."},
		{"nothing was read", func(s *site) { s.Inventory = observed.Inventory{} }, Failed, "nothing was read"},
	})
	judge(t, "vcenter.discovered", "db01", []judgement{
		{"registered", nil, Passed, "registered as vcenter"},
		{"short name", func(s *site) { s.Vault.VCenters[0].Address = "VCENTER" }, Passed, "vcenter"},
		{"URL from the config", func(s *site) { s.Inventory.URL = "" }, Passed, "vcenter"},
		{"another", func(s *site) { s.Vault.VCenters[0].Address, s.Vault.VCenters[0].Name = "vc.osaka.example", "osaka" }, Failed, "knows only osaka at vc.osaka.example"},
		{"by address", func(s *site) { s.Vault.VCenters[0].Address, s.Vault.VCenters[0].Name = "10.0.0.9", "osaka" }, Unknown, "cannot be told"},
		{"of another configuration server", func(s *site) { s.Vault.VCenters[0].FabricID = "/other" }, Failed, "knows no vCenter"},
		{"no address of ours", func(s *site) { s.Inventory.URL, s.Site.VCenterURL = "", "" }, Unknown, "not known"},
		{"unread", func(s *site) { s.Vault.Unread = map[string]string{"vcenters": "HTTP 503"} }, Unknown, "HTTP 503"},
		{"fabrics unread", noFabrics, Unknown, "HTTP 503"},
		{"master target not found", func(s *site) { s.without("MT-WIN-01") }, Unknown, "shows no VM of master target MT-WIN-01"},
	})
	judge(t, "vcenter.privileges", "", []judgement{
		{"all", nil, Passed, "all documented privileges on 6 objects"},
		{"some missing", func(s *site) {
			s.Inventory.Privileges["dc"] = observed.Privileges{Path: "/DC", Kind: "Datacenter", Lacking: []string{"Datastore.Browse", "Datastore.AllocateSpace"}}
			s.Inventory.Privileges["vm-db"] = observed.Privileges{Path: "/DC/vm/db01", Kind: "VirtualMachine", Lacking: []string{"Datastore.Browse"}}
		}, Failed, `TOKYO\asr lacks 2 privilege(s): Datastore.AllocateSpace, Datastore.Browse; on /DC, /DC/vm/db01.`},
		{"unread", func(s *site) {
			s.Inventory.Privileges, s.Inventory.Unread = nil, map[string]string{"privileges": "refused"}
		}, Unknown, "refused"},
		{"not read", func(s *site) { s.Inventory.Privileges = nil }, Unknown, "were not read"},
		{"no vCenter", func(s *site) { s.InventoryError = "down" }, Unknown, "down"},
	})
	for _, machine := range []string{"db01", "web01"} {
		judge(t, "esxi.licence", machine, []judgement{
			{"paid", nil, Passed, "Enterprise"},
			{"free by key", func(s *site) { s.host().LicenceKey = "esxBasic.cpuPackage" }, Failed, "esx01"},
			{"free by name", func(s *site) { s.host().Licence = "VMware vSphere 8 Hypervisor" }, Failed, "Hypervisor"},
			{"free, the machine's host", func(s *site) {
				s.dbVM().HostRef, s.webVM().HostRef = "host-2", "host-2"
				s.Inventory.Hosts[1].LicenceKey = "esxBasic"
			}, Failed, "esx02"},
			{"unread", func(s *site) {
				s.host().Licence, s.host().LicenceKey, s.host().Unread = "", "", map[string]string{"licence": "none is named"}
			}, Unknown, "none is named"},
			{"unread as a whole", func(s *site) {
				s.host().Licence, s.host().LicenceKey, s.Inventory.Unread = "", "", map[string]string{"licence": "refused"}
			}, Unknown, "refused"},
			{"not read", func(s *site) { s.host().Licence, s.host().LicenceKey = "", "" }, Unknown, "was not read"},
			{"host not read", func(s *site) { s.Inventory.Hosts = nil }, Unknown, "could not be read"},
		})
	}
}
