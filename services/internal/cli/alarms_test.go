package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
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
