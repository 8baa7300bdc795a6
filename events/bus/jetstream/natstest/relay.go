package natstest

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"reprotect.example/events/bus/jetstream/embedded"
)

// Relay is the network between one connection and a server, which can be cut.
type Relay struct {
	listener net.Listener
	server   string

	mu      sync.Mutex
	away    bool
	open    map[net.Conn]struct{}
	running sync.WaitGroup
}

// RelayTo puts one between a connection and the server, until the test ends.
func RelayTo(t *testing.T, s *embedded.Server) *Relay {
	t.Helper()
	u, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{listener: l, server: u.Host, open: map[net.Conn]struct{}{}}
	r.running.Go(r.accept)
	t.Cleanup(func() {
		l.Close()
		r.Sever()
		r.running.Wait()
	})
	return r
}

// URL is where it listens.
func (r *Relay) URL() string { return "nats://" + r.listener.Addr().String() }

// Sever cuts everything and lets nothing through until restore is called.
func (r *Relay) Sever() (restore func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = true
	for c := range r.open {
		c.Close()
	}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.away = false
	}
}

func (r *Relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return // closed
		}
		server, err := net.Dial("tcp", r.server)
		if err != nil || !r.keep(client, server) {
			client.Close()
			if err == nil {
				server.Close()
			}
			continue
		}
		for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
			r.running.Go(func() {
				_, _ = io.Copy(way[0], way[1]) // ends when either end is closed
				r.drop(client, server)
			})
		}
	}
}

func (r *Relay) keep(conns ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		if !r.away {
			r.open[c] = struct{}{}
		}
	}
	return !r.away
}

func (r *Relay) drop(conns ...net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		c.Close()
		delete(r.open, c)
	}
}
