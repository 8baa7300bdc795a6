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
	web     = subject{name: "web01", machine: events.Machine{Name: "web01"}}
	target  = subject{name: "MT-01", writer: "master target", serves: []events.Machine{{Name: "web01"}}}
	machine = subject{name: "APPL-01", writer: "appliance", serves: []events.Machine{{Name: "web01"}, {Name: "db01"}}}
)

// scene is what a watch reports, and what is told then: a code is a violation, -code its end, ?code that the subject is not
// watched, and "watched" that it is again.
type scene struct {
	after time.Duration // since the scene before
	vm    observed.VM
	past  []observed.Happening
	back  bool // it replicates back by now
	gone  bool
	want  []string
}

func short(t *testing.T, n news) string {
	t.Helper()
	switch {
	case n.violated != nil:
		if v := n.violated; v.What == "" || v.Endangers == "" || v.Do == "" {
			t.Errorf("says too little: %+v", v)
		}
		return n.violated.Code
	case n.cleared != nil:
		if c := n.cleared; c.What == "" || c.Until.Before(c.From) || c.From.Year() != noon.Year() {
			t.Errorf("says too little: %+v", c)
		}
		return "-" + n.cleared.Code
	case n.unwatched != nil:
		if u := n.unwatched; u.VM == "" || u.What == "" || u.Do == "" || u.Since.IsZero() {
			t.Errorf("says too little: %+v", u)
		}
		return "?" + n.unwatched.Code
	}
	if w := n.watched; w.VM == "" || w.What == "" || w.Until.Before(w.From) {
		t.Errorf("says too little: %+v", w)
	}
	return "watched"
}

func power(state string) observed.VM { return observed.VM{Power: state, Connection: "connected"} }

func disk(id, datastore string) observed.VMDisk {
	return observed.VMDisk{UUID: "6000c29f-0000-0000-0000-0000" + id, Label: "Hard disk " + id, DatastoreRef: datastore, File: "[" + datastore + "] vm/vm.vmdk"}
}

func disks(all ...observed.VMDisk) observed.VM { return observed.VM{Disks: all} }

// moving is a machine of which a move of disks runs since begun.
func moving(begun time.Time, vm observed.VM) observed.VM {
	return moves(observed.MovesDisks, begun, vm)
}

func moves(scope observed.Scope, begun time.Time, vm observed.VM) observed.VM {
	vm.Moves = []observed.Move{{Kind: "VirtualMachine.relocate", State: "running", User: "ops", Begun: begun, Scope: scope}}
	return vm
}

// snapshot is a machine with snapshots of these ids, which it names.
func snapshot(ids ...int32) observed.VM {
	vm := disks(disk("11111111", "A"))
	for _, id := range ids {
		vm.Snapshots = append(vm.Snapshots, observed.Snapshot{ID: id, Name: "s", Path: "s", Created: noon})
	}
	return vm
}

func delta(vm observed.VM) observed.VM {
	vm.Disks = slices.Clone(vm.Disks)
	vm.Disks[0].Delta = true
	return vm
}

func hidden(vm observed.VM, property string) observed.VM {
	vm.Unread = map[string]string{property: "NoPermission"}
	return vm
}

func at(kind observed.HappeningKind, after time.Duration) observed.Happening {
	return observed.Happening{Kind: kind, At: noon.Add(after), User: "ops"}
}

func unplugged(vm observed.VM) observed.VM {
	vm.Connection = "disconnected"
	return vm
}

func TestVSphereGuardJudges(t *testing.T) {
	a, b := disk("11111111", "A"), disk("22222222", "A")
	away := disk("22222222", "B")
	bare := func(label, datastore, file string) observed.VMDisk {
		return observed.VMDisk{Label: label, DatastoreRef: datastore, File: "[" + datastore + "] vm/" + file}
	}
	consolidate := snapshot()
	consolidate.Consolidate = true
	seen := known{Seen: true, Taken: noon.UnixMilli()}
	cases := []struct {
		name    string
		subject subject
		known   known
		scenes  []scene
	}{
		{"nothing happens", web, known{}, []scene{{vm: power("poweredOff")}, {vm: power("poweredOff")}}},
		{"4.1a on before the reprotect, whose job switches it off", web, known{}, []scene{
			{vm: power("poweredOn")}, {vm: power("poweredOn")}, {vm: power("poweredOff")},
			{vm: power("poweredOn"), want: []string{codePower}},
		}},
		{"4.1a on before the reprotect, and still when it replicates back", web, known{}, []scene{
			{vm: power("poweredOn")}, {vm: power("poweredOn"), back: true, want: []string{codePower}}, {vm: power("poweredOn"), back: true},
			{vm: power("poweredOff"), back: true, want: []string{"-" + codePower}},
		}},
		{"4.1a switched on between the start and the first sight", web, known{Taken: noon.UnixMilli()}, []scene{
			{after: time.Minute, vm: power("poweredOn"), past: []observed.Happening{at(observed.SwitchedOn, time.Second)}, want: []string{codePower}},
			{vm: power("poweredOff"), want: []string{"-" + codePower}},
		}},
		{"on again", web, known{}, []scene{
			{vm: power("poweredOff")}, {vm: power("poweredOn"), want: []string{codePower}}, {vm: power("poweredOn")},
			{vm: power("poweredOff"), want: []string{"-" + codePower}}, {vm: power("poweredOn"), want: []string{codePower}},
		}},
		{"4.3 on and off while nobody watched", web, seen, []scene{
			{vm: power("poweredOff"), past: []observed.Happening{at(observed.SwitchedOn, time.Minute), at(observed.SwitchedOff, 2*time.Minute)}, want: []string{codePower, "-" + codePower}},
			{vm: power("poweredOff")},
		}},
		{"4.3 what is known already", web, seen, []scene{
			{vm: power("poweredOff"), past: []observed.Happening{at(observed.SwitchedOn, -time.Second), at(observed.SwitchedOff, 0)}},
		}},
		{"4.3 off and on while nobody watched", web, known{Seen: true, Taken: noon.UnixMilli(), machineKnown: machineKnown{On: true}, Count: [ways]int{1}, Open: [ways][]int64{{noon.UnixMilli()}}}, []scene{
			{vm: power("poweredOn"), past: []observed.Happening{at(observed.SwitchedOff, time.Minute), at(observed.SwitchedOn, 2*time.Minute)}, want: []string{"-" + codePower, codePower}},
		}},
		{"4.3 on since while nobody watched, and told once", web, seen, []scene{
			{vm: power("poweredOn"), past: []observed.Happening{at(observed.SwitchedOn, time.Minute)}, want: []string{codePower}}, {vm: power("poweredOn")},
		}},
		{"unknown in between is no change", web, known{}, []scene{
			{vm: power("poweredOff")}, {vm: power("poweredOn"), want: []string{codePower}}, {vm: power("")}, {vm: power("poweredOn"), gone: true}, {vm: power("poweredOn")},
		}},
		{"A07 a host that is not connected shows an old power state", web, known{}, []scene{
			{vm: power("poweredOff")}, {vm: unplugged(power("poweredOn")), want: []string{"?" + codeBlind}}, {vm: unplugged(power("poweredOn"))},
			{vm: power("poweredOff"), want: []string{"watched"}},
		}},
		{"4.2 power hidden", web, known{}, []scene{
			{vm: power("poweredOff")}, {vm: hidden(power(""), "runtime.powerState"), want: []string{"?" + codeBlind}},
			{vm: power("poweredOn"), want: []string{"watched", codePower}},
		}},
		{"switched on at home", web, known{machineKnown: machineKnown{Home: true}}, []scene{{vm: power("poweredOn")}}},
		{"a machine's own snapshots and moves do no harm", web, known{}, []scene{
			{vm: moving(noon, snapshot(1))}, {vm: disks(disk("11111111", "B"))},
		}},

		{"snapshot", target, known{}, []scene{
			{vm: snapshot()}, {vm: snapshot(1), want: []string{codeSnapshot}}, {vm: snapshot(1)},
			{vm: snapshot(1, 2), want: []string{codeSnapshot}}, {vm: snapshot(), want: []string{"-" + codeSnapshot, "-" + codeSnapshot}},
			{vm: snapshot(3), want: []string{codeSnapshot}}, {vm: snapshot(), want: []string{"-" + codeSnapshot}},
		}},
		{"4.1c one of two snapshots is deleted", target, known{}, []scene{
			{vm: snapshot(1, 2), want: []string{codeSnapshot}}, {vm: snapshot(2)}, {vm: snapshot(), want: []string{"-" + codeSnapshot}},
		}},
		{"4.3 snapshot made and removed while nobody watched", target, seen, []scene{
			{after: time.Hour, vm: snapshot(), past: []observed.Happening{at(observed.SnapshotMade, 2*time.Minute), at(observed.SnapshotsRemoved, 3*time.Minute)}, want: []string{codeSnapshot, "-" + codeSnapshot}},
		}},
		{"4.3 snapshot made while nobody watched, told once", target, seen, []scene{
			{after: time.Hour, vm: snapshot(1), past: []observed.Happening{at(observed.SnapshotMade, time.Second)}, want: []string{codeSnapshot}}, {vm: snapshot(1)},
		}},
		{"4.3 a snapshot that is known", target, seen, []scene{
			{after: time.Hour, vm: snapshot(), past: []observed.Happening{at(observed.SnapshotMade, -time.Minute)}},
		}},
		{"snapshot of an appliance is allowed", machine, known{}, []scene{{vm: snapshot()}, {vm: snapshot(1)}}},
		{"4.2 snapshots that cannot be read are unchanged, and told", target, known{}, []scene{
			{vm: snapshot(1), want: []string{codeSnapshot}},
			{vm: hidden(snapshot(), "snapshot"), want: []string{"?" + codeBlind}}, {vm: hidden(snapshot(), "snapshot")}, {vm: snapshot(1), want: []string{"watched"}},
		}},
		{"S30 delta disks without a snapshot", target, known{}, []scene{
			{vm: snapshot()}, {vm: delta(snapshot())}, {after: settle - time.Second, vm: delta(snapshot())},
			{after: time.Second, vm: delta(snapshot()), want: []string{codeSnapshot}}, {after: time.Hour, vm: delta(snapshot())},
			{vm: snapshot(), want: []string{"-" + codeSnapshot}},
		}},
		{"S30 consolidation needed", target, known{}, []scene{
			{vm: consolidate}, {after: settle, vm: consolidate, want: []string{codeSnapshot}}, {vm: snapshot(), want: []string{"-" + codeSnapshot}},
		}},
		{"delta disks while a snapshot is removed", target, known{}, []scene{
			{vm: snapshot()}, {vm: delta(snapshot())}, {after: time.Second, vm: snapshot()}, {after: settle, vm: delta(snapshot())}, {vm: snapshot()},
		}},

		{"moved while nobody saw it run", machine, known{}, []scene{
			{vm: disks(a, b)}, {vm: disks(a, away), want: []string{codeMotion}}, {vm: disks(a, away)},
			{vm: disks(a, disk("22222222", "C")), want: []string{codeMotion}},
			{vm: disks(a, b), want: []string{"-" + codeMotion, "-" + codeMotion}}, {vm: disks(a, away), want: []string{codeMotion}},
		}},
		{"moved, and detached: not back", machine, known{}, []scene{
			{vm: disks(a, b)}, {vm: disks(a, away), want: []string{codeMotion}}, {vm: disks(a)}, {vm: disks(a, away)},
		}},
		{"replication attaches and detaches disks", target, known{}, []scene{
			{vm: disks(a)}, {vm: disks(a, disk("33333333", "C"))}, {vm: disks(a)}, {vm: disks(a, disk("44444444", "B"))},
		}},
		{"4.1e disks without a UUID that exchange a label", target, known{}, []scene{
			{vm: disks(bare("1", "A", "x.vmdk"), bare("2", "B", "y.vmdk"))}, {vm: disks(bare("2", "A", "x.vmdk"), bare("1", "B", "y.vmdk"))},
			{vm: disks(bare("2", "A", "x.vmdk"), bare("1", "A", "y.vmdk")), want: []string{codeMotion}},
		}},
		{"4.2 disks that cannot be read are unchanged, and told", target, known{}, []scene{
			{vm: disks(a)}, {vm: hidden(disks(), "config.hardware.device"), want: []string{"?" + codeBlind}}, {vm: disks(a), want: []string{"watched"}},
			{vm: disks(disk("11111111", "B")), want: []string{codeMotion}},
		}},
		{"running, then done: one, which stays", target, known{}, []scene{
			{vm: disks(a)}, {vm: moving(noon, disks(a)), want: []string{codeMotion}}, {vm: moving(noon, disks(disk("11111111", "B")))},
			{vm: disks(disk("11111111", "B"))}, {after: time.Hour, vm: disks(disk("11111111", "B"))},
		}},
		{"the task ends before the disks turn up", target, known{}, []scene{
			{vm: disks(a)}, {vm: moving(noon, disks(a)), want: []string{codeMotion}}, {vm: disks(a)},
			{after: time.Second, vm: disks(disk("11111111", "B"))}, {after: time.Hour, vm: disks(disk("11111111", "B"))},
		}},
		{"cancelled: over, and moved much later", target, known{}, []scene{
			{vm: disks(a)}, {vm: moving(noon, disks(a)), want: []string{codeMotion}}, {vm: disks(a)}, {after: afterMove, vm: disks(a)},
			{after: time.Second, vm: disks(a), want: []string{"-" + codeMotion}},
			{after: time.Hour, vm: disks(disk("11111111", "B")), want: []string{codeMotion}},
		}},
		{"another task runs", target, known{}, []scene{
			{vm: disks(a)}, {vm: moving(noon, disks(a)), want: []string{codeMotion}}, {vm: moving(noon.Add(time.Second), disks(a)), want: []string{codeMotion}},
		}},
		{"4.1b the host changes and the disks stay", target, known{}, []scene{
			{vm: disks(a)}, {vm: moves(observed.MovesHost, noon, disks(a))}, {after: time.Hour, vm: moves(observed.MovesHost, noon, disks(a))}, {vm: disks(a)},
		}},
		{"4.1b nobody says whether disks move", target, known{}, []scene{
			{vm: disks(a)}, {vm: moves("", noon, disks(a))}, {after: longMove - time.Second, vm: moves("", noon, disks(a))},
			{after: time.Second, vm: moves("", noon, disks(a)), want: []string{codeMotion}},
		}},
		{"4.1b nobody says so, and they do", target, known{}, []scene{
			{vm: disks(a)}, {vm: moves("", noon, disks(a))}, {after: time.Second, vm: disks(disk("11111111", "B")), want: []string{codeMotion}},
		}},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			k, now := tt.known, noon
			for i, s := range tt.scenes {
				now = now.Add(s.after)
				k.Past = s.back
				var all []news
				k, all = tt.subject.judge(k, observed.Watched{VM: s.vm, Gone: s.gone, Past: s.past, Taken: now}, now)
				var codes []string
				for _, n := range all {
					codes = append(codes, short(t, n))
				}
				if !slices.Equal(codes, s.want) {
					t.Fatalf("scene %d told %v, want %v", i, codes, s.want)
				}
			}
		})
	}
}

// Each end names what it ends, and no number is given twice.
func TestVSphereGuardEndsWhatItTold(t *testing.T) {
	k := known{}
	told, over := map[int]int{}, map[int]int{}
	take := func(all []news) {
		for _, n := range all {
			if n.violated != nil {
				told[n.count]++
			} else {
				over[n.count]++
			}
		}
	}
	for i := range int32(3) {
		var all []news
		for _, vm := range []observed.VM{snapshot(3*i + 1), snapshot(3*i+1, 3*i+2), snapshot()} {
			k, all = target.judge(k, observed.Watched{VM: vm}, noon)
			take(all)
		}
	}
	for n := 1; n <= 6; n++ {
		if told[n] != 1 || over[n] != 1 {
			t.Errorf("number %d told %d times, ended %d times", n, told[n], over[n])
		}
	}
	if len(told) != 6 || len(over) != 6 {
		t.Errorf("told %v, over %v", told, over)
	}
}

func TestVSphereGuardSaysWhatRemains(t *testing.T) {
	k, _ := web.judge(known{Seen: true}, observed.Watched{VM: power("poweredOn")}, noon)
	_, all := web.judge(k, observed.Watched{VM: power("poweredOff")}, noon.Add(10*time.Minute))
	if len(all) != 1 || all[0].cleared == nil || !strings.Contains(all[0].cleared.Remains, "10m0s") || !all[0].cleared.From.Equal(noon) || !all[0].cleared.Until.Equal(noon.Add(10*time.Minute)) || all[0].cleared.Do == "" {
		t.Errorf("%+v", all)
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
	vmIs := func(power string) observed.AzureVMs {
		return azureVMs(func(l *observed.AzureVMs) { l.VMs[0].Power = power }, here)
	}
	later := func(l observed.AzureVMs) observed.AzureVMs { l.Taken = noon.Add(time.Minute); return l }
	known1 := known{machineKnown: machineKnown{Azure: &azureVM{ID: here, Disks: []string{"osdisk-web01"}}}}
	for _, tt := range []struct {
		name  string
		looks []observed.AzureVMs
		want  []string // what is told at each look holds this; "" nothing is told
	}{
		{"in place", []observed.AzureVMs{azureVMs(nil, strings.ToUpper(here)), azureVMs(nil, here)}, []string{"", ""}},
		{"deleted, told once", []observed.AzureVMs{azureVMs(nil, here), azureVMs(nil), azureVMs(nil)}, []string{"", "was deleted", ""}},
		{"moved, back, moved", []observed.AzureVMs{azureVMs(nil, there), azureVMs(nil, here), azureVMs(nil, there)}, []string{"to other", "over: ", "to other"}},
		{"not to be seen", []observed.AzureVMs{azureVMs(blind), {}, azureVMs(nil, here)}, []string{"", "", ""}},
		{"away, and nobody can say where", []observed.AzureVMs{azureVMs(narrow)}, []string{"deleted or moved"}},
		{"F10 switched off, told at the second look, and on again", []observed.AzureVMs{vmIs("running"), vmIs("deallocated"), later(vmIs("deallocated")), later(vmIs("running"))}, []string{"", "", "switched off: Azure says deallocated", "over: The Azure VM of web01 runs again"}},
		{"F10 one look, read twice", []observed.AzureVMs{vmIs("stopped"), vmIs("stopped")}, []string{"", ""}},
		{"F10 off for a moment", []observed.AzureVMs{vmIs("stopping"), later(vmIs("running")), later(vmIs("stopped"))}, []string{"", "", ""}},
		{"F10 off, and then nobody knows", []observed.AzureVMs{vmIs("stopped"), later(vmIs("")), later(vmIs("stopped")), later(vmIs("stopped"))}, []string{"", "", "switched off", ""}},
		{"F10 off, then deleted", []observed.AzureVMs{vmIs("stopped"), later(vmIs("stopped")), later(azureVMs(nil))}, []string{"", "switched off", "over: The Azure VM of web01 is not there any more" + "The Azure VM of web01 was deleted"}},
		{"not to be seen after it went", []observed.AzureVMs{azureVMs(nil), azureVMs(blind), azureVMs(nil)}, []string{"was deleted", "", ""}},
	} {
		k := known1
		for i, look := range tt.looks {
			var told []news
			k, told = web.judgeAzure(k, look, noon)
			got := ""
			for _, n := range told {
				if n.violated != nil {
					got += n.violated.What
				} else {
					got += "over: " + n.cleared.What
				}
			}
			if (got == "") != (tt.want[i] == "") || !strings.Contains(got, tt.want[i]) {
				t.Errorf("%s: look %d told %q, want %q", tt.name, i, got, tt.want[i])
			}
		}
	}
}

// Whoever sees the violations of a case, in whatever order, gives each its own number.
func TestNumbers(t *testing.T) {
	const subjects = 5
	seen := map[int]bool{}
	for count := 1; count <= 3; count++ {
		for at := range subjects {
			for way := range ways {
				for part := range parts {
					n := number(subjects, at, way, count, part)
					if n < 1 || seen[n] {
						t.Errorf("number %d of subject %d, way %d, time %d, part %d", n, at, way, count, part)
					}
					seen[n] = true
					if a, w, c, p := numbered(subjects, n); a != at || w != way || c != count || p != part {
						t.Errorf("number %d is of subject %d, way %d, time %d, part %d", n, a, w, c, p)
					}
				}
			}
		}
	}
	if len(seen) != 3*subjects*ways*parts {
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
	for _, subject := range subjects(s) {
		got = append(got, strings.TrimSpace(subject.name+" "+subject.writer+" "+subject.names()))
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
	k := known{}.follow(idle, false, noon, settled)
	if k = k.follow(idle, false, noon.Add(settled/2), settled); k.Home {
		t.Error("home at once")
	}
	if k = k.follow(onWay, false, noon.Add(settled), settled).follow(idle, false, noon.Add(2*settled), settled); k.Home {
		t.Error("home though a job came in between")
	}
	if k = k.follow(idle, false, noon.Add(3*settled), settled); !k.Home {
		t.Error("under guard for ever")
	}
}

// A machine that Azure refused for now comes on its way yet.
func TestARefusedMachineThatIsTriedAgainIsGuarded(t *testing.T) {
	refused := &events.Problem{Code: "4711", Message: "no"}
	all := subjects(events.Started{
		Case: events.Case{Machines: []events.Machine{{Name: "web01"}, {Name: "db01"}, {Name: "app01"}}},
		Jobs: []events.Job{{Machine: "web01", Job: "j1"}, {Machine: "db01", Refused: refused, Again: true}, {Machine: "app01", Refused: refused}},
	})
	if len(all) != 2 || all[1].name != "db01" {
		t.Errorf("%+v", all)
	}
}
