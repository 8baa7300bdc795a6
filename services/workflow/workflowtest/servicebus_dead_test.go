package workflowtest

import (
	"context"
	"errors"
	"maps"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/servicebus"
	"reprotect.example/events/bus/servicebus/sbharness"
	"reprotect.example/events/bus/servicebus/sbpeer"
	"reprotect.example/services/workflow"
)

func TestDeadLettersAreRequeued(t *testing.T) {
	bubble(t, func(t *testing.T, p *sbpeer.Peer, c *servicebus.Conn) {
		var broken atomic.Bool
		broken.Store(true)
		stop := serveLong(t, sbharness.Connect(t, p), answering(func(context.Context) error {
			if broken.Load() {
				return errors.New("vCenter speaks in tongues")
			}
			return nil
		}))
		publishLong(t, c, acceptedMessage(t, "a"), acceptedMessage(t, "b"))
		<-time.After(5 * time.Minute)
		letters := deadLetters(t, c)
		if len(letters) != 2 {
			t.Fatalf("%d dead letters", len(letters))
		}
		d := letters[0].Data
		if d.Reason != "attempts-exhausted" || !strings.Contains(d.Error, "tongues") || d.Attempts != 3 || !strings.HasSuffix(d.ID, "/request") || len(d.Original) == 0 {
			t.Errorf("%+v", d)
		}
		broken.Store(false)
		if err := requeue(t.Context(), c, numbers(t, c)[letters[0].Data.Subject], letters[0]); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Minute)
		stop()
		if left := deadLetters(t, c); len(left) != 1 || left[0].ID != letters[1].ID {
			t.Errorf("left are %+v", left)
		}
		lag, _, err := c.Lag(t.Context(), "validator")
		if err != nil || lag.Pending != 0 || lag.Waiting != 0 {
			t.Errorf("the service has left %+v, %v", lag, err)
		}
	})
}

// requeue does what 'reprotect bus dead requeue' does.
func requeue(ctx context.Context, c *servicebus.Conn, number uint64, letter events.Event[events.Dead]) error {
	if err := workflow.Requeue(ctx, c, letter.Data, time.Now()); err != nil {
		return err
	}
	return c.RemoveDead(ctx, number, letter)
}

// numbers are those of the dead letters, by the subject of what was given up.
func numbers(t *testing.T, c *servicebus.Conn) map[string]uint64 {
	t.Helper()
	all := map[string]uint64{}
	if err := c.Dead(t.Context(), []string{"validator"}, func(r bus.Received) error {
		e, err := events.Decode(events.TypeDead, r.Data)
		all[e.Data.Subject] = r.Sequence
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// A dead letter keeps its number when others go, and one that is not there cannot be taken away.
func TestDeadLettersKeepTheirNumbers(t *testing.T) {
	bubble(t, func(t *testing.T, p *sbpeer.Peer, c *servicebus.Conn) {
		stop := serveLong(t, sbharness.Connect(t, p), answering(func(context.Context) error { return workflow.Reject("8061", "no way", "mount it") }))
		for _, id := range []string{"a", "b", "c"} {
			publishLong(t, c, acceptedMessage(t, id))
			<-time.After(time.Minute)
		}
		stop()
		before, letters := numbers(t, c), deadLetters(t, c)
		if len(before) != 3 || len(letters) != 3 {
			t.Fatalf("numbers %v of %d letters", before, len(letters))
		}
		first, second := before[letters[0].Data.Subject], before[letters[1].Data.Subject]
		if err := requeue(t.Context(), c, first, letters[0]); err != nil {
			t.Fatal(err)
		}
		delete(before, letters[0].Data.Subject)
		if after := numbers(t, c); !maps.Equal(after, before) {
			t.Errorf("the numbers were %v, and are %v", before, after)
		}
		if err := requeue(t.Context(), c, first, letters[0]); err == nil {
			t.Error("a dead letter was taken away twice")
		}
		other, err := client(t, p).NewReceiverForSubscription(servicebus.TopicEvents, "validator", &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueDeadLetter})
		if err != nil {
			t.Fatal(err)
		}
		if held, err := other.ReceiveMessages(t.Context(), 5, nil); err != nil || len(held) != 2 {
			t.Fatalf("%d dead letters, %v", len(held), err)
		}
		if err := requeue(t.Context(), c, second, letters[1]); err == nil {
			t.Error("a dead letter that somebody else has was taken away")
		}
	})
}

// What is requeued and given up again at once leaves another dead letter, of the same id. The first one goes, not that.
func TestWhatFailsAgainAtOnceIsRequeued(t *testing.T) {
	bubble(t, func(t *testing.T, p *sbpeer.Peer, c *servicebus.Conn) {
		stop := serveLong(t, sbharness.Connect(t, p), answering(func(context.Context) error { return workflow.Reject("8061", "no way", "mount it") }))
		defer stop()
		publishLong(t, c, acceptedMessage(t, "a"))
		<-time.After(time.Minute)
		subject := acceptedMessage(t, "a").Subject
		for range 3 {
			first, letters := numbers(t, c)[subject], deadLetters(t, c)
			if len(letters) != 1 {
				t.Fatalf("%d dead letters", len(letters))
			}
			if err := requeue(t.Context(), c, first, letters[0]); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Minute)
			if again := numbers(t, c)[subject]; again == first {
				t.Fatalf("dead letter %d stays, and that of the last try is gone", first)
			}
		}
	})
}

// A long reason is cut between letters: half of one would make the bus refuse the dead letter.
func TestALongReasonIsBuriedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handled := 0
		service := workflow.Service{Name: "executor", Routes: []workflow.Route{workflow.On(events.TypeRegistered, events.StepSubmission,
			func(context.Context, workflow.Event[events.Registered], string) (workflow.Result[string], error) {
				handled++
				return workflow.Result[string]{}, workflow.Reject("x", strings.Repeat("仮想", 2000), "y")
			})}}
		p := sbharness.Peer(t, service.Consumer())
		conn := sbharness.Connect(t, p)
		raw, err := events.Encode(events.Event[events.Registered]{
			Header: events.Header{
				ID: "c1/registration", Source: "/reprotect/tokyo/agentwatcher", Type: events.TypeRegistered.CloudType(), Subject: "c1",
				DataSchema: events.TypeRegistered.Schema(), Time: time.Now(), Site: "tokyo", Case: "c1", Step: "registration", Request: "r1",
			},
			Data: events.Registered{Case: events.Case{Machines: []events.Machine{{Name: "web01"}}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		subject := events.FactSubject("tokyo", "c1", "registration", "registered")
		if err := conn.Publish(t.Context(), bus.Message{Subject: subject, ID: "c1/registration", Data: raw}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_ = workflow.Run(ctx, conn, service, workflow.Options{}) // ends with its time
		letters := 0
		if err := conn.Dead(t.Context(), []string{"executor"}, func(bus.Received) error { letters++; return nil }); err != nil {
			t.Fatal(err)
		}
		if handled != 1 || letters != 1 {
			t.Errorf("handled %d times, %d dead letters", handled, letters)
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
