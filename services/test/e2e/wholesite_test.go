package e2e

import (
	"path/filepath"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/lab"
)

// A site of three hundred machines: groups, two master targets, late agents, an error of each class, throttling, an
// outage. The daemon that holds all services is killed ten times meanwhile. Every machine ends where the scenario's
// file says.
func TestWholeSite(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	t.Parallel()
	const kills = 10
	scenario, err := filepath.Abs("../../../scripts/scenarios/whole-site.yaml")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.launchLab(0, 600, "--scenario", scenario)
	w.connect()
	w.secrets = w.readSecrets()
	daemon, _ := w.daemon("all")
	w.publish(events.CommandSubject(events.TypeRequest.Kind), "site", `{"plan": "SITE", "requestedBy": "ops@example.com"}`)

	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	deadline := time.After(4 * time.Minute)
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("after four minutes: %v; under way: %v", w.otherwise(), w.open())
		}
		if n < kills {
			daemon.kill(t)
			daemon, _ = w.daemon("all")
		} else if accepted, ended := w.tally(); accepted >= 280 && ended == accepted {
			break
		}
	}
	w.judgeStories()
	if differ := w.otherwise(); len(differ) > 0 {
		t.Errorf("otherwise than the scenario says: %+v", differ)
	}
}

// judgeStories demands that people are told of the whole site in few messages, its end among them.
func (w *world) judgeStories() {
	w.t.Helper()
	end := await(w, events.TypeNotification, "", func(n events.Note) bool { return n.Kind == "request" && n.State == events.NoteClosed })
	entries, _ := w.now()
	stories := 0
	for _, e := range entries {
		if n, ok := e.event.Data.(events.Note); ok {
			stories++
			w.t.Logf("%s %s %s", n.Level, n.State, n.Title)
		}
	}
	if stories >= 25 {
		w.t.Errorf("%d notifications of %+v, want fewer than 25", stories, end.Data.Counts)
	}
}

// tally counts the cases that were accepted, and that have ended.
func (w *world) tally() (accepted, ended int) {
	entries, _ := w.now()
	for _, e := range entries {
		switch {
		case e.kind == events.TypeAccepted.Kind:
			accepted++
		case e.kind.Role == events.End:
			ended++
		}
	}
	return accepted, ended
}

// open lists the cases that were accepted and have not ended, with what was told of each last.
func (w *world) open() map[string]string {
	entries, _ := w.now()
	last := map[string]string{}
	for _, e := range entries {
		if e.kind == events.TypeAccepted.Kind || last[e.event.Case] != "" {
			last[e.event.Case] = string(e.message.Data)
		}
	}
	for _, e := range entries {
		if e.kind.Role == events.End {
			delete(last, e.event.Case)
		}
	}
	return last
}

// otherwise lists the machines that do not stand where the scenario says; those that were submitted once too often
// after a crash, too: only a job that failed is submitted again.
func (w *world) otherwise() (differ []lab.Standing) {
	w.t.Helper()
	all, err := lab.Machines(w.t.Context(), w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	again := map[string]bool{"temporary": true, "operator": true, "unknown": true}
	for _, s := range all {
		if !s.AsExpected() || s.Submissions > 1 && !again[s.Machine] {
			differ = append(differ, s)
		}
	}
	return differ
}
