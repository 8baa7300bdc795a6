package sbpeer

import "strings"

// Stats count since the peer was made.
type Stats struct {
	Sends             int // messages accepted: scheduled ones and duplicates are among them
	Duplicates        int // messages accepted and dropped for their id
	Deliveries        int // messages handed out, by links and by sequence number
	Settlements       int // outcomes applied
	Renewals          int // locks of messages and sessions prolonged
	FilterEvaluations int // filters held against a message; a subscription without filters counts as one
	Management        int // requests of management nodes, whatever became of them

	units    int // messages sent and delivered, by 64 KB
	billable int // management requests that are billed by themselves
}

// Counts of the messages of an entity.
type Counts struct {
	Active    int // that wait for a receiver
	Locked    int // that a receiver works on
	Deferred  int
	Scheduled int // of a topic or a queue
	Dead      int // dead letters, whatever their state
}

// Stats returns the counters.
func (p *Peer) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

// Operations returns how many operations the service would bill: each message sent (scheduled ones and duplicates, too)
// and each delivery, by every 64 KB or part of it; each filter evaluation; and each management request, but for settling,
// and for scheduling and receiving by number, where the messages are billed. Settlements, tokens and links are not billed.
func (p *Peer) Operations() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats.units + p.stats.billable + p.stats.FilterEvaluations
}

// units is how many times a message of this size is billed.
func units(size int) int {
	const unit = 64 << 10
	return max((size+unit-1)/unit, 1)
}

// Count returns what an entity holds: "queue", "topic", "topic/Subscriptions/name", and these with "/$DeadLetterQueue".
// For a topic it is only the scheduled ones. An unknown entity holds nothing.
func (p *Peer) Count(entity string) (c Counts) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := strings.ToLower(entity)
	if e := p.entrances[key]; e != nil {
		c.Scheduled = len(e.scheduled)
	}
	if s := p.stores[key]; s != nil {
		c.Active, c.Locked, c.Deferred = s.waiting, len(s.locked), s.deferred
		if s.dead != nil {
			c.Dead = len(s.dead.bySequence)
		}
	}
	return c
}
