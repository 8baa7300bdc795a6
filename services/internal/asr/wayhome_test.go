package asr

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"reprotect.example/services/lab/asrsim"
	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/observed"
)

type anyToken struct{}

func (anyToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "t", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// TestWayHomeInTheLab (way-home 1, 2, 3, 6): the client takes a machine of each architecture home and protects it again, with
// what the vault itself says that it had; the stage table tells at each step where it stands.
func TestWayHomeInTheLab(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"web01", "mail01"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sc := scenario.Default(4)
			for i := range sc.Machines {
				sc.Machines[i].Agent = -1
			}
			now := newClock()
			sim := asrsim.New(sc, asrsim.Options{Now: now.now})
			c, err := New(Options{Subscription: sc.Subscription, ResourceGroup: sc.ResourceGroup, Vault: sc.Vault, Credential: anyToken{}, Transport: sim.Direct(), Now: now.now})
			if err != nil {
				t.Fatal(err)
			}
			look := func() (observed.Vault, observed.Item) {
				t.Helper()
				v, err := c.Vault(t.Context(), 0)
				if err != nil {
					t.Fatal(err)
				}
				for _, i := range v.Items {
					if i.Name == name {
						return v, i
					}
				}
				t.Fatal("no item of " + name)
				return v, observed.Item{}
			}
			// act does one thing, and waits for its job; the machine then stands there.
			act := func(what string, takes time.Duration, stage observed.Stage, do func(observed.Vault, observed.Item) (string, error)) {
				t.Helper()
				v, i := look()
				id, err := do(v, i)
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				now.move(takes)
				if j, err := c.Job(t.Context(), id); err != nil || j.State != "Succeeded" || j.TargetName != name {
					t.Fatalf("%s: job %+v, %v", what, j, err)
				}
				if _, i := look(); i.Stage() != stage {
					t.Fatalf("%s: it stands at %s", what, i.Stage())
				}
			}
			failback := func(v observed.Vault, i observed.Item) (string, error) {
				if points, err := c.RecoveryPoints(t.Context(), i.ID); err != nil || len(points) == 0 {
					t.Errorf("recovery points: %v, %v", points, err)
				}
				return c.Failback(t.Context(), i, observed.CrashConsistent)
			}
			act("reprotect", sc.Times.Job, observed.StageInitial, func(v observed.Vault, i observed.Item) (string, error) {
				r := observed.Reprotect{Item: i, Datastore: "VMFS-01", LogStorage: sim.LogStorage()}
				for _, f := range v.Fabrics {
					if f.Architecture != i.Architecture {
						continue
					}
					if f.Architecture == observed.Modernized {
						r.ApplianceID = f.Appliances[0].ID
					} else {
						policy, _ := v.FailbackPolicy(f.ID)
						r.MasterTargetID, r.ProcessServerID, r.RetentionDrive, r.PolicyID = f.MasterTargets[0].ID, f.ProcessServers[0].ID, "R", policy.ID
					}
				}
				return c.Reprotect(t.Context(), r)
			})
			now.move(sc.Times.InitialReplication)
			if err := sim.RequireResync(name, true); err != nil {
				t.Fatal(err)
			}
			act("resynchronize", time.Minute, observed.StageResynchronizing, func(_ observed.Vault, i observed.Item) (string, error) {
				return c.RepairReplication(t.Context(), i)
			})
			now.move(sc.Times.InitialReplication)
			act("failback", 22*time.Minute, observed.StageHomeUncommitted, failback)
			if name == "web01" {
				act("cancel", 6*time.Minute, observed.StageReady, func(_ observed.Vault, i observed.Item) (string, error) { return c.CancelFailover(t.Context(), i) })
				act("resolve", time.Minute, observed.StageReady, func(_ observed.Vault, i observed.Item) (string, error) { return c.ResolveHealthErrors(t.Context(), i) })
				act("failback again", 22*time.Minute, observed.StageHomeUncommitted, failback)
			}
			act("commit", 2*time.Minute, observed.StageHome, func(_ observed.Vault, i observed.Item) (string, error) { return c.Commit(t.Context(), i) })
			act("protect", sc.Times.Job, observed.StageInitial, func(v observed.Vault, i observed.Item) (string, error) {
				f, _ := v.Fabric(i.FabricID)
				wanted := ""
				var accounts []observed.RunAsAccount
				if i.Architecture == observed.Classic {
					wanted = "windows" // the vault does not say which account it had
				} else if accounts, err = c.RunAsAccounts(t.Context(), f.SiteID); err != nil {
					t.Fatal(err)
				}
				forward, err := v.ForwardOf(i, accounts, wanted)
				if err != nil || !strings.HasSuffix(forward.PolicyID, map[string]string{"web01": "policy-modernized", "mail01": "policy-classic"}[name]) {
					t.Fatalf("%+v, %v", forward, err)
				}
				return c.ReprotectForward(t.Context(), i, forward)
			})
			now.move(sc.Times.InitialReplication)
			if _, i := look(); i.Stage() != observed.StageProtected || i.ReversedOnce() {
				t.Errorf("in the end it stands at %s", i.Stage())
			}
		})
	}
}
