package vcenter

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"reprotect.example/services/lab/scenario"
)

// change is one property's new value.
type change = types.PropertyChange

// vm finds a machine by name, or by its folder and name: "old/MT-LINUX-01". Of several it takes the oldest.
func (srv *Server) vm(name string) (found *simulator.VirtualMachine, err error) {
	folder, last, inFolder := strings.Cut(name, "/")
	for _, e := range srv.reg.All("VirtualMachine") {
		vm := e.(*simulator.VirtualMachine)
		named := strings.EqualFold(vm.Name, name)
		if inFolder && !named && strings.EqualFold(vm.Name, last) && vm.Parent != nil {
			f, ok := srv.reg.Get(*vm.Parent).(*simulator.Folder)
			named = ok && f.Name == folder
		}
		if named && (found == nil || older(vm.Self, found.Self)) {
			found = vm
		}
	}
	if found != nil {
		return found, nil
	}
	return nil, fmt.Errorf("no machine is named %q", name)
}

// older says whether one reference was given before another: "vm-9" before "vm-10".
func older(a, b types.ManagedObjectReference) bool {
	return cmp.Or(cmp.Compare(len(a.Value), len(b.Value)), strings.Compare(a.Value, b.Value)) < 0
}

// editVM sets properties of a machine under its lock, and tells those who wait for updates. The function gets
// the machine to read; new values must not share memory with old ones.
func (srv *Server) editVM(name string, edit func(*mo.VirtualMachine) ([]change, error)) error {
	vm, err := srv.vm(name)
	if err != nil {
		return err
	}
	ctx := srv.context()
	ctx.WithLock(vm, func() {
		var changes []change
		if changes, err = edit(&vm.VirtualMachine); err == nil {
			ctx.Update(vm, changes)
		}
	})
	return err
}

func (srv *Server) setVM(name, property string, value any) error {
	return srv.editVM(name, func(*mo.VirtualMachine) ([]change, error) { return []change{{Name: property, Val: value}}, nil })
}

// onVM runs a task of the machine's own API.
func (srv *Server) onVM(ctx context.Context, name string, start func(*object.VirtualMachine) (*object.Task, error)) error {
	vm, err := srv.vm(name)
	if err != nil {
		return err
	}
	if ds, ok := srv.unmounted(srv.context(), vm); ok {
		return fmt.Errorf("the host of %s does not mount its datastore %s: mount it first", name, ds.Value)
	}
	task, err := start(object.NewVirtualMachine(srv.vim, vm.Self))
	if err != nil {
		return err
	}
	return task.Wait(ctx)
}

func (srv *Server) power(ctx context.Context, name string, on bool) error {
	err := srv.onVM(ctx, name, func(vm *object.VirtualMachine) (*object.Task, error) {
		if on {
			return vm.PowerOn(ctx)
		}
		return vm.PowerOff(ctx)
	})
	if err != nil {
		return err
	}
	if on {
		return srv.setTools(name, "running")
	}
	return srv.setTools(name, "stopped")
}

// Home switches a machine on or off as a failback of Site Recovery does: where it runs, VMware Tools answer from it, with
// its name and its address. One that is not there (alternate location) is made anew.
func (srv *Server) Home(name string, on bool) error {
	ctx := context.Background()
	vm, err := srv.vm(name)
	if err != nil {
		if !on {
			return nil // nothing was made
		}
		if vm, err = srv.makeAnew(name); err != nil {
			return err
		}
	}
	if srv.runs(vm) == on {
		return nil
	}
	if err := srv.power(ctx, name, on); err != nil {
		return err
	}
	return srv.editVM(name, func(vm *mo.VirtualMachine) ([]change, error) {
		return guestChanges(vm, on, srv.addresses[strings.ToLower(name)]), nil
	})
}

// Runs says whether there is a machine of that name which is switched on.
func (srv *Server) Runs(name string) bool {
	vm, err := srv.vm(name)
	return err == nil && srv.runs(vm)
}

func (srv *Server) runs(vm *simulator.VirtualMachine) (on bool) {
	srv.context().WithLock(vm, func() { on = vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn })
	return on
}

// guestChanges are what VMware Tools say of a machine that runs, or not.
func guestChanges(vm *mo.VirtualMachine, on bool, address string) []change {
	guest := types.GuestInfo{}
	if vm.Guest != nil {
		guest = *vm.Guest
	}
	state, heartbeat, tools := "notRunning", types.ManagedEntityStatusGray, types.VirtualMachineToolsStatusToolsNotRunning
	guest.HostName, guest.IpAddress, guest.Net = "", "", nil
	if on {
		state, heartbeat, tools = "running", types.ManagedEntityStatusGreen, types.VirtualMachineToolsStatusToolsOk
		guest.HostName, guest.IpAddress = vm.Name, address
		guest.Net = []types.GuestNicInfo{{Network: "VM Network", Connected: true, IpAddress: []string{address}}}
	}
	guest.GuestState, guest.ToolsStatus = state, tools
	return []change{{Name: "guest", Val: &guest}, {Name: "guestHeartbeatStatus", Val: heartbeat}}
}

// makeAnew makes the machine of a scenario that is not there, where it was, with identifiers of its own.
func (srv *Server) makeAnew(name string) (*simulator.VirtualMachine, error) {
	for _, spec := range srv.scenario.Machines {
		if !strings.EqualFold(spec.Name, name) {
			continue
		}
		s := scenario.Scenario{Seed: srv.scenario.Seed, Machines: []scenario.Machine{spec}}
		s.Machines[0].Deleted, s.Machines[0].Physical = false, false
		m := machinesOf(s)[0]
		m.biosUUID, m.instanceUUID = s.UUID("bios-anew", m.name), s.UUID("instance-anew", m.name)
		if err := srv.site.fits(m); err != nil {
			return nil, err
		}
		host, ds := srv.site.hosts[m.host], srv.site.datastores[m.datastore]
		like := srv.reg.Any("VirtualMachine").(*simulator.VirtualMachine)
		ref := srv.copyOf(like, m.name, func(vm *mo.VirtualMachine) {
			vm.Config.Hardware.Device = slices.DeleteFunc(vm.Config.Hardware.Device, func(d types.BaseVirtualDevice) bool {
				_, disk := d.(*types.VirtualDisk)
				_, controller := d.(types.BaseVirtualSCSIController)
				return disk || controller
			})
			vm.Config.ExtraConfig = slices.DeleteFunc(vm.Config.ExtraConfig, func(o types.BaseOptionValue) bool { return o.GetOptionValue().Key == enableUUID })
			m.describe(vm, ds.Self)
			pool := srv.site.pools[m.host]
			vm.Runtime.Host, vm.Summary.Runtime.Host, vm.ResourcePool = &host.Self, &host.Self, &pool
			vm.Datastore = []types.ManagedObjectReference{ds.Self}
		})
		return srv.reg.Get(ref).(*simulator.VirtualMachine), nil
	}
	return nil, fmt.Errorf("the scenario has no machine %q", name)
}

// relocate moves a machine as Storage vMotion does. The simulator's own task leaves the disks where they were.
func (srv *Server) relocate(ctx context.Context, name, datastore string) error {
	ds, err := srv.datastore(datastore)
	if err != nil {
		return err
	}
	to := ds.Self
	err = srv.onVM(ctx, name, func(vm *object.VirtualMachine) (*object.Task, error) {
		return vm.Relocate(ctx, types.VirtualMachineRelocateSpec{Datastore: &to}, types.VirtualMachineMovePriorityDefaultPriority)
	})
	if err != nil {
		return err
	}
	return srv.editBackings(name, func(old types.VirtualDiskFlatVer2BackingInfo, _ int) types.VirtualDiskFlatVer2BackingInfo {
		_, file, _ := strings.Cut(old.FileName, "]")
		old.FileName, old.Datastore = "["+datastore+"]"+file, &to
		return old
	})
}

func (srv *Server) deleteVM(ctx context.Context, name string) error {
	vm, err := srv.vm(name)
	if err != nil {
		return err
	}
	var running bool
	srv.context().WithLock(vm, func() { running = vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOff })
	if running {
		if err := srv.power(ctx, name, false); err != nil {
			return err
		}
	}
	return srv.onVM(ctx, name, func(vm *object.VirtualMachine) (*object.Task, error) { return vm.Destroy(ctx) })
}

func (srv *Server) addSnapshot(ctx context.Context, name, snapshot string) error {
	err := srv.keepStorage(name, func() error {
		return srv.onVM(ctx, name, func(vm *object.VirtualMachine) (*object.Task, error) {
			return vm.CreateSnapshot(ctx, snapshot, "", false, false)
		})
	})
	if err != nil {
		return err
	}
	// The simulator keeps no delta disks: the disk goes on in a file whose parent is the old one.
	return srv.editBackings(name, func(old types.VirtualDiskFlatVer2BackingInfo, n int) types.VirtualDiskFlatVer2BackingInfo {
		delta := old
		delta.FileName = fmt.Sprintf("%s-%06d.vmdk", strings.TrimSuffix(base(&old).FileName, ".vmdk"), n)
		delta.Parent = &old
		return delta
	})
}

func (srv *Server) removeSnapshots(ctx context.Context, name string) error {
	err := srv.keepStorage(name, func() error {
		return srv.onVM(ctx, name, func(vm *object.VirtualMachine) (*object.Task, error) { return vm.RemoveAllSnapshot(ctx, nil) })
	})
	if err != nil {
		return err
	}
	return srv.editBackings(name, func(old types.VirtualDiskFlatVer2BackingInfo, _ int) types.VirtualDiskFlatVer2BackingInfo {
		return *base(&old)
	})
}

// keepStorage puts the space that a machine takes back to what it was before f: around snapshots the simulator
// counts files, of which the lab's disks have none.
func (srv *Server) keepStorage(name string, f func() error) error {
	vm, err := srv.vm(name)
	if err != nil {
		return err
	}
	var storage types.VirtualMachineStorageInfo
	srv.context().WithLock(vm, func() { storage = *vm.Storage })
	if err := f(); err != nil {
		return err
	}
	return srv.setVM(name, "storage", storage)
}

// base is the disk file at the bottom of a chain of delta disks.
func base(b *types.VirtualDiskFlatVer2BackingInfo) *types.VirtualDiskFlatVer2BackingInfo {
	for b.Parent != nil {
		b = b.Parent
	}
	return b
}

// editBackings replaces the backing of every plain disk; n is the depth of the new delta disk.
func (srv *Server) editBackings(name string, edit func(old types.VirtualDiskFlatVer2BackingInfo, n int) types.VirtualDiskFlatVer2BackingInfo) error {
	return srv.editDevices(name, func(device types.BaseVirtualDevice) types.BaseVirtualDevice {
		disk, ok := device.(*types.VirtualDisk)
		if !ok {
			return device
		}
		old, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
		if !ok {
			return device
		}
		depth := 1
		for b := old.Parent; b != nil; b = b.Parent {
			depth++
		}
		changed := *disk
		backing := edit(*old, depth)
		changed.Backing = &backing
		return &changed
	})
}

// editDevices replaces devices by what edit makes of them.
func (srv *Server) editDevices(name string, edit func(types.BaseVirtualDevice) types.BaseVirtualDevice) error {
	return srv.editVM(name, func(vm *mo.VirtualMachine) ([]change, error) {
		devices := slices.Clone(vm.Config.Hardware.Device)
		for i := range devices {
			devices[i] = edit(devices[i])
		}
		return []change{{Name: "config.hardware.device", Val: devices}}, nil
	})
}

// editDisk replaces the disk of that number.
func (srv *Server) editDisk(name, number string, edit func(types.VirtualDisk) (types.VirtualDisk, error)) error {
	n, err := strconv.Atoi(number)
	if err != nil {
		return fmt.Errorf("%q is not the number of a disk", number)
	}
	var failed error
	seen := 0
	err = srv.editDevices(name, func(device types.BaseVirtualDevice) types.BaseVirtualDevice {
		disk, ok := device.(*types.VirtualDisk)
		if !ok {
			return device
		}
		seen++
		if seen != n+1 {
			return device
		}
		changed, err := edit(*disk)
		if err != nil {
			failed = err
			return device
		}
		return &changed
	})
	switch {
	case err != nil:
		return err
	case n < 0 || n >= seen:
		return fmt.Errorf("it has %d disks, counted from 0", seen)
	}
	return failed
}

func (srv *Server) setDiskUUID(name, number, uuid string) error {
	return srv.editDisk(name, number, func(disk types.VirtualDisk) (types.VirtualDisk, error) {
		switch b := disk.Backing.(type) {
		case *types.VirtualDiskFlatVer2BackingInfo:
			changed := *b
			changed.Uuid, disk.Backing = uuid, &changed
		case *types.VirtualDiskRawDiskMappingVer1BackingInfo:
			changed := *b
			changed.Uuid, disk.Backing = uuid, &changed
		default:
			return disk, fmt.Errorf("a disk of type %T has no UUID", b)
		}
		return disk, nil
	})
}

func (srv *Server) makeRDM(name, number string) error {
	return srv.editDisk(name, number, func(disk types.VirtualDisk) (types.VirtualDisk, error) {
		b, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
		if !ok {
			return disk, fmt.Errorf("only a plain disk can be made one; this is %T", disk.Backing)
		}
		disk.Backing = &types.VirtualDiskRawDiskMappingVer1BackingInfo{
			VirtualDeviceFileBackingInfo: b.VirtualDeviceFileBackingInfo, Uuid: b.Uuid,
			DeviceName: "vml." + path.Base(b.FileName), CompatibilityMode: "physicalMode",
		}
		return disk, nil
	})
}

func (srv *Server) setTools(name, state string) error {
	running, version := toolsRunning, toolsCurrent
	switch state {
	case "stopped":
		running = toolsStopped
	case "missing":
		running, version = toolsStopped, string(types.VirtualMachineToolsVersionStatusGuestToolsNotInstalled)
	}
	return srv.editVM(name, func(*mo.VirtualMachine) ([]change, error) {
		return []change{{Name: "guest.toolsRunningStatus", Val: running}, {Name: "guest.toolsVersionStatus2", Val: version}}, nil
	})
}

func (srv *Server) setController(name, kind string) error {
	return srv.editDevices(name, func(device types.BaseVirtualDevice) types.BaseVirtualDevice {
		old, ok := device.(types.BaseVirtualSCSIController)
		if !ok {
			return device
		}
		controller := *old.GetVirtualSCSIController()
		switch kind {
		case "pvscsi":
			return &types.ParaVirtualSCSIController{VirtualSCSIController: controller}
		case "lsisas":
			return &types.VirtualLsiLogicSASController{VirtualSCSIController: controller}
		}
		return &types.VirtualLsiLogicController{VirtualSCSIController: controller}
	})
}

func (srv *Server) setEnableUUID(name, value string) error {
	return srv.editVM(name, func(vm *mo.VirtualMachine) ([]change, error) {
		options := slices.DeleteFunc(slices.Clone(vm.Config.ExtraConfig), func(o types.BaseOptionValue) bool {
			return strings.EqualFold(o.GetOptionValue().Key, enableUUID)
		})
		if value != "none" {
			options = append(options, &types.OptionValue{Key: enableUUID, Value: value})
		}
		return []change{{Name: "config.extraConfig", Val: options}}, nil
	})
}

func (srv *Server) setVolume(name, volumePath, fileSystem, freeGB string) error {
	free, err := gigabytes(freeGB)
	if err != nil {
		return err
	}
	return srv.editVM(name, func(vm *mo.VirtualMachine) ([]change, error) {
		volumes := slices.DeleteFunc(slices.Clone(vm.Guest.Disk), func(d types.GuestDiskInfo) bool { return d.DiskPath == volumePath })
		if fileSystem != "none" {
			volumes = append(volumes, types.GuestDiskInfo{DiskPath: volumePath, FilesystemType: fileSystem, Capacity: 500 * gib, FreeSpace: free})
		}
		return []change{{Name: "guest.disk", Val: volumes}}, nil
	})
}
