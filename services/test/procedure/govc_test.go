package procedure

import (
	"testing"

	"github.com/vmware/govmomi/cli"
	_ "github.com/vmware/govmomi/cli/vm"
	_ "github.com/vmware/govmomi/cli/vm/snapshot"
)

// govc runs one of govc's own commands against the lab, as an operator would.
func govc(t *testing.T, args ...string) {
	t.Helper()
	for name, value := range map[string]string{
		"GOVC_URL": ready.VCenter.URL, "GOVC_USERNAME": ready.VCenter.Username, "GOVC_PASSWORD": ready.VCenter.Password,
		"GOVC_TLS_CA_CERTS": ready.VCenter.CAFile, "GOVC_PERSIST_SESSION": "false",
	} {
		t.Setenv(name, value)
	}
	if status := cli.Run(args); status != 0 {
		t.Fatalf("govc %v ends with %d", args, status)
	}
}

func TestS30_SnapshotMadeWithGovc(t *testing.T) {
	govc(t, "snapshot.create", "-vm", "MT-LINUX-01", "made-with-govc")
	finds(t, preflightOf(t, request("db01")), "master-target.snapshots", "fail", "made-with-govc", "MT-LINUX-01")
	govc(t, "snapshot.remove", "-vm", "MT-LINUX-01", "*")
	finds(t, preflightOf(t, request("db01")), "master-target.snapshots", "pass")
}

func TestS39_MachineSwitchedOnWithGovc(t *testing.T) {
	govc(t, "vm.power", "-on", "web01")
	finds(t, preflightOf(t, request("web01")), "machine.powered-off", "warn", "web01")
	govc(t, "vm.power", "-off", "web01")
}
