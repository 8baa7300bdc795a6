package submission

import (
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/faults"
	"reprotect.example/services/observed"
)

func vault() observed.Vault {
	return observed.Vault{
		Fabrics: []observed.Fabric{
			{ID: "/fabrics/rcm", Appliances: []observed.Appliance{{ID: "agent-1", Name: "APPL-01"}}},
			{ID: "/fabrics/cs", MasterTargets: []observed.MasterTarget{{ID: "mt-1", Name: "MT-01"}}, ProcessServers: []observed.ProcessServer{{ID: "ps-1", Name: "PS-01"}}},
		},
		Policies: []observed.Policy{{ID: "/policies/back"}},
		Mappings: []observed.Mapping{{PolicyID: "/policies/back", FabricID: "/fabrics/cs", ContainerID: "/c", TargetContainerID: "/C"}},
	}
}

func TestResolve(t *testing.T) {
	modernized := observed.Item{ID: "/i/1", Architecture: observed.Modernized, FabricID: "/fabrics/rcm"}
	classic := observed.Item{ID: "/i/2", Architecture: observed.Classic, FabricID: "/fabrics/cs"}
	choice := events.Choice{Appliance: "appl-01", Datastore: "VMFS-01", LogStorageAccount: "/log", MasterTarget: "mt-01", ProcessServer: "ps-01", RetentionDrive: "R"}
	for _, tt := range []struct {
		name  string
		item  observed.Item
		spoil func(*events.Choice, *observed.Vault)
		want  observed.Reprotect
		code  string
	}{
		{name: "modernized", item: modernized, want: observed.Reprotect{ApplianceID: "agent-1", LogStorage: "/log"}},
		{name: "classic", item: classic, want: observed.Reprotect{MasterTargetID: "mt-1", ProcessServerID: "ps-1", PolicyID: "/policies/back", RetentionDrive: "R"}},
		{name: "no such appliance", item: modernized, spoil: func(c *events.Choice, _ *observed.Vault) { c.Appliance = "?" }, code: "appliance.unknown"},
		{name: "no log storage", item: modernized, spoil: func(c *events.Choice, _ *observed.Vault) { c.LogStorageAccount = "" }, code: "log-storage.present"},
		{name: "no such master target", item: classic, spoil: func(c *events.Choice, _ *observed.Vault) { c.MasterTarget = "?" }, code: "master-target.unknown"},
		{name: "no such process server", item: classic, spoil: func(c *events.Choice, _ *observed.Vault) { c.ProcessServer = "?" }, code: "process-server.unknown"},
		{name: "no failback policy", item: classic, spoil: func(_ *events.Choice, v *observed.Vault) { v.Mappings = nil }, code: "failback-policy.present"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, v := events.Machine{Name: "web01", Choice: choice}, vault()
			if tt.spoil != nil {
				tt.spoil(&m.Choice, &v)
			}
			got, problem := Resolve(m, tt.item, v)
			if tt.code != "" {
				if problem == nil || problem.Code != tt.code || problem.Place != "web01" || !strings.HasSuffix(problem.Message, "for web01") || problem.Remedy == "" {
					t.Errorf("%+v", problem)
				}
				return
			}
			if got.Item.ID != tt.item.ID || got.Datastore != "VMFS-01" || problem != nil {
				t.Errorf("%+v, %+v", got, problem)
			}
			got.Item, got.Datastore = observed.Item{}, ""
			if got.MasterTargetID != tt.want.MasterTargetID || got.ProcessServerID != tt.want.ProcessServerID || got.PolicyID != tt.want.PolicyID ||
				got.RetentionDrive != tt.want.RetentionDrive || got.ApplianceID != tt.want.ApplianceID || got.LogStorage != tt.want.LogStorage {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestHandle(t *testing.T) {
	for _, tt := range []struct {
		code      string
		class     observed.Class
		want      Handling
		uncertain bool
	}{
		{"azure.throttled", observed.Temporary, Bear, true},
		{"azure.unreachable", observed.Temporary, Bear, true},
		{"azure.timeout", observed.Temporary, Bear, true},
		{"azure.interrupted", observed.Temporary, Bear, true},
		{"azure.forbidden", observed.Operator, AwaitAzure, true},
		{"azure.login", observed.Operator, AwaitAzure, true},
		{"azure.unavailable", observed.Temporary, AwaitAzure, true},
		{"azure.conflict", observed.Temporary, AwaitAzure, true},
		{"azure.no-job", observed.Temporary, AwaitAzure, true},
		{"azure.not-found", observed.Permanent, LookAfresh, true},
		{"armresourcedoesnotexist", observed.Permanent, LookAfresh, true},
		{"azure.agent-not-installed", observed.Temporary, AwaitAgent, false},
		{"azure.input", observed.Permanent, GiveUp, false},
		{"499", observed.Temporary, TryAgain, true},
		{"95226", observed.Operator, AwaitOperator, false},
		{"90001", observed.Permanent, GiveUp, false},
		{"nobody knows this", observed.Operator, AwaitOperator, false},
		{"nobody knows this", observed.Temporary, TryAgain, true},
		{"nobody knows its class", "", GiveUp, false},
	} {
		if got := Handle(tt.code, tt.class); got != tt.want || got.Uncertain() != tt.uncertain {
			t.Errorf("%s, %s: %v, want %v", tt.code, tt.class, got, tt.want)
		}
	}
}

func TestHandleJob(t *testing.T) {
	for _, tt := range []struct {
		code  string
		class observed.Class
		want  Handling
	}{
		{"ArmResourceDoesNotExist", observed.Permanent, GiveUp},
		{"azure.throttled", observed.Temporary, TryAgain},
		{"azure.conflict", observed.Temporary, TryAgain},
		{"azure.forbidden", observed.Operator, AwaitOperator},
		{"azure.agent-not-installed", observed.Temporary, AwaitAgent},
		{"95226", observed.Operator, AwaitOperator},
		{"nobody knows this", observed.Operator, AwaitOperator},
	} {
		if got := HandleJob(tt.code, tt.class); got != tt.want {
			t.Errorf("%s, %s: %v, want %v", tt.code, tt.class, got, tt.want)
		}
	}
}

// Whatever the catalogue holds has a row of the table, not its last resort.
func TestEveryErrorOfAzureHasARow(t *testing.T) {
	for _, row := range faults.Catalogue() {
		fits := 0
		for _, r := range table {
			if r.reach == row.Reach && (r.class == "" || r.class == row.Class) {
				fits++
			}
		}
		if row.For == faults.Azure && fits != 1 && !(row.Reach == faults.OfAccess && row.Class == observed.Permanent) {
			t.Errorf("%s: %d rows", row.Code, fits)
		}
	}
}

func TestCause(t *testing.T) {
	warning := observed.Problem{Code: "45031", Class: observed.Temporary, Message: "protected already"}
	for _, tt := range []struct {
		name   string
		errors []observed.Problem
		code   string
		class  observed.Class
		said   string
	}{
		{"nothing said", nil, "job.failed", observed.Operator, "state"},
		{"a warning of the catalogue", []observed.Problem{warning}, "job.failed", observed.Operator, "state"},
		{"a warning as Azure says", []observed.Problem{{Code: "4711", Severity: "Warning"}}, "job.failed", observed.Operator, "state"},
		{"behind a warning", []observed.Problem{warning, {Code: "95226", Message: "no way", Class: observed.Permanent}}, "95226", observed.Operator, "no way"},
		{"by its words", []observed.Problem{{Message: "The Mobility agent is not installed on web01."}}, "azure.agent-not-installed", observed.Temporary, "The Mobility agent is not installed on web01."},
		{"unknown", []observed.Problem{{Code: "4711", Class: observed.Permanent, Message: "?"}}, "4711", observed.Permanent, "?"},
		{"without a code", []observed.Problem{{Class: observed.Operator, Message: "?"}}, "job.failed", observed.Operator, "?"},
	} {
		if got := Cause(observed.Job{StateText: "state", Errors: tt.errors}); got.Code != tt.code || got.Class != tt.class || got.Message != tt.said {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

func TestClassOf(t *testing.T) {
	if got := ClassOf("azure.input", ""); got != observed.Permanent {
		t.Error(got)
	}
	if got := ClassOf("4711", "?"); got != observed.Operator {
		t.Error(got)
	}
}

func TestPausesGrow(t *testing.T) {
	const look = 30 * time.Second
	for _, tt := range []struct {
		do     Handling
		pauses []time.Duration // in looks, by tries
	}{
		{AwaitOperator, []time.Duration{20, 40, 80, 120, 120}},
		{AwaitAzure, []time.Duration{2, 4, 8, 16, 32, 64, 120, 120}},
		{TryAgain, []time.Duration{1, 2, 4, 8, 10, 10}},
		{AwaitAgent, []time.Duration{1, 2, 4, 8, 10, 10}}, // B4
		{LookAfresh, []time.Duration{1, 1, 1}},
	} {
		for tries, want := range tt.pauses {
			if got := tt.do.Pause(look, tries); got != want*look {
				t.Errorf("%v after %d tries: %v, want %v", tt.do, tries, got, want*look)
			}
		}
		if most := tt.do.Pause(look, 1_000_000); most != tt.pauses[len(tt.pauses)-1]*look {
			t.Errorf("%v: %v", tt.do, most)
		}
	}
}

func TestWords(t *testing.T) {
	if got := Words(&observed.Fault{What: "refused"}); got != "refused" {
		t.Error(got)
	}
	if got := Words(&observed.Fault{What: "refused", Words: "why"}); got != "refused: why" {
		t.Error(got)
	}
	whole := strings.Repeat("x", longest)
	if Cut(whole) != whole || Cut(whole+"y") != whole+"…" {
		t.Errorf("%q, %q", Cut(whole), Cut(whole+"y"))
	}
	if got := Cut(strings.Repeat("x", longest-1) + "ä!"); got != strings.Repeat("x", longest-1)+"…" {
		t.Errorf("a letter is cut in two: %q", got)
	}
}
