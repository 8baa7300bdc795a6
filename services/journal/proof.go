package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"reprotect.example/services/audit"
	"reprotect.example/services/cases"
)

// Tree is the Merkle tree over all that is kept, in the order of the journal.
func (s *Store) Tree(ctx context.Context) (t audit.Tree, err error) {
	if t, _, _, err = treeOf(ctx, s.readers); err != nil {
		return t, s.explain("read its proof", err)
	}
	return t, nil
}

type querying interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// treeOf reads the stored tree, and the newest place at that moment; planted says whether there is a tree.
func treeOf(ctx context.Context, db querying) (t audit.Tree, last uint64, planted bool, err error) {
	var text sql.NullString
	err = db.QueryRowContext(ctx, `SELECT (SELECT value FROM state WHERE name = 'tree'), coalesce((SELECT max(place) FROM events), 0)`).Scan(&text, &last)
	if err != nil || !text.Valid {
		return t, last, false, err
	}
	return t, last, true, t.UnmarshalText([]byte(text.String))
}

func (s *Store) readTree(ctx context.Context) (err error) {
	s.tree, _, _, err = treeOf(ctx, s.writer)
	return err
}

func (s *Store) storeTree(ctx context.Context, t *audit.Tree) error {
	if t.Size() == s.tree.Size() {
		return nil
	}
	text, err := t.MarshalText()
	if err == nil {
		_, err = s.prepared.state.ExecContext(ctx, string(text), "tree")
	}
	return err
}

// plantTree reads the tree of the file, or makes that of a file from before there was one. What was changed in such a
// file before, no proof can find.
func (s *Store) plantTree(ctx context.Context) error {
	tree, _, planted, err := treeOf(ctx, s.writer)
	if err != nil {
		return fmt.Errorf("journal %s: %w: its proof is damaged: %w: %s", s.path, ErrForeign, err, startAgain)
	}
	s.tree = tree
	if planted {
		return nil
	}
	err = s.transact(ctx, func() error {
		// Nobody else writes meanwhile, so a reader sees the same events, and goes on while leaves are stored.
		err := eachRow(ctx, s.readers, func(place uint64, w row, _ []byte) error {
			tree.Add(w.leaf)
			_, err := s.writer.ExecContext(ctx, `UPDATE events SET leaf = ? WHERE place = ?`, w.leaf[:], int64(place))
			return err
		})
		if err != nil {
			return err
		}
		text, err := tree.MarshalText()
		if err == nil {
			_, err = s.writer.ExecContext(ctx, `INSERT INTO state (name, value) VALUES ('tree', ?)`, string(text))
		}
		return err
	})
	if err != nil {
		return s.explain("make its proof", err)
	}
	s.tree = tree
	return nil
}

// eachRow hands out all rows in their order, read anew from what came over the bus, with the leaf that is stored.
func eachRow(ctx context.Context, db *sql.DB, each func(place uint64, w row, leaf []byte) error) error {
	rows, err := db.QueryContext(ctx, `SELECT `+columns+`, leaf FROM events ORDER BY place`)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // what fails shows in Err
	for rows.Next() {
		var leaf []byte
		m, err := scanWith(rows, &leaf)
		if err != nil {
			return err
		}
		if err := each(m.Sequence, readStored(m), leaf); err != nil {
			return err
		}
	}
	return rows.Err()
}

// VerifyFile is Verify for a file that is not opened: it is only read. It may be a copy.
func VerifyFile(ctx context.Context, path string, v *audit.Verifier) (verdict audit.Verdict, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return verdict, fmt.Errorf("journal %s: %w", path, err)
	}
	s := &Store{path: path, closing: make(chan struct{})}
	uri := strings.Replace(dsn(path, "query_only(1)"), "mode=rw", "mode=ro", 1)
	if s.readers, err = sql.Open("sqlite", uri); err != nil {
		return verdict, s.explain("open it", err)
	}
	defer func() { _ = s.readers.Close() }() // nothing was written
	var version int
	if err := s.readers.QueryRowContext(ctx, `SELECT max(version) FROM schema_versions`).Scan(&version); err != nil {
		return verdict, s.explain("read the version of its schema", err)
	}
	if version != len(migrations) {
		return verdict, fmt.Errorf("journal %s: its schema has version %d, this program verifies version %d: start the service journal of this version once, or verify with the program that wrote it", s.path, version, len(migrations))
	}
	return s.Verify(ctx, v)
}

// Verify compares what a journal's file holds with what was written down with each message, and with the checkpoints of
// v: the messages themselves, what was taken out of them to find them by, and where the cases stand. It changes nothing,
// and may be done while the journal is kept. What no message vouches for is not covered: the sequences of the bus.
func (s *Store) Verify(ctx context.Context, v *audit.Verifier) (audit.Verdict, error) {
	tree, last, _, err := treeOf(ctx, s.readers)
	if err != nil {
		return audit.Verdict{}, s.explain("read its proof", err)
	}
	var taken audit.Tree
	err = eachRow(ctx, s.readers, func(place uint64, w row, leaf []byte) error {
		if place > last {
			return errGrown
		}
		e := audit.Entry{Position: place, Received: w.received, Leaf: new(tlog.Hash)}
		copy(e.Leaf[:], leaf)
		v.Add(e)
		taken.Add(*e.Leaf)
		return nil
	})
	if err != nil && !errors.Is(err, errGrown) {
		return audit.Verdict{}, s.explain("verify it", err)
	}
	if taken.Size() != tree.Size() || taken.Root() != tree.Root() {
		v.Fault(audit.Fault{From: 1, To: max(taken.Size(), tree.Size()), What: fmt.Sprintf("the journal holds %d messages, and has written down that they were %d, or others", taken.Size(), tree.Size())})
	}
	if err := errors.Join(s.verifyIndexes(ctx, v), s.verifyCases(ctx, v)); err != nil {
		return audit.Verdict{}, s.explain("verify it", err)
	}
	return v.End(), nil
}

var errGrown = errors.New("what follows came while this was read")

// verifyIndexes compares what messages are found by with the messages.
func (s *Store) verifyIndexes(ctx context.Context, v *audit.Verifier) error {
	rows, err := s.readers.QueryContext(ctx, `SELECT `+columns+`, key, time, type, site, case_id, step FROM events ORDER BY place`)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // what fails shows in Err
	for rows.Next() {
		var is [6]string
		m, err := scanWith(rows, &is[0], &is[1], &is[2], &is[3], &is[4], &is[5])
		if err != nil {
			return err
		}
		w := readStored(m)
		if other, told := audit.OtherKeyOf(w.received, w.key); told && is[0] == other {
			w.key = other
		}
		if want := [6]string{w.key, stamp(w.entry.Time), w.entry.Header.Type, w.site, w.caseID, w.step}; is != want {
			v.Fault(audit.Fault{From: m.Sequence, To: m.Sequence, What: fmt.Sprintf("this message is found by %q, and says %q", is, want)})
		}
	}
	return rows.Err()
}

// verifyCases compares where the cases stand with their facts.
func (s *Store) verifyCases(ctx context.Context, v *audit.Verifier) error {
	want := map[string]*folded{}
	err := eachRow(ctx, s.readers, func(place uint64, w row, _ []byte) error {
		if !w.counts {
			return nil
		}
		if want[w.caseID] == nil {
			want[w.caseID] = &folded{}
		}
		e := w.entry
		e.Sequence = place
		want[w.caseID].add(e)
		return nil
	})
	if err != nil {
		return err
	}
	rows, err := s.readers.QueryContext(ctx, `SELECT id, document FROM cases`)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // what fails shows in Err
	for rows.Next() {
		var id, document string
		if err := rows.Scan(&id, &document); err != nil {
			return err
		}
		f := want[id]
		delete(want, id)
		if f == nil {
			v.Fault(audit.Fault{What: "case " + id + " is listed, and no message tells of it"})
			continue
		}
		told, err := json.Marshal(cases.Fold(f.entries))
		if err != nil {
			return err
		}
		if document != string(told) {
			v.Fault(audit.Fault{From: f.entries[0].Sequence, To: f.entries[len(f.entries)-1].Sequence, What: "case " + id + " stands elsewhere than its messages say"})
		}
	}
	for id := range want {
		v.Fault(audit.Fault{What: "messages tell of case " + id + ", which is not listed"})
	}
	return rows.Err()
}
