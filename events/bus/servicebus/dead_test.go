package servicebus_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/servicebus"
	"reprotect.example/events/bus/servicebus/sbharness"
	"reprotect.example/events/bus/servicebus/sbpeer"
)

func dead(t *testing.T, c *servicebus.Conn) (letters []events.Event[events.Dead]) {
	t.Helper()
	if err := c.Dead(t.Context(), []string{"validator"}, func(r bus.Received) error {
		e, err := events.Decode(events.TypeDead, r.Data)
		letters = append(letters, e)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return letters
}

// A message that kills its process each time, before anybody could say anything, tells why it was given up.
func TestPoison(t *testing.T) {
	bubble(t, func(t *testing.T, p *sbpeer.Peer, c *servicebus.Conn) {
		publish(t, c, accepted(t, "a"))
		for range 100 {
			doomed := sbharness.Connect(t, p)
			s, err := doomed.Consume(t.Context(), validator)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Next(t.Context()); err != nil {
				t.Fatal(err)
			}
			doomed.Close()
			<-time.After(time.Minute)
		}
		letters := dead(t, c)
		if len(letters) != 1 {
			t.Fatalf("%d dead letters", len(letters))
		}
		d := letters[0].Data
		if d.Reason != "MaxDeliveryCountExceeded" || d.Service != "validator" || d.Attempts < 99 || d.Subject != "reprotect.event.tokyo.a.request.accepted" || len(d.Original) == 0 {
			t.Errorf("%+v", d)
		}
	})
}

// client is the SDK's own.
func client(t *testing.T, p *sbpeer.Peer) *azservicebus.Client {
	t.Helper()
	c, err := azservicebus.NewClientFromConnectionString(p.ConnectionString(), &azservicebus.ClientOptions{
		NewWebSocketConn: func(context.Context, azservicebus.NewWebSocketConnArgs) (net.Conn, error) { return p.Pipe(), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.WithoutCancel(t.Context())) })
	return c
}
