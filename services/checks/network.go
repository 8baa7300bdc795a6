package checks

var networkChecks = []Check{
	{
		Code: "network.private-path", Level: Warn, For: classic, Refs: []string{"S15", "S17"}, PerCase: true,
		Title:     "A site-to-site VPN or ExpressRoute private peering leads from Azure to the site.",
		Fault:     "The config names no site-to-site VPN or ExpressRoute private peering to the site.",
		Why:       "Data travels back only over a VPN or ExpressRoute, and the Azure VM must reach the configuration server.",
		Remedy:    "Connect the Azure network to the site, then name the connection in the config of the site: network.path: vpn or expressroute.",
		Reference: pageReprotect, Judge: judgePath,
	},
	{
		Code: "network.ports", Level: Warn, For: classic, Refs: []string{"S18", "S47"}, PerCase: true,
		Title:     "The ports that the config names for probing are open.",
		Fault:     "Ports that the config names for probing are closed.",
		Why:       "The Azure VM must reach the configuration server (443) and the process server (9443), and the process server the configuration server (443).",
		Remedy:    "Open the port in the firewalls and network security groups on the way, and see that the server runs and listens.",
		Reference: pageReprotect, Judge: judgePorts,
	},
}

// Values of Site.NetworkPath.
const (
	VPN          = "vpn"
	ExpressRoute = "expressroute"
)

// judgePorts judges what was tried from where the product runs.
func judgePorts(s Subject) Verdict {
	if s.Site.Probes == 0 {
		return skipped("The config of the site names no probes. To have ports tried, list them there: network.probes: [{name: ps-to-cs, address: \"10.0.0.4:443\"}].")
	}
	if len(s.Vault.Probes) < s.Site.Probes {
		return unknown("The config names %d probe(s), and %d were made.", s.Site.Probes, len(s.Vault.Probes)).
			remedy("Try the ports by hand, then check again.")
	}
	var verdicts []Verdict
	for _, p := range s.Vault.Probes {
		switch {
		case p.Unclear:
			verdicts = append(verdicts, unknown("Whether %s (%s) is open could not be tried: %s.", p.Name, p.Address, p.Failure).
				remedy("Correct name resolution and routes of the machine on which the product runs, or try the port by hand."))
		case p.Failure != "":
			verdicts = append(verdicts, fail("%s (%s) accepts no connection: %s.", p.Name, p.Address, p.Failure))
		default:
			verdicts = append(verdicts, pass("%s (%s) accepts connections.", p.Name, p.Address))
		}
	}
	return worst(verdicts)
}

func judgePath(s Subject) Verdict {
	switch s.Site.NetworkPath {
	case VPN:
		return pass("The config names a site-to-site VPN.")
	case ExpressRoute:
		return pass("The config names ExpressRoute.")
	case "":
		return fail("The config of the site names neither a VPN nor ExpressRoute.")
	}
	return fail("The config of the site names %q as its network path, which is neither vpn nor expressroute.", s.Site.NetworkPath)
}
