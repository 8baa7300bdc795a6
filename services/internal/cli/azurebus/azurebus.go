// Package azurebus is the bus of the command line on Azure Service Bus. What was is read from the journal: topics
// cannot be read again.
package azurebus

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/servicebus"
	"reprotect.example/services/cases"
	"reprotect.example/services/internal/cli"
	"reprotect.example/services/internal/journalclient"
	"reprotect.example/services/workflow"
)

// Options of New. Closing the bus calls Close.
type Options struct {
	Conn     *servicebus.Conn
	Journal  *journalclient.Client
	Name     string                                  // of the namespace, to be shown
	Services func(context.Context) ([]string, error) // that have a subscription; some may have none
	SetUp    func(ctx context.Context, sites []string, dry bool) ([]bus.Difference, error)
	Status   func(context.Context) (servicebus.State, error) // as the namespace counts it
	Close    func()
}

// New makes a connection and a journal the bus of the commands.
func New(o Options) cli.Bus { return azureBus{o} }

type azureBus struct{ o Options }

func (b azureBus) Publish(ctx context.Context, m bus.Message) error { return b.o.Conn.Publish(ctx, m) }

func (b azureBus) Read(ctx context.Context, r cli.Reading, each func(bus.Received) error) error {
	if r.Dead {
		services, err := b.o.Services(ctx)
		if err != nil {
			return err
		}
		return b.o.Conn.Dead(ctx, services, each)
	}
	return b.o.Journal.Read(ctx, journalclient.Reading{Filters: r.Filters, From: r.From, Latest: r.Latest, Follow: r.Follow}, each)
}

// Cases and Case are the journal's own projection, which package cases makes there as here.
func (b azureBus) Cases(ctx context.Context) ([]cases.Case, error) { return b.o.Journal.Cases(ctx) }

func (b azureBus) Case(ctx context.Context, id string) (c cases.Case, found bool, err error) {
	return b.o.Journal.Case(ctx, id)
}

func (b azureBus) SetUp(ctx context.Context, sites []string, dry bool) ([]bus.Difference, error) {
	return b.o.SetUp(ctx, sites, dry)
}

func (b azureBus) Status(ctx context.Context) (cli.Status, error) {
	s := cli.Status{Server: b.o.Name, Services: []cli.Lag{}}
	counted, err := b.o.Status(ctx)
	if errors.Is(err, servicebus.ErrStandIn) {
		return b.count(ctx, s)
	}
	s.Messages, s.Bytes, s.Dead = counted.Messages, counted.Bytes, counted.Dead
	for _, r := range counted.Topics {
		s.Rooms = append(s.Rooms, cli.Room(r))
	}
	for _, c := range counted.Services {
		s.Services = append(s.Services, cli.Lag{Service: c.Service, Pending: c.Pending, Waiting: c.Waiting})
	}
	return s, err
}

// count looks at every message: the lab's stand-in counts nothing itself.
func (b azureBus) count(ctx context.Context, s cli.Status) (cli.Status, error) {
	services, err := b.o.Services(ctx)
	if err != nil {
		return s, err
	}
	for _, service := range services {
		l, found, err := b.o.Conn.Lag(ctx, service)
		if err != nil {
			return s, err
		}
		if found {
			s.Services = append(s.Services, cli.Lag{Service: l.Service, Pending: l.Pending, Redeliver: &l.Again, Waiting: l.Waiting})
		}
	}
	if err := b.o.Conn.Dead(ctx, services, func(bus.Received) error { s.Dead++; return nil }); err != nil {
		return s, err
	}
	kept, err := b.o.Journal.Stats(ctx)
	if err != nil { // who is behind is worth knowing all the more
		s.Uncounted = err.Error()
	}
	s.Messages, s.Bytes = kept.Messages, kept.Bytes
	return s, nil
}

func (b azureBus) Requeue(ctx context.Context, number uint64, letter events.Event[events.Dead]) error {
	if err := workflow.Requeue(ctx, b.o.Conn, letter.Data, time.Now()); err != nil {
		return err
	}
	return b.o.Conn.RemoveDead(ctx, number, letter)
}

func (b azureBus) Close() { b.o.Close() }

func (b azureBus) Redecide(ctx context.Context, service string, in bus.Received, step string, void, mark uint64) error {
	return workflow.Redecide(ctx, b.o.Conn, service, in, step, void, mark, time.Now())
}

// Topology says what SetUp makes, for people and in Azure's terms.
func Topology(made servicebus.Topology) cli.Topology {
	t := cli.Topology{Document: made}
	for _, topic := range made.Topics {
		part := cli.Part{Name: "topic " + topic.Name, Takes: []string{"what is sent to it"}}
		for _, s := range topic.Subscriptions {
			part.Readers = append(part.Readers, cli.Reader{Name: s.Name, Filters: rules(s.Rules)})
		}
		t.Parts = append(t.Parts, part)
	}
	for _, q := range made.Queues {
		t.Parts = append(t.Parts, cli.Part{Name: "queue " + q.Name, Takes: []string{"what is sent to it"}})
	}
	return t
}

func rules(all []servicebus.Rule) []string {
	if len(all) == 0 {
		return []string{"everything"}
	}
	var lines []string
	for _, r := range all {
		var parts []string
		if r.Label != "" {
			parts = append(parts, "label "+r.Label)
		}
		for property, value := range r.Properties {
			parts = append(parts, property+" "+value)
		}
		slices.Sort(parts)
		lines = append(lines, strings.Join(parts, " and "))
	}
	return lines
}
