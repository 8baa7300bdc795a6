package servicebus_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/servicebus"
	"reprotect.example/events/bus/servicebus/sbharness"
)

// F5a: what is older than its time to live goes from where nobody has to receive, though Azure lets it go nowhere else; what
// is younger stays, and may be tidied daily for as long as it lives without becoming a dead letter.
func TestOldCopiesGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		consumer := bus.Consumer{Service: "validator", Filters: []string{"reprotect.command.request"}, AckWait: 30 * time.Second}
		p := sbharness.Peer(t, consumer)
		c := sbharness.Connect(t, p)
		publish := func(id string) {
			t.Helper()
			for _, m := range []bus.Message{
				{Subject: "reprotect.event.tokyo.c1.cancel.cancelling", ID: id + "/1", Data: []byte("{}")},
				{Subject: "reprotect.notification.tokyo.info", ID: id + "/2", Data: []byte("{}")},
				{Subject: "reprotect.command.request", ID: id + "/3", Data: []byte("{}")},
			} {
				if err := c.Publish(t.Context(), m); err != nil {
					t.Fatal(err)
				}
			}
		}
		at := []string{"reprotect/Subscriptions/audit", "reprotect/Subscriptions/marks", "reprotect-commands/Subscriptions/audit", "reprotect-notifications/Subscriptions/audit", "reprotect-notifications/Subscriptions/chatbot"}
		stand := func(when string, want int) {
			t.Helper()
			for _, name := range at {
				if n := p.Count(name); n.Active+n.Locked != want || n.Dead != 0 {
					t.Errorf("%s: %s has %+v, want %d", when, name, n, want)
				}
			}
		}
		if err := c.Tidy(t.Context()); err != nil { // nothing stands there
			t.Fatal(err)
		}
		publish("old")
		p.Advance(8 * 24 * time.Hour)
		publish("young")
		for range 6 {
			p.Advance(24 * time.Hour)
			stand("before", 2)
			if err := c.Tidy(t.Context()); err != nil {
				t.Fatal(err)
			}
			if t.Failed() {
				return
			}
			if p.Count(at[0]).Active == 1 {
				break
			}
		}
		stand("the old ones have gone", 1)
		for range 5 {
			p.Advance(24 * time.Hour)
			if err := c.Tidy(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		stand("the young ones stay", 1)
		p.Advance(10 * 24 * time.Hour)
		if err := c.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		stand("all have gone", 0)
		c.Close()
		if err := c.Tidy(t.Context()); err == nil {
			t.Error("a connection that is closed tidies")
		}
	})
}

// F13c: there is a subscription with all notifications for a chat bot, and it holds up nobody: no dead letters of its own.
func TestAChatBotHasASubscription(t *testing.T) {
	for _, topic := range servicebus.NewTopology().Topics {
		for _, s := range topic.Subscriptions {
			if s.Name == servicebus.SubscriptionChatbot {
				if topic.Name != servicebus.TopicNotifications || len(s.Rules) > 0 || s.DeadLetterExpired || s.TimeToLive == "" {
					t.Errorf("%s: %+v", topic.Name, s)
				}
				return
			}
		}
	}
	t.Error("there is none")
}

// F13f: what somebody else sends to the topic of facts costs the journal a settlement and nothing more: it is no message of
// the log, whatever it is, and what comes behind it is delivered at once.
func TestAStrangersMessageIsPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		journal := bus.Consumer{Service: "journal", Filters: []string{"reprotect.command.>", "reprotect.event.>", "reprotect.notification.>"}, AckWait: 30 * time.Second, InOrder: true}
		p := sbharness.Peer(t, journal)
		sender, err := client(t, p).NewSender(servicebus.TopicEvents, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range strangers() {
			if err := sender.SendMessage(t.Context(), m, nil); err != nil {
				t.Fatal(err)
			}
		}
		c := sbharness.Connect(t, p)
		if err := c.Publish(t.Context(), bus.Message{Subject: "reprotect.event.tokyo.c1.request.accepted", ID: "c1/request", Data: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
		source, err := c.Consume(t.Context(), journal)
		if err != nil {
			t.Fatal(err)
		}
		defer source.Close()
		d, err := source.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if r := d.Received(); !strings.HasSuffix(r.Subject, "accepted") {
			t.Errorf("kept: %s %s", r.Subject, r.Data)
		}
		if err := d.Ack(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := p.Count("reprotect/Subscriptions/journal"); n.Active+n.Locked+n.Dead != 0 {
			t.Errorf("left: %+v", n)
		}
	})
}

func strangers() []*azservicebus.Message {
	other, label := "application/xml", "orders.created"
	return []*azservicebus.Message{
		{Body: []byte("<order/>"), ContentType: &other},
		{Subject: &label},
		{ApplicationProperties: map[string]any{"type": "com.contoso.order", "site": "tokyo", "kind": "order", "subject": "order 7"}},
		{ApplicationProperties: map[string]any{"reprotect-woken": "true", "reprotect-key": "x", "reprotect-id": "c1/validation"}},
	}
}
