package observed

import "slices"

// Only is what a look at a query alone would have shown, of one that others asked for more. It does not change inv,
// and shares its parts.
func (inv Inventory) Only(q Query) Inventory { return NewScopes(inv).Only(q) }

// Scopes cuts a look that many share, for each of them.
type Scopes struct {
	inv        Inventory
	finder     *Finder
	hosts      map[string]Host
	datastores map[string]Datastore
	pods       map[string]Pod
}

// NewScopes prepares a look, once for all.
func NewScopes(inv Inventory) *Scopes {
	s := &Scopes{inv, NewFinder(inv.VMs), map[string]Host{}, map[string]Datastore{}, map[string]Pod{}}
	for _, h := range inv.Hosts {
		s.hosts[h.Ref] = h
	}
	for _, d := range inv.Datastores {
		s.datastores[d.Ref] = d
	}
	for _, p := range inv.Pods {
		s.pods[p.Ref] = p
	}
	return s
}

// Only is what a look at that query alone would have shown.
func (s *Scopes) Only(q Query) Inventory {
	own := s.inv
	own.VMs, own.Hosts, own.Datastores, own.Pods, own.Privileges = nil, nil, nil, nil, nil
	granted := map[string]bool{}
	seen := map[string]bool{}
	first := func(ref string) bool { // of what is there and not taken yet
		was := seen[ref]
		seen[ref] = true
		granted[ref] = true
		return !was
	}
	store := func(ref string) {
		d, ok := s.datastores[ref]
		if !ok || !first(ref) {
			return
		}
		own.Datastores = append(own.Datastores, d)
		if p, ok := s.pods[d.PodRef]; ok && first(p.Ref) {
			own.Pods = append(own.Pods, p)
		}
	}
	taken := map[*VM]bool{}
	for _, ref := range q.VMs {
		for _, vm := range s.finder.Candidates(ref) {
			if taken[vm] {
				continue
			}
			taken[vm] = true
			own.VMs = append(own.VMs, *vm)
			granted[vm.Ref], granted[vm.DatacenterRef], granted[vm.PoolRef] = true, true, true
			for _, network := range vm.Networks {
				granted[network] = true
			}
			for _, ref := range vm.Datastores {
				store(ref)
			}
			for _, disk := range vm.Disks {
				store(disk.DatastoreRef)
			}
			h, ok := s.hosts[vm.HostRef]
			if !ok || !first(h.Ref) {
				continue
			}
			own.Hosts = append(own.Hosts, h)
			for _, ref := range h.DatastoreRefs {
				store(ref)
			}
		}
	}
	for ref, p := range s.inv.Privileges {
		if granted[ref] || len(own.VMs) == 0 && p.Kind == "Datacenter" {
			if own.Privileges == nil {
				own.Privileges = map[string]Privileges{}
			}
			own.Privileges[ref] = p
		}
	}
	slices.SortStableFunc(own.VMs, byPlace)
	return own
}

func byPlace(a, b VM) int { return slices.Compare([]string{a.Path, a.Ref}, []string{b.Path, b.Ref}) }
