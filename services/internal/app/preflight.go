package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"reprotect.example/events"
	"reprotect.example/services/checks"
	"reprotect.example/services/datastore"
	"reprotect.example/services/facts"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/validator"
)

// Report is what a preflight found. Nothing was published or changed.
type Report struct {
	Site       string
	Taken      time.Time // when the vault was read
	Machines   []events.Machine
	Findings   []events.Finding
	Placements []events.Placement
	Problems   []events.Problem // what keeps the request from becoming cases
}

// Preflight makes every check for a request now, and looks for its datastores. A vCenter that cannot be read
// does not end it: what depends on it is then unknown, with the reason.
func Preflight(ctx context.Context, c config.Config, r events.Request, log *zap.Logger) (Report, error) {
	name, s, done, err := openSite(c, r.Site, log)
	if err != nil {
		return Report{}, err
	}
	defer done()
	vault, err := s.vault.Vault(ctx, 0)
	if err != nil {
		return Report{}, err
	}
	now := time.Now()
	report := Report{Site: name, Taken: vault.Taken}
	ids, cases, problems := validator.Resolve("preflight", r, now, vault, s.defaults())
	if report.Problems = problems; problems != nil {
		return report, nil
	}
	var q facts.Query
	for _, id := range ids {
		q.VMs = append(q.VMs, checks.Query(cases[id], vault).VMs...)
	}
	in := checks.Input{Now: now, Vault: vault, Site: s.checks()}
	in.Inventory, err = s.vcenter.Inventory(ctx, q)
	if err != nil {
		in.InventoryError = err.Error()
	}
	for _, id := range ids {
		in.Case = cases[id]
		report.Findings = append(report.Findings, checks.Run(in)...)
		report.Machines = append(report.Machines, in.Case.Machines...)
		if in.InventoryError == "" {
			report.place(in)
		}
	}
	return report, nil
}

func (r *Report) place(in checks.Input) {
	switch d := datastore.Place(in.Case, in.Vault, in.Inventory).Data().(type) {
	case events.Placed:
		r.Placements = append(r.Placements, d.Placements...)
	case events.Rejected:
		r.Placements = append(r.Placements, d.Placements...)
		r.Problems = append(r.Problems, d.Problems...)
	}
}

// Datastores judges every datastore of a site that the account can see, for one machine or, without one, for what
// the site's defaults say.
func Datastores(ctx context.Context, c config.Config, siteName, machine string, log *zap.Logger) ([]events.DatastoreVerdict, error) {
	_, s, done, err := openSite(c, siteName, log)
	if err != nil {
		return nil, err
	}
	defer done()
	vault, err := s.vault.Vault(ctx, 0)
	if err != nil {
		return nil, err
	}
	m, fabric, err := writerFor(vault, machine, s.defaults())
	if err != nil {
		return nil, err
	}
	inventory, err := s.vcenter.Datastores(ctx)
	if err != nil {
		return nil, err
	}
	ref, _ := checks.Writer(m, fabric)
	writer, err := s.vcenter.Inventory(ctx, facts.Query{VMs: []facts.VMRef{ref}})
	if err != nil {
		return nil, err
	}
	inventory.VMs = writer.VMs
	return datastore.Verdicts(m, fabric, inventory), nil
}

// writerFor resolves who would write the disks: for a machine, or for the first that is failed over.
func writerFor(vault facts.Vault, name string, d validator.Defaults) (events.Machine, facts.Fabric, error) {
	if name == "" {
		for _, i := range vault.Items {
			if i.FailedOver() {
				name = i.ID
				break
			}
		}
		if name == "" {
			return events.Machine{}, facts.Fabric{}, &facts.Fault{
				Class: facts.Operator, Code: "machine.none", What: "no machine of the vault is failed over, so there is none to judge datastores for",
				Remedy: "name a machine with --for",
			}
		}
	}
	request := events.Request{Machines: []events.RequestMachine{{Name: name}}}
	ids, cases, problems := validator.Resolve("datastores", request, time.Now(), vault, d)
	if problems != nil {
		return events.Machine{}, facts.Fabric{}, &facts.Fault{Class: facts.Operator, Code: problems[0].Code, What: problems[0].Message, Remedy: problems[0].Remedy}
	}
	m := cases[ids[0]].Machines[0]
	item, _ := vault.Item(m.Item)
	fabric, _ := vault.Fabric(item.FabricID)
	return m, fabric, nil
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
