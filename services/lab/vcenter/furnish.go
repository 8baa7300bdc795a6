package vcenter

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"reprotect.example/services/lab/scenario"
)

const gib = int64(1) << 30

// datacenterName is the one datacenter of the lab.
const datacenterName = "DC-TOKYO"

// site is what has been built so far, by the scenario's names.
type site struct {
	folders    *object.DatacenterFolders
	hosts      map[string]*simulator.HostSystem
	pools      map[string]types.ManagedObjectReference // resource pool of each host
	datastores map[string]*simulator.Datastore
}

// furnish fills the empty vCenter with the hosts, datastores and machines of the scenario.
func (srv *Server) furnish(ctx context.Context, s scenario.Scenario) error {
	srv.scenario, srv.addresses = s, map[string]string{}
	for i, m := range s.Machines {
		srv.addresses[strings.ToLower(m.Name)] = scenario.Address(scenario.AtHome, i)
	}
	st := &site{
		hosts: map[string]*simulator.HostSystem{}, pools: map[string]types.ManagedObjectReference{},
		datastores: map[string]*simulator.Datastore{},
	}
	srv.site = st
	dc := object.NewDatacenter(srv.vim, srv.reg.Any("Datacenter").Reference())
	rename, err := dc.Rename(ctx, datacenterName)
	if err == nil {
		err = rename.Wait(ctx)
	}
	if err != nil {
		return fmt.Errorf("datacenter: %w", err)
	}
	if st.folders, err = dc.Folders(ctx); err != nil {
		return fmt.Errorf("datacenter: %w", err)
	}
	if err := srv.addHosts(ctx, st, s.Hosts); err != nil {
		return err
	}
	if err := srv.addDatastores(ctx, st, s.Datastores); err != nil {
		return err
	}
	if err := srv.addMachines(ctx, st, machinesOf(s)); err != nil {
		return err
	}
	return srv.recordDeletions(ctx, s.Machines)
}

func (srv *Server) addHosts(ctx context.Context, st *site, hosts []scenario.Host) error {
	clusters := map[string]*object.ClusterComputeResource{}
	for _, h := range hosts {
		if h.Cluster != "" && clusters[h.Cluster] == nil {
			c, err := st.folders.HostFolder.CreateCluster(ctx, h.Cluster, types.ClusterConfigSpecEx{})
			if err != nil {
				return fmt.Errorf("cluster %s: %w", h.Cluster, err)
			}
			clusters[h.Cluster] = c
		}
		ref, err := addHost(ctx, st.folders.HostFolder, clusters[h.Cluster], h.Name)
		if err != nil {
			return fmt.Errorf("host %s: %w", h.Name, err)
		}
		pool, err := object.NewHostSystem(srv.vim, ref).ResourcePool(ctx)
		if err != nil {
			return fmt.Errorf("host %s: resource pool: %w", h.Name, err)
		}
		st.hosts[h.Name] = srv.reg.Get(ref).(*simulator.HostSystem)
		st.pools[h.Name] = pool.Reference()
	}
	return srv.license(st.hosts)
}

func addHost(ctx context.Context, folder *object.Folder, cluster *object.ClusterComputeResource, name string) (ref types.ManagedObjectReference, err error) {
	spec := types.HostConnectSpec{HostName: name}
	var task *object.Task
	if cluster != nil {
		task, err = cluster.AddHost(ctx, spec, true, nil, nil)
	} else {
		task, err = folder.AddStandaloneHost(ctx, spec, true, nil, nil)
	}
	if err != nil {
		return ref, err
	}
	info, err := task.WaitForResult(ctx)
	if err != nil {
		return ref, err
	}
	ref = info.Result.(types.ManagedObjectReference)
	if ref.Type == "ComputeResource" { // a standalone host comes inside one
		var hosts []*object.HostSystem
		if hosts, err = object.NewComputeResource(folder.Client(), ref).Hosts(ctx); err == nil {
			ref = hosts[0].Reference()
		}
	}
	return ref, err
}

// addDatastores creates them as local ones, the one kind that the simulator backs with files, and then makes
// them what the scenario says.
func (srv *Server) addDatastores(ctx context.Context, st *site, datastores []scenario.Datastore) error {
	for i, d := range datastores {
		dir := filepath.Join(srv.home(), fmt.Sprintf("datastore-%d", i))
		if err := os.Mkdir(dir, 0o700); err != nil {
			return fmt.Errorf("datastore %s: %w", d.Name, err)
		}
		modes := map[types.ManagedObjectReference]string{}
		for mode, names := range map[string][]string{modeReadWrite: d.Hosts, modeReadOnly: d.ReadOnly} {
			for _, name := range names {
				host, ok := st.hosts[name]
				if !ok {
					return fmt.Errorf("datastore %s: host %s is not in the scenario", d.Name, name)
				}
				modes[host.Self] = mode
			}
		}
		var ds *simulator.Datastore
		for host := range modes {
			system, err := object.NewHostSystem(srv.vim, host).ConfigManager().DatastoreSystem(ctx)
			if err != nil {
				return fmt.Errorf("datastore %s: %w", d.Name, err)
			}
			created, err := system.CreateLocalDatastore(ctx, d.Name, dir)
			if err != nil {
				return fmt.Errorf("datastore %s: %w", d.Name, err)
			}
			if ds == nil {
				ds = srv.reg.Get(created.Reference()).(*simulator.Datastore)
			}
		}
		if ds == nil {
			return fmt.Errorf("datastore %s: no host mounts it", d.Name)
		}
		for i := range ds.Host {
			ds.Host[i].MountInfo.AccessMode = modes[ds.Host[i].Key]
		}
		ds.Summary.Type = d.Type
		ds.Summary.Capacity, ds.Summary.FreeSpace = d.CapacityGB*gib, d.FreeGB*gib
		st.datastores[d.Name] = ds
	}
	return nil
}

const (
	modeReadWrite = string(types.HostMountModeReadWrite)
	modeReadOnly  = string(types.HostMountModeReadOnly)
)

// home is the folder of the simulator's files, which Close removes.
func (srv *Server) home() string {
	for _, option := range srv.reg.OptionManager().Setting {
		if v := option.GetOptionValue(); v.Key == "vcsim.home" {
			return v.Value.(string)
		}
	}
	return os.TempDir()
}

// The edition of the lab's hosts allows failback (S46); stock, they are in evaluation.
const (
	fullLicence = "VMware vSphere 8 Enterprise Plus"
	fullEdition = "esx.enterprisePlus.cpuPackage"
)

func (srv *Server) license(hosts map[string]*simulator.HostSystem) error {
	for name := range hosts {
		if err := srv.setLicence(name, fullLicence, fullEdition); err != nil {
			return err
		}
	}
	return nil
}

func (srv *Server) setLicence(host, name, edition string) error {
	lm := srv.reg.Get(*srv.vim.ServiceContent.LicenseManager).(*simulator.LicenseManager)
	lam := srv.reg.Get(*lm.LicenseAssignmentManager).(*simulator.LicenseAssignmentManager)
	found := false
	srv.context().WithLock(lam, func() {
		for i, a := range lam.QueryAssignedLicensesResponse.Returnval {
			if strings.EqualFold(a.EntityDisplayName, host) {
				a.AssignedLicense.Name, a.AssignedLicense.EditionKey = name, edition
				lam.QueryAssignedLicensesResponse.Returnval[i] = a
				found = true
			}
		}
	})
	if !found {
		return fmt.Errorf("host %s has no licence assignment", host)
	}
	return nil
}

// context is a fresh owner for locks of the simulator: they are held per context, so that two goroutines with
// one context would not exclude each other.
func (srv *Server) context() *simulator.Context {
	return &simulator.Context{Context: context.Background(), Map: srv.reg}
}
