package preflight

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reprotect.example/events"
)

var update = flag.Bool("update", false, "write what is rendered into testdata")

const (
	page1 = "https://learn.microsoft.com/azure/site-recovery/vmware-azure-reprotect"
	evil  = `<script>alert("1")</script>`
)

func machine(name string, stage Stage) Machine {
	return Machine{Machine: events.Machine{Name: name, Architecture: "classic", OS: "linux"}, Stage: stage}
}

// sample has a machine of every standing, one with a hostile name, and something shared.
func sample() Report {
	shared := events.Finding{Check: "vcenter.privileges", Status: "warn", Level: "warn", Evidence: "Two are missing.", Remedy: "Grant them.", Reference: "S4, S43 " + page1}
	well := func(name string) events.Finding {
		return events.Finding{Check: "machine.not-migrated", Machine: name, Status: "pass", Level: "block", Evidence: name + " was not migrated.", Reference: "S2 " + page1}
	}
	placed := func(name string) []events.Placement {
		return []events.Placement{{Machine: name, Datastore: "VMFS-01", Location: "original", Why: "its disks lie there", Considered: []events.DatastoreVerdict{
			{Name: "NFS-01", Type: "nfs", FreeBytes: 20 << 40, Code: "datastore.unsupported", Reason: "type NFS is not supported", Remedy: "Choose VMFS."},
			{Name: "VMFS-01", Type: "vmfs", FreeBytes: 90 << 30, Accepted: true},
		}}}
	}
	one := func(m Machine, more ...events.Finding) Case {
		return Case{Machines: []Machine{m}, Findings: append([]events.Finding{shared, well(m.Name)}, more...), Placements: placed(m.Name)}
	}
	dark := one(machine("dark01", FailedOver), events.Finding{Check: "vcenter.connected", Status: "fail", Level: "block", Blocks: true, Evidence: "No answer."})
	dark.Placements = nil
	full := one(machine(evil, FailedOver))
	full.Placements[0].Datastore, full.Placements[0].Location, full.Placements[0].Why = "", "alternate", "none of the 2 datastores can take it"
	return Report{
		Site: "tokyo", Vault: "vault-tokyo", By: evil + "@example.com", Version: "1.0", Taken: time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC), All: true,
		LeftOut: []LeftOut{{"mig01", Migrated}, {"far01", OtherFabric}, {"hyper01", NotVMware}},
		Cases: []Case{
			one(machine("web01", FailedOver)),
			one(machine("later01", NotYet)),
			one(machine("back01", Reversed)),
			one(machine("dim01", FailedOver), events.Finding{Check: "master-target.disk-enable-uuid", Machine: "dim01", Status: "unknown", Level: "block", Evidence: "It could not be read.", Remedy: "Look."}),
			one(machine("db01", FailedOver),
				events.Finding{Check: "machine.linux-network", Machine: "db01", Status: "warn", Level: "info", Evidence: "db01 runs Linux.", Remedy: "Note it."},
				events.Finding{Check: "process-server.placement", Machine: "db01", Status: "waived", Level: "warn", Evidence: "On-premises. Waived: proof of concept."},
				events.Finding{Check: "machine.powered-off", Machine: "db01", Status: "warn", Level: "warn", Evidence: "It is on.", Remedy: "Shut it down."},
				events.Finding{Check: "made-up.tomorrow", Machine: "db01", Status: "unknown", Level: "warn", Evidence: "A check of another version."},
				events.Finding{Check: "master-target.snapshots", Machine: "db01", Status: "fail", Level: "block", Blocks: true, Evidence: "MT has a snapshot " + evil, Remedy: "Delete </dd> it.", Reference: "S5 javascript:alert(1)"},
			),
			full, dark,
		},
	}
}

func TestGolden(t *testing.T) {
	for _, lang := range []string{"en", "ja"} {
		html, err := HTML(sample(), lang)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "page."+lang+".html", []byte(strings.ReplaceAll(string(html), style, "")))
		golden(t, "text."+lang+".txt", Text(sample(), lang, func(_, text string) string { return text }))
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (go test -update writes it):\n%s", name, diff)
	}
}

func TestStandings(t *testing.T) {
	want := []answer{
		{"web01", Ready, nil}, {"later01", Later, nil}, {"back01", Back, nil}, {"dim01", Unclear, []string{"master-target.disk-enable-uuid"}},
		{"db01", Blocked, []string{"master-target.snapshots"}}, {evil, Blocked, []string{"datastore.none"}}, {"dark01", Blocked, []string{"vcenter.connected"}},
	}
	raw, err := JSON(sample(), "ja")
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, d.Summary); diff != "" {
		t.Error(diff)
	}
	if d.Ready || len(d.Machines) != 7 || len(d.Placements) != 6 || len(d.LeftOut) != 3 || d.Findings[0].Title == "" || !strings.Contains(d.Findings[0].Title, "特権") {
		t.Errorf("%+v", d)
	}
}

// What one blocking finding of the whole case says counts for all of its machines.
func TestACaseBlocksItsMachines(t *testing.T) {
	c := Case{Machines: []Machine{machine("a", FailedOver), machine("b", NotYet)}, Findings: []events.Finding{{Check: "group.complete", Status: "fail", Level: "block", Blocks: true}}}
	for _, m := range c.Machines {
		if standing, because := c.standing(m); standing != Blocked || len(because) != 1 {
			t.Errorf("%s is %s because of %v", m.Name, standing, because)
		}
	}
}

func TestBlocking(t *testing.T) {
	fails := events.Finding{Check: "datastore.space", Machine: "a", Status: "fail", Level: "block", Blocks: true}
	none := []events.Placement{{Machine: "a"}}
	for _, tt := range []struct {
		name string
		r    Report
		want int
	}{
		{"nothing", Report{Cases: []Case{{Placements: []events.Placement{{Machine: "a", Datastore: "d"}}}}}, 0},
		{"a problem", Report{Problems: []events.Problem{{}}}, 1},
		{"no datastore", Report{Cases: []Case{{Placements: none}}}, 1},
		{"no datastore, as a check says", Report{Cases: []Case{{Placements: none, Findings: []events.Finding{fails}}}}, 1},
		{"no datastore for another machine", Report{Cases: []Case{{Placements: []events.Placement{{Machine: "b"}}, Findings: []events.Finding{fails}}}}, 2},
		{"unknown", Report{Cases: []Case{{Findings: []events.Finding{{Status: "unknown", Level: "block"}}}}}, 0},
		{"unknown, and strict", Report{Cases: []Case{{Findings: []events.Finding{{Status: "unknown", Level: "block", Blocks: true}}}}}, 1},
	} {
		if got := tt.r.Blocking(); got != tt.want || tt.r.Ready() != (got == 0) {
			t.Errorf("%s: %d block", tt.name, got)
		}
	}
}

// Every word exists in both languages, about the same values, and is used.
func TestWords(t *testing.T) {
	verbs := regexp.MustCompile(`%[ds]`)
	source := read(t, "page.html.tmpl") + read(t, "view.go") + read(t, "text.go") + read(t, "html.go") + read(t, "causes.go") + read(t, "../internal/cli/preflight.go") + read(t, "../internal/cli/errors.go")
	for _, s := range standings {
		source += `"` + string(s) + `"`
	}
	for key, text := range words {
		if text.en == "" || text.ja == "" || text.en == text.ja {
			t.Errorf("%s: %q and %q", key, text.en, text.ja)
		}
		if !slices.Equal(verbs.FindAllString(text.en, -1), verbs.FindAllString(text.ja, -1)) {
			t.Errorf("%s: not about the same: %q and %q", key, text.en, text.ja)
		}
		prefix, _, _ := strings.Cut(key, "-")
		if key != Migrated && key != OtherFabric && key != NotVMware && !strings.Contains(source, `"`+key+`"`) && !strings.Contains(source, `"`+prefix+`-"`) {
			t.Errorf("%s is used nowhere", key)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
