package simulation

import (
	"context"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/servicebus"
	"reprotect.example/events/bus/servicebus/sbpeer"
	"reprotect.example/events/bus/servicebus/sbtest"
)

// TestCrashesOnServiceBus is TestCrashes over the real SDK of Service Bus and its stand-in: connections are cut,
// answers get lost, locks run out and the server is busy, while processes die between any two steps.
func TestCrashesOnServiceBus(t *testing.T) {
	inventory := readInventory(t, site())
	var deaths atomic.Int32
	runs := eachSeed(t, 20, func(t *testing.T, seed uint64) {
		n := onServiceBus(t, seed)
		w := newWorld(site(), inventory, seed, n)
		w.busMayBeAway = true
		trouble, end := context.WithCancel(t.Context())
		var troubling sync.WaitGroup
		troubling.Go(func() { n.trouble(trouble) })
		w.bringHome(t)
		end()
		troubling.Wait()
		n.close()
		deaths.Add(w.deaths.Load())
	})
	t.Logf("%d processes died in %d runs", deaths.Load(), runs)
}

// azure is the network of Service Bus.
type azure struct {
	t    *testing.T
	peer *sbpeer.Peer
	dice *dice

	turn   chan struct{}    // holds a token while somebody looks
	reader *servicebus.Conn // looks at what was published
}

func onServiceBus(t *testing.T, seed uint64) *azure {
	t.Helper()
	n := &azure{t: t, turn: make(chan struct{}, 1), peer: sbpeer.New(sbpeer.Options{}), dice: &dice{random: rand.New(rand.NewPCG(seed, 2))}}
	w := world{scenario: site()}
	w.bus, w.look = n, time.Minute
	w.open()
	var consumers []bus.Consumer
	services := w.services(t, &process{conn: n.Connect()})
	for _, name := range []string{"validator", "datastore", "agentwatcher", "executor", "notifier"} {
		consumers = append(consumers, services[name].Consumer())
	}
	if err := sbtest.SetUp(n.peer, servicebus.NewTopology(consumers...)); err != nil {
		t.Fatal(err)
	}
	n.reader = n.open()
	return n
}

func (n *azure) open() *servicebus.Conn {
	c, err := servicebus.Connect(servicebus.Options{
		ConnectionString: n.peer.ConnectionString(), Name: "simulation",
		Dial: func(context.Context) (net.Conn, error) { return n.peer.Pipe(), nil },
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return c
}

func (n *azure) close() {
	n.reader.Close()
	n.peer.Close()
	<-time.After(24 * time.Hour) // see sbharness.PeerAs
}

// trouble lets something go wrong every minute or so.
func (n *azure) trouble(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(n.dice.upTo(2 * time.Minute)):
		}
		switch n.dice.intN(7) {
		case 0:
			n.peer.DropConnections()
		case 1:
			n.peer.DropBeforeDisposition(1 + n.dice.intN(2))
		case 2:
			n.peer.DropBeforeSettlement(1)
		case 3:
			n.peer.DropAfterSettlement(1)
		case 4:
			n.peer.ExpireLocks()
		case 5:
			n.peer.BusyFor(n.dice.upTo(30 * time.Second))
		case 6:
			n.peer.RefuseConnections(true)
			n.peer.DropConnections()
			select {
			case <-ctx.Done():
			case <-time.After(n.dice.upTo(time.Minute)):
			}
			n.peer.RefuseConnections(false)
		}
	}
}

// Log implements network.
func (n *azure) Log() []bus.Received {
	n.turn <- struct{}{}
	defer func() { <-n.turn }()
	var all []bus.Received
	collect := func(r bus.Received) error {
		all = append(all, r)
		return nil
	}
	for n.reader.Audit(n.t.Context(), collect) != nil && n.t.Context().Err() == nil {
		all = nil
		<-time.After(5 * time.Second) // the bus is away
	}
	return all
}

// Connect implements network.
func (n *azure) Connect() link {
	return &azureLink{Conn: n.open(), net: n, dead: make(chan struct{})}
}

// azureLink dies now and then, before or after a call takes effect.
type azureLink struct {
	*servicebus.Conn
	net  *azure
	dead chan struct{}
	once sync.Once
}

func (l *azureLink) Dead() <-chan struct{} { return l.dead }

func (l *azureLink) Kill() {
	l.once.Do(func() {
		close(l.dead)
		l.Close()
	})
}

func (l *azureLink) do(call func() error) error {
	const crash = 0.01
	if l.net.dice.float() < crash {
		l.Kill()
	}
	select {
	case <-l.dead:
		return bus.ErrClosed
	default:
	}
	err := call()
	if l.net.dice.float() < crash {
		l.Kill()
		return bus.ErrClosed
	}
	return err
}

func (l *azureLink) Publish(ctx context.Context, m bus.Message) error {
	return l.do(func() error { return l.Conn.Publish(ctx, m) })
}

func (l *azureLink) Wake(ctx context.Context, service, key string, at time.Time, m bus.Message) error {
	return l.do(func() error { return l.Conn.Wake(ctx, service, key, at, m) })
}

func (l *azureLink) Consume(ctx context.Context, c bus.Consumer) (s bus.Source, err error) {
	err = l.do(func() error {
		s, err = l.Conn.Consume(ctx, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return mortal{s, l}, nil
}

// Story implements link, as the journal would.
func (l *azureLink) Story(_ context.Context, caseID string) ([]bus.Received, error) {
	filter := events.SubjectFacts + ".*." + caseID + ".>"
	return slices.DeleteFunc(l.net.Log(), func(r bus.Received) bool { return !bus.Match(filter, r.Subject) }), nil
}

type mortal struct {
	bus.Source
	link *azureLink
}

func (m mortal) Next(ctx context.Context) (bus.Delivery, error) {
	d, err := m.Source.Next(ctx)
	if err != nil {
		return nil, err
	}
	return fragile{d, m.link}, nil
}

// fragile is a delivery whose process may die before or after it ends it.
type fragile struct {
	bus.Delivery
	link *azureLink
}

func (f fragile) Ack(ctx context.Context) error {
	return f.link.do(func() error { return f.Delivery.Ack(ctx) })
}

func (f fragile) Retry(ctx context.Context, after time.Duration) error {
	return f.link.do(func() error { return f.Delivery.Retry(ctx, after) })
}

func (f fragile) DeadLetter(ctx context.Context, dead bus.Message) error {
	return f.link.do(func() error { return f.Delivery.DeadLetter(ctx, dead) })
}
