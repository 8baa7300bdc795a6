// Package embedded runs a NATS server with JetStream inside this process, for a site that has no bus of its own.
package embedded

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Options of the server.
type Options struct {
	Dir    string // where JetStream keeps its files
	Listen string // host:port; default a free port on loopback
	Token  string // demanded of clients when not empty
	// Fast leaves syncing to disk to the server's two-minute default. A power cut may then lose what was
	// acknowledged: for the lab and benchmarks only.
	Fast bool
	// MaxStore bounds what JetStream keeps on the disk, in bytes; 0: three quarters of what is free there.
	MaxStore int64
}

// Server is a running NATS server. It keeps every acknowledged message through a power cut (each write is
// synced), unless Options.Fast was set. Its methods may be called at once from many goroutines.
type Server struct {
	o Options

	mu     sync.Mutex
	ns     *server.Server
	closed bool
}

// Start runs a server; it is ready when Start returns.
func Start(o Options) (*Server, error) {
	ns, err := start(o)
	if err != nil {
		return nil, err
	}
	o.Listen = ns.Addr().String() // also when it is started anew
	return &Server{o: o, ns: ns}, nil
}

// Heal starts the server anew, at the same address, when it has switched JetStream off: it does so when the disk is full,
// and never on again. Healed says that it did. An error says that it cannot be started now; call it again later.
func (s *Server) Heal() (healed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.ns.Running() && s.ns.JetStreamEnabled() {
		return false, nil
	}
	s.ns.Shutdown()
	s.ns.WaitForShutdown()
	ns, err := start(s.o)
	if err != nil {
		return false, err
	}
	s.ns = ns
	return true, nil
}

func start(o Options) (*server.Server, error) {
	host, port := "127.0.0.1", server.RANDOM_PORT
	if o.Listen != "" {
		h, p, err := net.SplitHostPort(o.Listen)
		if err != nil {
			return nil, fmt.Errorf("embedded NATS: listen address %q: %w", o.Listen, err)
		}
		host = h
		if port, err = strconv.Atoi(p); err != nil {
			return nil, fmt.Errorf("embedded NATS: listen address %q: %w", o.Listen, err)
		}
		if port == 0 {
			port = server.RANDOM_PORT
		}
	}
	ns, err := server.NewServer(&server.Options{
		ServerName: "reprotect", Host: host, Port: port,
		JetStream: true, StoreDir: o.Dir, SyncAlways: !o.Fast, JetStreamMaxStore: o.MaxStore,
		Authorization: o.Token,
		NoLog:         true, NoSigs: true,
	})
	if err != nil {
		return nil, fmt.Errorf("embedded NATS in %s: %w", o.Dir, err)
	}
	ns.Start()
	if !ns.ReadyForConnections(20 * time.Second) {
		ns.Shutdown()
		return nil, fmt.Errorf("embedded NATS in %s: %w", o.Dir, errors.New("not ready after 20 s; is another process using the folder or the port?"))
	}
	if !ns.JetStreamEnabled() {
		ns.Shutdown()
		return nil, fmt.Errorf("embedded NATS: JetStream could not use %s: is the folder writable, and has the disk room?", o.Dir)
	}
	if err := bound(ns); err != nil {
		ns.Shutdown()
		return nil, fmt.Errorf("embedded NATS in %s: %w", o.Dir, err)
	}
	return ns, nil
}

// bound gives the account the limit of the store: so clients see what is taken of what.
func bound(ns *server.Server) error {
	// One byte less: the server counts the unlimited account before as -1, and the difference must fit.
	limits := server.JetStreamAccountLimits{
		MaxMemory: -1, MaxStore: ns.JetStreamConfig().MaxStore - 1, MaxStreams: -1, MaxConsumers: -1, MaxAckPending: -1, MemoryMaxStreamBytes: -1, StoreMaxStreamBytes: -1,
	}
	return ns.GlobalAccount().UpdateJetStreamLimits(map[string]server.JetStreamAccountLimits{"": limits})
}

// URL is where clients connect. It holds the token when there is one: never log it.
func (s *Server) URL() string {
	if s.o.Token == "" {
		return "nats://" + s.o.Listen
	}
	return "nats://" + s.o.Token + "@" + s.o.Listen
}

// Close stops the server in order.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.ns.Shutdown()
	s.ns.WaitForShutdown()
}
