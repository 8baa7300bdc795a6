package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
)

// letter is a dead letter, and the number that it keeps as long as it stands there.
type letter struct {
	Number uint64    `json:"number"`
	Time   time.Time `json:"time"`
	events.Dead
	event events.Event[events.Dead]
}

// readLetter reads a message among the dead letters; the broker's own notes there are none.
func readLetter(r bus.Received) (letter, bool) {
	e, err := events.Decode(events.TypeDead, r.Data)
	if err != nil {
		return letter{}, false
	}
	return letter{Number: r.Sequence, Time: e.Time, Dead: e.Data, event: e}, true
}

// row and write show a dead letter to people. All its words may come from elsewhere.
func (l letter) row() []string {
	return []string{fmt.Sprint(l.Number), clock(l.Time), cases.OneLine(l.Service), cases.OneLine(l.Reason), fmt.Sprint(l.Attempts), cases.OneLine(l.Subject), cases.OneLine(l.Error)}
}

func (l letter) write(w io.Writer) {
	fmt.Fprintf(w, "Number   %d\nTime     %s\nService  %s\nReason   %s, after %s\nError    %s\nSubject  %s\n\n%s\n",
		l.Number, clock(l.Time), cases.OneLine(l.Service), cases.OneLine(l.Reason), plural(l.Attempts, "try", "tries"),
		cases.OneLine(l.Error), cases.OneLine(l.Subject), original(l.Original))
}

func (a *app) deadCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "dead", Short: "List, show and requeue the messages that were given up",
		Long: `A service gives a message up when no further try would help, or after too many. It is kept here with the reason.
A case whose message was given up has ended as failed; correct the cause and request its machines again.`,
		Example: example("reprotect bus dead list", "reprotect bus dead show 3", "reprotect bus dead requeue 3"),
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(a.deadListCommand(), a.deadShowCommand(), a.deadRequeueCommand())
	return c
}

func (a *app) deadListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the messages that were given up",
		Long:    "List the messages that were given up, the oldest first.",
		Example: example("reprotect bus dead list", "reprotect bus dead list -o json"),
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			letters := []letter{}
			if err := b.Read(cmd.Context(), Reading{Dead: true}, func(r bus.Received) error {
				if l, ok := readLetter(r); ok {
					letters = append(letters, l)
				}
				return nil
			}); err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(letters)
			}
			if len(letters) == 0 {
				a.hint("No message was given up.")
				return nil
			}
			t := newTable("NUMBER", "TIME", "SERVICE", "REASON", "TRIES", "SUBJECT", "ERROR")
			for _, l := range letters {
				t.row(l.row()...)
			}
			t.fit(width(a.stdout), "SUBJECT", "TRIES").write(a.stdout)
			return nil
		},
	}
}

func (a *app) deadShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show NUMBER", Short: "Show a message that was given up",
		Long:    "Show a message that was given up: why, and the message as it came.",
		Example: example("reprotect bus dead show 3"),
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			l, err := findLetter(cmd.Context(), b, args[0])
			switch {
			case err != nil:
				return err
			case a.json():
				return a.printJSON(l)
			}
			l.write(a.stdout)
			return nil
		},
	}
}

// original is a message as people read it; what is no JSON comes quoted, so that it cannot steer the terminal.
func original(data []byte) string {
	var pretty any
	if json.Unmarshal(data, &pretty) == nil {
		indented, err := json.MarshalIndent(pretty, "", "  ")
		if err == nil {
			return escaped(string(indented))
		}
	}
	return strconv.Quote(string(data))
}

// escaped is JSON whose strings have no letter that steers a terminal or turns the direction of reading.
func escaped(document string) string {
	var b strings.Builder
	for _, r := range document {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// findLetter reads the dead letter of that number.
func findLetter(ctx context.Context, b Bus, number string) (letter, error) {
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || n == 0 {
		return letter{}, usage("'reprotect bus dead list' shows the numbers.", "%q is no number of a dead letter", number)
	}
	var found *letter
	err = b.Read(ctx, Reading{Dead: true, From: n}, func(r bus.Received) error {
		l, ok := readLetter(r)
		if !ok || r.Sequence != n {
			return nil
		}
		found = &l
		return errOver
	})
	if err != nil && !errors.Is(err, errOver) {
		return letter{}, err
	}
	if found == nil {
		return letter{}, usage("'reprotect bus dead list' shows the numbers.", "there is no dead letter %d", n)
	}
	return *found, nil
}

func (a *app) deadRequeueCommand() *cobra.Command {
	return &cobra.Command{
		Use: "requeue NUMBER", Short: "Deliver a message once more to the service that gave it up",
		Long: `Deliver a message once more, to the service that gave it up and to no other: after an upgrade, or when what
failed works again. It is refused where the message can no longer change anything, because its case has ended or
because it is a command, which was refused; then send a new request. Journal, notifier and guard take any message
again: what they do twice does no harm.`,
		Example: example("reprotect bus dead requeue 3"),
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			l, err := findLetter(cmd.Context(), b, args[0])
			if err != nil {
				return err
			}
			if err := requeueable(cmd.Context(), b, l); err != nil {
				return err
			}
			if err := b.Requeue(cmd.Context(), l.Number, l.event); err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(l)
			}
			fmt.Fprintf(a.stdout, "Message %d goes to %s once more.\n", l.Number, l.Service)
			return nil
		},
	}
}

// decideNothing are the services that may be given any message once more: what they do twice does no harm.
var decideNothing = []string{"journal", "notifier", "guard"}

// requeueable says why a message must not be delivered again: a service would act for a case that is over, and
// nobody would follow what it did.
func requeueable(ctx context.Context, b Bus, l letter) error {
	const anew = "Correct the cause and send a new request."
	_, id, _, _, ok := events.SplitFact(l.Subject)
	service, _, _ := strings.Cut(l.Service, "-") // the sites that it serves follow
	switch {
	case len(l.Original) >= events.MaxSize/2: // longer ones are cut to that
		return no(anew, "dead letter %d holds only the beginning of its message", l.Number)
	case slices.Contains(decideNothing, service):
		return nil
	case !ok: // a command that is given up is refused, for ever
		return no(anew, "dead letter %d is a command, which was answered as refused", l.Number)
	}
	c, _, err := b.Case(ctx, id)
	if err == nil && c.End {
		err = no(anew, "dead letter %d belongs to case %s, which has ended (%s)", l.Number, c.ID, c.State)
	}
	return err
}
