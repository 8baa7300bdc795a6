package checks

import (
	"reprotect.example/services/observed"
)

var configurationServerChecks = []Check{
	{
		Code: "configuration-server.connected", Level: Block, For: classic, Refs: []string{"S10"},
		Title:     "The configuration server is running and connected to Azure.",
		Fault:     "The configuration server is not running, not connected, or not sound.",
		Why:       "The configuration server directs every reprotect and failback; without it both fail.",
		Remedy:    "On the configuration server, start the services (tmansvc, InMage Scout VX Agent) and check that it reaches Azure on port 443.",
		Reference: pagePrepare, Judge: must(theFabric, judgeServerConnected, serverGone),
	},
	{
		Code: "configuration-server.knows-machine", Level: Block, For: classic, Refs: []string{"S10"},
		Title:     "The configuration server has the machine in its database.",
		Fault:     "The configuration server does not know the machine.",
		Why:       "A failback fails for a machine that its configuration server does not know.",
		Remedy:    "Restore the configuration server from its backup, with the same address, and refresh it in the vault.",
		Reference: pagePrepare, Judge: must(theFabric, judgeServerKnows, serverGone),
	},
	{
		Code: "configuration-server.address", Level: Warn, For: classic, Refs: []string{"S11"},
		Title:     "The configuration server has the address that the config of the site records.",
		Fault:     "The configuration server has another address than the config of the site records.",
		Why:       "A configuration server that was restored after a disaster must have the address it had before, or the machines do not find it.",
		Remedy:    "Give the configuration server its recorded address again. If the new one is meant, record it in the config: configurationServerAddress.",
		Reference: pageServer, Judge: judgeServerAddress,
	},
	{
		Code: "configuration-server.backup", Level: Warn, For: classic, Refs: []string{"S11"},
		Title:     "Somebody vouches for a recent backup of the configuration server.",
		Fault:     "Nobody vouches for a recent backup of the configuration server.",
		Why:       "After a disaster the configuration server must be restored with the same address, or no machine of it can come home. Azure does not know its backups.",
		Remedy:    "Make sure that the configuration server is backed up, and attest it in the request: configuration-server.backup=<which backup, of when>.",
		Reference: pageServer, PerCase: true, Judge: judgeBackup,
	},
}

// judgeComponents judges servers, or the parts of an appliance, alike: by their heartbeats, by what Site Recovery says of
// their health, and by what ends or has ended. What is so of several is told once.
func judgeComponents(s Subject, components ...observed.Component) Verdict {
	status := map[observed.Condition]func(string, ...any) Verdict{observed.Doubtful: warn, observed.Unclear: unknown, observed.Broken: fail}
	var complaints []observed.Complaint
	whose := map[observed.Complaint][]string{}
	for _, c := range components {
		for _, complaint := range c.Complaints(s.Now) {
			if whose[complaint] == nil {
				complaints = append(complaints, complaint)
			}
			whose[complaint] = append(whose[complaint], c.String())
		}
	}
	if len(complaints) == 0 {
		return pass("The last heartbeat of %s was %s.", components[0], stamp(components[0].Heartbeat))
	}
	var verdicts []Verdict
	for _, complaint := range complaints {
		verdicts = append(verdicts, status[complaint.Condition]("%s: %s.", capital(list(whose[complaint])), complaint.What))
	}
	return worst(verdicts)
}

// serverGone is for a configuration server that the vault has no more: nothing on it can be started.
func serverGone(v Verdict) Verdict {
	return v.remedy("Restore the configuration server from its backup, with the same address, and register it with the vault again. Without it no machine of it can be reprotected; if there is no backup, ask Microsoft support before you delete anything.")
}

func theFabric(s Subject) Found[observed.Fabric] { return s.Fabric }

func judgeServerConnected(s Subject, f observed.Fabric) Verdict {
	return judgeComponents(s, f.Component())
}

// judgeServerKnows: an item lies in the fabric whose configuration server protects it. So the server is not the
// right one when it is gone from the vault, or when the master target belongs to another.
func judgeServerKnows(s Subject, cs observed.Fabric) Verdict {
	if s.MasterTarget.Absent && s.Machine.MasterTarget != "" {
		for _, f := range s.Vault.Fabrics {
			if _, has := f.MasterTarget(s.Machine.MasterTarget); has {
				return fail("Master target %s belongs to configuration server %s, which does not know %s: that one is known to %s.", s.Machine.MasterTarget, f.Name, s.Machine.Name, cs.Name).
					remedy("Choose a master target of %s.", cs.Name)
			}
		}
	}
	if s.Item.It.VMID == "" {
		return unknown("Site Recovery gives no id by which configuration server %s knows %s.", cs.Name, s.Machine.Name)
	}
	return pass("Configuration server %s has %s as %s.", cs.Name, s.Machine.Name, s.Item.It.VMID)
}

// judgeServerAddress compares addresses; the config holds no names here, since names move with the address.
func judgeServerAddress(s Subject) Verdict {
	recorded := s.Site.ConfigurationServerAddress
	switch {
	case recorded == "" && s.Fabric.It != nil && s.Fabric.It.IPAddress != "":
		return skipped("The config records no address to compare with. To have it compared, record the present one: configurationServerAddress: %s.", s.Fabric.It.IPAddress)
	case recorded == "":
		return skipped("The config records no address to compare with (configurationServerAddress).")
	case s.Fabric.It == nil:
		return unknown("%s", s.Fabric.Why)
	case s.Fabric.It.IPAddress == "":
		return unknown("Site Recovery does not say the address of configuration server %s.", s.Fabric.It.Name)
	case !observed.SameAddress(s.Fabric.It.IPAddress, recorded):
		return fail("Configuration server %s has the address %s; %s is recorded.", s.Fabric.It.Name, s.Fabric.It.IPAddress, recorded)
	}
	return pass("Configuration server %s has the recorded address %s.", s.Fabric.It.Name, recorded)
}

func judgeBackup(s Subject) Verdict {
	if s.Case.Attest["configuration-server.backup"] != "" {
		return pass("A person vouches for a backup.")
	}
	return fail("Nobody vouches for a backup of the configuration server.")
}
