package sbpeer

import (
	"slices"
	"strings"
	"time"
)

const (
	// linkCredit is what a sender gets; it is topped up when half is used.
	linkCredit      = 1000
	timeoutProperty = "com.microsoft:timeout"
	// acceptPatience is how long the client waits for a session when it does not say.
	acceptPatience = time.Minute
)

// link is one direction of traffic between a client and a node.
type link struct {
	ch       *channel
	attach   attach
	handle   uint32
	node     node
	sends    bool // the peer sends on it
	settled  bool // what it sends is settled by that
	detached bool // by the peer; the client has yet to say so, too

	count, credit uint32
	session       *session // that it holds
	accept        *alarm   // while it waits for a session
	replies       [][]byte // that wait for credit
	incoming      incoming
}

func (ch *channel) takeAttach(at attach) error {
	if ch.links[at.handle] != nil {
		return refuse(errHandleInUse, "handle %d has a link already", at.handle)
	}
	l := &link{ch: ch, attach: at, handle: at.handle, sends: at.receives}
	ch.links[at.handle] = l
	mode, _ := whole(at.senderMode)
	l.settled = at.senderMode != nil && mode == 1
	if err := l.open(); err != nil {
		l.refuse(err)
	}
	return nil
}

// open attaches the link to its node, at once or when a session is free.
func (l *link) open() *amqpError {
	p := l.ch.conn.peer
	n, err := p.resolve(l.attach.address())
	if err != nil {
		return err
	}
	l.node = n
	if err := l.ch.conn.authorize(n, l.sends); err != nil {
		return err
	}
	switch {
	case n.handle != nil:
		l.reply(nil)
	case l.sends && n.store == nil:
		return refuse(errNotAllowed, "nobody receives from a topic")
	case l.sends:
		return l.openReceiver()
	case n.entrance == nil:
		return refuse(errNotAllowed, "nobody sends to %s", n.name)
	default:
		l.reply(dict{{symbol("com.microsoft:max-message-batch-size"), uint64(p.maxSize)}})
	}
	if !l.sends {
		l.topUp()
	}
	return nil
}

func (l *link) openReceiver() *amqpError {
	s := l.node.store
	id, wanted := l.attach.sessionFilter()
	if wanted != s.RequiresSession {
		return refuse(errNotAllowed, "%s requires sessions: %v; the receiver wants one: %v", s.name, s.RequiresSession, wanted)
	}
	if !wanted {
		l.reply(nil)
		s.links = append(s.links, l)
		s.purge()
		return nil
	}
	if id == nil {
		if free := s.nextSession(); free != nil {
			l.hold(free)
			return nil
		}
		wait := acceptPatience
		if ms, ok := whole(l.attach.properties.get(timeoutProperty)); ok {
			wait = time.Duration(min(max(ms, 0), int64(time.Hour/time.Millisecond))) * time.Millisecond
		}
		p := l.ch.conn.peer
		l.accept = p.alarmAt(p.now().Add(wait), func() {
			s.forget(l)
			l.refuse(refuse(errTimeout, "no session of %s came free", s.name))
		})
		s.acceptors = append(s.acceptors, l)
		return nil
	}
	held := s.session(*id)
	if held.holder != nil {
		return refuse(errSessionHeld, "session %q of %s is held by another receiver", *id, s.name)
	}
	l.hold(held)
	return nil
}

// hold gives the link a session and completes its attach.
func (l *link) hold(held *session) {
	p := l.ch.conn.peer
	p.cancel(l.accept)
	l.accept = nil
	l.session = held
	held.take(l)
	l.attach.source = withSession(l.attach.source, held.id)
	l.reply(dict{{symbol("com.microsoft:locked-until-utc"), ticks(held.until)}})
}

// reply answers an attach.
func (l *link) reply(properties dict) {
	at := l.attach
	fields := []any{at.name, l.handle, !at.receives, at.senderMode, at.receiverMode, at.source, at.target, nil, nil, nil, nil, nil, nil, nil}
	if l.sends {
		fields[9] = uint32(0)
	} else {
		fields[10] = uint64(l.ch.conn.peer.maxSize)
	}
	if properties != nil {
		fields[13] = properties
	}
	l.ch.perform(codeAttach, fields...)
}

// refuse answers an attach with no terminus and detaches for the reason.
func (l *link) refuse(reason *amqpError) {
	at := l.attach
	fields := []any{at.name, l.handle, !at.receives, at.senderMode, at.receiverMode, nil, nil, nil, nil, nil}
	if l.sends {
		fields[9] = uint32(0)
	}
	l.ch.perform(codeAttach, fields...)
	l.detach(reason)
}

// detach ends the link for a reason of the peer's.
func (l *link) detach(reason *amqpError) {
	if l.detached {
		return
	}
	l.release()
	l.detached = true
	l.ch.perform(codeDetach, l.handle, true, reason.wire())
}

func (ch *channel) takeDetach(d detach) error {
	l, err := ch.link(d.handle)
	if err != nil {
		return err
	}
	delete(ch.links, d.handle)
	if l.detached {
		return nil
	}
	if l.accept != nil { // the client must see an attach before it can see the end of the link
		l.refuse(nil)
		return nil
	}
	l.release()
	ch.perform(codeDetach, d.handle, true)
	return nil
}

// release gives back what the link holds. Messages that it locked stay locked until their time is up, unless they are of a session.
func (l *link) release() {
	ch := l.ch
	ch.conn.peer.cancel(l.accept)
	l.accept = nil
	for id, d := range ch.unsettled {
		if d.link == l {
			delete(ch.unsettled, id)
		}
	}
	ch.pending = slices.DeleteFunc(ch.pending, func(o outgoing) bool { return o.link == l })
	l.replies, l.incoming = nil, incoming{}
	if l.session != nil {
		held := l.session
		l.session = nil
		held.release(false)
	}
	if l.node.store != nil {
		l.node.store.forget(l)
	}
}

// takeFlow takes the credit that a receiver gives.
func (l *link) takeFlow(f flow) {
	if l.detached {
		return
	}
	if l.sends && f.credit != nil {
		count := uint32(0)
		if f.count != nil {
			count = *f.count
		}
		l.credit = count + *f.credit - l.count
		if l.credit > 1<<31 { // it took credit back that is used already
			l.credit = 0
		}
		l.pump()
		if f.drain {
			l.count += l.credit
			l.credit = 0
			l.ch.flow(l, true)
		}
	}
	if f.echo && !f.drain {
		l.ch.flow(l, false)
	}
}

// ready says whether a message can go out now.
func (l *link) ready() bool {
	return l.sends && !l.detached && l.accept == nil && l.credit > 0 && l.ch.remoteWindow > 0 && len(l.ch.pending) == 0
}

// pump sends what can go out now.
func (l *link) pump() {
	switch {
	case l.session != nil:
		l.session.pump()
	case l.node.handle != nil:
		for len(l.replies) > 0 && l.ready() {
			l.send(l.replies[0], []byte{0}, true)
			l.replies = l.replies[1:]
		}
	case l.sends && l.node.store != nil:
		l.node.store.pump()
	}
}

// send uses one credit for an encoded message.
func (l *link) send(payload, tag []byte, settled bool) (id uint32) {
	l.count++
	l.credit--
	return l.ch.transfer(l, tag, payload, settled)
}

// answer sends the reply to a request on the link that the client meant for it.
func (ch *channel) answer(request *link, replyTo string, payload []byte) {
	var best *link
	rank := 0
	for _, handle := range sortedKeys(ch.links) {
		l, r := ch.links[handle], 0
		switch {
		case !l.sends || l.detached || l.node.handle == nil || !strings.EqualFold(l.node.name, request.node.name):
		case replyTo != "" && addressOf(l.attach.target) == replyTo:
			r = 3
		case replyTo != "" && l.attach.name == replyTo:
			r = 2
		default:
			r = 1
		}
		if r > rank {
			best, rank = l, r
		}
	}
	if best != nil {
		best.replies = append(best.replies, payload)
		best.pump()
	}
}
