package servicebus_test

import (
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/servicebus"
	"reprotect.example/events/bus/servicebus/sbharness"
	"reprotect.example/events/bus/servicebus/sbpeer"
)

// A bare command of another client, without an id: each try of each service must know it as the same one, or it
// would become other cases.
func TestABareCommandIsOneCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		validator := bus.Consumer{Service: "validator", Filters: []string{"reprotect.command.>"}, AckWait: 30 * time.Second}
		journal := bus.Consumer{Service: "journal", Filters: []string{"reprotect.command.>", "reprotect.event.>"}, AckWait: 30 * time.Second}
		p := sbharness.Peer(t, validator, journal)
		conn := sbharness.Connect(t, p)
		fact := bus.Message{Subject: "reprotect.event.tokyo.c1.progress.progressed", ID: "c1/progress/1", Data: []byte("{}")}
		if err := conn.Publish(t.Context(), fact); err != nil { // the journal has one message more
			t.Fatal(err)
		}
		sendBare(t, p)

		source, err := conn.Consume(t.Context(), validator)
		if err != nil {
			t.Fatal(err)
		}
		defer source.Close()
		var first string
		for n := range 3 {
			d, err := source.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			r := d.Received()
			if n == 0 {
				first = bus.CommandID(r)
			}
			if id := bus.CommandID(r); id != first || r.Headers["content-type"] != "application/json" {
				t.Errorf("attempt %d: command %q, which was %q at first, headers %v", r.Attempt, id, first, r.Headers)
			}
			if err := d.Retry(t.Context(), time.Second); err != nil {
				t.Fatal(err)
			}
		}
		kept, err := conn.Consume(t.Context(), journal)
		if err != nil {
			t.Fatal(err)
		}
		defer kept.Close()
		for {
			d, err := kept.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if r := d.Received(); strings.HasPrefix(r.Subject, "reprotect.command.") {
				if id := bus.CommandID(r); id != first {
					t.Errorf("the journal calls it %q, the validator %q", id, first)
				}
				return
			}
		}
	})
}

// A namespace that was made anew counts from 1 again: its first bare command is not that of the one before.
func TestABareCommandOfANamespaceMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		validator := bus.Consumer{Service: "validator", Filters: []string{"reprotect.command.>"}, AckWait: 30 * time.Second}
		var ids []string
		for range 2 {
			p := sbharness.Peer(t, validator)
			sendBare(t, p)
			source, err := sbharness.Connect(t, p).Consume(t.Context(), validator)
			if err != nil {
				t.Fatal(err)
			}
			d, err := source.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, bus.CommandID(d.Received()))
			source.Close()
			<-time.After(10 * time.Minute)
		}
		if ids[0] == ids[1] || !strings.HasPrefix(ids[0], "r1-") {
			t.Errorf("the commands are %v", ids)
		}
	})
}

func sendBare(t *testing.T, p *sbpeer.Peer) {
	t.Helper()
	sender, err := client(t, p).NewSender(servicebus.TopicCommands, nil)
	if err != nil {
		t.Fatal(err)
	}
	label, kind := "reprotect.command.request", "application/json"
	message := &azservicebus.Message{Subject: &label, ContentType: &kind, Body: []byte(`{"machines":[{"name":"web01"}]}`)}
	if err := sender.SendMessage(t.Context(), message, nil); err != nil {
		t.Fatal(err)
	}
}

// F13b: other clients put the JSON into any body that AMQP has: into several sections, or into a value. It stays the same when
// it is tried again, among the dead letters, and when it is requeued. What is no text is refused in words.
func TestBodiesOfOtherClients(t *testing.T) {
	const command = `{"machines":[{"name":"web01"}]}`
	for name, test := range map[string]struct {
		body azservicebus.AMQPAnnotatedMessageBody
		want string
	}{
		"one section":      {azservicebus.AMQPAnnotatedMessageBody{Data: [][]byte{[]byte(command)}}, command},
		"several sections": {azservicebus.AMQPAnnotatedMessageBody{Data: [][]byte{[]byte(command[:7]), {}, []byte(command[7:])}}, command},
		"a string":         {azservicebus.AMQPAnnotatedMessageBody{Value: command}, command},
		"binary":           {azservicebus.AMQPAnnotatedMessageBody{Value: []byte(command)}, command},
		"a map":            {azservicebus.AMQPAnnotatedMessageBody{Value: map[string]any{"machines": "web01"}}, "(a body that is not read: an AMQP value of the kind map; send the JSON as data or as a string)"},
		"a number":         {azservicebus.AMQPAnnotatedMessageBody{Value: int64(7)}, "(a body that is not read: an AMQP value of the kind int64; send the JSON as data or as a string)"},
		"a sequence":       {azservicebus.AMQPAnnotatedMessageBody{Sequence: [][]any{{"web01"}}}, "(a body that is not read: AMQP sequences; send the JSON as data or as a string)"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				validator := bus.Consumer{Service: "validator", Filters: []string{"reprotect.command.>"}, AckWait: 30 * time.Second}
				p := sbharness.Peer(t, validator)
				conn := sbharness.Connect(t, p)
				sender, err := client(t, p).NewSender(servicebus.TopicCommands, nil)
				if err != nil {
					t.Fatal(err)
				}
				label := "reprotect.command.request"
				message := &azservicebus.AMQPAnnotatedMessage{Properties: &azservicebus.AMQPAnnotatedMessageProperties{Subject: &label}, Body: test.body}
				if err := sender.SendAMQPAnnotatedMessage(t.Context(), message, nil); err != nil {
					t.Fatal(err)
				}
				source, err := conn.Consume(t.Context(), validator)
				if err != nil {
					t.Fatal(err)
				}
				defer source.Close()
				next := func(when string) bus.Delivery {
					d, err := source.Next(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if got := string(bus.Original(d.Received()).Data); got != test.want {
						t.Errorf("%s: %q", when, got)
					}
					return d
				}
				if err := next("at first").Retry(t.Context(), time.Second); err != nil {
					t.Fatal(err)
				}
				why, err := events.EncodeDead(events.Event[events.Dead]{
					Header: events.Header{ID: "validator/1/2", Source: "/reprotect/validator", Type: events.TypeDead.CloudType(), DataSchema: events.TypeDead.Schema(), Time: time.Now()},
					Data:   events.Dead{Service: "validator", Reason: "rejected", Error: "no way", Attempts: 2, Subject: label, Sequence: 1},
				})
				if err != nil {
					t.Fatal(err)
				}
				if err := next("tried again").DeadLetter(t.Context(), bus.Message{Data: why}); err != nil {
					t.Fatal(err)
				}
				var letter events.Event[events.Dead]
				var number uint64
				if err := conn.Dead(t.Context(), []string{"validator"}, func(r bus.Received) (err error) {
					number = r.Sequence
					letter, err = events.Decode(events.TypeDead, r.Data)
					return err
				}); err != nil {
					t.Fatal(err)
				}
				if got := string(letter.Data.Original); got != test.want {
					t.Errorf("the dead letter: %q", got)
				}
				again, err := bus.Wrap(bus.Received{Message: bus.Message{Subject: label, Data: letter.Data.Original}}, "{}")
				if err != nil {
					t.Fatal(err)
				}
				if err := conn.Wake(t.Context(), "validator", "again", time.Now(), again); err != nil {
					t.Fatal(err)
				}
				if err := conn.RemoveDead(t.Context(), number, letter); err != nil {
					t.Fatal(err)
				}
				next("requeued")
			})
		})
	}
}

// F4: what was sent to the commands is a command, whatever it says of itself: who may send there alone cannot make a fact
// believed, nor a wake-up, and not when the message is tried again or requeued either.
func TestNobodyIsBelievedWhoMayOnlyCommand(t *testing.T) {
	const fact = "reprotect.event.tokyo.c1.registration.registered"
	label := fact
	for name, m := range map[string]*azservicebus.Message{
		"by the subject": {ApplicationProperties: map[string]any{"subject": fact}},
		"by the label":   {Subject: &label},
		"by the properties": {ApplicationProperties: map[string]any{
			"kind": "event", "type": events.TypeRegistered.CloudType(), "site": "tokyo", "case": "c1", "step": "registration"}},
		"as a wake-up": {ApplicationProperties: map[string]any{"subject": fact, "reprotect-woken": "true", "reprotect-key": "c1.registration"}},
		"as a copy":    {ApplicationProperties: map[string]any{"subject": fact, "reprotect-attempts": "1", "reprotect-sequence": "7", "reprotect-published": "2026-11-27T12:00:00Z"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				executor := bus.Consumer{Service: "executor", Filters: []string{"reprotect.event.*.*.registration.registered"}, AckWait: 30 * time.Second}
				journal := bus.Consumer{Service: "journal", Filters: []string{">"}, AckWait: 30 * time.Second}
				p := sbharness.Peer(t, executor, journal)
				conn := sbharness.Connect(t, p)
				sender, err := client(t, p).NewSender(servicebus.TopicCommands, nil)
				if err != nil {
					t.Fatal(err)
				}
				m.Body = []byte(`{"machines":[{"name":"web01"}]}`)
				if err := sender.SendMessage(t.Context(), m, nil); err != nil {
					t.Fatal(err)
				}
				if err := conn.Publish(t.Context(), bus.Message{Subject: "reprotect.event.tokyo.c2.registration.registered", ID: "c2/registration", Data: []byte("true")}); err != nil {
					t.Fatal(err)
				}
				acts, err := conn.Consume(t.Context(), executor)
				if err != nil {
					t.Fatal(err)
				}
				defer acts.Close()
				d, err := acts.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if r := d.Received(); r.Subject != "reprotect.event.tokyo.c2.registration.registered" {
					t.Errorf("the executor is given %s", r.Subject)
				}
				keeps, err := conn.Consume(t.Context(), journal)
				if err != nil {
					t.Fatal(err)
				}
				defer keeps.Close()
				for tries := 0; tries < 2; {
					d, err := keeps.Next(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					r := d.Received()
					if r.Subject == "reprotect.event.tokyo.c2.registration.registered" {
						continue
					}
					if tries++; r.Subject != "reprotect.command.unknown" || r.Woken || r.Attempt != tries {
						t.Errorf("try %d: %s, woken %v, attempt %d", tries, r.Subject, r.Woken, r.Attempt)
					}
					if err := d.Retry(t.Context(), time.Second); err != nil {
						t.Fatal(err)
					}
				}
			})
		})
	}
}

// F4: a command on the topic of the facts, as it was done once, is refused in words that say where to send it.
func TestACommandAmongTheFactsIsAnsweredInWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		validator := bus.Consumer{Service: "validator", Filters: []string{"reprotect.command.request"}, AckWait: 30 * time.Second}
		p := sbharness.Peer(t, validator)
		sender, err := client(t, p).NewSender(servicebus.TopicEvents, nil)
		if err != nil {
			t.Fatal(err)
		}
		label := "reprotect.command.request"
		if err := sender.SendMessage(t.Context(), &azservicebus.Message{Subject: &label, Body: []byte(`{"machines":[{"name":"web01"}]}`)}, nil); err != nil {
			t.Fatal(err)
		}
		source, err := sbharness.Connect(t, p).Consume(t.Context(), validator)
		if err != nil {
			t.Fatal(err)
		}
		defer source.Close()
		d, err := source.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if r := d.Received(); r.Subject != label || !strings.Contains(string(r.Data), "send it to reprotect-commands") {
			t.Errorf("%s: %s", r.Subject, r.Data)
		}
	})
}

// F6a, F6b, F7, F8: the forms in which usual clients send a command.
func TestFormsOfOtherClients(t *testing.T) {
	const command = `{"machines":[{"name":"web01"}]}`
	label, at := "reprotect.command.request", time.Date(2026, 11, 27, 11, 34, 22, 277e6, time.FixedZone("JST", 9*3600))
	for name, test := range map[string]struct {
		message azservicebus.Message
		headers map[string]string
	}{
		"F6a: a time of AMQP": {
			azservicebus.Message{ApplicationProperties: map[string]any{"cloudEvents:type": events.TypeRequest.CloudType(), "cloudEvents:time": at}},
			map[string]string{"cloudEvents:type": events.TypeRequest.CloudType(), "cloudEvents:time": "2026-11-27T02:34:22.277Z"}},
		"F6b: the other prefix, no label": {
			azservicebus.Message{ApplicationProperties: map[string]any{"cloudEvents_type": events.TypeRequest.CloudType(), "cloudEvents_id": "r7"}},
			map[string]string{"cloudEvents:type": events.TypeRequest.CloudType(), "cloudEvents:id": "r7"}},
		"F7: a subject of its own": {
			azservicebus.Message{Subject: &label, ApplicationProperties: map[string]any{"subject": "Please bring web01 home"}}, nil},
		"F8: JSON within JSON": {
			azservicebus.Message{Subject: &label, Body: []byte(`"{\"machines\":[{\"name\":\"web01\"}]}"`)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				validator := bus.Consumer{Service: "validator", Filters: []string{"reprotect.command.request"}, AckWait: 30 * time.Second}
				p := sbharness.Peer(t, validator)
				sender, err := client(t, p).NewSender(servicebus.TopicCommands, nil)
				if err != nil {
					t.Fatal(err)
				}
				m := test.message
				if m.Body == nil {
					m.Body = []byte(command)
				}
				if err := sender.SendMessage(t.Context(), &m, nil); err != nil {
					t.Fatal(err)
				}
				source, err := sbharness.Connect(t, p).Consume(t.Context(), validator)
				if err != nil {
					t.Fatal(err)
				}
				defer source.Close()
				for _, when := range []string{"at first", "again"} {
					d, err := source.Next(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					r := d.Received()
					if r.Subject != label || string(r.Data) != command || !maps.Equal(r.Headers, test.headers) {
						t.Errorf("%s: %s %s %v", when, r.Subject, r.Data, r.Headers)
					}
					if err := d.Retry(t.Context(), time.Second); err != nil {
						t.Fatal(err)
					}
				}
			})
		})
	}
}
