package journal

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// ErrFilter: a subject filter cannot be read.
var ErrFilter = errors.New("journal: no subject filter")

// selection picks messages by their subjects: a condition that the database can answer soon and that lets every
// message through that fits, and the filters, which say exactly.
type selection struct {
	filters []string
	where   string
	args    []any
}

// selecting makes the selection of subject filters in the syntax of NATS; none: everything.
func selecting(filters []string) (selection, error) {
	for _, f := range filters {
		if err := checkFilter(f); err != nil {
			return selection{}, err
		}
	}
	sel := selection{filters: filters, where: "1"}
	if len(filters) == 0 || slices.Contains(filters, ">") {
		sel.filters = nil
		return sel, nil
	}
	var subjects, cases []any
	for _, f := range filters {
		if caseID, ok := oneCase(f); ok {
			cases = append(cases, caseID)
		} else if !strings.ContainsAny(f, "*>") {
			subjects = append(subjects, f)
		}
	}
	var either []string
	switch {
	case len(subjects)+len(cases) < len(filters):
		// Much will fit, so the log is read in its order: the plus keeps the database from taking the index by
		// subject, after which everything that fits would have to be sorted.
		for _, f := range filters {
			either, sel.args = append(either, "+subject GLOB ?"), append(sel.args, glob(f))
		}
	default:
		if len(subjects) > 0 {
			either, sel.args = append(either, "subject IN ("+marks(len(subjects))+")"), append(sel.args, subjects...)
		}
		if len(cases) > 0 {
			either, sel.args = append(either, "case_id IN ("+marks(len(cases))+")"), append(sel.args, cases...)
		}
	}
	sel.where = "(" + strings.Join(either, " OR ") + ")"
	return sel, nil
}

func (s selection) fits(subject string) bool {
	return len(s.filters) == 0 || slices.ContainsFunc(s.filters, func(f string) bool { return bus.Match(f, subject) })
}

func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?,", n), ",") }

// checkFilter says whether NATS would take a filter.
func checkFilter(f string) error {
	tokens := strings.Split(f, ".")
	for i, t := range tokens {
		switch {
		case t == "":
			return fmt.Errorf("%w: %q has an empty part: write it as reprotect.event.>", ErrFilter, f)
		case t == ">" && i < len(tokens)-1:
			return fmt.Errorf("%w: %q has > before its end: only * stands for one part in between", ErrFilter, f)
		case strings.ContainsFunc(t, func(r rune) bool { return r <= ' ' || r == 0x7f }):
			return fmt.Errorf("%w: %q has a space or a control character", ErrFilter, f)
		case len(t) > 1 && strings.ContainsAny(t, "*>"):
			return fmt.Errorf("%w: %q has a wildcard within a part: * and > stand for whole parts", ErrFilter, f)
		}
	}
	return nil
}

// oneCase says whether a filter is about the facts of one case, which the index by case finds.
func oneCase(f string) (caseID string, ok bool) {
	rest, ok := strings.CutPrefix(f, events.SubjectFacts+".")
	tokens := strings.Split(rest, ".")
	if !ok || len(tokens) < 3 || strings.ContainsAny(tokens[1], "*>") {
		return "", false
	}
	return tokens[1], true
}

// glob makes of a filter a pattern of SQLite that fits at least whatever the filter fits.
func glob(f string) string {
	tokens := strings.Split(f, ".")
	for i, t := range tokens {
		if t == ">" {
			tokens[i] = "*"
		} else if t != "*" {
			tokens[i] = strings.NewReplacer("[", "[[]", "?", "[?]").Replace(t)
		}
	}
	return strings.Join(tokens, ".")
}
