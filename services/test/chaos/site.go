package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/servicebus/sbpeer"
	"reprotect.example/events/bus/servicebus/sbtest"
	"reprotect.example/services/audit"
	"reprotect.example/services/cases"
	"reprotect.example/services/internal/app"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/internal/journalclient"
	"reprotect.example/services/lab"
	"reprotect.example/services/lab/scenario"
)

// site is a lab in this process, a bus, and the services as processes: two of each that may have two.
type site struct {
	options
	dir       string
	lab       *lab.Lab
	config    string
	services  []*process
	servers   []*process   // of NATS
	ways      []*tunnel    // to them
	peer      *sbpeer.Peer // Service Bus
	processes []*process
	closes    []func()
	keep      bool // the folder, with what the processes said
}

// labSpeed lets a reprotect take some ten seconds.
const labSpeed = 120

func start(ctx context.Context, o options) (s *site, err error) {
	s = &site{options: o, keep: true}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	if s.programs, err = filepath.Abs(o.programs); err != nil { // else they are looked for in the PATH
		return s, err
	}
	if s.dir, err = os.MkdirTemp("", "reprotect-chaos-"); err != nil {
		return s, err
	}
	world := scenario.Default(o.machines)
	world.Speed = labSpeed
	for i := range world.Machines { // each goes through: what is judged is what the product makes of the rest
		world.Machines[i].Agent = -1
	}
	if s.lab, err = lab.Start(ctx, lab.Options{Scenario: world, Dir: filepath.Join(s.dir, "lab"), Bus: lab.BusNone}); err != nil {
		return s, err
	}
	s.closes = append(s.closes, s.lab.Close)
	busPart, err := s.startBus()
	if err != nil {
		return s, err
	}
	text, err := os.ReadFile(s.lab.Ready().Config)
	if err != nil {
		return s, err
	}
	journal, err := freeAddress()
	if err != nil {
		return s, err
	}
	s.config = s.lab.Ready().Config // it names files beside it
	text = fmt.Appendf(text, "\n%s\njournal: {listen: %q}\n", busPart, journal)
	if err := os.WriteFile(s.config, text, 0o600); err != nil { //nolint:gosec // in a folder of our own
		return s, err
	}
	if err := s.setUp(ctx); err != nil {
		return s, err
	}
	for _, target := range app.Targets() {
		for n := range 2 {
			p := &process{
				name: fmt.Sprintf("%s-%d", target, n+1), path: program(s.programs, "reprotectd"), log: filepath.Join(s.dir, target+".log"),
				args: []string{"--config", s.config, "--target", target},
			}
			if err := p.begin(); err != nil {
				return s, err
			}
			s.services = append(s.services, p)
		}
	}
	s.processes = append(s.processes, s.services...)
	return s, nil
}

// startBus starts the bus, and gives what the config says of it.
func (s *site) startBus() (string, error) {
	if s.bus == "servicebus" {
		s.peer = sbpeer.New(sbpeer.Options{Ahead: s.ahead})
		s.closes = append(s.closes, s.peer.Close)
		if err := errors.Join(s.peer.Listen(0), sbtest.SetUp(s.peer, app.AzureTopology())); err != nil {
			return "", err
		}
		secret := filepath.Join(s.dir, "bus")
		return fmt.Sprintf("bus: {serviceBus: {connectionStringFile: %q}}", secret), os.WriteFile(secret, []byte(s.peer.ConnectionString()), 0o600)
	}
	if s.bus != "nats" {
		return "", fmt.Errorf("there is no bus %q: nats or servicebus", s.bus)
	}
	var clients, routes []string
	for range 3 {
		client, err := freeAddress()
		if err != nil {
			return "", err
		}
		route, err := freeAddress()
		if err != nil {
			return "", err
		}
		clients, routes = append(clients, client), append(routes, route)
	}
	var urls []string
	for i, client := range clients {
		file := filepath.Join(s.dir, fmt.Sprintf("nats-%d.conf", i+1))
		text := fmt.Sprintf("server_name: nats-%d\nlisten: %q\njetstream {store_dir: %q}\ncluster {name: chaos, listen: %q, no_advertise: true, routes: [%q, %q, %q]}\n",
			i+1, client, filepath.Join(s.dir, fmt.Sprintf("nats-%d", i+1)), routes[i], "nats://"+routes[0], "nats://"+routes[1], "nats://"+routes[2])
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return "", err
		}
		p := &process{name: fmt.Sprintf("nats-%d", i+1), path: program(s.programs, "nats-server"), args: []string{"-c", file}, log: filepath.Join(s.dir, fmt.Sprintf("nats-%d.log", i+1))}
		if err := p.begin(); err != nil {
			return "", err
		}
		s.servers, s.processes = append(s.servers, p), append(s.processes, p)
		way, err := dig(client)
		if err != nil {
			return "", err
		}
		s.ways = append(s.ways, way)
		s.closes = append(s.closes, func() { _ = way.listener.Close() })
		urls = append(urls, "nats://"+way.address())
	}
	return fmt.Sprintf("bus: {nats: {url: %q, replicas: 3}}", strings.Join(urls, ",")), nil
}

// setUp makes what the services need on the bus, once that answers.
func (s *site) setUp(ctx context.Context) error {
	if s.peer != nil {
		return nil
	}
	var err error
	for until := time.Now().Add(time.Minute); time.Now().Before(until) && wait(ctx, time.Second); { // a cluster elects first
		if _, err = s.command(ctx, "bus", "setup"); err == nil {
			return nil
		}
	}
	return errors.Join(err, ctx.Err())
}

func (s *site) stop() {
	for _, p := range s.processes {
		p.thaw()
		p.stop()
	}
	for _, end := range slices.Backward(s.closes) {
		end()
	}
	if s.keep {
		fmt.Fprintln(os.Stderr, "chaos: what the processes said is in", s.dir)
		return
	}
	_ = os.RemoveAll(s.dir)
}

// command runs reprotect.
func (s *site) command(ctx context.Context, args ...string) (string, error) {
	c := exec.CommandContext(ctx, program(s.programs, "reprotect"), append([]string{"--config", s.config}, args...)...) //nolint:gosec // of the folder that was named
	out, err := c.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return string(out), err
}

// ask requests all machines, five at a time, over a while. A request that the bus did not take is sent again under its id: it
// may have been stored.
func (s *site) ask(ctx context.Context, during time.Duration) error {
	const atOnce = 5
	names := s.lab.Ready().Machines
	pause := during / time.Duration(max(1, len(names)/atOnce))
	b, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	for n := 0; len(names) > 0; n++ {
		some := names[:min(atOnce, len(names))]
		names = names[len(some):]
		var machines []map[string]string
		for _, name := range some {
			machines = append(machines, map[string]string{"name": name})
		}
		body, err := json.Marshal(map[string]any{"machines": machines, "reason": "chaos"})
		if err != nil {
			return err
		}
		m := bus.Message{Subject: "reprotect.command.request", ID: fmt.Sprintf("chaos-%d", n), Data: body}
		for {
			if err = b.Publish(ctx, m); err == nil {
				break
			}
			if !wait(ctx, time.Second) {
				return fmt.Errorf("request %s: %w", m.ID, err)
			}
		}
		if !wait(ctx, pause) {
			return ctx.Err()
		}
	}
	return nil
}

// open connects to the bus.
func (s *site) open(ctx context.Context) (*app.Bus, error) {
	c, err := config.Load(s.config)
	if err != nil {
		return nil, err
	}
	return app.OpenBus(ctx, c, "chaos", false, zap.NewNop())
}

// await waits until every case has ended and the journal knows it.
func (s *site) await(ctx context.Context, patience time.Duration) error {
	var open int
	var all []cases.Case
	var err error
	for until := time.Now().Add(patience); time.Now().Before(until); {
		if !wait(ctx, 2*time.Second) {
			return ctx.Err()
		}
		if all, err = s.cases(ctx); err != nil {
			continue
		}
		open = 0
		for _, c := range all {
			if !c.End {
				open++
			}
		}
		if len(all) >= s.machines && open == 0 {
			return nil
		}
	}
	return fmt.Errorf("after %s there are %d cases, %d of which have not ended: %w", patience, len(all), open, errors.Join(err, context.DeadlineExceeded))
}

// cases are all, as the journal knows them.
func (s *site) cases(ctx context.Context) ([]cases.Case, error) {
	j, err := s.journal()
	if err != nil {
		return nil, err
	}
	defer j.Close()
	return j.Cases(ctx)
}

func (s *site) journal() (*journalclient.Client, error) {
	c, err := config.Load(s.config)
	if err != nil {
		return nil, err
	}
	return app.JournalClient(c)
}

// count fills the figures in.
func (s *site) count(ctx context.Context, f *figures) error {
	for _, m := range s.lab.Standings() {
		f.Submissions += m.Submissions
		if m.Submissions > 1 {
			f.Twice = append(f.Twice, m.Machine)
		}
		if m.AsExpected() {
			f.Protected++
		}
	}
	all, err := s.cases(ctx)
	if err != nil {
		return err
	}
	f.Cases = len(all)
	for _, c := range all {
		if c.State == "completed" {
			f.Ends++
		}
	}
	var dead []any
	text, err := s.command(ctx, "bus", "dead", "list", "-o", "json")
	if err == nil {
		err = json.Unmarshal([]byte(text), &dead)
	}
	if err != nil {
		return err
	}
	f.Dead = len(dead)
	b, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	// The last notifications follow the ends of the cases: both are counted until they agree, or for a while.
	for tries := 0; tries == 0 || f.Journal != f.Stream && tries < 15; tries++ {
		if tries > 0 && !wait(ctx, 2*time.Second) {
			return ctx.Err()
		}
		if err := s.compare(ctx, b, f); err != nil {
			return err
		}
	}
	return nil
}

// compare counts what the bus has and what the journal has.
func (s *site) compare(ctx context.Context, b *app.Bus, f *figures) error {
	var counter audit.Counter
	f.Stream = 0
	each := func(r bus.Received) error { //nolint:unparam // as a reader of the bus must be
		if _, ok := counter.Next(r); ok {
			f.Stream++
		}
		return nil
	}
	read := func() error { return b.Azure.Audit(ctx, each) }
	if b.NATS != nil {
		read = func() error { return b.NATS.Since(ctx, 0, each) }
	}
	if err := read(); err != nil {
		return err
	}
	j, err := s.journal()
	if err != nil {
		return err
	}
	defer j.Close()
	held, err := j.Stats(ctx)
	f.Journal = int(held.Messages) //nolint:gosec // far from so many
	return err
}

func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// freeAddress is one of loopback that nobody listens to now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
