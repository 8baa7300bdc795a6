package cases

import (
	"cmp"
	"slices"
	"strings"

	"reprotect.example/events"
)

// byTime is the order in which facts were published, by their own time. It does not depend on how they were delivered.
func byTime(a, b Entry) int {
	return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.Header.ID, b.Header.ID), strings.Compare(a.Kind.Name, b.Kind.Name))
}

// onTheWay is the order of the facts that tell where a case stands: a later one overtakes those before it. Positions rise
// along the way of a case. One may be used twice, by a delivery that came again and decided otherwise: then an outcome
// overtakes a report. A fact without a position overtakes none that has one.
func onTheWay(a, b Entry) int {
	return cmp.Or(cmp.Compare(a.Header.Position, b.Header.Position), cmp.Compare(decides(a), decides(b)), byTime(a, b))
}

func decides(e Entry) int {
	if e.Kind.Role == events.Report {
		return 0
	}
	return 1
}

// passing says whether a report tells where a case stands for the moment only.
func passing(e Entry) bool {
	return e.Kind == events.TypeWaiting.Kind || e.Kind == events.TypeProgressed.Kind
}

// once sorts facts by their time and keeps the first of each event. It leaves the given ones as they are.
func once(entries []Entry) []Entry {
	sorted := slices.SortedFunc(slices.Values(entries), byTime)
	return slices.DeleteFunc(sorted, again(sorted))
}

// again says of one entry after the other whether it is a second one of its event. Of two that tell differently under
// one id, which no bus lets pass within its memory, the earlier stands.
func again(entries []Entry) func(Entry) bool {
	first := map[string]Entry{}
	for _, e := range entries {
		if one, ok := first[e.Header.ID]; !ok || byTime(e, one) < 0 {
			first[e.Header.ID] = e
		}
	}
	seen := map[string]bool{}
	return func(e Entry) bool {
		if seen[e.Header.ID] || byTime(e, first[e.Header.ID]) != 0 {
			return true
		}
		seen[e.Header.ID] = true
		return false
	}
}
