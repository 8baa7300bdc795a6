package vcenter_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vmware/govmomi/cli"
	_ "github.com/vmware/govmomi/cli/about"
	_ "github.com/vmware/govmomi/cli/object"
	_ "github.com/vmware/govmomi/cli/vm"
	_ "github.com/vmware/govmomi/cli/vm/snapshot"

	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/lab/vcenter"
	"reprotect.example/services/lab/vcenter/vcentertest"
)

// govc runs one of govc's own commands against the lab, verifying its certificate.
func govc(t *testing.T, srv *vcenter.Server, caFile, user, password string, args ...string) (string, int) {
	t.Helper()
	for k, v := range map[string]string{
		"GOVC_URL": srv.URL(), "GOVC_USERNAME": user, "GOVC_PASSWORD": password,
		"GOVC_TLS_CA_CERTS": caFile, "GOVC_PERSIST_SESSION": "false", "GOVC_INSECURE": "false",
	} {
		t.Setenv(k, v)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan string)
	go func() {
		var b bytes.Buffer
		_, _ = b.ReadFrom(r)
		read <- b.String()
	}()
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = w, w
	status := cli.Run(args)
	os.Stdout, os.Stderr = stdout, stderr
	_ = w.Close()
	return <-read, status
}

func TestGovc(t *testing.T) {
	s := scenario.Default(2)
	srv, caFile := vcentertest.Start(t, s)
	admin := func(args ...string) string {
		t.Helper()
		out, status := govc(t, srv, caFile, srv.Username, srv.Password, args...)
		if status != 0 {
			t.Fatalf("govc %v: %d %s", args, status, out)
		}
		return out
	}
	for _, tc := range []struct{ command, shows string }{
		{"about", "VirtualCenter"},
		{"ls /DC-TOKYO/vm", "/DC-TOKYO/vm/web01"},
		{"ls /DC-TOKYO/datastore", "/DC-TOKYO/datastore/NFS-01"},
		{"vm.info MT-LINUX-01", s.UUID("bios", "MT-LINUX-01")},
		{"vm.info web01", "poweredOff"},
		{"snapshot.create -vm MT-LINUX-01 before", ""},
		{"snapshot.tree -vm MT-LINUX-01", "before"},
		{"vm.power -on web01", "OK"},
		{"vm.info web01", "poweredOn"},
	} {
		if out := admin(strings.Fields(tc.command)...); !strings.Contains(out, tc.shows) {
			t.Errorf("govc %s shows no %q: %s", tc.command, tc.shows, out)
		}
	}

	if out, status := govc(t, srv, caFile, srv.ReadOnlyUsername, srv.ReadOnlyPassword, "vm.info", "web01"); status != 0 || !strings.Contains(out, "web01") {
		t.Errorf("the read-only user may look: %d %s", status, out)
	}
	out, status := govc(t, srv, caFile, srv.ReadOnlyUsername, srv.ReadOnlyPassword, "snapshot.create", "-vm", "MT-LINUX-01", "no")
	if status == 0 || !strings.Contains(out, "NoPermission") {
		t.Errorf("the read-only user may not change anything: %d %s", status, out)
	}
	if out, status := govc(t, srv, caFile, srv.Username, "wrong", "about"); status == 0 {
		t.Errorf("a wrong password: %s", out)
	}
}

func TestStartsAgainAndLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for range 2 {
		srv, _ := start(t, scenario.Default(3))
		vcentertest.Do(t, srv, "add-snapshot", "web01", "one")
		srv.Close()
	}
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "govcsim-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func start(t *testing.T, s scenario.Scenario) (*vcenter.Server, error) {
	t.Helper()
	certificate, _ := vcentertest.Certificate(t)
	return vcenter.Start(s, vcenter.Options{Certificate: certificate})
}

func TestThreeHundredMachinesStartQuickly(t *testing.T) {
	begin := time.Now()
	srv, err := start(t, scenario.Default(300))
	if err != nil {
		t.Fatal(err)
	}
	srv.Close()
	if took := time.Since(begin); took > 30*time.Second { // about two on an idle machine
		t.Errorf("took %s", took)
	}
}

func TestStartRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*scenario.Scenario, *vcenter.Options)
		names  string
	}{
		"an address that others reach": {func(_ *scenario.Scenario, o *vcenter.Options) { o.Listen = "0.0.0.0:0" }, "loopback"},
		"no port":                      {func(_ *scenario.Scenario, o *vcenter.Options) { o.Listen = "127.0.0.1" }, "port"},
		"an unknown host":              {func(s *scenario.Scenario, _ *vcenter.Options) { s.Machines[0].Host = "esx77" }, "esx77"},
		"an unknown datastore":         {func(s *scenario.Scenario, _ *vcenter.Options) { s.MasterTargets[0].Datastore = "VMFS-77" }, "VMFS-77"},
		"a datastore without a host":   {func(s *scenario.Scenario, _ *vcenter.Options) { s.Datastores[3].Hosts = nil }, "NFS-01"},
		"a datastore of another host": {func(s *scenario.Scenario, _ *vcenter.Options) {
			s.Machines[0].Datastore = "NFS-01"
			s.Datastores[3].Hosts = []string{s.Hosts[1].Name}
		}, "does not mount"},
	} {
		t.Run(name, func(t *testing.T) {
			s, o := scenario.Default(1), vcenter.Options{}
			o.Certificate, _ = vcentertest.Certificate(t)
			tc.change(&s, &o)
			srv, err := vcenter.Start(s, o)
			if err == nil {
				srv.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tc.names) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestDeletedAndPhysicalHaveNoVM(t *testing.T) {
	s := scenario.Default(3)
	s.Machines[0].Deleted, s.Machines[1].Physical = true, true
	srv, caFile := vcentertest.Start(t, s)
	out, _ := govc(t, srv, caFile, srv.Username, srv.Password, "ls", "/DC-TOKYO/vm")
	if strings.Contains(out, "web01") || strings.Contains(out, "db01") || !strings.Contains(out, "app01") {
		t.Error(out)
	}
}

func TestActionsCheckTheirArguments(t *testing.T) {
	srv, _ := vcentertest.Start(t, scenario.Default(1))
	for name, tc := range map[string]struct {
		args  []string
		names string
	}{
		"add-snapshot":         {[]string{"web01"}, "usage: add-snapshot VM NAME"},
		"set-tools":            {[]string{"web01", "sleeping"}, "running|stopped|missing"},
		"power-on":             {[]string{"web77"}, "web77"},
		"datastore-space":      {[]string{"VMFS-01", "much"}, "gigabytes"},
		"datastore-accessible": {[]string{"VMFS-77", "true"}, "VMFS-77"},
		"mount":                {[]string{"VMFS-01", "esx77", "rw"}, "esx77"},
		"set-disk-uuid":        {[]string{"web01", "9", "x"}, "disks"},
		"revoke-privilege":     {[]string{"Datastore.Nonsense"}, "Datastore.Nonsense"},
		"hide-property":        {[]string{"nothing", "config"}, "nothing"},
		"expire-sessions":      {[]string{"now"}, "usage: expire-sessions"},
	} {
		for _, a := range srv.Actions() {
			if a.Name != name {
				continue
			}
			if err := a.Do(tc.args); err == nil || !strings.Contains(err.Error(), tc.names) {
				t.Errorf("%s %v: %v", name, tc.args, err)
			}
		}
	}
}

// A machine whose datastore was taken from its host cannot be changed; asking must not end the process.
func TestUnmountedMachineIsRefused(t *testing.T) {
	srv, _ := vcentertest.Start(t, scenario.Default(1))
	vcentertest.Do(t, srv, "mount", "VMFS-01", "esx01.tokyo.example", "none")
	for _, a := range srv.Actions() {
		if a.Name == "add-snapshot" {
			if err := a.Do([]string{"web01", "one"}); err == nil || !strings.Contains(err.Error(), "does not mount") {
				t.Error(err)
			}
		}
	}
}
