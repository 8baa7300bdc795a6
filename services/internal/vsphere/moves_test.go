package vsphere_test

import (
	"strings"
	"testing"
	"time"

	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/lab/vcenter/vcentertest"
	"reprotect.example/services/observed"
)

const mt = "MT-LINUX-01"

func writers(names ...string) observed.Query {
	q := query(names...)
	q.VMs = append(q.VMs, observed.VMRef{Name: mt})
	q.Writers = []observed.VMRef{{Name: mt}}
	return q
}

func TestMoves(t *testing.T) {
	srv, caFile := vcentertest.Start(t, scenario.Default(2))
	c := connect(t, srv, caFile)
	moves := func() []observed.Move {
		t.Helper()
		inv, err := c.Inventory(t.Context(), writers("web01"))
		if err != nil {
			t.Fatal(err)
		}
		if vm := one(t, inv, "web01"); vm.Moves != nil || vm.Unread["moves"] != "" {
			t.Errorf("the tasks of a machine that writes nothing were read: %+v", vm.Moves)
		}
		if why := one(t, inv, mt).Unread["moves"]; why != "" {
			t.Errorf("unread: %s", why)
		}
		return one(t, inv, mt).Moves
	}
	vcentertest.Do(t, srv, "add-snapshot", mt, "one") // a task, but no move
	vcentertest.Do(t, srv, "remove-snapshot", mt)
	if got := moves(); len(got) != 0 {
		t.Fatalf("before: %+v", got)
	}
	began := time.Now()
	vcentertest.Do(t, srv, "begin-relocation", mt)
	if got := moves(); len(got) != 1 || got[0].Over() || got[0].State != "running" || got[0].Kind != "VirtualMachine.relocate" || got[0].Begun.Before(began.Add(-time.Minute)) || !got[0].End.IsZero() {
		t.Fatalf("while it runs: %+v", got)
	}
	vcentertest.Do(t, srv, "end-relocation", mt)
	if got := moves(); len(got) != 1 || !got[0].Over() || got[0].State != "success" || got[0].User == "" || got[0].End.IsZero() {
		t.Fatalf("afterwards: %+v", got)
	}
	for range 40 { // more than a session may have collectors
		moves()
	}
	calls := srv.Calls()
	if calls["CreateCollectorForTasks"]+calls["CreateCollectorForEvents"] != calls["DestroyCollector"] {
		t.Errorf("collectors are left: %v", calls)
	}
	vcentertest.Do(t, srv, "refuse-method", "CreateCollectorForTasks")
	inv, err := c.Inventory(t.Context(), writers())
	if err != nil {
		t.Fatal(err)
	}
	if vm := one(t, inv, mt); !strings.Contains(vm.Unread["moves"], "NoPermission") || vm.Moves != nil {
		t.Errorf("refused: %+v", vm)
	}
}

func TestReadingTasksRefusedFreesTheCollector(t *testing.T) {
	srv, caFile := vcentertest.Start(t, scenario.Default(1))
	c := connect(t, srv, caFile)
	vcentertest.Do(t, srv, "refuse-method", "ReadNextTasks")
	inv, err := c.Inventory(t.Context(), writers())
	if err != nil {
		t.Fatal(err)
	}
	if one(t, inv, mt).Unread["moves"] == "" || srv.Calls()["DestroyCollector"] != 1 {
		t.Errorf("%v, %d collectors destroyed", one(t, inv, mt).Unread, srv.Calls()["DestroyCollector"])
	}
}

func TestPods(t *testing.T) {
	srv, caFile := vcentertest.Start(t, scenario.Default(1))
	c := connect(t, srv, caFile)
	vcentertest.Do(t, srv, "add-to-cluster", "POD-01", "VMFS-01")
	vcentertest.Do(t, srv, "add-to-cluster", "POD-01", "VMFS-02")
	pod := func() (observed.Pod, observed.VM) {
		t.Helper()
		inv := look(t, c, mt)
		if len(inv.Pods) != 1 {
			t.Fatalf("%d pods", len(inv.Pods))
		}
		for _, name := range []string{"VMFS-01", "VMFS-02"} {
			if d := datastore(t, inv, name); d.PodRef != inv.Pods[0].Ref || d.PodName != "POD-01" || d.Path != "/DC-TOKYO/datastore/POD-01/"+name {
				t.Errorf("%+v", d)
			}
		}
		return inv.Pods[0], one(t, inv, mt)
	}
	if p, vm := pod(); p.Name != "POD-01" || !p.Enabled || p.Behaviour != "automated" || p.Rules[vm.Ref] != (observed.PodRule{}) || len(p.Unread) != 0 {
		t.Errorf("%+v", p)
	}
	for how, want := range map[string]observed.PodRule{"excluded": {Excluded: true}, "manual": {Behaviour: "manual"}, "automated": {Behaviour: "automated"}} {
		vcentertest.Do(t, srv, "set-storage-drs", "POD-01", mt, how)
		if p, vm := pod(); p.Rules[vm.Ref] != want || len(p.Rules) != 1 {
			t.Errorf("%s: %+v", how, p)
		}
	}
	vcentertest.Do(t, srv, "hide-property", "POD-01", "podStorageDrsEntry")
	if p, _ := pod(); !strings.Contains(p.Unread["podStorageDrsEntry"], "NoPermission") {
		t.Errorf("%+v", p)
	}
	inv, err := c.Datastores(t.Context())
	if err != nil || len(inv.Datastores) != 4 {
		t.Errorf("a datastore in a cluster is not listed: %d, %v", len(inv.Datastores), err)
	}
}
