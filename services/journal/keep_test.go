package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/schemas"
	"reprotect.example/services/cases"
)

func TestKeepsEachMessageOnce(t *testing.T) {
	t.Parallel()
	c := machines("web01")
	validated := fact(events.TypeValidated, "r1-web01", "", 2, 7, events.Validated{Case: c})
	rejected := fact(events.TypeRejected, "r1-web01", events.StepValidation, 2, 9, events.Rejected{Case: c})
	progressed := fact(events.TypeProgressed, "r1-web01", "", 7, 8, events.Progressed{Percent: 5})
	again := func(r bus.Received, change func(*bus.Received)) bus.Received {
		r.Headers = map[string]string{}
		change(&r)
		return r
	}
	command := func(id string, sequence uint64) bus.Received {
		return bus.Received{Message: bus.Message{Subject: "reprotect.command.request", ID: id, Data: []byte(`{"machines":[{"name":"web01"}]}`)}, Sequence: sequence, Published: begun}
	}
	for _, test := range []struct {
		name   string
		first  bus.Received
		second bus.Received
		once   bool
	}{
		{"the same fact", validated, again(validated, func(r *bus.Received) { r.Attempt = 2 }), true},
		{"a fact that was stored twice", validated, again(validated, func(r *bus.Received) { r.Sequence, r.Published = 900, begun.Add(5*time.Hour) }), true},
		{"another outcome of a decided step", validated, rejected, true},
		{"another report", progressed, fact(events.TypeProgressed, "r1-web01", "", 8, 9, events.Progressed{Percent: 6}), false},
		{"a fact whose message has no id", again(validated, func(r *bus.Received) { r.ID = "" }), again(validated, func(r *bus.Received) { r.Sequence = 900 }), true},
		{"a fact that cannot be read and has no id", again(validated, func(r *bus.Received) { r.ID, r.Data = "", []byte("{") }), again(validated, func(r *bus.Received) { r.ID, r.Data, r.Sequence = "", []byte("{"), 900 }), false},
		{"a command with its id", command("c1", 1), command("c1", 2), true},
		{"commands with two ids", command("c1", 1), command("c2", 2), false},
		{"the id of another subject", command("c1", 1), again(command("c1", 2), func(r *bus.Received) { r.Subject = "reprotect.command.cancel" }), false},
		{"a bare command delivered again", command("", 1), command("", 1), true},
		{"two bare commands", command("", 1), command("", 2), false},
		{"a bare command of a stream that counts anew", command("", 1), again(command("", 1), func(r *bus.Received) { r.Published = begun.Add(time.Hour) }), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			keep(t, s, test.first, test.second)
			got := all(t, s, Reading{})
			if want := map[bool]int{true: 1, false: 2}[test.once]; len(got) != want {
				t.Fatalf("kept %d messages, want %d", len(got), want)
			}
			if string(got[0].Data) != string(test.first.Data) || got[0].Subject != test.first.Subject {
				t.Errorf("the first does not stand: %s %s", got[0].Subject, got[0].Data)
			}
		})
	}
}

// Every message comes back as it came, whatever it is.
func TestKeepsBytesAsTheyCame(t *testing.T) {
	t.Parallel()
	s := open(t)
	sent := []bus.Received{
		{Message: bus.Message{Subject: "reprotect.command.request", Data: []byte("\xff\x00not json"), Headers: map[string]string{"ce-id": "é\"<"}}, Sequence: 3, Published: begun.Add(123456789)},
		{Message: bus.Message{Subject: "reprotect.event.tokyo", ID: "x"}, Sequence: 4},
		{Message: bus.Message{Subject: "reprotect.event.tokyo.c1.a.b.c.d", ID: "y", Data: []byte("  {}\n ")}, Sequence: 1 << 62},
		{Message: bus.Message{Subject: "reprotect.dead.validator", ID: "z", Data: []byte("null")}, Sequence: 5},
	}
	names, err := fs.Glob(schemas.Files(), "examples/*.json")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for i, name := range names {
		raw, err := fs.ReadFile(schemas.Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := strings.Cut(strings.TrimPrefix(name, "examples/"), ".")
		for _, subject := range []string{"reprotect.command." + kind, "reprotect.event.tokyo.c1.progress." + kind, "reprotect.notification.tokyo.info"} {
			sent = append(sent, bus.Received{Message: bus.Message{Subject: subject, ID: fmt.Sprint(name, subject), Data: raw}, Sequence: uint64(100 + i), Published: begun})
		}
	}
	keep(t, s, sent[:4]...)
	var rest pending // in one transaction, for speed
	for _, r := range sent[4:] {
		w := read(r)
		rest.rows = append(rest.rows, &w)
	}
	if err := s.hand(t.Context(), &rest)(); err != nil {
		t.Fatal(err)
	}
	got := all(t, s, Reading{})
	if len(got) != len(sent) {
		t.Fatalf("kept %d of %d", len(got), len(sent))
	}
	for i, want := range sent {
		want.Sequence, want.Attempt = uint64(i+1), 1
		if i == 0 {
			want.ID = "r3" // as the bus names a bare command
		}
		if want.Data == nil {
			want.Data = []byte{}
		}
		if got[i].Data == nil {
			got[i].Data = []byte{}
		}
		if diff := cmp.Diff(want, got[i]); diff != "" {
			t.Errorf("message %d: %s", i, diff)
		}
	}
	if err := s.Reproject(t.Context()); err != nil {
		t.Error(err)
	}
}

// Whatever comes in whatever order and however often: the cases are what package cases makes of the log without
// what came twice.
func TestProjectionIsThatOfTheLog(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/journal.db"
	open := func(t interface{ Fatal(...any) }) *Store {
		s, err := Open(context.Background(), path)
		if err == nil {
			_, err = s.writer.ExecContext(context.Background(), `PRAGMA synchronous = OFF`) // thousands of transactions
		}
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open(t)
	defer func() { s.Close() }()
	rapid.Check(t, func(t *rapid.T) {
		s.mutexed(func() { // an empty journal, which is sooner had than a new one
			clear(s.cases)
			s.last = 0
			if _, err := s.writer.ExecContext(context.Background(), `DELETE FROM case_events; DELETE FROM cases; DELETE FROM events`); err != nil {
				t.Fatal(err)
			}
		})
		var pool []bus.Received
		for i := range rapid.IntRange(1, 3).Draw(t, "cases") {
			id := fmt.Sprintf("r1-m%d", i)
			pool = append(pool, story(id, uint64(100*i+1))...)
			for position := range rapid.IntRange(0, 12).Draw(t, "reports") {
				report := fact(events.TypeProgressed, id, "", position+4, uint64(100*i+20+position), events.Progressed{Percent: 5 * position})
				if rapid.Bool().Draw(t, "waits") {
					report = fact(events.TypeWaiting, id, "", position+4, uint64(100*i+20+position), events.Waiting{For: "agent", Message: fmt.Sprint(position), Since: begun})
				}
				pool = append(pool, report)
			}
			pool = append(pool,
				fact(events.TypeRejected, id, events.StepPlacement, 3, uint64(100*i+40), events.Rejected{Problems: []events.Problem{{Message: "none fits"}}}),
				fact(events.TypeCancelling, id, "", 5, uint64(100*i+41), events.Cancelling{Reason: "not today"}))
		}
		var log []bus.Received // what must have been kept
		for range rapid.IntRange(1, 50).Draw(t, "deliveries") {
			r := pool[rapid.IntRange(0, len(pool)-1).Draw(t, "which")]
			switch rapid.IntRange(0, 59).Draw(t, "twist") {
			case 0: // from elsewhere, and wrong
				r.Data = []byte(`{"specversion":"1.0"}`)
			case 1, 2, 3:
				s.mutexed(func() { clear(s.cases) }) // as after a restart, or with many cases
			case 4:
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = open(t)
			}
			if err := s.Keep(context.Background(), r); err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(log, func(k bus.Received) bool { return k.ID == r.ID }) {
				r.Sequence = uint64(len(log) + 1)
				log = append(log, r)
			}
		}
		want := cases.All(entries(log))
		compare := func(when string) {
			got, err := s.Cases(context.Background(), CaseFilter{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(jsonOf(withoutHistory(want)), jsonOf(got)); diff != "" {
				t.Fatalf("%s: %s", when, diff)
			}
		}
		compare("as it came")
		for _, w := range want {
			got, found, err := s.Case(context.Background(), w.ID)
			if err != nil || !found {
				t.Fatal(found, err)
			}
			if diff := cmp.Diff(jsonOf(w), jsonOf(got)); diff != "" {
				t.Fatal(diff)
			}
		}
		if err := s.Reproject(context.Background()); err != nil {
			t.Fatal(err)
		}
		compare("made anew")
	})
}

func (s *Store) mutexed(do func()) {
	s.writing.Lock()
	defer s.writing.Unlock()
	do()
}

// A case with thousands of reports stands on a few of them.
func TestReportsThatWereOvertakenDoNotCount(t *testing.T) {
	t.Parallel()
	s := open(t)
	keep(t, s, story("r1-web01", 1)[:6]...)
	var all pending
	for i := range 900 {
		w := read(fact(events.TypeProgressed, "r1-web01", "", i+7, uint64(i+10), events.Progressed{Percent: i / 10}))
		all.rows = append(all.rows, &w)
	}
	if err := s.hand(t.Context(), &all)(); err != nil {
		t.Fatal(err)
	}
	var counted int
	if err := s.readers.QueryRowContext(t.Context(), `SELECT count(*) FROM case_events`).Scan(&counted); err != nil || counted > 10 {
		t.Errorf("the case stands on %d events (%v)", counted, err)
	}
	c, _, err := s.Case(t.Context(), "r1-web01")
	if err != nil || len(c.History) != 906 || c.Percent != 89 {
		t.Errorf("%d lines, %d %%: %v", len(c.History), c.Percent, err)
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	const keepers, listed = 8, 6
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var followed atomic.Int64
	var reading, keeping sync.WaitGroup
	const want = listed * 10
	for range 3 {
		reading.Go(func() {
			var last uint64
			err := s.Read(ctx, Reading{Follow: true}, func(r bus.Received) error {
				if r.Sequence != last+1 {
					return fmt.Errorf("place %d follows %d", r.Sequence, last)
				}
				last = r.Sequence
				if last == want {
					return errEnough
				}
				return nil
			})
			if errors.Is(err, errEnough) {
				followed.Add(1)
			} else {
				t.Error(err)
			}
		})
	}
	for k := range keepers { // each keeps everything, as after many redeliveries, in an order of its own
		keeping.Go(func() {
			for i := range listed {
				for _, r := range story(fmt.Sprintf("c%d", (i+k)%listed), uint64(100*i)) {
					if err := s.Keep(ctx, r); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	keeping.Wait()
	reading.Wait()
	st, err := s.Stats(ctx)
	if err != nil || st.Messages != want || st.Cases != listed || st.Open != 0 || st.Duplicates != want*(keepers-1) || followed.Load() != 3 {
		t.Errorf("%+v, %d followed: %v", st, followed.Load(), err)
	}
}

var errEnough = errors.New("enough")

// Messages that were handed over before any of them was stored are stored in the order of the calls; those that wait
// when the store is closed end.
func TestHandedOverInOrder(t *testing.T) {
	t.Parallel()
	s := open(t)
	messages := longStream(100).log
	var want []string
	var waiting []func() error
	for i := range messages {
		r := messages[(i*7)%len(messages)] // not the order of their sequences, which is not the journal's
		want, waiting = append(want, r.ID), append(waiting, s.Hand(t.Context(), r))
	}
	for _, kept := range waiting {
		if err := kept(); err != nil {
			t.Fatal(err)
		}
	}
	if got := ids(all(t, s, Reading{})); !slices.Equal(got, want) {
		t.Errorf("stored in the order %v", got)
	}
	s.writing.Lock() // what is handed over now waits
	waiting = nil
	for i := range 50 {
		waiting = append(waiting, s.Hand(t.Context(), story(fmt.Sprint("late", i), 9000)[0]))
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	<-s.closing
	s.writing.Unlock()
	kept := 0
	for _, end := range waiting {
		switch err := end(); {
		case err == nil:
			kept++
		case !errors.Is(err, ErrClosed):
			t.Error(err)
		}
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if s = openAt(t, s.path); len(all(t, s, Reading{})) != len(want)+kept {
		t.Errorf("%d of those that waited were kept, the journal has %d", kept, len(all(t, s, Reading{}))-len(want))
	}
}
