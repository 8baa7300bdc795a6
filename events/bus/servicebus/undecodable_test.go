package servicebus_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/servicebus"
	"reprotect.example/events/bus/servicebus/sbharness"
)

// poison are sections of a message as other clients may send them, which the client library does not decode, or panics at.
var poison = map[string]string{
	"a decimal in a property":        "\x00\x53\x74\xc1\x19\x02\xa1\x05price\x94\x30\x3e\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x7d",
	"a character in a property":      "\x00\x53\x74\xc1\x0d\x02\xa1\x05price\x73\x00\x00\x00\x41",
	"a list in a property":           "\x00\x53\x74\xc1\x0d\x02\xa1\x05price\xc0\x03\x01\x52\x07",
	"a number for a key":             "\x00\x53\x74\xc1\x05\x02\x52\x07\x52\x07",
	"the SDK's own name as a number": "\x00\x53\x74\xc1\x15\x02\xa1\x10DeadLetterReason\x52\x07",
}

// F1, F1b: a message that the client library cannot decode holds up no neighbour. It is delivered like any other, to be
// handled, refused or given up, and every look steps over nothing: lag, dead letters, audit.
func TestUndecodableMessageAmongOthers(t *testing.T) {
	for name, section := range poison {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				validator := bus.Consumer{Service: "validator", Filters: []string{"reprotect.command.>"}, AckWait: 30 * time.Second}
				p := sbharness.Peer(t, validator)
				conn := sbharness.Connect(t, p)
				label := "reprotect.command.request"
				send := func(id, section string) {
					head := amqp.Message{Properties: &amqp.MessageProperties{MessageID: id, Subject: &label}}
					raw, err := head.MarshalBinary()
					if err != nil {
						t.Fatal(err)
					}
					raw = append(append(raw, section...), "\x00\x53\x75\xa0\x02{}"...)
					if err := p.Put(servicebus.TopicCommands, raw); err != nil {
						t.Fatal(err)
					}
				}
				send("good-0", "")
				send("poison", section)
				send("good-1", "")
				send("good-2", "")

				source, err := conn.Consume(t.Context(), validator)
				if err != nil {
					t.Fatal(err)
				}
				defer source.Close()
				begun := time.Now()
				var got []string
				for range 4 {
					d, err := source.Next(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					r := d.Received()
					got = append(got, fmt.Sprintf("%s %d %s", r.ID, r.Attempt, r.Data))
					if r.ID == "poison" {
						err = d.DeadLetter(t.Context(), bus.Message{Data: []byte("no dead letter of ours")})
					} else {
						err = d.Ack(t.Context())
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				if want := "good-0 1 {}, poison 1 {}, good-1 1 {}, good-2 1 {}"; strings.Join(got, ", ") != want || time.Since(begun) > time.Second {
					t.Errorf("%s after %s, want %s", strings.Join(got, ", "), time.Since(begun), want)
				}
				if err := conn.Ready(); err != nil {
					t.Errorf("not ready: %v", err)
				}
				if l, found, err := conn.Lag(t.Context(), "validator"); err != nil || !found || l.Pending != 0 {
					t.Errorf("lag %+v %v %v", l, found, err)
				}
				if all := sbharness.Everything(t, conn, []bus.Consumer{validator}); len(all) != 5 {
					t.Errorf("audit and dead letters hold %d messages, want 4 and 1", len(all))
				}
			})
		})
	}
}

// A message without the section of properties counts its deliveries all the same.
func TestDeliveriesOfAMessageWithoutProperties(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		journal := bus.Consumer{Service: "journal", Filters: []string{"reprotect.command.>"}, AckWait: 30 * time.Second}
		p := sbharness.Peer(t, journal)
		if err := p.Put("reprotect-wake-journal", []byte("\x00\x53\x74\xc1\x24\x02\xa1\x07subject\xa1\x18reprotect.command.cancel\x00\x53\x75\xa0\x02{}")); err != nil {
			t.Fatal(err)
		}
		c := client(t, p)
		receiver, err := c.NewReceiverForQueue("reprotect-wake-journal", nil)
		if err != nil {
			t.Fatal(err)
		}
		messages, err := receiver.ReceiveMessages(t.Context(), 1, nil)
		if err != nil || len(messages) != 1 || receiver.AbandonMessage(t.Context(), messages[0], &azservicebus.AbandonMessageOptions{}) != nil {
			t.Fatal(len(messages), err)
		}
		if err := receiver.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		conn := sbharness.Connect(t, p)
		if l, _, err := conn.Lag(t.Context(), "journal"); err != nil || l.Waiting != 1 {
			t.Fatal(l, err)
		}
		source, err := conn.Consume(t.Context(), journal)
		if err != nil {
			t.Fatal(err)
		}
		defer source.Close()
		d, err := source.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if r := d.Received(); r.Attempt != 2 {
			t.Errorf("attempt %d", r.Attempt)
		}
	})
}
