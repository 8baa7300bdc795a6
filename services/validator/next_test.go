package validator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/checks"
	"reprotect.example/services/observed"
	"reprotect.example/services/waiting"
	"reprotect.example/services/workflow"
)

func TestNext(t *testing.T) {
	drive := events.Finding{Check: retentionDrive, Status: checks.Failed, Blocks: true}
	slots := events.Finding{Check: "master-target.disk-slots", Status: checks.Failed, Blocks: true}
	unknown := events.Finding{Check: "appliance.disk-slots", Status: checks.Unknown, Blocks: true}
	snapshot := events.Finding{Check: "master-target.snapshots", Status: checks.Failed, Blocks: true}
	for _, tt := range []struct {
		name                 string
		blocking             []events.Finding
		driveMayCome, mayFit bool
		want                 step
	}{
		{"nothing blocks", nil, true, true, goOn},
		{"nothing blocks, and nothing may come", nil, false, false, goOn},
		{"a drive that may come", []events.Finding{drive, drive}, true, false, awaitDrive},
		{"a drive that did not come", []events.Finding{drive}, false, true, reject},
		{"a drive, and more", []events.Finding{drive, snapshot}, true, true, reject},
		{"slots that may come free", []events.Finding{slots, slots}, true, true, awaitSlots},
		{"more disks than there are slots", []events.Finding{slots}, true, false, reject},
		{"slots that are not known", []events.Finding{unknown}, true, true, reject},
		{"slots, and a drive", []events.Finding{slots, drive}, true, true, reject},
		{"something else", []events.Finding{snapshot}, true, true, reject},
	} {
		if got := next(tt.blocking, tt.driveMayCome, tt.mayFit); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// reads is a vault that notes whose items are to be read in full, and fails at a read of its choice.
type reads struct {
	refreshed

	full   [][]string
	failAt int // 1 is the first; 0: never
}

func (r *reads) Vault(ctx context.Context, age time.Duration, full ...string) (observed.Vault, error) {
	r.full = append(r.full, full)
	if len(r.full) == r.failAt {
		return observed.Vault{}, &observed.Fault{Code: "azure.unavailable", Class: observed.Temporary, What: "HTTP 503", Remedy: "wait"}
	}
	return r.refreshed.Vault(ctx, age, full...)
}

// What is judged is read in full, as soon as it is known whose items they are.
func TestARequestReadsTheItemsOfItsCases(t *testing.T) {
	for failAt, want := range map[int]string{0: "accepted", 1: "waiting", 2: "waiting"} {
		vault := &reads{refreshed: refreshed{facts: theVault()}, failAt: failAt}
		v := validator{map[string]Site{"tokyo": {Vault: vault, Look: 30 * time.Second}}, nil, func() time.Time { return acceptedAt }}
		r, err := v.requested(t.Context(), commandOf(events.Request{Machines: names("web01", "db01")}, 0), waiting.Told{})
		if err != nil || len(r.Publish) == 0 || r.Publish[0].Kind().Name != want || (r.After > 0) != (want == "waiting") {
			t.Fatalf("read %d fails: %+v, %v", failAt, r, err)
		}
		if failAt != 1 && (len(vault.full) != 2 || len(vault.full[0]) != 0 || len(vault.full[1]) != 2 || !slices.Contains(vault.full[1], "/vaults/v/items/1")) {
			t.Errorf("read in full: %v", vault.full)
		}
	}
	refusedAtOnce := &reads{refreshed: refreshed{facts: theVault()}}
	v := validator{map[string]Site{"tokyo": {Vault: refusedAtOnce}}, nil, func() time.Time { return acceptedAt }}
	r, err := v.requested(t.Context(), commandOf(events.Request{Machines: names("nobody")}, 0), waiting.Told{})
	if err != nil || r.Publish[0].Kind().Name != "refused" || len(refusedAtOnce.full) != 1 {
		t.Errorf("%+v, %v, %v", r, err, refusedAtOnce.full)
	}
}

// A case that waited is asked about once more; one that takes up another was asked for by itself.
func TestACancelledRequestStopsItsCases(t *testing.T) {
	broken := errors.New("the log cannot be read")
	for name, tt := range map[string]struct {
		retryOf string
		waited  time.Duration
		asks    bool
	}{
		"it came at once":          {"", 15 * time.Second, false},
		"it waited":                {"", 15*time.Second + 1, true},
		"it takes up another case": {"r6--web01", time.Hour, false},
	} {
		asked := false
		v := validator{map[string]Site{"tokyo": {Vault: &refreshed{facts: theVault()}, Inventory: bare{}, Look: 30 * time.Second}}, nil, func() time.Time { return acceptedAt }}
		e := workflow.Event[events.Accepted]{}
		e.Site, e.Case, e.Request, e.Time = "tokyo", "r7--web01", "r7", acceptedAt
		e.Data.Case = events.Case{RetryOf: tt.retryOf, RequestedAt: acceptedAt.Add(-tt.waited), Machines: []events.Machine{{Name: "web01", Item: "/vaults/v/items/1"}}}
		e.Stands = func(context.Context, string) (bus.Received, bool, error) {
			asked = true
			return bus.Received{}, false, broken
		}
		if _, err := v.accepted(t.Context(), e, waiting.Told{}); asked != tt.asks || errors.Is(err, broken) != tt.asks {
			t.Errorf("%s: asked %v, %v", name, asked, err)
		}
	}
}

func TestWhichSite(t *testing.T) {
	one := validator{sites: map[string]Site{"tokyo": {}}}
	two := validator{sites: map[string]Site{"tokyo": {}, "osaka": {}}}
	for _, tt := range []struct {
		v             validator
		name, want    string
		says, remedy  string
		refusedAtSite string
	}{
		{one, "", "tokyo", "", "", ""},
		{two, "osaka", "osaka", "", "", ""},
		{two, "", "", "There are several sites, and the request names none", "Name one of: osaka, tokyo.", "osaka"},
		{one, "kyoto", "", "The site \"kyoto\" is not known", "Name one of: tokyo.", "tokyo"},
		{two, "kyoto", "", "The site \"kyoto\" is not known", "Name one of: osaka, tokyo.", "osaka"},
	} {
		got, problem := tt.v.site(tt.name)
		if got != tt.want || (problem == nil) != (tt.says == "") || problem != nil && (problem.Message != tt.says || problem.Remedy != tt.remedy || tt.v.anySite() != tt.refusedAtSite) {
			t.Errorf("%q of %d: %q, %+v", tt.name, len(tt.v.sites), got, problem)
		}
	}
}

// Names that are alike share at least two letters, the longest beginning first, and five are enough.
func TestNamesThatAreAlike(t *testing.T) {
	vault := observed.Vault{}
	for n := range 7 {
		vault.Items = append(vault.Items, observed.Item{Name: fmt.Sprintf("SRV-%d", n)})
	}
	vault.Items = append(vault.Items, observed.Item{Name: "web01"})
	for name, want := range map[string]string{
		"srv-x": "SRV-0 SRV-1 SRV-2 SRV-3 SRV-4", "srv-3x": "SRV-3", "wiki": "", "we": "web01", "x": "", "": "",
	} {
		if got := strings.Join(alike(name, vault), " "); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// A name that differs by little is asked for (A10).
func TestWhichMachineWasMeant(t *testing.T) {
	for name, want := range map[string]string{"wbe01": "Did you mean web01? ", "APP1": "Did you mean app01? ", "mail77": ""} {
		_, _, problems := Resolve("r7", events.Request{Machines: names(name)}, acceptedAt, theVault(), Defaults{})
		if len(problems) != 1 || strings.HasPrefix(problems[0].Remedy, "Did you mean") != (want != "") || !strings.HasPrefix(problems[0].Remedy, want) {
			t.Errorf("%s: %+v", name, problems)
		}
	}
}

// Why a plan is not there may be that the plans could not be read.
func TestUnreadPlans(t *testing.T) {
	vault := theVault()
	vault.Plans, vault.Unread = nil, map[string]string{"plans": "no permission"}
	if _, _, problems := Resolve("r7", events.Request{Plan: "CRM"}, acceptedAt, vault, Defaults{}); len(problems) != 1 || !strings.Contains(problems[0].Message+problems[0].Remedy, "They could not be read: no permission.") {
		t.Errorf("%+v", problems)
	}
	if _, _, problems := Resolve("r7", events.Request{Plan: "CRM"}, acceptedAt, theVault(), Defaults{}); strings.Contains(problems[0].Message+problems[0].Remedy, "could not be read") {
		t.Errorf("%+v", problems)
	}
}

// A group by hand is none of Azure's.
func TestAGroupByHandHasNoName(t *testing.T) {
	for together, want := range map[bool]string{true: "", false: "erp"} {
		_, made, problems := Resolve("r7", events.Request{Machines: names("app01", "app02"), Together: together}, acceptedAt, theVault(), Defaults{})
		if len(made) != 1 || problems != nil {
			t.Fatalf("%v, %+v", made, problems)
		}
		for id, c := range made {
			if c.Group != want || c.Together != together || len(c.Machines) != 2 {
				t.Errorf("%s: %+v", id, c)
			}
		}
	}
}
