package vsphere

import (
	"context"
	"sync"
	"time"

	"reprotect.example/services/observed"
)

// Shared lets queries that come while a look is under way go together in the next one: fifty cases of a request
// cost a few looks, not fifty. What comes back may hold more machines than a caller asked for; callers must not
// change it.
type Shared struct {
	look func(context.Context, observed.Query) (observed.Inventory, error)

	mu      sync.Mutex
	next    *batch
	running bool
}

// Share wraps the client.
func Share(c *Client) *Shared { return &Shared{look: c.Inventory} }

// batch is what one look answers.
type batch struct {
	query        observed.Query
	vms, writers seen
	done         chan struct{}

	inventory observed.Inventory // valid after done
	err       error
}

// seen are the references that a batch has already.
type seen map[observed.VMRef]bool

func (s seen) add(to *[]observed.VMRef, refs []observed.VMRef) {
	for _, ref := range refs {
		if !s[ref] {
			s[ref] = true
			*to = append(*to, ref)
		}
	}
}

// sharedLimit bounds a look that nobody may be waiting for any more.
const sharedLimit = 2 * time.Minute

// Inventory reads the machines of a query, together with those of whoever else asks at the time.
func (s *Shared) Inventory(ctx context.Context, q observed.Query) (observed.Inventory, error) {
	s.mu.Lock()
	if s.next == nil {
		s.next = &batch{vms: seen{}, writers: seen{}, done: make(chan struct{})}
	}
	b := s.next
	b.vms.add(&b.query.VMs, q.VMs)
	b.writers.add(&b.query.Writers, q.Writers)
	if !s.running {
		s.running = true
		go s.run(context.WithoutCancel(ctx))
	}
	s.mu.Unlock()

	select {
	case <-b.done:
		return b.inventory, b.err
	case <-ctx.Done():
		return observed.Inventory{}, ctx.Err()
	}
}

// run answers batch after batch until none is left.
func (s *Shared) run(ctx context.Context) {
	for {
		s.mu.Lock()
		b := s.next
		s.next = nil
		s.running = b != nil
		s.mu.Unlock()
		if b == nil {
			return
		}
		limited, cancel := context.WithTimeout(ctx, sharedLimit)
		b.inventory, b.err = s.look(limited, b.query)
		cancel()
		close(b.done)
	}
}
