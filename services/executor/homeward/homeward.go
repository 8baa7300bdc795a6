// Package homeward leads a machine on its way home: the failback, its commit or withdrawal, and the protection to Azure
// again.
//
// It answers four facts, with a handler for each, and all are built alike. They look at the vault, plan in a pure function
// (way.plan) what is to be done to bring the machine from where it stands to where the leg leads, and do one thing. Where
// the machine stands says the stage table (observed.Stage), and nothing else: what was kept between looks can be lost, and
// what somebody did by hand counts like what was submitted here. That makes a crash harmless.
//
// A machine takes a leg by one job. It is submitted once: what runs already is adopted, a job of the machine that began
// since the step did is ours, though it may have ended, and one that failed ends the case with Azure's words. Nothing is
// committed that nobody asked for: a failback whose commit is for a person waits for the machine to be committed, which
// a case of its own does (events.LegCommit).
//
// A case holds one machine.
package homeward

import (
	"context"
	"sync"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/observed"
	"reprotect.example/services/workflow"
)

// Vault is what the way home needs of Site Recovery. Each request is sent once and returns the id of its job.
type Vault interface {
	// Vault gives a look at the vault that is not older than maxAge, with the items of full, by id, read in full.
	Vault(ctx context.Context, maxAge time.Duration, full ...string) (observed.Vault, error)
	// Job reads a job in full, with its errors.
	Job(ctx context.Context, id string) (observed.Job, error)
	Failback(ctx context.Context, i observed.Item, point observed.Consistency) (job string, err error)
	Commit(ctx context.Context, i observed.Item) (job string, err error)
	CancelFailover(ctx context.Context, i observed.Item) (job string, err error)
	ReprotectForward(ctx context.Context, i observed.Item, f observed.Forward) (job string, err error)
	// RunAsAccounts reads those of the site of a modernized fabric.
	RunAsAccounts(ctx context.Context, siteID string) ([]observed.RunAsAccount, error)
}

// Inventory reads vCenter.
type Inventory interface {
	Inventory(ctx context.Context, q observed.Query) (observed.Inventory, error)
}

// Site is what the package needs of a site.
type Site struct {
	Vault     Vault
	Inventory Inventory
	// Recheck judges a case anew whose observations have grown old before it was submitted.
	Recheck func(ctx context.Context, c events.Case, vault observed.Vault) ([]events.Finding, error)
	Look    time.Duration
	JobWait time.Duration // a job that has not ended by then fails the case
	// RunAsAccount is the account, by id or name, with which Site Recovery reaches a machine of a system that is protected to
	// Azure again, where it is not known which one it had and there are several; "" when none is named.
	RunAsAccount func(os string) string
	// MaxAge is how old a look may be for one who would bear this age; Pace waits until the next submission may be made.
	MaxAge func(time.Duration) time.Duration
	Pace   func(ctx context.Context) error
}

// Leader leads the machines of some sites.
type Leader struct {
	site func(name string) (Site, error)
	now  func() time.Time
	sent *submissions
}

// New makes a leader. Site finds a site by its name.
func New(site func(name string) (Site, error), now func() time.Time) Leader {
	return Leader{site, now, &submissions{last: map[string]submitted{}}}
}

// Routes are what the executor answers for this package alone.
func (l Leader) Routes() []workflow.Route {
	return []workflow.Route{
		workflow.OnMarked(events.TypeValidated, events.StepSubmission, l.Submit),
		workflow.OnMarked(events.TypeHome, events.StepCommit, l.Commit),
		workflow.OnMarked(events.TypeCommitted, events.StepProtection, l.Protect),
	}
}

// submissions are those of this process, until a look shows them: one machine is submitted by one delivery at a time.
type submissions struct {
	mu   sync.Mutex
	last map[string]submitted // by item
}

type submitted struct {
	leg events.Leg
	job string // "": the answer was lost
	at  time.Time
	now bool // it is being sent
}

// claim lets a delivery submit a machine, unless another does so now, or has since the look began.
func (s *submissions) claim(item string, leg events.Leg, began time.Time) (before submitted, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, known := s.last[observed.NormalID(item)]
	if known && (before.now || !began.After(before.at)) {
		return before, false
	}
	s.last[observed.NormalID(item)] = submitted{leg: leg, now: true}
	return before, true
}

// settle notes what became of a claim.
func (s *submissions) settle(item string, leg events.Leg, job string, sent bool, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !sent {
		delete(s.last, observed.NormalID(item))
		return
	}
	s.last[observed.NormalID(item)] = submitted{leg: leg, job: job, at: at}
}

// of is what was submitted of a machine that no look shows that began then.
func (s *submissions) of(item string, leg events.Leg, began time.Time) (job string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, known := s.last[observed.NormalID(item)]
	return last.job, known && !last.now && last.leg == leg && !began.After(last.at)
}
