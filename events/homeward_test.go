package events_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"reprotect.example/events"
)

var (
	until  = rapid.SampledFrom([]events.Until{"", events.UntilHome, events.UntilCommitted, events.UntilProtected})
	point  = rapid.SampledFrom([]string{"", events.CrashConsistent, events.ApplicationConsistent})
	commit = rapid.OneOf(rapid.SampledFrom([]string{"", events.ByHand, "after 24h"}), rapid.StringMatching(`after [1-9][0-9]{0,3}[mh]`))
	site   = rapid.StringMatching(`[A-Za-z0-9_-]{0,20}`)
)

func homeCase(t *rapid.T) events.HomeCase {
	return events.HomeCase{
		Leg: rapid.SampledFrom(append(events.Legs(), events.LegReprotect)).Draw(t, "leg"), Until: until.Draw(t, "until"), Point: point.Draw(t, "point"),
		Commit: commit.Draw(t, "commit"), Follows: rapid.OneOf(rapid.Just(""), caseID).Draw(t, "follows"),
	}
}

func namedMachine(t *rapid.T) events.NamedMachine {
	return events.NamedMachine{Name: word.Draw(t, "name")}
}

func failback(t *rapid.T) events.Failback {
	f := events.Failback{
		Site: site.Draw(t, "site"), Machines: any0(namedMachine).Draw(t, "machines"), Plan: maybe.Draw(t, "plan"), Ready: flag.Draw(t, "ready"),
		Until: until.Draw(t, "until"), Point: point.Draw(t, "point"), Commit: commit.Draw(t, "commit"), DryRun: flag.Draw(t, "dry"),
		Waive: reasons.Draw(t, "waive"), Reason: maybe.Draw(t, "reason"), RequestedBy: maybe.Draw(t, "by"),
	}
	f.Ready = f.Ready || len(f.Machines) == 0 && f.Plan == ""
	return f
}

func onward(t *rapid.T) events.Onward {
	return events.Onward{
		Site: site.Draw(t, "site"), Case: caseID.Draw(t, "case"), Machines: any0(namedMachine).Draw(t, "machines"),
		Waive: reasons.Draw(t, "waive"), Reason: maybe.Draw(t, "reason"), RequestedBy: maybe.Draw(t, "by"),
	}
}

func home(t *rapid.T) events.Home {
	return events.Home{Case: theCase(t), Machines: some(func(t *rapid.T) events.HomeState {
		return events.HomeState{
			Machine: word.Draw(t, "machine"), Item: maybe.Draw(t, "item"), Job: maybe.Draw(t, "job"), Down: maybeWhen.Draw(t, "down"), Up: maybeWhen.Draw(t, "up"),
			VM: maybe.Draw(t, "vm"), Host: maybe.Draw(t, "host"), Tools: maybe.Draw(t, "tools"), Addresses: names.Draw(t, "addresses"),
		}
	}).Draw(t, "machines")}
}

func committed(t *rapid.T) events.Committed {
	return events.Committed{Case: theCase(t), Machines: some(func(t *rapid.T) events.CommittedState {
		return events.CommittedState{
			Machine: word.Draw(t, "machine"), Item: maybe.Draw(t, "item"), Job: maybe.Draw(t, "job"), Evidence: word.Draw(t, "evidence"), Gone: names.Draw(t, "gone"),
		}
	}).Draw(t, "machines")}
}

func withdrawn(t *rapid.T) events.Withdrawn {
	return events.Withdrawn{Case: theCase(t), Machines: some(machineState).Draw(t, "machines")}
}

func protected(t *rapid.T) events.Protected {
	return events.Protected{Case: theCase(t), Machines: some(protectedState).Draw(t, "machines")}
}

// The step with which a case ends, and when a failback is committed without another word.
func TestTheLastStepOfALeg(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		of    events.HomeCase
		last  string
		after time.Duration
	}{
		{events.HomeCase{}, events.StepReplication, 0},
		{events.HomeCase{Leg: events.LegFailback}, events.StepFailback, 0},
		{events.HomeCase{Leg: events.LegFailback, Until: events.UntilHome, Commit: events.ByHand}, events.StepFailback, 0},
		{events.HomeCase{Leg: events.LegFailback, Until: events.UntilCommitted, Commit: "after 24h"}, events.StepCommit, 24 * time.Hour},
		{events.HomeCase{Leg: events.LegFailback, Until: events.UntilProtected, Commit: "after 90m"}, events.StepProtection, 90 * time.Minute},
		{events.HomeCase{Leg: events.LegCommit, Commit: "24h"}, events.StepCommit, 0},
		{events.HomeCase{Leg: events.LegWithdraw, Commit: "after 0h"}, events.StepCommit, 0},
		{events.HomeCase{Leg: events.LegProtect, Commit: "after a day"}, events.StepProtection, 0},
	} {
		after, ok := tt.of.CommitAfter()
		if last := tt.of.Last(); last != tt.last || after != tt.after && ok || ok != (tt.after > 0) {
			t.Errorf("%+v: ends with %s, committed after %s (%v)", tt.of, last, after, ok)
		}
	}
}
