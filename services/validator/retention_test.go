package validator

import (
	"context"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/observed"
	"reprotect.example/services/waiting"
	"reprotect.example/services/workflow"
)

var acceptedAt = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

type refreshed struct {
	facts   observed.Vault
	fabrics []string
}

func (r *refreshed) Vault(context.Context, time.Duration, ...string) (observed.Vault, error) {
	return r.facts, nil
}
func (r *refreshed) RefreshProvider(_ context.Context, fabric string) error {
	r.fabrics = append(r.fabrics, fabric)
	return nil
}

func TestAwaitsARetentionDriveThatMayBeNew(t *testing.T) {
	vault := &refreshed{facts: theVault()}
	site := Site{Vault: vault, Look: 30 * time.Second, RetentionWait: 15 * time.Minute}
	now := acceptedAt.Add(time.Minute)
	v := validator{map[string]Site{"tokyo": site}, nil, func() time.Time { return now }}
	drive := events.Finding{Check: retentionDrive, Machine: "app01", Status: "fail", Blocks: true, Evidence: "MT-WIN does not offer R.", Remedy: "Add it."}

	e := workflow.Event[events.Accepted]{}
	e.Site, e.Case, e.Time = "tokyo", "r7--app01", acceptedAt
	e.Data.Case.Machines = []events.Machine{{Name: "app01", Item: "/vaults/v/items/3"}, {Name: "app02", Item: "/vaults/v/items/4"}, {Name: "web01", Item: "/vaults/v/items/1"}}
	r, err := v.awaitDrive(t.Context(), e, waiting.Told{}, site, []events.Finding{drive}, acceptedAt.Add(15*time.Minute))
	if err != nil || r.After <= 0 || len(r.Publish) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if w := r.Publish[0].Data().(events.Waiting); w.For != "retention-drive" || !w.Until.Equal(acceptedAt.Add(15*time.Minute)) || w.Machines[0] != "app01" {
		t.Errorf("%+v", w)
	}
	if len(vault.fabrics) != 1 || vault.fabrics[0] != "/fabrics/cs" {
		t.Errorf("refreshed %v, want the one configuration server, once", vault.fabrics)
	}

	e.Looks = 1
	if r, err := v.awaitDrive(t.Context(), e, r.State, site, []events.Finding{drive}, acceptedAt.Add(15*time.Minute)); err != nil || len(r.Publish) != 0 || len(vault.fabrics) != 1 {
		t.Errorf("said or refreshed again: %+v, %v, %v", r, vault.fabrics, err)
	}

	if onlyRetention([]events.Finding{drive, {Check: "master-target.snapshots", Blocks: true}}) || onlyRetention(nil) {
		t.Error("there is no point in waiting while something else blocks, or nothing")
	}
}
