package lab_test

import (
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"reprotect.example/services/lab"
	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/observed"
)

// eventually asks until something is so; the limit is for machines under load.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	limit := time.After(time.Minute)
	every := time.NewTicker(10 * time.Millisecond)
	defer every.Stop()
	for !so() {
		select {
		case <-limit:
			t.Fatalf("never: %s", what)
		case <-every.C:
		}
	}
}

// probe asks a machine's service as a probe does: a status, or 0 when nothing answers.
func probe(t *testing.T, l *lab.Lab, machine string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.Ready().Probes+"/"+machine, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close() // nothing of it was read
	return resp.StatusCode
}

// TestFailbackSwitchesMachines (issue 16, lab): a failback switches the machine on-premises on, with Tools, name and
// address, and makes it anew where it was deleted; its cancellation switches it off. A probe of it answers, unless somebody
// muted it.
func TestFailbackSwitchesMachines(t *testing.T) {
	s := scenario.Default(4)
	s.Speed = 6000
	for i := range s.Machines {
		s.Machines[i].Agent = -1
	}
	s.Machines[2].Deleted = true // app01
	l := start(t, lab.Options{Scenario: s})
	c := load(t, l.Ready())
	client, center := vaultOf(t, c), vcenterOf(t, c)
	item := func(name string) observed.Item {
		t.Helper()
		v, err := client.Vault(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		return v.Items[slices.IndexFunc(v.Items, func(i observed.Item) bool { return i.Name == name })]
	}
	machine := func(name string) []observed.VM {
		t.Helper()
		ref := observed.VMRef{Name: name}
		inventory, err := center.Inventory(t.Context(), observed.Query{VMs: []observed.VMRef{ref}})
		if err != nil {
			t.Fatal(err)
		}
		return inventory.VM(ref)
	}
	for _, name := range []string{"web01", "app01"} {
		v, err := client.Vault(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		fabric := v.Fabrics[slices.IndexFunc(v.Fabrics, func(f observed.Fabric) bool { return len(f.Appliances) > 0 })]
		if _, err := client.Reprotect(t.Context(), observed.Reprotect{Item: item(name), ApplianceID: fabric.Appliances[0].ID, Datastore: "VMFS-01", LogStorage: l.Azure().LogStorage()}); err != nil {
			t.Fatal(err)
		}
		eventually(t, name+" is protected", func() bool { return item(name).Stage() == observed.StageReady })
		if status := probe(t, l, name); status != 0 {
			t.Errorf("%s answers %d before it is home", name, status)
		}
		if _, err := client.Failback(t.Context(), item(name), observed.CrashConsistent); err != nil {
			t.Fatal(err)
		}
		eventually(t, name+" runs at home", func() bool { return probe(t, l, name) == http.StatusOK }) // nobody asks the vault meanwhile
		eventually(t, name+" has failed back", func() bool { return item(name).Stage() == observed.StageHomeUncommitted })
		vms := machine(name)
		if len(vms) != 1 || vms[0].Power != "poweredOn" || vms[0].Tools != "guestToolsRunning" || vms[0].GuestHost != name || !slices.Contains(vms[0].GuestIPs, scenario.Address(scenario.AtHome, slices.Index([]string{"web01", "db01", "app01"}, name))) {
			t.Errorf("%s in vCenter: %+v", name, vms)
		}
		if anew := s.UUID("instance-anew", name); (vms[0].InstanceUUID == anew) != (name == "app01") || len(vms[0].Disks) != 1 {
			t.Errorf("%s has the id %s and %d disks", name, vms[0].InstanceUUID, len(vms[0].Disks))
		}
	}
	do(t, l, "mute-probe", "web01")
	if status := probe(t, l, "web01"); status != http.StatusServiceUnavailable {
		t.Errorf("a muted machine answers %d", status)
	}
	do(t, l, "unmute-probe", "WEB01")
	if status := probe(t, l, "web01"); status != http.StatusOK {
		t.Errorf("a machine that is muted no more answers %d", status)
	}
	if _, err := client.CancelFailover(t.Context(), item("web01")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "web01 is back in Azure", func() bool { return item("web01").Stage() == observed.StageReady })
	if status := probe(t, l, "web01"); status != 0 || machine("web01")[0].Power != "poweredOff" {
		t.Errorf("after the cancellation it answers %d, and is %s", status, machine("web01")[0].Power)
	}
	if err := lab.Do(t.Context(), filepath.Dir(l.Ready().Config), "mute-probe", "nobody"); err == nil {
		t.Error("a machine that is none was muted")
	}
}
