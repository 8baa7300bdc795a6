package datastore

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"reprotect.example/events"
	"reprotect.example/services/observed"
)

// Auto leaves the choice to the product.
const Auto = "auto"

// candidate is a datastore with what is held against it.
type candidate struct {
	observed.Datastore
	label   string // its name, or its path where the name is not unique
	against *observed.Refusal
}

// serves says whether the machine can go there.
func (c candidate) serves() bool { return c.against == nil || c.against.Warning }

// candidates judges every datastore of an inventory for what a writer writes, in the order of their labels (S20,
// S21, S36, M3).
func candidates(from observed.Station, inv observed.Inventory) []candidate {
	all := make([]candidate, len(inv.Datastores))
	for i, d := range inv.Datastores {
		all[i] = candidate{Datastore: d, label: inv.DatastoreLabel(d), against: d.Refuse(from)}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(a.label, b.label) })
	return all
}

// refuseFull holds against a datastore that it lacks the room, where nothing graver is held against it.
func (c *candidate) refuseFull(need, taken int64) {
	if r := c.RefuseFull(need, taken); r != nil && c.serves() {
		c.against = r
	}
}

// verdict words what is held against a candidate.
func (c candidate) verdict() events.DatastoreVerdict {
	v := events.DatastoreVerdict{Name: c.label, Type: c.Type, FreeBytes: c.FreeBytes, Accepted: c.serves()}
	if c.against == nil {
		return v
	}
	v.Code, v.Remedy = c.against.Code, c.against.Remedy.String()
	if v.Accepted {
		v.Warning, v.Remedy = c.against.Reason, ""
	} else {
		v.Reason = c.against.Reason
	}
	return v
}

func verdicts(all []candidate) []events.DatastoreVerdict {
	var words []events.DatastoreVerdict
	for _, c := range all {
		words = append(words, c.verdict())
	}
	return words
}

// Verdicts says of every datastore whether it can take what a writer writes, and why not.
func Verdicts(w observed.Writer, inv observed.Inventory) []events.DatastoreVerdict {
	return verdicts(candidates(inv.Station(w), inv))
}

// choice is the placement of one machine in the making.
type choice struct {
	machine    events.Machine
	item       observed.Item
	inv        observed.Inventory
	from       observed.Station
	candidates []candidate
	taken      map[string]int64 // by datastore ref: the room that earlier machines of the case take
}

// choose places one machine. What it takes is added to taken.
func choose(m events.Machine, item observed.Item, w observed.Writer, inv observed.Inventory, attested string, taken map[string]int64) events.Placement {
	from := inv.Station(w)
	c := choice{m, item, inv, from, candidates(from, inv), taken}
	p := c.decide(item.Homeward(inv.Find(item.VMRef()), inv, attested))
	p.Machine, p.Considered = m.Name, verdicts(c.candidates)
	return p
}

// decide makes no guess: what could not be read places nothing.
func (c *choice) decide(home observed.Homeward) events.Placement {
	if home.Unclear != "" {
		return events.Placement{Why: strings.TrimSuffix(home.Unclear, ".")}
	}
	if home.Alternate() {
		need, known := c.item.Needs()
		switch why, _ := c.from.NoNewVM(); {
		case why != "":
			return events.Placement{Location: "alternate", Why: why}
		case !known && !c.item.ReversedOnce():
			return events.Placement{Location: "alternate", Why: "Site Recovery does not name the disks, so it is not known how much room they need"}
		}
		return c.alternate(need)
	}
	need, why := home.VM.Needs(c.inv)
	switch {
	case home.VM.Unread.Why("config.template") != "":
		return events.Placement{Location: "original", Why: fmt.Sprintf("VM %s could not be read in full: %s", home.VM.Place(), home.VM.Unread.Why("config.template"))}
	case home.VM.Template:
		return events.Placement{Location: "original", Why: fmt.Sprintf("VM %s is a template", home.VM.Place())}
	case why != "":
		return events.Placement{Location: "original", Why: why}
	}
	if c.item.ReversedOnce() { // its disks are being written already
		for ref := range need {
			need[ref] = 0
		}
	}
	return c.original(need)
}

// original: the disks exist, and the data goes where they lie. All of their datastores must be good; one that the
// request names is passed on and has no effect (S34).
func (c *choice) original(need map[string]int64) events.Placement {
	p := events.Placement{Location: "original"}
	var home *candidate
	visible := 0
	for i := range c.candidates {
		d := &c.candidates[i]
		n, lies := need[d.Ref]
		if !lies {
			continue
		}
		visible++
		d.refuseFull(n, c.taken[d.Ref])
		if !d.serves() && p.Why == "" {
			p.Why = fmt.Sprintf("the disks of %s lie on %s, and that cannot be used: %s", c.machine.Name, d.label, d.against.Reason)
		}
		if home == nil || n > need[home.Ref] {
			home = d
		}
	}
	if visible < len(need) && p.Why == "" {
		p.Why = fmt.Sprintf("the disks of %s lie on a datastore that this vCenter account cannot see", c.machine.Name)
	}
	if p.Why != "" {
		return p
	}
	p.Datastore, p.Why = home.Name, "the disks of the on-premises machine lie there"
	if named := c.machine.Datastore; named != "" && named != Auto && !observed.SameName(named, home.Name) {
		d, why := c.named(named)
		if why != "" {
			p.Datastore, p.Why = "", why
			return p
		}
		p.Datastore, p.Why = d.Name, fmt.Sprintf("the request names it; it has no effect, because the disks exist on %s", home.label)
	}
	for ref, n := range need {
		c.taken[ref] += n
	}
	return p
}

// alternate: the machine is gone and its disks are made anew, in full (S22, S35).
func (c *choice) alternate(need int64) events.Placement {
	p := events.Placement{Location: "alternate"}
	var best *candidate
	for i := range c.candidates {
		d := &c.candidates[i]
		d.refuseFull(need, c.taken[d.Ref])
		if d.serves() && c.better(d, best) {
			best = d
		}
	}
	p.Why = "it has the most room of those that can be used"
	if named := c.machine.Datastore; named != "" && named != Auto {
		if best, p.Why = c.named(named); p.Why != "" {
			return p
		}
		p.Why = "the request names it"
	}
	if best == nil {
		p.Why = fmt.Sprintf("none of the %d datastores can take %s", len(c.candidates), c.machine.Name)
		return p
	}
	p.Datastore = best.Name
	c.taken[best.Ref] += need
	return p
}

// better prefers VMFS to vSAN (S20), then the one with more room.
func (c *choice) better(d, best *candidate) bool {
	if best == nil || d.Type == best.Type {
		return best == nil || d.FreeBytes-c.taken[d.Ref] > best.FreeBytes-c.taken[best.Ref]
	}
	return d.Type == "vmfs"
}

// named finds the datastore that a request names, by name or path: the one of them that serves, where the name is
// not unique. Otherwise it says why there is none.
func (c *choice) named(name string) (*candidate, string) {
	var found, serving []*candidate
	for i := range c.candidates {
		d := &c.candidates[i]
		if !observed.SameName(d.Name, name) && !observed.SameName(d.Path, name) {
			continue
		}
		found = append(found, d)
		if d.serves() {
			serving = append(serving, d)
		}
	}
	switch {
	case len(serving) == 1:
		return serving[0], ""
	case len(found) == 0:
		return nil, fmt.Sprintf("datastore %s, which the request names, is not visible to this vCenter account", name)
	case len(serving) == 0:
		return nil, fmt.Sprintf("datastore %s, which the request names, cannot be used: %s", name, found[0].against.Reason)
	}
	var labels []string
	for _, d := range serving {
		labels = append(labels, d.label)
	}
	return nil, fmt.Sprintf("the request names datastore %s, and there are several: name one by its path, %s", name, strings.Join(labels, " or "))
}
