package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
)

func (a *app) cancelCommand() *cobra.Command {
	var reason string
	var wait bool
	c := &cobra.Command{
		Use:   "cancel CASE | REQUEST",
		Short: "End a case, or all cases of a request",
		Long: `Ask for the end of a case. Before its start, it leaves no trace in Azure. A reprotect job that runs is
cancelled, and its end awaited. A machine whose data flows already is followed until it is protected; where all do, the
command is refused.

With the id of a request, ask for the end of each of its cases that has not ended, and print where these stand. A
request that waits, for Azure or for vCenter, is ended before it becomes cases.

The service that holds the case ends it at its next move. With --wait, follow it, or all of them, to the end: 0 when
all were cancelled, 1 when one ended otherwise before.`,
		Example: example(
			"reprotect cancel r-20261122-ab12cd--web01 --reason 'wrong window'",
			"reprotect cancel r-20261122-ab12cd--web01 --wait",
			"reprotect cancel r-20261122-ab12cd            # the whole request"),
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			id := args[0]
			current, ofRequest, err := named(cmd.Context(), b, id)
			switch {
			case statusOf(err) == exitNotReached:
				return unseen(cmd.Context(), a, b, events.TypeCancel, id, events.Cancel{Case: id, Reason: reason}, err)
			case err != nil:
				return err
			case ofRequest != nil:
				return a.cancelRequest(cmd.Context(), b, id, ofRequest, reason, wait)
			case current.State == events.CaseCancelling:
				a.hint("Somebody asked for the end of case %s before.", id)
			default:
				_, err := change(cmd.Context(), a, b, events.TypeCancel, []string{id}, func(string) events.Cancel { return events.Cancel{Case: id, Reason: reason} })
				if err != nil {
					return err
				}
			}
			if !wait {
				return a.printCase(cmd.Context(), b, id)
			}
			var belongs func(cases.Entry) bool
			if current.OfRequest() { // it may become cases in this very moment
				belongs = func(e cases.Entry) bool { return e.Header.Request == current.Request }
			}
			listed, err := a.watchOut(cmd.Context(), b, []string{id}, belongs)
			if err != nil {
				return err
			}
			return errors.Join(a.printEnds(listed), allCancelled(listed))
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for the event log")
	c.Flags().BoolVar(&wait, "wait", false, "follow the case, or all of the request, to the end")
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
			id := args[0]
			_, ofRequest, err := named(cmd.Context(), b, id)
			switch {
			case statusOf(err) == exitNotReached:
				return unseen(cmd.Context(), a, b, events.TypeRetry, id, events.Retry{Case: id, Reason: reason}, err)
			case err != nil:
				return err
			case ofRequest != nil:
				return notOne(id, ofRequest)
			}
			answers, err := change(cmd.Context(), a, b, events.TypeRetry, []string{id}, func(string) events.Retry { return events.Retry{Case: id, Reason: reason} })
			if err != nil {
				return err
			}
			next := id
			if len(answers) > 0 {
				next = answers[0].ID
			}
			if !wait {
				return a.printCase(cmd.Context(), b, next)
			}
			listed, err := a.watchOut(cmd.Context(), b, []string{next}, nil)
			if err != nil {
				return err
			}
			return errors.Join(a.printEnds(listed), verdict(listed))
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for the event log")
	c.Flags().BoolVar(&wait, "wait", false, "follow the case that goes on to its end")
	return c
}

// unseen publishes a command about a case that cannot be read now: the service that answers it can. The error is why it
// cannot be read, or that the bus is not there either.
func unseen[T any](ctx context.Context, a *app, b Bus, t events.Type[T], caseID string, data T, why error) error {
	if err := checkCaseID(caseID); err != nil {
		return err
	}
	if err := command(ctx, a, b, t, a.deps.NewID(a.deps.Now()), data); err != nil {
		return why
	}
	return a.unfollowed("The command about "+caseID, why)
}

// change publishes a command about each of some cases, or of what is named by its case and a slash, and waits for what a service says to them. It returns the cases
// in which the answers stand: fewer than were asked for when no service answers in time. A refusal is an error that
// shows why; everything else was accepted.
func change[T any](ctx context.Context, a *app, b Bus, t events.Type[T], caseIDs []string, data func(caseID string) T) ([]cases.Case, error) {
	if len(caseIDs) == 0 {
		return nil, nil
	}
	from, err := behind(ctx, b, events.CommandSubject(t.Kind))
	if err != nil {
		return nil, err
	}
	caseToken, id := "*", a.deps.NewID(a.deps.Now())
	sent := map[string]bool{}
	for i, caseID := range caseIDs {
		one := fmt.Sprintf("%s-%d", id, i+1)
		if len(caseIDs) == 1 {
			one = id
			caseToken, _, _ = strings.Cut(caseID, "/")
		}
		if err := command(ctx, a, b, t, one, data(caseID)); err != nil {
			return nil, err
		}
		sent[one] = true
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	patience := time.AfterFunc(a.deps.Patience, stop)
	defer patience.Stop()
	answered := map[string]bool{}
	f := &follow{
		bus: b, from: from, screen: silent{},
		filters: []string{
			events.OutcomeFilter("*", "*", events.StepRequest), events.OutcomeFilter("*", caseToken, events.StepCancel), events.OutcomeFilter("*", caseToken, events.StepRetry),
			events.FactSubject("*", caseToken, events.StepGuard, events.TypeAcknowledged.Name),
		},
		belongs: func(e cases.Entry) bool {
			if sent[e.Header.Causation] {
				answered[e.Header.Causation] = true
			}
			return sent[e.Header.Causation]
		},
		over: func([]cases.Case) bool {
			patience.Reset(a.deps.Patience)
			return len(answered) >= len(sent)
		},
	}
	err = f.run(reading)
	answers := f.log.Cases()
	switch {
	case err != nil && (ctx.Err() != nil || reading.Err() == nil):
		return nil, err
	case err != nil:
		a.sayUnanswered(len(sent)-len(answered), len(sent))
	}
	refused := slices.DeleteFunc(slices.Clone(answers), func(c cases.Case) bool { return !isRefused(c) })
	if len(refused) == 0 {
		return answers, nil
	}
	if len(refused) == len(sent) {
		a.hint("Refused, nothing was changed.")
	} else {
		a.hint("Refused for %s of %d.", plural(len(refused), "case", "cases"), len(sent))
	}
	var problems []events.Problem
	for _, c := range refused {
		problems = append(problems, c.Problems...)
	}
	showProblems(a.stderr, problems, nil)
	return answers, errNo
}

// sayUnanswered tells people that commands stand, and what becomes of them.
func (a *app) sayUnanswered(n, of int) {
	they, it, them := "The command is", "It", "it"
	if of > 1 {
		they, it, them = fmt.Sprintf("The commands for %d of %d cases are", n, of), "They", "them"
	}
	a.hint("%s on the bus, but no service has answered within %s.", they, cases.Duration(a.deps.Patience))
	a.hint("%s will be taken up as soon as a validator runs; do not send %s again. 'reprotect bus status' shows who is behind.", it, them)
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

// watchOut follows cases to their end. Belongs tells their facts from all others; nil: those of the ids alone are read.
func (a *app) watchOut(ctx context.Context, b Bus, ids []string, belongs func(cases.Entry) bool) ([]cases.Case, error) {
	f := &follow{bus: b, ids: ids, filters: []string{events.SubjectFacts + ".>"}, screen: a.progressScreen(), belongs: belongs, over: allEnded}
	if belongs == nil {
		f.filters = caseFilters(ids)
	}
	if err := f.run(ctx); err != nil {
		return nil, err
	}
	return f.cases(), nil
}

// printEnds prints where a case stands that was followed, or the cases that the request became meanwhile.
func (a *app) printEnds(listed []cases.Case) error {
	if a.json() && len(listed) == 1 {
		return a.printJSON(brief(listed[0]))
	}
	return a.printCases(listed)
}

// allCancelled is nil when all cases were cancelled.
func allCancelled(listed []cases.Case) error {
	if slices.ContainsFunc(listed, func(c cases.Case) bool {
		return c.State != events.CaseCancelled && c.Code != "request.cancelled"
	}) {
		return errNo
	}
	return nil
}
