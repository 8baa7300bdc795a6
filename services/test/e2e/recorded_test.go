package e2e

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"reprotect.example/events"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/services/cases"
	"reprotect.example/services/cases/recorded"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/lab/scenario"
)

// The program before was stopped with cases under way in every stage. This one takes up its streams as they stood, with what
// it had not answered yet and its wake-ups, and brings every machine home.
func TestRecordedCasesGoOn(t *testing.T) {
	r := shifted(t, recorded.Load(t, recorded.NATS))
	entries := make([]cases.Entry, len(r.Log))
	for i, m := range r.Log {
		entries[i] = cases.ReadEntry(m)
	}
	var machines []scenario.Machine
	var open []cases.Case
	for _, c := range cases.All(entries) {
		for _, m := range c.Machines {
			known := slices.ContainsFunc(machines, func(k scenario.Machine) bool { return k.Name == m.Name })
			if m.Architecture != "" && !known {
				machines = append(machines, machine(m.Name, m.Architecture, m.OS))
			}
		}
		if !c.End {
			open = append(open, c)
		}
	}
	machines = append(machines, modernized("turn-1")) // of a request that nobody had answered yet
	w := start(t, machines...)
	w.config = with(w.config, func(s *config.Site) { s.Limits.AgentWait = 10 * time.Minute })
	azure := vaultOf(t, w.config)
	for _, e := range entries { // the jobs that the program before had started
		d, ok := e.Data.(events.Started)
		if !ok || !slices.ContainsFunc(open, func(c cases.Case) bool { return c.ID == e.Header.Case }) {
			continue
		}
		for i, j := range d.Jobs {
			if j.Refused != nil {
				continue
			}
			if job := submit(t, azure, d.Case.Machines[i]); job != j.Job {
				t.Fatalf("the lab names the job of %s %s, the log %s", j.Machine, job, j.Job)
			}
		}
	}
	w.takeUp(r, entries)
	w.serve(w.config)

	if len(open) != 8 {
		t.Errorf("%d cases were under way", len(open))
	}
	for _, c := range open {
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
