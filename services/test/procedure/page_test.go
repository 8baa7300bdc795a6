// Package page walks the procedure, number by number, through the lab's real wires: each test spoils one part that
// the page demands and asks a preflight what it finds. Run it with: go test -run TestS ./services/...
package procedure

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"reprotect.example/events"
	"reprotect.example/services/internal/app"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/lab"
	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/preflight"
)

// The machines of the site, beside two that are spoilt: web01 and app01 are modernized, db01 and mail01 classic; the first two run Linux. app01
// and mail01 run Windows; grp01 and grp02 are classic Windows machines of one replication group.
var (
	dir   string
	site  config.Config
	ready lab.Ready
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if dir, err = os.MkdirTemp("", "reprotect-page-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	s := scenario.Default(8)
	s.Speed = 600
	for i, name := range []string{"grp01", "grp02"} {
		g := &s.Machines[4+i]
		g.Name, g.Group, g.Architecture, g.OS, g.OSVersion = name, "erp", "classic", "windows", "Microsoft Windows Server 2019 Datacenter"
	}
	// Spoilt from the start: a system that cannot come home (S49), a machine without its VM (S22, S35).
	old, gone := &s.Machines[6], &s.Machines[7]
	old.Name, old.Architecture, old.OS, old.OSVersion, old.Physical = "old01", "classic", "windows", "Microsoft Windows Server 2008 R2 SP1", true
	gone.Name, gone.Architecture, gone.Deleted = "gone01", "classic", true
	s.Plans = []scenario.Plan{{Name: "ERP", Machines: []string{"grp02", "grp01"}}}
	l, err := lab.Start(context.Background(), lab.Options{Scenario: s, Dir: dir, Bus: lab.BusNone})
	if err == nil {
		defer l.Close()
		ready = l.Ready()
		site, err = config.Load(ready.Config)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// do changes the lab for the time of a test.
func do(t *testing.T, change string, undo ...string) {
	t.Helper()
	act := func(line string) {
		t.Helper()
		words := strings.Fields(line)
		if err := lab.Do(context.Background(), dir, words[0], words[1:]...); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	act(change)
	t.Cleanup(func() {
		for _, line := range undo {
			act(line)
		}
	})
}

// found is what a preflight found, of all cases.
type found struct {
	Machines   []events.Machine
	Findings   []events.Finding
	Placements []events.Placement
	Problems   []events.Problem
}

func preflightOf(t *testing.T, r events.Request, change ...func(*config.Config)) found {
	t.Helper()
	c := site
	for _, f := range change {
		f(&c)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	report, err := app.Preflight(ctx, c, preflight.Ask{Request: r}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	all := found{Problems: report.Problems}
	for _, c := range report.Cases {
		all.Findings = append(all.Findings, c.Findings...)
		all.Placements = append(all.Placements, c.Placements...)
		for _, m := range c.Machines {
			all.Machines = append(all.Machines, m.Machine)
		}
	}
	return all
}

func request(machines ...string) (r events.Request) {
	for _, m := range machines {
		r.Machines = append(r.Machines, events.RequestMachine{Name: m})
	}
	return r
}

// finds demands a finding with that status whose evidence has those words.
func finds(t *testing.T, report found, check, status string, words ...string) {
	t.Helper()
	if report.Problems != nil && report.Findings == nil {
		t.Fatalf("the request became no case: %+v", report.Problems)
	}
	for _, f := range report.Findings {
		if f.Check != check {
			continue
		}
		if f.Status != status {
			continue
		}
		for _, word := range words {
			if !strings.Contains(f.Evidence+" "+f.Remedy, word) {
				t.Errorf("%s does not mention %q: %s %s", check, word, f.Evidence, f.Remedy)
			}
		}
		if (status == "fail" || status == "warn") && (f.Remedy == "" || f.Reference == "") {
			t.Errorf("%s fails without a remedy or a reference: %+v", check, f)
		}
		if status == "fail" != f.Blocks {
			t.Errorf("%s: %s, blocks %v", check, status, f.Blocks)
		}
		return
	}
	var got []string
	for _, f := range report.Findings {
		if f.Check == check {
			got = append(got, f.Status+": "+f.Evidence)
		}
	}
	t.Errorf("%s is not %s, but %q", check, status, got)
}

// The site as it is has nothing to find: without this no other test here would show anything.
func TestSiteIsGood(t *testing.T) {
	report := preflightOf(t, request("web01", "db01", "app01", "mail01", "grp01", "grp02"))
	for _, f := range report.Findings {
		if f.Status == "fail" || f.Status == "unknown" {
			t.Errorf("%s (%s) is %s: %s", f.Check, f.Machine, f.Status, f.Evidence)
		}
	}
	if report.Problems != nil || len(report.Placements) != 6 {
		t.Errorf("%+v", report.Problems)
	}
}

// People alone can vouch for these; the product asks for the word or says what to remember.
func TestSAttestedByPeople(t *testing.T) {
	report := preflightOf(t, request("db01"))
	finds(t, report, "configuration-server.backup", "warn")
	r := request("db01")
	r.Attest = map[string]string{"configuration-server.backup": "restored from 2026-11-20"}
	finds(t, preflightOf(t, r), "configuration-server.backup", "pass", "restored from 2026-11-20")
	for number, what := range map[string]string{
		"S6, S16":  "where the process server stands, unless the network path says so (process-server.placement)",
		"S11":      "a backup of the configuration server (configuration-server.backup)",
		"S15, S17": "VPN or ExpressRoute with enough bandwidth (network.private-path says only which is named)",
		"S41":      "the hour of the failback",
		"S44, S45": "NetworkManager and static addresses of Linux after the failback (machine.linux-network reminds)",
	} {
		t.Logf("%s: %s", number, what)
	}
}
