package validator

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/observed"
)

// theVault has web01 and db01 (modernized), app01 and app02 of one replication group and two machines called
// twin (classic).
func theVault() observed.Vault {
	item := func(id, name string, a observed.Architecture, os, group string) observed.Item {
		fabric := "/fabrics/rcm"
		if a == observed.Classic {
			fabric = "/fabrics/cs"
		}
		return observed.Item{ID: "/vaults/v/items/" + id, Name: name, Architecture: a, OS: os, GroupID: group, GroupName: group, FabricID: fabric}
	}
	return observed.Vault{
		Name: "vault-tokyo",
		Items: []observed.Item{
			item("1", "web01", observed.Modernized, "linux", ""), item("2", "db01", observed.Modernized, "windows", ""),
			item("3", "app01", observed.Classic, "windows", "erp"), item("4", "app02", observed.Classic, "windows", "erp"),
			item("5", "twin", observed.Classic, "linux", ""), item("6", "Twin", observed.Modernized, "linux", ""),
		},
		Fabrics: []observed.Fabric{
			{ID: "/fabrics/rcm", Name: "rcm", Appliances: []observed.Appliance{
				{Name: "APPL-SICK", Health: "Critical"}, {Name: "APPL-BUSY", Health: "Normal", ProtectedItems: 30}, {Name: "APPL-FREE", Health: "Normal", ProtectedItems: 3}}},
			{ID: "/fabrics/cs", Name: "cs", MasterTargets: []observed.MasterTarget{{Name: "MT-WIN", OS: "windows"}, {Name: "MT-LIN", OS: "linux"}}, ProcessServers: []observed.ProcessServer{{Name: "PS-01"}}},
		},
		Plans: []observed.Plan{{Name: "ERP", Items: []string{"/VAULTS/v/items/4", "/vaults/v/items/1", "/vaults/v/items/3"}}},
	}
}

func names(list ...string) (machines []events.RequestMachine) {
	for _, n := range list {
		machines = append(machines, events.RequestMachine{Name: n})
	}
	return machines
}

func TestResolveCases(t *testing.T) {
	cases := []struct {
		name    string
		request events.Request
		want    map[string][]string // case -> machines
	}{
		{"one case a machine", events.Request{Machines: names("web01", "DB01")}, map[string][]string{"r7--web01": {"web01"}, "r7--db01": {"db01"}}},
		{"together", events.Request{Machines: names("web01", "db01"), Together: true}, map[string][]string{"r7--web01": {"web01", "db01"}}},
		{"a replication group goes together", events.Request{Machines: names("web01", "app01", "app02")}, map[string][]string{"r7--web01": {"web01"}, "r7--app01": {"app01", "app02"}}},
		{"a plan in its order", events.Request{Plan: "erp"}, map[string][]string{"r7--app02": {"app02", "app01"}, "r7--web01": {"web01"}}},
		{"by id", events.Request{Machines: names("/vaults/V/items/6")}, map[string][]string{"r7--" + events.Token("Twin"): {"Twin"}}},
		{"two of one name, by their ids", events.Request{Machines: names("/vaults/v/items/5", "/vaults/v/items/6")},
			map[string][]string{"r7--twin": {"twin"}, "r7--" + events.Token("Twin"): {"Twin"}}},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			ids, got, problems := Resolve("r7", tt.request, time.Now(), theVault(), Defaults{})
			if problems != nil {
				t.Fatal(problems)
			}
			machines := map[string][]string{}
			for id, c := range got {
				machines[id] = c.Names()
			}
			if !maps.EqualFunc(machines, tt.want, slices.Equal) {
				t.Errorf("got %v, want %v", machines, tt.want)
			}
			if len(ids) != len(got) {
				t.Errorf("%d ids of %d cases", len(ids), len(got))
			}
		})
	}
}

func TestResolveProblems(t *testing.T) {
	cases := []struct {
		name    string
		request events.Request
		code    string
		place   string
		remedy  string // part of it
	}{
		{"unknown, with names that are alike", events.Request{Machines: names("web01", "web02")}, "machine.unknown", "/data/machines/1/name", "web01"},
		{"unknown, and nothing is alike", events.Request{Machines: names("zzz")}, "machine.unknown", "/data/machines/0/name", "Replicated items"},
		{"two of one name", events.Request{Machines: names("TWIN")}, "machine.ambiguous", "/data/machines/0/name", "/vaults/v/items/5 or /vaults/v/items/6"},
		{"named twice", events.Request{Machines: names("web01", "WEB01")}, "machine.twice", "/data/machines/1/name", "once"},
		{"named and in the plan", events.Request{Plan: "ERP", Machines: names("web01")}, "machine.twice", "/data/machines/0/name", "once"},
		{"unknown plan", events.Request{Plan: "CRM"}, "plan.unknown", "/data/plan", "ERP"},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			_, cases, problems := Resolve("r7", tt.request, time.Now(), theVault(), Defaults{})
			if cases != nil || len(problems) != 1 {
				t.Fatalf("%v, %+v", cases, problems)
			}
			if p := problems[0]; p.Code != tt.code || p.Place != tt.place || !strings.Contains(p.Remedy, tt.remedy) || p.Message == "" {
				t.Errorf("%+v", p)
			}
		})
	}
}

func TestPlanInAVaultWithoutPlans(t *testing.T) {
	vault := theVault()
	vault.Plans = nil
	_, _, problems := Resolve("r7", events.Request{Plan: "CRM"}, time.Now(), vault, Defaults{})
	if len(problems) != 1 || !strings.Contains(problems[0].Remedy, "under Recovery Plans") {
		t.Errorf("%+v", problems)
	}
}

// A request that becomes no case at all would be answered by nobody.
func TestPlanWithoutMachines(t *testing.T) {
	vault := theVault()
	vault.Plans = append(slices.Clone(vault.Plans), observed.Plan{Name: "EMPTY"})
	_, cases, problems := Resolve("r7", events.Request{Plan: "empty"}, time.Now(), vault, Defaults{})
	if cases != nil || len(problems) != 1 || problems[0].Code != "machine.none" || problems[0].Place != "/data/plan" {
		t.Errorf("%v, %+v", cases, problems)
	}
}

func TestChoices(t *testing.T) {
	defaults := Defaults{MasterTarget: map[string]string{"windows": "MT-SITE"}, Datastore: "auto", LogStorageAccount: "/log/site"}
	request := events.Request{
		Machines: []events.RequestMachine{
			{Name: "web01", Choice: events.Choice{Appliance: "APPL-MINE", Datastore: "VMFS-09"}},
			{Name: "db01"},
			{Name: "/vaults/v/items/5"},
			{Name: "app01"}, {Name: "app02", Choice: events.Choice{MasterTarget: "MT-MINE"}},
		},
		Choice: events.Choice{Datastore: "VMFS-01", ProcessServer: "PS-REQ"},
	}
	_, cases, problems := Resolve("r7", request, time.Now(), theVault(), defaults)
	if problems != nil {
		t.Fatal(problems)
	}
	got := map[string]events.Choice{}
	for _, c := range cases {
		for _, m := range c.Machines {
			got[m.Name] = m.Choice
		}
	}
	want := map[string]events.Choice{
		"web01": {Appliance: "APPL-MINE", Datastore: "VMFS-09", LogStorageAccount: "/log/site"},                            // the machine's own beats the request's
		"db01":  {Appliance: "APPL-FREE", Datastore: "VMFS-01", LogStorageAccount: "/log/site"},                            // the healthy one with the fewest
		"twin":  {MasterTarget: "MT-LIN", ProcessServer: "PS-REQ", Datastore: "VMFS-01", RetentionDrive: "/mnt/retention"}, // the only one of its system
		"app01": {MasterTarget: "MT-SITE", ProcessServer: "PS-REQ", Datastore: "VMFS-01", RetentionDrive: "R"},
		"app02": {MasterTarget: "MT-MINE", ProcessServer: "PS-REQ", Datastore: "VMFS-01", RetentionDrive: "R"},
	}
	if !maps.Equal(got, want) {
		for name := range want {
			if got[name] != want[name] {
				t.Errorf("%s: got %+v, want %+v", name, got[name], want[name])
			}
		}
	}
}

func TestAFabricOfTheConfigNarrowsTheNames(t *testing.T) {
	_, cases, problems := Resolve("r7", events.Request{Machines: names("twin")}, time.Now(), theVault(), Defaults{Fabric: "CS"})
	if problems != nil || cases["r7--twin"].Machines[0].Architecture != "classic" {
		t.Errorf("%+v, %+v", cases, problems)
	}
}

func TestResolveBoundsWhatGoesTogether(t *testing.T) {
	t.Parallel()
	vault := observed.Vault{Name: "vault-tokyo"}
	var all []string
	for i := range events.MostTogether + 1 {
		name := fmt.Sprintf("m%03d", i)
		vault.Items = append(vault.Items, observed.Item{ID: "/items/" + name, Name: name, Architecture: observed.Modernized})
		all = append(all, name)
	}
	for _, tt := range []struct {
		together bool
		machines int
		cases    int
	}{{true, events.MostTogether, 1}, {true, events.MostTogether + 1, 0}, {false, events.MostTogether + 1, events.MostTogether + 1}} {
		ids, _, problems := Resolve("r7", events.Request{Machines: names(all[:tt.machines]...), Together: tt.together}, time.Now(), vault, Defaults{})
		if len(ids) != tt.cases || (tt.cases == 0) != (len(problems) == 1 && problems[0].Code == "request.too-many-together") {
			t.Errorf("%d machines, together %v: %d cases, %v", tt.machines, tt.together, len(ids), problems)
		}
	}
}

// TestSiteRecoveryNotOurs: machines that another scenario protects are refused with what protects them (F8); what could
// not be read is judged later.
func TestSiteRecoveryNotOurs(t *testing.T) {
	for _, tt := range []struct {
		name string
		item observed.Item
		by   string // part of the message; "": it is accepted
	}{
		{"F8 Hyper-V", observed.Item{Provider: "HyperVReplicaAzure"}, "x is protected by Hyper-V;"},
		{"F8 Azure to Azure", observed.Item{Provider: "A2A"}, "Azure to Azure"},
		{"F8 a provider that nobody knows", observed.Item{Provider: "Other"}, "the provider Other"},
		{"F8 no provider", observed.Item{}, "does not name"},
		{"F8 not read", observed.Item{Unread: "field x"}, ""},
		{"F8 ours", observed.Item{Provider: "InMageRcm", Architecture: observed.Modernized}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.item.ID, tt.item.Name = "/vaults/v/items/x", "x"
			_, cases, problems := Resolve("r7", events.Request{Machines: names("x")}, time.Now(), observed.Vault{Items: []observed.Item{tt.item}}, Defaults{})
			if tt.by == "" {
				if problems != nil || len(cases) != 1 {
					t.Errorf("%v, %+v", cases, problems)
				}
				return
			}
			if len(problems) != 1 || problems[0].Code != "machine.not-vmware" || !strings.Contains(problems[0].Message, tt.by) || problems[0].Remedy == "" {
				t.Errorf("%v, %+v", cases, problems)
			}
		})
	}
}

// Row B10: a recovery plan's groups are the order in which its machines start, whatever else asks for them.
func TestSiteRecoveryPlanOrder(t *testing.T) {
	ids, all, problems := Resolve("r7", events.Request{Plan: "erp", Machines: names("db01")}, time.Now(), theVault(), Defaults{})
	if problems != nil {
		t.Fatal(problems)
	}
	rank := map[string]int{}
	for _, id := range ids {
		for _, m := range all[id].Machines {
			rank[m.Name] = all[id].Rank
		}
	}
	if rank["app02"] >= rank["web01"] || rank["app01"] != rank["app02"] || rank["db01"] == rank["web01"] {
		t.Errorf("they start in the order %v", rank)
	}
}
