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
	var filters []string
	for _, r := range s.Routes {
		filters = append(filters, r.filters(s.Sites)...)
	}
	c := bus.Consumer{Service: s.durable(), Filters: apart(filters), InOrder: s.inOrder()}
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

// inOrder says whether messages are handed on in the order of their delivery.
func (s Service) inOrder() bool {
	return slices.ContainsFunc(s.Routes, func(r Route) bool { return r.hand != nil })
}

func (s Service) durable() string {
	return strings.Join(append([]string{s.Name}, s.Sites...), "-")
}

func (s Service) route(subject string) (Route, bool) {
	i := slices.IndexFunc(s.Routes, func(r Route) bool {
		return slices.ContainsFunc(r.filters(s.Sites), func(f string) bool { return bus.Match(f, subject) })
	})
	if i < 0 {
		return Route{}, false
	}
	return s.Routes[i], true
}
