package deploy

import (
	stdcmp "cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/internal/app"
)

// right is who may do what on NATS. It is all there is to know of a role: accounts.conf is written from it, and the
// tests of what each must not do read it.
type right struct {
	role, says string
	sends      []string // subjects, of the product and of the server's API, to which a message may go
	hears      []string // subjects that may be subscribed to without a durable
}

var rights = []right{
	{role: "ops", says: "People and scripts: publish commands, and follow them in the event log.",
		sends: slices.Concat([]string{"reprotect.command.request", "reprotect.command.cancel", "reprotect.command.retry", "reprotect.command.acknowledge",
			"reprotect.command.failback", "reprotect.command.commit", "reprotect.command.withdraw", "reprotect.command.protect"}, readsStream("REPROTECT"))},
	service("validator", "Turns requests into cases.",
		facts("request.accepted", "request.refused", "validation.validated", "validation.rejected", "validation.failed",
			"validation.cancelled", "cancel.cancelling", "retry.retrying", "guard.acknowledged", "progress.waiting", "progress.progressed"),
		marks("cancel.cancelling")),
	service("datastore", "Chooses datastores.",
		facts("placement.placed", "placement.rejected", "placement.failed", "placement.cancelled", "progress.waiting"),
		marks("cancel.cancelling")),
	service("agentwatcher", "Waits for the agents.",
		facts("registration.registered", "registration.failed", "registration.cancelled", "progress.waiting"),
		marks("cancel.cancelling")),
	service("executor", "Submits reprotects, and the jobs of the way home, and follows them.",
		facts("submission.started", "submission.rejected", "submission.rehearsed", "submission.failed", "submission.cancelled",
			"failback.home", "failback.failed", "failback.cancelled", "commit.committed", "commit.withdrawn", "commit.failed", "commit.cancelled",
			"protection.protected", "protection.failed", "protection.cancelled",
			"replication.completed", "replication.failed", "replication.cancelled", "progress.waiting", "progress.progressed"),
		marks("cancel.cancelling", "retry.retrying", "guard.violated"), []string{"reprotect-wake.executor.hold"}),
	service("notifier", "Words facts for people, and brings them to channels.",
		[]string{"reprotect.notification.*.info", "reprotect.notification.*.warning", "reprotect.notification.*.critical", "reprotect-wake.notifier.hold"}),
	service("guard", "Watches for what must not happen after the start.",
		facts("guard.violated", "guard.returned", "guard.cleared", "guard.unwatched", "guard.watched"), marks("guard.violated")),
	service("journal", "Keeps every event, and where the cases stand.", []string{"reprotect-wake.journal.hold"}),
	{role: "audit", says: "Reads everything that was published, and the dead letters.",
		sends: slices.Concat(readsStream("REPROTECT"), readsDurable("REPROTECT", "audit"), readsStream("REPROTECT_DEAD"), readsDurable("REPROTECT_DEAD", "audit")),
		hears: []string{"reprotect.>"}},
	{role: "chatbot", says: "Brings notifications into a chat: hears them as they come, or takes them from its durable, which keeps them meanwhile.",
		sends: readsDurable("REPROTECT", "chatbot"), hears: []string{"reprotect.notification.>"}},
}

func facts(names ...string) (subjects []string) {
	for _, name := range names {
		subjects = append(subjects, "reprotect.event.*.*."+name)
	}
	return subjects
}

func marks(names ...string) (subjects []string) {
	for _, name := range names {
		subjects = append(subjects, "$JS.API.DIRECT.GET.REPROTECT.reprotect.event.*.*."+name)
	}
	return subjects
}

func readsStream(stream string) []string {
	return []string{"$JS.API.STREAM.INFO." + stream, "$JS.API.DIRECT.GET." + stream}
}

func readsDurable(stream, durable string) []string {
	of := "." + stream + "." + durable
	return []string{"$JS.API.CONSUMER.INFO" + of, "$JS.API.CONSUMER.MSG.NEXT" + of, "$JS.ACK" + of + ".>"}
}

// service is what every service may do, and what this one may.
func service(name, says string, own ...[]string) right {
	wake := "REPROTECT_WAKE_" + name
	sends := slices.Concat(own...)
	sends = append(sends, "reprotect.dead."+name, "reprotect-wake."+name+".timer.*", "reprotect-wake."+name+".timer.*.*")
	sends = slices.Concat(sends, readsDurable("REPROTECT", name), readsDurable(wake, name))
	// What stands in the log where the server says that something does, and what the service has not seen yet.
	return right{role: name, says: says, sends: append(sends, "$JS.API.DIRECT.GET."+wake, "$JS.API.DIRECT.GET.REPROTECT", "$JS.API.STREAM.INFO.REPROTECT")}
}

// voids is what the administrator alone may publish of the event log.
const voids = "reprotect.event.*.*.*.voided"

// accountInfo is imported by every account. A client asks for it before it begins; and an account that does not import it
// gets an API of the server's own, which answers that there is no JetStream here.
const accountInfo = "$JS.API.INFO"

var accountsFile = filepath.Join(deploy, "nats", "accounts.conf")

// accountsConf writes the accounts of all roles for the server.
func accountsConf() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	b.WriteString(accountsHead)
	line("accounts {")
	line("  # The event log, the dead letters and the wake-ups. Only the administrator is in here.")
	line("  REPROTECT {")
	line("    # What it may keep, of max_file_store; on a cluster all copies together. At 80 %% /ready and 'reprotect bus status' say so.")
	line("    jetstream: { max_file: 20GB }")
	line("    users: [")
	line("      # Makes streams and durables (reprotect bus setup), sees their state, hands dead letters back, and makes void what")
	line("      # stands under a step and is no outcome (reprotect bus void).")
	line("      { user: admin, password: $REPROTECT_PASSWORD_ADMIN, permissions: {")
	line(`        publish: ["$JS.API.>", "reprotect-wake.*.timer.>", "` + voids + `"]`)
	line(`        subscribe: ["_INBOX_admin.>"]`)
	line("      } }")
	line("    ]")
	line("    # One export for everything that is asked: an answer that came through an export goes through none a second time.")
	line("    # Accounts import what their roles need and nothing else.")
	line("    exports: [")
	line(`      { service: ">", response_type: stream, response_threshold: "15s", accounts: [%s] }`, strings.Join(accounts(), ", "))
	heard := map[string][]string{}
	for _, r := range rights {
		for _, subject := range r.hears {
			heard[subject] = append(heard[subject], strings.ToUpper(r.role))
		}
	}
	for _, subject := range sortedKeys(heard) {
		line("      { stream: %q, accounts: [%s] }", subject, strings.Join(heard[subject], ", "))
	}
	line("    ]")
	line("  }")
	for _, r := range rights {
		account := strings.ToUpper(r.role)
		line("")
		line("  # %s", r.says)
		line("  %s {", account)
		line("    users: [{ user: %s, password: $%s, permissions: {", r.role, passwordVariable(r.role))
		line("      publish: [")
		for _, subject := range append(r.sends, accountInfo) {
			line("        %q", subject)
		}
		line("      ]")
		line("      subscribe: [%s]", quoted(append([]string{"_INBOX_" + r.role + ".>"}, r.hears...)))
		line("    } }]")
		line("    imports: [")
		for _, subject := range append(r.sends, accountInfo) {
			line("      { service: { account: REPROTECT, subject: %q } }", subject)
		}
		for _, subject := range r.hears {
			line("      { stream: { account: REPROTECT, subject: %q } }", subject)
		}
		line("    ]")
		line("  }")
	}
	line("}")
	return b.String()
}

func accounts() (names []string) {
	for _, r := range rights {
		names = append(names, strings.ToUpper(r.role))
	}
	return names
}

func quoted(words []string) string {
	q := make([]string, len(words))
	for i, w := range words {
		q[i] = fmt.Sprintf("%q", w)
	}
	return strings.Join(q, ", ")
}

func sortedKeys[K stdcmp.Ordered, V any](m map[K]V) []K {
	var all []K
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

const accountsHead = `# An account per role, each with what its role needs and no more.
#
# Why accounts, and not users of one account: a server checks the subject that a message is published to, but not the
# subject that it names for the answer, and it answers there with rights of its own. Within one account whoever may ask
# anything can so have the server publish anywhere, and delete streams. An answer never leaves the account of who asked.
#
# One export serves all imports, for the same reason: the server lets no message pass one export twice. So an answer does
# not go on to what the role that asked may publish to, where a message of a durable would be stored a second time.
#
# This file is written by the test in services/test/deploy, from its table of rights: change it there, and run the test
# with -update. That test also tries what each role must not do.
#
# Passwords come from the environment of nats-server, one variable a role. A password is a long random word that
# begins with a letter; or its bcrypt hash, from 'nats server passwd', within double quotes that belong to the
# value: REPROTECT_PASSWORD_OPS='"$2a$11$…"'.
#
# In reprotect.yaml a role is bus.nats.user, passwordFile and inboxPrefix: _INBOX_<role>.
#
# 'reprotectd --site tokyo' takes from durables named validator-tokyo and so on, which 'reprotect bus setup --site tokyo'
# makes. Its accounts are those of validator and so on, with that name for the durables, the wake-ups (REPROTECT_WAKE_…
# and reprotect-wake.…) and the user.

`

// The file is what the table says, for every service that there is.
func TestAccountsFile(t *testing.T) {
	if *update {
		if err := os.WriteFile(accountsFile, []byte(accountsConf()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(accountsFile)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(accountsConf(), string(got)); d != "" {
		t.Errorf("run this test with -update: accounts.conf (-wanted +is):\n%s", d)
	}
	for _, target := range app.Targets() {
		if !slices.ContainsFunc(rights, func(r right) bool { return r.role == target }) {
			t.Errorf("no rights for %s", target)
		}
	}
}

// Each kind of event has somebody who may publish it.
func TestEveryKindHasItsPublisher(t *testing.T) {
	for _, k := range events.Kinds() {
		steps := events.Steps()
		if k.Step != "" {
			steps = []string{k.Step}
		}
		found := false
		for _, step := range steps {
			subject := events.FactSubject("tokyo", "c", step, k.Name)
			switch k.Role {
			case events.Command:
				subject = events.CommandSubject(k)
			case events.Notification:
				subject = events.NotificationSubject("tokyo", "info")
			case events.DeadLetter:
				subject = events.DeadSubject("guard")
			}
			found = found || bus.Match(voids, subject) || slices.ContainsFunc(rights, func(r right) bool { return r.may(subject) })
		}
		if !found {
			t.Errorf("nobody may publish %s", k.Name)
		}
	}
}
