package journalclient

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
	"reprotect.example/services/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var begun = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

func report(n int) bus.Received {
	h := events.Header{
		ID: fmt.Sprintf("r1-web01/progress/%d", n), Source: "/reprotect/tokyo/executor", Type: events.TypeProgressed.CloudType(), Site: "tokyo", Case: "r1-web01",
		Subject: "r1-web01", Step: "progress", Request: "r1", Position: n, Time: begun.Add(time.Duration(n) * time.Minute),
	}
	raw, err := events.Encode(events.Event[events.Progressed]{Header: h, Data: events.Progressed{Percent: n}})
	if err != nil {
		panic(err)
	}
	return bus.Received{
		Message:  bus.Message{Subject: "reprotect.event.tokyo.r1-web01.progress.progressed", ID: h.ID, Headers: map[string]string{"k": "v"}, Data: raw},
		Sequence: uint64(n), Published: begun.Add(time.Duration(n)),
	}
}

func open(t *testing.T) *journal.Store {
	t.Helper()
	s, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func keep(t *testing.T, s *journal.Store, all ...bus.Received) {
	t.Helper()
	for _, r := range all {
		if err := s.Keep(context.Background(), r); err != nil {
			t.Error(err)
		}
	}
}

// client asks a server, and is quick to ask again.
func client(t *testing.T, o Options) *Client {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	c.first, c.most = time.Millisecond, 20*time.Millisecond
	t.Cleanup(c.Close)
	return c
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// The client tells exactly what the store does.
func TestTellsWhatTheStoreTells(t *testing.T) {
	t.Parallel()
	s := open(t)
	keep(t, s, report(1), report(2), report(3),
		bus.Received{Message: bus.Message{Subject: "reprotect.command.request", Data: []byte("\xfe\x00")}, Sequence: 9},
		bus.Received{Message: bus.Message{Subject: "reprotect.command.cancel", ID: "c1", Data: []byte(" {\"case\": \"x\"}\n")}, Sequence: 10, Published: begun})
	c := client(t, Options{URL: serve(t, http.StripPrefix("/behind", journal.Handler(s, journal.HandlerOptions{Token: "s3cret"}))) + "/behind/", Token: "s3cret"})
	ctx := t.Context()

	type reading interface {
		Story(context.Context, string) ([]bus.Received, error)
		Case(context.Context, string) (cases.Case, bool, error)
	}
	told := func(r reading) (told []any) {
		for _, id := range []string{"r1-web01", "r9"} {
			story, err := r.Story(ctx, id)
			told = append(told, story, err)
			one, found, err := r.Case(ctx, id)
			told = append(told, one, found, err)
		}
		return told
	}
	if diff := cmp.Diff(told(s), told(c)); diff != "" {
		t.Error(diff)
	}
	for _, r := range []Reading{{}, {From: 3}, {Latest: true}, {Filters: []string{"reprotect.command.*", "x.>"}}, {From: 99}} {
		var want, got []bus.Received
		err := s.Read(ctx, journal.Reading(r), func(m bus.Received) error { want = append(want, m); return nil })
		also := c.Read(ctx, r, func(m bus.Received) error { got = append(got, m); return nil })
		if diff := cmp.Diff(want, got); diff != "" || err != nil || also != nil {
			t.Errorf("%+v: %v %v %s", r, err, also, diff)
		}
	}
	want, err := s.Cases(ctx, journal.CaseFilter{})
	got, also := c.Cases(ctx)
	if diff := cmp.Diff(want, got); diff != "" || err != nil || also != nil {
		t.Errorf("cases: %v %v %s", err, also, diff)
	}
	own := errors.New("own")
	if err := c.Read(ctx, Reading{Follow: true}, func(bus.Received) error { return own }); !errors.Is(err, own) {
		t.Errorf("own error: %v", err)
	}
	var p *Problem
	if err := c.Read(ctx, Reading{Follow: true, Filters: []string{"a..b"}}, nil); !errors.As(err, &p) || p.Code != "filter.wrong" {
		t.Errorf("a wrong filter: %v", err)
	}
}

func TestSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + listener.Addr().String()
	listener.Close()
	answering := func(status int, body string) string {
		return serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if strings.HasPrefix(body, "{") {
				w.Header().Set(journal.HeaderJournal, "id")
			}
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}))
	}
	cut := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(journal.HeaderJournal, "id")
		fmt.Fprintln(w, `{"place":1,"subject":"a"}`)
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	guarded := serve(t, journal.Handler(open(t), journal.HandlerOptions{Token: "right"}))
	for _, test := range []struct {
		name string
		o    Options
		is   error
		says string
	}{
		{"nobody there", Options{URL: nobody}, ErrUnreachable, nobody + "/api/v1/log"},
		{"another server", Options{URL: answering(404, "not found")}, ErrUnreachable, "not of a journal: 404"},
		{"a page", Options{URL: answering(200, "<html>\n")}, ErrUnreachable, "not of a journal"},
		{"elsewhere", Options{URL: answering(302, "")}, ErrUnreachable, "302"},
		{"not now", Options{URL: answering(503, "")}, ErrUnreachable, "see that a process of reprotectd with --target journal is running there"},
		{"forbidden", Options{URL: answering(403, "")}, bus.ErrNotPermitted, "journal.tokenFile"},
		{"cut off", Options{URL: cut}, ErrUnreachable, "unexpected EOF"},
		{"given up on the way", Options{URL: answering(200, `{"problem":{"status":500,"message":"the disk","remedy":"Look."}}`+"\n")}, ErrUnreachable, "the journal says: the disk. Look."},
		{"no token", Options{URL: guarded}, bus.ErrNotPermitted, "the bearer token is missing or wrong"},
		{"a wrong token", Options{URL: guarded, Token: "wrong"}, bus.ErrNotPermitted, "the bearer token is missing or wrong"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := client(t, test.o)
			errs := []error{c.Read(t.Context(), Reading{}, func(bus.Received) error { return nil })}
			if test.name != "cut off" && test.name != "given up on the way" {
				errs = append(errs, c.Read(t.Context(), Reading{Follow: true}, nil))
				_, err := c.Cases(t.Context())
				_, _, also := c.Case(t.Context(), "r1")
				errs = append(errs, err, also)
			}
			for i, err := range errs {
				if !errors.Is(err, test.is) || i == 0 && !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "right") {
					t.Errorf("%d says %v", i, err)
				}
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{
		{}, {URL: "127.0.0.1:8480"}, {URL: "ftp://x"}, {URL: "http://"}, {URL: "http://u:hidden@x"}, {URL: "http://x?a=hidden"}, {URL: "://hidden"},
		{URL: "https://x", CAFile: empty}, {URL: "https://x", CAFile: empty + ".none"},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), "journal.") || strings.Contains(err.Error(), "u:hidden") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestTrustsItsCA(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(journal.Handler(open(t), journal.HandlerOptions{}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshake that is to fail
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if listed, err := client(t, Options{URL: server.URL, CAFile: ca}).Cases(t.Context()); err != nil || len(listed) != 0 {
		t.Error(listed, err)
	}
	if _, err := client(t, Options{URL: server.URL}).Cases(t.Context()); !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
}

// breaking cuts the connections to a journal: each answer after some writes, and every other before the first.
func breaking(s *journal.Store, asked *atomic.Int64) http.Handler {
	inner := journal.Handler(s, journal.HandlerOptions{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n := asked.Add(1); n % 4 {
		case 2:
			panic(http.ErrAbortHandler)
		case 3:
			w.WriteHeader(http.StatusBadGateway)
		default:
			inner.ServeHTTP(&brittle{ResponseWriter: w, left: 2}, r)
		}
	})
}

type brittle struct {
	http.ResponseWriter
	left int
}

func (b *brittle) Write(raw []byte) (int, error) {
	if b.left--; b.left < 0 {
		panic(http.ErrAbortHandler)
	}
	if b.left == 0 { // and in the midst of a line
		raw = raw[:len(raw)/2]
	}
	n, err := b.ResponseWriter.Write(raw)
	_ = http.NewResponseController(b.ResponseWriter).Flush()
	return n, err
}

func (b *brittle) Unwrap() http.ResponseWriter { return b.ResponseWriter }

// However often the connection breaks: who follows gets every message once, in order.
func TestFollowsOverBrokenConnections(t *testing.T) {
	t.Parallel()
	for _, latest := range []bool{false, true} {
		s := open(t)
		const stored, want = 5, 60
		for n := range stored {
			keep(t, s, report(n+1))
		}
		var asked atomic.Int64
		c := client(t, Options{URL: serve(t, breaking(s, &asked))})
		next := make(chan struct{}, want)
		go func() {
			for n := stored; n < want; n++ {
				<-next
				keep(t, s, report(n+1))
			}
		}()
		var got []uint64
		enough := errors.New("enough")
		for range want {
			next <- struct{}{}
		}
		err := c.Read(t.Context(), Reading{Follow: true, Latest: latest, From: 2}, func(r bus.Received) error {
			got = append(got, r.Sequence)
			if r.Sequence == want {
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) {
			t.Fatal(err)
		}
		for i, place := range got[1:] {
			if place <= got[i] || !latest && place != got[i]+1 {
				t.Errorf("latest %v: %v", latest, got)
				break
			}
		}
		if !latest && got[0] != 2 || asked.Load() < 2 {
			t.Errorf("latest %v: begins with %d, asked %d times", latest, got[0], asked.Load())
		}
	}
}

func TestFollowEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := open(t)
	keep(t, s, report(1))
	server := httptest.NewServer(journal.Handler(s, journal.HandlerOptions{}))
	c := client(t, Options{URL: server.URL})
	ctx, cancel := context.WithCancel(t.Context())
	err := c.Read(ctx, Reading{Follow: true}, func(bus.Received) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnreachable) {
		t.Errorf("while it follows: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	c.most = time.Hour
	err = c.Read(ctx, Reading{Follow: true}, func(bus.Received) error {
		c.first = time.Hour
		server.CloseClientConnections()
		time.AfterFunc(20*time.Millisecond, cancel)
		return nil
	})
	if !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnreachable) {
		t.Errorf("while it waits to be connected: %v", err)
	}
	server.Close()
}

// A journal from which nothing comes any more is taken for gone.
func TestNoticesSilence(t *testing.T) {
	t.Parallel()
	s := open(t)
	keep(t, s, report(1), report(2))
	inner := journal.Handler(s, journal.HandlerOptions{})
	var asked atomic.Int64
	c := client(t, Options{URL: serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) > 1 {
			inner.ServeHTTP(w, r)
			return
		}
		w.Header().Set(journal.HeaderJournal, s.ID())
		fmt.Fprintln(w, `{"place":1,"subject":"a"}`)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))})
	c.silence = 50 * time.Millisecond
	enough := errors.New("enough")
	err := c.Read(t.Context(), Reading{Follow: true}, func(r bus.Received) error {
		if r.Sequence == 2 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Error(err)
	}
}

func TestNoticesAnotherJournal(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	c := client(t, Options{URL: serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(journal.HeaderJournal, fmt.Sprint(asked.Add(1)))
	}))})
	if err := c.Read(t.Context(), Reading{Follow: true}, nil); !errors.Is(err, ErrOther) || asked.Load() != 2 {
		t.Errorf("asked %d times: %v", asked.Load(), err)
	}
}
