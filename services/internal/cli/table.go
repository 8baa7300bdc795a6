package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

// rows of a table for people, the first of which is its head. Cells may be coloured.
type rows struct{ cells [][]string }

func newTable(head ...string) *rows { return &rows{cells: [][]string{head}} }

func (t *rows) row(cells ...string) { t.cells = append(t.cells, cells) }

// write lines up the columns, two spaces apart. No line ends with a space, whatever it is piped into.
func (t *rows) write(w io.Writer) {
	last := len(t.cells[0]) - 1
	apart, ends := lipgloss.NewStyle().PaddingRight(2), lipgloss.NewStyle()
	lined := table.New().Wrap(false).Rows(t.cells...).
		BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).BorderColumn(false).BorderHeader(false).
		StyleFunc(func(_, column int) lipgloss.Style {
			if column == last {
				return ends
			}
			return apart
		})
	for line := range strings.Lines(lined.String()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
}

// paint colours words by how they are to be taken; without colours it leaves them as they are.
type paint bool

var colors = map[string]string{cases.Good: "2", cases.Warn: "3", cases.Bad: "1"}

func (p paint) level(level, text string) string {
	color, ok := colors[level]
	if !bool(p) || !ok {
		return text
	}
	return lipgloss.NewStyle().Foreground(lipgloss.Color(color)).Render(text)
}

func (p paint) faint(text string) string {
	if !p {
		return text
	}
	return lipgloss.NewStyle().Faint(true).Render(text)
}

func (p paint) bold(text string) string {
	if !p {
		return text
	}
	return lipgloss.NewStyle().Bold(true).Render(text)
}

// stateLevel says how the state of a case is to be taken.
func stateLevel(c cases.Case) string {
	switch {
	case len(c.Pressing()) > 0:
		return cases.Bad
	case c.Good:
		return cases.Good
	case c.End:
		return cases.Bad
	case c.State == events.CaseWaiting || c.State == events.CaseCancelling || len(c.Unwatched) > 0:
		return cases.Warn
	}
	return cases.Info
}

// clock words a time as the operator's watch shows it.
func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
