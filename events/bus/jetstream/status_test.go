package jetstream_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/events/bus/jetstream/embedded"
	"reprotect.example/events/bus/jetstream/natstest"
)

// A message without a body whose sender puts the server's own words in its headers is a message like any other: it is
// delivered once, ends no subscription, and holds nobody up.
func TestAMessageThatLooksLikeAnAnswer(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, embedded.Options{Fast: true})
	c := natstest.Connect(t, s)
	consumer := bus.Consumer{Service: "validator", Filters: []string{"reprotect.command.>"}, AckWait: 30 * time.Second, Pending: 64}
	if err := c.SetUp(t.Context(), jetstream.Topology(1, consumer)); err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	words := [][2]string{
		{"100", "Idle Heartbeat"}, {"400", "Bad Request"}, {"404", "No Messages"}, {"408", "Request Timeout"}, {"409", "Consumer Deleted"},
		{"409", "Server Shutdown"}, {"423", "Nats-Wrong-Pin-Id"}, {"503", "No Responders"}, {"soon", "whatever"},
	}
	source, err := c.Consume(t.Context(), consumer)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	for _, w := range words {
		publishRaw(t, nc, nats.Header{"Status": {w[0]}, "Description": {w[1]}, "Nats-Pending-Messages": {"64"}}, nil)
	}
	publishRaw(t, nc, nil, []byte("{}"))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // less than AckWait: nothing comes again
	defer cancel()
	for _, w := range append(words, [2]string{}) {
		d, err := source.Next(ctx)
		if err != nil {
			t.Fatalf("before %v: %v", w, err)
		}
		r := d.Received()
		if r.Headers["Status"] != w[0] || r.Headers["Description"] != w[1] || r.Attempt != 1 {
			t.Errorf("got %v, attempt %d, want %v", r.Headers, r.Attempt, w)
		}
		if err := d.Ack(ctx); err != nil {
			t.Error(err)
		}
	}
}

func publishRaw(t *testing.T, nc *nats.Conn, h nats.Header, data []byte) {
	t.Helper()
	if _, err := nc.RequestMsgWithContext(t.Context(), &nats.Msg{Subject: "reprotect.command.request", Header: h, Data: data}); err != nil {
		t.Fatal(err)
	}
}

// F2: with a local clock that is minutes off, a wake-up comes when it shall by the local clock.
func TestWakesWithClocksApart(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, embedded.Options{Fast: true})
	consumer := bus.Consumer{Service: "validator", Filters: []string{"reprotect.command.>"}, AckWait: 30 * time.Second, Pending: 64}
	if err := natstest.Connect(t, s).SetUp(t.Context(), jetstream.Topology(1, consumer)); err != nil {
		t.Fatal(err)
	}
	for _, ahead := range []time.Duration{0, 10 * time.Minute, -10 * time.Minute} {
		t.Run(fmt.Sprintf("the server ahead by %s", ahead), func(t *testing.T) {
			now := func() time.Time { return time.Now().Add(-ahead) }
			c, err := jetstream.Connect(jetstream.Options{URL: s.URL(), Now: now})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			source, err := c.Consume(t.Context(), consumer)
			if err != nil {
				t.Fatal(err)
			}
			defer source.Close()
			if d := c.Ahead() - ahead; d.Abs() > 2*time.Second {
				t.Errorf("taken to be ahead by %s", c.Ahead())
			}
			begun := time.Now()
			if err := c.Wake(t.Context(), "validator", "c1", now().Add(3*time.Second), bus.Message{Data: []byte("{}")}); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			d, err := source.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begun); took < 2*time.Second {
				t.Errorf("it came after %s", took)
			}
			if err := d.Ack(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}
