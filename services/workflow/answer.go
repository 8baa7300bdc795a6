package workflow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// position numbers what is published for a case; it goes on where the last wake-up left it.
func position(in incoming, h events.Header) int { return max(in.wait.Position, h.Position) }

func (l *delivering) publish(ctx context.Context, in incoming, h events.Header, drafts []Draft) error {
	for i, draft := range drafts {
		if err := publish(ctx, l.broker, l.service.Name, h, cmp.Or(draft.number, position(in, h)+i+1), draft, l.o.Now()); err != nil {
			return err
		}
	}
	return nil
}

// Report publishes a draft outside of a handler, for a service that must not wait for its next message: something
// that belongs to an event which was answered long ago. Number tells the reports that follow from that event apart,
// from 1 on: the same number is the same event again, which the bus drops as far back as it remembers.
//
// An error means that it may not have been published; a *Rejection that it never can be.
func Report(ctx context.Context, b bus.Broker, service string, answered events.Header, number int, d Draft, now time.Time) error {
	return publish(ctx, b, service, answered, answered.Position+number, d, now)
}

func publish(ctx context.Context, b bus.Broker, service string, answered events.Header, position int, d Draft, now time.Time) error {
	m, err := message(service, d, answered, position, now)
	if err != nil {
		return unpublishable(err)
	}
	err = b.Publish(ctx, m)
	var decided *bus.Decided
	switch {
	case errors.As(err, &decided):
		return occupied(m, decided.By)
	case err == nil, errors.Is(err, bus.ErrDecided):
		return nil
	case errors.Is(err, bus.ErrTooLarge):
		return unpublishable(err)
	}
	return fmt.Errorf("publish %s: %w", m.ID, err)
}

// occupied rejects a message whose step holds something that is no outcome of it: not read as an event, of another case, or
// not from the service that decides the step. To settle the message would leave the case where it is without a word.
func occupied(m bus.Message, by bus.Received) error {
	own, err := events.Parse(m.Data)
	if err != nil {
		return unpublishable(err)
	}
	stands, err := events.Parse(by.Data)
	var why string
	switch {
	case err != nil:
		why = "it cannot be read: " + err.Error()
	case stands.Case != own.Case || stands.Step != own.Step:
		why = fmt.Sprintf("it is of case %q and step %q", stands.Case, stands.Step)
	case stands.Source != own.Source:
		why = fmt.Sprintf("it comes from %q, and only %s decides this step", stands.Source, own.Source)
	default:
		return nil
	}
	return &Rejection{
		Code:    "internal",
		Message: fmt.Sprintf("what stands under this step, at %d on %s, is no outcome of it: %s", by.Sequence, by.Subject, why),
		Remedy:  "Find out who published it: nobody but the service may. Then request the machine anew.",
	}
}

// unpublishable rejects the message whose answer cannot be published, however often it is tried.
func unpublishable(err error) error {
	r := &Rejection{Code: "internal", Message: "the answer cannot be published: " + err.Error()}
	var invalid *events.Invalid
	if errors.Is(err, bus.ErrTooLarge) || errors.As(err, &invalid) {
		r.Code, r.Remedy = "event.too-large", "Ask for fewer machines at once."
	}
	return r
}

// message makes the event of a draft: its envelope, its subject, and the fence if it decides a step.
func message(service string, d Draft, answered events.Header, position int, now time.Time) (bus.Message, error) {
	h := events.Header{
		Site: answered.Site, Case: answered.Case, Request: answered.Request,
		Type: d.kind.CloudType(), DataSchema: d.kind.Schema(), Time: now.UTC(),
		Step: d.step, Causation: answered.ID, Position: position, TraceParent: answered.TraceParent,
	}
	if d.caseID != "" {
		h.Site, h.Case, h.Request = d.site, d.caseID, d.request
	}
	if h.Site == "" || h.Case == "" {
		return bus.Message{}, fmt.Errorf("%s answers %s, which names no site or no case", d.kind.Name, answered.ID)
	}
	h.Subject = h.Case
	h.Source = "/reprotect/" + h.Site + "/" + service
	m := bus.Message{Subject: events.FactSubject(h.Site, h.Case, d.step, d.kind.Name)}
	switch {
	case d.kind.Role == events.Notification:
		h.ID = h.Case + "/notification/" + strings.ReplaceAll(strings.TrimPrefix(answered.ID, h.Case+"/"), "/", "-")
		m.Subject = events.NotificationSubject(h.Site, d.level)
	case d.kind.Decides():
		h.ID = h.Case + "/" + d.step
		m.Once = events.OutcomeFilter(h.Site, h.Case, d.step)
	default:
		h.ID = h.Case + "/" + d.step + "/" + strconv.Itoa(position)
	}
	m.ID = h.ID
	var err error
	m.Data, err = events.Encode(events.Event[any]{Header: h, Data: d.data})
	return m, err
}
