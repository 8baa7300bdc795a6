package asr

import (
	"slices"
	"testing"
	"time"

	sr "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/recoveryservices/armrecoveryservicessiterecovery/v2"
	"github.com/google/go-cmp/cmp"

	"reprotect.example/services/observed"
)

const (
	fixtureVault = "/Subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg-home/providers/Microsoft.RecoveryServices/vaults/vault-home"
	site         = "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg-home/providers/Microsoft.OffAzure/VMwareSites/site"
	storage      = "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg-home/providers/Microsoft.Storage/storageAccounts/homelogs"
	classicAt    = fixtureVault + "/replicationFabrics/cs-01"
	modernizedAt = fixtureVault + "/replicationFabrics/appliance-fabric"
)

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t
}

func ptr[T any](v T) *T { return &v }

func TestItem(t *testing.T) {
	t.Parallel()
	upper := "/SUBSCRIPTIONS/11111111-1111-4111-8111-111111111111/RESOURCEGROUPS/RG-HOME/PROVIDERS/MICROSOFT.RECOVERYSERVICES/VAULTS/VAULT-HOME/REPLICATIONFABRICS/CS-01"
	tests := map[string]struct {
		want                                    observed.Item
		failedOver, reversed, protected, isBusy bool
	}{
		"item-classic": {failedOver: true, isBusy: true, want: observed.Item{
			ID: classicAt + "/replicationProtectionContainers/cloud_cs-01/replicationProtectedItems/item-db01", Name: "db01",
			Architecture: observed.Classic, Provider: "InMageAzureV2", FabricID: classicAt, ContainerID: classicAt + "/replicationProtectionContainers/cloud_cs-01",
			PolicyID: fixtureVault + "/replicationPolicies/p1", State: "UnplannedFailoverStatesBegin", StateText: "Failover committed", Location: "Recovery",
			Operations: []string{"DisableProtection", "SwitchProtection"}, Scenario: "SwitchReplicationGroupProtection", JobID: jobGUID,
			Health: "Warning", FailoverHealth: "Normal", FailedOverAt: at("2026-03-01T10:47:12.0055332Z"),
			HealthErrors: []observed.Problem{
				{Code: "78144", Severity: "Warning", Message: "No app-consistent recovery point.", Causes: "VSS", Action: "See https://example.net/help?t=…&c=…&s=…&h=… for more."},
				{Code: "1", Message: "tools"},
			},
			OS: observed.Windows, OSVersion: "Microsoft Windows Server 2019", GroupID: "group-1", GroupName: "ERP",
			AzureVM: "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/db01", AzureVMName: "db01",
			AgentVersion: "9.60.0.0", AgentHeartbeat: at("2026-03-01T10:38:11Z"), MasterTargetID: "MT-ID", ProcessServerID: "PS-ID",
			VMID: "33333333-3333-4333-8333-333333333333", VCenterID: "5", Datastores: []string{"VMFS-01"},
			Disks:   []observed.ItemDisk{{ID: "{1}", Name: "Disk0", CapacityBytes: 21474836480}},
			Forward: observed.Forward{PolicyID: fixtureVault + "/replicationPolicies/p1", ProcessServerID: "PS-ID", MasterTargetID: "MT-ID"},
		}},
		"item-classic-back": {reversed: true, protected: true, want: observed.Item{
			ID:   upper + "/REPLICATIONPROTECTIONCONTAINERS/CLOUD_CS-01/REPLICATIONPROTECTEDITEMS/item-db01-new",
			Name: "db01", Architecture: observed.Classic, Provider: "InMage", FabricID: upper, ContainerID: upper + "/REPLICATIONPROTECTIONCONTAINERS/CLOUD_CS-01",
			State: "Protected", StateText: "Protected", Location: "Primary", Operations: []string{"PlannedFailover"},
			OS: observed.Linux, OSVersion: "Ubuntu 22.04",
			AgentVersion: "9.61.0.0", AgentHeartbeat: at("2026-03-01T12:00:00Z"), MasterTargetID: "MT-ID", ProcessServerID: "PS-ID",
			VCenterID: "5", Datastores: []string{"VMFS-02"},
			Disks:       []observed.ItemDisk{{ID: "{1}", Name: "Disk0", CapacityBytes: 100}, {ID: "{2}", Name: "Disk1", CapacityBytes: 200}},
			Replication: observed.Replication{Percent: ptr(42), ProcessedBytes: 42, TransferredBytes: 31, Health: "InProgress"},
		}},
		"item-modernized": {failedOver: true, want: observed.Item{
			ID: modernizedAt + "/replicationProtectionContainers/appliance-container/replicationProtectedItems/item-web01", Name: "web01",
			Architecture: observed.Modernized, Provider: "InMageRcm", FabricID: modernizedAt, ContainerID: modernizedAt + "/replicationProtectionContainers/appliance-container",
			PolicyID: fixtureVault + "/replicationPolicies/p2", State: "UnplannedFailoverCommitPendingStatesBegin", StateText: "Failover completed", Location: "Recovery",
			Operations: []string{"Commit", "SwitchProtection"}, Health: "Normal", FailoverHealth: "Normal", FailedOverAt: at("2026-03-01T04:22:13.1215306Z"),
			OS: observed.Linux, OSVersion: "Ubuntu Linux (64-bit)", GroupID: "SHOP", GroupName: "SHOP", AzureVMName: "web01",
			AgentVersion: "9.62.0.1", AgentHeartbeat: at("2026-03-01T04:19:49.7773107Z"), AgentRegistered: ptr(false), LogStorage: storage,
			VMID: "5013A427-875d-400f-8488-ae04c6780453", VCenterID: site + "/vcenters/vcenter80", VMDeleted: ptr(false), PowerState: "OFF",
			Datastores: []string{"VMFS-01"}, Disks: []observed.ItemDisk{{ID: "{9}", Name: "/dev/sda", CapacityBytes: 42949672960}},
			Forward: observed.Forward{PolicyID: fixtureVault + "/replicationPolicies/p2", ProcessServerID: "APPL-ID"},
		}},
		"item-modernized-back": {reversed: true, want: observed.Item{
			ID: modernizedAt + "/replicationProtectionContainers/appliance-container/replicationProtectedItems/item-web01", Name: "web01",
			Architecture: observed.Modernized, Provider: "InMageRcmFailback", FabricID: modernizedAt, ContainerID: modernizedAt + "/replicationProtectionContainers/appliance-container",
			State: "InitialReplicationInProgress", StateText: "Initial replication is in progress", Location: "Primary", Operations: []string{"DisableProtection"},
			OS: observed.Linux, AzureVM: "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/web01-77", AzureVMName: "web01-77",
			AgentVersion: "9.62.0.1", AgentHeartbeat: at("2026-03-01T04:53:39Z"), ApplianceID: "APPL-ID", LogStorage: storage,
			VCenterID: site + "/vcenters/vcenter80", Datastores: []string{"VMFS-02"},
			Disks:       []observed.ItemDisk{{ID: "{9}", Name: "/dev/sda", UUID: "6000C29b-0000-4000-8000-000000000001", CapacityBytes: 42949672960}},
			Replication: observed.Replication{Percent: ptr(37), ProcessedBytes: 370, TransferredBytes: 360, Health: "InProgress"},
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := item(decode[sr.ReplicationProtectedItem](t, fixture(t, name)))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if got.FailedOver() != tt.failedOver || got.ReversedOnce() != tt.reversed || got.Protected() != tt.protected || got.Busy() != tt.isBusy {
				t.Errorf("failed over %v, reversed %v, protected %v, busy %v", got.FailedOver(), got.ReversedOnce(), got.Protected(), got.Busy())
			}
		})
	}
}

func TestModernizedResynchronisation(t *testing.T) {
	t.Parallel()
	got := item(decode[sr.ReplicationProtectedItem](t, []byte(`{"properties":{"providerSpecificDetails":{"instanceType":"InMageRcmFailback",
		"initialReplicationProgressPercentage":null,"initialReplicationProgressHealth":"None",
		"resyncProgressPercentage":5,"resyncProcessedBytes":6,"resyncTransferredBytes":7,"resyncProgressHealth":"SlowProgress"}}}`)))
	want := observed.Replication{Percent: ptr(5), ProcessedBytes: 6, TransferredBytes: 7, Health: "SlowProgress"}
	if diff := cmp.Diff(want, got.Replication); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestItemOfAnotherScenario(t *testing.T) {
	t.Parallel()
	got := item(decode[sr.ReplicationProtectedItem](t, []byte(`{"name":"a2a","properties":{"friendlyName":"azure","providerSpecificDetails":{"instanceType":"A2A"}}}`)))
	if got.Architecture != "" || got.Provider != "A2A" || got.Name != "azure" {
		t.Errorf("got %+v", got)
	}
}

func TestFabric(t *testing.T) {
	t.Parallel()
	tests := map[string]observed.Fabric{
		"fabric-classic": {
			ID: classicAt, Name: "CS-01", InternalID: "int-1", Architecture: observed.Classic, Health: "Normal",
			Heartbeat: at("2026-03-01T17:42:50.995485Z"), Version: "9.60.0.0", HostName: "CS-01", IPAddress: "10.0.0.4",
			ProcessServers: []observed.ProcessServer{{ID: "PS-ID", Name: "PS-AZ-01", IPAddress: "10.0.0.5", Version: "9.60.0.1", Heartbeat: at("2026-03-01T17:40:44Z"), Health: "Normal"}},
			MasterTargets: []observed.MasterTarget{{ID: "MT-ID", Name: "MT-LINUX-01", IPAddress: "10.0.0.6", OS: observed.Linux, OSVersion: "Ubuntu 20.04", Version: "9.60.0.2",
				VersionStatus: "Supported", Heartbeat: at("2026-03-01T17:41:58Z"), DiskCount: 3,
				RetentionVolumes: []observed.RetentionVolume{{Name: "/mnt/retention", CapacityBytes: 1000, FreeBytes: 900}},
				Datastores:       []observed.FabricDatastore{{Name: "VMFS-01", UUID: "u1", Type: "VMFS", CapacityGB: 439.5, FreeGB: 154.11}, {Name: "odd"}},
				Problems:         []observed.Problem{{Code: "V1", Message: "tools are missing"}, {Code: "H1", Message: "late"}},
				Expires:          []observed.Expiry{{Of: "agent", At: at("9999-12-31T23:59:59.9999999Z")}}}},
			RunAsAccounts: map[string]string{"1": "vcenteruser"},
		},
		"fabric-modernized": {
			ID: modernizedAt, Name: "appliance-fabric", InternalID: "int-2", Architecture: observed.Modernized, Health: "Normal",
			Appliances: []observed.Appliance{{ID: "APPL-ID", Name: "ASR-APPL-01", BIOSID: "BIOS-1", FQDN: "appl01.home.example", Version: "1.40.1", Health: "Normal",
				Heartbeat: at("2026-03-01T04:28:42Z"), LastDiscovery: at("2026-03-01T04:18:24Z"), Datastores: []string{"VMFS-01", "VMFS-02"},
				VCenterID: site + "/vcenters/vcenter80", ProtectedItems: 7}},
		},
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(want, fabric(decode[sr.Fabric](t, fixture(t, name)))); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// What Site Recovery gives no name is called by its id: no sentence about it has a hole.
func TestSiteRecoveryNothingIsWithoutAName(t *testing.T) {
	t.Parallel()
	nameless := func(name string, paths ...string) []byte {
		raw := fixture(t, name)
		for _, path := range paths {
			raw = spoil(t, raw, path, func(any) any { return nil })
		}
		return raw
	}
	classic := fabric(decode[sr.Fabric](t, nameless("fabric-classic", "name", "properties.friendlyName", "properties.customDetails.processServers.friendlyName", "properties.customDetails.masterTargetServers.name")))
	if classic.Name == "" || classic.ProcessServers[0].Name != "PS-ID" || classic.MasterTargets[0].Name != "MT-ID" {
		t.Errorf("%+v", classic)
	}
	if f := fabric(decode[sr.Fabric](t, nameless("fabric-modernized", "properties.customDetails.reprotectAgents.name"))); f.Appliances[0].Name != "appl01.home.example" {
		t.Errorf("%+v", f.Appliances)
	}
	if i := item(decode[sr.ReplicationProtectedItem](t, nameless("item-classic", "name", "properties.friendlyName"))); i.Name != "item-db01" {
		t.Errorf("%q", i.Name)
	}
}

func TestJob(t *testing.T) {
	t.Parallel()
	start := at("2026-03-01T11:00:00Z")
	got := job(decode[sr.Job](t, fixture(t, "job-failed")))
	want := observed.Job{ID: jobGUID, Scenario: observed.ReprotectScenario, FriendlyName: "Reprotect", State: "Failed", StateText: "Failed",
		Target: "33333333-3333-4333-8333-333333333333", TargetName: "db01", Start: start, End: at("2026-03-01T11:10:00Z"), Actions: []string{"Restart"},
		NewItemID: classicAt + "/replicationProtectionContainers/cloud_cs-01/replicationProtectedItems/item-db01-new",
		Tasks: []observed.Task{
			{ID: "SwitchReplicationGroupProtectionPreflightTask", Name: "Prerequisite check", State: "Succeeded", StateText: "Succeeded", Start: start},
			{ID: "CommitFailoverTask", Name: "Committing failover", State: "Other", StateText: "Other"},
			{ID: "ProtectReplicaTask", Name: "Reprotecting virtual machine (1)", State: "Failed", StateText: "Failed", Start: start},
		},
		Errors: []observed.Problem{
			{Code: "95226", Message: "Reprotect failed for db01.", Causes: "No path to the configuration server.", Action: "Check the VPN.", Severity: "Error", Class: observed.Operator, Remedy: remedy("95226")},
			{Code: "78093", Message: "The VM is off.", Severity: "Error", Class: observed.Operator, Remedy: remedy("78093")},
			{Code: "8061", Message: "Datastore not reached.", Severity: "Error", Class: observed.Operator, Remedy: remedy("8061")},
		}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestErrorsOfAJobThatGoesOnAreWarnings(t *testing.T) {
	t.Parallel()
	for state, severity := range map[string]string{"InProgress": "Warning", "Succeeded": "Warning", "Failed": "Error", "Suspended": "Error"} {
		j := decode[sr.Job](t, fixture(t, "job-failed"))
		j.Properties.State = &state
		for _, p := range job(j).Errors {
			if p.Severity != severity {
				t.Errorf("%s: %s is %s, want %s", state, p.Code, p.Severity, severity)
			}
		}
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Time{
		`"0001-01-01T00:00:00"`:              {},
		`"1753-01-01T01:01:01Z"`:             {},
		`"2026-03-01T10:00:00.1234567"`:      at("2026-03-01T10:00:00.1234567Z"),
		`"2026-03-01T19:00:00+09:00"`:        at("2026-03-01T10:00:00Z"),
		`"2026-01-18T08:29:59.372555+00:00"`: at("2026-01-18T08:29:59.372555Z"),
		`null`:                               {},
	} {
		j := job(decode[sr.Job](t, []byte(`{"properties":{"startTime":`+text+`}}`)))
		if !j.Start.Equal(want) || j.Start.Location() != time.UTC {
			t.Errorf("%s: %v, want %v", text, j.Start, want)
		}
	}
}

func TestDiscoveredID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		site + "/machines/vc_65_5013a427-875d-400f-8488-ae04c6780453": "5013a427-875d-400f-8488-ae04c6780453",
		site + "/machines/physical-7":                                 "physical-7",
		"":                                                            "",
	} {
		if got := discoveredID(id); got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
}

func remedy(code string) string {
	_, remedy := Explain(code, "")
	return remedy
}

// Row B10: the machines of a plan stand in the order of its groups; those that shut down or boot nothing are passed over.
func TestSiteRecoveryPlanGroups(t *testing.T) {
	t.Parallel()
	raw := `{"id":"/p","name":"p","properties":{"friendlyName":"ERP","groups":[
		{"groupType":"Shutdown","replicationProtectedItems":[]},{"groupType":"Failover"},null,
		{"groupType":"Boot","replicationProtectedItems":[{"id":"/i/db"}],"endGroupActions":[{"actionName":"wait","failoverTypes":["PlannedFailover"],"failoverDirections":["RecoveryToPrimary"],"customDetails":{"instanceType":"ManualActionDetails","description":"look"}}]},
		{"groupType":"Boot","replicationProtectedItems":[{"id":"/i/app"},{"id":"/I/DB"},null]},{"groupType":"Boot","replicationProtectedItems":[{"id":"/i/web"}]}]}}`
	if got := plan(decode[sr.RecoveryPlan](t, []byte(raw))); got.Name != "ERP" || !slices.Equal(got.Items, []string{"/i/db", "/i/app", "/i/web"}) {
		t.Errorf("%+v", got)
	}
}
