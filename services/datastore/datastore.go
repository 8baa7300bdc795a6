// Package datastore chooses where the disks of each machine come to lie, and says why not elsewhere.
package datastore

import (
	"context"
	"fmt"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/checks"
	"reprotect.example/services/observed"
	"reprotect.example/services/waiting"
	"reprotect.example/services/workflow"
)

// Vault gives a look at the vault that is not older than maxAge, with the items of full, by id, read in full.
type Vault interface {
	Vault(ctx context.Context, maxAge time.Duration, full ...string) (observed.Vault, error)
}

// Inventory reads vCenter.
type Inventory interface {
	Inventory(ctx context.Context, q observed.Query) (observed.Inventory, error)
}

// Site is what the service needs of a site.
type Site struct {
	Vault     Vault
	Inventory Inventory
	Look      time.Duration
}

// New makes the service for these sites.
func New(sites map[string]Site, now func() time.Time) workflow.Service {
	p := placer{sites, now}
	return workflow.Service{Name: "datastore", Routes: []workflow.Route{
		workflow.On(events.TypeValidated, events.StepPlacement, p.validated),
	}}
}

type placer struct {
	sites map[string]Site
	now   func() time.Time
}

func (p placer) validated(ctx context.Context, e workflow.Event[events.Validated], told waiting.Told) (workflow.Result[waiting.Told], error) {
	site, ok := p.sites[e.Site]
	if !ok {
		return workflow.Result[waiting.Told]{}, workflow.UnknownSite(e.Site)
	}
	c := e.Data.Case
	if c.Leg != events.LegReprotect {
		return workflow.Result[waiting.Told]{}, nil // its disks are where they are
	}
	vault, err := site.Vault.Vault(ctx, site.Look, observed.ItemIDs(c)...)
	if err == nil {
		var inv observed.Inventory
		inv, err = site.Inventory.Inventory(ctx, checks.Query(c, vault))
		if err == nil {
			return workflow.Result[waiting.Told]{Publish: []workflow.Draft{Place(c, vault, inv)}}, nil
		}
	}
	return waiting.Surroundings(err, c.Names(), told, e.Looks, p.now(), site.Look)
}

// Place decides for all machines of a case: placed, or rejected when one finds no place.
func Place(c events.Case, vault observed.Vault, inv observed.Inventory) workflow.Draft {
	var placements []events.Placement
	var problems []events.Problem
	taken := map[string]int64{}
	machines := make([]events.Machine, len(c.Machines))
	copy(machines, c.Machines)
	for i, m := range machines {
		item, ok := vault.ItemOf(m)
		if !ok {
			problems = append(problems, events.Problem{
				Code: "machine.gone", Place: m.Name,
				Message: fmt.Sprintf("The replicated item of %s is not in the vault any more", m.Name), Remedy: "Look in the vault what became of it, then send the request again.",
			})
			continue
		}
		placement := choose(m, item, vault.WriterOf(m, item.FabricID), inv, c.Attest[observed.AttestGone], taken)
		placements = append(placements, placement)
		if placement.Datastore == "" {
			problems = append(problems, events.Problem{
				Code: "datastore.none", Place: m.Name,
				Message: fmt.Sprintf("No datastore for %s: %s", m.Name, placement.Why),
				Remedy:  "The list of datastores says for each what to do. Then send the request again.",
			})
		}
		machines[i].Datastore, machines[i].Location = placement.Datastore, placement.Location
	}
	if problems != nil {
		return workflow.Fact(events.TypeRejected, events.StepPlacement, events.Rejected{Case: c, Placements: placements, Problems: problems})
	}
	c.Machines = machines
	return workflow.Fact(events.TypePlaced, "", events.Placed{Case: c, Placements: placements})
}
