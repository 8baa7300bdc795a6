package vsphere

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
	"go.uber.org/zap"

	"reprotect.example/services/observed"
)

const (
	// historyLimit bounds the questions for what happened while nobody watched, behind which reports wait.
	historyLimit = 10 * time.Second
	// historyMargin is taken off the time of the last sight: an answer tells of what was so a moment ago.
	historyMargin = 2 * time.Second
	// historyMost bounds what is read. A vCenter with so much to tell is asked about each machine by whoever cares.
	historyMost = 20_000

	historyPage  = 1000            // the most that vCenter gives at once
	destroyLimit = 5 * time.Second // bounds the call that frees a collector, which is made even when the caller has gone
)

// happenings reads what happened to machines since a time, by machine, the oldest first: two queries, however many machines.
// Power is read of events, since a host or a guest that switches makes no task; snapshots of tasks, since they make no event
// of their own. Times are those of this process's clock.
func happenings(ctx context.Context, s *session, since time.Time, now func() time.Time) (map[ref][]observed.Happening, error) {
	ctx, cancel := context.WithTimeout(ctx, historyLimit)
	defer cancel()
	theirs, err := methods.GetCurrentTime(ctx, s.vim)
	if err != nil {
		return nil, err
	}
	ahead := theirs.Sub(now())
	since = since.Add(ahead - historyMargin)
	all := map[ref][]observed.Happening{}
	add := func(vm ref, kind observed.HappeningKind, at time.Time, user string) {
		vm.ServerGUID = ""
		all[vm] = append(all[vm], observed.Happening{Kind: kind, At: at.Add(-ahead), User: user})
	}
	events, err := eventsSince(ctx, s, types.EventFilterSpecByEntity{Entity: s.vim.ServiceContent.RootFolder, Recursion: types.EventFilterSpecRecursionOptionAll}, since, powerEvents...)
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		kind := observed.SwitchedOn
		if _, off := e.(*types.VmPoweredOffEvent); off {
			kind = observed.SwitchedOff
		}
		if event := e.GetEvent(); event.Vm != nil {
			add(event.Vm.Vm, kind, event.CreatedTime, event.UserName)
		}
	}
	tasks, err := tasksSince(ctx, s, types.TaskFilterSpecByEntity{Entity: s.vim.ServiceContent.RootFolder, Recursion: types.TaskFilterSpecRecursionOptionAll}, since)
	if err != nil {
		return nil, err
	}
	for _, t := range tasks {
		if t.Entity == nil || t.Entity.Type != "VirtualMachine" || t.State != types.TaskInfoStateSuccess {
			continue
		}
		at := t.QueueTime
		if t.CompleteTime != nil {
			at = *t.CompleteTime
		}
		user := ""
		if by, ok := t.Reason.(*types.TaskReasonUser); ok {
			user = by.UserName
		}
		switch id := strings.ToLower(t.DescriptionId); {
		case strings.Contains(id, "createsnapshot"):
			add(*t.Entity, observed.SnapshotMade, at, user)
		case strings.Contains(id, "snapshot") && strings.Contains(id, "remove"):
			add(*t.Entity, observed.SnapshotsRemoved, at, user)
		}
	}
	for _, of := range all {
		slices.SortStableFunc(of, func(a, b observed.Happening) int { return a.At.Compare(b.At) })
	}
	return all, nil
}

// powerEvents are told when a machine was switched on or off, whoever did it.
var powerEvents = []string{"VmPoweredOnEvent", "DrsVmPoweredOnEvent", "VmRestartedOnAlternateHostEvent", "VmPoweredOffEvent"}

// movingEvents are told when a move begins, with the datastore that the machine is on and the one that it goes to.
var movingEvents = []string{"VmBeingHotMigratedEvent", "VmBeingMigratedEvent", "VmBeingRelocatedEvent"}

// scopeOf says what a move that runs moves; "" when vCenter has not said so.
func scopeOf(ctx context.Context, s *session, vm ref, begun time.Time) observed.Scope {
	ctx, cancel := context.WithTimeout(ctx, historyLimit)
	defer cancel()
	events, err := eventsSince(ctx, s, types.EventFilterSpecByEntity{Entity: vm, Recursion: types.EventFilterSpecRecursionOptionSelf}, begun.Add(-historyMargin), movingEvents...)
	if err != nil || len(events) == 0 {
		return ""
	}
	var to *types.DatastoreEventArgument
	last := events[len(events)-1]
	switch e := last.(type) {
	case *types.VmBeingHotMigratedEvent:
		to = e.DestDatastore
	case *types.VmBeingMigratedEvent:
		to = e.DestDatastore
	case *types.VmBeingRelocatedEvent:
		to = e.DestDatastore
	}
	from := last.GetEvent().Ds
	switch {
	case to == nil || from == nil:
		return ""
	case to.Datastore.Value == from.Datastore.Value:
		return observed.MovesHost
	}
	return observed.MovesDisks
}

// eventsSince reads the events of some kinds about an entity.
func eventsSince(ctx context.Context, s *session, about types.EventFilterSpecByEntity, since time.Time, kinds ...string) ([]types.BaseEvent, error) {
	if s.vim.ServiceContent.EventManager == nil {
		return nil, nil
	}
	created, err := methods.CreateCollectorForEvents(ctx, s.vim, &types.CreateCollectorForEvents{
		This:   *s.vim.ServiceContent.EventManager,
		Filter: types.EventFilterSpec{Entity: &about, Time: &types.EventFilterSpecByTime{BeginTime: &since}, EventTypeId: kinds},
	})
	if err != nil {
		return nil, err
	}
	defer destroyCollector(ctx, s, created.Returnval)
	return pages(func() ([]types.BaseEvent, error) {
		read, err := methods.ReadNextEvents(ctx, s.vim, &types.ReadNextEvents{This: created.Returnval, MaxCount: historyPage})
		if err != nil {
			return nil, err
		}
		return read.Returnval, nil
	})
}

// tasksSince reads the tasks about an entity.
func tasksSince(ctx context.Context, s *session, about types.TaskFilterSpecByEntity, since time.Time) ([]types.TaskInfo, error) {
	if s.vim.ServiceContent.TaskManager == nil {
		return nil, nil
	}
	created, err := methods.CreateCollectorForTasks(ctx, s.vim, &types.CreateCollectorForTasks{
		This: *s.vim.ServiceContent.TaskManager,
		Filter: types.TaskFilterSpec{
			Entity: &about, Time: &types.TaskFilterSpecByTime{TimeType: types.TaskFilterSpecTimeOptionQueuedTime, BeginTime: &since},
		},
	})
	if err != nil {
		return nil, err
	}
	defer destroyCollector(ctx, s, created.Returnval)
	return pages(func() ([]types.TaskInfo, error) {
		read, err := methods.ReadNextTasks(ctx, s.vim, &types.ReadNextTasks{This: created.Returnval, MaxCount: historyPage})
		if err != nil {
			return nil, err
		}
		return read.Returnval, nil
	})
}

// pages reads a collector page by page to its end.
func pages[T any](next func() ([]T, error)) (all []T, err error) {
	for len(all) < historyMost {
		page, err := next()
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < historyPage {
			return all, nil
		}
	}
	return nil, fmt.Errorf("the history holds more than %d entries", historyMost)
}

// destroyCollector frees a collector, whatever came of it: vCenter allows a session few (32).
func destroyCollector(ctx context.Context, s *session, collector ref) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), destroyLimit)
	defer cancel()
	if _, failed := methods.DestroyCollector(ctx, s.vim, &types.DestroyCollector{This: collector}); failed != nil {
		s.log.Debug("vCenter kept a collector until the session ends", zap.Error(failed))
	}
}
