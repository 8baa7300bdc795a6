package sbpeer

import (
	"bufio"
	"errors"
	"io"
	"net"
	"time"
)

const (
	maxChannel  = 4999
	idleTimeout = 240 * time.Second
	// heartbeat is how long the peer stays silent at most.
	heartbeat = 15 * time.Second
	// patience bounds the handshake, and every write.
	patience = 30 * time.Second
)

// conn is a connection. What is not said to belong to one goroutine is under the peer's lock.
type conn struct {
	peer   *Peer
	nc     net.Conn
	number int
	wake   chan struct{} // there is something to write, or to end

	out       []byte
	opened    bool
	ending    bool // close when out is written
	dropped   bool // write nothing any more
	heartbeat time.Duration
	maxFrame  int
	channels  map[uint16]*channel
	grants    []grant
}

func newConn(p *Peer, nc net.Conn) *conn {
	return &conn{
		peer: p, nc: nc, number: p.accepted, wake: make(chan struct{}, 1), heartbeat: heartbeat, maxFrame: minFrame, channels: map[uint16]*channel{},
	}
}

// send queues a frame.
func (c *conn) send(kind byte, channel uint16, body func([]byte) []byte) {
	if c.dropped || c.ending {
		return
	}
	c.out = appendFrame(c.out, kind, channel, body)
	c.stir()
}

func (c *conn) perform(channel uint16, code uint64, fields ...any) {
	c.send(frameAMQP, channel, func(b []byte) []byte { return composite(b, code, fields...) })
}

func (c *conn) stir() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// drop cuts the connection without a word; what was not written yet is lost.
func (c *conn) drop() {
	c.dropped = true
	c.release()
	c.nc.Close()
	c.stir()
}

// release ends everything that the connection held.
func (c *conn) release() {
	channels := c.channels
	c.channels = map[uint16]*channel{}
	for _, number := range sortedKeys(channels) {
		channels[number].release()
	}
}

// finish says goodbye, for a reason or none.
func (c *conn) finish(reason *amqpError) {
	if c.opened {
		c.perform(0, codeClose, reason.wire())
	}
	c.ending = true
	c.release()
	c.stir()
}

func (c *conn) writeLoop() {
	defer c.nc.Close()
	beat := time.NewTimer(heartbeat)
	defer beat.Stop()
	var b []byte
	for {
		silent := false
		select {
		case <-c.wake:
		case <-beat.C:
			silent = true
		}
		c.peer.mu.Lock()
		if silent && c.opened && len(c.out) == 0 {
			c.send(frameAMQP, 0, nil)
		}
		b, c.out = c.out, b[:0]
		ending, dropped := c.ending, c.dropped
		beat.Reset(c.heartbeat)
		c.peer.mu.Unlock()
		if dropped {
			return
		}
		if len(b) > 0 {
			_ = c.nc.SetWriteDeadline(time.Now().Add(patience))
			if _, err := c.nc.Write(b); err != nil {
				return
			}
		}
		if ending {
			return
		}
	}
}

func (c *conn) readLoop() {
	r := bufio.NewReaderSize(timedReader{c.nc}, 16<<10)
	err := c.handshake(r)
	for err == nil {
		var f frame
		if f, err = readFrame(r, maxFrame); err == nil {
			err = c.take(f)
		}
	}
	c.peer.mu.Lock()
	var reason *amqpError
	switch {
	case errors.As(err, &reason), errors.Is(err, errGoodbye):
		c.finish(reason)
		c.peer.mu.Unlock()
		_, _ = io.Copy(io.Discard, r) // a client that still writes must come to read the close
		c.peer.mu.Lock()
	default:
		c.drop()
	}
	delete(c.peer.conns, c)
	c.peer.mu.Unlock()
}

// timedReader gives up on a client that is silent for long.
type timedReader struct{ nc net.Conn }

func (r timedReader) Read(b []byte) (int, error) {
	_ = r.nc.SetReadDeadline(time.Now().Add(2 * idleTimeout))
	return r.nc.Read(b)
}

// errGoodbye ends the connection as the client asked.
var errGoodbye = errors.New("closed by the client")

// handshake goes as far as the client's AMQP header.
func (c *conn) handshake(r io.Reader) error {
	header, err := readHeader(r)
	if err != nil {
		return err
	}
	if header == headerSASL {
		if err := c.sasl(r); err != nil {
			return err
		}
		if header, err = readHeader(r); err != nil {
			return err
		}
	}
	c.peer.mu.Lock()
	defer c.peer.mu.Unlock()
	if header != headerAMQP { // the answer to a stranger is the header that would have been right
		c.out = append(c.out, headerSASL[:]...)
		c.ending = true
		c.stir()
		return errGoodbye
	}
	c.out = append(c.out, headerAMQP[:]...)
	c.stir()
	return nil
}

func readHeader(r io.Reader) (h [8]byte, err error) {
	_, err = io.ReadFull(r, h[:])
	return h, err
}

func (c *conn) sasl(r io.Reader) error {
	c.peer.mu.Lock()
	c.out = append(c.out, headerSASL[:]...)
	c.out = appendFrame(c.out, frameSASL, 0, func(b []byte) []byte {
		return composite(b, codeMechanisms, array{of: codeSymbol32, items: []any{symbol("ANONYMOUS"), symbol("EXTERNAL"), symbol("MSSBCBS"), symbol("PLAIN")}})
	})
	c.stir()
	c.peer.mu.Unlock()
	f, err := readFrame(r, minFrame)
	if err != nil {
		return err
	}
	code, a, _, err := parse(f.body)
	if err != nil {
		return err
	}
	if f.kind != frameSASL || code != codeInit {
		return refuse(errFraming, "no SASL init where one must be")
	}
	outcome := uint8(1)
	switch must[symbol](a, 0) {
	case "ANONYMOUS", "EXTERNAL", "MSSBCBS":
		outcome = 0
	case "PLAIN": // a key's name and its secret, as plain AMQP clients send them instead of a token
		if g, ok := c.peer.plain(typed(a, 1, []byte(nil))); ok {
			c.peer.mu.Lock()
			c.grants = append(c.grants, g)
			c.peer.mu.Unlock()
			outcome = 0
		}
	}
	c.peer.mu.Lock()
	defer c.peer.mu.Unlock()
	c.out = appendFrame(c.out, frameSASL, 0, func(b []byte) []byte { return composite(b, codeOutcome, outcome) })
	c.stir()
	if outcome != 0 {
		c.ending = true
		return errGoodbye
	}
	return nil
}

// take handles one frame. Its error ends the connection.
func (c *conn) take(f frame) error {
	if f.kind != frameAMQP {
		return refuse(errFraming, "a frame of type %d", f.kind)
	}
	if len(f.body) == 0 {
		return nil
	}
	code, a, payload, err := parse(f.body)
	if err != nil {
		return err
	}
	c.peer.mu.Lock()
	defer c.peer.mu.Unlock()
	if c.dropped {
		return net.ErrClosed
	}
	switch {
	case code == codeOpen && !c.opened:
		return c.takeOpen(a)
	case code == codeClose:
		return errGoodbye
	case !c.opened || code == codeOpen:
		return refuse(errNotAllowed, "performative %#02x out of its turn", code)
	case f.channel > maxChannel:
		return refuse(errFraming, "channel %d is over the limit of %d", f.channel, maxChannel)
	case code == codeBegin:
		return c.takeBegin(f.channel, a)
	}
	ch := c.channels[f.channel]
	if ch == nil {
		return refuse(errNotAllowed, "no session on channel %d", f.channel)
	}
	if code == codeEnd {
		delete(c.channels, f.channel)
		if !ch.ended {
			ch.release()
			c.perform(f.channel, codeEnd)
		}
		return nil
	}
	if ch.ended {
		return nil // until the client has seen the end, too
	}
	err = ch.take(code, a, payload)
	var reason *amqpError
	if errors.As(err, &reason) {
		ch.end(reason)
		return nil
	}
	return err
}

func (c *conn) takeOpen(a *args) error {
	o, err := parseOpen(a)
	if err != nil {
		return err
	}
	c.opened = true
	c.maxFrame = int(min(max(o.maxFrame, minFrame), maxFrame))
	if o.idle > 0 {
		c.heartbeat = min(heartbeat, max(time.Duration(o.idle)*time.Millisecond/2, 100*time.Millisecond))
	}
	c.perform(0, codeOpen, "sbpeer", nil, uint32(maxFrame), uint16(maxChannel), uint32(idleTimeout/time.Millisecond))
	return nil
}

func (c *conn) takeBegin(number uint16, a *args) error {
	b, err := parseBegin(a)
	if err != nil {
		return err
	}
	if c.channels[number] != nil {
		return refuse(errNotAllowed, "channel %d has a session already", number)
	}
	c.channels[number] = &channel{
		conn: c, number: number, links: map[uint32]*link{}, unsettled: map[uint32]*delivery{},
		nextIncoming: b.nextOutgoing, window: windowSize, nextOutgoing: 1, remoteWindow: b.incomingWindow,
	}
	c.perform(number, codeBegin, number, uint32(1), uint32(windowSize), uint32(windowSize))
	return nil
}
