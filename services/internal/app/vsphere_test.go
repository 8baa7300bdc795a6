package app

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"

	"reprotect.example/events"
	"reprotect.example/services/checks"
	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/preflight"
)

// found is what a preflight has of one machine: the findings of its case, and where it would go.
type found struct {
	findings map[string]events.Finding // by check
	place    events.Placement
}

func (f found) has(t *testing.T, check, status, words string) {
	t.Helper()
	if got := f.findings[check]; got.Status != status || !strings.Contains(got.Evidence, words) {
		t.Errorf("%s is %q, want %s with %q: %s", check, got.Status, status, words, got.Evidence)
	}
}

// Each situation of a vCenter that nobody made for this product stands in the lab by its scenario, and goes the whole way:
// from vCenter's answers to the findings and the placement of a preflight.
func TestVSphereLab(t *testing.T) {
	const (
		mt, host = "MT-LINUX-01", "esx02.tokyo.example"
	)
	for i, row := range []struct {
		name  string
		begin []string // actions of the lab, their words parted by |
		ask   []string // machines; the first is judged
		// each is CHECK STATUS words: of the first machine; all others must pass
		want  []string
		place string // path or name; "-" is none
	}{
		{"as it is", nil, []string{"db01"}, nil, "VMFS-02"},
		{"1.1/E02 a privilege is lacking on another's VM", []string{"revoke-privilege-on|web01|VirtualMachine.Config.AddExistingDisk"}, []string{"db01", "web01"}, nil, "VMFS-02"},
		{"1.1/E02 on its own", []string{"revoke-privilege-on|db01|VirtualMachine.Config.AddExistingDisk"}, []string{"db01", "web01"}, []string{"vcenter.privileges fail /DC-TOKYO/vm/db01"}, "VMFS-02"},
		{"A16 on a datastore where nothing of it lies", []string{"revoke-privilege-on|NFS-01|Datastore.AllocateSpace"}, []string{"db01"}, nil, "VMFS-02"},
		{"1.2/A04 a replica with the UUIDs of its source", []string{"replicate|db01|db01_replica", "relocate|db01_replica|VMFS-01"}, []string{"db01"}, nil, "VMFS-02"},
		{"1.3/E07/F01 two VMs named like the master target", []string{"set-guest|" + mt + "|none|none", "add-namesake|" + mt + "|old"}, []string{"db01"},
			[]string{"master-target.connected unknown /DC-TOKYO/vm/old/MT-LINUX-01"}, "-"},
		{"1.5/A02 another name than its guest", []string{"set-guest|" + mt + "|mt-linux-01.tokyo.example|10.0.0.5", "rename-vm|" + mt + "|tky-asr-mt (Linux)"}, []string{"db01"}, nil, "VMFS-02"},
		{"1.5/A03 a namesake that is off", []string{"set-guest|" + mt + "|mt-linux-01.tokyo.example|10.0.0.5", "rename-vm|" + mt + "|mt-linux-01.tokyo.example", "add-namesake|mt-linux-01.tokyo.example|old", "rename-vm|old/mt-linux-01.tokyo.example|" + mt}, []string{"db01"}, nil, "VMFS-02"},
		{"1.5/A01 escaped names", []string{"set-guest|" + mt + "|MT-LINUX-01|10.0.0.5", "rename-vm|" + mt + "|MT%2fLINUX%5c01", "rename-datastore|NFS-01|SAN%2fLUN 1"}, []string{"db01"}, nil, "VMFS-02"},
		{"1.4/G04/B09 a datastore of the name in another datacenter", []string{"add-datacenter|DC-OSAKA|VMFS-02|5"}, []string{"db01", "web01"}, nil, "VMFS-02"},
		{"1.6/A06/G01 mounts that are hidden", []string{"hide-property|VMFS-01|host", "hide-property|VMFS-02|host"}, []string{"db01"}, []string{"datastore.read-write unknown NoPermission"}, "-"},
		{"1.6/A06/G01 accessible is hidden", []string{"hide-property|VMFS-01|summary.accessible", "hide-property|VMFS-02|summary.accessible"}, []string{"db01"}, []string{"datastore.read-write unknown NoPermission"}, "-"},
		{"1.6/A06/G01 free space is hidden", []string{"hide-property|VMFS-01|summary.freeSpace", "hide-property|VMFS-02|summary.freeSpace"}, []string{"db01"}, []string{"datastore.space unknown NoPermission"}, "-"},
		{"1.6 hidden from another account", []string{"hide-property-from|reader@vsphere.local|VMFS-02|host"}, []string{"db01"}, nil, "VMFS-02"},
		{"1.8/A15 a licence of a linked vCenter", []string{"add-licence|" + host + "|11111111-2222-3333-4444-555555555555|vSphere 8 Hypervisor"}, []string{"db01"}, nil, "VMFS-02"},
		{"4.1b a move of the host alone", []string{"begin-migration|" + mt}, []string{"db01"}, []string{"master-target.storage-vmotion warn its disks stay"}, "VMFS-02"},
		{"A07 the host is not connected", []string{"disconnect-host|" + host}, []string{"db01"}, []string{"master-target.connected unknown "}, "-"},
		{"4.1b a move of the disks", []string{"begin-relocation|" + mt}, []string{"db01"}, []string{"master-target.storage-vmotion fail is being moved now"}, "*"},
		{"A07 the host is in maintenance, alternate location", []string{"host-maintenance|" + host + "|true", "delete-vm|db01"}, []string{"db01"}, []string{"location.original-or-alternate fail maintenance"}, "*"},
		{"A08 the machine is a template", []string{"set-template|db01|true"}, []string{"db01"}, []string{"location.original-or-alternate fail template"}, "*"},
		{"A09/S30 a delta disk without a snapshot", []string{"make-delta|" + mt + "|0"}, []string{"db01"}, []string{"master-target.snapshots fail "}, "*"},
	} {
		if leftOut(i) {
			continue
		}
		t.Run(row.name, func(t *testing.T) {
			sc := scenario.Default(2)
			for _, action := range row.begin {
				words := strings.Split(action, "|")
				sc.Timeline = append(sc.Timeline, scenario.Step{Do: words[0], Args: words[1:]})
			}
			c, _ := inLab(t, sc)
			var ask preflight.Ask
			for _, m := range row.ask {
				ask.Request.Machines = append(ask.Request.Machines, events.RequestMachine{Name: m})
			}
			report, err := Preflight(t.Context(), c, ask, zap.NewNop())
			if err != nil {
				t.Fatal(err)
			}
			of := found{findings: map[string]events.Finding{}}
			for _, one := range report.Cases {
				if len(one.Machines) == 0 || one.Machines[0].Name != row.ask[0] {
					continue
				}
				for _, f := range one.Findings {
					of.findings[f.Check] = f
				}
				of.place = one.Placements[0]
			}
			for _, want := range row.want {
				words := strings.SplitN(want, " ", 3)
				of.has(t, words[0], words[1], words[2])
			}
			for _, f := range of.findings {
				judged := slices.ContainsFunc(row.want, func(want string) bool { return strings.HasPrefix(want, f.Check+" ") })
				if f.Status == checks.Failed && !judged || f.Status == checks.Unknown && row.want == nil {
					t.Errorf("%s of %s: %s: %s", f.Check, row.ask[0], f.Status, f.Evidence)
				}
			}
			if row.place != "*" && strings.TrimPrefix(of.place.Datastore, "/DC-TOKYO/datastore/") != strings.TrimSuffix(row.place, "-") {
				t.Errorf("placed on %q, want %q: %s", of.place.Datastore, row.place, of.place.Why)
			}
		})
	}
}

// The scenario that has many of them at once is as its head says.
func TestVSphereLabScenario(t *testing.T) {
	sc, err := scenario.Load(filepath.Join("..", "..", "..", "scripts", "scenarios", "mean-vcenter.yaml"), 0)
	if err != nil {
		t.Fatal(err)
	}
	c, _ := inLab(t, sc)
	var ask preflight.Ask
	for _, m := range []string{"web01", "db01", "other01"} {
		ask.Request.Machines = append(ask.Request.Machines, events.RequestMachine{Name: m})
	}
	report, err := Preflight(t.Context(), c, ask, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range report.Cases {
		name := one.Machines[0].Name
		for _, f := range one.Findings {
			own := name == "other01" && f.Check == "vcenter.privileges" // its own VM lacks one
			if (f.Status == checks.Failed) != own || f.Status == checks.Unknown {
				t.Errorf("%s of %s: %s: %s", f.Check, name, f.Status, f.Evidence)
			}
		}
		if want := map[string]string{"web01": "VMFS-01", "db01": "VMFS-02", "other01": "VMFS-01"}[name]; one.Placements[0].Datastore != want {
			t.Errorf("%s is placed on %q: %s", name, one.Placements[0].Datastore, one.Placements[0].Why)
		}
	}
}
