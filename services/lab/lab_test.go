package lab_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"reprotect.example/events/bus/jetstream"
	"reprotect.example/services/internal/asr"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/internal/vsphere"
	"reprotect.example/services/lab"
	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/observed"
)

// The simulated vCenter keeps state per process, so these tests run one after the other.

func start(t *testing.T, o lab.Options) *lab.Lab {
	t.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "lab")
	}
	if o.Scenario.Vault == "" {
		o.Scenario = scenario.Default(4)
	}
	l, err := lab.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func load(t *testing.T, r lab.Ready) config.Config {
	t.Helper()
	c, err := config.Load(r.Config)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CheckSecrets(); err != nil {
		t.Fatal(err)
	}
	return c
}

// vaultOf makes the real client from what the config says.
func vaultOf(t *testing.T, c config.Config) *asr.Client {
	t.Helper()
	credential, err := asr.Credential(c.Azure.TokenFile, "")
	if err != nil {
		t.Fatal(err)
	}
	site := c.Sites["tokyo"]
	client, err := asr.New(asr.Options{
		Subscription: site.Vault.Subscription, ResourceGroup: site.Vault.ResourceGroup, Vault: site.Vault.Name,
		Credential: credential, Endpoint: c.Azure.Endpoint, Cloud: c.Azure.Cloud, CAFile: c.Azure.CAFile,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func vcenterOf(t *testing.T, c config.Config) *vsphere.Client {
	t.Helper()
	password, err := c.VCenterPassword("tokyo")
	if err != nil {
		t.Fatal(err)
	}
	v := c.Sites["tokyo"].VCenter
	client, err := vsphere.New(vsphere.Options{URL: v.URL, Username: v.Username, Password: password, CAFile: v.CAFile})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(context.Background()) })
	return client
}

func do(t *testing.T, l *lab.Lab, action string, args ...string) {
	t.Helper()
	if err := lab.Do(t.Context(), filepath.Dir(l.Ready().Config), action, args...); err != nil {
		t.Fatal(err)
	}
}

func TestWrittenConfig(t *testing.T) {
	s := scenario.Default(4)
	s.Speed = 60
	l := start(t, lab.Options{Scenario: s})
	r := l.Ready()
	c := load(t, r)
	dir := filepath.Dir(r.Config)
	want := config.Config{
		Bus:     config.Bus{NATS: &config.NATS{URL: r.NATS.URL, Replicas: 1}},
		DataDir: filepath.Join(dir, "data"),
		Azure:   config.Azure{Cloud: "public", Endpoint: r.Azure.Endpoint, CAFile: filepath.Join(dir, "ca.pem"), TokenFile: filepath.Join(dir, "azure-token")},
		Sites: map[string]config.Site{"tokyo": {
			Name:  "tokyo",
			Vault: config.Vault{Subscription: s.Subscription, ResourceGroup: s.ResourceGroup, Name: s.Vault},
			VCenter: config.VCenter{
				URL: r.VCenter.URL, Username: r.VCenter.Username,
				PasswordFile: filepath.Join(dir, "vcenter-password"), CAFile: filepath.Join(dir, "ca.pem"),
			},
			Defaults: config.Defaults{
				MasterTarget: config.ByOS{Windows: "MT-WIN-01", Linux: "MT-LINUX-01"}, ProcessServer: "PS-AZ-01", Appliance: "ASR-APPL-01",
				Datastore: "auto", RetentionDrive: config.ByOS{Windows: "R", Linux: "/mnt/retention"}, LogStorageAccount: l.Azure().LogStorage(),
				RunAsAccount: config.ByOS{Windows: "windows", Linux: "linux"},
			},
			Network: config.Network{Path: "expressroute", Probes: []config.Probe{{Name: "ps-to-cs", Address: c.Sites["tokyo"].Network.Probes[0].Address}}},

			ConfigurationServerAddress: l.Azure().Address("CS-01"),
			Limits:                     config.Limits{AgentWait: 30 * time.Second, Look: 500 * time.Millisecond, JobWait: 24 * time.Hour, StartsPerMinute: 3600, Concurrent: 20},
		}},
		HTTP: config.HTTP{Listen: "127.0.0.1:0"},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"azure-token", "vcenter-password", "lab.json"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v", name, info.Mode())
		}
	}
}

func TestVeryFastLabStillLooksAndWaits(t *testing.T) {
	s := scenario.Default(1)
	s.Speed = 100_000
	limits := load(t, start(t, lab.Options{Scenario: s}).Ready()).Sites["tokyo"].Limits
	if limits.Look != 50*time.Millisecond || limits.AgentWait != 30*time.Second {
		t.Errorf("%+v", limits)
	}
}

func TestReadyLine(t *testing.T) {
	r := start(t, lab.Options{}).Ready()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(r.Config)
	var got any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	type object = map[string]any
	want := object{
		"config": filepath.Join(dir, "reprotect.yaml"),
		"azure": object{
			"endpoint": r.Azure.Endpoint, "tokenFile": filepath.Join(dir, "azure-token"), "caFile": filepath.Join(dir, "ca.pem"),
			"subscription": "00000000-0000-4000-8000-000000000001", "resourceGroup": "rg-failback", "vault": "vault-tokyo",
		},
		"vcenter":  object{"url": r.VCenter.URL, "username": r.VCenter.Username, "password": r.VCenter.Password, "caFile": filepath.Join(dir, "ca.pem")},
		"nats":     object{"url": r.NATS.URL},
		"machines": []any{"web01", "db01", "app01", "mail01"},
		"control":  r.Control, "probes": r.Probes,
	}
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Error(diff)
	}
	for what, pair := range map[string][2]string{
		"azure": {r.Azure.Endpoint, "https://127.0.0.1:"}, "vcenter": {r.VCenter.URL, "https://127.0.0.1:"},
		"nats": {r.NATS.URL, "nats://127.0.0.1:"}, "control": {r.Control, "https://127.0.0.1:"},
	} {
		if !strings.HasPrefix(pair[0], pair[1]) {
			t.Errorf("%s at %s", what, pair[0])
		}
	}
}

func TestRealClientsSeeOneSite(t *testing.T) {
	l := start(t, lab.Options{})
	c := load(t, l.Ready())
	vault, err := vaultOf(t, c).Vault(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var query observed.Query
	var items []string
	for _, item := range vault.Items {
		items = append(items, item.Name)
		query.VMs = append(query.VMs, observed.VMRef{Name: item.Name})
	}
	slices.Sort(items)
	machines := slices.Sorted(slices.Values(l.Ready().Machines))
	if diff := cmp.Diff(machines, items); diff != "" {
		t.Error(diff)
	}
	inventory, err := vcenterOf(t, c).Inventory(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range machines {
		if len(inventory.VM(observed.VMRef{Name: name})) != 1 {
			t.Errorf("vCenter does not know %s", name)
		}
	}
	if len(vault.VCenters) == 0 || !strings.Contains(l.Ready().VCenter.URL, vault.VCenters[0].Address) {
		t.Errorf("the vault's vCenters are %+v, the lab's is at %s", vault.VCenters, l.Ready().VCenter.URL)
	}
}

func TestBusTakesTheTopology(t *testing.T) {
	l := start(t, lab.Options{})
	conn, err := jetstream.Connect(jetstream.Options{URL: load(t, l.Ready()).Bus.NATS.URL, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetUp(t.Context(), jetstream.Topology(1)); err != nil {
		t.Fatal(err)
	}
	kept, err := filepath.Glob(filepath.Join(filepath.Dir(l.Ready().Config), "nats", "jetstream", "*", "streams", "REPROTECT"))
	if err != nil || len(kept) != 1 {
		t.Errorf("the event log is not kept in the lab's folder: %v %v", kept, err)
	}
}

func TestNoBus(t *testing.T) {
	l := start(t, lab.Options{Bus: lab.BusNone})
	if l.Ready().NATS != nil {
		t.Errorf("a bus at %s", l.Ready().NATS.URL)
	}
	if c := load(t, l.Ready()); c.Bus != (config.Bus{}) {
		t.Errorf("%+v", c.Bus)
	}
}

func TestActionsChangeBothSimulators(t *testing.T) {
	l := start(t, lab.Options{})
	c := load(t, l.Ready())

	if m, err := l.Azure().Machine("web01"); err != nil || m.AgentRegistered {
		t.Fatalf("agent of web01 before: %+v %v", m, err)
	}
	do(t, l, "register-agent", "web01")
	if m, err := l.Azure().Machine("web01"); err != nil || !m.AgentRegistered {
		t.Errorf("agent of web01 after: %+v %v", m, err)
	}

	center := vcenterOf(t, c)
	snapshots := func() int {
		t.Helper()
		inventory, err := center.Inventory(t.Context(), observed.Query{VMs: []observed.VMRef{{Name: "MT-LINUX-01"}}})
		if err != nil {
			t.Fatal(err)
		}
		vms := inventory.VM(observed.VMRef{Name: "MT-LINUX-01"})
		if len(vms) != 1 {
			t.Fatalf("%d master targets", len(vms))
		}
		return len(vms[0].Snapshots)
	}
	if n := snapshots(); n != 0 {
		t.Fatalf("%d snapshots before", n)
	}
	do(t, l, "add-snapshot", "MT-LINUX-01", "before patching")
	if n := snapshots(); n != 1 {
		t.Errorf("%d snapshots after", n)
	}

	n, err := lab.Submissions(t.Context(), filepath.Dir(l.Ready().Config))
	if err != nil || len(n) != 0 {
		t.Errorf("submissions %v %v", n, err)
	}
}

func TestSubmissionIsCounted(t *testing.T) {
	l := start(t, lab.Options{})
	do(t, l, "register-agent", "web01")
	client := vaultOf(t, load(t, l.Ready()))
	vault, err := client.Vault(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(vault.Items, func(i observed.Item) bool { return i.Name == "web01" })
	agents := vault.Fabrics[slices.IndexFunc(vault.Fabrics, func(f observed.Fabric) bool { return len(f.Appliances) > 0 })].Appliances
	if _, err := client.Reprotect(t.Context(), observed.Reprotect{
		Item: vault.Items[i], ApplianceID: agents[0].ID, Datastore: "VMFS-01", LogStorage: l.Azure().LogStorage(),
	}); err != nil {
		t.Fatal(err)
	}
	n, err := lab.Submissions(t.Context(), filepath.Dir(l.Ready().Config))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"web01": 1}, n); diff != "" {
		t.Error(diff)
	}
}

func TestActionsAreListedOnce(t *testing.T) {
	l := start(t, lab.Options{})
	list, err := lab.Actions(t.Context(), filepath.Dir(l.Ready().Config))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, a := range list {
		if seen[a.Name] || a.Help == "" {
			t.Errorf("%+v", a)
		}
		seen[a.Name] = true
	}
	for _, name := range []string{"register-agent", "stop-heartbeat", "throttle", "fail-next", "add-snapshot", "remove-snapshot", "power-on"} {
		if !seen[name] {
			t.Errorf("%s is not listed", name)
		}
	}
}

func TestRefusals(t *testing.T) {
	l := start(t, lab.Options{})
	dir := filepath.Dir(l.Ready().Config)
	for want, call := range map[string]func() error{
		`"make-tea" is not an action`:  func() error { return lab.Do(t.Context(), dir, "make-tea") },
		"register-agent wants MACHINE": func() error { return lab.Do(t.Context(), dir, "register-agent") },
		"nobody":                       func() error { return lab.Do(t.Context(), dir, "power-on", "nobody") },
		"no lab runs in":               func() error { return lab.Do(t.Context(), t.TempDir(), "power-on", "web01") },
		"already runs in": func() error {
			_, err := lab.Start(t.Context(), lab.Options{Scenario: scenario.Default(1), Dir: dir})
			return err
		},
		"use nats, servicebus, none": func() error {
			_, err := lab.Start(t.Context(), lab.Options{Dir: t.TempDir(), Bus: "pigeon"})
			return err
		},
		"not on loopback": func() error {
			_, err := lab.Start(t.Context(), lab.Options{Dir: t.TempDir(), Listen: "0.0.0.0:0"})
			return err
		},
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, refused := errors.AsType[lab.Refusal](lab.Do(t.Context(), dir, "power-on", "nobody")); !refused {
		t.Error("what the lab refuses is not told from a lab that does not answer")
	}
	if err := lab.Do(t.Context(), dir, "power-on", "web01"); err != nil {
		t.Errorf("the lab was harmed: %v", err)
	}
}

func TestControlOverHTTPS(t *testing.T) {
	l := start(t, lab.Options{})
	dir := filepath.Dir(l.Ready().Config)
	var handle struct{ Control, Token, CAFile string }
	text, err := os.ReadFile(filepath.Join(dir, "lab.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &handle); err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(handle.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}

	for name, tc := range map[string]struct {
		authorization, method, path, body string
		status                            int
	}{
		"no token":       {"", "GET", "/actions", "", 401},
		"wrong token":    {"Bearer wrong", "POST", "/do", `{"action": "register-agent", "args": ["web01"]}`, 401},
		"not as bearer":  {"Basic " + handle.Token, "GET", "/actions", "", 401},
		"right token":    {"Bearer " + handle.Token, "GET", "/submissions", "", 200},
		"not JSON":       {"Bearer " + handle.Token, "POST", "/do", `register-agent`, 400},
		"unknown member": {"Bearer " + handle.Token, "POST", "/do", `{"do": "register-agent"}`, 400},
		"impossible":     {"Bearer " + handle.Token, "POST", "/do", `{"action": "register-agent", "args": ["nobody"]}`, 422},
		"wrong method":   {"Bearer " + handle.Token, "GET", "/do", "", 405},
	} {
		request, err := http.NewRequestWithContext(t.Context(), tc.method, handle.Control+tc.path, strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", tc.authorization)
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != tc.status {
			t.Errorf("%s: %s %s", name, response.Status, body)
		}
		if strings.Contains(string(body), handle.Token) {
			t.Errorf("%s: the answer shows the token", name)
		}
	}
	if m, _ := l.Azure().Machine("web01"); m.AgentRegistered {
		t.Error("an action was done without the token")
	}
}

func TestListenAndRestartInTheSameFolder(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	dir := t.TempDir()
	first, err := lab.Start(t.Context(), lab.Options{Scenario: scenario.Default(2), Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimPrefix(first.Ready().Control, "https://")
	first.Close()
	first.Close()
	if err := lab.Do(t.Context(), dir, "register-agent", "web01"); err == nil || !strings.Contains(err.Error(), "no lab runs") {
		t.Errorf("a closed lab: %v", err)
	}
	if entries, _ := filepath.Glob(filepath.Join(dir, "lab.json")); len(entries) > 0 {
		t.Error("lab.json stayed")
	}

	second, err := lab.Start(t.Context(), lab.Options{Scenario: scenario.Default(2), Dir: dir, Listen: address})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if diff := cmp.Diff(first.Ready(), second.Ready(), cmpopts.IgnoreFields(lab.Ready{}, "Azure.Endpoint", "VCenter.URL", "NATS", "Probes")); diff != "" {
		t.Error(diff)
	}
	if err := lab.Do(t.Context(), dir, "register-agent", "web01"); err != nil {
		t.Error(err)
	}
}

func TestFailedStartLeavesNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "reprotect.yaml"), 0o700); err != nil { // where a file is to be written, at the very end
		t.Fatal(err)
	}
	if _, err := lab.Start(t.Context(), lab.Options{Scenario: scenario.Default(1), Dir: dir}); err == nil {
		t.Fatal("started without a config")
	}
	if _, err := os.Stat(filepath.Join(dir, "lab.json")); err == nil {
		t.Error("lab.json was written")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lab.Start(ended, lab.Options{Scenario: scenario.Default(1), Dir: t.TempDir()}); err == nil {
		t.Error("started after its context ended")
	}
}
