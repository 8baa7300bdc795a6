package journalclient

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"reprotect.example/events/bus"
)

// Reading says what to read of the journal.
type Reading struct {
	Filters []string // subject filters in the syntax of NATS; none: everything
	From    uint64   // place to begin at; 0: the first
	Latest  bool     // only the last message of each subject, of those from From on
	Follow  bool     // go on for ever instead of ending at the last message
}

// line is a line of the journal's answer: a message, a mark up to which all was sent, or what went wrong.
type line struct {
	Place      uint64            `json:"place"`
	Subject    string            `json:"subject"`
	ID         string            `json:"id"`
	Headers    map[string]string `json:"headers"`
	Published  time.Time         `json:"published"`
	Data       string            `json:"data"`
	DataBase64 []byte            `json:"dataBase64"`

	UpTo    *uint64  `json:"upTo"`
	Problem *Problem `json:"problem"`
}

func (l line) received() bus.Received {
	data := l.DataBase64
	if data == nil {
		data = []byte(l.Data)
	}
	return bus.Received{
		Message:  bus.Message{Subject: l.Subject, ID: l.ID, Headers: l.Headers, Data: data},
		Sequence: l.Place, Published: l.Published, Attempt: 1,
	}
}

// handed marks an error of the reader's own, which ends a reading.
type handed struct{ error }

// Read hands messages to each in the order of the journal; their Sequence is the place there. It ends with each's
// error, with ctx, or, unless it follows, at what was the last message when it began. Who follows and was connected
// once is connected again when the connection breaks, for as long as ctx lasts, and misses nothing; only a journal
// that was made anew meanwhile (ErrOther), or one that refuses, ends it.
func (c *Client) Read(ctx context.Context, r Reading, each func(bus.Received) error) error {
	f := following{Client: c, reading: r, each: each}
	for pause := c.first; ; pause = min(2*pause, c.most) {
		moved, err := f.once(ctx)
		var own handed
		switch {
		case errors.As(err, &own):
			return own.error
		case ctx.Err() != nil:
			return fmt.Errorf("journal: read: %w", ctx.Err())
		case !r.Follow, !f.connected, err != nil && !errors.Is(err, ErrUnreachable):
			return err
		case moved:
			pause = c.first
		}
		timer := time.NewTimer(pause/2 + rand.N(pause/2+1)) // so that those who lost it together do not return together
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("journal: read: %w", ctx.Err())
		}
	}
}

// following is a reading that goes on over many connections.
type following struct {
	*Client
	reading   Reading // what is left to be read
	each      func(bus.Received) error
	connected bool
	journal   string // the ID of the one that was read first
}

// once reads over one connection, as far as it goes; moved says that something came.
func (f *following) once(ctx context.Context) (moved bool, err error) {
	q := url.Values{"filter": f.reading.Filters}
	if f.reading.From > 0 {
		q.Set("from", strconv.FormatUint(f.reading.From, 10))
	}
	if f.reading.Latest {
		q.Set("latest", "true")
	}
	patience := answer
	if f.reading.Follow {
		q.Set("follow", "true")
		patience = f.silence
	}
	check := func(h http.Header) error {
		id := h.Get("Reprotect-Journal")
		if id == "" {
			return f.stranger("log", errors.New("it does not say which journal it is"))
		}
		if f.connected && id != f.journal {
			return fmt.Errorf("%w while it was followed: begin again", ErrOther)
		}
		f.connected, f.journal = true, id
		return nil
	}
	err = f.lines(ctx, "log", q, patience, check, func(l line) error {
		moved = true
		if l.UpTo != nil { // what was stored has come; from here on every message counts
			f.reading.From, f.reading.Latest = max(f.reading.From, *l.UpTo+1), false
			return nil
		}
		if err := f.each(l.received()); err != nil {
			return handed{err}
		}
		f.reading.From = l.Place + 1
		return nil
	})
	return moved, err
}

var errSilent = errors.New("nothing came any more")

// lines asks for an answer of many lines, and hands its header to check first. When nothing comes for as long as
// the patience lasts, the connection is taken for broken.
func (c *Client) lines(ctx context.Context, path string, q url.Values, patience time.Duration, check func(http.Header) error, each func(line) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(answer, func() { cancel(errSilent) })
	defer watch.Stop()
	response, err := c.get(ctx, path, q)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return c.unreached(path, cause)
	}
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if check != nil {
		if err := check(response.Header); err != nil {
			return err
		}
	}
	in := bufio.NewReaderSize(response.Body, 64<<10)
	for {
		watch.Reset(patience)
		raw, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(raw) == 0 {
			return nil
		}
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			return c.unreached(path, err)
		}
		watch.Stop() // each may take its time
		var l line
		if err := json.Unmarshal(raw, &l); err != nil {
			return c.stranger(path, err)
		}
		if l.Problem != nil {
			return l.Problem
		}
		if err := each(l); err != nil {
			return err
		}
	}
}
