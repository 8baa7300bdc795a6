package vsphere

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
	"go.uber.org/zap"

	"reprotect.example/services/observed"
)

// unreadMoves is the name under which a machine's tasks stand in its Unread.
const unreadMoves = "moves"

// movesWindow is how far back tasks are read: long enough for what Storage DRS or a person does every week.
const movesWindow = 7 * 24 * time.Hour

// moveKinds begin the ids of the tasks that move a machine or its disks, in lower case.
var moveKinds = []string{"virtualmachine.relocate", "drm.executestoragevmotionlro", "storageresourcemanager.applyrecommendation"}

// readMoves reads the tasks of the machines that write the disks of others: three calls for each, and there are
// few of them. A history that is refused is noted with the machine.
func readMoves(ctx context.Context, s *session, inv *observed.Inventory, dir directory, writers []observed.VMRef, now time.Time) error {
	refs := dir.find(observed.Query{VMs: writers})
	for i, vm := range inv.VMs {
		ref := types.ManagedObjectReference{Type: "VirtualMachine", Value: vm.Ref}
		if !slices.Contains(refs, ref) {
			continue
		}
		tasks, err := tasksOf(ctx, s, ref, now.Add(-movesWindow))
		if err != nil {
			if !isVimFault(err) || fault.Is(err, &types.NotAuthenticated{}) {
				return err
			}
			inv.VMs[i].Unread[unreadMoves] = words(err)
			continue
		}
		inv.VMs[i].Moves, inv.VMs[i].MovesRead = movesAmong(tasks), true
	}
	return nil
}

// tasksOf reads what happened to an object since then. vCenter allows a session few collectors (32), so this one
// is destroyed at once, whatever came of it.
func tasksOf(ctx context.Context, s *session, ref types.ManagedObjectReference, since time.Time) (tasks []types.TaskInfo, err error) {
	if s.vim.ServiceContent.TaskManager == nil {
		return nil, nil
	}
	created, err := methods.CreateCollectorForTasks(ctx, s.vim, &types.CreateCollectorForTasks{
		This: *s.vim.ServiceContent.TaskManager,
		Filter: types.TaskFilterSpec{
			Entity: &types.TaskFilterSpecByEntity{Entity: ref, Recursion: types.TaskFilterSpecRecursionOptionSelf},
			Time:   &types.TaskFilterSpecByTime{TimeType: types.TaskFilterSpecTimeOptionQueuedTime, BeginTime: &since},
		},
	})
	if err != nil {
		return nil, err
	}
	collector := created.Returnval
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), destroyLimit)
		defer cancel()
		if _, failed := methods.DestroyCollector(ctx, s.vim, &types.DestroyCollector{This: collector}); failed != nil {
			s.log.Debug("vCenter kept a task collector until the session ends", zap.Error(failed))
		}
	}()
	const page = 1000 // the most that vCenter gives at once
	for {
		read, err := methods.ReadNextTasks(ctx, s.vim, &types.ReadNextTasks{This: collector, MaxCount: page})
		if err != nil {
			return nil, err
		}
		tasks = append(tasks, read.Returnval...)
		if len(read.Returnval) < page {
			return tasks, nil
		}
	}
}

// destroyLimit bounds the call that frees a collector, which is made even when the caller has gone.
const destroyLimit = 5 * time.Second

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
