// Package journal keeps every command, fact and notification of the bus for good, with a projection of the cases,
// in one SQLite file, and answers questions about them over HTTP. It is the read side of the product where the bus
// cannot be read again (Service Bus), and works the same on NATS.
//
// Nothing in the pipeline depends on the file: on NATS it is rebuilt from the stream when it was lost. What Keep
// has returned for survives a power cut.
package journal

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"reprotect.example/services/audit"
)

var (
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("journal: closed")
	// ErrNewer: the file was written by a newer version of this program.
	ErrNewer = errors.New("made by a newer version")
	// ErrForeign: the file is no journal, or is damaged.
	ErrForeign = errors.New("no journal")
)

// application marks the file as a journal, in the place that SQLite has for that ("RPRT").
const application = 0x52505254

// readers is how many questions are answered at once; more wait.
const readers = 4

// Store is an open journal. All methods may be called at once from many goroutines. Several processes of one machine may
// have the file open: each sees at once what any of them keeps, and who follows gets it within a second. SQLite's
// write-ahead log, in which the file is kept, cannot be shared between machines.
type Store struct {
	path string
	id   string // of this file, made with it

	readers *sql.DB
	writers *sql.DB // of which writer is the only connection
	queue   chan *pending
	closing chan struct{}
	stopped chan struct{} // the writing goroutine has ended
	close   func() error

	writing  sync.Mutex // held over a transaction; guards what follows
	writer   *sql.Conn
	prepared prepared
	cases    map[string]*folded // those that moved lately
	last     uint64             // the newest place when this process kept something last
	tree     audit.Tree         // over all that is kept, then
	caughtUp bool               // from now on complete follows origin: what comes later the subscription delivers
	missing  missing            // what was handed over and is not kept yet

	changing   sync.Mutex // guards what follows, which only commit changes
	changed    chan struct{}
	duplicates uint64
}

// Open opens the journal in the file, making it and its folder when they are missing, and brings its schema up to
// date. Errors name the file and what to do; they wrap ErrNewer or ErrForeign where those fit.
func Open(ctx context.Context, path string) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	if err := makeFile(path); err != nil {
		return nil, fmt.Errorf("journal %s: the file cannot be made: %w: see that its folder exists and that this user may write there", path, err)
	}
	s := &Store{
		path: path, cases: map[string]*folded{}, changed: make(chan struct{}),
		queue: make(chan *pending, mostWaiting), closing: make(chan struct{}), stopped: make(chan struct{}),
	}
	s.close = sync.OnceValue(s.shut)
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.release())
	}
	go s.write()
	return s, nil
}

// makeFile makes an empty file that only this user may read, which SQLite takes for a new database. SQLite gives
// the files beside it the same mode.
func makeFile(path string) error {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil { //nolint:gosec // the folder that the config names
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // as above
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	// The name must survive a power cut, too. Not every system can sync a folder; then there is nothing to do.
	if d, err := os.Open(folder); err == nil { //nolint:gosec // as above
		_ = d.Sync()
		_ = d.Close()
	}
	return f.Close()
}

func (s *Store) open(ctx context.Context) (err error) {
	if s.writers, err = sql.Open("sqlite", dsn(s.path, "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "journal_size_limit(67108864)")); err != nil {
		return s.explain("open it", err)
	}
	if s.writer, err = s.writers.Conn(ctx); err != nil {
		return s.explain("open it", err)
	}
	projects, err := s.migrate(ctx)
	if err != nil {
		return err
	}
	if s.readers, err = sql.Open("sqlite", dsn(s.path, "query_only(1)")); err != nil {
		return s.explain("open it", err)
	}
	s.readers.SetMaxOpenConns(readers)
	s.readers.SetMaxIdleConns(readers)
	if err := s.resume(ctx); err != nil {
		return err
	}
	if projects {
		return s.reproject(ctx)
	}
	return nil
}

// dsn names the file for the driver: as a URI, so that no letter of the path means anything else.
func dsn(path string, pragmas ...string) string {
	q := url.Values{"mode": {"rw"}, "_pragma": append([]string{"busy_timeout(10000)"}, pragmas...)}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") { // a drive letter
		path = "/" + path
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode(), OmitHost: true}).String()
}

// resume reads where the file stands, and prepares what each transaction needs.
func (s *Store) resume(ctx context.Context) (err error) {
	if s.prepared, err = prepare(ctx, s.writer); err != nil {
		return s.explain("prepare it", err)
	}
	if _, err := s.writer.ExecContext(ctx, `INSERT INTO state (name, value) VALUES ('journal', ?), ('origin', '0'), ('complete', '0') ON CONFLICT DO NOTHING`, rand.Text()); err != nil {
		return s.explain("write to it", err)
	}
	var origin, complete string
	err = s.writer.QueryRowContext(ctx, `SELECT
		(SELECT value FROM state WHERE name = 'journal'), (SELECT value FROM state WHERE name = 'origin'),
		(SELECT value FROM state WHERE name = 'complete'), coalesce((SELECT max(place) FROM events), 0)`).Scan(&s.id, &origin, &complete, &s.last)
	if err != nil {
		return s.explain("read it", err)
	}
	if err := s.plantTree(ctx); err != nil {
		return err
	}
	for _, number := range []string{origin, complete} {
		if _, err := strconv.ParseUint(number, 10, 64); err != nil {
			return fmt.Errorf("journal %s: %w: it is damaged: %w: %s", s.path, ErrForeign, err, startAgain)
		}
	}
	return nil
}

// ends is where the file stands, whoever wrote to it.
type ends struct {
	last     uint64 // the newest place
	origin   uint64 // the highest sequence of the broker that was seen
	complete uint64 // up to this sequence of the broker everything that the stream holds was kept, without a hole
}

const selectEnds = `SELECT coalesce((SELECT max(place) FROM events), 0),
	(SELECT value FROM state WHERE name = 'origin'), (SELECT value FROM state WHERE name = 'complete')`

func (e *ends) scan(row *sql.Row) error { return row.Scan(&e.last, &e.origin, &e.complete) }

// ID tells this file from one that was made anew: places of one mean nothing in another.
func (s *Store) ID() string { return s.id }

// Close waits for the transaction under way and closes the file. Calls under way end with ErrClosed. It may be
// called again.
func (s *Store) Close() error { return s.close() }

func (s *Store) shut() error {
	close(s.closing)
	<-s.stopped
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.release()
}

// release closes whatever was opened.
func (s *Store) release() error {
	var errs []error
	if s.readers != nil {
		errs = append(errs, s.readers.Close())
	}
	errs = append(errs, s.prepared.close())
	if s.writer != nil {
		errs = append(errs, s.writer.Close())
	}
	if s.writers != nil {
		errs = append(errs, s.writers.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("journal %s: close: %w", s.path, err)
	}
	return nil
}

func (s *Store) closed() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

const startAgain = "move the file away and start again; on NATS it is then rebuilt from the stream, on Service Bus restore a backup of it"

// explain words an error of SQLite: what was tried, what went wrong, what to do.
func (s *Store) explain(doing string, err error) error {
	if s.closed() {
		return ErrClosed
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("journal: %s: %w", doing, err)
	}
	var broken *sqlite.Error
	if !errors.As(err, &broken) {
		return fmt.Errorf("journal %s: could not %s: %w", s.path, doing, err)
	}
	remedy := ""
	switch broken.Code() & 0xff { // the rest is detail
	case sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("journal %s: %w: the file is no SQLite database: %w: %s", s.path, ErrForeign, err, startAgain)
	case sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("journal %s: %w: the file is damaged: %w: %s", s.path, ErrForeign, err, startAgain)
	case sqlite3.SQLITE_FULL:
		remedy = ": the disk is full: free some space; what was not kept stays on the bus until then"
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH:
		remedy = ": see that the folder exists, that its disk is mounted to be written, and that this user may write there"
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		remedy = ": another program holds the file: close it"
	case sqlite3.SQLITE_IOERR:
		remedy = ": the disk reports an error: look at it and at the system's log"
	}
	return fmt.Errorf("journal %s: could not %s: %w%s", s.path, doing, err, remedy)
}
