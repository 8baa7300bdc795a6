package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"reprotect.example/events/bus"
)

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(path string, data string) error { return os.WriteFile(path, []byte(data), 0o600) }
	execute := func(path, statement string) error {
		db, err := sql.Open("sqlite", dsn(path))
		if err != nil {
			return err
		}
		defer db.Close()
		_, err = db.Exec(statement)
		return err
	}
	for _, test := range []struct {
		name string
		file string
		make func(path string) error
		is   error
		says string
	}{
		{"garbage", "garbage.db", func(p string) error { return write(p, strings.Repeat("this is no database ", 500)) }, ErrForeign, "no SQLite database"},
		{"a text", "short.db", func(p string) error { return write(p, "hello") }, ErrForeign, "move the file away"},
		{"another program's", "other.db", func(p string) error {
			return errors.Join(write(p, ""), execute(p, `CREATE TABLE accounts (name TEXT)`))
		}, ErrForeign, "database of another program: name another file"},
		{"a newer schema", "newer.db", func(p string) error {
			s, err := Open(context.Background(), p)
			if err != nil {
				return err
			}
			return errors.Join(s.Close(), execute(p, fmt.Sprintf(`INSERT INTO schema_versions VALUES (%d, 'from later', '')`, len(migrations)+1)))
		}, ErrNewer, fmt.Sprintf("its schema has version %d, this program knows %d", len(migrations)+1, len(migrations))},
		{"a damaged state", "state.db", func(p string) error {
			s, err := Open(context.Background(), p)
			if err != nil {
				return err
			}
			return errors.Join(s.Close(), execute(p, `UPDATE state SET value = 'x' WHERE name = 'origin'`))
		}, ErrForeign, "it is damaged"},
		{"a folder that is a file", "file/journal.db", func(p string) error { return write(filepath.Dir(p), "x") }, nil, "see that its folder exists"},
		{"a file that is a folder", "folder.db", func(p string) error { return os.MkdirAll(p, 0o700) }, nil, "see that the folder exists"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(dir, test.file)
			if err := test.make(path); err != nil {
				t.Fatal(err)
			}
			before, _ := os.ReadFile(path)
			s, err := Open(t.Context(), path)
			if err == nil {
				s.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), test.says) || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("says %v", err)
			}
			if after, _ := os.ReadFile(path); string(before[:min(len(before), 18)]) != string(after[:min(len(after), 18)]) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestOpenReadOnlyFolder(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "journal.db")
	if _, err := Open(t.Context(), path); !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), path) {
		t.Errorf("says %v", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	openAt(t, path)
}

func TestFileIsOfThisUserOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new folder", "with # and ? and %41", "journal.db")
	s := openAt(t, path)
	keep(t, s, story("r1-web01", 1)...)
	for name, want := range map[string]os.FileMode{path: 0o600, path + "-wal": 0o600, filepath.Dir(path): 0o700 | os.ModeDir} {
		info, err := os.Stat(name)
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
	var mode, sync string
	if err := s.writer.QueryRowContext(t.Context(), `SELECT (SELECT journal_mode FROM pragma_journal_mode), (SELECT synchronous FROM pragma_synchronous)`).Scan(&mode, &sync); err != nil || mode != "wal" || sync != "2" {
		t.Errorf("mode %s, sync %s: %v", mode, sync, err)
	}
}

func TestStaysTheSameJournal(t *testing.T) {
	t.Parallel()
	s := open(t)
	keep(t, s, story("r1-web01", 1)...)
	id := s.ID()
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if err := s.Keep(t.Context(), story("r1-db01", 20)[0]); !errors.Is(err, ErrClosed) {
		t.Errorf("Keep after Close: %v", err)
	}
	if _, err := s.Cases(t.Context(), CaseFilter{}); !errors.Is(err, ErrClosed) {
		t.Errorf("Cases after Close: %v", err)
	}
	again := openAt(t, s.path)
	if place, _, err := again.Last(t.Context()); place != 10 || again.ID() != id || err != nil {
		t.Errorf("place %d, id %s: %v", place, again.ID(), err)
	}
	if other := open(t); other.ID() == id || len(id) < 20 {
		t.Errorf("another journal has the same id %s", id)
	}
	st, err := again.Stats(t.Context())
	if err != nil || st.Bytes == 0 || st.Origin != 10 || !st.Newest.Equal(begun.Add(10*time.Second)) {
		t.Errorf("%+v: %v", st, err)
	}
}

// Two processes on one file: nothing is lost, and the cases are right.
func TestTwoAtOneFile(t *testing.T) {
	t.Parallel()
	a := open(t)
	b := openAt(t, a.path)
	var ids []string
	for i, r := range story("r1-web01", 1) {
		keep(t, []*Store{a, b}[i%2], r)
		ids = append(ids, r.ID)
	}
	keep(t, a, story("r1-web01", 1)[0]) // a writer notices what another wrote
	keep(t, b, story("r1-web01", 1)[0])
	holds(t, a, ids)
	holds(t, b, ids)
}

// Who only reads sees what another process keeps in the same file, and who follows gets it soon.
func TestReadsWhatAnotherKeeps(t *testing.T) {
	t.Parallel()
	a := open(t)
	b := openAt(t, a.path)
	log := story("r1-web01", 1)
	following := make(chan error, 1)
	go func() {
		n := 0
		following <- b.Read(t.Context(), Reading{Follow: true}, func(bus.Received) error {
			if n++; n == len(log) {
				return errEnough
			}
			return nil
		})
	}()
	keep(t, a, log...)
	if _, found, err := b.Case(t.Context(), "r1-web01"); !found || err != nil {
		t.Errorf("the case is found: %v, %v", found, err)
	}
	if n := len(all(t, b, Reading{})); n != len(log) {
		t.Errorf("%d of %d messages", n, len(log))
	}
	if n := len(all(t, b, Reading{Latest: true})); n == 0 {
		t.Error("no message is the latest")
	}
	if place, _, err := b.Last(t.Context()); place != uint64(len(log)) || err != nil {
		t.Errorf("place %d: %v", place, err)
	}
	select {
	case err := <-following:
		if !errors.Is(err, errEnough) {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("who follows gets nothing")
	}
}

// Who takes over a file catches up from where the other left it, and does not take its marks back.
func TestTakesOverWhereAnotherEnded(t *testing.T) {
	t.Parallel()
	a, of := open(t), longStream(20)
	b := openAt(t, a.path)
	if err := a.CatchUp(t.Context(), of.from); err != nil {
		t.Fatal(err)
	}
	of.read = 0
	if err := b.CatchUp(t.Context(), of.from); err != nil || of.read != 0 {
		t.Errorf("%d were read again: %v", of.read, err)
	}
	keep(t, b, bus.Received{Message: bus.Message{Subject: "reprotect.command.cancel", ID: "late"}, Sequence: 1})
	end := of.log[len(of.log)-1].Sequence
	if st, err := b.Stats(t.Context()); err != nil || st.Origin != end {
		t.Errorf("the newest of the bus is %d, want %d: %v", st.Origin, end, err)
	}
}
