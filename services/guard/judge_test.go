package guard

import (
	"slices"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/observed"
)

var (
	noon    = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	web     = thing{name: "web01", machine: events.Machine{Name: "web01"}}
	target  = thing{name: "MT-01", writer: "master target", serves: []events.Machine{{Name: "web01"}}}
	machine = thing{name: "APPL-01", writer: "appliance", serves: []events.Machine{{Name: "web01"}, {Name: "db01"}}}
)

// scene is what a watch reports, and the codes that are told then.
type scene struct {
	after time.Duration // since the scene before
	vm    observed.VM
	gone  bool
	want  []string
}

func power(state string) observed.VM { return observed.VM{Power: state} }

func disk(id, datastore string) observed.VMDisk {
	return observed.VMDisk{UUID: "6000c29f-0000-0000-0000-0000" + id, Label: "Hard disk " + id, DatastoreRef: datastore, File: "[" + datastore + "] vm/vm.vmdk"}
}

func disks(all ...observed.VMDisk) observed.VM { return observed.VM{Disks: all} }

func moving(begun time.Time, vm observed.VM) observed.VM {
	vm.Moves = []observed.Move{{Kind: "VirtualMachine.relocate", State: "running", User: "ops", Begun: begun}}
	return vm
}

func snapshot(names ...string) observed.VM {
	vm := disks(disk("11111111", "A"))
	for _, n := range names {
		vm.Snapshots = append(vm.Snapshots, observed.Snapshot{Name: n, Path: n, Created: noon})
	}
	return vm
}

func TestJudge(t *testing.T) {
	a, b := disk("11111111", "A"), disk("22222222", "A")
	cases := []struct {
		name   string
		thing  thing
		known  known
		scenes []scene
	}{
		{"nothing happens", web, known{}, []scene{{vm: power("poweredOff")}, {vm: power("poweredOff")}}},
		{"on from the first look, and told once", web, known{}, []scene{
			{vm: power("poweredOn"), want: []string{codePower}}, {vm: power("poweredOn")},
		}},
		{"on again", web, known{}, []scene{
			{vm: power("poweredOff")}, {vm: power("poweredOn"), want: []string{codePower}},
			{vm: power("poweredOff")}, {vm: power("poweredOn"), want: []string{codePower}},
		}},
		{"unknown in between is no change", web, known{}, []scene{
			{vm: power("poweredOn"), want: []string{codePower}}, {vm: power("")}, {vm: power("poweredOn"), gone: true}, {vm: power("poweredOn")},
		}},
		{"switched on at home", web, known{machineKnown: machineKnown{Home: true}}, []scene{{vm: power("poweredOn")}}},
		{"a machine's own snapshots and moves do no harm", web, known{}, []scene{
			{vm: moving(noon, snapshot("s"))}, {vm: disks(disk("11111111", "B"))},
		}},

		{"snapshot", target, known{}, []scene{
			{vm: snapshot()}, {vm: snapshot("s"), want: []string{codeSnapshot}}, {vm: snapshot("s")},
			{vm: snapshot("s", "s/t"), want: []string{codeSnapshot}}, {vm: snapshot()}, {vm: snapshot("s"), want: []string{codeSnapshot}},
		}},
		{"snapshot of an appliance is allowed", machine, known{}, []scene{{vm: snapshot()}, {vm: snapshot("s")}}},
		{"snapshots that cannot be read are unchanged", target, known{}, []scene{
			{vm: snapshot("s"), want: []string{codeSnapshot}},
			{vm: observed.VM{Unread: map[string]string{"snapshot": "denied"}}}, {vm: snapshot("s")},
		}},

		{"moved while nobody saw it run", machine, known{}, []scene{
			{vm: disks(a, b)}, {vm: disks(a, disk("22222222", "B")), want: []string{codeMotion}}, {vm: disks(a, disk("22222222", "B"))},
			{vm: disks(a, b), want: []string{codeMotion}},
		}},
		{"replication attaches and detaches disks", target, known{}, []scene{
			{vm: disks(a)}, {vm: disks(a, disk("33333333", "C"))}, {vm: disks(a)}, {vm: disks(a, disk("44444444", "B"))},
		}},
		{"disks that cannot be read are unchanged", target, known{}, []scene{
			{vm: disks(a)}, {vm: disks()}, {vm: disks(a)}, {vm: disks(disk("11111111", "B")), want: []string{codeMotion}},
		}},
		{"running, then done: one", target, known{}, []scene{
			{vm: disks(a)}, {vm: moving(noon, disks(a)), want: []string{codeMotion}}, {vm: moving(noon, disks(disk("11111111", "B")))},
			{vm: disks(disk("11111111", "B"))},
		}},
		{"the task ends before the disks turn up", target, known{}, []scene{
			{vm: disks(a)}, {vm: moving(noon, disks(a)), want: []string{codeMotion}}, {vm: disks(a)},
			{after: time.Second, vm: disks(disk("11111111", "B"))},
		}},
		{"cancelled, and moved much later", target, known{}, []scene{
			{vm: disks(a)}, {vm: moving(noon, disks(a)), want: []string{codeMotion}}, {vm: disks(a)},
			{after: time.Hour, vm: disks(disk("11111111", "B")), want: []string{codeMotion}},
		}},
		{"another task runs", target, known{}, []scene{
			{vm: disks(a)}, {vm: moving(noon, disks(a)), want: []string{codeMotion}}, {vm: moving(noon.Add(time.Second), disks(a)), want: []string{codeMotion}},
		}},
	}
	for _, tt := range cases {
		k, now := tt.known, noon
		count := 0
		for i, s := range tt.scenes {
			now = now.Add(s.after)
			var told []violation
			k, told = tt.thing.judge(k, observed.Watched{VM: s.vm, Gone: s.gone}, now)
			var codes []string
			for _, v := range told {
				codes = append(codes, v.fact.Code)
				if v.fact.What == "" || v.fact.Endangers == "" || v.fact.Do == "" {
					t.Errorf("%s: says too little: %+v", tt.name, v.fact)
				}
			}
			if !slices.Equal(codes, s.want) {
				t.Errorf("%s: scene %d told %v, want %v", tt.name, i, codes, s.want)
			}
			count += len(told)
		}
		if got := k.Count[0] + k.Count[1]; got != count {
			t.Errorf("%s: counted %d of %d", tt.name, got, count)
		}
	}
}

const rg = "/subscriptions/s/resourceGroups/rg"

func azureVMs(more func(*observed.AzureVMs), ids ...string) observed.AzureVMs {
	look := observed.AzureVMs{Taken: noon, Groups: map[string]string{strings.ToLower(rg): ""}}
	for _, id := range ids {
		look.VMs = append(look.VMs, observed.AzureVM{ID: id, Name: observed.LastSegment(id), Disks: []string{"osdisk-web01"}})
	}
	if more != nil {
		more(&look)
	}
	return look
}

func TestJudgeAzure(t *testing.T) {
	const here, there = rg + "/providers/Microsoft.Compute/virtualMachines/web01", "/subscriptions/s/resourceGroups/other/providers/Microsoft.Compute/virtualMachines/web01"
	blind := func(l *observed.AzureVMs) { l.Groups[strings.ToLower(rg)] = "no permission" }
	narrow := func(l *observed.AzureVMs) { l.Elsewhere = "no permission" }
	known1 := known{machineKnown: machineKnown{Azure: &azureVM{ID: here, Disks: []string{"osdisk-web01"}}}}
	for _, tt := range []struct {
		name  string
		looks []observed.AzureVMs
		want  []string // what is told at each look holds this; "" nothing is told
	}{
		{"in place", []observed.AzureVMs{azureVMs(nil, strings.ToUpper(here)), azureVMs(nil, here)}, []string{"", ""}},
		{"deleted, told once", []observed.AzureVMs{azureVMs(nil, here), azureVMs(nil), azureVMs(nil)}, []string{"", "was deleted", ""}},
		{"moved, back, moved", []observed.AzureVMs{azureVMs(nil, there), azureVMs(nil, here), azureVMs(nil, there)}, []string{"to other", "", "to other"}},
		{"not to be seen", []observed.AzureVMs{azureVMs(blind), {}, azureVMs(nil, here)}, []string{"", "", ""}},
		{"away, and nobody can say where", []observed.AzureVMs{azureVMs(narrow)}, []string{"deleted or moved"}},
		{"not to be seen after it went", []observed.AzureVMs{azureVMs(nil), azureVMs(blind), azureVMs(nil)}, []string{"was deleted", "", ""}},
	} {
		k := known1
		for i, look := range tt.looks {
			var told []violation
			k, told = web.judgeAzure(k, look)
			got := ""
			for _, v := range told {
				got += v.fact.What
			}
			if (got == "") != (tt.want[i] == "") || !strings.Contains(got, tt.want[i]) {
				t.Errorf("%s: look %d told %q, want %q", tt.name, i, got, tt.want[i])
			}
		}
	}
}

// Whoever sees the violations of a case, in whatever order, gives each its own number.
func TestNumbers(t *testing.T) {
	const things = 5
	seen := map[int]bool{}
	for count := 1; count <= 3; count++ {
		for at := range things {
			for way := range ways {
				n := number(things, at, way, count)
				if n < 1 || seen[n] {
					t.Errorf("number %d of thing %d, way %d, time %d", n, at, way, count)
				}
				seen[n] = true
			}
		}
	}
	if len(seen) != 3*things*ways {
		t.Errorf("%d numbers", len(seen))
	}
}

func TestThings(t *testing.T) {
	m := func(name, architecture, writer string) events.Machine {
		x := events.Machine{Name: name, Architecture: architecture}
		if x.MasterTarget = writer; architecture == "modernized" {
			x.MasterTarget, x.Appliance = "", writer
		}
		return x
	}
	s := events.Started{
		Case: events.Case{Machines: []events.Machine{m("a", "classic", "MT"), m("b", "modernized", "AP"), m("refused", "classic", "OTHER"), m("c", "classic", "MT")}},
		Jobs: []events.Job{{Machine: "a"}, {Machine: "b"}, {Machine: "refused", Refused: &events.Problem{}}, {Machine: "c"}},
	}
	var got []string
	for _, thing := range things(s) {
		got = append(got, strings.TrimSpace(thing.name+" "+thing.writer+" "+thing.names()))
	}
	if want := []string{"a", "b", "c", "MT master target a, c", "AP appliance b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestStages(t *testing.T) {
	for _, tt := range []struct {
		name  string
		item  observed.Item
		found bool
		want  stage
	}{
		{"no item", observed.Item{}, false, idle},
		{"failed over, no job", observed.Item{Provider: "InMageRcm", State: "UnplannedFailoverStatesBegin"}, true, idle},
		{"its reprotect runs", observed.Item{Provider: "InMageRcm", State: "UnplannedFailoverStatesBegin", JobID: "j", Scenario: observed.ReprotectScenario}, true, onWay},
		{"replicates back", observed.Item{Provider: "InMageRcmFailback", State: "InitialReplicationInProgress"}, true, onWay},
		{"protected", observed.Item{Provider: "InMage", State: "Protected"}, true, onWay},
		{"its failback runs", observed.Item{Provider: "InMageRcmFailback", State: "Protected", JobID: "j", Scenario: "PlannedFailover"}, true, back},
		{"failed back", observed.Item{Provider: "InMage", State: "UnplannedFailoverCommitPendingStatesBegin", Location: "Recovery"}, true, back},
		{"failed back, modernized", observed.Item{Provider: "InMageRcmFailback", State: "CommitPendingStatesBegin", Location: "Recovery"}, true, back},
		{"committed", observed.Item{Provider: "InMage", State: "UnplannedFailoverCommitted", Location: "Recovery", ActiveSite: "OnPrem"}, true, home},
	} {
		if got := stageOf(tt.item, tt.found); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// A machine that nothing brings home any more leaves the guard, but not at once.
func TestFollow(t *testing.T) {
	k := known{}.follow(idle, noon, settled)
	if k = k.follow(idle, noon.Add(settled/2), settled); k.Home {
		t.Error("home at once")
	}
	if k = k.follow(onWay, noon.Add(settled), settled).follow(idle, noon.Add(2*settled), settled); k.Home {
		t.Error("home though a job came in between")
	}
	if k = k.follow(idle, noon.Add(3*settled), settled); !k.Home {
		t.Error("under guard for ever")
	}
}

// A machine that Azure refused for now comes on its way yet.
func TestARefusedMachineThatIsTriedAgainIsGuarded(t *testing.T) {
	refused := &events.Problem{Code: "4711", Message: "no"}
	all := things(events.Started{
		Case: events.Case{Machines: []events.Machine{{Name: "web01"}, {Name: "db01"}, {Name: "app01"}}},
		Jobs: []events.Job{{Machine: "web01", Job: "j1"}, {Machine: "db01", Refused: refused, Again: true}, {Machine: "app01", Refused: refused}},
	})
	if len(all) != 2 || all[1].name != "db01" {
		t.Errorf("%+v", all)
	}
}
