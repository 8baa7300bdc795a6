package checks

import (
	"slices"
	"strings"

	"reprotect.example/services/observed"
)

// azureVM is what is known of the Azure VM of a machine. A verdict, when there is one, says why nothing can be
// judged.
func azureVM(s Subject, i observed.Item) (vms []observed.AzureVM, sure bool, none *Verdict) {
	look := s.lookup.vault.AzureVMs
	why, listed := look.Groups[strings.ToLower(i.AzureHome())]
	var v Verdict
	switch {
	case !strings.EqualFold(i.Location, "Recovery") && !i.ReversedOnce():
		v = skipped("%s does not run in Azure.", i.Name)
	case i.AzureHome() == "" && i.ReversedOnce():
		v = skipped("%s replicates back already, and Site Recovery does not name its Azure VM any more.", i.Name)
	case i.AzureHome() == "":
		v = unknown("Site Recovery does not say where the Azure VM of %s is.", i.Name)
	case look.Taken.IsZero() || !listed:
		v = unknown("Nobody looked for the Azure VM of %s in resource group %s.", i.Name, groupOf(i))
	case why != "":
		v = unknown("Whether the Azure VM of %s is in resource group %s could not be read: %s.", i.Name, groupOf(i), why).
			remedy("Give the identity of the product the role Reader on resource group %s, or see in the Azure portal that the Azure VM is there.", groupOf(i))
	default:
		vms, sure = look.Of(i)
		return vms, sure, nil
	}
	return nil, false, &v
}

func groupOf(i observed.Item) string { return observed.LastSegment(i.AzureHome()) }

func judgeAzureVM(s Subject, i observed.Item) Verdict {
	vms, sure, none := azureVM(s, i)
	elsewhere := s.lookup.vault.AzureVMs.Elsewhere
	switch {
	case none != nil:
		return *none
	case sure:
		return pass("%s became Azure VM %s in resource group %s.", i.Name, vms[0].Name, groupOfVM(vms[0]))
	case len(vms) > 0:
		return unknown("Which Azure VM %s became is not clear: by their names it may be %s.", i.Name, list(placesOf(vms))).
			remedy("See in the Azure portal which of them has the disks of %s.", i.Name)
	case elsewhere != "":
		return unknown("Azure VM %s of %s is not in resource group %s, and the others could not be searched: %s.", i.AzureName(), i.Name, groupOf(i), elsewhere).
			remedy("See in the Azure portal whether the Azure VM was moved or deleted.")
	case i.AzureName() == "":
		return unknown("Site Recovery does not name the Azure VM of %s.", i.Name)
	}
	return fail("Azure VM %s of %s is neither in resource group %s nor anywhere else that the identity of the product can see.", i.AzureName(), i.Name, groupOf(i))
}

func judgeResourceGroup(s Subject, i observed.Item) Verdict {
	vms, sure, none := azureVM(s, i)
	switch {
	case none != nil:
		return *none
	case sure && observed.SameID(observed.ResourceGroupOf(vms[0].ID), i.AzureHome()):
		return pass("Azure VM %s lies in resource group %s, that of the failover.", vms[0].Name, groupOf(i))
	case sure:
		return fail("Azure VM %s of %s was moved from resource group %s to %s.", vms[0].Name, i.Name, groupOf(i), groupOfVM(vms[0]))
	case i.AzureVM != "" && len(vms) > 0:
		return fail("Azure VM %s of %s is not in resource group %s any more; of that name there is %s.", i.AzureName(), i.Name, groupOf(i), list(placesOf(vms)))
	case i.AzureVM != "":
		return fail("Azure VM %s of %s is not in resource group %s any more.", i.AzureName(), i.Name, groupOf(i))
	case len(vms) > 0:
		return unknown("Which Azure VM %s became is not clear: by their names it may be %s.", i.Name, list(placesOf(vms)))
	}
	return unknown("The Azure VM of %s was not found, so its resource group is not known.", i.Name)
}

func groupOfVM(vm observed.AzureVM) string {
	return observed.LastSegment(observed.ResourceGroupOf(vm.ID))
}

func placesOf(vms []observed.AzureVM) []string {
	var places []string
	for _, vm := range vms {
		places = append(places, vm.Name+" in "+groupOfVM(vm))
	}
	return places
}

// theAzureVM is azureVM, where it must be one for sure.
func theAzureVM(s Subject, i observed.Item) (vm observed.AzureVM, none *Verdict) {
	vms, sure, none := azureVM(s, i)
	if none == nil && !sure {
		v := unknown("Which Azure VM %s became is not known.", i.Name)
		none = &v
	}
	if none != nil {
		return observed.AzureVM{}, none
	}
	return vms[0], nil
}

func judgeAzurePower(s Subject, i observed.Item) Verdict {
	vm, none := theAzureVM(s, i)
	unread := s.lookup.vault.AzureVMs.PowerUnread
	switch {
	case none != nil:
		return *none
	case vm.Power == observed.Running:
		return pass("Azure VM %s of %s runs.", vm.Name, i.Name)
	case vm.Power == "" && unread != "":
		return unknown("Whether Azure VM %s of %s runs could not be read: %s.", vm.Name, i.Name, unread).
			remedy("See in the Azure portal that Azure VM %s runs.", vm.Name)
	case vm.Power == "":
		return unknown("Azure does not say whether Azure VM %s of %s runs.", vm.Name, i.Name).
			remedy("See in the Azure portal that Azure VM %s runs.", vm.Name)
	}
	return fail("Azure VM %s of %s does not run: Azure calls it %s.", vm.Name, i.Name, vm.Power)
}

// judgeAzureDisks compares the disks of the Azure VM with those that were replicated: by their names where Site Recovery
// tells them, else by their number.
func judgeAzureDisks(s Subject, i observed.Item) Verdict {
	vm, none := theAzureVM(s, i)
	switch {
	case none != nil:
		return *none
	case len(vm.Disks) == 0:
		return unknown("Azure does not say which managed disks Azure VM %s of %s has.", vm.Name, i.Name)
	case len(i.AzureDisks) > 0:
		added := slices.DeleteFunc(slices.Clone(vm.Disks), func(disk string) bool {
			return slices.ContainsFunc(i.AzureDisks, func(known string) bool { return strings.EqualFold(known, disk) })
		})
		if len(added) > 0 {
			return fail("Azure VM %s of %s has %d disk(s) that were not replicated to Azure: %s.", vm.Name, i.Name, len(added), list(added))
		}
	case len(i.Disks) == 0:
		return unknown("Site Recovery does not name the disks of %s.", i.Name)
	case len(vm.Disks) > len(i.Disks):
		return fail("Azure VM %s of %s has %d disks, and %d were replicated to Azure. Site Recovery does not say which of these were: %s.",
			vm.Name, i.Name, len(vm.Disks), len(i.Disks), list(vm.Disks))
	}
	return pass("All disks of Azure VM %s (%d) were replicated to Azure.", vm.Name, len(vm.Disks))
}

// judgeCommitted: a reprotect has the step to commit the failover itself (seen in recordings).
func judgeCommitted(_ Subject, i observed.Item) Verdict {
	switch stage := i.Stage(); {
	case stage == observed.StageUnknown:
		return unknown("It is not known where %s stands: its state is %s.", i.Name, orNothing(i.State))
	case stage != observed.StageUncommitted && i.ReversedOnce():
		return skipped("%s replicates back already.", i.Name)
	case stage == observed.StageCommitted:
		return pass("The failover of %s is committed.", i.Name)
	case stage != observed.StageUncommitted:
		return skipped("%s has no failover that could be committed: its state is %s.", i.Name, i.State)
	}
	point := "the recovery point that it was made with, which Site Recovery does not name"
	switch {
	case !i.FailoverPointAt.IsZero():
		point = "the recovery point of " + stamp(i.FailoverPointAt)
	case i.FailoverPoint != "":
		point = "recovery point " + i.FailoverPoint + ", of which the time could not be read"
	}
	since := ""
	if !i.FailedOverAt.IsZero() {
		since = " of " + stamp(i.FailedOverAt)
	}
	return fail("The failover%s of %s is not committed. The reprotect commits it, with %s: all other recovery points go, and so does Change recovery point.", since, i.Name, point)
}

func judgeReplicationHealth(_ Subject, i observed.Item) Verdict {
	said := observed.Words(i.HealthErrors)
	switch {
	case said != "":
		return fail("Site Recovery says of %s: %s.", i.Name, said)
	case i.HealthOf() == observed.Sound:
		return pass("Site Recovery calls the replication of %s healthy.", i.Name)
	case i.HealthOf() == observed.Unclear:
		return unknown("Site Recovery gives the health of %s as %s.", i.Name, orNothing(i.Health))
	}
	return fail("Site Recovery calls the health of %s %s, and does not say why.", i.Name, strings.ToLower(i.Health))
}
