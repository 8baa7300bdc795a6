package vsphere

import (
	"context"
	"slices"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"reprotect.example/services/observed"
)

// removalsWindow is how far back a vCenter is asked for machines that it lost: longer than it keeps events by default.
const removalsWindow = 90 * 24 * time.Hour

// readRemovals reads, where a machine is looked for and not shown, which machines were taken out of the inventory: one
// that was deleted and one that is hidden from the account look the same otherwise. What the account may not read is
// noted and never fails the look.
func readRemovals(ctx context.Context, s *session, inv *observed.Inventory, refs []observed.VMRef, now time.Time) error {
	finder := observed.NewFinder(inv.VMs)
	lost := func(ref observed.VMRef) bool { return ref.Host == "" && ref.Path == "" && finder.Find(ref).Absent }
	if !slices.ContainsFunc(refs, lost) {
		return nil
	}
	everywhere := types.EventFilterSpecByEntity{Entity: s.vim.ServiceContent.RootFolder, Recursion: types.EventFilterSpecRecursionOptionAll}
	events, err := eventsSince(ctx, s, everywhere, now.Add(-removalsWindow), "VmRemovedEvent")
	if err != nil {
		return unreadPart(inv, "removals", err)
	}
	for _, e := range events {
		if about := e.GetEvent(); about.Vm != nil {
			inv.Removals = append(inv.Removals, observed.Removal{Name: unescape(about.Vm.Name), At: about.CreatedTime, User: about.UserName})
		}
	}
	return nil
}
