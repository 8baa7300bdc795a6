package cli

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
)

// A critical alarm on a machine that is protected comes first in list, list --ready and show.
func TestVSphereAlarmComesFirst(t *testing.T) {
	machine := func(name string) []cases.Machine {
		return []cases.Machine{{Name: name, State: events.StateProtected, Percent: 100}}
	}
	alarm := cases.Alarm{ID: "b/guard/1", State: cases.AlarmEnded, Remains: "db01 was on for 8 minutes.", From: time.Now(), Until: time.Now(),
		Violated: events.Violated{Code: "guard.powered-on", Machine: "db01", What: "db01 was switched on", Endangers: "disks", Do: "Resynchronize."}}
	over := alarm
	over.State = cases.AlarmAcknowledged
	calm := cases.Case{ID: "a", Site: "t", State: "completed", End: true, Good: true, Machines: machine("web01"), Alarms: []cases.Alarm{over}}
	bad := cases.Case{ID: "b", Site: "t", State: "completed", End: true, Good: true, Machines: machine("db01"), Alarms: []cases.Alarm{alarm}}

	ready := cases.ReadyMachines([]cases.Case{calm, bad})
	if len(ready) != 2 || ready[0].Machine != "db01" || len(ready[0].Alarms) != 1 || len(ready[1].Alarms) != 0 {
		t.Errorf("ready: %+v", ready)
	}
	if got := note(bad, nil, 0); !strings.HasPrefix(got, "db01 was switched on (over: ") {
		t.Errorf("note %q", got)
	}
	if got := note(calm, nil, 0); got != "" {
		t.Errorf("note of what nobody need see: %q", got)
	}
	if stateLevel(bad) != cases.Bad || stateLevel(calm) != cases.Good {
		t.Errorf("levels %s, %s", stateLevel(bad), stateLevel(calm))
	}
	var out bytes.Buffer
	showCase(&out, bad, false, nil)
	at := strings.Index(out.String(), "Attention, db01: db01 was switched on (over, from ")
	if at < 0 || at > strings.Index(out.String(), "State ") || !strings.Contains(out.String(), "Alarm: b/guard/1") || !strings.Contains(out.String(), "db01 was on for 8 minutes.") {
		t.Errorf("show:\n%s", out.String())
	}
	out.Reset()
	showCase(&out, cases.Case{Unwatched: []events.Unwatched{{VM: "MT", What: "Two VMs may be it", Do: "Name it.", Candidates: []string{"/DC/vm/MT"}}}}, false, nil)
	if !strings.Contains(out.String(), "Not watched, MT: Two VMs may be it\n  /DC/vm/MT\n  What to do: Name it.") {
		t.Errorf("show:\n%s", out.String())
	}
}

// heard is an event log that is over at its end.
type heard struct {
	Bus
	facts []bus.Received
}

func (h heard) Read(_ context.Context, r Reading, each func(bus.Received) error) error {
	if r.Follow {
		return errOver
	}
	for _, f := range h.facts {
		if err := each(f); err != nil {
			return err
		}
	}
	return nil
}
func (heard) Close() {}

func fact[T any](t *testing.T, number int, caseID string, kind events.Type[T], data T) bus.Received {
	t.Helper()
	raw, err := events.Encode(events.Event[T]{Header: events.Header{
		ID: fmt.Sprintf("%s/%s/%d", caseID, kind.Step, number), Source: "/reprotect/tokyo/test", Type: kind.CloudType(), Subject: caseID,
		Site: "tokyo", Case: caseID, Step: kind.Step, Request: "r", Position: number, Time: noon.Add(time.Duration(number) * time.Minute),
	}, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	return bus.Received{Message: bus.Message{Subject: events.FactSubject("tokyo", caseID, kind.Step, kind.Name), Data: raw}, Sequence: uint64(number)}
}

// A machine that is protected, whose case has ended, is shown by watch all the same while an alarm of it wants somebody, and
// before everything else.
func TestVSphereWatchShowsAlarmsOfWhatHasEnded(t *testing.T) {
	c := func(name string) events.Case {
		return events.Case{Machines: []events.Machine{{Name: name, Item: "/items/" + name, Architecture: "modernized"}}}
	}
	done := func(name string) events.Completed {
		return events.Completed{Case: c(name), Machines: []events.ProtectedState{{Machine: name, Item: "/items/" + name, Since: noon}}}
	}
	on := events.Violated{Code: "guard.powered-on", Machine: "db01", What: "db01 was switched on", Endangers: "disks", Do: "Switch it off."}
	log := []bus.Received{
		fact(t, 1, "r--calm", events.TypeAccepted, events.Accepted{Case: c("calm")}), fact(t, 2, "r--calm", events.TypeCompleted, done("calm")),
		fact(t, 3, "r--runs", events.TypeAccepted, events.Accepted{Case: c("runs")}),
		fact(t, 4, "r--db01", events.TypeAccepted, events.Accepted{Case: c("db01")}), fact(t, 5, "r--db01", events.TypeCompleted, done("db01")),
		fact(t, 6, "r--db01", events.TypeViolated, on),
	}
	watch := func(log []bus.Received) (lines []string) {
		var out, errs bytes.Buffer
		deps := Deps{Open: func(context.Context, string) (Bus, error) { return heard{facts: log}, nil }, Now: time.Now, NewID: newID, User: func() string { return "ops" }}
		if status := Main(t.Context(), []string{"watch"}, deps, nil, &out, &errs); status != 0 {
			t.Fatalf("status %d: %s", status, errs.String())
		}
		return strings.Split(strings.TrimSpace(out.String()), "\n")
	}
	if got := watch(log); len(got) != 2 || !strings.Contains(got[0], "r--db01  completed, alarm, 100 %. db01 was switched on") || !strings.Contains(got[1], "r--runs") {
		t.Errorf("%q", got)
	}
	seen := fact(t, 8, "r--db01", events.TypeAcknowledged, events.Acknowledged{Violation: "r--db01/guard/6", Reason: "resynchronized"})
	if got := watch(append(log, seen)); len(got) != 1 || !strings.Contains(got[0], "r--runs") {
		t.Errorf("after it was seen to: %q", got)
	}
}
