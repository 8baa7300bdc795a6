package cases_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
)

var begun = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

// story writes the log of one case, a minute from event to event.
type story struct {
	entries []cases.Entry
}

func tell[T any](s *story, t events.Type[T], step string, position int, data T) *story {
	if step == "" {
		step = t.Step
	}
	n := len(s.entries) + 1
	h := events.Header{
		ID: "r1-web01/" + step, Source: "/reprotect/tokyo/test", Type: t.CloudType(), Site: "tokyo", Case: "r1-web01",
		Subject: "r1-web01", Step: step, Request: "r1", Position: position, Time: begun.Add(time.Duration(n) * time.Minute),
	}
	if t.Role == events.Report && t.Name != "cancelling" {
		h.ID += fmt.Sprintf("/%d-%s", position, t.Name)
	}
	raw, err := events.Encode(events.Event[T]{Header: h, Data: data})
	if err != nil {
		panic(err)
	}
	s.entries = append(s.entries, cases.ReadEntry(bus.Received{
		Message:  bus.Message{Subject: events.FactSubject("tokyo", "r1-web01", step, t.Name), Data: raw},
		Sequence: uint64(10 + n),
	}))
	return s
}

var (
	two     = events.Case{Machines: []events.Machine{{Name: "web01", Architecture: "modernized", OS: "linux"}, {Name: "db01", Architecture: "classic", OS: "windows"}}}
	waiting = events.Waiting{For: "agent", Message: "The agent of web01 has not registered yet", Since: begun, Until: begun.Add(20 * time.Minute)}
	half    = 50
)

func upTo(step string) *story {
	s := &story{}
	tell(s, events.TypeAccepted, "", 1, events.Accepted{Case: two})
	if step == events.StepRequest {
		return s
	}
	tell(s, events.TypeValidated, "", 2, events.Validated{Case: two, Findings: []events.Finding{{Check: "machine.failed-over", Status: "pass"}}})
	tell(s, events.TypePlaced, "", 3, events.Placed{Case: two})
	if step == events.StepPlacement {
		return s
	}
	tell(s, events.TypeRegistered, "", 4, events.Registered{Case: two})
	return tell(s, events.TypeStarted, "", 5, events.Started{Case: two, Jobs: []events.Job{{Machine: "web01", Job: "j1"}, {Machine: "db01"}}})
}

func TestFold(t *testing.T) {
	t.Parallel()
	running := events.Progressed{Percent: 42, Machines: []events.MachineProgress{
		{Machine: "web01", State: "replicating", Percent: 60, Replication: &half}, {Machine: "db01", State: "protected", Percent: 100},
	}}
	for _, test := range []struct {
		name     string
		story    *story
		state    events.CaseState
		step     string
		percent  int
		end      bool
		good     bool
		machines string
		why      string
	}{
		{
			name: "accepted", story: upTo(events.StepRequest),
			state: "accepted", step: "request", percent: 2, machines: "web01=not-started:0 db01=not-started:0",
		},
		{
			name: "waiting", story: tell(upTo(events.StepPlacement), events.TypeWaiting, "", 4, waiting),
			state: "waiting", step: "placement", percent: 6, machines: "web01=not-started:0 db01=not-started:0",
		},
		{
			name: "started", story: upTo(events.StepSubmission),
			state: "started", step: "submission", percent: 10, machines: "web01=running:0 db01=replicating:0",
		},
		{
			name: "progress counts rather than the step", story: tell(upTo(events.StepSubmission), events.TypeProgressed, "", 6, running),
			state: "started", step: "submission", percent: 42, machines: "web01=replicating:60 db01=protected:100",
		},
		{
			name: "a waiting after progress", story: tell(tell(upTo(events.StepSubmission), events.TypeProgressed, "", 6, running), events.TypeWaiting, "", 7, waiting),
			state: "waiting", step: "submission", percent: 42, machines: "web01=replicating:60 db01=protected:100",
		},
		{
			name: "progress ends a waiting", story: tell(tell(upTo(events.StepSubmission), events.TypeWaiting, "", 6, waiting), events.TypeProgressed, "", 7, running),
			state: "started", step: "submission", percent: 42, machines: "web01=replicating:60 db01=protected:100",
		},
		{
			name: "a late waiting of a delivery that came twice is no state", story: tell(upTo(events.StepSubmission), events.TypeWaiting, "", 4, waiting),
			state: "started", step: "submission", percent: 10, machines: "web01=running:0 db01=replicating:0",
		},
		{
			name: "completed", story: tell(upTo(events.StepSubmission), events.TypeCompleted, "", 6, events.Completed{Case: two, Machines: []events.ProtectedState{{Machine: "web01"}, {Machine: "db01"}}}),
			state: "completed", step: "replication", percent: 100, end: true, good: true, machines: "web01=protected:100 db01=protected:100",
		},
		{
			name: "failed half done", story: tell(tell(upTo(events.StepSubmission), events.TypeProgressed, "", 6, running), events.TypeFailed, events.StepReplication, 7, events.Failed{
				Code: "95226", Message: "The agent is gone.", Remedy: "Install it.",
				Machines: []events.MachineState{{Machine: "web01", State: "failed"}, {Machine: "db01", State: "protected"}},
			}),
			state: "failed", step: "replication", percent: 42, end: true, machines: "web01=failed:60 db01=protected:100", why: "The agent is gone.",
		},
		{
			name: "the first end stands", story: tell(tell(upTo(events.StepRequest), events.TypeRejected, events.StepValidation, 2, events.Rejected{
				Case: two, Problems: []events.Problem{{Code: "machine.failed-over", Place: "web01", Message: "It was not failed over."}},
			}), events.TypeFailed, events.StepPlacement, 3, events.Failed{Message: "other"}),
			state: "rejected", step: "validation", percent: 2, end: true, machines: "web01=not-started:0 db01=not-started:0", why: "web01: It was not failed over",
		},
		{
			name: "refused", story: tell(&story{}, events.TypeRefused, "", 1, events.Refused{Problems: []events.Problem{{Place: "/data/plan", Message: "There is no such plan"}}}),
			state: "refused", step: "request", end: true, why: "There is no such plan",
		},
		{
			name: "cancelling", story: tell(tell(upTo(events.StepPlacement), events.TypeWaiting, "", 4, waiting), events.TypeCancelling, "", 1, events.Cancelling{Reason: "CHG"}),
			state: "cancelling", step: "placement", percent: 6, machines: "web01=not-started:0 db01=not-started:0",
		},
		{
			name: "cancelled", story: tell(upTo(events.StepRequest), events.TypeCancelled, events.StepValidation, 2, events.Cancelled{
				Case: two, Reason: "not today", Machines: []events.MachineState{{Machine: "web01", State: "cancelled"}},
			}),
			state: "cancelled", step: "validation", percent: 2, end: true, machines: "web01=cancelled:0 db01=not-started:0", why: "not today",
		},
		{
			name: "rehearsed", story: tell(upTo(events.StepPlacement), events.TypeRehearsed, "", 5, events.Rehearsed{Case: two}),
			state: "rehearsed", step: "submission", percent: 100, end: true, good: true, machines: "web01=not-started:0 db01=not-started:0",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := one(t, test.story.entries)
			var machines []string
			for _, m := range c.Machines {
				machines = append(machines, fmt.Sprintf("%s=%s:%d", m.Name, m.State, m.Percent))
			}
			got := []any{c.State, c.Step, c.Percent, c.End, c.Good, strings.Join(machines, " "), c.Why}
			want := []any{test.state, test.step, test.percent, test.end, test.good, test.machines, test.why}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("state, step, percent, end, good, machines, why (-want +got):\n%s", diff)
			}
			if (c.Waiting != nil) != (c.State == events.CaseWaiting) {
				t.Errorf("state is %s, but waiting is %v", c.State, c.Waiting)
			}
			if len(c.History) != len(test.story.entries) {
				t.Errorf("history has %d lines for %d events", len(c.History), len(test.story.entries))
			}
			for seed := range uint64(20) {
				shuffled := slices.Concat(test.story.entries, test.story.entries)
				rand.New(rand.NewPCG(seed, 0)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
				if diff := cmp.Diff(c, one(t, shuffled)); diff != "" {
					t.Fatalf("duplicates or order change the case (seed %d):\n%s", seed, diff)
				}
			}
		})
	}
}

func one(t *testing.T, entries []cases.Entry) cases.Case {
	t.Helper()
	var l cases.Log
	for _, e := range entries {
		if _, err := l.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	listed := l.Cases()
	if len(listed) != 1 {
		t.Fatalf("got %d cases", len(listed))
	}
	return listed[0]
}

// A request that had to wait for Azure is no case of its own any more once it has become cases.
func TestARequestThatWaitedBecomesItsCases(t *testing.T) {
	raw, err := events.Encode(events.Event[events.Waiting]{
		Header: events.Header{
			ID: "r1/progress/1", Source: "/reprotect/tokyo/validator", Type: events.TypeWaiting.CloudType(), Site: "tokyo", Case: "r1",
			Subject: "r1", Step: events.TypeWaiting.Step, Request: "r1", Position: 1, Time: begun,
		},
		Data: waiting,
	})
	if err != nil {
		t.Fatal(err)
	}
	waits := cases.ReadEntry(bus.Received{
		Message: bus.Message{Subject: events.FactSubject("tokyo", "r1", events.TypeWaiting.Step, "waiting"), Data: raw}, Sequence: 9,
	})
	if c := one(t, []cases.Entry{waits}); c.ID != "r1" {
		t.Errorf("while it waits: %+v", c)
	}
	if c := one(t, append(upTo(events.StepRequest).entries, waits)); c.ID != "r1-web01" {
		t.Errorf("once it is accepted: %+v", c)
	}
}

// The id of a request need not be one that a case can have.
func TestARequestOfAnyIDBecomesItsCases(t *testing.T) {
	for _, request := range []string{"r1", "Change 0012345"} {
		waited := cases.Case{ID: events.Token(request), Request: request}
		begun := cases.Case{ID: events.Token(request) + "--web01", Request: request}
		if got := cases.WithoutBegun([]cases.Case{waited}); len(got) != 1 {
			t.Errorf("%s while it waits: %v", request, got)
		}
		if got := cases.WithoutBegun([]cases.Case{begun, waited}); len(got) != 1 || got[0].ID != begun.ID {
			t.Errorf("%s once it has become cases: %v", request, got)
		}
	}
}

func TestForeignEventsAreNoFacts(t *testing.T) {
	t.Parallel()
	good := upTo(events.StepRequest).entries[0]
	for name, change := range map[string]func(*cases.Entry){
		"command":      func(e *cases.Entry) { e.Subject = "reprotect.command.request" },
		"notification": func(e *cases.Entry) { e.Subject = "reprotect.notification.tokyo.info" },
		"other case":   func(e *cases.Entry) { e.Subject = "reprotect.event.tokyo.other.request.accepted" },
		"other site":   func(e *cases.Entry) { e.Subject = "reprotect.event.osaka.r1-web01.request.accepted" },
		"other kind":   func(e *cases.Entry) { e.Subject = "reprotect.event.tokyo.r1-web01.request.refused" },
		"unknown kind": func(e *cases.Entry) { e.Subject = "reprotect.event.tokyo.r1-web01.request.vanished" },
	} {
		e := good
		change(&e)
		var l cases.Log
		if _, err := l.Add(e); !errors.Is(err, cases.ErrNotAFact) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnreadableFactStillEndsItsCase(t *testing.T) {
	t.Parallel()
	s := upTo(events.StepRequest)
	s.entries = append(s.entries, cases.ReadEntry(bus.Received{
		Message: bus.Message{Subject: "reprotect.event.tokyo.r1-web01.validation.failed", Data: []byte(`{"specversion":"1.0","id":"r1-web01/validation",
			"source":"/x","type":"io.reprotect.failed.v1","site":"tokyo","case":"r1-web01","step":"validation","data":{"code":"x","message":"m","remedy":"r","new":1}}`)},
		Sequence: 99,
	}))
	c := one(t, s.entries)
	if c.State != "failed" || !c.End || !strings.Contains(c.Why, "/data/new") {
		t.Errorf("state %s, end %v, why %q", c.State, c.End, c.Why)
	}
}

// While one machine of a group waits for somebody, the others move on: the case still says what it waits for.
func TestAGroupWaitsForOneOfItsMachines(t *testing.T) {
	t.Parallel()
	operator := events.Waiting{For: "operator", Code: "95226", Machines: []string{"web01"}, Message: "no way", Remedy: "correct it", Since: begun}
	moved := func(reason events.Reason) events.Progressed {
		return events.Progressed{Percent: 50, Machines: []events.MachineProgress{
			{Machine: "web01", State: "running", For: reason, Code: "95226", Message: "no way", Remedy: "correct it"}, {Machine: "db01", State: "replicating", Percent: 60}}}
	}
	s := tell(tell(upTo(events.StepSubmission), events.TypeWaiting, "", 6, operator), events.TypeProgressed, "", 7, moved("operator"))
	c := one(t, s.entries)
	if c.State != "waiting" || c.Waiting == nil || c.Waiting.Code != "95226" || c.Machines[0].Remedy != "correct it" {
		t.Errorf("%s, %+v", c.State, c.Waiting)
	}
	tell(s, events.TypeWaiting, "", 8, events.Waiting{For: "others", Machines: []string{"db01"}, Message: "db01 failed", Since: begun})
	if c := one(t, s.entries); c.State != "waiting" || c.Waiting.For != "operator" {
		t.Errorf("an operator has to act, but it waits for %s", c.Waiting.For)
	}
	tell(s, events.TypeProgressed, "", 9, moved(""))
	if c := one(t, s.entries); c.State != "started" || c.Waiting != nil {
		t.Errorf("it moves again, but is %s: %+v", c.State, c.Waiting)
	}
}

// Of several that stand still the first counts, before all the first that needs an operator; who moves does not.
func TestWhoseStandingStillCounts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		reasons []events.Reason
		want    string
	}{
		{[]events.Reason{"", "job"}, "db01"},
		{[]events.Reason{"job", "job"}, "web01"},
		{[]events.Reason{"job", "operator"}, "db01"},
		{[]events.Reason{"operator", "operator"}, "web01"},
		{[]events.Reason{"operator", "job"}, "web01"},
		{[]events.Reason{"", ""}, ""},
	} {
		s := tell(upTo(events.StepSubmission), events.TypeProgressed, "", 6, events.Progressed{Percent: 50, Machines: []events.MachineProgress{
			{Machine: "web01", State: "running", For: tt.reasons[0]}, {Machine: "db01", State: "running", For: tt.reasons[1]}}})
		got := ""
		if w := one(t, s.entries).Waiting; w != nil {
			got = strings.Join(w.Machines, " ")
		}
		if got != tt.want {
			t.Errorf("%q: %q stands still, want %q", tt.reasons, got, tt.want)
		}
	}
}

func TestARefusedMachineDidNotStart(t *testing.T) {
	t.Parallel()
	s := tell(upTo(events.StepPlacement), events.TypeStarted, "", 5, events.Started{Case: two, Jobs: []events.Job{
		{Machine: "web01", Job: "j1"}, {Machine: "db01", Refused: &events.Problem{Code: "78052", Message: "No.", Remedy: "Correct it."}}}})
	c := one(t, s.entries)
	if m := c.Machines[1]; m.State != "failed" || m.Percent != 0 || m.Code != "78052" || m.Remedy != "Correct it." {
		t.Errorf("%+v", m)
	}
	if text := c.History[len(c.History)-1].Text; text != "Reprotect started: web01 (job j1), db01 (not started: No)." {
		t.Error(text)
	}
}

// What stands ready for failback (S41): since when, with which lag, by which job, and until its failback is seen.
func TestWhatStandsReady(t *testing.T) {
	t.Parallel()
	since, lag := begun.Add(time.Hour), 42
	again := events.Progressed{Machines: []events.MachineProgress{{Machine: "web01", State: "running", Job: "j2"}, {Machine: "db01", State: "protected"}}}
	s := tell(upTo(events.StepSubmission), events.TypeProgressed, "", 6, again)
	if m := one(t, s.entries).Machines[0]; m.Job != "j2" {
		t.Errorf("after a submission again: %+v", m)
	}
	ended := map[string]*story{
		"failed": tell(upTo(events.StepSubmission), events.TypeFailed, events.StepReplication, 7, events.Failed{
			Code: "x", Message: "m", Remedy: "r", Machines: []events.MachineState{{Machine: "web01", State: "protected", Since: since, LagSeconds: &lag}, {Machine: "db01", State: "failed"}},
		}),
		"completed": tell(upTo(events.StepSubmission), events.TypeCompleted, "", 7, events.Completed{
			Case: two, Machines: []events.ProtectedState{{Machine: "web01", Since: since, LagSeconds: &lag}, {Machine: "db01"}},
		}),
	}
	for name, s := range ended {
		if m := one(t, s.entries).Machines[0]; !m.Since.Equal(since) || m.LagSeconds == nil || *m.LagSeconds != lag || !m.Returned.IsZero() {
			t.Errorf("%s: %+v", name, m)
		}
		tell(s, events.TypeReturned, "", 9, events.Returned{Machine: "web01", Item: "/i", State: "UnplannedFailoverCompleted"})
		if m := one(t, s.entries).Machines[0]; m.State != "protected" || m.Returned.IsZero() {
			t.Errorf("%s, then home: %+v", name, m)
		}
		tell(s, events.TypeReturned, "", 10, events.Returned{Machine: "web01", Item: "/i", State: "Protected", Undone: true})
		if m := one(t, s.entries).Machines[0]; m.State != "protected" || !m.Returned.IsZero() {
			t.Errorf("F2: %s, then its failback was cancelled: %+v", name, m)
		}
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	line := func(s *story) cases.Line { return cases.Describe(s.entries[len(s.entries)-1]) }
	for want, s := range map[string]*story{
		"info Accepted: web01 (modernized, linux), db01 (classic, windows), which go together.":         upTo(events.StepRequest),
		"info Reprotect started: web01 (job j1), db01 (replicates back already).":                       upTo(events.StepSubmission),
		"warning Waiting for the agent: The agent of web01 has not registered yet. Gives up in 16m.":    tell(upTo(events.StepPlacement), events.TypeWaiting, "", 4, waiting),
		"warning Waiting for its turn: 60 starts a minute are allowed. Place 3 in the admission queue.": tell(upTo(events.StepPlacement), events.TypeWaiting, "", 4, events.Waiting{For: "turn", Message: "60 starts a minute are allowed", Place: 3}),
		"info web01 fails back, or has done so: it stands ready for failback no more.":                  tell(&story{}, events.TypeReturned, "", 9, events.Returned{Machine: "web01"}),
		"info 42 %: web01 60 % (initial replication 50 %).":                                             tell(&story{}, events.TypeProgressed, "", 6, events.Progressed{Percent: 42, Machines: []events.MachineProgress{{Machine: "web01", State: "replicating", Percent: 60, Replication: &half}}}),
		"good Protected: web01.":                                                                              tell(&story{}, events.TypeCompleted, "", 6, events.Completed{Machines: []events.ProtectedState{{Machine: "web01"}}}),
		"warning Checked, nothing blocks: 1 pass, 1 warn.":                                                    tell(&story{}, events.TypeValidated, "", 2, events.Validated{Findings: []events.Finding{{Status: "warn"}, {Status: "pass"}}}),
		"bad Failed (95226): No agent. Azure or vCenter says: gone What to do: Install it.":                   tell(&story{}, events.TypeFailed, "registration", 4, events.Failed{Code: "95226", Message: "No agent.", Words: "gone", Remedy: "Install it."}),
		"bad Attention, web01: it was switched on. Why it matters: the reprotect. What to do: Switch it off.": tell(&story{}, events.TypeViolated, "", 7, events.Violated{Machine: "web01", What: "it was switched on", Endangers: "the reprotect", Do: "Switch it off."}),
		"info Datastore chosen: web01 on VMFS-01, original location, db01: none fits.":                        tell(&story{}, events.TypePlaced, "", 3, events.Placed{Placements: []events.Placement{{Machine: "web01", Datastore: "VMFS-01", Location: "original"}, {Machine: "db01"}}}),
		"bad Refused, nothing was begun: two [31mlines: no.":                                                  tell(&story{}, events.TypeRefused, "", 1, events.Refused{Problems: []events.Problem{{Place: "two\x1b[31mlines", Message: "no."}}}),
		"warning Cancelled: CHG.":                                                                             tell(&story{}, events.TypeCancelled, "validation", 2, events.Cancelled{Reason: "CHG"}),
		"good Rehearsed, nothing was changed. A real run would reprotect web01 to VMFS-01.":                   tell(&story{}, events.TypeRehearsed, "", 5, events.Rehearsed{Would: []events.Machine{{Name: "web01", Choice: events.Choice{Datastore: "VMFS-01"}}}}),
		"bad Rejected, nothing was changed: m: a, m: b.":                                                      tell(&story{}, events.TypeRejected, "validation", 2, events.Rejected{Problems: []events.Problem{{Place: "m", Message: "a."}, {Place: "m", Message: "b"}}}),
		"info Agents are back: web01 (9.63).":                                                                 tell(&story{}, events.TypeRegistered, "", 4, events.Registered{Agents: []events.Agent{{Machine: "web01", Version: "9.63"}}}),
		"info Reprotect started: a (replicates back already), b (replicates back already), c (replicates back already), d (replicates back already), e (replicates back already), f (replicates back already), g (replicates back already), h (replicates back already), and 2 more.": tell(&story{}, events.TypeStarted, "", 5, events.Started{Jobs: jobs("abcdefghij")}),
		"good Protected: web01 (a), db01.": tell(&story{}, events.TypeCompleted, "", 6, events.Completed{
			Case:     events.Case{Machines: []events.Machine{{Name: "web01", Item: "/items/a"}, {Name: "db01", Item: "/items/c"}, {Name: "web01", Item: "/items/b"}}},
			Machines: []events.ProtectedState{{Machine: "web01", Item: "/items/a"}, {Machine: "db01", Item: "/items/c"}},
		}),
		"warning Cancelled: why?": tell(&story{}, events.TypeCancelled, "validation", 2, events.Cancelled{Reason: "why?"}),
		"warning Cancelled: now!": tell(&story{}, events.TypeCancelled, "validation", 2, events.Cancelled{Reason: "now!"}),
		"warning Cancelled.":      tell(&story{}, events.TypeCancelled, "validation", 2, events.Cancelled{}),
		"info 5 %: web01 failed (8061): No, db01 10 % (failed), app01 20 % (running), erp01 30 % (Preparing), web02 100 % (protected).": tell(&story{}, events.TypeProgressed, "", 6, events.Progressed{Percent: 5, Machines: []events.MachineProgress{
			{Machine: "web01", State: "failed", Code: "8061", Message: "No."}, {Machine: "db01", State: "failed", Percent: 10}, {Machine: "app01", State: "running", Percent: 20, Message: "No."},
			{Machine: "erp01", State: "running", Percent: 30, Task: "Preparing"}, {Machine: "web02", State: "protected", Percent: 100, Task: "Preparing"},
		}}),
		"good Over, web01, from 2026-11-22 03:00:00 UTC to 2026-11-22 04:00:00 UTC: it is off.": tell(&story{}, events.TypeCleared, "", 8, events.Cleared{Machine: "web01", Violation: "guard.x", What: "it is off", From: begun, Until: begun.Add(time.Hour)}),
		"warning Over, web01, from 2026-11-22 03:00:00 UTC to 2026-11-22 04:00:00 UTC: it is off. What remains: its disks changed What to do: resynchronize": tell(&story{}, events.TypeCleared, "", 8, events.Cleared{
			Machine: "web01", Violation: "guard.x", What: "it is off", From: begun, Until: begun.Add(time.Hour), Remains: "its disks changed", Do: "resynchronize"}),
		"info Reprotect started: a (replicates back already), b (replicates back already), c (replicates back already), d (replicates back already), e (replicates back already), f (replicates back already), g (replicates back already), h (replicates back already).":             tell(&story{}, events.TypeStarted, "", 5, events.Started{Jobs: jobs("abcdefgh")}),
		"info Reprotect started: a (replicates back already), b (replicates back already), c (replicates back already), d (replicates back already), e (replicates back already), f (replicates back already), g (replicates back already), h (replicates back already), and 1 more.": tell(&story{}, events.TypeStarted, "", 5, events.Started{Jobs: jobs("abcdefghi")}),
	} {
		l := line(s)
		if got := l.Level + " " + l.Text; got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

func jobs(names string) []events.Job {
	var all []events.Job
	for _, n := range names {
		all = append(all, events.Job{Machine: string(n)})
	}
	return all
}

func TestCommandsAreDescribedInEveryForm(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]string{
		"bare":       `{"machines":[{"name":"web01"}],"plan":"ERP","dryRun":true,"requestedBy":"ops","reason":"CHG1"}`,
		"structured": `{"specversion":"1.0","id":"r1","source":"/x","type":"io.reprotect.request.v1","data":{"machines":[{"name":"web01"}],"plan":"ERP","dryRun":true,"requestedBy":"ops","reason":"CHG1"}}`,
	} {
		l := cases.Describe(cases.ReadEntry(bus.Received{Message: bus.Message{Subject: "reprotect.command.request", Data: []byte(data)}, Sequence: 7}))
		if want := "ops asks for a dry run of web01, plan ERP: CHG1."; l.Text != want || l.Kind != "request" {
			t.Errorf("%s: %s %q, want %q", name, l.Kind, l.Text, want)
		}
	}
	l := cases.Describe(cases.ReadEntry(bus.Received{Message: bus.Message{Subject: "reprotect.command.request", Data: []byte(`{"machine":1}`)}, Sequence: 7}))
	if l.Level != cases.Warn || l.Kind != "request" || !strings.Contains(l.Text, "/data/machine: is not known here") {
		t.Errorf("malformed: %s %q", l.Level, l.Text)
	}
}

func TestACommandThatNobodyKnows(t *testing.T) {
	t.Parallel()
	l := cases.Describe(cases.ReadEntry(bus.Received{Message: bus.Message{Subject: "reprotect.command.retyr", ID: "m1", Data: []byte(`{"case":"r7"}`)}, Sequence: 7}))
	if l.Kind != "retyr" || l.ID != "m1" || !strings.Contains(l.Text, "nothing answers commands on reprotect.command.retyr") {
		t.Errorf("%+v", l)
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", -time.Second: "0s", 45 * time.Second: "45s", 5 * time.Minute: "5m", 5*time.Minute + 3*time.Second: "5m03s",
		42*time.Minute + 20*time.Second: "42m", 3*time.Hour + 5*time.Minute: "3h05m", 52 * time.Hour: "2d4h",
	} {
		if got := cases.Duration(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

// nats-N2: what an administrator has made void counts no more; what was decided after it does, in whatever order they came.
func TestWhatIsVoidDoesNotCount(t *testing.T) {
	s := upTo(events.StepSubmission)
	before := cases.Fold(s.entries)
	tell(s, events.TypeCompleted, "", 7, events.Completed{Case: two})
	forged := s.entries[len(s.entries)-1]
	tell(s, events.TypeVoided, events.StepReplication, 0, events.Voided{Subject: forged.Subject, Sequence: forged.Sequence, Reason: "forged"})
	c := cases.Fold(s.entries)
	if c.State != before.State || c.End || c.Good || !c.EndedAt.IsZero() {
		t.Errorf("with its end void: %s, end %v", c.State, c.End)
	}
	tell(s, events.TypeFailed, events.StepReplication, 8, events.Failed{Code: "internal", Message: "no"})
	anew := &s.entries[len(s.entries)-1]
	if c := cases.Fold(s.entries); c.End {
		t.Errorf("what was decided without knowing of the mark ends it: %s", c.State)
	}
	anew.Header.ID = events.OutcomeAnew("r1-web01", events.StepReplication, forged.Sequence)
	for range 5 {
		if c := cases.Fold(s.entries); c.State != events.CaseFailed || c.Code != "internal" {
			t.Errorf("decided anew: %s, %s", c.State, c.Code)
		}
		rand.Shuffle(len(s.entries), func(i, j int) { s.entries[i], s.entries[j] = s.entries[j], s.entries[i] })
	}
}
