package console

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/journal"
	"reprotect.example/services/observed"
	"reprotect.example/services/preflight"
	"reprotect.example/services/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }

// browsed is a journal as the console reads it.
type browsed struct{ *journal.Store }

func (b browsed) Last(ctx context.Context) (uint64, error) {
	place, _, err := b.Store.Last(ctx)
	return place, err
}

func (b browsed) Follow(ctx context.Context, filters []string, from uint64, each func(bus.Received) error) error {
	return b.Read(ctx, journal.Reading{Filters: filters, From: from, Follow: true}, each)
}

func (b browsed) LookBack(ctx context.Context, back Back) ([]bus.Received, uint64, error) {
	return b.Store.LookBack(ctx, journal.Back(back))
}

func (b browsed) Holds(ctx context.Context) (Holding, error) {
	s, err := b.Stats(ctx)
	return Holding{Messages: s.Messages, Cases: s.Cases, Open: s.Open, Bytes: s.Bytes, Newest: s.Newest}, err
}

// world is a console with a journal behind it.
type world struct {
	t       *testing.T
	store   *journal.Store
	server  *httptest.Server
	console *Console
	serves  atomic.Bool
	place   uint64

	mu        sync.Mutex
	published []bus.Message
}

var begun = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

// open serves a console of which this access is the config; options may be changed before.
func open(t *testing.T, a Access, changes ...func(*Options)) *world {
	t.Helper()
	store, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: store}
	w.serves.Store(true)
	drain := make(chan struct{})
	o := Options{
		Journal: browsed{store}, Serves: w.serves.Load, Access: a, Sites: []string{"tokyo"}, Version: "v1.2.3", Drain: drain,
		JournalAPI: journal.Handler(store, journal.HandlerOptions{Serves: w.serves.Load, Drain: drain}),
		Health: func() []status.Part {
			return []status.Part{{Part: "bus", State: status.OK}, {Part: "guard", State: status.Down, What: "vCenter is away"}}
		},
		Publish: func(_ context.Context, m bus.Message) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.published = append(w.published, m)
			return nil
		},
		Preflight:  func(context.Context, preflight.Ask) (preflight.Report, error) { return report(), nil },
		Datastores: func(context.Context, string, string) (events.Placement, error) { return placement(), nil },
	}
	for _, change := range changes {
		change(&o)
	}
	w.console = New(o)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { w.console.Run(ctx) })
	w.server = httptest.NewServer(w.console.Handler())
	t.Cleanup(func() {
		close(drain)
		cancel()
		running.Wait()
		w.server.Close()
		http.DefaultClient.CloseIdleConnections()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func report() preflight.Report {
	m := preflight.Machine{Machine: events.Machine{Name: "web01", Item: "item", Architecture: "modernized", OS: "linux"}, Stage: preflight.FailedOver}
	return preflight.Report{Site: "tokyo", Taken: begun, Cases: []preflight.Case{{
		Machines: []preflight.Machine{m},
		Findings: []events.Finding{{Check: "machine.snapshots", Machine: "web01", Status: "fail", Level: "block", Blocks: true, Evidence: hostile, Remedy: "Remove it."}},
	}}}
}

func placement() events.Placement {
	return events.Placement{Machine: "web01", Datastore: "VMFS-01", Considered: []events.DatastoreVerdict{
		{Name: "VMFS-01", Type: "vmfs", Accepted: true, FreeBytes: 5 << 30}, {Name: hostile, Type: "nfs", Code: "datastore.unsupported", Reason: "Type NFS is not supported."},
	}}
}

const hostile = "<script>alert(1)</script>\u202e\"'=1+1;\x1b[31m"

// fact puts a fact into the journal.
func fact[T any](w *world, t events.Type[T], caseID, step string, position int, data T) {
	w.t.Helper()
	if step == "" {
		step = t.Step
	}
	w.place++
	h := events.Header{
		ID: fmt.Sprintf("%s/%s", caseID, step), Source: "/reprotect/tokyo/test", Type: t.CloudType(), Site: "tokyo", Case: caseID, Subject: caseID,
		Step: step, Request: "r1", Position: position, Time: begun.Add(time.Duration(w.place) * time.Minute),
	}
	if t.Role == events.Report {
		h.ID += fmt.Sprintf("/%d-%s", w.place, t.Name)
	}
	raw, err := events.Encode(events.Event[T]{Header: h, Data: data})
	if err != nil {
		w.t.Fatal(err)
	}
	w.keep(bus.Message{Subject: events.FactSubject("tokyo", caseID, step, t.Name), ID: h.ID, Data: raw})
}

func (w *world) keep(m bus.Message) {
	w.t.Helper()
	if err := w.store.Keep(context.Background(), bus.Received{Message: m, Sequence: w.place, Published: begun, Attempt: 1}); err != nil {
		w.t.Fatal(err)
	}
}

func caseOf(names ...string) events.Case {
	c := events.Case{Reason: "CHG0012345", RequestedBy: "ops@example.com"}
	for _, n := range names {
		c.Machines = append(c.Machines, events.Machine{Name: n, Item: "/items/" + n, Architecture: "modernized", OS: "linux"})
	}
	return c
}

// protected lets a case come to its end.
func (w *world) protected(names ...string) {
	const caseID = "r1-web01"
	c := caseOf(names...)
	var jobs []events.Job
	var ends []events.ProtectedState
	var progress []events.MachineProgress
	for _, n := range names {
		jobs = append(jobs, events.Job{Machine: n, Job: "/jobs/" + n})
		ends = append(ends, events.ProtectedState{Machine: n, Item: "/items/" + n, Since: begun})
		progress = append(progress, events.MachineProgress{Machine: n, State: events.StateReplicating, Percent: 40, Rate: 9 << 20, Task: "Replicate " + hostile})
	}
	fact(w, events.TypeAccepted, caseID, "", 1, events.Accepted{Case: c})
	fact(w, events.TypeValidated, caseID, "", 2, events.Validated{Case: c, Findings: []events.Finding{
		{Check: "machine.failed-over", Machine: names[0], Status: "pass", Level: "block", Evidence: hostile}, {Check: "network.private-path", Status: "warn", Level: "warn", Evidence: hostile, Remedy: "Name it."},
	}})
	fact(w, events.TypePlaced, caseID, "", 3, events.Placed{Case: c})
	fact(w, events.TypeRegistered, caseID, "", 4, events.Registered{Case: c})
	fact(w, events.TypeStarted, caseID, "", 5, events.Started{Case: c, Jobs: jobs})
	for i := range 3 {
		fact(w, events.TypeProgressed, caseID, "", 6+i, events.Progressed{Percent: 30 + 20*i, Machines: progress})
	}
	fact(w, events.TypeCompleted, caseID, "", 10, events.Completed{Case: c, Machines: ends})
}

// alarm puts an alarm of a machine, and returns its id.
func (w *world) alarm(caseID, machine string) string {
	fact(w, events.TypeViolated, caseID, "", 20, events.Violated{Code: "guard.powered-on", Machine: machine, What: machine + " was switched on.", Endangers: "Its disks are written.", Do: "Switch it off."})
	return fmt.Sprintf("%s/guard/%d-violated", caseID, w.place)
}

// answer is what came back.
type reply struct {
	*http.Response
	body string
}

// send sends a request, without following redirects.
func (w *world) send(method, path string, body string, change func(*http.Request)) reply {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	if change != nil {
		change(r)
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{response, string(raw)}
}

func (w *world) get(path string) reply { return w.send(http.MethodGet, path, "", nil) }

// knows waits until the console has taken in all that was kept.
func (w *world) knows() {
	w.t.Helper()
	last, _, err := w.store.Last(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	w.until("the console knows what was kept", func(s *snapshot) bool { return s.Away == nil && s.Place >= last })
}

func (w *world) until(what string, holds func(*snapshot) bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	for {
		s, changed := w.console.board.snapshot()
		if holds(s) {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			w.t.Fatalf("%s: not within a minute", what)
		}
	}
}

var loopback = Access{Loopback: true}

// pages are the addresses of all pages.
func pages(caseID, alarm string) []string {
	return []string{
		"/", "/cases", "/cases?q=WEB&state=needs-you&sort=-machines&page=3", "/cases/" + caseID, "/cases/" + caseID + "?all=1", "/alarms", "/alarms?state=open",
		"/ready-for-failback", "/preflight", "/datastores", "/datastores?for=web01", "/log", "/log?type=completed&since=2026-11-22&person=ops", "/health", "/request?machine=web01",
		"/act/cancel?case=" + caseID, "/act/acknowledge?alarm=" + url.QueryEscape(alarm), "/login",
	}
}

// Whatever stands in names, in words of Azure and in reasons is text on every page, in both languages.
func TestHostileNamesAreText(t *testing.T) {
	t.Parallel()
	w := open(t, Access{Loopback: true, Token: "secret"})
	long := strings.Repeat("ｗeb", 100)
	w.protected("web01", hostile, long)
	alarm := w.alarm("r1-web01", hostile)
	c := caseOf(hostile)
	c.Reason, c.RequestedBy, c.Plan = hostile, hostile, hostile
	fact(w, events.TypeAccepted, "r1-bad", "", 1, events.Accepted{Case: c})
	fact(w, events.TypeWaiting, "r1-bad", "", 2, events.Waiting{For: events.ForOperator, Code: hostile, Message: hostile, Remedy: hostile, Since: begun, Until: begun.Add(time.Hour), NextLook: begun})
	fact(w, events.TypeAccepted, "r1-worse", "", 1, events.Accepted{Case: c})
	fact(w, events.TypeFailed, "r1-worse", events.StepSubmission, 2, events.Failed{Code: "azure.login", Message: hostile, Words: hostile, Remedy: hostile})
	w.knows()
	id := w.console.runs.start(t.Context(), preflight.Ask{Request: events.Request{Machines: []events.RequestMachine{{Name: hostile}}}}, hostile)
	w.eventually("the preflight is done", func() bool { one, err := w.console.runs.find(id); return err == nil && !one.Ended.IsZero() })
	all := append(pages("r1-web01", alarm), "/cases/r1-bad", "/cases/r1-worse", "/preflight/"+id, "/preflight/"+id+"/report", "/cases?q="+url.QueryEscape(hostile), "/nothing"+url.PathEscape(hostile))
	for _, lang := range []string{"en", "ja"} {
		for _, page := range all {
			got := w.send(http.MethodGet, page, "", func(r *http.Request) { r.Header.Set("Accept-Language", lang) })
			if got.StatusCode >= 500 {
				t.Errorf("%s %s: %d %s", lang, page, got.StatusCode, got.body)
			}
			for _, bad := range []string{"<script>alert", "\x1b", "\u202e", "ZgotmplZ", "<no value>", "%!"} {
				if strings.Contains(got.body, bad) {
					t.Errorf("%s %s holds %q", lang, page, bad)
				}
			}
			if !strings.Contains(got.body, `<html lang="`+lang+`"`) && !strings.Contains(page, "/report") {
				t.Errorf("%s %s is in another language", lang, page)
			}
		}
	}
}

func (w *world) eventually(what string, holds func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		if time.Now().After(deadline) {
			w.t.Fatalf("%s: not within a minute", what)
		}
		<-tick.C
	}
}

// A page is sent again when something in it has changed, with what presses in its title, and no sooner.
func TestPagesStayTrue(t *testing.T) {
	t.Parallel()
	w := open(t, loopback)
	w.protected("web01")
	w.knows()
	s := w.stream("/")
	first := s.page()
	if first.Title != "Overview – Reprotect" || !strings.Contains(first.HTML, "Nothing needs a person now.") {
		t.Fatalf("first: %+v", first)
	}
	alarm := w.alarm("r1-web01", "web01")
	second := s.page()
	if second.Title != "(1) Overview – Reprotect" || !strings.Contains(second.HTML, "web01 was switched on.") {
		t.Errorf("with an alarm: %+v", second)
	}
	fact(w, events.TypeAcknowledged, "r1-web01", "", 21, events.Acknowledged{Violation: alarm, Reason: "seen", RequestedBy: "ops"})
	if third := s.page(); third.Title != "Overview – Reprotect" {
		t.Errorf("after it was acknowledged: %s", third.Title)
	}
}

// A console whose process stands by says so, and returns by itself.
func TestStandsByAndReturns(t *testing.T) {
	t.Parallel()
	w := open(t, loopback)
	w.protected("web01")
	w.knows()
	s := w.stream("/cases")
	if first := s.page(); !strings.Contains(first.HTML, "r1-web01") {
		t.Fatal(first.HTML)
	}
	w.serves.Store(false)
	if away := s.page(); !strings.Contains(away.HTML, "stands by") || strings.Contains(away.HTML, "r1-web01") {
		t.Errorf("while it stands by: %s", away.HTML)
	}
	for _, path := range []string{"/api/v1/status", "/api/v1/cases", "/api/v1/alarms", "/api/v1/events"} {
		if got := w.get(path); got.StatusCode != http.StatusServiceUnavailable || !strings.Contains(got.body, "journal.stands-by") {
			t.Errorf("%s while it stands by: %d %s", path, got.StatusCode, got.body)
		}
	}
	if got := w.get("/health"); got.StatusCode != http.StatusOK || !strings.Contains(got.body, "vCenter is away") {
		t.Errorf("health while it stands by: %d", got.StatusCode)
	}
	w.serves.Store(true)
	if back := s.page(); !strings.Contains(back.HTML, "r1-web01") {
		t.Errorf("back: %s", back.HTML)
	}
}

// streamReader reads the events of a stream.
type streamReader struct {
	t  *testing.T
	in *bufio.Scanner
}

func (w *world) stream(path string) *streamReader {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.server.URL+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %s", path, response.Status)
	}
	in := bufio.NewScanner(response.Body)
	in.Buffer(nil, 16<<20)
	return &streamReader{w.t, in}
}

// next is the next event.
func (s *streamReader) next() map[string]string {
	s.t.Helper()
	got := map[string]string{}
	for s.in.Scan() {
		line := s.in.Text()
		if line == "" && len(got) > 0 {
			return got
		}
		if name, value, ok := strings.Cut(line, ": "); ok && name != "" {
			got[name] = value
		}
	}
	s.t.Fatalf("the stream ended: %v", s.in.Err())
	return nil
}

func (s *streamReader) page() (p streamed) {
	s.t.Helper()
	got := s.next()
	if got["event"] != "page" {
		s.t.Fatalf("no page: %v", got)
	}
	if err := json.Unmarshal([]byte(got["data"]), &p); err != nil {
		s.t.Fatal(err)
	}
	return p
}

// Who follows the log by the API and comes back misses nothing.
func TestEventsGoOn(t *testing.T) {
	t.Parallel()
	w := open(t, loopback)
	w.protected("web01")
	w.knows()
	first := w.stream("/api/v1/events?from=1")
	var kinds []string
	var last string
	for range 4 {
		e := first.next()
		kinds, last = append(kinds, e["event"]), e["id"]
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL+"/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Last-Event-ID", last)
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	again := &streamReader{t, bufio.NewScanner(response.Body)}
	again.in.Buffer(nil, 1<<20)
	for range 5 {
		kinds = append(kinds, again.next()["event"])
	}
	want := []string{"accepted", "validated", "placed", "registered", "started", "progressed", "progressed", "progressed", "completed"}
	if !slices.Equal(kinds, want) {
		t.Errorf("got %v, want %v", kinds, want)
	}
}

// More streams than there are slots are refused, and a slot is free again when its client has gone.
func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	w := open(t, loopback)
	w.knows()
	for range mostStreams {
		w.console.streams <- struct{}{}
	}
	got := w.send(http.MethodGet, "/api/v1/events", "", nil)
	if got.StatusCode != http.StatusServiceUnavailable || !strings.Contains(got.body, "console.busy") {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	<-w.console.streams
	w.stream("/").page()
}

// Every text that a page asks for is there, in both languages, and each is asked for.
func TestWords(t *testing.T) {
	t.Parallel()
	for _, key := range slices.Sorted(maps.Keys(words)) {
		w := words[key]
		if w.en == "" || w.ja == "" {
			t.Errorf("%s is not in both languages: %+v", key, w)
		}
		if strings.Count(w.en, "%") != strings.Count(w.ja, "%") {
			t.Errorf("%s takes other things in one language than in the other", key)
		}
	}
	for _, k := range events.Kinds() {
		if _, ok := words["kind-"+k.Name]; !ok && k.Role != events.DeadLetter {
			t.Errorf("the kind %s has no word", k.Name)
		}
	}
	for _, r := range events.Reasons() {
		if _, ok := words["for-"+string(r)]; !ok {
			t.Errorf("the reason %s has no word", r)
		}
	}
	for _, s := range status.StageNames() {
		if _, ok := words["stage-"+s]; !ok || stageClass[s] == "" {
			t.Errorf("the stage %s has no word, or no colour", s)
		}
	}
	for _, s := range events.States() {
		if _, ok := words["machine-"+string(s)]; !ok || (&sheet{}).MachineClass(s) == "" {
			t.Errorf("the state %s has no word, or no colour", s)
		}
	}
	for _, s := range caseStates() {
		if _, ok := words["state-"+s]; !ok {
			t.Errorf("the state %s has no word", s)
		}
	}
}

// What Azure and vCenter refuse is worded as they are, with what to do.
func TestPreflightThatCannotBeMade(t *testing.T) {
	t.Parallel()
	fault := &observed.Fault{Class: observed.Operator, Code: "azure.login", What: "the token is no good", Remedy: "renew it"}
	w := open(t, loopback, func(o *Options) {
		o.Preflight = func(context.Context, preflight.Ask) (preflight.Report, error) { return preflight.Report{}, fault }
		o.Datastores = func(context.Context, string, string) (events.Placement, error) {
			return events.Placement{}, errors.New("no way")
		}
	})
	got := w.get("/api/v1/preflight?machine=web01")
	if got.StatusCode != http.StatusBadGateway || !strings.Contains(got.body, "azure.login") || !strings.Contains(got.body, "renew it") {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if got := w.get("/datastores"); got.StatusCode != http.StatusOK || !strings.Contains(got.body, "no way") {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if got := w.get("/api/v1/preflight?machine=web01&all=true"); got.StatusCode != http.StatusBadRequest {
		t.Errorf("machines and all: %d %s", got.StatusCode, got.body)
	}
}
