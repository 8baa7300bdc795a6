package checks

import (
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"reprotect.example/services/observed"
)

var vCenterChecks = []Check{
	{
		Code: "vcenter.connected", Level: Block, For: both, Refs: []string{"S48"}, PerCase: true,
		Title:     "The vCenter of the site answers.",
		Fault:     "The vCenter of the site could not be read.",
		Why:       "Reprotect writes through vCenter, and most preconditions can only be read there.",
		Remedy:    "See that the vCenter runs and that the address, account and certificate in the config of the site are right, then check again.",
		Reference: pageReprotect, Judge: judgeVCenter,
	},
	{
		Code: "vcenter.discovered", Level: Block, For: classic, Refs: []string{"S48"},
		Title:     "The vCenter of the master target is registered with the configuration server.",
		Fault:     "The vCenter of the master target is not registered with the configuration server.",
		Why:       "Site Recovery offers only what it discovered: with another vCenter the datastores are missing or not accessible.",
		Remedy:    "In the vault, open Site Recovery Infrastructure > Configuration Servers, choose the server, add the vCenter and wait until it is discovered.",
		Reference: pageReprotect, Judge: judgeDiscovered,
	},
	{
		Code: "vcenter.privileges", Level: Block, For: both, Refs: []string{"S4", "S43", "N3"}, PerCase: true,
		Title:     "The vCenter account has every privilege that a failback needs.",
		Fault:     "The vCenter account lacks privileges that a failback needs.",
		Why:       "A read-only account protects and fails over well, but at reprotect no datastore is found and no disk can be written.",
		Remedy:    "In vCenter, give the account a role with the missing privileges on the datacenter, propagating to children.",
		Reference: pageAccount, Judge: judgePrivileges,
	},
	{
		Code: "esxi.licence", Level: Block, For: both, Refs: []string{"S46"},
		Title:     "The ESXi hosts have no free licence.",
		Fault:     "An ESXi host has a free licence.",
		Why:       "With the free edition of ESXi (vSphere Hypervisor) the failover works and the failback does not.",
		Remedy:    "In vCenter, assign the host an evaluation or a paid licence (Configure > Licensing).",
		Reference: pageReprotect, Judge: judgeLicence,
	},
}

func judgeVCenter(s Subject) Verdict {
	if s.InventoryError != "" {
		return fail("vCenter %s could not be read: %s.", hostOf(s.Site.VCenterURL), s.InventoryError)
	}
	return pass("vCenter %s answered account %s at %s.", hostOf(s.Inventory.URL), s.Inventory.User, stamp(s.Inventory.Taken))
}

// hostOf is the host of a vCenter's URL. Everything else stays out of evidence: a URL can hold a password.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

func judgeDiscovered(s Subject) Verdict {
	switch why := s.Vault.Unread["vcenters"]; {
	case why != "":
		return unknown("The vCenters of the vault could not be read: %s.", why)
	case s.Fabric.It == nil:
		return unknown("%s", s.Fabric.Why)
	case s.Writer.It == nil:
		return unknown("%s", s.Writer.Why)
	}
	ours := hostOf(s.Inventory.URL)
	if ours == "" {
		ours = hostOf(s.Site.VCenterURL)
	}
	var known []string
	comparable := true
	for _, v := range s.Vault.VCenters {
		if !observed.SameID(v.FabricID, s.Fabric.It.ID) {
			continue
		}
		if observed.SameHost(v.Address, ours) || observed.SameHost(v.Name, ours) {
			return pass("vCenter %s, which runs the %s, is registered as %s.", ours, s.By, v.Name)
		}
		known = append(known, v.Name+" at "+v.Address)
		comparable = comparable && isAddress(v.Address) == isAddress(ours)
	}
	switch {
	case ours == "":
		return unknown("The address of the vCenter is not known.")
	case len(known) > 0 && !comparable:
		return unknown("vCenter %s runs the %s; whether it is one of those that configuration server %s knows (%s) cannot be told, because one is given by name and the other by address.",
			ours, s.By, s.Fabric.It.Name, list(known)).
			remedy("Use the same name or address for the vCenter in the config of the site and in the vault.")
	case len(known) == 0:
		return fail("Configuration server %s knows no vCenter; %s runs the %s.", s.Fabric.It.Name, ours, s.By)
	}
	return fail("vCenter %s runs the %s, and configuration server %s knows only %s.", ours, s.By, s.Fabric.It.Name, list(known))
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// judgePrivileges judges what the case uses, and nothing else that the look showed. A privilege that counts on a
// network or a pool is not wanted on the datacenter where that is known of those.
func judgePrivileges(s Subject) Verdict {
	switch why := s.Inventory.Unread["privileges"]; {
	case s.InventoryError != "":
		return unknown("vCenter could not be read: %s.", s.InventoryError)
	case why != "":
		return unknown("The privileges of account %s could not be read: %s.", s.Inventory.User, why)
	}
	var asked []observed.Privileges
	narrower := map[string]bool{} // beginnings of privileges that are known of what they count on
	anyDatacenter := false
	for _, ref := range slices.Sorted(maps.Keys(s.Inventory.Privileges)) {
		p := s.Inventory.Privileges[ref]
		if !s.used[ref] {
			continue
		}
		asked = append(asked, p)
		anyDatacenter = anyDatacenter || p.Kind == "Datacenter"
		switch p.Kind {
		case "Network", "DistributedVirtualPortgroup", "OpaqueNetwork":
			narrower["Network."] = true
		case "ResourcePool", "VirtualApp":
			narrower["Resource.AssignVMToPool"] = true
		}
	}
	if !anyDatacenter { // of machines that are made anew by a writer that was not found
		for _, ref := range slices.Sorted(maps.Keys(s.Inventory.Privileges)) {
			if p := s.Inventory.Privileges[ref]; p.Kind == "Datacenter" {
				asked = append(asked, p)
			}
		}
	}
	if len(asked) == 0 {
		return unknown("The privileges of account %s were not read.", s.Inventory.User)
	}
	var places, missing []string
	dark := slices.Clone(s.darkUses)
	for _, p := range asked {
		lacking := slices.DeleteFunc(slices.Clone(p.Lacking), func(id string) bool {
			return p.Kind == "Datacenter" && (narrower["Network."] && strings.HasPrefix(id, "Network.") || narrower[id])
		})
		if len(lacking) > 0 {
			places = append(places, p.Path)
			missing = append(missing, lacking...)
		}
		if p.Unread != "" {
			dark = append(dark, p.Path+" ("+p.Unread+")")
		}
	}
	slices.Sort(missing)
	missing = slices.Compact(missing)
	switch {
	case len(places) > 0:
		return fail("Account %s lacks %d privilege(s): %s; on %s.", s.Inventory.User, len(missing), strings.Join(missing, ", "), list(places))
	case len(dark) > 0:
		return unknown("The privileges of account %s could not be read on %s.", s.Inventory.User, list(dark))
	}
	return pass("Account %s has all documented privileges on %d objects.", s.Inventory.User, len(asked))
}

// judgeLicence looks at the host of the master target or appliance, and at that of the machine's VM.
func judgeLicence(s Subject) Verdict {
	hosts := []Found[observed.Host]{s.Host}
	if s.VM.It != nil && (s.Host.It == nil || s.VM.It.HostRef != s.Host.It.Ref) {
		hosts = append(hosts, s.lookup.host(s.VM))
	}
	var verdicts []Verdict
	for _, h := range hosts {
		if h.It == nil {
			verdicts = append(verdicts, unknown("%s", h.Why))
			continue
		}
		verdicts = append(verdicts, licenceOf(*h.It, s.Inventory.Unread["licence"]))
	}
	return worst(verdicts)
}

func licenceOf(h observed.Host, whyNone string) Verdict {
	if why := h.Unread.Why("licence"); why != "" {
		whyNone = why
	}
	switch {
	case h.Licence == "" && h.LicenceKey == "" && whyNone != "":
		return unknown("The licence of host %s could not be read: %s.", h.Name, whyNone)
	case h.Licence == "" && h.LicenceKey == "":
		return unknown("The licence of host %s was not read.", h.Name)
	case strings.HasPrefix(strings.ToLower(h.LicenceKey), "esxbasic"), strings.Contains(strings.ToLower(h.Licence), "hypervisor"):
		return fail("Host %s has the free licence %s.", h.Name, h.Licence)
	}
	return pass("Host %s has the licence %s.", h.Name, h.Licence)
}
