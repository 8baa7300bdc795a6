package checks

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"reprotect.example/events"
)

func TestToldLeavesOutWhatTheCatalogueHas(t *testing.T) {
	t.Parallel()
	for _, status := range []string{Passed, Warned, Failed, Unknown, Skipped, Waived} {
		f := events.Finding{Check: "datastore.type", Machine: "web01", Status: status, Level: "block", Evidence: "seen", Reference: "S20 https://example.com"}
		want := f
		if status == Passed || status == Skipped {
			want.Reference = ""
		}
		if diff := cmp.Diff([]events.Finding{want}, Told([]events.Finding{f})); diff != "" {
			t.Errorf("%s: %s", status, diff)
		}
		if f.Reference == "" {
			t.Errorf("%s: the finding itself was changed", status)
		}
	}
}

func TestToldOnceForMany(t *testing.T) {
	t.Parallel()
	of := func(n int) (findings []events.Finding) {
		findings = append(findings, events.Finding{Check: "group.same-os", Status: Passed, Level: "block", Evidence: "All run linux."})
		for i := range n {
			findings = append(findings, events.Finding{Check: "datastore.type", Machine: fmt.Sprintf("m%03d", i+1), Status: Passed, Level: "block", Evidence: fmt.Sprintf("VMFS of m%03d.", i+1)})
		}
		return findings
	}
	if diff := cmp.Diff(of(16), Told(of(16))); diff != "" {
		t.Errorf("16 machines: %s", diff)
	}
	got := Told(of(17))
	if len(got) != 2 || got[1].Machine != "" || got[1].Machines != nil || got[1].Evidence != "VMFS of m001. VMFS of m002. VMFS of m003. And alike for 14 more." {
		t.Errorf("17 machines: %+v", got)
	}
}

// Whatever the findings are, each machine's is told by exactly one, with the same weight and the same remedy.
func TestToldLosesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var findings []events.Finding
		for i := range rapid.IntRange(0, 30).Draw(t, "machines") {
			for _, check := range []string{"machine.failed-over", "datastore.type", "datastore.space"} {
				status := rapid.SampledFrom([]string{Passed, Failed, Unknown, Warned}).Draw(t, "status")
				f := events.Finding{Check: check, Machine: fmt.Sprintf("m%d", i), Status: status, Level: "block", Evidence: fmt.Sprintf("e%d.", i)}
				if status != Passed {
					f.Remedy = rapid.SampledFrom([]string{"do this", "do that"}).Draw(t, "remedy")
					f.Blocks = status == Failed && rapid.Bool().Draw(t, "blocks")
				}
				findings = append(findings, f)
			}
		}
		told := Told(findings)
		names := func(o, f events.Finding) bool {
			return o.Check == f.Check && (o.Machine == f.Machine || slices.Contains(o.Machines, f.Machine))
		}
		for _, f := range findings {
			named := slices.ContainsFunc(told, func(o events.Finding) bool { return names(o, f) })
			n := 0
			for _, o := range told {
				if names(o, f) || !named && o.Check == f.Check && o.Machine == "" && o.Machines == nil {
					n++
					if o.Status != f.Status || o.Level != f.Level || o.Blocks != f.Blocks || o.Remedy != f.Remedy {
						t.Fatalf("%+v is told as %+v", f, o)
					}
				}
			}
			if n != 1 {
				t.Fatalf("%+v is told %d times in %+v", f, n, told)
			}
		}
	})
}

// A hundred machines, the most that go together, fit one event, whatever the checks find.
func TestToldFitsAnEvent(t *testing.T) {
	t.Parallel()
	for _, status := range []string{Passed, Failed} {
		var c events.Case
		var findings []events.Finding
		for i := range events.MostTogether {
			name := fmt.Sprintf("erp-application-server-%04d.corp.tokyo.example", i)
			c.Machines = append(c.Machines, events.Machine{Name: name, Item: "/Subscriptions/" + strings.Repeat("x", 400), Architecture: "classic"})
			for _, check := range Catalogue() {
				f := events.Finding{
					Check: check.Code, Machine: name, Status: status, Level: string(check.Level), Reference: check.Reference,
					Evidence: "The evidence names " + name + " and " + strings.Repeat("something ", 20),
				}
				if status == Failed {
					f.Remedy, f.Blocks = check.Remedy, true
				}
				findings = append(findings, f)
			}
		}
		told := Told(findings)
		raw, err := events.Encode(events.Event[events.Rejected]{Data: events.Rejected{Case: c, Findings: told, Problems: Problems(Blocking(told))}})
		if err != nil {
			t.Errorf("%s: %v", status, err)
		}
		t.Logf("%s: %d bytes", status, len(raw))
	}
}
