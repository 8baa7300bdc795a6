package preflight

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"reprotect.example/services/observed"
)

var asOf = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// home is a site whose one machine is ready for failback; a test changes one thing.
type home struct {
	vault     observed.Vault
	item      observed.Item // as it is read by itself
	points    []observed.RecoveryPoint
	inventory observed.Inventory
	named     []observed.AzureVM

	noVault, noItem, noPoints, noVCenter, noGraph error
}

func (h *home) Vault(context.Context, time.Duration, ...string) (observed.Vault, error) {
	return h.vault, h.noVault
}
func (h *home) Item(context.Context, string) (observed.Item, error) { return h.item, h.noItem }
func (h *home) RecoveryPoints(context.Context, string) ([]observed.RecoveryPoint, error) {
	return h.points, h.noPoints
}
func (h *home) AzureVMsNamed(context.Context, []string) ([]observed.AzureVM, error) {
	return h.named, h.noGraph
}
func (h *home) Inventory(context.Context, observed.Query) (observed.Inventory, error) {
	return h.inventory, h.noVCenter
}
func (h *home) Datastores(context.Context) (observed.Inventory, error) { return h.inventory, nil }

func (h *home) appliance() *observed.Appliance { return &h.vault.Fabrics[0].Appliances[0] }
func (h *home) azure() *observed.AzureVM       { return &h.vault.AzureVMs.VMs[0] }
func (h *home) vm() *observed.VM               { return &h.inventory.VMs[0] }

const (
	azureGroup = "/subscriptions/s/resourceGroups/g"
	azureVM    = azureGroup + "/providers/Microsoft.Compute/virtualMachines/web01"
)

func readyHome() *home {
	h := &home{
		item: observed.Item{
			ID: "/f/items/web01", Name: "web01", Architecture: observed.Modernized, Provider: "InMageRcmFailback", FabricID: "/f",
			State: "Protected", StateText: "Protected", Location: "Primary", Health: "Normal", ApplianceID: "A-ID", AzureVM: azureVM,
		},
		points:    []observed.RecoveryPoint{{ID: "p2", At: asOf.Add(-90 * time.Second)}, {ID: "p1", At: asOf.Add(-time.Hour)}},
		inventory: observed.Inventory{Taken: asOf, User: "asr", VMs: []observed.VM{{Ref: "vm-1", Name: "web01", Path: "/DC/vm/web01", Power: "poweredOff", Connection: "connected"}}},
	}
	h.vault = observed.Vault{
		Taken: asOf, Fabrics: []observed.Fabric{{ID: "/f", Name: "F", Appliances: []observed.Appliance{{ID: "a-id", Name: "APPL", Health: "Normal", Heartbeat: asOf}}}},
		AzureVMs: observed.AzureVMs{Taken: asOf, Groups: map[string]string{strings.ToLower(azureGroup): ""}, VMs: []observed.AzureVM{{ID: azureVM, Name: "web01", Power: observed.Running}}},
	}
	return h
}

// classicHome is the same of a classic machine, whose item names no Azure VM.
func classicHome() *home {
	h := readyHome()
	i := &h.item
	i.Architecture, i.Provider, i.ActiveSite, i.ApplianceID, i.AzureVM = observed.Classic, "InMage", "Azure", "", ""
	i.MasterTargetID, i.ProcessServerID, i.Replication.LagSeconds = "MT-ID", "PS-ID", new(int)
	h.named, h.vault.AzureVMs.VMs = h.vault.AzureVMs.VMs, nil
	h.vault.Fabrics = []observed.Fabric{{
		ID: "/f", Name: "CS", Health: "Normal", Heartbeat: asOf, MasterTargets: []observed.MasterTarget{{ID: "mt-id", Name: "MT", Heartbeat: asOf}},
		ProcessServers: []observed.ProcessServer{{ID: "ps-id", Name: "PS", Health: "Normal", Heartbeat: asOf}},
	}}
	return h
}

// TestSiteRecoveryReady walks what stands against a failback, and what is not known of it, by the ids of the findings (F4, B9).
func TestSiteRecoveryReady(t *testing.T) {
	t.Parallel()
	const yes, no, dark, absent = "yes", "no", "not known", "not listed"
	down := errors.New("HTTP 503")
	for _, tt := range []struct {
		name    string
		of      func() *home
		change  func(*home)
		want    string
		because string // part of what is said
	}{
		{"F4 ready", readyHome, func(*home) {}, yes, ""},
		{"F4 ready, classic", classicHome, func(*home) {}, yes, ""},
		{"F4 health", readyHome, func(h *home) {
			h.item.Health, h.item.HealthErrors = "Critical", []observed.Problem{{Code: "531006", Message: "No app-consistent point."}}
		}, no, "calls the health of web01 critical: No app-consistent point (531006)."},
		{"F4 health not said", readyHome, func(h *home) { h.item.Health = "" }, dark, "does not say the health"},
		{"F4 resynchronization due", readyHome, func(h *home) { h.item.Replication.ResyncDue = new(true) }, no, "A resynchronization of web01 is due or runs."},
		{"B9 resynchronization runs", readyHome, func(h *home) {
			h.item.Replication.ResyncState, h.item.Replication.Percent = "StartedResynchronization", new(12)
		}, no, "is due or runs, 12 % done."},
		{"F4 no recovery point", readyHome, func(h *home) { h.points = nil }, no, "web01 has no recovery point."},
		{"F4 recovery points not read", readyHome, func(h *home) { h.noPoints = down }, dark, "recovery points of web01 could not be read: HTTP 503."},
		{"F4 appliance", readyHome, func(h *home) { h.appliance().Health = "Critical" }, no, "The appliance APPL: its health is critical."},
		{"F4 appliance warns", readyHome, func(h *home) { h.appliance().Health = "Warning" }, yes, ""},
		{"F4 appliance silent", readyHome, func(h *home) { h.appliance().Heartbeat = time.Time{} }, dark, "gives no heartbeat"},
		{"F4 appliance gone", readyHome, func(h *home) { h.vault.Fabrics[0].Appliances = nil }, no, "is not registered with F any more"},
		{"F4 appliance not said", readyHome, func(h *home) { h.item.ApplianceID = "" }, dark, "does not say which appliance"},
		{"F4 fabrics not read", readyHome, func(h *home) { h.vault.Fabrics, h.vault.Unread = nil, map[string]string{"fabrics": "HTTP 403"} }, dark, "could not be read: HTTP 403."},
		{"F4 master target", classicHome, func(h *home) { h.vault.Fabrics[0].MasterTargets[0].Heartbeat = asOf.Add(-time.Hour) }, no, "The master target MT: the last heartbeat was"},
		{"F4 process server", classicHome, func(h *home) { h.vault.Fabrics[0].ProcessServers[0].Service = "Stopped" }, no, "The process server PS: its service is stopped."},
		{"F4 configuration server", classicHome, func(h *home) { h.vault.Fabrics[0].Health = "Critical" }, no, "The configuration server CS"},
		{"F4 Azure VM off", readyHome, func(h *home) { h.azure().Power = "deallocated" }, no, "Azure VM web01 of web01 does not run: Azure calls it deallocated."},
		{"F4 Azure VM not known", readyHome, func(h *home) { h.azure().Power, h.vault.AzureVMs.PowerUnread = "", "HTTP 403." }, dark, "runs is not known: HTTP 403."},
		{"F4 Azure VM not found", readyHome, func(h *home) { h.vault.AzureVMs.VMs = nil }, dark, "Which Azure VM web01 is"},
		{"F4 Azure VM off, classic", classicHome, func(h *home) { h.named[0].Power = "stopped" }, no, "stopped"},
		{"F4 Azure VM, classic, two of that name", classicHome, func(h *home) {
			h.named = append(h.named, observed.AzureVM{ID: azureVM + "-e9369372-f40f-41eb-b64f-38bb79445508", Name: "web01-e9369372-f40f-41eb-b64f-38bb79445508", Power: observed.Running})
		}, dark, "Which Azure VM web01 is"},
		{"F4 Azure VM, classic, another of a longer name", classicHome, func(h *home) {
			h.named = append(h.named, observed.AzureVM{ID: azureVM + "-test", Name: "web01-test", Power: "stopped"})
		}, yes, ""},
		{"F4 Azure VM, classic, not read", classicHome, func(h *home) { h.named, h.noGraph = nil, down }, dark, "HTTP 503"},
		{"F4 on-premises on", readyHome, func(h *home) { h.vm().Power = "poweredOn" }, no, "VM /DC/vm/web01 is not off on-premises: vCenter calls it poweredOn"},
		{"F4 on-premises suspended", readyHome, func(h *home) { h.vm().Power = "suspended" }, no, "suspended"},
		{"F4 on-premises not said", readyHome, func(h *home) { h.vm().Power = "" }, dark, "does not say whether"},
		{"F4 on-premises disconnected", readyHome, func(h *home) { h.vm().Connection = "disconnected" }, dark, "is disconnected in vCenter"},
		{"F4 on-premises hidden", readyHome, func(h *home) { h.vm().Unread = map[string]string{"runtime.powerState": "refused"} }, dark, "refused"},
		{"F4 on-premises not found", readyHome, func(h *home) { h.inventory.VMs = nil }, dark, "web01"},
		{"F4 physical, made anew", readyHome, func(h *home) { h.inventory.VMs, h.item.Physical = nil, true }, yes, ""},
		{"F4 deleted, made anew", readyHome, func(h *home) { h.inventory.VMs, h.item.VMDeleted = nil, new(true) }, yes, ""},
		{"F4 there still", readyHome, func(h *home) { h.inventory.VMs, h.item.VMDeleted = nil, new(bool) }, dark, "web01"},
		{"F4 vCenter not reached", readyHome, func(h *home) { h.noVCenter = down }, dark, "vCenter could not be read: HTTP 503."},
		{"F4 item not read", readyHome, func(h *home) { h.noItem = down }, dark, "web01 could not be read: HTTP 503."},
		{"F6 item that cannot be understood", readyHome, func(h *home) {
			h.item.Provider, h.item.Unread, h.noItem = "", "field x", down
		}, dark, "web01 could not be read: HTTP 503."},
		{"F4 what speaks against it counts more than what is not known", readyHome, func(h *home) { h.noVCenter, h.points = down, nil }, no, "could not be read"},
		{"F5b replication failed", readyHome, func(h *home) { h.item.State = "InitialReplicationFailed" }, no, "initial replication of web01 has failed"},
		{"replicates still", readyHome, func(h *home) {
			h.item.State, h.item.StateText, h.item.Replication.Percent = "InitialReplicationInProgress", "Initial replication", new(30)
		}, no, "is not protected yet: Initial replication, 30 % done."},
		{"a job holds it", readyHome, func(h *home) { h.item.JobID, h.item.Scenario = "j1", "UpdateVmProperties" }, no, "job j1 (UpdateVmProperties)"},
		{"fails back", readyHome, func(h *home) { h.item.JobID, h.item.Scenario = "j1", "PlannedFailover" }, no, "fails back just now"},
		{"F2 its failback was cancelled", readyHome, func(h *home) { h.item.LastFailback = "Cancelled" }, yes, ""},
		{"F3 home", readyHome, func(h *home) { h.item.State, h.item.Location = "CommitPendingStatesBegin", "Recovery" }, absent, ""},
		{"in Azure still", readyHome, func(h *home) { h.item.Provider = "InMageRcm" }, absent, ""},
		{"a state that nobody knows", readyHome, func(h *home) { h.item.State = "Quiescing" }, dark, "is not known: state Quiescing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := tt.of()
			tt.change(h)
			h.vault.Items = []observed.Item{h.item}
			all, err := ReadyForFailback(t.Context(), Site{Name: "tokyo", Vault: h, VCenter: h}, func() time.Time { return asOf })
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == absent {
				if len(all) != 0 {
					t.Errorf("%+v", all)
				}
				return
			}
			if len(all) != 1 {
				t.Fatalf("%+v", all)
			}
			r, got := all[0], dark
			if r.Ready != nil {
				got = map[bool]string{true: yes, false: no}[*r.Ready]
			}
			if said := strings.Join(r.Why, " "); got != tt.want || !strings.Contains(said, tt.because) || (said == "") != (tt.want == yes) {
				t.Errorf("%s, want %s: %q does not say %q", got, tt.want, said, tt.because)
			}
			if r.Machine != "web01" || r.Item != h.item.ID || r.Site != "tokyo" || !r.AsOf.Equal(asOf) {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestSiteRecoveryReadyFigures(t *testing.T) {
	t.Parallel()
	ready := func(h *home) Readiness {
		h.vault.Items = []observed.Item{h.item}
		all, err := ReadyForFailback(t.Context(), Site{Vault: h, VCenter: h}, func() time.Time { return asOf })
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		return all[0]
	}
	h := readyHome()
	h.item.Replication.PendingBytes = new(int64(7))
	if r := ready(h); r.LagSeconds == nil || *r.LagSeconds != 90 || r.RecoveryPoint == nil || !r.RecoveryPoint.Equal(h.points[0].At) || r.PendingBytes == nil || *r.PendingBytes != 7 {
		t.Errorf("B9 modernized: %+v", r)
	}
	h.points[0].At = asOf.Add(5 * time.Hour) // as recorded of other times of such items
	if r := ready(h); r.LagSeconds != nil || r.RecoveryPoint == nil || !*r.Ready {
		t.Errorf("B9 a time that lies ahead tells no age: %+v", r)
	}
	if r := ready(classicHome()); r.LagSeconds == nil || *r.LagSeconds != 0 {
		t.Errorf("B9 classic: %+v", r)
	}
	h = readyHome()
	h.noVault = errors.New("HTTP 503")
	if _, err := ReadyForFailback(t.Context(), Site{Vault: h, VCenter: h}, func() time.Time { return asOf }); err == nil {
		t.Error("F4 a vault that cannot be read is no empty list")
	}
	h = readyHome()
	h.vault.Items = []observed.Item{h.item}
	if all, _ := ReadyForFailback(t.Context(), Site{Vault: h, VCenter: h, Fabric: "other"}, func() time.Time { return asOf }); len(all) != 0 {
		t.Errorf("of another fabric: %+v", all)
	}
}
