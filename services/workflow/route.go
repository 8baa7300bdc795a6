package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// Event is an event as a handler sees it.
type Event[T any] struct {
	events.Event[T]
	Wait     Wait
	Attempt  int       // 1 at the first delivery
	Received time.Time // when the broker stored it, or the event's own time
	// Stands looks up what Mark needs (Broker.Stands); nil in the tests of handlers that look for no marks.
	Stands func(ctx context.Context, subject string) (m bus.Received, found bool, err error)
}

// Mark returns the newest mark of that type in the case of an event. For the mark of another case, give that to the
// event first.
func Mark[M, T any](ctx context.Context, e Event[T], t events.Type[M]) (mark events.Event[M], found bool, err error) {
	if e.Stands == nil {
		return mark, false, nil
	}
	m, found, err := e.Stands(ctx, events.FactSubject(e.Site, e.Case, t.Step, t.Name))
	if !found || err != nil {
		return mark, false, err
	}
	mark, err = events.Decode(t, m.Data)
	return mark, err == nil, err
}

// Wait is what a handler that asked to be woken left for itself.
type Wait struct {
	Looks    int    `json:"looks"`           // wake-ups so far
	Note     string `json:"note,omitempty"`  // from Result.Note, whole; empty when the message was requeued
	Position int    `json:"position"`        // of the last event published for the case
	Chain    string `json:"chain,omitempty"` // tells the waits of a message that was requeued from those before
}

// Handler answers one event. It must bear being called twice with the same event.
type Handler[T any] func(ctx context.Context, e Event[T]) (Result, error)

// Result is what a handler wants done.
type Result struct {
	Publish []Draft       // published first, then the message is settled
	After   time.Duration // > 0: not finished, wake me later; waiting is never a failure
	// Note comes back in Wait.Note at the next wake-up, in valid UTF-8. It travels with the message, and is stored and
	// sent anew with each look. Over some 4 KB both are compressed; then they must fit what the bus takes: 255 KB on
	// Service Bus, 1 MB on NATS unless its max_payload says otherwise, and 8 MB before they are compressed. What does
	// not fit gives the message up at once: "event.too-large".
	Note string
}

// Rejection is an error that no retry will mend.
type Rejection struct {
	Code, Message, Remedy string
	Words                 string // the other side's own
}

func (r *Rejection) Error() string { return r.Message }

// Reject gives a message up now: it becomes a dead letter and a failed fact.
func Reject(code, message, remedy string) error {
	return &Rejection{Code: code, Message: message, Remedy: remedy}
}

// UnknownSite gives up an event of a site that the config of this process has not.
func UnknownSite(name string) error {
	return Reject("site.unknown", fmt.Sprintf("site %q is not in the config of this process", name), "Add the site to the config, then send the request again.")
}

// Draft is an event to be published; Run fills in the rest of the envelope from the event that it answers.
type Draft struct {
	kind    events.Kind
	step    string
	site    string
	caseID  string
	request string
	level   string
	number  int
	data    any
}

// Fact drafts an event of the pipeline. Step may be empty where the kind has one of its own.
func Fact[T any](t events.Type[T], step string, data T) Draft {
	if step == "" {
		step = t.Step
	}
	return Draft{kind: t.Kind, step: step, data: data}
}

// Notify drafts a notification.
func Notify(n events.Note) Draft {
	return Draft{kind: events.TypeNotification.Kind, step: "notification", level: n.Level, data: n}
}

// For puts the draft into another case than that of the event it answers.
func (d Draft) For(site, caseID, request string) Draft {
	d.site, d.caseID, d.request = site, caseID, request
	return d
}

// Numbered gives a report its number in the case instead of that which follows from the event it answers.
func (d Draft) Numbered(n int) Draft {
	d.number = n
	return d
}

// Kind says what is drafted, Case and Data for whom and what.
func (d Draft) Kind() events.Kind { return d.kind }

// Step is the step that the draft belongs to.
func (d Draft) Step() string { return d.step }

// Case is the case that the draft was made For; empty: that of the event it answers.
func (d Draft) Case() string { return d.caseID }

// Data is the payload.
func (d Draft) Data() any { return d.data }

// Service is a set of routes under one name, which is also the name of its durable subscription.
type Service struct {
	Name   string
	Routes []Route
	// Sites restricts the service to some sites; empty: all.
	Sites []string
	// All makes the subscription take every fact in one filter, and passes over those without a route. It suits a
	// service that answers many kinds: brokers are slow at long lists of filters.
	All bool
	// Alone lets one process at a time serve. StandBy is called whenever this one begins to wait for its turn, Begin
	// whenever it takes over: nothing is delivered before Begin returns, which it must soon when its context ends. Both
	// may be nil.
	Alone   bool
	StandBy func()
	Begin   func(ctx context.Context)
}

// Route leads one kind of event to its handler.
type Route struct {
	filters func(sites []string) []string
	kind    events.Kind
	step    string // whose outcome the handler decides
	// hand, if any, is called before handle, for one message after the other in the order of their delivery.
	hand   func(ctx context.Context, in *incoming)
	handle func(ctx context.Context, in incoming, l *loop) (events.Header, Result, error)
	// giveUp drafts what tells the world that this message was given up.
	giveUp func(h events.Header, in incoming, cause error) []Draft
}

// incoming is a message with the wrapping of a wake-up taken off.
type incoming struct {
	bus.Received
	wait Wait
	kept func() error // what keep of Everything has returned
}

// On leads facts of a kind to a handler that decides the given step; "" when it decides none. When such a fact is
// given up, the step ends as failed. When the case is being cancelled and the handler has waited, the step ends as
// cancelled, and the handler is not asked.
func On[T any](t events.Type[T], step string, h Handler[T]) Route {
	return on(t, step, func(ctx context.Context, e Event[T], in incoming) (Result, error) {
		if step != "" && in.Woken {
			cancelling, found, err := Mark(ctx, e, events.TypeCancelling)
			if err != nil {
				return Result{}, err
			}
			if found {
				return Result{Publish: []Draft{Fact(events.TypeCancelled, step, cancelled(in, cancelling.Data.Reason))}}, nil
			}
		}
		return h(ctx, e)
	})
}

// OnMarked is On for a handler that looks for the marks of a case by itself.
func OnMarked[T any](t events.Type[T], step string, h Handler[T]) Route {
	return on(t, step, func(ctx context.Context, e Event[T], _ incoming) (Result, error) { return h(ctx, e) })
}

func on[T any](t events.Type[T], step string, h func(context.Context, Event[T], incoming) (Result, error)) Route {
	return Route{
		kind: t.Kind, step: step,
		filters: factFilters(t.Kind),
		handle: func(ctx context.Context, in incoming, l *loop) (events.Header, Result, error) {
			e, err := events.Decode(t, in.Data)
			if err == nil {
				err = fits(e.Header, in.Subject)
			}
			if err != nil {
				return e.Header, Result{}, &malformed{err}
			}
			result, err := h(ctx, Event[T]{e, in.wait, in.Attempt, at(e.Header, in), l.broker.Stands}, in)
			return e.Header, result, err
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
func OnCommand[T any](t events.Type[T], h Handler[T], refuse func(e events.Header, original []byte, err error) Draft) Route {
	return Route{
		kind: t.Kind, step: events.StepRequest,
		filters: func([]string) []string { return []string{events.CommandSubject(t.Kind)} },
		handle: func(ctx context.Context, in incoming, l *loop) (events.Header, Result, error) {
			e, err := events.ParseCommand(t, in.Data, in.Headers, bus.CommandID(in.Received))
			if err != nil {
				return e.Header, Result{Publish: []Draft{refuse(e.Header, in.Data, err)}}, nil
			}
			result, err := h(ctx, Event[T]{e, in.wait, in.Attempt, at(e.Header, in), l.broker.Stands})
			return e.Header, result, err
		},
		giveUp: func(h events.Header, in incoming, cause error) []Draft { return []Draft{refuse(h, in.Data, cause)} },
	}
}

// OnUnknownCommand refuses what ops publish under a command that no other route of the service knows. Put it last.
func OnUnknownCommand(refuse func(e events.Header, original []byte, err error) Draft) Route {
	return Route{
		filters: func([]string) []string { return []string{events.SubjectCommands + ".>"} },
		handle: func(_ context.Context, in incoming, _ *loop) (events.Header, Result, error) {
			h := events.Header{ID: bus.CommandID(in.Received)}
			err := &Rejection{
				Code: "command.unknown", Message: fmt.Sprintf("nothing answers commands on %s", in.Subject),
				Remedy: "Publish on " + events.SubjectCommands + ".request, .cancel or .retry.",
			}
			return h, Result{Publish: []Draft{refuse(h, in.Data, err)}}, nil
		},
		giveUp: func(events.Header, incoming, error) []Draft { return nil },
	}
}

// Everything leads every message as it came to who keeps them: commands, facts and notifications of these sites. Keep
// takes one message after the other, in the order of their delivery, and returns what waits until it is kept; of those
// many wait at once. What could not be kept is brought again, for as long as it takes, and then stands behind others.
func Everything(keep func(ctx context.Context, r bus.Received) (kept func() error)) Route {
	return Route{
		filters: func(sites []string) []string {
			if len(sites) == 0 {
				return []string{events.SubjectCommands + ".>", events.SubjectFacts + ".>", events.SubjectNotifications + ".>"}
			}
			filters := append([]string{events.SubjectCommands + ".>"}, perSite(sites, ">")...)
			for _, site := range sites {
				filters = append(filters, events.NotificationSubject(site, "*"))
			}
			return filters
		},
		kind: events.Kind{Name: "everything"},
		hand: func(ctx context.Context, in *incoming) {
			defer func() {
				if p := recover(); p != nil {
					in.kept = func() error { panic(p) } // where panics are errors
				}
			}()
			in.kept = keep(ctx, in.Received)
		},
		handle: func(ctx context.Context, in incoming, l *loop) (events.Header, Result, error) {
			// Each message waits for itself: of one case there may be many.
			h := events.Header{ID: fmt.Sprintf("%s %d %s", in.Subject, in.Sequence, in.ID)}
			err := in.kept()
			if err != nil && ctx.Err() == nil {
				l.o.Log.Warn("message cannot be kept, will try again", zap.String("service", l.service.Name), zap.String("subject", in.Subject), zap.Error(err))
				return h, Result{After: Backoff(in.wait.Looks+1, l.o.Jitter())}, nil
			}
			return h, Result{}, err
		},
		giveUp: func(events.Header, incoming, error) []Draft { return nil },
	}
}

// malformed marks an event that cannot be read; a retry would not help.
type malformed struct{ error }

func (m *malformed) Unwrap() error { return m.error }

func factFilters(k events.Kind) func(sites []string) []string {
	step := k.Step
	if step == "" {
		step = "*"
	}
	return func(sites []string) []string { return perSite(sites, "*."+step+"."+k.Name) }
}

func perSite(sites []string, rest string) []string {
	if len(sites) == 0 {
		sites = []string{"*"}
	}
	var filters []string
	for _, site := range sites {
		filters = append(filters, events.SubjectFacts+"."+site+"."+rest)
	}
	return filters
}

// Consumer is the durable subscription that the service needs.
func (s Service) Consumer() bus.Consumer {
	var filters []string
	for _, r := range s.Routes {
		filters = append(filters, r.filters(s.Sites)...)
	}
	c := bus.Consumer{Service: s.durable(), Filters: apart(filters), InOrder: s.inOrder()}
	if s.All {
		c.Narrow, c.Filters = c.Filters, apart(append(filters, perSite(s.Sites, "*.*.*")...))
	}
	return c
}

// apart drops the filters that others cover: brokers refuse those that overlap.
func apart(filters []string) []string {
	filters = slices.Clone(filters)
	slices.Sort(filters)
	filters = slices.Compact(filters)
	return slices.DeleteFunc(slices.Clone(filters), func(f string) bool {
		return slices.ContainsFunc(filters, func(g string) bool { return g != f && bus.Match(g, f) })
	})
}

// inOrder says whether messages are handed on in the order of their delivery.
func (s Service) inOrder() bool {
	return slices.ContainsFunc(s.Routes, func(r Route) bool { return r.hand != nil })
}

func (s Service) durable() string {
	return strings.Join(append([]string{s.Name}, s.Sites...), "-")
}

func (s Service) route(subject string) (Route, bool) {
	i := slices.IndexFunc(s.Routes, func(r Route) bool {
		return slices.ContainsFunc(r.filters(s.Sites), func(f string) bool { return bus.Match(f, subject) })
	})
	if i < 0 {
		return Route{}, false
	}
	return s.Routes[i], true
}

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
		Remedy:  "The message and the error stand among the dead letters. When the cause is mended, retry the case.",
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
			end.Machines = append(end.Machines, events.MachineState{Machine: m.Name, State: "not-started"})
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
