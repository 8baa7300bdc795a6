package memory

import (
	"context"
	"slices"
	"sync"
	"time"

	"reprotect.example/events/bus"
)

// consumer is a durable subscription: what the service has not settled. The bus's lock guards it.
type consumer struct {
	bus   *Bus
	spec  bus.Consumer
	queue []*entry
	news  chan struct{} // holds a token while there may be something to deliver
}

type entry struct {
	r        bus.Received
	attempts int
	lease    int // counts deliveries; a settlement of an older one is void
	done     bool
}

func (q *consumer) wants(subject string) bool {
	return slices.ContainsFunc(q.spec.Filters, func(f string) bool { return bus.Match(f, subject) })
}

func (q *consumer) put(r bus.Received) {
	q.queue = append(q.queue, &entry{r: r})
	if q.bus.chance(q.bus.faults.Duplicate) {
		q.queue = append(q.queue, &entry{r: r})
	}
	q.ring()
}

func (q *consumer) ring() {
	select {
	case q.news <- struct{}{}:
	default:
	}
}

// take starts the delivery of the next message; nil when there is none.
func (q *consumer) take(c *Conn) *delivery {
	if len(q.queue) == 0 {
		return nil
	}
	i := 0
	if q.bus.chance(q.bus.faults.Reorder) {
		i = q.bus.random.IntN(len(q.queue))
	}
	e := q.queue[i]
	q.queue = slices.Delete(q.queue, i, i+1)
	if len(q.queue) > 0 {
		q.ring()
	}
	e.attempts++
	e.lease++
	d := &delivery{conn: c, queue: q, entry: e, lease: e.lease}
	d.r = e.r
	d.r.Attempt = e.attempts
	d.expire()
	return d
}

// back queues an entry again when the delivery in question is still the current one.
func (q *consumer) back(e *entry, lease int) {
	if !e.done && e.lease == lease {
		e.lease++
		q.queue = append(q.queue, e)
		q.ring()
	}
}

type source struct {
	conn   *Conn
	queue  *consumer
	closed chan struct{}
	once   sync.Once
}

// Next implements bus.Source.
func (s *source) Next(ctx context.Context) (bus.Delivery, error) {
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.closed:
			return nil, bus.ErrClosed
		case <-s.conn.dead:
			s.conn.bus.mu.Lock()
			s.queue.ring() // somebody else may be waiting
			s.conn.bus.mu.Unlock()
			return nil, bus.ErrClosed
		case <-s.queue.news:
		}
		s.conn.bus.mu.Lock()
		if s.conn.alive() != nil || ctx.Err() != nil {
			s.queue.ring()
			s.conn.bus.mu.Unlock()
			continue
		}
		d := s.queue.take(s.conn)
		s.conn.bus.mu.Unlock()
		if d != nil {
			return d, nil
		}
	}
}

// Close implements bus.Source.
func (s *source) Close() { s.once.Do(func() { close(s.closed) }) }

type delivery struct {
	conn  *Conn
	queue *consumer
	entry *entry
	lease int
	r     bus.Received
	timer *time.Timer
}

// expire delivers the message again unless the delivery ends in time.
func (d *delivery) expire() {
	d.timer = time.AfterFunc(d.queue.spec.AckWait, func() {
		d.queue.bus.mu.Lock()
		defer d.queue.bus.mu.Unlock()
		d.queue.back(d.entry, d.lease)
	})
}

// Received implements bus.Delivery.
func (d *delivery) Received() bus.Received { return d.r }

// Ack implements bus.Delivery.
func (d *delivery) Ack(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return d.conn.do(func() error {
		if !d.queue.bus.chance(d.queue.bus.faults.LostAck) {
			d.end()
		}
		return nil
	})
}

func (d *delivery) end() {
	d.timer.Stop()
	if d.entry.lease == d.lease {
		d.entry.done = true
	}
}

// Retry implements bus.Delivery.
func (d *delivery) Retry(ctx context.Context, after time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return d.conn.do(func() error {
		d.timer.Stop()
		time.AfterFunc(after, func() {
			d.queue.bus.mu.Lock()
			defer d.queue.bus.mu.Unlock()
			d.queue.back(d.entry, d.lease)
		})
		return nil
	})
}

// DeadLetter implements bus.Delivery.
func (d *delivery) DeadLetter(ctx context.Context, dead bus.Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return d.conn.do(func() error {
		if err := d.queue.bus.store(dead); err != nil {
			return err
		}
		d.end()
		return nil
	})
}

// Extend implements bus.Delivery.
func (d *delivery) Extend(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return d.conn.do(func() error {
		if d.entry.lease == d.lease && !d.entry.done {
			d.timer.Reset(d.queue.spec.AckWait)
		}
		return nil
	})
}
