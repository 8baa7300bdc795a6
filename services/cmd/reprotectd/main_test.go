package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
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
	go func() { taken <- await(t.Context(), address) }()
	first.Close()
	l := <-taken
	if l == nil || l.Addr().String() != address {
		t.Fatalf("took %v", l)
	}
	defer l.Close()
	ended, end := context.WithCancel(t.Context())
	end()
	if l := await(ended, address); l != nil {
		t.Error("it takes an address when nobody serves any more")
	}
}
