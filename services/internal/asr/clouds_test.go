package asr

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resourcegraph/armresourcegraph"
)

// asked is a network that leads nowhere, and knows which hosts were asked.
type asked struct {
	mu    sync.Mutex
	hosts []string
}

func (a *asked) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Contains(a.hosts, r.URL.Host) {
		a.hosts = append(a.hosts, r.URL.Host)
	}
	return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(strings.NewReader(`{"error":{"code":"AuthorizationFailed","message":"no"}}`))}, nil
}

func (a *asked) Do(r *http.Request) (*http.Response, error) { return a.RoundTrip(r) }

// audiences is a credential that knows for what it was asked.
type audiences struct {
	mu     sync.Mutex
	scopes []string
}

func (a *audiences) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range o.Scopes {
		if !slices.Contains(a.scopes, s) {
			a.scopes = append(a.scopes, s)
		}
	}
	return azcore.AccessToken{Token: "t"}, nil
}

// TestSiteRecoveryClouds (kind 10): sign-in, Site Recovery and Resource Graph ask the configured cloud alike, and for
// its audience.
func TestSiteRecoveryClouds(t *testing.T) {
	for _, name := range []string{"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"} {
		t.Setenv(name, "11111111-1111-4111-8111-111111111111")
	}
	t.Setenv("AZURE_AUTHORITY_HOST", "")
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
	for _, c := range []struct{ cloud, login, manager, audience string }{
		{"", "login.microsoftonline.com", "management.azure.com", "https://management.core.windows.net/"},
		{"public", "login.microsoftonline.com", "management.azure.com", "https://management.core.windows.net/"},
		{"china", "login.chinacloudapi.cn", "management.chinacloudapi.cn", "https://management.core.chinacloudapi.cn"},
		{"usgov", "login.microsoftonline.us", "management.usgovcloudapi.net", "https://management.core.usgovcloudapi.net"},
	} {
		signIn := &asked{}
		credential, err := newCredential("", c.cloud, signIn)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := credential.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"x/.default"}}); err == nil {
			t.Error("a token from nowhere")
		}
		if !slices.Equal(signIn.hosts, []string{c.login}) {
			t.Errorf("%q signs in at %v, want %s", c.cloud, signIn.hosts, c.login)
		}

		network, tokens := &asked{}, &audiences{}
		client, err := New(Options{Subscription: subscription, ResourceGroup: "rg", Vault: "v", Credential: tokens, Cloud: c.cloud, Transport: network})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = client.Vault(t.Context(), 0) // refused, and that is not what is asked here
		_, _ = client.Job(t.Context(), jobGUID)
		of, how := client.Reading()
		graph, err := armresourcegraph.NewClient(of, how)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = graph.Resources(t.Context(), armresourcegraph.QueryRequest{Query: ptr("resources")}, nil)
		if !slices.Equal(network.hosts, []string{c.manager}) {
			t.Errorf("%q is asked at %v, want %s", c.cloud, network.hosts, c.manager)
		}
		for _, scope := range tokens.scopes {
			if strings.TrimSuffix(strings.TrimSuffix(scope, "/.default"), "/") != strings.TrimSuffix(c.audience, "/") {
				t.Errorf("%q: a token for %v, want one for %s", c.cloud, scope, c.audience)
			}
		}
		if len(tokens.scopes) == 0 {
			t.Errorf("%q: nothing asked for a token", c.cloud)
		}
	}
	if _, err := Credential("", "moon"); err == nil {
		t.Error("a cloud that there is not")
	}
}
