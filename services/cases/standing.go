package cases

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"reprotect.example/events"
)

// Standing is where one machine stands: in the latest case that says something of it.
type Standing struct {
	Case    *Case
	Machine *Machine // in Case
	Label   string   // names it for people, within its case
}

// Standings tells of every machine of some cases once, those of older cases first. Its latest case counts; one that ended
// before it touched a machine does not take away that the machine is protected, and a dry run counts only where nothing
// else does.
func Standings(all []Case) []Standing {
	listed := Listed(slices.Clone(all))
	slices.SortStableFunc(listed, func(a, b Case) int { return cmp.Compare(rehearsal(b), rehearsal(a)) })
	known := register{twins: twins(all)}
	for i := range listed {
		c := &listed[i]
		labels := c.Labels()
		for j := range c.Machines {
			at := known.find(c.Site, c.Machines[j])
			if now := (Standing{c, &c.Machines[j], labels[j]}); at.stands.Case == nil || now.overtakes(at.stands) {
				at.stands = now
			}
		}
	}
	standings := make([]Standing, 0, len(known.all))
	for _, m := range known.all {
		standings = append(standings, m.stands)
	}
	slices.SortStableFunc(standings, func(a, b Standing) int {
		return cmp.Or(a.Case.Since.Compare(b.Case.Since), strings.Compare(a.Case.ID, b.Case.ID))
	})
	return standings
}

func rehearsal(c Case) int {
	if c.DryRun {
		return 1
	}
	return 0
}

func (s Standing) overtakes(former Standing) bool {
	if s.Case.Leg != events.LegReprotect && s.Case.End && former.Case.Leg != events.LegReprotect && !former.Case.End {
		return false // a commit that is done, of a failback that goes on
	}
	untouched := s.Case.End && s.Machine.State == events.StateNotStarted
	return !untouched || former.Case.DryRun || former.Machine.State != events.StateProtected
}

// Places is where each case that waits for its turn stands in its site's admission queue, 1 is next, by the cases' ids. A
// case knows the place that it was told last, which others may have been told before; here each has its own.
func Places(all []Case) map[string]int {
	queue := slices.DeleteFunc(slices.Clone(all), func(c Case) bool { return c.End || c.Waiting == nil || c.Waiting.Place == 0 })
	slices.SortFunc(queue, func(a, b Case) int {
		return cmp.Or(strings.Compare(a.Site, b.Site), cmp.Compare(a.Waiting.Place, b.Waiting.Place), a.Waiting.Since.Compare(b.Waiting.Since), a.Since.Compare(b.Since), strings.Compare(a.ID, b.ID))
	})
	places := make(map[string]int, len(queue))
	for i, site, n := 0, "", 0; i < len(queue); i++ {
		if n++; i == 0 || queue[i].Site != site {
			site, n = queue[i].Site, 1
		}
		places[queue[i].ID] = n
	}
	return places
}

// askedFor reads what a refused request was about, of what its refusal keeps of it: who asked, and for which names. What is
// no request, or was cut, says nothing.
func askedFor(original string) (names []string, by string) {
	var sent struct {
		events.Request
		Data *events.Request `json:"data"`
	}
	if json.Unmarshal([]byte(original), &sent) != nil {
		return nil, ""
	}
	request := sent.Request
	if sent.Data != nil {
		request = *sent.Data
	}
	for _, m := range request.Machines {
		names = append(names, m.Name)
	}
	if request.Plan != "" {
		names = append(names, request.Plan)
	}
	return names, request.RequestedBy
}
