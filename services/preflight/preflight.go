package preflight

import (
	"context"
	"maps"
	"slices"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/checks"
	"reprotect.example/services/datastore"
	"reprotect.example/services/observed"
	"reprotect.example/services/validator"
)

// Site is what a preflight needs of a site.
type Site struct {
	Name     string
	Fabric   string // restricts the machines of the vault; "": all
	Vault    Vault
	VCenter  VCenter
	Checks   checks.Site
	Defaults validator.Defaults
}

// Vault is the door to Site Recovery.
type Vault interface {
	Vault(ctx context.Context, maxAge time.Duration, full ...string) (observed.Vault, error)
	// Item and RecoveryPoints read those of one replicated machine, now; the latest recovery point is the first.
	Item(ctx context.Context, id string) (observed.Item, error)
	RecoveryPoints(ctx context.Context, id string) ([]observed.RecoveryPoint, error)
	// AzureVMsNamed finds the VMs in Azure that have one of these names, or one with more behind it, and whether they run.
	AzureVMsNamed(ctx context.Context, names []string) ([]observed.AzureVM, error)
}

// VCenter is the door to vCenter.
type VCenter interface {
	Inventory(ctx context.Context, q observed.Query) (observed.Inventory, error)
	// Datastores are all that the account can see, without what machines take there.
	Datastores(ctx context.Context) (observed.Inventory, error)
}

// justNow is the age of a look that was read for this very question.
const justNow = time.Hour

// Run makes every check for what is asked now, and looks for the datastores, as a request would. It publishes and
// changes nothing. A vCenter that cannot be read does not end it: what depends on it is then unknown, with the reason.
func Run(ctx context.Context, s Site, ask Ask, now time.Time) (Report, error) {
	vault, err := s.Vault.Vault(ctx, 0)
	if err != nil {
		return Report{}, err
	}
	vault = vault.Indexed()
	found := Report{Site: s.Name, Vault: vault.Name, Taken: vault.Taken, Plan: ask.Request.Plan, All: ask.All}
	if ask.All {
		ask.Request.Machines, found.LeftOut = everyMachine(vault, s.Fabric)
		if len(ask.Request.Machines) == 0 {
			found.Problems = []events.Problem{{
				Code: "machine.none", Message: "Vault " + vault.Name + " has no machine that could be reprotected",
				Remedy: "See that the config names the right vault, and under Replicated items in the vault which machines it protects.",
			}}
			return found, nil
		}
	}
	ids, cases, problems := validator.Resolve("preflight", ask.Request, now, vault, s.Defaults)
	if problems == nil { // once it is known whose items count, they are read in full, and decide anew
		if vault, err = s.Vault.Vault(ctx, justNow, observed.ItemIDs(slices.Collect(maps.Values(cases))...)...); err != nil {
			return Report{}, err
		}
		ids, cases, problems = validator.Resolve("preflight", ask.Request, now, vault, s.Defaults)
	}
	if found.Problems = problems; problems != nil {
		return found, nil
	}
	var everything events.Case // asked for at once: the cases share hosts, datastores and master targets
	for _, id := range ids {
		everything.Machines = append(everything.Machines, cases[id].Machines...)
	}
	in := checks.Input{Now: now, Vault: vault, Site: s.Checks, Lang: ask.Lang, Ahead: ask.All || ask.Ahead}
	in.Inventory, err = s.VCenter.Inventory(ctx, checks.Query(everything, vault))
	if err != nil {
		in.InventoryError, found.Unread = err.Error(), err
	}
	scopes := observed.NewScopes(in.Inventory)
	all := checks.Adds(everything, vault)
	for _, id := range ids {
		in.Case, in.Beside = cases[id], maps.Clone(all)
		for writer, disks := range checks.Adds(in.Case, vault) {
			in.Beside[writer] -= disks
		}
		if in.InventoryError == "" {
			in.Inventory = scopes.Only(checks.Query(in.Case, vault))
		}
		found.Cases = append(found.Cases, judge(in))
	}
	return found, nil
}

// judge makes the checks of one case and looks for its datastores.
func judge(in checks.Input) Case {
	c := Case{Findings: checks.Run(in)}
	for _, m := range in.Case.Machines {
		c.Machines = append(c.Machines, Machine{Machine: m, Stage: stage(in.Vault, m)})
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

func stage(vault observed.Vault, m events.Machine) Stage {
	item, _ := vault.Item(m.Item)
	switch {
	case item.AtHome():
		return NotYet
	case item.ReversedOnce():
		return Reversed
	}
	return FailedOver
}

// everyMachine names the machines of a vault that may ever be reprotected, each by its id: two may have one name.
// A fabric restricts them, as it does those of a request.
func everyMachine(vault observed.Vault, fabric string) (machines []events.RequestMachine, leftOut []LeftOut) {
	for _, i := range vault.Items {
		switch {
		case !ofFabric(vault, i, fabric):
			leftOut = append(leftOut, LeftOut{Machine: i.Name, Why: OtherFabric})
		case i.ProtectedBy() != "" && i.Unread == "":
			leftOut = append(leftOut, LeftOut{Machine: i.Name, Why: NotVMware})
		case i.Migrated():
			leftOut = append(leftOut, LeftOut{Machine: i.Name, Why: Migrated})
		default:
			machines = append(machines, events.RequestMachine{Name: i.ID})
		}
	}
	return machines, leftOut
}

// Datastores judges every datastore of a site that the account can see or Site Recovery knows: for one machine as
// its placement would, or, without one, for what writes the disks of the first machine that is failed over.
func Datastores(ctx context.Context, s Site, machine string, now time.Time) (events.Placement, error) {
	vault, err := s.Vault.Vault(ctx, 0)
	if err != nil {
		return events.Placement{}, err
	}
	theCase, err := caseFor(vault, machine, s.Defaults, now)
	if err != nil {
		return events.Placement{}, err
	}
	if vault, err = s.Vault.Vault(ctx, justNow, observed.ItemIDs(theCase)...); err != nil {
		return events.Placement{}, err
	}
	inventory, err := s.VCenter.Inventory(ctx, checks.Query(theCase, vault))
	if err != nil {
		return events.Placement{}, err
	}
	all, err := s.VCenter.Datastores(ctx)
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
	writer := vault.WriterOf(m, item.FabricID)
	if machine == "" {
		return events.Placement{Considered: datastore.Verdicts(writer, inventory)}, nil
	}
	return datastore.Explain(m, item, writer, inventory), nil
}

// caseFor resolves the case of a machine, or of the first that is failed over.
func caseFor(vault observed.Vault, name string, d validator.Defaults, now time.Time) (events.Case, error) {
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
	ids, cases, problems := validator.Resolve("datastores", request, now, vault, d)
	if problems != nil {
		return events.Case{}, &observed.Fault{Class: observed.Operator, Code: problems[0].Code, What: problems[0].Message, Remedy: problems[0].Remedy}
	}
	return cases[ids[0]], nil
}
