package cases

import (
	"slices"
	"strings"

	"reprotect.example/events"
)

// Compact leaves out the facts of a case on which nothing depends any more, whatever comes later: Fold makes the same of
// what is left, and of what is left and any others as of all of them. A case that runs for days has thousands of reports, of
// which each overtakes the one before. What is left keeps its order; the given entries stay as they are.
//
// Everything counts that is no report on the way. Of those reports count the newest, the newest progress, for whatever a
// machine stood still the newest that told so, and those that say since when the case is, and when it moved last.
func Compact(entries []Entry) []Entry {
	entries = slices.DeleteFunc(slices.Clone(entries), again(entries))
	best := map[string]int{} // by what it is the best of, as a place in entries
	offer := func(key string, i int, better func(a, b Entry) int) {
		if at, ok := best[key]; !ok || better(entries[i], entries[at]) > 0 {
			best[key] = i
		}
	}
	earliest := func(a, b Entry) int { return byTime(b, a) }
	for i, e := range entries {
		if !e.Time.IsZero() {
			offer("first", i, earliest)
			offer("last", i, byTime)
		}
		if e.Header.Request != "" {
			offer("request", i, earliest)
		}
		if !passing(e) {
			continue
		}
		offer("newest", i, onTheWay)
		switch d := e.Data.(type) {
		case events.Progressed:
			offer("progress", i, onTheWay)
		case events.Waiting:
			for _, about := range reasons(d) {
				offer("wait\n"+about, i, onTheWay)
			}
		}
	}
	kept := map[int]bool{}
	for _, i := range best {
		kept[i] = true
	}
	var left []Entry
	for i, e := range entries {
		if !passing(e) || kept[i] {
			left = append(left, e)
		}
	}
	return slices.Clip(left)
}

// reasons are what a report tells machines to wait for: one for each machine, or one for all of the case.
func reasons(w events.Waiting) []string {
	if len(w.Machines) == 0 {
		return []string{reason(w.For, w.Code, "", "")}
	}
	all := make([]string, len(w.Machines))
	for i, name := range w.Machines {
		all[i] = reason(w.For, w.Code, name, itemAt(w.Items, i))
	}
	return all
}

// reason is what one machine waits for, and why, as one word.
func reason(why events.Reason, code, name, item string) string {
	return strings.Join([]string{string(why), code, strings.ToLower(name), strings.ToLower(item)}, "\n")
}

func itemAt(items []string, i int) string {
	if i < len(items) {
		return items[i]
	}
	return ""
}
