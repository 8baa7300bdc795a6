package readiness

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"reprotect.example/events"
	"reprotect.example/services/observed"
)

func (s Subject) unread() string {
	return strings.TrimSuffix(cmp.Or(s.Unread, s.Item.Unread), ".")
}

// From are the stages from which a machine takes a leg.
func From(leg events.Leg) []observed.Stage {
	switch leg {
	case events.LegFailback:
		return []observed.Stage{observed.StageReady, observed.StageFailbackCancelled}
	case events.LegCommit, events.LegWithdraw:
		return []observed.Stage{observed.StageHomeUncommitted}
	case events.LegProtect:
		return []observed.Stage{observed.StageHome}
	case events.LegReprotect:
		return []observed.Stage{observed.StageUncommitted, observed.StageCommitted}
	}
	return nil
}

// stage: a machine takes a leg from where it stands only.
func stage(leg events.Leg, s Subject, said *Said) {
	i := s.Item
	if why := s.unread(); why != "" {
		said.unknown("%s could not be read: %s.", i.Name, why)
		return
	}
	now := i.Stage()
	switch {
	case slices.Contains(From(leg), now) && i.Busy():
		said.refuse("Site Recovery job %s (%s) holds %s.", i.JobID, i.Scenario, i.Name)
	case leg == events.LegWithdraw && now == observed.StageHomeUncommitted && i.Architecture == observed.Classic:
		said.refuse("%s is a classic machine: Azure cancels the failback of modernized machines only.", i.Name)
	case slices.Contains(From(leg), now):
	case now == observed.StageUnknown:
		said.unknown("What Site Recovery says of %s is not known: state %s (%s), active location %s.", i.Name, i.State, i.StateText, i.Location)
	default:
		said.refuse("%s", Standing(i))
	}
}

// Standing says where a machine stands that cannot take the leg that was asked for, and what can be done now.
func Standing(i observed.Item) string {
	percent := ""
	if p := i.Replication.Percent; p != nil {
		percent = fmt.Sprintf(", %d %% done", *p)
	}
	switch i.Stage() {
	case observed.StageReady, observed.StageFailbackCancelled:
		return fmt.Sprintf("%s is protected in Azure: it may be failed back.", i.Name)
	case observed.StageResynchronizing:
		return fmt.Sprintf("A resynchronization of %s is due or runs%s.", i.Name, percent)
	case observed.StageReplicationFailed:
		return fmt.Sprintf("The initial replication of %s has failed.", i.Name)
	case observed.StageReprotecting, observed.StageInitial:
		return fmt.Sprintf("%s is not protected yet: %s%s.", i.Name, cmp.Or(i.StateText, i.State), percent)
	case observed.StageFailingBack:
		return fmt.Sprintf("%s fails back just now, or its failback is being cancelled.", i.Name)
	case observed.StageHomeUncommitted:
		return fmt.Sprintf("%s has come home, and its failback is not committed: commit or withdraw it.", i.Name)
	case observed.StageHome:
		return fmt.Sprintf("%s has come home, and its failback is committed: it may be protected to Azure again.", i.Name)
	case observed.StageUncommitted, observed.StageCommitted:
		return fmt.Sprintf("%s runs in Azure and is not reprotected: request that first.", i.Name)
	case observed.StageProtected:
		return fmt.Sprintf("%s runs on-premises and replicates to Azure: there is nothing to bring home.", i.Name)
	case observed.StageMigrated:
		return fmt.Sprintf("The migration of %s was completed: there is no way back.", i.Name)
	case observed.StageUnknown, observed.StageUnprotected, observed.StageFailingOver, observed.StageFailoverFailed:
	}
	return fmt.Sprintf("Site Recovery says of %s: %s.", i.Name, cmp.Or(i.StateText, i.State, "nothing"))
}

func health(s Subject, said *Said) {
	i := s.Item
	switch words := observed.Words(i.HealthErrors); i.HealthOf() {
	case observed.Sound:
	case observed.Unclear:
		said.unknown("Site Recovery does not say the health of %s.", i.Name)
	default:
		said.refuse("Site Recovery calls the health of %s %s%s.", i.Name, strings.ToLower(i.Health), after(words))
	}
}

// recoveryPoint: a failback needs one.
func recoveryPoint(s Subject, said *Said) {
	switch {
	case s.PointsUnread != "":
		said.unknown("The recovery points of %s could not be read: %s.", s.Item.Name, strings.TrimSuffix(s.PointsUnread, "."))
	case len(s.Points) == 0:
		said.refuse("%s has no recovery point.", s.Item.Name)
	}
}

// writer judges what writes the machine's disks: a failback needs it.
func writer(s Subject, said *Said) {
	i := s.Item
	role, id := observed.RoleMasterTarget, i.MasterTargetID
	if i.Architecture == observed.Modernized {
		role, id = observed.RoleAppliance, i.ApplianceID
	}
	home, ok := s.Vault.Fabric(i.FabricID)
	switch {
	case id == "":
		said.unknown("Site Recovery does not say which %s writes the disks of %s.", role, i.Name)
		return
	case !ok:
		said.unknown("The %s of %s could not be read%s.", role, i.Name, after(strings.TrimSuffix(s.Vault.Unread["fabrics"], ".")))
		return
	}
	var parts []observed.Component
	if a, found := home.Appliance(id); role == observed.RoleAppliance && found {
		parts = a.Components()
	} else if mt, found := home.MasterTarget(id); found {
		parts = []observed.Component{home.Component(), mt.Component()}
		if ps, found := home.ProcessServer(i.ProcessServerID); found {
			parts = append(parts, ps.Component())
		}
	} else {
		said.refuse("The %s %s of %s is not registered with %s any more.", role, id, i.Name, home.Name)
	}
	for _, part := range parts {
		for _, complaint := range part.Complaints(s.Now) {
			switch complaint.Condition {
			case observed.Broken:
				said.refuse("The %s: %s.", part, complaint.What)
			case observed.Unclear:
				said.unknown("The %s: %s.", part, complaint.What)
			case observed.Sound, observed.Doubtful: // it works
			}
		}
	}
}

// azureVM: it must run, for the failback begins with the last changes from it. A classic item does not name it any more:
// then its name must do, where one VM alone has it.
func azureVM(s Subject, said *Said) {
	i, look := s.Item, s.Vault.AzureVMs
	vms, sure := look.Of(i)
	if !sure && i.AzureHome() == "" {
		vms = look.Named(i.Name)
		sure = len(vms) == 1
	}
	switch {
	case !sure:
		why := cmp.Or(look.Groups[strings.ToLower(i.AzureHome())], look.PowerUnread)
		said.unknown("Which Azure VM %s is, and whether it runs, is not known%s.", i.Name, after(strings.TrimSuffix(why, ".")))
	case vms[0].Power == "":
		said.unknown("Whether Azure VM %s of %s runs is not known%s.", vms[0].Name, i.Name, after(strings.TrimSuffix(look.PowerUnread, ".")))
	case vms[0].Power != observed.Running:
		said.refuse("Azure VM %s of %s does not run: Azure calls it %s.", vms[0].Name, i.Name, vms[0].Power)
	}
}

// onPremisesOff: the VM there must be off, for its disks are written.
func onPremisesOff(s Subject, said *Said) {
	i, vm := s.Item, s.Seen.VM
	switch {
	case s.NoInventory != "":
		said.unknown("vCenter could not be read: %s.", strings.TrimSuffix(s.NoInventory, "."))
	case vm == nil && s.Seen.Absent && (i.Physical || i.VMDeleted != nil && *i.VMDeleted): // made anew at the failback
	case vm == nil:
		said.unknown("%s", s.Seen.Why(i.Name, s.User))
	case !powerKnown(*vm, "off", said):
	case vm.Power == "poweredOff":
	default:
		said.refuse("VM %s is not off on-premises: vCenter calls it %s, while replication writes to its disks.", vm.Place(), vm.Power)
	}
}

// onPremisesOn: who commits a failback, or protects the machine anew, has it run there.
func onPremisesOn(s Subject, said *Said) {
	vm := s.Seen.VM
	switch {
	case s.NoInventory != "":
		said.unknown("vCenter could not be read: %s.", strings.TrimSuffix(s.NoInventory, "."))
	case vm == nil:
		said.unknown("%s", s.Seen.Why(s.Item.Name, s.User))
	case !powerKnown(*vm, "on", said):
	case vm.Power == "poweredOn":
	default:
		said.refuse("VM %s is not on on-premises: vCenter calls it %s.", vm.Place(), vm.Power)
	}
}

// powerKnown says whether vCenter tells if a VM is on or off, and why not.
func powerKnown(vm observed.VM, wanted string, said *Said) bool {
	unread := vm.Unread.Why("runtime.powerState", "runtime.connectionState")
	switch {
	case unread != "":
		said.unknown("Whether VM %s is %s could not be read: %s.", vm.Place(), wanted, unread)
	case vm.Connection != "connected":
		said.unknown("VM %s is %s in vCenter, so its power state is not known.", vm.Place(), cmp.Or(vm.Connection, "not said to be connected"))
	case vm.Power == "":
		said.unknown("vCenter does not say whether VM %s is %s.", vm.Place(), wanted)
	default:
		return true
	}
	return false
}

// after is what stands behind a colon, where there is something.
func after(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}
