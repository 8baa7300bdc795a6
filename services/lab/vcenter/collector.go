package vcenter

import (
	"strings"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// hidden are the properties that nobody may read: object -> paths.
type hidden struct {
	mu    sync.Mutex
	paths map[types.ManagedObjectReference][]string
}

func (h *hidden) hide(ref types.ManagedObjectReference, path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.paths[ref] = append(h.paths[ref], path)
}

func (h *hidden) show(ref types.ManagedObjectReference) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.paths, ref)
}

func (h *hidden) has(ref types.ManagedObjectReference, path string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.paths[ref] {
		if path == p || strings.HasPrefix(path, p+".") {
			return true
		}
	}
	return false
}

// collector reports hidden properties as missing for want of permission, each with its own fault, while the
// rest of the answer stands: as a vCenter does. The simulator makes an instance of its own for each session,
// all of whose fields are zero; the registry holds the one that knows what is hidden.
type collector struct {
	simulator.PropertyCollector

	hidden *hidden
}

func putCollector(reg *simulator.Registry, content types.ServiceContent) *hidden {
	c := &collector{hidden: &hidden{paths: map[types.ManagedObjectReference][]string{}}}
	c.Self = content.PropertyCollector
	reg.Put(c)
	return c.hidden
}

// RetrievePropertiesEx moves hidden properties from the answer's values to its missing ones.
func (c *collector) RetrievePropertiesEx(ctx *simulator.Context, req *types.RetrievePropertiesEx) soap.HasFault {
	res := c.PropertyCollector.RetrievePropertiesEx(ctx, req)
	body, ok := res.(*methods.RetrievePropertiesExBody)
	known, registered := ctx.Map.Get(req.This).(*collector)
	if !ok || !registered || body.Res == nil || body.Res.Returnval == nil {
		return res
	}
	for i := range body.Res.Returnval.Objects {
		known.hidden.censor(&body.Res.Returnval.Objects[i])
	}
	return res
}

func (h *hidden) censor(content *types.ObjectContent) {
	var visible []types.DynamicProperty
	for _, p := range content.PropSet {
		if !h.has(content.Obj, p.Name) {
			visible = append(visible, p)
			continue
		}
		content.MissingSet = append(content.MissingSet, types.MissingProperty{
			Path: p.Name,
			Fault: types.LocalizedMethodFault{
				Fault:            &types.NoPermission{Object: &content.Obj, PrivilegeId: "System.Read"},
				LocalizedMessage: "Permission to perform this operation was denied.",
			},
		})
	}
	content.PropSet = visible
}
