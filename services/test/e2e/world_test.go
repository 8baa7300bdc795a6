// Package e2e holds the product to its contract from outside: requests go in over NATS, facts come out, and Site
// Recovery and vCenter are the lab's, over HTTPS.
//
// The simulated vCenter keeps state per process, so the tests run one after the other.
package e2e

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"reprotect.example/events"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/services/internal/app"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/internal/telemetry"
	"reprotect.example/services/lab"
	"reprotect.example/services/lab/scenario"
)

const (
	site  = "tokyo"
	speed = 2400             // a reprotect takes a second
	limit = 60 * time.Second // for anything that is awaited
)

// world is a lab, a bus, and whoever watches it. What ended up on the bus and in the logs is judged when the
// test ends, whatever the test was about.
type world struct {
	t      *testing.T
	dir    string // of the lab
	ready  lab.Ready
	config config.Config
	log    *zap.Logger
	logged *text
	nats   *server.Server // nil when the bus is the lab's
	bus    *nats.Conn
	reader *jetstream.Conn

	secrets map[string]string // by what they are
	foreign map[uint64]bool   // facts that the test forged, by sequence

	seenSoFar
}

// start makes a world of these machines; no service runs yet.
func start(t *testing.T, machines ...scenario.Machine) *world {
	t.Helper()
	return startWith(t, scenario.Default(0).Times, machines...)
}

// startWith makes a world in which all take their own time.
func startWith(t *testing.T, times scenario.Times, machines ...scenario.Machine) *world {
	t.Helper()
	w := newWorld(t)
	s := scenario.Default(0)
	s.Speed, s.Machines, s.Times = speed, machines, times
	l, err := lab.Start(t.Context(), lab.Options{Scenario: s, Dir: w.dir, Bus: lab.BusNone, Log: w.log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	w.load(l.Ready())
	w.config = with(w.config, func(s *config.Site) { s.Limits.AgentWait = time.Minute })
	w.startBus()
	w.connect()
	w.secrets = w.readSecrets()
	return w
}

// everyFact lets the bus carry a notification of each fact, beside the stories.
var everyFact = []config.Notify{{Name: "bus", Kind: config.KindBus, Detail: config.DetailMachine, Digest: 5 * time.Minute, Stale: time.Hour}}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: filepath.Join(t.TempDir(), "lab"), logged: &text{}, foreign: map[uint64]bool{}}
	w.changed = make(chan struct{})
	var err error
	if w.log, err = telemetry.NewLogger(w.logged, "debug"); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) load(ready lab.Ready) {
	w.t.Helper()
	w.ready = ready
	var err error
	if w.config, err = config.Load(ready.Config); err != nil {
		w.t.Fatal(err)
	}
	w.config.Notify = everyFact
}

// with gives a config whose site is changed; the given one stays as it is.
func with(c config.Config, change func(*config.Site)) config.Config {
	s := c.Sites[site]
	change(&s)
	c.Sites = map[string]config.Site{site: s}
	return c
}

func machine(name, architecture, os string) scenario.Machine {
	m := scenario.Default(1).Machines[0]
	m.Name, m.Architecture, m.OS, m.Agent = name, architecture, os, -1
	m.OSVersion = map[string]string{"linux": "Ubuntu 22.04", "windows": "Microsoft Windows Server 2019 Datacenter"}[os]
	return m
}

// modernized and classic are Linux machines whose agents have registered.
func modernized(name string) scenario.Machine { return machine(name, "modernized", "linux") }
func classic(name string) scenario.Machine    { return machine(name, "classic", "linux") }

const natsUser = "reprotect"

// startBus runs a NATS server with a user and a password, and points the config at it.
func (w *world) startBus() {
	w.t.Helper()
	password := rand.Text()
	file := filepath.Join(w.t.TempDir(), "nats-password")
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.runBus(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: filepath.Join(w.dir, "nats"),
		Username: natsUser, Password: password, NoLog: true, NoSigs: true,
	})
	w.t.Cleanup(func() { w.stopBus() })
	w.config.Bus.NATS = &config.NATS{URL: "nats://" + w.nats.Addr().String(), User: natsUser, PasswordFile: file, Replicas: 1}
}

func (w *world) runBus(o *server.Options) {
	w.t.Helper()
	var err error
	if w.nats, err = server.NewServer(o); err != nil {
		w.t.Fatal(err)
	}
	w.nats.Start()
	if !w.nats.ReadyForConnections(limit) {
		w.t.Fatal("the NATS server does not get ready")
	}
}

func (w *world) stopBus() {
	w.nats.Shutdown()
	w.nats.WaitForShutdown()
}

// restartBus stops the server, and starts one on the same port and folder.
func (w *world) restartBus() {
	w.t.Helper()
	password, err := w.config.NATSPassword()
	if err != nil {
		w.t.Fatal(err)
	}
	at := w.nats.Addr().(*net.TCPAddr)
	w.stopBus()
	w.runBus(&server.Options{
		Host: "127.0.0.1", Port: at.Port, JetStream: true, StoreDir: filepath.Join(w.dir, "nats"),
		Username: natsUser, Password: password, NoLog: true, NoSigs: true,
	})
}

// connect sets the bus up, follows it, and arranges for its judgement.
func (w *world) connect() {
	w.t.Helper()
	opened, err := app.OpenBus(w.t.Context(), w.config, "test", false, w.log)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(opened.Close)
	if err := opened.SetUp(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.reader = opened.NATS
	password, err := w.config.NATSPassword()
	if err != nil {
		w.t.Fatal(err)
	}
	if w.bus, err = nats.Connect(w.config.Bus.NATS.URL, nats.UserInfo(w.config.Bus.NATS.User, password), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond)); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(w.bus.Close)
	w.t.Cleanup(func() { w.judge() })

	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	var following sync.WaitGroup
	for _, stream := range []string{jetstream.StreamLog, jetstream.StreamDead} {
		following.Go(func() { w.follow(ctx, w.reader, stream) })
	}
	w.t.Cleanup(func() {
		cancel()
		following.Wait()
	})
}

// serve runs services (none named: all) until the returned function is called, or the test ends.
func (w *world) serve(c config.Config, targets ...string) (stop func()) {
	w.t.Helper()
	if targets == nil {
		targets = app.Targets()
	}
	services, err := w.services(c, targets)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		services.Run(ctx)
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case <-ended:
		case <-time.After(limit):
			w.t.Error("the services do not end")
		}
	})
	w.t.Cleanup(stop)
	return stop
}

func (w *world) services(c config.Config, targets []string) (*app.App, error) {
	return app.New(app.Options{
		Config: c, Targets: targets, Log: w.log, Health: telemetry.NewHealth(), Observe: telemetry.NewMetrics().Observe,
	})
}

// do lets the lab do something, over its control address.
func (w *world) do(action string, args ...string) {
	w.t.Helper()
	if err := lab.Do(w.t.Context(), w.dir, action, args...); err != nil {
		w.t.Fatal(err)
	}
}

// submissions is how many reprotects of the machine Site Recovery accepted.
func (w *world) submissions(machine string, want int) {
	w.t.Helper()
	all, err := lab.Submissions(w.t.Context(), w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	if all[machine] != want {
		w.t.Errorf("%s was submitted %d times, want %d", machine, all[machine], want)
	}
}

// publish puts a message on a subject and returns its sequence; id may be empty.
func (w *world) publish(subject, id, body string) uint64 {
	w.t.Helper()
	m := nats.NewMsg(subject)
	m.Data = []byte(body)
	if id != "" {
		m.Header.Set(nats.MsgIdHdr, id)
	}
	answer, err := w.bus.RequestMsg(m, limit)
	if err != nil {
		w.t.Fatalf("publish on %s: %v", subject, err)
	}
	var ack struct {
		Seq       uint64
		Duplicate bool
		Error     *struct{ Description string }
	}
	if err := json.Unmarshal(answer.Data, &ack); err != nil || ack.Error != nil || ack.Duplicate {
		w.t.Fatalf("publish on %s: %s", subject, answer.Data)
	}
	return ack.Seq
}

// request asks for machines under an id, and returns the case of the first.
func (w *world) request(id, more string, machines ...string) (caseID string) {
	w.t.Helper()
	var names []string
	for _, m := range machines {
		names = append(names, fmt.Sprintf(`{"name": %q}`, m))
	}
	body := fmt.Sprintf(`{"machines": [%s]%s}`, strings.Join(names, ","), more)
	w.publish(events.CommandSubject(events.TypeRequest.Kind), id, body)
	return caseOf(id, machines[0])
}

func caseOf(id, machine string) string { return events.Token(id) + "--" + events.Token(machine) }

// text is a log that may be read while it is written.
type text struct {
	mu sync.Mutex
	b  strings.Builder
}

func (t *text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(p)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}
