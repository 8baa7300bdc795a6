package executor

import (
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/executor/submission"
	"reprotect.example/services/observed"
)

// viewOf is what a look at this vault shows of a case of one machine.
func viewOf(items ...observed.Item) view {
	return view{
		c: events.Case{Machines: []events.Machine{machineOf(failedOver("web01"))}}, id: "r7", began: cleared, registered: cleared, now: cleared.Add(time.Minute), moved: cleared,
		site:  Site{Look: 30 * time.Second, AgentWait: 20 * time.Minute, JobWait: 2 * time.Hour},
		vault: vaultOf(items...), owner: nobodys,
		ours: func(string) (string, time.Time) { return "", time.Time{} },
	}
}

// The plan of one machine, from top to bottom.
func TestPlanOfAMachine(t *testing.T) {
	job := events.Job{Machine: "web01", Job: "j1"}
	at := func(after time.Duration) func(*view, *machine) {
		return func(v *view, _ *machine) { v.now = cleared.Add(after) }
	}
	lists := func(state string) func(*view, *machine) {
		return func(v *view, _ *machine) { v.vault.Jobs = []observed.Job{jobIn(state)} }
	}
	reads := func(state string, problems ...observed.Problem) func(*view, *machine) {
		return func(_ *view, m *machine) { m.read = &reading{job: jobIn(state, problems...)} }
	}
	unread := func(code string, class observed.Class) func(*view, *machine) {
		return func(_ *view, m *machine) {
			m.read = &reading{fault: &observed.Fault{Code: code, Class: class, What: "cannot read", Words: "why", Remedy: "grant it"}}
		}
	}
	cancels := func(v *view, _ *machine) { v.cancelling = true }
	asked := func(ago time.Duration) func(*view, *machine) {
		return func(v *view, m *machine) { m.known.Cancel, m.known.CancelTaken = v.now.Add(-ago), true }
	}
	failure := func(do submission.Handling, next time.Duration) func(*view, *machine) {
		return func(_ *view, m *machine) {
			m.known.Failure = &failure{Of: "j1", Cause: observed.Problem{Code: "c", Message: "why."}, Do: do, First: cleared, At: cleared, Next: cleared.Add(next)}
		}
	}
	busy := failedOver("web01")
	busy.JobID, busy.Scenario = "j9", "TestFailover"
	taken := failedOver("web01")
	taken.JobID, taken.Scenario = "j2", observed.ReprotectScenario
	no, yes := failedOver("web01"), failedOver("web01")
	no.AgentRegistered, yes.AgentRegistered = new(bool), new(bool)
	*yes.AgentRegistered = true
	home := replicates(100)
	home.State, home.Location = "CommitPendingStatesBegin", "Recovery"
	ready := replicates(100)
	ready.State = "Protected"

	for _, tt := range []struct {
		name  string
		items []observed.Item
		first events.Job
		given []func(*view, *machine)

		do    act
		state events.State
		code  string
		waits events.Reason
		said  string // part of message or task
	}{
		{name: "refused for good", items: []observed.Item{ready}, first: events.Job{Refused: &events.Problem{Code: "90002", Message: "no"}}, state: events.StateFailed, code: "90002", said: "no"},
		{name: "not started: cancelled", first: events.Job{Refused: &events.Problem{Code: codeCancelled}}, state: events.StateCancelled, code: codeCancelled},
		{name: "protected", items: []observed.Item{ready}, first: job, state: events.StateProtected},
		{name: "home", items: []observed.Item{home}, first: job, state: events.StateProtected},
		{name: "replicates", items: []observed.Item{replicates(10)}, first: job, state: events.StateReplicating, said: "Initial replication"},
		{name: "replicates for long, and moves", items: []observed.Item{replicates(10)}, first: job, given: []func(*view, *machine){at(9 * time.Hour), func(v *view, _ *machine) { v.moved = v.now.Add(-time.Hour) }}, state: events.StateReplicating},
		{name: "replicates for long, and nothing moves", items: []observed.Item{replicates(10)}, first: job, given: []func(*view, *machine){at(9 * time.Hour), func(v *view, _ *machine) { v.moved = v.now.Add(-time.Hour - 1) }}, state: events.StateFailed, code: "replication.timeout", said: "2h0m0s"},
		{name: "nothing moves, within its time", items: []observed.Item{replicates(10)}, first: job, given: []func(*view, *machine){at(2 * time.Hour)}, state: events.StateReplicating},
		{name: "found done, by a look from before", items: []observed.Item{failedOver("web01")}, given: []func(*view, *machine){func(v *view, _ *machine) { v.vault.Taken = cleared.Add(30*time.Second - 1) }}, state: events.StateRunning, said: "waiting for a look"},
		{name: "found done, and gone", given: []func(*view, *machine){func(v *view, _ *machine) { v.vault.Taken = cleared.Add(30 * time.Second) }}, state: events.StateFailed, code: "machine.gone"},
		{name: "its job runs", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){lists("InProgress")}, state: events.StateRunning, said: "Reprotect"},
		{name: "its job is younger than the look", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){func(v *view, _ *machine) {
			v.vault.Began = cleared
			v.ours = func(string) (string, time.Time) { return "j1", cleared }
		}}, state: events.StateRunning, said: "Reprotect"},
		{name: "its job is older than the look", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){func(v *view, _ *machine) {
			v.vault.Began = cleared.Add(1)
			v.ours = func(string) (string, time.Time) { return "j1", cleared }
		}}, do: readJob},
		{name: "its job runs too long", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){lists("InProgress"), at(2*time.Hour + 1)}, state: events.StateFailed, code: "job.timeout", said: "left running"},
		{name: "its job runs as long as it may", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){lists("InProgress"), at(2 * time.Hour)}, state: events.StateRunning},
		{name: "its job was submitted late", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){lists("InProgress"), at(3 * time.Hour), func(v *view, _ *machine) { v.vault.Jobs[0].Start = cleared.Add(time.Hour) }}, state: events.StateRunning},
		{name: "its job is suspended", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){lists("Suspended")}, do: readJob},
		{name: "its job is suspended, as was read", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){lists("Suspended"), reads("Suspended")}, state: events.StateRunning, said: "suspended"},
		{name: "its job has another state", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){reads("Other")}, state: events.StateRunning, said: "Reprotect"},
		{name: "to be cancelled", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){lists("InProgress"), cancels}, do: cancelJob},
		{name: "being cancelled", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){lists("InProgress"), cancels, asked(time.Hour)}, state: events.StateRunning, waits: events.ForCancel, said: "being cancelled"},
		{name: "cancelled without an end", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){lists("InProgress"), cancels, asked(time.Hour + 1)}, state: events.StateCancelled, code: "job.cancel-timeout"},
		{name: "the cancel may not have arrived", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){lists("InProgress"), cancels, func(v *view, m *machine) { m.known.Cancel = v.now.Add(-time.Minute) }}, do: cancelJob},
		{name: "succeeded, to be read", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){lists("Succeeded")}, do: readJob},
		{name: "succeeded", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){reads("Succeeded")}, state: events.StateRunning, said: "waiting for the initial replication"},
		{name: "had succeeded", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){func(_ *view, m *machine) { m.known.Ended = "j1" }}, state: events.StateRunning, said: "waiting for the initial replication"},
		{name: "succeeded, and nothing came of it", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){reads("Succeeded"), at(2*time.Hour + 1)}, state: events.StateFailed, code: "replication.timeout"},
		{name: "somebody cancelled it", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){reads("Cancelled")}, state: events.StateFailed, code: "job.cancelled", said: "Somebody"},
		{name: "it was cancelled", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){reads("Cancelled"), cancels}, state: events.StateCancelled, code: "job.cancelled", said: "still runs in Azure"},
		{name: "it failed before it was cancelled", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){reads("Failed", noWay), cancels}, state: events.StateCancelled, code: "95226", said: "before it was cancelled"},
		{name: "it failed for good", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){reads("Failed", observed.Problem{Code: "90002", Class: observed.Permanent, Message: "datastore"})}, state: events.StateFailed, code: "90002", said: "j1 of web01 failed"},
		{name: "it failed for an operator", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){reads("Failed", noWay)}, state: events.StateRunning, waits: events.ForOperator},
		{name: "it failed for an operator, too late", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){reads("Failed", noWay), at(2*time.Hour + 1)}, state: events.StateFailed, code: "95226"},
		{name: "it failed by what passes", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){reads("Failed", observed.Problem{Code: "499"})}, state: events.StateRunning, waits: events.ForAzure},
		{name: "it failed as a call may", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){reads("Failed", observed.Problem{Code: "azure.throttled"})}, state: events.StateRunning, waits: events.ForAzure},
		{name: "it failed for its agent", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){reads("Failed", observed.Problem{Code: noAgent}), at(20*time.Minute - 1)}, state: events.StateRunning, waits: events.ForAgent},
		{name: "it failed for its agent, too late", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){reads("Failed", observed.Problem{Code: noAgent}), at(20 * time.Minute)}, state: events.StateFailed, code: noAgent},
		{name: "its agent was there long before the start", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){reads("Failed", observed.Problem{Code: noAgent}), func(v *view, _ *machine) { v.registered = cleared.Add(-time.Hour) }}, state: events.StateFailed, code: noAgent},
		{name: "its job is lost", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){unread("azure.not-found", observed.Permanent)}, state: events.StateRunning, waits: events.ForAzure, said: "cannot be read"},
		{name: "its job is lost for good", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){unread("azure.not-found", observed.Permanent), func(v *view, m *machine) { m.known.Unread = v.now.Add(-5 * time.Minute) }}, state: events.StateFailed, code: "job.unknown", said: "does not know job j1 of web01"},
		{name: "its job may not be read", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){unread("azure.forbidden", observed.Operator), func(v *view, m *machine) { m.known.Unread = v.now.Add(-time.Hour) }}, state: events.StateRunning, waits: events.ForAzure},
		{name: "its job may not be read, and is to end", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){unread("azure.forbidden", observed.Operator), cancels}, do: cancelJob},
		{name: "its job may not be read, and was asked to end", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){unread("azure.forbidden", observed.Operator), cancels, asked(time.Minute)}, state: events.StateRunning, waits: events.ForCancel},

		{name: "to be submitted again, at its time", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){failure(submission.AwaitOperator, time.Minute)}, do: resubmit},
		{name: "to be submitted again, before its time", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){failure(submission.AwaitOperator, time.Minute+1)}, state: events.StateRunning, waits: events.ForOperator},
		{name: "somebody asks for it", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){failure(submission.AwaitAzure, time.Hour), func(v *view, _ *machine) { v.retry = cleared.Add(1) }}, do: resubmit},
		{name: "somebody had asked before", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){failure(submission.AwaitAzure, time.Hour), func(v *view, _ *machine) { v.retry = cleared }}, state: events.StateRunning, waits: events.ForAzure},
		{name: "somebody asks for what passes by itself", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){failure(submission.TryAgain, time.Hour), func(v *view, _ *machine) { v.retry = cleared.Add(1) }}, state: events.StateRunning, waits: events.ForAzure},
		{name: "too late to be submitted again", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){failure(submission.LookAfresh, 0), at(2*time.Hour + 1)}, state: events.StateFailed, code: "c"},
		{name: "what passes has no bound in time", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){failure(submission.TryAgain, 0), at(9 * time.Hour)}, do: resubmit},
		{name: "its agent is not back", items: []observed.Item{no}, first: job, given: []func(*view, *machine){failure(submission.AwaitAgent, 0), at(20*time.Minute - 1)}, state: events.StateRunning, waits: events.ForAgent},
		{name: "its agent is not back, and it is tried a last time", items: []observed.Item{no}, first: job, given: []func(*view, *machine){failure(submission.AwaitAgent, 0), at(20 * time.Minute)}, do: resubmit},
		{name: "its agent is back", items: []observed.Item{yes}, first: job, given: []func(*view, *machine){failure(submission.AwaitAgent, 0)}, do: resubmit},
		{name: "its agent is not back, which is not its failure", items: []observed.Item{no}, first: job, given: []func(*view, *machine){failure(submission.AwaitOperator, 0)}, do: resubmit},
		{name: "another job holds it", items: []observed.Item{busy}, first: job, given: []func(*view, *machine){failure(submission.AwaitOperator, 0)}, state: events.StateRunning, waits: events.ForJob, code: ""},
		{name: "somebody else was quicker", items: []observed.Item{taken}, first: job, given: []func(*view, *machine){failure(submission.AwaitOperator, time.Hour)}, state: events.StateRunning},
		{name: "it cannot start any more", first: job, given: []func(*view, *machine){failure(submission.AwaitOperator, 0)}, state: events.StateFailed, code: "machine.gone"},
		{name: "cancelled before it was submitted again", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){failure(submission.AwaitOperator, 0), cancels}, state: events.StateCancelled, code: "c", said: "not submitted again"},
		{name: "no appliance any more", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){failure(submission.AwaitOperator, 0), func(v *view, m *machine) { m.Appliance = "?" }}, state: events.StateFailed, code: "appliance.unknown"},
		{name: "once a look, whatever the clocks say", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){failure(submission.AwaitOperator, 0), func(v *view, m *machine) { v.retry, m.tried = v.now.Add(time.Hour), true }}, state: events.StateRunning, waits: events.ForOperator},
		{name: "it waits for its turn", items: []observed.Item{failedOver("web01")}, first: job, given: []func(*view, *machine){failure(submission.AwaitOperator, 0), func(_ *view, m *machine) { m.queued = &events.Waiting{For: events.ForTurn} }}, state: events.StateRunning, waits: events.ForTurn},
		{name: "refused when others had begun", items: []observed.Item{failedOver("web01")}, first: events.Job{Again: true, Refused: &events.Problem{Code: "4711", Message: "no"}}, state: events.StateNotStarted, waits: events.ForOperator},
		{name: "refused when others had begun, a look ago", items: []observed.Item{failedOver("web01")}, first: events.Job{Again: true, Refused: &events.Problem{Code: noAgent, Message: "no"}}, given: []func(*view, *machine){at(30 * time.Second)}, do: resubmit},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := viewOf(tt.items...)
			m := machine{Machine: v.c.Machines[0], first: tt.first}
			for _, given := range tt.given {
				given(&v, &m)
			}
			got, do := v.plan(m)
			if do != tt.do {
				t.Fatalf("it does %v, want %v: %+v", do, tt.do, got.stand)
			}
			if tt.do != nothing {
				return
			}
			s := got.stand
			reason := events.Reason("")
			if s.waits != nil {
				reason = s.waits.For
			}
			if s.State != tt.state || s.Code != tt.code || reason != tt.waits || !strings.Contains(s.Message+s.Task, tt.said) {
				t.Errorf("%+v, waits %+v", s, s.waits)
			}
			if s.State == events.StateFailed && s.Remedy == "" && tt.first.Refused == nil {
				t.Errorf("it says not what to do: %+v", s)
			}
			if again, _ := v.plan(m); again.stand.State != s.State || again.stand.Code != s.Code {
				t.Errorf("planned again, it is %+v", again.stand)
			}
		})
	}
}
