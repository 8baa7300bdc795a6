// Package simulation runs the whole pipeline in virtual time: the real services, the real Site Recovery client, the
// simulated vault, and a bus that loses settlements, duplicates, reorders and kills processes, all from one seed.
package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/memory"
	"reprotect.example/services/agentwatcher"
	"reprotect.example/services/checks"
	"reprotect.example/services/datastore"
	"reprotect.example/services/executor"
	"reprotect.example/services/facts"
	"reprotect.example/services/internal/asr"
	"reprotect.example/services/internal/lab/asrsim"
	"reprotect.example/services/internal/lab/scenario"
	"reprotect.example/services/internal/lab/vcenter/vcentertest"
	"reprotect.example/services/internal/vsphere"
	"reprotect.example/services/notifier"
	"reprotect.example/services/validator"
)

var (
	seeds = flag.Int("seeds", 20, "how many seeds to simulate")
	seed  = flag.Uint64("seed", 0, "simulate only this seed")
)

// TestCrashes kills services between any two steps and demands that each machine is reprotected exactly once.
func TestCrashes(t *testing.T) {
	from, to := uint64(1), uint64(*seeds)
	if *seed != 0 {
		from, to = *seed, *seed
	}
	inventory := readInventory(t, site())
	deaths := 0
	for s := from; s <= to; s++ {
		t.Run(fmt.Sprint("seed=", s), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(inventory, s, memory.Faults{Seed: s, LostAck: 0.05, Duplicate: 0.05, Reorder: 0.2, Crash: 0.02})
				w.run(t)
				deaths += int(w.deaths.Load())
				w.everyMachineOnce(t)
				w.oneOutcomePerStep(t)
				if t.Failed() {
					t.Logf("replay with: go test ./services/internal/simulation -run TestCrashes -seed %d", s)
					w.dump(t)
				}
			})
		})
	}
	if runs := int(to - from + 1); deaths < runs {
		t.Errorf("only %d processes died in %d runs: the simulation shows nothing", deaths, runs)
	} else {
		t.Logf("%d processes died in %d runs", deaths, runs)
	}
}

// world is everything that a simulation needs.
type world struct {
	scenario scenario.Scenario
	vault    *asrsim.Server
	bus      *memory.Bus
	seed     uint64
	// inventory is what vCenter says; the pipeline changes nothing there.
	inventory facts.Inventory
	deaths    atomic.Int32
}

// dice are rolled by the goroutines of one service.
type dice struct {
	mu     sync.Mutex
	random *rand.Rand
}

func (d *dice) float() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.random.Float64()
}

func (d *dice) upTo(most time.Duration) time.Duration {
	return time.Duration(d.float() * float64(most))
}

func newWorld(inventory facts.Inventory, seed uint64, faults memory.Faults) *world {
	w := &world{scenario: site(), bus: memory.New(faults), seed: seed, inventory: inventory}
	random := rand.New(rand.NewPCG(seed, 1))
	for i := range w.scenario.Machines { // some agents are there, some come late
		w.scenario.Machines[i].Agent = time.Duration(random.IntN(18)-2) * time.Minute
		if w.scenario.Machines[i].Agent == 0 {
			w.scenario.Machines[i].Agent = -1
		}
	}
	w.vault = asrsim.New(w.scenario, asrsim.Options{Token: token, VCenter: vcenterHost})
	return w
}

// site is what all seeds share.
func site() scenario.Scenario { return scenario.Default(6) }

// fixed answers every query with the same inventory.
type fixed facts.Inventory

func (f fixed) Inventory(context.Context, facts.Query) (facts.Inventory, error) {
	return facts.Inventory(f), nil
}

// readInventory reads the simulated vCenter once, in real time and through the real client.
func readInventory(t *testing.T, s scenario.Scenario) facts.Inventory {
	t.Helper()
	server, ca := vcentertest.Start(t, s)
	client, err := vsphere.New(vsphere.Options{URL: server.URL(), Username: server.Username, Password: server.Password, CAFile: ca})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close(t.Context())
	var q facts.Query
	for _, m := range s.Machines {
		q.VMs = append(q.VMs, facts.VMRef{Name: m.Name})
	}
	for _, m := range s.MasterTargets {
		q.VMs = append(q.VMs, facts.VMRef{Name: m.Name})
	}
	for _, a := range s.Appliances {
		q.VMs = append(q.VMs, facts.VMRef{Name: a.Name})
	}
	inventory, err := client.Inventory(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return inventory
}

const (
	token       = "simulated"
	vcenterHost = "vcenter.tokyo.example"
)

type credential struct{}

func (credential) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: token, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// process is one service in a process of its own, which dies when its connection to the bus does.
type process struct {
	*asr.Client
	conn *memory.Conn
	die  func() bool
}

// Reprotect is the one act that matters: the process may die right before or right after it.
func (p *process) Reprotect(ctx context.Context, r facts.Reprotect) (string, error) {
	if p.dead() || p.die() {
		p.conn.Kill()
		return "", errors.New("died before submitting")
	}
	job, err := p.Client.Reprotect(ctx, r)
	if p.die() {
		p.conn.Kill()
		return "", errors.New("died after submitting")
	}
	return job, err
}

func (p *process) dead() bool {
	select {
	case <-p.conn.Dead():
		return true
	default:
		return false
	}
}

const look = 30 * time.Second

// services builds each service anew, as a start of its process does.
func (w *world) services(t *testing.T, p *process) map[string]bus.Service {
	client, err := asr.New(asr.Options{
		Subscription: w.scenario.Subscription, ResourceGroup: w.scenario.ResourceGroup, Vault: w.scenario.Vault,
		Credential: credential{}, Endpoint: "https://management.example", Transport: w.vault.Direct(), Look: look,
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Client = client
	inventory := fixed(w.inventory)
	defaults := validator.Defaults{
		MasterTarget:      map[string]string{"windows": "MT-WIN-01", "linux": "MT-LINUX-01"},
		LogStorageAccount: w.vault.LogStorage(),
	}
	return map[string]bus.Service{
		"validator": validator.New(map[string]validator.Site{"tokyo": {
			Vault: p, Inventory: inventory, Checks: checks.Site{NetworkPath: "vpn"}, Defaults: defaults, Look: look}}, nil, p.conn, time.Now),
		"datastore":    datastore.New(map[string]datastore.Site{"tokyo": {Vault: p, Inventory: inventory, Look: look}}, time.Now),
		"agentwatcher": agentwatcher.New(map[string]agentwatcher.Site{"tokyo": {Vault: p, AgentWait: 20 * time.Minute, Look: look}}, time.Now),
		"executor": executor.New(map[string]executor.Site{"tokyo": {
			Vault: p, Inventory: inventory, Checks: checks.Site{NetworkPath: "vpn"}, Look: look, AgentWait: 20 * time.Minute, JobWait: 24 * time.Hour}}, time.Now),
		"notifier": notifier.New(),
	}
}

// run publishes one request for all machines and lets the services work until every case has ended.
func (w *world) run(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	names := []string{"validator", "datastore", "agentwatcher", "executor", "notifier"}
	for i, name := range names {
		dice := &dice{random: rand.New(rand.NewPCG(w.seed, uint64(i+10)))}
		go func() {
			defer func() { done <- struct{}{} }()
			for ctx.Err() == nil {
				w.live(ctx, t, name, dice)
				select { // the supervisor starts it again
				case <-ctx.Done():
				case <-time.After(dice.upTo(20 * time.Second)):
				}
			}
		}()
	}

	ops := w.bus.Connect()
	var request events.Request
	for _, m := range w.scenario.Machines {
		request.Machines = append(request.Machines, events.RequestMachine{Name: m.Name})
	}
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	for { // as ops would: until the bus has it
		if err := ops.Publish(ctx, bus.Message{Subject: events.CommandSubject(events.TypeRequest.Kind), ID: "r1", Data: body}); err == nil {
			break
		}
		ops = w.bus.Connect()
	}
	deadline := time.Now().Add(12 * time.Hour)
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for w.ended() < len(w.scenario.Machines) && time.Now().Before(deadline) {
		<-tick.C
	}
	cancel()
	for range names {
		<-done
	}
}

// live is one life of a service's process.
func (w *world) live(ctx context.Context, t *testing.T, name string, dice *dice) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := &process{conn: w.bus.Connect()}
	p.die = func() bool { return dice.float() < 0.1 }
	go func() {
		select {
		case <-p.conn.Dead():
			w.deaths.Add(1)
		case <-time.After(5*time.Minute + dice.upTo(2*time.Hour)): // and sometimes just so
			p.conn.Kill()
			w.deaths.Add(1)
		case <-ctx.Done():
		}
		cancel()
	}()
	if err := bus.Run(ctx, p.conn, w.services(t, p)[name], bus.Options{Jitter: dice.float, Concurrency: 4}); err != nil && !errors.Is(err, bus.ErrClosed) {
		t.Errorf("%s: %v", name, err)
	}
}

// facts lists the events of the pipeline.
func (w *world) facts(t *testing.T) []events.Event[json.RawMessage] {
	var all []events.Event[json.RawMessage]
	for _, r := range w.bus.Log() {
		if _, _, _, _, ok := events.SplitFact(r.Subject); !ok {
			continue
		}
		e, err := events.Parse(r.Data)
		if err != nil {
			t.Fatalf("%s: %v", r.Subject, err)
		}
		all = append(all, e)
	}
	return all
}

func (w *world) ended() (n int) {
	for _, r := range w.bus.Log() {
		if _, _, _, name, ok := events.SplitFact(r.Subject); ok {
			if kind, known := events.KindOf(name); known && kind.Role == events.End {
				n++
			}
		}
	}
	return n
}

func (w *world) everyMachineOnce(t *testing.T) {
	completed := map[string]int{}
	for _, e := range w.facts(t) {
		kind, _ := events.KindOf(e.Type)
		if kind == events.TypeCompleted.Kind {
			typed, err := events.As(events.TypeCompleted, e)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range typed.Data.Machines {
				completed[m.Machine]++
			}
		} else if kind.Role == events.End {
			t.Errorf("%s ended as %s: %s", e.Case, kind.Name, e.Data)
		}
	}
	submissions := w.vault.Submissions()
	for _, m := range w.scenario.Machines {
		if completed[m.Name] != 1 || submissions[m.Name] != 1 {
			t.Errorf("%s: completed %d times, submitted %d times", m.Name, completed[m.Name], submissions[m.Name])
		}
	}
}

func (w *world) oneOutcomePerStep(t *testing.T) {
	outcomes := map[string][]string{}
	for _, e := range w.facts(t) {
		if kind, _ := events.KindOf(e.Type); kind.Decides() {
			key := e.Case + "/" + e.Step
			outcomes[key] = append(outcomes[key], kind.Name)
		}
	}
	for key, names := range outcomes {
		if len(names) != 1 {
			t.Errorf("%s has the outcomes %v", key, names)
		}
	}
	if len(outcomes) != len(events.Steps())*len(w.scenario.Machines) {
		t.Errorf("%d outcomes of %d machines", len(outcomes), len(w.scenario.Machines))
	}
	if i := slices.IndexFunc(w.bus.Log(), func(r bus.Received) bool { return bus.Match("reprotect.dead.>", r.Subject) }); i >= 0 {
		t.Errorf("dead letter: %s", w.bus.Log()[i].Data)
	}
}

func (w *world) dump(t *testing.T) {
	for _, r := range w.bus.Log() {
		t.Logf("%s %s", r.Published.Format(time.TimeOnly), r.Subject)
	}
}
