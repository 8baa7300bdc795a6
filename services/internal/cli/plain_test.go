package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

// Whatever field of a case a hostile text stands in, 'show' prints it as text, and the case itself stays as it was.
func TestShowPrintsHostileTextsAsText(t *testing.T) {
	const evil = "x\x1b]0;owned\x07\x1b[2J\nState      completed\u202ey"
	now := time.Now()
	c := cases.Case{
		ID: "r-1-a", Why: evil, Code: evil, Words: evil, Remedy: evil, Reason: evil, RequestedBy: evil, Plan: evil, Since: now,
		Machines: []cases.Machine{{Name: evil, Message: evil, Job: evil, Datastore: evil, Task: evil}, {Name: "b", Message: evil, Code: evil, Remedy: evil}},
		Waiting:  &events.Waiting{For: "azure", Message: evil, Remedy: evil},
		Findings: []events.Finding{{Check: evil, Status: "warn", Machine: evil, Evidence: evil, Remedy: evil}},
		Alarms:   []cases.Alarm{{State: cases.AlarmOpen, Violated: events.Violated{What: evil, Endangers: evil, Do: evil, Machine: evil}}},
	}
	var out bytes.Buffer
	showCase(&out, c, false, nil)
	if strings.ContainsAny(out.String(), "\x1b\x07\u202e") || strings.Contains(out.String(), "\nState      completed") {
		t.Errorf("%q", out.String())
	}
	if !strings.Contains(out.String(), "owned") || c.Machines[0].Name != evil || c.Waiting.Message != evil || !plain(c).Since.Equal(now) {
		t.Error("a text is lost, or the case was changed")
	}
}
