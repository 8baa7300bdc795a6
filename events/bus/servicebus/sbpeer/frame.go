package sbpeer

import (
	"encoding/binary"
	"fmt"
	"io"
)

const (
	frameHeader = 8
	frameAMQP   = 0
	frameSASL   = 1
	// maxFrame is the largest frame that the peer takes, in bytes.
	maxFrame = 65536
	// minFrame is the least that any peer must take.
	minFrame = 512
)

var (
	headerAMQP = [8]byte{'A', 'M', 'Q', 'P', 0, 1, 0, 0}
	headerSASL = [8]byte{'A', 'M', 'Q', 'P', 3, 1, 0, 0}
)

// amqpError is what goes over the wire when something is refused.
type amqpError struct {
	condition   symbol
	description string
}

func (e *amqpError) Error() string { return string(e.condition) + ": " + e.description }

func refuse(condition symbol, format string, args ...any) *amqpError {
	return &amqpError{condition, fmt.Sprintf(format, args...)}
}

// wire gives the error's place in a performative: null when there is none.
func (e *amqpError) wire() any {
	if e == nil {
		return nil
	}
	return described{uint64(0x1d), []any{e.condition, e.description}}
}

const (
	errNotFound      symbol = "amqp:not-found"
	errUnauthorized  symbol = "amqp:unauthorized-access"
	errInternal      symbol = "amqp:internal-error"
	errDecode        symbol = "amqp:decode-error"
	errNotAllowed    symbol = "amqp:not-allowed"
	errNotSupported  symbol = "amqp:not-implemented"
	errFull          symbol = "amqp:resource-limit-exceeded"
	errFraming       symbol = "amqp:connection:framing-error"
	errWindow        symbol = "amqp:session:window-violation"
	errHandleInUse   symbol = "amqp:session:handle-in-use"
	errUnattached    symbol = "amqp:session:unattached-handle"
	errCredit        symbol = "amqp:link:transfer-limit-exceeded"
	errTooBig        symbol = "amqp:link:message-size-exceeded"
	errLockLost      symbol = "com.microsoft:message-lock-lost"
	errSessionLost   symbol = "com.microsoft:session-lock-lost"
	errSessionHeld   symbol = "com.microsoft:session-cannot-be-locked"
	errTimeout       symbol = "com.microsoft:timeout"
	errBusy          symbol = "com.microsoft:server-busy"
	errNoMessage     symbol = "com.microsoft:message-not-found"
	errArgument      symbol = "com.microsoft:argument-error"
	deadLetterDemand symbol = "com.microsoft:dead-letter"
)

// frame is one unit of the wire; an empty body keeps the connection alive.
type frame struct {
	kind    byte
	channel uint16
	body    []byte
}

// readFrame reads one frame of at most limit bytes. Its body is freshly allocated. A malformed frame gives an *amqpError.
func readFrame(r io.Reader, limit int) (f frame, err error) {
	var h [frameHeader]byte
	if _, err = io.ReadFull(r, h[:]); err != nil {
		return f, err
	}
	size, offset := int(binary.BigEndian.Uint32(h[:])), 4*int(h[4])
	f.kind, f.channel = h[5], binary.BigEndian.Uint16(h[6:])
	switch {
	case size > limit:
		return f, refuse(errFraming, "a frame of %d bytes, over the limit of %d", size, limit)
	case offset < frameHeader || offset > size:
		return f, refuse(errFraming, "a frame of %d bytes whose body starts at %d", size, offset)
	}
	body := make([]byte, size-frameHeader)
	if _, err = io.ReadFull(r, body); err != nil {
		return f, err
	}
	f.body = body[offset-frameHeader:]
	return f, nil
}

// appendFrame appends a frame whose body is what the function appends.
func appendFrame(b []byte, kind byte, channel uint16, body func([]byte) []byte) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0, 2, kind)
	b = binary.BigEndian.AppendUint16(b, channel)
	if body != nil {
		b = body(b)
	}
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start))
	return b
}
