package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

// asked is a request that was published.
type asked struct {
	id       string
	machines int    // that it names; 0: as many as the plan has, or the vault
	from     uint64 // its answers stand behind this place of the event log
	unread   error  // the event log cannot be read, so nobody knows its answers
}

// ask publishes a request, also when the event log cannot be read: the bus keeps it.
func ask[T any](ctx context.Context, a *app, b Bus, t events.Type[T], request T, machines int) (asked, error) {
	q := asked{id: a.deps.NewID(a.deps.Now()), machines: machines}
	q.from, q.unread = behind(ctx, b, events.CommandSubject(t.Kind))
	if err := command(ctx, a, b, t, q.id, request); err != nil {
		return q, err
	}
	return q, nil
}

// unfollowed tells people that what they sent stands, though nobody can read now what becomes of it, and why.
func (a *app) unfollowed(what string, why error) error {
	a.hint("%s is on the bus, and is taken up as soon as a validator runs; do not send it again.", what)
	a.hint("What becomes of it cannot be read now:")
	return &failure{status: statusOf(why), err: why, remedy: "When the event log can be read again, 'reprotect list' shows what became of it."}
}

// answer is what became of a request.
type answer struct {
	Request  string           `json:"request"`
	Answered bool             `json:"answered"` // a service took it up
	Cases    []cases.Case     `json:"cases"`
	Problems []events.Problem `json:"problems,omitempty"` // why it was refused
}

// answered waits for the cases of a request, or to their end, and prints what became of it.
func (a *app) answered(ctx context.Context, b Bus, q asked, wait bool) error {
	if q.unread != nil {
		return a.unfollowed("Request "+q.id, q.unread)
	}
	listed, err := a.accepted(ctx, b, q, wait)
	if err != nil {
		return err
	}
	if wait && !slices.ContainsFunc(listed, isRefused) {
		if listed, err = a.toTheEnd(ctx, b, q, len(listed)); err != nil {
			if ctx.Err() != nil {
				a.hint("Stopped following. The cases go on; 'reprotect watch' shows them.")
			}
			return err
		}
	}
	switch {
	case a.json():
		err = a.printJSON(answerOf(q, listed))
	case slices.ContainsFunc(listed, isRefused): // said already
	case wait:
		err = a.printCases(listed)
	default:
		for _, c := range listed {
			fmt.Fprintln(a.stdout, c.ID)
		}
	}
	if len(listed) == 0 && err == nil {
		return errUnanswered
	}
	return errors.Join(err, verdict(listed))
}

func answerOf(q asked, listed []cases.Case) answer {
	result := answer{Request: q.id, Answered: len(listed) > 0, Cases: []cases.Case{}}
	for _, c := range listed {
		if isRefused(c) {
			result.Problems = append(result.Problems, c.Problems...)
			continue
		}
		result.Cases = append(result.Cases, brief(c))
	}
	return result
}

func isRefused(c cases.Case) bool { return c.State == events.CaseRefused }

// settled is how long it must be quiet after an accepted case until the answer counts as complete, when the request
// does not tell how many machines there are.
const settled = time.Second

// accepted collects the cases that a request became. It returns none when nobody answers within the patience;
// with forever, it says so then and waits on.
func (a *app) accepted(ctx context.Context, b Bus, q asked, forever bool) ([]cases.Case, error) {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	patience := time.AfterFunc(a.deps.Patience, func() {
		if forever {
			a.hint("Request %s is on the bus; no service has answered yet. Waiting on.", q.id)
			return
		}
		stop()
	})
	defer patience.Stop()
	quiet := time.AfterFunc(time.Hour, stop)
	quiet.Stop()
	defer quiet.Stop()

	f := &follow{
		bus: b, from: q.from, filters: []string{events.OutcomeFilter("*", "*", events.StepRequest)}, screen: silent{},
		belongs: q.answers,
		over: func(listed []cases.Case) bool {
			machines := 0
			for _, c := range listed {
				machines += len(c.Machines)
			}
			if len(listed) == 0 {
				return false
			}
			patience.Stop()
			quiet.Reset(settled)
			return slices.ContainsFunc(listed, isRefused) || q.machines > 0 && machines >= q.machines
		},
	}
	err := f.run(reading)
	if err != nil && ctx.Err() == nil && reading.Err() != nil {
		err = nil // nobody answered, or all that will
	}
	if err != nil {
		return nil, err
	}
	listed := f.log.Cases()
	a.sayAnswer(q, listed)
	return listed, nil
}

// sayAnswer tells people what became of a request.
func (a *app) sayAnswer(q asked, listed []cases.Case) {
	switch i := slices.IndexFunc(listed, isRefused); {
	case i >= 0:
		a.hint("Request %s was refused. Nothing was begun.", q.id)
		showProblems(a.stderr, listed[i].Problems, nil)
	case len(listed) == 0:
		a.hint("Request %s is on the bus, but no service has answered within %s.", q.id, cases.Duration(a.deps.Patience))
		a.hint("It will be taken up as soon as a validator runs; do not send it again.")
	default:
		a.hint("Request %s is accepted as %s.", q.id, plural(len(listed), "case", "cases"))
	}
}

func (q asked) answers(e cases.Entry) bool { return e.Header.Request == q.id }

// toTheEnd follows the cases of a request, of which there are so many at least, until all have ended.
func (a *app) toTheEnd(ctx context.Context, b Bus, q asked, accepted int) ([]cases.Case, error) {
	f := &follow{
		bus: b, from: q.from, filters: []string{events.SubjectFacts + ".>"}, screen: a.progressScreen(), belongs: q.answers,
		over: func(listed []cases.Case) bool { return len(listed) >= accepted && allEnded(listed) },
	}
	err := f.run(ctx)
	return f.log.Cases(), err
}

// silent shows nothing.
type silent struct{}

func (silent) begin([]cases.Case)            {}
func (silent) event(cases.Entry, cases.Case) {}
func (silent) end()                          {}
