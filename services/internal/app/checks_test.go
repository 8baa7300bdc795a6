package app

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"reprotect.example/events"
	"reprotect.example/services/checks"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/lab"
	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/observed"
	"reprotect.example/services/validator"
)

// world is what a row of the table may change: the lab while it runs, the config and the request.
type world struct {
	scenario func(*scenario.Scenario) // before the lab starts
	do       []string                 // actions of the lab, one a line
	config   func(*config.Site)
	request  func(*events.Request)
}

// A machine of each architecture, and a group; what writes their disks.
const (
	modern  = "web01" // Linux, appliance ASR-APPL-01 on esx01, its disks on VMFS-01
	old     = "db01"  // Linux, master target MT-LINUX-01 on esx02, its disks on VMFS-02
	forCase = ""
)

func do(actions ...string) world { return world{do: actions} }

func grouped(s *scenario.Scenario) {
	s.Machines[1].Group, s.Machines[3].Group = "ERP", "ERP" // db01 and mail01, Linux and Windows
}

func together(r *events.Request) {
	r.Machines = []events.RequestMachine{{Name: "db01"}, {Name: "mail01"}}
}

type row struct {
	check, machine string
	fail, unknown  world
	never          string // why it is never unknown
}

// rows say for each check what makes it fail and what makes it unknown, over the wire. A check that fails warns,
// unless it blocks.
var rows = []row{
	{"machine.failed-over", old, do("set-item db01 protectionState Protected"), world{}, "an item that cannot be read is an error of the whole look"},
	{"machine.not-migrated", old, do("set-item db01 protectionState MigrationCompleted"), do("set-item db01 protectionState none"), ""},
	{"machine.azure-vm-present", old, do("set-azure-vm db01 deleted"), do("hide-azure-vms on"), ""},
	{"machine.azure-vm-present", modern, do("set-azure-vm web01 deleted"), do("hide-azure-vms on"), ""},
	{"machine.resource-group", old, do("set-azure-vm db01 moved"), do("hide-azure-vms on"), ""},
	{"machine.resource-group", modern, do("set-azure-vm web01 moved"), do("hide-azure-vms on"), ""},
	{"machine.azure-vm-running", old, do("set-azure-vm db01 stopped"), do("hide-azure-vms on"), ""},
	{"machine.azure-disks", modern, do("add-azure-disk web01 newdata"), do("hide-azure-vms on"), ""},
	{"machine.failover-committed", modern, do(), do("set-item web01 protectionState none"), ""},
	{"machine.replication-health", modern, do("set-item web01 replicationHealth Critical"), do("set-item web01 replicationHealth none"), ""},
	{"machine.os-supported", old,
		do("set-item db01 providerSpecificDetails.discoveryType Physical", "set-item db01 providerSpecificDetails.osType Windows", "set-item db01 providerSpecificDetails.osVersion 2008|R2"),
		do("set-item db01 providerSpecificDetails.discoveryType Physical", "set-item db01 providerSpecificDetails.osType Windows", "set-item db01 providerSpecificDetails.osVersion none"), ""},
	{"machine.snapshots", old, do("add-snapshot db01 one"), do("add-snapshot db01 one", "hide-property db01 snapshot.rootSnapshotList"), ""},
	{"machine.powered-off", modern, do("power-on web01"), do("disconnect-host esx01.tokyo.example"), ""},
	{"machine.linux-network", modern, do(), do("set-item web01 providerSpecificDetails.osType none"), ""},
	{"machine.rdm", modern, do("make-rdm web01 0", "set-item web01 providerSpecificDetails.discoveredVmDetails.isDeleted true"), do("hide-property web01 config.hardware.device"), ""},
	{"machine.disk-uuid", old, do("set-enable-uuid db01 FALSE"), do("hide-property db01 config.extraConfig"), ""},

	{"group.complete", forCase, world{scenario: grouped, request: func(r *events.Request) { r.Machines = r.Machines[1:] }}, world{}, "the vault's items are read or the look fails"},
	{"group.same-master-target", forCase, world{scenario: grouped, request: together}, world{}, "it is about the request"},
	{"group.in-step", forCase,
		world{scenario: grouped, request: together, do: []string{"set-item mail01 activeLocation Primary", "set-item mail01 protectionState Protected"}},
		world{scenario: grouped, request: together, do: []string{"set-item mail01 protectionState none"}}, ""},
	{"group.same-os", forCase, world{scenario: grouped, request: together}, world{scenario: grouped, request: together, do: []string{"set-item mail01 providerSpecificDetails.osType none"}}, ""},

	{"configuration-server.connected", old, do("stop-heartbeat CS-01"), do("set-server CS-01 lastHeartbeat none"), ""},
	{"configuration-server.knows-machine", old, do("unregister-server CS-01"),
		do("set-item db01 providerSpecificDetails.vmId none", "set-item db01 providerSpecificDetails.infrastructureVmId none"), ""},
	{"configuration-server.address", old, do("set-server CS-01 ipAddress 10.9.9.9"), do("set-server CS-01 ipAddress none"), ""},
	{"configuration-server.backup", forCase, do(), world{}, "it is about the request"},
	{"process-server.connected", old, do("stop-heartbeat PS-AZ-01"), do("set-server PS-AZ-01 lastHeartbeat none"), ""},
	{"process-server.placement", old, world{config: byVPN, do: []string{"set-server PS-AZ-01 ipAddress 10.0.0.4", "set-server CS-01 ipAddress 10.0.0.4"}}, world{config: byVPN}, ""},
	{"network.private-path", forCase, world{config: func(s *config.Site) { s.Network.Path = "" }}, world{}, "it is about the config"},
	{"network.ports", forCase, do("close-port ps-to-cs"), world{config: func(s *config.Site) { s.Network.Probes[0].Address = "nowhere.invalid:443" }}, ""},

	{"vcenter.connected", forCase, do("refuse-method RetrievePropertiesEx"), world{}, "a vCenter that cannot be read is the failure"},
	{"vcenter.discovered", old, do("set-server vcenter ipAddress 10.9.9.9"), do("refuse-requests vcenters"), ""},
	{"vcenter.privileges", forCase, do("revoke-privilege Datastore.AllocateSpace"), do("refuse-method HasPrivilegeOnEntities"), ""},
	{"esxi.licence", old, do("set-licence esx02.tokyo.example free"), do("refuse-method QueryAssignedLicenses"), ""},

	{"master-target.connected", old, do("power-off MT-LINUX-01"), do("set-server MT-LINUX-01 lastHeartbeat none"), ""},
	{"master-target.version", old, do("set-server MT-LINUX-01 agentVersion 99.1.1.1"), do("set-server MT-LINUX-01 agentVersion none"), ""},
	{"master-target.os-family", old, do("set-server MT-LINUX-01 osType Windows"), do("set-server MT-LINUX-01 osType none"), ""},
	{"master-target.disk-slots", old, do("set-server MT-LINUX-01 diskCount 60"), do("set-item db01 providerSpecificDetails.protectedDisks none", "hide-property db01 config.hardware.device"), ""},
	{"master-target.snapshots", old, do("add-snapshot MT-LINUX-01 before-patching"), do("hide-property MT-LINUX-01 config.hardware.device"), ""},
	{"master-target.disk-enable-uuid", old, do("set-enable-uuid MT-LINUX-01 none"), do("hide-property MT-LINUX-01 config.extraConfig"), ""},
	{"master-target.scsi-controller", old, do("set-controller MT-LINUX-01 pvscsi"), do("hide-property MT-LINUX-01 config.hardware.device"), ""},
	{"master-target.vmware-tools", old, do("set-tools MT-LINUX-01 stopped"), do("disconnect-host esx02.tokyo.example"), ""},
	{"master-target.vmfs", old, do("datastore-type VMFS-01 NFS", "datastore-type VMFS-02 NFS", "datastore-type VSAN-01 NFS"), do("hide-property esx02.tokyo.example datastore"), ""},
	{"master-target.storage-vmotion", old, do("begin-relocation MT-LINUX-01"), do("refuse-method CreateCollectorForTasks"), ""},
	{"master-target.uuid-collision", old, do("set-disk-uuid MT-LINUX-01 0 " + scenario.Default(4).UUID("disk0", "db01")), do("hide-property db01 config.hardware.device"), ""},
	{"retention-drive.present", old, do("remove-retention MT-LINUX-01"), do("refuse-requests fabrics"), ""},
	{"retention-drive.eligible", old, do("set-volume MT-LINUX-01 /mnt/retention vfat 100"), do("hide-property MT-LINUX-01 guest.disk"), ""},
	{"failback-policy.present", old, do("dissociate-policy CS-01"), do("refuse-requests policies"), ""},

	{"appliance.healthy", modern, do("set-health ASR-APPL-01 Critical"), do("set-server ASR-APPL-01 health none"), ""},
	{"appliance.disk-slots", modern, do("set-item web01 providerSpecificDetails.protectedDisks [" + strings.Repeat("{},", 60) + "{}]"),
		do("set-item web01 providerSpecificDetails.protectedDisks none", "hide-property web01 config.hardware.device"), ""},
	{"appliance.storage-vmotion", modern, do("begin-relocation ASR-APPL-01"), do("refuse-method CreateCollectorForTasks"), ""},
	{"log-storage.present", modern, do("set-log-storage deleted"), world{}, "what could not be read of it is asked of Azure at the submission"},
	{"log-storage.present", modern, world{request: func(r *events.Request) { r.LogStorageAccount = "logs" }}, world{}, "it is about the request"},

	{"datastore.type", old, do("datastore-type VMFS-02 NFS"), do("hide-property VMFS-02 summary.type"), ""},
	{"datastore.read-write", old, do("mount VMFS-02 esx02.tokyo.example ro"), do("hide-property VMFS-02 host"), ""},
	{"datastore.space", old, do("datastore-space VMFS-02 0"), do("hide-property VMFS-02 summary.freeSpace"), ""},
	{"location.original-or-alternate", old, do("delete-vm db01"), do("refuse-method RetrievePropertiesEx"), ""},
}

func byVPN(s *config.Site) { s.Network.Path = "vpn" }

// Real clients see every check of the catalogue pass, fail and be unknown against the lab. The simulated vCenter
// keeps state per process, so the rows run one after the other.
func TestEveryCheckAgainstTheLab(t *testing.T) {
	for _, c := range checks.Catalogue() {
		if !slices.ContainsFunc(rows, func(r row) bool { return r.check == c.Code }) {
			t.Errorf("nothing makes %s fail", c.Code)
		}
	}
	for i, row := range rows {
		if leftOut(i) {
			continue
		}
		check, _ := checks.Lookup(row.check)
		failed := checks.Warned
		switch {
		case row.check == "location.original-or-alternate": // it only says which it will be
			failed = checks.Passed
		case check.Level == checks.Block || strings.HasSuffix(row.check, ".storage-vmotion"): // that blocks while one runs
			failed = checks.Failed
		}
		name := row.check + " " + row.machine
		t.Run(name+" fails", func(t *testing.T) { row.fail.expect(t, row.check, row.machine, failed) })
		if row.never == "" {
			t.Run(name+" is unknown", func(t *testing.T) { row.unknown.expect(t, row.check, row.machine, checks.Unknown) })
		}
	}
}

// leftOut says of which rows of a table -short does without: each has a lab of its own.
func leftOut(row int) bool { return testing.Short() && row%8 != 0 }

func TestTheLabIsInOrder(t *testing.T) {
	for _, f := range (world{request: everyone}).findings(t) {
		if f.Status == checks.Failed || f.Status == checks.Unknown || f.Blocks {
			t.Errorf("%s of %q: %s: %s", f.Check, f.Machine, f.Status, f.Evidence)
		}
	}
}

func everyone(r *events.Request) {
	r.Machines = nil
	for _, m := range scenario.Default(4).Machines {
		r.Machines = append(r.Machines, events.RequestMachine{Name: m.Name})
	}
}

func (w world) expect(t *testing.T, check, machine, status string) {
	t.Helper()
	for _, f := range w.findings(t) {
		if f.Check == check && f.Machine == machine {
			if f.Status != status {
				t.Errorf("%s, want %s: %s", f.Status, status, f.Evidence)
			}
			return
		}
	}
	t.Error("no finding")
}

// findings are those of a preflight in the world.
func (w world) findings(t *testing.T) []events.Finding {
	t.Helper()
	sc := scenario.Default(4)
	if w.scenario != nil {
		w.scenario(&sc)
	}
	l, err := lab.Start(t.Context(), lab.Options{Scenario: sc, Dir: filepath.Join(t.TempDir(), "lab"), Bus: lab.BusNone})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	for _, line := range w.do {
		words := strings.Fields(line)
		for i := range words {
			words[i] = strings.ReplaceAll(words[i], "|", " ")
		}
		if err := lab.Do(t.Context(), filepath.Dir(l.Ready().Config), words[0], words[1:]...); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Load(l.Ready().Config)
	if err != nil {
		t.Fatal(err)
	}
	if w.config != nil {
		site := c.Sites["tokyo"]
		w.config(&site)
		c.Sites["tokyo"] = site
	}
	request := events.Request{Machines: []events.RequestMachine{{Name: modern}, {Name: old}}}
	if w.request != nil {
		w.request(&request)
	}
	return judged(t, c, request)
}

// judged reads the facts as every service does that checks, and judges them.
func judged(t *testing.T, c config.Config, request events.Request) (all []events.Finding) {
	t.Helper()
	s, done, err := openSite(c, "tokyo", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	v := s.validator()
	look, err := v.Vault.Vault(t.Context(), v.Look)
	if err != nil {
		t.Fatal(err)
	}
	ids, cases, problems := validator.Resolve("test", request, time.Now(), look, v.Defaults)
	if problems != nil {
		t.Fatalf("%+v", problems)
	}
	if look, err = v.Vault.Vault(t.Context(), time.Hour, observed.ItemIDs(slices.Collect(maps.Values(cases))...)...); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		in := checks.Input{Now: time.Now(), Case: cases[id], Vault: look, Site: v.Checks}
		if in.Inventory, err = v.Inventory.Inventory(t.Context(), checks.Query(in.Case, look)); err != nil {
			in.InventoryError = err.Error()
		}
		all = append(all, checks.Run(in)...)
	}
	return all
}
