package journal

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"strconv"

	"reprotect.example/events/bus"
	"reprotect.example/services/audit"
)

// What one transaction takes at most. More would make those wait who came first.
const (
	mostMessages = 1000
	mostBytes    = 8 << 20
)

// mostWaiting is how many callers' messages wait for the next transaction at most; who comes then waits to be let in.
const mostWaiting = 256

// pending is what one caller wants kept, all of it or nothing.
type pending struct {
	rows     []*row
	catches  uint64 // > 0: with these, the stream is kept up to here
	finished bool   // the stream was read to its end
	done     chan error
}

func (p *pending) size() (bytes int) {
	for _, w := range p.rows {
		bytes += len(w.received.Data)
	}
	return bytes
}

// Keep stores a message for good and returns when it is safe on the disk. A message that was kept before is passed
// over, however long ago that was: the key is the id of a fact, the subject and id of any other message, of a command its
// content as well, the subject and sequence of one that has no id. Calls that come at once share a transaction.
//
// When it fails nothing of the message was stored, and the caller should hand it back to the bus. Only with ctx's
// error it is not known: the message may have been stored.
func (s *Store) Keep(ctx context.Context, r bus.Received) error { return s.Hand(ctx, r)() }

// Hand is Keep for who hands over many messages at once that are to be stored in the order of these calls: it returns
// what waits until the message is safe on the disk.
func (s *Store) Hand(ctx context.Context, r bus.Received) (kept func() error) {
	w := read(r)
	s.missing.add(r.Sequence)
	return s.hand(ctx, &pending{rows: []*row{&w}})
}

func (s *Store) hand(ctx context.Context, p *pending) (kept func() error) {
	p.done = make(chan error, 1)
	if ctx.Err() != nil { // else the select would draw lots
		return func() error { return s.explain("keep a message", ctx.Err()) }
	}
	select {
	case s.queue <- p:
	case <-ctx.Done():
	case <-s.closing:
	}
	return func() error {
		select {
		case err := <-p.done:
			return err
		case <-ctx.Done():
			return s.explain("keep a message", ctx.Err())
		case <-s.stopped:
		}
		select {
		case err := <-p.done: // it was in the last transaction
			return err
		default:
			return ErrClosed
		}
	}
}

// write stores what comes, in the order in which it comes, until the store is closed.
func (s *Store) write() {
	defer close(s.stopped)
	for {
		select {
		case first := <-s.queue:
			batch := s.gather(first)
			err := s.commit(batch)
			for _, p := range batch {
				p.done <- err
			}
		case <-s.closing:
			return
		}
	}
}

// gather adds to the first what waits already. While one transaction goes to the disk the next one fills.
func (s *Store) gather(first *pending) []*pending {
	batch, messages, bytes := []*pending{first}, len(first.rows), first.size()
	for messages < mostMessages && bytes < mostBytes {
		select {
		case p := <-s.queue:
			batch, messages, bytes = append(batch, p), messages+len(p.rows), bytes+p.size()
		default:
			return batch
		}
	}
	return batch
}

// commit stores a batch in one transaction.
func (s *Store) commit(batch []*pending) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	ctx := context.Background() // a transaction that was begun is brought to its end
	var before, now ends
	var duplicates uint64
	caughtUp := s.caughtUp
	touched := map[string]*folded{}
	var tree audit.Tree
	err := s.transact(ctx, func() error {
		if err := before.scan(s.prepared.ends.QueryRowContext(ctx)); err != nil {
			return err
		}
		if before.last != s.last { // another process wrote to the file: what is in memory may be old
			clear(s.cases)
			if err := s.readTree(ctx); err != nil {
				return err
			}
		}
		now, tree = before, s.tree.Clone()
		for _, p := range batch {
			for _, w := range p.rows {
				now.origin = max(now.origin, w.received.Sequence)
				at, err := s.insert(ctx, w)
				if err != nil {
					return err
				}
				if at == 0 {
					duplicates++
					continue
				}
				now.last = at
				tree.Add(w.leaf)
				if err := s.fold(ctx, w, at, touched); err != nil {
					return err
				}
			}
			now.complete, caughtUp = max(now.complete, p.catches), caughtUp || p.finished
		}
		if caughtUp {
			now.complete = max(now.complete, s.missing.before(now.origin, batch))
		}
		if err := s.project(ctx, touched); err != nil {
			return err
		}
		if err := s.storeTree(ctx, &tree); err != nil {
			return err
		}
		return s.remember(ctx, before, now)
	})
	if err != nil {
		for id := range touched {
			delete(s.cases, id)
		}
		return s.explain("keep a message", err)
	}
	s.missing.kept(batch)
	moved := now.last != s.last
	s.last, s.caughtUp, s.tree = now.last, caughtUp, tree
	s.forget()
	s.announce(moved, duplicates)
	return nil
}

// insert stores one message and returns its place; 0 when it was kept before. A command with an id that another had is kept
// beside it, once.
func (s *Store) insert(ctx context.Context, w *row) (uint64, error) {
	at, err := s.insertAs(ctx, w.key, w)
	other, told := audit.OtherKeyOf(w.received, w.key)
	if at > 0 || err != nil || !told {
		return at, err
	}
	var first []byte
	if err := s.writer.QueryRowContext(ctx, `SELECT data FROM events WHERE key = ?`, w.key).Scan(&first); err != nil || bytes.Equal(first, w.received.Data) {
		return 0, err
	}
	return s.insertAs(ctx, other, w)
}

func (s *Store) insertAs(ctx context.Context, key string, w *row) (uint64, error) {
	data := w.received.Data
	if data == nil {
		data = []byte{}
	}
	result, err := s.prepared.insert.ExecContext(ctx, key, int64(w.received.Sequence), w.received.Subject, w.received.ID, w.headers, data,
		stamp(w.received.Published), stamp(w.entry.Time), w.entry.Header.Type, w.site, w.caseID, w.step, w.leaf[:])
	if err != nil {
		return 0, err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return 0, err
	}
	at, err := result.LastInsertId()
	return uint64(at), err
}

// remember stores how far the bus was seen, when that has changed.
func (s *Store) remember(ctx context.Context, before, now ends) error {
	for _, v := range []struct {
		name     string
		old, now uint64
	}{{"origin", before.origin, now.origin}, {"complete", before.complete, now.complete}} {
		if v.old == v.now {
			continue
		}
		if _, err := s.prepared.state.ExecContext(ctx, strconv.FormatUint(v.now, 10), v.name); err != nil {
			return err
		}
	}
	return nil
}

// announce wakes those who follow, when something was kept.
func (s *Store) announce(moved bool, duplicates uint64) {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.duplicates += duplicates
	if moved {
		close(s.changed)
		s.changed = make(chan struct{})
	}
}

// prepared are the statements of the writing connection.
type prepared struct {
	insert, ends, state            *sql.Stmt
	count, uncount, counted, store *sql.Stmt
}

func prepare(ctx context.Context, c *sql.Conn) (p prepared, err error) {
	for _, s := range []struct {
		to  **sql.Stmt
		sql string
	}{
		{&p.insert, `INSERT INTO events (key, origin, subject, id, headers, data, published, time, type, site, case_id, step, leaf)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING`},
		{&p.ends, selectEnds},
		{&p.state, `UPDATE state SET value = ? WHERE name = ?`},
		{&p.count, `INSERT INTO case_events (case_id, place) VALUES (?, ?)`},
		{&p.uncount, `DELETE FROM case_events WHERE case_id = ? AND place = ?`},
		{&p.counted, `SELECT ` + columns + ` FROM events WHERE place IN (SELECT place FROM case_events WHERE case_id = ?) ORDER BY place`},
		{&p.store, `INSERT INTO cases (id, site, request, state, step, percent, ended, good, since, updated, document)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
			site = excluded.site, request = excluded.request, state = excluded.state, step = excluded.step, percent = excluded.percent,
			ended = excluded.ended, good = excluded.good, since = excluded.since, updated = excluded.updated, document = excluded.document`},
	} {
		if *s.to, err = c.PrepareContext(ctx, s.sql); err != nil {
			return p, errors.Join(err, p.close())
		}
	}
	return p, nil
}

func (p prepared) close() error {
	var errs []error
	for _, s := range []*sql.Stmt{p.insert, p.ends, p.state, p.count, p.uncount, p.counted, p.store} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}
