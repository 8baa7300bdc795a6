package vcenter

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// authorization answers privilege questions truthfully. Every user is an administrator, but for one, who is
// read-only everywhere, one who has what roles and permissions give, and for the privileges revoked from all.
type authorization struct {
	*simulator.AuthorizationManager

	readOnly, limited string // users
	all               []string
	reading           []string

	mu      sync.Mutex
	given   map[types.ManagedObjectReference][]types.Permission
	revoked map[string]bool
	denied  map[types.ManagedObjectReference]map[string]bool // on single objects
}

func putAuthorization(reg *simulator.Registry, content types.ServiceContent, readOnly, limited string) *authorization {
	stock := reg.Get(*content.AuthorizationManager).(*simulator.AuthorizationManager)
	roles := object.AuthorizationRoleList(stock.RoleList)
	a := &authorization{
		AuthorizationManager: stock, readOnly: readOnly, limited: limited, given: map[types.ManagedObjectReference][]types.Permission{},
		all: roles.ByName("Admin").Privilege, reading: roles.ByName("ReadOnly").Privilege,
		revoked: map[string]bool{}, denied: map[types.ManagedObjectReference]map[string]bool{},
	}
	// The simulator leaves the list of known privileges empty; a vCenter does not.
	for _, id := range a.all {
		group, name := "", id
		if dot := strings.LastIndexByte(id, '.'); dot >= 0 {
			group, name = id[:dot], id[dot+1:]
		}
		stock.PrivilegeList = append(stock.PrivilegeList, types.AuthorizationPrivilege{PrivId: id, Name: name, PrivGroupName: group})
	}
	reg.Put(a)
	return a
}

func (a *authorization) granted(user, privilege string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.revoked[privilege]:
		return false
	case user == a.readOnly:
		return slices.Contains(a.reading, privilege)
	}
	return slices.Contains(a.all, privilege)
}

func (a *authorization) revoke(privilege string, revoked bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.revoked[privilege] = revoked
}

// deny takes a privilege from every account on one object, as a role of its own there does.
func (a *authorization) deny(on types.ManagedObjectReference, privilege string) error {
	if !slices.Contains(a.all, privilege) {
		return fmt.Errorf("no privilege is called %q", privilege)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.denied[on] == nil {
		a.denied[on] = map[string]bool{}
	}
	a.denied[on][privilege] = true
	return nil
}

// grantedOn is granted on one object.
func (a *authorization) grantedOn(reg *simulator.Registry, on types.ManagedObjectReference, user, privilege string) bool {
	a.mu.Lock()
	denied := a.denied[on][privilege]
	a.mu.Unlock()
	return !denied && a.granted(user, privilege) && (user != a.limited || slices.Contains(a.roleOn(reg, on), privilege))
}

// mayCall says whether a user may call a method. The simulator's own in-process calls have no user.
func (a *authorization) mayCall(reg *simulator.Registry, on types.ManagedObjectReference, user, method string) bool {
	if user == "" || reading(method) {
		return true
	}
	if privilege, known := needs[method]; known {
		return a.grantedOn(reg, on, user, privilege)
	}
	return user != a.readOnly && user != a.limited
}

// needs is the privilege of each changing method that the procedure or the lab's users call. The others need one
// all the same that a read-only user has not.
var needs = map[string]string{
	"PowerOnVM_Task":          "VirtualMachine.Interact.PowerOn",
	"PowerOffVM_Task":         "VirtualMachine.Interact.PowerOff",
	"CreateSnapshot_Task":     "VirtualMachine.State.CreateSnapshot",
	"CreateSnapshotEx_Task":   "VirtualMachine.State.CreateSnapshot",
	"RemoveSnapshot_Task":     "VirtualMachine.State.RemoveSnapshot",
	"RemoveAllSnapshots_Task": "VirtualMachine.State.RemoveSnapshot",
	"CreateVM_Task":           "VirtualMachine.Inventory.Create",
	"RegisterVM_Task":         "VirtualMachine.Inventory.Register",
	"UnregisterVM":            "VirtualMachine.Inventory.Unregister",
	"Destroy_Task":            "VirtualMachine.Inventory.Delete",
	"TerminateSession":        "Sessions.TerminateSession",
}

// readingMethods begin the names of the methods that change nothing but the caller's own session.
var readingMethods = []string{
	"Retrieve", "ContinueRetrieve", "Query", "Find", "Fetch", "Has", "Check", "Search", "Read", "List", "Get", "CurrentTime",
	"Login", "Logout", "SessionIsActive", "CreateFilter", "CreateContainerView", "CreateListView", "ModifyListView", "CreatePropertyCollector",
	"CreateCollectorFor", "DestroyView", "DestroyCollector", "DestroyPropertyFilter", "DestroyPropertyCollector",
	"WaitForUpdates", "CancelWaitForUpdates", "Validate",
}

func reading(method string) bool {
	return slices.ContainsFunc(readingMethods, func(prefix string) bool { return strings.HasPrefix(method, prefix) })
}

// HasPrivilegeOnEntities answers for the user of the session asked about.
func (a *authorization) HasPrivilegeOnEntities(ctx *simulator.Context, req *types.HasPrivilegeOnEntities) soap.HasFault {
	body := &methods.HasPrivilegeOnEntitiesBody{}
	user, ok := userOf(ctx, req.SessionId)
	if !ok {
		body.Fault_ = simulator.Fault("no such session", &types.InvalidArgument{InvalidProperty: "sessionId"})
		return body
	}
	if fault := a.unknown(req.PrivId); fault != nil {
		body.Fault_ = fault
		return body
	}
	body.Res = &types.HasPrivilegeOnEntitiesResponse{Returnval: a.answer(ctx.Map, user, req.Entity, req.PrivId)}
	return body
}

// HasUserPrivilegeOnEntities answers for a named user.
func (a *authorization) HasUserPrivilegeOnEntities(ctx *simulator.Context, req *types.HasUserPrivilegeOnEntities) soap.HasFault {
	body := &methods.HasUserPrivilegeOnEntitiesBody{Fault_: a.unknown(req.PrivId)}
	if body.Fault_ == nil {
		body.Res = &types.HasUserPrivilegeOnEntitiesResponse{Returnval: a.answer(ctx.Map, req.UserName, req.Entities, req.PrivId)}
	}
	return body
}

// HasPrivilegeOnEntity answers for one entity.
func (a *authorization) HasPrivilegeOnEntity(ctx *simulator.Context, req *types.HasPrivilegeOnEntity) soap.HasFault {
	body := &methods.HasPrivilegeOnEntityBody{}
	user, ok := userOf(ctx, req.SessionId)
	if !ok {
		body.Fault_ = simulator.Fault("no such session", &types.InvalidArgument{InvalidProperty: "sessionId"})
		return body
	}
	body.Res = &types.HasPrivilegeOnEntityResponse{}
	for _, id := range req.PrivId {
		body.Res.Returnval = append(body.Res.Returnval, a.grantedOn(ctx.Map, req.Entity, user, id))
	}
	return body
}

// FetchUserPrivilegeOnEntities lists what a user has.
func (a *authorization) FetchUserPrivilegeOnEntities(ctx *simulator.Context, req *types.FetchUserPrivilegeOnEntities) soap.HasFault {
	var has []string
	res := &types.FetchUserPrivilegeOnEntitiesResponse{}
	for _, e := range req.Entities {
		has = nil
		for _, id := range a.all {
			if a.grantedOn(ctx.Map, e, req.UserName, id) {
				has = append(has, id)
			}
		}
		res.Returnval = append(res.Returnval, types.UserPrivilegeResult{Entity: e, Privileges: has})
	}
	return &methods.FetchUserPrivilegeOnEntitiesBody{Res: res}
}

func (a *authorization) answer(reg *simulator.Registry, user string, entities []types.ManagedObjectReference, ids []string) []types.EntityPrivilege {
	answers := make([]types.EntityPrivilege, len(entities))
	for i, e := range entities {
		answers[i].Entity = e
		for _, id := range ids {
			answers[i].PrivAvailability = append(answers[i].PrivAvailability, types.PrivilegeAvailability{PrivId: id, IsGranted: a.grantedOn(reg, e, user, id)})
		}
	}
	return answers
}

// unknown refuses a question about a privilege that does not exist, as a vCenter does.
func (a *authorization) unknown(ids []string) *soap.Fault {
	for _, id := range ids {
		if !slices.Contains(a.all, id) {
			return simulator.Fault("unknown privilege "+id, &types.InvalidArgument{InvalidProperty: "privId"})
		}
	}
	return nil
}

// userOf finds the user of a session by its key.
func userOf(ctx *simulator.Context, key string) (string, bool) {
	view := ctx.Session.Get(ctx.Map.SessionManager().Self).(*simulator.SessionManager)
	for _, s := range view.SessionList {
		if s.Key == key {
			return s.UserName, true
		}
	}
	return "", false
}
