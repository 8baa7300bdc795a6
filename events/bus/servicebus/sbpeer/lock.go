package sbpeer

import (
	"strconv"
	"time"
)

// lock is a receiver's hold on a message. Those of a session live as long as the session's.
type lock struct {
	token   uuid
	until   time.Time
	alarm   *alarm
	session *session
}

// take locks a message.
func (s *store) take(m *message, held *session) {
	p := s.peer
	m.lock = &lock{token: p.token(), session: held}
	s.locked[m.lock.token] = m
	if held != nil {
		m.lock.until = held.until
		held.locked[m] = struct{}{}
		return
	}
	s.prolong(m)
}

// prolong lets a lock last for its duration from now on.
func (s *store) prolong(m *message) {
	p := s.peer
	p.cancel(m.lock.alarm)
	m.lock.until = p.now().Add(s.LockDuration)
	m.lock.alarm = p.alarmAt(m.lock.until, func() { s.giveBack(m, true) })
}

// unlock ends the lock of a message, if it has one.
func (s *store) unlock(m *message) {
	if m.lock == nil {
		return
	}
	s.peer.cancel(m.lock.alarm)
	delete(s.locked, m.lock.token)
	if m.lock.session != nil {
		delete(m.lock.session.locked, m)
	}
	m.lock = nil
}

// giveBack ends a lock without an outcome. If that counts as a failure too often, the message is a dead letter.
func (s *store) giveBack(m *message, counts bool) {
	s.unlock(m)
	if counts {
		m.failed++
		if s.MaxDelivery > 0 && int(m.failed) >= s.MaxDelivery {
			s.deadLetter(m, "MaxDeliveryCountExceeded",
				"Message could not be consumed after "+strconv.Itoa(s.MaxDelivery)+" delivery attempts.", nil)
			return
		}
	}
	switch {
	case m.expired:
		s.expire(m)
	case m.state == stateActive:
		s.enqueue(m)
	}
}

// postpone puts a message aside, for those who know its number.
func (s *store) postpone(m *message) {
	s.unlock(m)
	if m.state != stateDeferred {
		m.state = stateDeferred
		s.deferred++
	}
	if m.expired {
		s.expire(m)
	}
}

// outcome is what a receiver decides about a message.
type outcome struct {
	kind                int // one of these
	reason, description string
	changes             dict
}

const (
	complete = iota
	abandon
	postpone
	release
	deadLetter
)

// settle applies an outcome to a message that was locked with this token.
func (s *store) settle(m *message, token uuid, o outcome) *amqpError {
	if m.gone || m.lock == nil || m.lock.token != token {
		if s.RequiresSession {
			return refuse(errSessionLost, "the lock of the session was lost")
		}
		return refuse(errLockLost, "the lock of message %d of %s was lost", m.sequence, s.name)
	}
	if o.kind == deadLetter && s.dead == nil {
		return refuse(errNotAllowed, "a dead letter cannot become one again")
	}
	s.peer.stats.Settlements++
	switch o.kind {
	case complete:
		s.drop(m)
	case abandon:
		m.change(o.changes)
		s.giveBack(m, true)
	case postpone:
		m.change(o.changes)
		s.postpone(m)
	case release:
		s.giveBack(m, false)
	case deadLetter:
		s.deadLetter(m, o.reason, o.description, o.changes)
	}
	return nil
}

// encode gives the message as a receiver gets it; token is for those that come over a management link.
func (m *message) encode(token *uuid) []byte {
	var ttl any
	if m.ttl > 0 {
		ttl = uint32(m.ttl / time.Millisecond)
	}
	b := make([]byte, 0, m.size+256)
	b = composite(b, sectionHeader, m.durable, m.priority, ttl, nil, m.failed)
	if token != nil {
		b = encode(b, described{uint64(sectionDelivery), dict{{symbol("x-opt-lock-token"), *token}}})
	}
	a := make(dict, 0, len(m.annotations)+8)
	a = append(a, m.annotations...)
	a = a.set(symbol("x-opt-sequence-number"), m.sequence)
	a = a.set(symbol("x-opt-enqueue-sequence-number"), m.entered)
	a = a.set(symbol("x-opt-enqueued-time"), m.since)
	a = a.set(symbol("x-opt-message-state"), int32(m.state))
	if m.lock != nil {
		a = a.set(symbol("x-opt-locked-until"), m.lock.until)
	}
	if m.source != "" {
		a = a.set(symbol("x-opt-deadletter-source"), m.source)
	}
	b = encode(b, described{uint64(sectionAnnotations), a})
	b = append(b, m.properties...)
	if len(m.changes) == 0 {
		b = append(b, m.appBytes...)
	} else {
		application := append(dict{}, m.application...)
		for _, p := range m.changes {
			application = application.set(p.key, p.value)
		}
		b = encode(b, described{uint64(sectionApplication), application})
	}
	return append(b, m.body...)
}
