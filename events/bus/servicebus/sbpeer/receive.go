package sbpeer

// incoming is a transfer under way, of one frame or more.
type incoming struct {
	started bool
	id      uint32
	format  uint32
	settled bool
	payload []byte
}

func (ch *channel) takeTransfer(t transfer, payload []byte) error {
	if ch.window == 0 {
		return refuse(errWindow, "more than %d transfers under way", windowSize)
	}
	ch.window--
	ch.nextIncoming++
	ch.widen()
	l, err := ch.link(t.handle)
	if err != nil {
		return err
	}
	if l.detached {
		return nil // it was on its way
	}
	if reason := l.takeTransfer(t, payload); reason != nil {
		l.detach(reason)
	}
	return nil
}

// takeTransfer takes a frame of a message. Its error detaches the link.
func (l *link) takeTransfer(t transfer, payload []byte) *amqpError {
	in := &l.incoming
	switch {
	case l.sends:
		return refuse(errNotAllowed, "a transfer to a link on which the peer sends")
	case !in.started && l.credit == 0:
		return refuse(errCredit, "a transfer without credit")
	case !in.started && t.id == nil:
		return refuse(errNotAllowed, "the first transfer of a message without a delivery-id")
	case in.started && t.id != nil && *t.id != in.id:
		return refuse(errNotAllowed, "delivery %d began before delivery %d was complete", *t.id, in.id)
	case len(in.payload)+len(payload) > l.ch.conn.peer.maxSize:
		return refuse(errTooBig, "a message of more than %d bytes", l.ch.conn.peer.maxSize)
	}
	if !in.started {
		in.started, in.id = true, *t.id
		if t.format != nil {
			in.format = *t.format
		}
		in.payload = payload
	} else {
		in.payload = append(in.payload, payload...)
	}
	in.settled = in.settled || t.settled
	if t.aborted {
		l.incoming = incoming{}
		l.used()
		return nil
	}
	if t.more {
		return nil
	}
	done := *in
	l.incoming = incoming{}
	l.used()
	return l.receive(done)
}

// used counts a message against the credit, and tops the credit up when half is gone.
func (l *link) used() {
	l.count++
	l.credit--
	l.topUp()
}

// topUp gives a sender credit when it has little, unless credit is withheld from senders to entities.
func (l *link) topUp() {
	if l.credit >= linkCredit/2 || l.node.handle == nil && l.ch.conn.peer.faults.withholds {
		return
	}
	l.credit = linkCredit
	l.ch.flow(l, false)
}

// widen opens the window again when half of it is used.
func (ch *channel) widen() {
	if ch.window >= windowSize/2 || ch.conn.peer.faults.withholds {
		return
	}
	ch.window = windowSize
	ch.flow(nil, false)
}

// receive takes a whole message.
func (l *link) receive(in incoming) *amqpError {
	p := l.ch.conn.peer
	if l.node.handle != nil {
		request, err := parseMessage(in.payload)
		if err != nil {
			return refuse(errDecode, "%v", err)
		}
		l.confirm(in, nil)
		payload := l.node.handle(l.ch.conn, l.node, request)
		if payload == nil { // a fault took the connection
			return nil
		}
		replyTo, _ := request.property(propReplyTo)
		l.ch.answer(l, replyTo, payload)
		return nil
	}
	messages, reason := in.messages()
	for i := 0; reason == nil && i < len(messages); i++ {
		reason = messages[i].oversized()
	}
	if reason == nil {
		reason = p.faults.refusal(p, l.node.name)
	}
	if reason == nil {
		_, reason = l.node.entrance.accept(messages)
	}
	if reason == nil && p.faults.sendLost(l.ch.conn) {
		return nil
	}
	l.confirm(in, reason)
	return nil
}

// messages gives what the transfer holds: one message, or those of a batch.
func (in incoming) messages() ([]*content, *amqpError) {
	c, err := parseMessage(in.payload)
	if err != nil {
		return nil, refuse(errDecode, "%v", err)
	}
	if in.format != formatBatch {
		return []*content{c}, nil
	}
	messages, err := c.batch()
	if err != nil {
		return nil, refuse(errDecode, "in a batch: %v", err)
	}
	return messages, nil
}

// confirm says what became of a message.
func (l *link) confirm(in incoming, reason *amqpError) {
	if in.settled {
		return
	}
	state := described{uint64(codeAccepted), []any{}}
	if reason != nil {
		state = described{uint64(codeRejected), []any{reason.wire()}}
	}
	l.ch.perform(codeDisposition, true, in.id, in.id, true, state)
}
