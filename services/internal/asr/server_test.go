package asr

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"reprotect.example/services/observed"
)

const (
	subscription = "11111111-1111-4111-8111-111111111111"
	vaultID      = "/subscriptions/" + subscription + "/resourceGroups/rg-home/providers/Microsoft.RecoveryServices/vaults/vault-home"
	csID         = vaultID + "/replicationFabrics/cs-01"
	dbID         = csID + "/replicationProtectionContainers/cloud_cs-01/replicationProtectedItems/item-db01"
	webID        = vaultID + "/replicationFabrics/appliance-fabric/replicationProtectionContainers/appliance-container/replicationProtectedItems/item-web01"
	jobGUID      = "22222222-2222-4222-8222-222222222222"
	secret       = "secret-token-5f0c"
)

// manager is a server in the place of Azure Resource Manager: one handler a path (below the vault, in lower case).
type manager struct {
	*httptest.Server
	token  string // file
	caFile string

	mu       sync.Mutex
	handlers map[string]http.HandlerFunc
	asked    []string // "GET replicationprotecteditems"
}

func serve(t testing.TB) *manager {
	t.Helper()
	s := &manager{handlers: map[string]http.HandlerFunc{}}
	s.Server = httptest.NewUnstartedServer(s)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes and handlers that a test breaks on purpose
	s.StartTLS()
	t.Cleanup(s.Close)
	dir := t.TempDir()
	s.token, s.caFile = filepath.Join(dir, "token"), filepath.Join(dir, "ca.pem")
	write(t, s.token, secret+"\n")
	write(t, s.caFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	return s
}

func (s *manager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.ToLower(r.URL.Path)
	if i := strings.Index(path, "/vaults/"); i >= 0 {
		_, path, _ = strings.Cut(path[i+len("/vaults/"):], "/")
	}
	s.mu.Lock()
	s.asked = append(s.asked, r.Method+" "+path)
	h := s.handlers[path]
	s.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+secret {
		http.Error(w, `{"error":{"code":"ExpiredAuthenticationToken","message":"expired: `+r.Header.Get("Authorization")+`"}}`, http.StatusUnauthorized)
		return
	}
	if h == nil {
		http.Error(w, `{"error":{"code":"NotFound","message":"no `+path+`"}}`, http.StatusNotFound)
		return
	}
	h(w, r)
}

func (s *manager) handle(path string, h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers[strings.ToLower(path)] = h
}

func (s *manager) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.asked...)
}

// count returns how many requests went to a path.
func (s *manager) count(request string) int {
	n := 0
	for _, asked := range s.requests() {
		if asked == request {
			n++
		}
	}
	return n
}

// vault serves a vault of two machines, one of each architecture, from the fixtures.
func (s *manager) vault(t testing.TB) {
	listOf := func(names ...string) string {
		var all []string
		for _, n := range names {
			all = append(all, string(fixture(t, n)))
		}
		return `{"value":[` + strings.Join(all, ",") + `],"nextLink":null}`
	}
	s.handle("replicationProtectedItems", body(listOf("item-classic", "item-modernized")))
	s.handle("replicationJobs", body(listOf("job-failed")))
	s.handle("replicationFabrics", body(listOf("fabric-classic", "fabric-modernized")))
	s.handle("replicationPolicies", body(string(fixture(t, "policies"))))
	s.handle("replicationProtectionContainerMappings", body(string(fixture(t, "mappings"))))
	s.handle("replicationvCenters", body(string(fixture(t, "vcenters"))))
	s.handle("replicationRecoveryPlans", body(string(fixture(t, "plans"))))
}

func body(content string) http.HandlerFunc { return status(http.StatusOK, content) }

func status(code int, content string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, content)
	}
}

func (s *manager) client(t testing.TB, change ...func(*Options)) *Client {
	t.Helper()
	credential, err := Credential(s.token, "")
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Subscription: subscription, ResourceGroup: "rg-home", Vault: "vault-home",
		Credential: credential, Endpoint: s.URL, CAFile: s.caFile}
	for _, c := range change {
		c(&o)
	}
	c, err := newClient(o, policy.RetryOptions{RetryDelay: time.Millisecond, MaxRetryDelay: 2 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// clock stands still until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 3, 1, 18, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func with(c *clock) func(*Options) { return func(o *Options) { o.Now = c.now } }

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func decode[T any](t testing.TB, content []byte) *T {
	t.Helper()
	var v T
	if err := json.Unmarshal(content, &v); err != nil {
		t.Fatal(err)
	}
	return &v
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// wantFault checks class and code, and that no secret is told.
func wantFault(t testing.TB, err error, class observed.Class, code string) *observed.Fault {
	t.Helper()
	f, ok := observed.FaultOf(err)
	if !ok {
		t.Fatalf("error %v, want a fault %s", err, code)
	}
	if f.Class != class || f.Code != code {
		t.Errorf("fault %s %s, want %s %s: %v", f.Class, f.Code, class, code, err)
	}
	if f.What == "" || f.Remedy == "" {
		t.Errorf("fault without what or remedy: %+v", *f)
	}
	if strings.Contains(err.Error(), secret) {
		t.Errorf("the token is told: %v", err)
	}
	return f
}
