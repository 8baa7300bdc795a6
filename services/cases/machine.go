package cases

import (
	"cmp"
	"slices"
	"strings"

	"reprotect.example/events"
)

// is says whether an item is the machine's, or has taken the place of it.
func (m Machine) is(item string) bool {
	return item != "" && (strings.EqualFold(m.Item, item) || strings.EqualFold(m.NewItem, item))
}

// find is the machine that a fact names, as a place in Machines: that of the item, else the first of the name. -1: none.
func (c *Case) find(name, item string) int {
	if i := slices.IndexFunc(c.Machines, func(m Machine) bool { return m.is(item) }); i >= 0 {
		return i
	}
	return slices.IndexFunc(c.Machines, func(m Machine) bool { return strings.EqualFold(m.Name, name) })
}

// each finds the machines that a fact lists, and makes those that the case does not have yet. Where a name alone does not
// say which is meant, the first of that name in the list is the first of the case, and so on: that is how facts list them
// that do not name items.
func (c *Case) each(n int, named func(i int) (name, item string)) []int {
	at := make([]int, n)
	taken := map[int]bool{}
	for i := range n { // those that are certain first
		at[i] = slices.IndexFunc(c.Machines, func(m Machine) bool { _, item := named(i); return m.is(item) })
		taken[at[i]] = true
	}
	for i := range n {
		if at[i] >= 0 {
			continue
		}
		name, item := named(i)
		for j, m := range c.Machines {
			if strings.EqualFold(m.Name, name) && !taken[j] {
				at[i] = j
				break
			}
		}
		if at[i] < 0 {
			at[i], c.Machines = len(c.Machines), append(c.Machines, Machine{Name: name, Item: item, State: events.StateNotStarted})
		}
		taken[at[i]] = true
	}
	return at
}

// of lists the machines that a fact may mean by a name and an item: the one of that item, else all of that name.
func (c *Case) of(name string, items ...string) (all []*Machine) {
	for _, item := range items {
		if i := slices.IndexFunc(c.Machines, func(m Machine) bool { return m.is(item) }); i >= 0 {
			return []*Machine{&c.Machines[i]}
		}
	}
	for i := range c.Machines {
		if strings.EqualFold(c.Machines[i].Name, name) {
			all = append(all, &c.Machines[i])
		}
	}
	return all
}

// former is the item by which a case knows a machine, of a fact that tells its item now.
func former(item, former string) string { return cmp.Or(former, item) }
