package preflight

import (
	"bytes"
	"fmt"
	"strings"

	"charm.land/lipgloss/v2"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

// Paint colours a text by how it is to be taken: cases.Good, Warn, Bad, or "" for what matters less.
type Paint func(level, text string) string

const (
	mostNames = 12 // machines that a cause names on a terminal: each stands below, with all that concerns it
	mostFound = 5  // things that were found, of one cause
)

// Text words a report for a terminal: what there is to see to, then each machine. What is met is only counted.
func Text(r Report, lang string, paint Paint) []byte {
	t := text{view: look(r, lang), paint: paint}
	t.head()
	t.problems()
	t.causes("in-order", t.Blocks())
	t.causes("beside", t.Beside())
	t.machines()
	for i, left := range t.LeftOut {
		if i == 0 {
			t.line("\n%s", t.say("left-out"))
		}
		t.line("  %s: %s", left.Machine, t.say(left.Why))
	}
	level := cases.Good
	if !r.Ready() {
		level = cases.Bad
	}
	t.line("\n%s", paint(level, t.Verdict+t.end()))
	return t.out.Bytes()
}

type text struct {
	view
	paint Paint
	out   bytes.Buffer
}

func (t *text) line(format string, args ...any) { fmt.Fprintf(&t.out, format+"\n", args...) }

func (t *text) say(key string, args ...any) string { return say(t.Lang, key, args...) }

// end closes the verdict: what would become of a request.
func (t *text) end() string {
	if len(t.Problems) > 0 || t.blocking() == 0 {
		return ""
	}
	if t.Lang == "ja" {
		return "。" + t.say("rejected")
	}
	return ". " + t.say("rejected")
}

func (t *text) head() {
	parts := []string{t.say("title")}
	if t.Vault != "" {
		parts = append(parts, t.say("vault")+" "+t.Vault)
	}
	parts = append(parts, t.say("site")+" "+t.Site, t.Scope)
	if !t.Taken.IsZero() {
		parts = append(parts, t.say("taken")+" "+stamp(t.Taken, t.Lang))
	}
	if t.By != "" {
		parts = append(parts, t.say("by")+" "+t.By)
	}
	t.line("%s", strings.Join(parts, " · "))
}

func (t *text) causes(head string, all []cause) {
	for i, c := range all {
		if i == 0 {
			t.line("\n%s", t.say(head))
		}
		number := ""
		if c.Rank == blocks {
			number = fmt.Sprintf("%d. ", i+1)
		}
		t.line("  %s%s  %s  %s", number, t.paint(rankLevel(c.Rank), t.say(c.Status)), c.Title, t.paint("", strings.Join(c.Codes, ", ")))
		for n, found := range c.Found {
			if n == mostFound {
				t.line("     %s", t.say("more", len(c.Found)-n))
				break
			}
			t.line("     %s: %s", t.say("found"), found)
		}
		for _, part := range []struct{ key, text string }{{"why", c.Why}, {"remedy", c.Remedy}, {"machines", t.concerned(c)}, {"reference", c.Page}} {
			if part.text != "" {
				t.line("     %s: %s", t.say(part.key), part.text)
			}
		}
	}
}

// concerned names the machines of a cause, as far as there is room.
func (t *text) concerned(c cause) string {
	switch n := len(c.Machines); {
	case c.All:
		return t.say("all", n)
	case n > mostNames:
		return strings.Join(c.Machines[:mostNames], ", ") + " " + t.say("more", n-mostNames)
	}
	return strings.Join(c.Machines, ", ")
}

func rankLevel(r rank) string {
	switch r {
	case blocks:
		return cases.Bad
	case notes, waived, quiet:
		return ""
	case unread, warns:
	}
	return cases.Warn
}

var standingLevels = map[Standing]string{Blocked: cases.Bad, Unclear: cases.Warn, Later: cases.Good, Ready: cases.Good, Back: cases.Good}

func (t *text) standing(s Standing) string { return t.paint(standingLevels[s], t.say(string(s))) }

func (t *text) machines() {
	if len(t.Machines) == 0 {
		return
	}
	t.line("\n%s", t.say("by-machine"))
	width := 0
	for _, n := range t.Counts {
		width = max(width, lipgloss.Width(t.say(string(n.Standing))))
	}
	quiet := 0
	for _, c := range t.Checked {
		quiet += c.Met
	}
	for _, s := range t.Machines {
		line := pad(t.standing(s.Standing), width) + "  " + s.Name
		if s.Kind != "" {
			line += " (" + s.Kind + ")"
		}
		if s.Placed != nil && s.Placed.Datastore != "" {
			line += ", " + t.place(s.Placed.Placement)
		}
		t.line("  %s", line)
		for _, why := range s.Reasons {
			t.line("  %s    - %s", strings.Repeat(" ", width), why.Text)
		}
		if s.Placed != nil && s.Placed.Datastore == "" {
			for _, v := range s.Placed.Considered {
				if v.Accepted && v.Warning == "" {
					continue
				}
				t.line("  %s        %s: %s", strings.Repeat(" ", width), v.Name, judged(v, t.Lang))
			}
		}
	}
	t.line("\n  %s", t.paint("", t.say("folded", quiet)))
}

func (t *text) place(p events.Placement) string {
	return t.say("datastore") + " " + t.say("datastore-chosen", p.Datastore, t.say("location-"+p.Location))
}

func (t *text) problems() {
	for i, problem := range t.Problems {
		if i == 0 {
			t.line("\n%s", t.say("problems"))
		}
		t.line("  %s (%s)", problem.Sentence(), problem.Code)
		if problem.Remedy != "" {
			t.line("    %s: %s", t.say("remedy"), problem.Remedy)
		}
	}
}

// pad fills up to a width, in which a Japanese letter counts for two.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(width-lipgloss.Width(text), 0))
}
