package sbpeer

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// raw is a client that says what it likes.
type raw struct {
	t  *testing.T
	nc net.Conn
}

// dial opens a connection as far as the AMQP header, with SASL if wanted.
func dial(t *testing.T, p *Peer, sasl bool) *raw {
	t.Helper()
	r := &raw{t, p.Pipe()}
	t.Cleanup(func() { r.nc.Close() })
	if err := r.nc.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if sasl {
		r.write(headerSASL[:])
		r.header(headerSASL)
		if code, _, _ := r.frame(); code != codeMechanisms {
			t.Fatalf("got %#02x for the mechanisms", code)
		}
		r.write(appendFrame(nil, frameSASL, 0, func(b []byte) []byte { return composite(b, codeInit, symbol("ANONYMOUS")) }))
		if code, fields, _ := r.frame(); code != codeOutcome || fields[0] != uint8(0) {
			t.Fatalf("got %#02x %v for the outcome", code, fields)
		}
	}
	r.write(headerAMQP[:])
	r.header(headerAMQP)
	return r
}

// linked opens a connection with a session, a token and a link to the node.
func linked(t *testing.T, p *Peer, address string, receives bool) *raw {
	t.Helper()
	r := dial(t, p, true)
	r.open()
	r.authorized(p)
	r.attach(0, address, receives)
	return r
}

func (r *raw) open() {
	r.t.Helper()
	r.perform(0, codeOpen, "test", nil, uint32(minFrame))
	r.expect(codeOpen)
	r.perform(0, codeBegin, nil, uint32(0), uint32(100), uint32(100))
	r.expect(codeBegin)
}

// authorized grants the connections of the peer everything, without a token.
func (r *raw) authorized(p *Peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.grants = []grant{{rights: Manage}}
	}
}

func (r *raw) attach(handle uint32, address string, receives bool) []any {
	r.t.Helper()
	source, target := described{uint64(codeSource), []any{}}, described{uint64(codeTarget), []any{address}}
	var count any = uint32(0)
	if receives {
		source, target, count = described{uint64(codeSource), []any{address}}, described{uint64(codeTarget), []any{}}, nil
	}
	r.perform(0, codeAttach, "link", handle, receives, uint8(2), uint8(1), source, target, nil, nil, count)
	fields := r.expect(codeAttach)
	if !receives && fields[6] != nil {
		r.expect(codeFlow)
	}
	return fields
}

func (r *raw) write(b []byte) {
	r.t.Helper()
	if _, err := r.nc.Write(b); err != nil {
		r.t.Fatalf("write: %v", err)
	}
}

func (r *raw) perform(channel uint16, code uint64, fields ...any) {
	r.t.Helper()
	r.write(appendFrame(nil, frameAMQP, channel, func(b []byte) []byte { return composite(b, code, fields...) }))
}

func (r *raw) transfer(payload []byte, fields ...any) {
	r.t.Helper()
	r.write(appendFrame(nil, frameAMQP, 0, func(b []byte) []byte { return append(composite(b, codeTransfer, fields...), payload...) }))
}

func (r *raw) header(want [8]byte) {
	r.t.Helper()
	got, err := readHeader(r.nc)
	if err != nil || got != want {
		r.t.Fatalf("header %v, %v", got, err)
	}
}

// frame reads the next performative.
func (r *raw) frame() (code uint64, fields []any, payload []byte) {
	r.t.Helper()
	for {
		f, err := readFrame(r.nc, maxFrame)
		if err != nil {
			r.t.Fatalf("read: %v", err)
		}
		if len(f.body) == 0 {
			continue
		}
		code, a, payload, err := parse(f.body)
		if err != nil {
			r.t.Fatal(err)
		}
		return code, append(a.fields, make([]any, 20)...), payload
	}
}

func (r *raw) expect(want uint64) []any {
	r.t.Helper()
	code, fields, _ := r.frame()
	if code != want {
		r.t.Fatalf("got performative %#02x %v, want %#02x", code, fields, want)
	}
	return fields
}

// refused reads a performative that ends something, and its reason.
func (r *raw) refused(want uint64, place int, condition symbol) {
	r.t.Helper()
	fields := r.expect(want)
	_, reason, _ := listOf(fields[place])
	if len(reason) == 0 || reason[0] != condition {
		r.t.Fatalf("refused for %v, want %s", fields[place], condition)
	}
}

func (r *raw) gone() {
	r.t.Helper()
	if n, err := r.nc.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
		r.t.Fatalf("%d bytes, %v after the end", n, err)
	}
}
