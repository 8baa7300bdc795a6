package workflow

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// Route leads one kind of event to its handler.
type Route struct {
	filters func(sites []string) []string
	kind    events.Kind
	step    string // whose outcome the handler decides
	within  time.Duration
	each    bool // each message waits for itself
	// open reads a message, once per delivery.
	open func(in incoming) opened
	// giveUp drafts what tells the world that this message was given up.
	giveUp func(h events.Header, in incoming, cause error) []Draft
}

// opened is a message that was read.
type opened struct {
	header events.Header // as far as it could be read
	// ask asks the handler; of a message that cannot be read it says why.
	ask func(ctx context.Context, l *delivering) (outcome, error)
}

// read opens a message; a panic on the way is an error like any other.
func (r Route) read(in incoming) (o opened, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("reading the message panicked: %v", p)
		}
	}()
	return r.open(in), nil
}

// outcome is a Result with its state encoded.
type outcome struct {
	publish []Draft
	after   time.Duration
	state   json.RawMessage
}

// Limit is how long a handler may take where its route says nothing else.
const Limit = 2 * time.Minute

// Within sets the time limit of the route's handler. When it is over, the handler's context ends, and its message comes
// again like after any other error, whether or not the handler heeds that.
func (r Route) Within(limit time.Duration) Route {
	r.within = limit
	return r
}

// Each lets every message of the route wait for itself, where a case may have several of its kind under way. Without it a
// later one that waits takes the place of the one before.
func (r Route) Each() Route {
	r.each = true
	return r
}

func (r Route) limit() time.Duration { return cmp.Or(r.within, Limit) }

// incoming is a message with the wrapping of a wake-up taken off.
type incoming struct {
	bus.Received
	wait wait
}

// On leads facts of a kind to a handler that decides the given step; "" when it decides none. When such a fact is
// given up, the step ends as failed. When the case is being cancelled and the handler has waited, the step ends as
// cancelled, and the handler is not asked.
func On[T, S any](t events.Type[T], step string, h Handler[T, S]) Route {
	return on(t, step, func(ctx context.Context, l *delivering, in incoming, e Event[T]) (outcome, error) {
		if step != "" && in.Woken {
			cancelling, found, err := Mark(ctx, e, events.TypeCancelling)
			if err != nil {
				return outcome{}, err
			}
			if found {
				return outcome{publish: []Draft{Fact(events.TypeCancelled, step, cancelled(in, cancelling.Data.Reason))}}, nil
			}
		}
		return ask(ctx, l, in, h, e)
	})
}

// OnMarked is On for a handler that looks for the marks of a case by itself.
func OnMarked[T, S any](t events.Type[T], step string, h Handler[T, S]) Route {
	return on(t, step, func(ctx context.Context, l *delivering, in incoming, e Event[T]) (outcome, error) {
		return ask(ctx, l, in, h, e)
	})
}

// OnEachStep is OnMarked for facts after which the way of a case goes on by one of several steps: step says by which.
func OnEachStep[T, S any](t events.Type[T], step func(T) string, h Handler[T, S]) Route {
	var zero T
	r := OnMarked(t, step(zero), h)
	r.giveUp = func(_ events.Header, in incoming, cause error) []Draft {
		decides := r.step
		if e, err := events.Decode(t, in.Data); err == nil {
			decides = step(e.Data)
		}
		return []Draft{Fact(events.TypeFailed, decides, failure(in, cause))}
	}
	return r
}

// OnNotification leads the notifications of the service's sites to a handler. Each waits for itself.
func OnNotification[S any](h Handler[events.Note, S]) Route {
	return Route{
		kind: events.TypeNotification.Kind, each: true,
		filters: func(sites []string) (filters []string) {
			if len(sites) == 0 {
				sites = []string{"*"}
			}
			for _, site := range sites {
				filters = append(filters, events.NotificationSubject(site, "*"))
			}
			return filters
		},
		open: func(in incoming) opened {
			e, err := events.Decode(events.TypeNotification, in.Data)
			if err == nil && in.Subject != events.NotificationSubject(e.Site, e.Data.Level) {
				err = fmt.Errorf("notification %s is of site %q and level %q, but stands on %s", e.ID, e.Site, e.Data.Level, in.Subject)
			}
			return opened{e.Header, func(ctx context.Context, l *delivering) (outcome, error) {
				if err != nil {
					return outcome{}, &malformed{err}
				}
				return ask(ctx, l, in, h, shown(l, in, e))
			}}
		},
		giveUp: func(events.Header, incoming, error) []Draft { return nil },
	}
}

func on[T any](t events.Type[T], step string, answer func(context.Context, *delivering, incoming, Event[T]) (outcome, error)) Route {
	return Route{
		kind: t.Kind, step: step,
		filters: factFilters(t.Kind),
		open: func(in incoming) opened {
			e, err := events.Decode(t, in.Data)
			if err == nil {
				err = fits(e.Header, in.Subject)
			}
			return opened{e.Header, func(ctx context.Context, l *delivering) (outcome, error) {
				if err != nil {
					return outcome{}, &malformed{err}
				}
				return answer(ctx, l, in, shown(l, in, e))
			}}
		},
		giveUp: func(h events.Header, in incoming, cause error) []Draft {
			if step == "" {
				return nil
			}
			return []Draft{Fact(events.TypeFailed, step, failure(in, cause))}
		},
	}
}

// OnCommand leads a command to a handler. Whatever makes the command impossible becomes what refuse drafts.
func OnCommand[T, S any](t events.Type[T], h Handler[T, S], refuse func(e events.Header, original []byte, err error) Draft) Route {
	return Route{
		kind: t.Kind, step: events.StepRequest,
		filters: func([]string) []string { return []string{events.CommandSubject(t.Kind)} },
		open: func(in incoming) opened {
			e, err := events.ParseCommand(t, in.Data, in.Headers, bus.CommandID(in.Received))
			return opened{e.Header, func(ctx context.Context, l *delivering) (outcome, error) {
				if err != nil {
					return outcome{publish: []Draft{refuse(e.Header, in.Data, err)}}, nil
				}
				return ask(ctx, l, in, h, shown(l, in, e))
			}}
		},
		giveUp: func(h events.Header, in incoming, cause error) []Draft { return []Draft{refuse(h, in.Data, cause)} },
	}
}

// shown is an event as its handler sees it.
func shown[T any](l *delivering, in incoming, e events.Event[T]) Event[T] {
	return Event[T]{Event: e, Looks: in.wait.Looks, Attempt: in.Attempt, Received: at(e.Header, in), Stands: l.broker.Stands}
}

// ask gives a handler the state that it left, and takes what it leaves now.
func ask[T, S any](ctx context.Context, l *delivering, in incoming, h Handler[T, S], e Event[T]) (outcome, error) {
	state, err := decodeState[S](in.wait)
	if err != nil { // no retry makes it readable, and what a handler does at its first look is harmless at any other
		l.log(in).Warn("handler begins anew", slog.Any("error", err))
	}
	result, err := h(ctx, e, state)
	if err != nil {
		return outcome{}, err
	}
	out := outcome{publish: result.Publish, after: result.After}
	if result.After > 0 {
		out.state, err = encodeState(result.State)
	}
	return out, err
}

// OnUnknownCommand refuses what ops publish under a command that no other route of the service knows. Put it last.
func OnUnknownCommand(refuse func(e events.Header, original []byte, err error) Draft) Route {
	return Route{
		filters: func([]string) []string { return []string{events.SubjectCommands + ".>"} },
		open: func(in incoming) opened {
			h := events.Header{ID: bus.CommandID(in.Received)}
			return opened{h, func(context.Context, *delivering) (outcome, error) {
				err := &Rejection{
					Code: "command.unknown", Message: fmt.Sprintf("nothing answers commands on %s", in.Subject),
					Remedy: "Publish on " + events.SubjectCommands + ".request, .cancel or .retry.",
				}
				return outcome{publish: []Draft{refuse(h, in.Data, err)}}, nil
			}}
		},
		giveUp: func(events.Header, incoming, error) []Draft { return nil },
	}
}

// malformed marks an event that cannot be read; a retry would not help.
type malformed struct{ error }

func (m *malformed) Unwrap() error { return m.error }

// fits holds an event's attributes against the subject on which it came: an event on the wrong subject is
// refused, whatever it says of itself.
func fits(h events.Header, subject string) error {
	site, caseID, step, name, ok := events.SplitFact(subject)
	kind, known := events.KindOf(h.Type)
	switch {
	case !ok:
		return fmt.Errorf("subject %s is not that of a fact", subject)
	case !known:
		return fmt.Errorf("type %q is not known to this version", h.Type)
	case kind.Name != name || h.Site != site || h.Case != caseID || h.Step != step:
		return fmt.Errorf("event %s says it is %s of %s/%s/%s, but stands on %s", h.ID, kind.Name, h.Site, h.Case, h.Step, subject)
	}
	return nil
}

func at(h events.Header, in incoming) time.Time {
	if !h.Time.IsZero() {
		return h.Time
	}
	return in.Published
}

// failure words the end of a step whose message was given up, with the case as far as it can be read.
func failure(in incoming, cause error) events.Failed {
	f := events.Failed{
		Code:    "internal",
		Message: cause.Error(),
		Remedy:  "The message and the error stand among the dead letters. When the cause is gone, retry the case.",
	}
	var rejection *Rejection
	if errors.As(cause, &rejection) {
		f.Code, f.Message, f.Words = rejection.Code, rejection.Message, rejection.Words
		if rejection.Remedy != "" {
			f.Remedy = rejection.Remedy
		}
	}
	f.Case = caseIn(in)
	return f
}

// cancelled words the end of a step that waited for something before it touched anything.
func cancelled(in incoming, reason string) events.Cancelled {
	end := events.Cancelled{Reason: reason}
	if c := caseIn(in); c != nil {
		end.Case = *c
		for _, m := range c.Machines {
			end.Machines = append(end.Machines, events.MachineState{Machine: m.Name, State: events.StateNotStarted})
		}
	}
	return end
}

// caseIn reads the case out of an event as far as it can be read.
func caseIn(in incoming) *events.Case {
	var body struct {
		Data struct {
			Case *events.Case `json:"case"`
		} `json:"data"`
	}
	if json.Unmarshal(in.Data, &body) != nil {
		return nil
	}
	return body.Data.Case
}
