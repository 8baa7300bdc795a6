package asrsim

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"reprotect.example/services/lab/scenario"
)

const modernizedBody = `{"properties":{"failoverDirection":"RecoveryToPrimary","providerSpecificDetails":{"instanceType":"InMageRcm",
	"datastoreName":"VMFS-01","logStorageAccountId":"STORAGE","reprotectAgentId":"AGENT"}}}`

func (l *lab) modernizedBody() string {
	return strings.NewReplacer("STORAGE", l.sim.LogStorage(), "AGENT", l.sc.UUID("appliance", "ASR-APPL-01")).Replace(modernizedBody)
}

func TestAcceptedReprotectHasTheRecordedHeaders(t *testing.T) {
	t.Parallel()
	l := standard(t)
	l.advance(12 * time.Minute)
	id := *l.item("web01").ID
	resp, body := l.send("POST", id+"/reProtect?api-version=2025-01-01", l.modernizedBody(), nil)
	if resp.StatusCode != http.StatusAccepted || body != nil || resp.ContentLength != 0 {
		t.Fatalf("%s, body %v", resp.Status, body)
	}
	if got := resp.Header.Get("Retry-After"); got != "30" {
		t.Errorf("Retry-After: %s", got)
	}
	guid := `[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`
	vault := regexp.QuoteMeta(strings.TrimSuffix(l.sim.id(), "/"))
	signed := `\?api-version=2025-01-01&t=\d+&c=[\w-]{100,}&s=[\w-]+&h=[\w-]+$`
	for header, want := range map[string]string{
		"x-ms-request-id":      "^" + vault + "/replicationJobs/" + guid + "$",
		"Azure-AsyncOperation": "^" + l.http.URL + vault + "/replicationOperationStatus/" + guid + signed,
		"Location":             "^" + l.http.URL + regexp.QuoteMeta(id) + "/operationresults/" + guid + signed,
		"x-ms-ratelimit-remaining-subscription-writes": `^\d+$`,
	} {
		if got := resp.Header.Get(header); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s: %s", header, got)
		}
	}

	status := l.get(resp.Header.Get("Azure-AsyncOperation"))
	if status["status"] != "InProgress" || status["endTime"] != nil || status["percentComplete"] != nil || status["error"] != nil {
		t.Errorf("status %v", status)
	}
	if pending, _ := l.send("GET", resp.Header.Get("Location"), "", nil); pending.StatusCode != http.StatusAccepted || pending.Header.Get("Location") == "" {
		t.Errorf("results while it runs: %s", pending.Status)
	}
	l.advance(12 * time.Minute)
	if done := l.get(resp.Header.Get("Location")); done["id"] != id {
		t.Errorf("result %v", done["id"])
	}
}

func TestOddCaseOfPathsAndIds(t *testing.T) {
	t.Parallel()
	l := standard(t)
	id := *l.item("web01").ID
	if !strings.HasPrefix(id, "/Subscriptions/") {
		t.Errorf("ids are spelt %s", id)
	}
	for _, path := range []string{strings.ToLower(id), strings.ToUpper(id), id + "/"} {
		if got := l.get(path + "?api-version=2025-01-01"); got["id"] != id {
			t.Errorf("%s is answered with %v", path, got["id"])
		}
	}
	body := strings.ReplaceAll(l.modernizedBody(), l.sim.LogStorage(), strings.ToUpper(l.sim.LogStorage()))
	l.advance(12 * time.Minute)
	if resp, got := l.send("POST", strings.ToLower(id)+"/REPROTECT?api-version=2025-01-01", body, nil); resp.StatusCode != http.StatusAccepted {
		t.Errorf("%s %v", resp.Status, got)
	}
}

func TestErrorsOfAzureResourceManager(t *testing.T) {
	t.Parallel()
	l := standard(t)
	vault := strings.TrimSuffix(l.sim.id(), "/")
	version := "?api-version=2025-01-01"
	item := *l.item("web01").ID
	for _, c := range []struct {
		method, path string
		status       int
		code, inner  string
	}{
		{"GET", vault + "/replicationJobs", 400, "MissingApiVersionParameter", ""},
		{"GET", vault + "/replicationJobs?api-version=yesterday", 400, "InvalidApiVersionParameter", ""},
		{"GET", strings.Replace(vault, l.sc.Subscription, "other", 1) + "/replicationJobs" + version, 404, "SubscriptionNotFound", ""},
		{"GET", strings.Replace(vault, l.sc.ResourceGroup, "other", 1) + "/replicationJobs" + version, 404, "ResourceGroupNotFound", ""},
		{"GET", strings.Replace(vault, l.sc.Vault, "other", 1) + "/replicationJobs" + version, 404, "ResourceNotFound", ""},
		{"GET", strings.Replace(vault, "Microsoft.RecoveryServices", "Contoso.Other", 1) + "/replicationJobs" + version, 404, "InvalidResourceNamespace", ""},
		{"GET", "/health" + version, 404, "InvalidResourceType", ""},
		{"GET", vault + "/replicationMagic" + version, 404, "InvalidResourceType", ""},
		{"PUT", item + version, 405, "MethodNotAllowed", ""},
		{"GET", item + "/reProtect" + version, 405, "MethodNotAllowed", ""},
		{"GET", item + "x" + version, 404, "NotFound", "ArmResourceDoesNotExist"},
		{"POST", item + "x/reProtect" + version, 404, "NotFound", "ArmResourceDoesNotExist"},
		{"GET", vault + "/replicationJobs/none" + version, 404, "NotFound", "ArmResourceDoesNotExist"},
		{"POST", vault + "/replicationJobs/none/cancel" + version, 404, "NotFound", "ArmResourceDoesNotExist"},
		{"GET", vault + "/replicationOperationStatus/none" + version, 404, "NotFound", "ArmResourceDoesNotExist"},
		{"GET", vault + "/replicationFabrics/none" + version, 404, "NotFound", "ArmResourceDoesNotExist"},
		{"GET", vault + "/replicationFabrics/none/replicationvCenters" + version, 404, "NotFound", "ArmResourceDoesNotExist"},
		{"GET", vault + "/replicationPolicies/none" + version, 404, "NotFound", "ArmResourceDoesNotExist"},
		{"GET", vault + "/replicationRecoveryPlans/none" + version, 404, "NotFound", "ArmResourceDoesNotExist"},
		{"GET", vault + "/replicationProtectedItems" + version + "&skipToken=rubbish", 400, "BadRequest", "506"},
	} {
		resp, body := l.send(c.method, c.path, "", nil)
		e, _ := body["error"].(map[string]any)
		inner := ""
		if details, hasDetails := e["details"].([]any); hasDetails {
			inner, _ = details[0].(map[string]any)["code"].(string)
		}
		if resp.StatusCode != c.status || e["code"] != c.code || inner != c.inner || e["message"] == "" {
			t.Errorf("%s %s: %d %v", c.method, c.path, resp.StatusCode, body)
		}
		if resp.StatusCode == 405 && resp.Header.Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", c.method, c.path)
		}
		if !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") || resp.Header.Get("x-ms-request-id") == "" {
			t.Errorf("%s %s: headers %v", c.method, c.path, resp.Header)
		}
	}
}

func TestTokenIsDemanded(t *testing.T) {
	t.Parallel()
	l := standard(t)
	path := l.path("replicationJobs")
	for code, authorization := range map[string]string{
		"AuthenticationFailed": "", "InvalidAuthenticationToken": "Bearer of-somebody-else",
	} {
		resp, body := l.send("GET", path, "", http.Header{"Authorization": {authorization}})
		if e := body["error"].(map[string]any); resp.StatusCode != http.StatusUnauthorized || e["code"] != code {
			t.Errorf("%q: %s %v", authorization, resp.Status, e)
		}
		if got := resp.Header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer authorization_uri=") {
			t.Errorf("%q: WWW-Authenticate %q", authorization, got)
		}
	}
	_, err := l.client("wrong").NewReplicationJobsClient().Get(t.Context(), l.sc.ResourceGroup, l.sc.Vault, "x", nil)
	if status, code, _ := codes(t, err); status != http.StatusUnauthorized || code != "InvalidAuthenticationToken" {
		t.Errorf("the SDK sees %d %s", status, code)
	}
	l.sim.Unauthorize(true)
	_, err = l.sdk.NewReplicationJobsClient().Get(t.Context(), l.sc.ResourceGroup, l.sc.Vault, "x", nil)
	if status, code, _ := codes(t, err); status != http.StatusUnauthorized || code != "ExpiredAuthenticationToken" {
		t.Errorf("after Unauthorize the SDK sees %d %s", status, code)
	}
	l.sim.Unauthorize(false)
	l.get(path)
	if n := l.sim.Requests()["unauthorized"]; n != 4 {
		t.Errorf("%d requests counted as unauthorized", n)
	}
}

func TestThrottle(t *testing.T) {
	t.Parallel()
	l := standard(t)
	path := l.path("replicationJobs")
	l.sim.Throttle(2, 1500*time.Millisecond)
	for range 2 {
		resp, body := l.send("GET", path, "", nil)
		if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "2" || body["error"] == nil {
			t.Errorf("%s, Retry-After %q", resp.Status, resp.Header.Get("Retry-After"))
		}
	}
	l.get(path)
	l.sim.Down(true)
	if resp, _ := l.send("GET", path, "", nil); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("down: %s", resp.Status)
	}
	l.sim.Down(false)
	l.get(path)
	if l.sim.Reads() != 5 || l.sim.Writes() != 0 || l.sim.Requests()["jobs"] != 2 || l.sim.Requests()["throttled"] != 2 || l.sim.Requests()["down"] != 1 {
		t.Errorf("counted %d reads, %d writes, %v", l.sim.Reads(), l.sim.Writes(), l.sim.Requests())
	}
}

func TestTokenBucket(t *testing.T) {
	t.Parallel()
	l := newLab(t, scenario.Default(1), Options{Limit: Limit{ReadBurst: 3, ReadsPerSecond: 0.5, WriteBurst: 1, WritesPerSecond: 1}})
	path := l.path("replicationJobs")
	for range 3 {
		l.get(path)
	}
	resp, _ := l.send("GET", path, "", nil)
	if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "2" {
		t.Errorf("%s, Retry-After %q", resp.Status, resp.Header.Get("Retry-After"))
	}
	if resp, _ := l.send("POST", l.path("replicationJobs/x/cancel"), "", nil); resp.StatusCode != http.StatusNotFound {
		t.Errorf("writes have a bucket of their own, but: %s", resp.Status)
	}
	l.advance(2 * time.Second)
	l.get(path)
}

func TestPaging(t *testing.T) {
	t.Parallel()
	l := newLab(t, scenario.Default(23), Options{PageSize: 5})
	if n := len(l.items()); n != 23 {
		t.Errorf("%d items", n)
	}
	pages := 0
	for next := l.path("replicationProtectedItems"); next != ""; pages++ {
		body := l.get(next)
		next, _ = body["nextLink"].(string)
		if n := len(body["value"].([]any)); n > 5 {
			t.Errorf("%d items on a page", n)
		}
		if next != "" {
			if u, err := url.Parse(next); err != nil || !u.IsAbs() || u.Query().Get("api-version") == "" {
				t.Errorf("nextLink %s", next)
			}
		}
	}
	if pages != 5 {
		t.Errorf("%d pages", pages)
	}
	container := strings.Split(*l.item("db01").ID, "/replicationProtectedItems")[0]
	body := l.get(container + "/replicationProtectedItems?api-version=2025-01-01")
	if next, _ := body["nextLink"].(string); !strings.Contains(next, "/replicationProtectionContainers/") {
		t.Errorf("nextLink of a container's items: %v", body["nextLink"])
	}
}

// A list that is read while it changes has everything that was there from the first page to the last, once.
func TestPagesHoldWhileThingsChange(t *testing.T) {
	t.Parallel()
	sc := scenario.Default(12)
	for i := range sc.Machines {
		sc.Machines[i].Agent = -1
	}
	l := newLab(t, sc, Options{PageSize: 4})
	for _, m := range sc.Machines[:6] {
		l.mustReprotect(m.Name)
		l.advance(time.Second)
	}
	seen := map[string]int{}
	page := l.get(l.path("replicationProtectedItems"))
	jobs := l.get(l.path("replicationJobs"))
	l.advance(12 * time.Minute) // classic items are replaced, jobs come
	l.mustReprotect(sc.Machines[7].Name)
	for range 3 {
		for _, item := range page["value"].([]any) {
			seen[item.(map[string]any)["properties"].(map[string]any)["friendlyName"].(string)]++
		}
		if next, more := page["nextLink"].(string); more {
			page = l.get(next)
		}
	}
	if len(seen) != 12 {
		t.Errorf("saw %v", seen)
	}
	old := map[any]bool{}
	for {
		for _, job := range jobs["value"].([]any) {
			name := job.(map[string]any)["name"]
			if old[name] {
				t.Errorf("job %v twice", name)
			}
			old[name] = true
		}
		next, more := jobs["nextLink"].(string)
		if !more {
			break
		}
		jobs = l.get(next)
	}
	if len(old) != 6 {
		t.Errorf("%d of the 6 jobs that were there", len(old))
	}
}
