package checks

import (
	"slices"
	"strings"

	"reprotect.example/services/observed"
)

var applianceChecks = []Check{
	{
		Code: "appliance.healthy", Level: Block, For: modernized, Refs: []string{"M1"},
		Title:     "The replication appliance is healthy and connected.",
		Fault:     "The replication appliance is not healthy, or not connected.",
		Why:       "The reprotect agent of the appliance takes the data from Azure and writes the disks.",
		Remedy:    "Open the appliance in the vault (Site Recovery Infrastructure > ASR replication appliances) and correct what it reports, or choose another appliance.",
		Reference: pageModernized, Judge: must(theAppliance, judgeAppliance, func(v Verdict) Verdict {
			return v.remedy("Name an appliance that is registered with the vault, in the request or in the defaults of the site.")
		}),
	},
	{
		Code: "appliance.disk-slots", Level: Block, For: modernized, Refs: []string{"M1"},
		Title:     "The disks of the case fit on the appliance.",
		Fault:     "The disks of the case do not fit on the appliance.",
		Why:       "At most 60 disks can be attached to an appliance.",
		Remedy:    "Choose another appliance for some of the machines, or wait until others have failed back.",
		Reference: pageModernized, Judge: with(theAppliance, judgeSlots[observed.Appliance]),
	},
	{
		Code: "appliance.storage-vmotion", Level: Warn, For: modernized, Refs: []string{"M5"},
		Title:     "Nothing moves the disks of the appliance to other datastores.",
		Fault:     "The disks of the appliance are moved, or may be moved, to other datastores.",
		Why:       "A Storage vMotion of the appliance drags the disks of the machines along; the failback cannot detach them then, and they must be found and attached by hand.",
		Remedy:    "In vCenter, open the datastore cluster, Configure > VM Overrides, and disable Storage DRS for the appliance. Leave it where it is until every machine is home.",
		Reference: pageModernized, Judge: onWriter(judgeMoves),
	},
}

var logStorageChecks = []Check{
	{
		Code: "log-storage.present", Level: Block, For: modernized, Refs: []string{"M2"},
		Title:     "A log storage account is named.",
		Fault:     "No log storage account is named.",
		Why:       "The reprotect request must name the storage account through which the changes travel, by its Azure id.",
		Remedy:    "Name the storage account in the request or in the site's defaults (logStorageAccount), by its id: /subscriptions/…/Microsoft.Storage/storageAccounts/….",
		Reference: pageModernized, Judge: with(theItem, judgeLogStorage),
	},
}

func theAppliance(s Subject) Found[observed.Appliance] { return s.Appliance }

func judgeAppliance(s Subject, a observed.Appliance) Verdict {
	verdicts := []Verdict{judgeComponents(s, a.Components()...)}
	if vm := s.Writer.It; vm != nil {
		why := vm.Unread.Why("config.template")
		switch {
		case why != "":
			verdicts = append(verdicts, unknown("Whether VM %s of the appliance is a template could not be read: %s.", vm.Place(), why))
		case vm.Template:
			verdicts = append(verdicts, fail("VM %s of the appliance is a template.", vm.Place()))
		}
	}
	return worst(verdicts)
}

// judgeLogStorage judges the account by what Azure shows of it. Of one that no item names it knows the id only.
func judgeLogStorage(s Subject, i observed.Item) Verdict {
	id := s.Machine.LogStorageAccount
	account, looked := s.Vault.AzureVMs.Account(id)
	name := observed.LastSegment(id)
	switch {
	case id == "":
		return fail("No log storage account is named for %s.", s.Machine.Name)
	case !strings.HasPrefix(strings.ToLower(id), "/subscriptions/"), !strings.Contains(strings.ToLower(id), "/providers/microsoft.storage/storageaccounts/"):
		return fail("%q is not the Azure id of a storage account.", id)
	case looked && account.Absent:
		return fail("The log storage account %s does not exist in its resource group any more.", name)
	case looked && strings.EqualFold(account.Kind, "FileStorage"):
		return fail("The log storage account %s holds files only (%s), and no blobs.", name, account.Kind)
	case looked && account.Closed != "":
		return warn("Site Recovery may not reach the log storage account %s: %s.", name, account.Closed).
			remedy("In the Azure portal, open Networking of the storage account %s and let trusted Azure services through, or give it a private endpoint.", name)
	case looked && elsewhere(account.Region, s.azureRegion(i)):
		return warn("The log storage account %s lies in %s, and the Azure VM of %s in %s.", name, account.Region, s.Machine.Name, s.azureRegion(i)).
			remedy("Name a storage account in %s.", s.azureRegion(i))
	case looked && account.Unread == "" && account.Kind != "":
		known := slices.DeleteFunc([]string{account.Kind, account.Tier, account.Region}, func(word string) bool { return word == "" })
		return pass("The log storage account %s is there (%s), and %s used it on its way to Azure.", name, strings.Join(known, ", "), s.Machine.Name)
	case observed.SameID(id, i.LogStorage):
		return pass("The log storage account %s is the one that %s used on its way to Azure.", name, s.Machine.Name)
	}
	return pass("The log storage account %s is named; Azure checks it at the submission.", name)
}

// azureRegion is where the Azure VM of a machine lies; "" when that is not known.
func (s Subject) azureRegion(i observed.Item) string {
	vms, sure := s.Vault.AzureVMs.Of(i)
	if !sure {
		return ""
	}
	return vms[0].Region
}

// elsewhere says whether both regions are known, and differ: Azure writes them with blanks and without.
func elsewhere(a, b string) bool {
	bare := func(region string) string { return strings.ToLower(strings.ReplaceAll(region, " ", "")) }
	return a != "" && b != "" && bare(a) != bare(b)
}
