package cli

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

// filters pick cases, or events of the log. What is empty restricts nothing.
type filters struct {
	states, machines []string
	site, request    string
	since, until     string
	sort             string
	limit            int
}

// add adds the flags that cases and events share.
func (f *filters) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.site, "site", "", "only `SITE`")
	flags.StringVar(&f.request, "request", "", "only the request of that `ID`")
	flags.StringSliceVar(&f.machines, "machine", nil, "only machines of these `NAMES`; * and ? stand for letters")
	flags.StringVar(&f.until, "until", "", "only up to `TIME`: as in --since")
	flags.IntVar(&f.limit, "limit", 0, "the latest `N` only (default: all)")
}

// sorts are the orders of a list, by name.
var sorts = map[string]func(a, b cases.Case) int{
	"since":   func(a, b cases.Case) int { return a.Since.Compare(b.Since) },
	"updated": func(a, b cases.Case) int { return b.Updated.Compare(a.Updated) },
	"state":   func(a, b cases.Case) int { return strings.Compare(ownWord(a), ownWord(b)) },
	"machine": func(a, b cases.Case) int {
		return strings.Compare(strings.ToLower(names(a)), strings.ToLower(names(b)))
	},
	"site":    func(a, b cases.Case) int { return strings.Compare(a.Site, b.Site) },
	"percent": func(a, b cases.Case) int { return cmp.Compare(b.Percent, a.Percent) },
}

func sortNames() []string {
	names := make([]string, 0, len(sorts))
	for name := range sorts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Words for states of cases that --state takes beside those that list shows.
const (
	stateOpen  = "open"  // has not ended
	stateEnded = "ended" // has
)

// stateNames lists the words that --state takes.
func stateNames() []string {
	return []string{
		stateOpen, stateEnded, wordAlarm, "needs-you", wordReturned, string(events.CaseAccepted), string(events.CaseRefused), string(events.CaseValidated), string(events.CaseRejected),
		string(events.CasePlaced), string(events.CaseRegistered), string(events.CaseStarted), string(events.CaseRehearsed), string(events.CaseCompleted),
		string(events.CaseFailed), string(events.CaseCancelled), string(events.CaseWaiting), string(events.CaseCancelling),
	}
}

func isState(c cases.Case, word string) bool {
	switch word {
	case stateOpen:
		return !c.End
	case stateEnded:
		return c.End
	case wordAlarm:
		return len(c.Pressing()) > 0
	}
	return strings.ReplaceAll(ownWord(c), " ", "-") == word || string(c.State) == word
}

// check holds the words of the flags against what they may be.
func (f *filters) check(now time.Time) (since, until time.Time, err error) {
	for _, state := range f.states {
		if err := oneOf("--state", state, stateNames()...); err != nil {
			return since, until, err
		}
	}
	if f.sort != "" {
		if err := oneOf("--sort", f.sort, sortNames()...); err != nil {
			return since, until, err
		}
	}
	if err := holds(f.limit >= 0, "--limit", "0 or more"); err != nil {
		return since, until, err
	}
	if since, err = timeOf("--since", f.since, now); err != nil {
		return since, until, err
	}
	until, err = timeOf("--until", f.until, now)
	return since, until, err
}

// timeOf reads a time as people write it: RFC 3339, a day, or how long ago. Empty is the zero time.
func timeOf(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02 15:04:05Z07:00"} {
		if t, err := time.Parse(form, text); err == nil {
			return t, nil
		}
	}
	for _, form := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(form, text, time.Local); err == nil {
			return t, nil
		}
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	return time.Time{}, usage("Write it as 2026-11-27T03:00:00Z, 2026-11-27, or how long ago: 45m, 2h, 3d.", "%s %q: that is no time", flag, text)
}

// cases picks and sorts the cases that the filters let through. A case is at a time when it moved then.
func (f *filters) cases(listed []cases.Case, now time.Time) ([]cases.Case, error) {
	since, until, err := f.check(now)
	if err != nil {
		return nil, err
	}
	picked := slices.DeleteFunc(slices.Clone(listed), func(c cases.Case) bool {
		return f.site != "" && c.Site != f.site || f.request != "" && !ofRequest(c.Request, f.request) ||
			len(f.states) > 0 && !slices.ContainsFunc(f.states, func(s string) bool { return isState(c, s) }) ||
			len(f.machines) > 0 && !slices.ContainsFunc(append(machinesOf(c), c.Asked...), f.matches) ||
			!since.IsZero() && c.Updated.Before(since) || !until.IsZero() && c.Since.After(until)
	})
	if f.limit > 0 && len(picked) > f.limit { // they came the oldest first
		picked = picked[len(picked)-f.limit:]
	}
	if order := sorts[f.sort]; order != nil {
		slices.SortStableFunc(picked, order)
	}
	return picked, nil
}

// ready picks the machines that the filters let through.
func (f *filters) ready(all []readyRow) []readyRow {
	return slices.DeleteFunc(all, func(m readyRow) bool {
		return f.site != "" && m.Site != f.site || len(f.machines) > 0 && !f.matches(m.Machine)
	})
}

func machinesOf(c cases.Case) []string {
	list := make([]string, len(c.Machines))
	for i, m := range c.Machines {
		list[i] = m.Name
	}
	return list
}

func ofRequest(request, id string) bool { return request == id || events.Token(request) == id }

// matches says whether a name is one of those that were asked for.
func (f *filters) matches(name string) bool {
	return slices.ContainsFunc(f.machines, func(pattern string) bool { return like(strings.ToLower(pattern), strings.ToLower(name)) })
}

// like compares a name with a pattern, in which * stands for any letters and ? for one.
func like(pattern, name string) bool {
	p, n := []rune(pattern), []rune(name)
	i, j, star, at := 0, 0, -1, 0
	for j < len(n) {
		switch {
		case i < len(p) && (p[i] == '?' || p[i] == n[j]) && p[i] != '*':
			i, j = i+1, j+1
		case i < len(p) && p[i] == '*':
			star, at = i, j
			i++
		case star >= 0:
			at++
			i, j = star+1, at
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}
