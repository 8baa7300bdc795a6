package guard

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus/memory"
	"reprotect.example/services/observed"
	"reprotect.example/services/workflow"
)

// shown is a vCenter whose inventory the test sets.
type shown struct {
	*played
	mu  sync.Mutex
	inv observed.Inventory
}

func (s *shown) Inventory(context.Context, observed.Query) (observed.Inventory, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inv, nil
}

// kept is a vault that stays as it is.
type kept observed.Vault

func (v kept) Vault(context.Context, time.Duration, ...string) (observed.Vault, error) {
	return observed.Vault(v), nil
}
func (v kept) Item(context.Context, string) (observed.Item, error) { return observed.Item{}, nil }

// The guard finds what it watches by the rule of the checks, says what it cannot watch and why, on /ready too, and says when
// that is over.
func TestVSphereGuardIdentifies(t *testing.T) {
	const bios, swapped = "420c1d3a-5b6e-7f80-91a2-b3c4d5e6f708", "3a1d0c42-6e5b-807f-91a2-b3c4d5e6f708"
	vm := func(ref, name, host, uuid string) observed.VM {
		return observed.VM{Ref: ref, Name: name, Path: "/DC/vm/" + ref + "/" + name, GuestHost: host, BIOSUUID: uuid, InstanceUUID: "i-" + ref}
	}
	for _, row := range []struct {
		name   string
		vms    []observed.VM
		watch  string // ref of the writer that is watched; "" is none
		reason string // of /ready
	}{
		{"1.5/A02 another name than its guest", []observed.VM{vm("vm-1", "tky-asr-appl", "appl-01.tokyo.example", "")}, "vm-1", ""},
		{"1.5/A03 a namesake that is off", []observed.VM{vm("vm-1", "APPL-01", "", "x"), vm("vm-2", "appl-01.tokyo.example", "appl-01.tokyo.example", "y")}, "vm-2", ""},
		{"1.5/E01 the byte order of the guest", []observed.VM{vm("vm-1", "other", "", swapped)}, "vm-1", ""},
		{"1.3/E07 two of the name", []observed.VM{vm("vm-1", "APPL-01", "", ""), vm("vm-2", "appl-01", "", "")}, "", "Appliance APPL-01 is not watched. vCenter has 2 VMs that may be Appliance APPL-01: /DC/vm/vm-1/APPL-01, /DC/vm/vm-2/appl-01"},
		{"1.3 none", nil, "", "Appliance APPL-01 is not watched."},
	} {
		t.Run(row.name, func(t *testing.T) {
			id := ""
			if strings.Contains(row.name, "E01") {
				id = bios
			}
			s := &shown{played: &played{view: map[string]bool{}}, inv: observed.Inventory{VMs: row.vms, User: "asr"}}
			vault := observed.Vault{Fabrics: []observed.Fabric{{Appliances: []observed.Appliance{{Name: "APPL-01", BIOSID: id}}}}}
			var ready error
			b := memory.New(memory.Faults{})
			p := newSiteGuard(Site{Vault: kept(vault), Inventory: s, Watch: s, Azure: s}, b.Connect(), time.Now, func(err error) { ready = err })
			var e workflow.Event[events.Started]
			e.ID, e.Source, e.Site, e.Case, e.Step, e.Request, e.Position = "r7/submission", "/reprotect/tokyo/executor", "tokyo", "r7", "submission", "r", 6
			e.Data.Case = events.Case{Machines: []events.Machine{{Name: "web01", Architecture: "modernized", Location: "alternate", Choice: events.Choice{Appliance: "APPL-01"}}}}
			look := func() {
				t.Helper()
				c, _ := p.enter(e, nil)
				if err := p.look(t.Context(), c, 0); err != nil {
					t.Fatal(err)
				}
			}
			look()
			for ref, watched := range s.view {
				if watched != (ref == row.watch) {
					t.Errorf("%s is watched: %v", ref, watched)
				}
			}
			if len(s.view) != min(len(row.watch), 1) {
				t.Errorf("in view: %v", s.view)
			}
			if row.reason == "" {
				if ready != nil || len(b.Log()) != 0 {
					t.Errorf("%v, %d facts", ready, len(b.Log()))
				}
				return
			}
			if ready == nil || !strings.Contains(ready.Error(), row.reason) || len(b.Log()) != 1 {
				t.Fatalf("/ready says %v, %d facts", ready, len(b.Log()))
			}
			look() // and is not told again
			s.inv.VMs = []observed.VM{vm("vm-9", "APPL-01", "appl-01", "z")}
			look()
			if !s.view["vm-9"] || len(b.Log()) != 1 {
				t.Errorf("in view: %v, %d facts", s.view, len(b.Log()))
			}
			p.tell(observed.Watched{VM: observed.VM{Ref: "vm-9", Name: "APPL-01", Connection: "connected"}})
			c, _ := p.enter(e, nil)
			if err := p.judge(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if ready != nil || len(b.Log()) != 2 || !strings.HasSuffix(b.Log()[1].Subject, ".watched") {
				t.Errorf("/ready says %v, %d facts", ready, len(b.Log()))
			}
		})
	}
}
