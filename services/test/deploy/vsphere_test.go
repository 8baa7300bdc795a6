package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vmware/govmomi/cli"
	_ "github.com/vmware/govmomi/cli/permissions"
	_ "github.com/vmware/govmomi/cli/role"
	"go.uber.org/zap"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/internal/app"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/internal/vsphere"
	"reprotect.example/services/lab"
	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/preflight"
)

// runAsGovc is what this program does under the name of govc.
func runAsGovc() bool {
	if filepath.Base(os.Args[0]) != "govc" {
		return false
	}
	os.Exit(cli.Run(os.Args[1:]))
	return true
}

// The script gives what the check vcenter.privileges looks for.
func TestPrivilegesAreThoseOfTheCheck(t *testing.T) {
	file := filepath.Join(deploy, "vsphere", "privileges.txt")
	want := strings.Join(vsphere.Privileges, "\n") + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("run this test with -update: privileges.txt (-wanted +is):\n%s", diff)
	}
}

// administrator is somebody with govc at a shell, who administers the lab's vCenter.
type administrator struct {
	t   *testing.T
	env []string
}

func newAdministrator(t *testing.T, center lab.VCenter) administrator {
	t.Helper()
	bin := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(bin, "govc")); err != nil {
		t.Fatal(err)
	}
	return administrator{t, append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"),
		"GOVC_URL="+center.URL, "GOVC_USERNAME="+center.Username, "GOVC_PASSWORD="+center.Password,
		"GOVC_TLS_CA_CERTS="+center.CAFile, "GOVC_PERSIST_SESSION=false")}
}

func (a administrator) runs(name string, args ...string) string {
	a.t.Helper()
	cmd := exec.Command("sh", "-c", `exec "$0" "$@"`, name)
	cmd.Args = append(cmd.Args, args...)
	cmd.Env = a.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		a.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// B9: an account with the role that the script makes brings a machine of each architecture home; without it, and with one
// privilege fewer, the check says so. Run again, the script mends the role.
func TestVSphereRole(t *testing.T) {
	if testing.Short() { // as the race detector is run: govmomi's simulator races in its own collectors of tasks
		t.Skip("runs the whole product")
	}
	s := scenario.Default(2)
	s.Speed = 600
	surroundings, err := lab.Start(t.Context(), lab.Options{Scenario: s, Dir: t.TempDir(), Bus: lab.BusNone})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(surroundings.Close)
	c, err := config.Load(surroundings.Ready().Config)
	if err != nil {
		t.Fatal(err)
	}
	const account = "limited@vsphere.local"
	site := c.Sites["tokyo"]
	site.VCenter.Username, site.VCenter.PasswordFile = account, filepath.Join(t.TempDir(), "password")
	write(t, site.VCenter.PasswordFile, s.UUID("password", "limited"))
	c.Sites["tokyo"] = site

	privileges := func() (statuses []string, evidence string) {
		t.Helper()
		report, err := app.Preflight(t.Context(), c, preflight.Ask{Request: events.Request{Machines: []events.RequestMachine{{Name: "web01"}, {Name: "db01"}}}}, zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range report.Cases {
			for _, f := range c.Findings {
				if f.Check == "vcenter.privileges" {
					statuses, evidence = append(statuses, f.Status), evidence+f.Evidence
				}
			}
		}
		return statuses, evidence
	}
	if before, _ := privileges(); len(before) == 0 || slices.Contains(before, "pass") {
		t.Errorf("an account without any role: %v", before)
	}
	someone := newAdministrator(t, surroundings.Ready().VCenter)
	makeRole := filepath.Join(deploy, "vsphere", "make-role")
	if out := someone.runs(makeRole, account, "/DC-TOKYO"); !strings.HasSuffix(out, account+" has the role Reprotect on /DC-TOKYO\n") || strings.Contains(out, "no privilege") {
		t.Errorf("it says %s", out)
	}
	if with, evidence := privileges(); len(with) == 0 || slices.ContainsFunc(with, func(s string) bool { return s != "pass" }) {
		t.Errorf("with the role: %v %s", with, evidence)
	}
	someone.runs("govc", "role.update", "-r", "Reprotect", "VirtualMachine.State.RemoveSnapshot")
	if without, evidence := privileges(); !slices.Contains(without, "fail") || !strings.Contains(evidence, "VirtualMachine.State.RemoveSnapshot") {
		t.Errorf("without one privilege: %v %s", without, evidence)
	}
	someone.runs(makeRole, account, "/DC-TOKYO")

	servers := single(t)
	if err := open(t, servers.as(c, admin), zap.NewNop()).SetUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	runServices(t, func(target string) config.Config { return servers.as(c, target) }, zap.NewNop())
	ops := open(t, servers.as(c, ops), zap.NewNop())
	if err := ops.Publish(t.Context(), bus.Message{Subject: events.CommandSubject(events.TypeRequest.Kind), ID: "r1", Data: []byte(`{"machines":[{"name":"web01"},{"name":"db01"}]}`)}); err != nil {
		t.Fatal(err)
	}
	await(t, ops, "completed", 2)
}
