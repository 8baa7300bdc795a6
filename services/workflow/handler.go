package workflow

import (
	"context"
	"fmt"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// Event is an event as a handler sees it.
type Event[T any] struct {
	events.Event[T]
	Looks    int       // wake-ups so far; 0 at the first look
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

// Handler answers one event. State is what it left in its last Result; the zero value at the first look, after a
// requeue, and when it cannot be read. A handler must bear being called twice with the same event, and it must heed
// ctx, which ends at the time limit of its route (Route.Within).
type Handler[T, S any] func(ctx context.Context, e Event[T], state S) (Result[S], error)

// Result is what a handler wants done.
type Result[S any] struct {
	Publish []Draft       // published first, then the message is acknowledged
	After   time.Duration // > 0: not finished, wake me later; waiting is never a failure
	// State comes back at the next wake-up, as JSON tells it. It travels with the message, and is stored and sent anew
	// with each look. Over some 4 KB both are compressed; then they must fit what the bus takes: 255 KB on Service Bus,
	// 1 MB on NATS unless its max_payload says otherwise, and 8 MB before they are compressed. What does not fit gives
	// the message up at once: "event.too-large".
	State S
}

// None is the state of a handler that keeps nothing between looks.
type None = struct{}

// Keep is the same result with another state, for handlers whose state holds that of a helper.
func Keep[S, R any](r Result[R], state S) Result[S] {
	return Result[S]{Publish: r.Publish, After: r.After, State: state}
}

// Rejection is an error that no retry can cure.
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
