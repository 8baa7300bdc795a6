package checks

import (
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reprotect.example/events"
	"reprotect.example/services/observed"
)

// contract is the public table of checks.
const contract = `
machine.failed-over block never CM S1
machine.not-migrated block never CM S2
machine.azure-vm-present block never CM S2
machine.resource-group block never CM S2
machine.azure-vm-running block - CM S33
machine.azure-disks warn - CM M6
machine.failover-committed warn - CM S1
machine.replication-health warn - CM S33
machine.os-supported block - C S49
machine.snapshots info - CM S5
machine.powered-off warn - CM S39
machine.linux-network info - CM S44 S45
machine.rdm block - CM N2
machine.disk-uuid warn - C N2
group.complete block - CM S37
group.same-master-target block - C S38
group.same-os block - C N1
group.in-step warn - CM S37
configuration-server.connected block - C S10
configuration-server.knows-machine block - C S10
configuration-server.address warn - C S11
configuration-server.backup warn - C S11
process-server.connected block - C S47
process-server.placement warn - C S6 S16
network.private-path warn - C S15 S17
network.ports warn - C S18 S47
vcenter.connected block - CM S48
vcenter.discovered block - C S48
vcenter.privileges block - CM S4 S43 N3
esxi.licence block - CM S46
master-target.connected block - C S7
master-target.version block - C N1
master-target.os-family block - C S8 S26
master-target.disk-slots block - C S7
master-target.snapshots block - C S5 S30
master-target.disk-enable-uuid block - C S12 S28
master-target.scsi-controller block - C S31
master-target.vmware-tools block - C S27
master-target.vmfs block - C S29
master-target.storage-vmotion warn - C S13 S23
master-target.uuid-collision block - C S42
retention-drive.present block - C S14 S25
retention-drive.eligible block - C S24
failback-policy.present block - C S32
appliance.healthy block - M M1
appliance.disk-slots block - M M1
appliance.storage-vmotion warn - M M5
log-storage.present block - M M2
datastore.type block - CM S20
datastore.read-write block - CM S21 S36 M3
datastore.space block - CM S34
location.original-or-alternate info - CM S22 S35
`

func TestCatalogueIsTheContract(t *testing.T) {
	t.Parallel()
	var rows []string
	for _, c := range Catalogue() {
		never, letters := "-", ""
		if c.NeverWaived {
			never = "never"
		}
		for _, a := range c.For {
			letters += strings.ToUpper(string(a)[:1])
		}
		rows = append(rows, fmt.Sprintf("%s %s %s %s %s", c.Code, c.Level, never, letters, strings.Join(c.Refs, " ")))
	}
	if diff := cmp.Diff(strings.Split(strings.TrimSpace(contract), "\n"), rows); diff != "" {
		t.Errorf("the catalogue differs from the contract (-contract +catalogue):\n%s", diff)
	}
}

func TestCatalogueIsComplete(t *testing.T) {
	t.Parallel()
	sentence := regexp.MustCompile(`^[A-Za-z].*\.$`)
	for _, c := range Catalogue() {
		for name, text := range map[string]string{"title": c.Title, "why": c.Why, "remedy": c.Remedy} {
			if !sentence.MatchString(text) {
				t.Errorf("%s: the %s is not a sentence: %q", c.Code, name, text)
			}
		}
		if u, err := url.Parse(c.Reference); err != nil || u.Scheme != "https" || u.Host == "" {
			t.Errorf("%s: the reference is no address: %q", c.Code, c.Reference)
		}
		if c.Judge == nil {
			t.Errorf("%s has no judge", c.Code)
		}
		if found, ok := Lookup(c.Code); !ok || found.Title != c.Title {
			t.Errorf("Lookup(%q) does not find it", c.Code)
		}
	}
	if _, ok := Lookup("machine.nonsense"); ok {
		t.Error("Lookup finds what does not exist")
	}
}

func TestHealthySite(t *testing.T) {
	t.Parallel()
	s := healthy()
	findings := Run(s.Input)
	for _, f := range findings {
		if f.Status != Passed && !(f.Status == Skipped && strings.HasPrefix(f.Check, "group.")) {
			t.Errorf("%s of %q: %s: %s", f.Check, f.Machine, f.Status, f.Evidence)
		}
		if f.Evidence == "" || !strings.Contains(f.Reference, " https://") {
			t.Errorf("%s of %q has no evidence or reference: %+v", f.Check, f.Machine, f)
		}
	}
	if blocking := Blocking(findings); blocking != nil {
		t.Errorf("blocking: %v", blocking)
	}
}

// Findings come first of the case, then of each machine, in the catalogue's order, and only of the machine's
// architecture.
func TestOrder(t *testing.T) {
	t.Parallel()
	var want []string
	for _, c := range Catalogue() {
		if c.PerCase {
			want = append(want, c.Code+" ")
		}
	}
	for machine, a := range []observed.Architecture{observed.Classic, observed.Modernized} {
		for _, c := range Catalogue() {
			if !c.PerCase && slices.Contains(c.For, a) {
				want = append(want, c.Code+" "+[]string{"db01", "web01"}[machine])
			}
		}
	}
	var got []string
	for _, f := range Run(healthy().Input) {
		got = append(got, f.Check+" "+f.Machine)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	modern := healthy()
	modern.Case.Machines = modern.Case.Machines[1:]
	for _, f := range Run(modern.Input) {
		if c, _ := Lookup(f.Check); !slices.Contains(c.For, observed.Modernized) {
			t.Errorf("%s was made of a modernized case", f.Check)
		}
	}
}

func TestWaive(t *testing.T) {
	t.Parallel()
	snapshot := func(s *site) { s.mtVM().Snapshots = []observed.Snapshot{{Path: "before", Created: now}} }
	for name, row := range map[string]struct {
		change        func(*site)
		code, machine string
		status        string
		blocks        bool
		evidence      string
	}{
		"fail":               {snapshot, "master-target.snapshots", "db01", Waived, false, "before of 2026-11-22 09:00 UTC. Waived: CHG1."},
		"unknown, strict":    {func(s *site) { s.Site.Strict = true; s.without("MT-WIN-01") }, "master-target.snapshots", "db01", Waived, false, "Waived: CHG1."},
		"warning":            {func(s *site) { s.Site.NetworkPath = "" }, "network.private-path", "", Waived, false, "Waived: CHG1."},
		"nothing to waive":   {nil, "master-target.snapshots", "db01", Passed, false, "no snapshots"},
		"never waived":       {func(s *site) { s.db().State = "Protected" }, "machine.failed-over", "db01", Failed, true, "cannot be waived"},
		"never, but unknown": {func(s *site) { s.db().State = "" }, "machine.not-migrated", "db01", Unknown, false, "cannot be waived"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := healthy()
			if row.change != nil {
				row.change(s)
			}
			s.Case.Waive = map[string]string{row.code: "CHG1."}
			f := s.finding(t, row.code, row.machine)
			if f.Status != row.status || f.Blocks != row.blocks || !strings.Contains(f.Evidence, row.evidence) {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestStrict(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name          string
		strict        bool
		code, machine string
		change        func(*site)
		blocks        bool
	}{
		{"unknown, strict", true, "master-target.snapshots", "db01", hideMT("config"), true},
		{"unknown, not strict", false, "master-target.snapshots", "db01", hideMT("config"), false},
		{"unknown warning, strict", true, "process-server.placement", "db01", func(s *site) { s.Case.Attest = nil }, false},
		{"warning of a blocking check, strict", true, "datastore.type", "db01", func(s *site) { s.ds().Type = "vsan" }, false},
		{"fail", false, "datastore.type", "web01", func(s *site) { s.ds().Type = "nfs" }, true},
		{"failing warning", false, "machine.powered-off", "db01", func(s *site) { s.dbVM().Power = "poweredOn" }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := healthy()
			s.Site.Strict = row.strict
			row.change(s)
			f := s.finding(t, row.code, row.machine)
			if f.Blocks != row.blocks {
				t.Errorf("blocks %v: %+v", f.Blocks, f)
			}
			if got := slices.ContainsFunc(Blocking(Run(s.Input)), func(other events.Finding) bool { return reflect.DeepEqual(other, f) }); got != row.blocks {
				t.Errorf("Blocking names it: %v", got)
			}
		})
	}
}

// A person's word is shown with every check, and changes only those that ask for it.
func TestAttest(t *testing.T) {
	t.Parallel()
	s := healthy()
	s.Case.Attest["master-target.snapshots"] = "there are none"
	s.mtVM().Consolidate = true
	if f := s.finding(t, "master-target.snapshots", "db01"); f.Status != Failed || !f.Blocks || !strings.Contains(f.Evidence, "Attested: there are none.") {
		t.Errorf("%+v", f)
	}
}

func TestPanicIsUnknown(t *testing.T) {
	t.Parallel()
	check := Check{Code: "x.y", Level: Block, Title: "X is y.", Judge: func(s Subject) Verdict { return pass("%s", s.Item.It.Name) }}
	f := check.find(Subject{Shared: &Shared{Site: Site{Strict: true}}})
	if f.Status != Unknown || !f.Blocks || !strings.Contains(f.Evidence, "nil pointer") || !strings.Contains(f.Remedy, "X is y.") {
		t.Errorf("%+v", f)
	}
}

// Observations that are missing altogether never pass for good ones, and break no check.
func TestNothingKnown(t *testing.T) {
	t.Parallel()
	own := []string{"configuration-server.backup", "network.private-path", "machine.linux-network"} // what the case and the config say
	s := healthy()
	s.Vault, s.Inventory = observed.Vault{}, observed.Inventory{}
	for _, f := range Run(s.Input) {
		if f.Status == Passed && !slices.Contains(own, f.Check) || strings.Contains(f.Evidence, "broke off") {
			t.Errorf("%s of %q: %s: %s", f.Check, f.Machine, f.Status, f.Evidence)
		}
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	got := Problems([]events.Finding{{Check: "a.b", Machine: "db01", Evidence: "It is so.", Remedy: "Correct it."}})
	want := []events.Problem{{Code: "a.b", Place: "db01", Message: "It is so.", Remedy: "Correct it."}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestQuery(t *testing.T) {
	t.Parallel()
	s := healthy()
	s.Case.Machines[0].MasterTarget = "MT-ID" // a choice may be an id
	second := s.add("app01", true)
	second.VMID = ""
	want := observed.Query{VMs: []observed.VMRef{
		{Name: "db01"}, {Name: "MT-WIN-01", Host: "MT-WIN-01"}, {Name: "PS-AZ-01", Host: "PS-AZ-01", IP: "10.9.0.4"}, {Name: "web01", ID: "bios-web01"},
		{Name: "ASR-APPL-01", ID: "bios-ASR-APPL-01", Host: "ASR-APPL-01"}, {Name: "app01"},
	}, Writers: []observed.VMRef{{Name: "MT-WIN-01", Host: "MT-WIN-01"}, {Name: "ASR-APPL-01", ID: "bios-ASR-APPL-01", Host: "ASR-APPL-01"}}}
	if diff := cmp.Diff(want, Query(s.Case, s.Vault)); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkRun(b *testing.B) {
	s := healthy()
	for i := range 998 {
		s.add(fmt.Sprintf("vm%03d", i), true)
	}
	for b.Loop() {
		if got := len(Run(s.Input)); got < 30_000 {
			b.Fatalf("%d findings", got)
		}
	}
}
