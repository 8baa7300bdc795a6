package observed

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

const (
	mostProblems = 3   // that are quoted in full
	mostWords    = 600 // of one of them, in letters
)

// Words quotes what Azure says of problems: message, code, cause and what it recommends, alike ones once, the gravest
// first. What is for information only is left out. "" when there is nothing.
func Words(problems []Problem) string {
	var said []string
	var more []string
	for _, p := range Grave(problems) {
		text := p.words()
		switch {
		case text == "" || slices.Contains(said, text):
		case len(said) < mostProblems:
			said = append(said, text)
		default:
			more = append(more, cmp.Or(p.Code, oneLine(p.Message)))
		}
	}
	if len(more) > 0 {
		said = append(said, "and "+strings.Join(more, ", "))
	}
	return strings.Join(said, "; ")
}

// Grave are the problems that are faults, the gravest first: what is for information only is none.
func Grave(problems []Problem) []Problem {
	grave := slices.DeleteFunc(slices.Clone(problems), func(p Problem) bool { return rank(p.Severity) == 0 })
	slices.SortStableFunc(grave, func(a, b Problem) int { return rank(b.Severity) - rank(a.Severity) })
	return grave
}

func rank(severity string) int {
	switch strings.ToLower(severity) {
	case "info", "information", "informational":
		return 0
	case "warning":
		return 1
	}
	return 2 // what does not say is taken for an error
}

func (p Problem) words() string {
	text := strings.TrimRight(oneLine(p.Message), ". ")
	switch {
	case text == "":
		text = p.Code
	case p.Code != "":
		text = fmt.Sprintf("%s (%s)", text, p.Code)
	}
	if causes := strings.TrimRight(oneLine(p.Causes), ". "); causes != "" && text != "" {
		text += ", cause: " + causes
	}
	if action := strings.TrimRight(oneLine(p.Action), ". "); action != "" && text != "" {
		text += ", Azure recommends: " + action
	}
	if letters := []rune(text); len(letters) > mostWords {
		return string(letters[:mostWords-1]) + "…"
	}
	return text
}

// oneLine puts a text of many lines, as Azure writes them, onto one.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
