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
	"reprotect.example/services/executor/admission"
	"reprotect.example/services/internal/asr"
	"reprotect.example/services/internal/vsphere"
	"reprotect.example/services/lab/asrsim"
	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/lab/vcenter/vcentertest"
	"reprotect.example/services/notifier"
	"reprotect.example/services/observed"
	"reprotect.example/services/validator"
	"reprotect.example/services/workflow"
)

var (
	seeds = flag.Int("seeds", 40, "how many seeds to simulate; with -short a twentieth of them")
	seed  = flag.Uint64("seed", 0, "simulate only this seed")
)

// eachSeed runs a test in virtual time with every seed that is asked for, and says how to run a failing one alone. A
// seed fixes the site and what happens to it; in which order goroutines run is Go's own, so a rare failure may take
// some runs of its seed to come again.
// Share says that only one of so many seeds is simulated, where a run takes long.
func eachSeed(t *testing.T, share int, run func(t *testing.T, seed uint64)) (runs int) {
	if testing.Short() {
		share *= 20
	}
	from, to := uint64(1), uint64(max(*seeds/share, 1))
	if *seed != 0 {
		from, to = *seed, *seed
	}
	name := t.Name()
	t.Run("seeds", func(t *testing.T) { // returns when all have run
		for s := from; s <= to; s++ {
			t.Run(fmt.Sprint(s), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					run(t, s)
					if t.Failed() {
						t.Logf("replay with: go test ./services/test/simulation -run '^%s$' -seed %d -count 20", name, s)
					}
				})
			})
		}
	})
	return int(to - from + 1)
}

// TestCrashes kills services between any two steps and demands that each machine is reprotected exactly once.
func TestCrashes(t *testing.T) {
	inventory := readInventory(t, site())
	var deaths atomic.Int32
	runs := eachSeed(t, 2, func(t *testing.T, seed uint64) {
		w := newWorld(site(), inventory, seed, inMemory{memory.New(memory.Faults{Seed: seed, LostAck: 0.05, Duplicate: 0.05, Reorder: 0.2, Crash: 0.02})})
		w.bringHome(t)
		deaths.Add(w.deaths.Load())
	})
	if n := int(deaths.Load()); n < runs {
		t.Errorf("only %d processes died in %d runs: the simulation shows nothing", n, runs)
	} else {
		t.Logf("%d processes died in %d runs", n, runs)
	}
}

// bringHome asks for all machines of the site and lets the services work until every case has ended, in which each
// machine was reprotected exactly once.
func (w *world) bringHome(t *testing.T) {
	for i := range w.scenario.Machines { // some agents are there, some come late
		w.scenario.Machines[i].Agent = w.lateAgent()
	}
	w.open()
	stop := w.serve(t)
	w.request(t, "r1", w.scenario.Machines...)
	w.until(t, 12*time.Hour, func() bool { return w.ended() == len(w.scenario.Machines) })
	stop()
	w.everyMachineOnce(t)
	w.oneOutcomePerStep(t)
	if t.Failed() {
		w.dump(t)
	}
}

// link is one process's connection to the bus.
type link interface {
	bus.Broker
	Story(ctx context.Context, caseID string) ([]bus.Received, error)
	// Kill cuts it: no call of the process takes effect any more. Dead is closed then.
	Kill()
	Dead() <-chan struct{}
}

// whole is a log that has every command.
type whole struct{ link }

func (whole) Kept(context.Context, string, string) (bool, error) { return true, nil }

// network is the bus.
type network interface {
	Connect() link
	// Log is everything that was published, dead letters included, in order.
	Log() []bus.Received
}

// inMemory is the network of the bus in memory.
type inMemory struct{ *memory.Bus }

func (m inMemory) Connect() link { return m.Bus.Connect() }

// world is everything that a simulation needs.
type world struct {
	scenario scenario.Scenario
	vault    *asrsim.Server
	bus      network
	seed     uint64
	// inventory is what vCenter says; the pipeline changes nothing there.
	inventory observed.Inventory
	limits    admission.Limits
	look      time.Duration
	client    *asr.Client // of all processes; nil: each has its own
	// processes names the service of each process.
	processes []string
	random    *rand.Rand // of what happens to the site; the processes have dice of their own
	deaths    atomic.Int32
	lives     atomic.Int32
	// busMayBeAway: a service may fail to subscribe, and is started again.
	busMayBeAway bool
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

func (d *dice) intN(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.random.IntN(n)
}

func (d *dice) upTo(most time.Duration) time.Duration {
	return time.Duration(d.float() * float64(most))
}

func newWorld(site scenario.Scenario, inventory observed.Inventory, seed uint64, n network) *world {
	return &world{
		scenario: site, bus: n, seed: seed, look: 30 * time.Second, inventory: inventory, random: rand.New(rand.NewPCG(seed, 1)),
		processes: []string{"validator", "datastore", "agentwatcher", "executor", "notifier"},
	}
}

// lateAgent is how long after the start an agent registers: some are there already.
func (w *world) lateAgent() time.Duration {
	if late := time.Duration(w.random.IntN(18)-2) * time.Minute; late > 0 {
		return late
	}
	return -1
}

// open makes the vault of the scenario as it stands now.
func (w *world) open() {
	w.vault = asrsim.New(w.scenario, asrsim.Options{Token: token, VCenter: vcenterHost})
}

// site is what all seeds share.
func site() scenario.Scenario { return scenario.Default(6) }

// fixed answers every query with the same inventory.
type fixed observed.Inventory

func (f fixed) Inventory(context.Context, observed.Query) (observed.Inventory, error) {
	return observed.Inventory(f), nil
}

// readInventory reads the simulated vCenter once, in real time and through the real client.
func readInventory(t *testing.T, s scenario.Scenario) observed.Inventory {
	t.Helper()
	server, ca := vcentertest.Start(t, s)
	client, err := vsphere.New(vsphere.Options{URL: server.URL(), Username: server.Username, Password: server.Password, CAFile: ca})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close(t.Context())
	var q observed.Query
	for _, m := range s.Machines {
		q.VMs = append(q.VMs, observed.VMRef{Name: m.Name})
	}
	for _, m := range s.MasterTargets {
		q.VMs = append(q.VMs, observed.VMRef{Name: m.Name})
	}
	for _, a := range s.Appliances {
		q.VMs = append(q.VMs, observed.VMRef{Name: a.Name})
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
	conn link
	die  func() bool
}

// Reprotect is the one act that matters: the process may die right before or right after it.
func (p *process) Reprotect(ctx context.Context, r observed.Reprotect) (string, error) {
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

// newClient is a client of the simulated vault.
func (w *world) newClient(t *testing.T) *asr.Client {
	client, err := asr.New(asr.Options{
		Subscription: w.scenario.Subscription, ResourceGroup: w.scenario.ResourceGroup, Vault: w.scenario.Vault,
		Credential: credential{}, Endpoint: "https://management.example", Transport: w.vault.Direct(), Look: w.look,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// services builds each service anew, as a start of its process does.
func (w *world) services(t *testing.T, p *process) map[string]workflow.Service {
	if p.Client = w.client; p.Client == nil {
		p.Client = w.newClient(t)
	}
	look := w.look
	inventory := fixed(w.inventory)
	defaults := validator.Defaults{
		MasterTarget:      map[string]string{"windows": "MT-WIN-01", "linux": "MT-LINUX-01"},
		LogStorageAccount: w.vault.LogStorage(),
	}
	return map[string]workflow.Service{
		"validator": validator.New(map[string]validator.Site{"tokyo": {
			Vault: p, Inventory: inventory, Checks: checks.Site{NetworkPath: "vpn"}, Defaults: defaults, Look: look}}, nil, whole{p.conn}, time.Now),
		"datastore":    datastore.New(map[string]datastore.Site{"tokyo": {Vault: p, Inventory: inventory, Look: look}}, time.Now),
		"agentwatcher": agentwatcher.New(map[string]agentwatcher.Site{"tokyo": {Vault: p, AgentWait: 20 * time.Minute, Look: look}}, time.Now),
		"executor": executor.New(map[string]executor.Site{"tokyo": {
			Vault: p, Inventory: inventory, Checks: checks.Site{NetworkPath: "vpn"}, Look: look, AgentWait: 20 * time.Minute, JobWait: 24 * time.Hour, Limits: w.limits}}, time.Now),
		"notifier": notifier.PerMachine(),
	}
}

// serve runs the processes until the returned function is called.
func (w *world) serve(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for i, name := range w.processes {
		dice := &dice{random: rand.New(rand.NewPCG(w.seed, uint64(i+10)))}
		running.Go(func() {
			for ctx.Err() == nil {
				w.live(ctx, t, name, dice)
				select { // the supervisor starts it again
				case <-ctx.Done():
				case <-time.After(dice.upTo(20 * time.Second)):
				}
			}
		})
	}
	return func() {
		cancel()
		running.Wait()
	}
}

// request asks for machines in one request.
func (w *world) request(t *testing.T, id string, machines ...scenario.Machine) {
	t.Helper()
	var request events.Request
	for _, m := range machines {
		request.Machines = append(request.Machines, events.RequestMachine{Name: m.Name})
	}
	w.command(t, events.TypeRequest.Kind, id, request)
}

// command publishes bare data as ops would: until the bus has it.
func (w *world) command(t *testing.T, k events.Kind, id string, data any) {
	t.Helper()
	body, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	for published := false; !published; {
		ops := w.bus.Connect()
		published = ops.Publish(t.Context(), bus.Message{Subject: events.CommandSubject(k), ID: id, Data: body}) == nil
		ops.Kill()
	}
}

// until waits for a condition, as long as most.
func (w *world) until(t *testing.T, most time.Duration, met func() bool) {
	t.Helper()
	deadline := time.Now().Add(most)
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for !met() {
		if <-tick.C; time.Now().After(deadline) {
			t.Errorf("not at an end after %v", most)
			return
		}
	}
}

// live is one life of a service's process.
func (w *world) live(ctx context.Context, t *testing.T, name string, dice *dice) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := &process{conn: w.bus.Connect()}
	defer p.conn.Kill()
	w.lives.Add(1)
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
	if err := workflow.Run(ctx, p.conn, w.services(t, p)[name], workflow.Options{Jitter: dice.float, Concurrency: 4}); err != nil && !errors.Is(err, bus.ErrClosed) && !w.busMayBeAway {
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
	steps := slices.Index(events.Steps(), events.StepReplication) + 1 // of a reprotect
	if len(outcomes) != steps*len(w.scenario.Machines) {
		t.Errorf("%d outcomes of %d machines", len(outcomes), len(w.scenario.Machines))
	}
	if i := slices.IndexFunc(w.bus.Log(), func(r bus.Received) bool { return bus.Match("reprotect.dead.>", r.Subject) }); i >= 0 {
		t.Errorf("dead letter: %s", w.bus.Log()[i].Data)
	}
}

func (w *world) dump(t *testing.T) {
	for _, r := range w.bus.Log() {
		data := ""
		if _, _, step, _, ok := events.SplitFact(r.Subject); ok && (step == events.StepProgress || step == events.StepSubmission) {
			data = string(r.Data)
		}
		t.Logf("%s %s %s", r.Published.Format(time.TimeOnly), r.Subject, data)
	}
}
