package observed

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"
)

// AzureVM is a virtual machine in Azure.
type AzureVM struct {
	ID, Name string
	Disks    []string // names of its managed disks; empty when it does not say
	Region   string   // as Azure calls it, e.g. japaneast; "" when it is not known
	Power    string   // running, starting, stopping, stopped, deallocating or deallocated; "" when it is not known
}

// AzureVMs is one look at the virtual machines in Azure that failovers made (S2).
type AzureVMs struct {
	Taken time.Time // zero: nobody looked
	VMs   []AzureVM
	// Groups holds the resource groups of the failovers, by their ARM ids in lower case: "" when all VMs there
	// were listed, else why they could not be.
	Groups map[string]string
	// Elsewhere is why the other resource groups could not be searched for what is not in its own; "" when they
	// were, as far as the identity may see them.
	Elsewhere string
	// Accounts are the log storage accounts that items name, by id in lower case (M2).
	Accounts map[string]StorageAccount
	// PowerUnread is why it is not known whether they run; "" when that was read.
	PowerUnread string

	index *azureIndex // of Indexed
}

// StorageAccount is a storage account in Azure, as its resource shows it.
type StorageAccount struct {
	ID         string
	Absent     bool   // there is none of that id
	Unread     string // why it could not be read; "" when it was
	Region     string // e.g. japaneast
	Kind, Tier string // e.g. StorageV2, Standard
	Closed     string // why Site Recovery may not reach it; "" when nothing says so
}

// Account is the log storage account of that id; ok is false when nobody looked for it.
func (a AzureVMs) Account(id string) (account StorageAccount, ok bool) {
	account, ok = a.Accounts[strings.ToLower(id)]
	return account, ok
}

type azureIndex struct {
	ids   map[string]int
	disks map[string]int
	names []azureName // in order
}

type azureName struct {
	name string // in lower case
	vm   int
}

// Indexed returns the look with an index: a vault may hold ten thousand machines.
func (a AzureVMs) Indexed() AzureVMs {
	if a.index != nil {
		return a
	}
	x := &azureIndex{ids: make(map[string]int, len(a.VMs)), disks: make(map[string]int, len(a.VMs))}
	for n, vm := range a.VMs {
		x.ids[NormalID(vm.ID)] = n
		for _, disk := range vm.Disks {
			x.disks[strings.ToLower(disk)] = n
		}
		x.names = append(x.names, azureName{strings.ToLower(vm.Name), n})
	}
	slices.SortFunc(x.names, func(a, b azureName) int { return cmp.Compare(a.name, b.name) })
	a.index = x
	return a
}

// Of finds the VM of an item. When sure, that is the one; otherwise these are all that it might be, and their
// names are all that speaks for it.
//
// What Site Recovery says of a VM differs: its id, which a move makes stale; its disks, whose names hold a GUID
// and stay when a VM is moved; or only the name that the VM was to get. A failover that finds the name taken
// adds a GUID to it (28175, seen in recordings).
func (a AzureVMs) Of(i Item) (vms []AzureVM, sure bool) {
	x := a.Indexed().index
	if n, ok := x.ids[NormalID(i.AzureVM)]; ok && i.AzureVM != "" {
		return []AzureVM{a.VMs[n]}, true
	}
	for _, disk := range i.AzureDisks {
		if n, ok := x.disks[strings.ToLower(disk)]; ok {
			return []AzureVM{a.VMs[n]}, true
		}
	}
	likely := true // by its name and place nothing else can be meant
	for _, vm := range a.named(i.AzureName()) {
		vms = append(vms, vm)
		rest := vm.Name[len(i.AzureName()):]
		strange := len(i.AzureDisks) > 0 && len(vm.Disks) > 0
		likely = likely && (rest == "" || addedGUID.MatchString(rest)) && !strange && SameID(ResourceGroupOf(vm.ID), i.AzureHome())
	}
	return vms, likely && len(vms) == 1 && i.AzureVM == ""
}

var addedGUID = regexp.MustCompile(`(?i)^-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// Running is how Azure calls a VM that runs.
const Running = "running"

// Named lists the VMs of that name, and those to whose name a failover added a GUID: all that can be said where Site
// Recovery does not name a machine's VM any more.
func (a AzureVMs) Named(name string) []AzureVM {
	return slices.DeleteFunc(a.named(name), func(vm AzureVM) bool {
		rest := vm.Name[len(name):]
		return rest != "" && !addedGUID.MatchString(rest)
	})
}

// named returns the VMs of that name, and those whose name goes on with a dash.
func (a AzureVMs) named(name string) (vms []AzureVM) {
	if name == "" {
		return nil
	}
	name = strings.ToLower(name)
	names := a.Indexed().index.names
	first, _ := slices.BinarySearchFunc(names, name, func(n azureName, name string) int { return cmp.Compare(n.name, name) })
	for _, n := range names[first:] {
		if !strings.HasPrefix(n.name, name) {
			break
		}
		if n.name == name || n.name[len(name)] == '-' {
			vms = append(vms, a.VMs[n.vm])
		}
	}
	return vms
}

// AzureName is the name of the machine's VM in Azure as far as Site Recovery says it; "" when it does not.
func (i Item) AzureName() string {
	if i.AzureVM != "" {
		return LastSegment(i.AzureVM)
	}
	return i.AzureVMName
}

// AzureHome is the ARM id of the resource group in which the failover made the machine's VM; "" when Site
// Recovery does not say.
func (i Item) AzureHome() string {
	if i.AzureVM != "" {
		return ResourceGroupOf(i.AzureVM)
	}
	return i.AzureGroup
}

// InAzure says whether the machine has a VM in Azure of which Site Recovery says anything.
func (i Item) InAzure() bool {
	return (strings.EqualFold(i.Location, "Recovery") || i.ReversedOnce()) && i.AzureHome() != ""
}

// ResourceGroupOf is the ARM id of the resource group in which a resource lies.
func ResourceGroupOf(id string) string {
	if at := strings.Index(strings.ToLower(id), "/providers/"); at >= 0 {
		return id[:at]
	}
	return id
}

// With is the look with more VMs, or the reason why these could not be read.
func (a AzureVMs) With(vms []AzureVM, err error) AzureVMs {
	more := AzureVMs{Taken: a.Taken, VMs: slices.Clone(a.VMs), Groups: a.Groups, Elsewhere: a.Elsewhere, PowerUnread: a.PowerUnread}
	if err != nil {
		more.PowerUnread = err.Error()
	}
	for _, vm := range vms {
		if !slices.ContainsFunc(more.VMs, func(known AzureVM) bool { return SameID(known.ID, vm.ID) }) {
			more.VMs = append(more.VMs, vm)
		}
	}
	return more.Indexed()
}
