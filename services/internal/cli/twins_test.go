package cli

import (
	"bytes"
	"strings"
	"testing"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

// Two machines of one name in one case are told apart wherever people read of them.
func TestTwoMachinesOfOneNameAreToldApart(t *testing.T) {
	t.Parallel()
	c := cases.Case{ID: "r-1--web01", Request: "r-1", Site: "tokyo", State: events.CaseStarted, Machines: []cases.Machine{
		{Name: "web01", Item: "/vaults/v/items/6f1c-a", State: events.StateReplicating}, {Name: "WEB01", Item: "/vaults/v/items/6f1c-b", State: events.StateFailed, Message: "no way", Code: "8061"},
	}, Findings: []events.Finding{{Check: "machine.rdm", Machine: "web01", Item: "/vaults/v/items/6f1c-b", Status: "warn"}}, Alarms: []cases.Alarm{{State: cases.AlarmOpen, Violated: events.Violated{Machine: "web01", Item: "/vaults/v/items/6f1c-a", What: "it is on"}}}}
	var out bytes.Buffer
	showCase(&out, c, false, nil)
	for _, want := range []string{"\nweb01 (6f1c-a)  ", "\nWEB01 (6f1c-b)  ", "  WEB01 (6f1c-b): no way (8061)\n", "Attention, web01 (6f1c-a): it is on", "machine.rdm (web01 (6f1c-b))"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("show does not say %q:\n%s", want, &out)
		}
	}
	const both = "web01 (6f1c-a), WEB01 (6f1c-b)"
	if got := names(c); got != both {
		t.Errorf("list says %s", got)
	}
	if got := label(c); got != both {
		t.Errorf("watch says %s", got)
	}
}
