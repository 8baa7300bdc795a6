package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// minimal has what every config must have, and nothing else.
const minimal = `sites:
  tokyo:
    vault: {subscription: s, resourceGroup: rg, name: v}
    vcenter:
      url: https://vcenter.example/sdk
      username: reprotect@vsphere.local
      passwordFile: vcenter-password
`

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "reprotect.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadFull(t *testing.T) {
	t.Parallel()
	got, err := Load("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(here, "secrets", name) }
	want := Config{
		Bus: Bus{NATS: &NATS{
			URL:       "nats://nats-1.example:4222,nats://nats-2.example:4222,nats://nats-3.example:4222",
			CredsFile: in("reprotect.creds"), TLS: TLS{CAFile: in("nats-ca.pem")}, Replicas: 3,
		}},
		DataDir: filepath.Join(here, "data"),
		Azure:   Azure{Cloud: "public", Endpoint: "https://127.0.0.1:8443", CAFile: in("azure-ca.pem"), TokenFile: in("azure-token")},
		Sites: map[string]Site{"tokyo": {
			Name:   "tokyo",
			Vault:  Vault{Subscription: "00000000-0000-4000-8000-000000000001", ResourceGroup: "rg-failback", Name: "vault-tokyo"},
			Fabric: "CS-01",
			VCenter: VCenter{
				URL: "https://vcenter.tokyo.example/sdk", Username: "reprotect@vsphere.local", PasswordFile: in("vcenter-password"),
				Thumbprint: "AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD", CAFile: in("vcenter-ca.pem"),
			},
			Defaults: Defaults{
				MasterTarget: ByOS{Windows: "MT-WIN-01", Linux: "MT-LINUX-01"}, ProcessServer: "PS-AZ-01", Appliance: "ASR-APPL-01",
				Datastore: "auto", RetentionDrive: ByOS{Windows: "R", Linux: "/mnt/retention"},
				LogStorageAccount: "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-failback/providers/Microsoft.Storage/storageAccounts/failbacklogs",
			},
			Network: Network{Path: "expressroute", Probes: []Probe{{Name: "ps-to-cs", Address: "10.0.0.4:443"}}},
			Limits:  Limits{AgentWait: 20 * time.Minute, Look: 30 * time.Second, JobWait: 24 * time.Hour, StartsPerMinute: 60, Concurrent: 20},

			ConfigurationServerAddress: "10.0.0.4",
			MasterTargets:              map[string]string{"mt-linux-01.tokyo.example": "/DC-TOKYO/vm/asr/MT-LINUX-01"},
			Appliances:                 map[string]string{"ASR-APPL-01": "/DC-TOKYO/vm/asr/appliance"},
		}},
		Notify: []Notify{{Name: "ops", Kind: "teams", URLFile: in("teams-url"), Levels: []string{"warning", "critical"}, Lang: "ja", Detail: "story", Digest: 5 * time.Minute, Stale: time.Hour}},
		HTTP:   HTTP{Listen: "127.0.0.1:8480"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLoadDefaults(t *testing.T) {
	t.Parallel()
	path := write(t, minimal+`  osaka:
    vault: {subscription: s, resourceGroup: rg, name: v}
    vcenter: {url: https://vcenter.example, username: u, password: env:OSAKA}
    limits: {look: 5s}
notify:
  - {name: ops, kind: slack, url: env:SLACK}
`)
	got, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(filepath.Dir(path), "data"); got.DataDir != want {
		t.Errorf("dataDir %s, want %s", got.DataDir, want)
	}
	if got.HTTP.Listen != "127.0.0.1:8480" || got.Azure.Cloud != "public" || got.Bus != (Bus{}) {
		t.Errorf("%+v", got)
	}
	limits := Limits{AgentWait: 20 * time.Minute, Look: 30 * time.Second, JobWait: 24 * time.Hour, StartsPerMinute: 60, Concurrent: 20}
	if got.Sites["tokyo"].Limits != limits || got.Sites["tokyo"].Defaults.Datastore != "auto" {
		t.Errorf("tokyo: %+v", got.Sites["tokyo"])
	}
	if limits.Look = 5 * time.Second; got.Sites["osaka"].Limits != limits {
		t.Errorf("osaka: %+v", got.Sites["osaka"].Limits)
	}
	if diff := cmp.Diff([]Notify{{Name: "ops", Kind: "slack", URLEnv: "env:SLACK", Levels: []string{"warning", "critical"}, Lang: "en", Detail: "story", Digest: 5 * time.Minute, Stale: time.Hour}}, got.Notify); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"osaka", "tokyo"}, got.SiteNames()); diff != "" {
		t.Error(diff)
	}
}

func TestMergeKeysAndAliases(t *testing.T) {
	t.Parallel()
	got, err := Load(write(t, strings.Replace(minimal, "vault: {", "vault: &vault {", 1)+`    limits: &limits {look: 5s}
  osaka:
    vault: {<<: *vault, name: other}
    vcenter: {url: https://vcenter.example, username: u, passwordFile: p}
    limits: *limits
`))
	if err != nil {
		t.Fatal(err)
	}
	if osaka := got.Sites["osaka"]; osaka.Vault != (Vault{"s", "rg", "other"}) || osaka.Limits.Look != 5*time.Second {
		t.Errorf("%+v", osaka)
	}
	_, err = Load(write(t, strings.Replace(minimal, "vault: {", "vault: {<<: {vaultName: x}, ", 1)))
	if err == nil || !strings.Contains(err.Error(), "sites.tokyo.vault.vaultName: unknown key") {
		t.Errorf("an unknown key behind a merge: %v", err)
	}
}

// Each case changes the minimal config in one place, or is a whole file.
func TestProblems(t *testing.T) {
	t.Parallel()
	limits := func(values string) string { return minimal + "    limits: {" + values + "}\n" }
	for name, tc := range map[string]struct{ text, want string }{
		"empty":             {"", "the file is empty"},
		"only a comment":    {"# nothing\n", "the file is empty"},
		"no sites":          {"dataDir: x\n", "sites: name at least one site"},
		"not yaml":          {"sites: [", "line 1: "},
		"not a mapping":     {"- a\n", "line 1: must be a mapping"},
		"key twice":         {"dataDir: a\ndataDir: b\n", "line 2: mapping key \"dataDir\" already defined at line 1"},
		"unknown at top":    {minimal + "http: {listem: x}\n", "line 8: http.listem: unknown key; did you mean listen?"},
		"unknown in site":   {strings.Replace(minimal, "vcenter:", "vcentre:", 1), "line 4: sites.tokyo.vcentre: unknown key; did you mean vcenter?"},
		"wrong case":        {strings.Replace(minimal, "resourceGroup", "resourcegroup", 1), "did you mean resourceGroup?"},
		"nothing near":      {minimal + "logging: {}\n", "unknown key; known here are audit, azure, bus, dataDir, http, journal, notify, requestedBy, sites"},
		"token":             {minimal + "azure: {token: hunter2}\n", "azure.token: unknown key; did you mean tokenFile?"},
		"site name":         {strings.Replace(minimal, "tokyo", "Tokyo.1", 1), "use only a-z, 0-9 and -"},
		"password":          {strings.Replace(minimal, "passwordFile: vcenter-password", "password: hunter2", 1), "line 7: sites.tokyo.vcenter.password: a secret must not stand in this file"},
		"number password":   {strings.Replace(minimal, "passwordFile: vcenter-password", "password: 2718281", 1), "a secret must not stand"},
		"no password":       {strings.Replace(minimal, "      passwordFile: vcenter-password\n", "", 1), "line 4: sites.tokyo.vcenter: needs exactly one of password, passwordFile"},
		"two passwords":     {minimal + "      password: env:X\n", "needs exactly one of"},
		"connection string": {minimal + "bus: {serviceBus: {connectionString: hunter2}}\n", "name a file with connectionStringFile"},
		"webhook":           {minimal + "notify: [{name: a, kind: slack, url: \"https://hunter2\"}]\n", "notify[0].url: a secret"},
		"text wanted":       {strings.Replace(minimal, "name: v", "name: 12", 1), "sites.tokyo.vault.name: must be text; put it in quotes"},
		"number wanted":     {limits("concurrent: many"), "line 8: sites.tokyo.limits.concurrent: must be a whole number"},
		"number too large":  {limits("concurrent: 99999999999"), "and not so large"},
		"boolean wanted":    {minimal + "    strict: maybe\n", "sites.tokyo.strict: must be true or false"},
		"list wanted":       {minimal + "notify: {name: a}\n", "notify: must be a list"},
		"duration unit":     {limits("look: 30"), "sites.tokyo.limits.look: must be a duration with its unit"},
		"duration words":    {limits("look: soon"), "must be a duration"},
		"look of nothing":   {limits("look: 0s"), "sites.tokyo.limits.look: must be more than nothing"},
		"look left empty":   {limits("look: "), "sites.tokyo.limits.look: must be more than nothing"},
		"agent wait":        {limits("agentWait: 30s"), "sites.tokyo.limits.agentWait: must be longer than look (30s)"},
		"job wait":          {limits("jobWait: 10s"), "sites.tokyo.limits.jobWait: must be longer"},
		"no starts":         {limits("startsPerMinute: 0"), "startsPerMinute: must be at least 1"},
		"none at once":      {limits("concurrent: -1"), "concurrent: must be at least 1"},
		"vault":             {strings.Replace(minimal, "name: v", "name: \"\"", 1), "line 3: sites.tokyo.vault.name: is missing"},
		"vcenter":           {"sites: {a: {vault: {subscription: s, resourceGroup: r, name: v}}}\n", "line 1: sites.a.vcenter.url: is missing"},
		"vcenter by http":   {strings.Replace(minimal, "https:", "http:", 1), "must be an address such as https://host"},
		"user in the url":   {strings.Replace(minimal, "https://", "https://me:hunter2@", 1), "must not hold a user"},
		"thumbprint":        {minimal + "      thumbprint: AA:BB\n", "line 8: sites.tokyo.vcenter.thumbprint: must be a SHA-1 or SHA-256"},
		"network path":      {minimal + "    network: {path: carrier-pigeon}\n", "must be one of vpn, expressroute"},
		"probe":             {minimal + "    network: {probes: [{name: a, address: 10.0.0.4}]}\n", "sites.tokyo.network.probes[0].address: must be host:port"},
		"cloud":             {minimal + "azure: {cloud: mars}\n", "azure.cloud: must be one of public, usgov, china"},
		"endpoint":          {minimal + "azure: {endpoint: \"http://127.0.0.1\"}\n", "azure.endpoint: must be an address such as https://host"},
		"two buses":         {minimal + "bus: {nats: {url: \"nats://h\"}, serviceBus: {namespace: a.b}}\n", "bus: name one bus"},
		"nats url":          {minimal + "bus: {nats: {url: \"nats://a, http://b\"}}\n", "bus.nats.url: must be an address such as nats://host"},
		"nats password":     {minimal + "bus: {nats: {url: \"nats://me:hunter2@h\"}}\n", "bus.nats.url: must not hold a user"},
		"nats without url":  {minimal + "bus: {nats: {}}\n", "bus.nats.url: is missing"},
		"nats replicas":     {minimal + "bus: {nats: {url: \"nats://h\", replicas: 2}}\n", "bus.nats.replicas: must be 1, 3 or 5"},
		"nats user":         {minimal + "bus: {nats: {url: \"nats://h\", user: u}}\n", "bus.nats.user: needs passwordFile"},
		"nats both":         {minimal + "bus: {nats: {url: \"nats://h\", user: u, passwordFile: p, credsFile: c}}\n", "not both"},
		"server's address":  {minimal + "    configurationServerAddress: cs.tokyo.example\n", "line 8: sites.tokyo.configurationServerAddress: must be an IP address"},
		"service bus":       {minimal + "bus: {serviceBus: {namespace: \"sb://a.b/\"}}\n", "must be the host name alone"},
		"proxy alone":       {minimal + "bus: {serviceBus: {namespace: a.b, proxy: \"http://proxy:3128\"}}\n", "bus.serviceBus.proxy: takes AMQP through WebSockets only"},
		"proxy's password":  {minimal + "bus: {serviceBus: {namespace: a.b, webSockets: true, proxy: \"http://u:hunter2@proxy:3128\"}}\n", "bus.serviceBus.proxy: must not hold a user"},
		"no proxy":          {minimal + "bus: {serviceBus: {namespace: a.b, webSockets: true, proxy: proxy}}\n", "bus.serviceBus.proxy: must be an address such as http://host"},
		"notify kind":       {minimal + "notify: [{name: a, kind: pager, urlFile: f}]\n", "line 8: notify[0].kind: must be one of teams, slack, webhook, email, pagerduty, bus"},
		"notify level":      {minimal + "notify: [{name: a, kind: slack, urlFile: f, levels: [panic]}]\n", "notify[0].levels[0]: must be one of info, warning, critical"},
		"notify nothing":    {minimal + "notify: [{name: a, kind: slack, urlFile: f, levels: []}]\n", "nothing would be sent"},
		"notify detail":     {minimal + "notify: [{name: a, kind: bus, detail: all}]\n", "must be one of story, machine"},
		"notify bus":        {minimal + "notify: [{name: a, kind: bus, urlFile: f}]\n", "has no address here"},
		"notify secret":     {minimal + "notify: [{name: a, kind: teams, urlFile: f, secretFile: f}]\n", "only a webhook is signed"},
		"notify two":        {minimal + "notify: [{name: a, kind: webhook, urlFile: f, secretFile: f, secret: \"env:A\"}]\n", "use either secretFile or secret"},
		"notify channel":    {minimal + "notify: [{name: a, kind: teams, urlFile: f, channel: c}]\n", "only slack has a channel"},
		"notify digest":     {minimal + "notify: [{name: a, kind: bus, digest: 1ms}]\n", "notify[0].digest: must be at least 1s"},
		"notify stale":      {minimal + "notify: [{name: a, kind: bus, stale: 1s}]\n", "notify[0].stale: must be at least 1m"},
		"notify quiet":      {minimal + "notify: [{name: a, kind: slack, urlFile: f, quiet: \"22-7\"}]\n", "must be two times of the day"},
		"notify zone":       {minimal + "notify: [{name: a, kind: slack, urlFile: f, zone: Mars/Base}]\n", "unknown time zone Mars/Base"},
		"notify pattern":    {minimal + "notify: [{name: a, kind: slack, urlFile: f, route: {machines: [\"web[\"]}}]\n", "is no pattern"},
		"notify site":       {minimal + "notify: [{name: a, kind: slack, urlFile: f, route: {sites: [osaka]}}]\n", "the config has no such site"},
		"notify lang":       {minimal + "notify: [{name: a, kind: slack, urlFile: f, lang: fr}]\n", "must be one of en, ja"},
		"notify twice":      {minimal + "notify: [{name: a, kind: slack, urlFile: f}, {name: a, kind: slack, urlFile: f}]\n", "notify[1].name: another channel"},
		"listen":            {minimal + "http: {listen: 8480}\n", "http.listen: must be text"},
		"auth of nothing":   {minimal + "http: {auth: {}}\n", "http.auth: needs exactly one of proxy, tokenFile"},
		"auth twice":        {minimal + "http: {auth: {tokenFile: t, proxy: {userHeader: U, groupsHeader: G, from: [10.0.0.0/8], operators: [o]}}}\n", "http.auth: needs exactly one of"},
		"auth elsewhere":    {minimal + "http: {listen: \"0.0.0.0:8480\", auth: {tokenFile: t}}\n", "http.auth: needs http.publicURL"},
		"token in the file": {minimal + "http: {auth: {token: hunter2}}\n", "http.auth.token: unknown key; did you mean tokenFile?"},
		"public url":        {minimal + "http: {publicURL: reprotect.example.com}\n", "http.publicURL: must be an address"},
		"public path":       {minimal + "http: {publicURL: \"https://example.com/reprotect\"}\n", "must be the address alone"},
		"proxy from all":    {minimal + "http: {auth: {proxy: {userHeader: U, groupsHeader: G, operators: [o]}}}\n", "http.auth.proxy.from: is missing"},
		"proxy network":     {minimal + "http: {auth: {proxy: {userHeader: U, groupsHeader: G, from: [10.0.0.4], operators: [o]}}}\n", "http.auth.proxy.from[0]: must be a network"},
		"proxy for nobody":  {minimal + "http: {auth: {proxy: {userHeader: U, groupsHeader: G, from: [10.0.0.0/8]}}}\n", "http.auth.proxy.operators: is missing"},
		"proxy user":        {minimal + "http: {auth: {proxy: {groupsHeader: G, from: [10.0.0.0/8], operators: [o]}}}\n", "http.auth.proxy.userHeader: is missing"},
		"proxy groups":      {minimal + "http: {auth: {proxy: {userHeader: U, from: [10.0.0.0/8], operators: [o]}}}\n", "http.auth.proxy.groupsHeader: is missing"},
		"listen port":       {minimal + "http: {listen: \"127.0.0.1:http\"}\n", "http.listen: must be host:port"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Load(write(t, tc.text))
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("error %v, config %+v", err, got)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "2718281") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

func TestEveryProblemAtOnce(t *testing.T) {
	t.Parallel()
	_, err := Load(write(t, strings.Replace(minimal, "https:", "ftp:", 1)+"    limits: {look: -1s}\nazure: {cloud: mars}\n"))
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatal(err)
	}
	var at []string
	for _, p := range problems.List {
		at = append(at, fmt.Sprint(p.Line, " ", p.Path))
	}
	if diff := cmp.Diff([]string{"5 sites.tokyo.vcenter.url", "8 sites.tokyo.limits.look", "9 azure.cloud"}, at); diff != "" {
		t.Error(diff)
	}
	if got := strings.Count(err.Error(), "\n"); got != len(at) {
		t.Errorf("%d lines for %d problems: %v", got, len(at), err)
	}
}

func TestPath(t *testing.T) {
	t.Setenv("REPROTECT_CONFIG", "")
	if got := Path(""); got != "reprotect.yaml" {
		t.Errorf("nothing was told: %s", got)
	}
	t.Setenv("REPROTECT_CONFIG", "lab/reprotect.yaml")
	if got := Path(""); got != "lab/reprotect.yaml" {
		t.Errorf("the variable is not read: %s", got)
	}
	if got := Path("other.yaml"); got != "other.yaml" {
		t.Errorf("the flag does not go first: %s", got)
	}
}

func TestNoFile(t *testing.T) {
	t.Parallel()
	if _, err := Load(filepath.Join(t.TempDir(), "none.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestSecrets(t *testing.T) {
	t.Setenv("REPROTECT_TEST_SLACK", "https://hooks.example/1")
	path := write(t, minimal+"notify: [{name: ops, kind: slack, url: env:REPROTECT_TEST_SLACK}]\nbus: {nats: {url: \"nats://h\", user: u, passwordFile: nats-password}}\n")
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	put := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	if _, err := c.VCenterPassword("tokyo"); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "sites.tokyo.vcenter.passwordFile") {
		t.Errorf("no file yet: %v", err)
	}
	put("vcenter-password", "\n")
	if _, err := c.VCenterPassword("tokyo"); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("an empty file: %v", err)
	}
	if err := c.CheckSecrets(); err == nil || !strings.Contains(err.Error(), "bus.nats.passwordFile") || !strings.Contains(err.Error(), "tokyo") {
		t.Errorf("not every secret that is missing: %v", err)
	}
	put("vcenter-password", " p w \r\n")
	put("nats-password", "n")
	if got, err := c.VCenterPassword("tokyo"); err != nil || got != " p w " {
		t.Errorf("%q %v", got, err)
	}
	if got, err := c.NATSPassword(); err != nil || got != "n" {
		t.Errorf("%q %v", got, err)
	}
	if got, err := c.NotifyURL("ops"); err != nil || got != "https://hooks.example/1" {
		t.Errorf("%q %v", got, err)
	}
	if got, err := c.ServiceBusConnectionString(); err != nil || got != "" {
		t.Errorf("%q %v", got, err)
	}
	if err := c.CheckSecrets(); err != nil {
		t.Error(err)
	}

	if _, err := c.NotifyURL("nobody"); err == nil {
		t.Error("a channel that does not exist has an address")
	}
	t.Setenv("REPROTECT_TEST_SLACK", "")
	if _, err := c.NotifyURL("ops"); err == nil || !strings.Contains(err.Error(), "REPROTECT_TEST_SLACK") {
		t.Errorf("no variable: %v", err)
	}
}

func TestAuth(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "token"), []byte("open sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "reprotect.yaml")
	if err := os.WriteFile(path, []byte(minimal+"http: {listen: \"0.0.0.0:8480\", publicURL: \"https://reprotect.example.com\", auth: {tokenFile: token}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if token, err := c.HTTPToken(); token != "open sesame" || err != nil {
		t.Errorf("token %q, %v", token, err)
	}
	if c.HTTP.OnLoopback() {
		t.Error("0.0.0.0 passes for loopback")
	}
	for _, listen := range []string{"127.0.0.1:1", "localhost:1", "[::1]:1", "127.9.9.9:0"} {
		if !(HTTP{Listen: listen}).OnLoopback() {
			t.Errorf("%s is on loopback", listen)
		}
	}
	for _, listen := range []string{":8480", "10.0.0.1:1", "[::]:1", "localhost.example.com:1", ""} {
		if (HTTP{Listen: listen}).OnLoopback() {
			t.Errorf("%q passes for loopback", listen)
		}
	}
}
