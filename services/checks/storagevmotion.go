package checks

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"reprotect.example/services/observed"
)

// judgeMoves looks at what may move the disks of a writer: a relocation that runs (which blocks), one that was,
// and Storage DRS of the datastore clusters in which its disks lie.
func judgeMoves(s Subject, vm observed.VM) Verdict {
	verdicts := []Verdict{judgeRelocations(vm)}
	if why := vm.Unread.Why("datastore"); why != "" {
		return worst(append(verdicts, unknown("The datastores of VM %s could not be read: %s.", vm.Name, why)))
	}
	pods := map[string]bool{}
	for _, ref := range vm.Datastores {
		d, ok := s.lookup.datastore(ref)
		switch why := d.Unread.Why("parent"); {
		case !ok:
			verdicts = append(verdicts, unknown("Datastore %s of VM %s could not be read.", ref, vm.Name))
		case why != "":
			verdicts = append(verdicts, unknown("Whether datastore %s lies in a datastore cluster could not be read: %s.", d.Name, why))
		case d.PodRef != "" && !pods[d.PodRef]:
			pods[d.PodRef] = true
			verdicts = append(verdicts, judgePod(s, vm, d))
		}
	}
	return worst(verdicts)
}

func judgeRelocations(vm observed.VM) Verdict {
	if why := vm.Unread.Why("moves"); why != "" {
		return unknown("Whether VM %s was moved lately could not be read: %s.", vm.Name, why).
			remedy("In vCenter, look at Monitor > Tasks of VM %s for relocations.", vm.Name)
	}
	if !vm.MovesRead {
		return unknown("Whether VM %s was moved lately was not read.", vm.Name)
	}
	var past []string
	for _, r := range vm.Moves {
		switch {
		case !r.Over() && r.Scope == observed.MovesHost:
			return fail("VM %s is being moved to another host now, and its disks stay: %s.", vm.Name, describe(r)).
				remedy("See that %s runs and is connected when the move has ended, and that nothing moves its disks.", vm.Name)
		case !r.Over():
			v := fail("VM %s is being moved now: %s.", vm.Name, describe(r)).
				remedy("Wait in vCenter until the move of %s has ended, see that nothing starts another, then send the request again.", vm.Name)
			v.Level = Block
			return v
		case r.State == "success":
			past = append(past, describe(r))
		}
	}
	if len(past) > 0 {
		return fail("VM %s was moved lately: %s.", vm.Name, list(past)).
			remedy("Find out in vCenter who or what moved %s, and see that it does not happen again until every machine is home.", vm.Name)
	}
	return pass("VM %s was not moved lately, and nothing moves it.", vm.Name)
}

func describe(r observed.Move) string {
	text := r.Kind + " since " + stamp(r.Begun)
	if r.Over() {
		text = r.Kind + " of " + stamp(r.Begun)
	}
	if r.User != "" {
		text += " by " + r.User
	}
	return text
}

func judgePod(s Subject, vm observed.VM, d observed.Datastore) Verdict {
	i := slices.IndexFunc(s.Inventory.Pods, func(p observed.Pod) bool { return p.Ref == d.PodRef })
	if i < 0 {
		return unknown("The datastore cluster %s, in which datastore %s lies, could not be read.", orRef(d.PodName, d.PodRef), d.Name)
	}
	pod := s.Inventory.Pods[i]
	if why := pod.Unread.Why("podStorageDrsEntry"); why != "" {
		return unknown("Storage DRS of datastore cluster %s could not be read: %s.", pod.Name, why)
	}
	rule := pod.Rules[vm.Ref]
	where := fmt.Sprintf("Datastore %s of VM %s lies in datastore cluster %s", d.Name, vm.Name, pod.Name)
	mode := cmp.Or(rule.Behaviour, pod.Behaviour)
	switch {
	case !pod.Enabled:
		return pass("%s, whose Storage DRS is off.", where)
	case rule.Excluded:
		return pass("%s, whose Storage DRS leaves the VM out.", where)
	case rule.Behaviour == "manual":
		return fail("%s, whose Storage DRS recommends moves of the VM; a person may apply one.", where)
	}
	var automated []string
	for _, what := range slices.Sorted(maps.Keys(pod.Overrides)) {
		if pod.Overrides[what] == "automated" {
			automated = append(automated, what)
		}
	}
	switch {
	case mode == "automated":
		return fail("%s, whose Storage DRS may move the VM.", where)
	case len(automated) > 0:
		return fail("%s, whose Storage DRS may move the VM for: %s.", where, list(automated))
	case mode == "manual":
		return fail("%s, whose Storage DRS recommends moves of the VM; a person may apply one.", where)
	}
	return unknown("%s, and its Storage DRS is %s by default, which is not known.", where, orNothing(mode))
}
