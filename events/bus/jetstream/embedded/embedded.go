// Package embedded runs a NATS server with JetStream inside this process, for a site that has no bus of its own.
package embedded

import (
	"errors"
	"fmt"
	"net"
	"strconv"
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
}

// Server is a running NATS server. It keeps every acknowledged message through a power cut (each write is
// synced), unless Options.Fast was set.
type Server struct {
	ns    *server.Server
	token string
}

// Start runs a server; it is ready when Start returns.
func Start(o Options) (*Server, error) {
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
		JetStream: true, StoreDir: o.Dir, SyncAlways: !o.Fast,
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
	return &Server{ns: ns, token: o.Token}, nil
}

// URL is where clients connect. It holds the token when there is one: never log it.
func (s *Server) URL() string {
	if s.token == "" {
		return s.ns.ClientURL()
	}
	return "nats://" + s.token + "@" + s.ns.Addr().String()
}

// Close stops the server in order.
func (s *Server) Close() {
	s.ns.Shutdown()
	s.ns.WaitForShutdown()
}
