package deploy

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/internal/app"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/lab"
	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/preflight"
)

// The roles of deploy/azure/roles.json.
const (
	look, refresh, reprotect, surroundings = "look", "refresh", "reprotect", "surroundings"
)

// rolesOf is what each service's identity is given by site-recovery-roles.bicep; people who run preflights are as those
// that are not named.
func rolesOf(identity string) []string {
	switch identity {
	case "validator":
		return []string{look, surroundings, refresh}
	case "executor":
		return []string{look, surroundings, reprotect}
	case "notifier", "journal":
		return nil
	}
	return []string{look, surroundings}
}

func readRoles(t *testing.T) map[string][]string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(deploy, "azure", "roles.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]struct {
		Name, Description string
		Actions           []string
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	roles := map[string][]string{}
	for name, role := range file {
		if role.Name == "" || role.Description == "" || !slices.IsSorted(role.Actions) {
			t.Errorf("role %s has no name, no description, or its actions in no order: %+v", name, role)
		}
		roles[name] = role.Actions
	}
	return roles
}

// actionOf is the action of Azure's roles that a request needs; "" where none is (what Resource Graph tells is what the
// identity may read).
func actionOf(method, path string) string {
	const graph = "/providers/Microsoft.ResourceGraph/resources"
	if method == http.MethodPost && path == graph {
		return ""
	}
	_, rest, _ := strings.Cut(path, "/providers/")
	parts := strings.Split(rest, "/")
	action := parts[0]
	verb := "/action"
	if method == http.MethodGet {
		verb = "/read"
	}
	for i := 1; i < len(parts); i += 2 { // type, name, type, name, …
		action += "/" + parts[i]
	}
	return action + verb
}

func TestActionOf(t *testing.T) {
	const vault = "/subscriptions/s/resourceGroups/g/providers/Microsoft.RecoveryServices/vaults/v"
	for request, want := range map[string]string{
		"GET " + vault:                                      "Microsoft.RecoveryServices/vaults/read",
		"GET " + vault + "/replicationJobs":                 "Microsoft.RecoveryServices/vaults/replicationJobs/read",
		"GET " + vault + "/replicationJobs/j":               "Microsoft.RecoveryServices/vaults/replicationJobs/read",
		"POST " + vault + "/replicationJobs/j/cancel":       "Microsoft.RecoveryServices/vaults/replicationJobs/cancel/action",
		"DELETE " + vault + "/replicationJobs/j":            "Microsoft.RecoveryServices/vaults/replicationJobs/action", // of no role
		"POST /providers/Microsoft.ResourceGraph/resources": "",
	} {
		method, path, _ := strings.Cut(request, " ")
		if got := actionOf(method, path); got != want {
			t.Errorf("%s: %q, want %q", request, got, want)
		}
	}
}

// warden stands before the lab's Azure as Azure's roles do: each identity has an address of its own, and is refused what
// its roles do not allow.
type warden struct {
	t         *testing.T
	lab       *url.URL
	transport http.RoundTripper
	roles     map[string][]string

	mu    sync.Mutex
	asked map[string]map[string]bool // the actions that were asked for, by role
}

func newWarden(t *testing.T, azure lab.Azure) *warden {
	t.Helper()
	at, err := url.Parse(azure.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(azure.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return &warden{t: t, lab: at, transport: transport, roles: readRoles(t), asked: map[string]map[string]bool{}}
}

// as is the config under which an identity asks.
func (w *warden) as(c config.Config, identity string) config.Config {
	w.t.Helper()
	certificate, ca, err := lab.NewCertificate()
	if err != nil {
		w.t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Transport: w.transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(w.lab)
		r.Out.Host = r.In.Host // links in answers lead here again
	}}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		action := actionOf(r.Method, r.URL.Path)
		if !w.allows(identity, action) {
			w.t.Errorf("%s needs the action %s (%s %s), and no role of its identity has it", identity, action, r.Method, r.URL.Path)
			out.Header().Set("Content-Type", "application/json")
			out.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(out, `{"error":{"code":"AuthorizationFailed","message":"The client does not have authorization to perform action '%s'."}}`, action)
			return
		}
		proxy.ServeHTTP(out, r)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	w.t.Cleanup(server.Close)
	c.Azure.Endpoint, c.Azure.CAFile = server.URL, filepath.Join(w.t.TempDir(), "ca.pem")
	write(w.t, c.Azure.CAFile, string(ca))
	return c
}

func (w *warden) allows(identity, action string) bool {
	if action == "" {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, role := range rolesOf(identity) {
		// Azure's roles know no case.
		if i := slices.IndexFunc(w.roles[role], func(a string) bool { return strings.EqualFold(a, action) }); i >= 0 {
			if w.asked[role] == nil {
				w.asked[role] = map[string]bool{}
			}
			w.asked[role][w.roles[role][i]] = true
			return true
		}
	}
	return false
}

// B9: the roles of deploy/azure are what the product asks of Azure, no less and no more. Each service runs under an identity
// of its own before a vault that refuses what its roles do not have, through what makes it ask: both architectures, a
// retention drive that is missing, a case that is cancelled while its job runs, a stopped Azure VM, preflights of a plan,
// what is ready for failback, and failbacks, of which one is withdrawn and one committed.
func TestAzureRolesAreWhatTheProductAsksFor(t *testing.T) {
	if testing.Short() { // as the race detector is run: govmomi's simulator races in its own collectors of tasks
		t.Skip("runs the whole product")
	}
	s := scenario.Default(6)
	s.Speed = 600
	s.Times.Job = 2 * s.Times.Job // long enough to cancel one
	s.Plans = []scenario.Plan{{Name: "ERP", Machines: []string{"web01", "db01"}}}
	surroundings, err := lab.Start(t.Context(), lab.Options{Scenario: s, Dir: t.TempDir(), Bus: lab.BusNone})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(surroundings.Close)
	ready := surroundings.Ready()
	c, err := config.Load(ready.Config)
	if err != nil {
		t.Fatal(err)
	}
	w := newWarden(t, ready.Azure)
	do := func(action string, args ...string) {
		t.Helper()
		if err := lab.Do(t.Context(), filepath.Dir(ready.Config), action, args...); err != nil {
			t.Fatal(err)
		}
	}

	people := w.as(c, "people")
	if _, err := app.Preflight(t.Context(), people, preflight.Ask{Request: events.Request{Plan: "ERP"}}, zap.NewNop()); err != nil {
		t.Fatal(err)
	}
	do("set-azure-vm", "mail01", "stopped")
	if _, err := app.Preflight(t.Context(), people, preflight.Ask{Request: events.Request{Machines: []events.RequestMachine{{Name: "mail01"}}}}, zap.NewNop()); err != nil {
		t.Fatal(err)
	}

	servers := single(t)
	admin := open(t, servers.as(c, admin), zap.NewNop())
	if err := admin.SetUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	runServices(t, func(target string) config.Config { return servers.as(w.as(c, target), target) }, zap.NewNop())
	ops := open(t, servers.as(c, ops), zap.NewNop())
	ask := func(kind events.Kind, id, data string) {
		t.Helper()
		if err := ops.Publish(t.Context(), bus.Message{Subject: events.CommandSubject(kind), ID: id, Data: []byte(data)}); err != nil {
			t.Fatal(err)
		}
	}
	ask(events.TypeRequest.Kind, "r1", `{"machines":[{"name":"app01"}]}`)
	await(t, ops, "started", 1)
	ask(events.TypeCancel.Kind, "c1", `{"case":"r1--app01","reason":"a test"}`)
	await(t, ops, "cancelled", 1)
	do("remove-retention", "MT-LINUX-01")
	ask(events.TypeRequest.Kind, "r2", `{"machines":[{"name":"web01"},{"name":"db01"}]}`)
	await(t, ops, "waiting", 1)
	do("add-retention", "MT-LINUX-01")
	await(t, ops, "completed", 2)
	if all, err := app.Ready(t.Context(), people, "", zap.NewNop()); err != nil || len(all) == 0 {
		t.Fatalf("%d machines are ready, %v", len(all), err)
	}
	ask(events.TypeFailback.Kind, "f1", `{"ready":true}`)
	await(t, ops, "started", 5)
	for _, m := range []string{"web01", "db01"} { // their failback does, where the lab's vCenter shows it
		_ = lab.Do(t.Context(), filepath.Dir(ready.Config), "power-on", m)
	}
	await(t, ops, "home", 2)
	ask(events.TypeWithdraw.Kind, "u1", `{"machines":[{"name":"web01"}]}`)
	await(t, ops, "withdrawn", 1)
	ask(events.TypeCommit.Kind, "k1", `{"machines":[{"name":"db01"}]}`)
	await(t, ops, "committed", 1)

	w.mu.Lock()
	defer w.mu.Unlock()
	asked := map[string][]string{}
	for role, actions := range w.asked {
		asked[role] = slices.Sorted(maps.Keys(actions))
	}
	if diff := cmp.Diff(w.roles, asked); diff != "" {
		t.Errorf("deploy/azure/roles.json (-gives +asked for):\n%s", diff)
	}
}
