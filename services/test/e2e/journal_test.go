package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reprotect.example/services/cases"
)

// get asks a process over HTTP.
func (w *world) get(address, path string) (status int, body string) {
	w.t.Helper()
	response, err := http.Get("http://" + address + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return response.StatusCode, string(raw)
}

// completedIn asks the journal how many cases have completed; none while it does not serve yet.
func (w *world) completedIn(address string) (n int) {
	w.t.Helper()
	status, body := w.get(address, "/api/v1/cases?state=completed")
	if status == http.StatusServiceUnavailable {
		return 0
	}
	var listed []cases.Case
	if err := json.Unmarshal([]byte(body), &listed); status != http.StatusOK || err != nil {
		w.t.Fatalf("%d %v: %s", status, err, body)
	}
	return len(listed)
}

// On NATS the journal is a copy: when its file is deleted, the stream makes it anew.
func TestJournalIsMadeAnew(t *testing.T) {
	t.Parallel()
	w, _ := startProcesses(t, 2, 1200)
	daemon, address := w.daemon("all")
	w.askFor(w.ready.Machines)
	w.until("both cases stand in the journal", limit, func() bool { return w.completedIn(address) == 2 })
	if _, log := w.get(address, "/api/v1/log?filter=reprotect.command.%3E"); !strings.Contains(log, "reprotect.command.request") {
		t.Errorf("the log of commands is %s", log)
	}
	if _, metrics := w.get(address, "/metrics"); !strings.Contains(metrics, `reprotect_azure_requests_total{kind="write",site="tokyo"} 2`) {
		t.Error("the metrics do not tell of two submissions")
	}

	daemon.kill(t)
	files, err := filepath.Glob(filepath.Join(w.config.DataDir, "journal.db*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	_, address = w.daemon("all")
	w.until("both cases stand in the journal again", limit, func() bool { return w.completedIn(address) == 2 })
}
