package readiness

import (
	"context"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/observed"
)

// Azure reads what a look at the vault does not show.
type Azure interface {
	// RecoveryPoints are those of one replicated machine, the latest first.
	RecoveryPoints(ctx context.Context, item string) ([]observed.RecoveryPoint, error)
	// AzureVMsNamed finds the VMs in Azure that have one of these names, or one with more behind it, and whether they run.
	AzureVMsNamed(ctx context.Context, names []string) ([]observed.AzureVM, error)
}

// Inventory reads vCenter.
type Inventory interface {
	Inventory(ctx context.Context, q observed.Query) (observed.Inventory, error)
}

// Reader reads what the rules judge, beside a look at the vault.
type Reader struct {
	Azure     Azure
	Inventory Inventory
	Strict    bool // what is unknown blocks
	Now       func() time.Time
}

// Check judges the machines of a case for its leg. What cannot be read is unknown; an error is that ctx ended.
func (r Reader) Check(ctx context.Context, c events.Case, vault observed.Vault) (findings []events.Finding, err error) {
	inventory, noInventory, err := r.inventory(ctx, c, vault)
	if err != nil {
		return nil, err
	}
	for i, m := range c.Machines {
		item, found := vault.Item(m.Item)
		if !found {
			item = observed.Item{Name: m.Name, Unread: "it is not in the vault any more"}
		}
		s := Subject{Item: item, Vault: vault, Now: r.Now(), NoInventory: noInventory, User: inventory.User, Seen: inventory.Find(item.VMRef())}
		if c.Leg == events.LegFailback && found {
			if s.Points, err = r.Azure.RecoveryPoints(ctx, item.ID); err != nil {
				s.PointsUnread = err.Error()
			}
			s.Vault.AzureVMs = r.azureVMs(ctx, item, vault.AzureVMs)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		findings = append(findings, Findings(c, i, s, r.Strict)...)
	}
	return findings, nil
}

func (r Reader) inventory(ctx context.Context, c events.Case, vault observed.Vault) (inv observed.Inventory, unread string, err error) {
	var q observed.Query
	for _, m := range c.Machines {
		if item, found := vault.Item(m.Item); found {
			q.VMs = append(q.VMs, item.VMRef())
		}
	}
	inv, err = r.Inventory.Inventory(ctx, q)
	switch {
	case ctx.Err() != nil:
		return inv, "", ctx.Err()
	case err != nil:
		return inv, err.Error(), nil
	}
	return inv, "", nil
}

// azureVMs is a look at the VMs in Azure with those of the machine's name, where its item does not say any more which it is:
// so are the classic ones.
func (r Reader) azureVMs(ctx context.Context, item observed.Item, look observed.AzureVMs) observed.AzureVMs {
	if item.AzureHome() != "" {
		return look
	}
	vms, err := r.Azure.AzureVMsNamed(ctx, []string{item.Name})
	return look.With(vms, err)
}
