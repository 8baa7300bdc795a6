package checks

import (
	"strings"

	"reprotect.example/services/observed"
)

var processServerChecks = []Check{
	{
		Code: "process-server.connected", Level: Block, For: classic, Refs: []string{"S47"},
		Title:     "The process server is connected to the configuration server.",
		Fault:     "The process server is not connected, or not sound.",
		Why:       "The process server takes the data from the Azure VM; without it nothing replicates.",
		Remedy:    "On the process server, check that it reaches the configuration server on port 443 and that its services run.",
		Reference: pageReprotect, Judge: must(theProcessServer, judgeProcessServer, func(v Verdict) Verdict {
			return v.remedy("Name a process server that is registered with the machine's configuration server, in the request or in the defaults of the site.")
		}),
	},
	{
		Code: "process-server.placement", Level: Warn, For: classic, Refs: []string{"S6", "S16"},
		Title:     "The process server stands in Azure, or an ExpressRoute leads to it.",
		Fault:     "The process server stands on-premises, and no ExpressRoute leads to it.",
		Why:       "The way from the Azure VM to the process server must be short: over a site-to-site VPN an on-premises process server makes replication slow.",
		Remedy:    "Set up a process server in the Azure network of the machine and choose it. If yours stands there, attest it in the request: process-server.placement=<network>.",
		Reference: pageProcess, Judge: with(theProcessServer, judgePlacement),
	},
}

func theProcessServer(s Subject) Found[observed.ProcessServer] { return s.ProcessServer }

func judgeProcessServer(s Subject, ps observed.ProcessServer) Verdict {
	return judgeComponents(s, ps.Component())
}

// judgePlacement knows a process server as on-premises when it is the configuration server itself, or when
// vCenter shows it as a VM. Site Recovery does not say where the others stand.
func judgePlacement(s Subject, ps observed.ProcessServer) Verdict {
	if s.Site.NetworkPath == ExpressRoute {
		return pass("The site is connected by ExpressRoute: process server %s may stand on either side.", ps.Name)
	}
	cs := *s.Fabric.It
	if strings.EqualFold(ps.Name, cs.Name) || strings.EqualFold(ps.Name, cs.HostName) || observed.SameAddress(ps.IPAddress, cs.IPAddress) {
		return fail("Process server %s is the on-premises configuration server itself, and the site has no ExpressRoute.", ps.Name)
	}
	if vm := s.lookup.vm(ps.VMRef(), "process server "+ps.Name); vm.It != nil {
		return fail("Process server %s runs on-premises as VM %s, and the site has no ExpressRoute.", ps.Name, vm.It.Place())
	}
	if s.Case.Attest["process-server.placement"] != "" {
		return pass("A person vouches for the place of process server %s.", ps.Name)
	}
	return unknown("Site Recovery does not say where process server %s stands.", ps.Name)
}
