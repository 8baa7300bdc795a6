package validator

import (
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/checks"
	"reprotect.example/services/observed"
	"reprotect.example/services/waiting"
	"reprotect.example/services/workflow"
)

// full is a vault with web01, which runs in Azure, and an appliance of which so many disks are taken.
func full(disks, taken int) observed.Vault {
	azure := "/subscriptions/s/resourceGroups/g"
	return observed.Vault{
		Items: []observed.Item{{
			ID: "/i/web01", Name: "web01", Architecture: observed.Modernized, FabricID: "/rcm", State: "UnplannedFailoverStatesBegin", Location: "Recovery",
			FailedOverAt: acceptedAt.Add(-time.Hour), AzureVMName: "web01", AzureGroup: azure, Disks: make([]observed.ItemDisk, disks),
		}, {
			ID: "/i/other", Name: "other", Architecture: observed.Modernized, FabricID: "/rcm", ApplianceID: "/a", Provider: "InMageRcmFailback",
			Disks: make([]observed.ItemDisk, taken),
		}},
		Fabrics: []observed.Fabric{{ID: "/rcm", Name: "rcm", Appliances: []observed.Appliance{{ID: "/a", Name: "APPL", Health: "Normal"}}}},
	}
}

// A case whose disks can fit waits until they do, whenever it was asked for; nothing else that blocks passes so.
func TestAwaitsDiskSlots(t *testing.T) {
	const slots = "appliance.disk-slots"
	for _, tt := range []struct {
		name         string
		disks, taken int
		also         string // another check that blocks
		change       func(*events.Case)
		want         string
	}{
		{"room", 2, 58, "", nil, "validated"},
		{"full", 2, 59, "", nil, "waiting"},
		{"full, with all disks that an appliance takes", 60, 1, "", nil, "waiting"},
		{"more than an appliance takes", 61, 0, "", nil, "rejected"},
		{"more than an appliance takes, and full", 61, 60, "", nil, "rejected"},
		{"something else blocks, too", 2, 59, "log-storage.present", nil, "rejected"},
		{"waived", 2, 59, "", func(c *events.Case) { c.Waive[slots] = "it has 64" }, "validated"},
		{"a dry run, which takes none", 2, 59, "", func(c *events.Case) { c.DryRun = true }, "rejected"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			vault := &refreshed{facts: full(tt.disks, tt.taken)}
			site := Site{Vault: vault, Inventory: bare{}, Look: 30 * time.Second}
			now := acceptedAt.Add(time.Minute)
			v := validator{map[string]Site{"tokyo": site}, nil, func() time.Time { return now }}
			var e workflow.Event[events.Accepted]
			e.Site, e.Case, e.Time = "tokyo", "r7--web01", acceptedAt
			c := &e.Data.Case
			*c = events.Case{
				Machines: []events.Machine{{Name: "web01", Item: "/i/web01", Architecture: "modernized", Choice: events.Choice{Appliance: "APPL"}}}, Waive: map[string]string{},
				RequestedAt: acceptedAt,
			}
			for _, check := range checks.Catalogue() {
				if check.Code != slots && check.Code != tt.also {
					c.Waive[check.Code] = "not here"
				}
			}
			if tt.change != nil {
				tt.change(c)
			}
			r, err := v.accepted(t.Context(), e, waiting.Told{})
			if err != nil || len(r.Publish) != 1 || r.Publish[0].Kind().Name != tt.want || (r.After > 0) != (tt.want == "waiting") {
				t.Fatalf("%+v, %v", r, err)
			}
			if tt.want != "waiting" {
				return
			}
			w := r.Publish[0].Data().(events.Waiting)
			if w.For != "disk-slot" || w.Code != slots || w.Machines[0] != "web01" || !w.Since.Equal(acceptedAt) || !w.Until.IsZero() {
				t.Errorf("%+v", w)
			}
			if !strings.Contains(w.Message, "of 60") || !strings.Contains(w.Remedy, "fail back") {
				t.Errorf("it says %q and %q", w.Message, w.Remedy)
			}
			e.Looks = 6
			told := r.State
			vault.facts = full(tt.disks, tt.taken+1) // told again it would be noise
			if r, err := v.accepted(t.Context(), e, told); err != nil || len(r.Publish) != 0 || r.After < 4*time.Minute {
				t.Errorf("later: %+v, %v", r, err)
			}
			vault.facts = full(tt.disks, 0)
			if r, err := v.accepted(t.Context(), e, told); err != nil || len(r.Publish) != 1 || r.Publish[0].Kind().Name != "validated" {
				t.Errorf("with room: %+v, %v", r, err)
			}
		})
	}
}
