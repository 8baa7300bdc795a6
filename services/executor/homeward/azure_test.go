package homeward

import (
	"context"
	"fmt"
	"slices"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/observed"
)

// azure is a vault and a vCenter with one machine, in a time of its own. What happens to the machine follows the stage
// table's recorded rows; it is a second reading of them, and knows nothing of the package.
type azure struct {
	now     time.Time
	item    observed.Item
	jobs    []observed.Job
	outcome map[string]string // of a job, at its end
	vm      observed.VM

	takes    time.Duration
	fails    func(scenario string) bool
	answer   func(scenario string) error // of a submission: an error is what its caller sees
	applies  func(scenario string) bool  // with an error: it is done all the same
	accounts []observed.RunAsAccount
	account  map[string]string // of the config, by system
	looked   *observed.Vault   // of the last look
	unseen   func() bool       // a look that may be old is
	byHand   bool              // what is submitted now is by a person

	submitted map[string]int // of the product, accepted, by scenario
	commits   []time.Time    // those of the product
}

const item = "/vaults/v/items/web01"

var began = time.Date(2026, 11, 28, 1, 0, 0, 0, time.UTC)

func newAzure(classic bool) *azure {
	a := &azure{
		now: began, takes: 20 * time.Minute, outcome: map[string]string{}, submitted: map[string]int{},
		item: observed.Item{
			ID: item, Name: "web01", FabricID: "/f", Provider: "InMageRcmFailback", Architecture: observed.Modernized, State: "Protected", StateText: "Protected", Location: "Primary",
			Health: "Normal", AzureVMName: "web01", Forward: observed.Forward{PolicyID: "/p", ProcessServerID: "ps", RunAsAccountID: "/acc"},
		},
		vm: observed.VM{Ref: "vm-1", Name: "web01", Path: "/DC/vm/web01", Power: "poweredOff", Connection: "connected", Tools: "guestToolsNotRunning", ToolsVersion: "guestToolsCurrent"},
	}
	if classic {
		a.item.Provider, a.item.Architecture, a.item.ActiveSite, a.takes = "InMage", observed.Classic, "Azure", 4*time.Minute
	}
	return a
}

// advance lets time pass, and jobs end.
func (a *azure) advance(d time.Duration) {
	a.now = a.now.Add(d)
	for n, j := range a.jobs {
		if j.Done() || a.now.Before(j.Start.Add(a.takes)) {
			continue
		}
		a.jobs[n].State, a.jobs[n].End = "Succeeded", a.now
		a.item.JobID, a.item.Scenario = "", ""
		if a.fails != nil && a.fails(j.Scenario) {
			a.jobs[n].State = "Failed"
			if j.Scenario == "PlannedFailover" { // Azure cancels it by itself
				a.item.LastFailback = "Failed"
			}
			continue
		}
		switch j.Scenario {
		case "PlannedFailover", "UnplannedFailover":
			a.is(a.item.Provider, "CommitPendingStatesBegin", "Recovery")
			a.vm.Power, a.vm.Tools, a.vm.GuestIPs = "poweredOn", "guestToolsRunning", []string{"10.0.0.21"}
		case "CommitFailover":
			a.is(a.item.Provider, "PlannedFailoverCommitted", "Recovery")
			if a.item.Architecture == observed.Classic {
				a.is(a.item.Provider, "UnplannedFailoverCommitted", "Recovery")
				a.item.ActiveSite = "OnPrem"
			}
		case "CancelFailover":
			a.is(a.item.Provider, "Protected", "Primary")
			a.vm.Power = "poweredOff"
		case observed.ReprotectScenario:
			a.is(map[observed.Architecture]string{observed.Modernized: "InMageRcm", observed.Classic: "InMageAzureV2"}[a.item.Architecture], "InitialReplicationInProgress", "Primary")
			a.jobs[n].NewItemID = item
		}
	}
	if last := a.latest(); a.item.State == "InitialReplicationInProgress" && a.now.Sub(last.End) > 30*time.Minute {
		a.is(a.item.Provider, "Protected", "Primary")
	}
}

func (a *azure) latest() (j observed.Job) {
	if len(a.jobs) > 0 {
		j = a.jobs[len(a.jobs)-1]
	}
	return j
}

func (a *azure) is(provider, state, location string) {
	a.item.Provider, a.item.State, a.item.StateText, a.item.Location = provider, state, state, location
}

func (a *azure) submit(scenario string) (string, error) {
	if a.item.JobID != "" {
		return "", &observed.Fault{Class: observed.Temporary, Code: "azure.conflict", What: "another operation is in progress"}
	}
	var err error
	if a.answer != nil && !a.byHand {
		err = a.answer(scenario)
	}
	if err != nil && (a.applies == nil || !a.applies(scenario)) {
		return "", err
	}
	j := observed.Job{ID: fmt.Sprintf("j%d", len(a.jobs)+1), Scenario: scenario, FriendlyName: scenario, State: "InProgress", TargetName: "web01", Start: a.now}
	a.jobs = append(a.jobs, j)
	a.item.JobID, a.item.Scenario = j.ID, scenario
	if !a.byHand {
		a.submitted[scenario]++
		if scenario == "CommitFailover" {
			a.commits = append(a.commits, a.now)
		}
	}
	if err != nil {
		return "", err
	}
	return j.ID, nil
}

// person does something in the portal.
func (a *azure) person(scenario string) {
	a.byHand = true
	_, _ = a.submit(scenario)
	a.byHand = false
}

func (a *azure) Vault(_ context.Context, maxAge time.Duration, _ ...string) (observed.Vault, error) {
	if a.looked != nil && maxAge > 0 && a.now.Sub(a.looked.Began) <= maxAge && (a.unseen == nil || a.unseen()) {
		return *a.looked, nil
	}
	v := observed.Vault{
		Name: "v", Began: a.now, Taken: a.now, Items: []observed.Item{a.item}, Jobs: slices.Clone(a.jobs),
		Fabrics:  []observed.Fabric{{ID: "/f", SiteID: "/site", Name: "f", RunAsAccounts: map[string]string{"1": "root"}, ProcessServers: []observed.ProcessServer{{ID: "ps", Name: "PS"}}}},
		Policies: []observed.Policy{{ID: "/p"}},
	}.Indexed()
	a.looked = &v
	return v, nil
}

func (a *azure) Job(_ context.Context, id string) (observed.Job, error) {
	for _, j := range a.jobs {
		if j.ID == id {
			if j.State == "Failed" {
				j.Errors = []observed.Problem{{Code: "8038", Message: "The host has not enough memory.", Class: observed.Operator, Action: "Free memory."}}
			}
			return j, nil
		}
	}
	return observed.Job{}, &observed.Fault{Class: observed.Permanent, Code: "azure.not-found", What: "no job " + id}
}

func (a *azure) Failback(_ context.Context, i observed.Item, _ observed.Consistency) (string, error) {
	if i.Architecture == observed.Classic {
		return a.submit("UnplannedFailover")
	}
	return a.submit("PlannedFailover")
}
func (a *azure) Commit(context.Context, observed.Item) (string, error) {
	return a.submit("CommitFailover")
}
func (a *azure) CancelFailover(context.Context, observed.Item) (string, error) {
	return a.submit("CancelFailover")
}
func (a *azure) ReprotectForward(context.Context, observed.Item, observed.Forward) (string, error) {
	return a.submit(observed.ReprotectScenario)
}
func (a *azure) RunAsAccounts(context.Context, string) ([]observed.RunAsAccount, error) {
	return a.accounts, nil
}
func (a *azure) Inventory(context.Context, observed.Query) (observed.Inventory, error) {
	return observed.Inventory{Taken: a.now, User: "asr", VMs: []observed.VM{a.vm}}, nil
}

// leader is a process that took over at a time.
func (a *azure) leader() Leader {
	tookOver := a.now
	site := Site{
		Vault: a, Inventory: a, Look: look, JobWait: 24 * time.Hour, RunAsAccount: func(os string) string { return a.account[os] }, Pace: func(context.Context) error { return nil },
		MaxAge: func(most time.Duration) time.Duration { return max(min(most, a.now.Sub(tookOver)-1), 0) },
	}
	return New(func(string) (Site, error) { return site, nil }, func() time.Time { return a.now })
}

const look = 30 * time.Second

func theCase(leg events.Leg, until events.Until, commit string, classic bool) events.Case {
	arch := observed.Modernized
	if classic {
		arch = observed.Classic
	}
	return events.Case{
		HomeCase: events.HomeCase{Leg: leg, Until: until, Commit: commit}, CheckedAt: began,
		Machines: []events.Machine{{Name: "web01", Item: item, Architecture: string(arch)}},
	}
}
