package servicebus_test

import (
	"context"
	"net"
	"os"
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
	p := sbpeer.New(sbpeer.Options{})
	t.Cleanup(p.Close)
	if err := sbtest.SetUp(p, servicebus.NewTopology(consumers...)); err != nil {
		t.Fatal(err)
	}
	return p
}

// connect opens a connection in memory, which virtual time sees.
func connect(t *testing.T, p *sbpeer.Peer) *servicebus.Conn {
	t.Helper()
	c, err := servicebus.Connect(servicebus.Options{
		ConnectionString: p.ConnectionString(), Name: t.Name(),
		Dial: func(context.Context) (net.Conn, error) { return p.Pipe(), nil },
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
			return bustest.Bus{
				Connect: func(t *testing.T) (bus.Broker, func()) {
					c := connect(t, p)
					return c, c.Close
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
	bustest.Run(t, bustest.Harness{
		AckWait: ackWait,
		Early:   time.Second,
		Cannot:  servicebus.Cannot(),
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
