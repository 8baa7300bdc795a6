package cli

import (
	"fmt"
	"strings"
	"testing"

	"charm.land/lipgloss/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Columns begin at one place, two spaces after the longest cell before, wide letters and colours or not.
func TestTableLinesUp(t *testing.T) {
	colour := lipgloss.NewStyle().Foreground(lipgloss.Color("1"))
	cell := rapid.Custom(func(rt *rapid.T) string {
		text := strings.TrimSpace(rapid.StringOfN(rapid.SampledFrom([]rune("aZ 9-…サーバ")), 0, 12, -1).Draw(rt, "text"))
		if text != "" && rapid.Bool().Draw(rt, "coloured") {
			return colour.Render(text)
		}
		return text
	})
	rapid.Check(t, func(rt *rapid.T) {
		columns := rapid.IntRange(1, 6).Draw(rt, "columns")
		all := rapid.SliceOfN(rapid.SliceOfN(cell, columns, columns), 1, 8).Draw(rt, "rows")
		for i := range all[0] {
			all[0][i] = "HEAD" + fmt.Sprint(i)
		}
		tbl := newTable(all[0]...)
		for _, row := range all[1:] {
			tbl.row(row...)
		}
		var got strings.Builder
		tbl.write(&got)

		var want strings.Builder
		for _, row := range all {
			var line strings.Builder
			for i, c := range row {
				widest := 0
				for _, other := range all {
					widest = max(widest, lipgloss.Width(other[i]))
				}
				line.WriteString(c)
				if i < len(row)-1 {
					line.WriteString(strings.Repeat(" ", widest-lipgloss.Width(c)+2))
				}
			}
			want.WriteString(strings.TrimRight(line.String(), " ") + "\n")
		}
		if diff := cmp.Diff(want.String(), got.String()); diff != "" {
			rt.Error(diff)
		}
	})
}

// A12b: a table fits the terminal; into a pipe nothing is left out and nothing is cut.
func TestA12bTablesFitTheTerminal(t *testing.T) {
	make := func() *rows {
		tbl := newTable("CASE", "SITE", "UPDATED", "NOTE")
		tbl.row("r-20261127-abcdef--web01", "tokyo", "2026-11-27 15:00:00Z", strings.Repeat("横浜 and on ", 20))
		return tbl
	}
	var pipe strings.Builder
	make().fit(0, "UPDATED", "SITE").write(&pipe)
	if !strings.Contains(pipe.String(), strings.TrimSpace(strings.Repeat("横浜 and on ", 20))) || !strings.Contains(pipe.String(), "tokyo") {
		t.Errorf("into a pipe: %s", pipe.String())
	}
	for _, wide := range []int{40, 60, 80, 120} {
		var out strings.Builder
		make().fit(wide, "UPDATED", "SITE").write(&out)
		for line := range strings.Lines(out.String()) {
			if lipgloss.Width(strings.TrimSuffix(line, "\n")) > wide {
				t.Errorf("%d: %q is wider", wide, line)
			}
		}
		if !strings.HasPrefix(out.String(), "CASE") {
			t.Errorf("%d: %s", wide, out.String())
		}
	}
}

func BenchmarkTable(b *testing.B) {
	for b.Loop() {
		tbl := newTable("CASE", "SITE", "MACHINES", "STATE", "DONE", "SINCE", "UPDATED", "NOTE")
		for i := range 10_000 {
			tbl.row(fmt.Sprintf("r-20261127-abcdef--web%05d", i), "tokyo", "web", "waiting", "20 %", "2026-11-27 15:00:00", "2026-11-27 15:00:00", "for the agent")
		}
		var out strings.Builder
		tbl.write(&out)
	}
}
