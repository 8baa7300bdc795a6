package asrsim

import (
	"net/http"
	"strings"
	"testing"
	"time"

	asr "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/recoveryservices/armrecoveryservicessiterecovery/v2"

	"reprotect.example/services/lab/scenario"
)

func TestRefusals(t *testing.T) {
	t.Parallel()
	type input = asr.ReverseReplicationInput
	classic := func(change func(*asr.InMageReprotectInput)) func(*input) {
		return func(in *input) { change(in.Properties.ProviderSpecificDetails.(*asr.InMageReprotectInput)) }
	}
	modernized := func(change func(*asr.InMageRcmReprotectInput)) func(*input) {
		return func(in *input) { change(in.Properties.ProviderSpecificDetails.(*asr.InMageRcmReprotectInput)) }
	}
	for name, c := range map[string]struct {
		machine string
		change  func(*input)
		code    string
	}{
		"direction":                 {"web01", func(in *input) { in.Properties.FailoverDirection = ptr("PrimaryToRecovery") }, "506"},
		"modernized as classic":     {"web01", func(in *input) { in.Properties.ProviderSpecificDetails = &asr.InMageReprotectInput{} }, "506"},
		"classic as modernized":     {"mail01", func(in *input) { in.Properties.ProviderSpecificDetails = &asr.InMageRcmReprotectInput{} }, "506"},
		"nothing at all":            {"mail01", func(in *input) { in.Properties = nil }, "506"},
		"no master target":          {"mail01", classic(func(d *asr.InMageReprotectInput) { d.MasterTargetID = nil }), "506"},
		"unknown master target":     {"mail01", classic(func(d *asr.InMageReprotectInput) { d.MasterTargetID = ptr("MT-WIN-01") }), "506"},
		"unknown process server":    {"mail01", classic(func(d *asr.InMageReprotectInput) { d.ProcessServerID = ptr("x") }), "506"},
		"no datastore":              {"mail01", classic(func(d *asr.InMageReprotectInput) { d.DatastoreName = nil }), "506"},
		"datastore on NFS":          {"mail01", classic(func(d *asr.InMageReprotectInput) { d.DatastoreName = ptr("NFS-01") }), "8061"},
		"forward policy":            {"mail01", classic(func(d *asr.InMageReprotectInput) { d.ProfileID = ptr(strings.TrimSuffix(*d.ProfileID, "-failback")) }), "78253"},
		"other retention drive":     {"mail01", classic(func(d *asr.InMageReprotectInput) { d.RetentionDrive = ptr("Q") }), "506"},
		"unknown account":           {"mail01", classic(func(d *asr.InMageReprotectInput) { d.RunAsAccountID = ptr("9") }), "506"},
		"unknown agent":             {"web01", modernized(func(d *asr.InMageRcmReprotectInput) { d.ReprotectAgentID = ptr("x") }), "506"},
		"no log storage":            {"web01", modernized(func(d *asr.InMageRcmReprotectInput) { d.LogStorageAccountID = nil }), "506"},
		"log storage is something":  {"web01", modernized(func(d *asr.InMageRcmReprotectInput) { d.LogStorageAccountID = ptr("logs") }), "506"},
		"datastore not accessible":  {"web01", modernized(func(d *asr.InMageRcmReprotectInput) { d.DatastoreName = ptr("NFS-01") }), "8061"},
		"policy of the forward way": {"web01", modernized(func(d *asr.InMageRcmReprotectInput) { d.PolicyID = ptr("policy-modernized") }), "78253"},
	} {
		l := standard(t)
		l.advance(12 * time.Minute)
		in := l.input(c.machine)
		c.change(&in)
		_, _, err := l.reprotect(c.machine, in)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		if status, outer, inner := codes(t, err); status != http.StatusBadRequest || outer != "BadRequest" || inner != c.code {
			t.Errorf("%s: %d %s %s, want 400 with %s", name, status, outer, inner, c.code)
		}
		if n := l.sim.Submissions()[c.machine]; n != 0 {
			t.Errorf("%s: counted as a submission", name)
		}
		l.mustReprotect(c.machine)
	}
}

func TestOptionalFieldsAndSpellings(t *testing.T) {
	t.Parallel()
	l := standard(t)
	l.advance(12 * time.Minute)
	in := l.input("mail01")
	d := in.Properties.ProviderSpecificDetails.(*asr.InMageReprotectInput)
	d.RetentionDrive, d.RunAsAccountID = ptr(`r:\`), ptr("1")
	d.MasterTargetID, d.ProfileID = ptr(strings.ToLower(*d.MasterTargetID)), ptr(strings.ToLower(*d.ProfileID))
	if _, _, err := l.reprotect("mail01", in); err != nil {
		t.Error(err)
	}
	in = l.input("web01")
	in.Properties.ProviderSpecificDetails.(*asr.InMageRcmReprotectInput).PolicyID = ptr(l.sim.id("replicationPolicies", "policy-modernized-failback"))
	if _, _, err := l.reprotect("web01", in); err != nil {
		t.Error(err)
	}
}

func TestOnlyOneJobAndOnlyOnce(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"web01", "mail01"} {
		l := standard(t)
		l.advance(12 * time.Minute)
		in := l.input(name)
		l.mustReprotect(name)
		_, _, err := l.reprotect(name, in)
		if status, outer, _ := codes(t, err); status != http.StatusConflict || outer != "Conflict" {
			t.Errorf("%s: while a job runs: %d %s", name, status, outer)
		}
		for _, later := range []time.Duration{12 * time.Minute, 20 * time.Minute} {
			l.advance(later)
			_, _, err = l.reprotect(name, in)
			if status, _, inner := codes(t, err); status != http.StatusConflict || inner != "OperationNotAllowed" {
				t.Errorf("%s: once reprotected: %d %s", name, status, inner)
			}
		}
		if n := l.sim.Submissions()[name]; n != 1 {
			t.Errorf("%s: %d submissions", name, n)
		}
	}
}

func TestRefuseNextRefusesOnce(t *testing.T) {
	t.Parallel()
	l := standard(t)
	l.advance(12 * time.Minute)
	if err := l.sim.RefuseNext("web01", "499"); err != nil {
		t.Fatal(err)
	}
	_, _, err := l.reprotect("web01", l.input("web01"))
	if status, _, inner := codes(t, err); status != http.StatusBadRequest || inner != "499" {
		t.Errorf("%d %s", status, inner)
	}
	l.mustReprotect("web01")
}

// A refusal that has a cause comes again: who dies before noting it meets it once more.
func TestRefuseWithRefusesEveryTime(t *testing.T) {
	t.Parallel()
	s := scenario.Default(4)
	s.Machines[0].RefuseWith = "78052"
	l := newLab(t, s, Options{})
	l.advance(12 * time.Minute)
	name := s.Machines[0].Name
	for range 2 {
		_, _, err := l.reprotect(name, l.input(name))
		if status, _, inner := codes(t, err); status != http.StatusBadRequest || inner != "78052" {
			t.Errorf("%d %s", status, inner)
		}
	}
}

func TestMalformedBody(t *testing.T) {
	t.Parallel()
	l := standard(t)
	path := *l.item("web01").ID + "/reProtect?api-version=2025-01-01"
	for _, body := range []string{"", "{", "[]", `{"properties":{"failoverDirection":7}}`} {
		resp, got := l.send("POST", path, body, nil)
		if e := got["error"].(map[string]any); resp.StatusCode != http.StatusBadRequest || e["code"] != "InvalidRequestContent" {
			t.Errorf("%q: %s %v", body, resp.Status, got)
		}
	}
	if resp, _ := l.send("POST", path, strings.Repeat(" ", maxBody+1), nil); resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a huge body: %s", resp.Status)
	}
}
