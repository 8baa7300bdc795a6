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
// first, then what moves, then what is done.
func (b board) picture() string {
	rows := []string{b.summary()}
	shown := alarmedFirst(slices.Clone(b.cases), func(c cases.Case) bool { return len(c.Pressing()) > 0 })
	room := max(b.height-3, 1)
	if len(shown) > room {
		slices.SortStableFunc(shown, func(x, y cases.Case) int { return cmp.Compare(urgency(x), urgency(y)) })
		shown = shown[:room]
	}
	wide := 0
	for _, c := range shown {
		wide = max(wide, lipgloss.Width(label(c)))
	}
	wide = min(wide, max(b.width/3, 8))
	for _, c := range shown {
		rows = append(rows, b.row(c, wide))
	}
	if hidden := len(b.cases) - len(shown); hidden > 0 {
		rows = append(rows, b.paint.faint(fmt.Sprintf("… and %s", plural(hidden, "case more", "cases more"))))
	}
	return strings.Join(rows, "\n") + "\n"
}

func urgency(c cases.Case) int {
	switch {
	case len(c.Pressing()) > 0:
		return -1
	case c.End && !c.Good:
		return 0
	case !c.End && stateLevel(c) == cases.Warn:
		return 1
	case !c.End:
		return 2
	}
	return 3
}

// label names a case by its machines: that is what people know.
func label(c cases.Case) string {
	if len(c.Machines) == 0 {
		return c.ID
	}
	return names(c)
}

func (b board) summary() string {
	var good, bad, waiting int
	for _, c := range b.cases {
		switch {
		case c.Good:
			good++
		case c.End:
			bad++
		case c.State == events.CaseWaiting:
			waiting++
		}
	}
	parts := []string{fmt.Sprintf("%d of %s done", good, plural(len(b.cases), "case", "cases"))}
	if waiting > 0 {
		parts = append(parts, b.paint.level(cases.Warn, fmt.Sprintf("%d waiting", waiting)))
	}
	if bad > 0 {
		parts = append(parts, b.paint.level(cases.Bad, fmt.Sprintf("%d ended without success", bad)))
	}
	parts = append(parts, cases.Duration(b.now.Sub(b.began)))
	return lipgloss.NewStyle().MaxWidth(b.width).Render(strings.Join(parts, " · "))
}

func (b board) row(c cases.Case, wide int) string {
	name := cut(label(c), wide)
	name += strings.Repeat(" ", wide-lipgloss.Width(name))
	width := min(max(b.width/4, 8), 30)
	row := fmt.Sprintf("%s  %s %3d %%  %-10s %s", name, b.bar(c, width), c.Percent, c.State, b.doing(c))
	return lipgloss.NewStyle().MaxWidth(b.width).Render(strings.TrimRight(row, " "))
}

func cut(s string, width int) string {
	if lipgloss.Width(s) <= width {
		return s
	}
	return lipgloss.NewStyle().MaxWidth(width-1).Render(s) + "…"
}

func (b board) bar(c cases.Case, width int) string {
	full := width * min(max(c.Percent, 0), 100) / 100
	return b.paint.level(stateLevel(c), strings.Repeat("█", full)) + b.paint.faint(strings.Repeat("░", width-full))
}

// doing says what a case is at, and how long that takes where somebody knows.
func (b board) doing(c cases.Case) string {
	switch {
	case len(c.Pressing()) > 0:
		return b.paint.level(cases.Bad, alarmed(c.Pressing(), b.speech))
	case c.End && !c.Good:
		return b.paint.level(cases.Bad, short(b.speech.title(c.Code, c.Why)))
	case c.Good:
		return cases.Duration(c.Took(b.now))
	case c.Waiting != nil:
		text := b.speech.title(c.Waiting.Code, "for "+cases.For(c.Waiting.For))
		if !c.Waiting.Until.IsZero() {
			text += ", at most " + cases.Duration(c.Waiting.Until.Sub(b.now)) + " more"
		}
		return b.paint.level(cases.Warn, text)
	}
	var eta time.Time
	var doing []string
	for _, m := range c.Machines {
		if m.State == events.StateNotStarted || m.State == events.StateProtected {
			continue
		}
		if m.ETA.After(eta) {
			eta = m.ETA
		}
		if text := cases.Doing(m.State, m.Task, m.Replication); !slices.Contains(doing, text) {
			doing = append(doing, text)
		}
	}
	text := strings.Join(doing, ", ")
	if left := eta.Sub(b.now); left >= time.Second {
		text += ", about " + cases.Duration(left) + " more"
	}
	return text
}
