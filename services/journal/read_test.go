package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// library is a journal with some of everything.
func library(t testing.TB) (*Store, []bus.Received) {
	s := open(t)
	var log []bus.Received
	for i, id := range []string{"r1-web01", "r1-db01", "r2-[x]?"} {
		log = append(log, story(id, uint64(100*i+10))...)
		log = append(log,
			bus.Received{Message: bus.Message{Subject: "reprotect.command.request", ID: fmt.Sprint("c", i), Data: []byte("{}")}, Sequence: uint64(100*i + 40)},
			bus.Received{Message: bus.Message{Subject: "reprotect.command.cancel", ID: fmt.Sprint("c", i), Data: []byte(`{"case":"` + id + `"}`)}, Sequence: uint64(100*i + 41)},
			bus.Received{Message: bus.Message{Subject: "reprotect.notification.tokyo.info", ID: fmt.Sprint("n", i), Data: []byte("{}")}, Sequence: uint64(100*i + 42)},
			bus.Received{Message: bus.Message{Subject: "reprotect.event.osaka." + id + ".odd.way.too.long", ID: fmt.Sprint("o", i), Data: []byte("{}")}, Sequence: uint64(100*i + 43)},
			bus.Received{Message: bus.Message{Subject: "reprotect.event.short." + id, ID: fmt.Sprint("s", i), Data: []byte("{}")}, Sequence: uint64(100*i + 44)})
	}
	keep(t, s, log...)
	return s, log
}

// Whatever the filters, the place and the kind of reading: what comes is what a look at each message says.
func TestReadFitsItsFilters(t *testing.T) {
	t.Parallel()
	s, log := library(t)
	token := rapid.SampledFrom([]string{"reprotect", "event", "command", "notification", "tokyo", "osaka", "short", "r1-web01", "r1-db01", "r2-[x]?", "progress", "progressed", "*", "*", "*", ">"})
	filter := rapid.OneOf(
		rapid.Custom(func(t *rapid.T) string {
			tokens := rapid.SliceOfN(token, 1, 6).Draw(t, "tokens")
			if i := slices.Index(tokens, ">"); i >= 0 {
				tokens = tokens[:i+1]
			}
			return strings.Join(tokens, ".")
		}),
		rapid.Custom(func(t *rapid.T) string { // some of which fit surely
			tokens := strings.Split(rapid.SampledFrom(log).Draw(t, "message").Subject, ".")
			for i := range tokens {
				if rapid.IntRange(0, 2).Draw(t, "wild") == 0 {
					tokens[i] = "*"
				}
			}
			if cut := rapid.IntRange(1, len(tokens)).Draw(t, "cut"); rapid.Bool().Draw(t, "rest") {
				tokens = append(tokens[:cut-1], ">")
			}
			return strings.Join(tokens, ".")
		}))
	rapid.Check(t, func(t *rapid.T) {
		r := Reading{
			Filters: rapid.SliceOfN(filter, 0, 3).Draw(t, "filters"), From: rapid.Uint64Range(0, uint64(len(log)+2)).Draw(t, "from"),
			Latest: rapid.Bool().Draw(t, "latest"),
		}
		var want, got []uint64
		newest := map[string]uint64{}
		for i, m := range log {
			place := uint64(i + 1)
			fits := len(r.Filters) == 0 || slices.ContainsFunc(r.Filters, func(f string) bool { return bus.Match(f, m.Subject) })
			if fits && place >= r.From {
				want = append(want, place)
				newest[m.Subject] = place
			}
		}
		if r.Latest {
			want = slices.DeleteFunc(want, func(p uint64) bool { return newest[log[p-1].Subject] != p })
		}
		if err := s.Read(context.Background(), r, func(m bus.Received) error { got = append(got, m.Sequence); return nil }); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(want, got) {
			t.Fatalf("%+v gives %v, want %v", r, got, want)
		}
	})
}

func TestReadRefusesWhatIsNoFilter(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, f := range []string{"", "a..b", "a.>.b", "a b", "a*", "reprotect.>x", "a.\x00"} {
		if err := s.Read(t.Context(), Reading{Filters: []string{f}}, nil); !errors.Is(err, ErrFilter) {
			t.Errorf("%q: %v", f, err)
		}
	}
}

// More than a page, in number and in bytes.
func TestReadsPageByPage(t *testing.T) {
	t.Parallel()
	s := open(t)
	var batch pending
	for i := range 3*pageMessages + 7 {
		data := []byte("{}")
		if i%20 == 0 {
			data = []byte(strings.Repeat("x", 240_000))
		}
		w := read(bus.Received{Message: bus.Message{Subject: fmt.Sprintf("reprotect.notification.s%d.info", i), ID: fmt.Sprint(i), Data: data}, Sequence: uint64(i)})
		batch.rows = append(batch.rows, &w)
	}
	if err := s.hand(t.Context(), &batch)(); err != nil {
		t.Fatal(err)
	}
	for _, latest := range []bool{false, true} {
		got := all(t, s, Reading{Latest: latest, Filters: []string{"reprotect.notification.*.info"}})
		if len(got) != len(batch.rows) {
			t.Errorf("latest %v: %d of %d", latest, len(got), len(batch.rows))
		}
		for i, r := range got {
			if r.Sequence != uint64(i+1) {
				t.Fatalf("latest %v: place %d is the %dth", latest, r.Sequence, i+1)
			}
		}
	}
}

func TestReadEnds(t *testing.T) {
	t.Parallel()
	s, log := library(t)
	own := errors.New("own")
	n := 0
	if err := s.Read(t.Context(), Reading{}, func(bus.Received) error { n++; return own }); !errors.Is(err, own) || n != 1 {
		t.Errorf("own error after %d: %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Read(ctx, Reading{From: uint64(len(log)), Follow: true}, func(bus.Received) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("ctx: %v", err)
	}
	err = s.Read(t.Context(), Reading{From: uint64(len(log)), Follow: true}, func(bus.Received) error { go s.Close(); return nil })
	if !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// Who follows the latest of each subject gets every message from then on.
func TestFollowsTheLatest(t *testing.T) {
	t.Parallel()
	s := open(t)
	report := func(n int) bus.Received {
		return fact(events.TypeProgressed, "r1-web01", "", n, uint64(n), events.Progressed{Percent: n})
	}
	keep(t, s, report(1), report(2), report(3))
	var got []uint64
	err := s.Read(t.Context(), Reading{Latest: true, Follow: true}, func(r bus.Received) error {
		if got = append(got, r.Sequence); len(got) == 1 {
			keep(t, s, report(4), report(5))
		}
		if len(got) == 3 {
			return errEnough
		}
		return nil
	})
	if diff := cmp.Diff([]uint64{3, 4, 5}, got); diff != "" || !errors.Is(err, errEnough) {
		t.Error(diff, err)
	}
}

func TestStoryAndStands(t *testing.T) {
	t.Parallel()
	s, log := library(t)
	got, err := s.Story(t.Context(), "r1-db01")
	if err != nil || len(got) != 11 || got[0].ID != "r1-db01/request" || got[10].ID != "o1" {
		t.Errorf("%d facts: %v", len(got), err)
	}
	if none, err := s.Story(t.Context(), "r9"); err != nil || none != nil {
		t.Errorf("an unknown case has %d facts: %v", len(none), err)
	}
	stands, found, err := s.Stands(t.Context(), "reprotect.command.cancel")
	if err != nil || !found || stands.ID != "c2" || string(stands.Data) != string(log[len(log)-4].Data) {
		t.Errorf("%v %v %v", stands, found, err)
	}
	if _, found, err := s.Stands(t.Context(), "reprotect.command.*"); found || err != nil {
		t.Errorf("a filter is no subject: %v %v", found, err)
	}
	cases, err := s.Cases(t.Context(), CaseFilter{State: "completed", Site: "tokyo", Request: "r1"})
	if err != nil || len(cases) != 3 {
		t.Errorf("%d cases: %v", len(cases), err)
	}
	for _, f := range []CaseFilter{{State: "failed"}, {Site: "osaka"}, {Request: "r2"}} {
		if cases, err := s.Cases(t.Context(), f); err != nil || len(cases) != 0 {
			t.Errorf("%+v: %d cases: %v", f, len(cases), err)
		}
	}
}

// A request whose id no case can have stands under a token of it while it waits, and no more once it has become cases.
func TestARequestThatWaitedIsNoCase(t *testing.T) {
	t.Parallel()
	s := open(t)
	ask := func(r bus.Received) bus.Received {
		r.Data = []byte(strings.ReplaceAll(string(r.Data), `"request":"r1"`, `"request":"CHG 1"`))
		return r
	}
	token := events.Token("CHG 1")
	keep(t, s, ask(fact(events.TypeWaiting, token, "", 1, 1, events.Waiting{For: "azure", Message: "Azure is away.", Since: begun})))
	if cases, err := s.Cases(t.Context(), CaseFilter{}); err != nil || len(cases) != 1 || cases[0].Request != "CHG 1" {
		t.Errorf("while it waits: %+v, %v", cases, err)
	}
	keep(t, s, ask(fact(events.TypeAccepted, token+"--web01", "", 2, 2, events.Accepted{Case: machines("web01")})))
	if cases, err := s.Cases(t.Context(), CaseFilter{}); err != nil || len(cases) != 1 || cases[0].ID != token+"--web01" {
		t.Errorf("once it has become a case: %+v, %v", cases, err)
	}
}
