// Package bustest is the contract suite of the bus: what every adapter must do. An adapter's own test calls Run with a harness.
package bustest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// Harness makes buses for the suite.
type Harness struct {
	// Bubble runs a test; memory runs it in virtual time. Default: as it is.
	Bubble func(t *testing.T, f func(t *testing.T))
	// New makes an empty bus (one per test) with the subscriptions of these consumers and returns how to connect to it.
	New func(t *testing.T, consumers ...bus.Consumer) Bus
	// Parallel runs the tests at once, each on a bus of its own.
	Parallel bool
	// AckWait that the suite uses: long enough for a slow machine, short enough to wait for.
	AckWait time.Duration
	// Early is how much too early a wake-up or a retry may come.
	Early time.Duration
	// Cannot lists the tests that the adapter declares it cannot pass, with the reason.
	Cannot map[string]string
}

// Bus is one bus under test.
type Bus struct {
	// Connect opens a connection as a new process would; cut closes it without any farewell.
	Connect func(t *testing.T) (b bus.Broker, cut func())
	// Log reads everything that stands in the event log and among the dead letters.
	Log func(t *testing.T) []bus.Received
	// Sever cuts the network under a connection, of which the process hears nothing; it connects anew by itself once restore
	// is called. An adapter without a network leaves it out and declares what it cannot do.
	Sever func(t *testing.T, b bus.Broker) (restore func())
}

// Test is one of a suite.
type Test struct {
	Name string
	Run  func(t *testing.T, h Harness)
}

// Run runs the suite.
func Run(t *testing.T, h Harness) { RunTests(t, h, brokerTests) }

// RunTests runs another suite over the same harness, of what is built on the bus.
func RunTests(t *testing.T, h Harness, tests []Test) {
	if h.Bubble == nil {
		h.Bubble = func(t *testing.T, f func(t *testing.T)) { f(t) }
	}
	for _, tt := range tests {
		t.Run(tt.Name, func(t *testing.T) {
			if reason, ok := h.Cannot[tt.Name]; ok {
				t.Skip("declared: " + reason)
			}
			if h.Parallel {
				t.Parallel()
			}
			h.Bubble(t, func(t *testing.T) { tt.Run(t, h) })
		})
	}
}

// Names lists the tests of the suite, so that a document about adapters can be held against it.
func Names() []string {
	var names []string
	for _, tt := range brokerTests {
		names = append(names, tt.Name)
	}
	return names
}

var brokerTests = []Test{
	{"delivers what was published, as it was", deliversAsPublished},
	{"delivers only what the filters match", filters},
	{"keeps messages for a subscription that is away", keeps},
	{"delivers what came before the process connected, in order", inOrder},
	{"shares the messages among the instances of a service", shares},
	{"delivers every message to every service", fansOut},
	{"delivers again what was not settled in time", redelivers},
	{"does not deliver again what was settled", settles},
	{"waits for a delivery that is extended", extends},
	{"delivers again after a retry, not before the pause", retries},
	{"drops a second message of one id", dedupes},
	{"swallows no command that has another's id", otherContent},
	{"refuses a message that is too large for it", tooLarge},
	{"lets one outcome of many racers win", oneOutcome},
	{"fences steps and cases apart", fencesApart},
	{"wakes a service, not before the time", wakes},
	{"replaces a wake-up of the same key", replacesWake},
	{"keeps a wake-up for a process that comes later", wakeOutlives},
	{"shows no wake-up in the event log", wakeHidden},
	{"carries a wake-up of the size that it promises, and refuses one that is too large", wakeSizes},
	{"keeps a dead letter and gives the message up", deadLetters},
	{"shows the newest mark of a subject", stands},
	{"decides a step anew, once, after a mark that makes its outcome void", decidesAnew},
	{"lets one process hold a service, and the next after its release", holds},
	{"gives a service to the next when its holder dies", holdOutlived},
	{"never lets two processes hold a service when the holder's network is cut", holdSevered},
}

func consumer(h Harness, service string, filters ...string) bus.Consumer {
	if len(filters) == 0 {
		filters = []string{"reprotect.event.*.*.request.accepted"}
	}
	return bus.Consumer{Service: service, Filters: filters, AckWait: h.AckWait, Pending: 64}
}

// Message is an outcome of a step.
func Message(caseID, step, name string) bus.Message {
	return bus.Message{
		Subject: events.FactSubject("tokyo", caseID, step, name),
		ID:      caseID + "/" + step,
		Once:    events.OutcomeFilter("tokyo", caseID, step),
		Headers: map[string]string{"ce-test": "yes"},
		Data:    []byte(`{"case":"` + caseID + `"}`),
	}
}

// Patience bounds every wait of the suite.
func Patience(t *testing.T, h Harness) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*h.AckWait+20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// Publish stores messages, or fails the test.
func Publish(t *testing.T, ctx context.Context, b bus.Broker, messages ...bus.Message) {
	t.Helper()
	for _, m := range messages {
		if err := b.Publish(ctx, m); err != nil {
			t.Fatalf("publish %s: %v", m.Subject, err)
		}
	}
}

// Consume attaches a source that closes with the test.
func Consume(t *testing.T, ctx context.Context, b bus.Broker, c bus.Consumer) bus.Source {
	t.Helper()
	s, err := b.Consume(ctx, c)
	if err != nil {
		t.Fatalf("consume as %s: %v", c.Service, err)
	}
	t.Cleanup(s.Close)
	return s
}

// Next is the next delivery, or fails the test.
func Next(t *testing.T, ctx context.Context, s bus.Source) bus.Delivery {
	t.Helper()
	d, err := s.Next(ctx)
	if err != nil {
		t.Fatalf("no delivery: %v", err)
	}
	return d
}

func settle(t *testing.T, ctx context.Context, d bus.Delivery) {
	t.Helper()
	if err := d.Ack(ctx); err != nil {
		t.Fatalf("settle: %v", err)
	}
}

// Silent fails when there is a delivery within the time.
func Silent(t *testing.T, ctx context.Context, s bus.Source, d time.Duration) {
	t.Helper()
	short, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	if got, err := s.Next(short); err == nil {
		t.Fatalf("delivered again: %s, attempt %d", got.Received().Subject, got.Received().Attempt)
	}
}

func deliversAsPublished(t *testing.T, h Harness) {
	c := consumer(h, "validator")
	b, ctx := h.New(t, c), Patience(t, h)
	conn, _ := b.Connect(t)
	sent := Message("a", "request", "accepted")
	Publish(t, ctx, conn, sent)
	r := Next(t, ctx, Consume(t, ctx, conn, c)).Received()
	if r.Subject != sent.Subject || r.ID != sent.ID || string(r.Data) != string(sent.Data) || r.Headers["ce-test"] != "yes" {
		t.Errorf("got %+v, sent %+v", r, sent)
	}
	if r.Attempt != 1 || r.Sequence == 0 || r.Published.IsZero() || r.Woken {
		t.Errorf("attempt %d, sequence %d, published %v, woken %v", r.Attempt, r.Sequence, r.Published, r.Woken)
	}
}

func filters(t *testing.T, h Harness) {
	c := consumer(h, "executor", "reprotect.event.*.*.submission.started", "reprotect.command.>")
	b, ctx := h.New(t, c), Patience(t, h)
	conn, _ := b.Connect(t)
	Publish(t, ctx, conn, Message("a", "request", "accepted"), Message("a", "submission", "rejected"),
		bus.Message{Subject: "reprotect.command.request", Data: []byte("{}")}, Message("b", "submission", "started"))
	s := Consume(t, ctx, conn, c)
	var got []string
	for range 2 {
		d := Next(t, ctx, s)
		got = append(got, d.Received().Subject)
		settle(t, ctx, d)
	}
	slices.Sort(got) // order is promised within a filter only
	if want := []string{"reprotect.command.request", "reprotect.event.tokyo.b.submission.started"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	Silent(t, ctx, s, h.AckWait/2)
}

func keeps(t *testing.T, h Harness) {
	c := consumer(h, "validator")
	b, ctx := h.New(t, c), Patience(t, h)
	first, cut := b.Connect(t)
	s := Consume(t, ctx, first, c)
	Publish(t, ctx, first, Message("a", "request", "accepted"))
	settle(t, ctx, Next(t, ctx, s))
	cut()
	second, _ := b.Connect(t)
	Publish(t, ctx, second, Message("b", "request", "accepted"))
	third, _ := b.Connect(t)
	if got := Next(t, ctx, Consume(t, ctx, third, c)).Received().Subject; got != "reprotect.event.tokyo.b.request.accepted" {
		t.Errorf("got %s", got)
	}
}

func inOrder(t *testing.T, h Harness) {
	c := consumer(h, "validator")
	b, ctx := h.New(t, c), Patience(t, h)
	conn, _ := b.Connect(t)
	for i := range 20 {
		Publish(t, ctx, conn, Message(fmt.Sprint("c", i), "request", "accepted"))
	}
	s := Consume(t, ctx, conn, c)
	var last uint64
	for i := range 20 {
		d := Next(t, ctx, s)
		r := d.Received()
		if r.ID != fmt.Sprintf("c%d/request", i) || r.Sequence <= last {
			t.Fatalf("delivery %d is %s, sequence %d after %d", i, r.ID, r.Sequence, last)
		}
		last = r.Sequence
		settle(t, ctx, d)
	}
}

func shares(t *testing.T, h Harness) {
	c := consumer(h, "validator")
	b, ctx := h.New(t, c), Patience(t, h)
	var mu sync.Mutex
	seen := map[string]int{}
	all := make(chan struct{})
	const n = 40
	running, stop := context.WithCancel(ctx)
	var instances sync.WaitGroup
	for range 2 {
		conn, _ := b.Connect(t)
		s := Consume(t, ctx, conn, c)
		instances.Go(func() {
			for {
				d, err := s.Next(running)
				if err != nil {
					return
				}
				if err := d.Ack(ctx); err != nil {
					t.Errorf("settle: %v", err)
				}
				mu.Lock()
				seen[d.Received().ID]++
				if len(seen) == n {
					close(all)
				}
				mu.Unlock()
			}
		})
	}
	conn, _ := b.Connect(t)
	for i := range n {
		Publish(t, ctx, conn, Message(fmt.Sprint("c", i), "request", "accepted"))
	}
	select {
	case <-all:
	case <-ctx.Done():
		t.Errorf("only %d of %d messages came", len(seen), n)
	}
	stop()
	instances.Wait()
	for id, times := range seen {
		if times != 1 {
			t.Errorf("%s was delivered %d times", id, times)
		}
	}
}

func fansOut(t *testing.T, h Harness) {
	one, two := consumer(h, "validator"), consumer(h, "notifier", "reprotect.event.*.*.*.*")
	b, ctx := h.New(t, one, two), Patience(t, h)
	conn, _ := b.Connect(t)
	Publish(t, ctx, conn, Message("a", "request", "accepted"))
	for _, c := range []bus.Consumer{one, two} {
		if got := Next(t, ctx, Consume(t, ctx, conn, c)).Received().ID; got != "a/request" {
			t.Errorf("%s got %s", c.Service, got)
		}
	}
}

func redelivers(t *testing.T, h Harness) {
	c := consumer(h, "validator")
	b, ctx := h.New(t, c), Patience(t, h)
	conn, cut := b.Connect(t)
	Publish(t, ctx, conn, Message("a", "request", "accepted"))
	Next(t, ctx, Consume(t, ctx, conn, c))
	cut()
	again, _ := b.Connect(t)
	r := Next(t, ctx, Consume(t, ctx, again, c)).Received()
	if r.ID != "a/request" || r.Attempt != 2 {
		t.Errorf("got %s, attempt %d", r.ID, r.Attempt)
	}
}

func settles(t *testing.T, h Harness) {
	c := consumer(h, "validator")
	b, ctx := h.New(t, c), Patience(t, h)
	conn, _ := b.Connect(t)
	Publish(t, ctx, conn, Message("a", "request", "accepted"))
	s := Consume(t, ctx, conn, c)
	settle(t, ctx, Next(t, ctx, s))
	Silent(t, ctx, s, 2*h.AckWait)
}

func extends(t *testing.T, h Harness) {
	c := consumer(h, "validator")
	b, ctx := h.New(t, c), Patience(t, h)
	conn, _ := b.Connect(t)
	Publish(t, ctx, conn, Message("a", "request", "accepted"))
	s := Consume(t, ctx, conn, c)
	d := Next(t, ctx, s)
	for range 6 {
		Silent(t, ctx, s, h.AckWait/2)
		if err := d.Extend(ctx); err != nil {
			t.Fatalf("extend: %v", err)
		}
	}
	settle(t, ctx, d)
	Silent(t, ctx, s, 2*h.AckWait)
}

func retries(t *testing.T, h Harness) {
	c := consumer(h, "validator")
	b, ctx := h.New(t, c), Patience(t, h)
	conn, _ := b.Connect(t)
	Publish(t, ctx, conn, Message("a", "request", "accepted"))
	s := Consume(t, ctx, conn, c)
	pause := h.AckWait/2 + h.Early
	before := time.Now()
	if err := Next(t, ctx, s).Retry(ctx, pause); err != nil {
		t.Fatalf("retry: %v", err)
	}
	r := Next(t, ctx, s).Received()
	if r.Attempt != 2 || time.Since(before) < pause-h.Early {
		t.Errorf("attempt %d after %v, asked for a pause of %v", r.Attempt, time.Since(before), pause)
	}
}

func dedupes(t *testing.T, h Harness) {
	c := consumer(h, "validator", "reprotect.event.*.*.progress.*")
	b, ctx := h.New(t, c), Patience(t, h)
	conn, _ := b.Connect(t)
	m := bus.Message{Subject: events.FactSubject("tokyo", "a", "progress", "waiting"), ID: "a/progress/3", Data: []byte("{}")}
	Publish(t, ctx, conn, m, m)
	s := Consume(t, ctx, conn, c)
	settle(t, ctx, Next(t, ctx, s))
	Silent(t, ctx, s, h.AckWait)
}

// F9, nats-N7: a command whose id another one had, with other content, is refused in words or delivered like any other; its
// sender, who may be a change system that corrects a request, is never left without an answer.
func otherContent(t *testing.T, h Harness) {
	c := consumer(h, "validator", "reprotect.command.>")
	b, ctx := h.New(t, c), Patience(t, h)
	conn, _ := b.Connect(t)
	command := func(machine string) bus.Message {
		return bus.Message{Subject: "reprotect.command.request", ID: "CHG0012345", Data: []byte(`{"machines":[{"name":"` + machine + `"}]}`)}
	}
	s := Consume(t, ctx, conn, c)
	Publish(t, ctx, conn, command("vm015"))
	settle(t, ctx, Next(t, ctx, s))
	switch err := conn.Publish(ctx, command("vm016")); {
	case errors.Is(err, bus.ErrOtherContent):
	case err != nil:
		t.Fatal(err)
	default:
		d := Next(t, ctx, s)
		if r := d.Received(); string(r.Data) != string(command("vm016").Data) || r.ID != "CHG0012345" {
			t.Errorf("delivered: %s %s", r.ID, r.Data)
		}
		settle(t, ctx, d)
	}
}

func deadLetters(t *testing.T, h Harness) {
	c := consumer(h, "validator")
	b, ctx := h.New(t, c), Patience(t, h)
	conn, _ := b.Connect(t)
	Publish(t, ctx, conn, Message("a", "request", "accepted"))
	s := Consume(t, ctx, conn, c)
	dead := bus.Message{Subject: events.DeadSubject("validator"), ID: "validator/1/1", Data: []byte(`{"why":"test"}`)}
	if err := Next(t, ctx, s).DeadLetter(ctx, dead); err != nil {
		t.Fatalf("give up: %v", err)
	}
	Silent(t, ctx, s, 2*h.AckWait)
	log := b.Log(t)
	if i := slices.IndexFunc(log, func(r bus.Received) bool { return r.Subject == dead.Subject }); i < 0 || string(log[i].Data) != string(dead.Data) {
		t.Errorf("no dead letter among %d messages", len(log))
	}
}
