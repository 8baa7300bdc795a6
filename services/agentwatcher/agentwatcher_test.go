package agentwatcher

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/observed"
	"reprotect.example/services/waiting"
	"reprotect.example/services/workflow"
)

type vault struct {
	look observed.Vault
	err  error
}

func (v vault) Vault(context.Context, time.Duration, ...string) (observed.Vault, error) {
	return v.look, v.err
}

var placedAt = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func ask(t *testing.T, v vault, now time.Time, looks int, told waiting.Told) (workflow.Result[waiting.Told], error) {
	t.Helper()
	w := watcher{map[string]Site{"tokyo": {Vault: v, AgentWait: 20 * time.Minute, Look: 30 * time.Second}}, func() time.Time { return now }}
	e := workflow.Event[events.Placed]{Looks: looks}
	e.Site, e.Case, e.Time = "tokyo", "r7", placedAt
	e.Data.Case.Machines = []events.Machine{{Name: "web01", Item: "/items/web01"}, {Name: "db01", Item: "/items/db01"}}
	return w.placed(context.Background(), e, told)
}

func back(yes bool) *bool { return &yes }

func TestRegistered(t *testing.T) {
	over := placedAt.Add(-time.Hour)
	cases := []struct {
		name string
		item observed.Item
		want bool
	}{
		{"modernized, flag set", observed.Item{AgentRegistered: back(true)}, true},
		{"modernized, flag not set, whatever the heartbeat", observed.Item{AgentRegistered: back(false), FailedOverAt: over, AgentHeartbeat: placedAt}, false},
		{"classic, heartbeat newer than the failover", observed.Item{FailedOverAt: over, AgentHeartbeat: over.Add(time.Second)}, true},
		{"classic, heartbeat from before the failover", observed.Item{FailedOverAt: over, AgentHeartbeat: over.Add(-time.Second)}, false},
		{"classic, no heartbeat at all", observed.Item{}, false},
		{"replicates back already", observed.Item{Provider: "InMageRcmFailback"}, true},
	}
	for _, tt := range cases {
		if got := Registered(tt.item); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func items(web, db bool) vault {
	return vault{look: observed.Vault{Items: []observed.Item{
		{ID: "/Items/WEB01", Name: "web01", AgentRegistered: back(web), AgentVersion: "9.55"},
		{ID: "/items/db01", Name: "db01", AgentRegistered: back(db)},
	}}}
}

func TestWaitsForAllAgents(t *testing.T) {
	r, err := ask(t, items(true, false), placedAt.Add(time.Minute), 0, waiting.Told{})
	if err != nil || r.After <= 0 || len(r.Publish) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	w := r.Publish[0].Data().(events.Waiting)
	if w.For != "agent" || len(w.Machines) != 1 || w.Machines[0] != "db01" || !w.Until.Equal(placedAt.Add(20*time.Minute)) || !w.Since.Equal(placedAt) {
		t.Errorf("waiting %+v", w)
	}

	again, err := ask(t, items(true, false), placedAt.Add(2*time.Minute), 1, r.State)
	if err != nil || len(again.Publish) != 0 || again.After <= 0 {
		t.Errorf("nothing changed, but it says %+v, %v", again, err)
	}

	done, err := ask(t, items(true, true), placedAt.Add(3*time.Minute), 2, r.State)
	if err != nil || done.After != 0 || len(done.Publish) != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	if d := done.Publish[0].Data().(events.Registered); len(d.Agents) != 2 || d.Agents[0].Version != "9.55" {
		t.Errorf("registered %+v", d)
	}
}

func TestAMachineThatCameBackMeanwhileCounts(t *testing.T) {
	v := items(true, true)
	v.look.Items[1].ID, v.look.Items[1].Provider = "/items/db01-new", "InMage"
	if r, err := ask(t, v, placedAt.Add(time.Minute), 0, waiting.Told{}); err != nil || r.After != 0 {
		t.Errorf("waits for the agent of a machine that replicates back: %+v, %v", r, err)
	}
}

func TestNeverLooksPastTheDeadline(t *testing.T) {
	now := placedAt.Add(20*time.Minute - time.Second)
	r, err := ask(t, items(false, false), now, 0, waiting.Told{})
	if err != nil || now.Add(r.After).After(placedAt.Add(20*time.Minute+10*time.Millisecond)) {
		t.Errorf("looks again after %v, %v", r.After, err)
	}
}

func TestFailsAfterTheDeadline(t *testing.T) {
	r, err := ask(t, items(true, false), placedAt.Add(20*time.Minute), 40, waiting.Told{})
	if err != nil || r.After != 0 || len(r.Publish) != 1 || r.Publish[0].Step() != events.StepRegistration {
		t.Fatalf("%+v, %v", r, err)
	}
	f := r.Publish[0].Data().(events.Failed)
	for _, hint := range []string{"95226", "78093"} {
		if !strings.Contains(f.Remedy, hint) {
			t.Errorf("the remedy does not mention %s: %s", hint, f.Remedy)
		}
	}
	if !strings.Contains(f.Message, "db01") || strings.Contains(f.Message, "web01") || len(f.Machines) != 2 || f.Case == nil {
		t.Errorf("failed %+v", f)
	}
}

func TestWaitsForAzure(t *testing.T) {
	fault := &observed.Fault{Class: observed.Temporary, Code: "azure.throttled", What: "Azure throttles", After: 3 * time.Minute}
	r, err := ask(t, vault{err: fault}, placedAt.Add(time.Hour), 0, waiting.Told{}) // long past the deadline: nobody looked
	if err != nil || r.After < 3*time.Minute || r.Publish[0].Data().(events.Waiting).For != "throttle" {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := ask(t, vault{err: errors.New("bug")}, placedAt, 0, waiting.Told{}); err == nil {
		t.Error("an error that is not of the surroundings must come back")
	}
}

// TestSiteRecoveryAgents walks what is said and done while an agent is missing, by the ids of the findings.
func TestSiteRecoveryAgents(t *testing.T) {
	urls := []observed.Problem{{Code: "151197", Message: "Ensure the URLs are accessible from the machine.", Action: "Allow them."}}
	web := observed.Item{ID: "/items/web01", Name: "web01", Architecture: observed.Modernized, Provider: "InMageRcm", AgentRegistered: back(false), HealthErrors: urls}
	db := observed.Item{ID: "/items/db01", Name: "db01", Architecture: observed.Classic, Provider: "InMageAzureV2", FailedOverAt: placedAt, AgentHeartbeat: placedAt.Add(-time.Hour), AgentVersion: "9.62"}
	seen := db
	seen.AgentHeartbeat = placedAt.Add(time.Minute)
	unread := db
	unread.Unread = "field x"
	const classic, modernized = "InMage Scout Application Service", "addresses of Site Recovery"
	for _, tt := range []struct {
		name     string
		web, db  observed.Item
		after    time.Duration
		outcome  string // of the step; "": it waits
		says     []string
		saysNone []string
	}{
		{"F5 Azure's words while it waits", web, seen, time.Minute, "", []string{"of web01 has not", "Site Recovery says of web01: Ensure the URLs are accessible from the machine (151197), Azure recommends: Allow them.", modernized}, []string{classic}},
		{"F5 Azure's words at the end", web, seen, 20 * time.Minute, "failed", []string{"Ensure the URLs", modernized, "Then retry"}, []string{classic, "95226"}},
		{"B4 classic, before its time is over", seen, db, 15*time.Minute - time.Second, "", []string{"of db01 has not"}, []string{modernized}},
		{"B4 classic, its time is over: Azure is asked", seen, db, 15 * time.Minute, "registered", nil, nil},
		{"B4 classic, not read", seen, unread, 20 * time.Minute, "failed", []string{classic, "db01 could not be read: field x."}, []string{modernized}},
		{"B4 the flag of another still counts", web, db, 16 * time.Minute, "", []string{"of web01 has not"}, []string{"db01"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.web.ID, tt.db.ID = "/items/web01", "/items/db01"
			r, err := ask(t, vault{look: observed.Vault{Items: []observed.Item{tt.web, tt.db}}}, placedAt.Add(tt.after), 3, waiting.Told{})
			if err != nil || len(r.Publish) != 1 {
				t.Fatalf("%+v, %v", r, err)
			}
			var outcome, said string
			switch d := r.Publish[0].Data().(type) {
			case events.Waiting:
				said = d.Message + d.Remedy
			case events.Failed:
				outcome, said = "failed", d.Message+d.Words+d.Remedy
			case events.Registered:
				outcome = "registered"
				if len(d.Agents) != 2 || d.Agents[1].Version != "9.62" {
					t.Errorf("agents %+v", d.Agents)
				}
			}
			if outcome != tt.outcome {
				t.Errorf("outcome %q, want %q", outcome, tt.outcome)
			}
			for _, words := range tt.says {
				if !strings.Contains(said, words) {
					t.Errorf("%q is not said: %s", words, said)
				}
			}
			for _, words := range tt.saysNone {
				if strings.Contains(said, words) {
					t.Errorf("%q is said: %s", words, said)
				}
			}
		})
	}
}
