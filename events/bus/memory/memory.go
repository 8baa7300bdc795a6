// Package memory is a bus in this process, for tests and simulations. It keeps time with the time package, so that
// under testing/synctest it runs in virtual time, and it makes the mistakes of a real bus on demand, from a seed:
// lost settlements, duplicates, reordering, and processes that die between any two of its calls.
package memory

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// Faults are probabilities, 0 to 1, of what goes wrong at each occasion.
type Faults struct {
	Seed      uint64
	LostAck   float64 // a settlement is reported as done and forgotten
	Duplicate float64 // a message is delivered twice
	Reorder   float64 // a later message is delivered before an earlier one
	Crash     float64 // the connection dies before or after a call takes effect
}

// Bus is the broker with everything it stores.
type Bus struct {
	mu        sync.Mutex
	log       []bus.Received
	stands    map[string]uint64 // newest number under "a.b.*", for every subject "a.b.c" in the log
	seen      map[string]int    // place in the log by id, of those that are remembered for the window
	consumers map[string]*consumer
	timers    map[string]*time.Timer // wake-ups by service and key
	newest    map[string]int         // place in the log by subject
	holders   map[string]*holder     // by service
	faults    Faults
	random    *rand.Rand
}

// window is how long ids are remembered: as short as JetStream's default, so that tests do not lean on it.
const window = 2 * time.Minute

// New makes an empty bus.
func New(f Faults) *Bus {
	return &Bus{
		stands: map[string]uint64{}, seen: map[string]int{}, consumers: map[string]*consumer{}, timers: map[string]*time.Timer{},
		newest: map[string]int{}, holders: map[string]*holder{},
		faults: f, random: rand.New(rand.NewPCG(f.Seed, 0)),
	}
}

// Log returns everything that was published, dead letters included, in order.
func (b *Bus) Log() []bus.Received {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.log)
}

// Story returns every fact of a case, in order.
func (c *Conn) Story(ctx context.Context, caseID string) (story []bus.Received, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = c.do(func() error {
		for _, r := range c.bus.log {
			if bus.Match(events.SubjectFacts+".*."+caseID+".>", r.Subject) {
				story = append(story, r)
			}
		}
		return nil
	})
	return story, err
}

// Calm ends all faults from now on.
func (b *Bus) Calm() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = Faults{}
}

// Connect opens a connection, as a process would.
func (b *Bus) Connect() *Conn {
	return &Conn{bus: b, dead: make(chan struct{})}
}

// Conn is one process's connection. It implements bus.Broker.
type Conn struct {
	bus  *Bus
	dead chan struct{}
	once sync.Once
}

// Kill cuts the connection: no call of this process takes effect any more. What it had not settled is
// delivered again after its AckWait.
func (c *Conn) Kill() { c.once.Do(func() { close(c.dead) }) }

// Dead is closed when the connection was cut.
func (c *Conn) Dead() <-chan struct{} { return c.dead }

func (c *Conn) alive() error {
	select {
	case <-c.dead:
		return bus.ErrClosed
	default:
		return nil
	}
}

// do runs one call of the process under the bus's lock; the process may die before or after it.
func (c *Conn) do(call func() error) error {
	c.bus.mu.Lock()
	defer c.bus.mu.Unlock()
	if err := c.alive(); err != nil {
		return err
	}
	if c.bus.chance(c.bus.faults.Crash) {
		c.Kill()
		return bus.ErrClosed
	}
	err := call()
	if c.bus.chance(c.bus.faults.Crash) {
		c.Kill()
		return bus.ErrClosed
	}
	return err
}

func (b *Bus) chance(p float64) bool { return p > 0 && b.random.Float64() < p }

// Publish implements bus.Broker.
func (c *Conn) Publish(ctx context.Context, m bus.Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.do(func() error { return c.bus.store(m) })
}

func (b *Bus) store(m bus.Message) error {
	if m.Once != "" && (!strings.HasSuffix(m.Once, ".*") || strings.Count(m.Once, "*") > 1) {
		return fmt.Errorf("message %s: the filter %s must end in its only wildcard", m.ID, m.Once)
	}
	if err := fits(m); err != nil {
		return err
	}
	now := time.Now()
	if at, ok := b.seen[m.ID]; ok && m.ID != "" && m.Once == "" { // an id decides no step
		before := b.log[at]
		switch {
		case now.Sub(before.Published) >= window, before.Subject != m.Subject:
		case strings.HasPrefix(m.Subject, events.SubjectCommands+".") && !bytes.Equal(before.Data, m.Data):
			return fmt.Errorf("%w: %s", bus.ErrOtherContent, m.ID)
		default:
			return nil
		}
	}
	if m.Once != "" && b.stands[m.Once] != m.After {
		return b.decided(m.Once)
	}
	if m.ID != "" {
		b.seen[m.ID] = len(b.log)
	}
	m.Data = slices.Clone(m.Data)
	r := bus.Received{Message: m, Sequence: uint64(len(b.log) + 1), Published: now}
	b.newest[m.Subject] = len(b.log)
	b.log = append(b.log, r)
	b.stands[m.Subject[:strings.LastIndexByte(m.Subject, '.')+1]+"*"] = r.Sequence
	for _, q := range b.consumers {
		if q.wants(m.Subject) {
			q.put(r)
		}
	}
	return nil
}

// decided says what stands under a step.
func (b *Bus) decided(step string) error {
	if n := b.stands[step]; n > 0 {
		return &bus.Decided{By: b.log[n-1]}
	}
	return bus.ErrDecided
}

// fits refuses what other buses take no more: as short as theirs, so that simulations see it.
func fits(m bus.Message) error {
	headers := 0
	for k, v := range m.Headers {
		headers += len(k) + len(v)
	}
	if headers > 32<<10 || headers+len(m.Data) > events.MaxSize+8<<10 {
		return fmt.Errorf("message %s: %d bytes and %d of headers: %w", m.ID, len(m.Data), headers, bus.ErrTooLarge)
	}
	return nil
}

// Wake implements bus.Broker.
func (c *Conn) Wake(ctx context.Context, service, key string, at time.Time, m bus.Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := fits(m); err != nil {
		return err
	}
	return c.do(func() error {
		b := c.bus
		name := service + "/" + key
		if old := b.timers[name]; old != nil {
			old.Stop()
		}
		var timer *time.Timer
		timer = time.AfterFunc(max(time.Until(at), 0), func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.timers[name] != timer {
				return // replaced while it fired
			}
			delete(b.timers, name)
			b.consumer(service).put(bus.Received{Message: m, Published: time.Now(), Woken: true})
		})
		b.timers[name] = timer
		return nil
	})
}

// Stands implements bus.Broker.
func (c *Conn) Stands(ctx context.Context, subject string) (m bus.Received, found bool, err error) {
	if err := ctx.Err(); err != nil {
		return m, false, err
	}
	err = c.do(func() error {
		var n int
		if n, found = c.bus.newest[subject]; found {
			m = c.bus.log[n]
		}
		return nil
	})
	return m, found && err == nil, err
}

// Consume implements bus.Broker.
func (c *Conn) Consume(ctx context.Context, spec bus.Consumer) (bus.Source, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.bus.mu.Lock()
	defer c.bus.mu.Unlock()
	if err := c.alive(); err != nil {
		return nil, err
	}
	q := c.bus.consumer(spec.Service)
	fresh := len(q.spec.Filters) == 0
	q.spec = spec
	if fresh { // it gets what came before it was made
		for _, r := range c.bus.log {
			if q.wants(r.Subject) {
				q.put(r)
			}
		}
	}
	return &source{conn: c, queue: q, closed: make(chan struct{})}, nil
}

func (b *Bus) consumer(service string) *consumer {
	q := b.consumers[service]
	if q == nil {
		q = &consumer{bus: b, news: make(chan struct{}, 1)}
		b.consumers[service] = q
	}
	return q
}
