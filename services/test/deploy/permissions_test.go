package deploy

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"reprotect.example/services/internal/app"
)

const admin, ops, audit, chatbot = "admin", "ops", "audit", "chatbot"

func services(others ...string) []string { return append(app.Targets(), others...) }

// publishers says of each subject who may publish on it; everybody else is refused. It is a reading of its own: the
// table of rights is not asked.
var publishers = map[string][]string{
	"reprotect.command.request": {ops},
	"reprotect.command.cancel":  {ops},
	"reprotect.command.retry":   {ops},

	"reprotect.command.acknowledge": {ops},
	"reprotect.command.explode":     {},

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
	"reprotect.event.tokyo.c.guard.acknowledged":      {"validator"},
	"reprotect.event.tokyo.c.guard.unwatched":         {"guard"},
	"reprotect.event.tokyo.c.guard.watched":           {"guard"},
	"reprotect.event.tokyo.c.validation.completed":    {},
	"reprotect.event.tokyo.c.validation.voided":       {admin},
	"reprotect.event.tokyo.c.replication.voided":      {admin},
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
	"reprotect-wake.notifier.hold": {"notifier"},

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
	"$JS.API.CONSUMER.CREATE.REPROTECT_WAKE_executor.x":          {admin},

	// Readers ask for what is stored, or have a durable that was made for them.
	"$JS.API.DIRECT.GET.REPROTECT":                   services(admin, ops, audit),
	"$JS.API.STREAM.INFO.REPROTECT":                  services(admin, ops, audit),
	"$JS.API.DIRECT.GET.REPROTECT_DEAD":              {admin, audit},
	"$JS.API.CONSUMER.MSG.NEXT.REPROTECT.audit":      {admin, audit},
	"$JS.API.CONSUMER.MSG.NEXT.REPROTECT.chatbot":    {admin, chatbot},
	"$JS.ACK.REPROTECT.chatbot.1.2.3.4.5":            {chatbot},
	"$JS.ACK.REPROTECT.audit.1.2.3.4.5":              {audit},
	"$JS.API.CONSUMER.MSG.NEXT.REPROTECT.x":          {admin},
	"$JS.API.CONSUMER.DELETE.REPROTECT.audit":        {admin},
	"$JS.API.CONSUMER.MSG.NEXT.REPROTECT_DEAD.audit": {admin, audit},

	// Nobody but the administrator makes, changes or removes anything.
	"$JS.API.CONSUMER.CREATE.REPROTECT.x":                          {admin},
	"$JS.API.CONSUMER.CREATE.REPROTECT.x.reprotect.event.>":        {admin},
	"$JS.API.CONSUMER.CREATE.REPROTECT.x.reprotect.notification.>": {admin},
	"$JS.API.CONSUMER.CREATE.REPROTECT_DEAD.x":                     {admin},
	"$JS.API.CONSUMER.CREATE.REPROTECT.executor":                   {admin},
	"$JS.API.CONSUMER.DURABLE.CREATE.REPROTECT.executor":           {admin},
	"$JS.API.CONSUMER.DELETE.REPROTECT.executor":                   {admin},
	"$JS.API.CONSUMER.DELETE.REPROTECT.guard":                      {admin},
	"$JS.API.STREAM.DELETE.REPROTECT":                              {admin},
	"$JS.API.STREAM.PURGE.REPROTECT":                               {admin},
	"$JS.API.STREAM.UPDATE.REPROTECT":                              {admin},
	"$JS.API.STREAM.MSG.DELETE.REPROTECT":                          {admin},
	"$JS.API.STREAM.CREATE.MINE":                                   {admin},
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
	servers := single(t)
	for _, role := range roles() {
		nc := servers.dial(t, role)
		for _, subject := range sortedKeys(publishers) {
			if err := nc.Publish(subject, nil); err != nil {
				t.Fatal(err)
			}
			if allowed, want := !refused(t, nc, subject), slices.Contains(publishers[subject], role); allowed != want {
				t.Errorf("%s may publish on %s: %v, want %v", role, subject, allowed, want)
			}
		}
		for _, subject := range sortedKeys(listeners) {
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
	url := single(t).url
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
