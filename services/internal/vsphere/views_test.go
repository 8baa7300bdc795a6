package vsphere

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"

	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/lab/vcenter"
	"reprotect.example/services/lab/vcenter/vcentertest"
	"reprotect.example/services/observed"
)

func connected(t *testing.T, srv *vcenter.Server, caFile string) *Client {
	t.Helper()
	c, err := New(Options{URL: srv.URL(), Username: srv.Username, Password: srv.Password, CAFile: caFile})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.WithoutCancel(t.Context())) })
	return c
}

// B03: a view that the vCenter does not know any more answers with nothing. No machine counts as deleted by that.
func TestVSphereB03(t *testing.T) {
	srv, caFile := vcentertest.Start(t, scenario.Default(2))
	c := connected(t, srv, caFile)
	q := observed.Query{VMs: []observed.VMRef{{Name: "db01"}}}
	if _, err := c.Inventory(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	s := c.sessions.peek()
	if _, err := methods.DestroyView(t.Context(), s.vim, &types.DestroyView{This: s.all}); err != nil {
		t.Fatal(err)
	}
	inv, err := c.Inventory(t.Context(), q)
	if err == nil && inv.Find(q.VMs[0]).VM == nil {
		t.Errorf("db01 counts as gone: %+v", inv.VMs)
	}
	if err != nil {
		if f, ok := observed.FaultOf(err); !ok || f.Class != observed.Temporary {
			t.Error(err)
		}
	}
	vcentertest.Do(t, srv, "refuse-method", "CreateContainerView")
	if s = c.sessions.peek(); s != nil {
		if _, err := methods.DestroyView(t.Context(), s.vim, &types.DestroyView{This: s.all}); err == nil {
			if inv, err := c.Inventory(t.Context(), q); err == nil {
				t.Errorf("an answer without one datacenter counts: %+v", inv.VMs)
			}
		}
	}
}

// 1.1, E02, G04: cases that ask in one moment share a look, and each sees what a look of its own would have shown.
func TestVSphereSharedLook(t *testing.T) {
	sc := scenario.Default(8)
	srv, caFile := vcentertest.Start(t, sc)
	vcentertest.Do(t, srv, "revoke-privilege-on", sc.Machines[2].Name, "VirtualMachine.Config.AddExistingDisk")
	vcentertest.Do(t, srv, "add-datacenter", "DC-OSAKA", "VMFS-02", "5")
	vcentertest.Do(t, srv, "replicate", "db01", "db01_replica")
	vcentertest.Do(t, srv, "relocate", "db01_replica", "NFS-01")
	c := connected(t, srv, caFile)
	alone := make([]observed.Inventory, len(sc.Machines))
	query := func(i int) observed.Query {
		return observed.Query{VMs: []observed.VMRef{{Name: sc.Machines[i].Name}, {Name: "MT-LINUX-01"}}, Writers: []observed.VMRef{{Name: "MT-LINUX-01"}}}
	}
	for i := range alone {
		var err error
		if alone[i], err = c.Inventory(t.Context(), query(i)); err != nil {
			t.Fatal(err)
		}
	}
	shared := Share(c)
	var asking sync.WaitGroup
	for i := range alone {
		asking.Go(func() {
			inv, err := shared.Inventory(t.Context(), query(i))
			if err != nil {
				t.Error(err)
				return
			}
			if got, want := told(inv), told(alone[i].Only(query(i))); got != want {
				t.Errorf("%s sees\n%s\nand alone\n%s", sc.Machines[i].Name, got, want)
			}
		})
	}
	asking.Wait()
}

// told lists what an inventory shows, in a form that can be compared.
func told(inv observed.Inventory) string {
	var all []string
	for _, vm := range inv.VMs {
		all = append(all, "vm "+vm.Path)
	}
	for _, h := range inv.Hosts {
		all = append(all, "host "+h.Path)
	}
	for _, d := range inv.Datastores {
		all = append(all, "datastore "+d.Path)
	}
	for _, p := range inv.Privileges {
		all = append(all, p.Path+" lacks "+strings.Join(p.Lacking, " "))
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}
