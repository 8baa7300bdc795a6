package checks

import (
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
