package journal

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
)

// However it is cut into pages, a look back finds what a look at each message says, the newest first.
func TestLookBack(t *testing.T) {
	t.Parallel()
	s, _ := library(t)
	log := all(t, s, Reading{})
	slices.Reverse(log)
	kinds := []string{events.TypeProgressed.CloudType(), events.TypeCancel.CloudType(), events.TypeCompleted.CloudType()}
	rapid.Check(t, func(t *rapid.T) {
		b := Back{
			Types:  rapid.SliceOfNDistinct(rapid.SampledFrom(kinds), 0, 2, rapid.ID).Draw(t, "types"),
			Case:   rapid.SampledFrom([]string{"", "r1-web01", "r2-[x]?", "nowhere"}).Draw(t, "case"),
			Site:   rapid.SampledFrom([]string{"", "tokyo", "osaka"}).Draw(t, "site"),
			Person: rapid.SampledFrom([]string{"", "OPS@example", "nobody", "%"}).Draw(t, "person"),
			Limit:  rapid.IntRange(0, 9).Draw(t, "limit"),
		}
		if rapid.Bool().Draw(t, "since") {
			b.Since = begun.Add(time.Duration(rapid.IntRange(0, 12).Draw(t, "from")) * time.Minute)
		}
		if rapid.Bool().Draw(t, "until") {
			b.Until = begun.Add(time.Duration(rapid.IntRange(0, 12).Draw(t, "to")) * time.Minute)
		}
		var want []uint64
		for _, m := range log {
			if plainlyFits(b, m) {
				want = append(want, m.Sequence)
			}
		}
		var got []uint64
		for {
			found, next, err := s.LookBack(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range found {
				got = append(got, m.Sequence)
			}
			if b.Limit > 0 && len(found) > b.Limit {
				t.Fatalf("%d messages, more than %d", len(found), b.Limit)
			}
			if next == 0 {
				break
			}
			if b.Before != 0 && next >= b.Before {
				t.Fatalf("goes on at %d after %d", next, b.Before)
			}
			b.Before = next
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%+v finds %v, want %v", b, got, want)
		}
	})
}

// plainlyFits is the second reading.
func plainlyFits(b Back, m bus.Received) bool {
	w := read(m)
	e := w.entry
	person := ""
	switch d := e.Data.(type) {
	case events.Request:
		person = d.RequestedBy
	case events.Accepted:
		person = d.Case.RequestedBy
	case events.Validated:
		person = d.Case.RequestedBy
	case events.Placed:
		person = d.Case.RequestedBy
	case events.Registered:
		person = d.Case.RequestedBy
	case events.Started:
		person = d.Case.RequestedBy
	case events.Completed:
		person = d.Case.RequestedBy
	}
	return (len(b.Types) == 0 || slices.Contains(b.Types, e.Header.Type)) && (b.Case == "" || w.caseID == b.Case) && (b.Site == "" || w.site == b.Site) &&
		(b.Since.IsZero() || !e.Time.Before(b.Since) && !e.Time.IsZero()) && (b.Until.IsZero() || !e.Time.After(b.Until)) &&
		strings.Contains(strings.ToLower(person), strings.ToLower(b.Person))
}

// What stands of some cases is what Cases says of all.
func TestStandings(t *testing.T) {
	t.Parallel()
	s, _ := library(t)
	want, err := s.Cases(t.Context(), CaseFilter{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Standings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got = cases.Listed(got); jsonOf(got) != jsonOf(want) {
		t.Errorf("all: %s, want %s", jsonOf(got), jsonOf(want))
	}
	some, err := s.Standings(t.Context(), "r1-db01", "nowhere")
	if err != nil || len(some) != 1 || some[0].ID != "r1-db01" || len(some[0].History) > 0 {
		t.Errorf("some: %s, %v", jsonOf(some), err)
	}
}
