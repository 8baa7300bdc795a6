package sbpeer

import (
	"container/heap"
	"slices"
	"sort"
	"time"
)

type state int32

// The states of a message, as annotations name them.
const (
	stateActive    state = 0
	stateDeferred  state = 1
	stateScheduled state = 2
)

// message is a content in a store.
type message struct {
	*content
	store    *store
	sequence int64
	entered  int64 // its number at the topic or queue that it was sent to
	since    time.Time
	failed   uint32 // deliveries without success
	state    state
	lock     *lock
	expired  bool   // its time to live is over; it goes when its lock does
	alarm    *alarm // for the time to live, or the schedule
	place    int    // in the heap of what is ready; -1: not there
	changes  dict   // application properties over those of the content
	source   string // where it was before it became a dead letter
	gone     bool
}

// inLine is what waits for delivery, the oldest first.
type inLine []*message

func (q inLine) Len() int           { return len(q) }
func (q inLine) Less(i, j int) bool { return q[i].sequence < q[j].sequence }
func (q inLine) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}
func (q *inLine) Push(x any) {
	x.(*message).place = len(*q)
	*q = append(*q, x.(*message))
}
func (q *inLine) Pop() any {
	old := *q
	m := old[len(old)-1]
	old[len(old)-1] = nil
	m.place = -1
	*q = old[:len(old)-1]
	return m
}

// store is what messages are received from: a queue, a subscription, or the dead letters of one.
type store struct {
	Receiving
	peer     *Peer
	name     string
	entrance *entrance // of a queue
	dead     *store    // nil: these are dead letters

	sequence   int64
	bySequence map[int64]*message
	order      []*message // by sequence, with some that are gone
	goneCount  int
	ready      inLine // without sessions
	locked     map[uuid]*message
	deferred   int
	waiting    int // ready, those of sessions included
	scheduled  int

	sessions  map[string]*session
	acceptors []*link // that wait for any session
	links     []*link // receivers, without sessions
	turn      int
}

func newStore(p *Peer, name string, r Receiving) *store {
	return &store{
		Receiving: r, peer: p, name: name,
		bySequence: map[int64]*message{}, locked: map[uuid]*message{}, sessions: map[string]*session{},
	}
}

func (s *store) next() int64 {
	s.sequence++
	return s.sequence
}

// keep lists a message; it is the newest.
func (s *store) keep(m *message) {
	m.store, m.place = s, -1
	s.bySequence[m.sequence] = m
	s.order = append(s.order, m)
	if m.state == stateScheduled {
		s.scheduled++
	}
}

// put makes a message ready for delivery. It is the newest of the store.
func (s *store) put(m *message) {
	now := s.peer.now()
	m.since = now
	s.keep(m)
	id, inSession := m.property(propGroupID)
	if s.RequiresSession && !inSession {
		s.deadLetter(m, "Session id is null", "The subscription requires sessions.", nil)
		return
	}
	if s.RequiresSession {
		s.session(id).count++
	}
	if end := s.end(m); !end.IsZero() {
		m.alarm = s.peer.alarmAt(end, func() {
			m.expired = true
			if m.lock == nil && s.received() { // else with the first who receives: to look is not to receive
				s.expire(m)
			}
		})
	}
	s.enqueue(m)
}

// received says whether somebody receives from here.
func (s *store) received() bool {
	return len(s.links)+len(s.acceptors) > 0 || s.RequiresSession
}

// purge lets go whose time is over, for somebody who begins to receive.
func (s *store) purge() {
	for _, m := range slices.Clone(s.order) {
		if m.expired && !m.gone && m.lock == nil {
			s.expire(m)
		}
	}
}

// end gives the end of a message's time to live; zero: none.
func (s *store) end(m *message) time.Time {
	if s.dead == nil {
		return time.Time{}
	}
	ttl := s.TTL
	if m.ttl > 0 && (ttl == 0 || m.ttl < ttl) {
		ttl = m.ttl
	}
	end := m.expires
	if ttl > 0 && (end.IsZero() || m.since.Add(ttl).Before(end)) {
		end = m.since.Add(ttl)
	}
	return end
}

func (s *store) expire(m *message) {
	if s.DeadLetterExpired {
		s.deadLetter(m, "TTLExpiredException", "The message expired and was dead lettered.", nil)
		return
	}
	s.drop(m)
}

// enqueue makes a message wait for delivery.
func (s *store) enqueue(m *message) {
	s.waiting++
	if held := s.sessionOf(m); held != nil {
		heap.Push(&held.ready, m)
		held.pump()
		s.grant()
		return
	}
	heap.Push(&s.ready, m)
	s.pump()
}

// unline takes a message out of what waits, if it does.
func (s *store) unline(m *message) {
	if m.place < 0 {
		return
	}
	s.waiting--
	if held := s.sessionOf(m); held != nil {
		heap.Remove(&held.ready, m.place)
		return
	}
	heap.Remove(&s.ready, m.place)
}

// drop removes a message for good.
func (s *store) drop(m *message) {
	if m.gone {
		return
	}
	s.unline(m)
	s.unlock(m)
	s.peer.cancel(m.alarm)
	switch m.state { //nolint:exhaustive // of the active ones there is no count
	case stateDeferred:
		s.deferred--
	case stateScheduled:
		s.scheduled--
	}
	if m.state != stateScheduled {
		if held := s.sessionOf(m); held != nil {
			held.count--
			held.tidy()
		}
	}
	m.gone = true
	delete(s.bySequence, m.sequence)
	s.goneCount++
	if s.goneCount > 64 && s.goneCount > len(s.order)/2 {
		s.order = slices.DeleteFunc(s.order, func(m *message) bool { return m.gone })
		s.goneCount = 0
	}
}

// deadLetter makes a dead letter of a message.
func (s *store) deadLetter(m *message, reason, description string, changes dict) {
	s.drop(m)
	if s.dead == nil {
		return
	}
	d := &message{
		content: m.content, sequence: s.dead.next(), entered: m.entered, failed: m.failed, source: s.name,
		changes: slices.Clone(m.changes).set("DeadLetterReason", reason).set("DeadLetterErrorDescription", description),
	}
	d.change(changes)
	s.dead.put(d)
}

// change sets application properties.
func (m *message) change(changes dict) {
	for _, p := range changes {
		m.changes = m.changes.set(text(p.key), p.value)
	}
}

// pump delivers what it can, to the receivers in turn.
func (s *store) pump() {
	for len(s.ready) > 0 {
		l := s.receiver()
		if l == nil {
			return
		}
		s.waiting--
		s.deliver(heap.Pop(&s.ready).(*message), l, nil)
	}
}

// receiver gives the next one that can take a message.
func (s *store) receiver() *link {
	for range s.links {
		s.turn = (s.turn + 1) % len(s.links)
		if l := s.links[s.turn]; l.ready() {
			return l
		}
	}
	return nil
}

func (s *store) deliver(m *message, l *link, held *session) {
	s.peer.stats.Deliveries++
	s.peer.stats.units += units(m.size)
	if l.settled {
		tag := s.peer.token()
		l.send(m.encode(nil), tag[:], true)
		s.drop(m)
		return
	}
	s.take(m, held)
	tag := m.lock.token.swapped()
	id := l.send(m.encode(nil), tag[:], false)
	l.ch.unsettled[id] = &delivery{l, m, m.lock.token}
}

// forget removes a receiver.
func (s *store) forget(l *link) {
	is := func(other *link) bool { return other == l }
	s.links = slices.DeleteFunc(s.links, is)
	s.acceptors = slices.DeleteFunc(s.acceptors, is)
}

// from lists messages from a number on, in order, n at most; keep says which.
func (s *store) from(number int64, n int, keep func(*message) bool) (found []*message) {
	first := sort.Search(len(s.order), func(i int) bool { return s.order[i].sequence >= number })
	for _, m := range s.order[first:] {
		if len(found) >= n {
			break
		}
		if !m.gone && keep(m) {
			found = append(found, m)
		}
	}
	return found
}
