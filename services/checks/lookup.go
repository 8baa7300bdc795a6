package checks

import (
	"strings"

	"reprotect.example/events"
	"reprotect.example/services/observed"
)

// lookup finds what is in a vault and an inventory in constant time: a case may have a thousand machines.
type lookup struct {
	vault      observed.Vault
	vms        *observed.Finder
	hosts      map[string]*observed.Host
	datastores map[string]observed.Datastore // by ref

	inventory   observed.Inventory
	gone        string // who vouches that machines have no VM on-premises
	noInventory string // why there is no inventory
	user        string
}

func newLookup(in Input) *lookup {
	l := newVaultLookup(in.Vault)
	inv := in.Inventory
	l.inventory, l.gone, l.user = inv, in.Case.Attest[observed.AttestGone], inv.User
	l.noInventory = strings.TrimSuffix(in.InventoryError, ".")
	if l.noInventory == "" && inv.Taken.IsZero() && len(inv.VMs)+len(inv.Hosts)+len(inv.Datastores) == 0 {
		l.noInventory = "nothing was read from it"
	}
	l.vms = observed.NewFinder(inv.VMs)
	l.hosts = make(map[string]*observed.Host, len(inv.Hosts))
	for i, h := range inv.Hosts {
		l.hosts[h.Ref] = &inv.Hosts[i]
	}
	l.datastores = make(map[string]observed.Datastore, len(inv.Datastores))
	for _, d := range inv.Datastores {
		l.datastores[d.Ref] = d
	}
	return l
}

func newVaultLookup(vault observed.Vault) *lookup { return &lookup{vault: vault.Indexed()} }

func (l *lookup) item(m events.Machine) Found[observed.Item] {
	if i, ok := l.vault.ItemOf(m); ok {
		return found(&i)
	}
	return absent[observed.Item]("The replicated item of " + m.Name + " is not in the vault any more.")
}

func (l *lookup) fabric(item Found[observed.Item]) Found[observed.Fabric] {
	switch {
	case item.It == nil:
		return unclear[observed.Fabric](item.Why)
	case l.vault.Unread["fabrics"] != "":
		return unclear[observed.Fabric]("The vault's servers could not be read: " + l.vault.Unread["fabrics"] + ".")
	}
	if f, ok := l.vault.Fabric(item.It.FabricID); ok {
		return found(&f)
	}
	return absent[observed.Fabric]("The vault has no configuration server or appliance fabric " + observed.LastSegment(item.It.FabricID) + ", in which " + item.It.Name + " lies.")
}

// sighting looks for a VM; why says that nobody could look.
func (l *lookup) sighting(ref observed.VMRef) (seen observed.Sighting, why string) {
	if l.noInventory != "" {
		return seen, "vCenter could not be read: " + l.noInventory + "."
	}
	return l.vms.Find(ref), ""
}

func (l *lookup) vm(ref observed.VMRef, what string) Found[observed.VM] {
	seen, why := l.sighting(ref)
	switch {
	case why != "":
		return unclear[observed.VM](why)
	case seen.VM != nil:
		return found(seen.VM)
	case seen.Absent:
		return absent[observed.VM](seen.Why(what, l.user))
	}
	return unclear[observed.VM](seen.Why(what, l.user))
}

// machineVM finds the VM of a machine, and says where the machine comes home.
func (l *lookup) machineVM(item Found[observed.Item]) (Found[observed.VM], observed.Homeward) {
	if item.It == nil {
		return unclear[observed.VM](item.Why), observed.Homeward{Unclear: item.Why}
	}
	i := *item.It
	seen, why := l.sighting(i.VMRef())
	home := i.Homeward(seen, l.inventory, l.gone)
	switch {
	case i.Physical:
		return absent[observed.VM](home.Why), home
	case why != "":
		return unclear[observed.VM](why), observed.Homeward{Unclear: why}
	}
	return l.vm(i.VMRef(), i.Name), home
}

func (l *lookup) host(vm Found[observed.VM]) Found[observed.Host] {
	if vm.It == nil {
		return unclear[observed.Host](vm.Why)
	}
	if h, ok := l.hosts[vm.It.HostRef]; ok {
		return found(h)
	}
	return unclear[observed.Host]("The ESXi host of " + vm.It.Name + " could not be read in vCenter.")
}

func (l *lookup) datastore(ref string) (observed.Datastore, bool) {
	d, ok := l.datastores[ref]
	return d, ok
}
