package vcenter

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/vmware/govmomi/event"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"reprotect.example/services/lab/scenario"
)

// machine is a VM to be: everything about it that the scenario decides.
type machine struct {
	name, host, datastore  string
	twin                   int // how many of its name came before: it has a folder of its own
	guestID, family        string
	biosUUID, instanceUUID string
	disks                  []disk
	volumes                []types.GuestDiskInfo // what Tools report; of running machines
	running                bool
}

type disk struct {
	uuid string
	gb   int64
}

// machinesOf lists the VMs of a scenario: master targets and appliances, which run, and the machines that were
// failed over and have a VM here, which do not.
func machinesOf(s scenario.Scenario) []machine {
	var list []machine
	named := map[string]int{}
	add := func(name, os, version, host, datastore string, diskGB []int64) *machine {
		twin, key := named[strings.ToLower(name)], name
		named[strings.ToLower(name)]++
		if twin > 0 {
			key = fmt.Sprintf("%s#%d", name, twin)
		}
		m := machine{
			name: name, host: host, datastore: datastore, twin: twin,
			guestID: guestID(os, version), family: family(os),
			biosUUID: s.UUID("bios", key), instanceUUID: s.UUID("instance", key),
		}
		for i, gb := range diskGB {
			m.disks = append(m.disks, disk{uuid: s.UUID(fmt.Sprintf("disk%d", i), key), gb: gb})
		}
		list = append(list, m)
		return &list[len(list)-1]
	}
	for _, mt := range s.MasterTargets {
		m := add(mt.Name, mt.OS, "", mt.Host, mt.Datastore, []int64{80, 500})
		m.running, m.volumes = true, masterTargetVolumes(mt)
	}
	for _, a := range s.Appliances {
		m := add(a.Name, "windows", "Windows Server 2019", a.Host, a.Datastore, []int64{80, 620})
		m.running, m.volumes = true, []types.GuestDiskInfo{volume(`C:\`, "NTFS", 80), volume(`D:\`, "NTFS", 620)}
	}
	for _, m := range s.Machines {
		if !m.Deleted && !m.Physical {
			add(m.Name, m.OS, m.OSVersion, m.Host, m.Datastore, m.DiskGB)
		}
	}
	return list
}

// masterTargetVolumes are the system's and the retention drive (S14, S24).
func masterTargetVolumes(mt scenario.MasterTarget) []types.GuestDiskInfo {
	if mt.OS == "windows" {
		return []types.GuestDiskInfo{volume(`C:\`, "NTFS", 80), volume(strings.TrimRight(mt.Retention, `:\`)+`:\`, "NTFS", 500)}
	}
	return []types.GuestDiskInfo{volume("/", "ext4", 80), volume(strings.TrimRight(mt.Retention, "/"), "ext4", 500)}
}

func volume(path, fileSystem string, gb int64) types.GuestDiskInfo {
	return types.GuestDiskInfo{DiskPath: path, FilesystemType: fileSystem, Capacity: gb * gib, FreeSpace: gb * gib * 9 / 10}
}

func family(os string) string {
	if os == "windows" {
		return string(types.VirtualMachineGuestOsFamilyWindowsGuest)
	}
	return string(types.VirtualMachineGuestOsFamilyLinuxGuest)
}

// guestID is the API's identifier nearest to a system's name.
func guestID(os, version string) string {
	if os == "windows" {
		if strings.Contains(version, "2008 R2") {
			return string(types.VirtualMachineGuestOsIdentifierWindows7Server64Guest)
		}
		return string(types.VirtualMachineGuestOsIdentifierWindows2019srv_64Guest)
	}
	for _, known := range []struct {
		name string
		id   types.VirtualMachineGuestOsIdentifier
	}{
		{"Red Hat", types.VirtualMachineGuestOsIdentifierRhel8_64Guest},
		{"CentOS", types.VirtualMachineGuestOsIdentifierCentos8_64Guest},
		{"SUSE", types.VirtualMachineGuestOsIdentifierSles15_64Guest},
		{"Debian", types.VirtualMachineGuestOsIdentifierDebian11_64Guest},
	} {
		if strings.Contains(version, known.name) {
			return string(known.id)
		}
	}
	return string(types.VirtualMachineGuestOsIdentifierUbuntu64Guest)
}

// addMachines makes one VM through the API, so that it has everything a VM of the simulator has, and puts the
// scenario's into the registry as copies of it: through the API each would cost twenty milliseconds.
func (srv *Server) addMachines(ctx context.Context, st *site, machines []machine) error {
	if len(machines) == 0 {
		return nil
	}
	for _, m := range machines {
		if err := st.fits(m); err != nil {
			return err
		}
	}
	template, err := srv.template(ctx, st, machines[0])
	if err != nil {
		return fmt.Errorf("template VM: %w", err)
	}
	folder := srv.reg.Get(st.folders.VmFolder.Reference()).(*simulator.Folder)
	for _, m := range machines {
		into := folder
		if m.twin > 0 { // a folder has a name once
			made, err := st.folders.VmFolder.CreateFolder(ctx, fmt.Sprintf("%s %d", m.name, m.twin+1))
			if err != nil {
				return fmt.Errorf("folder of the VM %s: %w", m.name, err)
			}
			into = srv.reg.Get(made.Reference()).(*simulator.Folder)
		}
		srv.put(st, into, template, m)
	}
	// Unregistered, not destroyed: the copies share its log file.
	return object.NewVirtualMachine(srv.vim, template.Self).Unregister(ctx)
}

// recordDeletions puts among the vCenter's events that machines were deleted before the lab began.
func (srv *Server) recordDeletions(ctx context.Context, machines []scenario.Machine) error {
	for _, m := range machines {
		if !m.Deleted || m.Physical {
			continue
		}
		removed := &types.VmRemovedEvent{}
		removed.Vm = &types.VmEventArgument{EntityEventArgument: types.EntityEventArgument{Name: m.Name}}
		if err := event.NewManager(srv.vim).PostEvent(ctx, removed); err != nil {
			return fmt.Errorf("machine %s: %w", m.Name, err)
		}
	}
	return nil
}

// fits says whether the machine's host exists and mounts its datastore.
func (st *site) fits(m machine) error {
	host, ok := st.hosts[m.host]
	if !ok {
		return fmt.Errorf("machine %s: host %q is not in the scenario", m.name, m.host)
	}
	ds, ok := st.datastores[m.datastore]
	if !ok {
		return fmt.Errorf("machine %s: datastore %q is not in the scenario", m.name, m.datastore)
	}
	if simulator.FindReference(host.Datastore, ds.Self) == nil {
		return fmt.Errorf("machine %s: its host %s does not mount its datastore %s", m.name, m.host, m.datastore)
	}
	return nil
}

func (srv *Server) template(ctx context.Context, st *site, like machine) (*simulator.VirtualMachine, error) {
	spec := types.VirtualMachineConfigSpec{
		Name: "template", GuestId: like.guestID,
		Files: &types.VirtualMachineFileInfo{VmPathName: "[" + like.datastore + "]"},
	}
	// The simulator refuses files on a vSAN of fewer than three hosts; the template may lie anywhere.
	for name, ds := range st.datastores {
		if !strings.EqualFold(ds.Summary.Type, "vsan") && simulator.FindReference(st.hosts[like.host].Datastore, ds.Self) != nil {
			spec.Files.VmPathName = "[" + name + "]"
			break
		}
	}
	pool := object.NewResourcePool(srv.vim, st.pools[like.host])
	host := object.NewHostSystem(srv.vim, st.hosts[like.host].Self)
	task, err := st.folders.VmFolder.CreateVM(ctx, spec, pool, host)
	if err != nil {
		return nil, err
	}
	info, err := task.WaitForResult(ctx)
	if err != nil {
		return nil, err
	}
	return srv.reg.Get(info.Result.(types.ManagedObjectReference)).(*simulator.VirtualMachine), nil
}

// put adds a machine as a copy of the template. Nothing else runs yet, so no lock is taken.
func (srv *Server) put(st *site, folder *simulator.Folder, template *simulator.VirtualMachine, m machine) {
	vm := *template
	vm.VirtualMachine = *simulator.Checkpoint(template).(*mo.VirtualMachine)
	vm.DataSets = map[string]*simulator.DataSet{}
	host, ds, pool := st.hosts[m.host], st.datastores[m.datastore], st.pools[m.host]
	m.describe(&vm.VirtualMachine, ds.Self)
	vm.Self = types.ManagedObjectReference{} // a new one is given
	vm.Runtime.Host, vm.Summary.Runtime.Host = &host.Self, &host.Self
	vm.ResourcePool = &pool
	vm.Datastore = []types.ManagedObjectReference{ds.Self}
	srv.reg.PutEntity(folder, &vm)
	vm.Summary.Vm = &vm.Self
	folder.ChildEntity = append(folder.ChildEntity, vm.Self)
	host.Vm = append(host.Vm, vm.Self)
	ds.Vm = append(ds.Vm, vm.Self)
	rp := srv.reg.Get(pool).(*simulator.ResourcePool)
	rp.Vm = append(rp.Vm, vm.Self)
}

// describe writes what the scenario says into a copy of the template.
func (m machine) describe(vm *mo.VirtualMachine, ds types.ManagedObjectReference) {
	dir := fmt.Sprintf("[%s] %s", m.datastore, m.name)
	vm.Name, vm.Config.Name, vm.Summary.Config.Name = m.name, m.name, m.name
	vm.Config.Uuid, vm.Summary.Config.Uuid = m.biosUUID, m.biosUUID
	vm.Config.InstanceUuid, vm.Summary.Config.InstanceUuid = m.instanceUUID, m.instanceUUID
	vm.Config.GuestId, vm.Summary.Config.GuestId, vm.Summary.Guest.GuestId = m.guestID, m.guestID, m.guestID
	vm.Config.Files = types.VirtualMachineFileInfo{
		VmPathName: dir + "/" + m.name + ".vmx", SnapshotDirectory: dir, SuspendDirectory: dir, LogDirectory: dir,
	}
	vm.Summary.Config.VmPathName = vm.Config.Files.VmPathName
	vm.LayoutEx = &types.VirtualMachineFileLayoutEx{Timestamp: time.Now()}
	vm.Layout = &types.VirtualMachineFileLayout{}
	vm.Config.ExtraConfig = append(vm.Config.ExtraConfig, &types.OptionValue{Key: enableUUID, Value: "TRUE"})
	vm.Config.Hardware.Device = append(vm.Config.Hardware.Device, m.devices(ds)...)
	vm.Summary.Config.NumVirtualDisks = int32(len(m.disks)) //nolint:gosec // a VM has few disks

	var bytes int64
	for _, d := range m.disks {
		bytes += d.gb * gib
	}
	usage := types.VirtualMachineUsageOnDatastore{Datastore: ds, Committed: bytes / 2, Uncommitted: bytes - bytes/2, Unshared: bytes / 2}
	vm.Storage = &types.VirtualMachineStorageInfo{PerDatastoreUsage: []types.VirtualMachineUsageOnDatastore{usage}, Timestamp: time.Now()}

	vm.Guest = &types.GuestInfo{ToolsStatus: types.VirtualMachineToolsStatusToolsNotRunning, ToolsRunningStatus: toolsStopped, ToolsVersionStatus2: toolsCurrent, GuestState: "notRunning"}
	vm.Runtime.PowerState = types.VirtualMachinePowerStatePoweredOff
	if m.running {
		vm.Runtime.PowerState = types.VirtualMachinePowerStatePoweredOn
		vm.Guest = &types.GuestInfo{
			ToolsStatus: types.VirtualMachineToolsStatusToolsOk, ToolsRunningStatus: toolsRunning, ToolsVersionStatus2: toolsCurrent, GuestState: "running",
			GuestFamily: m.family, GuestId: m.guestID, HostName: m.name, Disk: m.volumes,
		}
	}
	vm.Summary.Runtime = vm.Runtime
}

const (
	enableUUID   = "disk.EnableUUID"
	toolsRunning = string(types.VirtualMachineToolsRunningStatusGuestToolsRunning)
	toolsStopped = string(types.VirtualMachineToolsRunningStatusGuestToolsNotRunning)
	toolsCurrent = string(types.VirtualMachineToolsVersionStatusGuestToolsCurrent)

	firstSCSI      = 1000 // device keys as vSphere gives them
	firstDisk      = 2000
	disksPerSCSI   = 15
	controllerUnit = 7 // the SCSI id that the controller itself takes
)

// devices are LSI Logic controllers (S31) with the machine's disks.
func (m machine) devices(ds types.ManagedObjectReference) []types.BaseVirtualDevice {
	var devices []types.BaseVirtualDevice
	for i, d := range m.disks {
		bus, unit := int32(i/disksPerSCSI), int32(i%disksPerSCSI)
		if unit == 0 {
			devices = append(devices, &types.VirtualLsiLogicController{VirtualSCSIController: scsi(bus)})
		}
		if unit >= controllerUnit {
			unit++
		}
		file := fmt.Sprintf("[%s] %s/%s.vmdk", m.datastore, m.name, m.name)
		if i > 0 {
			file = fmt.Sprintf("[%s] %s/%s_%d.vmdk", m.datastore, m.name, m.name, i)
		}
		devices = append(devices, &types.VirtualDisk{
			VirtualDevice: types.VirtualDevice{
				Key: firstDisk + int32(i), ControllerKey: firstSCSI + bus, UnitNumber: &unit,
				DeviceInfo: &types.Description{Label: fmt.Sprintf("Hard disk %d", i+1), Summary: fmt.Sprintf("%d GB", d.gb)},
				Backing: &types.VirtualDiskFlatVer2BackingInfo{
					VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: file, Datastore: &ds},
					DiskMode:                     string(types.VirtualDiskModePersistent), Uuid: d.uuid, ThinProvisioned: types.NewBool(true),
				},
			},
			CapacityInKB: d.gb * gib / 1024, CapacityInBytes: d.gb * gib,
		})
	}
	return devices
}

func scsi(bus int32) types.VirtualSCSIController {
	return types.VirtualSCSIController{
		VirtualController: types.VirtualController{
			VirtualDevice: types.VirtualDevice{Key: firstSCSI + bus, DeviceInfo: &types.Description{Label: fmt.Sprintf("SCSI controller %d", bus), Summary: "LSI Logic"}},
			BusNumber:     bus,
		},
		SharedBus: types.VirtualSCSISharingNoSharing, ScsiCtlrUnitNumber: controllerUnit,
	}
}
