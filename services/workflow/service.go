package workflow

import (
	"context"
	"slices"
	"strings"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// Service is a set of routes under one name, which is also the name of its durable subscription.
type Service struct {
	Name   string
	Routes []Route
	// Keep, in the place of routes, makes a service that keeps every message as it came: commands, facts and notifications
	// of its sites. It takes one message after the other, in the order of their delivery, and returns what waits until it
	// is kept; of those many wait at once, and a message is acknowledged when its own has returned nil. What could not be
	// kept is brought again, for as long as it takes, and then stands behind others.
	Keep func(ctx context.Context, r bus.Received) (kept func() error)
	// Sites restricts the service to some sites; empty: all.
	Sites []string
	// All makes the subscription take every fact in one filter, and passes over those without a route. It suits a
	// service that answers many kinds: brokers are slow at long lists of filters.
	All bool
	// Alone lets one process at a time serve. StandBy is called whenever this one begins to wait for its turn, Begin
	// whenever it takes over: nothing is delivered before Begin returns, which it must soon when its context ends. Both
	// may be nil.
	Alone   bool
	StandBy func()
	Begin   func(ctx context.Context)
}

func factFilters(k events.Kind) func(sites []string) []string {
	step := k.Step
	if step == "" {
		step = "*"
	}
	return func(sites []string) []string { return perSite(sites, "*."+step+"."+k.Name) }
}

func perSite(sites []string, rest string) []string {
	if len(sites) == 0 {
		sites = []string{"*"}
	}
	var filters []string
	for _, site := range sites {
		filters = append(filters, events.SubjectFacts+"."+site+"."+rest)
	}
	return filters
}

// Consumer is the durable subscription that the service needs.
func (s Service) Consumer() bus.Consumer {
	if s.Keep != nil {
		return bus.Consumer{Service: s.durable(), Filters: apart(everything(s.Sites)), InOrder: true}
	}
	var filters []string
	for _, r := range s.Routes {
		filters = append(filters, r.filters(s.Sites)...)
	}
	c := bus.Consumer{Service: s.durable(), Filters: apart(filters)}
	if s.All {
		c.Narrow, c.Filters = c.Filters, apart(append(filters, perSite(s.Sites, "*.*.*")...))
	}
	return c
}

// apart drops the filters that others cover: brokers refuse those that overlap.
func apart(filters []string) []string {
	filters = slices.Clone(filters)
	slices.Sort(filters)
	filters = slices.Compact(filters)
	return slices.DeleteFunc(slices.Clone(filters), func(f string) bool {
		return slices.ContainsFunc(filters, func(g string) bool { return g != f && bus.Match(g, f) })
	})
}

func (s Service) durable() string {
	return strings.Join(append([]string{s.Name}, s.Sites...), "-")
}

// served is a route with the filters that it has for the sites of its service.
type served struct {
	Route
	filters []string
}

func (s Service) served() (all []served) {
	for _, r := range s.Routes {
		all = append(all, served{r, r.filters(s.Sites)})
	}
	return all
}

// routeOf is the first route that takes a subject.
func routeOf(all []served, subject string) (Route, bool) {
	for _, r := range all {
		if slices.ContainsFunc(r.filters, func(f string) bool { return bus.Match(f, subject) }) {
			return r.Route, true
		}
	}
	return Route{}, false
}
