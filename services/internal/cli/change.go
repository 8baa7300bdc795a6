package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/internal/progress"
)

func (a *app) cancelCommand() *cobra.Command {
	var reason string
	var wait bool
	c := &cobra.Command{
		Use:   "cancel CASE",
		Short: "End a case",
		Long: `Ask for the end of a case. Before its start, it leaves no trace in Azure. A reprotect job that runs is
cancelled, and its end awaited; a machine whose data flows already goes on to be protected.

The service that holds the case ends it at its next move. With --wait, follow it to its end: 0 when it was
cancelled, 1 when it ended otherwise before.`,
		Example: example("reprotect cancel r-20261122-ab12cd-web01 --reason 'wrong window'", "reprotect cancel r-20261122-ab12cd-web01 --wait"),
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			current, err := caseNow(cmd.Context(), b, args[0])
			if err != nil {
				return err
			}
			if current.State == progress.StateCancelling {
				a.hint("Somebody asked for the end of case %s before.", args[0])
			} else if err := change(cmd.Context(), a, b, events.TypeCancel, args[0], events.Cancel{Case: args[0], Reason: reason}); err != nil {
				return err
			}
			if !wait {
				return a.printCase(cmd.Context(), b, args[0])
			}
			cases, err := a.watchOut(cmd.Context(), b, args[0])
			if err == nil && cases[0].State != events.TypeCancelled.Name && cases[0].Code != "request.cancelled" {
				err = errNo
			}
			return err
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for the event log")
	c.Flags().BoolVar(&wait, "wait", false, "follow the case to its end")
	return c
}

func (a *app) retryCommand() *cobra.Command {
	var reason string
	var wait bool
	c := &cobra.Command{
		Use:   "retry CASE",
		Short: "Take a case up again",
		Long: `Take up again what a case left that failed, was rejected or cancelled: a new case for the machines that are not
protected yet, which names the old one. A case that waits for an operator makes another try at once instead.

Print the id of the case that goes on. With --wait, follow it to its end: 0 when every machine is protected, 1
when not.`,
		Example: example("reprotect retry r-20261122-ab12cd-web01 --reason 'snapshot deleted'", "reprotect retry r-20261122-ab12cd-web01 --wait"),
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			if _, err := caseNow(cmd.Context(), b, args[0]); err != nil {
				return err
			}
			next := args[0]
			err = change(cmd.Context(), a, b, events.TypeRetry, args[0], events.Retry{Case: args[0], Reason: reason}, func(c progress.Case) { next = c.ID })
			if err != nil {
				return err
			}
			if !wait {
				return a.printCase(cmd.Context(), b, next)
			}
			cases, err := a.watchOut(cmd.Context(), b, next)
			return errors.Join(err, verdict(cases))
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for the event log")
	c.Flags().BoolVar(&wait, "wait", false, "follow the case that goes on to its end")
	return c
}

// caseNow reads where a case stands.
func caseNow(ctx context.Context, b Bus, id string) (progress.Case, error) {
	if _, err := caseFilter(id); err != nil {
		return progress.Case{}, err
	}
	c, found, err := b.Case(ctx, id)
	if err == nil && !found {
		err = noSuchCase(id)
	}
	return c, err
}

// change publishes a command about a case and waits for what a service says to it: a refusal is an error that
// shows why, everything else was accepted, and taken is told of the case in which it stands.
func change[T any](ctx context.Context, a *app, b Bus, t events.Type[T], caseID string, data T, taken ...func(progress.Case)) error {
	id := a.deps.NewID(a.deps.Now())
	from, err := behind(ctx, b, events.CommandSubject(t.Kind))
	if err != nil {
		return err
	}
	if err := command(ctx, a, b, t, id, data); err != nil {
		return err
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	patience := time.AfterFunc(a.deps.Patience, stop)
	defer patience.Stop()
	f := &follow{
		bus: b, from: from, screen: silent{},
		filters: []string{
			events.OutcomeFilter("*", "*", events.StepRequest), events.OutcomeFilter("*", caseID, events.StepCancel), events.OutcomeFilter("*", caseID, events.StepRetry),
		},
		belongs: func(e progress.Entry) bool { return e.Header.Causation == id },
		over:    func(cases []progress.Case) bool { return len(cases) > 0 },
	}
	if err := f.run(reading); err != nil {
		if ctx.Err() == nil && reading.Err() != nil {
			a.hint("The command is on the bus, but no service has answered within %s.", progress.Duration(a.deps.Patience))
			a.hint("It will be taken up as soon as a validator runs; do not send it again. 'reprotect bus status' shows who is behind.")
			return nil
		}
		return err
	}
	answer := f.log.Cases()[0]
	if isRefused(answer) {
		a.hint("Refused, nothing was changed.")
		showProblems(a.stderr, answer.Problems, nil)
		return errNo
	}
	for _, tell := range taken {
		tell(answer)
	}
	return nil
}

// behind is the place of the log behind the newest message of a subject: what answers a later one stands there.
func behind(ctx context.Context, b Bus, subject string) (from uint64, err error) {
	err = b.Read(ctx, Reading{Filters: []string{subject}, Latest: true}, func(r bus.Received) error {
		from = r.Sequence + 1
		return nil
	})
	return from, err
}

// command publishes a command as an event of this program.
func command[T any](ctx context.Context, a *app, b Bus, t events.Type[T], id string, data T) error {
	raw, err := events.Encode(events.Event[T]{
		Header: events.Header{ID: id, Source: "/reprotect/cli", Time: a.deps.Now().UTC(), Type: t.CloudType(), DataSchema: t.Schema()},
		Data:   data,
	})
	if err != nil {
		return usage("Ask for fewer machines at once.", "%w", err)
	}
	return b.Publish(ctx, bus.Message{Subject: events.CommandSubject(t.Kind), ID: id, Data: raw})
}

// printCase prints the id of the case that goes on; as JSON, where it stands.
func (a *app) printCase(ctx context.Context, b Bus, id string) error {
	if !a.json() {
		_, err := fmt.Fprintln(a.stdout, id)
		return err
	}
	c, err := caseNow(ctx, b, id)
	if err != nil {
		return err
	}
	return a.printJSON(brief(c))
}

// watchOut follows a case to its end and prints where it stands then.
func (a *app) watchOut(ctx context.Context, b Bus, id string) ([]progress.Case, error) {
	filters, err := caseFilters([]string{id})
	if err != nil {
		return nil, err
	}
	f := &follow{bus: b, ids: []string{id}, filters: filters, screen: a.progressScreen(), over: allEnded}
	if err := f.run(ctx); err != nil {
		return nil, err
	}
	cases := slices.Clone(f.cases())
	if a.json() {
		return cases, a.printJSON(brief(cases[0]))
	}
	return cases, a.printCases(cases)
}
