package guard

import (
	"slices"
	"strings"
	"time"

	"reprotect.example/services/observed"
)

// judgeAzure holds a machine against a look at Azure: its VM must be where it was (S2), and run for as long as it
// replicates back. One that is off is told at the second look that shows it: the first may be old, or see a restart.
func (t subject) judgeAzure(k known, look observed.AzureVMs, now time.Time) (known, []news) {
	if k.Home || k.Back || k.Azure == nil {
		var all []news
		if k.Off != 0 {
			all = k.over(azureGone, t.cleared(codeAzureOff, "The failback of "+t.name+" switches its Azure VM off", now))
		}
		k.Off = 0
		return k, all
	}
	where, vm := find(look, k.Azure.item())
	switch {
	case where == unknown:
		return k, nil
	case where != inPlace && k.Lost:
		return k, nil
	case where != inPlace:
		var all []news
		if k.Off != 0 {
			all = k.over(azureGone, t.cleared(codeAzureOff, "The Azure VM of "+t.name+" is not there any more", now))
		}
		k.Lost, k.Off = true, 0
		return k, append(all, k.tell(azureGone, now, news{violated: t.leftAzure(where, vm, k.Azure.item())})...)
	}
	var all []news
	if k.Lost {
		k.Lost = false
		all = k.over(azureGone, t.cleared(codeAzure, "The Azure VM of "+t.name+" is in its resource group again", now))
	}
	taken := look.Taken.UnixMilli()
	switch {
	case vm.Power == "": // nobody knows
	case !slices.Contains(switchedOff, vm.Power):
		k.Off = 0
		all = append(all, k.over(azureGone, t.cleared(codeAzureOff, "The Azure VM of "+t.name+" runs again", now))...)
	case k.Off == 0:
		k.Off = taken
	case taken > k.Off && len(k.Open[azureGone]) == 0:
		all = append(all, k.tell(azureGone, time.UnixMilli(k.Off), news{violated: t.isOffInAzure(vm.Power)})...)
	}
	return k, all
}

// switchedOff are the power states of a VM in Azure that does not run, and will not by itself.
var switchedOff = []string{"stopping", "stopped", "deallocating", "deallocated"}

// Where the Azure VM of a machine is.
type where int

const (
	unknown where = iota
	inPlace
	elsewhere // in another resource group
	nowhere   // not found in any
	notThere  // not in its resource group; the others could not be searched, or hold only what has its name
)

func find(look observed.AzureVMs, i observed.Item) (where, observed.AzureVM) {
	home := i.AzureHome()
	unlisted, looked := look.Groups[strings.ToLower(home)]
	vms, sure := look.Of(i)
	atHome := func(vm observed.AzureVM) bool { return observed.SameID(observed.ResourceGroupOf(vm.ID), home) }
	switch {
	case look.Taken.IsZero() || !looked:
		return unknown, observed.AzureVM{}
	case sure && atHome(vms[0]):
		return inPlace, vms[0]
	case sure:
		return elsewhere, vms[0]
	case unlisted != "" || slices.ContainsFunc(vms, atHome):
		return unknown, observed.AzureVM{}
	case len(vms) == 0 && look.Elsewhere == "":
		return nowhere, observed.AzureVM{}
	}
	return notThere, observed.AzureVM{}
}

func (a azureVM) item() observed.Item {
	return observed.Item{Location: "Recovery", AzureVM: a.ID, AzureVMName: a.Name, AzureGroup: a.Group, AzureDisks: a.Disks}
}
