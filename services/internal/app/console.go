package app

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/internal/console"
	"reprotect.example/services/internal/telemetry"
	"reprotect.example/services/journal"
	"reprotect.example/services/preflight"
	"reprotect.example/services/status"
)

// ConsoleOptions of Console.
type ConsoleOptions struct {
	Version string
	Health  func() []status.Part
	Drain   <-chan struct{}
}

// Console is the console of the journal that this process keeps. It is nil where it keeps none, and where whoever reaches
// http.listen would see all of it: nobody is asked who they are there, and it is not on loopback.
func (a *App) Console(o ConsoleOptions) (*console.Console, error) {
	c := a.o.Config
	if a.journal == nil {
		return nil, nil
	}
	if !c.HTTP.OnLoopback() && c.HTTP.Auth == nil {
		a.o.Log.Warn("no console: whoever reaches " + c.HTTP.Listen + " would see everything. Name who may under http.auth, or let http.listen be on loopback")
		return nil, nil
	}
	access, err := accessOf(c)
	if err != nil {
		return nil, err
	}
	return console.New(console.Options{
		Journal: browsed{a.journal.Store}, Serves: a.journal.serves.Load, Health: o.Health, Publish: a.publish, Preflight: a.preflight, Datastores: a.datastores,
		JournalAPI: a.journal.api("", nil, o.Drain), // the console asks who it is
		Sites:      c.SiteNames(), Access: access, Version: o.Version, Log: telemetry.Slog(a.o.Log), Drain: o.Drain,
	}), nil
}

// Parts tells the parts of this process as the console shows them.
func Parts(h *telemetry.Health) func() []status.Part {
	return func() []status.Part {
		all := []status.Part{}
		h.Tell(func(component string, works bool, said string) {
			p := status.Part{Part: component, State: status.OK}
			if said != "ok" {
				p.What = said
			}
			if !works {
				p.State = status.Down
			}
			all = append(all, p)
		})
		return all
	}
}

// accessOf reads who may read and act.
func accessOf(c config.Config) (console.Access, error) {
	access := console.Access{Loopback: c.HTTP.OnLoopback(), PublicURL: c.HTTP.PublicURL}
	var err error
	if access.Token, err = c.HTTPToken(); err != nil {
		return access, err
	}
	if access.ReadToken, err = c.JournalToken(); err != nil {
		return access, err
	}
	if c.HTTP.Auth == nil || c.HTTP.Auth.Proxy == nil {
		return access, nil
	}
	p := c.HTTP.Auth.Proxy
	access.Proxy = &console.Proxy{UserHeader: p.UserHeader, GroupsHeader: p.GroupsHeader, Operators: p.Operators, Approvers: p.Approvers}
	for _, network := range p.From {
		from, err := netip.ParsePrefix(network)
		if err != nil {
			return access, fmt.Errorf("http.auth.proxy.from: %w", err)
		}
		access.Proxy.From = append(access.Proxy.From, from.Masked())
	}
	return access, nil
}

var errNotConnected = errors.New("this process is not connected to the bus yet")

func (a *App) publish(ctx context.Context, m bus.Message) error {
	b := a.bus.Load()
	if b == nil {
		return errNotConnected
	}
	return b.Publish(ctx, m)
}

// ofSite is the named site, or the only one.
func (a *App) ofSite(name string) (site, error) {
	names := a.o.Config.SiteNames()
	if name == "" && len(names) == 1 {
		name = names[0]
	}
	s, ok := a.sites[name]
	if !ok {
		return site{}, fmt.Errorf("site %q: the config has %s: name one of them", name, strings.Join(names, ", "))
	}
	return s, nil
}

func (a *App) preflight(ctx context.Context, ask preflight.Ask) (preflight.Report, error) {
	s, err := a.ofSite(ask.Request.Site)
	if err != nil {
		return preflight.Report{}, err
	}
	return preflight.Run(ctx, s.preflight(), ask, time.Now())
}

func (a *App) datastores(ctx context.Context, name, machine string) (events.Placement, error) {
	s, err := a.ofSite(name)
	if err != nil {
		return events.Placement{}, err
	}
	return preflight.Datastores(ctx, s.preflight(), machine, time.Now())
}

// Browsed is a journal as the console reads it.
func Browsed(s *journal.Store) console.Journal { return browsed{s} }

type browsed struct{ *journal.Store }

// Last implements console.Journal.
func (b browsed) Last(ctx context.Context) (uint64, error) {
	place, _, err := b.Store.Last(ctx)
	return place, err
}

// Follow implements console.Journal.
func (b browsed) Follow(ctx context.Context, filters []string, from uint64, each func(bus.Received) error) error {
	return b.Read(ctx, journal.Reading{Filters: filters, From: from, Follow: true}, each)
}

// LookBack implements console.Journal.
func (b browsed) LookBack(ctx context.Context, back console.Back) ([]bus.Received, uint64, error) {
	return b.Store.LookBack(ctx, journal.Back(back))
}

// Holds implements console.Journal.
func (b browsed) Holds(ctx context.Context) (console.Holding, error) {
	s, err := b.Stats(ctx)
	return console.Holding{Messages: s.Messages, Cases: s.Cases, Open: s.Open, Bytes: s.Bytes, Newest: s.Newest}, err
}
