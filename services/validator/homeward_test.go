package validator

import (
	"slices"
	"testing"

	"reprotect.example/events"
	"reprotect.example/services/observed"
)

// "All that are ready" are the machines that are protected in Azure and that no job holds, each once; each is a case of its own.
func TestAllThatAreReady(t *testing.T) {
	t.Parallel()
	item := func(name, provider, state, job string) observed.Item {
		return observed.Item{ID: "/f/" + name, Name: name, Provider: provider, Architecture: observed.Modernized, FabricID: "/f", State: state, Location: "Primary", JobID: job, Scenario: job}
	}
	vault := observed.Vault{Name: "v", Items: []observed.Item{
		item("ready", "InMageRcmFailback", "Protected", ""), item("busy", "InMageRcmFailback", "Protected", "UpdateVmProperties"),
		item("copies", "InMageRcmFailback", "InitialReplicationInProgress", ""), item("forward", "InMageRcm", "Protected", ""),
	}}
	wanted, problems := allReady([]named{{events.RequestMachine{Name: "ready"}, "/data/machines/0/name"}}, vault, Defaults{})
	if problems != nil || len(wanted) != 1 {
		t.Fatalf("%+v, %+v", wanted, problems)
	}
	if wanted, problems = allReady(nil, vault, Defaults{}); problems != nil || len(wanted) != 1 || wanted[0].request.Name != "/f/ready" {
		t.Fatalf("%+v, %+v", wanted, problems)
	}
	ids, made, problems := homeCases("r1", wanted, nil, events.Case{HomeCase: events.HomeCase{Leg: events.LegFailback}}, vault, Defaults{})
	if c := made["r1--ready"]; problems != nil || !slices.Equal(ids, []string{"r1--ready"}) || c.Leg != events.LegFailback || len(c.Machines) != 1 || c.Machines[0].Item != "/f/ready" {
		t.Errorf("%v %+v %+v", ids, made, problems)
	}
	if _, _, problems := homeCases("r1", append(wanted, wanted[0]), nil, events.Case{}, vault, Defaults{}); len(problems) != 1 || problems[0].Code != "machine.twice" {
		t.Errorf("%+v", problems)
	}
	vault.Items = vault.Items[1:]
	if _, problems := allReady(nil, vault, Defaults{}); len(problems) != 1 || problems[0].Code != "machine.none" {
		t.Errorf("%+v", problems)
	}
}
