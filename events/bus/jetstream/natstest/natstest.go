// Package natstest runs the contract suite of the bus over a NATS server inside the process.
package natstest

import (
	"sync"
	"testing"
	"time"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/bustest"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/events/bus/jetstream/embedded"
)

// Start starts a server, in a folder of the test unless the options name one.
func Start(t *testing.T, o embedded.Options) *embedded.Server {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	s, err := embedded.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Connect opens a connection that ends with the test.
func Connect(t *testing.T, s *embedded.Server) *jetstream.Conn {
	t.Helper()
	c, err := jetstream.Connect(jetstream.Options{URL: s.URL(), Name: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// ReadAll reads whole streams.
func ReadAll(t *testing.T, c *jetstream.Conn, streams ...string) []bus.Received {
	t.Helper()
	var all []bus.Received
	for _, stream := range streams {
		err := c.Read(t.Context(), jetstream.Reading{Stream: stream}, func(r bus.Received) error {
			all = append(all, r)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// Harness is the adapter under the suite.
func Harness() bustest.Harness {
	return bustest.Harness{
		Parallel: true,
		AckWait:  time.Second,
		Early:    time.Second, // NakWithDelay of the server may come so much early
		New: func(t *testing.T, consumers ...bus.Consumer) bustest.Bus {
			s := Start(t, embedded.Options{Fast: true})
			admin := Connect(t, s)
			if err := admin.SetUp(t.Context(), jetstream.Topology(1, consumers...)); err != nil {
				t.Fatal(err)
			}
			var relays sync.Map
			return bustest.Bus{
				Connect: func(t *testing.T) (bus.Broker, func()) {
					r := RelayTo(t, s)
					c, err := jetstream.Connect(jetstream.Options{URL: r.URL(), Name: t.Name()})
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(c.Close)
					relays.Store(c, r)
					return c, c.Close
				},
				Sever: func(_ *testing.T, b bus.Broker) func() {
					r, _ := relays.Load(b)
					return r.(*Relay).Sever()
				},
				Log: func(t *testing.T) []bus.Received { return ReadAll(t, admin, jetstream.StreamLog, jetstream.StreamDead) },
			}
		},
	}
}
