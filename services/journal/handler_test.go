package journal

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
)

func serve(t *testing.T, s *Store, o HandlerOptions) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(Handler(s, o))
	t.Cleanup(server.Close)
	return server
}

func ask(t *testing.T, method, url, token string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", token)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	s, _ := library(t)
	open, guarded := serve(t, s, HandlerOptions{}), serve(t, s, HandlerOptions{Token: "secret"})
	for _, test := range []struct {
		ask    string // method, if not GET, and address
		token  string
		status int
		says   string
	}{
		{"/api/v1/cases", "", 200, `"id":"r1-db01"`},
		{"/api/v1/cases?state=completed&site=tokyo&request=r1", "", 200, `"id":"r1-db01"`},
		{"/api/v1/cases?state=failed", "", 200, "[]\n"},
		{"HEAD /api/v1/cases", "", 200, ""},
		{"/api/v1/cases/r1-db01", "", 200, `"history":[`},
		{"/api/v1/cases/r9", "", 404, `"code":"case.unknown"`},
		{"/api/v1/cases/R%209", "", 400, `"code":"case.wrong"`},
		{"/api/v1/cases/r1-db01?x=1", "", 400, `"code":"parameter.unknown"`},
		{"/api/v1/cases/r1-db01/story", "", 200, `"id":"r1-db01/request"`},
		{"/api/v1/cases/r9/story", "", 404, `"code":"case.unknown"`},
		{"/api/v1/cases?states=failed", "", 400, `"message":"there is no parameter \"states\" here"`},
		{"/api/v1/cases?state=a&state=b", "", 400, `"code":"parameter.repeated"`},
		{"/api/v1/cases?state=" + strings.Repeat("a", 600), "", 400, `"code":"parameter.too-long"`},
		{"/api/v1/subjects/reprotect.command.cancel", "", 200, `"id":"c2"`},
		{"/api/v1/subjects/reprotect.command.nothing", "", 404, `"code":"subject.empty"`},
		{"/api/v1/subjects/reprotect.command.*", "", 400, `"code":"subject.wrong"`},
		{"/api/v1/subjects/a..b", "", 400, `"code":"filter.wrong"`},
		{"/api/v1/log", "", 200, `"place":45,"origin":244,`},
		{"/api/v1/log?filter=reprotect.command.%3E&filter=reprotect.notification.%3E&from=40&latest=true", "", 200, `"place":43`},
		{"HEAD /api/v1/log?follow=true", "", 200, ""},
		{"/api/v1/log?from=100", "", 200, ""},
		{"/api/v1/log?from=-1", "", 400, `"remedy":"Give a place of the log: a whole number."`},
		{"/api/v1/log?from=9223372036854775808", "", 400, `"code":"parameter.wrong"`},
		{"/api/v1/log?follow=yes", "", 400, `"remedy":"Give true or false."`},
		{"/api/v1/log?latest=1", "", 400, `"code":"parameter.wrong"`},
		{"/api/v1/log?filter=a..b", "", 400, `"code":"filter.wrong"`},
		{"/api/v1/log?" + strings.Repeat("filter=a&", 65), "", 400, `"code":"parameter.repeated"`},
		{"/api/v1/journal", "", 200, `"messages":45`},
		{"/api/v1/", "", 404, `"code":"address.unknown"`},
		{"/api/v1/logs", "", 404, `"code":"address.unknown"`},
		{"POST /api/v1/log", "", 405, `"code":"method.not-allowed"`},
		{"DELETE /api/v1/cases/r1-db01", "", 405, `"code":"method.not-allowed"`},
		{"/api/v1/cases", "none", 401, `"code":"token.wrong"`},
		{"/api/v1/cases", "Bearer wrong", 401, `"code":"token.wrong"`},
		{"/api/v1/cases", "Basic secret", 401, `"code":"token.wrong"`},
		{"/api/v1/nothing", "none", 401, `"code":"token.wrong"`},
		{"/api/v1/cases", "Bearer secret", 200, `"id":"r1-db01"`},
		{"/api/v1/cases", "bearer secret", 200, `"id":"r1-db01"`},
	} {
		t.Run(test.ask+" "+test.token, func(t *testing.T) {
			method, address, other := strings.Cut(test.ask, " ")
			if !other {
				method, address = "GET", test.ask
			}
			server := open
			if test.token != "" {
				server = guarded
			}
			response, body := ask(t, method, server.URL+address, strings.TrimPrefix(test.token, "none"))
			if response.StatusCode != test.status || !strings.Contains(body, test.says) || strings.Contains(body, "secret") {
				t.Errorf("%s: %s", response.Status, body)
			}
			if test.status >= 400 {
				var p Problem
				if err := json.Unmarshal([]byte(body), &p); err != nil || response.Header.Get("Content-Type") != "application/problem+json" ||
					p.Status != test.status || p.Code == "" || p.Message == "" || p.Remedy == "" {
					t.Errorf("no problem: %s (%v)", body, err)
				}
			}
			if response.Header.Get("X-Content-Type-Options") != "nosniff" || response.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("header %v", response.Header)
			}
		})
	}
}

func TestCasesAsTheyAre(t *testing.T) {
	t.Parallel()
	s, log := library(t)
	server := serve(t, s, HandlerOptions{})
	_, body := ask(t, "GET", server.URL+"/api/v1/cases/r1-db01", "")
	var got cases.Case
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	for i := range log {
		log[i].Sequence = uint64(i + 1)
	}
	if want := cases.All(entries(log))[0]; jsonOf(got) != jsonOf(want) {
		t.Errorf("%s\nwant %s", jsonOf(got), jsonOf(want))
	}
}

// follower reads the lines of an answer that follows.
type follower struct {
	t     *testing.T
	lines *bufio.Scanner
}

func follow(t *testing.T, ctx context.Context, url string) follower {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return follower{t, bufio.NewScanner(response.Body)}
}

func (f follower) next() (l struct {
	line
	mark
	broken
}) {
	f.t.Helper()
	if !f.lines.Scan() {
		f.t.Fatalf("no line: %v", f.lines.Err())
	}
	if err := json.Unmarshal(f.lines.Bytes(), &l); err != nil {
		f.t.Fatal(err)
	}
	return l
}

// end says whether the answer ended cleanly, without another line.
func (f follower) end() {
	f.t.Helper()
	if f.lines.Scan() || f.lines.Err() != nil {
		f.t.Errorf("%q %v", f.lines.Text(), f.lines.Err())
	}
}

func TestFollowsOverHTTP(t *testing.T) {
	t.Parallel()
	s := open(t)
	drain := make(chan struct{})
	server := serve(t, s, HandlerOptions{Drain: drain})
	log := story("r1-web01", 1)
	raw := bus.Received{Message: bus.Message{Subject: "reprotect.event.x.y.z", Data: []byte("\xff\x00 \n"), Headers: map[string]string{"a": "<é>"}}, Sequence: 77, Published: begun.Add(time.Nanosecond)}
	keep(t, s, log[:2]...)
	f := follow(t, t.Context(), server.URL+"/api/v1/log?filter=reprotect.event.%3E&follow=true")
	for i, r := range log[:2] {
		if l := f.next(); l.Place != uint64(i+1) || l.Data != string(r.Data) || l.Origin != r.Sequence || !l.Published.Equal(r.Published) {
			t.Errorf("%+v", l)
		}
	}
	if l := f.next(); l.UpTo != 2 {
		t.Errorf("no mark, but %+v", l)
	}
	keep(t, s, bus.Received{Message: bus.Message{Subject: "reprotect.command.request"}, Sequence: 60}, raw) // only the second fits, and comes at once
	if l := f.next(); l.Place != 4 || !bytes.Equal(l.DataBase64, raw.Data) || l.Headers["a"] != "<é>" || !l.Published.Equal(raw.Published) {
		t.Errorf("%+v", l)
	}
	close(drain)
	f.end()
	closed := make(chan struct{})
	go func() {
		server.Config.Shutdown(context.Background())
		close(closed)
	}()
	<-closed
}

func TestFollowEndsWithEitherSide(t *testing.T) {
	t.Parallel()
	s := open(t)
	keep(t, s, story("r1-web01", 1)...)
	left := make(chan struct{}, 1)
	inner := Handler(s, HandlerOptions{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r)
		left <- struct{}{}
	}))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithCancel(t.Context())
	f := follow(t, ctx, server.URL+"/api/v1/log?follow=true&from=10")
	if l := f.next(); l.Place != 10 {
		t.Errorf("%+v", l)
	}
	cancel()
	<-left // the handler has noticed

	f = follow(t, t.Context(), server.URL+"/api/v1/log?follow=true&from=99")
	if l := f.next(); l.UpTo != 98 {
		t.Errorf("%+v", l)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f.end()
	<-left
	response, body := ask(t, "GET", server.URL+"/api/v1/cases", "")
	if <-left; response.StatusCode != 503 || !strings.Contains(body, `"journal.closing"`) {
		t.Errorf("%s %s", response.Status, body)
	}
}

// nats-N11: what goes wrong inside is told without the file's name, which is nobody's business; each answer 500 has its line in the log.
func TestKeepsItsFileToItself(t *testing.T) {
	t.Parallel()
	s, _ := library(t)
	var mu sync.Mutex
	var failed []string
	server := serve(t, s, HandlerOptions{Failed: func(path string, err error) {
		mu.Lock()
		defer mu.Unlock()
		failed = append(failed, path+": "+err.Error())
	}})
	s.mutexed(func() {
		if _, err := s.writer.ExecContext(t.Context(), `UPDATE events SET headers = '{' WHERE place = 20; UPDATE cases SET document = '{'`); err != nil {
			t.Error(err)
		}
	})
	if response, body := ask(t, "GET", server.URL+"/api/v1/cases", ""); response.StatusCode != 500 || strings.Contains(body, s.path) || !strings.Contains(body, `"journal.unread"`) {
		t.Errorf("%s %s", response.Status, body)
	}
	_, body := ask(t, "GET", server.URL+"/api/v1/log", "")
	lines := strings.Split(strings.TrimSpace(body), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, `{"problem":{"status":500,"code":"journal.unread"`) || strings.Contains(last, s.path) {
		t.Errorf("the last of %d lines: %s", len(lines), last)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(failed) != 2 || !strings.HasPrefix(failed[0], "/api/v1/cases: journal "+s.path) || !strings.HasPrefix(failed[1], "/api/v1/log: journal "+s.path) {
		t.Errorf("told of what failed: %q", failed)
	}
}

// A journal that does not serve says so at every address, and ends what follows it, instead of answering as if it were
// whole.
func TestAnswersOnlyWhereItServes(t *testing.T) {
	t.Parallel()
	s, log := library(t)
	var serves atomic.Bool
	server := serve(t, s, HandlerOptions{Token: "secret", Serves: serves.Load})
	for _, address := range []string{"log", "log?follow=true", "cases", "cases/r1-db01", "cases/r1-db01/story", "subjects/reprotect.command.cancel", "journal", "nothing"} {
		if response, body := ask(t, "GET", server.URL+"/api/v1/"+address, "Bearer secret"); response.StatusCode != 503 || !strings.Contains(body, `"code":"journal.stands-by"`) {
			t.Errorf("%s: %s %s", address, response.Status, body)
		}
	}
	if response, _ := ask(t, "GET", server.URL+"/api/v1/cases", "none"); response.StatusCode != 401 {
		t.Errorf("without the token: %s", response.Status)
	}
	serves.Store(true)
	if response, body := ask(t, "GET", server.URL+"/api/v1/cases", "Bearer secret"); response.StatusCode != 200 {
		t.Errorf("%s %s", response.Status, body)
	}
	open := serve(t, s, HandlerOptions{Serves: serves.Load})
	f := follow(t, t.Context(), fmt.Sprintf("%s/api/v1/log?follow=true&from=%d", open.URL, len(log)))
	f.next()
	serves.Store(false)
	for {
		l := f.next()
		if l.Problem != nil {
			if l.Problem.Code != "journal.stands-by" {
				t.Errorf("ends with %+v", l.Problem)
			}
			break
		}
	}
	f.end()
}

// nats-N10: a page elsewhere that has led a browser here by a name of its own is not answered; who has the token is no such
// page.
func TestHostsThatAreNotKnown(t *testing.T) {
	t.Parallel()
	s := open(t)
	guarded := HandlerOptions{Hosts: []string{"journal.example.com"}, Token: "secret"}
	for _, tt := range []struct {
		host string
		o    HandlerOptions
		want int
	}{
		{"evil.example", HandlerOptions{Hosts: []string{}}, http.StatusMisdirectedRequest},
		{"evil.example:8480", HandlerOptions{Hosts: []string{"journal.example.com"}}, http.StatusMisdirectedRequest},
		{"127.0.0.1.evil.example", HandlerOptions{Hosts: []string{}}, http.StatusMisdirectedRequest},
		{"localhost.evil.example:80", HandlerOptions{Hosts: []string{}}, http.StatusMisdirectedRequest},
		{"", HandlerOptions{Hosts: []string{}}, http.StatusMisdirectedRequest},
		{"127.0.0.1:8480", HandlerOptions{Hosts: []string{}}, http.StatusOK},
		{"[::1]:8480", HandlerOptions{Hosts: []string{}}, http.StatusOK},
		{"LocalHost", HandlerOptions{Hosts: []string{}}, http.StatusOK},
		{"Journal.Example.com:443", HandlerOptions{Hosts: []string{"journal.example.com"}}, http.StatusOK},
		{"evil.example", guarded, http.StatusUnauthorized},
		{"any.example", HandlerOptions{}, http.StatusOK}, // the console looks at it itself
	} {
		for _, path := range []string{"/api/v1/log", "/api/v1/cases", "/api/v1/journal", "/api/v1/nowhere"} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Host = tt.host
			w := httptest.NewRecorder()
			Handler(s, tt.o).ServeHTTP(w, r)
			want := tt.want
			if want == http.StatusOK && path == "/api/v1/nowhere" {
				want = http.StatusNotFound
			}
			if w.Code != want {
				t.Errorf("%q asks for %s: %d, want %d", tt.host, path, w.Code, want)
			}
		}
	}
}
