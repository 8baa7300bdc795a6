package app

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"

	"reprotect.example/events/bus"
	"reprotect.example/services/audit"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/internal/telemetry"
)

// The journal signs with the key of the config, at its own address and at that of the console; without a key it says so.
func TestCheckpointsAreServed(t *testing.T) {
	t.Parallel()
	private, public, err := audit.NewKey("tokyo")
	if err != nil {
		t.Fatal(err)
	}
	for _, signs := range []bool{true, false} {
		dir := t.TempDir()
		c := config.Config{DataDir: dir, HTTP: config.HTTP{Listen: "127.0.0.1:8480"}}
		if signs {
			c.Audit.KeyFile = filepath.Join(dir, "tokyo.key")
			if err := os.WriteFile(c.Audit.KeyFile, []byte(private+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		o := Options{Config: c, Log: zap.NewNop()}
		kept, err := openJournal(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = kept.Close() })
		kept.serves.Store(true)
		if err := kept.Keep(t.Context(), bus.Received{Message: bus.Message{Subject: "reprotect.command.request", ID: "r1", Data: []byte("{}")}}); err != nil {
			t.Fatal(err)
		}
		a := &App{o: o, journal: kept}
		alone, err := a.Journal(nil)
		if err != nil {
			t.Fatal(err)
		}
		shown, err := a.Console(ConsoleOptions{Health: Parts(telemetry.NewHealth())})
		if err != nil {
			t.Fatal(err)
		}
		for name, h := range map[string]http.Handler{"the journal": alone, "the console": shown.Handler()} {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:8480/api/v1/checkpoint", nil)
			r.RemoteAddr = "127.0.0.1:1234"
			h.ServeHTTP(w, r)
			if !signs {
				if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "checkpoint.unsigned") {
					t.Errorf("%s without a key: %d %s", name, w.Code, w.Body)
				}
				continue
			}
			if got, err := audit.Open(w.Body.Bytes(), public); err != nil || got.Size != 1 || got.Log != "tokyo" {
				t.Errorf("%s: %d %s: %v", name, w.Code, w.Body, err)
			}
		}
	}
}
