package jetstream

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"reprotect.example/events/bus"
)

var watcher = bus.Consumer{Service: "watcher", Filters: []string{"reprotect.event.*.*.placement.placed"}, AckWait: 5 * time.Second, Pending: 64}

// small starts a server with little room for its files, and connects.
func small(t *testing.T, room int64) *Conn {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		ServerName: "small", Host: "127.0.0.1", Port: server.RANDOM_PORT,
		JetStream: true, StoreDir: t.TempDir(), JetStreamMaxStore: room, NoLog: true, NoSigs: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server is not ready")
	}
	c, err := Connect(Options{URL: s.ClientURL(), Name: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.SetUp(t.Context(), Topology(1, watcher)); err != nil {
		t.Fatal(err)
	}
	return c
}

// woken collects the wake-ups of the watcher that come within a time.
func woken(t *testing.T, c *Conn, within time.Duration) []string {
	t.Helper()
	source, err := c.Consume(t.Context(), watcher)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	var got []string
	for {
		d, err := source.Next(ctx)
		if err != nil {
			slices.Sort(got)
			return got
		}
		got = append(got, string(d.Received().Data))
		if err := d.Ack(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// pageSize and more timers, so that the walk turns pages.
const many = pageSize + 44

func plant(t *testing.T, c *Conn, at time.Time) (want []string) {
	t.Helper()
	for i := range many {
		name := fmt.Sprintf("case-%03d", i)
		if err := c.Wake(t.Context(), watcher.Service, name+".registration", at, bus.Message{Data: []byte(name)}); err != nil {
			t.Fatal(err)
		}
		want = append(want, name)
	}
	return want
}

func TestHealthyTimersFireOnce(t *testing.T) {
	t.Parallel()
	c := small(t, 1<<30)
	due := time.Now().Add(2 * time.Second)
	want := plant(t, c, due)
	if n, err := c.renewOverdue(t.Context(), watcher.Service, time.Now().Add(-overdue)); n != 0 || err != nil {
		t.Errorf("renewed %d, %v", n, err)
	}
	if got := woken(t, c, time.Until(due)+3*time.Second); !slices.Equal(got, want) {
		t.Errorf("woken %d times, want %d, each once", len(got), len(want))
	}
	if n, err := c.renewOverdue(t.Context(), watcher.Service, time.Now()); n != 0 || err != nil {
		t.Errorf("renewed %d that had fired, %v", n, err)
	}
}

// A server that had no room when the timers came due does not deliver them when it has room again.
func TestStuckTimersAreRenewed(t *testing.T) {
	t.Parallel()
	c := small(t, 4<<20)
	filler, err := c.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "FILLER", Subjects: []string{"filler"}})
	if err != nil {
		t.Fatal(err)
	}
	due := time.Now().Add(5 * time.Second)
	want := plant(t, c, due)
	for size := 256 << 10; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = c.js.Publish(t.Context(), "filler", make([]byte, size))
		}
	}
	if !time.Now().Before(due) {
		t.Fatal("this machine is too slow: the timers came due before the storage was full")
	}
	if got := woken(t, c, time.Until(due)+2*time.Second); len(got) != 0 {
		t.Fatalf("%d of %d timers fired without room: the storage was not full", len(got), many)
	}
	if err := filler.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := c.renewOverdue(t.Context(), watcher.Service, time.Now()); n != many || err != nil {
		t.Fatalf("renewed %d, %v", n, err)
	}
	if got := woken(t, c, 3*time.Second); !slices.Equal(got, want) {
		t.Errorf("woken %d times, want %d, each once", len(got), len(want))
	}
}
