package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"reprotect.example/events"
	"reprotect.example/services/cases"
	"reprotect.example/services/status"
)

// topOf is a board over n cases, of which the last waits for a person.
func topOf(n int) topBoard {
	now := time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC)
	read := topRead{view: status.View{AsOf: now, Stages: []status.Stage{{Stage: status.StageReplicating, Machines: n}}}}
	for i := range n {
		name := fmt.Sprintf("vm%05d", i)
		read.cases = append(read.cases, cases.Case{
			ID: "r-1-" + name, Site: "tokyo", Request: "r-1", State: events.CaseStarted, Percent: i % 100, Updated: now.Add(time.Duration(i) * time.Second),
			Machines: []cases.Machine{{Name: name, State: events.StateReplicating}},
		})
	}
	last := &read.cases[n-1]
	last.State, last.Waiting = events.CaseWaiting, &events.Waiting{For: events.ForOperator, Code: "95226", Message: "The agent is old."}
	read.view.NeedsYou = []status.Need{{Kind: status.Operator, Code: "95226", Cause: "The agent is old.", Machines: []string{last.Machines[0].Name}}}
	b := topBoard{width: 80, height: 24}
	b.read = func() topRead { return read }
	b.readCase = func(id string) tea.Cmd {
		return func() tea.Msg {
			i := slices.IndexFunc(read.cases, func(c cases.Case) bool { return c.ID == id })
			c := read.cases[i]
			c.History = []cases.Line{{Time: now, Text: "The job of " + c.Machines[0].Name + " started."}}
			return topCase{c: c}
		}
	}
	m, _ := b.Update(read)
	return m.(topBoard)
}

// press types keys, and lets what they ask for arrive.
func (b topBoard) press(keys ...string) topBoard {
	codes := map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "down": tea.KeyDown, "up": tea.KeyUp, "end": tea.KeyEnd, "home": tea.KeyHome, "backspace": tea.KeyBackspace}
	for _, k := range keys {
		key := tea.Key{Text: k, Code: []rune(k)[0]}
		if code, special := codes[k]; special {
			key = tea.Key{Code: code}
		}
		m, cmd := b.Update(tea.KeyPressMsg(key))
		b = m.(topBoard)
		if cmd != nil {
			if msg := cmd(); msg != nil {
				m, _ = b.Update(msg)
				b = m.(topBoard)
			}
		}
	}
	return b
}

// B1: top says first what needs you; a case opens with its history; a filter, an order and the way back are a key each.
func TestTopKeys(t *testing.T) {
	b := topOf(300)
	lines := strings.Split(b.picture(), "\n")
	if !strings.HasPrefix(lines[0], "NEEDS YOU: 1 cause") || !strings.Contains(lines[1], "95226 vm00299") {
		t.Errorf("first stands\n%s", b.picture())
	}
	if first := b.shown()[0]; first.Machines[0].Name != "vm00299" {
		t.Errorf("the first row is %s", first.ID)
	}
	opened := b.press("down", "enter")
	if opened.open == nil || opened.open.ID != "r-1-vm00000" || !strings.Contains(opened.picture(), "The job of vm00000 started.") {
		t.Fatalf("opened:\n%s", opened.picture())
	}
	if back := opened.press("esc"); back.open != nil || back.chosen != "r-1-vm00000" {
		t.Error("Esc does not go back to the same row")
	}
	found := b.press("/", "v", "m", "0", "0", "0", "1", "7", "x", "backspace", "enter")
	if n := len(found.shown()); n != 1 || found.typing || !strings.Contains(found.picture(), "filter: vm00017") {
		t.Errorf("the filter shows %d cases\n%s", n, found.picture())
	}
	if all := found.press("esc"); len(all.shown()) != 300 {
		t.Error("Esc does not end the filter")
	}
	if sorted := b.press("s", "s"); sorted.shown()[0].Machines[0].Name != "vm00299" || sorted.press("s").shown()[0].Percent != 0 {
		t.Error("s does not change the order")
	}
	if end := b.press("end"); end.chosen != "r-1-vm00298" || !strings.Contains(end.picture(), "300 of 300") {
		t.Errorf("End leads to %s", end.chosen)
	}
	for _, key := range []tea.Key{{Text: "q", Code: 'q'}, {Code: 'c', Mod: tea.ModCtrl}} {
		_, cmd := b.Update(tea.KeyPressMsg(key))
		if cmd == nil {
			t.Fatalf("%v does not end it", key)
		}
		if _, quits := cmd().(tea.QuitMsg); !quits {
			t.Errorf("%v does not end it", key)
		}
	}
}

// Whatever the size of the terminal, from 60 columns on, and however many cases there are: no line is wider, and none is too
// much. Names from elsewhere are text.
func TestTopFitsEveryTerminal(t *testing.T) {
	for _, n := range []int{1, 300, 10_000} {
		b := topOf(n)
		b.all[0].Machines[0].Name = "\x1b[31mevil\n" + strings.Repeat("長", 300) + "\u202e"
		for _, size := range [][2]int{{60, 5}, {60, 24}, {80, 24}, {200, 70}, {300, 12}} {
			m, _ := b.Update(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
			for name, board := range map[string]topBoard{"list": m.(topBoard), "case": m.(topBoard).press("enter"), "filtered": m.(topBoard).press("/", "z", "z")} {
				lines := strings.Split(board.picture(), "\n")
				if len(lines) > size[1] {
					t.Errorf("%s of %d cases has %d lines at %v", name, n, len(lines), size)
				}
				for _, l := range lines {
					if lipgloss.Width(l) > size[0] {
						t.Errorf("%s of %d cases: %d columns at %v: %q", name, n, lipgloss.Width(l), size, l)
					}
					if strings.ContainsAny(l, "\x1b\u202e") {
						t.Errorf("%s: an escape of a name reaches the terminal: %q", name, l)
					}
				}
			}
		}
	}
}

// A bus that goes away leaves the last picture, with a word, and the next read heals it.
func TestTopSaysWhatItDoesNotKnow(t *testing.T) {
	b := topOf(3)
	m, cmd := b.Update(topRead{err: errors.New("the bus is gone"), timed: true})
	if cmd == nil || !strings.Contains(m.(topBoard).picture(), "the bus is gone") || len(m.(topBoard).shown()) != 3 {
		t.Errorf("after a failed read:\n%s", m.(topBoard).picture())
	}
	if m, _ = m.Update(b.read()); strings.Contains(m.(topBoard).picture(), "gone") {
		t.Error("a good read does not heal it")
	}
	if _, cmd = b.Update(b.read()); cmd != nil {
		t.Error("a read that nobody timed begins another clock")
	}
}
