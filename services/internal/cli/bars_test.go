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
		"1 of 4 cases done · 1 waiting · 1 ended without success · 1m30s",
		"web01   █████████████████████████ 100 %  completed  59m",
		"db01    █████████████░░░░░░░░░░░░  55 %  started    initial replication 50 %, about 12m more",
		"app01   █░░░░░░░░░░░░░░░░░░░░░░░░   6 %  waiting    for the agent, at most 8m more",
		"mail01  ██████████░░░░░░░░░░░░░░░  40 %  failed     The agent is gone.",
		"",
	}
	if diff := cmp.Diff(want, strings.Split(b.View().Content, "\n")); diff != "" {
		t.Error(diff)
	}

	again := sampleCases()[1]
	again.Percent, again.Alarms = 60, []cases.Alarm{{State: cases.AlarmOpen, Violated: events.Violated{What: "db01 was switched on."}}}
	b = updated(b, moved(again), tick(noon.Add(time.Minute)))
	if got := strings.Split(b.picture(), "\n"); len(got) != 6 || got[1] != "db01    ███████████████░░░░░░░░░░  60 %  started    db01 was switched on." || !strings.HasSuffix(got[0], "2m30s") {
		t.Errorf("after another event:\n%s", b.picture())
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
		test.show(lines{&out, test.paint, nil})
		if out.String() != test.want {
			t.Errorf("%s: got %q, want %q", test.name, out.String(), test.want)
		}
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
