package asr

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"reprotect.example/services/faults"
	"reprotect.example/services/observed"
)

func TestSiteRecoveryRefusals(t *testing.T) {
	t.Parallel()
	arm := func(code, message string) string {
		return `{"error":{"code":"` + code + `","message":"` + message + `"}}`
	}
	tests := map[string]struct {
		status        int
		body          string
		class         observed.Class
		code          string
		words, remedy string
	}{
		"expired token": {401, arm("ExpiredAuthenticationToken", "The access token expiry is past; Bearer "+secret), observed.Operator, CodeLogin, "ExpiredAuthenticationToken", "credential"},
		"forbidden":     {403, arm("AuthorizationFailed", "no permission"), observed.Operator, CodeForbidden, "AuthorizationFailed: no permission", "role"},
		"not found":     {404, arm("ResourceGroupNotFound", "no group"), observed.Permanent, CodeNotFound, "ResourceGroupNotFound: no group", "resource group"},
		"the code in the details": {404, `{"error":{"code":"NotFound","message":"top","details":[{"code":"ArmResourceDoesNotExist","message":"gone"}]}}`,
			observed.Permanent, "ArmResourceDoesNotExist", "gone", "list"},
		"agent, without a code": {400, arm("BadRequest", "The mobility Agent is not installed on db01."), observed.Temporary, CodeAgentNotInstalled, "db01", "wait"},
		"conflict by status":    {409, arm("Conflict", "busy"), observed.Temporary, CodeConflict, "Conflict: busy", "adopt"},
		"conflict by text":      {400, arm("539", "Another operation is running on db01."), observed.Temporary, CodeConflict, "539: Another operation is running", "adopt"},
		"known":                 {400, arm("78052", "name taken"), observed.Operator, "78052", "name taken", "master target"},
		"known, as 500":         {500, arm("499", "internal"), observed.Temporary, "499", "internal", "retry"},
		"unknown": {400, `{"error":{"code":"BadRequest","message":"x","details":[{"code":"12345","message":"odd","recommendedAction":"Call https://help.example/?s=signature&x=1 now."}]}}`,
			observed.Operator, "12345", "odd", "Call https://help.example/?s=…&x=1 now."},
		"F7 a lock":                  {409, arm("ScopeLocked", "The scope is locked. Please remove the lock and try again."), observed.Operator, "ScopeLocked", "scope is locked", "remove the lock"},
		"F7 not registered":          {409, arm("MissingSubscriptionRegistration", "not registered"), observed.Operator, "MissingSubscriptionRegistration", "not registered", "register"},
		"F7 no such version":         {400, arm("NoRegisteredProviderFound", "no provider"), observed.Operator, "NoRegisteredProviderFound", "no provider", "azure.endpoint"},
		"F7 storage account":         {403, arm("LinkedAuthorizationFailed", "no permission on logs"), observed.Operator, "LinkedAuthorizationFailed", "logs", "role with the action"},
		"F7 policy":                  {403, arm("RequestDisallowedByPolicy", "policy p"), observed.Operator, "RequestDisallowedByPolicy", "policy p", "exemption"},
		"F7 a 409 nobody knows":      {409, arm("VaultSoftDeleted", "deleted"), observed.Operator, "VaultSoftDeleted", "deleted", "portal"},
		"F7 412":                     {412, arm("PreconditionFailed", "etag"), observed.Operator, "PreconditionFailed", "etag", "portal"},
		"F7 no permission":           {403, arm("AuthorizationFailed", "action a over scope s"), observed.Operator, CodeForbidden, "action a over scope s", "that action at that scope"},
		"F7 another tenant":          {401, arm("InvalidAuthenticationTokenTenant", "tenant t"), observed.Operator, CodeLogin, "tenant t", "tenant of the subscription"},
		"F7 a disabled subscription": {403, arm("ReadOnlyDisabledSubscription", "disabled"), observed.Operator, CodeForbidden, "disabled", "subscription"},
		"F7 a 423 nobody knows":      {423, arm("ResourceMoveInProgress", "moving"), observed.Operator, "ResourceMoveInProgress", "moving", "portal"},
		"B5 datastore":               {400, arm("8061", "not mounted"), observed.Operator, "8061", "not mounted", ""},
		"B5 policy not associated":   {400, arm("78253", "policy"), observed.Operator, "78253", "policy", "associate"},
		"B5 parameter":               {400, arm("506", "value"), observed.Operator, "506", "value", "compare"},
		"unknown without advice":     {400, arm("12346", "odd"), observed.Operator, "12346", "odd", "portal"},
		"not Azure":                  {400, "<html>proxy says no " + secret + "</html>", observed.Operator, CodeUnexpected, "HTTP 400", "proxy"},
		"unavailable":                {503, "", observed.Temporary, CodeUnavailable, "HTTP 503", "wait"},
		"throttled, no time":         {429, "", observed.Temporary, CodeThrottled, "HTTP 429", "wait"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			s.handle("replicationJobs/"+jobGUID, status(tt.status, tt.body))
			_, err := s.client(t).Job(t.Context(), jobGUID)
			f := wantFault(t, err, tt.class, tt.code)
			if !strings.Contains(f.What, jobGUID) || !strings.Contains(f.Words, tt.words) || !strings.Contains(f.Remedy, tt.remedy) {
				t.Errorf("fault %+v", *f)
			}
			for _, leak := range []string{secret, "signature"} {
				if strings.Contains(err.Error(), leak) {
					t.Errorf("%q is told: %v", leak, err)
				}
			}
			var inside *azcore.ResponseError
			if errors.As(err, &inside) {
				t.Error("the fault holds the SDK's error, and so the request with its token")
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 18, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"30": 30 * time.Second, "Sun, 01 Mar 2026 18:02:00 GMT": 2 * time.Minute, "": throttlePause, "-1": throttlePause, "soon": throttlePause,
		"99999999999": time.Hour, "86400": time.Hour,
	} {
		resp := &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {header}}}
		if got := pause(resp, now); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := s.client(t)
	s.Close()
	_, err := c.Vault(t.Context(), 0)
	wantFault(t, err, observed.Temporary, CodeUnreachable)
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.handle("replicationJobs/"+jobGUID, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := s.client(t).Job(ctx, jobGUID)
	wantFault(t, err, observed.Temporary, CodeTimeout)
}

func TestAnswerThatIsNotResourceManagers(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.handle("replicationJobs/"+jobGUID, body("<html>welcome</html>"))
	_, err := s.client(t).Job(t.Context(), jobGUID)
	wantFault(t, err, observed.Operator, CodeUnexpected)
}

func TestCertificate(t *testing.T) {
	t.Parallel()
	s := serve(t)
	other := filepath.Join(t.TempDir(), "other.pem")
	write(t, other, strangersCA(t))
	for file, remedy := range map[string]string{"": "azure.caFile", other: other} {
		c := s.client(t, func(o *Options) { o.CAFile = file })
		_, err := c.Job(t.Context(), jobGUID)
		if f := wantFault(t, err, observed.Operator, CodeCertificate); !strings.Contains(f.Remedy, remedy) {
			t.Errorf("remedy %q does not name %s", f.Remedy, remedy)
		}
		if n := len(s.requests()); n != 0 {
			t.Errorf("%d requests over a connection that is not trusted", n)
		}
	}
}

func TestTokenFile(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.handle("replicationJobs/"+jobGUID, body(string(fixture(t, "job-failed"))))
	c := s.client(t)
	for content, ok := range map[string]bool{"": false, "two words " + secret: false, secret: true} {
		write(t, s.token, content)
		waitFor(t, func() bool { // a token is believed for a second
			_, err := c.Job(t.Context(), jobGUID)
			if err == nil {
				return ok
			}
			if f := wantFault(t, err, observed.Operator, CodeLogin); !strings.Contains(f.What, s.token) {
				t.Errorf("the file is not named: %v", err)
			}
			return !ok
		})
	}
	missing, err := Credential(filepath.Join(t.TempDir(), "none"), "")
	if err != nil {
		t.Fatal(err)
	}
	c = s.client(t, func(o *Options) { o.Credential = missing })
	_, err = c.Job(t.Context(), jobGUID)
	wantFault(t, err, observed.Operator, CodeLogin)
}

type failing struct{ err error }

func (f failing) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, f.err
}

func TestLoginFails(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := s.client(t, func(o *Options) { o.Credential = failing{errors.New("DefaultAzureCredential:\n\tno identity found")} })
	_, err := c.Job(t.Context(), jobGUID)
	if f := wantFault(t, err, observed.Operator, CodeLogin); f.Words != "DefaultAzureCredential: no identity found" {
		t.Errorf("words %q", f.Words)
	}
	if n := len(s.requests()); n != 0 {
		t.Errorf("%d requests without a token", n)
	}
}

func TestDefaultCredentialIsMade(t *testing.T) {
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "dev")
	if c, err := Credential("", ""); err != nil || c == nil {
		t.Errorf("%v, %v", c, err)
	}
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "nonsense")
	_, err := Credential("", "")
	wantFault(t, err, observed.Operator, CodeLogin)
}

func TestOptions(t *testing.T) {
	t.Parallel()
	good := Options{Subscription: "s", ResourceGroup: "g", Vault: "v", Credential: failing{io.EOF}}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	write(t, empty, "nothing")
	tests := map[string]func(*Options){
		"subscription":   func(o *Options) { o.Subscription = "" },
		"resource group": func(o *Options) { o.ResourceGroup = "" },
		"vault":          func(o *Options) { o.Vault = "" },
		"credential":     func(o *Options) { o.Credential = nil },
		"moon":           func(o *Options) { o.Cloud = "moon" },
		"https":          func(o *Options) { o.Endpoint = "http://127.0.0.1:1" },
		"cannot be read": func(o *Options) { o.CAFile = empty + ".none" },
		empty:            func(o *Options) { o.CAFile = empty },
	}
	for word, change := range tests {
		o := good
		change(&o)
		_, err := New(o)
		wantFault(t, err, observed.Permanent, CodeOptions)
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", word, err)
		}
	}
	for _, cloud := range []string{"", "public", "USGov", "china"} {
		o := good
		o.Cloud = cloud
		if _, err := New(o); err != nil {
			t.Errorf("%s: %v", cloud, err)
		}
	}
}

func TestCodes(t *testing.T) {
	t.Parallel()
	for _, c := range faults.Catalogue() {
		if c.For != faults.Azure {
			continue
		}
		if class, remedy := Explain(c.Code, ""); class != c.Class || remedy == "" || remedy != c.Remedy() {
			t.Errorf("Explain(%s) = %s, %s", c.Code, class, remedy)
		}
	}
	for _, tt := range []struct {
		code, message string
		class         observed.Class
		remedy        bool
	}{
		{"", "Agent is not installed", observed.Temporary, true},
		{"ep0886", "", observed.Operator, true},
		{"8061", "the agent is not installed", observed.Operator, true}, // a code says more than words
		{"31337", "who knows", observed.Operator, false},
		{"Internal", "a code that we have, too, for something else", observed.Operator, false},
	} {
		if class, remedy := Explain(tt.code, tt.message); class != tt.class || (remedy != "") != tt.remedy {
			t.Errorf("Explain(%q, %q) = %s, %q", tt.code, tt.message, class, remedy)
		}
	}
}

func TestScrub(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]string{
		"GET https://h/p?api-version=1&t=63&c=MII%2B&s=a-b_c&h=zz refused": "GET https://h/p?api-version=1&t=…&c=…&s=…&h=… refused",
		"header Authorization: Bearer eyJ0.abc.def sent":                   "header Authorization: bearer … sent",
		"my own tok3n, twice tok3n":                                        "my own …, twice …",
		" two\n\tlines ":                                                   "two lines",
		strings.Repeat("é", 1001):                                          strings.Repeat("é", 1000) + "…",
	} {
		if got := scrub(words, "tok3n"); got != want {
			t.Errorf("%q: %q, want %q", words, got, want)
		}
	}
}

// strangersCA is the PEM of an authority that signed nothing here.
func strangersCA(t *testing.T) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
