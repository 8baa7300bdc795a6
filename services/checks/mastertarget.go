package checks

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"reprotect.example/services/observed"
)

var masterTargetChecks = []Check{
	{
		Code: "master-target.connected", Level: Block, For: classic, Refs: []string{"S7"},
		Title:     "The master target is switched on and connected to the configuration server.",
		Fault:     "The master target is switched off, not connected, or not sound.",
		Why:       "The master target receives the data and writes the disks.",
		Remedy:    "In vCenter, switch the master target on. On it, check its services and that it reaches the configuration server on port 443.",
		Reference: pagePrepare, Judge: must(theMasterTarget, judgeMasterTarget, func(v Verdict) Verdict {
			return v.remedy("Name a master target that is registered with the machine's configuration server, in the request or in the defaults of the site.")
		}),
	},
	{
		Code: "master-target.version", Level: Block, For: classic, Refs: []string{"N1"},
		Title:     "The master target is not newer than the process server and the configuration server.",
		Fault:     "The version of the master target does not fit those of the servers or the machine.",
		Why:       "With a newer master target the reprotect succeeds, and then the replication fails.",
		Remedy:    "Update the configuration server, then the process server, to the version of the master target or newer.",
		Reference: pagePrepare, Judge: with(theMasterTarget, judgeVersion),
	},
	{
		Code: "master-target.os-family", Level: Block, For: classic, Refs: []string{"S8", "S26"},
		Title:     "The master target runs the same system as the machine: Windows for Windows, Linux for Linux.",
		Fault:     "The master target runs another system than the machine.",
		Why:       "A master target can only write the volumes of its own system.",
		Remedy:    "Choose a master target of the machine's system, or deploy one.",
		Reference: pageReprotect, Judge: with(theMasterTarget, judgeFamily),
	},
	{
		Code: "master-target.disk-slots", Level: Block, For: classic, Refs: []string{"S7"},
		Title:     "The disks of the case fit on the master target.",
		Fault:     "The disks of the case do not fit on the master target.",
		Why:       "At most 60 disks can be attached to a master target; beyond that reprotects fail.",
		Remedy:    "Choose another master target for some of the machines, or wait until others have failed back.",
		Reference: pageReprotect, Judge: with(theMasterTarget, judgeSlots[observed.MasterTarget]),
	},
	{
		Code: "master-target.snapshots", Level: Block, For: classic, Refs: []string{"S5", "S30"},
		Title:     "The master target has no snapshots and no delta disks.",
		Fault:     "The master target has snapshots, or runs on delta disks.",
		Why:       "With a snapshot on the disks of the master target both reprotect and failback fail.",
		Remedy:    "In vCenter, delete the snapshots of the master target (Snapshots > Manage Snapshots) and consolidate its disks.",
		Reference: pagePrepare, Judge: onWriter(judgeMasterTargetSnapshots, "snapshot.rootSnapshotList", "config.hardware.device", "runtime.consolidationNeeded"),
	},
	{
		Code: "master-target.disk-enable-uuid", Level: Block, For: classic, Refs: []string{"S12", "S28"},
		Title:     "disk.EnableUUID is TRUE on the master target.",
		Fault:     "disk.EnableUUID is not TRUE on the master target.",
		Why:       "Without it the disks have no lasting UUID for the guest, and cannot be mounted rightly.",
		Remedy:    "In vCenter, with the master target switched off: Edit Settings > Advanced Parameters, add disk.EnableUUID with the value TRUE.",
		Reference: pagePrepare, Judge: onWriter(judgeEnableUUID, "config.extraConfig"),
	},
	{
		Code: "master-target.scsi-controller", Level: Block, For: classic, Refs: []string{"S31"},
		Title:     "The master target has LSI Logic SCSI controllers and no paravirtual one.",
		Fault:     "The master target has other SCSI controllers than LSI Logic.",
		Why:       "With a paravirtual controller, or without an LSI Logic one, reprotect fails.",
		Remedy:    "In vCenter, with the master target switched off, change its SCSI controllers to LSI Logic; the system may need a driver first.",
		Reference: pagePrepare, Judge: onWriter(judgeControllers, "config.hardware.device"),
	},
	{
		Code: "master-target.vmware-tools", Level: Block, For: classic, Refs: []string{"S27"},
		Title:     "VMware Tools run on the master target.",
		Fault:     "VMware Tools do not run on the master target.",
		Why:       "Without VMware Tools the datastores of the master target's host are not found.",
		Remedy:    "Install VMware Tools or open-vm-tools on the master target and start them.",
		Reference: pagePrepare, Judge: onWriter(judgeTools, "runtime.powerState", "runtime.connectionState", "guest.toolsRunningStatus", "guest.toolsVersionStatus2"),
	},
	{
		Code: "master-target.vmfs", Level: Block, For: classic, Refs: []string{"S29"},
		Title:     "The host of the master target has a VMFS datastore.",
		Fault:     "The host of the master target has no VMFS datastore.",
		Why:       "Without one the list of datastores in the reprotect dialogue is empty, and nothing goes on.",
		Remedy:    "In vCenter, attach a VMFS datastore to the host of the master target.",
		Reference: pagePrepare, Judge: with(theHost, judgeVMFS),
	},
	{
		Code: "master-target.storage-vmotion", Level: Warn, For: classic, Refs: []string{"S13", "S23"},
		Title:     "Nothing moves the disks of the master target to other datastores.",
		Fault:     "The disks of the master target are moved, or may be moved, to other datastores.",
		Why:       "A Storage vMotion of the master target drags the disks of the machines along; the failback cannot detach them then, and they must be found and attached by hand.",
		Remedy:    "In vCenter, open the datastore cluster, Configure > VM Overrides, and disable Storage DRS for the master target. Leave it where it is until every machine is home.",
		Reference: pagePrepare, Judge: onWriter(judgeMoves),
	},
	{
		Code: "master-target.uuid-collision", Level: Block, For: classic, Refs: []string{"S42"},
		Title:     "The machine and the master target share no UUID.",
		Fault:     "The machine and the master target share a UUID.",
		Why:       "VMs made from one template can share the UUIDs of the machine or its disks; then reprotect fails.",
		Remedy:    "Deploy a master target from another template than the machine's, and choose it.",
		Reference: pageReprotect, Judge: judgeCollision,
	},
}

func theMasterTarget(s Subject) Found[observed.MasterTarget] { return s.MasterTarget }
func theHost(s Subject) Found[observed.Host]                 { return s.Host }

// onWriter judges the VM that will write the disks, of which these properties must be readable.
func onWriter(judge func(Subject, observed.VM) Verdict, properties ...string) func(Subject) Verdict {
	return with(func(s Subject) Found[observed.VM] { return s.Writer }, func(s Subject, vm observed.VM) Verdict {
		if why := vm.Unread.Why(properties...); why != "" {
			return unknown("The %s could not be read in full in vCenter: %s.", s.By, why)
		}
		return judge(s, vm)
	})
}

func judgeMasterTarget(s Subject, mt observed.MasterTarget) Verdict {
	power := onWriter(judgeWriterPower, "runtime.powerState", "runtime.connectionState", "config.template")(s)
	return worst([]Verdict{judgeComponents(s, mt.Component()), power})
}

func judgeWriterPower(s Subject, vm observed.VM) Verdict {
	host := s.Host.It
	switch {
	case vm.Template:
		return fail("VM %s of the %s is a template: it cannot be switched on.", vm.Place(), s.By).
			remedy("In vCenter, see which VM the %s is, and convert the template to a VM if it is that one.", s.By)
	case vm.Connection != "connected":
		return unknown("VM %s is %s in vCenter, so its power state is not known.", vm.Name, orNothing(vm.Connection))
	case host != nil && host.Unread.Why("runtime.connectionState") != "":
		return unknown("Whether host %s of VM %s is connected could not be read: %s.", host.Name, vm.Name, host.Unread.Why("runtime.connectionState"))
	case host != nil && host.Connection != "connected":
		return unknown("Host %s of VM %s is %s in vCenter, so the power state of the VM is not known.", host.Name, vm.Name, orNothing(host.Connection))
	case vm.Power == "poweredOn":
		return pass("VM %s is switched on.", vm.Name)
	case vm.Power == "poweredOff":
		return fail("VM %s is switched off in vCenter.", vm.Name)
	case vm.Power == "suspended":
		return fail("VM %s is suspended in vCenter.", vm.Name)
	}
	return unknown("vCenter gives the power state of VM %s as %s.", vm.Name, orNothing(vm.Power))
}

func judgeVersion(s Subject, mt observed.MasterTarget) Verdict {
	if s.ProcessServer.It == nil {
		return unknown("%s", s.ProcessServer.Why)
	}
	ps, cs := *s.ProcessServer.It, *s.Fabric.It
	var verdicts []Verdict
	for _, other := range []struct{ name, version string }{{"process server " + ps.Name, ps.Version}, {"configuration server " + cs.Name, cs.Version}} {
		order, ok := compareVersions(mt.Version, other.version)
		switch {
		case !ok:
			verdicts = append(verdicts, unknown("The versions of master target %s (%s) and %s (%s) cannot be compared.", mt.Name, orNothing(mt.Version), other.name, orNothing(other.version)))
		case order > 0:
			verdicts = append(verdicts, fail("Master target %s has version %s, newer than %s with %s.", mt.Name, mt.Version, other.name, other.version))
		default:
			verdicts = append(verdicts, pass("Master target %s has version %s, %s has %s.", mt.Name, mt.Version, other.name, other.version))
		}
	}
	return worst(append(verdicts, judgeRelease(s, mt)))
}

// compareVersions orders versions such as 9.62.7172.1 by their numbers; ok is false when one is none.
func compareVersions(a, b string) (order int, ok bool) {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(as), len(bs)) {
		var x, y int
		var err error
		if i < len(as) {
			if x, err = strconv.Atoi(as[i]); err != nil {
				return 0, false
			}
		}
		if i < len(bs) {
			if y, err = strconv.Atoi(bs[i]); err != nil {
				return 0, false
			}
		}
		if order == 0 {
			order = x - y
		}
	}
	return order, true
}

var windowsYear = regexp.MustCompile(`Windows Server.*\b(20\d\d)\b`)

// judgeRelease warns when the master target's Windows is older than the machine's. For Linux the names of
// distributions do not compare.
func judgeRelease(s Subject, mt observed.MasterTarget) Verdict {
	theirs, ours := windowsYear.FindStringSubmatch(mt.OSVersion), windowsYear.FindStringSubmatch(s.Item.It.OSVersion)
	if theirs != nil && ours != nil && theirs[1] < ours[1] {
		return warn("Master target %s runs %s, older than %s of %s.", mt.Name, mt.OSVersion, s.Item.It.OSVersion, s.Machine.Name).
			remedy("Choose a master target with a system as new as the machine's.")
	}
	return skipped("")
}

func judgeFamily(s Subject, mt observed.MasterTarget) Verdict {
	switch {
	case mt.OS == "":
		return unknown("Site Recovery does not say which system master target %s runs.", mt.Name)
	case s.Machine.OS == "":
		return unknown("Site Recovery does not say which system %s runs.", s.Machine.Name)
	case !strings.EqualFold(mt.OS, s.Machine.OS):
		return fail("%s runs %s and master target %s runs %s.", s.Machine.Name, s.Machine.OS, mt.Name, mt.OS)
	}
	return pass("%s and master target %s both run %s.", s.Machine.Name, mt.Name, mt.OS)
}

// MayFit says whether the disks of a case are known, and so few that its master targets and appliances can take them once
// enough others have failed back (S7, M1).
func MayFit(in Input) bool {
	_, ofMachines := subjects(in)
	return !slices.ContainsFunc(ofMachines, func(s Subject) bool { return s.Slots.Unclear != "" || s.Slots.Case > observed.MostDisks })
}

// judgeSlots counts what is attached: the writer's own disks count too, where vCenter shows them, and those of
// machines that replicate are among them.
func judgeSlots[T any](s Subject, _ T) Verdict {
	if s.Slots.Unclear != "" {
		return unknown("%s", s.Slots.Unclear)
	}
	used := s.Slots.Used()
	if s.Writer.It != nil {
		used = max(used, len(s.Writer.It.Disks))
	}
	free := observed.MostDisks - used
	text := fmt.Sprintf("The case adds %d disk(s) to %s, which has %d of %d", s.Slots.Case, s.By, used, observed.MostDisks)
	if s.Slots.Case > free {
		return fail("%s: %d too many.", text, s.Slots.Case-max(free, 0))
	}
	if more := s.Slots.Case + s.Slots.Beside - free; more > 0 && s.Slots.Beside > 0 {
		return warn("%s. Together with the rest of the request that is %d too many: some of its machines wait until others have failed back.", text, more)
	}
	return pass("%s.", text)
}

func judgeMasterTargetSnapshots(_ Subject, vm observed.VM) Verdict {
	var faults, doubts []string
	if len(vm.Snapshots) > 0 {
		faults = append(faults, "has "+snapshots(vm))
	}
	for _, d := range vm.Disks {
		switch {
		case d.Delta:
			faults = append(faults, fmt.Sprintf("runs %s on the delta disk %s", d.Label, d.File))
		case d.NamedDelta():
			doubts = append(doubts, fmt.Sprintf("%s on %s", d.Label, d.File))
		}
	}
	if vm.Consolidate {
		faults = append(faults, "needs its disks consolidated")
	}
	switch {
	case len(faults) > 0:
		return fail("VM %s %s.", vm.Name, listClauses(faults)).
			remedy("In vCenter, delete the snapshots of %s (Snapshots > Manage Snapshots > Delete All) and consolidate its disks (Snapshots > Consolidate).", vm.Name)
	case len(vm.Disks) == 0:
		return unknown("vCenter shows no disks of VM %s.", vm.Name)
	case len(doubts) > 0:
		return warn("VM %s has no snapshots that vCenter knows, and runs %s, which has the name of a delta disk.", vm.Name, list(doubts)).
			remedy("In vCenter, consolidate the disks of %s (Snapshots > Consolidate), and see in Edit Settings that its disk files lose the number at their end.", vm.Name)
	}
	return pass("VM %s has no snapshots and no delta disks.", vm.Name)
}

func judgeControllers(_ Subject, vm observed.VM) Verdict {
	lsi := false
	var others []string
	for _, c := range vm.Controllers {
		switch c.Kind {
		case "paravirtualscsicontroller", "paravirtualscsi":
			return fail("VM %s has a paravirtual SCSI controller (%s).", vm.Name, c.Label)
		case "lsilogiccontroller", "lsilogicsascontroller":
			lsi = true
		default:
			if strings.Contains(c.Kind, "buslogic") {
				others = append(others, c.Label)
			}
		}
	}
	switch {
	case len(vm.Controllers) == 0:
		return unknown("vCenter names no disk controllers of VM %s.", vm.Name)
	case !lsi:
		return fail("VM %s has no LSI Logic SCSI controller.", vm.Name)
	case len(others) > 0:
		return warn("VM %s has LSI Logic SCSI controllers, and beside them others: %s.", vm.Name, list(others))
	}
	return pass("VM %s has LSI Logic SCSI controllers only.", vm.Name)
}

func judgeTools(_ Subject, vm observed.VM) Verdict {
	switch {
	case vm.Power == "poweredOn" && vm.Connection == "connected" && vm.Tools == "guestToolsRunning":
		// A version that vCenter does not know, as of open-vm-tools, it may call not installed while they run.
		return pass("VMware Tools run on VM %s.", vm.Name)
	case vm.ToolsVersion == "guestToolsNotInstalled":
		return fail("VMware Tools are not installed on VM %s.", vm.Name)
	case vm.Power != "poweredOn" || vm.Connection != "connected":
		return unknown("VM %s is %s and %s, so it cannot be seen whether its VMware Tools run.", vm.Name, orNothing(vm.Power), orNothing(vm.Connection))
	case vm.Tools == "":
		return unknown("vCenter does not say whether VMware Tools run on VM %s.", vm.Name)
	}
	return fail("VMware Tools do not run on VM %s (%s).", vm.Name, vm.Tools)
}

func judgeVMFS(s Subject, h observed.Host) Verdict {
	if why := h.Unread.Why("datastore"); why != "" {
		return unknown("The datastores of host %s could not be read: %s.", h.Name, why)
	}
	var vsan, dark []string
	for _, ref := range h.DatastoreRefs {
		d, ok := s.lookup.datastore(ref)
		switch {
		case !ok:
			dark = append(dark, ref)
		case d.Type == "" || d.Unread.Why("summary.type") != "":
			dark = append(dark, orRef(d.Name, ref)+because(d.Unread, "summary.type"))
		case d.Type == "vmfs" && d.Unread.Why("summary.accessible", "host") != "":
			dark = append(dark, orRef(d.Name, ref)+because(d.Unread, "summary.accessible", "host"))
		case d.Type == "vmfs" && d.Accessible && d.Mounts[h.Ref].Accessible:
			return pass("Host %s has the VMFS datastore %s.", h.Name, d.Name)
		case d.Type == "vsan":
			vsan = append(vsan, d.Name)
		}
	}
	switch {
	case len(dark) > 0:
		return unknown("Host %s has no VMFS datastore among those that could be read; unread are %s.", h.Name, list(dark))
	case len(vsan) > 0:
		return warn("Host %s has vSAN (%s) and no VMFS datastore: vSAN can be offered and still fail in the job.", h.Name, list(vsan))
	}
	return fail("Host %s, on which the %s runs, has no accessible VMFS datastore.", h.Name, s.By)
}

// because is the reason in brackets why one of the paths could not be read.
func because(u observed.Unread, paths ...string) string {
	if why := u.Why(paths...); why != "" {
		return " (" + why + ")"
	}
	return ""
}

func orRef(name, ref string) string {
	if name == "" {
		return ref
	}
	return name
}

// judgeCollision compares the UUIDs of both VMs and of their disks.
func judgeCollision(s Subject) Verdict {
	switch {
	case s.VM.It == nil && s.VM.Absent:
		return skipped("%s", s.VM.Why)
	case s.VM.It == nil:
		return unknown("%s", s.VM.Why)
	case s.Writer.It == nil:
		return unknown("%s", s.Writer.Why)
	}
	vm, mt := *s.VM.It, *s.Writer.It
	if vm.Ref == mt.Ref {
		return fail("In vCenter the id of %s is that of VM %s, the master target itself.", s.Machine.Name, mt.Name)
	}
	var shared, missing []string
	for _, pair := range []struct{ kind, a, b string }{{"BIOS UUID", vm.BIOSUUID, mt.BIOSUUID}, {"instance UUID", vm.InstanceUUID, mt.InstanceUUID}} {
		switch {
		case pair.a == "" || pair.b == "":
			missing = append(missing, pair.kind)
		case observed.NormalUUID(pair.a) == observed.NormalUUID(pair.b):
			shared = append(shared, pair.kind+" "+pair.a)
		}
	}
	disks := map[string]string{}
	for _, d := range mt.Disks {
		if d.UUID == "" {
			missing = append(missing, "UUID of "+d.Label+" of "+mt.Name)
			continue
		}
		disks[observed.NormalUUID(d.UUID)] = d.Label
	}
	for _, d := range vm.Disks {
		if d.UUID == "" {
			missing = append(missing, "UUID of "+d.Label+" of "+vm.Name)
		} else if label, ok := disks[observed.NormalUUID(d.UUID)]; ok {
			shared = append(shared, fmt.Sprintf("disk UUID %s (%s and %s)", d.UUID, d.Label, label))
		}
	}
	var reasons []string
	for _, side := range []observed.VM{vm, mt} {
		if why := side.Unread.Why("config.hardware.device", "config.uuid", "config.instanceUuid"); why != "" {
			reasons = append(reasons, side.Name+" ("+why+")")
		}
	}
	switch {
	case len(shared) > 0:
		return fail("VM %s and master target %s share %s.", vm.Name, mt.Name, list(shared))
	case len(reasons) > 0:
		return unknown("The UUIDs of VM %s and master target %s and of their disks could not be compared: %s.", vm.Name, mt.Name, list(reasons))
	case len(missing) > 0:
		return unknown("VM %s and master target %s could not be compared in full; missing: %s.", vm.Name, mt.Name, list(missing))
	}
	return pass("VM %s and master target %s have UUIDs of their own.", vm.Name, mt.Name)
}
