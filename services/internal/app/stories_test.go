package app

import (
	"context"
	"errors"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/internal/journalclient"
	"reprotect.example/services/journal"
)

// The validator asks the journal of its own process where that serves, else the one at journal.url; both know the
// commands that they have, bare ones, too.
func TestStoriesOfTheJournalThatServes(t *testing.T) {
	newJournal := func() *ownJournal {
		s, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "journal.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return &ownJournal{Store: s}
	}
	own, there := newJournal(), newJournal()
	server := httptest.NewServer(journal.Handler(there.Store, journal.HandlerOptions{Serves: there.serves.Load}))
	t.Cleanup(server.Close)
	client, err := journalclient.New(journalclient.Options{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	subject := events.CommandSubject(events.TypeCancel.Kind)
	command := func(id string, sequence uint64) bus.Received {
		return bus.Received{Message: bus.Message{Subject: subject, ID: id, Data: []byte(`{"case": "a"}`)}, Sequence: sequence}
	}
	for s, r := range map[*ownJournal]bus.Received{own: command("", 7), there: command("c1", 1)} {
		if err := s.Keep(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	log := kept{own, client}
	ask := func(id string) (bool, error) { return log.Kept(context.Background(), subject, id) }
	if _, err := ask("c1"); !errors.Is(err, journalclient.ErrUnreachable) {
		t.Errorf("while none serves: %v", err)
	}
	if _, err := log.Story(t.Context(), "a"); !errors.Is(err, journalclient.ErrUnreachable) {
		t.Errorf("while none serves: %v", err)
	}
	there.serves.Store(true)
	for id, want := range map[string]bool{"c1": true, "r7": false} {
		if got, err := ask(id); got != want || err != nil {
			t.Errorf("the other has %s: %v, %v", id, got, err)
		}
	}
	own.serves.Store(true)
	for id, want := range map[string]bool{"c1": false, "r7": true} {
		if got, err := ask(id); got != want || err != nil {
			t.Errorf("the own one has %s: %v, %v", id, got, err)
		}
	}
	if story, err := log.Story(t.Context(), "a"); err != nil || len(story) > 0 {
		t.Errorf("%v, %v", story, err)
	}
}
