package vsphere_test

import (
	"context"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"reprotect.example/services/internal/vsphere"
	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/lab/vcenter"
	"reprotect.example/services/lab/vcenter/vcentertest"
	"reprotect.example/services/observed"
)

// watched keeps what a watch reports.
type watched struct {
	t       *testing.T
	mu      sync.Mutex
	told    []observed.Watched
	blind   []error
	changed chan struct{}
}

// watch runs a watch, with a session of its own, until the returned function is called or the test ends.
func watch(t *testing.T, srv *vcenter.Server, caFile string) (*vsphere.Watch, *watched, func()) {
	t.Helper()
	client, err := vsphere.New(vsphere.Options{URL: srv.URL(), Username: srv.Username, Password: srv.Password, CAFile: caFile})
	if err != nil {
		t.Fatal(err)
	}
	w, seen := client.Watch(), &watched{t: t, changed: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.Run(ctx, seen.tell, seen.see)
	}()
	stop := sync.OnceFunc(func() {
		begun := time.Now()
		cancel()
		<-ended
		client.Close(context.WithoutCancel(ctx))
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("the watch ended only after %s", took)
		}
	})
	t.Cleanup(stop)
	return w, seen, stop
}

func (w *watched) tell(vm observed.Watched) { w.note(func() { w.told = append(w.told, vm) }) }
func (w *watched) see(err error)            { w.note(func() { w.blind = append(w.blind, err) }) }

func (w *watched) note(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
	close(w.changed)
	w.changed = make(chan struct{})
}

// until waits for what fits; what was reported before from is passed over.
func (w *watched) until(from int, what string, fits func(observed.Watched) bool) {
	w.t.Helper()
	begun := time.Now()
	for {
		w.mu.Lock()
		told, changed := w.told[from:], w.changed
		w.mu.Unlock()
		if slices.ContainsFunc(told, fits) {
			w.t.Logf("%s: reported %s after it was asked for", what, time.Since(begun).Round(time.Millisecond))
			return
		}
		select {
		case <-changed:
		case <-time.After(10 * time.Second):
			w.t.Fatalf("not reported: %s; reported: %+v; blind: %v", what, told, w.blind)
		}
	}
}

func (w *watched) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.told)
}

func (w *watched) sight() []error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.blind)
}

func is(name string, more func(observed.Watched) bool) func(observed.Watched) bool {
	return func(vm observed.Watched) bool { return vm.Name == name && !vm.Gone && more(vm) }
}

func on(disk, datastore string) func(observed.Watched) bool {
	return func(vm observed.Watched) bool {
		return slices.ContainsFunc(vm.Disks, func(d observed.VMDisk) bool { return d.UUID == disk && d.DatastoreRef == datastore })
	}
}

func TestWatch(t *testing.T) {
	s := scenario.Default(4)
	srv, caFile := vcentertest.Start(t, s)
	inv := look(t, connect(t, srv, caFile), "MT-LINUX-01", "web01", "db01")
	mt, web, db := one(t, inv, "MT-LINUX-01"), one(t, inv, "web01"), one(t, inv, "db01")
	w, seen, _ := watch(t, srv, caFile)
	w.Add(mt.Ref, time.Now())
	w.Add(web.Ref, time.Now())
	seen.until(0, "the master target as it is", is("MT-LINUX-01", func(vm observed.Watched) bool {
		return vm.Power == "poweredOn" && len(vm.Disks) == 2 && len(vm.Snapshots) == 0 && len(vm.Moves) == 0
	}))
	seen.until(0, "the machine as it is", is("web01", func(vm observed.Watched) bool { return vm.Power == "poweredOff" }))

	do := func(what string, fits func(observed.Watched) bool, action string, args ...string) {
		t.Helper()
		from := seen.count()
		vcentertest.Do(t, srv, action, args...)
		seen.until(from, what, fits)
	}
	do("power", is("web01", func(vm observed.Watched) bool { return vm.Power == "poweredOn" }), "power-on", "web01")
	do("power off", is("web01", func(vm observed.Watched) bool { return vm.Power == "poweredOff" }), "power-off", "web01")
	do("snapshot", is("MT-LINUX-01", func(vm observed.Watched) bool {
		return len(vm.Snapshots) == 1 && vm.Snapshots[0].Name == "before" && !vm.Snapshots[0].Created.IsZero()
	}), "add-snapshot", "MT-LINUX-01", "before")
	do("no snapshot", is("MT-LINUX-01", func(vm observed.Watched) bool { return len(vm.Snapshots) == 0 }), "remove-snapshot", "MT-LINUX-01")
	second := datastore(t, inv, "VMFS-02").Ref
	do("relocated", is("MT-LINUX-01", on(mt.Disks[0].UUID, second)), "relocate", "MT-LINUX-01", "VMFS-02")

	w.Add(db.Ref, time.Now())
	seen.until(0, "a machine that is added later", is("db01", func(vm observed.Watched) bool { return vm.Power == "poweredOff" }))
	do("its power", is("db01", func(vm observed.Watched) bool { return vm.Power == "poweredOn" }), "power-on", "db01")

	from := seen.count()
	w.Add(web.Ref, time.Now()) // by another case
	seen.until(from, "a machine that is in view already", is("web01", func(vm observed.Watched) bool { return vm.Power == "poweredOff" }))

	from = seen.count()
	w.Remove(web.Ref)
	vcentertest.Do(t, srv, "power-on", "web01")
	do("another machine", is("db01", func(vm observed.Watched) bool { return vm.Power == "poweredOff" }), "power-off", "db01")
	seen.mu.Lock()
	for _, vm := range seen.told[from:] {
		if vm.Name == "web01" && vm.Power == "poweredOn" {
			t.Error("a machine is reported that is not in view any more")
		}
	}
	seen.mu.Unlock()
	w.Add(web.Ref, time.Now())
	seen.until(from, "a machine that comes back into view", is("web01", func(vm observed.Watched) bool { return vm.Power == "poweredOn" }))

	from = seen.count()
	vcentertest.Do(t, srv, "delete-vm", "web01")
	seen.until(from, "a machine that is deleted", func(vm observed.Watched) bool { return vm.Gone && vm.Ref == web.Ref })
	from = seen.count()
	w.Add("vm-999999", time.Now())
	seen.until(from, "a machine that never was", func(vm observed.Watched) bool { return vm.Gone && vm.Ref == "vm-999999" })
	for _, err := range seen.sight() {
		if err != nil {
			t.Error(err)
		}
	}
}

// A Storage vMotion is reported while it runs, with who began it.
func TestWatchRunningRelocation(t *testing.T) {
	srv, caFile := vcentertest.Start(t, scenario.Default(1))
	inv := look(t, connect(t, srv, caFile), "ASR-APPL-01")
	appliance := one(t, inv, "ASR-APPL-01")
	w, seen, _ := watch(t, srv, caFile)
	w.Add(appliance.Ref, time.Now())
	seen.until(0, "the appliance as it is", is("ASR-APPL-01", func(observed.Watched) bool { return true }))

	simulator.TaskDelay.MethodDelay = map[string]int{"RelocateVm": 300, "LockHandoff": 0}
	t.Cleanup(func() { simulator.TaskDelay.MethodDelay = nil })
	relocated := make(chan error, 1)
	go func() { relocated <- relocate(t.Context(), srv, "ASR-APPL-01", "VMFS-02") }()
	seen.until(0, "the task that runs", is("ASR-APPL-01", func(vm observed.Watched) bool {
		return len(vm.Moves) == 1 && vm.Moves[0].State == "running" && vm.Moves[0].User != "" && !vm.Moves[0].Begun.IsZero()
	}))
	from := seen.count()
	if err := <-relocated; err != nil {
		t.Fatal(err)
	}
	seen.until(from, "its end", is("ASR-APPL-01", func(vm observed.Watched) bool { return len(vm.Moves) == 0 }))
}

// relocate moves a machine as any client of the vSphere API would.
func relocate(ctx context.Context, srv *vcenter.Server, name, datastore string) error {
	u, err := url.Parse(srv.URL())
	if err != nil {
		return err
	}
	u.User = url.UserPassword(srv.Username, srv.Password)
	c, err := govmomi.NewClient(ctx, u, true)
	if err != nil {
		return err
	}
	finder := find.NewFinder(c.Client)
	vm, err := finder.VirtualMachine(ctx, "/*/vm/"+name)
	if err != nil {
		return err
	}
	ds, err := finder.Datastore(ctx, "/*/datastore/"+datastore)
	if err != nil {
		return err
	}
	to := ds.Reference()
	task, err := vm.Relocate(ctx, types.VirtualMachineRelocateSpec{Datastore: &to}, types.VirtualMachineMovePriorityDefaultPriority)
	if err != nil {
		return err
	}
	return task.Wait(ctx)
}

// One call waits for all machines, and the watch sees again by itself when its session was ended.
func TestWatchCallsAndSessions(t *testing.T) {
	s := scenario.Default(60)
	srv, caFile := vcentertest.Start(t, s)
	var names []string
	for _, m := range s.Machines {
		names = append(names, m.Name)
	}
	inv := look(t, connect(t, srv, caFile), names...)
	w, seen, stop := watch(t, srv, caFile)
	for _, vm := range inv.VMs {
		w.Add(vm.Ref, time.Now())
	}
	for _, name := range names {
		seen.until(0, name, is(name, func(observed.Watched) bool { return true }))
	}
	before := srv.Calls()
	from := seen.count()
	vcentertest.Do(t, srv, "power-on", "web01")
	seen.until(from, "one of many", is("web01", func(vm observed.Watched) bool { return vm.Power == "poweredOn" }))
	after := srv.Calls()
	if n := before["CreateFilter"]; n != 1 {
		t.Errorf("%d filters for %d machines, want 1", n, len(names))
	}
	if n := after["WaitForUpdatesEx"] - before["WaitForUpdatesEx"]; n > 4 {
		t.Errorf("%d waits for one change, whatever the number of machines", n)
	}
	if n := after["RetrievePropertiesEx"] - before["RetrievePropertiesEx"]; n != 0 {
		t.Errorf("%d reads beside the wait", n)
	}

	vcentertest.Do(t, srv, "expire-sessions")
	vcentertest.Do(t, srv, "power-on", "db01")
	seen.until(from, "what happened with a new session", is("db01", func(vm observed.Watched) bool { return vm.Power == "poweredOn" }))
	stop()
	if n := srv.Calls()["CancelWaitForUpdates"]; n == 0 {
		t.Error("the call that waits is left to the vCenter")
	}
}

func TestWatchTellsWhenItIsBlind(t *testing.T) {
	srv, caFile := vcentertest.Start(t, scenario.Default(1))
	client, err := vsphere.New(vsphere.Options{URL: srv.URL(), Username: srv.Username, Password: "wrong", CAFile: caFile})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	w := client.Watch()
	w.Add("vm-1", time.Now())
	w.Run(ctx, func(observed.Watched) { t.Error("told of a machine") }, func(err error) {
		if f, ok := observed.FaultOf(err); !ok || f.Code != "vcenter.login" || f.Remedy == "" {
			t.Errorf("blind: %v", err)
		}
		cancel()
	})
}
