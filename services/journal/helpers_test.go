package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
)

var begun = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

// open opens a journal of its own for the test.
func open(t testing.TB) *Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "journal.db"))
}

func openAt(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func keep(t testing.TB, s *Store, all ...bus.Received) {
	t.Helper()
	for _, r := range all {
		if err := s.Keep(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
}

func machines(names ...string) events.Case {
	c := events.Case{Reason: "CHG0012345", RequestedBy: "ops@example.com"}
	for _, n := range names {
		c.Machines = append(c.Machines, events.Machine{Name: n, Item: "item-" + n, Architecture: "modernized", OS: "linux"})
	}
	return c
}

// fact makes a fact as the bus delivers it; the position numbers reports, too.
func fact[T any](t events.Type[T], caseID, step string, position int, sequence uint64, data T) bus.Received {
	if step == "" {
		step = t.Step
	}
	h := events.Header{
		ID: caseID + "/" + step, Source: "/reprotect/tokyo/test", Type: t.CloudType(), Site: "tokyo", Case: caseID, Subject: caseID,
		Step: step, Request: "r1", Position: position, Time: begun.Add(time.Duration(position) * time.Minute),
	}
	if t.Role == events.Report && t.Name != "cancelling" {
		h.ID += fmt.Sprintf("/%d-%s", position, t.Name)
	}
	raw, err := events.Encode(events.Event[T]{Header: h, Data: data})
	if err != nil {
		panic(err)
	}
	return bus.Received{
		Message:  bus.Message{Subject: events.FactSubject("tokyo", caseID, step, t.Name), ID: h.ID, Headers: map[string]string{"content-type": "application/cloudevents+json"}, Data: raw},
		Sequence: sequence, Published: begun.Add(time.Duration(sequence) * time.Second), Attempt: 1,
	}
}

// story is the log of one case up to its end, with some reports, from a sequence on.
func story(caseID string, sequence uint64) []bus.Received {
	c := machines("web01", "db01")
	half := 50
	return []bus.Received{
		fact(events.TypeAccepted, caseID, "", 1, sequence, events.Accepted{Case: c}),
		fact(events.TypeValidated, caseID, "", 2, sequence+1, events.Validated{Case: c, Findings: []events.Finding{{Check: "machine.failed-over", Machine: "web01", Status: "pass", Level: "block"}}}),
		fact(events.TypePlaced, caseID, "", 3, sequence+2, events.Placed{Case: c}),
		fact(events.TypeWaiting, caseID, "", 4, sequence+3, events.Waiting{For: "agent", Message: "The agent of web01 has not registered yet.", Since: begun}),
		fact(events.TypeRegistered, caseID, "", 5, sequence+4, events.Registered{Case: c}),
		fact(events.TypeStarted, caseID, "", 6, sequence+5, events.Started{Case: c, Jobs: []events.Job{{Machine: "web01", Job: "j1"}, {Machine: "db01", Job: "j2"}}}),
		fact(events.TypeProgressed, caseID, "", 7, sequence+6, events.Progressed{Percent: 30, Machines: []events.MachineProgress{{Machine: "web01", State: "replicating", Percent: 40, Replication: &half}}}),
		fact(events.TypeProgressed, caseID, "", 8, sequence+7, events.Progressed{Percent: 60, Machines: []events.MachineProgress{{Machine: "web01", State: "protected", Percent: 100}}}),
		fact(events.TypeViolated, caseID, "", 9, sequence+8, events.Violated{What: "The machine was switched on.", Machine: "web01", Endangers: "the replication.", Do: "Switch it off."}),
		fact(events.TypeCompleted, caseID, "", 10, sequence+9, events.Completed{Case: c, Machines: []events.ProtectedState{{Machine: "web01", Since: begun}, {Machine: "db01", Since: begun}}}),
	}
}

// entries reads messages as the projection does.
func entries(all []bus.Received) []cases.Entry {
	var read []cases.Entry
	for _, r := range all {
		read = append(read, cases.ReadEntry(r))
	}
	return read
}

// all reads everything that a reading gives.
func all(t testing.TB, s *Store, r Reading) (got []bus.Received) {
	t.Helper()
	if err := s.Read(context.Background(), r, func(m bus.Received) error { got = append(got, m); return nil }); err != nil {
		t.Fatal(err)
	}
	return got
}

func jsonOf(v any) string {
	raw, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// withoutHistory is what the table of the cases holds.
func withoutHistory(listed []cases.Case) []cases.Case {
	kept := []cases.Case{}
	for _, c := range listed {
		c.History = nil
		kept = append(kept, c)
	}
	return kept
}
