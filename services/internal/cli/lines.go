package cli

import (
	"fmt"
	"io"

	"reprotect.example/services/cases"
)

// lines shows cases as plain lines, one for each event: for logs, pipes and screen readers.
type lines struct {
	out    io.Writer
	paint  paint
	speech speech
}

func (s lines) begin(listed []cases.Case) {
	for _, c := range listed {
		last := c.History[len(c.History)-1]
		s.line(c, last, fmt.Sprintf("%s, %d %%. %s", c.State, c.Percent, last.Text))
		s.aside(codesNow(c))
	}
}

func (s lines) event(e cases.Entry, c cases.Case) {
	l := cases.Describe(e)
	s.line(c, l, l.Text)
	s.aside(codesOf(e))
}

func (s lines) aside(codes []string) {
	for _, l := range s.speech.aside(codes) {
		fmt.Fprintf(s.out, "  %s: %s\n", l.name, l.text)
	}
}

func (s lines) end() {}

func (s lines) line(c cases.Case, l cases.Line, text string) {
	fmt.Fprintf(s.out, "%s  %s  %s\n", s.paint.faint(clock(l.Time)), c.ID, s.paint.level(l.Level, text))
}

// objects shows where a case stands after each of its events, as a JSON object a line.
type objects struct{ app *app }

func (s objects) begin(listed []cases.Case) {
	for _, c := range listed {
		s.object(c)
	}
}

func (s objects) event(_ cases.Entry, c cases.Case) { s.object(c) }
func (s objects) end()                              {}

func (s objects) object(c cases.Case) {
	_ = s.app.printLine(brief(c)) // a reader that went away ends the program by itself
}

// brief leaves out what only 'show' shows.
func brief(c cases.Case) cases.Case {
	c.History, c.Findings, c.Placements = nil, nil, nil
	return c
}

func briefs(listed []cases.Case) []cases.Case {
	all := make([]cases.Case, len(listed))
	for i, c := range listed {
		all[i] = brief(c)
	}
	return all
}
