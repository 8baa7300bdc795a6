package vsphere

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"

	"reprotect.example/services/observed"
)

// Names of the parts of an inventory that can be unread as a whole.
const (
	unreadPrivileges = "privileges"
	unreadLicence    = "licence"
)

// Privileges are the documented ones of the vSphere role that failback needs (N3), by their ids in the API.
// The documentation names the group "virtual machine configuration" as a whole; its members stand here.
var Privileges = []string{
	"Datastore.AllocateSpace", "Datastore.Browse", "Datastore.DeleteFile", "Datastore.FileManagement", "Datastore.UpdateVirtualMachineFiles",
	"Network.Assign",
	"Resource.AssignVMToPool", "Resource.ColdMigrate", "Resource.HotMigrate",
	"Task.Create", "Task.Update",
	"VirtualMachine.Config.AddExistingDisk", "VirtualMachine.Config.AddNewDisk", "VirtualMachine.Config.AddRemoveDevice",
	"VirtualMachine.Config.AdvancedConfig", "VirtualMachine.Config.Annotation", "VirtualMachine.Config.CPUCount",
	"VirtualMachine.Config.ChangeTracking", "VirtualMachine.Config.DiskExtend", "VirtualMachine.Config.DiskLease",
	"VirtualMachine.Config.EditDevice", "VirtualMachine.Config.HostUSBDevice", "VirtualMachine.Config.ManagedBy",
	"VirtualMachine.Config.Memory", "VirtualMachine.Config.MksControl", "VirtualMachine.Config.QueryFTCompatibility",
	"VirtualMachine.Config.QueryUnownedFiles", "VirtualMachine.Config.RawDevice", "VirtualMachine.Config.ReloadFromPath",
	"VirtualMachine.Config.RemoveDisk", "VirtualMachine.Config.Rename", "VirtualMachine.Config.ResetGuestInfo",
	"VirtualMachine.Config.Resource", "VirtualMachine.Config.Settings", "VirtualMachine.Config.SwapPlacement",
	"VirtualMachine.Config.ToggleForkParent", "VirtualMachine.Config.UpgradeVirtualHardware",
	"VirtualMachine.Interact.AnswerQuestion", "VirtualMachine.Interact.DeviceConnection", "VirtualMachine.Interact.PowerOff",
	"VirtualMachine.Interact.PowerOn", "VirtualMachine.Interact.SetCDMedia", "VirtualMachine.Interact.SetFloppyMedia",
	"VirtualMachine.Interact.ToolsInstall",
	"VirtualMachine.Inventory.Create", "VirtualMachine.Inventory.Register", "VirtualMachine.Inventory.Unregister",
	"VirtualMachine.Provisioning.GetVmFiles", "VirtualMachine.Provisioning.PutVmFiles",
	"VirtualMachine.State.RemoveSnapshot",
}

// privilegesOf says which of them count on an entity below the datacenter, by type: what they begin with. On a
// datacenter all count: the role is to be given there and to propagate (N3). Below, an override can take it away again.
var privilegesOf = map[string][]string{
	"Datastore":                   {"Datastore."},
	"HostSystem":                  {"Resource.ColdMigrate", "Resource.HotMigrate", "VirtualMachine."},
	"VirtualMachine":              {"VirtualMachine."},
	"ResourcePool":                {"Resource.AssignVMToPool"},
	"VirtualApp":                  {"Resource.AssignVMToPool"},
	"Network":                     {"Network."},
	"DistributedVirtualPortgroup": {"Network."},
	"OpaqueNetwork":               {"Network."},
}

func countsOn(kind, privilege string) bool {
	begins, limited := privilegesOf[kind]
	return !limited || slices.ContainsFunc(begins, func(begin string) bool { return strings.HasPrefix(privilege, begin) })
}

// managers is what a session learns once: which privileges this version knows, and where licences are asked.
type managers struct {
	privileges map[string]bool // empty: not known, for the reason in unread
	licences   *types.ManagedObjectReference
	standalone []types.LicenseManagerLicenseInfo // of an ESXi host without a vCenter
	unread     map[string]string
}

func readManagers(ctx context.Context, s *session) (managers, error) {
	m := managers{privileges: map[string]bool{}, unread: map[string]string{}}
	content := s.vim.ServiceContent
	var roots []types.ManagedObjectReference
	for _, ref := range []*types.ManagedObjectReference{content.AuthorizationManager, content.LicenseManager} {
		if ref != nil {
			roots = append(roots, *ref)
		}
	}
	objects, err := retrieve(ctx, s, []want{
		{"AuthorizationManager", []string{"privilegeList"}},
		{"LicenseManager", []string{"licenseAssignmentManager", "licenses"}},
	}, from(roots))
	if err != nil {
		return m, err
	}
	m.unread[unreadPrivileges], m.unread[unreadLicence] = notReturned, notReturned
	for _, o := range objects {
		switch o.ref.Type {
		case "AuthorizationManager":
			list, _ := prop[types.ArrayOfAuthorizationPrivilege](o, "privilegeList")
			for _, p := range list.AuthorizationPrivilege {
				m.privileges[p.PrivId] = true
			}
			m.unread[unreadPrivileges] = firstReason(o)
		case "LicenseManager":
			if ref, ok := prop[types.ManagedObjectReference](o, "licenseAssignmentManager"); ok {
				m.licences = &ref
			}
			list, _ := prop[types.ArrayOfLicenseManagerLicenseInfo](o, "licenses")
			m.standalone = list.LicenseManagerLicenseInfo
			m.unread[unreadLicence] = firstReason(o)
		}
	}
	return m, nil
}

// firstReason is why a manager's properties are unread.
func firstReason(o object) string {
	for _, path := range slices.Sorted(maps.Keys(o.unread)) {
		return path + ": " + o.unread[path]
	}
	return notReturned
}

// entity is something that privileges are asked on.
type entity struct {
	ref  types.ManagedObjectReference
	path string
}

// privilegeEntities are what the account may need its role on: the datacenters, the machines with their networks and
// pools, and the hosts and datastores around them. Which of them count, whoever asked knows.
func privilegeEntities(dir directory, objects []object) (all []entity) {
	known := map[types.ManagedObjectReference]bool{}
	add := func(ref types.ManagedObjectReference, path string) {
		if !known[ref] {
			known[ref] = true
			all = append(all, entity{ref, path})
		}
	}
	for ref := range dir.places {
		if ref.Type == "Datacenter" {
			add(ref, dir.placePath(ref))
		}
	}
	for _, o := range objects {
		switch o.ref.Type {
		case "VirtualMachine":
			path := dir.placePath(o.ref)
			add(o.ref, path)
			networks, _ := prop[types.ArrayOfManagedObjectReference](o, "network")
			for _, ref := range networks.ManagedObjectReference {
				add(plain(ref), "a network of "+path)
			}
			if pool, ok := refOf(o, "resourcePool"); ok {
				add(pool, "the resource pool of "+path)
			}
		case "HostSystem", "Datastore":
			parent, _ := refOf(o, "parent")
			add(o.ref, dir.path(text(o, "name"), parent))
		}
	}
	return all
}

// readPrivileges asks, in one call, what the session's own account lacks (S4, S43, N3). Every read of a
// read-only account succeeds: only this shows it.
func readPrivileges(ctx context.Context, s *session, inv *observed.Inventory, entities []entity) error {
	// Asking for an id that this version does not know would fail the whole question.
	var ask []string
	for _, p := range Privileges {
		if s.managers.privileges[p] {
			ask = append(ask, p)
		}
	}
	if len(ask) == 0 {
		inv.Unread[unreadPrivileges] = "the vCenter's list of privileges: " + s.managers.unread[unreadPrivileges]
		return nil
	}
	if len(entities) == 0 {
		inv.Unread[unreadPrivileges] = "no datacenter is visible to the account"
		return nil
	}
	refs := make([]types.ManagedObjectReference, len(entities))
	for i, e := range entities {
		refs[i] = e.ref
	}
	res, err := methods.HasPrivilegeOnEntities(ctx, s.vim, &types.HasPrivilegeOnEntities{
		This:      *s.vim.ServiceContent.AuthorizationManager,
		Entity:    refs,
		SessionId: s.user.Key,
		PrivId:    ask,
	})
	if err != nil {
		return unreadPart(inv, unreadPrivileges, err)
	}
	granted := map[types.ManagedObjectReference]map[string]bool{}
	for _, e := range res.Returnval {
		answer := map[string]bool{}
		for _, a := range e.PrivAvailability {
			answer[a.PrivId] = a.IsGranted
		}
		granted[plain(e.Entity)] = answer
	}
	inv.Privileges = make(map[string]observed.Privileges, len(entities))
	for _, e := range entities {
		p := observed.Privileges{Path: e.path, Kind: e.ref.Type}
		for _, id := range ask {
			switch isGranted, answered := granted[e.ref][id]; {
			case !countsOn(e.ref.Type, id):
			case !answered:
				p.Unread = "the vCenter gave no answer"
			case !isGranted:
				p.Lacking = append(p.Lacking, id)
			}
		}
		inv.Privileges[e.ref.Value] = p
	}
	return nil
}

// unreadPart notes that a part was refused; the rest of the look stands. A dead session or a vCenter that does
// not answer is an error of the whole.
func unreadPart(inv *observed.Inventory, part string, err error) error {
	if !isVimFault(err) || fault.Is(err, &types.NotAuthenticated{}) {
		return err
	}
	inv.Unread[part] = words(err)
	return nil
}
