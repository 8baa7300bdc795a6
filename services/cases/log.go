package cases

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"reprotect.example/events"
)

// ErrNotAFact: the message is no fact of a case.
var ErrNotAFact = errors.New("not a fact of a case")

// IsFact says whether an entry is a fact of a case, and says of itself what its subject says.
func IsFact(e Entry) bool {
	site, id, step, name, ok := events.SplitFact(e.Subject)
	kind, known := events.KindOf(name)
	h := e.Header
	return ok && known && h.Type == kind.CloudType() && h.Site == site && h.Case == id && h.Step == step
}

// Log collects facts and says where their cases stand. The zero value is empty. It is not safe for use by many
// goroutines at once.
type Log struct {
	cases map[string]*record
}

// record is what is known of a case; its projection is made anew when something was added.
type record struct {
	entries []Entry // that count
	limit   int     // of entries, before they are compacted
	lines   []Line
	current *Case
}

// Add takes a fact in and returns the id of its case. An entry that is no fact, or says of itself something else
// than its subject, is left out with ErrNotAFact.
func (l *Log) Add(e Entry) (string, error) {
	if !IsFact(e) {
		return "", ErrNotAFact
	}
	id := e.Header.Case
	if l.cases == nil {
		l.cases = map[string]*record{}
	}
	r := l.cases[id]
	if r == nil {
		r = &record{limit: 16}
		l.cases[id] = r
	}
	r.entries, r.lines, r.current = append(r.entries, e), append(r.lines, Describe(e)), nil
	if len(r.entries) > r.limit {
		r.entries = Compact(r.entries)
		r.limit = max(16, 2*len(r.entries))
	}
	return id, nil
}

// Case returns one case, with its history.
func (l *Log) Case(id string) (Case, bool) {
	r, ok := l.cases[id]
	if !ok {
		return Case{}, false
	}
	if r.current == nil {
		r.lines = inOrder(r.lines)
		c := Fold(r.entries)
		c.History = r.lines
		r.current = &c
	}
	return *r.current, true
}

// Cases returns all cases, the oldest first. A request that waits, since the vault cannot be read, stands there under
// its own id until it has become cases.
func (l *Log) Cases() []Case {
	var all []Case
	for _, id := range slices.Sorted(maps.Keys(l.cases)) {
		c, _ := l.Case(id)
		all = append(all, c)
	}
	return Listed(all)
}

// All says where the cases stand of which entries tell, the oldest first. What is no fact is left out.
func All(entries []Entry) []Case {
	var l Log
	for _, e := range entries {
		_, _ = l.Add(e) // only ErrNotAFact, which is said above
	}
	return l.Cases()
}

// AlsoOlder says of which kinds of facts a list of all cases needs every one, and not the last on its subject alone:
// of each machine of a case there may be another. Where each case stands, without its history, is then as from all facts.
func AlsoOlder() []events.Kind {
	return []events.Kind{events.TypeWaiting.Kind, events.TypeReturned.Kind, events.TypeViolated.Kind,
		events.TypeCleared.Kind, events.TypeAcknowledged.Kind, events.TypeUnwatched.Kind, events.TypeWatched.Kind}
}

// inOrder sorts by the order of the log and keeps the first of each event.
func inOrder(lines []Line) []Line {
	sorted := slices.SortedFunc(slices.Values(lines), func(a, b Line) int {
		return cmp.Or(cmp.Compare(a.Sequence, b.Sequence), a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID))
	})
	seen := map[string]bool{}
	return slices.DeleteFunc(sorted, func(l Line) bool {
		twice := seen[l.ID]
		seen[l.ID] = true
		return twice
	})
}
