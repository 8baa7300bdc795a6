// Package sbharness runs the contract suite of the bus over the stand-in for Service Bus.
package sbharness

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/bustest"
	"reprotect.example/events/bus/servicebus"
	"reprotect.example/events/bus/servicebus/sbpeer"
	"reprotect.example/events/bus/servicebus/sbtest"
)

// Peer is a stand-in with the topology of these consumers.
func Peer(t *testing.T, consumers ...bus.Consumer) *sbpeer.Peer {
	t.Helper()
	return PeerAs(t, sbpeer.Options{}, consumers...)
}

// PeerAs is Peer with options, for a test in virtual time only: it ends a day after the test.
//
// Two calls that find one receiver's link gone at the same moment make the SDK (v1.11.0, AMQPLinksImpl.Get) open it
// twice and forget one of its two renewals of the right to listen. Such a renewal ends when it is due next and finds
// its client closed, which a day of virtual time lets it do.
func PeerAs(t *testing.T, o sbpeer.Options, consumers ...bus.Consumer) *sbpeer.Peer {
	t.Helper()
	p := sbpeer.New(o)
	t.Cleanup(func() {
		p.Close()
		<-time.After(24 * time.Hour)
	})
	if err := sbtest.SetUp(p, servicebus.NewTopology(consumers...)); err != nil {
		t.Fatal(err)
	}
	return p
}

// Connect opens a connection in memory, which virtual time sees.
func Connect(t *testing.T, p *sbpeer.Peer) *servicebus.Conn {
	t.Helper()
	return ConnectOver(t, p, &Network{})
}

// Network is what a connection goes over.
type Network struct {
	mu     sync.Mutex
	away   bool
	open   []net.Conn
	frozen chan struct{} // closed when it thaws; nil: nothing is frozen
}

// Sever cuts it until restore is called.
func (n *Network) Sever() (restore func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.away = true
	for _, c := range n.open {
		c.Close()
	}
	n.open = nil
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.away = false
	}
}

func (n *Network) dial(p *sbpeer.Peer) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.away {
		return nil, errors.New("no route to host")
	}
	c := p.Pipe()
	n.open = append(n.open, c)
	return &slow{Conn: c, network: n, closed: make(chan struct{})}, nil
}

// Freeze lets no answer pass until thaw is called, and breaks nothing.
func (n *Network) Freeze() (thaw func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.frozen = make(chan struct{})
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		close(n.frozen)
		n.frozen = nil
	}
}

// slow is a connection whose answers stand still while its network is frozen.
type slow struct {
	net.Conn
	network *Network
	once    sync.Once
	closed  chan struct{}
}

func (s *slow) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	s.network.mu.Lock()
	frozen := s.network.frozen
	s.network.mu.Unlock()
	if frozen != nil {
		select {
		case <-frozen:
		case <-s.closed:
		}
	}
	return n, err
}

func (s *slow) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.Conn.Close()
}

// ConnectOver opens a connection over a network that the test can cut.
func ConnectOver(t *testing.T, p *sbpeer.Peer, n *Network) *servicebus.Conn {
	t.Helper()
	c, err := servicebus.Connect(servicebus.Options{
		ConnectionString: p.ConnectionString(), Name: t.Name(),
		Dial: func(context.Context) (net.Conn, error) { return n.dial(p) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func services(consumers []bus.Consumer) (names []string) {
	for _, c := range consumers {
		names = append(names, c.Service)
	}
	return names
}

// Everything reads what stands in the audit subscriptions and among the dead letters.
func Everything(t *testing.T, c *servicebus.Conn, consumers []bus.Consumer) []bus.Received {
	t.Helper()
	var all []bus.Received
	collect := func(r bus.Received) error {
		all = append(all, r)
		return nil
	}
	if err := c.Audit(t.Context(), collect); err != nil {
		t.Fatal(err)
	}
	if err := c.Dead(t.Context(), services(consumers), collect); err != nil {
		t.Fatal(err)
	}
	return all
}

// Harness is the adapter under the suite, in virtual time.
func Harness() bustest.Harness {
	return bustest.Harness{
		Bubble:  synctest.Test,
		AckWait: 30 * time.Second,
		Cannot:  servicebus.Cannot(),
		New: func(t *testing.T, consumers ...bus.Consumer) bustest.Bus {
			for i := range consumers {
				consumers[i].AckWait = 30 * time.Second
			}
			p := Peer(t, consumers...)
			reader := Connect(t, p)
			var networks sync.Map
			return bustest.Bus{
				Connect: func(t *testing.T) (bus.Broker, func()) {
					n := &Network{}
					c := ConnectOver(t, p, n)
					networks.Store(c, n)
					return c, c.Close
				},
				Sever: func(_ *testing.T, b bus.Broker) func() {
					n, _ := networks.Load(b)
					return n.(*Network).Sever()
				},
				Log: func(t *testing.T) []bus.Received {
					<-time.After(time.Second) // virtual: the suite asks fifty times a second, and each answer is many links
					return Everything(t, reader, consumers)
				},
			}
		},
	}
}
