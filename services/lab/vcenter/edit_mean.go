package vcenter

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// meanActions are what vCenters that nobody made for this product have: names and UUIDs that are not unique, machines that
// move, hide or come back under another reference, connections that freeze.
func (srv *Server) meanActions(ctx context.Context) []Action {
	return []Action{
		{"replicate", "VM NAME", "make a replica with the UUIDs of its source, which vCenter lists first", func(a []string) error { return srv.replicate(a[0], a[1]) }},
		{"add-namesake", "VM FOLDER", "make another machine of the same name, off, with UUIDs of its own, in another folder", func(a []string) error { return srv.addNamesake(ctx, a[0], a[1]) }},
		{"rename-vm", "VM NAME", "give it another name in the inventory; its guest keeps its own. %2f, %5c and %25 stand for what a vCenter escapes", func(a []string) error { return srv.setVM(a[0], "name", a[1]) }},
		{"rename-datastore", "DATASTORE NAME", "give a datastore another name", func(a []string) error { return srv.setDatastore(a[0], "name", a[1]) }},
		{"set-guest", "VM HOST IP", "what its guest calls itself, and its address; none: Tools do not say", func(a []string) error { return srv.setGuest(a[0], a[1], a[2]) }},
		{"reregister", "VM", "unregister it and register it again: it has another reference", func(a []string) error { return srv.reregister(ctx, a[0]) }},
		{"unregister", "VM", "take it out of the inventory; its files stay", func(a []string) error { return srv.unregister(ctx, a[0]) }},
		{"migrate", "VM HOST", "move it to another host, the disks stay: vMotion", func(a []string) error { return srv.migrate(ctx, a[0], a[1]) }},
		{"begin-migration", "VM", "let a vMotion that moves no disk run until end-relocation", func(a []string) error { return srv.beginRelocation(a[0], false) }},
		{"make-delta", "VM DISK", "make the disk of that number, from 0, a delta disk without a snapshot (S30)", func(a []string) error { return srv.makeDelta(a[0], a[1]) }},
		{"set-template", "VM true|false", "make it a template, or a machine again", func(a []string) error { return srv.setVM(a[0], "config.template", a[1] == "true") }},
		{"host-maintenance", "HOST true|false", "put the host into maintenance mode, or take it out", func(a []string) error { return srv.setHost(a[0], "runtime.inMaintenanceMode", a[1] == "true") }},
		{"add-datacenter", "NAME DATASTORE FREEGB", "make another datacenter that has a datastore of that name, with so much free, and no host", func(a []string) error { return srv.addDatacenter(ctx, a[0], a[1], a[2]) }},
		{"add-licence", "HOST SCOPE NAME", "list first what another vCenter, of that instance UUID, has assigned to a host of the same id", func(a []string) error { return srv.addLicence(a[0], a[1], a[2]) }},
		{"revoke-privilege-on", "NAME PRIVILEGE", "take it from every account on one machine, host or datastore only", func(a []string) error { return srv.deny(a[0], a[1]) }},
		{"hide-property-from", "USER NAME PATH", "make a property unreadable for one account", func(a []string) error { return srv.hideFrom(a[0], a[1], a[2]) }},
		{"freeze-connections", "", "let every open connection swallow all, as a firewall that lost its state; new ones work", func([]string) error { srv.conns.freeze(); return nil }},
		{"restart-vcenter", "", "cut every connection and end every session, as a restart does", func([]string) error {
			err := srv.expireSessions(ctx)
			srv.conns.cut()
			return err
		}},
	}
}

// connections are those of the server, so that they can be frozen or cut.
type connections struct {
	net.Listener

	mu  sync.Mutex
	all map[*connection]bool
}

type connection struct {
	net.Conn

	of     *connections
	frozen chan struct{} // closed when it swallows all
	once   sync.Once
	closed chan struct{}
	ends   sync.Once
}

func (c *connections) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	made := &connection{Conn: conn, of: c, frozen: make(chan struct{}), closed: make(chan struct{})}
	c.mu.Lock()
	c.all[made] = true
	c.mu.Unlock()
	return made, nil
}

func (c *connections) each(f func(*connection)) {
	c.mu.Lock()
	all := make([]*connection, 0, len(c.all))
	for conn := range c.all {
		all = append(all, conn)
	}
	c.mu.Unlock()
	for _, conn := range all {
		f(conn)
	}
}

func (c *connections) freeze() {
	c.each(func(conn *connection) { conn.once.Do(func() { close(conn.frozen) }) })
}
func (c *connections) cut() { c.each(func(conn *connection) { _ = conn.Close() }) }

// Read gives nothing of a frozen connection until it is closed.
func (c *connection) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	select {
	case <-c.frozen:
		<-c.closed
		return 0, net.ErrClosed
	default:
		return n, err
	}
}

// Write takes what is written to a frozen connection, and sends none of it.
func (c *connection) Write(b []byte) (int, error) {
	select {
	case <-c.frozen:
		return len(b), nil
	default:
		return c.Conn.Write(b)
	}
}

func (c *connection) Close() error {
	c.ends.Do(func() { close(c.closed) })
	c.of.mu.Lock()
	delete(c.of.all, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// copyOf puts a copy of a machine into a folder of the inventory, before the others when it is to be listed first. All of
// its devices are copies too.
func (srv *Server) copyOf(vm *simulator.VirtualMachine, name string, edit func(*mo.VirtualMachine)) types.ManagedObjectReference {
	made := *vm
	made.VirtualMachine = *simulator.Checkpoint(vm).(*mo.VirtualMachine)
	made.DataSets = map[string]*simulator.DataSet{}
	made.Self = srv.freshVM()
	made.Name, made.Config.Name, made.Summary.Config.Name = name, name, name
	made.RecentTask, made.Snapshot, made.RootSnapshot = nil, nil, nil
	made.Runtime.PowerState, made.Summary.Runtime.PowerState = types.VirtualMachinePowerStatePoweredOff, types.VirtualMachinePowerStatePoweredOff
	made.Guest = &types.GuestInfo{ToolsStatus: types.VirtualMachineToolsStatusToolsNotRunning, ToolsRunningStatus: toolsStopped, ToolsVersionStatus2: toolsCurrent, GuestState: "notRunning"}
	edit(&made.VirtualMachine)
	folder := srv.reg.Get(*vm.Parent).(*simulator.Folder)
	ctx := srv.context()
	ctx.WithLock(folder, func() {
		// In the folder first: views take in what is found there.
		ctx.Update(folder, []change{{Name: "childEntity", Val: append([]types.ManagedObjectReference{made.Self}, folder.ChildEntity...)}})
		made.Summary.Vm = &made.Self
		srv.reg.PutEntity(folder, &made)
	})
	host := srv.reg.Get(*made.Runtime.Host).(*simulator.HostSystem)
	ctx.WithLock(host, func() { ctx.Update(host, []change{{Name: "vm", Val: append(slices.Clone(host.Vm), made.Self)}}) })
	return made.Self
}

// freshVM is a reference that the simulator gives to nobody.
func (srv *Server) freshVM() types.ManagedObjectReference {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.copies++
	return types.ManagedObjectReference{Type: "VirtualMachine", Value: fmt.Sprintf("vm-%d", 1_000_000+srv.copies)}
}

func (srv *Server) replicate(source, name string) error {
	vm, err := srv.vm(source)
	if err != nil {
		return err
	}
	srv.copyOf(vm, name, func(*mo.VirtualMachine) {})
	return nil
}

func (srv *Server) addNamesake(ctx context.Context, source, folder string) error {
	vm, err := srv.vm(source)
	if err != nil {
		return err
	}
	ref := srv.copyOf(vm, vm.Name, func(made *mo.VirtualMachine) {
		fresh := func(uuid string) string { return "feed" + uuid[4:] }
		made.Config.Uuid, made.Config.InstanceUuid = fresh(vm.Config.Uuid), fresh(vm.Config.InstanceUuid)
		made.Summary.Config.Uuid, made.Summary.Config.InstanceUuid = made.Config.Uuid, made.Config.InstanceUuid
	})
	to, err := object.NewFolder(srv.vim, *vm.Parent).CreateFolder(ctx, folder)
	if err != nil {
		return err
	}
	task, err := to.MoveInto(ctx, []types.ManagedObjectReference{ref})
	if err != nil {
		return err
	}
	return task.Wait(ctx)
}

func (srv *Server) setGuest(name, host, ip string) error {
	plain := func(s string) string {
		if s == "none" {
			return ""
		}
		return s
	}
	return srv.editVM(name, func(vm *mo.VirtualMachine) ([]change, error) {
		guest := *vm.Guest
		guest.HostName, guest.IpAddress = plain(host), plain(ip)
		guest.Net = nil
		if guest.IpAddress != "" {
			guest.Net = []types.GuestNicInfo{{Network: "VM Network", IpAddress: []string{guest.IpAddress}, Connected: true}}
		}
		return []change{{Name: "guest", Val: &guest}, {Name: "guest.hostName", Val: guest.HostName}, {Name: "guest.ipAddress", Val: guest.IpAddress}}, nil
	})
}

func (srv *Server) unregister(ctx context.Context, name string) error {
	vm, err := srv.vm(name)
	if err != nil {
		return err
	}
	return object.NewVirtualMachine(srv.vim, vm.Self).Unregister(ctx)
}

func (srv *Server) reregister(ctx context.Context, name string) error {
	vm, err := srv.vm(name)
	if err != nil {
		return err
	}
	was := simulator.Checkpoint(vm).(*mo.VirtualMachine)
	srv.context().WithLock(vm, func() { vm.Runtime.PowerState = types.VirtualMachinePowerStatePoweredOff }) // only one that is off leaves
	if err := object.NewVirtualMachine(srv.vim, vm.Self).Unregister(ctx); err != nil {
		return err
	}
	srv.copyOf(vm, was.Name, func(made *mo.VirtualMachine) {
		made.Runtime, made.Summary.Runtime, made.Guest, made.Parent = was.Runtime, was.Summary.Runtime, was.Guest, was.Parent
	})
	return nil
}

// migrate moves a machine to another host, as vMotion does: a relocation whose disks stay.
func (srv *Server) migrate(ctx context.Context, name, hostName string) error {
	host, err := srv.host(hostName)
	if err != nil {
		return err
	}
	to := host.Self
	return srv.onVM(ctx, name, func(vm *object.VirtualMachine) (*object.Task, error) {
		return vm.Relocate(ctx, types.VirtualMachineRelocateSpec{Host: &to}, types.VirtualMachineMovePriorityDefaultPriority)
	})
}

// makeDelta makes a disk go on in a file whose parent is the old one, as a backup that failed leaves it.
func (srv *Server) makeDelta(name, number string) error {
	return srv.editDisk(name, number, func(disk types.VirtualDisk) (types.VirtualDisk, error) {
		old, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
		if !ok {
			return disk, fmt.Errorf("only a plain disk can be made one; this is %T", disk.Backing)
		}
		made := *old
		made.FileName, made.Parent = strings.TrimSuffix(old.FileName, ".vmdk")+"-000001.vmdk", old
		disk.Backing = &made
		return disk, nil
	})
}

func (srv *Server) setHost(name, property string, value any) error {
	host, err := srv.host(name)
	if err != nil {
		return err
	}
	ctx := srv.context()
	ctx.WithLock(host, func() { ctx.Update(host, []change{{Name: property, Val: value}}) })
	return nil
}

// addDatacenter makes a datacenter whose datastore has the name of another's.
func (srv *Server) addDatacenter(ctx context.Context, name, datastore, freeGB string) error {
	free, err := strconv.ParseInt(freeGB, 10, 64)
	if err != nil {
		return fmt.Errorf("%q is not a number of gigabytes", freeGB)
	}
	like, err := srv.datastore(datastore)
	if err != nil {
		return err
	}
	dc, err := object.NewRootFolder(srv.vim).CreateDatacenter(ctx, name)
	if err != nil {
		return err
	}
	folders, err := dc.Folders(ctx)
	if err != nil {
		return err
	}
	made := *like
	made.Datastore = *simulator.Checkpoint(like).(*mo.Datastore)
	made.Self = types.ManagedObjectReference{}
	made.Host, made.Vm = nil, nil
	made.Summary.FreeSpace = free << 30
	folder := srv.reg.Get(folders.DatastoreFolder.Reference()).(*simulator.Folder)
	c := srv.context()
	c.WithLock(folder, func() {
		srv.reg.PutEntity(folder, &made)
		c.Update(folder, []change{{Name: "childEntity", Val: append(slices.Clone(folder.ChildEntity), made.Self)}})
	})
	return nil
}

// addLicence lists an assignment of another vCenter in linked mode, to a host that has the same id there.
func (srv *Server) addLicence(hostName, scope, name string) error {
	host, err := srv.host(hostName)
	if err != nil {
		return err
	}
	lm := srv.reg.Get(*srv.vim.ServiceContent.LicenseManager).(*simulator.LicenseManager)
	lam := srv.reg.Get(*lm.LicenseAssignmentManager).(*simulator.LicenseAssignmentManager)
	srv.context().WithLock(lam, func() {
		all := &lam.QueryAssignedLicensesResponse.Returnval
		*all = append([]types.LicenseAssignmentManagerLicenseAssignment{{
			EntityId: host.Self.Value, Scope: scope, EntityDisplayName: "of another vCenter",
			AssignedLicense: types.LicenseManagerLicenseInfo{Name: name, EditionKey: "esxBasic.cpuPackage"},
		}}, *all...)
	})
	return nil
}

func (srv *Server) deny(name, privilege string) error {
	ref, err := srv.entity(name)
	if err != nil {
		return err
	}
	return srv.roles.deny(ref, privilege)
}

func (srv *Server) hideFrom(user, name, property string) error {
	if user != srv.Username && user != srv.ReadOnlyUsername {
		return fmt.Errorf("no account is named %q: there are %s and %s", user, srv.Username, srv.ReadOnlyUsername)
	}
	ref, err := srv.entity(name)
	if err == nil {
		srv.hidden.hide(ref, property, user)
		srv.stir(ref, []string{"name"})
	}
	return err
}

// stir lets those who wait for updates of a machine look at properties again.
func (srv *Server) stir(ref types.ManagedObjectReference, paths []string) {
	vm, ok := srv.reg.Get(ref).(*simulator.VirtualMachine)
	if !ok {
		return
	}
	ctx := srv.context()
	ctx.WithLock(vm, func() {
		values := map[string]any{
			"name": vm.Name, "runtime.powerState": vm.Runtime.PowerState, "runtime.connectionState": vm.Runtime.ConnectionState,
			"config.hardware.device": slices.Clone(vm.Config.Hardware.Device),
		}
		if vm.Snapshot != nil {
			values["snapshot"] = *vm.Snapshot
		} else {
			values["snapshot"] = nil
		}
		for _, path := range paths {
			if value, watched := values[path]; watched {
				ctx.Update(vm, []change{{Name: path, Val: value}})
			}
		}
	})
}
