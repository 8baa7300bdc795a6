// Package fields takes the answers of Site Recovery apart, field by field.
package fields

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"reprotect.example/events"
	"reprotect.example/services/checks"
	"reprotect.example/services/internal/asr"
	"reprotect.example/services/lab/asrsim"
	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/observed"
)

// sampled is how many mutations a plain run leaves out between two that it makes; REPROTECT_FIELDS=all makes every one.
const sampled = 67

type token struct{}

func (token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "t", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// wire carries requests to the simulated vault, keeps the answers, and changes one of them.
type wire struct {
	to     http.RoundTripper
	mu     sync.Mutex
	seen   map[string][]byte // by path
	path   string            // of the answer that is changed
	change func(any) any
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.to.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusOK || r.Method != http.MethodGet {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	path := strings.ToLower(r.URL.Path)
	if w.change == nil {
		w.seen[path] = body
	} else if path == w.path {
		var content any
		if err := json.Unmarshal(body, &content); err != nil {
			return nil, err
		}
		if body, err = json.Marshal(w.change(content)); err != nil {
			return nil, err
		}
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp.Header.Del("Content-Length")
	return resp, nil
}

// place is a field of an answer: the keys and indices that lead to it.
type place []any

func (p place) String() string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint([]any(p)), " ", "."), "[]")
}

// places lists every field, walked from the answer itself; of a list the first entry stands for all.
func places(v any, at place, into *[]place) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			to := append(slices.Clone(at), key)
			*into = append(*into, to)
			places(v[key], to, into)
		}
	case []any:
		for n := range v {
			if n == 0 || len(at) == 1 { // the entries of a page are machines and servers of their own
				to := append(slices.Clone(at), n)
				*into = append(*into, to)
				places(v[n], to, into)
			}
		}
	}
}

// gone as a value takes the field out.
var gone = new(int)

// set returns the content with another value at a place.
func set(v any, at place, value func(any) any) any {
	if len(at) == 0 {
		return value(v)
	}
	switch key := at[0].(type) {
	case string:
		o, ok := v.(map[string]any)
		if !ok {
			return v
		}
		if changed := set(o[key], at[1:], value); changed == any(gone) {
			delete(o, key)
		} else {
			o[key] = changed
		}
	case int:
		l, ok := v.([]any)
		if !ok || key >= len(l) {
			return v
		}
		if changed := set(l[key], at[1:], value); changed == any(gone) {
			return slices.Delete(l, key, key+1)
		} else {
			l[key] = changed
		}
	}
	return v
}

// mutations are what is done to each field.
var mutations = []struct {
	name  string
	value func(any) any
}{
	{"taken out", func(any) any { return gone }},
	{"null", func(any) any { return nil }},
	{"empty", func(v any) any {
		switch v.(type) {
		case string:
			return ""
		case float64:
			return 0
		case bool:
			return false
		case []any:
			return []any{}
		case map[string]any:
			return map[string]any{}
		}
		return v
	}},
	{"unknown", func(v any) any {
		switch v.(type) {
		case string:
			return "Unheard-of"
		case float64:
			return -1
		case bool:
			return "maybe"
		case []any:
			return []any{nil, "Unheard-of"}
		}
		return 7
	}},
}

// world is a vault in some state, and what is found there.
type world struct {
	sim   *asrsim.Server
	sc    scenario.Scenario
	now   time.Time
	wire  *wire
	items []string // ids
	cases events.Case
}

func newWorld(t *testing.T, prepare func(*world)) *world {
	t.Helper()
	sc := scenario.Default(2) // web01 modernized, db01 classic
	for i := range sc.Machines {
		sc.Machines[i].Agent = -1
	}
	sc.Plans = []scenario.Plan{{Name: "plan", Machines: []string{"web01", "db01"}}}
	w := &world{sc: sc, now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}
	w.sim = asrsim.New(sc, asrsim.Options{Now: func() time.Time { return w.now }})
	w.wire = &wire{to: w.sim.Direct(), seen: map[string][]byte{}}
	w.now = w.now.Add(20 * time.Minute)
	for _, m := range sc.Machines {
		state, err := w.sim.Machine(m.Name)
		if err != nil {
			t.Fatal(err)
		}
		w.items = append(w.items, state.ItemID)
		machine := events.Machine{Name: m.Name, Item: state.ItemID, Architecture: m.Architecture, OS: m.OS}
		machine.Choice = events.Choice{Datastore: "VMFS-01", MasterTarget: "MT-LINUX-01", ProcessServer: asrsim.ProcessServer, RetentionDrive: "/mnt/retention"}
		if m.Architecture != "classic" {
			machine.Choice = events.Choice{Datastore: "VMFS-01", Appliance: sc.Appliances[0].Name, LogStorageAccount: w.sim.LogStorage()}
		}
		w.cases.Machines = append(w.cases.Machines, machine)
	}
	if prepare != nil {
		prepare(w)
	}
	return w
}

// post sends a request about a machine as it stands.
func (w *world) post(name, operation, body string) {
	state, err := w.sim.Machine(name)
	if err != nil {
		panic(err)
	}
	req, err := http.NewRequest(http.MethodPost, "https://lab"+state.ItemID+"/"+operation+"?api-version=2025-01-01", strings.NewReader(body)) //nolint:noctx // answered in this process
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", "Bearer t")
	resp, err := w.sim.Direct().RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusAccepted {
		panic(fmt.Sprint(name, " ", operation, " ", resp, err))
	}
}

// reprotectBody is a request that the service accepts for a machine.
func (w *world) reprotectBody(name string) string {
	if name == "web01" {
		return `{"properties":{"failoverDirection":"RecoveryToPrimary","providerSpecificDetails":{"instanceType":"InMageRcm","datastoreName":"VMFS-01",
			"logStorageAccountId":"` + w.sim.LogStorage() + `","reprotectAgentId":"` + w.sc.UUID("appliance", w.sc.Appliances[0].Name) + `"}}}`
	}
	vault := "/subscriptions/" + w.sc.Subscription + "/resourceGroups/" + w.sc.ResourceGroup + "/providers/Microsoft.RecoveryServices/vaults/" + w.sc.Vault
	host := func(server string) string { // as the configuration server spells it
		id := strings.ToUpper(w.sc.UUID("host", server))
		cut := strings.LastIndexByte(id, '-')
		return id[:cut] + id[cut+1:]
	}
	return `{"properties":{"failoverDirection":"RecoveryToPrimary","providerSpecificDetails":{"instanceType":"InMage","datastoreName":"VMFS-01","retentionDrive":"/mnt/retention",
		"masterTargetId":"` + host("MT-LINUX-01") + `","processServerId":"` + host(asrsim.ProcessServer) + `","profileId":"` + vault + `/replicationPolicies/policy-classic-failback"}}}`
}

// reprotected lets a machine replicate back until it is protected.
func (w *world) reprotected(name string) {
	w.post(name, "reProtect", w.reprotectBody(name))
	w.now = w.now.Add(w.sc.Times.Job + w.sc.Times.InitialReplication)
}

// verdict is what a look at the vault leads to.
type verdict struct {
	passed map[string]bool // check and machine
	ready  map[string]bool // item: protected or home
	// forward is with what an item that is home would be protected towards Azure again; none where that cannot be said.
	forward map[string]string
}

func (w *world) judge(t *testing.T) (v verdict, err error) {
	t.Helper()
	c, err := asr.New(asr.Options{Subscription: w.sc.Subscription, ResourceGroup: w.sc.ResourceGroup, Vault: w.sc.Vault,
		Credential: token{}, Transport: w.wire, Now: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	vault, err := c.Vault(t.Context(), 0, w.items...)
	if err != nil {
		return v, err
	}
	for _, j := range vault.Jobs {
		_, _ = c.Job(t.Context(), j.ID) // what it says may be unreadable; it must not end the process
	}
	v = verdict{map[string]bool{}, map[string]bool{}, map[string]string{}}
	for _, i := range vault.Items {
		v.ready[strings.ToLower(i.ID)] = i.Protected() || i.Home()
		if !i.Home() {
			continue
		}
		wanted, accounts := "linux", []observed.RunAsAccount(nil)
		if f, ok := vault.Fabric(i.FabricID); ok && f.SiteID != "" {
			wanted = ""
			accounts, _ = c.RunAsAccounts(t.Context(), f.SiteID) // none where they cannot be read
		}
		if f, err := vault.ForwardOf(i, accounts, wanted); err == nil {
			v.forward[strings.ToLower(i.ID)] = strings.ToLower(strings.Join([]string{f.PolicyID, f.ProcessServerID, f.RunAsAccountID}, " "))
		}
	}
	for _, f := range checks.Run(checks.Input{Now: w.now, Case: w.cases, Vault: vault, InventoryError: "nobody asked"}) {
		if f.Status == checks.Passed {
			v.passed[f.Check+" "+f.Machine] = true
		}
	}
	return v, nil
}

// TestSiteRecoveryFields: each field of each answer is taken out, nulled, emptied and given an unknown value. Nothing
// panics, nothing passes by it, no machine stands as protected or home by it, and no vault stops.
func TestSiteRecoveryFields(t *testing.T) {
	t.Parallel()
	all := os.Getenv("REPROTECT_FIELDS") == "all"
	for name, prepare := range map[string]func(*world){
		"failed over": nil,
		"out of order": func(w *world) {
			for _, err := range []error{
				w.sim.StopHeartbeat("MT-LINUX-01"), w.sim.StopHeartbeat(asrsim.ProcessServer), w.sim.SetHealth(w.sc.Appliances[0].Name, "Critical"),
				w.sim.RemoveRetention("MT-LINUX-01"), w.sim.HoldAgent("web01"), w.sim.HoldAgent("db01"),
				w.sim.SetItem("web01", "replicationHealth", "Critical"), w.sim.SetItem("db01", "protectionState", "UnplannedFailoverFailed"),
			} {
				if err != nil {
					panic(err)
				}
			}
		},
		"home": func(w *world) {
			for _, name := range []string{"web01", "db01"} {
				w.reprotected(name)
				if err := w.sim.FailBack(name); err != nil {
					panic(err)
				}
			}
		},
		"on the way home": func(w *world) { // one replicates, the other is being failed back
			w.reprotected("db01")
			w.post("db01", "unplannedFailover", `{"properties":{"failoverDirection":"PrimaryToRecovery","providerSpecificDetails":{"instanceType":"InMage","recoveryPointType":"LatestTime"}}}`)
			w.post("web01", "reProtect", w.reprotectBody("web01"))
			w.now = w.now.Add(w.sc.Times.Job) // the failback has ended, and its commit begun
			w.post("db01", "failoverCommit", "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, prepare)
			before, err := w.judge(t)
			if name == "home" && len(before.forward) != 2 {
				t.Fatalf("how they are protected again: %v", before.forward)
			}
			if err != nil || len(before.ready) != 2 {
				t.Fatalf("%v: %+v", err, before)
			}
			n := 0
			for _, path := range slices.Sorted(maps.Keys(w.wire.seen)) {
				var content any
				if err := json.Unmarshal(w.wire.seen[path], &content); err != nil {
					t.Fatal(err)
				}
				var fields []place
				places(content, nil, &fields)
				for _, field := range fields {
					for _, m := range mutations {
						if n++; !all && n%sampled != 0 || field[0] == "nextLink" && m.name == "unknown" {
							continue
						}
						w.wire.path, w.wire.change = path, func(v any) any { return set(v, field, m.value) }
						after, err := w.judge(t)
						where := fmt.Sprintf("%s %s %s", path[strings.LastIndex(path, "/vaults/")+1:], field, m.name)
						if err != nil {
							t.Errorf("%s: the vault stops: %v", where, err)
							continue
						}
						for check := range after.passed {
							// A group of another name is another group, of which may hold what holds of no group.
							if !before.passed[check] && !strings.HasPrefix(check, "group.") {
								t.Errorf("%s: %s passes by it", where, check)
							}
						}
						for id, with := range after.forward {
							if before.forward[id] != "" && with != before.forward[id] {
								t.Errorf("%s: %s would be protected with %s by it, and not with %s", where, observed.LastSegment(id), with, before.forward[id])
							}
						}
						for id, ready := range after.ready {
							if ready && !before.ready[id] {
								t.Errorf("%s: %s stands as protected or home by it", where, observed.LastSegment(id))
							}
						}
					}
				}
			}
			if n < 1000 {
				t.Errorf("only %d mutations: where are the fields?", n)
			}
			t.Logf("%d mutations", n)
		})
	}
}
