package journal

import (
	"context"
	"fmt"
	"time"
)

// migration takes the schema one version up. Its version is its place in the list, from 1.
type migration struct {
	name     string
	sql      string
	projects bool // the cases must be made anew from the events
}

// migrations make the schema, in order. One that was released is never changed: what comes later is added.
var migrations = []migration{
	{name: "events and cases", sql: `
CREATE TABLE events (
	place     INTEGER PRIMARY KEY, -- the journal's own sequence
	key       TEXT NOT NULL UNIQUE, -- what makes two deliveries the same message
	origin    INTEGER NOT NULL,     -- the broker's sequence
	subject   TEXT NOT NULL,
	id        TEXT NOT NULL,        -- of the message, as it came
	headers   TEXT NOT NULL,        -- a JSON object, or empty
	data      BLOB NOT NULL,        -- byte for byte as it came
	published TEXT NOT NULL,        -- when the broker stored it; empty: unknown
	time      TEXT NOT NULL,        -- of the event; of its storage when the event has none
	type      TEXT NOT NULL,        -- from here on as far as it could be read
	site      TEXT NOT NULL,
	case_id   TEXT NOT NULL,
	step      TEXT NOT NULL
);
CREATE INDEX events_by_subject ON events (subject);
CREATE INDEX events_by_case ON events (case_id);

CREATE TABLE cases (
	id       TEXT PRIMARY KEY,
	site     TEXT NOT NULL,
	request  TEXT NOT NULL,
	state    TEXT NOT NULL,
	step     TEXT NOT NULL,
	percent  INTEGER NOT NULL,
	ended    INTEGER NOT NULL,
	good     INTEGER NOT NULL,
	since    TEXT NOT NULL,
	updated  TEXT NOT NULL,
	document TEXT NOT NULL -- progress.Case without its history
);
CREATE INDEX cases_by_since ON cases (since, id);

-- The events on which the projection of a case stands: all but the reports that later ones have overtaken.
CREATE TABLE case_events (
	case_id TEXT NOT NULL,
	place   INTEGER NOT NULL REFERENCES events (place),
	PRIMARY KEY (case_id, place)
) WITHOUT ROWID;

CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
`},
	{name: "machines by their items, every report that a machine waits", projects: true, sql: `
CREATE INDEX cases_by_request ON cases (request);
`},
	{name: "a leaf of the proof for each event, when cases ended, their alarms", projects: true, sql: `
ALTER TABLE events ADD COLUMN leaf BLOB;
`},
	{name: "events by the sequence of the bus, for the comparison with it", sql: `
CREATE INDEX events_by_origin ON events (origin);
`},
}

// migrate brings the schema up to date, each step in a transaction of its own. projects says that the cases must
// be made anew.
func (s *Store) migrate(ctx context.Context) (projects bool, err error) {
	version, err := s.version(ctx)
	if err != nil {
		return false, err
	}
	if version > len(migrations) {
		return false, fmt.Errorf("journal %s: %w: its schema has version %d, this program knows %d: install that version again, or %s",
			s.path, ErrNewer, version, len(migrations), startAgain)
	}
	for i, m := range migrations[version:] {
		err := s.transact(ctx, func() error {
			if _, err := s.writer.ExecContext(ctx, m.sql); err != nil {
				return err
			}
			_, err := s.writer.ExecContext(ctx, `INSERT INTO schema_versions (version, name, applied) VALUES (?, ?, ?)`,
				version+i+1, m.name, stamp(time.Now()))
			return err
		})
		if err != nil {
			return false, s.explain("bring its schema up to date ("+m.name+")", err)
		}
		projects = projects || m.projects
	}
	return projects, nil
}

// version reads the version of the schema; a new file gets its first table. A database of another program is
// refused before anything is written.
func (s *Store) version(ctx context.Context) (version int, err error) {
	var mark, tables int
	if err := s.writer.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&mark); err != nil {
		return 0, s.explain("open it", err)
	}
	if err := s.writer.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&tables); err != nil {
		return 0, s.explain("open it", err)
	}
	if mark != application && (mark != 0 || tables > 0) {
		return 0, fmt.Errorf("journal %s: %w: the file is the database of another program: name another file", s.path, ErrForeign)
	}
	if tables == 0 {
		err := s.transact(ctx, func() error {
			_, err := s.writer.ExecContext(ctx, fmt.Sprintf(`PRAGMA application_id = %d;
				CREATE TABLE schema_versions (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied TEXT NOT NULL)`, application))
			return err
		})
		if err != nil {
			return 0, s.explain("make it", err)
		}
	}
	err = s.writer.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM schema_versions`).Scan(&version)
	if err != nil {
		return 0, s.explain("read the version of its schema", err)
	}
	return version, nil
}

// transact makes do one transaction of the writing connection. When anything fails, nothing is written.
func (s *Store) transact(ctx context.Context, do func() error) error {
	if _, err := s.writer.ExecContext(ctx, `BEGIN IMMEDIATE`); err != nil {
		return err
	}
	err := do()
	if err == nil {
		_, err = s.writer.ExecContext(ctx, `COMMIT`)
	}
	if err != nil {
		// A transaction left open would keep every other from beginning, so this does not end with the caller. It
		// fails when SQLite has rolled back by itself, which it does after some errors.
		_, _ = s.writer.ExecContext(context.WithoutCancel(ctx), `ROLLBACK`)
	}
	return err
}
