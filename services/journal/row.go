package journal

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/audit"
	"reprotect.example/services/cases"
)

// row is a message as it is kept.
type row struct {
	received bus.Received
	key      string
	headers  string
	entry    cases.Entry // what it tells
	leaf     tlog.Hash
	counts   bool // it is a fact that has a part in the projection of its case
	site     string
	caseID   string
	step     string
}

// read makes the row of a message. It never fails: what cannot be understood is kept as well.
func read(r bus.Received) row {
	w := row{received: r, entry: cases.ReadEntry(r), leaf: audit.LeafOf(r)}
	if r.Headers != nil {
		raw, _ := json.Marshal(r.Headers) // a map of strings has a JSON form always
		w.headers = string(raw)
	}
	h := w.entry.Header
	w.site, w.caseID, w.step = h.Site, h.Case, h.Step
	switch d := w.entry.Data.(type) {
	case events.Cancel:
		w.caseID = d.Case
	case events.Retry:
		w.caseID = d.Case
	case events.Acknowledge:
		w.caseID, _, _ = cases.AlarmPlace(d.Alarm)
	}
	if isFact(r.Subject) { // the subject is what the bus vouches for
		w.site, w.caseID, w.step = place(r.Subject)
		w.counts = cases.IsFact(w.entry)
	}
	w.key = audit.KeyOf(r, h.ID)
	return w
}

func isFact(subject string) bool { return strings.HasPrefix(subject, events.SubjectFacts+".") }

// place takes what it can from the subject of a fact, which may be longer or shorter than it should.
func place(subject string) (site, caseID, step string) {
	tokens := strings.Split(strings.TrimPrefix(subject, events.SubjectFacts+"."), ".")
	if len(tokens) < 3 { // no reader who asks for a case by its subject finds this one
		return tokens[0], "", ""
	}
	return tokens[0], tokens[1], tokens[2]
}

// columns are those of a row that is read back, as scan takes them.
const columns = `place, origin, subject, id, headers, data, published`

// kept is a message of the journal.
type kept struct {
	bus.Received        // Sequence is its place in the journal
	Origin       uint64 // its sequence on the bus
}

func scan(rows *sql.Rows) (kept, error) {
	m, err := scanWith(rows)
	if err != nil {
		return m, err
	}
	// A bare command is known by its sequence on the bus (bus.CommandID), not by its place here.
	if m.ID == "" && strings.HasPrefix(m.Subject, events.SubjectCommands+".") {
		m.ID = "r" + strconv.FormatUint(m.Origin, 10)
	}
	return m, nil
}

// scanWith reads a message as it is stored, and the columns behind it into more.
func scanWith(rows *sql.Rows, more ...any) (m kept, err error) {
	var origin int64
	var headers, published string
	if err := rows.Scan(append([]any{&m.Sequence, &origin, &m.Subject, &m.ID, &headers, &m.Data, &published}, more...)...); err != nil {
		return m, err
	}
	m.Origin, m.Attempt = uint64(origin), 1
	if headers != "" {
		if err := json.Unmarshal([]byte(headers), &m.Headers); err != nil {
			return m, fmt.Errorf("headers at place %d: %w", m.Sequence, err)
		}
	}
	if m.Published, err = unstamp(published); err != nil {
		return m, fmt.Errorf("time at place %d: %w", m.Sequence, err)
	}
	return m, nil
}

// readStored makes the row of a message that was stored, as read did when it came.
func readStored(m kept) row {
	r := m.Received
	r.Sequence = m.Origin
	return read(r)
}

// stampForm is how moments are stored: in UTC and of one length, so that their order is that of their letters.
const stampForm = "2006-01-02T15:04:05.000000000Z"

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(stampForm)
}

func unstamp(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	return time.Parse(stampForm, s)
}
