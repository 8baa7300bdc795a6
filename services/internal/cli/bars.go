package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

// bars shows cases as live progress bars on a terminal.
type bars struct {
	out     io.Writer
	now     func() time.Time
	paint   paint
	speech  speech
	options []tea.ProgramOption
	program *tea.Program
	done    chan struct{}
}

func newBars(out io.Writer, now func() time.Time, p paint) *bars {
	return &bars{out: out, now: now, paint: p, done: make(chan struct{}), options: []tea.ProgramOption{
		// Without input the terminal stays as it is, and Ctrl-C is the usual signal.
		tea.WithInput(nil), tea.WithOutput(out), tea.WithoutSignalHandler(), tea.WithFPS(10),
	}}
}

func (s *bars) begin(listed []cases.Case) {
	m := board{paint: s.paint, speech: s.speech, now: s.now(), began: s.now(), width: 80, height: 24}
	for _, c := range listed {
		m = m.put(c)
	}
	s.program = tea.NewProgram(m, s.options...)
	go func() {
		defer close(s.done)
		if _, err := s.program.Run(); err != nil {
			fmt.Fprintln(s.out, "The live display ended:", err)
		}
	}()
}

func (s *bars) event(_ cases.Entry, c cases.Case) { s.program.Send(moved(c)) }

// end leaves the last picture on the screen.
func (s *bars) end() {
	s.program.Quit()
	<-s.done
}

// moved tells the board where a case stands now; tick what time it is.
type (
	moved cases.Case
	tick  time.Time
)

// board is the picture: a bubbletea model without any effect but its clock.
type board struct {
	cases         []cases.Case // in the order in which they came
	paint         paint
	speech        speech
	began, now    time.Time
	width, height int
}

func (b board) Init() tea.Cmd { return b.clock() }

func (b board) clock() tea.Cmd {
	return tea.Tick(time.Second, func(t time.Time) tea.Msg { return tick(t) })
}

func (b board) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		b.width, b.height = msg.Width, msg.Height
	case moved:
		return b.put(cases.Case(msg)), nil
	case tick:
		b.now = time.Time(msg)
		return b, b.clock()
	}
	return b, nil
}

func (b board) put(c cases.Case) board {
	b.cases = slices.Clone(b.cases)
	i := slices.IndexFunc(b.cases, func(old cases.Case) bool { return old.ID == c.ID })
	if i < 0 {
		b.cases = append(b.cases, c)
	} else {
		b.cases[i] = c
	}
	return b
}

func (b board) View() tea.View { return tea.NewView(b.picture()) }

// picture draws a summary and a line for each case, as many as the screen has room for: what needs a person
// first, then what moves, then what waits, then what is done.
func (b board) picture() string {
	begun := cases.WithoutBegun(slices.Clone(b.cases))
	isRequest := func(c cases.Case) bool { return c.OfRequest() }
	real := slices.DeleteFunc(slices.Clone(begun), isRequest)
	open := slices.DeleteFunc(slices.Clone(begun), func(c cases.Case) bool { return !c.OfRequest() || c.End })
	rows := []string{b.summary(real, len(open))}
	shown := pressingFirst(slices.Concat(real, open))
	room := max(b.height-3, 1)
	all := len(shown)
	if all > room {
		slices.SortStableFunc(shown, func(x, y cases.Case) int { return cmp.Compare(urgency(x), urgency(y)) })
		shown = shown[:room]
	}
	wide := 0
	for _, c := range shown {
		wide = max(wide, lipgloss.Width(label(c)))
	}
	wide = min(wide, max(b.width/3, 8))
	places := cases.Places(b.cases)
	for _, c := range shown {
		rows = append(rows, b.row(c, wide, places[c.ID]))
	}
	if hidden := all - len(shown); hidden > 0 {
		rows = append(rows, b.paint.faint(fmt.Sprintf("… and %s", plural(hidden, "case more", "cases more"))))
	}
	return strings.Join(rows, "\n") + "\n"
}

// summary counts cases: a request that waits to become cases, or was refused, is none.
func (b board) summary(all []cases.Case, requests int) string {
	var good, bad, waiting, person, alarms int
	for _, c := range all {
		if len(c.Pressing()) > 0 {
			alarms++
		}
		switch {
		case c.Good:
			good++
		case c.End:
			bad++
		case needsPerson(c):
			person++
		case c.State == events.CaseWaiting:
			waiting++
		}
	}
	parts := []string{fmt.Sprintf("%d of %s done", good, plural(len(all), "case", "cases"))}
	if len(all)+requests == 0 {
		parts[0] = "Nothing is under way; what comes is shown here"
	}
	for _, part := range []struct {
		n           int
		level, text string
	}{
		{alarms, cases.Bad, plural(alarms, "alarm", "alarms")}, {person, cases.Bad, fmt.Sprintf("%d need you", person)},
		{bad, cases.Bad, fmt.Sprintf("%d ended without success", bad)}, {waiting, cases.Warn, fmt.Sprintf("%d waiting", waiting)},
		{requests, cases.Warn, plural(requests, "request not begun", "requests not begun")},
	} {
		if part.n > 0 {
			parts = append(parts, b.paint.level(part.level, part.text))
		}
	}
	parts = append(parts, cases.Duration(b.now.Sub(b.began)))
	return lipgloss.NewStyle().MaxWidth(b.width).Render(strings.Join(parts, " · "))
}

func (b board) row(c cases.Case, wide, place int) string {
	name := cut(label(c), wide)
	name += strings.Repeat(" ", wide-lipgloss.Width(name))
	level, now := doing(c, b.speech, place, b.now)
	row := fmt.Sprintf("%s  %s %5s  %-10s %s", name, b.bar(c, min(max(b.width/4, 8), 30)), done(c), stateWord(c), b.paint.level(level, now))
	return lipgloss.NewStyle().MaxWidth(b.width).Render(strings.TrimRight(row, " "))
}

func (b board) bar(c cases.Case, width int) string {
	full := width * min(max(c.Percent, 0), 100) / 100
	return b.paint.level(stateLevel(c), strings.Repeat("█", full)) + b.paint.faint(strings.Repeat("░", width-full))
}
