package cli

import (
	"fmt"
	"io"
	"strings"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

// lines shows cases as plain lines, one when a case gets somewhere else: for logs, pipes and screen readers. How far it is
// in between, a reader of lines need not know.
type lines struct {
	out    io.Writer
	paint  paint
	speech speech
	stands map[string]string // by the cases' ids: what the last line told of
}

func newLines(out io.Writer, p paint, s speech) lines { return lines{out, p, s, map[string]string{}} }

// stand is where a case stands, without how far it is there.
func stand(c cases.Case) string {
	parts := []string{stateWord(c), c.Step}
	if c.Waiting != nil {
		parts = append(parts, string(c.Waiting.For), c.Waiting.Code)
	}
	for _, m := range c.Machines {
		parts = append(parts, string(m.State), m.Task, m.Code)
	}
	return strings.Join(parts, "\n")
}

// passes says whether an event tells only how far a case is, or again what it waits for.
func passes(e cases.Entry) bool {
	if p, ok := e.Data.(events.Progressed); ok {
		return len(p.Warnings) == 0
	}
	_, waits := e.Data.(events.Waiting)
	return waits
}

func (s lines) begin(listed []cases.Case) {
	for _, c := range listed {
		last := c.History[len(c.History)-1]
		if pressing := c.Pressing(); len(pressing) > 0 {
			last.Level, last.Text = cases.Bad, alarmed(pressing, s.speech)
		}
		s.stands[c.ID] = stand(c)
		s.line(c, last, strings.TrimSuffix(fmt.Sprintf("%s, %s", listWord(c), done(c)), ", -")+". "+last.Text)
		s.aside(codesNow(c))
	}
}

func (s lines) event(e cases.Entry, c cases.Case) {
	was, now := s.stands[c.ID], stand(c)
	if s.stands[c.ID] = now; was == now && passes(e) {
		return
	}
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
