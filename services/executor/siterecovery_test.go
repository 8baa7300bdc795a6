package executor

import (
	"slices"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/executor/submission"
	"reprotect.example/services/observed"
)

func waitingOf(said []any) (all []events.Waiting) {
	for _, d := range said {
		if w, ok := d.(events.Waiting); ok {
			all = append(all, w)
		}
	}
	return all
}

// Rows F5b, R6 and R7 of the findings: a replication that stopped is said at the look that shows it, in Azure's words; what
// looks like it and is none goes on.
func TestSiteRecoveryReplicationThatStops(t *testing.T) {
	health := []observed.Problem{{Code: "547000", Severity: "Critical", Message: "No heartbeat from the agent.", Action: "Start the services of the agent"}}
	for _, tt := range []struct {
		name   string
		change func(*observed.Item)
		why    events.Reason // "": it goes on
		code   string
		words  string
	}{
		{"F5b failed", func(i *observed.Item) {
			i.State, i.StateText, i.HealthErrors = "InitialReplicationFailed", "Initial replication failed", health
		}, events.ForOperator, "replication.failed", "547000"},
		{"F5b failed, without words", func(i *observed.Item) {
			i.State, i.StateText = "InitialReplicationFailed", "Initial replication failed"
		}, events.ForOperator, "replication.failed", "Initial replication failed"},
		{"F5b its protection is taken away", func(i *observed.Item) { i.State, i.StateText = "DisablingProtection", "Disabling protection" }, events.ForOperator, "replication.failed", "DisablingProtection"},
		{"F5b a state that nobody knows", func(i *observed.Item) { i.State, i.HealthErrors = "ReplicationPausedBySite", health }, events.ForAzure, "machine.state-unknown", "ReplicationPausedBySite"},
		{"F6 an item that cannot be read", func(i *observed.Item) { i.State, i.Unread = "", "field lastSyncTime" }, events.ForAzure, "machine.unread", "lastSyncTime"},
		{"R6 critical, and it replicates", func(i *observed.Item) { i.Health, i.HealthErrors = "Critical", health }, "", "", ""},
		{"R7 waits for its first recovery point", func(i *observed.Item) {
			i.State, i.StateText = "InitialReplicationRecoveryCompletionPending", "Waiting for first recovery point"
		}, "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{look: vaultOf(replicates(97))}
			w := watch(t, f, events.Job{Machine: "web01", Job: "j1"})
			w.looks(0)
			stopped := replicates(0)
			stopped.Replication.Percent = nil
			tt.change(&stopped)
			f.look = vaultOf(stopped)
			said, after := w.looks(time.Minute)
			waits := waitingOf(said)
			if after == 0 {
				t.Fatalf("it ended: %+v", said)
			}
			if tt.why == "" {
				if len(waits) != 0 {
					t.Errorf("%+v", waits)
				}
			} else if len(waits) != 1 || waits[0].For != tt.why || waits[0].Code != tt.code || !strings.Contains(waits[0].Message, tt.words) || waits[0].Remedy == "" || !waits[0].Since.Equal(w.now) {
				t.Fatalf("%+v", waits)
			}
			for _, d := range said { // percent does not fall because Azure names none
				if p, ok := d.(events.Progressed); ok && p.Percent != jobShare+(99-jobShare)*97/100 {
					t.Errorf("%d percent", p.Percent)
				}
			}
			if said, _ := w.looks(time.Minute); len(said) != 0 {
				t.Errorf("said twice: %+v", said)
			}
			if tt.why == "" {
				return
			}
			if said, _ := w.looks(time.Hour); len(waitingOf(said)) != 1 {
				t.Errorf("after an hour it is forgotten: %+v", said)
			}
			f.look = vaultOf(replicates(98)) // somebody saw to it
			said, _ = w.looks(time.Minute)
			if len(waitingOf(said)) != 0 {
				t.Errorf("it goes on, and is said to wait: %+v", said)
			}
			f.look = vaultOf(stopped)
			w.looks(time.Minute)
			said, after = w.looks(9 * time.Hour)
			if d, ok := said[0].(events.Failed); !ok || after != 0 || d.Code != tt.code || !strings.Contains(d.Message, tt.words) || d.Remedy == "" {
				t.Errorf("at its bound: %+v", said)
			}
		})
	}
}

// What Azure says of a machine stands beside that nothing moves.
func TestSiteRecoveryStillnessInAzuresWords(t *testing.T) {
	item := replicates(40)
	item.HealthErrors = []observed.Problem{{Code: "323502", Severity: "Warning", Message: "Upload blocked"}}
	f := &fake{look: vaultOf(item)}
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"})
	w.looks(0)
	told := 0
	for {
		said, pause := w.looks(time.Minute)
		for _, d := range waitingOf(said) {
			if told++; d.For != events.ForReplication || !strings.Contains(d.Message, "Upload blocked (323502)") || !slices.Equal(d.Machines, []string{"web01"}) {
				t.Fatalf("%+v", d)
			}
		}
		if pause > 0 {
			continue
		}
		if d, ok := said[0].(events.Failed); !ok || d.Code != "replication.timeout" || !strings.Contains(d.Words, "Upload blocked") || told != 1 {
			t.Errorf("told %d times: %+v", told, said)
		}
		return
	}
}

// Row B4: a classic machine without a witness is submitted once; while Azure refuses it for its agent, it is tried again
// at growing pauses until the site's bound, and once more at that.
func TestSiteRecoveryRefusedForItsAgent(t *testing.T) {
	const look, wait = 30 * time.Second, 20 * time.Minute
	var f failure
	v := viewOf(failedOver("web01"))
	v.site.AgentWait = wait
	var tries []time.Duration
	for range 100 {
		v.fails(&f, observed.Problem{Code: noAgent, Class: observed.Temporary, Message: "agent is not installed"}, submission.AwaitAgent)
		tries = append(tries, v.now.Sub(cleared))
		if f.Over {
			break
		}
		if pause := f.Next.Sub(v.now); pause <= 0 || pause > 10*look {
			t.Fatalf("the next try comes %s later", pause)
		}
		v.now = f.Next
	}
	if n := len(tries); !f.Over || n > 10 || tries[n-1] != wait {
		t.Errorf("tried after %v", tries)
	}
	for i := 2; i < len(tries)-1; i++ {
		if tries[i]-tries[i-1] < tries[i-1]-tries[i-2] {
			t.Errorf("the pauses do not grow: %v", tries)
		}
	}
	if got := lastTry(cleared.Add(9*time.Minute), cleared.Add(5*time.Minute), cleared.Add(4*time.Minute)); !got.Equal(cleared.Add(5 * time.Minute)) {
		t.Errorf("Azure asked for five minutes, and it is tried after %s", got.Sub(cleared))
	}
}
