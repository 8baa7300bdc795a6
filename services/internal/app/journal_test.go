package app

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/internal/telemetry"
	"reprotect.example/services/journal"
	"reprotect.example/services/lab"
	"reprotect.example/services/lab/scenario"
)

// keeper is a process that keeps the journal.
type keeper struct {
	*App
	health *telemetry.Health
	stop   func()
}

// busOf starts a lab with a bus, and returns its config and a connection. The simulated vCenter keeps state per process,
// so the tests with a lab run one after the other.
func busOf(t *testing.T, kind string) (config.Config, *Bus) {
	t.Helper()
	l, err := lab.Start(t.Context(), lab.Options{Scenario: scenario.Default(1), Dir: filepath.Join(t.TempDir(), "lab"), Bus: kind, ServiceBus: AzureTopology()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	c, err := config.Load(l.Ready().Config)
	if err != nil {
		t.Fatal(err)
	}
	b, err := OpenBus(t.Context(), c, "test", false, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	if b.NATS != nil {
		if err := b.SetUp(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return c, b
}

// keeps runs a process that keeps the journal in a folder.
func keeps(t *testing.T, c config.Config, dir string) *keeper {
	t.Helper()
	c.DataDir = dir
	k := &keeper{health: telemetry.NewHealth("bus", "journal")}
	var err error
	if k.App, err = New(Options{Config: c, Targets: []string{"journal"}, Log: zap.NewNop(), Health: k.health}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		k.Run(ctx)
	}()
	k.stop = sync.OnceFunc(func() {
		cancel()
		<-ended
	})
	t.Cleanup(k.stop)
	return k
}

// says is what /ready says of the journal; "" when it can work.
func (k *keeper) says() string {
	_, components := k.health.Ready()
	if said := components["journal"]; said != "ok" {
		return said
	}
	return ""
}

// log is what the process has kept, in its order.
func (k *keeper) log(t *testing.T) (ids []string) {
	t.Helper()
	if err := k.journal.Read(t.Context(), journal.Reading{}, func(r bus.Received) error {
		ids = append(ids, r.ID)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return ids
}

// answers is the status with which its API answers.
func (k *keeper) answers(t *testing.T) (status int) {
	t.Helper()
	h, err := k.Journal(nil)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1/api/v1/cases", nil))
	return w.Code
}

// eventually polls until it holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); !holds(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// publish puts commands with the numbers from one to another on the bus, one after the other.
func publish(t *testing.T, b *Bus, from, to int) (ids []string) {
	t.Helper()
	for i := from; i <= to; i++ {
		m := bus.Message{Subject: events.CommandSubject(events.TypeCancel.Kind), ID: "c" + strconv.Itoa(i), Data: []byte(`{"case": "a"}`)}
		if err := b.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, m.ID)
	}
	return ids
}

// Of two processes one keeps the journal, and the other says that it waits; it goes on when the first stops.
func TestOneProcessKeepsTheJournal(t *testing.T) {
	for name, tt := range map[string]struct {
		bus             string
		sameFile, whole bool // the second has the whole log in the end
	}{
		"NATS":                       {bus: lab.BusNATS, whole: true}, // the stream can be read again
		"Service Bus":                {bus: lab.BusServiceBus},
		"Service Bus, the same file": {bus: lab.BusServiceBus, sameFile: true, whole: true},
	} {
		t.Run(name, func(t *testing.T) {
			c, b := busOf(t, tt.bus)
			dir := t.TempDir()
			first := keeps(t, c, dir)
			eventually(t, "the first keeps the journal", func() bool { return first.says() == "" })
			if !tt.sameFile {
				dir = t.TempDir()
			}
			second := keeps(t, c, dir)
			eventually(t, "the second stands by", func() bool { return strings.Contains(second.says(), "stands by") })
			all := publish(t, b, 1, 100)
			eventually(t, "all is kept", func() bool { return same(first.log(t), all) })
			if got := second.log(t); len(got) > 0 && !tt.sameFile {
				t.Errorf("the second kept %v", got)
			}
			if status := first.answers(t); status != http.StatusOK {
				t.Errorf("the first answers %d", status)
			}
			if status := second.answers(t); status != http.StatusServiceUnavailable {
				t.Errorf("the second, which stands by, answers %d", status)
			}
			first.stop()
			eventually(t, "the second keeps the journal", func() bool { return second.says() == "" })
			want := publish(t, b, 101, 120)
			if tt.whole {
				want = append(all, want...)
			}
			eventually(t, "the second has what came", func() bool { return same(second.log(t), want) })
			if status := second.answers(t); status != http.StatusOK {
				t.Errorf("the second, which has taken over, answers %d", status)
			}
		})
	}
}

// same says whether two logs hold the same, in whatever order.
func same(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// What piled up while no journal ran is kept in the order of the bus.
func TestJournalKeepsTheOrderOfTheBus(t *testing.T) {
	for _, kind := range []string{lab.BusNATS, lab.BusServiceBus} {
		t.Run(kind, func(t *testing.T) {
			c, b := busOf(t, kind)
			all := publish(t, b, 1, 3000)
			k := keeps(t, c, t.TempDir())
			eventually(t, "all is kept", func() bool { return len(k.log(t)) == len(all) })
			// Azure's client gives back what reaches it between two calls: that is delivered again, behind others.
			late, newest, may := 0, 0, map[string]int{lab.BusServiceBus: len(all) / 100}[kind]
			for _, id := range k.log(t) {
				i := slices.Index(all, id)
				if i < newest {
					late++
				}
				newest = max(newest, i)
			}
			if late > may {
				t.Errorf("%d of %d stand behind what was published after them, %d may", late, len(all), may)
			}
		})
	}
}
