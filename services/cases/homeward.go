package cases

import (
	"cmp"
	"strings"

	"reprotect.example/events"
)

// legs says on which way a case is; started what it started.
var (
	legs = map[events.Leg]string{
		events.LegFailback: "to be failed back", events.LegCommit: "whose failback is to be committed",
		events.LegWithdraw: "whose failback is to be withdrawn", events.LegProtect: "to be protected to Azure again",
	}
	started = map[events.Leg]string{
		events.LegFailback: "Failback", events.LegCommit: "Commit", events.LegWithdraw: "Withdrawal", events.LegProtect: "Protection to Azure",
	}
)

func askedHome(f events.Failback) string {
	what := append(events.Names(f.Machines), some(f.Plan)...)
	if f.Plan != "" {
		what[len(what)-1] = "plan " + f.Plan
	}
	if f.Ready {
		what = append(what, "all that are ready")
	}
	text := cmp.Or(f.RequestedBy, "Somebody") + " asks to fail back " + list(what, asIs)
	if f.DryRun {
		text += ", as a dry run"
	}
	if f.Until != "" && f.Until != events.UntilHome {
		text += ", until " + string(f.Until)
	}
	return text + because(f.Reason)
}

func runsAtHome(m events.HomeState) string {
	var seen []string
	if !m.Down.IsZero() && !m.Up.IsZero() {
		seen = append(seen, "down for "+Duration(m.Up.Sub(m.Down)))
	}
	if len(m.Addresses) > 0 {
		seen = append(seen, strings.Join(m.Addresses, " and "))
	}
	return Label(m.Machine, m.Item) + bracket(strings.Join(seen, ", "))
}

func final(m events.CommittedState) string {
	return Label(m.Machine, m.Item) + bracket(prefixed("gone: ", list(m.Gone, asIs)))
}

func asIs(s string) string { return s }

// some is a word as a list, which is empty where there is none.
func some(word string) []string {
	if word == "" {
		return nil
	}
	return []string{word}
}

// DoingIn says what a machine of a case is at.
func DoingIn(leg events.Leg, state events.State, task string, replication *int) string {
	switch {
	case leg == events.LegReprotect:
	case state == events.StateProtected:
		return "protected to Azure"
	case state == events.StateWithdrawn:
		return "back in Azure"
	}
	return Doing(state, task, replication)
}
