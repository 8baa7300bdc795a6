package app

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reprotect.example/events"
	"reprotect.example/services/cases"
	"reprotect.example/services/internal/telemetry"
)

func TestStandingsOf(t *testing.T) {
	night := time.Date(2026, 11, 28, 1, 0, 0, 0, time.UTC)
	waits := func(reason events.Reason, since time.Time) *events.Waiting {
		return &events.Waiting{For: reason, Since: since}
	}
	got := standingsOf([]cases.Case{
		{Site: "tokyo", State: "waiting", Waiting: waits("agent", night.Add(time.Hour))},
		{Site: "tokyo", State: "waiting", Waiting: waits("agent", night)},
		{Site: "tokyo", State: "replicating", Alarms: []cases.Alarm{
			{Violated: events.Violated{Code: "guard.powered-on"}, State: cases.AlarmOpen}, {Violated: events.Violated{Code: "guard.azure-vm-off"}, State: "acknowledged"},
		}},
		{Site: "tokyo", State: "failed", End: true, Waiting: waits("agent", night.Add(-time.Hour))},
		{Site: "osaka", State: "completed", End: true},
	})
	want := map[string]telemetry.Standing{
		"tokyo": {Cases: map[string]int{"waiting": 2, "replicating": 1}, Waits: map[string]telemetry.Wait{"agent": {Cases: 2, Since: night}}, Alarms: map[string]int{"guard.powered-on": 1}},
		"osaka": {Cases: map[string]int{}, Waits: map[string]telemetry.Wait{}, Alarms: map[string]int{}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
