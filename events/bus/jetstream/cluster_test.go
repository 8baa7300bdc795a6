package jetstream_test

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
)

// cluster starts three servers that know each other.
func cluster(t *testing.T) []*server.Server {
	t.Helper()
	const size = 3
	var routes []*url.URL
	var held []net.Listener
	for range size { // each must know all ports before it starts
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, l)
		routes = append(routes, &url.URL{Scheme: "nats", Host: l.Addr().String()})
	}
	var servers []*server.Server
	for i := range size {
		held[i].Close()
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprint("n", i), Host: "127.0.0.1", Port: server.RANDOM_PORT,
			Cluster: server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: held[i].Addr().(*net.TCPAddr).Port}, Routes: routes,
			JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() {
			s.Shutdown()
			s.WaitForShutdown()
		})
		servers = append(servers, s)
	}
	for _, s := range servers {
		if !s.ReadyForConnections(20 * time.Second) {
			t.Fatal("a server is not ready")
		}
	}
	eventually(t, "the servers have chosen a leader", func() bool {
		return slices.ContainsFunc(servers, func(s *server.Server) bool { return s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) == size })
	})
	return servers
}

// Three servers: of many who race for a step one wins, and the stop of a server loses nothing.
func TestCluster(t *testing.T) {
	t.Parallel()
	servers := cluster(t)
	var urls []string
	for _, s := range servers {
		urls = append(urls, s.ClientURL())
	}
	all := strings.Join(urls, ",")
	c, err := jetstream.Connect(jetstream.Options{URL: all, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	eventually(t, "streams with three replicas", func() bool {
		return c.SetUp(t.Context(), jetstream.Topology(3, validator)) == nil
	})

	const steps, racers = 10, 6
	var conns []*jetstream.Conn
	for i := range racers {
		racer, err := jetstream.Connect(jetstream.Options{URL: urls[i%len(urls)]})
		if err != nil {
			t.Fatal(err)
		}
		defer racer.Close()
		conns = append(conns, racer)
	}
	for step := range steps {
		if won := race(t, conns, fmt.Sprintf("case-%d", step)); won != 1 {
			t.Errorf("step %d has %d winners, want 1", step, won)
		}
	}
	due := time.Now().Add(4 * time.Second)
	if err := c.Wake(t.Context(), validator.Service, "case-0.look", due, bus.Message{Data: []byte("wake-up")}); err != nil {
		t.Fatal(err)
	}

	leader := slices.IndexFunc(servers, func(s *server.Server) bool {
		return s.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, jetstream.StreamLog)
	})
	if leader < 0 {
		t.Fatal("the event log has no leader")
	}
	servers[leader].Shutdown()
	eventually(t, "publishing goes on without the server that led the event log", func() bool {
		err := c.Publish(t.Context(), fact("after", "request", "accepted"))
		return err == nil || errors.Is(err, bus.ErrDecided)
	})
	if err := c.Publish(t.Context(), fact("case-0", "request", "refused")); !errors.Is(err, bus.ErrDecided) {
		t.Errorf("a second outcome after the stop: %v", err)
	}
	var source bus.Source
	eventually(t, "the service takes up its work", func() bool {
		source, err = c.Consume(t.Context(), validator)
		return err == nil
	})
	source.Close()
	got := receive(t, c, validator, steps+2)
	want := []string{"after"}
	for step := range steps {
		want = append(want, fmt.Sprintf("case-%d", step))
	}
	want = append(want, "wake-up")
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// race lets each publish an outcome of one step and counts those that won.
func race(t *testing.T, racers []*jetstream.Conn, caseID string) (won int) {
	t.Helper()
	var mu sync.Mutex
	var running sync.WaitGroup
	begin := make(chan struct{})
	for i, c := range racers {
		running.Go(func() {
			<-begin
			m := fact(caseID, "request", "accepted")
			m.ID += fmt.Sprint("/", i) // so that nothing but the fence keeps the others out
			err := c.Publish(t.Context(), m)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case !errors.Is(err, bus.ErrDecided):
				t.Errorf("racer %d: %v", i, err)
			}
		})
	}
	close(begin)
	running.Wait()
	return won
}
