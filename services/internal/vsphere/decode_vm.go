package vsphere

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/vmware/govmomi/vim25/types"

	"reprotect.example/services/observed"
)

// vmProps are read of every machine of a look: what the checks S5, S12, S21, S23-S31, S39 and S42 need.
var vmProps = []string{
	"name", "parent", "parentVApp", "datastore",
	"config.uuid", "config.instanceUuid", "config.template", "config.guestId", "config.extraConfig", "config.hardware.device",
	"runtime.host", "runtime.powerState", "runtime.connectionState", "runtime.consolidationNeeded",
	"guest.guestFamily", "guest.toolsRunningStatus", "guest.toolsVersionStatus2", "guest.disk", "guest.hostName", "guest.ipAddress", "guest.net",
	"snapshot.rootSnapshotList", usageProp, "network", "resourcePool",
}

// guestProps tell which machine the guest is.
var guestProps = []string{"guest.hostName", "guest.ipAddress", "guest.net"}

// usageProp is what the machine takes on each datastore, and what it may still take there.
const usageProp = "storage.perDatastoreUsage"

func decodeVM(o object, dir directory) observed.VM {
	o.expect("name", "config.uuid", "config.instanceUuid", "config.guestId", "config.extraConfig", "config.hardware.device",
		"runtime.host", "runtime.powerState", "runtime.connectionState", "runtime.consolidationNeeded", "config.template", "datastore", usageProp)
	vm := observed.VM{
		Ref: o.ref.Value, Name: text(o, "name"),
		Path:         dir.placePath(o.ref),
		BIOSUUID:     text(o, "config.uuid"),
		InstanceUUID: text(o, "config.instanceUuid"),
		Power:        text(o, "runtime.powerState"),
		Connection:   text(o, "runtime.connectionState"),
		GuestID:      text(o, "config.guestId"),
		Tools:        text(o, "guest.toolsRunningStatus"),
		ToolsVersion: text(o, "guest.toolsVersionStatus2"),
		ExtraConfig:  extraConfig(o),
		GuestDisks:   guestDisks(o),
		Datastores:   refValues(o, "datastore"),
		Networks:     refValues(o, "network"),
		Unread:       o.unread,
	}
	host, _ := refOf(o, "runtime.host")
	pool, _ := refOf(o, "resourcePool")
	dc, _ := dir.datacenter(o.ref)
	vm.HostRef, vm.PoolRef, vm.DatacenterRef = host.Value, pool.Value, dc.Value
	vm.GuestHost, vm.GuestIPs = guestOf(o)
	vm.GuestFamily = family(text(o, "guest.guestFamily"), vm.GuestID)
	vm.Consolidate, _ = prop[bool](o, "runtime.consolidationNeeded")
	vm.Template, _ = prop[bool](o, "config.template")

	devices, _ := prop[types.ArrayOfVirtualDevice](o, "config.hardware.device")
	for _, device := range devices.VirtualDevice {
		if c, ok := controller(device); ok {
			vm.Controllers = append(vm.Controllers, c)
		}
		if disk, ok := device.(*types.VirtualDisk); ok {
			vm.Disks = append(vm.Disks, decodeDisk(disk))
		}
	}
	roots, _ := prop[types.ArrayOfVirtualMachineSnapshotTree](o, "snapshot.rootSnapshotList")
	vm.Snapshots = snapshots(nil, "", roots.VirtualMachineSnapshotTree)
	return vm
}

// guestOf is what the guest calls itself, and its addresses.
func guestOf(o object) (host string, ips []string) {
	if ip := text(o, "guest.ipAddress"); ip != "" {
		ips = append(ips, ip)
	}
	nets, _ := prop[types.ArrayOfGuestNicInfo](o, "guest.net")
	for _, nic := range nets.GuestNicInfo {
		for _, ip := range nic.IpAddress {
			if !slices.Contains(ips, ip) {
				ips = append(ips, ip)
			}
		}
	}
	return text(o, "guest.hostName"), ips
}

// linuxIDs are what the guest ids of Linux systems contain, in lower case (VirtualMachineGuestOsIdentifier).
var linuxIDs = []string{
	"linux", "rhel", "centos", "ubuntu", "debian", "sles", "suse", "fedora", "oracle", "rocky", "alma", "asianux",
	"photon", "coreos", "mandrake", "mandriva", "redhat", "turbolinux", "nld9", "oes", "sjds",
}

// family is windows, linux or "": from what VMware Tools reported, else from the guest id.
func family(reported, guestID string) string {
	id := strings.ToLower(guestID)
	switch {
	case reported == string(types.VirtualMachineGuestOsFamilyWindowsGuest):
		return observed.Windows
	case reported == string(types.VirtualMachineGuestOsFamilyLinuxGuest):
		return observed.Linux
	case reported != "":
		return ""
	case strings.HasPrefix(id, "win"):
		return observed.Windows
	}
	for _, part := range linuxIDs {
		if strings.Contains(id, part) {
			return observed.Linux
		}
	}
	return ""
}

func extraConfig(o object) map[string]string {
	options, ok := prop[types.ArrayOfOptionValue](o, "config.extraConfig")
	if !ok {
		return nil
	}
	values := make(map[string]string, len(options.OptionValue))
	for _, option := range options.OptionValue {
		v := option.GetOptionValue()
		values[strings.ToLower(v.Key)] = fmt.Sprint(v.Value)
	}
	return values
}

func guestDisks(o object) []observed.GuestDisk {
	infos, _ := prop[types.ArrayOfGuestDiskInfo](o, "guest.disk")
	var disks []observed.GuestDisk
	for _, d := range infos.GuestDiskInfo {
		disks = append(disks, observed.GuestDisk{Path: d.DiskPath, FileSystem: d.FilesystemType, CapacityBytes: d.Capacity, FreeBytes: d.FreeSpace})
	}
	return disks
}

// controller recognises the controllers that disks hang on.
func controller(device types.BaseVirtualDevice) (observed.Controller, bool) {
	_, scsi := device.(types.BaseVirtualSCSIController)
	_, sata := device.(types.BaseVirtualSATAController)
	_, ide := device.(*types.VirtualIDEController)
	_, nvme := device.(*types.VirtualNVMEController)
	if !scsi && !sata && !ide && !nvme {
		return observed.Controller{}, false
	}
	kind := strings.ToLower(reflect.TypeOf(device).Elem().Name())
	return observed.Controller{Kind: strings.TrimPrefix(kind, "virtual"), Label: label(device.GetVirtualDevice())}, true
}

func decodeDisk(disk *types.VirtualDisk) observed.VMDisk {
	d := observed.VMDisk{Label: label(&disk.VirtualDevice), CapacityBytes: disk.CapacityInBytes}
	if d.CapacityBytes == 0 {
		d.CapacityBytes = disk.CapacityInKB * 1024
	}
	if file, ok := disk.Backing.(types.BaseVirtualDeviceFileBackingInfo); ok {
		info := file.GetVirtualDeviceFileBackingInfo()
		d.File = filePath(info.FileName)
		if info.Datastore != nil {
			d.DatastoreRef = info.Datastore.Value
		}
	}
	switch b := disk.Backing.(type) {
	case *types.VirtualDiskFlatVer1BackingInfo:
		d.Delta = b.Parent != nil
	case *types.VirtualDiskFlatVer2BackingInfo:
		d.UUID, d.Delta = b.Uuid, b.Parent != nil
		base := b
		for base.Parent != nil {
			base = base.Parent
		}
		d.Thin = base.ThinProvisioned == nil || *base.ThinProvisioned // unset says nothing
	case *types.VirtualDiskSparseVer1BackingInfo:
		d.Delta = b.Parent != nil
	case *types.VirtualDiskSparseVer2BackingInfo:
		d.UUID, d.Delta = b.Uuid, b.Parent != nil
	case *types.VirtualDiskSeSparseBackingInfo:
		d.UUID, d.Delta, d.Thin = b.Uuid, b.Parent != nil, true
	case *types.VirtualDiskLocalPMemBackingInfo:
		d.UUID = b.Uuid
	case *types.VirtualDiskRawDiskMappingVer1BackingInfo:
		d.UUID, d.Delta, d.RDM = b.Uuid, b.Parent != nil, true
	case *types.VirtualDiskRawDiskVer2BackingInfo:
		d.UUID, d.RDM = b.Uuid, true
	case *types.VirtualDiskPartitionedRawDiskVer2BackingInfo:
		d.UUID, d.RDM = b.Uuid, true
	}
	return d
}

// filePath decodes the name of the datastore in front of a file, which is written as names are.
func filePath(file string) string {
	store, rest, ok := strings.Cut(file, "]")
	if !ok {
		return file
	}
	return unescape(store) + "]" + rest
}

func label(device *types.VirtualDevice) string {
	if device.DeviceInfo == nil {
		return ""
	}
	return device.DeviceInfo.GetDescription().Label
}

// snapshots appends a snapshot tree, parents before children.
func snapshots(list []observed.Snapshot, parents string, trees []types.VirtualMachineSnapshotTree) []observed.Snapshot {
	for _, t := range trees {
		path := parents + t.Name
		list = append(list, observed.Snapshot{ID: t.Id, Name: t.Name, Path: path, Created: t.CreateTime})
		list = snapshots(list, path+"/", t.ChildSnapshotList)
	}
	return list
}
