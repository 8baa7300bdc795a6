package app

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"

	"reprotect.example/events"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/lab"
	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/preflight"
)

// inLab starts a lab; do takes actions, one a line.
func inLab(t *testing.T, sc scenario.Scenario) (c config.Config, do func(actions ...string)) {
	t.Helper()
	l, err := lab.Start(t.Context(), lab.Options{Scenario: sc, Dir: filepath.Join(t.TempDir(), "lab"), Bus: lab.BusNone})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	c, err = config.Load(l.Ready().Config)
	if err != nil {
		t.Fatal(err)
	}
	return c, func(actions ...string) {
		t.Helper()
		for _, action := range actions {
			words := strings.Fields(action)
			if err := lab.Do(t.Context(), filepath.Dir(l.Ready().Config), words[0], words[1:]...); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Every reason to refuse a datastore, over the wire (S20, S21, S25, S34, S36, S43, M3).
func TestDatastoresSayWhy(t *testing.T) {
	sc := scenario.Default(2)
	sc.Appliances[0].Accessible = []string{"VMFS-01", "VMFS-02", "VMFS-77"}
	c, do := inLab(t, sc)
	for _, step := range []struct {
		name, machine string
		do            string // before
		datastore     string
		reason        string // part of it; "" is accepted
		remedy        string
		place         string // where the machine would go
		undo          string
	}{
		{name: "all is well", machine: "web01", datastore: "VMFS-02", place: "VMFS-01"},
		{name: "NFS", machine: "web01", datastore: "NFS-01", reason: "type NFS is not supported", remedy: "VMFS", place: "VMFS-01"},
		{name: "not discovered by the appliance", machine: "web01", datastore: "VSAN-01", reason: "does not list it", remedy: "next discovery", place: "VMFS-01"},
		{name: "not visible to the account", machine: "web01", datastore: "VMFS-77", reason: "does not show it to account", remedy: "right to see it", place: "VMFS-01"},
		{name: "not on the host", machine: "web01", do: "mount VMFS-02 esx01.tokyo.example none", datastore: "VMFS-02", reason: "not mounted on esx01", remedy: "Mount it", place: "VMFS-01", undo: "mount VMFS-02 esx01.tokyo.example rw"},
		{name: "read-only", machine: "web01", do: "mount VMFS-02 esx01.tokyo.example ro", datastore: "VMFS-02", reason: "read-only", remedy: "read-write", place: "VMFS-01", undo: "mount VMFS-02 esx01.tokyo.example rw"},
		{name: "not accessible", machine: "web01", do: "datastore-accessible VMFS-02 false", datastore: "VMFS-02", reason: "not accessible", remedy: "Bring the datastore back", place: "VMFS-01", undo: "datastore-accessible VMFS-02 true"},
		{name: "in maintenance", machine: "web01", do: "datastore-maintenance VMFS-02 inMaintenance", datastore: "VMFS-02", reason: "maintenance", remedy: "End the maintenance", place: "VMFS-01", undo: "datastore-maintenance VMFS-02 normal"},
		{name: "no room where the disks lie", machine: "web01", do: "datastore-space VMFS-01 1", datastore: "VMFS-01", reason: "are needed, 1 GB are free", remedy: "Free", undo: "datastore-space VMFS-01 90000"},
		{name: "no room for a machine that is made anew", machine: "db01", do: "delete-vm db01\ndatastore-space VMFS-02 259", datastore: "VMFS-02", reason: "260 GB are needed, 259 GB are free", remedy: "Free 1 GB", place: "VMFS-01"},
	} {
		t.Run(step.name, func(t *testing.T) {
			for action := range strings.Lines(step.do) {
				do(action)
			}
			p, err := Datastores(t.Context(), c, "", step.machine, zap.NewNop())
			if err != nil {
				t.Fatal(err)
			}
			if p.Datastore != step.place {
				t.Errorf("%s would go to %q, want %q: %s", step.machine, p.Datastore, step.place, p.Why)
			}
			i := slices.IndexFunc(p.Considered, func(v events.DatastoreVerdict) bool { return v.Name == step.datastore })
			if i < 0 {
				t.Fatalf("%s is not listed: %+v", step.datastore, p.Considered)
			}
			if v := p.Considered[i]; v.Accepted != (step.reason == "") || !strings.Contains(v.Reason, step.reason) || !strings.Contains(v.Remedy, step.remedy) {
				t.Errorf("%+v", v)
			}
			if step.undo != "" {
				do(step.undo)
			}
		})
	}
}

// The whole vault before the disaster: one machine is at home, one failed over, one has gone for good.
func TestPreflightOfAll(t *testing.T) {
	sc := scenario.Default(4)
	c, do := inLab(t, sc)
	do("set-item web01 protectionState Protected", "set-item web01 activeLocation Primary", "power-on web01",
		"set-item db01 protectionState MigrationCompleted", "add-snapshot MT-WIN-01 old")
	all, err := Preflight(t.Context(), c, preflight.Ask{All: true, Lang: "ja"}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(all.LeftOut, []preflight.LeftOut{{Machine: "db01", Why: preflight.Migrated}}) || len(all.Cases) != 3 {
		t.Fatalf("left out %v, %d cases", all.LeftOut, len(all.Cases))
	}
	stages := map[string]preflight.Stage{}
	blocking := map[string][]string{}
	for _, theCase := range all.Cases {
		for _, m := range theCase.Machines {
			stages[m.Name] = m.Stage
		}
		for _, f := range theCase.Findings {
			if f.Blocks {
				blocking[f.Machine] = append(blocking[f.Machine], f.Check)
				if !strings.Contains(f.Remedy, "スナップショットを削除") {
					t.Errorf("the remedy is not in the language that was asked for: %s", f.Remedy)
				}
			}
		}
	}
	if stages["web01"] != preflight.NotYet || stages["app01"] != preflight.FailedOver {
		t.Errorf("stages %v", stages)
	}
	if len(blocking) != 1 || !slices.Equal(blocking["mail01"], []string{"master-target.snapshots"}) {
		t.Errorf("blocking: %v", blocking)
	}

	// A request for the machine at home would be rejected, as one says who does not ask ahead.
	named := events.Request{Machines: []events.RequestMachine{{Name: "web01"}}}
	now, err := Preflight(t.Context(), c, preflight.Ask{Request: named}, zap.NewNop())
	if err != nil || now.Ready() {
		t.Errorf("not failed over, and ready: %v", err)
	}
	ahead, err := Preflight(t.Context(), c, preflight.Ask{Request: named, Ahead: true}, zap.NewNop())
	if err != nil || !ahead.Ready() {
		t.Errorf("asked ahead, and not ready: %v %+v", err, ahead)
	}
}

func TestPreflightOfAllOfAnEmptyVault(t *testing.T) {
	sc := scenario.Default(1)
	c, do := inLab(t, sc)
	do("set-item web01 protectionState MigrationCompleted")
	all, err := Preflight(t.Context(), c, preflight.Ask{All: true}, zap.NewNop())
	if err != nil || all.Ready() || len(all.Problems) != 1 || len(all.LeftOut) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
}
