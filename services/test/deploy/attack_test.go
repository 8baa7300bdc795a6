package deploy

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"reprotect.example/events/bus"
	"reprotect.example/services/internal/app"
	"reprotect.example/services/internal/config"
)

// fields of a message, apart from its subject, that have the server publish somewhere.
var fields = map[string]func(m *nats.Msg, target string){
	"reply":            func(m *nats.Msg, target string) { m.Reply = target },
	"reply of a batch": func(m *nats.Msg, target string) { m.Reply = target + ".$FI" },
	"trace":            func(m *nats.Msg, target string) { m.Header.Set("Nats-Trace-Dest", target) },
	"trace alone": func(m *nats.Msg, target string) {
		m.Header.Set("Nats-Trace-Dest", target)
		m.Header.Set("Nats-Trace-Only", "true")
	},
	"schedule": func(m *nats.Msg, target string) {
		m.Header.Set("Nats-Schedule", "@at 2020-01-01T00:00:00Z")
		m.Header.Set("Nats-Schedule-Target", target)
	},
	"somebody else's name": func(m *nats.Msg, target string) {
		m.Reply = target
		m.Header.Set("Nats-Request-Info", `{"acc":"REPROTECT","svc":"REPROTECT"}`)
	},
	"rollup": func(m *nats.Msg, target string) {
		m.Reply = target
		m.Header.Set("Nats-Rollup", "all")
	},
}

// bodies have the server answer at once: with nothing, with an error, or with what is stored.
var bodies = []string{"", `{"no_wait":true,"batch":1}`, `{"seq":1}`}

// targets are what nobody but the administrator may reach, and what some role may: by an answer none may.
func targets() []string {
	all := []string{
		"$JS.API.STREAM.DELETE.REPROTECT", "$JS.API.STREAM.PURGE.REPROTECT", "$JS.API.STREAM.DELETE.REPROTECT_DEAD",
		"$JS.API.CONSUMER.DELETE.REPROTECT.audit", "$JS.API.CONSUMER.DELETE.REPROTECT.chatbot",
		"$JS.API.CONSUMER.MSG.NEXT.REPROTECT.audit", "$JS.API.CONSUMER.MSG.NEXT.REPROTECT.chatbot",
		"reprotect.event.tokyo.c.replication.completed", "reprotect.event.tokyo.c.validation.validated",
		"reprotect.command.cancel", "reprotect.dead.guard", "reprotect.notification.tokyo.critical",
		"reprotect-wake.executor.due.c.x", "reprotect-wake.executor.hold", "reprotect-wake.guard.timer.kept",
		"$JS.ACK.REPROTECT.executor.1.1.1.1.0",
	}
	for _, s := range app.Targets() {
		all = append(all, "$JS.API.STREAM.DELETE.REPROTECT_WAKE_"+s, "$JS.API.STREAM.PURGE.REPROTECT_WAKE_"+s,
			"$JS.API.CONSUMER.DELETE.REPROTECT."+s, "$JS.API.CONSUMER.MSG.NEXT.REPROTECT."+s)
	}
	return all
}

func literal(filter string) string {
	return strings.NewReplacer("*.*", "tokyo.c", "*", "tokyo", ">", "c.x").Replace(filter)
}

// may says whether a role may publish on a subject.
func (r right) may(subject string) bool {
	return slices.ContainsFunc(r.sends, func(filter string) bool { return bus.Match(filter, subject) })
}

// attack sends everything that a role may, and asks for the answers at every target.
func attack(t *testing.T, servers installation, r right) (sent int) {
	t.Helper()
	nc := servers.dial(t, r.role)
	defer nc.Close()
	send := func(subject, body, field, target string) {
		m := &nats.Msg{Subject: subject, Header: nats.Header{}, Data: []byte(body)}
		fields[field](m, target)
		if err := nc.PublishMsg(m); err != nil {
			t.Fatalf("%s on %s, %s %s: %v", r.role, subject, field, target, err)
		}
		sent++
	}
	all := targets()
	for _, filter := range r.sends {
		if !strings.HasPrefix(filter, "$JS.ACK") { // the server refuses these as a reply, and ends the connection
			all = append(all, literal(filter))
		}
	}
	kept := 0
	var stores []string
	for _, filter := range r.sends {
		subject, texts := literal(filter), bodies
		if !strings.HasPrefix(subject, "$JS") { // each costs the server a write
			if kept++; kept > 3 && !strings.HasPrefix(subject, "reprotect-wake") && !strings.HasPrefix(subject, "reprotect.dead") {
				continue
			}
			texts, stores = bodies[:1], append(stores, subject)
		}
		for i, target := range all {
			for _, body := range texts {
				send(subject, body, "reply", target)
			}
			for j, field := range sortedKeys(fields) {
				if (i+j)%8 == kept%8 { // a share of the others at each
					send(subject, texts[i%len(texts)], field, target)
				}
			}
		}
	}
	for _, subject := range stores { // a stream stores in order: everything before stands when this does
		if _, err := nc.Request(subject, nil, 20*time.Second); err != nil {
			t.Fatalf("%s on %s: %v", r.role, subject, err)
		}
	}
	if err := nc.FlushTimeout(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	return sent
}

// setUp makes what 'bus setup' makes, and stores a fact and a timer of each service.
func setUp(t *testing.T, servers installation) natsjs.JetStream {
	t.Helper()
	b := open(t, servers.as(config.Config{}, admin), zap.NewNop())
	if err := b.SetUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, s := range app.Targets() {
		if err := b.Wake(t.Context(), s, "kept", time.Now().Add(time.Hour), bus.Message{Data: []byte("kept")}); err != nil {
			t.Fatal(err)
		}
	}
	validator := open(t, servers.as(config.Config{}, "validator"), zap.NewNop())
	for _, subject := range []string{"reprotect.event.tokyo.kept.request.accepted", "reprotect.dead.validator"} {
		if err := validator.Publish(t.Context(), bus.Message{Subject: subject, Data: []byte("kept")}); err != nil {
			t.Fatal(err)
		}
	}
	js, err := natsjs.New(servers.dial(t, admin), natsjs.WithDefaultTimeout(20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// settled waits until the server has done what it was asked before.
func settled(t *testing.T, js natsjs.JetStream) {
	t.Helper()
	if _, err := js.CreateOrUpdateConsumer(t.Context(), "REPROTECT_DEAD", natsjs.ConsumerConfig{Name: "last", InactiveThreshold: time.Hour}); err == nil {
		if err := js.DeleteConsumer(t.Context(), "REPROTECT_DEAD", "last"); err != nil {
			t.Fatal(err)
		}
	}
}

// state is every stream and durable as it is set up, with what must stay as it is whatever a role does. What the role
// itself takes from its own durables is not in it, nor what its own wake-ups are.
func state(t *testing.T, js natsjs.JetStream, role string) map[string]string {
	t.Helper()
	found := map[string]string{}
	note := func(name string, what ...any) {
		text, err := json.Marshal(what)
		if err != nil {
			t.Fatal(err)
		}
		found[name] = string(text)
	}
	streams := js.ListStreams(t.Context())
	for s := range streams.Info() {
		first := s.State.FirstSeq
		if s.Config.Name == "REPROTECT_WAKE_"+role {
			first = 0
		}
		note(s.Config.Name, s.Config, first)
		stream, err := js.Stream(t.Context(), s.Config.Name)
		if err != nil {
			t.Fatal(err)
		}
		consumers := stream.ListConsumers(t.Context())
		for c := range consumers.Info() {
			if c.Name == role {
				note(s.Config.Name+"/"+c.Name, c.Config)
			} else {
				note(s.Config.Name+"/"+c.Name, c.Config, c.Delivered.Consumer, c.AckFloor.Consumer)
			}
		}
		if err := consumers.Err(); err != nil {
			t.Fatal(err)
		}
		if service, ok := strings.CutPrefix(s.Config.Name, "REPROTECT_WAKE_"); ok && service != role {
			timer, err := stream.GetLastMsgForSubject(t.Context(), "reprotect-wake."+service+".timer.kept")
			if err != nil {
				note("timer of "+service, err.Error())
			} else {
				note("timer of "+service, string(timer.Data), timer.Sequence)
			}
		}
	}
	if err := streams.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

// ends are the last sequences of all streams.
func ends(t *testing.T, js natsjs.JetStream) map[string]uint64 {
	t.Helper()
	last := map[string]uint64{}
	for s := range js.ListStreams(t.Context()).Info() {
		last[s.Config.Name] = s.State.LastSeq
	}
	return last
}

// storedSince are the subjects of what was stored behind those ends. It asks for each in the way whose answer has the
// subject apart from the headers, which are the sender's.
func storedSince(t *testing.T, nc *nats.Conn, js natsjs.JetStream, before map[string]uint64) []string {
	t.Helper()
	subjects := map[string]bool{}
	for name, end := range ends(t, js) {
		for n := before[name] + 1; n <= end; n++ {
			answer, err := nc.Request("$JS.API.STREAM.MSG.GET."+name, fmt.Appendf(nil, `{"seq":%d}`, n), 20*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			var got struct{ Message *struct{ Subject string } }
			if err := json.Unmarshal(answer.Data, &got); err != nil {
				t.Fatal(err)
			}
			if got.Message != nil {
				subjects[got.Message.Subject] = true
			}
		}
	}
	return sortedKeys(subjects)
}

// nats-N1, nats-N2, nats-N9: whatever a role may send, and wherever it asks for the answer, a copy or a trace, nothing of the server is
// made, changed or removed, no durable of another is read or acknowledged, and nothing is stored where the role itself
// may not publish.
func TestNoRoleReachesFurtherByAnyField(t *testing.T) {
	for name, start := range shapes {
		t.Run(name, func(t *testing.T) {
			servers := start(t)
			js, nc := setUp(t, servers), servers.dial(t, admin)
			sent := 0
			for _, r := range rights {
				before, end := state(t, js, r.role), ends(t, js)
				sent += attack(t, servers, r)
				settled(t, js)
				if after := state(t, js, r.role); !maps.Equal(before, after) {
					t.Errorf("%s changed streams or durables: %s", r.role, difference(before, after))
				}
				for _, subject := range storedSince(t, nc, js, end) {
					if !r.may(subject) {
						t.Errorf("%s had a message stored on %s", r.role, subject)
					}
				}
			}
			t.Logf("%d messages of %d roles", sent, len(rights))
		})
	}
}

func difference(before, after map[string]string) string {
	var b strings.Builder
	for _, name := range sortedKeys(before) {
		if before[name] != after[name] {
			fmt.Fprintf(&b, "\n%s was %s\n and is %s", name, before[name], after[name])
		}
	}
	for _, name := range sortedKeys(after) {
		if _, was := before[name]; !was {
			fmt.Fprintf(&b, "\n%s is new", name)
		}
	}
	return b.String()
}

// Within the account of the streams the same attack removes the event log: it is one, and the test above sees it.
func TestTheAttackIsReal(t *testing.T) {
	const take = "$JS.API.CONSUMER.MSG.NEXT.REPROTECT.chatbot"
	folder := installed(t)
	edit(t, filepath.Join(folder, "accounts.conf"), "jetstream: { max_file: 20GB }\n    users: [", `jetstream: { max_file: 20GB }
    users: [
      { user: intruder, password: secret-of-intruder, permissions: { publish: ["`+take+`"], subscribe: ["_INBOX_intruder.>"] } }`)
	s := run(t, process(t, folder, "nats.conf", ""))
	ready(t, s)
	servers := installation{url: s.ClientURL(), replicas: 1}
	js := setUp(t, servers)
	attack(t, servers, right{role: "intruder", sends: []string{take}})
	deadline := time.After(20 * time.Second)
	for {
		if _, err := js.Stream(t.Context(), "REPROTECT"); errors.Is(err, natsjs.ErrStreamNotFound) {
			return
		}
		select {
		case <-deadline:
			t.Fatal("the event log stands: the attack proves nothing")
		default:
		}
	}
}
