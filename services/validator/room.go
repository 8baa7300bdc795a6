package validator

import (
	"slices"

	"reprotect.example/services/observed"
)

// room spreads the machines of a request over what can write their disks. It counts those that the vault shows and
// those of the request itself: of three hundred machines that are asked for at once, not all go to the appliance
// that has the most room before the first one starts.
type room struct {
	used   map[string]int    // disks, by the key of what writes them
	groups map[string]string // by replication group: the key of what was taken for it, one for all (S38)
	needs  map[string]int    // disks, by replication group
}

func newRoom(vault observed.Vault) *room {
	r := &room{used: map[string]int{}, groups: map[string]string{}, needs: map[string]int{}}
	for _, i := range vault.Items {
		if i.GroupID != "" && (!i.ReversedOnce() || i.Home()) {
			r.needs[i.GroupKey()] += max(1, len(i.Disks))
		}
	}
	for key, slots := range vault.Slots() {
		r.used[key] = slots.Used()
	}
	return r
}

// take notes that a machine goes to a master target or an appliance.
func (r *room) take(w observed.Writer, item observed.Item) {
	if item.GroupID == "" || r.groups[item.GroupKey()] != w.Key() {
		r.used[w.Key()] += r.need(item)
	}
	if item.GroupID != "" {
		r.groups[item.GroupKey()] = w.Key()
	}
}

// need is how many disks come with a machine: a replication group comes as a whole.
func (r *room) need(item observed.Item) int {
	if item.GroupID != "" {
		return r.needs[item.GroupKey()]
	}
	return max(1, len(item.Disks)) // a machine has a disk at least
}

// ofGroup picks what was taken for the machine's replication group; ok is false when it is alone or the first.
func (r *room) ofGroup(item observed.Item, all []observed.Writer) (name string, ok bool) {
	i := slices.IndexFunc(all, func(w observed.Writer) bool { return item.GroupID != "" && w.Key() == r.groups[item.GroupKey()] })
	if i < 0 {
		return "", false
	}
	return all[i].Name, true
}

// appliance picks a healthy one (M1: any will do) that sees the machine's datastores, with the fewest disks.
func (r *room) appliance(item observed.Item, home observed.Fabric) string {
	all := home.Writers(observed.RoleAppliance)
	if name, ok := r.ofGroup(item, all); ok {
		return name
	}
	fit := func(i int) int { // the less, the better
		unfit := 0
		if !home.Appliances[i].InHealth() {
			unfit += 2
		}
		sees := func(name string) bool {
			return slices.ContainsFunc(all[i].Datastores, func(d observed.FabricDatastore) bool { return observed.SameName(d.Name, name) })
		}
		if slices.ContainsFunc(item.Datastores, func(d string) bool { return !sees(d) }) {
			unfit++
		}
		return unfit
	}
	best := -1
	for i, w := range all {
		if best < 0 || fit(i) < fit(best) || fit(i) == fit(best) && r.used[w.Key()] < r.used[all[best].Key()] {
			best = i
		}
	}
	if best < 0 {
		return ""
	}
	return all[best].Name
}

// masterTarget picks the first one of the machine's system (S8) that has room, else the first.
func (r *room) masterTarget(item observed.Item, home observed.Fabric) string {
	all := home.Writers(observed.RoleMasterTarget)
	if name, ok := r.ofGroup(item, all); ok {
		return name
	}
	first := ""
	for i, w := range all {
		switch {
		case home.MasterTargets[i].OS != item.OS:
		case r.used[w.Key()]+r.need(item) <= observed.MostDisks:
			return w.Name
		case first == "":
			first = w.Name
		}
	}
	return first
}
