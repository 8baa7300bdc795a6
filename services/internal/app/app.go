// Package app joins the services with the bus, the vaults and the vCenters that the config names. It is the only
// place that knows them all.
package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"reprotect.example/events/bus"
	"reprotect.example/services/agentwatcher"
	"reprotect.example/services/datastore"
	"reprotect.example/services/executor"
	"reprotect.example/services/guard"
	"reprotect.example/services/internal/channel"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/internal/telemetry"
	"reprotect.example/services/notifier"
	"reprotect.example/services/validator"
	"reprotect.example/services/workflow"
)

// Targets lists the services by the names that --target takes, in the order of the pipeline.
func Targets() []string {
	var names []string
	for _, t := range targets {
		names = append(names, t.name)
	}
	return names
}

type target struct {
	name string
	make func(sites map[string]site, served []string, o outside) (s workflow.Service, beside func(context.Context))
}

// outside is what a service needs that does more than answer messages: beside is what it does.
type outside struct {
	bus     *Bus
	journal *ownJournal
	trouble func(site string, err error)
	health  func(error)
	remark  func(component, remark string)  // on /ready; "" takes it back
	differ  func(kind string, messages int) // Options.Differ
	// occupied says on /ready and in the metric under how many steps something stands that is no outcome of them.
	occupied func(service string, steps int)
	config   config.Config
	log      *zap.Logger
	// channels are those of the config, for the notifier.
	channels []*notifier.Channel
}

func (o outside) broker() bus.Broker {
	if o.bus == nil { // only its subscription is asked for
		return nil
	}
	return o.bus.Broker
}

var targets = []target{
	{"validator", func(sites map[string]site, served []string, o outside) (workflow.Service, func(context.Context)) {
		return restrict(validator.New(each(sites, site.validator), served, o.stories(), time.Now), served), func(context.Context) {}
	}},
	{"datastore", answers(func(sites map[string]site, _ []string) workflow.Service {
		return datastore.New(each(sites, site.datastore), time.Now)
	})},
	{"agentwatcher", answers(func(sites map[string]site, _ []string) workflow.Service {
		return agentwatcher.New(each(sites, site.agentwatcher), time.Now)
	})},
	{"executor", answers(func(sites map[string]site, _ []string) workflow.Service {
		return executor.New(each(sites, site.executor), time.Now)
	})},
	{"notifier", func(sites map[string]site, served []string, o outside) (workflow.Service, func(context.Context)) {
		n := notifier.New(o.notifier(sites, served))
		return restrict(n.Service(), served), n.Run
	}},
	{"guard", func(sites map[string]site, served []string, o outside) (workflow.Service, func(context.Context)) {
		here := maps.Clone(sites)
		maps.DeleteFunc(here, func(_ string, s site) bool { return s.elsewhere })
		g := guard.New(each(here, site.guard), o.broker(), time.Now, o.blindness)
		return restrict(g.Service(), served), g.Run
	}},
	{"journal", func(_ map[string]site, served []string, o outside) (workflow.Service, func(context.Context)) {
		service := restrict(keepsJournal(o), served)
		return service, func(ctx context.Context) {
			if o.bus.NATS != nil {
				compares(o, service.Consumer().Filters).run(ctx, o.journal.serves.Load)
			} else {
				tidies(ctx, o)
			}
		}
	}},
}

// blindness says on /ready, too, what the guard cannot see of a site: it works all the same, as far as it can.
func (o outside) blindness(site string, err error) {
	o.trouble(site, err)
	remark := ""
	if err != nil {
		remark = err.Error()
	}
	o.remark("guard of "+site, remark)
}

// answers is for services that only answer messages.
func answers(make func(map[string]site, []string) workflow.Service) func(map[string]site, []string, outside) (workflow.Service, func(context.Context)) {
	return func(sites map[string]site, served []string, _ outside) (workflow.Service, func(context.Context)) {
		return restrict(make(sites, served), served), func(context.Context) {}
	}
}

func each[T any](sites map[string]site, of func(site) T) map[string]T {
	result := map[string]T{}
	for name, s := range sites {
		result[name] = of(s)
	}
	return result
}

func restrict(s workflow.Service, served []string) workflow.Service {
	s.Sites = served
	return s
}

// ParseTargets reads the value of --target: names separated by commas, or all.
func ParseTargets(value string) ([]string, error) {
	if value == "" || value == "all" {
		return Targets(), nil
	}
	names := strings.Split(value, ",")
	for _, name := range names {
		if !slices.Contains(Targets(), name) {
			return nil, fmt.Errorf("--target: there is no service %q; there are all, %s", name, strings.Join(Targets(), ", "))
		}
	}
	return names, nil
}

// ParseSites reads the value of --site: names separated by commas; empty means all, without restriction.
func ParseSites(value string, c config.Config) ([]string, error) {
	if value == "" {
		return nil, nil
	}
	names := strings.Split(value, ",")
	for _, name := range names {
		if _, ok := c.Sites[name]; !ok {
			return nil, fmt.Errorf("--site: the config has no site %q; it has %s", name, strings.Join(c.SiteNames(), ", "))
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// ParseSiteGroups reads the values of --site of 'bus setup', each of which is one of reprotectd's.
func ParseSiteGroups(values []string, c config.Config) (groups [][]string, err error) {
	for _, value := range values {
		group, err := ParseSites(value, c)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(groups, func(other []string) bool { return slices.Equal(group, other) }) {
			groups = append(groups, group)
		}
	}
	return groups, nil
}

// Consumers lists the durable subscriptions of all services: for processes that serve all sites, or, where there are
// groups, for processes that serve those sites each.
func Consumers(groups ...[]string) []bus.Consumer {
	if len(groups) == 0 {
		groups = [][]string{nil}
	}
	var consumers []bus.Consumer
	for _, served := range groups {
		for _, t := range targets {
			service, _ := t.make(nil, served, outside{})
			consumers = append(consumers, service.Consumer())
		}
	}
	return consumers
}

// Health takes note of what works; telemetry.Health is one.
type Health interface {
	Set(component string, err error)
	Remark(component, remark string)
}

// Options of New.
type Options struct {
	Config  config.Config
	Targets []string // as ParseTargets gives them
	Sites   []string // as ParseSites gives them
	Log     *zap.Logger
	Health  Health
	Observe func(service, kind, how string, took time.Duration)
	// Hanging is told what workflow.Options.Hanging is; telemetry.Metrics.Hanging is one. It may be nil.
	Hanging func(service, kind string, messages, handlers int)
	// Occupied is told what workflow.Options.Occupied is; telemetry.Metrics.Occupied is one. It may be nil.
	Occupied func(service string, steps int)
	// Room is told now and then what a part of the bus has taken of what it may, in bytes; limit 0: it is not known. It may be nil.
	Room func(part string, taken, limit uint64)
	// Differ is told in how many messages the event log and the journal differ, by kind; telemetry.Metrics.Differ is one. It may be nil.
	Differ func(kind string, messages int)
	// Count publishes a number that only grows; telemetry.Metrics.Count is one. Nil: nothing is published.
	Count func(name, help string, labels map[string]string, read func() int64)
}

// App is the services of one process.
type App struct {
	o        Options
	sites    map[string]site
	journal  *ownJournal // nil where this process keeps none
	channels []*notifier.Channel
	bus      atomic.Pointer[Bus]
}

// New makes the clients of all sites; nothing is asked yet. An error is one that does not pass by waiting.
func New(o Options) (*App, error) {
	sites, err := openSites(o.Config, o.Sites, o.Log)
	if err != nil {
		return nil, err
	}
	if o.Count != nil {
		countRequests(o, sites)
	}
	a := &App{o: o, sites: sites}
	if slices.Contains(o.Targets, "journal") {
		if a.journal, err = openJournal(o); err != nil {
			closeSites(sites)
			return nil, err
		}
	}
	if slices.Contains(o.Targets, "notifier") {
		if a.channels, err = channel.All(o.Config); err != nil {
			closeSites(sites)
			return nil, err
		}
	}
	return a, nil
}

// countRequests publishes what each site asks of Azure.
func countRequests(o Options, sites map[string]site) {
	for name, s := range sites {
		client := s.vault.Client
		for kind, read := range map[string]func() int64{
			"read": func() int64 { return client.Counters().Reads }, "write": func() int64 { return client.Counters().Writes },
		} {
			o.Count("reprotect_azure_requests_total", "Requests to Azure Resource Manager, every try for itself.", map[string]string{"site": name, "kind": kind}, read)
		}
		o.Count("reprotect_azure_throttled_total", "Requests that Azure refused with 429.", map[string]string{"site": name}, func() int64 { return client.Counters().Throttled })
	}
}

// Run runs the services until ctx ends, and then lets the handlers under way finish. Whatever is away (the bus,
// Azure, vCenter) is waited for.
func (a *App) Run(ctx context.Context) {
	defer closeSites(a.sites)
	if a.journal != nil {
		defer func() { _ = a.journal.Close() }() // everything that was kept is on the disk
	}
	o := a.o
	o.Health.Set("bus", errors.New("not connected yet"))
	b := connect(ctx, o)
	if b == nil {
		return
	}
	defer b.Close()
	a.bus.Store(b)
	defer a.bus.Store(nil)

	var running sync.WaitGroup
	for _, t := range targets {
		if slices.Contains(o.Targets, t.name) {
			health := func(err error) { o.Health.Set(t.name, err) }
			service, beside := t.make(a.sites, o.Sites, outside{b, a.journal, troubleOf(t.name, o.Log), health, o.Health.Remark, o.Differ, tellsWhatIsOccupied(o.Health, o.Occupied), o.Config, o.Log, a.channels})
			running.Go(func() { supervise(ctx, o, b, service) })
			running.Go(func() { beside(ctx) })
		}
	}
	running.Go(func() { watchBus(ctx, o, b) })
	running.Wait()
}

const (
	firstPause = time.Second
	mostPause  = 15 * time.Second
)

// connect waits for the bus; nil means that ctx ended first.
func connect(ctx context.Context, o Options) *Bus {
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		b, err := OpenBus(ctx, o.Config, "reprotectd", true, o.Log)
		if err == nil {
			return b
		}
		o.Health.Set("bus", err)
		o.Log.Warn("bus not reached, will try again", zap.Duration("after", pause), zap.Error(err))
		if !sleep(ctx, pause) {
			return nil
		}
	}
}

// troubleOf logs what a service cannot see, once for as long as it stays the same.
func troubleOf(service string, log *zap.Logger) func(site string, err error) {
	var mu sync.Mutex
	last := map[string]string{}
	return func(site string, err error) {
		mu.Lock()
		defer mu.Unlock()
		log := log.With(zap.String("service", service), zap.String("site", site))
		switch {
		case err == nil:
			delete(last, site)
			log.Info("sees vCenter again")
		case last[site] != err.Error():
			last[site] = err.Error()
			log.Warn("cannot see everything, goes on trying", zap.Error(err))
		}
	}
}

// watchBus keeps the word on the bus's health true.
func watchBus(ctx context.Context, o Options, b *Bus) {
	var looked time.Time
	for ok := true; ok; ok = sleep(ctx, time.Second) {
		ready := b.Ready()
		if b.server != nil {
			healed, err := b.server.Heal()
			if healed {
				o.Log.Warn("the bus inside this process had switched its store off, as it does when the disk is full, and was started anew")
			}
			ready = errors.Join(err, ready)
		}
		o.Health.Set("bus", ready)
		sends, receives := b.directions()
		o.Health.Set("bus/send", sends)
		o.Health.Set("bus/receive", receives)
		tellClock(o.Health, b.ahead())
		if now := time.Now(); now.Sub(looked) >= lookAtRoom {
			looked = now
			tellRoom(ctx, o, b)
		}
	}
}

// mostAhead is by how much the clocks may differ before an operator is told.
const mostAhead = 5 * time.Second

// tellClock says on /ready when this machine's clock is not the bus's. What is scheduled is put right, so it is no trouble;
// but what other machines write carries other times.
func tellClock(h Health, ahead time.Duration) {
	remark := ""
	if ahead.Abs() > mostAhead {
		way := "behind"
		if ahead < 0 {
			way = "ahead of"
		}
		remark = fmt.Sprintf("the clock of this machine is %s %s that of the bus: set it right, by NTP", ahead.Abs().Round(time.Second), way)
	}
	h.Remark("bus/clock", remark)
}

// supervise runs one service for ever: a subscription that breaks is taken up again, one that is missing is made
// where this account may make it. What exists is left as it is: changing it is for 'reprotect bus setup'.
func supervise(ctx context.Context, o Options, b *Bus, s workflow.Service) {
	pause := firstPause
	hanging, occupied := tellsWhatHangs(o.Health, o.Hanging), tellsWhatIsOccupied(o.Health, o.Occupied)
	if s.Alone && s.Name != "journal" { // which says so itself
		s = tellsWhetherItServes(s, o.Health)
	}
	for {
		o.Health.Set(s.Name, nil)
		begun := time.Now()
		err := workflow.Run(ctx, b.Broker, s, workflow.Options{Log: telemetry.Slog(o.Log), Observe: o.Observe, Hanging: hanging, Occupied: occupied})
		if ctx.Err() != nil {
			o.Log.Info("service stopped", zap.String("service", s.Name))
			return
		}
		if errors.Is(err, bus.ErrMissing) {
			if made := b.addMissing(ctx, s.Consumer()); made == nil {
				o.Log.Info("subscription made", zap.String("service", s.Name))
				continue
			}
		}
		o.Health.Set(s.Name, err)
		o.Log.Warn("service without subscription, will try again", zap.String("service", s.Name), zap.Duration("after", pause), zap.Error(err))
		if !sleep(ctx, pause) {
			return
		}
		if pause = min(2*pause, mostPause); time.Since(begun) > time.Minute {
			pause = firstPause
		}
	}
}

// tellsWhetherItServes lets a service of which one process serves at a time say on /ready that this one stands by: that
// is no trouble, and the process that starts beside another in an update is as ready as it can be.
func tellsWhetherItServes(s workflow.Service, h Health) workflow.Service {
	standBy, begin := s.StandBy, s.Begin
	s.StandBy = func() {
		if standBy != nil {
			standBy()
		}
		h.Remark(s.Name, "stands by: another process serves, and this one goes on when that stops")
	}
	s.Begin = func(ctx context.Context) {
		if begin != nil {
			begin(ctx)
		}
		h.Set(s.Name, nil)
	}
	return s
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
