package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

// Words for people of where a case stands, beside those of events.CaseState: what needs a person looks like nothing else.
const (
	wordAlarm    = "alarm"
	wordNeedsYou = "needs you"
	wordReturned = "returned"
)

// stateWord says where a case stands: first what needs a person, then what became of it after its end.
func stateWord(c cases.Case) string {
	if len(c.Pressing()) > 0 {
		return wordAlarm
	}
	return ownWord(c)
}

// listWord says both: in a list there is room.
func listWord(c cases.Case) string {
	if len(c.Pressing()) > 0 {
		return ownWord(c) + ", " + wordAlarm
	}
	return ownWord(c)
}

// ownWord says where a case stands, whatever the guard tells of it.
func ownWord(c cases.Case) string {
	switch {
	case needsPerson(c):
		return wordNeedsYou
	case c.State == events.CaseCompleted && len(c.Machines) > 0 && !slices.ContainsFunc(c.Machines, func(m cases.Machine) bool { return m.Returned.IsZero() }):
		return wordReturned
	}
	return string(c.State)
}

func needsPerson(c cases.Case) bool {
	return !c.End && c.Waiting != nil && c.Waiting.For == events.ForOperator
}

// machineWord says where a machine stands: one for which its case waits for a person does not run.
func machineWord(c cases.Case, m cases.Machine) string {
	if needsPerson(c) && m.State != events.StateProtected && m.State != events.StateReplicating &&
		(len(c.Waiting.Machines) == 0 || slices.ContainsFunc(c.Waiting.Machines, func(name string) bool { return strings.EqualFold(name, m.Name) })) {
		return wordNeedsYou
	}
	return string(m.State)
}

// done is how far a case is. One that ended without success is at no percentage.
func done(c cases.Case) string {
	if c.End && !c.Good {
		return "-"
	}
	return fmt.Sprintf("%d %%", c.Percent)
}

// stateLevel says how the state of a case is to be taken.
func stateLevel(c cases.Case) string {
	switch {
	case len(c.Pressing()) > 0 || needsPerson(c):
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

// urgency is the order in which people look at cases: what needs a person, what moves, what waits, what is done.
func urgency(c cases.Case) int {
	switch {
	case len(c.Pressing()) > 0:
		return 0
	case needsPerson(c):
		return 1
	case c.End && !c.Good:
		return 2
	case len(c.Unwatched) > 0:
		return 3
	case !c.End && c.State != events.CaseWaiting:
		return 4
	case !c.End:
		return 5
	}
	return 6
}

// pressingFirst puts the cases that need a person before the rest, which stay in their order.
func pressingFirst(all []cases.Case) []cases.Case {
	rank := func(c cases.Case) int { return min(urgency(c), 2) }
	return slices.SortedStableFunc(slices.Values(all), func(x, y cases.Case) int { return rank(x) - rank(y) })
}

// note says what a person should know of a case first, with its code in front. Place is where it stands in its queue; 0: in none.
func note(c cases.Case, s speech, place int) string {
	switch pressing := c.Pressing(); {
	case len(pressing) > 0:
		return alarmed(pressing, s)
	case needsPerson(c):
		return coded(c.Waiting.Code, s.title(c.Waiting.Code, c.Waiting.Message), "")
	case len(c.Unwatched) > 0:
		return coded("", s.title(c.Unwatched[0].Code, c.Unwatched[0].What), "")
	case c.Waiting != nil && !c.End:
		text := s.title(c.Waiting.Code, "for "+cases.For(c.Waiting.For))
		if place > 0 {
			text += fmt.Sprintf(", place %d", place)
		}
		return text
	case c.End && !c.Good:
		return coded(c.Code, s.title(c.Code, c.Why), "")
	case c.DryRun:
		return "dry run"
	}
	return ""
}

// coded puts a code before what it says: it is what people look up, and must not be cut off. A name stands behind a text of
// the catalogue, which names none.
func coded(code, text, name string) string {
	text = cases.OneLine(text)
	if code != "" && !strings.Contains(text, code) {
		text = strings.TrimSuffix(code+": "+text, ": ")
	}
	if name != "" {
		text += " (" + name + ")"
	}
	return text
}

// alarmed says the latest of some alarms, and whether it is over.
func alarmed(pressing []cases.Alarm, s speech) string {
	last := pressing[len(pressing)-1]
	title := s.title(last.Code, "")
	if title == "" {
		title, last.Machine = last.What, "" // it names the machine
	}
	text := coded("", title, last.Machine)
	if last.State == cases.AlarmEnded {
		text += fmt.Sprintf(" (over: %s to %s)", clock(last.From), clock(last.Until))
	}
	return text
}

// doing says what a case is at, and how long that takes where somebody knows.
func doing(c cases.Case, s speech, place int, now time.Time) (level, text string) {
	switch {
	case c.Good && len(c.Pressing()) == 0:
		return cases.Info, cases.Duration(c.Took(now))
	case len(c.Pressing()) > 0 || needsPerson(c) || c.End:
		return cases.Bad, note(c, s, place)
	case c.Waiting != nil:
		text = note(c, s, place)
		if !c.Waiting.Until.IsZero() {
			text += ", at most " + cases.Duration(c.Waiting.Until.Sub(now)) + " more"
		}
		return cases.Warn, text
	}
	var eta time.Time
	var what []string
	for _, m := range c.Machines {
		if m.State == events.StateNotStarted || m.State == events.StateProtected {
			continue
		}
		if m.ETA.After(eta) {
			eta = m.ETA
		}
		if word := cases.Doing(m.State, m.Task, m.Replication); !slices.Contains(what, word) {
			what = append(what, word)
		}
	}
	text = strings.Join(what, ", ")
	if left := eta.Sub(now); left >= time.Second {
		text += ", about " + cases.Duration(left) + " more"
	}
	return cases.Info, text
}

// label names a case by its machines, or by what a request asked for: that is what people know.
func label(c cases.Case) string { return cmp.Or(names(c), c.ID) }

// names lists a case's machines as far as a table has room.
func names(c cases.Case) string {
	all := c.Labels()
	if len(all) == 0 {
		all = c.Asked
	}
	if len(all) > 3 {
		return cases.OneLine(fmt.Sprintf("%s, and %d more", strings.Join(all[:2], ", "), len(all)-2))
	}
	return cases.OneLine(strings.Join(all, ", "))
}

// clock words a time as the operator's watch shows it, with its zone: in each text alike, as RFC 3339 with a space.
func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05Z07:00")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
