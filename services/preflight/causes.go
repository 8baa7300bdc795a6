package preflight

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"reprotect.example/events"
	"reprotect.example/services/checks"
)

// noDatastore is the code under which a report says that no datastore fits, which no check has said.
const noDatastore = "datastore.none"

// cause is one thing to see to, told once for all machines that it concerns.
type cause struct {
	ID       string
	Rank     rank
	Status   string   // key of the words
	Codes    []string // of the checks: one, or all those that one gap left unknown
	Title    string   // what is the case
	Found    []string // what was found, each once
	Why      string
	Remedy   string
	Page     string // address
	Machines []string
	All      bool // it concerns every machine of the report

	place int // in the catalogue
}

// about is a finding with the machines that it tells of.
type about struct {
	events.Finding
	machines []string
}

// causes groups what asks for attention: findings of one check that are mended by the same, and those of several checks that
// are unknown for one reason. Within a rank what concerns every machine comes first, then what concerns most.
func causes(r Report, lang string) []cause {
	var all []about
	everybody := 0
	for _, c := range r.Cases {
		var names []string
		for _, m := range c.Machines {
			names = append(names, m.Name)
		}
		everybody += len(names)
		for _, f := range c.Findings {
			switch {
			case rankOf(f) == quiet:
			case f.Machine == "":
				all = append(all, about{f, names})
			default:
				all = append(all, about{f, []string{f.Machine}})
			}
		}
		for _, p := range c.Placements {
			if c.placeless(p) {
				all = append(all, about{events.Finding{
					Check: noDatastore, Machine: p.Machine, Status: checks.Failed, Level: string(checks.Block), Blocks: true, Evidence: p.Why,
				}, []string{p.Machine}})
			}
		}
	}
	return sorted(grouped(all, lang), everybody)
}

// placeless says whether no datastore fits a machine, and no check of datastores that blocks has said so.
func (c Case) placeless(p events.Placement) bool {
	said := func(f events.Finding) bool {
		return f.Blocks && f.Machine == p.Machine && strings.HasPrefix(f.Check, "datastore.")
	}
	return p.Datastore == "" && !slices.ContainsFunc(c.Findings, said)
}

func grouped(all []about, lang string) []cause {
	gaps := map[string]map[string]bool{} // evidence of what is unknown -> the checks that it left so
	for _, a := range all {
		if a.Status == checks.Unknown && a.Evidence != "" {
			if gaps[a.Evidence] == nil {
				gaps[a.Evidence] = map[string]bool{}
			}
			gaps[a.Evidence][a.Check] = true
		}
	}
	type key struct {
		rank
		what, remedy string
	}
	at := map[key]int{}
	var found []cause
	for _, a := range all {
		rank := rankOf(a.Finding)
		gap := a.Status == checks.Unknown && len(gaps[a.Evidence]) > 1
		k := key{rank, a.Check, a.Remedy}
		if gap {
			k = key{rank, a.Evidence, ""}
		}
		i, known := at[k]
		if !known {
			i = len(found)
			at[k] = i
			found = append(found, causeOf(a.Finding, gap, lang))
		}
		found[i].add(a, lang)
	}
	for i, c := range found {
		if len(c.Codes) > 1 {
			found[i].Title = say(lang, "gap", len(c.Codes))
		}
	}
	return found
}

// causeOf begins a cause with its first finding. What the catalogue does not know has its code for a title.
func causeOf(f events.Finding, gap bool, lang string) cause {
	s := show(f, lang)
	c := cause{Rank: s.Rank, Status: s.Status, Title: s.Title, Why: s.Why, Remedy: s.Remedy, Page: s.Page}
	c.place = slices.IndexFunc(checks.Catalogue(), func(check checks.Check) bool { return check.Code == f.Check })
	if gap {
		c.Why, c.Page, c.Remedy = "", "", say(lang, "gap-remedy")
	}
	return c
}

func (c *cause) add(a about, lang string) {
	once := func(all []string, one string) []string {
		if one == "" || slices.Contains(all, one) {
			return all
		}
		return append(all, one)
	}
	c.Codes = once(c.Codes, a.Check)
	c.Found = once(c.Found, evidence(a.Finding, lang))
	for _, m := range a.machines {
		c.Machines = once(c.Machines, m)
	}
}

func sorted(found []cause, everybody int) []cause {
	for i, c := range found {
		found[i].All = len(c.Machines) == everybody && everybody > 1
	}
	slices.SortStableFunc(found, func(a, b cause) int {
		return cmp.Or(cmp.Compare(a.Rank, b.Rank), cmp.Compare(len(b.Machines), len(a.Machines)), cmp.Compare(a.place, b.place))
	})
	for i := range found {
		found[i].ID = fmt.Sprintf("cause-%d", i+1)
	}
	return found
}

// blocked counts the machines that something blocks.
func blocked(all []cause) int {
	machines := map[string]bool{}
	for _, c := range all {
		if c.Rank == blocks {
			for _, m := range c.Machines {
				machines[m] = true
			}
		}
	}
	return len(machines)
}

// checked is one row of what was checked: how many machines, or cases, met it.
type checked struct {
	Code, Title string
	Met, Of     int
}

// whatWasChecked lists every check that was made, in the order of the catalogue. One without meaning for a machine counts as
// met.
func whatWasChecked(r Report, lang string) (all []checked) {
	at := map[string]int{}
	for _, c := range r.Cases {
		for _, f := range c.Findings {
			i, known := at[f.Check]
			if !known {
				i = len(all)
				at[f.Check] = i
				row := checked{Code: f.Check, Title: f.Check}
				if check, ok := checks.Lookup(f.Check); ok {
					row.Title = check.In(lang).Title
				}
				all = append(all, row)
			}
			all[i].Of++
			if rankOf(f) == quiet {
				all[i].Met++
			}
		}
	}
	order := map[string]int{}
	for i, check := range checks.Catalogue() {
		order[check.Code] = i + 1
	}
	slices.SortStableFunc(all, func(a, b checked) int { return cmp.Compare(order[a.Code], order[b.Code]) })
	return all
}
