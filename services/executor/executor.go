// Package executor starts the Site Recovery jobs of a case and follows them, and then the machines, until every
// one is protected.
//
// Its two handlers look, decide in a pure function, and do at most one thing. A job that already runs is
// adopted, a machine that already replicates back is done: that, and not bookkeeping, makes a crash harmless.
package executor

import (
	"context"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/checks"
	"reprotect.example/services/facts"
)

// Vault is what the executor needs of Site Recovery.
type Vault interface {
	// Vault gives a look at the vault that is not older than maxAge.
	Vault(ctx context.Context, maxAge time.Duration) (facts.Vault, error)
	Item(ctx context.Context, id string) (facts.Item, error)
	// Job reads a job in full, with its errors.
	Job(ctx context.Context, id string) (facts.Job, error)
	// Reprotect submits once and returns the job's id; it never tries again by itself.
	Reprotect(ctx context.Context, r facts.Reprotect) (job string, err error)
}

// Inventory reads vCenter.
type Inventory interface {
	Inventory(ctx context.Context, q facts.Query) (facts.Inventory, error)
}

// Site is what the service needs of a site.
type Site struct {
	Vault     Vault
	Inventory Inventory
	Checks    checks.Site
	Look      time.Duration
	AgentWait time.Duration // how long a refusal for a missing agent is borne
	JobWait   time.Duration // a job that has not ended by then fails the case
}

// staleAfter is the age at which the facts behind a case are read and checked again before a submission
// (contract: checks older than 10 minutes run again).
const staleAfter = 10 * time.Minute

// New makes the service for these sites.
func New(sites map[string]Site, now func() time.Time) bus.Service {
	x := executor{sites, now}
	return bus.Service{Name: "executor", Routes: []bus.Route{
		bus.On(events.TypeRegistered, events.StepSubmission, x.registered),
		bus.On(events.TypeStarted, events.StepReplication, x.started),
	}}
}

type executor struct {
	sites map[string]Site
	now   func() time.Time
}

func (x executor) site(name string) (Site, error) {
	site, ok := x.sites[name]
	if !ok {
		return site, bus.UnknownSite(name)
	}
	return site, nil
}
