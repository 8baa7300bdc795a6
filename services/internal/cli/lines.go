package cli

import (
	"fmt"
	"io"

	"reprotect.example/services/internal/progress"
)

// lines shows cases as plain lines, one for each thing that happens: for logs, pipes and screen readers.
type lines struct {
	out    io.Writer
	paint  paint
	speech speech
}

func (s lines) begin(cases []progress.Case) {
	for _, c := range cases {
		last := c.History[len(c.History)-1]
		s.line(c, last, fmt.Sprintf("%s, %d %%. %s", c.State, c.Percent, last.Text))
		s.aside(codesNow(c))
	}
}

func (s lines) event(e progress.Entry, c progress.Case) {
	l := progress.Describe(e)
	s.line(c, l, l.Text)
	s.aside(codesOf(e))
}

func (s lines) aside(codes []string) {
	for _, l := range s.speech.aside(codes) {
		fmt.Fprintf(s.out, "  %s: %s\n", l.name, l.text)
	}
}

func (s lines) end() {}

func (s lines) line(c progress.Case, l progress.Line, text string) {
	fmt.Fprintf(s.out, "%s  %s  %s\n", s.paint.faint(clock(l.Time)), c.ID, s.paint.level(l.Level, text))
}

// objects shows where a case stands after each thing that happens to it, as a JSON object a line.
type objects struct{ app *app }

func (s objects) begin(cases []progress.Case) {
	for _, c := range cases {
		s.object(c)
	}
}

func (s objects) event(_ progress.Entry, c progress.Case) { s.object(c) }
func (s objects) end()                                    {}

func (s objects) object(c progress.Case) {
	_ = s.app.printLine(brief(c)) // a reader that went away ends the program by itself
}

// brief leaves out what only 'show' shows.
func brief(c progress.Case) progress.Case {
	c.History, c.Findings, c.Placements = nil, nil, nil
	return c
}

func briefs(cases []progress.Case) []progress.Case {
	all := make([]progress.Case, len(cases))
	for i, c := range cases {
		all[i] = brief(c)
	}
	return all
}
