package vcenter

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// movesActions are about what moves the disks of a machine, and who may not see it.
func (srv *Server) movesActions(ctx context.Context) []Action {
	return []Action{
		{"begin-relocation", "VM", "let a Storage vMotion run until end-relocation (S13, S23, M5)", func(a []string) error { return srv.beginRelocation(a[0], true) }},
		{"end-relocation", "VM", "end it, the disks where they were", func(a []string) error { return srv.endRelocation(a[0]) }},
		{"add-to-cluster", "CLUSTER DATASTORE", "put a datastore into a datastore cluster whose Storage DRS is automated; made when it does not exist", func(a []string) error { return srv.addToCluster(ctx, a[0], a[1]) }},
		{"set-storage-drs", "CLUSTER VM automated|manual|excluded", "give the VM a rule of its own", func(a []string) error { return srv.setStorageDRS(a[0], a[1], a[2]) }},
		{"refuse-method", "METHOD", "refuse calls of a method of the API for want of permission, e.g. CreateCollectorForTasks", func(a []string) error { return srv.refuse(a[0], true) }},
		{"allow-method", "METHOD", "allow them again", func(a []string) error { return srv.refuse(a[0], false) }},
	}
}

// beginRelocation makes a task that does not end by itself. It holds no lock of the machine, so that the machine
// can be read meanwhile, as at a vCenter.
func (srv *Server) beginRelocation(name string, disks bool) error {
	vm, err := srv.vm(name)
	if err != nil {
		return err
	}
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if srv.relocations[vm.Self] != nil {
		return fmt.Errorf("%s is being relocated already", name)
	}
	now := time.Now()
	task := simulator.CreateTask(vm, "relocate", nil) // put, not run: only end-relocation ends it
	task.Self = types.ManagedObjectReference{Type: "Task", Value: fmt.Sprintf("task-%s-%d", vm.Self.Value, now.UnixNano())}
	task.Info.Key, task.Info.Task, task.Info.EntityName = task.Self.Value, task.Self, vm.Name
	task.Info.State, task.Info.StartTime = types.TaskInfoStateRunning, &now
	var to *types.ManagedObjectReference
	if disks {
		to = srv.another(vm.Self)
	}
	srv.announce(srv.context(), vm, to)
	srv.context().WithLock(vm, func() { srv.reg.Put(task) })
	srv.relocations[vm.Self] = task
	return nil
}

// another is a datastore that a machine is not on.
func (srv *Server) another(vm types.ManagedObjectReference) *types.ManagedObjectReference {
	var on []types.ManagedObjectReference
	if machine, ok := srv.reg.Get(vm).(*simulator.VirtualMachine); ok {
		on = machine.Datastore
	}
	for _, ds := range srv.reg.All("Datastore") {
		if ref := ds.Reference(); simulator.FindReference(on, ref) == nil {
			return &ref
		}
	}
	return nil
}

// announce publishes the event with which a vCenter begins a move: with the datastore that the machine is on, and the one to
// which it goes; nil when its disks stay. The simulator publishes none.
func (srv *Server) announce(ctx *simulator.Context, vm *simulator.VirtualMachine, to *types.ManagedObjectReference) {
	if len(vm.Datastore) == 0 {
		return
	}
	argument := func(ref types.ManagedObjectReference) *types.DatastoreEventArgument {
		name := ""
		if ds, ok := srv.reg.Get(ref).(*simulator.Datastore); ok {
			name = ds.Name
		}
		return &types.DatastoreEventArgument{EntityEventArgument: types.EntityEventArgument{Name: name}, Datastore: ref}
	}
	from := argument(vm.Datastore[0])
	dest := from
	if to != nil {
		dest = argument(*to)
	}
	event := &types.VmBeingHotMigratedEvent{DestDatastore: dest}
	event.Vm = &types.VmEventArgument{EntityEventArgument: types.EntityEventArgument{Name: vm.Name}, Vm: vm.Self}
	event.Ds = from
	if ctx.Session == nil {
		ctx.Session = &simulator.Session{}
	}
	srv.reg.EventManager().PostEvent(ctx, &types.PostEvent{EventToPost: event})
}

func (srv *Server) endRelocation(name string) error {
	vm, err := srv.vm(name)
	if err != nil {
		return err
	}
	srv.mu.Lock()
	task := srv.relocations[vm.Self]
	delete(srv.relocations, vm.Self)
	srv.mu.Unlock()
	if task == nil {
		return fmt.Errorf("%s is not being relocated", name)
	}
	srv.reg.AtomicUpdate(srv.context(), task, []change{
		{Name: "info.completeTime", Val: time.Now()}, {Name: "info.state", Val: types.TaskInfoStateSuccess},
	})
	return nil
}

// storagePod finds a datastore cluster by name.
func (srv *Server) storagePod(name string) (*simulator.StoragePod, error) {
	for _, e := range srv.reg.All("StoragePod") {
		if pod := e.(*simulator.StoragePod); strings.EqualFold(pod.Name, name) {
			return pod, nil
		}
	}
	return nil, fmt.Errorf("no datastore cluster is named %q", name)
}

func (srv *Server) addToCluster(ctx context.Context, name, datastore string) error {
	ds, err := srv.datastore(datastore)
	if err != nil {
		return err
	}
	pod, err := srv.storagePod(name)
	if err != nil {
		if pod, err = srv.createPod(ctx, name); err != nil {
			return err
		}
	}
	task, err := object.NewStoragePod(srv.vim, pod.Self).MoveInto(ctx, []types.ManagedObjectReference{ds.Self})
	if err != nil {
		return err
	}
	return task.Wait(ctx)
}

func (srv *Server) createPod(ctx context.Context, name string) (*simulator.StoragePod, error) {
	dc := object.NewDatacenter(srv.vim, srv.reg.Any("Datacenter").Reference())
	folders, err := dc.Folders(ctx)
	if err != nil {
		return nil, err
	}
	created, err := folders.DatastoreFolder.CreateStoragePod(ctx, name)
	if err != nil {
		return nil, err
	}
	pod := srv.reg.Get(created.Reference()).(*simulator.StoragePod)
	srv.context().WithLock(pod, func() {
		pod.PodStorageDrsEntry.StorageDrsConfig.PodConfig.DefaultVmBehavior = string(types.StorageDrsPodConfigInfoBehaviorAutomated)
	})
	return pod, nil
}

// setStorageDRS writes the rule of one machine, which the simulator's own call for it ignores.
func (srv *Server) setStorageDRS(name, machine, how string) error {
	pod, err := srv.storagePod(name)
	if err != nil {
		return err
	}
	vm, err := srv.vm(machine)
	if err != nil {
		return err
	}
	rule := types.StorageDrsVmConfigInfo{Vm: &vm.Self, Enabled: types.NewBool(how != "excluded")}
	if how != "excluded" {
		rule.Behavior = how
	}
	ctx := srv.context()
	ctx.WithLock(pod, func() {
		entry := *pod.PodStorageDrsEntry
		rules := slices.DeleteFunc(slices.Clone(entry.StorageDrsConfig.VmConfig), func(r types.StorageDrsVmConfigInfo) bool {
			return r.Vm != nil && *r.Vm == vm.Self
		})
		entry.StorageDrsConfig.VmConfig = append(rules, rule)
		ctx.Update(pod, []change{{Name: "podStorageDrsEntry", Val: &entry}})
	})
	return nil
}

// refuse refuses calls of a method, whoever makes them, or no longer.
func (srv *Server) refuse(method string, refused bool) error {
	if !reading(method) {
		return fmt.Errorf("%q is not a method that reads", method)
	}
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.refused[method] = refused
	return nil
}
