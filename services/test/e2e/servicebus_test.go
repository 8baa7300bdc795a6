package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/google/go-cmp/cmp"

	"reprotect.example/events"
	"reprotect.example/services/internal/app"
	"reprotect.example/services/lab"
)

// onServiceBus runs a lab whose bus is the stand-in for Azure Service Bus, as a process.
func onServiceBus(t *testing.T, machines int, speed float64) *world {
	t.Helper()
	w := newWorld(t)
	w.launchLab(machines, speed, "--bus", "servicebus")
	w.secrets = w.readSecrets()
	return w
}

// send publishes bare JSON as any Service Bus client can: with a label, and nothing else.
func (w *world) send(id, label, body string) {
	w.t.Helper()
	client, err := azservicebus.NewClientFromConnectionString(w.ready.ServiceBus.ConnectionString, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = client.Close(w.t.Context()) }()
	sender, err := client.NewSender("reprotect-commands", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := sender.SendMessage(w.t.Context(), &azservicebus.Message{MessageID: &id, Subject: &label, Body: []byte(body)}, nil); err != nil {
		w.t.Fatal(err)
	}
}

// until polls until the condition holds.
func (w *world) until(what string, most time.Duration, holds func() bool) {
	w.t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(most); !holds(); {
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Fatalf("not within %s: %s", most, what)
		}
	}
}

// Every service is killed in turn, and every connection to the bus cut, while fifty machines are on their way.
func TestServiceBusKilledAndCut(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	t.Parallel()
	const machines = 50
	w := onServiceBus(t, machines, 300)
	targets := app.Targets()
	running := map[string]*process{}
	for _, target := range targets {
		running[target], _ = w.daemon(target)
	}
	names, err := json.Marshal(slices.Collect(func(yield func(map[string]string) bool) {
		for _, m := range w.ready.Machines {
			if !yield(map[string]string{"name": m}) {
				return
			}
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	w.send("fifty", "reprotect.command.request", fmt.Sprintf(`{"machines": %s}`, names))
	tick := time.NewTicker(400 * time.Millisecond)
	defer tick.Stop()
	for i := range 2 * len(targets) {
		<-tick.C
		if i%3 == 0 {
			w.do("cut-bus")
		}
		target := targets[i%len(targets)]
		running[target].kill(t)
		running[target], _ = w.daemon(target)
	}
	standings := func() []lab.Standing {
		all, err := lab.Machines(t.Context(), w.dir)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	w.until("all are protected", 3*time.Minute, func() bool {
		return !slices.ContainsFunc(standings(), func(s lab.Standing) bool { return !s.AsExpected() })
	})
	submissions := 0
	for _, s := range standings() {
		submissions += s.Submissions
		if s.Submissions != 1 {
			t.Errorf("%s was submitted %d times", s.Machine, s.Submissions)
		}
	}
	if submissions != machines {
		t.Errorf("%d submissions of %d machines", submissions, machines)
	}
	w.until("the journal has the end of every case", time.Minute, func() bool {
		return strings.Count(w.command(0, "list"), " completed ") == machines
	})
	if dead := w.command(0, "bus", "dead", "list", "-o", "json"); strings.TrimSpace(dead) != "[]" {
		t.Errorf("dead letters: %s", dead)
	}
	w.secretFree("the log", w.logged.String())
}

// The same commands give the same answers on both buses.
func TestTheSameAnswersOnBothBuses(t *testing.T) {
	t.Parallel()
	answers := map[string]map[string]any{}
	for _, bus := range []string{"nats", "servicebus"} {
		t.Run(bus, func(t *testing.T) {
			w := newWorld(t)
			w.launchLab(3, 600, "--bus", bus)
			w.secrets = w.readSecrets()
			w.do("hold-agent", "app01")
			w.getsReady(w.daemon("all"))
			got, same := map[string]any{}, &alike{}
			ask := func(what string, status int, args ...string) {
				got[what] = same.document(t, w.command(status, append(args, "-o", "json")...))
			}
			request := w.command(0, "request", "web01", "db01", "app01", "--reason", "CHG1")
			ids := strings.Fields(request)
			if len(ids) != 3 {
				t.Fatalf("the request became %q", request)
			}
			for _, id := range ids[:2] {
				w.command(0, "watch", id)
			}
			w.until("the third case waits", limit, func() bool { return strings.Contains(w.command(0, "show", ids[2]), "Waits for") })
			ask("cancel what has ended", 1, "cancel", ids[0])
			w.command(0, "cancel", ids[2], "--reason", "wrong window", "--wait")
			w.do("register-agent", "app01")
			if next := strings.TrimSpace(w.command(0, "retry", ids[2])); next != ids[2]+"--2" {
				t.Errorf("the retry is %q", next)
			}
			w.command(0, "watch", ids[2]+"--2")
			ask("list", 0, "list")
			ask("ready", 0, "list", "--ready")
			for i, id := range append(ids, ids[2]+"--2") {
				ask(fmt.Sprint("show ", i), 0, "show", id)
			}
			ask("dead letters", 0, "bus", "dead", "list")
			if log := w.command(0, "log", "-o", "jsonl"); strings.Count(log, `"io.reprotect.completed.v1"`) != 3 {
				t.Errorf("the log has not three ends:\n%s", log)
			}
			if status := w.command(0, "bus", "status"); !strings.Contains(status, "executor") || !strings.Contains(status, "0 dead letters") {
				t.Errorf("status:\n%s", status)
			}
			w.acknowledges("web01", ids[0])
			answers[bus] = got
		})
	}
	if diff := cmp.Diff(answers["nats"], answers["servicebus"]); diff != "" {
		t.Errorf("-NATS +Service Bus:\n%s", diff)
	}
}

// acknowledges switches a protected machine on, and demands that its alarm is the first that list shows, ends with the machine
// off, and stays until somebody has seen to it.
func (w *world) acknowledges(machine, id string) {
	w.t.Helper()
	shows := func(text string) func() bool {
		return func() bool { return strings.Contains(w.command(0, "show", id), text) }
	}
	w.do("power-on", machine)
	w.until("the alarm", limit, shows("\n  Alarm: "))
	if first := strings.Split(w.command(0, "list"), "\n")[1]; !strings.HasPrefix(first, id) {
		w.t.Errorf("list begins with %q", first)
	}
	w.do("power-off", machine)
	w.until("its end", limit, shows("is switched off on-premises again"))
	if !strings.Contains(w.command(0, "list", "--ready"), "was switched on") {
		w.t.Error("what may have left damage does not stay")
	}
	w.command(0, "acknowledge", machine, "--reason", "resynchronized")
	if shows("\n  Alarm: ")() || !shows("acknowledged by ")() {
		w.t.Errorf("after it was seen to:\n%s", w.command(0, "show", id))
	}
	w.command(1, "acknowledge", machine, "--reason", "again")
}

// alike makes the answers of two runs comparable. It leaves out the place in the log, which depends on how the cases
// mix, and of a history the reports on the way: how often a case is looked at while it waits or replicates is a matter
// of time. What is new in each run is replaced: ids of requests, which the commands make up, by their number in the
// order in which the run came upon them, and what ownToARun knows by a word for it.
type alike struct{ requests []string }

var requestID = regexp.MustCompile(`r-\d{8}-[a-z0-9]{6}`)

var ownToARun = map[string]*regexp.Regexp{
	"a moment":    regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d[0-9:.]*Z?`),
	"a job":       regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`), // the vault names them
	"an address":  regexp.MustCompile(`127\.0\.0\.1:\d+`),                          // of the lab
	"all objects": regexp.MustCompile(`\d+ objects`),                               // depends on which cases share a look
}

func (a *alike) document(t *testing.T, text string) any {
	t.Helper()
	var v any
	if text != "" {
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	return a.value(v)
}

func (a *alike) value(v any) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "sequence")
		delete(v, "lag") // of list --ready: of that moment
		for key, value := range v {
			v[key] = a.value(value)
		}
	case []any:
		v = slices.DeleteFunc(v, func(one any) bool {
			line, _ := one.(map[string]any)
			return line["kind"] == events.TypeWaiting.Name || line["kind"] == events.TypeProgressed.Name
		})
		for i := range v {
			v[i] = a.value(v[i])
		}
		return v
	case string:
		v = requestID.ReplaceAllStringFunc(v, func(id string) string {
			if !slices.Contains(a.requests, id) {
				a.requests = append(a.requests, id)
			}
			return fmt.Sprint("r", slices.Index(a.requests, id))
		})
		for word, pattern := range ownToARun {
			v = pattern.ReplaceAllString(v, word)
		}
		return v
	}
	return v
}
