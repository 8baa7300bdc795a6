package asr

import (
	"testing"
	"time"

	sr "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/recoveryservices/armrecoveryservicessiterecovery/v2"

	"reprotect.example/services/observed"
)

// reversed is the classic fixture as the service shows it after the reprotect, in its old place: physical whatever it
// was, without a system and datastores, under the id of the machine in Azure (R4, R5).
const reversed = `{"id":"` + dbID + `","name":"item-db01","properties":{"friendlyName":"db01","protectionState":"Protected","activeLocation":"Primary",
	"allowedOperations":["UnplannedFailover","DisableProtection"],"providerSpecificDetails":{"instanceType":"InMage","activeSiteType":"Azure",
	"discoveryType":"Physical","osDetails":null,"datastores":[],"vCenterInfrastructureId":null,
	"vmId":"35dd7b4c-96c2-11eb-a892-000d3ad78fab","infrastructureVmId":"35dd7b4c-96c2-11eb-a892-000d3ad78fab"}}}`

// TestSiteRecoveryOrigin: what a machine was on-premises is told by its item of the way to Azure; of one that was never
// seen it is unknown, and never the word of the reversed item (F14, R4).
func TestSiteRecoveryOrigin(t *testing.T) {
	t.Parallel()
	s, clock := serve(t), newClock()
	s.vault(t)
	physicalOne := string(spoil(t, fixture(t, "item-classic"), "properties.providerSpecificDetails.discoveryType", func(any) any { return "Physical" }))
	for _, c := range []struct {
		name, before string
		physical     bool
		unread       bool
	}{
		{"F14 a VM", string(fixture(t, "item-classic")), false, false},
		{"F14 a physical server", physicalOne, true, false},
		{"F14 never seen before", "", false, true},
	} {
		client := s.client(t, with(clock))
		look := func(item string) observed.Item {
			t.Helper()
			s.handle("replicationProtectedItems", body(`{"value":[`+item+`],"nextLink":null}`))
			clock.move(time.Minute)
			v, err := client.Vault(t.Context(), 0)
			if err != nil || len(v.Items) != 1 {
				t.Fatal(v.Items, err)
			}
			return v.Items[0]
		}
		var was observed.Item
		if c.before != "" {
			was = look(c.before)
		}
		is := look(reversed)
		if is.Physical != c.physical || is.OriginUnread != c.unread {
			t.Errorf("%s: physical %v, unread %v", c.name, is.Physical, is.OriginUnread)
		}
		if is.OS != was.OS || is.OSVersion != was.OSVersion || is.VMID != was.VMID || len(is.Datastores) != len(was.Datastores) {
			t.Errorf("%s: %q %q %q %v, before it was %q %q %q %v", c.name, is.OS, is.OSVersion, is.VMID, is.Datastores, was.OS, was.OSVersion, was.VMID, was.Datastores)
		}
		if !is.Protected() {
			t.Errorf("%s: it stands at %s", c.name, is.Stage())
		}
	}
}

// What is kept of items that are gone is dropped.
func TestOriginsForget(t *testing.T) {
	t.Parallel()
	o := origins{items: map[string]origin{}}
	for _, id := range []string{"/A", "/b", "/c"} {
		o.of(observed.Item{ID: id, Architecture: observed.Classic, Provider: "InMageAzureV2", VMID: id})
	}
	o.forget([]observed.Item{{ID: "/a"}})
	if len(o.items) != 1 || o.of(observed.Item{ID: "/a", Architecture: observed.Classic, Provider: "InMage"}).VMID != "/A" {
		t.Errorf("kept %v", o.items)
	}
	o.of(observed.Item{ID: "/hyper-v"})
	if len(o.items) != 1 {
		t.Errorf("kept what is not ours: %v", o.items)
	}
}

// A group of its own, with consistency switched on, is the group of a machine that is in none (B11).
func TestSiteRecoveryGroups(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, id, group, sync, want string }{
		{"B11 of its own, as recorded", "826b9831-3f12-4bd2-aa80-77ae9e925548", "826B9831-3f12-4bd2-aa80-77ae9e925548", "Enabled", ""},
		{"B11 none", "", "", "Enabled", ""},
		{"B11 switched off", "826b9831-3f12-4bd2-aa80-77ae9e925548", "ERP", "Disabled", ""},
		{"B11 a true group", "826b9831-3f12-4bd2-aa80-77ae9e925548", "ERP", "Enabled", "ERP"},
	} {
		forward := item(&sr.ReplicationProtectedItem{Properties: &sr.ReplicationProtectedItemProperties{ProviderSpecificDetails: &sr.InMageAzureV2ReplicationDetails{
			InstanceType: ptr("InMageAzureV2"), MultiVMGroupID: &c.id, MultiVMGroupName: &c.group, MultiVMSyncStatus: &c.sync}}})
		back := item(&sr.ReplicationProtectedItem{Properties: &sr.ReplicationProtectedItemProperties{ProviderSpecificDetails: &sr.InMageReplicationDetails{
			InstanceType: ptr("InMage"), MultiVMGroupID: &c.id, MultiVMGroupName: &c.group, MultiVMSyncStatus: &c.sync}}})
		for _, i := range []observed.Item{forward, back} {
			if i.GroupName != c.want || (i.GroupID == "") != (c.want == "") {
				t.Errorf("%s: %s is in group %q %q", c.name, i.Provider, i.GroupID, i.GroupName)
			}
		}
	}
}
