package journal

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"reprotect.example/events"
)

// line is a message as the API shows it. Its bytes are kept: as text where they are text, which JSON carries
// exactly, else in base64.
type line struct {
	Place      uint64            `json:"place"`
	Origin     uint64            `json:"origin"`
	Subject    string            `json:"subject"`
	ID         string            `json:"id,omitempty"`
	Headers    map[string]string `json:"headers,omitempty"`
	Published  time.Time         `json:"published,omitzero"`
	Data       string            `json:"data,omitempty"`
	DataBase64 []byte            `json:"dataBase64,omitempty"`
}

func lineOf(m kept) line {
	l := line{Place: m.Sequence, Origin: m.Origin, Subject: m.Subject, ID: m.ID, Headers: m.Headers, Published: m.Published}
	if utf8.Valid(m.Data) {
		l.Data = string(m.Data)
	} else {
		l.DataBase64 = m.Data
	}
	return l
}

// mark is a line between messages of an answer that follows: everything that fits was sent up to this place. It
// comes when what was stored has been sent, and then whenever nothing came for a while, so that both ends notice
// when the other has gone.
type mark struct {
	UpTo uint64 `json:"upTo"`
}

// broken is the last line of an answer that could not be brought to its end.
type broken struct {
	Problem *Problem `json:"problem"`
}

const (
	stillThere = 15 * time.Second // between marks
	patience   = 30 * time.Second // for a client to take what was sent
)

func (a api) log(w http.ResponseWriter, r *http.Request) error {
	q, err := queryOf(r, "filter", "from", "latest", "follow")
	if err != nil {
		return err
	}
	reading := Reading{Filters: q["filter"]}
	if text := q.Get("from"); text != "" {
		reading.From, err = strconv.ParseUint(text, 10, 64)
		if err != nil || reading.From > math.MaxInt64 {
			return wrong("parameter.wrong", fmt.Sprintf("parameter from is %.40q", text), "Give a place of the log: a whole number.")
		}
	}
	if reading.Latest, err = q.flag("latest"); err != nil {
		return err
	}
	if reading.Follow, err = q.flag("follow"); err != nil {
		return err
	}
	if _, err := selecting(reading.Filters); err != nil {
		return err
	}
	a.stream(w, r, reading)
	return nil
}

func (a api) story(w http.ResponseWriter, r *http.Request) error {
	id, err := caseOf(r)
	if err != nil {
		return err
	}
	filter := events.SubjectFacts + ".*." + id + ".>"
	known := errors.New("known")
	err = a.store.read(r.Context(), Reading{Filters: []string{filter}}, func(kept) error { return known }, nil)
	if err == nil {
		return noCase(id)
	}
	if !errors.Is(err, known) {
		return err
	}
	a.stream(w, r, Reading{Filters: []string{filter}})
	return nil
}

// stream answers with messages, one JSON object a line. When it fails on the way, the last line says so.
func (a api) stream(w http.ResponseWriter, r *http.Request, reading Reading) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodHead {
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if reading.Follow && a.drain != nil {
		go func() {
			select {
			case <-a.drain:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	out := &lines{buffer: bufio.NewWriterSize(w, 64<<10), control: http.NewResponseController(w)}
	var marked time.Time
	idle := func(upTo uint64) error {
		if err := a.standsBy(); err != nil {
			return err
		}
		if now := time.Now(); now.Sub(marked) >= stillThere {
			marked = now
			if err := out.put(mark{upTo}); err != nil {
				return err
			}
		}
		return out.flush()
	}
	err := a.store.read(ctx, reading, func(m kept) error { return out.put(lineOf(m)) }, idle)
	drained := reading.Follow && (ctx.Err() != nil || errors.Is(err, ErrClosed))
	if err != nil && !drained && out.failed == nil {
		_ = out.put(broken{a.problem(r, err)}) // fails only when the caller has gone, as does this:
	}
	_ = out.flush()
	_ = out.control.SetWriteDeadline(time.Time{}) // the next answer on this connection sets its own, or has none
}

// lines writes JSON lines to a client who may be slow, or gone.
type lines struct {
	buffer  *bufio.Writer
	control *http.ResponseController
	flushed bool // the client has the header
	failed  error
}

func (l *lines) put(v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	l.limit()
	if _, l.failed = l.buffer.Write(append(raw, '\n')); l.failed != nil {
		return l.failed
	}
	return nil
}

func (l *lines) flush() error {
	if l.buffer.Buffered() == 0 && l.flushed {
		return nil
	}
	l.limit()
	l.flushed = true
	if l.failed = l.buffer.Flush(); l.failed == nil {
		l.failed = l.control.Flush()
	}
	return l.failed
}

// limit gives the client some time to take what is sent next; without it one that stands still would hold its
// answer for ever. Not every connection knows deadlines.
func (l *lines) limit() { _ = l.control.SetWriteDeadline(time.Now().Add(patience)) }
