package azurebus_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/events/bus/jetstream/embedded"
	"reprotect.example/events/bus/servicebus"
	"reprotect.example/services/internal/cli"
	"reprotect.example/services/internal/cli/azurebus"
	"reprotect.example/services/internal/cli/jetbus"
	"reprotect.example/services/internal/journalclient"
	"reprotect.example/services/journal"
	"reprotect.example/services/preflight"
)

var begun = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

func fact[T any](t *testing.T, kind events.Type[T], caseID, step string, position int, data T) bus.Message {
	t.Helper()
	if step == "" {
		step = kind.Step
	}
	h := events.Header{
		ID: caseID + "/" + step, Source: "/reprotect/tokyo/test", Type: kind.CloudType(), DataSchema: kind.Schema(), Subject: caseID, Site: "tokyo", Case: caseID,
		Step: step, Request: "r1", Position: position, Time: begun.Add(time.Duration(position) * time.Minute),
	}
	if kind.Role == events.Report {
		h.ID += "/" + strconv.Itoa(position)
	}
	raw, err := events.Encode(events.Event[T]{Header: h, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	return bus.Message{Subject: events.FactSubject("tokyo", caseID, step, kind.Name), ID: h.ID, Data: raw}
}

// log has a case of two machines that ended well and was endangered twice, one that failed, one under way that
// waits, and a request that waits beside one that became a case.
func log(t *testing.T) []bus.Message {
	of := func(names ...string) (c events.Case) {
		c.Reason, c.RequestedBy = "CHG1", "ops@host"
		for _, n := range names {
			c.Machines = append(c.Machines, events.Machine{Name: n, Item: "/i", Architecture: "modernized", OS: "linux"})
		}
		return c
	}
	half, a, b := 50, of("web01", "web02"), of("db01")
	violated := func(position int, what string) bus.Message {
		return fact(t, events.TypeViolated, "r1-a", "", position, events.Violated{Code: "guard.x", What: what, Machine: "web01", Endangers: "x.", Do: "y."})
	}
	return []bus.Message{
		fact(t, events.TypeAccepted, "r1-a", "", 1, events.Accepted{Case: a}),
		fact(t, events.TypeValidated, "r1-a", "", 2, events.Validated{Case: a, Findings: []events.Finding{{Check: "machine.snapshots", Machine: "web01", Status: "pass", Level: "info"}}}),
		fact(t, events.TypeAccepted, "r1-b", "", 1, events.Accepted{Case: b}),
		fact(t, events.TypeStarted, "r1-a", "", 3, events.Started{Case: a, Jobs: []events.Job{{Machine: "web01", Job: "j1"}, {Machine: "web02", Job: "j2"}}}),
		fact(t, events.TypeProgressed, "r1-a", "", 4, events.Progressed{Percent: 30, Machines: []events.MachineProgress{{Machine: "web01", State: "replicating", Percent: 40, Replication: &half}}}),
		violated(5, "It was switched on."),
		fact(t, events.TypeProgressed, "r1-a", "", 6, events.Progressed{Percent: 60, Machines: []events.MachineProgress{{Machine: "web01", State: "protected", Percent: 100}}}),
		violated(7, "It was switched on again."),
		fact(t, events.TypeCompleted, "r1-a", "", 8, events.Completed{Case: a, Machines: []events.ProtectedState{{Machine: "web01", Since: begun}, {Machine: "web02", Since: begun}}}),
		fact(t, events.TypeFailed, "r1-b", events.StepValidation, 9, events.Failed{Case: &b, Code: "x.y", Message: "No.", Remedy: "Do.", Words: "Azure's."}),
		fact(t, events.TypeAccepted, "r1-c", "", 10, events.Accepted{Case: of("app01")}),
		fact(t, events.TypeWaiting, "r1-c", "", 11, events.Waiting{For: "agent", Message: "Not yet.", Since: begun}),
		fact(t, events.TypeWaiting, "r1-c", "", 12, events.Waiting{For: "agent", Message: "Still not yet.", Since: begun}),
		fact(t, events.TypeWaiting, "r1", "", 1, events.Waiting{For: "vcenter", Message: "Away.", Since: begun}),
	}
}

// Where the cases stand comes from the journal's projection, and is what the stream of NATS tells.
func TestCasesComeFromTheProjection(t *testing.T) {
	server, err := embedded.Start(embedded.Options{Dir: t.TempDir(), Fast: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	nats, err := jetstream.Connect(jetstream.Options{URL: server.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nats.Close)
	if err := nats.SetUp(t.Context(), jetstream.Topology(1)); err != nil {
		t.Fatal(err)
	}
	store, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	for _, m := range log(t) {
		if err := nats.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.CatchUp(t.Context(), nats.Since); err != nil {
		t.Fatal(err)
	}
	var asked []string
	api := journal.Handler(store, journal.HandlerOptions{})
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		api.ServeHTTP(w, r)
	}))
	t.Cleanup(pages.Close)
	client, err := journalclient.New(journalclient.Options{URL: pages.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	run := func(b cli.Bus, args ...string) string {
		var out, errs bytes.Buffer
		deps := cli.Deps{Ready: noneReady, Open: func(context.Context, string) (cli.Bus, error) { return open{b}, nil }}
		status := cli.Main(t.Context(), args, deps, nil, &out, &errs)
		return strconv.Itoa(status) + "\n" + out.String() + errs.String()
	}
	for _, tt := range []struct {
		ask  []string
		path string // what the answer is read from; of what is no case, a request's cases may be asked for
	}{
		{[]string{"list", "-o", "json"}, "/api/v1/cases"},
		{[]string{"list"}, "/api/v1/cases"},
		{[]string{"list", "--ready", "-o", "json"}, "/api/v1/cases"},
		{[]string{"show", "r1-a", "-o", "json"}, "/api/v1/cases/r1-a"},
		{[]string{"show", "r1-b"}, "/api/v1/cases/r1-b"},
		{[]string{"show", "r1-c", "-o", "json"}, "/api/v1/cases/r1-c"},
		{[]string{"show", "r9"}, "/api/v1/cases/r9"},
		{[]string{"show", "r1"}, "/api/v1/cases/r1"},
	} {
		asked = nil
		azure := run(azurebus.New(azurebus.Options{Journal: client}), tt.ask...)
		if asked[0] != tt.path || slices.ContainsFunc(asked[1:], func(path string) bool { return path != "/api/v1/cases" }) {
			t.Errorf("%v asks the journal for %v", tt.ask, asked)
		}
		if diff := cmp.Diff(run(jetbus.New(nats, nil), tt.ask...), azure); diff != "" {
			t.Errorf("%v (-NATS +Service Bus):\n%s", tt.ask, diff)
		}
	}
}

// What Azure does not count stays open, and is not said to be none. F5b: what a topic has taken stands beside what it may,
// with a warning when that is nearly all.
func TestStatusSaysOnlyWhatAzureCounts(t *testing.T) {
	b := azurebus.New(azurebus.Options{
		Name: "contoso", Close: func() {},
		Status: func(context.Context) (servicebus.State, error) {
			return servicebus.State{Messages: 3, Bytes: 2048, Topics: []servicebus.Room{{Name: "reprotect", Bytes: 4096 << 20, Limit: 5120 << 20}, {Name: "reprotect-commands", Bytes: 1 << 20, Limit: 5120 << 20}}, Services: []servicebus.ServiceState{{Service: "executor", Pending: 12, Waiting: 4}}}, nil
		},
	})
	for _, tt := range []struct{ args, want string }{
		{"bus status", "Server     contoso\nEvent log  3 messages, 2.0 kB\n" +
			"Room       reprotect: 4096.0 MB of 5120.0 MB (80 %): when it is full, nothing goes on; see what nobody takes below, or give it more room\n" +
			"Room       reprotect-commands: 1.0 MB of 5120.0 MB (0 %)\nGiven up   0 dead letters\n\n" +
			"SERVICE   PENDING  UNDER WAY  AGAIN  WAITING\nexecutor  12       -          -      4\n"},
		{"bus status -o json", `"services":[{"service":"executor","pending":12,"waiting":4}]`},
	} {
		var out, errs bytes.Buffer
		deps := cli.Deps{Ready: noneReady, Open: func(context.Context, string) (cli.Bus, error) { return b, nil }}
		status := cli.Main(t.Context(), strings.Fields(tt.args), deps, nil, &out, &errs)
		got := out.String()
		if strings.HasSuffix(tt.args, "json") {
			got = strings.Join(strings.Fields(got), "")
		}
		if status != 0 || !strings.Contains(got, tt.want) {
			t.Errorf("%s: status %d\n%s%s", tt.args, status, got, errs.String())
		}
	}
}

// open stays so: many commands use it.
type open struct{ cli.Bus }

func (open) Close() {}

// noneReady is a vault without machines that replicate back.
func noneReady(context.Context, string, string) ([]preflight.Readiness, error) {
	return []preflight.Readiness{}, nil
}
