package guard_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/services/internal/app"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/internal/telemetry"
	"reprotect.example/services/lab"
	"reprotect.example/services/lab/scenario"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The tests here run the guard with the whole product against the lab, whose vCenter keeps state per process: one
// after the other.

// site is a lab with the services, and all that is published.
type site struct {
	t       *testing.T
	dir     string
	config  config.Config
	vcenter lab.VCenter
	wakes   natsjs.Stream
	bus     *app.Bus

	mu      sync.Mutex
	log     []events.Event[any]
	changed chan struct{}
}

const (
	limit = 90 * time.Second
	// bound is what a loaded test machine may take from the change in the lab to the fact in the event log; the
	// promise is two seconds from vCenter's report.
	bound = 30 * time.Second
)

func startSite(t *testing.T, machines ...scenario.Machine) *site {
	t.Helper()
	s := scenario.Default(len(machines))
	s.Speed = 600
	for i, m := range machines {
		s.Machines[i].Name, s.Machines[i].Architecture, s.Machines[i].OS, s.Machines[i].Agent = m.Name, m.Architecture, "linux", -1
		s.Machines[i].OSVersion = "Ubuntu 22.04"
	}
	w := &site{t: t, dir: t.TempDir(), changed: make(chan struct{})}
	l, err := lab.Start(t.Context(), lab.Options{Scenario: s, Dir: w.dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	w.vcenter = l.Ready().VCenter
	if w.config, err = config.Load(l.Ready().Config); err != nil {
		t.Fatal(err)
	}
	w.config.Notify = []config.Notify{{Name: "bus", Kind: config.KindBus, Detail: config.DetailMachine, Digest: 5 * time.Minute, Stale: time.Hour}}
	b, err := app.OpenBus(t.Context(), w.config, "test", false, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	w.bus = b
	if err := b.SetUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(l.Ready().NATS.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := natsjs.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if w.wakes, err = js.Stream(t.Context(), jetstream.StreamWake("guard")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var reading sync.WaitGroup
	reading.Go(func() {
		_ = b.NATS.Read(ctx, jetstream.Reading{Stream: jetstream.StreamLog, Follow: true}, w.note) // until ctx ends
	})
	t.Cleanup(func() {
		cancel()
		reading.Wait()
	})
	w.serve(slices.DeleteFunc(app.Targets(), func(t string) bool { return t == "guard" })...)
	request := `{"machines": [`
	for i, m := range machines {
		request += strings.Repeat(",", min(i, 1)) + fmt.Sprintf(`{"name": %q}`, m.Name)
	}
	err = b.Publish(t.Context(), bus.Message{Subject: events.CommandSubject(events.TypeRequest.Kind), ID: "r1", Data: []byte(request + "]}")})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *site) note(r bus.Received) error {
	e, err := events.Read(r.Data)
	if err != nil {
		return nil // the request is bare
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, e)
	close(w.changed)
	w.changed = make(chan struct{})
	return nil
}

func (w *site) serve(targets ...string) (stop func()) {
	w.t.Helper()
	services, err := app.New(app.Options{Config: w.config, Targets: targets, Log: zap.NewNop(), Health: telemetry.NewHealth()})
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
			w.t.Errorf("%v do not end", targets)
		}
	})
	w.t.Cleanup(stop)
	return stop
}

func (w *site) do(action string, args ...string) {
	w.t.Helper()
	if err := lab.Do(w.t.Context(), w.dir, action, args...); err != nil {
		w.t.Fatal(err)
	}
}

func caseOf(machine string) string { return "r1--" + machine }

// await waits for events of a kind about a case until there are n.
func await[T any](w *site, n int, t events.Type[T], caseID string, fits func(T) bool) []events.Event[T] {
	w.t.Helper()
	deadline := time.After(limit)
	for {
		w.mu.Lock()
		found, changed := pick(w.log, t, caseID, fits), w.changed
		w.mu.Unlock()
		if len(found) >= n {
			return found
		}
		select {
		case <-changed:
		case <-deadline:
			w.t.Fatalf("%d of %d %s of %s; the log: %s", len(found), n, t.Name, caseID, w.story())
		}
	}
}

func pick[T any](log []events.Event[any], t events.Type[T], caseID string, fits func(T) bool) (found []events.Event[T]) {
	for _, e := range log {
		if data, ok := e.Data.(T); ok && e.Type == t.CloudType() && e.Case == caseID && fits(data) {
			found = append(found, events.Event[T]{Header: e.Header, Data: data})
		}
	}
	return found
}

func (w *site) story() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for _, e := range w.log {
		fmt.Fprintf(&b, "%s\n", e.ID)
	}
	return b.String()
}

func any1[T any](T) bool { return true }

func coded(code string) func(events.Violated) bool {
	return func(v events.Violated) bool { return v.Code == code }
}

// guarded waits until the machines are protected, and the guard has seen what their cases depend on.
func (w *site) guarded(machines ...string) {
	w.t.Helper()
	for _, m := range machines {
		await(w, 1, events.TypeCompleted, caseOf(m), any1[events.Completed])
		w.remembered(m, func(note string) bool { return strings.Count(note, `"seen":true`) == 2 }) // itself and its writer
	}
}

// remembered waits until what the guard knows of a case fits, as it stands in the case's wake-up.
func (w *site) remembered(machine string, fits func(note string) bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), limit)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		var wait struct {
			State json.RawMessage `json:"state"`
		}
		m, err := w.wakes.GetLastMsgForSubject(ctx, "reprotect-wake.guard.timer."+caseOf(machine)+".started")
		if err == nil && json.Unmarshal([]byte(m.Header.Get("Reprotect-Wait")), &wait) == nil && fits(string(wait.State)) {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			w.t.Fatalf("of %s is known: %s (%v)", machine, wait.State, err)
		}
	}
}

// raises makes a change in the lab, and demands the n-th violation of that code and its notification.
func (w *site) raises(n int, code, machine, action string, args ...string) events.Violated {
	w.t.Helper()
	begun := time.Now()
	w.do(action, args...)
	e := await(w, n, events.TypeViolated, caseOf(machine), coded(code))[n-1]
	took := time.Since(begun)
	w.t.Logf("%s %s: %s after %s", action, strings.Join(args, " "), e.ID, took.Round(time.Millisecond))
	if took > bound {
		w.t.Errorf("%s took %s", code, took)
	}
	note := await(w, 1, events.TypeNotification, caseOf(machine), func(n events.Note) bool { return n.Fact == e.ID && n.Thread == "" })[0]
	if note.Data.Level != events.LevelCritical || !strings.Contains(note.Data.Title, e.Data.What) || !strings.Contains(note.Data.Text, e.Data.Do) {
		w.t.Errorf("notification %+v", note.Data)
	}
	return e.Data
}

// only demands that a case has these violations and no other.
func (w *site) only(machine string, codes ...string) {
	w.t.Helper()
	w.mu.Lock()
	var got []string
	ids := map[string]bool{}
	for _, e := range pick(w.log, events.TypeViolated, caseOf(machine), any1[events.Violated]) {
		got = append(got, e.Data.Code)
		if ids[e.ID] {
			w.t.Errorf("id %s twice", e.ID)
		}
		ids[e.ID] = true
	}
	w.mu.Unlock()
	slices.Sort(got)
	slices.Sort(codes)
	if !slices.Equal(got, codes) {
		w.t.Errorf("violations of %s: %v, want %v\n%s", machine, got, codes, w.story())
	}
}

func modern(name string) scenario.Machine {
	return scenario.Machine{Name: name, Architecture: "modernized"}
}
func classic(name string) scenario.Machine {
	return scenario.Machine{Name: name, Architecture: "classic"}
}

func TestViolations(t *testing.T) {
	w := startSite(t, modern("on-m"), classic("on-c"), modern("gone-m"), classic("gone-c"), modern("calm-m"), classic("moved-c"))
	w.serve("guard")
	w.guarded("on-m", "on-c", "gone-m", "gone-c", "calm-m", "moved-c")
	w.only("calm-m")

	v := w.raises(1, "guard.powered-on", "on-m", "power-on", "on-m") // S39
	if v.Machine != "on-m" {
		t.Errorf("%+v", v)
	}
	w.raises(1, "guard.powered-on", "on-c", "power-on", "on-c")
	w.remembered("on-c", func(note string) bool { return strings.Contains(note, `"on":true`) }) // else off may be what it remembers from before
	w.do("power-off", "on-c")
	w.remembered("on-c", func(note string) bool { return note != "" && !strings.Contains(note, `"on":true`) })
	w.raises(2, "guard.powered-on", "on-c", "power-on", "on-c") // it happens again

	v = w.raises(1, "guard.snapshot", "gone-c", "add-snapshot", "MT-LINUX-01", "nightly") // S30
	if !strings.Contains(v.What, "nightly") || !strings.Contains(v.What, "MT-LINUX-01") {
		t.Errorf("%+v", v)
	}
	v = w.raises(1, "guard.storage-vmotion", "gone-c", "relocate", "MT-LINUX-01", "VMFS-02") // S13, S23
	if !strings.Contains(v.What, "VMFS-02") && !strings.Contains(v.What, "relocated") {
		t.Errorf("%+v", v)
	}
	w.raises(1, "guard.storage-vmotion", "gone-m", "relocate", "ASR-APPL-01", "VMFS-02") // M5

	w.raises(1, "guard.azure-vm", "gone-m", "set-azure-vm", "gone-m", "deleted") // S2
	w.raises(1, "guard.azure-vm", "gone-c", "set-azure-vm", "gone-c", "deleted")
	v = w.raises(1, "guard.azure-vm", "moved-c", "set-azure-vm", "moved-c", "moved")
	if !strings.Contains(v.What, "moved") {
		t.Errorf("%+v", v)
	}

	v = w.raises(1, "guard.azure-vm-off", "on-m", "set-azure-vm", "on-m", "stopped") // F10
	if v.Machine != "on-m" || !strings.Contains(v.What, "stopped") {
		t.Errorf("%+v", v)
	}

	w.only("on-m", "guard.powered-on", "guard.storage-vmotion", "guard.azure-vm-off")
	w.only("on-c", "guard.powered-on", "guard.powered-on", "guard.snapshot", "guard.storage-vmotion")
	w.only("gone-c", "guard.snapshot", "guard.storage-vmotion", "guard.azure-vm")
	w.only("gone-m", "guard.storage-vmotion", "guard.azure-vm")
	w.only("moved-c", "guard.snapshot", "guard.storage-vmotion", "guard.azure-vm")
	w.only("calm-m", "guard.storage-vmotion")

	w.do("fail-back", "calm-m") // S41
	await(w, 1, events.TypeReturned, caseOf("calm-m"), func(d events.Returned) bool { return d.Machine == "calm-m" })
	w.do("power-off", "calm-m") // the failback has switched it on
	w.do("power-on", "calm-m")
	w.raises(1, "guard.powered-on", "moved-c", "power-on", "moved-c")
	w.only("calm-m", "guard.storage-vmotion")
}

// What happens while no guard runs is found by the next one, and what was told is not told again.
func TestRestartGap(t *testing.T) {
	w := startSite(t, modern("web01"), classic("db01"))
	stop := w.serve("guard")
	w.guarded("web01", "db01")
	w.raises(1, "guard.powered-on", "web01", "power-on", "web01")
	w.remembered("web01", func(note string) bool { return strings.Contains(note, `"on":true`) })
	stop()
	w.do("power-on", "db01")
	w.do("add-snapshot", "MT-LINUX-01", "in-the-gap")
	w.do("relocate", "ASR-APPL-01", "VMFS-02")
	w.only("db01")

	w.serve("guard")
	w.serve("guard") // two see the same
	await(w, 1, events.TypeViolated, caseOf("db01"), coded("guard.powered-on"))
	await(w, 1, events.TypeViolated, caseOf("db01"), coded("guard.snapshot"))
	await(w, 1, events.TypeViolated, caseOf("web01"), coded("guard.storage-vmotion"))
	w.remembered("db01", func(note string) bool { return strings.Contains(note, `"snapshots":["1"]`) })
	w.only("db01", "guard.powered-on", "guard.snapshot")
	w.only("web01", "guard.powered-on", "guard.storage-vmotion")
}
