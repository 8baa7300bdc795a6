package cli

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/google/go-cmp/cmp"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func aCase(name string, state events.CaseState, percent int) cases.Case {
	return cases.Case{ID: "r-1-" + name, State: state, Percent: percent, Since: noon.Add(-time.Hour), Updated: noon.Add(-time.Minute),
		Machines: []cases.Machine{{Name: name, State: events.StateNotStarted}}}
}

func sampleCases() []cases.Case {
	half := 50
	done, running, waiting, failed := aCase("web01", "completed", 100), aCase("db01", "started", 55), aCase("app01", "waiting", 6), aCase("mail01", "failed", 40)
	done.End, done.Good = true, true
	running.Machines[0] = cases.Machine{Name: "db01", State: events.StateReplicating, Replication: &half, ETA: noon.Add(12 * time.Minute)}
	waiting.Waiting = &events.Waiting{For: "agent", Until: noon.Add(8 * time.Minute)}
	failed.End, failed.Why = true, "The agent is gone."
	return []cases.Case{done, running, waiting, failed}
}

func updated(b board, messages ...tea.Msg) board {
	for _, m := range messages {
		model, _ := b.Update(m)
		b = model.(board)
	}
	return b
}

func TestBoard(t *testing.T) {
	t.Parallel()
	b := board{began: noon.Add(-90 * time.Second), now: noon, width: 100, height: 24}
	for _, c := range sampleCases() {
		b = updated(b, moved(c))
	}
	want := []string{
		"1 of 4 cases done · 1 ended without success · 1 waiting · 1m30s",
		"web01   █████████████████████████ 100 %  completed  59m",
		"db01    █████████████░░░░░░░░░░░░  55 %  started    initial replication 50 %, about 12m more",
		"app01   █░░░░░░░░░░░░░░░░░░░░░░░░   6 %  waiting    for the agent, at most 8m more",
		"mail01  ██████████░░░░░░░░░░░░░░░     -  failed     The agent is gone.",
		"",
	}
	if diff := cmp.Diff(want, strings.Split(b.View().Content, "\n")); diff != "" {
		t.Error(diff)
	}

	again := sampleCases()[1]
	again.Percent, again.Alarms = 60, []cases.Alarm{{State: cases.AlarmOpen, Violated: events.Violated{What: "db01 was switched on."}}}
	b = updated(b, moved(again), tick(noon.Add(time.Minute)))
	if got := strings.Split(b.picture(), "\n"); len(got) != 6 || got[1] != "db01    ███████████████░░░░░░░░░░  60 %  alarm      db01 was switched on." || !strings.HasSuffix(got[0], "2m30s") {
		t.Errorf("after another event:\n%s", b.picture())
	}
}

// A3c, A3d: the head counts cases. A refused command is none, and a request that waits itself is told beside.
func TestA3cA3dBoardCountsCases(t *testing.T) {
	t.Parallel()
	b := board{began: noon, now: noon, width: 100, height: 24}
	refused := cases.Case{ID: "r-9", Request: "r-9", State: events.CaseRefused, End: true}
	plan := cases.Case{ID: "r-8", Request: "r-8", State: events.CaseWaiting, Waiting: &events.Waiting{For: events.ForThrottle, Machines: []string{"erp-001", "erp-002"}}}
	for _, c := range append(sampleCases(), refused, plan) {
		b = b.put(c)
	}
	if got := strings.Split(b.picture(), "\n"); got[0] != "1 of 4 cases done · 1 ended without success · 1 waiting · 1 request not begun · 0s" || len(got) != 7 {
		t.Errorf("%s", b.picture())
	}
	begun := aCase("erp-001", "accepted", 2)
	begun.Request = "r-8"
	if got := strings.Split(b.put(begun).picture(), "\n"); !strings.HasPrefix(got[0], "1 of 5 cases") || strings.Contains(b.put(begun).picture(), "r-8 ") {
		t.Errorf("once it has become cases:\n%s", b.put(begun).picture())
	}
	if got := (board{began: noon, now: noon, width: 100, height: 24}).picture(); got != "Nothing is under way; what comes is shown here · 0s\n" {
		t.Errorf("of nothing: %q", got)
	}
}

// A3b: each case that waits for its turn is shown at a place of its own.
func TestA3bPlacesOnTheBoard(t *testing.T) {
	t.Parallel()
	b := board{began: noon, now: noon, width: 100, height: 24}
	for _, name := range []string{"a", "b", "c"} {
		c := aCase(name, "waiting", 8)
		c.Waiting = &events.Waiting{For: events.ForTurn, Place: 152}
		b = b.put(c)
	}
	for i, row := range strings.Split(b.picture(), "\n")[1:4] {
		if want := fmt.Sprintf("for its turn, place %d", i+1); !strings.HasSuffix(row, want) {
			t.Errorf("%q, want %s", row, want)
		}
	}
}

// A4: what waits for a person looks like nothing else, with its code and cause, and comes before what is patient.
func TestA4NeedsYouIsAnotherWord(t *testing.T) {
	t.Parallel()
	c := aCase("vm013", "waiting", 10)
	c.Machines[0].State = events.StateRunning
	c.Waiting = &events.Waiting{For: events.ForOperator, Code: "95226", Message: "The agent of vm013 was not found", Remedy: "Install it."}
	patient := aCase("vm014", "waiting", 8)
	patient.Waiting = &events.Waiting{For: events.ForTurn, Place: 1}
	if stateWord(c) != "needs you" || machineWord(c, c.Machines[0]) != "needs you" || stateLevel(c) != cases.Bad || urgency(c) >= urgency(patient) {
		t.Errorf("%s, %s, %s", stateWord(c), machineWord(c, c.Machines[0]), stateLevel(c))
	}
	if got := note(c, nil, 0); got != "95226: The agent of vm013 was not found" {
		t.Errorf("note %q", got)
	}
	var out bytes.Buffer
	showCase(&out, c, false, nil)
	if !strings.Contains(out.String(), "Code       95226\n") || !strings.Contains(out.String(), "State      needs you, 10 %\n") {
		t.Errorf("%s", out.String())
	}
	failed := aCase("vm016", "failed", 10)
	failed.End, failed.Code, failed.Why = true, "8061", "Job 0b6d4f5e-1111-2222-3333-444455556666 of vm016 failed: the datastore cannot be reached, and so on for more than seventy letters"
	if got := note(failed, nil, 0); got != "8061: "+failed.Why {
		t.Errorf("cut: %q", got)
	}
}

// A2: a machine that went home is not only completed.
func TestA2ReturnedIsSaid(t *testing.T) {
	t.Parallel()
	c := aCase("web01", "completed", 100)
	c.End, c.Good = true, true
	if stateWord(c) != "completed" {
		t.Errorf("before: %s", stateWord(c))
	}
	c.Machines[0].Returned = noon
	if stateWord(c) != "returned" {
		t.Errorf("after: %s", stateWord(c))
	}
	c.Alarms = []cases.Alarm{{State: cases.AlarmOpen, Violated: events.Violated{What: "It is on."}}}
	if stateWord(c) != "alarm" || ownWord(c) != "returned" {
		t.Errorf("with an alarm: %s", stateWord(c))
	}
}

// B1: those that run are never hidden behind those that wait.
func TestB1WhatRunsIsShownBeforeWhatWaits(t *testing.T) {
	t.Parallel()
	b := board{began: noon, now: noon, width: 100, height: 10}
	for i := range 40 {
		c := aCase(fmt.Sprintf("w%02d", i), "waiting", 8)
		c.Waiting = &events.Waiting{For: events.ForTurn, Place: i + 1}
		b = b.put(c)
	}
	b = b.put(aCase("runs", "started", 40))
	if got := strings.Split(b.picture(), "\n"); !strings.HasPrefix(got[1], "runs") {
		t.Errorf("%s", b.picture())
	}
}

func TestBoardKeepsToTheScreen(t *testing.T) {
	t.Parallel()
	b := board{began: noon, now: noon}
	for i := range 50 {
		b = b.put(aCase(fmt.Sprintf("vm%02d-with-a-long-name-横浜", i), "started", i))
	}
	failed := sampleCases()[3]
	b = updated(b, moved(failed), tea.WindowSizeMsg{Width: 40, Height: 10})
	rows := strings.Split(strings.TrimSuffix(b.picture(), "\n"), "\n")
	if len(rows) > 9 {
		t.Errorf("%d rows on a screen of 10", len(rows))
	}
	for _, row := range rows {
		if lipgloss.Width(row) > 40 {
			t.Errorf("row of %d columns: %q", lipgloss.Width(row), row)
		}
	}
	if !strings.HasPrefix(rows[1], "mail01") {
		t.Errorf("what failed is not at the top:\n%s", b.picture())
	}
	if rows[len(rows)-1] != "… and 44 cases more" {
		t.Errorf("last row %q", rows[len(rows)-1])
	}
}

func TestBarsLeaveTheLastPicture(t *testing.T) {
	var out bytes.Buffer
	s := newBars(&out, func() time.Time { return noon }, false)
	s.options = append(s.options, tea.WithWindowSize(80, 24)) // a buffer has no size
	s.begin(sampleCases()[1:2])
	s.event(cases.Entry{}, sampleCases()[0])
	s.end()
	for _, want := range []string{"1 of 2 cases done", "web01", "db01"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %q", want, out.String())
		}
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	c := aCase("web01", "waiting", 6)
	c.History = []cases.Line{{Time: noon, Text: "Accepted: web01.", Level: cases.Info}, {Time: noon, Text: "Waiting for the agent.", Level: cases.Warn}}
	e := cases.Entry{Time: noon, Kind: events.TypeCompleted.Kind, Data: events.Completed{Machines: []events.ProtectedState{{Machine: "web01"}}}}
	for _, test := range []struct {
		name  string
		show  func(lines)
		paint paint
		want  string
	}{
		{"where it stands at the beginning", func(s lines) { s.begin([]cases.Case{c}) }, false, clock(noon) + "  r-1-web01  waiting, 6 %. Waiting for the agent.\n"},
		{"what happens", func(s lines) { s.event(e, c) }, false, clock(noon) + "  r-1-web01  Protected: web01.\n"},
		{"in colours", func(s lines) { s.event(e, c) }, true, "\x1b[2m" + clock(noon) + "\x1b[m  r-1-web01  \x1b[32mProtected: web01.\x1b[m\n"},
	} {
		var out bytes.Buffer
		test.show(newLines(&out, test.paint, nil))
		if out.String() != test.want {
			t.Errorf("%s: got %q, want %q", test.name, out.String(), test.want)
		}
	}
}

// Into a pipe goes a line when a case gets somewhere else, not one a percent.
func TestA12LinesTellStages(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := newLines(&out, false, nil)
	at := func(percent int, state events.State) cases.Case {
		c := aCase("web01", "started", percent)
		c.Machines[0].State = state
		return c
	}
	progress := func(percent int, warnings ...events.Problem) cases.Entry {
		return cases.Entry{Time: noon, Kind: events.TypeProgressed.Kind, Data: events.Progressed{Percent: percent, Warnings: warnings}}
	}
	s.event(progress(10), at(10, events.StateRunning))
	for percent := 11; percent < 60; percent++ {
		s.event(progress(percent), at(percent, events.StateRunning))
	}
	s.event(progress(60), at(60, events.StateReplicating))
	s.event(progress(61, events.Problem{Code: "x", Message: "y"}), at(61, events.StateReplicating))
	s.event(progress(62), at(62, events.StateReplicating))
	waits := aCase("web01", "waiting", 62)
	waits.Waiting = &events.Waiting{For: events.ForTurn, Place: 3}
	for range 3 {
		s.event(cases.Entry{Time: noon, Kind: events.TypeWaiting.Kind, Data: *waits.Waiting}, waits)
	}
	s.event(cases.Entry{Time: noon, Kind: events.TypeCompleted.Kind, Data: events.Completed{}}, at(100, events.StateProtected))
	if lines := strings.Count(out.String(), "\n"); lines != 5 {
		t.Errorf("%d lines:\n%s", lines, out.String())
	}
}

func TestNewIDIsASafeToken(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 200 {
		id := newID(noon)
		if events.Token(id) != id || !strings.HasPrefix(id, "r-20261122-") || len(id) != len("r-20261122-ab12cd") || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
}
