package asrsim

import (
	"fmt"
	"time"
)

// The feeds of the vault: its health, the events of its machines, its appliances.

var refreshHealthJob = &kind{"RefreshVaultHealth", "Refresh vault health", "Vault", []taskKind{
	{"RefreshFailoverHealthTask", "RefreshFailoverHealthTask", "Refreshing failover health", 1},
}}

func (s *Server) getVaultHealth(rq *request) reply {
	items, critical, warning, failover := 0, 0, 0, 0
	problems := []any{}
	for _, m := range s.machines {
		if m.gone(rq.now) {
			continue
		}
		items++
		p := s.itemView(m, rq.now)["properties"].(object)
		switch p["replicationHealth"] {
		case "Critical":
			critical++
		case "Warning":
			warning++
		}
		if p["failoverHealth"] == "Warning" {
			failover++
		}
		for _, e := range p["healthErrors"].([]any) {
			code, _ := e.(object)["errorCode"].(string)
			level, _ := e.(object)["errorLevel"].(string)
			problems = append(problems, object{"summary": code, "description": e.(object)["errorMessage"], "severity": level, "affectedResourceCorrelationIds": []string{s.sc.UUID("correlation", m.spec.Name)}})
		}
	}
	counts := object{}
	for _, key := range []string{
		"testFailoverApplicableProtectedItemsCount", "testFailoverInProgressProtectedItemsCount", "testFailoverWaitingProtectedItemsCount",
		"protectedItemsNeutralCount", "protectedItemsTestFailoverCriticalCount", "protectedItemsTestFailoverWarningCount",
		"protectedItemsConfigurationCriticalCount", "protectedItemsConfigurationWarningCount", "protectedItemsFailoverHealthCriticalCount",
	} {
		counts[key] = 0
	}
	counts["protectedItemsCriticalCount"], counts["protectedItemsWarningCount"], counts["protectedItemsFailoverHealthWarningCount"] = critical, warning, failover
	summary := func(n int, issues []any, counts any) object {
		return object{"resourceCount": n, "issues": issues, "categorizedResourceCounts": counts}
	}
	fabrics := len(s.fabrics)
	return ok(object{
		"name": "Default", "type": "Microsoft.RecoveryServices/vaults/replicationVaultHealth", "id": s.id("replicationVaultHealth", "Default"),
		"properties": object{
			"vaultErrors": []any{}, "protectedItemsHealth": summary(items, problems, counts),
			"fabricsHealth": summary(fabrics, []any{}, nil), "containersHealth": summary(fabrics, []any{}, nil),
		},
	})
}

// refreshVaultHealth makes a job that takes a second.
func (s *Server) refreshVaultHealth(rq *request) reply {
	end := rq.now.Add(max(s.sc.Real(time.Second), time.Microsecond))
	j := &job{id: s.sc.UUID("job", fmt.Sprintf("health/%d", len(s.jobs))), kind: refreshHealthJob, vault: true, fabric: s.fabrics[0], start: rq.now, full: end, end: end}
	s.jobs = append(s.jobs, j)
	s.operations[j.id] = &operation{id: j.id, job: j, start: rq.now}
	return s.accepted(rq, s.operations[j.id], s.id("replicationVaultHealth", "default"))
}

// vmEvent is a change of a machine's health as the vault's feed tells of it.
func (s *Server) vmEvent(m *machine, n int, at time.Time, description, severity string, problems []any) object {
	name := fmt.Sprintf("VmMonitoringEvent;%d_%s", 9_090_000_000_000_000_000-at.UnixMicro(), s.sc.UUID(fmt.Sprintf("event%d", n), m.spec.Name))
	f := s.fabricOf(m)
	provider := f.forwardType
	if s.returned(m, at) {
		provider = f.failbackType
	}
	return object{
		"name": name, "type": "Microsoft.RecoveryServices/vaults/replicationEvents", "id": s.id("replicationEvents", name),
		"properties": object{
			"eventCode": "SRSVMHealthChanged", "description": description, "eventType": "VmHealth",
			"affectedObjectFriendlyName": m.spec.Name, "affectedObjectCorrelationId": s.sc.UUID("correlation", m.spec.Name),
			"severity": severity, "timeOfOccurrence": stamp(at), "fabricId": s.fabricID(f),
			"providerSpecificDetails": object{"instanceType": provider, "eventType": nil, "category": nil, "component": nil,
				"correctiveAction": nil, "details": nil, "summary": nil, "siteName": f.friendly},
			"eventSpecificDetails": nil, "healthErrors": problems,
		},
	}
}

// events are those of the machines' health, as it stands: one for each machine.
func (s *Server) events(now time.Time) (all []object) {
	for n, m := range s.machines {
		if m.gone(now) {
			continue
		}
		p := s.itemView(m, now)["properties"].(object)
		severity := "OK"
		if health, _ := p["replicationHealth"].(string); health != "Normal" {
			severity = health
		}
		all = append(all, s.vmEvent(m, n, s.start, "Replication health changed to "+severity+".", severity, p["healthErrors"].([]any)))
	}
	return all
}

func (s *Server) listEvents(rq *request) reply {
	return s.page(rq, s.id("replicationEvents"), views(s.events(rq.now)...))
}

func (s *Server) getEvent(rq *request) reply { return one(rq, rq.params[0], s.events(rq.now)) }

// listAppliances shows each appliance with the parts that lie on it.
func (s *Server) listAppliances(rq *request) reply {
	var all []object
	for _, c := range s.componentsOf(appliance) {
		details := object{"instanceType": "InMageRcm", "appliances": []any{object{
			"id": c.id, "name": c.name, "fabricArmId": s.applianceFabric(),
			"dra": s.agentView(c, "dras", "5.23.720.4", rq.now), "processServer": s.agentView(c, "processServers", agentVersion, rq.now),
			"reprotectAgent": s.agentView(c, "reprotectAgents", "1.40.8771.1", rq.now), "rcmProxy": s.agentView(c, "rcmProxies", "1.38.8708.1", rq.now),
			"replicationAgent": s.agentView(c, "replicationAgents", "1.38.8707.1", rq.now), "pushInstaller": s.agentView(c, "pushInstallers", "1.39.8785.1", rq.now),
			"marsAgent": s.agentView(c, "marsAgents", "2.0.9261.0", rq.now), "switchProviderBlockingErrorDetails": []any{},
		}}}
		all = append(all, object{"properties": object{"providerSpecificDetails": details}})
	}
	return s.page(rq, s.id("replicationAppliances"), views(all...))
}

func (s *Server) applianceFabric() string {
	for _, f := range s.fabrics {
		if !f.classic {
			return s.fabricID(f)
		}
	}
	return ""
}
