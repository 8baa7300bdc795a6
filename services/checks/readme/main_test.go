package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reprotect.example/services/checks"
	"reprotect.example/services/faults"
)

func pageOfChecks(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../" + page)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestPageIsCurrent(t *testing.T) {
	text := pageOfChecks(t)
	renewed, err := renew([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text, string(renewed)); diff != "" {
		t.Errorf("run go generate ./services/checks: (- as it is, + as it must be)\n%s", diff)
	}
}

func TestPageHasEveryDemandOnce(t *testing.T) {
	times := map[string]int{}
	for _, n := range numbers([]byte(pageOfChecks(t))) {
		times[n]++
	}
	if times["S1"] == 0 || times["S49"] == 0 || times["N3"] == 0 || times["M6"] == 0 {
		t.Errorf("the procedure is not whole: %v", times)
	}
	for n, count := range times {
		if count > 1 {
			t.Errorf("%s stands there %d times", n, count)
		}
	}
}

// A reader finds by its name every page that a check or an error sends to.
func TestPageNamesEveryPublicPage(t *testing.T) {
	_, pages, _ := strings.Cut(pageOfChecks(t), "\n## Public pages\n")
	named := func(address, code string) {
		if address != "" && !strings.Contains(pages, "| "+address+" |") {
			t.Errorf("%s sends to %s, which is not among the public pages", code, address)
		}
	}
	for _, c := range checks.Catalogue() {
		named(c.Reference, c.Code)
	}
	for _, r := range faults.Catalogue() {
		named(r.Reference, r.Code)
	}
}

func TestRenew(t *testing.T) {
	const before = "head\n- **S5** No snapshot.\n<!-- demands: made by go generate -->\nstale\n<!-- end -->\nbetween\n" +
		"<!-- catalogue: made by go generate -->\n<!-- end -->\ntail\n"
	renewed, err := renew([]byte(before))
	if err != nil {
		t.Fatal(err)
	}
	got := string(renewed)
	for _, want := range []string{"head\n", "between\n", "\ntail\n", "| S5 | `machine.snapshots` `master-target.snapshots` |",
		"| `machine.not-migrated` | block, never | CM | S2 |"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "stale") {
		t.Error("the old table is left")
	}
	again, err := renew(renewed)
	if diff := cmp.Diff(got, string(again)); err != nil || diff != "" {
		t.Errorf("not the same when renewed again: %v %s", err, diff)
	}
	if _, err := renew([]byte("no marks")); err == nil {
		t.Error("a page without a place for the tables is taken")
	}
}
