package checks

var networkChecks = []Check{
	{
		Code: "network.private-path", Level: Warn, For: classic, Refs: []string{"S15", "S17"}, PerCase: true,
		Title:     "A site-to-site VPN or ExpressRoute private peering leads from Azure to the site.",
		Why:       "Data travels back only over a VPN or ExpressRoute, and the Azure VM must reach the configuration server.",
		Remedy:    "Connect the Azure network to the site, then name the connection in the config of the site: network.path: vpn or expressroute.",
		Reference: pageReprotect, Judge: judgePath,
	},
}

// Values of Site.NetworkPath.
const (
	VPN          = "vpn"
	ExpressRoute = "expressroute"
)

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
