package observed

import "strings"

// index finds what is in a vault at once. A vault may hold ten thousand items, and as many cases may ask.
type index struct {
	items   map[string]int   // by id
	names   map[string][]int // by friendly name, and by the last segment of the id
	groups  map[string][]int // by fabric and replication group
	fabrics map[string]int   // by id
	jobs    map[string]int   // by id
	targets map[string][]int // reprotect jobs by the name of their machine
}

// Indexed returns the vault with an index, which its methods use from then on. Without one they search; what is
// added to the vault later they do not see.
func (v Vault) Indexed() Vault {
	if v.index != nil {
		return v
	}
	x := &index{
		items: make(map[string]int, len(v.Items)), names: make(map[string][]int, len(v.Items)), groups: map[string][]int{},
		fabrics: map[string]int{}, jobs: make(map[string]int, len(v.Jobs)), targets: map[string][]int{},
	}
	for n, i := range v.Items {
		id, name := NormalID(i.ID), strings.ToLower(i.Name)
		x.items[id] = n
		x.names[name] = append(x.names[name], n)
		if last := LastSegment(id); last != name {
			x.names[last] = append(x.names[last], n)
		}
		if i.GroupID != "" {
			x.groups[i.GroupKey()] = append(x.groups[i.GroupKey()], n)
		}
	}
	for n, f := range v.Fabrics {
		x.fabrics[NormalID(f.ID)] = n
	}
	for n, j := range v.Jobs {
		x.jobs[strings.ToLower(j.ID)] = n
		if j.Scenario == ReprotectScenario {
			x.targets[strings.ToLower(j.TargetName)] = append(x.targets[strings.ToLower(j.TargetName)], n)
		}
	}
	v.index = x
	return v
}

// NormalID makes ids comparable: the service spells them in any letter case.
func NormalID(id string) string { return strings.ToLower(strings.Trim(id, "/")) }

// GroupKey tells replication groups apart: a modernized group has no id but its name, which another fabric may
// have too.
func (i Item) GroupKey() string { return NormalID(i.FabricID) + "/" + strings.ToLower(i.GroupID) }

// Item returns the item of that ARM id.
func (v Vault) Item(id string) (Item, bool) {
	n, ok := v.Indexed().index.items[NormalID(id)]
	if !ok {
		return Item{}, false
	}
	return v.Items[n], true
}

// ItemsNamed returns the items of that friendly name, item name or ARM id.
func (v Vault) ItemsNamed(name string) []Item {
	if item, ok := v.Item(name); ok {
		return []Item{item}
	}
	return pick(v.Items, v.Indexed().index.names[strings.ToLower(name)])
}

// Group returns all items of an item's replication group, itself among them; none when it is in no group.
func (v Vault) Group(i Item) []Item {
	if i.GroupID == "" {
		return nil
	}
	return pick(v.Items, v.Indexed().index.groups[i.GroupKey()])
}

// Fabric returns the fabric of that ARM id.
func (v Vault) Fabric(id string) (Fabric, bool) {
	n, ok := v.Indexed().index.fabrics[NormalID(id)]
	if !ok {
		return Fabric{}, false
	}
	return v.Fabrics[n], true
}

// Job returns the summary of a job.
func (v Vault) Job(id string) (Job, bool) {
	n, ok := v.Indexed().index.jobs[strings.ToLower(id)]
	if !ok {
		return Job{}, false
	}
	return v.Jobs[n], true
}

// ReprotectsOf returns the summaries of all reprotect jobs of the machine of that name.
func (v Vault) ReprotectsOf(machine string) []Job {
	return pick(v.Jobs, v.Indexed().index.targets[strings.ToLower(machine)])
}

func pick[T any](all []T, which []int) []T {
	picked := make([]T, len(which))
	for i, n := range which {
		picked[i] = all[n]
	}
	return picked
}
