package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"reprotect.example/events/bus"
)

func anySubject(string) bool { return true }

// found is all that a comparison of everything finds.
type found struct{ Missing, Changed, Lost, Holes []uint64 }

func compareAll(t rapid.TB, s *Store, most int, of *stream) (f found) {
	t.Helper()
	ctx := context.Background()
	var c Comparison
	for parts := 0; parts == 0 || !c.End; parts++ {
		if parts > 10_000 {
			t.Fatal("the comparison never ends")
		}
		var err error
		if c, err = s.Compare(ctx, c, most, anySubject, of.from); err != nil {
			t.Fatal(err)
		}
		again, err := s.Compare(ctx, c.Again(), most, anySubject, of.from)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, again, cmp.AllowUnexported(Comparison{})); diff != "" {
			t.Fatalf("the same part again: %s", diff)
		}
		for _, r := range c.Missing {
			f.Missing = append(f.Missing, r.Sequence)
		}
		f.Changed, f.Lost, f.Holes = append(f.Changed, c.Changed...), append(f.Lost, c.Lost...), append(f.Holes, c.Holes...)
		if c.Same() != (len(c.Missing)+len(c.Changed)+len(c.Lost)+len(c.Holes) == 0) {
			t.Error("a part with differences is the same")
		}
	}
	for _, one := range []*[]uint64{&f.Missing, &f.Changed, &f.Lost, &f.Holes} {
		slices.Sort(*one)
	}
	return f
}

// caughtUp is a journal that has kept all of a stream.
func caughtUp(t testing.TB, path string, of *stream) *Store {
	t.Helper()
	s := openAt(t, path)
	if err := s.CatchUp(t.Context(), of.from); err != nil {
		t.Fatal(err)
	}
	return s
}

// nats-N11: whatever of a stream, or of the journal, is lost or changed is found, once, by its number; what is as it was is
// never found. The second reading are plain sets of what was done.
func TestWhatStreamOrJournalLoseIsFound(t *testing.T) {
	t.Parallel()
	empty := open(t)
	if err := empty.Close(); err != nil {
		t.Fatal(err)
	}
	made, err := os.ReadFile(empty.path)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "journal.db")
	rapid.Check(t, func(rt *rapid.T) {
		if err := os.WriteFile(path, made, 0o600); err != nil {
			t.Fatal(err)
		}
		of := longStream(rapid.IntRange(0, 4).Draw(rt, "cases"))
		for i := range of.log { // the bus stores each a little later than the one before
			of.log[i].Sequence, of.log[i].Published = uint64(i+1), begun.Add(time.Duration(i+1)*time.Second)
		}
		whole := len(of.log)
		s := caughtUp(t, path, of)
		defer s.Close()
		var want found
		var left []bus.Received
		first := false // the journal takes what was before the first of the stream for gone with its time
		for _, r := range of.log {
			switch rapid.SampledFrom([]string{"stays", "stays", "stays", "lost", "changed", "missing", "hole"}).Draw(rt, fmt.Sprintf("%d", r.Sequence)) {
			case "lost":
				if first {
					want.Lost = append(want.Lost, r.Sequence)
				}
				continue
			case "hole":
				forget(t, s, r.Sequence)
				if first {
					want.Holes = append(want.Holes, r.Sequence)
				}
				continue
			case "changed":
				r.Data = append(slices.Clone(r.Data), ' ')
				want.Changed = append(want.Changed, r.Sequence)
			case "missing":
				forget(t, s, r.Sequence)
				want.Missing = append(want.Missing, r.Sequence)
			}
			first, left = true, append(left, r)
		}
		if len(left) == 0 {
			want = found{}
		}
		for len(want.Holes) > 0 && want.Holes[len(want.Holes)-1] > left[len(left)-1].Sequence {
			want.Holes = want.Holes[:len(want.Holes)-1] // behind the last nobody knows of it
		}
		of.log = left
		most := rapid.IntRange(1, whole+2).Draw(rt, "most")
		if diff := cmp.Diff(want, compareAll(rt, s, most, of), cmpopts.EquateEmpty()); diff != "" {
			rt.Fatal(diff)
		}
	})
}

func newFile(t testing.TB) string { return filepath.Join(t.TempDir(), "journal.db") }

// forget takes a message out of the journal's file, as a damage might.
func forget(t testing.TB, s *Store, sequence uint64) {
	t.Helper()
	s.mutexed(func() {
		for _, sql := range []string{`DELETE FROM case_events WHERE place IN (SELECT place FROM events WHERE origin = ?)`, `DELETE FROM events WHERE origin = ?`} {
			if _, err := s.writer.ExecContext(context.Background(), sql, int64(sequence)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// What is stored twice, has the id of another, comes late or is of a stream that is no more is no difference.
func TestNoDifference(t *testing.T) {
	t.Parallel()
	command := func(sequence uint64, id, data string) bus.Received {
		return bus.Received{Message: bus.Message{Subject: "reprotect.command.request", ID: id, Data: []byte(data)}, Sequence: sequence, Published: begun.Add(time.Duration(sequence) * time.Second), Attempt: 1}
	}
	for name, log := range map[string][]bus.Received{
		"nothing":               nil,
		"the first have gone":   longStream(2).log[5:],
		"a fact stored twice":   append(longStream(1).log, at(longStream(1).log[2], 11)),
		"a second content":      {command(1, "a", "{}"), command(2, "a", `{"b":1}`), command(3, "a", "{}"), command(4, "a", `{"b":1}`)},
		"bare commands":         {command(1, "", "{}"), command(2, "", "{}")},
		"what is no event":      {command(1, "x", "\xff"), command(2, "y", "")},
		"headers of the sender": {{Message: bus.Message{Subject: "reprotect.command.request", ID: "h", Headers: map[string]string{"a": "b"}}, Sequence: 1, Published: begun}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			of := &stream{log: log}
			s := caughtUp(t, newFile(t), of)
			if diff := cmp.Diff(found{}, compareAll(t, s, 3, of)); diff != "" {
				t.Error(diff)
			}
			// One that the journal has not called complete yet may be under way to it.
			of.log = append(of.log, at(longStream(1).log[0], 900))
			if diff := cmp.Diff(found{}, compareAll(t, s, 3, of)); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("a stream that was made anew", func(t *testing.T) {
		t.Parallel()
		s := caughtUp(t, newFile(t), longStream(3))
		anew := &stream{log: []bus.Received{at(fact8("late"), 1), at(fact8("later"), 2)}}
		for i := range anew.log {
			anew.log[i].Published = begun.Add(time.Hour)
		}
		keep(t, s, anew.log...)
		if diff := cmp.Diff(found{}, compareAll(t, s, 3, anew)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("subjects that this journal does not keep", func(t *testing.T) {
		t.Parallel()
		of := longStream(1)
		s := caughtUp(t, newFile(t), of)
		forget(t, s, 4)
		c, err := s.Compare(t.Context(), Comparison{}, 100, func(string) bool { return false }, of.from)
		if err != nil || len(c.Missing) > 0 {
			t.Errorf("missing: %v, %v", c.Missing, err)
		}
	})
	t.Run("a stream that cannot be read", func(t *testing.T) {
		t.Parallel()
		of := longStream(1)
		s := caughtUp(t, newFile(t), of)
		of.fail = 3
		if c, err := s.Compare(t.Context(), Comparison{}, 100, anySubject, of.from); !errors.Is(err, errBroken) {
			t.Errorf("%+v, %v", c, err)
		}
	})
}

func fact8(id string) bus.Received { return story(id, 1)[7] }

func at(r bus.Received, sequence uint64) bus.Received {
	r.Sequence, r.Published = sequence, begun.Add(time.Duration(sequence)*time.Second)
	return r
}
