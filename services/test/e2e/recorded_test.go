package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"go.yaml.in/yaml/v3"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/services/cases"
	"reprotect.example/services/cases/recorded"
	"reprotect.example/services/internal/app"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/journal"
	"reprotect.example/services/lab/scenario"
)

// left is what the program before left when it was stopped, with cases under way in every stage.
type left struct {
	recorded.Recording
	entries  []cases.Entry
	open     []cases.Case
	machines []scenario.Machine // of all cases
}

func loadLeft(t *testing.T, from string) left {
	t.Helper()
	l := left{Recording: shifted(t, renamed(recorded.Load(t, from)))}
	for _, m := range l.Log {
		l.entries = append(l.entries, cases.ReadEntry(m))
	}
	for _, c := range cases.All(l.entries) {
		for _, m := range c.Machines {
			known := slices.ContainsFunc(l.machines, func(k scenario.Machine) bool { return k.Name == m.Name })
			if m.Architecture != "" && !known {
				l.machines = append(l.machines, machine(m.Name, m.Architecture, m.OS))
			}
		}
		if !c.End {
			l.open = append(l.open, c)
		}
	}
	if len(l.open) != 8 {
		t.Errorf("%d cases were under way", len(l.open))
	}
	return l
}

// ofOpen says whether a fact is of a case that was under way.
func (l left) ofOpen(e cases.Entry) bool {
	return cases.IsFact(e) && slices.ContainsFunc(l.open, func(c cases.Case) bool { return c.ID == e.Header.Case })
}

// startJobs starts the jobs that the program before had started: the lab gives them the same ids.
func (w *world) startJobs(l left) {
	w.t.Helper()
	azure := vaultOf(w.t, w.config)
	for _, e := range l.entries {
		d, ok := e.Data.(events.Started)
		if !ok || !l.ofOpen(e) {
			continue
		}
		for i, j := range d.Jobs {
			if j.Refused != nil {
				continue
			}
			if job := submit(w.t, azure, d.Case.Machines[i]); job != j.Job {
				w.t.Fatalf("the lab names the job of %s %s, the log %s", j.Machine, job, j.Job)
			}
		}
	}
}

// The program before was stopped with cases under way. This one takes up its streams as they stood, with what it had not
// answered yet and its wake-ups, and brings every machine home.
func TestRecordedCasesGoOn(t *testing.T) {
	l := loadLeft(t, recorded.NATS)
	w := start(t, append(l.machines, modernized("turn-1"))...) // of a request that nobody had answered yet
	w.config = with(w.config, func(s *config.Site) { s.Limits.AgentWait = 10 * time.Minute })
	w.startJobs(l)
	w.takeUp(l.Recording, l.entries)
	w.serve(w.config)
	for _, c := range l.open {
		if strings.HasSuffix(c.ID, "--u-cancel") { // the program before had not answered the command yet
			await(w, events.TypeCancelled, c.ID)
			w.submissions("u-cancel", 0)
			continue
		}
		w.completes(c.ID)
		for _, m := range c.Machines {
			w.submissions(m.Name, 1)
		}
	}
	turn := await(w, events.TypeAccepted, "", func(d events.Accepted) bool { return d.Case.Machines[0].Name == "turn-1" })
	w.completes(turn.Case)
}

// On Service Bus the program before leaves a journal, and in each subscription, or put off in the queue beside it, the event
// that the service has not answered.
func TestRecordedCasesGoOnOnServiceBus(t *testing.T) {
	t.Parallel()
	l := loadLeft(t, recorded.ServiceBus)
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "site.yaml")
	site := scenario.Default(0)
	site.Machines = l.machines
	text, err := yaml.Marshal(site)
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.launchLab(0, speed, "--bus", "servicebus", "--scenario", file)
	w.startJobs(l)
	w.fillJournal(l.Log)
	opened, err := app.OpenBus(t.Context(), w.config, "test", false, w.log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(opened.Close)
	unanswered := map[string]bus.Received{} // by case
	for i, e := range l.entries {
		if e.Kind.Role == events.Outcome && l.ofOpen(e) {
			unanswered[e.Header.Case] = l.Log[i]
		}
	}
	for _, m := range unanswered {
		if err := opened.Publish(t.Context(), bus.Message{Subject: m.Subject, ID: m.ID, Data: m.Data}); err != nil {
			t.Fatal(err)
		}
	}
	w.getsReady(w.daemon("all"))
	w.until("every case has ended well", limit, func() bool {
		all, err := opened.Journal.Cases(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return !slices.ContainsFunc(l.open, func(was cases.Case) bool {
			return !slices.ContainsFunc(all, func(c cases.Case) bool { return c.ID == was.ID && c.State == events.CaseCompleted })
		})
	})
	for _, c := range l.open {
		for _, m := range c.Machines {
			w.submissions(m.Name, 1)
		}
	}
}

// fillJournal makes the journal that the program before left.
func (w *world) fillJournal(log []bus.Received) {
	w.t.Helper()
	if err := os.MkdirAll(w.config.DataDir, 0o700); err != nil {
		w.t.Fatal(err)
	}
	store, err := journal.Open(w.t.Context(), filepath.Join(w.config.DataDir, "journal.db"))
	if err != nil {
		w.t.Fatal(err)
	}
	err = store.CatchUp(w.t.Context(), handing(log))
	if err := errors.Join(err, store.Close()); err != nil {
		w.t.Fatal(err)
	}
}

var moment = regexp.MustCompile(`2026-11-27T\d\d:\d\d:\d\d(\.\d+)?Z`)

// shifted moves a recording in time, as if the program before had been stopped a second ago.
func shifted(t *testing.T, r recorded.Recording) recorded.Recording {
	t.Helper()
	by := time.Until(r.Log[len(r.Log)-1].Published) + time.Second
	move := func(text string) string {
		return moment.ReplaceAllStringFunc(text, func(found string) string {
			at, err := time.Parse(time.RFC3339Nano, found)
			if err != nil {
				t.Fatal(err)
			}
			return at.Add(-by).UTC().Format(time.RFC3339Nano)
		})
	}
	for i := range r.Log {
		r.Log[i].Data = []byte(move(string(r.Log[i].Data)))
	}
	for i := range r.WakeUps {
		m := &r.WakeUps[i]
		m.Data = move(m.Data)
		for name, value := range m.Headers {
			m.Headers[name] = move(value)
		}
	}
	return r
}

// renamed gives the classic items of a recording the names that the lab has for them now: since then it has learned from
// the service that an item bears the id which the configuration server gave the machine.
func renamed(r recorded.Recording) recorded.Recording {
	site, names := scenario.Default(0), []string{}
	for _, m := range r.Log {
		accepted, err := events.Decode(events.TypeAccepted, m.Data)
		if err != nil {
			continue // another event
		}
		for _, m := range accepted.Data.Case.Machines {
			if m.Architecture == "classic" {
				own := site.UUID("discovered", m.Name)
				names = append(names, "replicationProtectedItems/"+site.UUID("instance", m.Name), "replicationProtectedItems/"+own[:14]+"1"+own[15:])
			}
		}
	}
	rename := strings.NewReplacer(names...)
	for i := range r.Log {
		r.Log[i].Data = []byte(rename.Replace(string(r.Log[i].Data)))
	}
	for i := range r.WakeUps {
		m := &r.WakeUps[i]
		m.Data = rename.Replace(m.Data)
		for name, value := range m.Headers {
			m.Headers[name] = rename.Replace(value)
		}
	}
	return r
}

// takeUp puts a recording on the bus: the log, the wake-ups that were due, and how far each service had come.
func (w *world) takeUp(r recorded.Recording, entries []cases.Entry) {
	w.t.Helper()
	answered := uint64(0) // up to here; behind it stand the commands that came when it was stopped
	for i, m := range r.Log {
		if at := w.publish(m.Subject, m.ID, string(m.Data)); at != m.Sequence {
			w.t.Fatalf("message %d of the log is %d now", m.Sequence, at)
		}
		if entries[i].Kind.Role != events.Command {
			answered = m.Sequence
		}
	}
	for _, m := range r.WakeUps {
		msg := nats.NewMsg(m.Subject)
		msg.Data = []byte(m.Data)
		for name, value := range m.Headers {
			if strings.HasPrefix(name, "Reprotect-") {
				msg.Header.Set(name, value)
			}
		}
		if _, err := w.bus.RequestMsg(msg, limit); err != nil {
			w.t.Fatal(err)
		}
	}
	js, err := natsjs.New(w.bus)
	if err != nil {
		w.t.Fatal(err)
	}
	stream, err := js.Stream(w.t.Context(), jetstream.StreamLog)
	if err != nil {
		w.t.Fatal(err)
	}
	for consumer := range stream.ListConsumers(w.t.Context()).Info() {
		if consumer.Config.Durable != "" {
			w.settle(stream, consumer.Config.Durable, answered)
		}
	}
}

// settle lets a service have answered everything up to a sequence.
func (w *world) settle(stream natsjs.Stream, service string, upTo uint64) {
	w.t.Helper()
	consumer, err := stream.Consumer(w.t.Context(), service)
	if err != nil {
		w.t.Fatal(err)
	}
	for pending := consumer.CachedInfo().NumPending; pending > 0; {
		batch, err := consumer.Fetch(int(min(pending, 500)), natsjs.FetchMaxWait(limit))
		if err != nil {
			w.t.Fatal(err)
		}
		for m := range batch.Messages() {
			meta, err := m.Metadata()
			if err != nil {
				w.t.Fatal(err)
			}
			if pending = meta.NumPending; meta.Sequence.Stream > upTo {
				err = m.Nak()
				pending = 0
			} else {
				err = m.Ack()
			}
			if err != nil {
				w.t.Fatal(err)
			}
		}
		if err := batch.Error(); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := w.bus.Flush(); err != nil {
		w.t.Fatal(err)
	}
}
