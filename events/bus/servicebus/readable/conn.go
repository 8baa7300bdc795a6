// Package readable stands between the wire and the client library of Service Bus, and lets through only messages that it
// can decode.
//
// What a foreign client may legally send, go-amqp does not all read: decimals, characters, arrays of described values,
// sections with a symbol for a descriptor; and the SDK panics at a property DeadLetterReason that is a number. Such a
// message breaks the link each time it is delivered, with all its neighbours on it, and every look at the place where it
// lies fails. Here it becomes one that can be handled, refused or given up like any other (Message).
package readable

import (
	"encoding/binary"
	"net"
	"slices"
)

const (
	frameHeader = 8
	// mostFrame is what the client library takes in one frame, in bytes.
	mostFrame = 65536
	// mostHeld bounds what is held of a delivery that comes in parts. A longer one passes as it is.
	mostHeld = 64 << 20
)

// Performatives, by the codes of their descriptors.
const (
	transfer = 0x14
	detach   = 0x16
	end      = 0x17
	closing  = 0x18
)

// Conn is a connection whose peer's messages are all readable. Told hears of each that was not, and why; it may be nil, and
// is called by one reader at a time.
func Conn(inner net.Conn, told func(why string)) net.Conn {
	return &conn{Conn: inner, told: told}
}

type conn struct {
	net.Conn
	told func(why string)

	buffer []byte
	in     []byte  // read, and not cut into frames yet
	frames []frame // in order; those from the first on whose delivery is not whole wait
	held   int     // bytes of these
	out    []byte  // to be handed out
	plain  bool    // what comes is not understood: it passes as it is
	err    error   // of the connection, once everything is out
}

// frame is one of the wire. A delivery that comes in parts is several.
type frame struct {
	raw      []byte
	of       link
	transfer bool // and what it carries was not looked at yet
	more     bool
	aborted  bool
	payload  int  // where it begins
	ends     bool // no delivery that is not whole goes on behind it
}

type link struct {
	channel uint16
	handle  uint32
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	for len(c.out) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		if c.buffer == nil {
			c.buffer = make([]byte, 32<<10)
		}
		n, err := c.Conn.Read(c.buffer)
		c.in = append(c.in, c.buffer[:n]...)
		c.take()
		if err != nil {
			c.pass()
			c.err = err
		}
	}
	n := copy(b, c.out)
	c.out = c.out[n:]
	return n, nil
}

// take cuts what was read into frames, and hands out what is whole.
func (c *conn) take() {
	for !c.plain && len(c.in) >= frameHeader {
		if string(c.in[:4]) == "AMQP" { // the header of a protocol
			c.out, c.in = append(c.out, c.in[:frameHeader]...), c.in[frameHeader:]
			continue
		}
		n := size(c.in)
		if n < frameHeader || n > mostHeld {
			break
		}
		if len(c.in) < n {
			return
		}
		f := read(slices.Clone(c.in[:n]))
		c.in = c.in[n:]
		if f.ends {
			for i := range c.frames {
				c.frames[i].transfer = c.frames[i].transfer && c.frames[i].of.channel != f.of.channel
			}
		}
		c.frames, c.held = append(c.frames, f), c.held+n
		c.release()
		if c.held > mostHeld {
			break
		}
	}
	if c.plain || len(c.in) >= frameHeader || c.held > mostHeld {
		c.pass()
	}
}

// pass hands everything out as it is from here on: the client library says what is wrong with it.
func (c *conn) pass() {
	c.plain = true
	for _, f := range c.frames {
		c.out = append(c.out, f.raw...)
	}
	c.out = append(c.out, c.in...)
	c.frames, c.in, c.held = nil, nil, 0
}

// release hands out the frames up to the first of a delivery that is not whole.
func (c *conn) release() {
	for len(c.frames) > 0 {
		parts := []int{0}
		if first := c.frames[0]; first.transfer && first.more {
			whole := false
			for i := 1; i < len(c.frames) && !whole; i++ {
				if f := c.frames[i]; f.transfer && f.of == first.of {
					parts, whole = append(parts, i), !f.more
				}
			}
			if !whole {
				return
			}
		}
		if c.frames[0].transfer {
			c.deliver(parts)
		}
		f := c.frames[0]
		c.out, c.held, c.frames = append(c.out, f.raw...), c.held-len(f.raw), c.frames[1:]
	}
}

// deliver makes the message that these frames carry readable. What its frames hold changes, not their number: the peer
// counts them.
func (c *conn) deliver(parts []int) {
	var payload []byte
	most, aborted := 0, false
	for _, i := range parts {
		f := &c.frames[i]
		payload, most = append(payload, f.raw[f.payload:]...), most+mostFrame-f.payload
		f.transfer, aborted = false, f.aborted
	}
	if aborted { // there is no message
		return
	}
	message, why := Message(payload, most)
	if why == "" {
		return
	}
	for _, i := range parts {
		f := &c.frames[i]
		n := min(len(message), mostFrame-f.payload)
		c.held -= len(f.raw)
		f.raw, message = append(f.raw[:f.payload:f.payload], message[:n]...), message[n:]
		binary.BigEndian.PutUint32(f.raw, uint32(len(f.raw))) //nolint:gosec // at most mostFrame
		c.held += len(f.raw)
	}
	if c.told != nil {
		c.told(why)
	}
}

// read looks whether a frame is part of a delivery.
func read(raw []byte) frame {
	f := frame{raw: raw, of: link{channel: binary.BigEndian.Uint16(raw[6:])}}
	offset := 4 * int(raw[4])
	if raw[5] != 0 || offset < frameHeader || offset >= len(raw) || raw[offset] != 0x00 {
		return f // of SASL, an empty one, or none that is known
	}
	descriptor, rest, err := value(raw[offset+1:], 0)
	if err != nil {
		return f
	}
	switch descriptor {
	case uint64(detach), uint64(end), uint64(closing):
		f.ends = true
		return f
	case uint64(transfer):
	default:
		return f
	}
	v, payload, err := value(rest, 0)
	fields, is := v.([]any)
	if err != nil || !is || len(fields) == 0 {
		return f
	}
	handle, is := fields[0].(uint32)
	if !is {
		return f
	}
	at := func(n int) (yes bool) {
		if n < len(fields) {
			yes, _ = fields[n].(bool)
		}
		return yes
	}
	f.of.handle, f.transfer, f.payload = handle, true, len(raw)-len(payload)
	f.aborted = at(9)
	f.more = at(5) && !f.aborted
	return f
}
