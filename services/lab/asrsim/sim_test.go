package asrsim

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	asr "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/recoveryservices/armrecoveryservicessiterecovery/v2"

	"reprotect.example/services/lab/scenario"
)

const testToken = "a-token-of-the-test"

// lab is a simulator behind TLS with a clock that the test moves, and the unmodified SDK as its client.
type lab struct {
	t     *testing.T
	sim   *Server
	sc    scenario.Scenario
	http  *httptest.Server
	sdk   *asr.ClientFactory
	mu    sync.Mutex
	clock time.Time
}

type bearer string

func (b bearer) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(b), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func newLab(t *testing.T, sc scenario.Scenario, o Options) *lab {
	t.Helper()
	l := &lab{t: t, sc: sc, clock: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}
	o.Now, o.Token = l.now, testToken
	l.sim = New(sc, o)
	l.http = httptest.NewTLSServer(l.sim.Handler())
	t.Cleanup(l.http.Close)
	l.sdk = l.client(testToken)
	return l
}

// standard is a lab of the default scenario: web01 modernized Linux, db01 classic Linux, app01 modernized
// Windows, mail01 classic Windows, with agents that register after 12 minutes.
func standard(t *testing.T) *lab { return newLab(t, scenario.Default(4), Options{}) }

func (l *lab) client(token string) *asr.ClientFactory {
	l.t.Helper()
	f, err := asr.NewClientFactory(l.sc.Subscription, bearer(token), &arm.ClientOptions{
		DisableRPRegistration: true,
		ClientOptions: policy.ClientOptions{
			Transport: l.http.Client(),
			Retry:     policy.RetryOptions{MaxRetries: -1},
			Cloud: cloud.Configuration{Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
				cloud.ResourceManager: {Endpoint: l.http.URL, Audience: "https://management.azure.com"},
			}},
		},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return f
}

func (l *lab) now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.clock
}

func (l *lab) advance(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clock = l.clock.Add(d)
}

// items lists the vault's items by name.
func (l *lab) items() map[string]*asr.ReplicationProtectedItem {
	l.t.Helper()
	found := map[string]*asr.ReplicationProtectedItem{}
	pager := l.sdk.NewReplicationProtectedItemsClient().NewListPager(l.sc.ResourceGroup, l.sc.Vault, nil)
	for pager.More() {
		page, err := pager.NextPage(l.t.Context())
		if err != nil {
			l.t.Fatal(err)
		}
		for _, item := range page.Value {
			name := *item.Properties.FriendlyName
			if found[name] != nil {
				l.t.Fatalf("item of %s twice in the list", name)
			}
			found[name] = item
		}
	}
	return found
}

func (l *lab) item(name string) *asr.ReplicationProtectedItem {
	l.t.Helper()
	item := l.items()[name]
	if item == nil {
		l.t.Fatalf("no item of %s", name)
	}
	fabric, container, id := names(*item.ID)
	got, err := l.sdk.NewReplicationProtectedItemsClient().Get(l.t.Context(), l.sc.ResourceGroup, l.sc.Vault, fabric, container, id, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	return &got.ReplicationProtectedItem
}

func (l *lab) jobs() (found []*asr.Job) {
	l.t.Helper()
	pager := l.sdk.NewReplicationJobsClient().NewListPager(l.sc.ResourceGroup, l.sc.Vault, nil)
	for pager.More() {
		page, err := pager.NextPage(l.t.Context())
		if err != nil {
			l.t.Fatal(err)
		}
		found = append(found, page.Value...)
	}
	return found
}

func (l *lab) job(id string) *asr.Job {
	l.t.Helper()
	got, err := l.sdk.NewReplicationJobsClient().Get(l.t.Context(), l.sc.ResourceGroup, l.sc.Vault, lastSegment(id), nil)
	if err != nil {
		l.t.Fatal(err)
	}
	return &got.Job
}

// input is a request that the service accepts for a machine.
func (l *lab) input(name string) asr.ReverseReplicationInput {
	l.t.Helper()
	var details asr.ReverseReplicationProviderSpecificInputClassification
	for _, f := range l.fabrics() {
		switch d := f.Properties.CustomDetails.(type) {
		case *asr.VMwareDetails:
			if strings.HasPrefix(*l.item(name).Properties.PrimaryFabricProvider, "InMageFabric") {
				mt := d.MasterTargetServers[0]
				details = &asr.InMageReprotectInput{
					InstanceType: ptr("InMage"), MasterTargetID: mt.ID, ProcessServerID: d.ProcessServers[0].ID,
					ProfileID: ptr(l.sim.id("replicationPolicies", "policy-classic-failback")), RetentionDrive: ptr("R"),
					DatastoreName: mt.DataStores[0].SymbolicName,
				}
			}
		case *asr.InMageRcmFabricSpecificDetails:
			if *l.item(name).Properties.PrimaryFabricProvider == "InMageRcmFabric" {
				details = &asr.InMageRcmReprotectInput{
					InstanceType: ptr("InMageRcm"), DatastoreName: d.ReprotectAgents[0].AccessibleDatastores[0],
					LogStorageAccountID: ptr(l.sim.LogStorage()), ReprotectAgentID: d.ReprotectAgents[0].ID,
				}
			}
		}
	}
	return asr.ReverseReplicationInput{Properties: &asr.ReverseReplicationInputProperties{
		FailoverDirection: ptr("RecoveryToPrimary"), ProviderSpecificDetails: details,
	}}
}

func (l *lab) fabrics() (found []*asr.Fabric) {
	l.t.Helper()
	pager := l.sdk.NewReplicationFabricsClient().NewListPager(l.sc.ResourceGroup, l.sc.Vault, nil)
	for pager.More() {
		page, err := pager.NextPage(l.t.Context())
		if err != nil {
			l.t.Fatal(err)
		}
		for _, f := range page.Value { // the list of them is lean
			got, err := l.sdk.NewReplicationFabricsClient().Get(l.t.Context(), l.sc.ResourceGroup, l.sc.Vault, *f.Name, nil)
			if err != nil {
				l.t.Fatal(err)
			}
			found = append(found, &got.Fabric)
		}
	}
	return found
}

// reprotect submits and returns the poller and the job id that the answer names.
func (l *lab) reprotect(name string, in asr.ReverseReplicationInput) (reprotectPoller, string, error) {
	l.t.Helper()
	fabric, container, item := names(*l.item(name).ID)
	var raw *http.Response
	ctx := policy.WithCaptureResponse(l.t.Context(), &raw)
	poller, err := l.sdk.NewReplicationProtectedItemsClient().BeginReprotect(ctx, l.sc.ResourceGroup, l.sc.Vault, fabric, container, item, in, nil)
	if err != nil {
		return nil, "", err
	}
	return poller, lastSegment(raw.Header.Get("x-ms-request-id")), nil
}

func (l *lab) mustReprotect(name string) (reprotectPoller, string) {
	l.t.Helper()
	poller, id, err := l.reprotect(name, l.input(name))
	if err != nil {
		l.t.Fatal(err)
	}
	return poller, id
}

type reprotectPoller = *runtime.Poller[asr.ReplicationProtectedItemsClientReprotectResponse]

// names are the fabric, container and item of an item's id.
func names(id string) (fabric, container, item string) {
	parts := strings.Split(strings.Trim(id, "/"), "/")
	return parts[9], parts[11], parts[13]
}

func lastSegment(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }

func ptr[T any](v T) *T { return &v }

// codes are the outer and the inner code of an error of the service.
func codes(t *testing.T, err error) (status int, outer, inner string) {
	t.Helper()
	var re *azcore.ResponseError
	if !errors.As(err, &re) {
		t.Fatalf("not an error of the service: %v", err)
	}
	body, readErr := runtime.Payload(re.RawResponse)
	if readErr != nil {
		t.Fatal(readErr)
	}
	var e struct {
		Error struct {
			Code    string
			Details []struct{ Code string }
		}
	}
	if err := json.Unmarshal(body, &e); err != nil {
		t.Fatalf("error body %s: %v", body, err)
	}
	if len(e.Error.Details) > 0 {
		inner = e.Error.Details[0].Code
	}
	return re.StatusCode, e.Error.Code, inner
}

// send is a plain HTTP request with the right token; header beats that.
func (l *lab) send(method, path, body string, header http.Header) (*http.Response, map[string]any) {
	l.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = l.http.URL + path
	}
	r, err := http.NewRequestWithContext(l.t.Context(), method, path, strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+testToken)
	for k, v := range header {
		r.Header[k] = v
	}
	resp, err := l.http.Client().Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	var parsed map[string]any
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &parsed); err != nil {
			l.t.Fatalf("%s %s answered %q: %v", method, path, raw, err)
		}
	}
	return resp, parsed
}

func (l *lab) get(path string) map[string]any {
	l.t.Helper()
	resp, body := l.send("GET", path, "", nil)
	if resp.StatusCode != http.StatusOK {
		l.t.Fatalf("GET %s: %s %v", path, resp.Status, body)
	}
	return body
}

func (l *lab) path(rest string) string {
	return l.sim.id(rest) + "?api-version=2025-01-01"
}
