package vcenter

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

func (srv *Server) datastore(name string) (*simulator.Datastore, error) {
	for _, e := range srv.reg.All("Datastore") {
		if ds := e.(*simulator.Datastore); strings.EqualFold(ds.Name, name) {
			return ds, nil
		}
	}
	return nil, fmt.Errorf("no datastore is named %q", name)
}

func (srv *Server) host(name string) (*simulator.HostSystem, error) {
	for _, e := range srv.reg.All("HostSystem") {
		if h := e.(*simulator.HostSystem); strings.EqualFold(h.Name, name) {
			return h, nil
		}
	}
	return nil, fmt.Errorf("no host is named %q", name)
}

// editDatastore sets properties of a datastore under its lock.
func (srv *Server) editDatastore(name string, edit func(*mo.Datastore) []change) error {
	ds, err := srv.datastore(name)
	if err != nil {
		return err
	}
	ctx := srv.context()
	ctx.WithLock(ds, func() { ctx.Update(ds, edit(&ds.Datastore)) })
	return nil
}

func (srv *Server) setDatastore(name, property string, value any) error {
	return srv.editDatastore(name, func(*mo.Datastore) []change { return []change{{Name: property, Val: value}} })
}

func (srv *Server) setSpace(name, freeGB string) error {
	free, err := gigabytes(freeGB)
	if err != nil {
		return err
	}
	return srv.editDatastore(name, func(ds *mo.Datastore) []change {
		return []change{{Name: "summary.freeSpace", Val: free}, {Name: "summary.capacity", Val: max(ds.Summary.Capacity, free)}}
	})
}

// setAccessible loses or finds all paths to a datastore, from every host.
func (srv *Server) setAccessible(name string, accessible bool) error {
	return srv.editDatastore(name, func(ds *mo.Datastore) []change {
		mounts := slices.Clone(ds.Host)
		for i := range mounts {
			mounts[i].MountInfo.Accessible = &accessible
		}
		return []change{{Name: "summary.accessible", Val: accessible}, {Name: "host", Val: mounts}}
	})
}

// mount changes how a host mounts a datastore, on both sides.
func (srv *Server) mount(name, hostName, how string) error {
	ds, err := srv.datastore(name)
	if err != nil {
		return err
	}
	host, err := srv.host(hostName)
	if err != nil {
		return err
	}
	err = srv.editDatastore(name, func(ds *mo.Datastore) []change {
		mounts := slices.DeleteFunc(slices.Clone(ds.Host), func(m types.DatastoreHostMount) bool { return m.Key == host.Self })
		if how != "none" {
			mode := map[string]string{"rw": modeReadWrite, "ro": modeReadOnly}[how]
			mounts = append(mounts, types.DatastoreHostMount{Key: host.Self, MountInfo: types.HostMountInfo{
				AccessMode: mode, Mounted: types.NewBool(true), Accessible: types.NewBool(true),
			}})
		}
		return []change{{Name: "host", Val: mounts}}
	})
	if err != nil {
		return err
	}
	ctx := srv.context()
	ctx.WithLock(host, func() {
		refs := slices.DeleteFunc(slices.Clone(host.Datastore), func(ref types.ManagedObjectReference) bool { return ref == ds.Self })
		if how != "none" {
			refs = append(refs, ds.Self)
		}
		ctx.Update(host, []change{{Name: "datastore", Val: refs}})
	})
	return nil
}

// connectHost changes the connection of a host and of the machines on it.
func (srv *Server) connectHost(name string, connected bool) error {
	host, err := srv.host(name)
	if err != nil {
		return err
	}
	hostState, vmState := types.HostSystemConnectionStateDisconnected, types.VirtualMachineConnectionStateDisconnected
	if connected {
		hostState, vmState = types.HostSystemConnectionStateConnected, types.VirtualMachineConnectionStateConnected
	}
	var machines []types.ManagedObjectReference
	ctx := srv.context()
	ctx.WithLock(host, func() {
		machines = slices.Clone(host.Vm)
		ctx.Update(host, []change{{Name: "runtime.connectionState", Val: hostState}})
	})
	for _, ref := range machines {
		if vm, ok := srv.reg.Get(ref).(*simulator.VirtualMachine); ok {
			ctx.WithLock(vm, func() { ctx.Update(vm, []change{{Name: "runtime.connectionState", Val: vmState}}) })
		}
	}
	return nil
}

func (srv *Server) setEdition(host, edition string) error {
	if edition == "free" {
		return srv.setLicence(host, "VMware vSphere 8 Hypervisor", "esxBasic.cpuPackage")
	}
	return srv.setLicence(host, fullLicence, fullEdition)
}

func (srv *Server) revoke(privilege string, revoked bool) error {
	if !slices.Contains(srv.roles.all, privilege) {
		return fmt.Errorf("no privilege is named %q", privilege)
	}
	srv.roles.revoke(privilege, revoked)
	return nil
}

// entity finds a machine, host, datastore or datastore cluster by name.
func (srv *Server) entity(name string) (types.ManagedObjectReference, error) {
	if vm, err := srv.vm(name); err == nil {
		return vm.Self, nil
	}
	if h, err := srv.host(name); err == nil {
		return h.Self, nil
	}
	if ds, err := srv.datastore(name); err == nil {
		return ds.Self, nil
	}
	if pod, err := srv.storagePod(name); err == nil {
		return pod.Self, nil
	}
	return types.ManagedObjectReference{}, fmt.Errorf("no machine, host, datastore or datastore cluster is named %q", name)
}

func (srv *Server) hide(name, property string) error {
	ref, err := srv.entity(name)
	if err == nil {
		srv.hidden.hide(ref, property, "")
		srv.stir(ref, []string{"name"})
	}
	return err
}

func (srv *Server) show(name string) error {
	ref, err := srv.entity(name)
	if err == nil {
		srv.stir(ref, srv.hidden.show(ref))
	}
	return err
}
