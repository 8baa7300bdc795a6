package cases_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

// guardEntry is a report of the guard of case r7-web01.
func guardEntry(n string, sequence uint64, kind events.Kind, data any) cases.Entry {
	at := time.Date(2026, 11, 22, 1, 0, int(sequence), 0, time.UTC)
	return cases.Entry{
		Sequence: sequence, Time: at, Subject: events.FactSubject("tokyo", "r7-web01", events.StepGuard, kind.Name), Kind: kind, Data: data,
		Header: events.Header{ID: "r7-web01/guard/" + n, Type: kind.CloudType(), Site: "tokyo", Case: "r7-web01", Step: events.StepGuard, Time: at},
	}
}

func TestVSphereAlarmsEnd(t *testing.T) {
	alarm := guardEntry("1", 1, events.TypeViolated.Kind, events.Violated{Code: "guard.powered-on", Machine: "web01", What: "on", Endangers: "disks", Do: "off"})
	from, until := alarm.Time.Add(-time.Minute), alarm.Time.Add(time.Hour)
	over := guardEntry("2", 2, events.TypeCleared.Kind, events.Cleared{Violation: alarm.Header.ID, Code: "guard.powered-on", What: "off", From: from, Until: until})
	damage := over
	damage.Data = events.Cleared{Violation: alarm.Header.ID, Code: "guard.powered-on", What: "off", From: from, Until: until, Remains: "damage", Do: "resynchronize"}
	seen := guardEntry("3", 3, events.TypeAcknowledged.Kind, events.Acknowledged{Violation: alarm.Header.ID, Reason: "done", RequestedBy: "ops"})
	for _, tt := range []struct {
		name     string
		entries  []cases.Entry
		state    string
		pressing bool
	}{
		{"open", []cases.Entry{alarm}, cases.AlarmOpen, true},
		{"over, nothing remains", []cases.Entry{alarm, over}, cases.AlarmCleared, false},
		{"over, damage remains", []cases.Entry{alarm, damage}, cases.AlarmEnded, true},
		{"over, and acknowledged", []cases.Entry{alarm, damage, seen}, cases.AlarmAcknowledged, false},
		{"acknowledged while it is so", []cases.Entry{alarm, seen}, cases.AlarmAcknowledged, false},
		{"acknowledged, then over", []cases.Entry{alarm, over, seen}, cases.AlarmCleared, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := cases.Fold(tt.entries)
			if len(c.Alarms) != 1 || c.Alarms[0].State != tt.state || len(c.Pressing()) == 1 != tt.pressing {
				t.Fatalf("%+v, want %s", c.Alarms, tt.state)
			}
			if a := c.Alarms[0]; tt.state == cases.AlarmEnded && (a.Remains != "damage" || !a.From.Equal(from) || !a.Until.Equal(until) || a.Do != "resynchronize") {
				t.Errorf("%+v", a)
			}
		})
	}
}

// Which alarms press depends on what was told, not on the order in which it came.
func TestVSphereAlarmsInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := []string{"1", "4", "7"}
		var entries []cases.Entry
		pressing, sequence := map[string]bool{}, uint64(0)
		add := func(n string, kind events.Kind, data any) {
			sequence++
			entries = append(entries, guardEntry(n, sequence, kind, data))
		}
		for _, n := range ids {
			id := "r7-web01/guard/" + n
			pressing[id] = true
			add(n, events.TypeViolated.Kind, events.Violated{Code: "guard.snapshot", What: "w"})
			remains := rapid.SampledFrom([]string{"", "damage"}).Draw(t, "remains")
			if rapid.Bool().Draw(t, "over") {
				add(n+"e", events.TypeCleared.Kind, events.Cleared{Violation: id, Remains: remains})
				pressing[id] = remains != ""
			}
			if rapid.Bool().Draw(t, "seen") {
				add(n+"a", events.TypeAcknowledged.Kind, events.Acknowledged{Violation: id, Reason: "r"})
				pressing[id] = false
			}
		}
		for i, at := range rapid.Permutation(sequenceOf(len(entries))).Draw(t, "order") {
			entries[i].Sequence = uint64(at + 1)
		}
		var got, want []string
		for _, a := range cases.Fold(entries).Pressing() {
			got = append(got, a.ID)
		}
		for id, on := range pressing {
			if on {
				want = append(want, id)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("pressing %v, want %v", got, want)
		}
	})
}

func sequenceOf(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func TestVSphereUnwatched(t *testing.T) {
	blind := guardEntry("1", 1, events.TypeUnwatched.Kind, events.Unwatched{VM: "MT", Code: "guard.ambiguous", What: "two"})
	sees := guardEntry("2", 2, events.TypeWatched.Kind, events.Watched{Unwatched: blind.Header.ID, VM: "MT"})
	again := guardEntry("4", 3, events.TypeUnwatched.Kind, events.Unwatched{VM: "MT", Code: "guard.not-found", What: "none"})
	for n, want := range []int{1, 0, 1} {
		if got := cases.Fold([]cases.Entry{blind, sees, again}[:n+1]).Unwatched; len(got) != want {
			t.Errorf("after %d: %+v", n+1, got)
		}
	}
}
