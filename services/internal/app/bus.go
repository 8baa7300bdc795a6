package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.uber.org/zap"

	"reprotect.example/events/bus/jetstream"
	"reprotect.example/events/bus/jetstream/embedded"
	"reprotect.example/services/internal/config"
)

// ErrNoBus says that the config names no bus and that no daemon runs which would have one inside.
var ErrNoBus = errors.New("no bus")

// Bus is a connection to the site's bus, and the server itself where it runs inside this process.
type Bus struct {
	*jetstream.Conn
	server *embedded.Server
	file   string
}

// Close cuts the connection and stops a server that runs inside.
func (b *Bus) Close() {
	b.Conn.Close()
	if b.server != nil {
		_ = os.Remove(b.file)
		b.server.Close()
	}
}

// OpenBus connects to the bus that the config names. Where it names none, a server inside this process keeps its
// files under dataDir; when another process on this machine has it running already, that one is used. Programs
// that only look in (serve false) never start a server.
func OpenBus(ctx context.Context, c config.Config, name string, serve bool, log *zap.Logger) (*Bus, error) {
	if c.Bus.ServiceBus != nil {
		return nil, errors.New("bus.serviceBus: this version runs on NATS only")
	}
	if n := c.Bus.NATS; n != nil {
		password, err := c.NATSPassword()
		if err != nil {
			return nil, err
		}
		conn, err := jetstream.Connect(jetstream.Options{
			URL: n.URL, CredsFile: n.CredsFile, User: n.User, Password: password,
			CAFile: n.TLS.CAFile, Name: name, InboxPrefix: n.InboxPrefix, Log: log,
		})
		if err != nil {
			return nil, err
		}
		return &Bus{Conn: conn}, nil
	}
	return openInside(ctx, c, name, serve, log)
}

// address is what a process with the server inside leaves for the others on the machine.
type address struct {
	URL string `json:"url"` // holds the token: the file is for this account only
}

func openInside(ctx context.Context, c config.Config, name string, serve bool, log *zap.Logger) (*Bus, error) {
	dir := c.DataDir
	file := filepath.Join(dir, "bus.json")
	if conn, err := join(file, name, log); err == nil {
		return &Bus{Conn: conn}, nil
	}
	if !serve {
		return nil, fmt.Errorf("%w: the config names none, and no reprotectd with dataDir %s runs here: start it, or name bus.nats in the config", ErrNoBus, dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("dataDir: %w", err)
	}
	server, err := embedded.Start(embedded.Options{Dir: filepath.Join(dir, "nats"), Token: rand.Text()})
	if err != nil {
		return nil, err
	}
	conn, err := jetstream.Connect(jetstream.Options{URL: server.URL(), Name: name, Log: log})
	if err != nil {
		server.Close()
		return nil, err
	}
	b := &Bus{Conn: conn, server: server, file: file}
	raw, err := json.Marshal(address{server.URL()})
	if err == nil {
		err = os.WriteFile(file, raw, 0o600)
	}
	if err == nil {
		err = b.SetUp(ctx, Topology(c))
	}
	if err != nil {
		b.Close()
		return nil, fmt.Errorf("bus inside this process: %w", err)
	}
	return b, nil
}

// join connects to the server that another process has inside.
func join(file, name string, log *zap.Logger) (*jetstream.Conn, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var a address
	if err := json.Unmarshal(raw, &a); err != nil {
		return nil, err
	}
	return jetstream.Connect(jetstream.Options{URL: a.URL, Name: name, Log: log})
}
