package sbpeer

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// faults are the mistakes that the peer was asked to make.
type faults struct {
	rejections []*rejection
	loseSends  int
	withholds  bool
	// Settlements to lose, before and after they take effect.
	loseBefore, loseAfter int
}

type rejection struct {
	entity    string // empty: any
	condition symbol
	left      int       // how many more times; ignored when until is set
	until     time.Time // by the peer's clock
}

// refusal says why a request to an entity is to be refused now; nil: it is not.
func (f *faults) refusal(p *Peer, entity string) *amqpError {
	now := p.now()
	f.rejections = slices.DeleteFunc(f.rejections, func(r *rejection) bool {
		return r.until.IsZero() && r.left <= 0 || !r.until.IsZero() && !now.Before(r.until)
	})
	for _, r := range f.rejections {
		if r.entity == "" || strings.EqualFold(r.entity, entity) {
			r.left--
			return refuse(r.condition, "refused on demand")
		}
	}
	return nil
}

// sendLost cuts the connection if the confirmation of messages is to be lost now.
func (f *faults) sendLost(c *conn) bool {
	if f.loseSends <= 0 {
		return false
	}
	f.loseSends--
	c.drop()
	return true
}

// settlementLost cuts the connection if a settlement is to be lost now.
func (f *faults) settlementLost(c *conn, after bool) bool {
	n := &f.loseBefore
	if after {
		n = &f.loseAfter
	}
	if *n <= 0 {
		return false
	}
	*n--
	c.drop()
	return true
}

// Busy refuses the next n transfers and management requests, to whatever entity, because the server is busy.
func (p *Peer) Busy(n int) { p.Reject("", string(errBusy), n) }

// BusyFor refuses all transfers and management requests because the server is busy, for so long by the peer's clock.
func (p *Peer) BusyFor(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults.rejections = append(p.faults.rejections, &rejection{condition: errBusy, until: p.now().Add(d)})
}

// Reject refuses the next n transfers and management requests to an entity (empty: any) with this AMQP error condition.
func (p *Peer) Reject(entity, condition string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults.rejections = append(p.faults.rejections, &rejection{entity: entity, condition: symbol(condition), left: n})
}

// Fill makes a topic or a queue full, or ends that. A full one refuses messages with amqp:resource-limit-exceeded, as
// the service does when the quota is used up. It returns whether the entity exists.
func (p *Peer) Fill(entity string, full bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.entrances[strings.ToLower(entity)]
	if e != nil {
		e.full = full
	}
	return e != nil
}

// DropBeforeDisposition stores the messages of the next n transfers, or requests to schedule, and cuts the connection
// instead of confirming them.
func (p *Peer) DropBeforeDisposition(n int) { p.setFault(&p.faults.loseSends, n) }

// DropBeforeSettlement cuts the connection instead of applying a settlement, for the next n of them.
func (p *Peer) DropBeforeSettlement(n int) { p.setFault(&p.faults.loseBefore, n) }

// DropAfterSettlement applies a settlement and cuts the connection instead of confirming it, for the next n of them.
func (p *Peer) DropAfterSettlement(n int) { p.setFault(&p.faults.loseAfter, n) }

func (p *Peer) setFault(at *int, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*at = n
}

// WithholdCredit gives senders to entities no more credit than they have, as the service does under load, until it is
// called with false. Senders that have used theirs up wait.
func (p *Peer) WithholdCredit(withhold bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults.withholds = withhold
	for _, c := range p.connections() {
		for _, number := range sortedKeys(c.channels) {
			ch := c.channels[number]
			ch.widen()
			for _, handle := range sortedKeys(ch.links) {
				if l := ch.links[handle]; !l.sends && !l.detached {
					l.topUp()
				}
			}
		}
	}
}

// RefuseConnections cuts new connections at once, until it is called with false. Those that stand are left alone.
func (p *Peer) RefuseConnections(refuse bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusing = refuse
}

// DropConnections cuts connections without a word: those with a link to one of the entities, or all when none is named.
// It returns how many.
func (p *Peer) DropConnections(entities ...string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, c := range p.connections() {
		if !c.dropped && (len(entities) == 0 || slices.ContainsFunc(entities, c.isLinkedTo)) {
			c.drop()
			n++
		}
	}
	return n
}

// connections lists them by age.
func (p *Peer) connections() []*conn {
	return slices.SortedFunc(maps.Keys(p.conns), func(a, b *conn) int { return cmp.Compare(a.number, b.number) })
}

func (c *conn) isLinkedTo(entity string) bool {
	for _, ch := range c.channels {
		for _, l := range ch.links {
			if !l.detached && strings.EqualFold(l.node.name, entity) {
				return true
			}
		}
	}
	return false
}

// Detach detaches all links to an entity, those to its management node included, with this AMQP error condition; empty:
// amqp:link:detach-forced, as after a pause in traffic or an upgrade of the service. It returns how many. The Go SDK spins
// without end, which stops the time of a bubble, on links detached with com.microsoft:timeout, :server-busy or
// :operation-cancelled.
func (p *Peer) Detach(entity, condition string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	reason := refuse(symbol(cmp.Or(condition, "amqp:link:detach-forced")), "detached on demand")
	n := 0
	for _, c := range p.connections() {
		for _, number := range sortedKeys(c.channels) {
			ch := c.channels[number]
			for _, handle := range sortedKeys(ch.links) {
				if l := ch.links[handle]; !l.detached && l.accept == nil && strings.EqualFold(l.node.name, entity) {
					l.detach(reason)
					n++
				}
			}
		}
	}
	return n
}

// ExpireLocks lets all locks, of messages and of sessions, expire now. It returns how many.
func (p *Peer) ExpireLocks() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range sortedKeys(p.stores) {
		n += p.stores[name].expireLocks()
	}
	return n
}

func (s *store) expireLocks() (n int) {
	var locked []*message
	for _, m := range s.locked {
		if m.lock.session == nil {
			locked = append(locked, m)
		}
	}
	slices.SortFunc(locked, func(a, b *message) int { return int(a.sequence - b.sequence) })
	for _, m := range locked {
		if m.lock != nil {
			s.unlock(m)
			n++
		}
	}
	for _, m := range locked {
		s.giveBack(m, true)
	}
	for _, id := range sortedKeys(s.sessions) {
		if held := s.sessions[id]; held != nil && held.holder != nil {
			held.lose()
			n++
		}
	}
	return n
}
