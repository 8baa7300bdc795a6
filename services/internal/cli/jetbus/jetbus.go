// Package jetbus is the bus of the command line on NATS JetStream.
package jetbus

import (
	"context"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/services/cases"
	"reprotect.example/services/internal/cli"
	"reprotect.example/services/workflow"
)

// New makes a connection the bus of the commands; streams says what SetUp makes. Closing it closes the connection.
func New(conn *jetstream.Conn, streams func(sites []string) ([]jetstream.Stream, error)) cli.Bus {
	return jetBus{conn, streams}
}

type jetBus struct {
	*jetstream.Conn
	streams func(sites []string) ([]jetstream.Stream, error)
}

func (b jetBus) Read(ctx context.Context, r cli.Reading, each func(bus.Received) error) error {
	stream := jetstream.StreamLog
	if r.Dead {
		stream = jetstream.StreamDead
	}
	return b.Conn.Read(ctx, jetstream.Reading{Stream: stream, Filters: r.Filters, From: r.From, Latest: r.Latest, Follow: r.Follow}, each)
}

// Cases passes over most facts that later ones of their subject have overtaken.
func (b jetBus) Cases(ctx context.Context) ([]cases.Case, error) {
	var l cases.Log
	var older []string
	for _, k := range cases.AlsoOlder() {
		older = append(older, events.FactSubject("*", "*", k.Step, k.Name))
	}
	for _, r := range []cli.Reading{{Filters: []string{events.SubjectFacts + ".>"}, Latest: true}, {Filters: older}} {
		if err := b.Read(ctx, r, into(&l)); err != nil {
			return nil, err
		}
	}
	return l.Cases(), nil
}

func (b jetBus) Case(ctx context.Context, id string) (c cases.Case, found bool, err error) {
	var l cases.Log
	err = b.Read(ctx, cli.Reading{Filters: []string{events.FactSubject("*", id, "*", "*")}}, into(&l))
	c, found = l.Case(id)
	return c, found, err
}

func into(l *cases.Log) func(bus.Received) error {
	return func(r bus.Received) error {
		_, _ = l.Add(cases.ReadEntry(r)) // what is no fact belongs to no case
		return nil
	}
}

func (b jetBus) SetUp(ctx context.Context, sites []string, dry bool) ([]bus.Difference, error) {
	streams, err := b.streams(sites)
	switch {
	case err != nil:
		return nil, err
	case dry:
		return b.Differences(ctx, streams)
	}
	return b.Update(ctx, streams)
}

func (b jetBus) Status(ctx context.Context) (cli.Status, error) {
	s, err := b.Conn.Status(ctx)
	status := cli.Status{Server: s.Server, Messages: s.Messages, Bytes: s.Bytes, Dead: s.Dead, Services: []cli.Lag{}}
	for _, r := range s.Rooms {
		status.Rooms = append(status.Rooms, cli.Room(r))
	}
	for _, l := range s.Services {
		status.Services = append(status.Services, cli.Lag{Service: l.Service, Pending: l.Pending, UnderWay: &l.UnderWay, Redeliver: &l.Redeliver, Waiting: l.Waiting})
	}
	return status, err
}

func (b jetBus) Requeue(ctx context.Context, _ uint64, letter events.Event[events.Dead]) error {
	return workflow.Requeue(ctx, b.Conn, letter.Data, time.Now())
}

func (b jetBus) Redecide(ctx context.Context, service string, in bus.Received, step string, void, mark uint64) error {
	return workflow.Redecide(ctx, b.Conn, service, in, step, void, mark, time.Now())
}

// Topology says what SetUp makes, for people and in the server's own form.
func Topology(streams []jetstream.Stream) cli.Topology {
	t := cli.Topology{Document: streams}
	for _, s := range streams {
		part := cli.Part{Name: s.Config.Name, Takes: s.Config.Subjects}
		for _, c := range s.Consumers {
			part.Readers = append(part.Readers, cli.Reader{Name: c.Durable, Filters: c.FilterSubjects})
		}
		t.Parts = append(t.Parts, part)
	}
	return t
}
