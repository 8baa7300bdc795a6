package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The sample is a config that loads, and its own secret is all that it lacks.
func TestSampleIsRight(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "reprotect.yaml")
	if err := os.WriteFile(path, []byte(Sample), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CheckSecrets(); err == nil || !strings.Contains(err.Error(), "vcenter-password") {
		t.Errorf("the secret that is not there: %v", err)
	}
	if err := os.WriteFile(filepath.Join(folder, "vcenter-password"), []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.CheckSecrets(); err != nil {
		t.Error(err)
	}
	if err := c.CheckFolder(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 2 {
		t.Errorf("the check leaves %v behind (%v)", left, err)
	}
}

// A7c: what could not work is said when the config is checked: a subscription that is no id, a dataDir that is none.
func TestWhatCannotWorkIsSaidAtTheCheck(t *testing.T) {
	_, problems := parse([]byte(strings.Replace(Sample, "subscription: 00000000-0000-0000-0000-000000000000", `subscription: "my sub"`, 1)))
	if len(problems) != 1 || !strings.Contains(problems[0].String(), "sites.tokyo.vault.subscription") {
		t.Errorf("a name for a subscription: %v", problems)
	}
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		if err := (Config{DataDir: dir}).CheckFolder(); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("dataDir %s: %v", dir, err)
		}
	}
}
