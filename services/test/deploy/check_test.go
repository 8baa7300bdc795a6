package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"reprotect.example/services/internal/config"
)

// What holds the chart, the packages and the alert rules to their own tools is a module of its own, so that those tools stay
// out of the product's. It runs here, and what the chart makes of the config the product then reads.
func TestCheck(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the libraries of other tools")
	}
	rendered := t.TempDir()
	cmd := exec.Command("go", "test", "-count=1", "./...") // go test knows of no change outside a module
	cmd.Dir = filepath.Join(deploy, "check")
	cmd.Env = append(os.Environ(), "GOWORK=off", "RENDERED="+rendered)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(rendered, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no config was rendered")
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		c, err := config.Load(file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_, role, _ := strings.Cut(name, "-home-")
		if role == "setup" {
			role = admin
		}
		if n := c.Bus.NATS; n != nil && (n.User != role || n.InboxPrefix != "_INBOX_"+role) {
			t.Errorf("%s: the bus is %+v", name, n)
		}
	}
}

// The config that the package brings is a good one to begin with.
func TestPackagedConfig(t *testing.T) {
	c, err := config.Load(filepath.Join(deploy, "package", "reprotect.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if c.DataDir != "/var/lib/reprotect" || !c.HTTP.OnLoopback() {
		t.Errorf("it keeps its state in %s and listens on %s", c.DataDir, c.HTTP.Listen)
	}
}
