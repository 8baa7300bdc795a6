package observed

import "reprotect.example/events"

// ItemIDs are the ARM ids of the items of cases: what must be read in full before they are judged.
func ItemIDs(cases ...events.Case) (ids []string) {
	for _, c := range cases {
		for _, m := range c.Machines {
			ids = append(ids, m.Item)
		}
	}
	return ids
}

// DiskCount is how many disks a machine is to be counted with where room is short. While they are not read it is as many
// as there is room for at all, so that nothing is given away that may be taken; of a machine that cannot be read it is the
// one that it has at least.
func (i Item) DiskCount() int {
	switch {
	case i.Unread != "":
		return max(1, len(i.Disks))
	case i.Lean:
		return MostDisks
	}
	return len(i.Disks)
}
