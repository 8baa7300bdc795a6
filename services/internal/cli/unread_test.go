package cli

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
)

// unreadable is a bus that takes messages while its event log cannot be read, as Service Bus without the journal.
type unreadable struct {
	Bus
	sent *[]bus.Message
	down bool // the bus is away, too
}

var errAway = errors.New("the journal is not reached")

func (u unreadable) Read(context.Context, Reading, func(bus.Received) error) error { return errAway }
func (u unreadable) Cases(context.Context) ([]cases.Case, error)                   { return nil, errAway }
func (u unreadable) Case(context.Context, string) (cases.Case, bool, error) {
	return cases.Case{}, false, errAway
}
func (u unreadable) Close() {}
func (u unreadable) Publish(_ context.Context, m bus.Message) error {
	if u.down {
		return errors.New("the bus is not reached")
	}
	*u.sent = append(*u.sent, m)
	return nil
}

// The bus keeps what is asked for, whether or not somebody can read what becomes of it.
func TestCommandsGoOutWhileTheLogCannotBeRead(t *testing.T) {
	for _, tt := range []struct {
		args    []string
		down    bool
		subject string // "": nothing is sent
	}{
		{[]string{"request", "web01"}, false, "reprotect.command.request"},
		{[]string{"request", "web01", "--wait"}, false, "reprotect.command.request"},
		{[]string{"cancel", "r7--web01"}, false, "reprotect.command.cancel"},
		{[]string{"retry", "r7--web01"}, false, "reprotect.command.retry"},
		{[]string{"acknowledge", "r7--web01/guard/3", "--reason", "seen to"}, false, "reprotect.command.acknowledge"},
		{[]string{"acknowledge", "r7--web01/guard/3"}, false, ""},
		{[]string{"acknowledge", "web01", "--reason", "seen to"}, false, ""}, // nobody can say which alarm
		{[]string{"cancel", "r7 web01"}, false, ""},
		{[]string{"request", "web01"}, true, ""},
		{[]string{"cancel", "r7--web01"}, true, ""},
		{[]string{"list"}, false, ""},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			var sent []bus.Message
			var out, errs bytes.Buffer
			deps := Deps{
				Open: func(context.Context, string) (Bus, error) { return unreadable{sent: &sent, down: tt.down}, nil },
				Now:  time.Now, NewID: newID, User: func() string { return "ops@host" }, Patience: time.Second,
			}
			status := Main(t.Context(), tt.args, deps, nil, &out, &errs)
			if status == 0 || (len(sent) == 1) != (tt.subject != "") || len(sent) == 1 && sent[0].Subject != tt.subject {
				t.Errorf("status %d, sent %v", status, sent)
			}
			if said := strings.Contains(errs.String(), "is on the bus"); said != (tt.subject != "") {
				t.Errorf("%s", errs.String())
			}
		})
	}
}
