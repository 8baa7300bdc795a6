// Package guard watches, from the start of a reprotect until the machine is home, for what must not happen: the
// on-premises machine switched on (S39), Storage vMotion of the master target or the appliance (S13, S23, M5), a
// snapshot on the master target (S30), the Azure VM deleted or moved (S2), or switched off. Each is told at once, and
// once. When the machine's failback is seen, that is told too, and the guard of the machine ends.
//
// The guard is no part of the pipeline: nothing waits for it. What it watches comes from the event log; what it
// knew of a case last travels with the case's wake-up on the bus, so that after a restart what happened meanwhile
// is found by comparing. In memory it has a siteGuard for each site, where vCenter's reports come in.
package guard

import (
	"context"
	"sync"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/observed"
	"reprotect.example/services/workflow"
)

// Vault is what the guard needs of Site Recovery.
type Vault interface {
	// Vault gives a look at the vault that is not older than maxAge, with the items of full, by id, read in full.
	Vault(ctx context.Context, maxAge time.Duration, full ...string) (observed.Vault, error)
	Item(ctx context.Context, id string) (observed.Item, error)
}

// Inventory finds machines in vCenter.
type Inventory interface {
	Inventory(ctx context.Context, q observed.Query) (observed.Inventory, error)
}

// Watch keeps machines of a vCenter in view, which it knows by their managed object ids.
type Watch interface {
	// Add takes a machine into view that was seen last at since. Its first report tells what happened from then on.
	Add(id string, since time.Time)
	Remove(id string)
	// Run tells of each machine in view as it is, and again at each change, until ctx ends. What happened while it could
	// not see it asks for when it sees again. While it cannot see it tells why at each attempt; while it can, nil now and
	// then.
	Run(ctx context.Context, tell func(observed.Watched), blind func(error))
}

// Azure looks for the VMs of machines that run in Azure. It takes a while and never fails: what could not be read
// is in the answer.
type Azure interface {
	Look(ctx context.Context, items []observed.Item, now func() time.Time) observed.AzureVMs
}

// Site is what the guard needs of a site.
type Site struct {
	Vault     Vault
	Inventory Inventory
	Watch     Watch
	Azure     Azure
	Look      time.Duration
	JobWait   time.Duration // for so long a machine may still be submitted again
}

// Guard is the service and its sites.
type Guard struct {
	sites map[string]*siteGuard
}

// New makes a guard for these sites. Trouble is told why something cannot be seen at the moment, at each attempt,
// and nil when vCenter is seen again; it must not block.
func New(sites map[string]Site, broker bus.Broker, now func() time.Time, trouble func(site string, err error)) *Guard {
	g := &Guard{sites: map[string]*siteGuard{}}
	for name, site := range sites {
		g.sites[name] = newSiteGuard(site, broker, now, func(err error) { trouble(name, err) })
	}
	return g
}

// Service is the side towards the event log: it learns there what to watch.
func (g *Guard) Service() workflow.Service {
	return workflow.Service{Name: name, Routes: []workflow.Route{workflow.On(events.TypeStarted, "", g.started)}}
}

const name = "guard"

// Run watches until ctx ends. Without it the service notices what happened only when it looks.
func (g *Guard) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, p := range g.sites {
		running.Go(func() { p.site.Watch.Run(ctx, p.tell, p.see) })
		running.Go(func() { p.run(ctx) })
	}
	running.Wait()
}
