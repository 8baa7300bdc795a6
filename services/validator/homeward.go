package validator

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"reprotect.example/events"
	"reprotect.example/services/checks"
	"reprotect.example/services/observed"
	"reprotect.example/services/waiting"
	"reprotect.example/services/workflow"
)

// failback makes cases of the command that brings machines home, one for each.
func (v validator) failback(ctx context.Context, e workflow.Event[events.Failback], told waiting.Told) (workflow.Result[waiting.Told], error) {
	f := e.Data
	like := events.Case{
		HomeCase: events.HomeCase{
			Leg: events.LegFailback, Until: cmp.Or(f.Until, events.UntilHome), Point: cmp.Or(f.Point, events.CrashConsistent), Commit: cmp.Or(f.Commit, events.ByHand),
		},
		Plan: f.Plan, DryRun: f.DryRun, Reason: f.Reason, RequestedBy: f.RequestedBy, RequestedAt: e.Received.UTC(), Waive: f.Waive,
	}
	return becomes(ctx, v, e, f.Site, events.Names(f.Machines), told, func(vault observed.Vault, d Defaults) ([]string, map[string]events.Case, []events.Problem) {
		wanted, problems := expand(events.Request{Plan: f.Plan, Machines: asked(f.Machines)}, vault)
		if f.Ready && problems == nil {
			wanted, problems = allReady(wanted, vault, d)
		}
		return homeCases(e.ID, wanted, problems, like, vault, d)
	})
}

// onward makes cases of a command that asks for the next step, one for each machine: those that it names, and those of the
// case that it names.
func (v validator) onward(t events.Type[events.Onward], leg events.Leg) workflow.Handler[events.Onward, waiting.Told] {
	return func(ctx context.Context, e workflow.Event[events.Onward], told waiting.Told) (workflow.Result[waiting.Told], error) {
		o := e.Data
		like := events.Case{
			HomeCase: events.HomeCase{Leg: leg}, Reason: o.Reason, RequestedBy: o.RequestedBy, RequestedAt: e.Received.UTC(), Waive: o.Waive,
		}
		named, site := asked(o.Machines), o.Site
		if o.Case != "" {
			c, result, done := v.find(ctx, e.Header, t.Kind, e.Looks, o.Case)
			if done {
				return workflow.Keep(result, told), nil
			}
			like.Follows, site = o.Case, c.Site
			for _, m := range c.Machines {
				named = append(named, events.RequestMachine{Name: cmp.Or(m.NewItem, m.Item, m.Name)})
			}
		}
		return becomes(ctx, v, e, site, namesOf(named), told, func(vault observed.Vault, d Defaults) ([]string, map[string]events.Case, []events.Problem) {
			wanted, problems := expand(events.Request{Machines: named}, vault)
			return homeCases(e.ID, wanted, problems, like, vault, d)
		})
	}
}

func asked(machines []events.NamedMachine) (all []events.RequestMachine) {
	for _, m := range machines {
		all = append(all, events.RequestMachine{Name: m.Name})
	}
	return all
}

func namesOf(machines []events.RequestMachine) (names []string) {
	for _, m := range machines {
		names = append(names, observed.LastSegment(m.Name))
	}
	return names
}

// allReady adds the machines that are protected in Azure, and may be failed back, to those that are named already.
func allReady(wanted []named, vault observed.Vault, d Defaults) ([]named, []events.Problem) {
	for _, i := range vault.Items {
		known := slices.ContainsFunc(wanted, func(n named) bool {
			return observed.SameID(n.request.Name, i.ID) || strings.EqualFold(n.request.Name, i.Name)
		})
		if i.Unread == "" && i.Protected() && !i.Busy() && !known && inFabric(vault, i, d.Fabric) {
			wanted = append(wanted, named{events.RequestMachine{Name: i.ID}, "/data/ready"})
		}
	}
	if len(wanted) == 0 {
		return nil, []events.Problem{{
			Code: "machine.none", Place: "/data/ready", Message: "No machine of vault " + vault.Name + " is protected in Azure and may be failed back",
			Remedy: "See 'reprotect list --ready' for what stands against it.",
		}}
	}
	return wanted, nil
}

func inFabric(vault observed.Vault, i observed.Item, fabric string) bool {
	f, _ := vault.Fabric(i.FabricID)
	return fabric == "" || strings.EqualFold(f.Name, fabric) || observed.SameID(f.ID, fabric)
}

// homeCases makes a case for each machine, like the given one. Problems mean that there is none.
func homeCases(id string, wanted []named, problems []events.Problem, like events.Case, vault observed.Vault, d Defaults) (ids []string, made map[string]events.Case, all []events.Problem) {
	made = map[string]events.Case{}
	taken := map[string]string{}
	for _, n := range wanted {
		item, problem := find(n, vault, d.Fabric)
		if problem != nil {
			problems = append(problems, *problem)
			continue
		}
		if other, twice := taken[strings.ToLower(item.ID)]; twice {
			problems = append(problems, namedTwice(item, other, n))
			continue
		}
		taken[strings.ToLower(item.ID)] = n.request.Name
		caseID := unused(made, events.Token(id)+"--"+events.Token(item.Name))
		ids = append(ids, caseID)
		c := like
		c.Machines, c.Rank = []events.Machine{ofItem(item, vault)}, len(ids)
		made[caseID] = c
	}
	if problems == nil {
		problems = waivedInVain(like.Leg, like.Waive)
	}
	if problems != nil {
		return nil, nil, problems
	}
	return ids, made, nil
}

// ofItem is a machine that replicates back, or has come home, with what writes its disks.
func ofItem(item observed.Item, vault observed.Vault) events.Machine {
	m := events.Machine{Name: item.Name, Item: item.ID, Architecture: string(item.Architecture), OS: item.OS, FailedOverAt: item.FailedOverAt}
	fabric, _ := vault.Fabric(item.FabricID)
	if a, ok := fabric.Appliance(item.ApplianceID); ok && item.ApplianceID != "" {
		m.Appliance = a.Name
	}
	if mt, ok := fabric.MasterTarget(item.MasterTargetID); ok && item.MasterTargetID != "" {
		m.MasterTarget = mt.Name
	}
	return m
}

// judgeHome judges whether the machine of a case may take its leg this minute.
func (v validator) judgeHome(ctx context.Context, e workflow.Event[events.Accepted], site Site, told waiting.Told) (workflow.Result[waiting.Told], error) {
	c := e.Data.Case
	vault, err := site.Vault.Vault(ctx, site.Look, observed.ItemIDs(c)...)
	var findings []events.Finding
	if err == nil {
		findings, err = site.Ready.Check(ctx, c, vault)
	}
	if err != nil {
		return waiting.Surroundings(err, c.Names(), told, e.Looks, v.now(), site.Look)
	}
	c.CheckedAt = vault.AsOf().UTC()
	if blocking := checks.Blocking(findings); len(blocking) > 0 {
		return workflow.Result[waiting.Told]{Publish: []workflow.Draft{workflow.Fact(events.TypeRejected, events.StepValidation, events.Rejected{
			Case: c, Findings: checks.Told(findings), Problems: checks.Problems(checks.Told(blocking)),
		})}}, nil
	}
	return workflow.Result[waiting.Told]{Publish: []workflow.Draft{workflow.Fact(events.TypeValidated, "", events.Validated{Case: c, Findings: checks.Told(findings)})}}, nil
}
