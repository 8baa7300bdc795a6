package deploy

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"reprotect.example/services/internal/config"
)

const admin, ops, audit, chatbot = "admin", "ops", "audit", "chatbot"

// publishers says of each subject who may publish on it; everybody else is refused.
var publishers = map[string][]string{
	"reprotect.command.request": {ops},
	"reprotect.command.cancel":  {ops},
	"reprotect.command.retry":   {ops},
	"reprotect.command.explode": {},

	"reprotect.event.tokyo.c.request.accepted":        {"validator"},
	"reprotect.event.tokyo.c.request.refused":         {"validator"},
	"reprotect.event.tokyo.c.validation.validated":    {"validator"},
	"reprotect.event.tokyo.c.validation.rejected":     {"validator"},
	"reprotect.event.tokyo.c.validation.failed":       {"validator"},
	"reprotect.event.tokyo.c.cancel.cancelling":       {"validator"},
	"reprotect.event.tokyo.c.placement.placed":        {"datastore"},
	"reprotect.event.tokyo.c.placement.rejected":      {"datastore"},
	"reprotect.event.tokyo.c.placement.failed":        {"datastore"},
	"reprotect.event.tokyo.c.registration.registered": {"agentwatcher"},
	"reprotect.event.tokyo.c.registration.failed":     {"agentwatcher"},
	"reprotect.event.tokyo.c.submission.started":      {"executor"},
	"reprotect.event.tokyo.c.submission.rejected":     {"executor"},
	"reprotect.event.tokyo.c.submission.rehearsed":    {"executor"},
	"reprotect.event.tokyo.c.submission.failed":       {"executor"},
	"reprotect.event.tokyo.c.replication.completed":   {"executor"},
	"reprotect.event.tokyo.c.replication.failed":      {"executor"},
	"reprotect.event.tokyo.c.progress.progressed":     {"validator", "executor"},
	"reprotect.event.tokyo.c.progress.waiting":        {"validator", "datastore", "agentwatcher", "executor"},
	"reprotect.event.tokyo.c.guard.violated":          {"guard"},
	"reprotect.event.tokyo.c.guard.returned":          {"guard"},
	"reprotect.event.tokyo.c.guard.cleared":           {"guard"},
	"reprotect.event.tokyo.c.guard.acknowledged":      {"guard"},
	"reprotect.event.tokyo.c.guard.unwatched":         {"guard"},
	"reprotect.event.tokyo.c.guard.watched":           {"guard"},
	"reprotect.event.tokyo.c.validation.completed":    {},
	"reprotect.notification.tokyo.critical":           {"notifier"},
	"reprotect.dead.executor":                         {"executor"},
	"reprotect.dead.notifier":                         {"notifier"},
	"reprotect.dead.guard":                            {"guard"},
	"reprotect.dead.journal":                          {"journal"},

	"reprotect-wake.executor.timer.c.submission": {admin, "executor"},
	"reprotect-wake.executor.due.c.submission":   {},
	"reprotect-wake.notifier.timer.c.x":          {admin, "notifier"},
	"reprotect-wake.guard.timer.c.started":       {admin, "guard"},

	// Which process serves, for what one at a time may do.
	"reprotect-wake.executor.hold": {"executor"},
	"reprotect-wake.journal.hold":  {"journal"},
	"reprotect-wake.notifier.hold": {},

	// What a service reads with, and nobody else.
	"$JS.API.CONSUMER.INFO.REPROTECT.executor":                   {admin, "executor"},
	"$JS.API.CONSUMER.MSG.NEXT.REPROTECT.executor":               {admin, "executor"},
	"$JS.ACK.REPROTECT.executor.1.2.3.4.5":                       {"executor"},
	"$JS.API.CONSUMER.INFO.REPROTECT_WAKE_executor.executor":     {admin, "executor"},
	"$JS.API.CONSUMER.MSG.NEXT.REPROTECT_WAKE_executor.executor": {admin, "executor"},
	"$JS.ACK.REPROTECT_WAKE_executor.executor.1.2.3.4.5":         {"executor"},
	"$JS.API.DIRECT.GET.REPROTECT_WAKE_executor":                 {admin, "executor"},
	"$JS.API.STREAM.MSG.GET.REPROTECT_WAKE_executor":             {admin},
	"$JS.API.DIRECT.GET.REPROTECT_WAKE_journal":                  {admin, "journal"},
	"$JS.API.DIRECT.GET.REPROTECT":                               {admin, "validator", "journal"},
	"$JS.API.CONSUMER.CREATE.REPROTECT_WAKE_executor.x":          {admin},

	// Readers make subscriptions of their own, and touch no service's.
	"$JS.API.CONSUMER.CREATE.REPROTECT.x":                          {admin, ops, audit},
	"$JS.API.CONSUMER.CREATE.REPROTECT.x.reprotect.event.>":        {admin, ops, audit},
	"$JS.API.CONSUMER.CREATE.REPROTECT.x.reprotect.notification.>": {admin, ops, audit, chatbot},
	"$JS.API.CONSUMER.CREATE.REPROTECT_DEAD.x":                     {admin, audit},
	"$JS.API.CONSUMER.CREATE.REPROTECT.executor":                   {admin},
	"$JS.API.CONSUMER.CREATE.REPROTECT.executor.reprotect.event.>": {admin},
	"$JS.API.CONSUMER.DURABLE.CREATE.REPROTECT.executor":           {admin},
	"$JS.API.CONSUMER.DELETE.REPROTECT.executor":                   {admin},
	"$JS.API.CONSUMER.DELETE.REPROTECT.guard":                      {admin},

	"$JS.API.STREAM.DELETE.REPROTECT":     {admin},
	"$JS.API.STREAM.PURGE.REPROTECT":      {admin},
	"$JS.API.STREAM.UPDATE.REPROTECT":     {admin},
	"$JS.API.STREAM.MSG.DELETE.REPROTECT": {admin},
	"$JS.API.STREAM.CREATE.MINE":          {admin},
}

// listeners says of each subject who may subscribe to it.
var listeners = map[string][]string{
	"_INBOX_ops.x":             {ops},
	"_INBOX_executor.x":        {"executor"},
	"_INBOX.x":                 {},
	"reprotect.notification.>": {audit, chatbot},
	"reprotect.event.>":        {audit},
	"reprotect.command.>":      {audit},
	"reprotect-wake.>":         {},
	"$JS.API.>":                {},
	"_INBOX_*.>":               {},
	">":                        {},
}

func dial(t *testing.T, url, role string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, nats.UserInfo(role, "secret-of-"+role), nats.CustomInboxPrefix("_INBOX_"+role),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // each test asks for the last error
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// refused says whether the server refused what was just sent: it answers the flush after its refusal.
func refused(t *testing.T, nc *nats.Conn, subject string) bool {
	t.Helper()
	if err := nc.FlushTimeout(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	err := nc.LastError()
	return errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), `"`+subject+`"`)
}

func TestPermissions(t *testing.T) {
	url := startNATS(t)
	for _, role := range roles() {
		nc := dial(t, url, role)
		for _, subject := range slices.Sorted(maps.Keys(publishers)) {
			if err := nc.Publish(subject, nil); err != nil {
				t.Fatal(err)
			}
			if allowed, want := !refused(t, nc, subject), slices.Contains(publishers[subject], role); allowed != want {
				t.Errorf("%s may publish on %s: %v, want %v", role, subject, allowed, want)
			}
		}
		for _, subject := range slices.Sorted(maps.Keys(listeners)) {
			if _, err := nc.SubscribeSync(subject); err != nil {
				t.Fatal(err)
			}
			if allowed, want := !refused(t, nc, subject), slices.Contains(listeners[subject], role); allowed != want {
				t.Errorf("%s may subscribe to %s: %v, want %v", role, subject, allowed, want)
			}
		}
	}
}

func TestNobodyComesInWithoutPassword(t *testing.T) {
	url := startNATS(t)
	for name, option := range map[string]nats.Option{
		"no user":        nats.Name("nobody"),
		"wrong password": nats.UserInfo(ops, "secret-of-admin"),
		"unknown user":   nats.UserInfo("root", "secret-of-admin"),
	} {
		nc, err := nats.Connect(url, option)
		if err == nil {
			nc.Close()
		}
		if !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Readers who name a subscription of their own on the subject, and a service's in the body, change nothing.
func TestReadersCannotDisguiseASubscription(t *testing.T) {
	url := startNATS(t)
	b := open(t, as(config.Config{}, url, admin), zap.NewNop())
	if err := b.SetUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	js, err := natsjs.New(dial(t, url, admin))
	if err != nil {
		t.Fatal(err)
	}
	before := executorsConfig(t, js)
	for role, subject := range map[string]string{
		ops:     "$JS.API.CONSUMER.CREATE.REPROTECT.x",
		audit:   "$JS.API.CONSUMER.CREATE.REPROTECT.x.reprotect.notification.>",
		chatbot: "$JS.API.CONSUMER.CREATE.REPROTECT.x.reprotect.notification.>",
	} {
		changed := before
		changed.FilterSubjects, changed.FilterSubject = nil, "reprotect.notification.>"
		for _, create := range []string{"", "update"} {
			body, err := json.Marshal(map[string]any{"stream_name": "REPROTECT", "config": changed, "action": create})
			if err != nil {
				t.Fatal(err)
			}
			answer, err := dial(t, url, role).Request(subject, body, 20*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(answer.Data), `"error"`) {
				t.Errorf("%s: %s", role, answer.Data)
			}
		}
	}
	if after := executorsConfig(t, js); !slices.Equal(after.FilterSubjects, before.FilterSubjects) || after.FilterSubject != before.FilterSubject {
		t.Errorf("the executor's filters were %v %q and are %v %q", before.FilterSubjects, before.FilterSubject, after.FilterSubjects, after.FilterSubject)
	}
}

func executorsConfig(t *testing.T, js natsjs.JetStream) natsjs.ConsumerConfig {
	t.Helper()
	c, err := js.Consumer(t.Context(), "REPROTECT", "executor")
	if err != nil {
		t.Fatal(err)
	}
	return c.CachedInfo().Config
}
