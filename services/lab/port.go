package lab

import (
	"fmt"
	"net"
	"sync"
)

// port is a TCP port of the simulated network: it accepts connections and closes them at once. It can be closed
// and opened again at the same address.
type port struct {
	name, address string

	mu       sync.Mutex
	listener net.Listener // nil while the port is closed
	stopped  chan struct{}
}

func openPort(name string) (*port, error) {
	p := &port{name: name, address: "127.0.0.1:0"}
	return p, p.open()
}

func (p *port) open() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		return fmt.Errorf("port %s is open already", p.name)
	}
	listener, err := net.Listen("tcp", p.address)
	if err != nil {
		return fmt.Errorf("port %s: %w", p.name, err)
	}
	p.listener, p.address, p.stopped = listener, listener.Addr().String(), make(chan struct{})
	go func(stopped chan struct{}) {
		defer close(stopped)
		for {
			connection, err := listener.Accept()
			if err != nil {
				return // closed
			}
			_ = connection.Close() // nobody sends anything
		}
	}(p.stopped)
	return nil
}

func (p *port) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener == nil {
		return fmt.Errorf("port %s is closed already", p.name)
	}
	err := p.listener.Close()
	<-p.stopped
	p.listener = nil
	return err
}

// actions open and close the port.
func (p *port) actions() []action {
	named := func(do func() error) func([]string) error {
		return func(args []string) error {
			if len(args) != 1 || args[0] != p.name {
				return fmt.Errorf("the lab has one port, %s: name it", p.name)
			}
			return do()
		}
	}
	return []action{
		{Action{"close-port", "PORT", "let a probed port refuse connections: " + p.name + " (S18, S47)"}, named(p.close)},
		{Action{"open-port", "PORT", "let it accept them again"}, named(p.open)},
	}
}
