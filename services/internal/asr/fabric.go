package asr

import (
	"strings"
	"time"

	sr "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/recoveryservices/armrecoveryservicessiterecovery/v2"

	"reprotect.example/services/observed"
)

// fabric converts a configuration server or an appliance fabric. Other fabrics (Azure regions, Hyper-V sites)
// get no architecture.
func fabric(f *sr.Fabric) observed.Fabric {
	p := val(f.Properties)
	out := observed.Fabric{ID: val(f.ID), Name: first(val(p.FriendlyName), val(f.Name), observed.LastSegment(val(f.ID))), InternalID: val(p.InternalIdentifier),
		Health: val(p.Health), HealthErrors: problems(p.HealthErrorDetails...)}
	switch d := p.CustomDetails.(type) {
	case *sr.VMwareDetails:
		configurationServer(&out, d)
	case *sr.InMageRcmFabricSpecificDetails:
		out.Architecture, out.SiteID = observed.Modernized, val(d.VmwareSiteID)
		parts := applianceParts(d)
		for _, a := range d.ReprotectAgents {
			if a != nil {
				out.Appliances = append(out.Appliances, appliance(a, parts))
			}
		}
	}
	return out
}

func configurationServer(out *observed.Fabric, d *sr.VMwareDetails) {
	out.Architecture = observed.Classic
	out.Heartbeat, out.Version = when(d.LastHeartbeat), val(d.AgentVersion)
	out.HostName, out.IPAddress = val(d.HostName), val(d.IPAddress)
	out.Service, out.Expires = val(d.CsServiceStatus), expiries(d.SSLCertExpiryDate, d.AgentExpiryDate)
	for _, s := range d.ProcessServers {
		if s != nil {
			out.ProcessServers = append(out.ProcessServers, observed.ProcessServer{ID: val(s.ID), Name: first(val(s.FriendlyName), val(s.ID)), IPAddress: val(s.IPAddress),
				Version: val(s.AgentVersion), Heartbeat: when(s.LastHeartbeat), Health: string(val(s.Health)), Problems: problems(s.HealthErrors...),
				Service: val(s.PsServiceStatus), Expires: expiries(s.SSLCertExpiryDate, s.AgentExpiryDate)})
		}
	}
	for _, m := range d.MasterTargetServers {
		if m != nil {
			out.MasterTargets = append(out.MasterTargets, masterTarget(m))
		}
	}
	for _, a := range d.RunAsAccounts {
		if id := val(val(a).AccountID); id != "" {
			if out.RunAsAccounts == nil {
				out.RunAsAccounts = map[string]string{}
			}
			out.RunAsAccounts[id] = val(a.AccountName)
		}
	}
}

func masterTarget(m *sr.MasterTargetServer) observed.MasterTarget {
	out := observed.MasterTarget{ID: val(m.ID), Name: first(val(m.Name), val(m.ID)), IPAddress: val(m.IPAddress), OS: family(m.OSType), OSVersion: val(m.OSVersion),
		Version: val(m.AgentVersion), VersionStatus: val(m.VersionStatus), Heartbeat: when(m.LastHeartbeat), DiskCount: int(val(m.DiskCount)),
		Problems: append(problems(m.ValidationErrors...), problems(m.HealthErrors...)...), Expires: expiries(nil, m.AgentExpiryDate)}
	for _, v := range m.RetentionVolumes {
		if v != nil {
			out.RetentionVolumes = append(out.RetentionVolumes, observed.RetentionVolume{Name: val(v.VolumeName), CapacityBytes: val(v.CapacityInBytes), FreeBytes: val(v.FreeSpaceInBytes)})
		}
	}
	for _, d := range m.DataStores {
		if d != nil {
			out.Datastores = append(out.Datastores, observed.FabricDatastore{Name: val(d.SymbolicName), UUID: val(d.UUID), Type: val(d.Type),
				CapacityGB: gigabytes(d.Capacity), FreeGB: gigabytes(d.FreeSpace)})
		}
	}
	return out
}

func expiries(certificate, agent *time.Time) (all []observed.Expiry) {
	for _, e := range []observed.Expiry{{Of: "certificate", At: when(certificate)}, {Of: "agent", At: when(agent)}} {
		if !e.At.IsZero() {
			all = append(all, e)
		}
	}
	return all
}

// appliance takes the parts with the appliance's id, which each kind has, one for each appliance (seen in recordings).
func appliance(a *sr.ReprotectAgentDetails, parts []observed.Component) observed.Appliance {
	out := observed.Appliance{ID: val(a.ID), Name: first(val(a.Name), val(a.Fqdn), val(a.ID)), BIOSID: val(a.BiosID), FQDN: val(a.Fqdn), Version: val(a.Version),
		Health: string(val(a.Health)), Problems: problems(a.HealthErrors...), Heartbeat: when(a.LastHeartbeatUTC), LastDiscovery: when(a.LastDiscoveryInUTC),
		Datastores: texts(a.AccessibleDatastores), VCenterID: val(a.VcenterID), ProtectedItems: int(val(a.ProtectedItemCount))}
	for _, p := range parts {
		if out.ID != "" && strings.EqualFold(p.ID, out.ID) || out.BIOSID != "" && strings.EqualFold(p.BIOSID, out.BIOSID) {
			out.Parts = append(out.Parts, p)
		}
	}
	return out
}

// applianceParts are what lies on the appliances of a fabric beside their reprotect agents, as far as replication goes
// through it: the push installer is for machines that are not protected yet.
func applianceParts(d *sr.InMageRcmFabricSpecificDetails) (parts []observed.Component) {
	add := func(kind string, id, name, bios *string, health *sr.ProtectionHealth, errors []*sr.HealthError, heartbeat *time.Time) {
		parts = append(parts, observed.Component{Kind: kind + " of appliance", ID: val(id), Name: val(name), BIOSID: val(bios),
			Health: string(val(health)), Problems: problems(errors...), Heartbeat: when(heartbeat)})
	}
	for _, c := range d.Dras {
		if c != nil {
			add("Azure Site Recovery provider", c.ID, c.Name, c.BiosID, c.Health, c.HealthErrors, c.LastHeartbeatUTC)
		}
	}
	for _, c := range d.RcmProxies {
		if c != nil {
			add("proxy", c.ID, c.Name, c.BiosID, c.Health, c.HealthErrors, c.LastHeartbeatUTC)
		}
	}
	for _, c := range d.ReplicationAgents {
		if c != nil {
			add("replication agent", c.ID, c.Name, c.BiosID, c.Health, c.HealthErrors, c.LastHeartbeatUTC)
		}
	}
	for _, c := range d.ProcessServers {
		if c != nil {
			add("process server", c.ID, c.Name, c.BiosID, c.Health, c.HealthErrors, c.LastHeartbeatUTC)
		}
	}
	for _, c := range d.MarsAgents {
		if c != nil {
			add("Recovery Services agent", c.ID, c.Name, c.BiosID, c.Health, c.HealthErrors, c.LastHeartbeatUTC)
		}
	}
	return parts
}
