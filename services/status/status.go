// Package status says on one page what needs a person, what goes on, what it waits for and when each request may be done:
// for the command line, the console and its API alike. It is a pure function of where the cases stand and of what else was
// read; each figure is defined here, once.
package status

import (
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

// Lately is how long a request that has ended, or was refused, stays in the view.
const Lately = 12 * time.Hour

// Given is what the view is made of.
type Given struct {
	Cases  []cases.Case // where all stand, in any order
	Dead   []Letter
	Health []Part // of whatever the caller asked; a part that it could not ask has the state Unknown

	Site, Request string // restrict the view where they are not empty; Request is an id
	Sender        string // of refused requests those of this sender alone; empty: everybody's
	Lang          string // of cause and do: en or ja; empty is en
	Now           time.Time
}

// Letter is a dead letter.
type Letter struct {
	events.Dead
	Time time.Time
}

// View is what needs a person, and what goes on. No list in it is nil.
type View struct {
	NeedsYou []Need    `json:"needsYou"` // the most urgent first
	Stages   []Stage   `json:"stages"`   // every stage, in the order of the way; each machine counts in one of them
	Waits    []Wait    `json:"waits"`    // what waits for something by itself
	Requests []Request `json:"requests"` // those under way, then those that ended lately, the oldest first
	Health   []Part    `json:"health"`
	AsOf     time.Time `json:"asOf"`
}

// Kinds of what needs a person, the most urgent first.
const (
	Alarm     = "alarm"     // the guard told of something that must not be, or of damage that it left
	Operator  = "operator"  // a case stands still until somebody has corrected the cause
	Failed    = "failed"    // a machine, or its case, ended so and was not taken up since
	Rejected  = "rejected"  // a check or the placement blocked it
	Unwatched = "unwatched" // the guard cannot see a machine, or what writes its disks
	Refused   = "refused"   // a request never became cases
	Dead      = "dead"      // a service gave a message up
)

func kinds() []string { return []string{Alarm, Operator, Failed, Rejected, Unwatched, Refused, Dead} }

// Need is one cause that needs a person, with all that it stops.
type Need struct {
	Key      string    `json:"-"` // the same for the same cause at any time, though others with the same key may stand beside it
	Kind     string    `json:"kind"`
	Code     string    `json:"code"`
	Cause    string    `json:"cause"` // one line
	Do       string    `json:"do"`    // one line; empty when nobody has said what
	Next     string    `json:"next"`  // the command that goes on from here
	Since    time.Time `json:"since,omitzero"`
	Machines []string  `json:"machines"`           // names, each once
	Cases    []string  `json:"cases,omitempty"`    // ids
	Requests []string  `json:"requests,omitempty"` // ids
	Sites    []string  `json:"sites,omitempty"`
	Alarms   []string  `json:"alarms,omitempty"` // ids, for 'acknowledge'
	State    string    `json:"state,omitempty"`  // of alarms: open, or ended when only the damage is left
}

// States of a part.
const (
	OK      = "ok"
	Behind  = "behind"  // it runs, and has not done all that it was given
	Down    = "down"    // it does not answer, or does not do its work
	Unknown = "unknown" // it could not be asked
)

// Part is the health of a part of the product, or of what it depends on.
type Part struct {
	Part  string `json:"part"`
	State string `json:"state"`
	What  string `json:"what,omitempty"`
}

// Of makes the view. It changes nothing of what it is given.
func Of(g Given) View {
	all := slices.DeleteFunc(cases.Listed(slices.Clone(g.Cases)), func(c cases.Case) bool {
		return g.Site != "" && c.Site != g.Site || g.Request != "" && c.Request != g.Request && events.Token(c.Request) != g.Request
	})
	standings := cases.Standings(all)
	if g.Site != "" || g.Request != "" { // who stands elsewhere by now needs nobody here
		standings = slices.DeleteFunc(cases.Standings(g.Cases), func(s cases.Standing) bool {
			return !slices.ContainsFunc(all, func(c cases.Case) bool { return c.ID == s.Case.ID })
		})
	}
	return View{
		NeedsYou: needs(g, all, standings), Stages: stages(standings), Waits: waits(all), Requests: requests(all, g.Now),
		Health: health(g), AsOf: g.Now.UTC(),
	}
}

// health adds to the parts that the caller asked what the dead letters say.
func health(g Given) []Part {
	parts := append([]Part{}, g.Health...)
	for _, l := range g.Dead {
		i := slices.IndexFunc(parts, func(p Part) bool { return strings.EqualFold(p.Part, l.Service) })
		if i >= 0 && parts[i].State == OK {
			parts[i].State, parts[i].What = Behind, "it gave messages up"
		}
	}
	return parts
}
