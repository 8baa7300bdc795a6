package vsphere

import (
	"context"
	"time"

	"reprotect.example/services/internal/looks"
	"reprotect.example/services/observed"
)

// Shared lets queries that come while a look is under way go together in the next one: fifty cases of a request
// cost a few looks, not fifty. Each is told of what it asked for, and of nothing that others did; callers must not
// change it.
type Shared struct {
	looks *looks.Shared[observed.Query, observed.Inventory]
}

// Share wraps the client.
func Share(c *Client) *Shared { return share(c.Inventory) }

func share(look func(context.Context, observed.Query) (observed.Inventory, error)) *Shared {
	return &Shared{looks.New(time.Now, func(ctx context.Context, queries []observed.Query) (observed.Inventory, error) {
		return look(ctx, together(queries))
	})}
}

// Inventory reads the machines of a query, together with those of whoever else asks at the time.
func (s *Shared) Inventory(ctx context.Context, q observed.Query) (observed.Inventory, error) {
	inv, err := s.looks.Get(ctx, q, 0, nil)
	return inv.Only(q), err
}

// together asks for each machine of the queries once.
func together(queries []observed.Query) (q observed.Query) {
	vms, writers := seen{}, seen{}
	for _, one := range queries {
		vms.add(&q.VMs, one.VMs)
		writers.add(&q.Writers, one.Writers)
	}
	return q
}

// seen are the references that a query has already.
type seen map[observed.VMRef]bool

func (s seen) add(to *[]observed.VMRef, refs []observed.VMRef) {
	for _, ref := range refs {
		if !s[ref] {
			s[ref] = true
			*to = append(*to, ref)
		}
	}
}
