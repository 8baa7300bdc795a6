package channel

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"reprotect.example/events"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/notifier"
)

// hostile are names that mean something in some chat, mail or card.
var hostile = []string{
	"<!channel> @here", "<https://evil.example|click>", "*bold* _it_ ~no~ `code`", "[click](https://evil.example)", "# Head\n- list", ":bomb:",
	"a\r\nBcc: all@example.com", "<script>alert(1)</script>", "\u202egnp.exe", "&amp;", strings.Repeat("名", 3000), "\xff\xfe", "**x** ![i](u)",
}

func message(name string) notifier.Message {
	m := notifier.Sample("tokyo", time.Date(2026, 11, 27, 4, 0, 0, 0, time.UTC))
	m.Kind, m.Level, m.State, m.Title, m.Text = "alarm", events.LevelCritical, events.NoteOpen, "Danger: "+name, "What: "+name+"\nThen: look"
	m.Machines, m.Causes, m.Link = []string{name}, []events.NoteCause{{Code: "guard.snapshot", What: name, Do: name, Machines: []string{name}}}, "https://reprotect.example.com/cases/r-1"
	return m
}

// receiver is the other side of a channel: it holds each request to the rules of its documents.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	bodies [][]byte
	heads  []http.Header
	answer func(n int, w http.ResponseWriter) bool // true: it has answered
}

func receive(t *testing.T, ok int, check func(r *http.Request, body []byte) error) *receiver {
	x := &receiver{}
	x.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.answer != nil && x.answer(len(x.bodies), w) {
			x.bodies, x.heads = append(x.bodies, nil), append(x.heads, nil)
			return
		}
		if err := check(r, body); err != nil {
			t.Errorf("%v\n%s", err, body[:min(len(body), 400)])
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		x.bodies, x.heads = append(x.bodies, body), append(x.heads, r.Header)
		w.WriteHeader(ok)
		fmt.Fprint(w, "ok")
	}))
	t.Cleanup(x.Close)
	return x
}

func open(t *testing.T, o Options) func(context.Context, notifier.Message) error {
	t.Helper()
	o.Notify.Name = "ops"
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c.Post
}

// walk visits every object of a JSON document.
func walk(v any, visit func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		visit(v)
		for _, x := range v {
			walk(x, visit)
		}
	case []any:
		for _, x := range v {
			walk(x, visit)
		}
	}
}

// isCard holds a body to what a Workflows webhook takes, and to text runs alone: a TextBlock or FactSet would read Markdown.
func isCard(r *http.Request, body []byte) error {
	var m struct {
		Type        string
		Attachments []struct {
			ContentType string
			Content     map[string]any
		}
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return err
	}
	switch {
	case r.Header.Get("Content-Type") != "application/json" || m.Type != "message" || len(m.Attachments) != 1 || m.Attachments[0].ContentType != "application/vnd.microsoft.card.adaptive":
		return errors.New("no message with one card")
	case len(body) > 28<<10:
		return fmt.Errorf("%d bytes", len(body))
	case m.Attachments[0].Content["type"] != "AdaptiveCard" || m.Attachments[0].Content["version"] != "1.4":
		return errors.New("no adaptive card")
	}
	var err error
	walk(m.Attachments[0].Content["body"], func(o map[string]any) {
		switch o["type"] {
		case "RichTextBlock", "TextRun":
		default:
			err = fmt.Errorf("a %v may read Markdown", o["type"])
		}
	})
	return err
}

// isBlocks holds blocks to their limits, and to plain text alone.
func isBlocks(text string, all []any) error {
	if strings.ContainsAny(text, "<>") || text == "" {
		return fmt.Errorf("fallback %q", text)
	}
	if len(all) == 0 || len(all) > 50 {
		return fmt.Errorf("%d blocks", len(all))
	}
	var err error
	walk(all, func(o map[string]any) {
		words, isText := o["text"].(string)
		if !isText {
			return
		}
		if o["type"] != "plain_text" || o["emoji"] != false || words == "" || utf8.RuneCountInString(words) > 3000 {
			err = fmt.Errorf("text object %v", o["type"])
		}
	})
	if head := all[0].(map[string]any); head["type"] != "header" || utf8.RuneCountInString(head["text"].(map[string]any)["text"].(string)) > 150 {
		return errors.New("the header is none, or too long")
	}
	return err
}

func isSlackWebhook(_ *http.Request, body []byte) error {
	var m struct {
		Text   string
		Blocks []any
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return err
	}
	return isBlocks(m.Text, m.Blocks)
}

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// isSigned verifies as a receiver of Standard Webhooks does.
func isSigned(r *http.Request, body []byte) error {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), body)
	if r.Header.Get("webhook-signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) || strings.Contains(r.Header.Get("webhook-id"), ".") {
		return errors.New("the signature does not fit")
	}
	if _, err := events.Parse(body); err != nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/cloudevents+json") {
		return fmt.Errorf("no event: %w", err)
	}
	return nil
}

const routing = "0123456789abcdef0123456789ABCDEF"

func isIncident(_ *http.Request, body []byte) error {
	var e struct {
		Key     string `json:"routing_key"`
		Dedup   string `json:"dedup_key"`
		Action  string `json:"event_action"`
		Payload *struct{ Summary, Source, Severity, Timestamp string }
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return err
	}
	if e.Key != routing || e.Dedup == "" || len(e.Dedup) > 255 || e.Action != "trigger" && e.Action != "resolve" {
		return fmt.Errorf("%+v", e)
	}
	if e.Action == "trigger" && (e.Payload == nil || e.Payload.Summary == "" || len(e.Payload.Summary) > 1024 || e.Payload.Source == "" || !strings.Contains("critical error warning info", e.Payload.Severity)) {
		return fmt.Errorf("payload %+v", e.Payload)
	}
	return nil
}

type kindCase struct {
	check func(*http.Request, []byte) error
	ok    int
	make  func(url string) Options
}

func webKinds() map[string]kindCase {
	at := func(kind string) func(string) Options {
		return func(u string) Options { return Options{Notify: config.Notify{Kind: kind}, Address: u} }
	}
	return map[string]kindCase{
		"teams": {isCard, http.StatusAccepted, at(config.KindTeams)},
		"slack": {isSlackWebhook, http.StatusOK, at(config.KindSlack)},
		"webhook": {isSigned, http.StatusNoContent, func(u string) Options {
			return Options{Notify: config.Notify{Kind: config.KindWebhook}, Address: u, Secret: secret}
		}},
		"pagerduty": {isIncident, http.StatusAccepted, func(u string) Options {
			return Options{Notify: config.Notify{Kind: config.KindPagerDuty}, Address: routing, API: u}
		}},
	}
}

// Hostile names are text everywhere, in both languages, however long.
func TestHostileNames(t *testing.T) {
	for kind, k := range webKinds() {
		t.Run(kind, func(t *testing.T) {
			r := receive(t, k.ok, k.check)
			for _, lang := range []string{"en", "ja"} {
				o := k.make(r.URL)
				o.Notify.Lang = lang
				post := open(t, o)
				for _, name := range hostile {
					m := message(name)
					m.Text = strings.ToValidUTF8(m.Text, "?")
					m.Title, m.Causes[0].What, m.Causes[0].Do, m.Machines, m.Causes[0].Machines = strings.ToValidUTF8(m.Title, "?"), "w", "d", []string{"m"}, []string{"m"}
					m.Title = string([]rune(m.Title)[:min(len([]rune(m.Title)), 500)])
					if err := post(t.Context(), m); err != nil {
						t.Errorf("%.20q: %v", name, err)
					}
				}
			}
			if len(r.bodies) != 2*len(hostile) {
				t.Errorf("%d posted", len(r.bodies))
			}
		})
	}
}

func TestLongStoriesFit(t *testing.T) {
	for kind, k := range webKinds() {
		t.Run(kind, func(t *testing.T) {
			m := message("db01")
			m.Title = strings.Repeat("名", 500)
			m.Text = strings.Repeat(strings.Repeat("x", 120)+"\n", 130)
			for range 1000 {
				m.Machines = append(m.Machines, "a-long-name-of-a-machine")
			}
			r := receive(t, k.ok, k.check)
			if err := open(t, k.make(r.URL))(t.Context(), m); err != nil || len(r.bodies) != 1 {
				t.Errorf("%v", err)
			}
		})
	}
}

// What each answer means, and that no error repeats the address.
func TestAnswers(t *testing.T) {
	for kind, k := range webKinds() {
		t.Run(kind, func(t *testing.T) {
			r := receive(t, k.ok, k.check)
			post := open(t, k.make(r.URL+"/secret-part"))
			for _, c := range []struct {
				status    int
				after     string
				permanent bool
			}{{429, "7", false}, {500, "", false}, {503, "3", false}, {400, "", true}, {413, "", true}, {404, "", false}, {302, "", false}} {
				r.answer = func(_ int, w http.ResponseWriter) bool {
					w.Header().Set("Retry-After", c.after)
					w.Header().Set("Location", "https://evil.example")
					w.WriteHeader(c.status)
					return true
				}
				err := post(t.Context(), message("db01"))
				var refusal *notifier.Refusal
				if !errors.As(err, &refusal) || refusal.Permanent != c.permanent || strings.Contains(err.Error(), "secret-part") {
					t.Errorf("%d: %+v", c.status, err)
				}
				if c.status == 429 && refusal.After != 7*time.Second {
					t.Errorf("429: after %s", refusal.After)
				}
			}
			r.answer = func(_ int, w http.ResponseWriter) bool { // the connection is cut
				conn, _, err := w.(http.Hijacker).Hijack()
				if err == nil {
					conn.Close()
				}
				return true
			}
			err := post(t.Context(), message("db01"))
			var refusal *notifier.Refusal
			if err == nil || errors.As(err, &refusal) && refusal.Permanent || strings.Contains(err.Error(), "secret-part") {
				t.Errorf("cut: %v", err)
			}
			r.Close()
			if err := post(t.Context(), message("db01")); err == nil || strings.Contains(err.Error(), "secret-part") {
				t.Errorf("gone: %v", err)
			}
		})
	}
}

// An incident is triggered by what needs a person, resolved by its end, and never by how a request goes on.
func TestIncidents(t *testing.T) {
	r := receive(t, http.StatusAccepted, isIncident)
	post := open(t, webKinds()["pagerduty"].make(r.URL))
	m := message("db01")
	over := m
	over.State, over.Number = events.NoteClosed, 2
	request := m
	request.Kind = "request"
	for _, m := range []notifier.Message{m, over, request} {
		if err := post(t.Context(), m); err != nil {
			t.Error(err)
		}
	}
	if len(r.bodies) != 2 || !bytes.Contains(r.bodies[0], []byte(`"trigger"`)) || !bytes.Contains(r.bodies[1], []byte(`"resolve"`)) {
		t.Errorf("%s", r.bodies)
	}
}

func TestWrongAddresses(t *testing.T) {
	for kind, addresses := range map[string][]string{
		config.KindTeams: {"", "http://example.com/x", "ftp://h", "://"}, config.KindSlack: {"xoxb-1", "http://example.com"},
		config.KindPagerDuty: {"short", "https://k@events.example"}, config.KindEmail: {"smtp://h", "http://h?from=a@b&to=c@d", "smtp://h?from=a@b.example&to="},
		config.KindWebhook: {"https://"}, "pigeon": {"https://h"},
	} {
		for _, address := range addresses {
			if _, err := New(Options{Notify: config.Notify{Kind: kind, Name: "ops"}, Address: address}); err == nil || address != "" && len(address) > 10 && strings.Contains(err.Error(), address) {
				t.Errorf("%s %q: %v", kind, address, err)
			}
		}
	}
	if _, err := New(Options{Notify: config.Notify{Kind: config.KindWebhook}, Address: "https://h", Secret: "whsec_abc"}); err == nil {
		t.Error("a short secret is taken")
	}
}

// slackAPI keeps the messages of a channel as Slack does.
type slackAPI struct {
	mu       sync.Mutex
	t        *testing.T
	messages []map[string]any
	limited  int
	calls    []string
}

func (s *slackAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = r.ParseForm() // what is missing shows below
	method := strings.TrimPrefix(r.URL.Path, "/")
	if s.limited > 0 {
		s.limited--
		w.Header().Set("Retry-After", "2")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	s.calls = append(s.calls, method)
	content := func() map[string]any {
		m := map[string]any{"type": "message", "text": r.Form.Get("text")}
		if raw := r.Form.Get("metadata"); raw != "" {
			var meta map[string]any
			if err := json.Unmarshal([]byte(raw), &meta); err != nil {
				s.t.Error(err)
			}
			m["metadata"] = meta
		}
		var blocks []any
		if raw := r.Form.Get("blocks"); raw != "" {
			if err := errors.Join(json.Unmarshal([]byte(raw), &blocks), isBlocks(r.Form.Get("text"), blocks)); err != nil {
				s.t.Error(err)
			}
		}
		return m
	}
	answer := map[string]any{"ok": true, "channel": "C1"}
	switch method {
	case "chat.postMessage":
		m := content()
		m["ts"], m["thread_ts"] = fmt.Sprintf("%d.000100", 1000+len(s.messages)), r.Form.Get("thread_ts")
		s.messages = append(s.messages, m)
		answer["ts"] = m["ts"]
	case "chat.update":
		for _, m := range s.messages {
			if m["ts"] == r.Form.Get("ts") {
				for k, v := range content() {
					m[k] = v
				}
			}
		}
		answer["ts"] = r.Form.Get("ts")
	case "conversations.history":
		var top []map[string]any
		for _, m := range s.messages {
			if m["thread_ts"] == "" {
				top = append(top, m)
			}
		}
		answer["messages"] = top
	default:
		answer = map[string]any{"ok": false, "error": "unknown_method"}
	}
	_ = json.NewEncoder(w).Encode(answer) // fails only when the caller has gone
}

// With a bot token a story is one message that changes in place; after a restart it is found, and nothing comes twice.
func TestSlackBot(t *testing.T) {
	api := &slackAPI{t: t}
	server := httptest.NewServer(api)
	defer server.Close()
	bot := func() func(context.Context, notifier.Message) error {
		return open(t, Options{Notify: config.Notify{Kind: config.KindSlack, Channel: "C1"}, Address: "xoxb-1", API: server.URL + "/"})
	}
	post := bot()
	first := message("db01")
	second, third := first, first
	second.Number, second.State, second.Title = 2, events.NoteUpdate, "Still"
	third.Number, third.State, third.Title = 3, events.NoteClosed, "Over"
	for _, m := range []notifier.Message{first, first, second} {
		if err := post(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	post = bot() // as after a restart
	api.limited = 1
	var refusal *notifier.Refusal
	if err := post(t.Context(), third); !errors.As(err, &refusal) || refusal.After != 2*time.Second {
		t.Errorf("%v", err)
	}
	for _, m := range []notifier.Message{second, third, third} {
		if err := post(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if len(api.messages) != 3 || !strings.Contains(api.messages[0]["text"].(string), "Over") || api.messages[1]["thread_ts"] != api.messages[0]["ts"] {
		t.Errorf("%v", api.messages)
	}
}

func TestJapanese(t *testing.T) {
	m := message("db01")
	p := pageOf(m, "ja")
	if !strings.HasPrefix(p.title, "危険: ") || p.level != "緊急" || len(p.lines) == 0 {
		t.Errorf("%+v", p)
	}
	m.State = events.NoteClosed
	if p := pageOf(m, "ja"); !strings.HasPrefix(p.title, "解消: ") {
		t.Error(p.title)
	}
	m.Kind, m.Counts = "request", &events.NoteCounts{Machines: 5, Done: 4, Failed: 1}
	if p := pageOf(m, "ja"); p.title != "再保護の終了: 5台中4台を保護" {
		t.Error(p.title)
	}
}
