package homeward

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/workflow"
)

// errStopped is how a submission ends whose process is told to stop: it may have arrived.
var errStopped = errors.New("the process is told to stop")

// walk leads one case along, as the bus would: each outcome is the next message, and a state comes back as JSON.
type walk struct {
	azure  *azure
	leader Leader
	c      events.Case

	said       []workflow.Draft
	end        workflow.Draft // of the case; its kind is zero while it has not ended
	waited     []events.Waiting
	cancelling bool
	lose       func() bool // what was kept between two looks
	between    func(*walk) // looks
}

func (w *walk) stands(_ context.Context, subject string) (m bus.Received, found bool, err error) {
	if !w.cancelling || subject != events.FactSubject("tokyo", "r1--web01", events.StepCancel, events.TypeCancelling.Name) {
		return m, false, nil
	}
	raw, err := events.Encode(events.Event[events.Cancelling]{
		Header: events.Header{ID: "r1--web01/cancel", Source: "/reprotect/tokyo/validator", Type: events.TypeCancelling.CloudType(), DataSchema: events.TypeCancelling.Schema(), Site: "tokyo", Case: "r1--web01", Step: events.StepCancel},
		Data:   events.Cancelling{Reason: "wrong window"},
	})
	return bus.Received{Message: bus.Message{Data: raw}}, err == nil, err
}

func ask[T any](w *walk, data T, h func(context.Context, workflow.Event[T], State) (Result, error)) (workflow.Draft, error) {
	e := workflow.Event[T]{Stands: w.stands}
	e.Site, e.Case, e.Time, e.Data = "tokyo", "r1--web01", w.azure.now, data
	var state State
	for {
		r, err := h(context.Background(), e, state)
		if errors.Is(err, errStopped) { // the message comes again
			w.azure.advance(time.Second)
			continue
		}
		if err != nil {
			return workflow.Draft{}, err
		}
		w.said = append(w.said, r.Publish...)
		for _, d := range r.Publish {
			if told, ok := d.Data().(events.Waiting); ok {
				w.waited = append(w.waited, told)
			}
			if d.Kind().Decides() {
				return d, nil
			}
		}
		if r.After <= 0 {
			return workflow.Draft{}, nil // it is not for this handler
		}
		raw, _ := json.Marshal(r.State)
		state = State{}
		if w.lose == nil || !w.lose() {
			if err := json.Unmarshal(raw, &state); err != nil {
				return workflow.Draft{}, err
			}
		}
		w.azure.advance(r.After)
		if w.between != nil {
			w.between(w)
		}
		if w.azure.now.Sub(began) > 100*24*time.Hour {
			return workflow.Draft{}, fmt.Errorf("it does not end; it waits: %+v", w.waited[max(len(w.waited)-2, 0):])
		}
		e.Looks++
	}
}

// run leads the case to its end.
func (w *walk) run() error {
	d, err := ask(w, events.Validated{Case: w.c}, func(ctx context.Context, e workflow.Event[events.Validated], s State) (Result, error) {
		return w.leader.Submit(ctx, e, s)
	})
	for err == nil && d.Kind().Name != "" {
		w.end = d
		switch data := d.Data().(type) {
		case events.Started:
			d, err = ask(w, data, func(ctx context.Context, e workflow.Event[events.Started], s State) (Result, error) {
				return w.leader.Follow(ctx, e, s)
			})
		case events.Home:
			d, err = ask(w, data, func(ctx context.Context, e workflow.Event[events.Home], s State) (Result, error) {
				return w.leader.Commit(ctx, e, s)
			})
		case events.Committed:
			d, err = ask(w, data, func(ctx context.Context, e workflow.Event[events.Committed], s State) (Result, error) {
				return w.leader.Protect(ctx, e, s)
			})
		default:
			return nil
		}
	}
	return err
}
