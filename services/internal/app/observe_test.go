package app

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"reprotect.example/services/internal/config"
	"reprotect.example/services/observed"
)

func TestProbe(t *testing.T) {
	t.Parallel()
	open, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { open.Close() })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	got := probe(t.Context(), []config.Probe{
		{Name: "open", Address: open.Addr().String()}, {Name: "closed", Address: closed.Addr().String()}, {Name: "nowhere", Address: "nowhere.invalid:443"},
	})
	for i := range got {
		if (got[i].Failure == "") != (got[i].Name == "open") {
			t.Errorf("%+v", got[i])
		}
		got[i].Failure = "" // the words are the system's
	}
	want := []observed.Probe{
		{Name: "open", Address: open.Addr().String()}, {Name: "closed", Address: closed.Addr().String()},
		{Name: "nowhere", Address: "nowhere.invalid:443", Unclear: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// An observation is made once for all who ask, and again when it is too old or does not fit a later look.
func TestRecent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recent[int]
		made := 0
		observe := func(context.Context) int {
			<-time.After(time.Second)
			made++
			return made
		}
		fits := true
		start := time.Now()
		ask := func(maxAge time.Duration, look time.Time) int {
			t.Helper()
			value, err := r.get(t.Context(), maxAge, look, func(int) bool { return fits }, observe)
			if err != nil {
				t.Error(err)
			}
			return value
		}
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { ask(time.Minute, start) })
		}
		all.Wait()
		if made != 1 {
			t.Fatalf("made %d times for 50 who asked at once", made)
		}
		later := start.Add(30 * time.Second)
		for _, step := range []struct {
			name   string
			wait   time.Duration
			maxAge time.Duration
			look   time.Time
			fits   bool
			want   int
		}{
			{"young enough", 0, time.Minute, start, true, 1},
			{"fits a later look", 0, time.Minute, later, true, 1},
			{"is not asked again whether it fits", 0, time.Minute, later, false, 1},
			{"does not fit a later look", 0, time.Minute, later.Add(1), false, 2},
			{"too old", 2 * time.Minute, time.Minute, later.Add(1), true, 3},
			{"wanted anew", time.Second, 0, later.Add(1), true, 4},
		} {
			<-time.After(step.wait)
			fits = step.fits
			if got := ask(step.maxAge, step.look); got != step.want {
				t.Errorf("%s: observation %d, want %d", step.name, got, step.want)
			}
		}
	})
}

func TestWhoLeavesDoesNotEndTheObservation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recent[string]
		observe := func(ctx context.Context) string {
			select {
			case <-ctx.Done():
				return "broken off"
			case <-time.After(time.Second):
				return "seen"
			}
		}
		get := func(ctx context.Context) (string, error) {
			return r.get(ctx, time.Minute, time.Time{}, func(string) bool { return true }, observe)
		}
		ctx, leave := context.WithTimeout(t.Context(), time.Millisecond)
		defer leave()
		if _, err := get(ctx); err == nil {
			t.Error("a caller that left was answered")
		}
		if got, err := get(t.Context()); got != "seen" || err != nil {
			t.Errorf("%q %v", got, err)
		}
	})
}
