package servicebus_test

import (
	"maps"
	"os"
	"testing"
	"time"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/bustest"
	"reprotect.example/events/bus/servicebus"
	"reprotect.example/events/bus/servicebus/sbharness"
)

func TestContract(t *testing.T) { bustest.Run(t, sbharness.Harness()) }

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
					return sbharness.Everything(t, reader, consumers)
				},
			}
		},
	})
}
