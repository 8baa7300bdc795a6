package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"reprotect.example/events"
	"reprotect.example/services/checks"
	"reprotect.example/services/datastore"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/observed"
	"reprotect.example/services/preflight"
	"reprotect.example/services/validator"
)

// Preflight makes every check for a request now, and looks for its datastores. A vCenter that cannot be read
// does not end it: what depends on it is then unknown, with the reason.
func Preflight(ctx context.Context, c config.Config, r events.Request, log *zap.Logger) (preflight.Report, error) {
	return Ask(ctx, c, preflight.Ask{Request: r}, log)
}

// Ask is Preflight for more than one kind of question: the whole vault, before its disaster, in another language.
func Ask(ctx context.Context, c config.Config, ask preflight.Ask, log *zap.Logger) (preflight.Report, error) {
	name, s, done, err := openSite(c, ask.Request.Site, log)
	if err != nil {
		return preflight.Report{}, err
	}
	defer done()
	vault, err := s.vault.Vault(ctx, 0)
	if err != nil {
		return preflight.Report{}, err
	}
	vault = vault.Indexed()
	found := preflight.Report{Site: name, Taken: vault.Taken, Plan: ask.Request.Plan, All: ask.All}
	if ask.All {
		ask.Request.Machines, found.LeftOut = everyMachine(vault, s.config.Fabric)
		if len(ask.Request.Machines) == 0 {
			found.Problems = []events.Problem{{
				Code: "machine.none", Message: "Vault " + vault.Name + " has no machine that could be reprotected",
				Remedy: "See that the config names the right vault, and under Replicated items in the vault which machines it protects.",
			}}
			return found, nil
		}
	}
	now := time.Now()
	ids, cases, problems := validator.Resolve("preflight", ask.Request, now, vault, s.defaults())
	if found.Problems = problems; problems != nil {
		return found, nil
	}
	var everything events.Case // asked for at once: the cases share hosts, datastores and master targets
	for _, id := range ids {
		everything.Machines = append(everything.Machines, cases[id].Machines...)
	}
	in := checks.Input{Now: now, Vault: vault, Site: s.checks(), Lang: ask.Lang, Ahead: ask.All || ask.Ahead}
	in.Inventory, err = s.vcenter.Inventory(ctx, checks.Query(everything, vault))
	if err != nil {
		in.InventoryError = err.Error()
	}
	for _, id := range ids {
		in.Case = cases[id]
		found.Cases = append(found.Cases, judge(in))
	}
	return found, nil
}

// judge makes the checks of one case and looks for its datastores.
func judge(in checks.Input) preflight.Case {
	c := preflight.Case{Findings: checks.Run(in)}
	for _, m := range in.Case.Machines {
		c.Machines = append(c.Machines, preflight.Machine{Machine: m, Stage: stage(in.Vault, m)})
	}
	if in.InventoryError != "" {
		return c
	}
	switch d := datastore.Place(in.Case, in.Vault, in.Inventory).Data().(type) {
	case events.Placed:
		c.Placements = d.Placements
	case events.Rejected:
		c.Placements = d.Placements
	}
	return c
}

func stage(vault observed.Vault, m events.Machine) preflight.Stage {
	item, _ := vault.Item(m.Item)
	switch {
	case checks.AtHome(item):
		return preflight.NotYet
	case item.ReversedOnce():
		return preflight.Reversed
	}
	return preflight.FailedOver
}

// everyMachine names the machines of a vault that may ever be reprotected, each by its id: two may have one name.
// A fabric restricts them, as it does those of a request.
func everyMachine(vault observed.Vault, fabric string) (machines []events.RequestMachine, leftOut []preflight.LeftOut) {
	for _, i := range vault.Items {
		f, _ := vault.Fabric(i.FabricID)
		switch {
		case fabric != "" && !strings.EqualFold(f.Name, fabric) && !observed.SameID(f.ID, fabric):
			leftOut = append(leftOut, preflight.LeftOut{Machine: i.Name, Why: preflight.OtherFabric})
		case i.Migrated():
			leftOut = append(leftOut, preflight.LeftOut{Machine: i.Name, Why: preflight.Migrated})
		default:
			machines = append(machines, events.RequestMachine{Name: i.ID})
		}
	}
	return machines, leftOut
}

// Datastores judges every datastore of a site that the account can see or Site Recovery knows: for one machine as
// its placement would, or, without one, for what writes the disks of the first machine that is failed over.
func Datastores(ctx context.Context, c config.Config, siteName, machine string, log *zap.Logger) (events.Placement, error) {
	_, s, done, err := openSite(c, siteName, log)
	if err != nil {
		return events.Placement{}, err
	}
	defer done()
	vault, err := s.vault.Vault(ctx, 0)
	if err != nil {
		return events.Placement{}, err
	}
	theCase, err := caseFor(vault, machine, s.defaults())
	if err != nil {
		return events.Placement{}, err
	}
	inventory, err := s.vcenter.Inventory(ctx, checks.Query(theCase, vault))
	if err != nil {
		return events.Placement{}, err
	}
	all, err := s.vcenter.Datastores(ctx)
	if err != nil {
		return events.Placement{}, err
	}
	for _, d := range all.Datastores { // the inventory has those around the machines, with what the machines take
		if !slices.ContainsFunc(inventory.Datastores, func(known observed.Datastore) bool { return known.Ref == d.Ref }) {
			inventory.Datastores = append(inventory.Datastores, d)
		}
	}
	m := theCase.Machines[0]
	item, _ := vault.Item(m.Item)
	fabric, _ := vault.Fabric(item.FabricID)
	if machine == "" {
		return events.Placement{Considered: datastore.Verdicts(m, fabric, inventory)}, nil
	}
	return datastore.Explain(m, item, fabric, inventory), nil
}

// caseFor resolves the case of a machine, or of the first that is failed over.
func caseFor(vault observed.Vault, name string, d validator.Defaults) (events.Case, error) {
	if name == "" {
		i := slices.IndexFunc(vault.Items, observed.Item.FailedOver)
		if i < 0 {
			return events.Case{}, &observed.Fault{
				Class: observed.Operator, Code: "machine.none", What: "no machine of the vault is failed over, so there is none to judge datastores for",
				Remedy: "name a machine with --for",
			}
		}
		name = vault.Items[i].ID
	}
	request := events.Request{Machines: []events.RequestMachine{{Name: name}}}
	ids, cases, problems := validator.Resolve("datastores", request, time.Now(), vault, d)
	if problems != nil {
		return events.Case{}, &observed.Fault{Class: observed.Operator, Code: problems[0].Code, What: problems[0].Message, Remedy: problems[0].Remedy}
	}
	return cases[ids[0]], nil
}

// openSite makes the clients of the named site, or of the only one.
func openSite(c config.Config, name string, log *zap.Logger) (string, site, func(), error) {
	names := c.SiteNames()
	if name == "" && len(names) == 1 {
		name = names[0]
	}
	if _, ok := c.Sites[name]; !ok {
		return "", site{}, nil, fmt.Errorf("site %q: the config has %s: name one of them", name, strings.Join(names, ", "))
	}
	only := c
	only.Sites = map[string]config.Site{name: c.Sites[name]}
	sites, err := openSites(only, nil, log)
	if err != nil {
		return "", site{}, nil, err
	}
	return name, sites[name], func() { closeSites(sites) }, nil
}
