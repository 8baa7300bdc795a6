package memory

import (
	"context"
	"sync"
	"time"

	"reprotect.example/events/bus"
)

// lapse is how long a service stays held by a process that died.
const lapse = 10 * time.Second

// holder is a process that holds a service. The bus's lock guards the map it stands in.
type holder struct{ gone chan struct{} }

// Hold implements bus.Broker.
func (c *Conn) Lease(ctx context.Context, service string) (context.Context, func(), error) {
	for {
		mine := &holder{make(chan struct{})}
		var other *holder
		if err := c.do(func() error {
			if other = c.bus.holders[service]; other == nil {
				c.bus.holders[service] = mine
			}
			return nil
		}); err != nil {
			c.bus.free(service, mine, lapse)
			return nil, nil, err
		}
		if other == nil {
			held, release := c.keep(ctx, service, mine)
			return held, release, nil
		}
		select {
		case <-other.gone:
		case <-c.dead:
			return nil, nil, bus.ErrClosed
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// keep ends what is held with the connection, with ctx, or at the release.
func (c *Conn) keep(ctx context.Context, service string, mine *holder) (context.Context, func()) {
	held, end := context.WithCancel(ctx)
	go func() {
		select {
		case <-held.Done():
			c.bus.free(service, mine, 0)
		case <-c.dead:
			end()
			c.bus.free(service, mine, lapse)
		}
	}()
	return held, sync.OnceFunc(end)
}

// free lets the next one hold the service, after a time. It does nothing for who does not hold it.
func (b *Bus) free(service string, mine *holder, after time.Duration) {
	time.AfterFunc(after, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.holders[service] == mine {
			delete(b.holders, service)
			close(mine.gone)
		}
	})
}
