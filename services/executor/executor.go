// Package executor starts the Site Recovery jobs of a case and follows them, and then the machines, until every
// one is protected.
//
// Its two handlers, for a case that is to start and for one that has started, are built alike. They observe: one look at
// the vault, and the marks of the case. They plan, in a pure function that is read from top to bottom (starter.plan,
// view.plan). They do what is planned, and say where the case stands. What is done is submissions, requests to end a job,
// and jobs that are read in full; each is harmless twice. Of a group that starts, the machines are submitted one after
// the other, all from one look: what has become of the first does not show yet, and Azure refuses a second job of a
// machine. Of a machine that is followed, at most one is submitted, and one ended, in a look.
//
// A job that already runs is adopted, a machine that already replicates back is done: that, and not bookkeeping, makes a
// crash harmless. All that is kept between looks can be lost.
//
// A machine is its replicated item. Names are for people: two machines of a case may have one.
//
// The starts of a site go through its queue (package admission), which keeps to the site's limits; one process at a time
// serves. What is done when Azure refuses stands in one table (package submission).
//
// A case that leads its machine home, and not away from Azure only, is left to package homeward.
package executor

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/checks"
	"reprotect.example/services/executor/admission"
	"reprotect.example/services/executor/homeward"
	"reprotect.example/services/faults"
	"reprotect.example/services/observed"
	"reprotect.example/services/workflow"
)

// Vault is what the executor needs of Site Recovery.
type Vault interface {
	// Vault gives a look at the vault that is not older than maxAge, with the items of full, by id, read in full.
	Vault(ctx context.Context, maxAge time.Duration, full ...string) (observed.Vault, error)
	// Job reads a job in full, with its errors.
	Job(ctx context.Context, id string) (observed.Job, error)
	// Reprotect submits once and returns the job's id; it never tries again by itself.
	Reprotect(ctx context.Context, r observed.Reprotect) (job string, err error)
	// Cancel asks for the end of a job; it returns when Azure has accepted.
	Cancel(ctx context.Context, job string) error
}

// Inventory reads vCenter.
type Inventory interface {
	Inventory(ctx context.Context, q observed.Query) (observed.Inventory, error)
}

// Site is what the service needs of a site.
type Site struct {
	Vault     Vault
	Inventory Inventory
	Checks    checks.Site
	Limits    admission.Limits
	VaultID   string // of the vault, in any letter case: sites of one vault share what is reserved there; "" when this is its only one
	Look      time.Duration
	AgentWait time.Duration // how long a refusal for a missing agent is borne
	JobWait   time.Duration // a machine that is not protected by then fails the case, unless it still moves

	// Home is the same vault for the way home, and Recheck what judges a case of it anew (homeward.Site).
	Home         homeward.Vault
	RunAsAccount func(os string) string // homeward.Site
	Recheck      func(ctx context.Context, c events.Case, vault observed.Vault) ([]events.Finding, error)
}

// look is a look at the vault that shows all that a start depends on: a job that runs unseen would be started again,
// and a master target that is not read is no reason to give up.
func (s Site) look(ctx context.Context, maxAge time.Duration, full ...string) (observed.Vault, error) {
	vault, err := s.Vault.Vault(ctx, maxAge, full...)
	if err != nil {
		return vault, err
	}
	for _, part := range []string{"jobs", "fabrics", "policies", "mappings"} {
		if why := vault.Unread[part]; why != "" {
			row, _ := faults.Lookup("azure.unread")
			return vault, &observed.Fault{
				Class: row.Class, Code: row.Code, Remedy: row.Remedy(), Words: why,
				What: fmt.Sprintf("The %s of vault %s could not be read, and nothing is started without them", part, vault.Name),
			}
		}
	}
	return vault, nil
}

// staleAfter is the age at which the facts behind a case are read and checked again before a submission
// (contract: checks older than 10 minutes run again).
const staleAfter = 10 * time.Minute

// New makes the service for these sites.
func New(sites map[string]Site, now func() time.Time) workflow.Service {
	a := ledgersOf(sites, now)
	x := executor{sites: sites, queues: a.queues, now: now}
	x.home = homeward.New(x.homeSite, now)
	begin := func(context.Context) {
		for _, l := range a.ledgers {
			l.Begin()
		}
	}
	return workflow.Service{Name: "executor", Alone: true, Begin: begin, Routes: append([]workflow.Route{
		workflow.OnMarked(events.TypeRegistered, events.StepSubmission, x.registered).Within(x.longest()),
		workflow.OnEachStep(events.TypeStarted, stepOf, x.started),
	}, x.home.Routes()...)}
}

// stepOf is the step that follows the start of a case: which, its leg says.
func stepOf(s events.Started) string {
	switch s.Case.Leg {
	case events.LegFailback:
		return events.StepFailback
	case events.LegCommit, events.LegWithdraw:
		return events.StepCommit
	case events.LegProtect:
		return events.StepProtection
	case events.LegReprotect:
	}
	return events.StepReplication
}

// homeSite is a site as the way home needs it.
func (x executor) homeSite(name string) (homeward.Site, error) {
	site, queue, err := x.site(name)
	return homeward.Site{
		Vault: site.Home, Inventory: site.Inventory, Recheck: site.Recheck, RunAsAccount: site.RunAsAccount, Look: site.Look, JobWait: site.JobWait,
		MaxAge: queue.MaxAge, Pace: func(ctx context.Context) error { return queue.Pace(ctx, 1) },
	}, err
}

// admissions are the queues for starts, of each site, and what they share, of each vault.
type admissions struct {
	queues  map[string]*admission.Queue  // by site
	ledgers map[string]*admission.Ledger // by vault
}

func ledgersOf(sites map[string]Site, now func() time.Time) admissions {
	a := admissions{queues: map[string]*admission.Queue{}, ledgers: map[string]*admission.Ledger{}}
	for name, site := range sites {
		vault := cmp.Or(strings.ToLower(site.VaultID), "of site "+name)
		if a.ledgers[vault] == nil {
			a.ledgers[vault] = admission.NewLedger(now)
		}
		a.queues[name] = a.ledgers[vault].Queue(site.Limits)
	}
	return a
}

type executor struct {
	sites  map[string]Site
	queues map[string]*admission.Queue
	now    func() time.Time
	home   homeward.Leader
}

// longest is the time limit of a start: the machines of a group are submitted one after the other, at the site's pace.
func (x executor) longest() time.Duration {
	limit := workflow.Limit
	for _, s := range x.sites {
		if s.Limits.StartsPerMinute > 0 {
			limit = max(limit, workflow.Limit+events.MostTogether*time.Minute/time.Duration(s.Limits.StartsPerMinute))
		}
	}
	return limit
}

func (x executor) site(name string) (Site, *admission.Queue, error) {
	site, ok := x.sites[name]
	if !ok {
		return site, nil, workflow.UnknownSite(name)
	}
	return site, x.queues[name], nil
}
