package journal

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

// A copy of the files between two transactions is what a power cut leaves: all that Keep returned for is in it.
func TestACopyHoldsWhatKeepReturnedFor(t *testing.T) {
	t.Parallel()
	s := open(t)
	var mu sync.Mutex
	returned := map[string]bool{}
	enough := make(chan struct{})
	stop := make(chan struct{})
	var keeping sync.WaitGroup
	for k := range 4 {
		keeping.Go(func() {
			for i := 0; ; i++ {
				for _, r := range story(fmt.Sprintf("c%d-%d", k, i), 1) {
					select {
					case <-stop:
						return
					default:
					}
					if err := s.Keep(context.Background(), r); err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					returned[r.ID] = true
					if len(returned) == 150 {
						close(enough)
					}
					mu.Unlock()
				}
			}
		})
	}
	<-enough
	copied := filepath.Join(t.TempDir(), "copy.db")
	var want []string
	s.mutexed(func() {
		mu.Lock()
		for id := range returned {
			want = append(want, id)
		}
		mu.Unlock()
		for _, suffix := range []string{"", "-wal"} { // the -shm is memory, and gone
			raw, err := os.ReadFile(s.path + suffix)
			if err == nil && suffix == "-wal" {
				raw = append(raw, "the beginning of a frame that was never finished"...)
			}
			if err == nil {
				err = os.WriteFile(copied+suffix, raw, 0o600)
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
	close(stop)
	keeping.Wait()
	holds(t, openAt(t, copied), want)
}

// holds says whether a journal has all of these, and its cases fit its events.
func holds(t *testing.T, s *Store, ids []string) {
	t.Helper()
	kept := map[string]bool{}
	log := all(t, s, Reading{})
	for i, r := range log {
		kept[r.ID] = true
		if r.Sequence != uint64(i+1) {
			t.Fatalf("place %d after %d", r.Sequence, i)
		}
	}
	for _, id := range ids {
		if !kept[id] {
			t.Errorf("lost: %s", id)
		}
	}
	listed, err := s.Cases(t.Context(), CaseFilter{})
	if want := withoutHistory(cases.All(entries(log))); err != nil || jsonOf(listed) != jsonOf(want) {
		t.Errorf("the cases do not fit the events: %v", err)
	}
}

const childFile = "JOURNAL_TEST_FILE"

// A process that is killed loses nothing that Keep returned for. The process is this test itself.
func TestKilled(t *testing.T) {
	if path := os.Getenv(childFile); path != "" {
		keepForEver(path)
	}
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal.db")
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
	child.Env = append(os.Environ(), childFile+"="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var ids []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if id, ok := strings.CutPrefix(lines.Text(), "kept "); ok {
			ids = append(ids, id)
		}
		if len(ids) == 100 {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); err == nil || len(ids) < 100 {
		t.Fatalf("the child ended by itself after %d messages: %v", len(ids), err)
	}
	holds(t, openAt(t, path), ids)
}

// keepForEver keeps from many goroutines and says of each message when Keep has returned.
func keepForEver(path string) {
	s, err := Open(context.Background(), path)
	if err != nil {
		panic(err)
	}
	var keeping sync.WaitGroup
	for k := range 4 {
		keeping.Go(func() {
			for i := 0; ; i++ {
				for _, r := range story(fmt.Sprintf("c%d-%d", k, i), 1) {
					if err := s.Keep(context.Background(), r); err != nil {
						panic(err)
					}
					if _, err := fmt.Println("kept " + r.ID); err != nil { // the parent has gone
						os.Exit(1)
					}
				}
			}
		})
	}
	keeping.Wait()
}

// While nothing can be written, Keep says so and leaves nothing behind; after that it goes on.
func TestGoesOnAfterTroubleWithTheDisk(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name       string
		begin, end string
		says       string
	}{
		{"full", `PRAGMA max_page_count = 1`, `PRAGMA max_page_count = 1073741823`, "the disk is full: free some space"},
		{"read only", `PRAGMA query_only = 1`, `PRAGMA query_only = 0`, "mounted to be written"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			log := story("r1-web01", 1)
			keep(t, s, log[:5]...)
			before, err := s.Cases(t.Context(), CaseFilter{})
			if err != nil {
				t.Fatal(err)
			}
			pragma := func(sql string) {
				s.mutexed(func() {
					if _, err := s.writer.ExecContext(t.Context(), sql); err != nil {
						t.Error(err)
					}
				})
			}
			pragma(test.begin)
			big := log[5]
			for range 3 {
				// Too big for what is free in the file.
				err := s.Keep(t.Context(), fact(events.TypeStarted, "r1-web01", "", 6, 6, events.Started{Case: machines(strings.Repeat("x", 100_000))}))
				if err == nil || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), s.path) {
					t.Fatalf("says %v", err)
				}
			}
			after, err := s.Cases(t.Context(), CaseFilter{})
			if got := all(t, s, Reading{}); err != nil || len(got) != 5 || jsonOf(before) != jsonOf(after) {
				t.Errorf("half written: %d messages, %v", len(got), err)
			}
			pragma(test.end)
			keep(t, s, big)
			keep(t, s, log[6:]...)
			var ids []string
			for _, r := range log {
				ids = append(ids, r.ID)
			}
			holds(t, s, ids)
		})
	}
}
