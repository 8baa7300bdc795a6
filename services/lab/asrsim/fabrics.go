package asrsim

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"reprotect.example/services/lab/scenario"
)

// What Azure itself is called in the vault, and where it lies.
const (
	azureName             = "Microsoft Azure"
	azureLocation         = "japaneast"
	vcenterInfrastructure = "1"
)

// fabric is the on-premises side of one architecture, with its one container, provider and two policies.
type fabric struct {
	classic                      bool
	name, friendly               string
	providerType                 string // as providers name it
	itemProvider                 string // as items name it
	affectedProvider             string // as jobs name it
	container, containerFriendly string
	provider, providerFriendly   string
	forward, failback            string // policies
	forwardType, failbackType    string
}

// Kinds of components.
const (
	configurationServer = "configuration server"
	processServer       = "process server"
	masterTarget        = "master target"
	appliance           = "appliance"
)

// component is a server of a fabric.
type component struct {
	kind, name, id string
	address        string
	health         string // as set; a silent server is Critical whatever it says
	silent         time.Time

	mt            scenario.MasterTarget
	appliance     scenario.Appliance
	unregistered  bool // of a configuration server: gone from the vault, with all that is on it
	noPolicy      bool // of a configuration server: the failback policy is associated no more
	noRetention   bool
	retentionFrom time.Time // when the retention drive is visible (S25)
}

func (s *Server) addFabrics() {
	if len(s.sc.MasterTargets) > 0 || s.hasMachines(true) {
		container := "cloud_" + s.sc.UUID("container", "classic")
		s.fabrics = append(s.fabrics, &fabric{
			classic: true, name: strings.ReplaceAll(s.sc.UUID("fabric", "classic")+s.sc.UUID("fabric", "classic-2"), "-", ""),
			friendly: ConfigurationServer, providerType: "VMware", itemProvider: "InMageFabric", affectedProvider: "VMware",
			container: container, containerFriendly: ConfigurationServer,
			provider: s.sc.UUID("provider", "classic"), providerFriendly: ConfigurationServer,
			forward: "policy-classic", failback: "policy-classic-failback", forwardType: "InMageAzureV2", failbackType: "InMage",
		})
		s.addComponent(component{kind: configurationServer, name: ConfigurationServer})
		s.addComponent(component{kind: processServer, name: ProcessServer})
		for _, mt := range s.sc.MasterTargets {
			s.addComponent(component{kind: masterTarget, name: mt.Name, mt: mt})
		}
	}
	if len(s.sc.Appliances) > 0 || s.hasMachines(false) {
		f := &fabric{
			name: s.sc.Vault + "-vmwarefabric", friendly: s.sc.Vault + "-vmwarefabric",
			providerType: "InMageRcmFabric", itemProvider: "InMageRcmFabric", affectedProvider: "InMageRcm",
			container: s.sc.Vault + "replicationcontainer", containerFriendly: s.sc.Vault + "replicationcontainer",
			provider: s.sc.UUID("provider", "modernized"), providerFriendly: "appliance",
			forward: "policy-modernized", failback: "policy-modernized-failback", forwardType: "InMageRcm", failbackType: "InMageRcmFailback",
		}
		for _, a := range s.sc.Appliances {
			s.addComponent(component{kind: appliance, name: a.Name, appliance: a})
		}
		if len(s.sc.Appliances) > 0 {
			f.providerFriendly = s.sc.Appliances[0].Name
			f.provider = s.components[strings.ToLower(f.providerFriendly)].id
		}
		s.fabrics = append(s.fabrics, f)
	}
}

func (s *Server) hasMachines(classic bool) bool {
	return slices.ContainsFunc(s.sc.Machines, func(m scenario.Machine) bool { return (m.Architecture == "classic") == classic })
}

func (s *Server) addComponent(c component) {
	c.id, c.health, c.address = s.hostID(c.name), "Normal", scenario.Address(0, len(s.components)+3)
	if c.kind == appliance {
		c.id = s.sc.UUID("appliance", c.name)
	}
	s.components[strings.ToLower(c.name)] = &c
}

// hostID spells the id of a server of the configuration server's: upper case, the last two groups run together
// (seen in recordings).
func (s *Server) hostID(name string) string {
	id := strings.ToUpper(s.sc.UUID("host", name))
	cut := strings.LastIndexByte(id, '-')
	return id[:cut] + id[cut+1:]
}

// componentsOf are the components of that kind in the order of the scenario.
func (s *Server) componentsOf(kind string) (found []*component) {
	var names []string
	switch kind {
	case configurationServer:
		names = []string{ConfigurationServer}
	case processServer:
		names = []string{ProcessServer}
	case masterTarget:
		for _, mt := range s.sc.MasterTargets {
			names = append(names, mt.Name)
		}
	case appliance:
		for _, a := range s.sc.Appliances {
			names = append(names, a.Name)
		}
	}
	for _, name := range names {
		if c, ok := s.components[strings.ToLower(name)]; ok {
			found = append(found, c)
		}
	}
	return found
}

func (s *Server) componentByID(kind, id string) (*component, bool) {
	for _, c := range s.componentsOf(kind) {
		if strings.EqualFold(c.id, id) {
			return c, true
		}
	}
	return nil, false
}

func (s *Server) componentName(applianceID string) string {
	if c, ok := s.componentByID(appliance, applianceID); ok {
		return c.name
	}
	return ""
}

func (s *Server) fabricOf(m *machine) *fabric {
	for _, f := range s.fabrics {
		if f.classic == m.classic() {
			return f
		}
	}
	return nil // New makes a fabric for every architecture that has machines
}

func (s *Server) fabricID(f *fabric) string { return s.id("replicationFabrics", f.name) }
func (s *Server) containerID(f *fabric) string {
	return s.fabricID(f) + "/replicationProtectionContainers/" + f.container
}
func (s *Server) providerID(f *fabric) string {
	return s.fabricID(f) + "/replicationRecoveryServicesProviders/" + f.provider
}
func (s *Server) azureContainerID() string {
	return s.id("replicationFabrics", strings.ReplaceAll(s.sc.UUID("fabric", azureName), "-", ""),
		"replicationProtectionContainers", s.sc.UUID("container", azureName))
}
func (s *Server) resourceGroupID() string {
	return "/subscriptions/" + s.sc.Subscription + "/resourceGroups/" + s.sc.ResourceGroup
}
func (s *Server) siteID() string {
	return s.armID("Microsoft.OffAzure/VMwareSites/" + s.sc.Vault + "vmwaresite")
}
func (s *Server) physicalSiteID() string {
	return s.armID("Microsoft.OffAzure/ServerSites/" + s.sc.Vault + "physicalsite")
}
func (s *Server) siteVCenterID() string { return s.siteID() + "/vcenters/vcenter" }

// heartbeat of a component; one that was silenced has been so for an hour.
func (s *Server) heartbeat(c *component, now time.Time) string {
	if !c.silent.IsZero() {
		return stamp(c.silent)
	}
	return stamp(s.beat(now))
}

func (c *component) healthNow() (health string, errors []any) {
	if !c.silent.IsZero() {
		return "Critical", []any{healthError("NoHeartbeat", c.name, "The server '"+c.name+"' has not sent a heartbeat.",
			"The server is switched off or cannot reach the service.", "Check that the server runs and its connection.")}
	}
	if c.health != "Normal" {
		return c.health, []any{healthError("HealthChanged", c.name, "The health of '"+c.name+"' is "+strings.ToLower(c.health)+".",
			"A component of the server does not work as it should.", "Open the server and follow what its components say.")}
	}
	return "Normal", []any{}
}

// healthError has the shape of the SDK's HealthError; the codes are the simulator's own.
func healthError(code, entity, message, causes, action string) object {
	return object{
		"errorSource": "Agent", "errorType": "InfrastructureError", "errorLevel": "Error", "errorCategory": "FabricInfrastructure",
		"errorCode": code, "errorMessage": message, "possibleCauses": causes, "recommendedAction": action,
		"entityId": entity, "summaryMessage": message, "innerHealthErrors": []any{},
	}
}

func (s *Server) fabricView(f *fabric, now time.Time) object {
	details, health, problems := s.rcmFabric(now), "Normal", []any{}
	if f.classic {
		details = s.vmwareFabric(now)
		health, problems = s.componentsOf(configurationServer)[0].healthNow()
	}
	encryption := object{"kekState": "None", "kekCertThumbprint": nil}
	return object{
		"id": s.fabricID(f), "name": f.name, "type": "Microsoft.RecoveryServices/vaults/replicationFabrics",
		"properties": object{
			"friendlyName": f.friendly, "encryptionDetails": encryption, "rolloverEncryptionDetails": encryption,
			"internalIdentifier": s.sc.UUID("fabric-internal", f.name), "bcdrState": "Valid",
			"customDetails": details, "health": health, "healthErrorDetails": problems,
		},
	}
}

func (s *Server) vmwareFabric(now time.Time) object {
	cs := s.componentsOf(configurationServer)[0]
	status := "Running"
	if !cs.silent.IsZero() {
		status = "Stopped"
	}
	ps, mts := []any{}, []any{}
	for _, c := range s.componentsOf(processServer) {
		ps = append(ps, s.patched(c, s.processServerView(c, now)))
	}
	for _, c := range s.componentsOf(masterTarget) {
		mts = append(mts, s.patched(c, s.masterTargetView(c, now)))
	}
	return s.patched(cs, object{
		"instanceType": "VMware", "processServers": ps, "masterTargetServers": mts,
		"runAsAccounts": []any{
			object{"accountId": "1", "accountName": "vcenter"}, object{"accountId": "2", "accountName": "windows"},
			object{"accountId": "3", "accountName": "linux"},
		},
		"csServiceStatus": status, "hostName": cs.name, "ipAddress": cs.address, "lastHeartbeat": s.heartbeat(cs, now),
		"versionStatus": "Supported", "agentVersion": agentVersion,
		"sslCertExpiryDate": stamp(s.start.AddDate(2, 0, 0)),
	})
}

func (s *Server) patched(c *component, view object) object {
	s.patches.apply("server/"+c.name, view)
	return view
}

func (s *Server) processServerView(c *component, now time.Time) object {
	health, problems := c.healthNow()
	return object{
		"friendlyName": c.name, "id": c.id, "hostId": c.id, "ipAddress": c.address, "osType": "Windows",
		"agentVersion": agentVersion, "lastHeartbeat": s.heartbeat(c, now), "versionStatus": "Supported",
		"psServiceStatus": "Running", "sslCertExpiryDate": stamp(s.start.AddDate(2, 0, 0)),
		"healthErrors": problems, "health": health, "throughputStatus": "Green", "psStatsRefreshTime": stamp(s.beat(now)),
	}
}

// masterTargetView shows the retention drive once it is visible, and the datastores of the host: VMFS and vSAN
// only, the selector leaves out all others (S20).
func (s *Server) masterTargetView(c *component, now time.Time) object {
	_, problems := c.healthNow()
	retention := []any{}
	if c.offersRetention(now) {
		retention = append(retention, object{
			"volumeName": c.mt.Retention, "capacityInBytes": int64(100) << 30, "freeSpaceInBytes": int64(96) << 30, "thresholdPercentage": nil,
		})
	}
	datastores := []any{}
	for _, d := range s.datastoresOf(c.mt.Host) {
		datastores = append(datastores, object{
			"symbolicName": d.Name, "uuid": s.sc.UUID("datastore", d.Name), "type": d.Type,
			"capacity": strconv.FormatInt(d.CapacityGB, 10), "freeSpace": strconv.FormatInt(d.FreeGB, 10),
		})
	}
	disks := 0
	for _, m := range s.machines {
		if p := s.phase(m, now); m.classic() && p != FailedOver && !p.atHome() && strings.EqualFold(m.last.input.MasterTargetID, c.id) {
			disks += len(m.spec.DiskGB)
		}
	}
	system := "Microsoft Windows Server 2019 Datacenter"
	if c.mt.OS == "linux" {
		system = "Ubuntu 22.04"
	}
	return object{
		"id": c.id, "name": c.name, "ipAddress": c.address, "osType": title(c.mt.OS), "osVersion": system,
		"agentVersion": agentVersion, "lastHeartbeat": s.heartbeat(c, now), "versionStatus": "Supported",
		"retentionVolumes": retention, "dataStores": datastores, "validationErrors": []any{}, "healthErrors": problems,
		"diskCount": disks, "agentExpiryDate": never,
	}
}

func (c *component) offersRetention(now time.Time) bool {
	return c.mt.Retention != "" && !c.noRetention && !now.Before(c.retentionFrom)
}

// datastoresOf are the VMFS and vSAN datastores that a host mounts, read-only ones included.
func (s *Server) datastoresOf(host string) (found []scenario.Datastore) {
	for _, d := range s.sc.Datastores {
		if mounts(d.Hosts, host) || mounts(d.ReadOnly, host) {
			if t := strings.ToLower(d.Type); t == "vmfs" || t == "vsan" {
				found = append(found, d)
			}
		}
	}
	return found
}

func mounts(hosts []string, host string) bool {
	return slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, host) })
}
