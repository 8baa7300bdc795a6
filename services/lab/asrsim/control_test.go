package asrsim

import (
	"strings"
	"sync"
	"testing"
	"time"

	asr "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/recoveryservices/armrecoveryservicessiterecovery/v2"

	"reprotect.example/services/lab/scenario"
)

func (l *lab) do(line string) error {
	l.t.Helper()
	words := strings.Fields(line)
	for _, a := range l.sim.Actions() {
		if a.Name == words[0] {
			return a.Do(words[1:])
		}
	}
	l.t.Fatalf("no action %s", words[0])
	return nil
}

func (l *lab) mustDo(line string) {
	l.t.Helper()
	if err := l.do(line); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) classicFabric() *asr.VMwareDetails {
	l.t.Helper()
	for _, f := range l.fabrics() {
		if d, isClassic := f.Properties.CustomDetails.(*asr.VMwareDetails); isClassic {
			return d
		}
	}
	l.t.Fatal("no classic fabric")
	return nil
}

func (l *lab) appliance() *asr.ReprotectAgentDetails {
	l.t.Helper()
	for _, f := range l.fabrics() {
		if d, isModernized := f.Properties.CustomDetails.(*asr.InMageRcmFabricSpecificDetails); isModernized {
			return d.ReprotectAgents[0]
		}
	}
	l.t.Fatal("no modernized fabric")
	return nil
}

func TestActionsRefuseWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	l := standard(t)
	for _, a := range l.sim.Actions() {
		if a.Help == "" || a.Args == "" {
			t.Errorf("%s explains nothing", a.Name)
		}
		if err := a.Do(nil); err == nil || !strings.Contains(err.Error(), a.Args) {
			t.Errorf("%s without arguments: %v", a.Name, err)
		}
		nonsense := make([]string, len(strings.Fields(a.Args)))
		for i := range nonsense {
			nonsense[i] = "nonsense"
		}
		if err := a.Do(nonsense); err == nil || !strings.Contains(err.Error(), "nonsense") {
			t.Errorf("%s with nonsense: %v", a.Name, err)
		}
	}
	for _, line := range []string{
		"set-health ASR-APPL-01 Splendid", "set-health MT-WIN-01 Warning", "remove-retention PS-AZ-01",
		"set-azure-vm web01 asleep", "throttle -1 1s", "throttle 1 soon",
	} {
		if err := l.do(line); err == nil {
			t.Errorf("%s: accepted", line)
		}
	}
	if _, err := l.sim.Machine("nobody"); err == nil {
		t.Error("a machine that does not exist has a state")
	}
}

func TestHoldAndRegisterAgent(t *testing.T) {
	t.Parallel()
	l := standard(t)
	l.mustDo("hold-agent WEB01")
	l.advance(time.Hour)
	if m, _ := l.sim.Machine("web01"); m.AgentRegistered {
		t.Error("a held agent registered")
	}
	if m, _ := l.sim.Machine("app01"); !m.AgentRegistered {
		t.Error("another machine's agent was held")
	}
	l.mustDo("register-agent web01")
	if m, _ := l.sim.Machine("web01"); !m.AgentRegistered {
		t.Error("the agent is not registered")
	}
}

func TestHeartbeats(t *testing.T) {
	t.Parallel()
	l := standard(t)
	for _, server := range []string{"CS-01", "PS-AZ-01", "MT-WIN-01", "ASR-APPL-01"} {
		age := func() time.Duration {
			d, a := l.classicFabric(), l.appliance()
			return l.now().Sub(map[string]time.Time{
				"CS-01": *d.LastHeartbeat, "PS-AZ-01": *d.ProcessServers[0].LastHeartbeat,
				"MT-WIN-01": *d.MasterTargetServers[0].LastHeartbeat, "ASR-APPL-01": *a.LastHeartbeatUTC,
			}[server])
		}
		l.advance(90 * time.Second)
		if age() > time.Minute {
			t.Errorf("%s: heartbeat %v old", server, age())
		}
		l.mustDo("stop-heartbeat " + server)
		if age() < 30*time.Minute {
			t.Errorf("%s: silent, but heartbeat %v old", server, age())
		}
		l.mustDo("start-heartbeat " + server)
		if age() > time.Minute {
			t.Errorf("%s: heartbeat %v old after it came back", server, age())
		}
	}
	l.mustDo("stop-heartbeat CS-01")
	for _, f := range l.fabrics() {
		_, classic := f.Properties.CustomDetails.(*asr.VMwareDetails)
		if got := *f.Properties.Health; (got == "Critical") != classic || (len(f.Properties.HealthErrorDetails) == 1) != classic {
			t.Errorf("fabric %s: %s", *f.Properties.FriendlyName, got)
		}
	}
}

func TestApplianceHealth(t *testing.T) {
	t.Parallel()
	l := standard(t)
	if a := l.appliance(); *a.Health != asr.ProtectionHealthNormal || len(a.HealthErrors) != 0 {
		t.Errorf("at first %s", *a.Health)
	}
	l.mustDo("set-health asr-appl-01 Warning")
	if a := l.appliance(); *a.Health != asr.ProtectionHealthWarning || len(a.HealthErrors) != 1 {
		t.Errorf("then %s with %d errors", *a.Health, len(a.HealthErrors))
	}
}

// A retention drive that was added shows after 15 minutes, or once the configuration server was refreshed (S25).
func TestRetentionDrive(t *testing.T) {
	t.Parallel()
	l := standard(t)
	l.advance(12 * time.Minute)
	visible := func() bool { return len(l.classicFabric().MasterTargetServers[0].RetentionVolumes) == 1 }
	in := l.input("mail01")
	if !visible() {
		t.Error("no retention drive at first")
	}
	l.mustDo("remove-retention MT-WIN-01")
	if visible() {
		t.Error("the drive is still there")
	}
	if _, _, err := l.reprotect("mail01", in); err == nil {
		t.Error("reprotect accepted without a retention drive")
	}
	l.mustDo("add-retention MT-WIN-01")
	l.advance(14 * time.Minute)
	if visible() {
		t.Error("the drive shows too early")
	}
	l.advance(time.Minute)
	if !visible() {
		t.Error("the drive does not show after 15 minutes")
	}

	l.mustDo("remove-retention MT-WIN-01")
	l.mustDo("add-retention MT-WIN-01")
	providers := l.sdk.NewReplicationRecoveryServicesProvidersClient()
	fabric, _, _ := names(*l.item("mail01").ID)
	page, err := providers.NewListByReplicationFabricsPager(l.sc.ResourceGroup, l.sc.Vault, fabric, nil).NextPage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	poller, err := providers.BeginRefreshProvider(t.Context(), l.sc.ResourceGroup, l.sc.Vault, fabric, *page.Value[0].Name, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.advance(time.Minute)
	if _, err := poller.Poll(t.Context()); err != nil || !poller.Done() {
		t.Errorf("the refresh goes on: %v", err)
	}
	if got, err := poller.Result(t.Context()); err != nil || *got.Name != *page.Value[0].Name {
		t.Errorf("the refresh gives %v %v", got.Name, err)
	}
	if !visible() {
		t.Error("the drive does not show after a refresh")
	}
	if _, _, err := l.reprotect("mail01", in); err != nil {
		t.Error(err)
	}
	if n := *l.classicFabric().MasterTargetServers[0].DiskCount; n != 1 {
		t.Errorf("%d disks on the master target", n)
	}
}

func TestAzureVM(t *testing.T) {
	t.Parallel()
	l := standard(t)
	l.advance(12 * time.Minute)
	vm := func(group string) (int, map[string]any) {
		resp, body := l.send("GET", "/subscriptions/"+l.sc.Subscription+"/resourceGroups/"+group+
			"/providers/Microsoft.Compute/virtualMachines/web01?api-version=2024-07-01&$expand=instanceView", "", nil)
		return resp.StatusCode, body
	}
	power := func() string {
		_, body := vm(l.sc.ResourceGroup)
		statuses := body["properties"].(map[string]any)["instanceView"].(map[string]any)["statuses"].([]any)
		return statuses[1].(map[string]any)["code"].(string)
	}
	if got := power(); got != "PowerState/running" {
		t.Errorf("at first %s", got)
	}
	l.mustDo("set-azure-vm web01 stopped")
	if got := power(); got != "PowerState/stopped" {
		t.Errorf("stopped: %s", got)
	}
	_, id := l.mustReprotect("web01")
	l.advance(time.Minute)
	if p := l.job(id).Properties; *p.State != "Failed" || *p.Errors[0].ServiceErrorDetails.Code != "78093" {
		t.Errorf("reprotect of a stopped VM: %s", *p.State)
	}
	l.mustDo("set-azure-vm web01 moved")
	here, _ := vm(l.sc.ResourceGroup)
	there, _ := vm(l.sc.ResourceGroup + "-moved")
	if here != 404 || there != 200 {
		t.Errorf("moved: %d in its old place, %d in the new one", here, there)
	}
	l.mustDo("set-azure-vm web01 deleted")
	if there, _ := vm(l.sc.ResourceGroup + "-moved"); there != 404 {
		t.Errorf("deleted: %d", there)
	}
	body := l.get("/subscriptions/" + l.sc.Subscription + "/resourceGroups/" + l.sc.ResourceGroup +
		"/providers/Microsoft.Compute/virtualMachines?api-version=2024-07-01")
	if n := len(body["value"].([]any)); n != 3 {
		t.Errorf("%d VMs in the list", n)
	}
}

func TestInventory(t *testing.T) {
	t.Parallel()
	sc := scenario.Default(4)
	sc.Plans = []scenario.Plan{{Name: "ERP", Machines: []string{"mail01", "web01"}}}
	l := newLab(t, sc, Options{VCenter: "127.0.0.1:8443"})
	rg, vault := sc.ResourceGroup, sc.Vault

	policies, err := l.sdk.NewReplicationPoliciesClient().NewListPager(rg, vault, nil).NextPage(t.Context())
	if err != nil || len(policies.Value) != 4 {
		t.Fatalf("policies: %v %v", policies.Value, err)
	}
	mappings, err := l.sdk.NewReplicationProtectionContainerMappingsClient().NewListPager(rg, vault, nil).NextPage(t.Context())
	if err != nil || len(mappings.Value) != 4 {
		t.Fatalf("mappings: %v %v", mappings.Value, err)
	}
	failback := map[string]bool{}
	for _, m := range mappings.Value {
		container, _, _ := strings.Cut(*m.ID, "/replicationProtectionContainerMappings/")
		if strings.EqualFold(*m.Properties.TargetProtectionContainerID, container) {
			failback[*m.Properties.PolicyFriendlyName] = true
		}
		if _, err := l.sdk.NewReplicationPoliciesClient().Get(t.Context(), rg, vault, lastSegment(*m.Properties.PolicyID), nil); err != nil {
			t.Errorf("the policy of mapping %s: %v", *m.Name, err)
		}
	}
	if len(failback) != 2 || !failback["policy-classic-failback"] || !failback["policy-modernized-failback"] {
		t.Errorf("mapped to their own container: %v", failback)
	}
	vcenters, err := l.sdk.NewReplicationvCentersClient().NewListPager(rg, vault, nil).NextPage(t.Context())
	if err != nil || len(vcenters.Value) != 1 || *vcenters.Value[0].Properties.IPAddress != "127.0.0.1" || *vcenters.Value[0].Properties.Port != "8443" {
		t.Errorf("vCenters: %v %v", vcenters.Value, err)
	}
	containers, err := l.sdk.NewReplicationProtectionContainersClient().NewListPager(rg, vault, nil).NextPage(t.Context())
	if err != nil || len(containers.Value) != 2 || *containers.Value[0].Properties.ProtectedItemCount != 2 {
		t.Errorf("containers: %v %v", containers.Value, err)
	}
	plan, err := l.sdk.NewReplicationRecoveryPlansClient().Get(t.Context(), rg, vault, "erp", nil)
	if err != nil {
		t.Fatal(err)
	}
	var members []string
	for _, g := range plan.Properties.Groups {
		for _, member := range g.ReplicationProtectedItems {
			members = append(members, *member.ID)
		}
	}
	if len(members) != 2 || !strings.EqualFold(members[0], *l.item("mail01").ID) || !strings.EqualFold(members[1], *l.item("web01").ID) {
		t.Errorf("members of the plan, in its order: %v", members)
	}

	// Whatever is listed can be read one by one, under the id that it says it has.
	for _, collection := range []string{
		"replicationProtectedItems", "replicationFabrics", "replicationPolicies", "replicationvCenters", "replicationRecoveryPlans",
		"replicationProtectionContainers", "replicationProtectionContainerMappings", "replicationRecoveryServicesProviders",
	} {
		entries := l.get(l.path(collection))["value"].([]any)
		if len(entries) == 0 {
			t.Errorf("%s: nothing", collection)
		}
		for _, e := range entries {
			id := e.(map[string]any)["id"].(string)
			if got := l.get(id + "?api-version=2025-01-01"); got["id"] != id {
				t.Errorf("%s says it is %v", id, got["id"])
			}
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	l := newLab(t, scenario.Default(8), Options{PageSize: 3})
	l.advance(12 * time.Minute)
	in := map[string]asr.ReverseReplicationInput{}
	for _, m := range l.sc.Machines {
		in[m.Name] = l.input(m.Name)
	}
	var wg sync.WaitGroup
	for _, m := range l.sc.Machines {
		for range 3 {
			wg.Go(func() {
				fabric, container, item := names(l.sim.itemIDOf(l.sim.byName[m.Name], l.sim.itemNames(l.sim.byName[m.Name])[0]))
				_, _ = l.sdk.NewReplicationProtectedItemsClient().BeginReprotect(t.Context(), l.sc.ResourceGroup, l.sc.Vault, fabric, container, item, in[m.Name], nil)
			})
		}
		wg.Go(func() {
			_ = l.sim.StopHeartbeat("MT-WIN-01")
			l.advance(time.Second)
			l.sim.Submissions()
			l.send("GET", l.path("replicationProtectedItems"), "", nil)
		})
	}
	wg.Wait()
	for _, m := range l.sc.Machines {
		if n := l.sim.Submissions()[m.Name]; n != 1 {
			t.Errorf("%s: three at once made %d jobs", m.Name, n)
		}
	}
}
