package azurevm

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"reprotect.example/services/internal/asr"
	"reprotect.example/services/lab/asrsim"
	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/observed"
)

type token struct{}

func (token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "secret-token", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// inProcess hands requests to a handler.
type inProcess struct{ http.Handler }

func (h inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	h.ServeHTTP(w, r)
	answer := w.Result()
	answer.Request = r
	return answer, nil
}

func clientOf(t *testing.T, s scenario.Scenario, h http.Handler) (*asr.Client, *Client) {
	t.Helper()
	vault, err := asr.New(asr.Options{
		Subscription: s.Subscription, ResourceGroup: s.ResourceGroup, Vault: s.Vault, Credential: token{}, Transport: inProcess{h},
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(vault)
	if err != nil {
		t.Fatal(err)
	}
	return vault, c
}

// Against the simulated Azure: what it says of its machines, and what that costs.
func TestLook(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		do     func(*asrsim.Server) error
		places map[string]string // where web01 (modernized) and db01 (classic) are surely; "" nowhere
		calls  int
	}{
		"in place": {func(*asrsim.Server) error { return nil }, map[string]string{"web01": "rg-failback", "db01": "rg-failback"}, 3},
		"moved": {func(s *asrsim.Server) error { return s.SetAzureVM("web01", "moved") },
			map[string]string{"web01": "rg-failback-moved", "db01": "rg-failback"}, 4},
		"deleted": {func(s *asrsim.Server) error { return s.SetAzureVM("db01", "deleted") }, map[string]string{"web01": "rg-failback", "db01": ""}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sc := scenario.Default(40)
			sim := asrsim.New(sc, asrsim.Options{})
			if err := row.do(sim); err != nil {
				t.Fatal(err)
			}
			vault, c := clientOf(t, sc, sim.Handler())
			items := itemsOf(t, vault)
			before := vault.Counters().Reads
			look := c.Look(t.Context(), items, time.Now)
			if calls := int(vault.Counters().Reads - before); calls != row.calls {
				t.Errorf("%d calls for %d machines, want %d", calls, len(items), row.calls)
			}
			if look.Taken.IsZero() || look.Elsewhere != "" || len(look.Groups) != 1 {
				t.Errorf("%+v", look)
			}
			for _, i := range items {
				want, named := row.places[i.Name]
				if !named {
					want = "rg-failback"
				}
				vms, sure := look.Of(i)
				if sure != (want != "") || sure && observed.LastSegment(observed.ResourceGroupOf(vms[0].ID)) != want {
					t.Errorf("%s: sure %v, %+v, want %q", i.Name, sure, vms, want)
				}
			}
			if Covers(look, items) != !slices.Contains([]string{"deleted"}, name) {
				t.Error("an old look must serve for what is there, and never for what is not")
			}
		})
	}
}

func itemsOf(t *testing.T, vault *asr.Client) []observed.Item {
	t.Helper()
	look, err := vault.Vault(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, i := range look.Items {
		ids = append(ids, i.ID)
	}
	if look, err = vault.Vault(t.Context(), time.Hour, ids...); err != nil { // the disks stand in no list
		t.Fatal(err)
	}
	return look.Items
}

func TestMissingPermissionIsSaid(t *testing.T) {
	t.Parallel()
	sc := scenario.Default(2)
	sim := asrsim.New(sc, asrsim.Options{})
	vault, c := clientOf(t, sc, sim.Handler())
	items := itemsOf(t, vault)
	sim.HideAzureVMs(true)
	look := c.Look(t.Context(), items, time.Now)
	why := look.Groups[strings.ToLower(items[0].AzureHome())]
	for _, want := range []string{"AuthorizationFailed", "role Reader on the resource group rg-failback"} {
		if !strings.Contains(why, want) {
			t.Errorf("%q does not say %q", why, want)
		}
	}
	if strings.Contains(why, "secret-token") || look.VMs != nil || sim.Requests()["graph"] != 0 {
		t.Errorf("%+v, %v", look, sim.Requests())
	}
}

// resourceManager answers lists of one resource group and queries as a test wants.
type resourceManager struct {
	list  func(page string) (int, any)
	graph func(query, skip string) (int, any)
}

func (m resourceManager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var status int
	var body any
	if strings.HasSuffix(r.URL.Path, "/resources") {
		var asked struct {
			Query   string
			Options struct {
				SkipToken string `json:"$skipToken"`
			}
		}
		raw, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(raw, &asked) // what is not understood is empty, and fails the test
		status, body = m.graph(asked.Query, asked.Options.SkipToken)
	} else {
		status, body = m.list(r.URL.Query().Get("page"))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

type object = map[string]any

func refusal(code string) object { return object{"error": object{"code": code, "message": "it is so"}} }

const home = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-home"

func machine(group, name string) object {
	return object{"id": group + "/providers/Microsoft.Compute/virtualMachines/" + name, "name": name}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	sc := scenario.Default(1)
	none := func(string, string) (int, any) {
		return 200, object{"totalRecords": 0, "count": 0, "data": []any{}, "resultTruncated": "false"}
	}
	empty := func(string) (int, any) { return 200, object{"value": []any{}} }
	for name, row := range map[string]struct {
		m         resourceManager
		vms       string // names
		group     string // part of why the group is unread
		elsewhere string // part of why the others are unread
	}{
		"pages": {resourceManager{list: func(page string) (int, any) {
			if page == "" {
				return 200, object{"value": []any{machine(home, "other")}, "nextLink": "https://management.azure.com/next?page=2"}
			}
			return 200, object{"value": []any{machine(home, "o'web")}}
		}, graph: none}, "other o'web", "", ""},
		"pages of the graph": {resourceManager{list: empty, graph: func(query, skip string) (int, any) {
			if !strings.Contains(query, `name startswith 'o\'web'`) {
				return 400, refusal("InvalidQuery")
			}
			if skip == "" {
				return 200, object{"totalRecords": 2, "count": 1, "data": []any{machine("/subscriptions/s/resourceGroups/a", "o'web")}, "$skipToken": "more", "resultTruncated": "true"}
			}
			return 200, object{"totalRecords": 2, "count": 1, "data": []any{machine("/subscriptions/s/resourceGroups/b", "o'web-2")}, "resultTruncated": "false"}
		}}, "o'web o'web-2", "", ""},
		"the graph lags behind": {resourceManager{list: empty, graph: func(string, string) (int, any) {
			return 200, object{"totalRecords": 1, "count": 1, "data": []any{machine(strings.ToUpper(home), "o'web")}, "resultTruncated": "false"}
		}}, "", "", ""},
		"group deleted":               {resourceManager{list: func(string) (int, any) { return 404, refusal("ResourceGroupNotFound") }, graph: none}, "", "", ""},
		"something else is not found": {resourceManager{list: func(string) (int, any) { return 404, refusal("SubscriptionNotFound") }}, "", "SubscriptionNotFound", ""},
		"graph refused":               {resourceManager{list: empty, graph: func(string, string) (int, any) { return 403, refusal("AuthorizationFailed") }}, "", "", "role Reader on the subscriptions"},
		"graph answers strangely":     {resourceManager{list: empty, graph: func(string, string) (int, any) { return 200, object{"data": "x"} }}, "", "", "not a list of VMs"},
		"throttled":                   {resourceManager{list: func(string) (int, any) { return 429, refusal("TooManyRequests") }}, "", "azure.throttled", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, c := clientOf(t, sc, row.m)
			item := observed.Item{Name: "web", Location: "Recovery", AzureGroup: home, AzureVMName: "o'web"}
			at := observed.Item{Name: "home", Location: "Primary", AzureGroup: home + "-never-asked"}
			look := c.Look(t.Context(), []observed.Item{item, at, item}, time.Now)
			var names []string
			for _, vm := range look.VMs {
				names = append(names, vm.Name)
			}
			if got := strings.Join(names, " "); got != row.vms {
				t.Errorf("VMs %q, want %q", got, row.vms)
			}
			for what, pair := range map[string][2]string{"group": {look.Groups[strings.ToLower(home)], row.group}, "elsewhere": {look.Elsewhere, row.elsewhere}} {
				if (pair[0] == "") != (pair[1] == "") || !strings.Contains(pair[0], pair[1]) {
					t.Errorf("%s: %q, want %q", what, pair[0], pair[1])
				}
			}
			if len(look.Groups) != 1 {
				t.Errorf("groups asked: %v", look.Groups)
			}
		})
	}
}

func TestAFailoverAfterTheLook(t *testing.T) {
	t.Parallel()
	look := observed.AzureVMs{Taken: time.Now(), Groups: map[string]string{strings.ToLower(home): ""}}
	fresh := observed.Item{Name: "web", Location: "Recovery", AzureGroup: home, AzureVMName: "web"}
	elsewhere := fresh
	elsewhere.AzureGroup = home + "2"
	for name, row := range map[string]struct {
		item observed.Item
		want bool
	}{"not seen": {fresh, false}, "in a group that was not asked": {elsewhere, false}, "at home": {observed.Item{Location: "Primary", AzureGroup: home}, true}} {
		if got := Covers(look, []observed.Item{row.item}); got != row.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	look.Groups[strings.ToLower(home)] = "AuthorizationFailed"
	if !Covers(look, []observed.Item{fresh}) {
		t.Error("what may not be read must not be asked again and again")
	}
}

// TestSiteRecoveryPower: whether the Azure VMs run is told of all by one query; those that do not are asked of Compute,
// which is never behind (F10).
func TestSiteRecoveryPower(t *testing.T) {
	t.Parallel()
	sc := scenario.Default(4)
	sim := asrsim.New(sc, asrsim.Options{})
	for _, machine := range []string{"web01", "db01"} {
		if err := sim.SetAzureVM(machine, "stopped"); err != nil {
			t.Fatal(err)
		}
	}
	graph, compute := "", 0
	vault, c := clientOf(t, sc, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.Contains(r.URL.Path, "Microsoft.ResourceGraph") && graph != "":
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"error":{"code":"` + graph + `","message":"no"}}`))
			return
		case strings.HasSuffix(r.URL.Path, "/instanceView"):
			if compute++; strings.Contains(r.URL.Path, "/db01/") { // it was switched on just now
				_, _ = w.Write([]byte(`{"statuses":[{"code":"ProvisioningState/succeeded"},{"code":"PowerState/running"}]}`))
				return
			}
		}
		sim.Handler().ServeHTTP(w, r)
	}))
	items := itemsOf(t, vault)
	powers := func() map[string]string {
		look, all := c.Look(t.Context(), items, time.Now), map[string]string{}
		for _, i := range items {
			if vms, sure := look.Of(i); sure {
				all[i.Name] = vms[0].Power
			}
		}
		all["unread"] = look.PowerUnread
		return all
	}
	got := powers()
	if got["web01"] != "stopped" || got["db01"] != observed.Running || got["app01"] != observed.Running || got["unread"] != "" || compute != 2 {
		t.Errorf("%v, after %d questions to Compute", got, compute)
	}
	graph = "AuthorizationFailed"
	if got := powers(); got["web01"] != "stopped" || got["app01"] != observed.Running || !strings.Contains(got["unread"], "which Azure VMs run") {
		t.Errorf("without Resource Graph: %v", got)
	}
}
