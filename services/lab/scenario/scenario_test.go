package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "site.yaml")
	load := func(text string) (Scenario, error) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return Load(file, 4)
	}
	s, err := load(`{machines: [{name: web, count: 2, architecture: classic, os: linux}, {name: db, architecture: modernized, os: windows, expect: home}], plans: [{name: ALL, all: true}]}`)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range s.Machines {
		names = append(names, m.Name)
		if m.Host == "" || m.OSVersion == "" || len(m.DiskGB) == 0 {
			t.Errorf("left out, and not filled in: %+v", m)
		}
	}
	if got := strings.Join(names, " "); got != "web-001 web-002 db" || strings.Join(s.Plans[0].Machines, " ") != got {
		t.Errorf("machines %s, plan %v", got, s.Plans[0].Machines)
	}
	for text, want := range map[string]string{
		"machines: [{name: a, architecture: classic, os: dos}]":                                                "os",
		"machines: [{name: a, architecture: new, os: linux}]":                                                  "architecture",
		"machines: [{architecture: classic, os: linux}]":                                                       "no name",
		"machines: [{name: a, architecture: classic, os: linux}, {name: A, architecture: classic, os: linux}]": "two of that name",
		"machines: [{name: a, architecture: classic, os: linux, expect: lost}]":                                "expect",
		"machines: [{name: a, architecture: classic, os: linux}]\nplans: [{name: ERP, machines: [a, b]}]":      "there is no machine b",
		"machinery: []": "machinery",
		"machines: [{name: a, architecture: classic, os: linux, failActs: {dance: [x]}}]": `"dance" is not one of failback`,
	} {
		if _, err := load(text); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestWholeSite(t *testing.T) {
	s, err := Load("../../../scripts/scenarios/whole-site.yaml", 1)
	if err != nil {
		t.Fatal(err)
	}
	groups := map[string]bool{}
	for _, m := range s.Machines {
		groups[m.Group] = true
	}
	if len(s.Machines) != 300 || len(groups)-1 != 5 || len(s.MasterTargets) != 2 {
		t.Errorf("%d machines, %d groups, %d master targets", len(s.Machines), len(groups)-1, len(s.MasterTargets))
	}
}

// TestNightHome (issue 16): the night has groups with what people have to do, and ends for each machine.
func TestNightHome(t *testing.T) {
	s, err := Load("../../../scripts/scenarios/night-home.yaml", 1)
	if err != nil {
		t.Fatal(err)
	}
	ends := map[string]int{}
	for _, m := range s.Machines {
		ends[m.Expect]++
	}
	plan := s.Plans[0]
	if len(s.Machines) != 8 || ends["protected-again"] != 7 || ends["protected"] != 1 || len(plan.Groups) != 3 || len(plan.Machines) != 8 || len(plan.Groups[1].Before) != 1 {
		t.Errorf("%d machines, ends %v, plan %+v", len(s.Machines), ends, plan)
	}
}
