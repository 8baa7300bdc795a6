package vsphere

import (
	"reflect"
	"strings"
	"testing"

	"github.com/vmware/govmomi/vim25/types"
	"pgregory.net/rapid"

	"reprotect.example/services/observed"
)

// devices are the kinds of virtual devices of the API, and whether disks hang on them, as its reference says: the kinds below
// VirtualSCSIController and VirtualSATAController, VirtualIDEController and VirtualNVMEController.
var devices = map[string]bool{
	"ParaVirtualSCSIController": true, "VirtualBusLogicController": true, "VirtualLsiLogicController": true, "VirtualLsiLogicSASController": true,
	"VirtualSCSIController": true, "VirtualAHCIController": true, "VirtualSATAController": true, "VirtualIDEController": true, "VirtualNVMEController": true,
	"VirtualController": false, "VirtualPCIController": false, "VirtualPS2Controller": false, "VirtualSIOController": false, "VirtualNVDIMMController": false,
	"VirtualUSBController": false, "VirtualUSBXHCIController": false, "VirtualCdrom": false, "VirtualFloppy": false, "VirtualKeyboard": false,
	"VirtualPointingDevice": false, "VirtualE1000": false, "VirtualE1000e": false, "VirtualPCNet32": false, "VirtualVmxnet": false, "VirtualVmxnet2": false,
	"VirtualVmxnet3": false, "VirtualVmxnet3Vrdma": false, "VirtualSriovEthernetCard": false, "VirtualNVDIMM": false, "VirtualParallelPort": false,
	"VirtualPCIPassthrough": false, "VirtualPrecisionClock": false, "VirtualSCSIPassthrough": false, "VirtualSerialPort": false, "VirtualSoundCard": false,
	"VirtualEnsoniq1371": false, "VirtualHdAudioCard": false, "VirtualSoundBlaster16": false, "VirtualTPM": false, "VirtualUSB": false,
	"VirtualMachineVIRTIODevice": false, "VirtualMachineVideoCard": false, "VirtualMachineVMCIDevice": false, "VirtualMachineVMIROM": false, "VirtualWDT": false,
	"VirtualDevice": false, "VirtualDisk": false,
}

// backings are the kinds of what a virtual disk lies on.
var backings = []string{
	"VirtualDiskFlatVer1BackingInfo", "VirtualDiskFlatVer2BackingInfo", "VirtualDiskSparseVer1BackingInfo", "VirtualDiskSparseVer2BackingInfo",
	"VirtualDiskSeSparseBackingInfo", "VirtualDiskLocalPMemBackingInfo", "VirtualDiskRawDiskMappingVer1BackingInfo", "VirtualDiskRawDiskVer2BackingInfo",
	"VirtualDiskPartitionedRawDiskVer2BackingInfo",
}

func made(t *testing.T, kind string) (reflect.Value, bool) {
	t.Helper()
	found, ok := types.TypeFunc()(kind)
	if !ok {
		return reflect.Value{}, false
	}
	return reflect.New(found), true
}

// A second opinion on devices: those on which disks hang are known, and no other is taken for one.
func TestVSphereDevices(t *testing.T) {
	seen := 0
	for kind, carries := range devices {
		value, ok := made(t, kind)
		if !ok {
			continue // of an older or newer API
		}
		seen++
		c, is := controller(value.Interface().(types.BaseVirtualDevice))
		if is != carries || is && (c.Kind == "" || strings.HasPrefix(c.Kind, "virtual") || c.Kind != strings.ToLower(c.Kind)) {
			t.Errorf("%s: a controller of disks: %v, %+v", kind, is, c)
		}
	}
	if seen < len(devices)-5 {
		t.Errorf("only %d of %d kinds are known here", seen, len(devices))
	}
}

// A second opinion on disks: whatever a disk lies on is read as its fields say, one by one.
func TestVSphereBackings(t *testing.T) {
	for _, kind := range backings {
		if _, ok := made(t, kind); !ok {
			t.Fatalf("no kind %s", kind)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		kind := rapid.SampledFrom(backings).Draw(rt, "kind")
		backing, _ := made(t, kind)
		fields := backing.Elem()
		set := func(name string, value any) bool {
			f := fields.FieldByName(name)
			if f.IsValid() && rapid.Bool().Draw(rt, name) {
				f.Set(reflect.ValueOf(value))
				return true
			}
			return false
		}
		want := observed.VMDisk{Label: "Hard disk 1", CapacityBytes: 4 << 30, RDM: strings.Contains(kind, "RawDisk")}
		store := rapid.SampledFrom([]string{"VMFS-01", "SAN%2fLUN 1", "100%25"}).Draw(rt, "store")
		if set("FileName", "["+store+"] db%2f01/db.vmdk") {
			want.File = "[" + strings.NewReplacer("%2f", "/", "%25", "%").Replace(store) + "] db%2f01/db.vmdk"
		}
		if set("Datastore", &types.ManagedObjectReference{Type: "Datastore", Value: "ds-7", ServerGUID: "g"}) {
			want.DatastoreRef = "ds-7"
		}
		if set("Uuid", "6000C29f-1") {
			want.UUID = "6000C29f-1"
		}
		if parent := fields.FieldByName("Parent"); parent.IsValid() && rapid.Bool().Draw(rt, "parent") {
			parent.Set(reflect.New(parent.Type().Elem()))
			want.Delta = true
		}
		disk := &types.VirtualDisk{CapacityInKB: 4 << 20}
		disk.DeviceInfo = &types.Description{Label: "Hard disk 1"}
		disk.Backing = backing.Interface().(types.BaseVirtualDeviceBackingInfo)
		got := decodeDisk(disk)
		got.Thin = false // its own test has it
		if got != want {
			rt.Fatalf("%s is read as\n%+v, want\n%+v", kind, got, want)
		}
	})
}
