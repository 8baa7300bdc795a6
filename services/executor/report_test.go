package executor

import (
	"slices"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/executor/admission"
	"reprotect.example/services/observed"
	"reprotect.example/services/workflow"
)

// Percent, rate and estimate of a replication, and what they are based on.
func TestHowFarAReplicationIs(t *testing.T) {
	percent := func(p int) *int { return &p }
	for _, tt := range []struct {
		name    string
		percent *int
		bytes   int64
		seen    milestone
		of      int // percent of the way
		rate    int64
		eta     time.Time
		keeps   milestone
	}{
		{name: "Azure does not say", of: 30},
		{name: "at first", percent: percent(0), bytes: 7, of: 30, keeps: milestone{0, 7, cleared.Add(10 * time.Minute)}},
		{name: "half", percent: percent(50), bytes: 7, of: 64, keeps: milestone{50, 7, cleared.Add(10 * time.Minute)}},
		{name: "all, and not protected yet", percent: percent(100), of: 99, keeps: milestone{100, 0, cleared.Add(10 * time.Minute)}},
		{name: "beyond what there is", percent: percent(120), of: 99, keeps: milestone{100, 0, cleared.Add(10 * time.Minute)}},
		{name: "below what there is", percent: percent(-1), of: 30, keeps: milestone{0, 0, cleared.Add(10 * time.Minute)}},
		{name: "some bytes in ten minutes", percent: percent(14), bytes: 6000, seen: milestone{10, 0, cleared}, of: 39, rate: 10, keeps: milestone{10, 0, cleared}},
		{name: "no bytes", percent: percent(14), bytes: 6000, seen: milestone{10, 6000, cleared}, of: 39, keeps: milestone{10, 6000, cleared}},
		{name: "no time", percent: percent(14), bytes: 6000, seen: milestone{10, 0, cleared.Add(10 * time.Minute)}, of: 39, keeps: milestone{10, 0, cleared.Add(10 * time.Minute)}},
		{name: "five percent in ten minutes", percent: percent(15), seen: milestone{10, 0, cleared}, of: 40, eta: cleared.Add(10*time.Minute + 85*2*time.Minute), keeps: milestone{10, 0, cleared}},
	} {
		item := replicates(0)
		item.Replication.Percent, item.Replication.ProcessedBytes = tt.percent, tt.bytes
		v := viewOf(item)
		v.now = cleared.Add(10 * time.Minute)
		got, _ := v.plan(machine{Machine: v.c.Machines[0], first: events.Job{Job: "j1"}, known: known{Seen: tt.seen}})
		s := got.stand
		if s.Percent != tt.of || s.Rate != tt.rate || !s.ETA.Equal(tt.eta) || s.Bytes != tt.bytes || got.known.Seen != tt.keeps {
			t.Errorf("%s: %+v, keeps %+v", tt.name, s, got.known.Seen)
		}
	}
}

// Machines that wait alike are told together; the first three in full.
func TestWaitsAreToldTogether(t *testing.T) {
	wait := func(name, item, code string, since time.Duration) events.Waiting {
		w := events.Waiting{For: events.ForOperator, Code: code, Machines: []string{name}, Message: "Why of " + name + ".", Since: cleared.Add(since)}
		if item != "" {
			w.Items = []string{item}
		}
		return w
	}
	var waits []events.Waiting
	for _, w := range []events.Waiting{
		wait("a", "", "1", time.Minute), wait("b", "", "1", 0), wait("c", "", "2", 0), wait("d", "", "1", time.Hour), wait("e", "", "1", 0), wait("f", "/i/f", "1", 0),
	} {
		waits = add(waits, w)
	}
	waits = add(waits, wait("g", "/i/g", "1", 0))
	same := wait("c", "", "2", 0)
	waits = add(waits, same)
	if len(waits) != 3 || !slices.Equal(waits[0].Machines, []string{"a", "b", "d", "e"}) || waits[0].Items != nil || !slices.Equal(waits[2].Items, []string{"/i/f", "/i/g"}) {
		t.Fatalf("%+v", waits)
	}
	if w := waits[0]; w.Message != "Why of a. Why of b. Why of d." || !w.Since.Equal(cleared) {
		t.Errorf("%+v", w)
	}
	if waits[1].Message != same.Message {
		t.Errorf("said twice: %q", waits[1].Message)
	}
}

func TestWordsAreSaidTenTimes(t *testing.T) {
	machines := make([]events.MachineProgress, 13)
	for i := range machines {
		machines[i].Code, machines[i].Message, machines[i].Remedy = "c", "m", "r"
	}
	machines[12].Code = "other"
	sparing(machines)
	for i, m := range machines {
		if said := m.Message == "m" && m.Remedy == "r"; said != (i < 10 || i == 12) {
			t.Errorf("machine %d: %+v", i, m)
		}
	}
}

// A case asks for what is to be started; what of it runs already is no reason to hold it back.
func TestWhatACaseAsksFor(t *testing.T) {
	s := &starter{
		e: workflow.Event[events.Registered]{}, site: Site{Look: 30 * time.Second}, state: startState{Queued: true, Begun: true},
		c:     events.Case{Rank: 3, RequestedAt: cleared},
		moves: []move{{kind: submit}, {kind: adopt, job: "runs"}, {kind: adopt, job: "ended"}, {kind: adopt, job: "young"}, {kind: done}, {kind: hold}},
		vault: observed.Vault{Jobs: []observed.Job{{ID: "runs", State: "InProgress"}, {ID: "ended", State: "Failed"}}},
	}
	s.e.Case, s.e.Request = "c", "r"
	for range s.moves {
		s.c.Machines = append(s.c.Machines, machineOf(failedOver("web01")))
	}
	r := s.request()
	if r.ID != "c" || r.Order != (admission.Order{Asked: cleared, Request: "r", Rank: 3}) || r.Running != 2 || len(r.Machines) != 1 || !r.Waited || !r.Begun || r.Patience != 15*s.site.Look || r.Forming != 37500*time.Millisecond {
		t.Errorf("%+v", r)
	}
}

// A finding of one of two machines of one name is that one's; of both where it does not say.
func TestWhichMachineAFindingIsOf(t *testing.T) {
	a, b := twins(observed.Modernized)
	s := &starter{c: events.Case{Machines: []events.Machine{machineOf(a), machineOf(b)}}}
	for _, tt := range []struct {
		finding events.Finding
		want    [2]bool
	}{
		{events.Finding{Machine: "WEB01"}, [2]bool{true, true}}, {events.Finding{Machine: "web01", Item: "/ITEMS/two"}, [2]bool{false, true}}, {events.Finding{Machine: "db01"}, [2]bool{}},
	} {
		for i, want := range tt.want {
			if got := s.concerns(tt.finding, i); got != want {
				t.Errorf("%+v, machine %d: %v", tt.finding, i, got)
			}
		}
	}
}

// The end of a case names the new item of a classic machine, and which machine of the case it was.
func TestTheEndNamesBothItems(t *testing.T) {
	a, _ := twins(observed.Classic)
	f := &fake{look: twinVault(back(a, "Protected")), jobs: map[string]observed.Job{"j1": reprotects("j1", "Succeeded", a)}}
	f.jobs["j1"] = func(j observed.Job) observed.Job {
		j.Errors = []observed.Problem{{Code: "28175", Message: "a warning"}, {Code: "", Message: ""}}
		return j
	}(f.jobs["j1"])
	f.look.Jobs = []observed.Job{summary(f.jobs["j1"])}
	w := watch(t, f, events.Job{Machine: "web01", Job: "j1"})
	w.event.Data.Case.Machines = []events.Machine{machineOf(a)}
	said, _ := w.looks(time.Minute)
	d, ok := said[0].(events.Completed)
	if !ok || d.Machines[0].Item != a.ID+"-new" || d.Machines[0].FormerItem != a.ID {
		t.Errorf("%+v", said)
	}
	// Its item does not show yet: the warnings that its job carried are told meanwhile.
	f.look = twinVault()
	f.look.Jobs = []observed.Job{summary(f.jobs["j1"])}
	w = watch(t, f, events.Job{Machine: "web01", Job: "j1"})
	w.event.Data.Case.Machines = []events.Machine{machineOf(a)}
	said, _ = w.looks(time.Minute)
	p := said[0].(events.Progressed)
	if len(p.Warnings) != 2 || p.Warnings[0].Code != "28175" || p.Warnings[1].Code != "job.warning" || !strings.HasPrefix(p.Warnings[1].Message, "It carries") {
		t.Errorf("%+v", p.Warnings)
	}
}
