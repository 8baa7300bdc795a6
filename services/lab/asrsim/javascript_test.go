package asrsim

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"reprotect.example/services/lab/scenario"
)

// library is Azure's own for JavaScript.
const library = "@azure/arm-recoveryservices-siterecovery@5.1.0"

// TestSiteRecoveryJavaScript (issue 16): a client that shares no line with the product or its SDK lists the vault and takes
// machines of each architecture through a whole reprotect, and home: failback, cancel, failback, commit, and protected
// again. It needs node; the library it fetches once, and keeps.
func TestSiteRecoveryJavaScript(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	modules := javaScript(t)
	sc := scenario.Default(4)
	for i := range sc.Machines {
		sc.Machines[i].Agent = -1
	}
	l := newLab(t, sc, Options{PageSize: 3})
	polls := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/replicationOperationStatus/") || strings.HasSuffix(r.URL.Path, "/recoveryPoints") {
			l.advance(5 * time.Minute) // nobody waits for the clock
		}
		l.sim.Handler().ServeHTTP(w, r)
	}))
	defer polls.Close()
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: polls.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile(filepath.Join("testdata", "reprotect.cjs"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // seconds, even on a busy machine
	defer cancel()
	run := exec.CommandContext(ctx, node, "-")
	run.WaitDelay = 5 * time.Second
	run.Stdin = strings.NewReader(string(script))
	run.Dir = modules
	run.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+authority, "ENDPOINT="+polls.URL, "TOKEN="+testToken, "SUBSCRIPTION="+sc.Subscription,
		"GROUP="+sc.ResourceGroup, "VAULT="+sc.Vault, "LOG_STORAGE="+l.sim.LogStorage(), "NO_PROXY=127.0.0.1")
	var problems strings.Builder
	run.Stderr = &problems
	out, err := run.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, problems.String())
	}
	var seen []struct {
		Name, Before, After, Result, State string
		Disks, Refused                     int
		Running, Stood                     []string
	}
	if err := json.Unmarshal(out, &seen); err != nil || len(seen) != 4 {
		t.Fatalf("%s: %v", out, err)
	}
	for _, s := range seen {
		want := map[string]string{"InMageAzureV2": "InMage", "InMageRcm": "InMageRcmFailback"}[s.Before]
		if want == "" || s.After != want || s.Disks == 0 || s.Refused != http.StatusConflict || !strings.Contains(s.Result, "/replicationProtectedItems/") ||
			!slices.Contains(s.Running, "SwitchReplicationGroupProtection") || s.State != "InitialReplicationInProgress" {
			t.Errorf("%+v", s)
		}
		if !slices.Equal(s.Stood, stood[s.Before]) {
			t.Errorf("%s stood at %q", s.Name, s.Stood)
		}
		if n := l.sim.Submissions()[s.Name]; n != 1 {
			t.Errorf("%s: %d submissions", s.Name, n)
		}
	}
}

// stood is where a machine stands after each step, by the provider that it had in the beginning.
var stood = map[string][]string{
	"InMageRcm": {"InMageRcmFailback Protected Primary", "InMageRcmFailback CommitPendingStatesBegin Recovery", "InMageRcmFailback Protected Primary",
		"InMageRcmFailback CommitPendingStatesBegin Recovery", "InMageRcmFailback UnplannedFailoverCommitted Recovery",
		"InMageRcm InitialReplicationInProgress Primary", "InMageRcm Protected Primary"},
	"InMageAzureV2": {"InMage Protected Primary", "InMage UnplannedFailoverCommitPendingStatesBegin Recovery", "InMage UnplannedFailoverCommitted Recovery",
		"InMageAzureV2 InitialReplicationInProgress Primary", "InMageAzureV2 Protected Primary"},
}

// javaScript is the folder that holds the library: fetched once into the user's cache, and moved into its place whole, so
// that no test sees half of it.
func javaScript(t *testing.T) string {
	t.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("npm is not installed")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip("there is no folder for caches: ", err)
	}
	cache = filepath.Join(cache, "reprotect-tests")
	place := filepath.Join(cache, strings.NewReplacer("@", "", "/", "-").Replace(library))
	if _, err := os.Stat(place); err == nil {
		return place
	}
	if err := os.MkdirAll(cache, 0o700); err != nil {
		t.Skip("the folder for caches cannot be made: ", err)
	}
	fetched, err := os.MkdirTemp(cache, "fetch-") //nolint:usetesting // beside the place to which it is moved
	if err != nil {
		t.Skip("the folder for caches cannot be written: ", err)
	}
	defer os.RemoveAll(fetched)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	install := exec.CommandContext(ctx, npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", "--fetch-retries=0", "--prefix", fetched, library)
	install.Dir, install.WaitDelay = fetched, 5*time.Second
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("the library cannot be fetched: %v\n%s", err, out)
	}
	if err := os.Rename(fetched, place); err != nil {
		if _, gone := os.Stat(place); gone != nil { // nobody else was faster
			t.Skip("the library cannot be kept: ", err)
		}
	}
	return place
}
