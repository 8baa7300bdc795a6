package validator

import (
	"strings"
	"testing"

	"reprotect.example/events"
)

// What would do nothing is refused, before anything starts (A7a, A7b).
func TestWithoutEffect(t *testing.T) {
	with := func(name string, c events.Choice) events.RequestMachine {
		return events.RequestMachine{Name: name, Choice: c}
	}
	classic, modernized := "app01", "web01"
	for _, tt := range []struct {
		name   string
		in     events.Request
		places string // of what is refused
		says   string
	}{
		{"nothing", events.Request{Machines: names(classic, modernized)}, "", ""},
		{"A7a: a master target for a modernized machine", events.Request{Machines: names(modernized), Choice: events.Choice{MasterTarget: "NOPE"}},
			"/data/masterTarget", "No machine of the request takes a master target: NOPE would do nothing"},
		{"all that is for the classic architecture", events.Request{Machines: names(modernized), Choice: events.Choice{MasterTarget: "a", ProcessServer: "b", RetentionDrive: "c", Appliance: "APPL-FREE", LogStorageAccount: "d", Datastore: "e"}},
			"/data/masterTarget /data/processServer /data/retentionDrive", "process server"},
		{"all that is for the modernized one", events.Request{Machines: names(classic), Choice: events.Choice{MasterTarget: "a", ProcessServer: "b", RetentionDrive: "c", Appliance: "x", LogStorageAccount: "y"}},
			"/data/appliance /data/logStorageAccount", "log storage account"},
		{"for one of them", events.Request{Machines: names(classic, modernized), Choice: events.Choice{MasterTarget: "MT-WIN", Appliance: "APPL-FREE"}}, "", ""},
		{"given to the wrong machine", events.Request{Machines: []events.RequestMachine{with(classic, events.Choice{Appliance: "x"}), with(modernized, events.Choice{Appliance: "x"})}},
			"/data/machines/0/name", "app01 is classic and takes no appliance: x would do nothing"},
		{"a waiver that hits", events.Request{Machines: names(classic), Waive: map[string]string{"master-target.snapshots": "known"}}, "", ""},
		{"A7b: a waiver that hits nothing", events.Request{Machines: names(modernized), Waive: map[string]string{"master-target.snapshots": "known"}},
			"/data/waive/master-target.snapshots", "is made of no machine of the request"},
		{"A7b: what cannot be waived", events.Request{Machines: names(classic), Waive: map[string]string{"machine.failed-over": "please"}},
			"/data/waive/machine.failed-over", "machine.failed-over cannot be waived"},
		{"no such check", events.Request{Machines: names(classic), Waive: map[string]string{"no.such": "x"}, Attest: map[string]string{"no.other": "y"}},
			"/data/waive/no.such /data/attest/no.other", "There is no check no.such"},
		{"an attestation that hits", events.Request{Machines: names(classic), Attest: map[string]string{"configuration-server.backup": "today", "machine.failed-over": "seen"}}, "", ""},
		{"an attestation that hits nothing", events.Request{Machines: names(modernized), Attest: map[string]string{"configuration-server.backup": "today"}},
			"/data/attest/configuration-server.backup", "is made of no machine"},
		{"unknown machines come first", events.Request{Machines: names("nobody"), Choice: events.Choice{MasterTarget: "NOPE"}}, "/data/machines/0/name", "nobody"},
	} {
		_, _, problems := Resolve("r7", tt.in, acceptedAt, theVault(), Defaults{})
		var places []string
		said := ""
		for _, p := range problems {
			places, said = append(places, p.Place), said+p.Message+"\n"
			if p.Remedy == "" || p.Code == "" {
				t.Errorf("%s: %+v", tt.name, p)
			}
		}
		if strings.Join(places, " ") != tt.places || !strings.Contains(said, tt.says) {
			t.Errorf("%s: %v, %s", tt.name, places, said)
		}
	}
}

// The same of the way home, whose checks are others (A7b).
func TestWaivedInVain(t *testing.T) {
	for _, tt := range []struct {
		leg  events.Leg
		code string
		says string // "": it is waived
	}{
		{events.LegFailback, "readiness.recovery-point", ""},
		{events.LegCommit, "readiness.on-premises-on", ""},
		{events.LegCommit, "readiness.recovery-point", "is not made before a commit"},
		{events.LegFailback, "master-target.snapshots", "is not made before a failback"},
		{events.LegFailback, "no.such", "is not made before a failback"},
		{events.LegFailback, "readiness.stage", "cannot be waived"},
		{events.LegProtect, "readiness.stage", "cannot be waived"},
	} {
		like := events.Case{HomeCase: events.HomeCase{Leg: tt.leg}, Waive: map[string]string{tt.code: "please"}}
		_, made, problems := homeCases("r7", []named{{events.RequestMachine{Name: "web01"}, "/data/machines/0/name"}}, nil, like, theVault(), Defaults{})
		if (problems == nil) != (tt.says == "") || (len(made) == 1) != (tt.says == "") {
			t.Fatalf("%s %s: %v, %+v", tt.leg, tt.code, made, problems)
		}
		if problems != nil && (problems[0].Code != "option.no-effect" || !strings.Contains(problems[0].Message, tt.says) || problems[0].Remedy == "") {
			t.Errorf("%s %s: %+v", tt.leg, tt.code, problems)
		}
	}
}

// Nobody is shown a place in JSON for a machine that is named twice, whatever the command (A10b).
func TestNamedTwiceOnTheWayHome(t *testing.T) {
	twice := []named{{events.RequestMachine{Name: "web01"}, "/data/machines/0/name"}, {events.RequestMachine{Name: "WEB01"}, "/data/machines/1/name"}}
	_, _, problems := homeCases("r7", twice, nil, events.Case{HomeCase: events.HomeCase{Leg: events.LegFailback}}, theVault(), Defaults{})
	if len(problems) != 1 || problems[0].Code != "machine.twice" || strings.Contains(problems[0].Message, "/data/") || !strings.Contains(problems[0].Message, "same machine") {
		t.Errorf("%+v", problems)
	}
}
