// Package agentwatcher waits until the mobility agents of a case have registered again after the failover.
//
// The agent of a machine that has just started in Azure re-registers within up to fifteen minutes (S33). Until
// then a reprotect is refused with "agent is not installed". Modernized vaults show a flag (M4); classic ones only
// a heartbeat, which counts when it is newer than the failover.
package agentwatcher

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/observed"
	"reprotect.example/services/waiting"
	"reprotect.example/services/workflow"
)

// Vault gives a look at the vault that is not older than maxAge, with the items of full, by id, read in full.
type Vault interface {
	Vault(ctx context.Context, maxAge time.Duration, full ...string) (observed.Vault, error)
}

// Site is what the service needs of a site.
type Site struct {
	Vault     Vault
	AgentWait time.Duration // after the placement; then the case fails
	Look      time.Duration
}

// New makes the service for these sites.
func New(sites map[string]Site, now func() time.Time) workflow.Service {
	w := watcher{sites, now}
	return workflow.Service{Name: "agentwatcher", Routes: []workflow.Route{
		workflow.On(events.TypePlaced, events.StepRegistration, w.placed),
	}}
}

type watcher struct {
	sites map[string]Site
	now   func() time.Time
}

func (w watcher) placed(ctx context.Context, e workflow.Event[events.Placed], told waiting.Told) (workflow.Result[waiting.Told], error) {
	site, ok := w.sites[e.Site]
	if !ok {
		return workflow.Result[waiting.Told]{}, workflow.UnknownSite(e.Site)
	}
	c := e.Data.Case
	vault, err := site.Vault.Vault(ctx, site.Look)
	if err != nil {
		return waiting.Surroundings(err, c.Names(), told, e.Looks, w.now(), site.Look)
	}
	deadline, now := e.Time.Add(site.AgentWait), w.now()
	agents, missing := look(c, vault, !now.Before(e.Time.Add(min(unwitnessed, site.AgentWait))))
	if len(missing) == 0 {
		return workflow.Result[waiting.Told]{Publish: []workflow.Draft{workflow.Fact(events.TypeRegistered, "", events.Registered{Case: c, Agents: agents})}}, nil
	}
	if !now.Before(deadline) {
		return workflow.Result[waiting.Told]{Publish: []workflow.Draft{workflow.Fact(events.TypeFailed, events.StepRegistration, late(c, missing, site.AgentWait))}}, nil
	}
	names := namesOf(missing)
	message := fmt.Sprintf("The agent of %s has not registered again yet. That takes up to 15 minutes after the Azure VM has started.", strings.Join(names, ", "))
	remedy := ""
	if said := words(missing); said != "" {
		message, remedy = message+" "+said, advice(missing)
	}
	// Steady looks: this wait is short, and somebody is watching.
	pause := min(waiting.Next(site.Look, 0, vault.Began, now), deadline.Sub(now)+time.Millisecond)
	return waiting.On(events.Waiting{
		For: events.ForAgent, Machines: names, Since: e.Time, Until: deadline, Message: message, Remedy: remedy,
	}, told, now, pause), nil
}

// unwitnessed is how long a classic machine waits for a heartbeat that tells: agents are back within that time (S33).
const unwitnessed = 15 * time.Minute

// absentee is a machine whose agent is missing, with its item; the item is zero when the vault has none.
type absentee struct {
	name string
	item observed.Item
}

// look says which agents are back and which machines are still without. Of a classic machine it counts as back when its
// time is over: only Azure can tell then.
func look(c events.Case, vault observed.Vault, over bool) (agents []events.Agent, missing []absentee) {
	for _, m := range c.Machines {
		item, ok := vault.ItemOf(m)
		if asked := over && item.Architecture == observed.Classic && item.Unread == ""; !ok || !Registered(item) && !asked {
			missing = append(missing, absentee{m.Name, item})
			continue
		}
		agents = append(agents, events.Agent{Machine: m.Name, Version: item.AgentVersion, Heartbeat: item.AgentHeartbeat})
	}
	return agents, missing
}

func namesOf(missing []absentee) (names []string) {
	for _, m := range missing {
		names = append(names, m.name)
	}
	return names
}

// words are what Site Recovery says of the machines, as it words it.
func words(missing []absentee) string {
	var said []string
	for _, m := range missing {
		switch text := observed.Words(m.item.HealthErrors); {
		case m.item.Unread != "":
			said = append(said, fmt.Sprintf("%s could not be read: %s.", m.name, strings.TrimSuffix(m.item.Unread, ".")))
		case text != "":
			said = append(said, fmt.Sprintf("Site Recovery says of %s: %s.", m.name, text))
		}
	}
	const worded = 3 // of them in full
	return strings.Join(said[:min(worded, len(said))], " ")
}

// Registered says whether the agent of a failed-over machine is back.
func Registered(item observed.Item) bool {
	switch {
	case item.ReversedOnce():
		return true // it replicates back already
	case item.AgentRegistered != nil:
		return *item.AgentRegistered
	}
	return !item.AgentHeartbeat.IsZero() && item.AgentHeartbeat.After(item.FailedOverAt)
}

func late(c events.Case, missing []absentee, waited time.Duration) events.Failed {
	f := events.Failed{
		Code: "agent.not-registered",
		Message: fmt.Sprintf("The agent of %s did not register again within %s. Nothing was started; the machines still run in Azure.",
			strings.Join(namesOf(missing), ", "), waited),
		Words: words(missing), Remedy: advice(missing) + " Then retry the case.", Case: &c,
	}
	for _, m := range c.Machines {
		f.Machines = append(f.Machines, events.MachineState{Machine: m.Name, State: events.StateNotStarted})
	}
	return f
}

// advice is what to do for agents of the machines' architectures.
func advice(missing []absentee) string {
	of := func(a observed.Architecture) bool {
		return slices.ContainsFunc(missing, func(m absentee) bool { return m.item.Architecture == a })
	}
	do := "In Azure, check that the VM runs and is on the right network (78093)."
	if of(observed.Modernized) || !of(observed.Classic) {
		do += " On it, check that the services of the Mobility agent run, and that it reaches the addresses of Site Recovery on port 443: firewall, proxy, DNS, and the clock."
	}
	if of(observed.Classic) || !of(observed.Modernized) {
		do += " From it, check that it reaches the configuration server on port 443 over VPN or ExpressRoute, and that the service \"InMage Scout Application Service\" runs (95226)."
	}
	return do
}
