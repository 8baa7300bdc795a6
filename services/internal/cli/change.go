package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
)

// changeFlags are those of the commands about cases.
type changeFlags struct {
	only       []string
	reason, by string
	wait, yes  bool
	timeout    time.Duration
}

func (f *changeFlags) add(flags *pflag.FlagSet, wait string) {
	flags.StringArrayVar(&f.only, "case", nil, "the case of that `ID`, and not the latest of a machine; may be repeated")
	flags.StringVar(&f.reason, "reason", "", "why, for the event log: `TEXT`")
	flags.StringVar(&f.by, "requested-by", "", "`WHO` asks, for the event log (default: requestedBy of the config, $REPROTECT_REQUESTED_BY, else user@host)")
	flags.BoolVar(&f.wait, "wait", false, wait)
	flags.BoolVar(&f.yes, "yes", false, fmt.Sprintf("do not ask before more than %d cases are changed", manyCases))
	addTimeout(flags, &f.timeout)
}

func (a *app) cancelCommand() *cobra.Command {
	var flags changeFlags
	c := &cobra.Command{
		Use:   "cancel NAME|CASE|REQUEST...",
		Short: "End cases, or all cases of a request",
		Long: `Ask for the end of cases: of a machine's latest case by the name of the machine, of a case or of all cases of a request
by its id. Before its start, a case leaves no trace in Azure. A reprotect job that runs is cancelled, and its end
awaited. A machine whose data flows already is followed until it is protected; where all do, the command is refused.

Print each case and where it stands now. Of a request, cases that have ended stay as they are; one that waits, for
Azure or for vCenter, is ended before it becomes cases.

The service that holds a case ends it at its next move. With --wait, follow all of them to the end: 0 when all were
cancelled, 1 when one ended otherwise before.`,
		Example: example(
			"reprotect cancel web01 --reason 'wrong window'",
			"reprotect cancel web01 db01 --wait",
			"reprotect cancel r-20261122-ab12cd            # the whole request"),
		RunE: func(cmd *cobra.Command, words []string) error {
			return runChange(cmd.Context(), a, flags, words, changing[events.Cancel]{
				kind: events.TypeCancel,
				data: func(id, by string) events.Cancel {
					return events.Cancel{Case: id, Reason: flags.reason, RequestedBy: by}
				},
				concerns: func(c cases.Case) bool { return !c.End }, nothing: "every case of request %s has ended",
				asked:   func(c cases.Case) bool { return c.State == events.CaseCancelling },
				verdict: allCancelled, verb: "End",
			})
		},
	}
	flags.add(c.Flags(), "follow the cases to their end")
	return c
}

func (a *app) retryCommand() *cobra.Command {
	var flags changeFlags
	c := &cobra.Command{
		Use:   "retry NAME|CASE|REQUEST...",
		Short: "Take cases up again",
		Long: `Take up again what cases left that failed, were rejected or cancelled: a new case for the machines that are not protected
yet, which names the old one. A case that waits for an operator makes another try at once instead. A machine's name
stands for its latest case; the id of a request for each of its cases that needs it and was not taken up since.

Print the id of each case that goes on. With --wait, follow them to their end: 0 when every machine is
protected, 1 when not.`,
		Example: example("reprotect retry web01 --reason 'snapshot deleted'", "reprotect retry r-20261122-ab12cd --wait      # all that failed of a request"),
		RunE: func(cmd *cobra.Command, words []string) error {
			return runChange(cmd.Context(), a, flags, words, changing[events.Retry]{
				kind: events.TypeRetry,
				data: func(id, by string) events.Retry {
					return events.Retry{Case: id, Reason: flags.reason, RequestedBy: by}
				},
				concerns: func(c cases.Case) bool { return c.End && !c.Good || needsPerson(c) }, nothing: "no case of request %s has to be taken up again",
				asked:   func(cases.Case) bool { return false },
				verdict: verdict, verb: "Take up",
			})
		},
	}
	flags.add(c.Flags(), "follow the cases that go on to their end")
	return c
}

// changing is a command about cases.
type changing[T any] struct {
	kind     events.Type[T]
	data     func(caseID, by string) T
	concerns func(cases.Case) bool // of the cases of a request
	nothing  string                // why none of them is concerned; of the request
	asked    func(cases.Case) bool // somebody asked for it before
	verdict  func([]cases.Case) error
	verb     string
}

func runChange[T any](ctx context.Context, a *app, flags changeFlags, words []string, how changing[T]) error {
	if len(words)+len(flags.only) == 0 {
		return usage("For example: reprotect "+how.kind.Name+" web01, or a case, or a request: 'reprotect status' shows them.", "say which: names of machines, cases, or requests")
	}
	by, err := a.sender(flags.by)
	if err != nil {
		return err
	}
	ctx, stop := within(ctx, flags.timeout)
	defer stop()
	b, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	targets, err := handles(ctx, b, words, flags.only)
	switch {
	case statusOf(err) == exitNotReached && ctx.Err() == nil:
		return unseen(ctx, a, b, how, slices.Concat(words, flags.only), by, err)
	case err != nil:
		return timedOut(ctx, err)
	}
	concerned, err := pickConcerned(ctx, b, targets, how)
	if err != nil {
		return err
	}
	if err := a.confirm(flags.yes, len(concerned), manyCases, how.verb+" "+plural(len(concerned), "case", "cases")); err != nil {
		return err
	}
	return timedOut(ctx, a.changed(ctx, b, concerned, flags, how.kind.Name, func(list []string) (answers, error) {
		return change(ctx, a, b, how.kind, list, func(id string) T { return how.data(id, by) })
	}, how.asked, how.verdict))
}

// pickConcerned picks what a command is about: every case that was named, and of a request those that it concerns.
func pickConcerned[T any](ctx context.Context, b Bus, targets []target, how changing[T]) (all []cases.Case, err error) {
	var listed []cases.Case
	for _, t := range targets {
		if !t.whole {
			all = append(all, t.cases...)
			continue
		}
		if listed == nil {
			if listed, err = b.Cases(ctx); err != nil {
				return nil, err
			}
		}
		latest := latestOf(listed)
		of := slices.DeleteFunc(slices.Clone(t.cases), func(c cases.Case) bool { return !how.concerns(c) || c.End && !latest[c.ID] })
		if len(of) == 0 {
			return nil, no("Nothing is left to be done. 'reprotect show "+t.word+"' lists them.", how.nothing, t.word)
		}
		all = append(all, of...)
	}
	return each([]target{{cases: all}}), nil
}

// latestOf says of which cases a machine still stands where they left it.
func latestOf(all []cases.Case) map[string]bool {
	latest := map[string]bool{}
	for _, s := range cases.Standings(all) {
		latest[s.Case.ID] = true
	}
	return latest
}

// changed sends a command about cases, says what was answered, and prints where these stand, now or at their end.
func (a *app) changed(ctx context.Context, b Bus, concerned []cases.Case, flags changeFlags, kind string, send func([]string) (answers, error), asked func(cases.Case) bool, verdict func([]cases.Case) error) error {
	var ask []string
	follow := map[string]bool{}
	request := ""
	for _, c := range concerned {
		if follow[c.ID] = true; !asked(c) {
			ask = append(ask, c.ID)
		}
		if c.OfRequest() && !c.End {
			request = c.Request
		}
	}
	if over := len(concerned) - len(ask); over > 0 {
		a.hint("Somebody asked for the end of %s before.", plural(over, "case", "cases"))
	}
	answered, refused := send(ask)
	if refused != nil && !isAnswer(refused) {
		return refused
	}
	going := answered.goOn(follow)
	if len(going) == 0 {
		return refused
	}
	if !flags.wait {
		return errors.Join(a.printStands(ctx, b, going, len(concerned) == 1, kind == events.TypeRetry.Name), refused)
	}
	var belongs func(cases.Entry) bool
	if request != "" { // it may become cases in this very moment
		belongs = func(e cases.Entry) bool {
			return slices.Contains(going, e.Header.Case) || e.Header.Request == request
		}
	}
	ended, err := a.watchOut(ctx, b, going, belongs)
	if err != nil {
		return err
	}
	return errors.Join(a.printEnds(ended), verdict(ended), refused)
}

// isAnswer says whether an error is what a service answered, or that none did, and not that something failed.
func isAnswer(err error) bool { return isSilent(err) }

// answers are what services said to commands about cases.
type answers struct {
	cases   []cases.Case    // in which the answers stand: fewer than were asked for when no service answered in time
	refused map[string]bool // by the ids of the cases that the commands were about
}

// goOn lists the cases that go on, of those that are followed: new ones that took up others, and those to whose commands
// nobody said no.
func (a answers) goOn(follow map[string]bool) (list []string) {
	taken := map[string]bool{}
	for _, c := range a.cases {
		if isRefused(c) {
			continue
		}
		if c.RetryOf != "" {
			taken[c.RetryOf] = true
		}
		list = append(list, c.ID)
	}
	for id := range follow {
		if !taken[id] && !a.refused[id] {
			list = append(list, id)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// unseen publishes commands about cases that cannot be read now: the service that answers them can. A name of a machine
// cannot be looked up then. The error is why nothing can be read, or that the bus is not there either.
func unseen[T any](ctx context.Context, a *app, b Bus, how changing[T], words []string, by string, why error) error {
	for _, word := range words {
		if !caseID.MatchString(word) {
			return why
		}
	}
	for _, id := range words {
		if err := command(ctx, a, b, how.kind, a.deps.NewID(a.deps.Now()), how.data(id, by)); err != nil {
			return why
		}
		a.hint("It is sent as a command about the case %s: whether that is its id, or the name of a machine, cannot be looked up now.", id)
	}
	return a.unfollowed("The command", why)
}

// sendUnseen publishes one command about what cannot be read now.
func sendUnseen[T any](ctx context.Context, a *app, b Bus, t events.Type[T], data T, why error) error {
	if err := command(ctx, a, b, t, a.deps.NewID(a.deps.Now()), data); err != nil {
		return why
	}
	return a.unfollowed("The command", why)
}

// caseNow reads where a case stands.
func caseNow(ctx context.Context, b Bus, id string) (cases.Case, error) {
	if !caseID.MatchString(id) {
		return cases.Case{}, noSuchCase(id)
	}
	c, found, err := b.Case(ctx, id)
	if err == nil && !found {
		err = noSuchCase(id)
	}
	return c, err
}

// errUnanswered: what was sent stands on the bus, but no service has answered in time.
var errUnanswered = &failure{status: exitNotReached, err: errors.New("no service has answered"), silent: true}

// change publishes a command about each of some cases, or of what is named by its case and a slash, and waits for what a service says to them. That no service answers
// in time is errUnanswered. A refusal is an error that shows why; everything else was accepted.
func change[T any](ctx context.Context, a *app, b Bus, t events.Type[T], caseIDs []string, data func(caseID string) T) (answers, error) {
	if len(caseIDs) == 0 {
		return answers{}, nil
	}
	from, err := behind(ctx, b, events.CommandSubject(t.Kind))
	if err != nil {
		return answers{}, err
	}
	caseToken, id := "*", a.deps.NewID(a.deps.Now())
	sent := map[string]string{} // the case, by the id of its command
	for i, caseID := range caseIDs {
		one := fmt.Sprintf("%s-%d", id, i+1)
		if len(caseIDs) == 1 {
			one = id
			caseToken, _, _ = strings.Cut(caseID, "/")
		}
		if err := command(ctx, a, b, t, one, data(caseID)); err != nil {
			return answers{}, err
		}
		sent[one] = caseID
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
			if sent[e.Header.Causation] != "" {
				answered[e.Header.Causation] = true
			}
			return sent[e.Header.Causation] != ""
		},
		over: func([]cases.Case) bool {
			patience.Reset(a.deps.Patience)
			return len(answered) >= len(sent)
		},
	}
	err = f.run(reading)
	result := answers{f.log.Cases(), map[string]bool{}}
	var unanswered error
	switch {
	case err != nil && (ctx.Err() != nil || reading.Err() == nil):
		return result, err
	case err != nil:
		a.sayUnanswered(len(sent)-len(answered), len(sent))
		unanswered = errUnanswered
	}
	var problems []events.Problem
	for one, caseID := range sent {
		i := slices.IndexFunc(result.cases, func(c cases.Case) bool { return isRefused(c) && c.ID == events.Token(one) })
		if i >= 0 {
			result.refused[caseID] = true
		}
	}
	for _, c := range result.cases {
		if isRefused(c) {
			problems = append(problems, c.Problems...)
		}
	}
	switch {
	case len(result.refused) == 0:
		return result, unanswered
	case len(result.refused) == len(sent):
		a.hint("Refused, nothing was changed.")
	default:
		a.hint("Refused for %s of %d.", plural(len(result.refused), "case", "cases"), len(sent))
	}
	showProblems(a.stderr, problems, nil)
	return result, refusal(problems)
}

// sayUnanswered tells people that commands stand, and what becomes of them.
func (a *app) sayUnanswered(n, of int) {
	they, it, them := "The command is", "It", "it"
	if of > 1 {
		they, it, them = fmt.Sprintf("The commands for %d of %d cases are", n, of), "They", "them"
	}
	a.hint("%s on the bus, but no service has answered within %s.", they, cases.Duration(a.deps.Patience))
	a.hint("%s will be taken up as soon as a validator runs; do not send %s again.", it, them)
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

// printStands prints where cases stand now: an id and a word each, or the ids alone; as JSON the case, or an array of them.
func (a *app) printStands(ctx context.Context, b Bus, list []string, one, bare bool) error {
	if bare && !a.json() {
		fmt.Fprintln(a.stdout, strings.Join(list, "\n"))
		return nil
	}
	var stand []cases.Case
	for _, id := range list {
		c, found, err := b.Case(ctx, id)
		if err != nil {
			return err
		}
		if found {
			stand = append(stand, c)
		}
	}
	switch {
	case a.json() && one && len(stand) == 1:
		return a.printJSON(brief(stand[0]))
	case a.json():
		return a.printJSON(briefs(stand))
	}
	for _, c := range stand {
		fmt.Fprintln(a.stdout, c.ID, ownWord(c))
	}
	return nil
}

// watchOut follows cases to their end. Belongs tells their facts from all others; nil: those of the ids count.
func (a *app) watchOut(ctx context.Context, b Bus, list []string, belongs func(cases.Entry) bool) ([]cases.Case, error) {
	f := &follow{bus: b, ids: list, filters: []string{events.SubjectFacts + ".>"}, screen: a.progressScreen(), belongs: belongs, over: allEnded}
	if belongs == nil {
		f.belongs = func(e cases.Entry) bool { return slices.Contains(list, e.Header.Case) }
		if len(list) <= mostFilters {
			f.filters = caseFilters(list)
		}
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
