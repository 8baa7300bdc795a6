package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

// table lines up columns for people. Cells may be coloured.
type table struct{ rows [][]string }

func newTable(head ...string) *table { return &table{rows: [][]string{head}} }

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) write(w io.Writer) {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], lipgloss.Width(cell))
		}
	}
	for _, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-lipgloss.Width(cell)+2))
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
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
