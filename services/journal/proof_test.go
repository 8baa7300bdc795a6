package journal

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"reprotect.example/events/bus"
	"reprotect.example/services/audit"
	"reprotect.example/services/cases/recorded"
)

// rootOf is the tree over messages in their order, by the messages alone.
func rootOf(messages []bus.Received) string {
	var tree audit.Tree
	for _, m := range messages {
		tree.Add(audit.LeafOf(m))
	}
	return fmt.Sprint(tree.Size(), " ", tree.Root())
}

func standing(t *testing.T, s *Store) string {
	t.Helper()
	tree, err := s.Tree(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(tree.Size(), " ", tree.Root())
}

func verified(t *testing.T, path string, checkpoints ...audit.Checkpoint) audit.Verdict {
	t.Helper()
	s := openAt(t, path)
	v, err := s.Verify(t.Context(), audit.NewVerifier(checkpoints...))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The tree is that of the log, whoever reads it: the journal that took it live, one that was rebuilt, and a reader of the
// stream.
func TestTheTreeOfARecordedLog(t *testing.T) {
	t.Parallel()
	for _, name := range recorded.Buses() {
		log := recorded.Load(t, name).Log
		s := open(t)
		keepAll(t, s, log)
		keepAll(t, s, log) // a second delivery of each adds no leaf
		read := all(t, s, Reading{})
		if got, want := standing(t, s), rootOf(read); got != want || !strings.HasPrefix(got, fmt.Sprint(len(read), " ")) {
			t.Errorf("%s: the tree is %s, over what the journal gives out %s", name, got, want)
		}
		second := open(t)
		for _, m := range log {
			keep(t, second, m)
		}
		if got, want := standing(t, second), standing(t, s); got != want {
			t.Errorf("%s: rebuilt it is %s, was %s", name, got, want)
		}
		if v := verified(t, s.path); !v.Good() || v.Messages != uint64(len(read)) {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// A file from before there was a proof gets its leaves when it is opened.
func TestAFileWithoutLeaves(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal.db")
	s := openAt(t, path)
	keep(t, s, story("a", 1)...)
	want := standing(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	tamper(t, path, `UPDATE events SET leaf = NULL; DELETE FROM state WHERE name = 'tree'`)
	if v := verified(t, path); !v.Good() || v.Messages != 10 {
		t.Errorf("%+v", v)
	}
	s = openAt(t, path)
	keep(t, s, story("b", 11)...)
	if got := standing(t, s); !strings.HasPrefix(got, "20 ") || !strings.HasPrefix(want, "10 ") {
		t.Errorf("%s after %s", got, want)
	}
	if v := verified(t, path); !v.Good() {
		t.Errorf("%+v", v)
	}
}

// Two processes that write to one file grow one tree.
func TestTwoWritersGrowOneTree(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal.db")
	one, two := openAt(t, path), openAt(t, path)
	for i := range 4 {
		keep(t, one, story(fmt.Sprint("a", i), uint64(1+i*20))...)
		keep(t, two, story(fmt.Sprint("b", i), uint64(11+i*20))...)
	}
	if got, want := standing(t, one), rootOf(all(t, one, Reading{})); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func tamper(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(context.Background(), statement); err != nil {
		t.Fatal(err)
	}
}

// Whatever is changed in the file from outside is found, and where.
func TestWhatIsChangedInAJournalIsFound(t *testing.T) {
	t.Parallel()
	private, public, err := audit.NewKey("tokyo")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := audit.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		statement string
		want      string // in the faults; "": none
	}{
		"nothing":               {`SELECT 1`, ""},
		"a byte of a message":   {`UPDATE events SET data = replace(data, 'web01', 'web02') WHERE place = 3`, "3-3 this message was changed"},
		"with its leaf":         {`UPDATE events SET data = replace(data, 'web01', 'web02'), leaf = x'00' WHERE place = 3`, "3-3 this message was changed"},
		"a subject":             {`UPDATE events SET subject = replace(subject, 'tokyo', 'osaka') WHERE place = 3`, "3-3 this message was changed"},
		"an id":                 {`UPDATE events SET id = 'x' WHERE place = 3`, "3-3 this message was changed"},
		"headers":               {`UPDATE events SET headers = '' WHERE place = 3`, "3-3 this message was changed"},
		"a time of storage":     {`UPDATE events SET published = '2026-11-22T03:00:00.000000000Z' WHERE place = 3`, "3-3 this message was changed"},
		"the order":             {`UPDATE events SET place = 99 WHERE place = 3; UPDATE events SET place = 3 WHERE place = 4; UPDATE events SET place = 4 WHERE place = 99`, "1-20 these messages are not the ones that were signed"},
		"one is removed":        {`PRAGMA foreign_keys = 0; DELETE FROM events WHERE place = 3`, "3-3 these messages are missing"},
		"the end is removed":    {`PRAGMA foreign_keys = 0; DELETE FROM events WHERE place > 17`, "18-20 the log was cut"},
		"what it is found by":   {`UPDATE events SET case_id = 'c' WHERE place = 3`, "3-3 this message is found by"},
		"its key":               {`UPDATE events SET key = 'x' WHERE place = 3`, "3-3 this message is found by"},
		"the time":              {`UPDATE events SET time = '' WHERE place = 3`, "3-3 this message is found by"},
		"the type":              {`UPDATE events SET type = '' WHERE place = 3`, "3-3 this message is found by"},
		"the step":              {`UPDATE events SET step = '' WHERE place = 3`, "3-3 this message is found by"},
		"the site":              {`UPDATE events SET site = '' WHERE place = 3`, "3-3 this message is found by"},
		"where a case stands":   {`UPDATE cases SET document = replace(document, 'completed', 'failed') WHERE id = 'a'`, "1-10 case a stands elsewhere"},
		"a case is removed":     {`DELETE FROM cases WHERE id = 'a'`, "messages tell of case a, which is not listed"},
		"a case is added":       {`INSERT INTO cases SELECT 'z', site, request, state, step, percent, ended, good, since, updated, document FROM cases WHERE id = 'a'`, "case z is listed, and no message tells of it"},
		"all of it, with leafs": {`UPDATE state SET value = '{"size":0,"subtrees":[]}' WHERE name = 'tree'; DELETE FROM case_events; DELETE FROM cases; DELETE FROM events`, "1-20 the log was cut: it has 0 messages, and had 20"},
		"the tree":              {`UPDATE state SET value = '{"size":0,"subtrees":[]}' WHERE name = 'tree'`, "has written down that they were 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "journal.db")
			s := openAt(t, path)
			keep(t, s, story("a", 1)...)
			keep(t, s, story("b", 11)...)
			tree, err := s.Tree(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			text, err := signer.Sign(&tree, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			c, err := audit.Open(text, public)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			tamper(t, path, tt.statement)
			v := verified(t, path, c)
			var found []string
			for _, f := range v.Faults {
				found = append(found, fmt.Sprintf("%d-%d %s", f.From, f.To, f.What))
			}
			if got := strings.Join(found, "\n"); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("found %q\nwant  %q", got, tt.want)
			}
		})
	}
}
