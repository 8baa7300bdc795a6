package datastore

import (
	"cmp"
	"slices"
	"strings"

	"reprotect.example/events"
	"reprotect.example/services/observed"
)

// Explain places one machine as the service would if it were alone, and says of every datastore why it can or
// cannot be had. The inventory must hold every datastore that the account sees: what Site Recovery or the machine
// names beyond them is refused as not visible.
func Explain(m events.Machine, item observed.Item, w observed.Writer, inv observed.Inventory) events.Placement {
	p := choose(m, item, w, inv, "", map[string]int64{})
	p.Considered = append(p.Considered, hidden(m, item, w, inv)...)
	slices.SortStableFunc(p.Considered, byName)
	return p
}

// hidden lists the datastores that exist for somebody else: Site Recovery found them on what writes the disks, or
// disks of the machine lie on them (S4, S43).
func hidden(m events.Machine, item observed.Item, w observed.Writer, inv observed.Inventory) []events.DatastoreVerdict {
	var verdicts []events.DatastoreVerdict
	add := func(name, kind, who string) {
		named := func(v events.DatastoreVerdict) bool { return observed.SameName(v.Name, name) }
		if name == "" || slices.ContainsFunc(verdicts, named) {
			return
		}
		r := observed.Unseen(inv.User, who)
		verdicts = append(verdicts, events.DatastoreVerdict{
			Name: name, Type: strings.ToLower(kind), Code: r.Code, Reason: r.Reason, Remedy: r.Remedy.String(),
		})
	}
	if home := item.Homeward(inv.Find(item.VMRef()), inv, ""); home.VM != nil {
		for _, disk := range home.VM.Disks {
			if _, visible := inv.Datastore(disk.DatastoreRef); !visible {
				add(observed.DatastoreOf(disk.File), "", "a disk of "+m.Name+" lies on it")
			}
		}
	}
	for _, d := range w.Datastores {
		if len(inv.DatastoresNamed(d.Name)) == 0 {
			add(d.Name, d.Type, "Site Recovery lists it on "+w.String())
		}
	}
	return verdicts
}

func byName(a, b events.DatastoreVerdict) int { return cmp.Compare(a.Name, b.Name) }
