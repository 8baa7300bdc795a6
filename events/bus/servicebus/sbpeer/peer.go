// Package sbpeer is a stand-in for Azure Service Bus, for tests and the lab: a server that speaks AMQP 1.0 to the
// unmodified Azure SDKs, as far as they need it, and keeps everything in memory. It makes no claim beyond what its own
// tests show; what the service itself does stands with Azure.
//
// It keeps time with the time package, so that under testing/synctest it runs in virtual time (make the Peer inside the
// bubble and connect through Pipe), and its clock can be put forward (Peer.Advance). It makes the mistakes of a real
// service on demand.
package sbpeer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Rights of a shared access key.
type Rights uint8

const (
	// Send allows to send to an entity and to schedule.
	Send Rights = 1 << iota
	// Listen allows to receive, to settle and to look.
	Listen
	// Manage allows everything.
	Manage
)

// Key is a shared access policy.
type Key struct {
	Name, Secret string
	// Rights that it gives; 0: Manage.
	Rights Rights
	// Entity is the topic or queue that it is for; empty: everything.
	Entity string
}

// Options of a Peer. The zero value is fine.
type Options struct {
	// Keys with which clients sign their tokens. None: one key with the right to everything.
	Keys []Key
	// AllowJWT accepts any token of the JWT type, as if it gave the right to everything; nothing of it is verified.
	AllowJWT bool
	// MaxMessageSize in bytes, of a message or a whole batch. Default: 262144, as in the Standard tier.
	MaxMessageSize int
	// Ahead is by how much the peer's clock is ahead of time.Now at first; negative: behind it.
	Ahead time.Duration
}

// defaultKey signs when there are no keys of the test's own. It protects nothing.
var defaultKey = Key{Name: "RootManageSharedAccessKey", Secret: "not-a-secret"}

// Peer is the service with everything it stores. All methods may be called at once from many goroutines.
type Peer struct {
	keys     []Key
	allowJWT bool
	maxSize  int

	mu        sync.Mutex // over everything below, and over connections, entities and faults
	closed    bool
	refusing  bool
	offset    time.Duration
	alarms    alarms
	rung      uint64
	timer     *time.Timer
	entrances map[string]*entrance // topics and queues, by name in lower case
	stores    map[string]*store    // queues, subscriptions and their dead letters, by address in lower case
	conns     map[*conn]struct{}
	accepted  int // connections, ever
	listener  net.Listener
	tokens    uint64
	stats     Stats
	faults    faults

	running sync.WaitGroup
}

// New makes a peer without any entities.
func New(o Options) *Peer {
	p := &Peer{
		keys: o.Keys, allowJWT: o.AllowJWT, maxSize: o.MaxMessageSize, offset: o.Ahead,
		entrances: map[string]*entrance{}, stores: map[string]*store{}, conns: map[*conn]struct{}{},
	}
	if len(p.keys) == 0 {
		p.keys = []Key{defaultKey}
	}
	if p.maxSize <= 0 {
		p.maxSize = 256 << 10
	}
	return p
}

// Listen takes connections on a port of 127.0.0.1 (0: any that is free) until Close. It may be called once.
func (p *Peer) Listen(port int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.listener != nil {
		return errors.New("the peer listens already, or is closed")
	}
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	p.listener = l
	p.running.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return // closed
			}
			p.ServeConn(nc)
		}
	})
	return nil
}

// Address is where the peer listens, "127.0.0.1:port". Before Listen the port is 5672.
func (p *Peer) Address() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener == nil {
		return "127.0.0.1:5672"
	}
	return p.listener.Addr().String()
}

// ConnectionString for a client that signs with the key of this name; with no name, the first key. It makes the SDK
// dial without TLS. An unknown name gives a key that the peer refuses.
func (p *Peer) ConnectionString(key ...string) string {
	k := p.keys[0]
	if len(key) > 0 {
		k = Key{Name: key[0], Secret: "unknown"}
		for _, known := range p.keys {
			if known.Name == key[0] {
				k = known
			}
		}
	}
	return fmt.Sprintf("Endpoint=sb://%s;SharedAccessKeyName=%s;SharedAccessKey=%s;UseDevelopmentEmulator=true", p.Address(), k.Name, k.Secret)
}

// ServeConn takes a connection over and returns at once. The peer closes it in the end.
func (p *Peer) ServeConn(nc net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.refusing {
		nc.Close()
		return
	}
	p.accepted++
	c := newConn(p, nc)
	p.conns[c] = struct{}{}
	p.running.Go(c.writeLoop)
	p.running.Go(c.readLoop)
}

// Pipe opens a connection in memory and returns the client's end of it, for
// azservicebus.ClientOptions.NewWebSocketConn. To close that end is to cut the connection.
func (p *Peer) Pipe() net.Conn {
	client, server := net.Pipe()
	p.ServeConn(server)
	return client
}

// Put sends an encoded message to a topic or queue as a client would, whatever it holds: other clients write types that Go's
// does not.
func (p *Peer) Put(entity string, message []byte) error {
	c, err := parseMessage(message)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.entrances[strings.ToLower(entity)]
	if e == nil {
		return fmt.Errorf("there is no %s", entity)
	}
	if _, refused := e.accept([]*content{c}); refused != nil {
		return refused
	}
	return nil
}

// Close cuts all connections and waits until nothing of the peer runs any more.
func (p *Peer) Close() {
	p.mu.Lock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
	}
	if p.listener != nil {
		p.listener.Close()
	}
	for c := range p.conns {
		c.drop()
	}
	p.mu.Unlock()
	p.running.Wait()
}

// token makes a lock token. They repeat from run to run, so that a simulation can be repeated.
func (p *Peer) token() (u uuid) {
	p.tokens++
	x := p.tokens * 0x9e3779b97f4a7c15
	for i := range u {
		x ^= x >> 29
		x *= 0xbf58476d1ce4e5b9
		u[i] = byte(x >> 56)
	}
	for i := range 4 { // unique, whatever the mixing does
		u[12+i] = byte(p.tokens >> (8 * (3 - i)))
	}
	return u
}
