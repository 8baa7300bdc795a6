package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"reprotect.example/services/internal/telemetry"
)

// Who names a channel must hear that nothing is sent there yet.
func TestVerifyConfig(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		"vcenter-password": "not shown",
		"ops-url":          "https://chat.example/not-shown",
		"reprotect.yaml": `
sites:
  tokyo:
    vault: {subscription: 00000000-0000-0000-0000-000000000000, resourceGroup: rg-dr, name: vault-tokyo}
    vcenter: {url: "https://vcenter.tokyo.example/sdk", username: svc-reprotect, passwordFile: vcenter-password}
notify:
  - {name: ops, kind: slack, urlFile: ops-url, levels: [critical]}
`} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("REPROTECT_CONFIG", filepath.Join(folder, "reprotect.yaml"))
	var out strings.Builder
	if err := run(t.Context(), flags{target: "all", verify: true}, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"reprotect.yaml is good: 1 sites"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "not-shown") {
		t.Errorf("it shows a secret:\n%s", out.String())
	}
}

// Of two processes on one machine the one that keeps the journal comes by its address, though the other had it first, and
// that comes by it when the roles change: who asks there is answered by who knows.
func TestWhoKeepsTheJournalHasItsAddress(t *testing.T) {
	fast := taking{look: 5 * time.Millisecond, keep: 50 * time.Millisecond, giveUp: 200 * time.Millisecond}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	ctx, end := context.WithCancel(t.Context())
	var running sync.WaitGroup
	var keeper atomic.Int32
	for i := range int32(2) {
		first := l
		if i > 0 {
			first = nil
		}
		running.Go(func() {
			fast.share(ctx, address, first, func() bool { return keeper.Load() == i }, func(ctx context.Context, l net.Listener) {
				_ = telemetry.Serve(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, i) }))
			})
		})
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	for _, want := range []int32{1, 0, 1} {
		keeper.Store(want)
		tick := time.NewTicker(10 * time.Millisecond)
		for deadline := time.After(time.Minute); ; {
			if response, err := client.Get("http://" + address); err == nil {
				body, _ := io.ReadAll(response.Body)
				response.Body.Close()
				if string(body) == fmt.Sprint(want) {
					break
				}
			}
			select {
			case <-tick.C:
				continue
			case <-deadline:
				t.Fatalf("process %d keeps the journal, and does not come by its address", want)
			}
		}
		tick.Stop()
	}
	end()
	running.Wait()
	if l, err := net.Listen("tcp", address); err != nil {
		t.Errorf("the address is not free in the end: %v", err)
	} else {
		l.Close()
	}
}

// The second process beside one that keeps the journal takes its address over when that has stopped.
func TestAwaitAnAddress(t *testing.T) {
	first, elsewhere, err := listen("127.0.0.1:0", zap.NewNop())
	if err != nil || elsewhere {
		t.Fatal(elsewhere, err)
	}
	address := first.Addr().String()
	second, elsewhere, err := listen(address, zap.NewNop())
	if err != nil || !elsewhere {
		t.Fatal(elsewhere, err)
	}
	defer second.Close()
	taken := make(chan net.Listener, 1)
	go func() { taken <- takes.await(t.Context(), address) }()
	first.Close()
	l := <-taken
	if l == nil || l.Addr().String() != address {
		t.Fatalf("took %v", l)
	}
	defer l.Close()
	ended, end := context.WithCancel(t.Context())
	end()
	if l := takes.await(ended, address); l != nil {
		t.Error("it takes an address when nobody serves any more")
	}
}
