package readiness

import (
	"strings"
	"testing"

	"reprotect.example/events"
	"reprotect.example/services/checks"
	"reprotect.example/services/observed"
)

func itemIn(provider, state, location, site string) observed.Item {
	i := observed.Item{ID: "/items/web01", Name: "web01", Architecture: observed.Modernized, Provider: provider, State: state, StateText: state, Location: location, ActiveSite: site}
	if provider == "InMage" || provider == "InMageAzureV2" {
		i.Architecture = observed.Classic
	}
	return i
}

// From where a machine takes which leg, and what is said where it does not. The stages are Azure's own words.
func TestFromWhereALegIsTaken(t *testing.T) {
	const may, not, unclear = "may", "not", "unclear"
	for _, tt := range []struct {
		name                                string
		item                                observed.Item
		stage                               observed.Stage
		failback, commit, withdraw, protect string
		says                                string
	}{
		{"ready", itemIn("InMageRcmFailback", "Protected", "Primary", ""), observed.StageReady, may, not, not, not, "it may be failed back"},
		{"ready, classic", itemIn("InMage", "Protected", "Primary", "Azure"), observed.StageReady, may, not, not, not, "it may be failed back"},
		{"home, not committed", itemIn("InMageRcmFailback", "CommitPendingStatesBegin", "Recovery", ""), observed.StageHomeUncommitted, not, may, may, not, "commit or withdraw it"},
		{"home, not committed, classic", itemIn("InMage", "CommitPendingStatesBegin", "Recovery", "OnPrem"), observed.StageHomeUncommitted, not, may, not, not, "commit or withdraw it"},
		{"home", itemIn("InMageRcmFailback", "UnplannedFailoverCommitted", "Recovery", "OnPrem"), observed.StageHome, not, not, not, may, "may be protected to Azure again"},
		{"in Azure", itemIn("InMageRcm", "UnplannedFailoverCommitted", "Recovery", ""), observed.StageCommitted, not, not, not, not, "request that first"},
		{"before the disaster", itemIn("InMageRcm", "Protected", "Primary", ""), observed.StageProtected, not, not, not, not, "nothing to bring home"},
		{"initial replication", itemIn("InMageRcmFailback", "InitialReplicationInProgress", "Primary", ""), observed.StageInitial, not, not, not, not, "not protected yet"},
		{"a word that nobody knows", itemIn("InMageRcmFailback", "Floating", "Primary", ""), observed.StageUnknown, unclear, unclear, unclear, unclear, "is not known"},
	} {
		if got := tt.item.Stage(); got != tt.stage {
			t.Fatalf("%s: the item stands at %v", tt.name, got)
		}
		for leg, want := range map[events.Leg]string{events.LegFailback: tt.failback, events.LegCommit: tt.commit, events.LegWithdraw: tt.withdraw, events.LegProtect: tt.protect} {
			var said Said
			stage(leg, Subject{Item: tt.item}, &said)
			got := may
			switch {
			case len(said.Refused) > 0:
				got = not
			case len(said.Unread) > 0:
				got = unclear
			}
			words := strings.Join(append(said.Refused, said.Unread...), " ")
			classicWithdrawal := leg == events.LegWithdraw && tt.stage == observed.StageHomeUncommitted && tt.item.Architecture == observed.Classic
			if got != want || want != may && !classicWithdrawal && !strings.Contains(words, tt.says) || classicWithdrawal && !strings.Contains(words, "modernized machines only") {
				t.Errorf("%s, %s: %s (%s), want %s", tt.name, leg, got, words, want)
			}
			if want != may {
				continue
			}
			busy := tt.item
			busy.JobID, busy.Scenario = "j1", "TestFailover"
			var held Said
			if stage(leg, Subject{Item: busy}, &held); len(held.Refused)+len(held.Unread) == 0 {
				t.Errorf("%s, %s: a job holds it, and it may all the same", tt.name, leg)
			}
		}
	}
}

// Of a machine that could not be read nothing more is said, and nothing passes.
func TestAMachineThatCouldNotBeRead(t *testing.T) {
	for _, leg := range []events.Leg{events.LegFailback, events.LegCommit, events.LegWithdraw, events.LegProtect} {
		for _, s := range []Subject{
			{Item: itemIn("InMageRcmFailback", "Protected", "Primary", ""), Unread: "HTTP 500."},
			{Item: func() observed.Item {
				i := itemIn("InMageRcmFailback", "Protected", "Primary", "")
				i.Unread = "HTTP 500"
				return i
			}()},
		} {
			said := Of(leg, s)
			if len(said.Refused) != 0 || len(said.Unread) != 1 || said.Unread[0] != "web01 could not be read: HTTP 500." {
				t.Errorf("%s: %+v", leg, said)
			}
		}
	}
}

// A finding for each rule of the leg: what stands against it blocks, what is unknown where the site is strict, and a waiver
// passes over what may be waived.
func TestFindings(t *testing.T) {
	item := itemIn("InMageRcmFailback", "Protected", "Primary", "")
	c := events.Case{HomeCase: events.HomeCase{Leg: events.LegFailback}, Machines: []events.Machine{{Name: "web01", Item: item.ID}}}
	find := func(strict bool) map[string]events.Finding {
		all := map[string]events.Finding{}
		for _, f := range Findings(c, 0, Subject{Item: item, NoInventory: "HTTP 503"}, strict) {
			all[f.Check] = f
		}
		return all
	}
	lenient := find(false)
	if len(lenient) != 6 || lenient["readiness.stage"].Status != checks.Passed || lenient["readiness.stage"].Blocks {
		t.Errorf("%+v", lenient)
	}
	if f := lenient["readiness.recovery-point"]; f.Status != checks.Failed || !f.Blocks || f.Remedy == "" || f.Machine != "web01" {
		t.Errorf("%+v", f)
	}
	if f := lenient["readiness.on-premises-off"]; f.Status != checks.Unknown || f.Blocks || !strings.Contains(f.Evidence, "vCenter could not be read: HTTP 503.") {
		t.Errorf("%+v", f)
	}
	if f := find(true)["readiness.on-premises-off"]; !f.Blocks {
		t.Errorf("%+v", f)
	}
	c.Waive = map[string]string{"readiness.recovery-point": "known.", "readiness.stage": "please"}
	if f := find(true)["readiness.recovery-point"]; f.Status != checks.Waived || f.Blocks || !strings.HasSuffix(f.Evidence, "Waived: known.") {
		t.Errorf("%+v", f)
	}
	item.State = "CommitPendingStatesBegin"
	item.Location = "Recovery"
	if f := find(false)["readiness.stage"]; f.Status != checks.Failed || !f.Blocks || !strings.Contains(f.Evidence, "This check cannot be waived.") {
		t.Errorf("%+v", f)
	}
}
