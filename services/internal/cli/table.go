package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"

	"reprotect.example/services/cases"
)

// rows of a table for people, the first of which is its head. Cells may be coloured.
type rows struct{ cells [][]string }

func newTable(head ...string) *rows { return &rows{cells: [][]string{head}} }

func (t *rows) row(cells ...string) { t.cells = append(t.cells, cells) }

// without leaves out the columns of these heads.
func (t *rows) without(heads ...string) *rows {
	narrower := &rows{}
	for _, row := range t.cells {
		var kept []string
		for i, cell := range row {
			if !slices.Contains(heads, t.cells[0][i]) {
				kept = append(kept, cell)
			}
		}
		narrower.cells = append(narrower.cells, kept)
	}
	return narrower
}

// fit leaves out columns, the first of the heads first, until a terminal of that width has room, then cuts what is longest.
// On 0, where nobody looks at a terminal, nothing is left out and nothing is cut.
func (t *rows) fit(wide int, heads ...string) *rows {
	if wide <= 0 {
		return t
	}
	for len(heads) > 0 && t.width() > wide {
		t, heads = t.without(heads[0]), heads[1:]
	}
	for over := t.width() - wide; over > 0; over = t.width() - wide {
		widths := t.widths()
		at := slices.Index(widths, slices.Max(widths))
		room := widths[at] - over
		if others := append(slices.Clone(widths[:at]), widths[at+1:]...); len(others) > 0 {
			room = max(room, slices.Max(others)-1)
		}
		if room = min(room, widths[at]-1); room < 2 {
			return t
		}
		for i, row := range t.cells {
			t.cells[i][at] = cut(row[at], room)
		}
	}
	return t
}

func (t *rows) widths() []int {
	widths := make([]int, len(t.cells[0]))
	for _, row := range t.cells {
		for i, cell := range row {
			widths[i] = max(widths[i], lipgloss.Width(cell))
		}
	}
	return widths
}

func (t *rows) width() int {
	total := 2 * (len(t.cells[0]) - 1)
	for _, w := range t.widths() {
		total += w
	}
	return total
}

func cut(s string, width int) string {
	if lipgloss.Width(s) <= width {
		return s
	}
	return lipgloss.NewStyle().MaxWidth(width-1).Render(s) + "…"
}

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
