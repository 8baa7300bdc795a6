package journal

import (
	"path/filepath"
	"testing"

	"reprotect.example/events/bus"
	"reprotect.example/services/audit"
)

// nats-N7: a command that has the id of another and says something else is kept, once, wherever the log is counted; what
// comes twice is not, nor is what other messages have under one id.
func TestACommandWithAKnownIDAndOtherContentIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	s := openAt(t, path)
	message := func(sequence uint64, subject, id, data string) bus.Received {
		return bus.Received{Message: bus.Message{Subject: subject, ID: id, Data: []byte(data)}, Sequence: sequence, Published: begun, Attempt: 1}
	}
	const request, cancel, note = "reprotect.command.request", "reprotect.command.cancel", "reprotect.notification.tokyo.info"
	log := []bus.Received{
		message(1, request, "CHG1", `{"machines":[{"name":"web01"}]}`),
		message(2, request, "CHG1", `{"machines":[{"name":"db01"}]}`),  // another machine: kept
		message(3, request, "CHG1", `{"machines":[{"name":"web01"}]}`), // the first again
		message(4, request, "CHG1", `{"machines":[{"name":"db01"}]}`),  // the second again
		message(5, request, "CHG1", ``),                                // kept
		message(6, cancel, "CHG1", `{"case":"c"}`),                     // another subject: kept
		message(7, note, "n1", `{"a":1}`),                              // kept
		message(8, note, "n1", `{"a":2}`),                              // one notification has one id
		message(9, request, "", `{"machines":[{"name":"web01"}]}`),     // bare: kept
		message(10, request, "", `{"machines":[{"name":"web01"}]}`),    // kept
	}
	keep(t, s, log...)
	keep(t, s, log...)
	want := []uint64{1, 2, 5, 6, 7, 9, 10}
	var counter audit.Counter
	var counted []uint64
	for _, r := range append(log, log...) {
		if _, ok := counter.Next(r); ok {
			counted = append(counted, r.Sequence)
		}
	}
	got := all(t, s, Reading{})
	if len(got) != len(want) || len(counted) != len(want) {
		t.Fatalf("the journal keeps %d, a reader counts %v, want %v", len(got), counted, want)
	}
	for i, n := range want {
		if string(got[i].Data) != string(log[n-1].Data) || got[i].Subject != log[n-1].Subject || counted[i] != n {
			t.Errorf("place %d: %s %s, counted %d; want message %d", i+1, got[i].Subject, got[i].Data, counted[i], n)
		}
	}
	if v := verified(t, path); len(v.Faults) > 0 {
		t.Errorf("verified: %+v", v.Faults)
	}
}
