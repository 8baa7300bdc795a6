package e2e

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/services/cases"
	"reprotect.example/services/cases/recorded"
	"reprotect.example/services/internal/cli"
	"reprotect.example/services/internal/cli/azurebus"
	"reprotect.example/services/internal/cli/jetbus"
	"reprotect.example/services/internal/journalclient"
	"reprotect.example/services/journal"
)

// The same log gives the same answers by the stream, as on NATS, and by the journal, as on Service Bus: of all cases, of
// each with its history, and of the machines that are ready.
func TestStreamAndJournalAnswerAlike(t *testing.T) {
	for _, from := range recorded.Buses() {
		t.Run(from, func(t *testing.T) {
			log := recorded.Load(t, from).Log
			stream, kept := byStream(t, log), byJournal(t, log)
			onStream, inJournal := listedBy(t, stream), listedBy(t, kept)
			if len(onStream) == 0 {
				t.Fatal("no case is listed")
			}
			sameJSON(t, "the list", onStream, inJournal)
			ready := cases.ReadyMachines(onStream)
			sameJSON(t, "what is ready", ready, cases.ReadyMachines(inJournal))
			for _, m := range ready {
				if m.Machine == "erp-1" || m.Machine == "erp-3" {
					t.Errorf("%s is ready, though its failback was seen", m.Machine)
				}
			}
			for _, c := range onStream {
				sameJSON(t, "case "+c.ID, withoutPlaces(caseBy(t, stream, c.ID)), withoutPlaces(caseBy(t, kept, c.ID)))
			}
		})
	}
}

func listedBy(t *testing.T, b cli.Bus) []cases.Case {
	t.Helper()
	all, err := b.Cases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range all { // it may be left out
		all[i].History = nil
	}
	return all
}

func caseBy(t *testing.T, b cli.Bus, id string) cases.Case {
	t.Helper()
	c, found, err := b.Case(t.Context(), id)
	if err != nil || !found {
		t.Fatalf("case %s: %v, %v", id, found, err)
	}
	return c
}

// withoutPlaces takes the places in the log out of a history: journal and stream each count for themselves.
func withoutPlaces(c cases.Case) cases.Case {
	for i := range c.History {
		c.History[i].Sequence = 0
	}
	return c
}

// sameJSON compares what people and programs are shown.
func sameJSON(t *testing.T, what string, stream, journal any) {
	t.Helper()
	if diff := cmp.Diff(jsonOf(t, stream), jsonOf(t, journal)); diff != "" {
		t.Errorf("%s (-by the stream +by the journal):\n%s", what, diff)
	}
}

func byStream(t *testing.T, log []bus.Received) cli.Bus {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(limit) {
		t.Fatal("the NATS server does not get ready")
	}
	conn, err := jetstream.Connect(jetstream.Options{URL: s.ClientURL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if err := conn.SetUp(t.Context(), jetstream.Topology(1)); err != nil {
		t.Fatal(err)
	}
	for _, m := range log {
		if err := conn.Publish(t.Context(), bus.Message{Subject: m.Subject, ID: m.ID, Data: m.Data}); err != nil {
			t.Fatal(err)
		}
	}
	return jetbus.New(conn, nil)
}

func byJournal(t *testing.T, log []bus.Received) cli.Bus {
	t.Helper()
	store, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	if err := store.CatchUp(t.Context(), handing(log)); err != nil {
		t.Fatal(err)
	}
	at := httptest.NewServer(journal.Handler(store, journal.HandlerOptions{}))
	t.Cleanup(at.Close)
	client, err := journalclient.New(journalclient.Options{URL: at.URL})
	if err != nil {
		t.Fatal(err)
	}
	return azurebus.New(azurebus.Options{Journal: client})
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// handing is a stream that holds a log.
func handing(log []bus.Received) func(context.Context, uint64, func(bus.Received) error) error {
	return func(_ context.Context, _ uint64, each func(bus.Received) error) error {
		for _, m := range log {
			if err := each(m); err != nil {
				return err
			}
		}
		return nil
	}
}
