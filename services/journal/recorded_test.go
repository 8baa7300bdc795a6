package journal

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
	"reprotect.example/services/cases/recorded"
)

// keepAll hands over all messages in their order, and waits for them together.
func keepAll(t testing.TB, s *Store, all []bus.Received) {
	t.Helper()
	var waits []func() error
	for _, r := range all {
		waits = append(waits, s.Hand(t.Context(), r))
		if len(waits) == mostWaiting {
			settle(t, waits)
			waits = nil
		}
	}
	settle(t, waits)
}

func settle(t testing.TB, waits []func() error) {
	t.Helper()
	for _, kept := range waits {
		if err := kept(); err != nil {
			t.Fatal(err)
		}
	}
}

// listedBy is what the journal says of all cases.
func listedBy(t testing.TB, s *Store, f CaseFilter) []cases.Case {
	t.Helper()
	listed, err := s.Cases(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	return listed
}

// stands compares where the cases stand, by the journal and by the log itself.
func stands(t testing.TB, what string, s *Store, log []bus.Received) {
	t.Helper()
	if diff := cmp.Diff(jsonOf(withoutHistory(cases.All(entries(log)))), jsonOf(listedBy(t, s, CaseFilter{}))); diff != "" {
		t.Errorf("%s (-by the log +by the journal):\n%s", what, diff)
	}
}

// The journal says of a log what the log says itself, in whatever order the bus delivered it, and however often.
func TestARecordedLogStandsAlikeInTheJournal(t *testing.T) {
	t.Parallel()
	for _, from := range recorded.Buses() {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			log := recorded.Load(t, from).Log
			s := open(t)
			keepAll(t, s, log)
			stands(t, "in its order", s, log)
			if err := s.Reproject(t.Context()); err != nil {
				t.Fatal(err)
			}
			stands(t, "made anew", s, log)
			for seed := range uint64(2) {
				shuffled := slices.Concat(log, log[:len(log)/2])
				rand.New(rand.NewPCG(seed, 1)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
				s := open(t)
				keepAll(t, s, shuffled)
				stands(t, "in another order", s, log)
			}
		})
	}
}

// A journal of the version before has cases that were folded by other rules: they are made anew when it is opened.
func TestTheCasesOfAnOlderJournalAreMadeAnew(t *testing.T) {
	t.Parallel()
	path, log := filepath.Join(t.TempDir(), "journal.db"), recorded.Load(t, recorded.ServiceBus).Log
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	keepAll(t, s, log)
	err = s.transact(t.Context(), func() error {
		_, err := s.writer.ExecContext(t.Context(), `UPDATE cases SET document = json_set(document, '$.waiting.since', '0001-01-01T00:00:00Z');
			DELETE FROM case_events; DROP INDEX cases_by_request; DROP INDEX events_by_origin; ALTER TABLE events DROP COLUMN leaf; DELETE FROM state WHERE name = 'tree';
			DELETE FROM schema_versions WHERE version >= 2`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	stands(t, "after the migration", openAt(t, path), log)
}

// A request that waited is none of the cases once it has become some, whichever of them are asked for.
func TestARequestThatBecameCasesIsNotListed(t *testing.T) {
	t.Parallel()
	s := open(t)
	keep(t, s, fact(events.TypeWaiting, "r1", "", 1, 1, events.Waiting{For: events.ForAzure, Message: "away", Since: begun}))
	ids := func(f CaseFilter) (ids []string) {
		for _, c := range listedBy(t, s, f) {
			ids = append(ids, c.ID)
		}
		return ids
	}
	for _, f := range []CaseFilter{{}, {State: "waiting"}, {Request: "r1"}, {Site: "tokyo"}} {
		if got := ids(f); !slices.Equal(got, []string{"r1"}) {
			t.Errorf("while it waits, for %+v: %v", f, got)
		}
	}
	keep(t, s, story("r1--web01", 2)[:1]...)
	for _, tt := range []struct {
		f    CaseFilter
		want []string
	}{{CaseFilter{}, []string{"r1--web01"}}, {CaseFilter{State: "waiting"}, nil}, {CaseFilter{Request: "r1"}, []string{"r1--web01"}}, {CaseFilter{Site: "tokyo"}, []string{"r1--web01"}}} {
		if got := ids(tt.f); !slices.Equal(got, tt.want) {
			t.Errorf("once it has become a case, for %+v: %v, want %v", tt.f, got, tt.want)
		}
	}
}
