package checks

import (
	"fmt"
	"slices"
	"strings"

	"reprotect.example/services/observed"
)

var machineChecks = []Check{
	{
		Code: "machine.failed-over", Level: Block, For: both, Refs: []string{"S1"}, NeverWaived: true,
		Title:     "The machine runs in Azure after a failover, and no other job holds it.",
		Fault:     "The machine cannot be reprotected in the state that it is in.",
		Unread:    "It is not known in which state the machine is.",
		Why:       "Only a machine that was failed over to Azure can be reprotected, and Site Recovery runs one job on a machine at a time.",
		Remedy:    "In the vault, open Replicated items, look at the state of the machine and finish its failover first.",
		Reference: pageReprotect, Judge: must(theItem, judgeFailedOver, func(v Verdict) Verdict {
			return v.remedy("Look in the vault what became of the machine: its protection may have been disabled, after which Site Recovery cannot bring it home.")
		}),
	},
	{
		Code: "machine.not-migrated", Level: Block, For: both, Refs: []string{"S2"}, NeverWaived: true,
		Title:     "The migration of the machine to Azure was not completed.",
		Fault:     "The migration of the machine to Azure was completed.",
		Why:       "Complete Migration ends the protection of a machine for good: there is no way back on-premises by reprotect.",
		Remedy:    "This machine cannot be reprotected. To bring it home, copy its disks from Azure, or migrate it with another tool.",
		Reference: pageReprotect, Judge: with(theItem, judgeNotMigrated),
	},
	{
		Code: "machine.azure-vm-present", Level: Block, For: both, Refs: []string{"S2"}, NeverWaived: true,
		Title:     "The Azure VM that the machine became is there.",
		Fault:     "The Azure VM that the machine became is gone.",
		Why:       "The data comes from the Azure VM: when it was deleted there is no way back by reprotect.",
		Remedy:    "This machine cannot be reprotected without its Azure VM. If its disks or a backup are left in Azure, bring the data home by another way.",
		Reference: pageReprotect, Judge: with(theItem, judgeAzureVM),
	},
	{
		Code: "machine.resource-group", Level: Block, For: both, Refs: []string{"S2"}, NeverWaived: true, After: "machine.azure-vm-present",
		Title:     "The Azure VM lies in the resource group of its failover.",
		Fault:     "The Azure VM does not lie in the resource group of its failover any more.",
		Why:       "Site Recovery knows the Azure VM by its place. Once it was moved to another resource group the machine cannot be reprotected.",
		Remedy:    "In the Azure portal, open the Azure VM, choose Move and move it, with its disks and network interfaces, back to the resource group of its failover; then check again.",
		Reference: pageReprotect, Judge: with(theItem, judgeResourceGroup),
	},
	{
		Code: "machine.azure-vm-running", Level: Block, For: both, Refs: []string{"S33"}, After: "machine.azure-vm-present",
		Title:     "The Azure VM of the machine runs.",
		Fault:     "The Azure VM of the machine does not run.",
		Why:       "Its agent takes part in the reprotect and sends the data: while the VM is switched off the job fails, after minutes.",
		Remedy:    "In the Azure portal, start the Azure VM and wait until its agent has registered again, which takes up to 15 minutes.",
		Reference: pageReprotect, Judge: with(theItem, judgeAzurePower),
	},
	{
		Code: "machine.azure-disks", Level: Warn, For: both, Refs: []string{"M6"}, After: "machine.azure-vm-present",
		Title:     "The Azure VM has no disks but those that were replicated to Azure.",
		Fault:     "The Azure VM has disks that were not replicated to Azure.",
		Why:       "Disks that were added in Azure since the failover are not replicated back: what is on them stays behind.",
		Remedy:    "Copy what is on these disks to disks that come home, or plan another way for it.",
		Reference: pageModernized, Judge: with(theItem, judgeAzureDisks),
	},
	{
		Code: "machine.failover-committed", Level: Warn, For: both, Refs: []string{"S1"},
		Title:     "The failover of the machine is committed.",
		Fault:     "The failover of the machine is not committed.",
		Why:       "The reprotect commits a failover that is not committed yet: its recovery point stands from then on, and the other points are gone.",
		Remedy:    "If the data of that recovery point is right, nothing need be done. If not, choose Change recovery point in the vault first.",
		Reference: pageModernized, Judge: with(theItem, judgeCommitted),
	},
	{
		Code: "machine.replication-health", Level: Warn, For: both, Refs: []string{"S33"},
		Title:     "Site Recovery reports no error of the machine.",
		Fault:     "Site Recovery reports trouble of the machine.",
		Why:       "What Site Recovery reports of the machine, its agent above all, can keep the reprotect from beginning, or the replication from coming to its end.",
		Remedy:    "Follow what Azure recommends, under Replicated items in the vault.",
		Reference: pageModernized, Judge: with(theItem, judgeReplicationHealth),
	},
	{
		Code: "machine.os-supported", Level: Block, For: classic, Refs: []string{"S49"},
		Title:     "The machine is not a physical Windows Server 2008 R2 SP1.",
		Fault:     "The machine is a physical Windows Server 2008 R2 SP1.",
		Why:       "Windows Server 2008 R2 SP1 that was protected as a physical server cannot fail back.",
		Remedy:    "Keep the machine in Azure, or move its workload to a server with a newer system.",
		Reference: pageReprotect, Judge: with(theItem, judgeSystem),
	},
	{
		Code: "machine.snapshots", Level: Info, For: both, Refs: []string{"S5"},
		Title:     "The on-premises VM has no snapshots.",
		Fault:     "The on-premises VM has snapshots.",
		Why:       "The reprotect job merges the snapshots of the on-premises VM: they are gone afterwards, and merging takes time.",
		Remedy:    "Nothing need be done. If a snapshot is still wanted, copy the VM before the reprotect.",
		Reference: pageReprotect, Judge: onVM(judgeMachineSnapshots, "snapshot.rootSnapshotList"),
	},
	{
		Code: "machine.powered-off", Level: Warn, For: both, Refs: []string{"S39"},
		Title:     "The on-premises VM is switched off.",
		Fault:     "The on-premises VM is not switched off.",
		Why:       "Reprotect switches the on-premises VM off so that its disks can be written. Whatever runs on it now stops, and its changes are lost.",
		Remedy:    "In vCenter, shut the VM down (Power > Shut Down Guest OS) and leave it off until the failback.",
		Reference: pageReprotect, Judge: onVM(judgePower, "runtime.powerState", "runtime.connectionState"),
	},
	{
		Code: "machine.linux-network", Level: Info, For: both, Refs: []string{"S44", "S45"},
		Title:     "The network of the machine comes home as it was.",
		Fault:     "The network of a Linux machine must be set up by hand after the failback.",
		Why:       "A Linux machine comes home without the NetworkManager package, which Azure removed, and with DHCP even if its address was static.",
		Remedy:    "Note the machine's addresses now. After the failback install NetworkManager and set the static address again.",
		Reference: pageReprotect, Judge: judgeLinuxNetwork,
	},
	{
		Code: "machine.rdm", Level: Block, For: both, Refs: []string{"N2"},
		Title:     "A machine with raw device mappings goes back to its original location.",
		Fault:     "A machine with raw device mappings goes to an alternate location.",
		Why:       "Raw device mappings (RDM) cannot be made anew at an alternate location.",
		Remedy:    "Restore the on-premises VM with its RDM disks from a backup and register it in vCenter, then check again.",
		Reference: pageKinds, Judge: judgeRDM,
	},
	{
		Code: "machine.disk-uuid", Level: Warn, For: classic, Refs: []string{"N2"},
		Title:     "disk.EnableUUID is TRUE on the on-premises VM.",
		Fault:     "disk.EnableUUID is not TRUE on the on-premises VM.",
		Why:       "Without it the guest does not see the UUIDs of its disks, and the master target can mistake one disk for another.",
		Remedy:    "In vCenter, with the VM switched off: Edit Settings > Advanced Parameters, add disk.EnableUUID with the value TRUE.",
		Reference: pagePrepare, Judge: onVM(judgeEnableUUID, "config.extraConfig"),
	},
}

func theItem(s Subject) Found[observed.Item] { return s.Item }

func judgeFailedOver(s Subject, i observed.Item) Verdict {
	state := i.State
	if i.StateText != "" && i.StateText != i.State {
		state += " (" + i.StateText + ")"
	}
	if i.Unread != "" {
		return unknown("%s could not be read: %s.", i.Name, strings.TrimSuffix(i.Unread, "."))
	}
	if !i.Ours() {
		return fail("%s is protected by %s.", i.Name, i.ProtectedBy()).
			remedy("Only VMware and physical machines can be reprotected here. See Site Recovery's own guide for %s.", i.ProtectedBy())
	}
	stage := i.Stage()
	switch stage {
	case observed.StageMigrated:
		return fail("The migration of %s to Azure was completed: %s.", i.Name, state).
			remedy("This machine cannot be reprotected any more.")
	case observed.StageFailingBack:
		return fail("%s fails back just now, or its failback is being cancelled: its state is %s.", i.Name, state).
			remedy("Wait until the failback has ended. Nothing can be reprotected until then.")
	case observed.StageHomeUncommitted:
		return fail("%s has failed back and runs on-premises; the failback is not committed: its state is %s.", i.Name, state).
			remedy("Check the machine, then commit the failback in the vault: the commit removes the VM in Azure, which still costs. To go back to Azure, cancel the failover there.")
	case observed.StageHome:
		return fail("%s was failed back already: its state is %s.", i.Name, state).
			remedy("Nothing is to be done here: the machine runs on-premises. To protect it again, reprotect it to Azure in the vault.")
	}
	if i.Busy() {
		return judgeBusy(s, i)
	}
	switch stage {
	case observed.StageReady, observed.StageFailbackCancelled:
		return pass("%s is protected already: it replicates from Azure to on-premises.", i.Name)
	case observed.StageReprotecting, observed.StageInitial, observed.StageReplicationFailed, observed.StageResynchronizing:
		if i.ReversedOnce() {
			return pass("Replication of %s from Azure to on-premises is running already: its state is %s.", i.Name, state)
		}
	case observed.StageUncommitted, observed.StageCommitted:
		if i.FailedOverAt.IsZero() {
			return pass("%s runs in Azure after a failover.", i.Name)
		}
		return pass("%s runs in Azure since the failover of %s.", i.Name, stamp(i.FailedOverAt))
	case observed.StageFailingOver, observed.StageFailoverFailed:
		return fail("The failover of %s has not finished: its state is %s and it is active at the %s site.", i.Name, state, strings.ToLower(i.Location)).
			remedy("Wait until the failover has finished, or see under Jobs in the vault why it stopped, then send the request again.")
	case observed.StageUnknown:
		if i.State == "" || i.Location == "" {
			return unknown("Site Recovery does not say in which state %s is, or where it runs.", i.Name)
		}
		return fail("Site Recovery says of %s what this product does not know: its state is %s, active location %s, allowed operations %s.",
			i.Name, state, i.Location, strings.Join(i.Operations, ", ")).
			remedy("See in the vault whether the machine runs in Azure after a failover and whether reprotect is offered, then send the request again.")
	}
	return fail("%s has not been failed over to Azure: its state is %s.", i.Name, state).
		remedy("Only a machine that runs in Azure after a failover can be reprotected. If it should run in Azure, fail it over in the vault first.")
}

// judgeBusy: a job that runs is the only lock that the service shows. A reprotect will be adopted.
func judgeBusy(s Subject, i observed.Item) Verdict {
	scenario, since := i.Scenario, ""
	for _, j := range s.Vault.Jobs {
		if strings.EqualFold(j.ID, i.JobID) {
			scenario = j.Scenario
			if !j.Start.IsZero() {
				since = " since " + stamp(j.Start)
			}
		}
	}
	switch {
	case strings.EqualFold(scenario, observed.ReprotectScenario) || strings.EqualFold(i.Scenario, observed.ReprotectScenario):
		return pass("A reprotect of %s runs already%s (job %s): it will be adopted.", i.Name, since, i.JobID)
	case i.FailedOver() && (strings.EqualFold(scenario, observed.CommitScenario) || strings.EqualFold(i.Scenario, observed.CommitScenario)):
		return pass("A commit of the failover of %s runs%s (job %s): the reprotect waits for it.", i.Name, since, i.JobID)
	case strings.Contains(scenario, "Failover") && !i.ReversedOnce():
		return fail("A failover job holds %s%s: %s (job %s).", i.Name, since, scenario, i.JobID).
			remedy("Wait until the failover has finished, then send the request again.")
	}
	return fail("Another job holds %s%s: %s (job %s).", i.Name, since, scenario, i.JobID).
		remedy("Wait for job %s to end, or cancel it under Jobs in the vault, then send the request again.", i.JobID)
}

func judgeNotMigrated(_ Subject, i observed.Item) Verdict {
	switch {
	case i.Migrated():
		return fail("The migration of %s to Azure was completed (%s).", i.Name, strings.TrimSpace(i.State+" "+i.StateText))
	case i.State == "":
		return unknown("Site Recovery does not say in which state %s is.", i.Name)
	}
	return pass("%s was not migrated: its state is %s.", i.Name, i.State)
}

func judgeSystem(_ Subject, i observed.Item) Verdict {
	switch {
	case i.Architecture == "" && i.Unread != "": // nothing of it is known
		return unknown("%s could not be read: %s.", i.Name, strings.TrimSuffix(i.Unread, "."))
	case i.OriginUnread:
		return unknown("%s replicates back, and Site Recovery does not say any more whether it was protected as a physical server.", i.Name)
	case !i.Physical:
		return pass("%s was protected as a VM.", i.Name)
	case i.OS == observed.Linux:
		return pass("%s is a physical Linux server.", i.Name)
	case i.OSVersion == "":
		return unknown("%s was protected as a physical server, and Site Recovery does not say with which system.", i.Name)
	case strings.Contains(i.OSVersion, "2008 R2"):
		return fail("%s was protected as a physical server with %s.", i.Name, i.OSVersion)
	}
	return pass("%s is a physical server with %s.", i.Name, i.OSVersion)
}

// onVM judges the on-premises VM, of which these properties must be readable. Without a VM there is nothing to
// judge: it will be made anew.
func onVM(judge func(Subject, observed.VM) Verdict, properties ...string) func(Subject) Verdict {
	return func(s Subject) Verdict {
		switch {
		case s.VM.It == nil && s.VM.Absent:
			return skipped("%s", s.VM.Why)
		case s.VM.It == nil:
			return unknown("%s", s.VM.Why)
		}
		if why := s.VM.It.Unread.Why(properties...); why != "" {
			return unknown("VM %s could not be read in full: %s.", s.VM.It.Name, why)
		}
		return judge(s, *s.VM.It)
	}
}

func judgeMachineSnapshots(_ Subject, vm observed.VM) Verdict {
	if len(vm.Snapshots) == 0 {
		return pass("VM %s has no snapshots.", vm.Name)
	}
	return fail("VM %s has %s, which the job merges.", vm.Name, snapshots(vm))
}

func snapshots(vm observed.VM) string {
	var names []string
	for _, snapshot := range vm.Snapshots {
		names = append(names, fmt.Sprintf("%s of %s", snapshot.Path, stamp(snapshot.Created)))
	}
	return fmt.Sprintf("%d snapshot(s): %s", len(names), list(names))
}

func judgePower(_ Subject, vm observed.VM) Verdict {
	switch {
	case vm.Connection != "connected":
		return unknown("VM %s is %s in vCenter, so its power state is not known.", vm.Name, orNothing(vm.Connection)).
			remedy("In vCenter, reconnect the host of the VM, then check again.")
	case vm.Power == "poweredOff":
		return pass("VM %s is switched off.", vm.Name)
	case vm.Power == "suspended":
		return fail("VM %s is suspended: its disks are not at rest.", vm.Name).
			remedy("In vCenter, resume the VM and shut it down, or discard the suspended state by Power Off.")
	case vm.Power == "poweredOn":
		return fail("VM %s (%s) is switched on while the machine runs in Azure.", vm.Name, vm.Place())
	}
	return unknown("vCenter gives the power state of VM %s as %s.", vm.Name, orNothing(vm.Power))
}

func orNothing(state string) string {
	if state == "" {
		return "nothing at all"
	}
	return state
}

func judgeLinuxNetwork(s Subject) Verdict {
	switch s.Machine.OS {
	case observed.Linux:
		return fail("%s runs Linux.", s.Machine.Name)
	case observed.Windows:
		return pass("%s runs Windows, which gets its static address again.", s.Machine.Name)
	}
	return unknown("Site Recovery does not say which system %s runs.", s.Machine.Name)
}

func judgeRDM(s Subject) Verdict {
	switch {
	case s.Home.Unclear != "":
		return unknown("%s", s.Home.Unclear)
	case s.Item.It.Physical:
		return skipped("%s was protected as a physical server: its disks are made anew as VMDKs.", s.Machine.Name)
	case s.VM.It == nil:
		return unknown("The on-premises VM of %s is gone, so it cannot be read whether it had RDM disks.", s.Machine.Name).
			remedy("If the machine had no RDM disks, go on. If it had, restore its VM from a backup first.")
	}
	vm := *s.VM.It
	if why := vm.Unread.Why("config.hardware.device"); why != "" {
		return unknown("The disks of VM %s could not be read: %s.", vm.Name, why)
	}
	var raw []string
	for _, d := range vm.Disks {
		if d.RDM {
			raw = append(raw, d.Label)
		}
	}
	switch {
	case len(raw) == 0:
		return pass("VM %s has no RDM disks.", vm.Name)
	case s.Home.Alternate():
		return fail("VM %s has RDM disks (%s) and goes to an alternate location.", vm.Name, list(raw))
	}
	return pass("VM %s has RDM disks (%s) and goes back to its original location: keep the VM.", vm.Name, list(raw))
}

// judgeEnableUUID looks at the configuration parameter disk.EnableUUID (S12, S28, N2). ESXi takes truth values as VMX
// files write them; what Site Recovery makes of another word than TRUE no page tells.
func judgeEnableUUID(_ Subject, vm observed.VM) Verdict {
	value, set := vm.ExtraConfig["disk.enableuuid"]
	switch {
	case len(vm.ExtraConfig) == 0:
		return unknown("vCenter returned no configuration parameters of VM %s.", vm.Name)
	case !set:
		return fail("VM %s has no configuration parameter disk.EnableUUID.", vm.Name)
	case strings.EqualFold(value, "true"):
		return pass("disk.EnableUUID is %s on VM %s.", value, vm.Name)
	case slices.Contains([]string{"1", "yes", "y", "on", "t"}, strings.ToLower(strings.TrimSpace(value))):
		return warn("disk.EnableUUID is %q on VM %s: ESXi takes that for TRUE, and Site Recovery asks for TRUE.", value, vm.Name)
	}
	return fail("disk.EnableUUID is %q on VM %s.", value, vm.Name)
}
