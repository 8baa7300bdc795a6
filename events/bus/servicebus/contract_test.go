package servicebus_test

import (
	"context"
	"errors"
	"maps"
	"net"
	"os"
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

// peer is a stand-in with the topology of these consumers.
func peer(t *testing.T, consumers ...bus.Consumer) *sbpeer.Peer {
	t.Helper()
	return peerAs(t, sbpeer.Options{}, consumers...)
}

func peerAs(t *testing.T, o sbpeer.Options, consumers ...bus.Consumer) *sbpeer.Peer {
	t.Helper()
	p := sbpeer.New(o)
	t.Cleanup(p.Close)
	if err := sbtest.SetUp(p, servicebus.NewTopology(consumers...)); err != nil {
		t.Fatal(err)
	}
	return p
}

// connect opens a connection in memory, which virtual time sees.
func connect(t *testing.T, p *sbpeer.Peer) *servicebus.Conn {
	t.Helper()
	return connectOver(t, p, &network{})
}

// network is what a connection goes over.
type network struct {
	mu     sync.Mutex
	away   bool
	open   []net.Conn
	frozen chan struct{} // closed when it thaws; nil: nothing is frozen
}

// sever cuts it until restore is called.
func (n *network) sever() (restore func()) {
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

func (n *network) dial(p *sbpeer.Peer) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.away {
		return nil, errors.New("no route to host")
	}
	c := p.Pipe()
	n.open = append(n.open, c)
	return &slow{Conn: c, network: n, closed: make(chan struct{})}, nil
}

// freeze lets no answer pass until thaw is called, and breaks nothing.
func (n *network) freeze() (thaw func()) {
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
	network *network
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

func connectOver(t *testing.T, p *sbpeer.Peer, n *network) *servicebus.Conn {
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

// everything reads what stands in the audit subscriptions and among the dead letters.
func everything(t *testing.T, c *servicebus.Conn, consumers []bus.Consumer) []bus.Received {
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

func TestContract(t *testing.T) {
	bustest.Run(t, bustest.Harness{
		Bubble:  synctest.Test,
		AckWait: 30 * time.Second,
		Cannot:  servicebus.Cannot(),
		New: func(t *testing.T, consumers ...bus.Consumer) bustest.Bus {
			for i := range consumers {
				consumers[i].AckWait = 30 * time.Second
			}
			p := peer(t, consumers...)
			reader := connect(t, p)
			var networks sync.Map
			return bustest.Bus{
				Connect: func(t *testing.T) (bus.Broker, func()) {
					n := &network{}
					c := connectOver(t, p, n)
					networks.Store(c, n)
					return c, c.Close
				},
				Sever: func(_ *testing.T, b bus.Broker) func() {
					n, _ := networks.Load(b)
					return n.(*network).sever()
				},
				Log: func(t *testing.T) []bus.Received {
					<-time.After(time.Second) // virtual: the suite asks fifty times a second, and each answer is many links
					return everything(t, reader, consumers)
				},
			}
		},
	})
}

// liveNamespace is where the suite runs against Azure itself: a connection string with the right to manage. It deletes
// and makes anew what the product has there, for each test.
const liveNamespace = "REPROTECT_SERVICEBUS_CONNECTION"

func TestContractLive(t *testing.T) {
	secret := os.Getenv(liveNamespace)
	if secret == "" {
		t.Skip("set " + liveNamespace + " to run the suite against a namespace of its own")
	}
	client, err := servicebus.NewAdmin(secret, "", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	const ackWait = 10 * time.Second // Azure's locks last five seconds at least
	open := func(t *testing.T) *servicebus.Conn {
		c, err := servicebus.Connect(servicebus.Options{ConnectionString: secret, Name: "contract"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	cannot := maps.Clone(servicebus.Cannot())
	cannot["never lets two processes hold a service when the holder's network is cut"] = "the network to Azure is not the test's to cut"
	bustest.Run(t, bustest.Harness{
		AckWait: ackWait,
		Early:   time.Second,
		Cannot:  cannot,
		New: func(t *testing.T, consumers ...bus.Consumer) bustest.Bus {
			for i := range consumers {
				consumers[i].AckWait = ackWait
			}
			topology := servicebus.NewTopology(consumers...)
			for _, topic := range topology.Topics {
				_, _ = client.DeleteTopic(t.Context(), topic.Name, nil) // where it is there
			}
			for _, q := range topology.Queues {
				_, _ = client.DeleteQueue(t.Context(), q.Name, nil)
			}
			if err := topology.Provision(t.Context(), client); err != nil {
				t.Fatal(err)
			}
			reader := open(t)
			return bustest.Bus{
				Connect: func(t *testing.T) (bus.Broker, func()) {
					c := open(t)
					return c, c.Close
				},
				Log: func(t *testing.T) []bus.Received {
					<-time.After(time.Second) // Azure bills each look
					return everything(t, reader, consumers)
				},
			}
		},
	})
}
