package preflight

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

// Paint colours a text by how it is to be taken: cases.Good, Warn, Bad, or "" for what matters less.
type Paint func(level, text string) string

// Text words a report for a terminal. What is met is only counted.
func Text(r Report, lang string, paint Paint) []byte {
	t := text{view: look(r, lang), paint: paint}
	t.head()
	t.summary()
	t.problems()
	if t.Urgent {
		t.section(t.say("shared"), t.Shared)
	}
	for _, s := range t.Machines {
		name := s.Name
		if s.Kind != "" {
			name += " (" + s.Kind + ")"
		}
		t.section(name+": "+t.standing(s.Standing), s)
	}
	if !t.Urgent {
		t.section(t.say("shared"), t.Shared)
	}
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
	t.line("\n%s", paint(level, t.Verdict))
	return t.out.Bytes()
}

type text struct {
	view
	paint Paint
	out   bytes.Buffer
}

func (t *text) line(format string, args ...any) { fmt.Fprintf(&t.out, format+"\n", args...) }

func (t *text) say(key string, args ...any) string { return say(t.Lang, key, args...) }

func (t *text) head() {
	parts := []string{t.say("title"), t.say("site") + " " + t.Site, t.Scope}
	if !t.Taken.IsZero() {
		parts = append(parts, t.say("taken")+" "+stamp(t.Taken))
	}
	t.line("%s", strings.Join(parts, " · "))
}

var standingLevels = map[Standing]string{Blocked: cases.Bad, Unclear: cases.Warn, Later: cases.Good, Ready: cases.Good, Back: cases.Good}

func (t *text) standing(s Standing) string { return t.paint(standingLevels[s], t.say(string(s))) }

func (t *text) summary() {
	if len(t.Machines) == 0 {
		return
	}
	t.line("")
	width := 0
	for _, n := range t.Counts {
		width = max(width, lipgloss.Width(t.say(string(n.Standing))))
	}
	quiet := len(t.Shared.Folded)
	for _, s := range t.Machines {
		quiet += len(s.Folded)
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
		where := ""
		if problem.Place != "" {
			where = problem.Place + ": "
		}
		t.line("  %s%s (%s)", where, problem.Message, problem.Code)
		if problem.Remedy != "" {
			t.line("    %s: %s", t.say("remedy"), problem.Remedy)
		}
	}
}

// section lists what asks for attention; there may be nothing.
func (t *text) section(head string, s section) {
	placeless := s.Placed != nil && s.Placed.Datastore == ""
	if len(s.Shown) == 0 && !placeless {
		return
	}
	t.line("\n%s", head)
	for _, f := range s.Shown {
		t.finding(f)
	}
	if placeless {
		t.line("  %s: %s", t.paint(cases.Bad, t.say("datastore-none")), sentence(s.Placed.Why))
		for _, v := range s.Placed.Considered {
			if !v.Accepted {
				why, remedy := Known(t.Lang, v)
				t.line("    %s: %s", v.Name, strings.TrimSpace(why+remedy+" "+sentence(v.Reason)+" "+v.Remedy))
			}
		}
	}
	if len(s.Folded) > 0 {
		t.line("  %s", t.paint("", t.say("folded", len(s.Folded))))
	}
}

func (t *text) finding(f shown) {
	level := map[rank]string{blocks: cases.Bad, notes: "", waived: ""}
	color, known := level[f.Rank]
	if !known {
		color = cases.Warn
	}
	code := f.Code
	if len(f.Machines) > 0 {
		code += " (" + strings.Join(f.Machines, ", ") + ")"
	}
	t.line("  %s  %s", t.paint(color, t.say(f.Status)), code)
	for _, part := range []struct{ key, text string }{
		{"demand", f.Title}, {"found", f.Evidence}, {"why", f.Why}, {"remedy", f.Remedy}, {"reference", f.cited()},
	} {
		if part.text != "" {
			t.line("    %s: %s", t.say(part.key), part.text)
		}
	}
}

// cited is everything that the finding refers to.
func (s shown) cited() string {
	return strings.Join(slices.DeleteFunc([]string{s.Numbers, s.Page}, func(part string) bool { return part == "" }), " ")
}

// pad fills up to a width, in which a Japanese letter counts for two.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(width-lipgloss.Width(text), 0))
}
