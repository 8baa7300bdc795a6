package sbpeer

import (
	"cmp"
	"maps"
	"slices"
)

// windowSize is how many transfers may be under way in a session, each way.
const windowSize = 5000

// channel is an AMQP session. (Sessions, in the rest of the package, are those of Service Bus.)
type channel struct {
	conn   *conn
	number uint16
	links  map[uint32]*link // by the client's handle, which the peer uses, too
	ended  bool

	nextIncoming uint32
	window       uint32 // transfers that the client may still send
	nextOutgoing uint32
	remoteWindow uint32 // transfers that the peer may still send
	nextDelivery uint32
	unsettled    map[uint32]*delivery // to the client, by delivery id
	pending      []outgoing           // transfers that wait for the window
}

// delivery is a message at the client that is not settled.
type delivery struct {
	link    *link
	message *message
	token   uuid
}

func (ch *channel) perform(code uint64, fields ...any) { ch.conn.perform(ch.number, code, fields...) }

// end ends the session for a reason of the peer's.
func (ch *channel) end(reason *amqpError) {
	ch.release()
	ch.ended = true
	ch.perform(codeEnd, reason.wire())
}

// release gives back what the links of the session hold.
func (ch *channel) release() {
	links := ch.links
	ch.links, ch.unsettled, ch.pending = map[uint32]*link{}, map[uint32]*delivery{}, nil
	for _, handle := range sortedKeys(links) {
		links[handle].release()
	}
}

// sortedKeys gives handles or channels in an order that repeats from run to run.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// take handles one frame. Its error ends the session, or the connection when it is no *amqpError.
func (ch *channel) take(code uint64, a *args, payload []byte) error {
	switch code {
	case codeAttach:
		at, err := parseAttach(a)
		if err != nil {
			return err
		}
		return ch.takeAttach(at)
	case codeFlow:
		f, err := parseFlow(a)
		if err != nil {
			return err
		}
		return ch.takeFlow(f)
	case codeTransfer:
		t, err := parseTransfer(a)
		if err != nil {
			return err
		}
		return ch.takeTransfer(t, payload)
	case codeDisposition:
		d, err := parseDisposition(a)
		if err != nil {
			return err
		}
		return ch.takeDisposition(d)
	case codeDetach:
		d, err := parseDetach(a)
		if err != nil {
			return err
		}
		return ch.takeDetach(d)
	}
	return refuse(errNotSupported, "performative %#02x", code)
}

func (ch *channel) link(handle uint32) (*link, error) {
	if l := ch.links[handle]; l != nil {
		return l, nil
	}
	return nil, refuse(errUnattached, "no link has the handle %d", handle)
}

func (ch *channel) takeFlow(f flow) error {
	next := uint32(1)
	if f.nextIncoming != nil {
		next = *f.nextIncoming
	}
	shut := ch.remoteWindow == 0 || len(ch.pending) > 0
	if ch.remoteWindow = next + f.incomingWindow - ch.nextOutgoing; ch.remoteWindow > 1<<31 { // it took back what is used already
		ch.remoteWindow = 0
	}
	ch.flush()
	if shut {
		for _, handle := range sortedKeys(ch.links) {
			if l := ch.links[handle]; l != nil {
				l.pump()
			}
		}
	}
	if f.handle == nil {
		if f.echo {
			ch.flow(nil, false)
		}
		return nil
	}
	l, err := ch.link(*f.handle)
	if err != nil {
		return err
	}
	l.takeFlow(f)
	return nil
}

// flow tells the client the windows, and the credit of a link.
func (ch *channel) flow(l *link, drained bool) {
	fields := []any{ch.nextIncoming, ch.window, ch.nextOutgoing, uint32(windowSize)}
	if l != nil {
		fields = append(fields, l.handle, l.count, l.credit, nil, drained)
	}
	ch.perform(codeFlow, fields...)
}

// outgoing is a transfer of one frame.
type outgoing struct {
	link    *link
	id      uint32
	tag     []byte
	first   bool
	settled bool
	more    bool
	payload []byte
}

// transferOverhead is more than any transfer takes in front of its payload.
const transferOverhead = 96

// transfer sends an encoded message, in as many frames as the client wants it.
func (ch *channel) transfer(l *link, tag, payload []byte, settled bool) (id uint32) {
	id = ch.nextDelivery
	ch.nextDelivery++
	room := ch.conn.maxFrame - transferOverhead
	for first := true; first || len(payload) > 0; first = false {
		n := min(room, len(payload))
		ch.pending = append(ch.pending, outgoing{l, id, tag, first, settled, n < len(payload), payload[:n]})
		payload = payload[n:]
	}
	ch.flush()
	return id
}

// flush sends what the client's window allows.
func (ch *channel) flush() {
	n := 0
	for ; n < len(ch.pending) && ch.remoteWindow > 0; n++ {
		o := ch.pending[n]
		ch.remoteWindow--
		ch.nextOutgoing++
		ch.conn.send(frameAMQP, ch.number, func(b []byte) []byte {
			fields := []any{o.link.handle, o.id, nil, nil, o.settled, o.more}
			if o.first {
				fields[2], fields[3] = o.tag, uint32(0)
			}
			return append(composite(b, codeTransfer, fields...), o.payload...)
		})
	}
	if n == len(ch.pending) {
		ch.pending = nil
	} else {
		ch.pending = ch.pending[n:]
	}
}
