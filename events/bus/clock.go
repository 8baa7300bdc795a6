package bus

import (
	"sync"
	"time"
)

// Clock knows by how much the broker's clock is ahead of the local one, from what the broker was seen to say. The zero
// value takes them for the same. Safe for concurrent use.
type Clock struct {
	mu   sync.Mutex
	seen []sighting
}

type sighting struct {
	at    time.Time // local
	ahead time.Duration
}

const (
	clockSightings = 16
	// clockWindow is how long a sighting counts beside a newer one: clocks are set right now and then.
	clockWindow = 2 * time.Minute
	// clockSame is within what a sighting may err on the way, and so no difference.
	clockSame = 500 * time.Millisecond
)

// Saw takes note that the broker's clock showed a time, not after the local clock showed another: on its way a sighting
// only grows old, so that of several the one that is ahead the most is the truest.
func (c *Clock) Saw(broker, local time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.seen) == clockSightings {
		c.seen = c.seen[1:]
	}
	c.seen = append(c.seen, sighting{local, broker.Sub(local.Round(0))})
}

// Ahead is by how much the broker's clock is ahead; negative: behind. Half a second is no difference.
func (c *Clock) Ahead() (ahead time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.seen) == 0 {
		return 0
	}
	newest := c.seen[len(c.seen)-1]
	ahead = newest.ahead
	for _, s := range c.seen {
		if newest.at.Sub(s.at) <= clockWindow {
			ahead = max(ahead, s.ahead)
		}
	}
	if ahead.Abs() <= clockSame {
		return 0
	}
	return ahead
}

// Brokers is a local time by the broker's clock.
func (c *Clock) Brokers(local time.Time) time.Time { return local.Add(c.Ahead()) }
