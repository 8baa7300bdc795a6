package workflow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
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
		if err := l.publishOne(ctx, in, h, cmp.Or(draft.number, position(in, h)+i+1), draft); err != nil {
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
	m, err := message(service, d, answered, answered.Position+number, anew{}, now)
	if err != nil {
		return unpublishable(err)
	}
	return publish(ctx, b, m)
}

// publishOne publishes a draft, and keeps count of the steps under which something stands that is no outcome.
func (l *delivering) publishOne(ctx context.Context, in incoming, h events.Header, number int, d Draft) error {
	m, err := message(l.service.Name, d, h, number, in.wait.Anew, l.o.Now())
	if err != nil {
		return unpublishable(err)
	}
	err = publish(ctx, l.broker, m)
	var stands *Occupied
	switch {
	case m.Once == "":
	case errors.As(err, &stands):
		l.occupied.add(m.Once)
		l.log(in).Error("a step is occupied by what is no outcome of it", slog.String("step", m.Once), slog.String("by", stands.By.Subject), slog.Uint64("at", stands.By.Sequence), slog.Any("error", err))
	case err == nil:
		l.occupied.remove(m.Once)
	}
	return err
}

func publish(ctx context.Context, b bus.Broker, m bus.Message) error {
	err := b.Publish(ctx, m)
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

// Occupied rejects a message whose step holds something that is no outcome of it: not read as an event, of another case, or
// not from the service that decides the step. To settle the message would leave the case where it is without a word. An
// administrator can make void what stands there (events.Voided); the step is then decided anew (Redecide).
type Occupied struct {
	Rejection
	By bus.Received
}

// Unwrap makes it a *Rejection.
func (o *Occupied) Unwrap() error { return &o.Rejection }

func occupied(m bus.Message, by bus.Received) error {
	own, err := events.Parse(m.Data)
	if err != nil {
		return unpublishable(err)
	}
	if why := NoOutcome(by, own.Site, own.Case, own.Step, own.Source); why != "" {
		return &Occupied{By: by, Rejection: Rejection{
			Code:    "step.occupied",
			Message: fmt.Sprintf("what stands under step %s, at %d on %s, is no outcome of it: %s", own.Step, by.Sequence, by.Subject, why),
			Remedy:  fmt.Sprintf("Find out who published it: nobody but the service may. Then let an administrator run 'reprotect bus void %s %s'.", own.Case, own.Step),
		}}
	}
	return nil
}

// NoOutcome says why what stands under a step of a case is no outcome that a source has decided; "": it is one, or the mark
// that an administrator has made an outcome void.
func NoOutcome(by bus.Received, site, caseID, step, source string) (why string) {
	stands, err := events.Parse(by.Data)
	kind, known := events.KindOf(stands.Type)
	switch {
	case err != nil:
		return "it cannot be read: " + err.Error()
	case stands.Case != caseID || stands.Step != step || stands.Site != site:
		return fmt.Sprintf("it is of case %q and step %q of site %q", stands.Case, stands.Step, stands.Site)
	case kind == events.TypeVoided.Kind && by.Subject == events.FactSubject(site, caseID, step, kind.Name):
		return ""
	case stands.Source != source:
		return fmt.Sprintf("it comes from %q, and only %s decides this step", stands.Source, source)
	case !known || !kind.Decides() || by.Subject != events.FactSubject(site, caseID, step, kind.Name):
		return fmt.Sprintf("it says that it is %q, which on %s decides nothing", stands.Type, by.Subject)
	}
	return ""
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
func message(service string, d Draft, answered events.Header, position int, again anew, now time.Time) (bus.Message, error) {
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
		if d.name != "" {
			h.ID, h.Causation = h.Case+"/notification/"+d.name, d.of
		}
		m.Subject = events.NotificationSubject(h.Site, d.level)
	case d.kind.Decides():
		h.ID = h.Case + "/" + d.step
		m.Once = events.OutcomeFilter(h.Site, h.Case, d.step)
		if again.Step == d.step {
			h.ID, m.After = events.OutcomeAnew(h.Case, d.step, again.Void), again.Mark
		}
	default:
		h.ID = h.Case + "/" + d.step + "/" + strconv.Itoa(position)
	}
	m.ID = h.ID
	var err error
	m.Data, err = events.Encode(events.Event[any]{Header: h, Data: d.data})
	return m, err
}
