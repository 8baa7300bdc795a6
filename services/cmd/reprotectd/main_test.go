package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Who names a channel must hear that nothing is posted there yet.
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
	for _, want := range []string{"reprotect.yaml is good: 1 sites", "notify ops: this version posts to no channel itself"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "not-shown") {
		t.Errorf("it shows a secret:\n%s", out.String())
	}
}
