package cases_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reprotect.example/events"
	"reprotect.example/services/cases"
	"reprotect.example/services/cases/recorded"
)

// What a program of an older version published is read by this one, all of it.
func TestRecordedLogsAreRead(t *testing.T) {
	t.Parallel()
	for _, bus := range recorded.Buses() {
		facts := map[string]int{}
		for _, m := range recorded.Load(t, bus).Log {
			e := cases.ReadEntry(m)
			switch {
			case e.Problem != "":
				t.Errorf("%s, %d on %s: %s", bus, m.Sequence, m.Subject, e.Problem)
			case cases.IsFact(e):
				facts[e.Kind.Name]++
			}
		}
		for _, k := range events.Kinds() {
			newer := k == events.TypeCleared.Kind || k == events.TypeAcknowledged.Kind || k == events.TypeUnwatched.Kind || k == events.TypeWatched.Kind || k == events.TypeVoided.Kind ||
				slices.Contains(homeSteps[3:], k.Step) // the older program led nobody home
			if (k.Role == events.Outcome || k.Role == events.End || k.Role == events.Report) && !newer && facts[k.Name] == 0 {
				t.Errorf("%s: no %s was recorded", bus, k.Name)
			}
		}
	}
}

// Where each case stands is what the older program said of the same log, but for the faults that it had.
func TestRecordedLogsStandAsTheyWereSaid(t *testing.T) {
	t.Parallel()
	for _, bus := range recorded.Buses() {
		r := recorded.Load(t, bus)
		var l cases.Log
		for _, m := range r.Log {
			_, _ = l.Add(cases.ReadEntry(m)) // commands and notifications are no facts
		}
		for id, said := range r.Show {
			c, ok := l.Case(id)
			if !ok {
				t.Errorf("%s: there is no case %s", bus, id)
				continue
			}
			withoutPlace(said)
			if diff := cmp.Diff(said, asSaid(t, c)); diff != "" {
				t.Errorf("%s: case %s (-was said +is):\n%s", bus, id, diff)
			}
		}
		listed := l.Cases()
		if len(listed) != len(r.List) {
			t.Fatalf("%s: %d cases, %d were listed", bus, len(listed), len(r.List))
		}
		for i, said := range r.List {
			c := listed[i]
			c.History, c.Findings, c.Placements = nil, nil, nil
			now := asSaid(t, c)
			withoutPlace(said)
			if wrongSince(said) { // 5.b: the journal had forgotten the report that told since when
				said["waiting"] = now["waiting"]
			}
			if bus == recorded.NATS { // 5.a: the list on NATS knew but the last of all returned
				saidMachines, machines := said["machines"].([]any), now["machines"].([]any)
				for n := range saidMachines {
					delete(saidMachines[n].(map[string]any), "returned")
					delete(machines[n].(map[string]any), "returned")
				}
			}
			if diff := cmp.Diff(said, now); diff != "" {
				t.Errorf("%s: case %s in the list (-was said +is):\n%s", bus, c.ID, diff)
			}
		}
	}
}

var placeInEvent = regexp.MustCompile(`/data/[a-z0-9/]+: |machine \d name `)

// withoutPlace: places in the event are not for people any more.
func withoutPlace(c map[string]any) {
	if why, ok := c["why"].(string); ok {
		c["why"] = placeInEvent.ReplaceAllString(why, "")
	}
}

func wrongSince(said map[string]any) bool {
	w, waits := said["waiting"].(map[string]any)
	return waits && w["since"] == "0001-01-01T00:00:00Z"
}

// asSaid is a case as the older program would have written it: without what was added since, and without the wording of
// its history.
func asSaid(t *testing.T, c cases.Case) map[string]any {
	t.Helper()
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var is map[string]any
	if err := json.Unmarshal(raw, &is); err != nil {
		t.Fatal(err)
	}
	for _, added := range []string{"alarms", "unwatched", "endedAt", "asked"} {
		delete(is, added)
	}
	for _, m := range is["machines"].([]any) {
		for _, added := range []string{"item", "newItem", "alarms"} {
			delete(m.(map[string]any), added)
		}
	}
	withoutPlace(is)
	lines, _ := is["history"].([]any)
	for _, line := range lines {
		delete(line.(map[string]any), "text")
	}
	return is
}

// Two faults of the older program: a group of three of which two come home still had one of these two ready, and
// a group in which one machine waits for an operator did so since the year 1.
func TestRecordedFaultsAreGone(t *testing.T) {
	t.Parallel()
	for _, bus := range recorded.Buses() {
		r := recorded.Load(t, bus)
		entries := make([]cases.Entry, len(r.Log))
		for i, m := range r.Log {
			entries[i] = cases.ReadEntry(m)
		}
		all := cases.All(entries)
		var ready []string
		for _, m := range cases.ReadyMachines(all) {
			if strings.HasPrefix(m.Machine, "erp-") {
				ready = append(ready, m.Machine)
			}
		}
		if diff := cmp.Diff([]string{"erp-2"}, ready); diff != "" {
			t.Errorf("%s: of the group of three, ready are (-want +got):\n%s", bus, diff)
		}
		groups := 0
		for _, c := range all {
			if c.Waiting == nil {
				continue
			}
			if c.Waiting.Since.Before(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) {
				t.Errorf("%s: %s waits since %s", bus, c.ID, c.Waiting.Since)
			}
			if len(c.Machines) > 1 && c.Waiting.For == events.ForOperator {
				groups++
			}
		}
		if groups != 2 {
			t.Errorf("%s: %d groups wait for an operator, want 2", bus, groups)
		}
	}
}
