package sbpeer_test

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"reprotect.example/events/bus/servicebus/sbpeer"
)

// TestNothingIsLeft closes the clients only, and the peer; in the bubble of every other test, a goroutine that is left fails the test.
func TestNothingIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := sbpeer.New(sbpeer.Options{})
		setup(t, p)
		c, err := azservicebus.NewClientFromConnectionString(p.ConnectionString(), &azservicebus.ClientOptions{
			NewWebSocketConn: func(context.Context, azservicebus.NewWebSocketConnArgs) (net.Conn, error) { return p.Pipe(), nil },
		})
		ok(t, err)
		s, err := c.NewSender("work", nil)
		ok(t, err)
		r, err := c.NewReceiverForQueue("work", nil)
		ok(t, err)
		send(t, s, message("1", "a"))
		one(t, r)
		ok(t, c.Close(t.Context()))
		p.Close()
		p.Close()
		if err := p.Listen(0); err == nil {
			t.Error("listens after Close")
		}
		if _, err := p.Pipe().Read(make([]byte, 1)); err == nil {
			t.Error("serves after Close")
		}
	})
}

func TestCloseWaits(t *testing.T) {
	p := sbpeer.New(sbpeer.Options{})
	ok(t, p.Listen(0))
	setup(t, p)
	e := &env{p, func() *azservicebus.ClientOptions { return nil }}
	s := e.sender(t, "work")
	send(t, s, message("1", "a"))
	stranger, err := net.Dial("tcp", p.Address())
	ok(t, err)
	defer stranger.Close()
	p.Close()
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(stack, "sbpeer.(*conn)") || strings.Contains(stack, "sbpeer.(*Peer).Listen") {
			t.Errorf("still running: %s", stack)
		}
	}
}

func BenchmarkSendAndReceive(b *testing.B) {
	p := sbpeer.New(sbpeer.Options{})
	defer p.Close()
	if err := p.Listen(0); err != nil {
		b.Fatal(err)
	}
	topic := sbpeer.Topic{Name: "events"}
	for i := range 8 {
		topic.Subscriptions = append(topic.Subscriptions, sbpeer.Subscription{
			Name: fmt.Sprint("s", i), Filters: []sbpeer.Filter{{Subject: fmt.Sprint("type", i)}, {Properties: map[string]any{"site": "x"}}},
		})
	}
	if err := p.Setup(sbpeer.Topology{Topics: []sbpeer.Topic{topic}}); err != nil {
		b.Fatal(err)
	}
	c, err := azservicebus.NewClientFromConnectionString(p.ConnectionString(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close(b.Context())
	s, _ := c.NewSender("events", nil)
	r, _ := c.NewReceiverForSubscription("events", "s0", nil)
	ctx := b.Context()
	sent := make(chan error, 1)
	b.ReportAllocs()
	b.ResetTimer()
	go func() {
		batch, err := s.NewMessageBatch(ctx, nil)
		for i := 0; i < b.N && err == nil; i++ {
			m := message(fmt.Sprint(i), "a body of some bytes")
			m.Subject = ptr("type0")
			if err = batch.AddMessage(m, nil); err != nil || i == b.N-1 || batch.NumMessages() == 100 {
				err = s.SendMessageBatch(ctx, batch, nil)
				batch, _ = s.NewMessageBatch(ctx, nil)
			}
		}
		sent <- err
	}()
	for n := 0; n < b.N; {
		all, err := r.ReceiveMessages(ctx, 500, nil)
		if err != nil {
			b.Fatal(err)
		}
		for _, m := range all {
			if err := r.CompleteMessage(ctx, m, nil); err != nil {
				b.Fatal(err)
			}
		}
		n += len(all)
	}
	if err := <-sent; err != nil {
		b.Fatal(err)
	}
}
