package main

import (
	"io"
	"net"
	"sync"
)

// tunnel is the way to a server, which can be cut.
type tunnel struct {
	listener net.Listener
	to       string

	mu      sync.Mutex
	open    map[net.Conn]bool
	refuses bool
}

func dig(to string) (*tunnel, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &tunnel{listener: l, to: to, open: map[net.Conn]bool{}}
	go t.serve()
	return t, nil
}

func (t *tunnel) address() string { return t.listener.Addr().String() }

func (t *tunnel) serve() {
	for {
		from, err := t.listener.Accept()
		if err != nil {
			return // closed
		}
		go t.join(from)
	}
}

func (t *tunnel) join(from net.Conn) {
	defer func() { _ = from.Close() }()
	to, err := net.Dial("tcp", t.to)
	if err != nil {
		return
	}
	defer func() { _ = to.Close() }()
	t.mu.Lock()
	if t.refuses {
		t.mu.Unlock()
		return
	}
	t.open[from] = true
	t.mu.Unlock()
	go func() {
		_, _ = io.Copy(to, from) // either end may be cut: that is what it is for
		_ = to.Close()
	}()
	_, _ = io.Copy(from, to)
	t.mu.Lock()
	delete(t.open, from)
	t.mu.Unlock()
}

// cut ends every connection.
func (t *tunnel) cut() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.open {
		_ = c.Close()
	}
}

// refuse cuts, and lets none through until it is ended.
func (t *tunnel) refuse() (end func()) {
	t.set(true)
	t.cut()
	return func() { t.set(false) }
}

func (t *tunnel) set(refuses bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refuses = refuses
}
