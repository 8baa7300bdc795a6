package guard

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/memory"
	"reprotect.example/services/observed"
	"reprotect.example/services/workflow"
)

// played is a site whose sides the test plays itself.
type played struct {
	mu    sync.Mutex
	item  observed.Item
	down  error // of Site Recovery
	view  map[string]bool
	tell  func(observed.Watched)
	blind func(error)
}

func (s *played) Vault(context.Context, time.Duration, ...string) (observed.Vault, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return observed.Vault{Items: []observed.Item{s.item}}, s.down
}

func (s *played) Item(context.Context, string) (observed.Item, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.item, s.down
}

func (s *played) Inventory(_ context.Context, q observed.Query) (observed.Inventory, error) {
	var inv observed.Inventory
	for _, ref := range q.VMs {
		inv.VMs = append(inv.VMs, observed.VM{Ref: "ref-" + ref.Name, Name: ref.Name})
	}
	return inv, nil
}

func (s *played) Look(context.Context, []observed.Item, func() time.Time) observed.AzureVMs {
	return observed.AzureVMs{}
}

func (s *played) Add(id string, _ time.Time) { s.see(id, true) }
func (s *played) Remove(id string)           { s.see(id, false) }

func (s *played) see(id string, in bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view[id] = in
}

func (s *played) Run(ctx context.Context, tell func(observed.Watched), blind func(error)) {
	s.mu.Lock()
	s.tell, s.blind = tell, blind
	s.mu.Unlock()
	<-ctx.Done()
}

func (s *played) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// stubborn is a bus that does not take violations for a while.
type stubborn struct {
	bus.Broker
	until time.Time
}

func (b stubborn) Publish(ctx context.Context, m bus.Message) error {
	if strings.HasSuffix(m.Subject, ".violated") && time.Now().Before(b.until) {
		return errors.New("the bus is away")
	}
	return b.Broker.Publish(ctx, m)
}

// play runs a guard for one case in virtual time, from its first look on.
func play(t *testing.T, away time.Duration, scene func(t *testing.T, s *played, log func() []events.Event[any])) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Faults{})
		s := &played{view: map[string]bool{}, item: observed.Item{ID: "/items/web01", Name: "web01", Provider: "InMageRcmFailback", State: "Protected", Location: "Primary"}}
		broker := stubborn{b.Connect(), time.Now().Add(away)}
		g := New(map[string]Site{"tokyo": {s, s, s, s, 30 * time.Second, time.Hour}}, broker, time.Now, func(string, error) {})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { g.Run(ctx) })
		running.Go(func() {
			if err := workflow.Run(ctx, broker, g.Service(), workflow.Options{}); err != nil {
				t.Error(err)
			}
		})
		defer running.Wait()
		defer cancel()
		publishStarted(t, broker)
		synctest.Wait()
		scene(t, s, func() (log []events.Event[any]) {
			synctest.Wait()
			for _, r := range b.Log() {
				e, err := events.Read(r.Data)
				if err != nil {
					t.Fatal(err)
				}
				if e.Type != events.TypeStarted.CloudType() {
					log = append(log, e)
				}
			}
			return log
		})
	})
}

func publishStarted(t *testing.T, b bus.Broker) {
	t.Helper()
	m := events.Machine{Name: "web01", Item: "/items/web01", Architecture: "modernized"}
	m.Appliance = "APPL-01"
	e := events.Event[events.Started]{
		Header: events.Header{
			ID: "r7/submission", Source: "/reprotect/tokyo/executor", Type: events.TypeStarted.CloudType(), Subject: "r7",
			Time: time.Now(), Site: "tokyo", Case: "r7", Step: events.StepSubmission, Request: "r", Position: 6,
		},
		Data: events.Started{Case: events.Case{Machines: []events.Machine{m}}, Jobs: []events.Job{{Machine: "web01", Job: "j"}}},
	}
	raw, err := events.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), bus.Message{Subject: events.FactSubject("tokyo", "r7", "submission", "started"), ID: e.ID, Data: raw}); err != nil {
		t.Fatal(err)
	}
}

func (s *played) shows(name, state string) {
	s.tell(observed.Watched{VM: observed.VM{Ref: "ref-" + name, Name: name, Power: state}})
}

func TestToldAtOnceAndOnce(t *testing.T) {
	play(t, 0, func(t *testing.T, s *played, log func() []events.Event[any]) {
		s.shows("web01", "poweredOff")
		s.shows("APPL-01", "poweredOn") // it writes the disks, so it runs
		s.shows("other", "poweredOn")
		if told := log(); len(told) != 0 {
			t.Fatalf("undisturbed, and told %+v", told)
		}
		begun := time.Now()
		s.shows("web01", "poweredOn")
		told := log()
		if len(told) != 1 || told[0].ID != "r7/guard/7" || !told[0].Time.Equal(begun) {
			t.Fatalf("told %+v", told)
		}
		if v := told[0].Data.(events.Violated); v.Code != codePower || v.Machine != "web01" {
			t.Errorf("told %+v", v)
		}
		<-time.After(2 * time.Hour) // virtual: many looks
		s.shows("web01", "poweredOn")
		if told := log(); len(told) != 1 {
			t.Errorf("told again: %+v", told)
		}
	})
}

func TestBusAway(t *testing.T) {
	const away = 10 * time.Second
	play(t, away, func(t *testing.T, s *played, log func() []events.Event[any]) {
		s.shows("web01", "poweredOn")
		if told := log(); len(told) != 0 {
			t.Fatalf("told %+v", told)
		}
		<-time.After(away + 2*time.Second)
		if told := log(); len(told) != 1 {
			t.Errorf("told %+v", told)
		}
	})
}

func TestVaultAway(t *testing.T) {
	play(t, 0, func(t *testing.T, s *played, log func() []events.Event[any]) {
		s.change(func() { s.down = &observed.Fault{Class: observed.Temporary, Code: "azure.unreachable", What: "away"} })
		<-time.After(time.Hour)
		s.shows("web01", "poweredOn")
		if told := log(); len(told) != 1 {
			t.Errorf("told %+v", told)
		}
	})
}

// The failback switches the machine on by right, and once it is committed the guard is over.
func TestFailback(t *testing.T) {
	play(t, 0, func(t *testing.T, s *played, log func() []events.Event[any]) {
		s.shows("web01", "poweredOff")
		s.change(func() { s.item.JobID, s.item.Scenario = "f", "PlannedFailover" })
		s.shows("web01", "poweredOn")
		<-time.After(10 * time.Minute)
		s.change(func() {
			s.item.JobID, s.item.State, s.item.Location = "", "CommitPendingStatesBegin", "Recovery"
		})
		<-time.After(10 * time.Minute)
		s.change(func() { s.item.State = "UnplannedFailoverCommitted" })
		<-time.After(time.Hour)
		told := log()
		if len(told) != 1 {
			t.Fatalf("told %+v", told)
		}
		if d, ok := told[0].Data.(events.Returned); !ok || d.Machine != "web01" || d.Item == "" {
			t.Errorf("told %+v", told)
		}
		synctest.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		for ref, in := range s.view {
			if in {
				t.Errorf("%s is still in view", ref)
			}
		}
		if len(s.view) != 2 {
			t.Errorf("in view were %v", s.view)
		}
	})
}

// F2, F3: a failback that is cancelled or fails puts the machine under guard again, and makes it ready again. One that
// is finished raises no alarm, whether it is committed or not.
func TestSiteRecoveryFailbackThatGoesBack(t *testing.T) {
	begin := map[string]func(*observed.Item){
		"F2 its job runs":         func(i *observed.Item) { i.JobID, i.Scenario = "f", "PlannedFailover" },
		"F2 in transition":        func(i *observed.Item) { i.State = "PlannedFailoverTransitionStatesBegin" },
		"F3 finished as recorded": func(i *observed.Item) { i.State, i.Location = "CommitPendingStatesBegin", "Recovery" },
	}
	for name, begins := range begin {
		t.Run(name, func(t *testing.T) {
			play(t, 0, func(t *testing.T, s *played, all func() []events.Event[any]) {
				log := func() []events.Event[any] { // without the ends of what was told
					return slices.DeleteFunc(all(), func(e events.Event[any]) bool { return e.Type == events.TypeCleared.CloudType() })
				}
				s.shows("web01", "poweredOff")
				before := s.item
				for round := range 2 {
					s.change(func() { begins(&s.item) })
					s.shows("web01", "poweredOn")
					<-time.After(20 * time.Minute)
					if told := log(); len(told) != 1+3*round || told[len(told)-1].Data.(events.Returned).Undone {
						t.Fatalf("while it fails back: told %+v", told)
					}
					s.shows("web01", "poweredOff")
					s.change(func() { s.item = before })
					<-time.After(20 * time.Minute)
					if told := log(); len(told) != 2+3*round || !told[len(told)-1].Data.(events.Returned).Undone {
						t.Fatalf("after the failback went back: told %+v", told)
					}
					s.shows("web01", "poweredOn")
					<-time.After(time.Minute)
					told := log()
					if v, ok := told[len(told)-1].Data.(events.Violated); len(told) != 3+3*round || !ok || v.Code != "guard.powered-on" {
						t.Fatalf("switched on under guard: told %+v", told)
					}
				}
			})
		})
	}
}

// A machine that was registered anew has another id.
func TestComesBack(t *testing.T) {
	play(t, 0, func(t *testing.T, s *played, log func() []events.Event[any]) {
		s.shows("web01", "poweredOff")
		s.tell(observed.Watched{VM: observed.VM{Ref: "ref-web01"}, Gone: true})
		synctest.Wait()
		s.change(func() {
			if s.view["ref-web01"] {
				t.Error("what is gone stays in view")
			}
		})
		<-time.After(10 * time.Minute)
		s.shows("web01", "poweredOn")
		if told := log(); len(told) != 1 {
			t.Errorf("told %+v", told)
		}
	})
}

func TestBlind(t *testing.T) {
	s := &played{view: map[string]bool{}}
	var told []string
	p := newSiteGuard(Site{s, s, s, s, time.Second, time.Hour}, nil, time.Now, func(err error) {
		if err == nil {
			told = append(told, "sees")
			return
		}
		told = append(told, err.Error())
	})
	for _, err := range []error{nil, errors.New("a"), errors.New("b"), nil, nil} {
		p.see(err)
	}
	if want := []string{"a", "b", "sees"}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}

// A guard that ends after it told an alarm, and before the bus has what it knows, leaves the alarm in the event log alone. The
// next guard finds it there: else it would give the next alarm the same number, and the bus would drop it.
func TestVSphereGuardGivesNoNumberTwice(t *testing.T) {
	started := workflow.Event[events.Started]{}
	started.Site, started.Case, started.Position, started.Time = "tokyo", "r7", 6, time.Now()
	started.Data = events.Started{Case: events.Case{Machines: []events.Machine{{Name: "web01", Architecture: "modernized", Choice: events.Choice{Appliance: "APPL-01"}}}}}
	told := events.Event[events.Violated]{
		Header: events.Header{
			ID: "r7/guard/x", Source: "/reprotect/tokyo/guard", Type: events.TypeViolated.CloudType(), Subject: "r7", Site: "tokyo", Case: "r7", Step: events.StepGuard,
			Time: time.Now(), Position: 6 + number(2, 0, poweredOn, 2, partTold),
		},
		Data: events.Violated{Code: codePower, Machine: "web01", What: "w", Endangers: "e", Do: "d"},
	}
	raw, err := events.Encode(told)
	if err != nil {
		t.Fatal(err)
	}
	for name, stands := range map[string]func(context.Context, string) (bus.Received, bool, error){
		"told": func(context.Context, string) (bus.Received, bool, error) {
			return bus.Received{Message: bus.Message{Data: raw}}, true, nil
		},
		"nothing was told": func(context.Context, string) (bus.Received, bool, error) { return bus.Received{}, false, nil },
		"the log is not read": func(context.Context, string) (bus.Received, bool, error) {
			return bus.Received{}, false, errors.New("away")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &played{view: map[string]bool{}}
			var trouble error
			p := newSiteGuard(Site{s, s, s, s, time.Second, time.Hour}, nil, time.Now, func(err error) { trouble = err })
			started.Stands = stands
			before := []known{{Seen: true, Count: [ways]int{1}}, {Seen: true}}
			c, found := p.enter(started, before)
			p.recall(t.Context(), started, c)
			k := c.known[0]
			if name == "told" {
				if found || k.Count[poweredOn] != 2 || len(k.Open[poweredOn]) != 1 || !k.On {
					t.Errorf("%+v", k)
				}
			} else if k.Count[poweredOn] != 1 || k.On || (name == "the log is not read") != (trouble != nil) {
				t.Errorf("%+v, %v", k, trouble)
			}
		})
	}
}
