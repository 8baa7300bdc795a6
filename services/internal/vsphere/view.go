package vsphere

import (
	"context"
	"time"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
)

// snapshotProp is read as a whole: a machine without snapshots has no such property.
const snapshotProp = "snapshot"

// watchWants is what a watch reads: what must not change (S13, S23, S30, S39, M5), and the tasks that change it.
var watchWants = []want{
	{"VirtualMachine", []string{"name", "runtime.powerState", "runtime.connectionState", "runtime.consolidationNeeded", "config.hardware.device", snapshotProp, "recentTask"}},
	{"Task", []string{"info"}},
}

// view is a list of machines at the vCenter with a collector that waits for their changes.
type view struct {
	session   *session
	list      ref
	collector ref
}

func openView(ctx context.Context, s *session) (*view, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	v := &view{session: s}
	list, err := methods.CreateListView(ctx, s.vim, &types.CreateListView{This: *s.vim.ServiceContent.ViewManager})
	if err != nil {
		return nil, err
	}
	v.list = list.Returnval
	collector, err := methods.CreatePropertyCollector(ctx, s.vim, &types.CreatePropertyCollector{This: s.vim.ServiceContent.PropertyCollector})
	if err != nil {
		return nil, err
	}
	v.collector = collector.Returnval
	skip := true
	spec := types.PropertyFilterSpec{ObjectSet: []types.ObjectSpec{{
		Obj: v.list, Skip: &skip,
		SelectSet: []types.BaseSelectionSpec{step("machines", "ListView", "view", step("tasks", "VirtualMachine", "recentTask"))},
	}}}
	for _, w := range watchWants {
		spec.PropSet = append(spec.PropSet, types.PropertySpec{Type: w.kind, PathSet: w.paths})
	}
	_, err = methods.CreateFilter(ctx, s.vim, &types.CreateFilter{This: v.collector, Spec: spec, PartialUpdates: false})
	return v, err
}

// modify changes the list, and returns what of the additions does not exist.
func (v *view) modify(ctx context.Context, add, remove []ref) (gone []ref, err error) {
	if len(add)+len(remove) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	res, err := methods.ModifyListView(ctx, v.session.vim, &types.ModifyListView{This: v.list, Add: add, Remove: remove})
	if err != nil {
		return nil, err
	}
	return res.Returnval, nil
}

// wait returns the changes since a version, all there is when it is ""; nil when nothing changed in time.
func (v *view) wait(ctx context.Context, version string) (*types.UpdateSet, error) {
	limit := maxWait + lateness
	if version == "" {
		limit = firstLimit
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	seconds := int32(maxWait / time.Second)
	res, err := methods.WaitForUpdatesEx(ctx, v.session.vim, &types.WaitForUpdatesEx{
		This: v.collector, Version: version, Options: &types.WaitOptions{MaxWaitSeconds: &seconds},
	})
	if err != nil {
		return nil, err
	}
	return res.Returnval, nil
}

// endWait makes a call that waits return, until ctx ends: a call that was on its way while the last was cancelled
// waits all the same. Errors are of no use: the call ends by itself after maxWait.
func (v *view) endWait(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, leaveLimit)
	defer cancel()
	for ctx.Err() == nil {
		_, _ = methods.CancelWaitForUpdates(ctx, v.session.vim, &types.CancelWaitForUpdates{This: v.collector})
		select {
		case <-ctx.Done():
		case <-time.After(leaveLimit / 20):
		}
	}
}

// close frees what the view takes at the vCenter; what cannot be freed goes with the session.
func (v *view) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, leaveLimit)
	defer cancel()
	_, _ = methods.DestroyPropertyCollector(ctx, v.session.vim, &types.DestroyPropertyCollector{This: v.collector})
	_, _ = methods.DestroyView(ctx, v.session.vim, &types.DestroyView{This: v.list})
}
