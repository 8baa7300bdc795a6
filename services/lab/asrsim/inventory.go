package asrsim

import (
	"net"
	"strings"
	"time"
)

// rcmFabric is the modernized fabric: every appliance carries one agent of each sort.
func (s *Server) rcmFabric(now time.Time) object {
	vmSite := s.siteID()
	details := object{
		"instanceType": "InMageRcm", "vmwareSiteId": vmSite, "physicalSiteId": s.physicalSiteID(),
		"serviceEndpoint":   "https://srs.japaneast.example",
		"serviceResourceId": "8000000000000000001", "serviceContainerId": "5000000000001",
		"dataPlaneUri": "https://protection.japaneast.example", "controlPlaneUri": "https://rcm.japaneast.example",
		"sourceAgentIdentityDetails": s.identity("agent"),
		"agentDetails":               []any{},
	}
	for _, agents := range []struct{ key, version string }{
		{"processServers", agentVersion}, {"rcmProxies", "1.38.8708.1"}, {"pushInstallers", "1.39.8785.1"},
		{"replicationAgents", "1.38.8707.1"}, {"reprotectAgents", "1.40.8771.1"}, {"marsAgents", "2.0.9261.0"}, {"dras", "5.23.720.4"},
	} {
		list := []any{}
		for _, c := range s.componentsOf(appliance) {
			view := s.patched(c, s.agentView(c, agents.key, agents.version, now))
			s.patches.apply("part/"+c.name+"/"+agents.key, view)
			list = append(list, view)
		}
		details[agents.key] = list
	}
	return details
}

func (s *Server) agentView(c *component, sort, version string, now time.Time) object {
	health, problems := c.healthNow()
	view := object{
		"id": c.id, "name": c.name, "biosId": strings.ToUpper(s.sc.UUID("bios", c.name)), "version": version,
		"lastHeartbeatUtc": s.heartbeat(c, now), "health": health, "healthErrors": problems,
	}
	if sort != "dras" {
		view["fabricObjectId"] = s.siteID() + "/machines/vcenter_" + s.sc.UUID("instance", c.name)
		view["fqdn"] = c.name
	}
	switch sort {
	case "processServers":
		view["ipAddresses"] = []string{c.address}
		view["historicHealth"] = health
		for _, key := range []string{"throughputStatus", "systemLoadStatus", "diskUsageStatus", "memoryUsageStatus", "processorUsageStatus"} {
			view[key] = "Healthy"
		}
		for key, value := range map[string]int64{
			"totalMemoryInBytes": 36 << 30, "availableMemoryInBytes": 32 << 30, "usedMemoryInBytes": 4 << 30, "memoryUsagePercentage": 11,
			"totalSpaceInBytes": 620 << 30, "availableSpaceInBytes": 610 << 30, "usedSpaceInBytes": 10 << 30, "freeSpacePercentage": 98,
			"throughputUploadPendingDataInBytes": 0, "throughputInBytes": 0, "processorUsagePercentage": 1, "systemLoad": 0,
		} {
			view[key] = value
		}
	case "rcmProxies":
		view["clientAuthenticationType"] = "Certificate"
	case "reprotectAgents":
		view["accessibleDatastores"] = append([]string{}, c.appliance.Accessible...)
		view["vcenterId"] = s.siteVCenterID()
		view["lastDiscoveryInUtc"] = s.heartbeat(c, now)
		view["protectedItemCount"] = s.itemsOn(c, now)
	}
	return view
}

// itemsOn counts the machines that replicate to an appliance.
func (s *Server) itemsOn(c *component, now time.Time) (n int) {
	for _, m := range s.machines {
		if !m.classic() && s.phase(m, now) != FailedOver && strings.EqualFold(m.last.input.ReprotectAgentID, c.id) {
			n++
		}
	}
	return n
}

func (s *Server) identity(of string) object {
	tenant := s.sc.UUID("tenant", "")
	return object{
		"tenantId": tenant, "applicationId": s.sc.UUID("application", of), "objectId": s.sc.UUID("object", of),
		"audience": "api://" + tenant + "/" + of, "aadAuthority": "https://login.microsoftonline.com/" + tenant,
	}
}

func (s *Server) containerView(f *fabric) object {
	instance := "InMageRcm"
	if f.classic {
		instance = "VMware"
	}
	return object{
		"id": s.containerID(f), "name": f.container,
		"type": "Microsoft.RecoveryServices/vaults/replicationFabrics/replicationProtectionContainers",
		"properties": object{
			"fabricFriendlyName": f.friendly, "friendlyName": f.containerFriendly, "fabricType": f.providerType,
			"protectedItemCount": s.itemsIn(f), "pairingStatus": "Paired", "role": "Primary",
			"fabricSpecificDetails": object{"instanceType": instance},
		},
	}
}

func (s *Server) itemsIn(f *fabric) (n int) {
	for _, m := range s.machines {
		if s.fabricOf(m) == f {
			n++
		}
	}
	return n
}

func (s *Server) providerView(f *fabric, now time.Time) object {
	server := s.componentsOf(appliance)
	if f.classic {
		server = s.componentsOf(configurationServer)
	}
	beat, status, bios := stamp(s.beat(now)), "Connected", ""
	if len(server) > 0 {
		beat, bios = s.heartbeat(server[0], now), strings.ToUpper(s.sc.UUID("bios", server[0].name))
		if !server[0].silent.IsZero() {
			status = "Disconnected"
		}
	}
	return object{
		"id": s.providerID(f), "name": f.provider,
		"type": "Microsoft.RecoveryServices/vaults/replicationFabrics/replicationRecoveryServicesProviders",
		"properties": object{
			"fabricType": f.providerType, "friendlyName": f.providerFriendly, "fabricFriendlyName": f.friendly,
			"providerVersion": "5.23.720.4", "serverVersion": agentVersion, "providerVersionState": "Supported",
			"lastHeartBeat": beat, "connectionStatus": status, "protectedItemCount": s.itemsIn(f), "allowedScenarios": []any{},
			"healthErrorDetails": []any{}, "draIdentifier": f.provider, "machineId": f.provider, "machineName": f.providerFriendly,
			"biosId": bios, "authenticationIdentityDetails": s.identity("authentication"), "resourceAccessIdentityDetails": s.identity("access"),
		},
	}
}

// policyViews are a fabric's policies: forward, and the failback policy that the service makes beside it and
// nobody edits (S32).
func (s *Server) policyViews(f *fabric) []object {
	view := func(name, provider string, details object) object {
		details["instanceType"] = provider
		return object{
			"id": s.id("replicationPolicies", name), "name": name, "type": "Microsoft.RecoveryServices/vaults/replicationPolicies",
			"properties": object{"friendlyName": name, "providerSpecificDetails": details},
		}
	}
	if f.classic {
		return []object{
			view(f.forward, f.forwardType, object{
				"recoveryPointThresholdInMinutes": 15, "recoveryPointHistory": 1440, "appConsistentFrequencyInMinutes": 60,
				"crashConsistentFrequencyInMinutes": 5, "multiVmSyncStatus": "Enabled"}),
			view(f.failback, f.failbackType, object{
				"recoveryPointThresholdInMinutes": 15, "recoveryPointHistory": 1440, "appConsistentFrequencyInMinutes": 60,
				"multiVmSyncStatus": "Enabled"}),
		}
	}
	return []object{
		view(f.forward, f.forwardType, object{
			"recoveryPointHistoryInMinutes": 1440, "appConsistentFrequencyInMinutes": 60,
			"crashConsistentFrequencyInMinutes": 5, "enableMultiVmSync": "true"}),
		view(f.failback, f.failbackType, object{"appConsistentFrequencyInMinutes": 60, "crashConsistentFrequencyInMinutes": 5}),
	}
}

// mappingViews associate the forward policy with Azure and the failback policy with the container itself; the
// latter is how a failback policy is told from the others (seen in recordings of a classic vault).
func (s *Server) mappingViews(f *fabric) []object {
	view := func(policy, targetID, targetFabric, target string) object {
		var details any
		if !f.classic {
			details = object{"instanceType": "InMageRcm", "enableAgentAutoUpgrade": "true"}
		}
		name := s.sc.UUID("mapping", policy)
		return object{
			"id": s.containerID(f) + "/replicationProtectionContainerMappings/" + name, "name": name,
			"type": "Microsoft.RecoveryServices/vaults/replicationFabrics/replicationProtectionContainers/replicationProtectionContainerMappings",
			"properties": object{
				"targetProtectionContainerId": targetID, "targetProtectionContainerFriendlyName": target,
				"targetFabricFriendlyName": targetFabric, "providerSpecificDetails": details,
				"health": "Normal", "healthErrorDetails": []any{}, "state": "Paired",
				"policyId": strings.ToLower(s.id("replicationPolicies", policy)), "policyFriendlyName": policy,
				"sourceProtectionContainerFriendlyName": f.containerFriendly, "sourceFabricFriendlyName": f.friendly,
			},
		}
	}
	forward := view(f.forward, azureName, azureName, azureName)
	if f.classic && s.componentsOf(configurationServer)[0].noPolicy {
		return []object{forward}
	}
	return []object{forward, view(f.failback, lowerSubscriptions(s.containerID(f)), f.friendly, f.containerFriendly)}
}

func (s *Server) vcenterView(f *fabric, now time.Time) object {
	host, port, err := net.SplitHostPort(s.opt.VCenter)
	if err != nil {
		host, port = s.opt.VCenter, "443"
	}
	name := vcenterName
	view := object{
		"id": s.fabricID(f) + "/replicationvCenters/" + name, "name": name,
		"type": "Microsoft.RecoveryServices/vaults/replicationFabrics/replicationvCenters",
		"properties": object{
			"friendlyName": name, "internalId": s.sc.UUID("vcenter", name), "lastHeartbeat": stamp(s.beat(now)),
			"discoveryStatus": "Completed", "processServerId": s.hostID(ProcessServer), "ipAddress": host, "port": port,
			"infrastructureId": vcenterInfrastructure, "runAsAccountId": "1", "fabricArmResourceName": f.name, "healthErrors": []any{},
		},
	}
	s.patches.apply("server/"+name, view["properties"].(object))
	return view
}

// vcenterName is what the vault calls its vCenter.
const vcenterName = "vcenter"

// planView is a recovery plan with all its machines in the boot group, in the scenario's order. The ids of the
// members come in lower case.
func (s *Server) planView(i int, now time.Time) object {
	plan := s.sc.Plans[i]
	members, providers, seen := map[string]any{}, []string{}, map[string]bool{}
	var primary *fabric
	for _, name := range plan.Machines {
		m, ok := s.byName[strings.ToLower(name)]
		if !ok || m.gone(now) {
			continue
		}
		primary = s.fabricOf(m)
		if p := primary.forwardType; !seen[p] {
			seen[p], providers = true, append(providers, p)
		}
		members[m.spec.Name] = object{"id": strings.ToLower(s.itemID(m, now)), "virtualMachineId": s.itemName(m, now)}
	}
	group := func(sort string, machines []*machine, before, after []string) object {
		items := []any{}
		for _, m := range machines {
			if o, there := members[m.spec.Name]; there {
				items = append(items, o)
			}
		}
		return object{"groupType": sort, "replicationProtectedItems": items, "startGroupActions": manualActions(before), "endGroupActions": manualActions(after)}
	}
	groups := []any{group("Shutdown", nil, nil, nil), group("Failover", nil, nil, nil)}
	for n, machines := range s.members(i) {
		var before, after []string
		if n < len(plan.Groups) {
			before, after = plan.Groups[n].Before, plan.Groups[n].After
		}
		groups = append(groups, group("Boot", machines, before, after))
	}
	properties := object{
		"friendlyName": plan.Name, "recoveryFabricId": azureName, "recoveryFabricFriendlyName": azureName,
		"failoverDeploymentModel": "ResourceManager", "replicationProviders": providers, "allowedOperations": []any{},
		"lastUnplannedFailoverTime": stamp(s.failedOverAt()),
		"currentScenario":           object{"scenarioName": "None", "jobId": s.id("replicationJobs", "None"), "startTime": "1753-01-01T01:01:01Z"},
		"currentScenarioStatus":     "Succeeded", "currentScenarioStatusDescription": "Completed",
		"groups":                  groups,
		"providerSpecificDetails": []any{},
	}
	if primary != nil {
		properties["primaryFabricId"], properties["primaryFabricFriendlyName"] = s.fabricID(primary), primary.friendly
	}
	return object{
		"id": s.id("replicationRecoveryPlans", plan.Name), "name": plan.Name,
		"type": "Microsoft.RecoveryServices/vaults/replicationRecoveryPlans", "properties": properties,
	}
}

// manualActions are what a plan asks of people on the way home.
func manualActions(words []string) []any {
	all := []any{}
	for _, w := range words {
		all = append(all, object{
			"actionName": w, "failoverTypes": []string{"PlannedFailover", "UnplannedFailover"}, "failoverDirections": []string{"RecoveryToPrimary"},
			"customDetails": object{"instanceType": "ManualActionDetails", "description": w},
		})
	}
	return all
}
