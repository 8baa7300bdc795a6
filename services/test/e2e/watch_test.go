package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
)

// entry is a message of the event log or of the dead letters, read.
type entry struct {
	message bus.Received
	event   events.Event[any]
	kind    events.Kind
	err     error
}

func read(r bus.Received) entry {
	e := entry{message: r}
	e.event, e.err = events.Read(r.Data)
	e.kind, _ = events.KindOf(e.event.Type)
	return e
}

// seenSoFar is what the followers have read.
type seenSoFar struct {
	mu      sync.Mutex
	entries []entry
	changed chan struct{} // closed at the next entry
}

func (s *seenSoFar) add(e entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = append(s.entries, e)
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *seenSoFar) now() ([]entry, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries, s.changed
}

// follow reads a stream until ctx ends, and goes on where it was when the connection breaks.
func (w *world) follow(ctx context.Context, conn *jetstream.Conn, stream string) {
	next := uint64(1)
	for ctx.Err() == nil {
		_ = conn.Read(ctx, jetstream.Reading{Stream: stream, From: next, Follow: true}, func(r bus.Received) error {
			next = r.Sequence + 1
			w.add(read(r))
			return nil
		})
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// found is an event of the expected type, and the subject on which it stands.
type found[T any] struct {
	events.Event[T]
	subject string
}

// await returns the first event of a kind in a case ("" any) that fits, once there is one. A case that has
// ended otherwise is not waited for.
func await[T any](w *world, kind events.Type[T], caseID string, fits ...func(T) bool) found[T] {
	w.t.Helper()
	deadline := time.After(limit)
	for {
		entries, changed := w.now()
		over := ""
		for _, e := range entries {
			data, ok := e.event.Data.(T)
			if caseID != "" && e.event.Case != caseID {
				continue
			}
			if e.err == nil && ok && e.kind == kind.Kind && (len(fits) == 0 || fits[0](data)) {
				return found[T]{events.Event[T]{Header: e.event.Header, Data: data}, e.message.Subject}
			}
			if caseID != "" && e.kind.Role == events.End {
				over = fmt.Sprintf("the case is over: %s", e.message.Data)
			}
		}
		if over != "" && kind.Kind != events.TypeNotification.Kind {
			w.t.Fatalf("no %s of case %s: %s", kind.Name, caseID, over)
		}
		select {
		case <-changed:
		case <-deadline:
			w.t.Fatalf("no %s of case %q within %s\n%s", kind.Name, caseID, limit, w.story())
		}
	}
}

// told awaits the notification of an event, and holds it against its level and the beginning of its title.
func (w *world) told(h events.Header, level, title string) {
	w.t.Helper()
	note := await(w, events.TypeNotification, h.Case, func(n events.Note) bool { return n.Fact == h.ID && n.Thread == "" })
	if note.Data.Level != level || !strings.HasPrefix(note.Data.Title, title) {
		w.t.Errorf("the notification of %s is %s %q, want %s %q", h.ID, note.Data.Level, note.Data.Title, level, title)
	}
	if want := events.NotificationSubject(site, level); note.subject != want {
		w.t.Errorf("the notification of %s stands on %s, want %s", h.ID, note.subject, want)
	}
}

// completes awaits that a machine of a request is protected, and that people are told.
func (w *world) completes(caseID string) events.Completed {
	w.t.Helper()
	done := await(w, events.TypeCompleted, caseID)
	w.told(done.Header, events.LevelInfo, "Protected: ")
	return done.Data
}

// story is what happened, for a test that failed.
func (w *world) story() string {
	var b strings.Builder
	entries, _ := w.now()
	for _, e := range entries {
		fmt.Fprintf(&b, "%s %.300s\n", e.message.Subject, e.message.Data)
	}
	const tail = 4000
	logged := w.logged.String()
	b.WriteString(logged[max(0, len(logged)-tail):])
	return b.String()
}

// readSecrets lists what must never be shown.
func (w *world) readSecrets() map[string]string {
	w.t.Helper()
	secrets := map[string]string{"vCenter password": w.ready.VCenter.Password}
	token, err := os.ReadFile(w.ready.Azure.TokenFile)
	if err != nil {
		w.t.Fatal(err)
	}
	secrets["Azure token"] = strings.TrimSpace(string(token))
	password, err := w.config.NATSPassword()
	if err != nil {
		w.t.Fatal(err)
	}
	if password != "" {
		secrets["NATS password"] = password
	}
	var control struct{ Token string }
	content, err := os.ReadFile(filepath.Join(w.dir, "lab.json"))
	if err == nil {
		err = json.Unmarshal(content, &control)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	secrets["control token"] = control.Token
	for what, secret := range secrets {
		if len(secret) < 4 {
			w.t.Fatalf("the %s is not to be found", what)
		}
	}
	return secrets
}

// secretFree says so when a text holds a secret.
func (w *world) secretFree(where, text string) {
	w.t.Helper()
	for what, secret := range w.secrets {
		if i := strings.Index(text, secret); i >= 0 {
			w.t.Errorf("%s shows the %s: …%s…", where, what, text[max(0, i-200):i])
		}
	}
}

// judge holds everything on the bus and in the logs against what is true of every run: events are valid, each
// step has one outcome at most, whatever went wrong comes with what to do, only forged facts are given up, no
// handler panics, and no secret is shown.
func (w *world) judge() {
	w.secretFree("the log", w.logged.String())
	if strings.Contains(w.logged.String(), "panic") {
		w.t.Errorf("a handler panicked:\n%s", w.logged)
	}
	decided := map[string]string{}
	judgeOne := func(r bus.Received) error {
		w.secretFree("the message on "+r.Subject, fmt.Sprintf("%s %v", r.Data, r.Headers))
		if strings.HasPrefix(r.Subject, events.SubjectCommands) || w.foreign[r.Sequence] {
			return nil
		}
		e := read(r)
		if e.err != nil {
			w.t.Errorf("the event on %s cannot be read: %v", r.Subject, e.err)
			return nil
		}
		parsed, err := events.Parse(r.Data)
		if err != nil {
			w.t.Errorf("the event on %s cannot be parsed: %v", r.Subject, err)
			return nil
		}
		if problems := events.Validate(e.kind, parsed.Data); problems != nil {
			w.t.Errorf("the event on %s is not valid: %v\n%s", r.Subject, problems, r.Data)
		}
		if !w.helpful(e.event.Data) {
			w.t.Errorf("the event on %s does not say what to do: %s", r.Subject, r.Data)
		}
		step := e.event.Case + "/" + e.event.Step
		if !e.kind.Decides() {
			return nil
		}
		if other, twice := decided[step]; twice {
			w.t.Errorf("step %s has two outcomes: %s and %s", step, other, r.Subject)
		}
		decided[step] = r.Subject
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.t.Context()), limit)
	defer cancel()
	for _, reading := range []jetstream.Reading{
		{Stream: jetstream.StreamLog}, {Stream: jetstream.StreamDead, Filters: []string{events.DeadSubject(">")}},
	} {
		if err := w.reader.Read(ctx, reading, judgeOne); err != nil {
			w.t.Errorf("judging the bus: %v", err)
		}
	}
	if len(decided) == 0 {
		w.t.Error("no step was decided: the test shows nothing")
	}
}

// helpful says whether an event that tells of something bad tells what to do about it.
func (w *world) helpful(data any) bool {
	without := func(p events.Problem) bool { return p.Code == "" || p.Remedy == "" }
	switch d := data.(type) {
	case events.Refused:
		return len(d.Problems) > 0 && !slices.ContainsFunc(d.Problems, without)
	case events.Rejected:
		return len(d.Problems) > 0 && !slices.ContainsFunc(d.Problems, without)
	case events.Failed:
		return d.Code != "" && d.Remedy != ""
	case events.Dead:
		return w.foreign[d.Sequence]
	}
	return true
}
