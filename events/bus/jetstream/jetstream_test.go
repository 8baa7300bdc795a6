package jetstream_test

import (
	"sync"
	"testing"
	"time"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/bustest"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/events/bus/jetstream/embedded"
)

func start(t *testing.T, o embedded.Options) *embedded.Server {
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

func connect(t *testing.T, s *embedded.Server) *jetstream.Conn {
	t.Helper()
	c, err := jetstream.Connect(jetstream.Options{URL: s.URL(), Name: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func readAll(t *testing.T, c *jetstream.Conn, streams ...string) []bus.Received {
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

func TestContract(t *testing.T) {
	t.Parallel()
	bustest.Run(t, bustest.Harness{
		Parallel: true,
		AckWait:  time.Second,
		Early:    time.Second, // NakWithDelay of the server may come so much early
		New: func(t *testing.T, consumers ...bus.Consumer) bustest.Bus {
			s := start(t, embedded.Options{Fast: true})
			admin := connect(t, s)
			if err := admin.SetUp(t.Context(), jetstream.Topology(1, consumers...)); err != nil {
				t.Fatal(err)
			}
			var relays sync.Map
			return bustest.Bus{
				Connect: func(t *testing.T) (bus.Broker, func()) {
					r := relayTo(t, s)
					c, err := jetstream.Connect(jetstream.Options{URL: r.url(), Name: t.Name()})
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(c.Close)
					relays.Store(c, r)
					return c, c.Close
				},
				Sever: func(_ *testing.T, b bus.Broker) func() {
					r, _ := relays.Load(b)
					return r.(*relay).sever()
				},
				Log: func(t *testing.T) []bus.Received { return readAll(t, admin, jetstream.StreamLog, jetstream.StreamDead) },
			}
		},
	})
}
