package cases

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
)

// Listed sorts cases, the oldest first, and leaves out the requests that have become some of them, or some of those beside.
// It changes the slice.
func Listed(all []Case, beside ...Case) []Case {
	all = WithoutBegun(all, beside...)
	slices.SortStableFunc(all, func(a, b Case) int { return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.ID, b.ID)) })
	return all
}

// WithoutBegun leaves out the requests that have become some of the cases, or some of those beside. It changes the slice.
func WithoutBegun(all []Case, beside ...Case) []Case {
	begun := map[string]bool{}
	for _, c := range slices.Concat(all, beside) {
		begun[c.Request] = begun[c.Request] || !c.OfRequest()
	}
	return slices.DeleteFunc(all, func(c Case) bool { return c.OfRequest() && begun[c.Request] })
}

// Ready is a machine that may be failed back.
type Ready struct {
	Machine    string            `json:"machine"`
	Item       string            `json:"item,omitempty"` // the ARM id of its replicated item now
	Site       string            `json:"site"`
	Case       string            `json:"case"`
	Since      time.Time         `json:"since,omitzero"`
	LagSeconds *int              `json:"lagSeconds,omitempty"` // age of the last recovery point when the case ended
	Location   string            `json:"location,omitempty"`
	Alarms     []Alarm           `json:"alarms,omitempty"` // the pressing ones
	Violations []events.Violated `json:"violations,omitempty"`

	// Label names the machine for people.
	Label string `json:"-"`
}

// ReadyMachines lists the machines that the latest case to act on them left protected, and that are not seen to fail
// back, those with a pressing alarm first, then by their names. Cases that ended before they changed anything say nothing about their machines.
func ReadyMachines(all []Case) []Ready {
	known := register{twins: twins(all)}
	for _, c := range Listed(slices.Clone(all)) {
		for _, m := range c.Machines {
			if m.State == events.StateNotStarted {
				continue
			}
			at := known.find(c.Site, m)
			if leftReady(c, m) {
				continue
			}
			at.ready = nil
			if c.Leg == events.LegReprotect && m.State == events.StateProtected && m.Returned.IsZero() {
				at.ready = &Ready{
					Machine: m.Name, Item: cmp.Or(m.NewItem, m.Item), Site: c.Site, Case: c.ID, Since: m.Since, LagSeconds: m.LagSeconds, Location: m.Location, Alarms: c.pressing(m), Violations: c.about(m),
				}
			}
		}
	}
	return known.list()
}

// leftReady says whether a case that was to lead a machine home left it where it was, or brought it back there: what the case
// before said of it still holds, and the guard of that one tells when it does not.
func leftReady(c Case, m Machine) bool {
	return c.Leg != events.LegReprotect && c.End && (m.State == events.StateWithdrawn || m.State == events.StateFailed || m.State == events.StateCancelled)
}

// twins are the names, each behind its site, that two machines of one case have.
func twins(all []Case) map[string]bool {
	found := map[string]bool{}
	for _, c := range all {
		seen := map[string]bool{}
		for _, m := range c.Machines {
			key := nameOf(c.Site, m)
			found[key] = found[key] || seen[key]
			seen[key] = true
		}
	}
	return found
}

func nameOf(site string, m Machine) string { return site + "/" + strings.ToLower(m.Name) }

func itemOf(site, item string) string { return site + "/" + strings.ToLower(item) }

// register knows the machines of many cases apart.
type register struct {
	twins map[string]bool
	all   []*registered
	items map[string]*registered // by site and item
	names map[string]*registered // by site and name, where only one has it
}

type registered struct {
	ready  *Ready // nil: it is not
	stands Standing
	name   string // behind its site, as the latest case names it
}

// find is the machine that a case names: that of one of its items; else, as an item is replaced by another at times, that
// of its name, unless there are two of that name.
func (r *register) find(site string, m Machine) *registered {
	if r.items == nil {
		r.items, r.names = map[string]*registered{}, map[string]*registered{}
	}
	var at *registered
	for _, item := range []string{m.Item, m.NewItem} {
		at = cmp.Or(at, r.items[itemOf(site, item)])
	}
	name := nameOf(site, m)
	if at == nil && (!r.twins[name] || m.Item == "") {
		at = r.names[name]
	}
	if at == nil {
		at = &registered{}
		r.all = append(r.all, at)
	}
	r.names[name], at.name = at, name
	for _, item := range []string{m.Item, m.NewItem} {
		if item != "" {
			r.items[itemOf(site, item)] = at
		}
	}
	return at
}

// list tells the machines that are ready, by their names; those of one name apart.
func (r *register) list() []Ready {
	count := map[string]int{}
	for _, m := range r.all {
		if m.ready != nil {
			count[m.name]++
		}
	}
	listed := []Ready{}
	for _, m := range r.all {
		if m.ready == nil {
			continue
		}
		if m.ready.Label = m.ready.Machine; count[m.name] > 1 {
			m.ready.Label = Label(m.ready.Machine, m.ready.Item)
		}
		listed = append(listed, *m.ready)
	}
	slices.SortFunc(listed, func(a, b Ready) int {
		return cmp.Or(pressingFirst(a, b), strings.Compare(a.Site, b.Site), strings.Compare(strings.ToLower(a.Machine), strings.ToLower(b.Machine)), strings.Compare(a.Item, b.Item))
	})
	return listed
}

// pressingFirst puts what has a pressing alarm before the rest.
func pressingFirst(a, b Ready) int { return min(len(b.Alarms), 1) - min(len(a.Alarms), 1) }

// pressing picks the alarms of a machine about which a person has yet to do something.
func (c Case) pressing(m Machine) []Alarm {
	return slices.DeleteFunc(c.Pressing(), func(a Alarm) bool { return !a.About(m) })
}

// about picks what was said of a machine, or of all.
func (c Case) about(m Machine) []events.Violated {
	return slices.DeleteFunc(slices.Clone(c.Violations), func(v events.Violated) bool { return !(Alarm{Violated: v}).About(m) })
}
