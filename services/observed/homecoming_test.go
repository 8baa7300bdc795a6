package observed

import (
	"strings"
	"testing"
)

// TestForwardOf (way-home 3): a machine is protected again with what it had, and else with what there is no choice of;
// nothing is guessed.
func TestForwardOf(t *testing.T) {
	t.Parallel()
	const vault = "/subscriptions/s/vaults/v"
	const cs, appliances = vault + "/replicationFabrics/cs", vault + "/replicationFabrics/rcm"
	v := Vault{
		Policies: []Policy{{ID: vault + "/replicationPolicies/p"}, {ID: vault + "/replicationPolicies/q"}, {ID: vault + "/replicationPolicies/back"}},
		Mappings: []Mapping{
			{FabricID: cs, ContainerID: cs + "/c", TargetContainerID: "Microsoft Azure", PolicyID: vault + "/replicationPolicies/p"},
			{FabricID: cs, ContainerID: cs + "/c", TargetContainerID: strings.ToUpper(cs + "/c"), PolicyID: vault + "/replicationPolicies/back"},
			{FabricID: appliances, ContainerID: appliances + "/c", TargetContainerID: "Microsoft Azure", PolicyID: vault + "/replicationPolicies/p"},
			{FabricID: appliances, ContainerID: appliances + "/c", TargetContainerID: "Microsoft Azure", PolicyID: vault + "/replicationPolicies/q"},
		},
		Fabrics: []Fabric{
			{ID: cs, Name: "CS", ProcessServers: []ProcessServer{{ID: "PS-1", Name: "ps1"}}, RunAsAccounts: map[string]string{"2": "windows", "3": "linux"}},
			{ID: appliances, Name: "RCM", Appliances: []Appliance{{ID: "A-1", Name: "appl1"}, {ID: "A-2", Name: "appl2"}}},
		},
	}
	accounts := []RunAsAccount{{"/a/vc", "vcenter", "VMwareFabric"}, {"/a/win", "win", "WindowsGuest"}, {"/a/lin", "lin", "LinuxGuest"}}
	classic := func(f Forward) Item {
		return Item{Name: "db01", Architecture: Classic, FabricID: cs, ContainerID: cs + "/c", OS: Windows, Forward: f}
	}
	modern := func(os string, f Forward) Item {
		return Item{Name: "web01", Architecture: Modernized, FabricID: appliances, ContainerID: appliances + "/c", OS: os, Forward: f}
	}
	had := Forward{PolicyID: strings.ToUpper(vault) + "/replicationPolicies/q", ProcessServerID: "a-2", RunAsAccountID: "/A/WIN"}
	for _, tt := range []struct {
		name   string
		item   Item
		wanted string
		given  []RunAsAccount
		want   Forward
		fails  string
	}{
		{"what it had", modern(Windows, had), "", accounts, Forward{PolicyID: had.PolicyID, ProcessServerID: "A-2", RunAsAccountID: "/a/win"}, ""},
		{"what it had, the accounts are not readable", modern(Windows, had), "", nil, Forward{PolicyID: had.PolicyID, ProcessServerID: "A-2", RunAsAccountID: "/A/WIN"}, ""},
		{"another account is wanted", modern(Windows, had), "LIN", accounts, Forward{PolicyID: had.PolicyID, ProcessServerID: "A-2", RunAsAccountID: "/a/lin"}, ""},
		{"an account that is not there", modern(Windows, had), "nobody", accounts, Forward{}, "no run-as account nobody for web01: there are win"},
		{"the only account for its system", modern(Linux, Forward{PolicyID: had.PolicyID, ProcessServerID: "A-1"}), "", accounts, Forward{PolicyID: had.PolicyID, ProcessServerID: "A-1", RunAsAccountID: "/a/lin"}, ""},
		{"its account is gone", modern(Linux, Forward{PolicyID: had.PolicyID, ProcessServerID: "A-1", RunAsAccountID: "/a/old"}), "", accounts, Forward{PolicyID: had.PolicyID, ProcessServerID: "A-1", RunAsAccountID: "/a/lin"}, ""},
		{"no account at all", modern(Linux, Forward{PolicyID: had.PolicyID, ProcessServerID: "A-1"}), "", nil, Forward{}, "there is no run-as account for web01"},
		{"a policy to choose", modern(Linux, Forward{ProcessServerID: "A-1"}), "lin", accounts, Forward{}, "several for web01 to choose from, and nothing says which replication policy towards Azure it had: p, q"},
		{"its policy is gone", modern(Linux, Forward{PolicyID: vault + "/replicationPolicies/old", ProcessServerID: "A-1"}), "lin", accounts, Forward{}, "which replication policy"},
		{"an appliance to choose", modern(Linux, Forward{PolicyID: had.PolicyID}), "lin", accounts, Forward{}, "which process server it had: appl1, appl2"},
		{"its appliance is gone", modern(Linux, Forward{PolicyID: had.PolicyID, ProcessServerID: "A-9"}), "lin", accounts, Forward{}, "which process server"},
		{"classic, with nothing known but the account", classic(Forward{}), "windows", accounts,
			Forward{PolicyID: vault + "/replicationPolicies/p", ProcessServerID: "PS-1", MasterTargetID: "PS-1", RunAsAccountID: "2"}, ""},
		{"classic, its master target", classic(Forward{MasterTargetID: "MT"}), "3", accounts,
			Forward{PolicyID: vault + "/replicationPolicies/p", ProcessServerID: "PS-1", MasterTargetID: "MT", RunAsAccountID: "3"}, ""},
		{"classic, an account to choose", classic(Forward{}), "", accounts, Forward{}, "which run-as account it had: windows, linux"},
		{"an unknown fabric", Item{Name: "x"}, "", accounts, Forward{}, "fabric of x is not known"},
	} {
		got, err := v.ForwardOf(tt.item, tt.given, tt.wanted)
		switch {
		case tt.fails != "":
			if err == nil || !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("%s: %v", tt.name, err)
			}
		case err != nil || got != tt.want:
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
	}
}

// TestManualAction: what a plan asks of a person on the way home.
func TestManualAction(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		action PlanAction
		want   bool
	}{
		{PlanAction{Kind: "ManualActionDetails"}, true},
		{PlanAction{Kind: "manualActionDetails", Directions: []string{"PrimaryToRecovery", "recoveryToPrimary"}}, true},
		{PlanAction{Kind: "ManualActionDetails", Directions: []string{"PrimaryToRecovery"}}, false},
		{PlanAction{Kind: "ScriptActionDetails", Directions: []string{"RecoveryToPrimary"}}, false},
		{PlanAction{}, false},
	} {
		if got := tt.action.Manual(); got != tt.want {
			t.Errorf("%+v: %v", tt.action, got)
		}
	}
}
