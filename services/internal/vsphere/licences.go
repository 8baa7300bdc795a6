package vsphere

import (
	"context"
	"strings"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"

	"reprotect.example/services/observed"
)

// readLicences names the licence of each host, in one call (S46). Licence keys themselves are not kept.
func readLicences(ctx context.Context, s *session, inv *observed.Inventory) error {
	if s.managers.licences == nil {
		if len(s.managers.standalone) == 0 {
			inv.Unread[unreadLicence] = s.managers.unread[unreadLicence]
		}
		for i := range inv.Hosts {
			setLicence(&inv.Hosts[i], s.managers.standalone)
		}
		return nil
	}
	res, err := methods.QueryAssignedLicenses(ctx, s.vim, &types.QueryAssignedLicenses{This: *s.managers.licences})
	if err != nil {
		return unreadPart(inv, unreadLicence, err)
	}
	assigned := assignedHere(res.Returnval, s.vim.ServiceContent.About.InstanceUuid)
	for i, h := range inv.Hosts {
		setLicence(&inv.Hosts[i], assigned[h.Ref])
	}
	return nil
}

// assignedHere are the licences of each host of this vCenter: linked vCenters answer for each other, and each numbers its
// hosts from the same beginning.
func assignedHere(all []types.LicenseAssignmentManagerLicenseAssignment, vCenter string) map[string][]types.LicenseManagerLicenseInfo {
	assigned := map[string][]types.LicenseManagerLicenseInfo{}
	for _, a := range all {
		if a.Scope == "" || strings.EqualFold(a.Scope, vCenter) {
			assigned[a.EntityId] = append(assigned[a.EntityId], a.AssignedLicense)
		}
	}
	return assigned
}

// setLicence takes the first licence: a host has one.
func setLicence(h *observed.Host, licences []types.LicenseManagerLicenseInfo) {
	if len(licences) == 0 {
		h.Unread[unreadLicence] = "the vCenter names no licence of this host"
		return
	}
	h.Licence, h.LicenceKey = licences[0].Name, licences[0].EditionKey
}
