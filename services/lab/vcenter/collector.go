package vcenter

import (
	"slices"
	"strings"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// hidden are the properties that somebody may not read: object -> who and what.
type hidden struct {
	mu    sync.Mutex
	paths map[types.ManagedObjectReference][]hiding
	roles *authorization
}

// hiding hides a property from a user, or from all.
type hiding struct{ user, path string }

func (h *hidden) hide(ref types.ManagedObjectReference, path, user string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.paths[ref] = append(h.paths[ref], hiding{user, path})
}

// show makes all properties of an object readable, and returns those that were not.
func (h *hidden) show(ref types.ManagedObjectReference) (were []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.paths[ref] {
		were = append(were, p.path)
	}
	delete(h.paths, ref)
	return were
}

func (h *hidden) has(ref types.ManagedObjectReference, path, user string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.ContainsFunc(h.paths[ref], func(p hiding) bool {
		return (p.user == "" || p.user == user) && (path == p.path || strings.HasPrefix(path, p.path+"."))
	})
}

// of lists what is hidden of an object from a user.
func (h *hidden) of(ref types.ManagedObjectReference, user string) (paths []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.paths[ref] {
		if p.user == "" || p.user == user {
			paths = append(paths, p.path)
		}
	}
	return paths
}

// collector reports hidden properties as missing for want of permission, each with its own fault, while the
// rest of the answer stands: as a vCenter does. The simulator makes an instance of its own for each session,
// all of whose fields are zero; the registry holds the one that knows what is hidden.
type collector struct {
	simulator.PropertyCollector

	hidden *hidden
}

func putCollector(reg *simulator.Registry, content types.ServiceContent, roles *authorization) *hidden {
	c := &collector{hidden: &hidden{paths: map[types.ManagedObjectReference][]hiding{}, roles: roles}}
	c.Self = content.PropertyCollector
	reg.Put(c)
	return c.hidden
}

// known finds what is hidden, and who asks.
func known(ctx *simulator.Context) (h *hidden, user string) {
	if service, ok := ctx.Map.Get(vim25.ServiceInstance).(*simulator.ServiceInstance); ok {
		if c, ok := ctx.Map.Get(service.Content.PropertyCollector).(*collector); ok {
			h = c.hidden
		}
	}
	if ctx.Session != nil {
		user = ctx.Session.UserName
	}
	return h, user
}

// CreatePropertyCollector makes one of this kind, since the simulator's own would show everything.
func (c *collector) CreatePropertyCollector(ctx *simulator.Context, _ *types.CreatePropertyCollector) soap.HasFault {
	return &methods.CreatePropertyCollectorBody{Res: &types.CreatePropertyCollectorResponse{Returnval: ctx.Session.Put(&collector{}).Reference()}}
}

// RetrievePropertiesEx moves hidden properties from the answer's values to its missing ones.
func (c *collector) RetrievePropertiesEx(ctx *simulator.Context, req *types.RetrievePropertiesEx) soap.HasFault {
	res := c.PropertyCollector.RetrievePropertiesEx(ctx, req)
	body, ok := res.(*methods.RetrievePropertiesExBody)
	h, user := known(ctx)
	if !ok || h == nil || body.Res == nil || body.Res.Returnval == nil {
		return res
	}
	objects := slices.DeleteFunc(body.Res.Returnval.Objects, func(o types.ObjectContent) bool { return !h.roles.sees(ctx.Map, o.Obj, user) })
	for i := range objects {
		h.censor(&objects[i], user)
	}
	body.Res.Returnval.Objects = objects
	return res
}

func (h *hidden) censor(content *types.ObjectContent, user string) {
	var visible []types.DynamicProperty
	for _, p := range content.PropSet {
		if !h.has(content.Obj, p.Name, user) {
			visible = append(visible, p)
			continue
		}
		content.MissingSet = append(content.MissingSet, missing(content.Obj, p.Name))
	}
	content.PropSet = visible
}

func missing(ref types.ManagedObjectReference, path string) types.MissingProperty {
	return types.MissingProperty{
		Path: path,
		Fault: types.LocalizedMethodFault{
			Fault:            &types.NoPermission{Object: &ref, PrivilegeId: "System.Read"},
			LocalizedMessage: "Permission to perform this operation was denied.",
		},
	}
}

// WaitForUpdatesEx does the same with what changes.
func (c *collector) WaitForUpdatesEx(ctx *simulator.Context, req *types.WaitForUpdatesEx) soap.HasFault {
	res := c.PropertyCollector.WaitForUpdatesEx(ctx, req)
	body, ok := res.(*methods.WaitForUpdatesExBody)
	h, user := known(ctx)
	if !ok || h == nil || body.Res == nil || body.Res.Returnval == nil {
		return res
	}
	for n := range body.Res.Returnval.FilterSet {
		filter := &body.Res.Returnval.FilterSet[n]
		filter.ObjectSet = slices.DeleteFunc(filter.ObjectSet, func(o types.ObjectUpdate) bool { return !h.roles.sees(ctx.Map, o.Obj, user) })
		for i := range filter.ObjectSet {
			update := &filter.ObjectSet[i]
			paths := h.of(update.Obj, user)
			if len(paths) == 0 || update.Kind == types.ObjectUpdateKindLeave {
				continue
			}
			var visible []types.PropertyChange
			for _, p := range update.ChangeSet {
				if !h.has(update.Obj, p.Name, user) {
					visible = append(visible, p)
				}
			}
			update.ChangeSet, update.MissingSet = visible, nil
			for _, path := range paths {
				update.MissingSet = append(update.MissingSet, missing(update.Obj, path))
			}
		}
	}
	return res
}
