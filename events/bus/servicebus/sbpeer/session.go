package sbpeer

import (
	"container/heap"
	"slices"
	"time"
)

// session is an order of messages that one receiver at a time works on.
type session struct {
	store  *store
	id     string
	state  []byte
	set    time.Time // when its state was set
	ready  inLine
	locked map[*message]struct{}
	count  int // messages, deferred ones included
	holder *link
	until  time.Time
	alarm  *alarm
}

// session finds a session, or makes it.
func (s *store) session(id string) *session {
	held := s.sessions[id]
	if held == nil {
		held = &session{store: s, id: id, locked: map[*message]struct{}{}}
		s.sessions[id] = held
	}
	return held
}

// sessionOf gives the session of a message, in a store that has them.
func (s *store) sessionOf(m *message) *session {
	id, ok := m.property(propGroupID)
	if !s.RequiresSession || !ok {
		return nil
	}
	return s.session(id)
}

// nextSession gives the free session whose oldest message has waited longest.
func (s *store) nextSession() (best *session) {
	for _, held := range s.sessions {
		if held.holder == nil && len(held.ready) > 0 && (best == nil || held.ready[0].sequence < best.ready[0].sequence) {
			best = held
		}
	}
	return best
}

// grant gives free sessions to receivers that wait for one.
func (s *store) grant() {
	for len(s.acceptors) > 0 {
		free := s.nextSession()
		if free == nil {
			return
		}
		l := s.acceptors[0]
		s.acceptors = s.acceptors[1:]
		l.hold(free)
	}
}

// take makes a link the holder.
func (held *session) take(l *link) {
	held.holder = l
	held.prolong()
}

// prolong lets the lock last for its duration from now on.
func (held *session) prolong() {
	p := held.store.peer
	p.cancel(held.alarm)
	held.until = p.now().Add(held.store.LockDuration)
	held.alarm = p.alarmAt(held.until, held.lose)
	for m := range held.locked {
		m.lock.until = held.until
	}
}

// lose takes the session from its holder because its time is up.
func (held *session) lose() {
	l := held.holder
	if l == nil {
		return
	}
	l.session = nil
	held.release(true)
	l.detach(refuse(errSessionLost, "the lock of session %q expired", held.id))
}

// release ends the hold. Messages under way are ready again.
func (held *session) release(counts bool) {
	s := held.store
	s.peer.cancel(held.alarm)
	held.holder, held.alarm = nil, nil
	locked := make([]*message, 0, len(held.locked))
	for m := range held.locked {
		locked = append(locked, m)
	}
	slices.SortFunc(locked, func(a, b *message) int { return int(a.sequence - b.sequence) })
	for _, m := range locked {
		s.unlock(m) // all of them, before another receiver can get the first
	}
	for _, m := range locked {
		s.giveBack(m, counts)
	}
	held.tidy()
	s.grant()
}

// pump delivers what it can to the holder.
func (held *session) pump() {
	for held.holder != nil && len(held.ready) > 0 && held.holder.ready() {
		held.store.waiting--
		held.store.deliver(heap.Pop(&held.ready).(*message), held.holder, held)
	}
}

// tidy forgets a session in which there is nothing.
func (held *session) tidy() {
	if held.holder == nil && held.count == 0 && held.state == nil && held.store.sessions[held.id] == held {
		delete(held.store.sessions, held.id)
	}
}

// sessionIDs lists sessions by name: those whose state was set after a time, or all when the time is out of any calendar.
func (s *store) sessionIDs(since time.Time) (ids []string) {
	for id, held := range s.sessions {
		if since.After(everySession) && (held.count > 0 || held.state != nil) || held.set.After(since) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
