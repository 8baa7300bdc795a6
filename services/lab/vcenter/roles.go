package vcenter

import (
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// SetEntityPermissions keeps what an administrator gives; of a principal that has a permission there already, it replaces
// that one, as a vCenter does.
func (a *authorization) SetEntityPermissions(req *types.SetEntityPermissions) soap.HasFault {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range req.Permission {
		if !slices.ContainsFunc(a.RoleList, func(r types.AuthorizationRole) bool { return r.RoleId == p.RoleId }) {
			return &methods.SetEntityPermissionsBody{Fault_: simulator.Fault("no such role", &types.NotFound{})}
		}
		a.take(req.Entity, p.Principal, p.Group)
		a.given[req.Entity] = append(a.given[req.Entity], p)
	}
	return a.AuthorizationManager.SetEntityPermissions(&types.SetEntityPermissions{Entity: req.Entity, Permission: a.given[req.Entity]})
}

// RemoveEntityPermission takes it again.
func (a *authorization) RemoveEntityPermission(req *types.RemoveEntityPermission) soap.HasFault {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.take(req.Entity, req.User, req.IsGroup)
	return a.AuthorizationManager.RemoveEntityPermission(req)
}

func (a *authorization) take(on types.ManagedObjectReference, principal string, group bool) {
	a.given[on] = slices.DeleteFunc(a.given[on], func(p types.Permission) bool { return p.Principal == principal && p.Group == group })
}

// AddAuthorizationRole, UpdateAuthorizationRole and RemoveAuthorizationRole are the simulator's, one at a time.
func (a *authorization) AddAuthorizationRole(req *types.AddAuthorizationRole) soap.HasFault {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.AuthorizationManager.AddAuthorizationRole(req)
}

func (a *authorization) UpdateAuthorizationRole(req *types.UpdateAuthorizationRole) soap.HasFault {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.AuthorizationManager.UpdateAuthorizationRole(req)
}

func (a *authorization) RemoveAuthorizationRole(req *types.RemoveAuthorizationRole) soap.HasFault {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.AuthorizationManager.RemoveAuthorizationRole(req)
}

// above are an object and what it lies in, up to the root. Of an object that is no part of the inventory there is none.
func above(reg *simulator.Registry, ref types.ManagedObjectReference) (chain []types.ManagedObjectReference) {
	for {
		e, ok := reg.Get(ref).(mo.Entity)
		if !ok {
			return chain
		}
		chain = append(chain, ref)
		parent := e.Entity().Parent
		if parent == nil {
			return chain
		}
		ref = *parent
	}
}

// roleOn are the privileges of the limited account on an object: those of the permission that is given nearest to it.
func (a *authorization) roleOn(reg *simulator.Registry, on types.ManagedObjectReference) []string {
	chain := above(reg, on)
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, ref := range chain {
		for _, p := range a.given[ref] {
			if p.Principal != a.limited || p.Group || i > 0 && !p.Propagate {
				continue
			}
			for _, r := range a.RoleList {
				if r.RoleId == p.RoleId {
					return r.Privilege
				}
			}
		}
	}
	return nil
}

// sees says whether a user may read an object: where it has System.Read there, and what leads to such an object.
func (a *authorization) sees(reg *simulator.Registry, ref types.ManagedObjectReference, user string) bool {
	if user != a.limited || len(above(reg, ref)) == 0 || slices.Contains(a.roleOn(reg, ref), "System.Read") {
		return true
	}
	a.mu.Lock()
	var given []types.ManagedObjectReference
	for on, permissions := range a.given {
		if slices.ContainsFunc(permissions, func(p types.Permission) bool { return p.Principal == user }) {
			given = append(given, on)
		}
	}
	a.mu.Unlock()
	return slices.ContainsFunc(given, func(on types.ManagedObjectReference) bool { return slices.Contains(above(reg, on), ref) })
}
