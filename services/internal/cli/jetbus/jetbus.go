// Package jetbus is the bus of the command line on NATS JetStream.
package jetbus

import (
	"context"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/services/internal/cli"
)

// New makes a connection the bus of the commands; streams is what SetUp makes. Closing it closes the connection.
func New(conn *jetstream.Conn, streams []jetstream.Stream) cli.Bus {
	return jetBus{conn, streams}
}

type jetBus struct {
	*jetstream.Conn
	streams []jetstream.Stream
}

func (b jetBus) Read(ctx context.Context, r cli.Reading, each func(bus.Received) error) error {
	stream := jetstream.StreamLog
	if r.Dead {
		stream = jetstream.StreamDead
	}
	return b.Conn.Read(ctx, jetstream.Reading{Stream: stream, Filters: r.Filters, From: r.From, Latest: r.Latest, Follow: r.Follow}, each)
}

func (b jetBus) SetUp(ctx context.Context) error { return b.Conn.SetUp(ctx, b.streams) }

func (b jetBus) Status(ctx context.Context) (cli.Status, error) {
	s, err := b.Conn.Status(ctx)
	status := cli.Status{Server: s.Server, Messages: s.Messages, Bytes: s.Bytes, Dead: s.Dead, Services: []cli.Lag{}}
	for _, l := range s.Services {
		status.Services = append(status.Services, cli.Lag(l))
	}
	return status, err
}

func (b jetBus) Requeue(ctx context.Context, letter events.Event[events.Dead]) error {
	return bus.Requeue(ctx, b.Conn, letter.Data, time.Now())
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
