package checks

import (
	"fmt"
	"slices"
	"strings"

	"reprotect.example/events"
	"reprotect.example/services/observed"
)

// lookup finds things in a vault and an inventory in constant time: a case may have a thousand machines.
type lookup struct {
	vault      observed.Vault
	vms        map[string][]*observed.VM
	hosts      map[string]*observed.Host
	datastores map[string]observed.Datastore // by ref, and by name in lower case

	noInventory string // why there is no inventory
	user        string
}

func newLookup(in Input) *lookup {
	l := newVaultLookup(in.Vault)
	inv := in.Inventory
	l.user = inv.User
	l.noInventory = strings.TrimSuffix(in.InventoryError, ".")
	if l.noInventory == "" && inv.Taken.IsZero() && len(inv.VMs)+len(inv.Hosts)+len(inv.Datastores) == 0 {
		l.noInventory = "nothing was read from it"
	}
	l.vms = make(map[string][]*observed.VM, 4*len(inv.VMs))
	for i := range inv.VMs {
		vm := &inv.VMs[i]
		l.vms["name/"+strings.ToLower(vm.Name)] = append(l.vms["name/"+strings.ToLower(vm.Name)], vm)
		l.vms["ref/"+vm.Ref] = append(l.vms["ref/"+vm.Ref], vm)
		bios, instance := "id/"+observed.NormalUUID(vm.BIOSUUID), "id/"+observed.NormalUUID(vm.InstanceUUID)
		l.vms[bios] = append(l.vms[bios], vm)
		if instance != bios {
			l.vms[instance] = append(l.vms[instance], vm)
		}
	}
	l.hosts = make(map[string]*observed.Host, len(inv.Hosts))
	for i, h := range inv.Hosts {
		l.hosts[h.Ref] = &inv.Hosts[i]
	}
	l.datastores = make(map[string]observed.Datastore, 2*len(inv.Datastores))
	for _, d := range inv.Datastores {
		l.datastores[d.Ref], l.datastores["name/"+strings.ToLower(d.Name)] = d, d
	}
	return l
}

func newVaultLookup(vault observed.Vault) *lookup { return &lookup{vault: vault.Indexed()} }

// item finds a machine's item. A classic reprotect replaces it by a new one of the same name, so that is taken
// when the one of the case is gone and replication back runs.
func (l *lookup) item(m events.Machine) Found[observed.Item] {
	if i, ok := l.vault.Item(m.Item); ok {
		return found(&i)
	}
	var back []*observed.Item
	for _, i := range l.vault.ItemsNamed(m.Name) {
		if i.ReversedOnce() && string(i.Architecture) == m.Architecture {
			back = append(back, &i)
		}
	}
	if len(back) == 1 {
		return found(back[0])
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

func (l *lookup) machineVM(item Found[observed.Item]) Found[observed.VM] {
	switch {
	case item.It == nil:
		return unclear[observed.VM](item.Why)
	case item.It.Physical:
		return absent[observed.VM](item.It.Name + " was protected as a physical server and has no VM on-premises.")
	}
	return l.vm(machineRef(*item.It), item.It.Name)
}

// vm finds a VM by id, else by name. Clones may share an id: then the name decides (S42).
func (l *lookup) vm(ref observed.VMRef, what string) Found[observed.VM] {
	if l.noInventory != "" {
		return unclear[observed.VM]("vCenter could not be read: " + l.noInventory + ".")
	}
	vms := l.vms["name/"+strings.ToLower(ref.Name)]
	if ref.ID != "" {
		if byID := slices.Concat(l.vms["id/"+observed.NormalUUID(ref.ID)], l.vms["ref/"+ref.ID]); len(byID) > 0 {
			vms = byID
		}
	}
	if len(vms) > 1 {
		var named []*observed.VM
		for _, vm := range vms {
			if strings.EqualFold(vm.Name, ref.Name) {
				named = append(named, vm)
			}
		}
		if len(named) > 0 {
			vms = named
		}
	}
	switch len(vms) {
	case 1:
		return found(vms[0])
	case 0:
		return absent[observed.VM](fmt.Sprintf("vCenter shows no VM of %s: it was deleted or renamed, or it is hidden from the account %s.", what, l.user))
	}
	return unclear[observed.VM](fmt.Sprintf("vCenter has %d VMs that may be %s: %s.", len(vms), what, list(paths(vms))))
}

func paths(vms []*observed.VM) []string {
	var all []string
	for _, vm := range vms {
		all = append(all, place(*vm))
	}
	return all
}

// place is a VM's inventory path, or its name where there is none.
func place(vm observed.VM) string {
	if vm.Path != "" {
		return vm.Path
	}
	return vm.Name
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

func (l *lookup) datastoreNamed(name string) (observed.Datastore, bool) {
	return l.datastore("name/" + strings.ToLower(name))
}
