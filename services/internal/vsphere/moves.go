package vsphere

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/vim25/types"

	"reprotect.example/services/observed"
)

// unreadMoves is the name under which a machine's tasks stand in its Unread.
const unreadMoves = "moves"

// movesWindow is how far back tasks are read: long enough for what Storage DRS or a person does every week.
const movesWindow = 7 * 24 * time.Hour

// moveKinds begin the ids of the tasks that move a machine or its disks, in lower case.
var moveKinds = []string{"virtualmachine.relocate", "drm.executestoragevmotionlro", "storageresourcemanager.applyrecommendation"}

// readMoves reads the tasks of the machines that write the disks of others, and what one that runs moves: three calls for
// each, and there are few of them. A history that is refused is noted with the machine.
func readMoves(ctx context.Context, s *session, inv *observed.Inventory, dir directory, writers []observed.VMRef, now time.Time) error {
	refs := dir.find(writers)
	for i, vm := range inv.VMs {
		ref := types.ManagedObjectReference{Type: "VirtualMachine", Value: vm.Ref}
		if !slices.Contains(refs, ref) {
			continue
		}
		tasks, err := tasksSince(ctx, s, types.TaskFilterSpecByEntity{Entity: ref, Recursion: types.TaskFilterSpecRecursionOptionSelf}, now.Add(-movesWindow))
		if err != nil {
			if !isVimFault(err) || fault.Is(err, &types.NotAuthenticated{}) {
				return err
			}
			inv.VMs[i].Unread[unreadMoves] = words(err)
			continue
		}
		moves := movesAmong(tasks)
		for j, m := range moves {
			if !m.Over() && m.Scope == "" {
				moves[j].Scope = scopeOf(ctx, s, ref, m.Begun)
			}
		}
		inv.VMs[i].Moves, inv.VMs[i].MovesRead = moves, true
	}
	return nil
}

// diskMoves begin the ids of those that move disks in any case: Storage vMotion by Storage DRS. A relocation may be of the
// host alone.
var diskMoves = moveKinds[1:]

func isMove(kind string) bool {
	kind = strings.ToLower(kind)
	return slices.ContainsFunc(moveKinds, func(begin string) bool { return strings.HasPrefix(kind, begin) })
}

// movesAmong picks the tasks that move something, newest first.
func movesAmong(tasks []types.TaskInfo) []observed.Move {
	var picked []observed.Move
	for _, t := range tasks {
		if !isMove(t.DescriptionId) {
			continue
		}
		m := observed.Move{Kind: t.DescriptionId, State: string(t.State), Begun: t.QueueTime}
		if slices.ContainsFunc(diskMoves, func(begin string) bool { return strings.HasPrefix(strings.ToLower(t.DescriptionId), begin) }) {
			m.Scope = observed.MovesDisks
		}
		if t.StartTime != nil {
			m.Begun = *t.StartTime
		}
		if t.CompleteTime != nil {
			m.End = *t.CompleteTime
		}
		if by, ok := t.Reason.(*types.TaskReasonUser); ok {
			m.User = by.UserName
		}
		picked = append(picked, m)
	}
	slices.SortStableFunc(picked, func(a, b observed.Move) int { return b.Begun.Compare(a.Begun) })
	return picked
}
