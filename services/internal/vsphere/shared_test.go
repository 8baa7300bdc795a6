package vsphere

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"reprotect.example/services/observed"
)

func TestSharedLooksTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks []int
		s := share(func(_ context.Context, q observed.Query) (observed.Inventory, error) {
			looks = append(looks, len(q.VMs))
			<-time.After(time.Second)
			var inv observed.Inventory
			for _, ref := range q.VMs {
				inv.VMs = append(inv.VMs, observed.VM{Name: ref.Name})
			}
			return inv, nil
		})
		var all sync.WaitGroup
		for i := range 50 {
			name := fmt.Sprint("vm", i)
			all.Go(func() {
				inv, err := s.Inventory(t.Context(), observed.Query{VMs: []observed.VMRef{{Name: name}, {Name: "MT-01"}}})
				if err != nil || len(inv.VM(observed.VMRef{Name: name})) != 1 || len(inv.VM(observed.VMRef{Name: "MT-01"})) != 1 {
					t.Errorf("%s: %d machines, %v", name, len(inv.VMs), err)
				}
			})
		}
		all.Wait()
		if len(looks) > 2 || looks[len(looks)-1] > 51 {
			t.Errorf("looks at %v machines, want two looks at most", looks)
		}
	})
}

func TestSharedCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := share(func(ctx context.Context, _ observed.Query) (observed.Inventory, error) {
			<-time.After(time.Second)
			return observed.Inventory{URL: "x"}, ctx.Err()
		})
		leaving, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := s.Inventory(leaving, observed.Query{}); !errors.Is(err, context.Canceled) {
				t.Errorf("the one who left got %v", err)
			}
		})
		synctest.Wait()
		leave()
		if inv, err := s.Inventory(t.Context(), observed.Query{}); err != nil || inv.URL != "x" {
			t.Errorf("the one who stayed got %v, %v", inv, err)
		}
		all.Wait()
	})
}
