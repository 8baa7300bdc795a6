package browser

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const axeVersion = "4.14.1"

// axeSource is the text of axe-core, which npm fetches once; "" where it cannot, and then no page is judged.
func axeSource(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Logf("axe-core is not run: no folder to keep it in: %v", err)
		return ""
	}
	folder := filepath.Join(cache, "reprotect-tests", "axe-core-"+axeVersion)
	file := filepath.Join(folder, "node_modules", "axe-core", "axe.min.js")
	if text, err := os.ReadFile(file); err == nil {
		return string(text)
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Log("axe-core is not run: npm is not installed")
		return ""
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, npm, "install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder, "axe-core@"+axeVersion).CombinedOutput(); err != nil {
		t.Logf("axe-core is not run: npm cannot fetch it: %v: %s", err, out)
		return ""
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Logf("axe-core is not run: %v", err)
	}
	return string(text)
}
