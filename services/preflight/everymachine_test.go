package preflight

import (
	"slices"
	"testing"

	"reprotect.example/services/observed"
)

// TestSiteRecoveryLeftOut: a preflight of the whole vault leaves out what this product cannot bring home, and says why (F8).
func TestSiteRecoveryLeftOut(t *testing.T) {
	t.Parallel()
	vault := observed.Vault{
		Items: []observed.Item{
			{ID: "/1", Name: "web01", Provider: "InMageRcm", FabricID: "/f"},
			{ID: "/2", Name: "hyper01", Provider: "HyperVReplicaAzure", FabricID: "/f"},
			{ID: "/3", Name: "mig01", Provider: "InMageRcm", State: "MigrationCompleted", FabricID: "/f"},
			{ID: "/4", Name: "far01", Provider: "InMageRcm", FabricID: "/g"},
			{ID: "/5", Name: "dark01", Unread: "field x", FabricID: "/f"},
		},
		Fabrics: []observed.Fabric{{ID: "/f", Name: "F"}, {ID: "/g", Name: "G"}},
	}
	machines, left := everyMachine(vault, "f")
	if len(machines) != 2 || machines[0].Name != "/1" || machines[1].Name != "/5" {
		t.Errorf("machines %+v", machines)
	}
	if want := []LeftOut{{"hyper01", NotVMware}, {"mig01", Migrated}, {"far01", OtherFabric}}; !slices.Equal(left, want) {
		t.Errorf("left out %+v", left)
	}
	for _, l := range left {
		if Say("en", l.Why) == Say("ja", l.Why) {
			t.Errorf("%s has no words in both languages", l.Why)
		}
	}
}
