package validator

import (
	"slices"
	"strings"

	"reprotect.example/services/observed"
)

// mostDisks is how many disks a master target or an appliance takes (S7, M1).
const mostDisks = 60

// room spreads the machines of a request over what can write their disks. It counts those that the vault shows and
// those of the request itself: of three hundred machines that are asked for at once, not all go to the appliance
// that has the most room before the first one starts.
type room struct {
	used   map[string]int    // disks, by name in lower case
	groups map[string]string // by replication group: what was taken for it, one for all (S38)
	needs  map[string]int    // disks, by replication group
}

func newRoom(vault observed.Vault) *room {
	r := &room{used: map[string]int{}, groups: map[string]string{}, needs: map[string]int{}}
	replicating := map[string]int{} // by id
	for _, i := range vault.Items {
		if i.ReversedOnce() && !i.Home() {
			replicating[strings.ToLower(i.ApplianceID)] += len(i.Disks)
		} else if i.GroupID != "" {
			r.needs[i.GroupID] += len(i.Disks)
		}
	}
	for _, f := range vault.Fabrics {
		for _, a := range f.Appliances {
			// A machine has a disk at least; the appliance may serve machines that this vault does not show.
			r.used[strings.ToLower(a.Name)] = max(replicating[strings.ToLower(a.ID)], a.ProtectedItems)
		}
		for _, mt := range f.MasterTargets {
			r.used[strings.ToLower(mt.Name)] = mt.DiskCount
		}
	}
	return r
}

// take notes that a machine goes to a master target or an appliance.
func (r *room) take(writer string, item observed.Item) {
	if item.GroupID == "" || r.groups[item.GroupID] != writer {
		r.used[strings.ToLower(writer)] += r.need(item)
	}
	if item.GroupID != "" {
		r.groups[item.GroupID] = writer
	}
}

// need is how many disks come with a machine: a replication group comes as a whole.
func (r *room) need(item observed.Item) int {
	if item.GroupID != "" {
		return r.needs[item.GroupID]
	}
	return len(item.Disks)
}

// appliance picks a healthy one (M1: any will do) that sees the machine's datastores, with the fewest disks.
func (r *room) appliance(item observed.Item, all []observed.Appliance) string {
	if of := r.groups[item.GroupID]; item.GroupID != "" && of != "" {
		return of
	}
	fit := func(a observed.Appliance) int { // the less, the better
		unfit := 0
		if a.Health != "Normal" {
			unfit += 2
		}
		if slices.ContainsFunc(item.Datastores, func(d string) bool { return !slices.Contains(a.Datastores, d) }) {
			unfit++
		}
		return unfit
	}
	best := -1
	for i, a := range all {
		if best < 0 || fit(a) < fit(all[best]) || fit(a) == fit(all[best]) && r.used[strings.ToLower(a.Name)] < r.used[strings.ToLower(all[best].Name)] {
			best = i
		}
	}
	if best < 0 {
		return ""
	}
	return all[best].Name
}

// masterTarget picks the first one of the machine's system (S8) that has room, else the first.
func (r *room) masterTarget(item observed.Item, all []observed.MasterTarget) string {
	if of := r.groups[item.GroupID]; item.GroupID != "" && of != "" {
		return of
	}
	first := ""
	for _, mt := range all {
		switch {
		case mt.OS != item.OS:
		case r.used[strings.ToLower(mt.Name)]+r.need(item) <= mostDisks:
			return mt.Name
		case first == "":
			first = mt.Name
		}
	}
	return first
}
