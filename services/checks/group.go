package checks

import (
	"fmt"
	"slices"
	"strings"

	"reprotect.example/services/observed"
)

var groupChecks = []Check{
	{
		Code: "group.complete", Level: Block, For: both, Refs: []string{"S37"}, PerCase: true,
		Title:     "Every machine of a replication group is in the case.",
		Fault:     "Machines of a replication group are missing in the case.",
		Why:       "The machines of a replication group share their recovery points and can only be reprotected together.",
		Remedy:    "Send one request that names every machine of the group.",
		Reference: pageReprotect, Judge: ofGroups(both, judgeComplete),
	},
	{
		Code: "group.same-master-target", Level: Block, For: classic, Refs: []string{"S38"}, PerCase: true,
		Title:     "All machines of a replication group go to one master target.",
		Fault:     "The machines of a replication group go to different master targets.",
		Why:       "With different master targets the group has no common point in time.",
		Remedy:    "Name one master target for all machines of the group.",
		Reference: pageReprotect, Judge: ofGroups(classic, judgeSameMasterTarget),
	},
	{
		Code: "group.same-os", Level: Block, For: classic, Refs: []string{"N1"}, PerCase: true,
		Title:     "A replication group is all Windows or all Linux.",
		Fault:     "A replication group mixes Windows and Linux.",
		Why:       "A group goes to one master target, and a master target takes only machines of its own system.",
		Remedy:    "In the vault, take the machines of the other system out of the replication group; that may mean protecting them anew.",
		Reference: pagePrepare, Judge: ofGroups(classic, judgeSameSystem),
	},
	{
		Code: "group.in-step", Level: Warn, For: both, Refs: []string{"S37"}, PerCase: true,
		Title:     "All machines of a replication group stand at the same stage.",
		Fault:     "The machines of a replication group stand at different stages.",
		Why:       "A group whose machines went different ways has no common recovery point: what comes home is of different times.",
		Remedy:    "Look in the vault where each machine of the group stands, and bring the others to the same stage. Else see that what they share (a database and its application) fits together after the failback.",
		Reference: pageReprotect, Judge: ofGroups(both, judgeInStep),
	},
}

// group is a replication group with those of its members that are in the case.
type group struct {
	name    string
	key     string
	members []Member
}

// ofGroups judges each replication group of these architectures that the case touches; the worst verdict stands.
func ofGroups(architectures []observed.Architecture, judge func(Subject, group) Verdict) func(Subject) Verdict {
	return func(s Subject) Verdict {
		var groups []group
		for _, m := range s.Members {
			if m.Item.GroupID == "" || !slices.Contains(architectures, m.Item.Architecture) {
				continue
			}
			key := m.Item.GroupKey()
			i := slices.IndexFunc(groups, func(g group) bool { return g.key == key })
			if i < 0 {
				i = len(groups)
				groups = append(groups, group{name: groupName(m.Item), key: key})
			}
			groups[i].members = append(groups[i].members, m)
		}
		if len(groups) == 0 {
			return skipped("No machine of the case is in a replication group.")
		}
		var verdicts []Verdict
		for _, g := range groups {
			verdicts = append(verdicts, judge(s, g))
		}
		return worst(verdicts)
	}
}

func groupName(i observed.Item) string {
	if i.GroupName != "" {
		return i.GroupName
	}
	return i.GroupID
}

func judgeComplete(s Subject, g group) Verdict {
	in := map[string]bool{}
	for _, m := range g.members {
		in[strings.ToLower(m.Item.ID)] = true
	}
	var missing []string
	for _, i := range s.Vault.Group(g.members[0].Item) {
		// A machine that replicates back already has gone this way before.
		if !in[strings.ToLower(i.ID)] && !i.ReversedOnce() {
			missing = append(missing, i.Name)
		}
	}
	if len(missing) == 0 {
		return pass("All machines of replication group %s that do not replicate back yet are in the case.", g.name)
	}
	return fail("Replication group %s also has %s, not in this case.", g.name, strings.Join(missing, ", ")).
		remedy("Send one request that names %s too.", strings.Join(missing, ", "))
}

// judgeInStep holds the members of a group that the vault has against each other, those that are not in the case too.
func judgeInStep(s Subject, g group) Verdict {
	where := map[string][]string{}
	var order []string
	for _, i := range s.Vault.Group(g.members[0].Item) {
		at := standsAt(i)
		if at == "" {
			return unknown("Where %s of replication group %s stands is not known.", i.Name, g.name)
		}
		if where[at] == nil {
			order = append(order, at)
		}
		where[at] = append(where[at], i.Name)
	}
	var parts []string
	for _, at := range order {
		parts = append(parts, list(where[at])+" "+at)
	}
	if len(order) > 1 {
		return fail("The machines of replication group %s are not in step: %s.", g.name, strings.Join(parts, "; "))
	}
	return pass("The machines of replication group %s are in step: %s.", g.name, strings.Join(parts, "; "))
}

// standsAt says on which of the ways a machine is whose recovery points must belong together; "" when that is not known.
func standsAt(i observed.Item) string {
	switch i.Stage() {
	case observed.StageUnknown:
		return ""
	case observed.StageUncommitted, observed.StageCommitted:
		return "failed over"
	case observed.StageMigrated:
		return "migrated"
	case observed.StageHome, observed.StageHomeUncommitted:
		return "failed back"
	}
	switch {
	case i.FailedOver():
		return "failed over"
	case i.ReversedOnce():
		return "replicating back"
	}
	return "not failed over"
}

func judgeSameMasterTarget(_ Subject, g group) Verdict {
	names, spread := spread(g, func(m Member) string { return m.Machine.MasterTarget })
	if len(names) > 1 {
		return fail("The machines of replication group %s go to different master targets: %s.", g.name, spread)
	}
	return pass("Replication group %s goes to one master target (%s).", g.name, spread)
}

func judgeSameSystem(_ Subject, g group) Verdict {
	names, spread := spread(g, func(m Member) string { return m.Machine.OS })
	switch {
	case slices.Contains(names, ""):
		return unknown("Site Recovery does not say the system of every machine in replication group %s: %s.", g.name, spread)
	case len(names) > 1:
		return fail("Replication group %s mixes systems: %s.", g.name, spread)
	}
	return pass("All machines of replication group %s run %s.", g.name, names[0])
}

// spread lists the different values that the classic members of a group have, and which machine has which.
func spread(g group, value func(Member) string) (values []string, text string) {
	var parts []string
	for _, m := range g.members {
		v := value(m)
		if !slices.ContainsFunc(values, func(known string) bool { return strings.EqualFold(known, v) }) {
			values = append(values, v)
		}
		parts = append(parts, fmt.Sprintf("%s: %s", m.Machine.Name, orNothing(v)))
	}
	return values, list(parts)
}
