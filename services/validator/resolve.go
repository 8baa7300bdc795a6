package validator

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/near"
	"reprotect.example/services/observed"
)

// Defaults are the site's choices where the request makes none.
type Defaults struct {
	MasterTarget      map[string]string // by operating system
	ProcessServer     string
	Appliance         string
	Datastore         string
	RetentionDrive    map[string]string // by operating system
	LogStorageAccount string
	Fabric            string // name or id; "" when the vault has one, or each machine's own counts
}

// named is a machine that somebody asked for, and where it stands in the request.
type named struct {
	request events.RequestMachine
	place   string
}

// member is a machine of a request that was found.
type member struct {
	machine events.Machine
	item    observed.Item
	asked   named
}

// Resolve turns a request into the cases that it becomes, by the id of each. Problems mean that it becomes none.
func Resolve(id string, r events.Request, at time.Time, vault observed.Vault, d Defaults) (ids []string, cases map[string]events.Case, problems []events.Problem) {
	wanted, problems := expand(r, vault)
	var members []member
	taken := map[string]string{}
	room := newRoom(vault)
	for _, n := range wanted {
		item, problem := find(n, vault, d.Fabric)
		if problem != nil {
			problems = append(problems, *problem)
			continue
		}
		if other, twice := taken[strings.ToLower(item.ID)]; twice {
			problems = append(problems, namedTwice(item, other, n))
			continue
		}
		taken[strings.ToLower(item.ID)] = n.request.Name
		members = append(members, member{machine(n.request.Choice.Or(r.Choice), item, vault, d, room), item, n})
	}
	if problems == nil { // else more machines may be meant
		problems = withoutEffect(r, members)
	}
	if r.Together && len(members) > events.MostTogether {
		problems = append(problems, events.Problem{
			Code: "request.too-many-together", Place: "/data/together",
			Message: fmt.Sprintf("%d machines are to go together, and %d at most may", len(members), events.MostTogether),
			Remedy:  "Leave together out, so that each machine goes by itself, or ask for them in several requests.",
		})
	}
	if problems != nil {
		return nil, nil, problems
	}

	cases = map[string]events.Case{}
	caseOf := map[string]string{} // replication group, or "" for a case of all, to the id of its case
	for _, m := range members {
		group, together := m.item.GroupID, r.Together || m.item.GroupID != ""
		if r.Together {
			group = ""
		}
		caseID, known := caseOf[group]
		if !together || !known {
			caseID = unused(cases, events.Token(id)+"--"+events.Token(m.machine.Name))
			ids = append(ids, caseID)
		}
		if together {
			caseOf[group] = caseID
		}
		c, begun := cases[caseID]
		if !begun {
			c = events.Case{
				Together: r.Together, Plan: r.Plan, DryRun: r.DryRun, Reason: r.Reason, RequestedBy: r.RequestedBy,
				RequestedAt: at, Attest: r.Attest, Waive: r.Waive,
			}
			if !r.Together {
				c.Group = m.item.GroupName
			}
		}
		c.Machines = append(c.Machines, m.machine)
		c.Rank = slices.Index(ids, caseID) + 1
		cases[caseID] = c
	}
	return ids, cases, nil
}

// unused makes an id that no other case of the request has: two machines may have one name.
func unused(cases map[string]events.Case, id string) string {
	for n := 2; ; n++ {
		if _, used := cases[id]; !used {
			return id
		}
		id = fmt.Sprintf("%s-%d", strings.TrimSuffix(id, fmt.Sprintf("-%d", n-1)), n)
	}
}

// expand lists the machines of a request: those of the plan in its order, then those named.
func expand(r events.Request, vault observed.Vault) (wanted []named, problems []events.Problem) {
	if r.Plan != "" {
		i := slices.IndexFunc(vault.Plans, func(p observed.Plan) bool { return strings.EqualFold(p.Name, r.Plan) || observed.SameID(p.ID, r.Plan) })
		if i < 0 {
			var names []string
			for _, p := range vault.Plans {
				names = append(names, p.Name)
			}
			return nil, []events.Problem{{
				Code: "plan.unknown", Place: "/data/plan", Message: fmt.Sprintf("The vault has no recovery plan %q", r.Plan),
				Remedy: choose("Its plans are: ", names, "Recovery Plans (Site Recovery)") + unread(vault, "plans"),
			}}
		}
		if len(vault.Plans[i].Items) == 0 {
			return nil, []events.Problem{{
				Code: "machine.none", Place: "/data/plan", Message: fmt.Sprintf("Recovery plan %q has no machines", vault.Plans[i].Name),
				Remedy: "Add the machines to the plan in the vault, or name them in the request.",
			}}
		}
		for _, item := range vault.Plans[i].Items {
			wanted = append(wanted, named{events.RequestMachine{Name: item}, "/data/plan"})
		}
	}
	for i, m := range r.Machines {
		wanted = append(wanted, named{m, fmt.Sprintf("/data/machines/%d/name", i)})
	}
	return wanted, nil
}

func find(n named, vault observed.Vault, fabric string) (observed.Item, *events.Problem) {
	found := vault.ItemsNamed(n.request.Name)
	if fabric != "" {
		found = slices.DeleteFunc(found, func(i observed.Item) bool {
			f, ok := vault.Fabric(i.FabricID)
			return !ok || !strings.EqualFold(f.Name, fabric) && !observed.SameID(f.ID, fabric)
		})
	}
	switch len(found) {
	case 1:
		if by := found[0].ProtectedBy(); by != "" && found[0].Unread == "" {
			return observed.Item{}, &events.Problem{
				Code: "machine.not-vmware", Place: n.place, Message: fmt.Sprintf("%s is protected by %s; only VMware and physical machines can be reprotected here", found[0].Name, by),
				Remedy: "Leave it out, and bring it back as Site Recovery's guide for " + by + " says.",
			}
		}
		return found[0], nil
	case 0:
		return observed.Item{}, &events.Problem{
			Code: "machine.unknown", Place: n.place, Message: fmt.Sprintf("No replicated machine %q is in vault %s", n.request.Name, vault.Name),
			Remedy: meant(n.request.Name, vault) + choose("Names that are alike: ", alike(n.request.Name, vault), "Replicated items"),
		}
	}
	var ids []string
	for _, i := range found {
		ids = append(ids, i.ID)
	}
	return observed.Item{}, &events.Problem{
		Code: "machine.ambiguous", Place: n.place, Message: fmt.Sprintf("%d replicated machines are called %q", len(found), n.request.Name),
		Remedy: "Name the one you mean by its id: " + strings.Join(ids, " or "),
	}
}

func namedTwice(item observed.Item, before string, again named) events.Problem {
	return events.Problem{
		Code: "machine.twice", Place: again.place, Remedy: "Name it once.",
		Message: fmt.Sprintf("The request names %s more than once: %q and %q are the same machine", item.Name, before, again.request.Name),
	}
}

// meant asks whether another machine was meant, whose name differs by little.
func meant(name string, vault observed.Vault) string {
	word := near.Word(name, func(yield func(string) bool) {
		for _, i := range vault.Items {
			if !yield(i.Name) {
				return
			}
		}
	})
	if word == "" {
		return ""
	}
	return "Did you mean " + word + "? "
}

// alike lists names that share their beginning with the one that is not there.
func alike(name string, vault observed.Vault) []string {
	name = strings.ToLower(name)
	for n := len(name); n > 1; n-- {
		var names []string
		for _, i := range vault.Items {
			if strings.HasPrefix(strings.ToLower(i.Name), name[:n]) && len(names) < 5 {
				names = append(names, i.Name)
			}
		}
		if names != nil {
			return names
		}
	}
	return nil
}

// choose lists the names that there are, or says on which page of the vault to look.
func choose(lead string, names []string, page string) string {
	if len(names) == 0 {
		return "Look the name up under " + page + " in the vault."
	}
	return lead + strings.Join(names, ", ") + "."
}

func unread(vault observed.Vault, part string) string {
	if why := vault.Unread[part]; why != "" {
		return " They could not be read: " + why + "."
	}
	return ""
}

// machine makes every choice that can be made now: the machine's own, else the request's, else the site's, else
// the one with room.
func machine(choice events.Choice, item observed.Item, vault observed.Vault, d Defaults, room *room) events.Machine {
	fabric, _ := vault.Fabric(item.FabricID)
	choice = choice.Or(events.Choice{
		MasterTarget: d.MasterTarget[item.OS], ProcessServer: d.ProcessServer, Appliance: d.Appliance,
		Datastore: d.Datastore, RetentionDrive: d.RetentionDrive[item.OS], LogStorageAccount: d.LogStorageAccount,
	})
	m := events.Machine{Name: item.Name, Item: item.ID, Architecture: string(item.Architecture), OS: item.OS, FailedOverAt: item.FailedOverAt}
	m.Datastore = choice.Datastore
	if m.Datastore == "" {
		m.Datastore = "auto"
	}
	if item.Architecture == observed.Modernized {
		m.Appliance, m.LogStorageAccount = choice.Appliance, choice.LogStorageAccount
		if m.Appliance == "" {
			m.Appliance = room.appliance(item, fabric)
		}
		if m.LogStorageAccount == "" {
			m.LogStorageAccount = item.LogStorage
		}
		room.take(vault.WriterOf(m, item.FabricID), item)
		return m
	}
	m.MasterTarget, m.ProcessServer, m.RetentionDrive = choice.MasterTarget, choice.ProcessServer, choice.RetentionDrive
	if m.MasterTarget == "" {
		m.MasterTarget = room.masterTarget(item, fabric)
	}
	room.take(vault.WriterOf(m, item.FabricID), item)
	if m.ProcessServer == "" && len(fabric.ProcessServers) > 0 {
		m.ProcessServer = fabric.ProcessServers[0].Name
	}
	if m.RetentionDrive == "" { // the page's defaults (S24)
		m.RetentionDrive = map[string]string{observed.Windows: "R", observed.Linux: "/mnt/retention"}[item.OS]
	}
	return m
}
