package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"reprotect.example/events/bus"
)

// SetUp makes the topology, or brings what exists up to it. It may be called again at any time.
// What the topology does not name stays: an administrator's limits, streams and consumers of others.
func (c *Conn) SetUp(ctx context.Context, streams []Stream) error {
	_, err := c.setUp(ctx, streams, all)
	return err
}

// Update is SetUp, and says what it did.
func (c *Conn) Update(ctx context.Context, streams []Stream) ([]bus.Difference, error) {
	return c.setUp(ctx, streams, all)
}

// Differences says what SetUp would do, and changes nothing.
func (c *Conn) Differences(ctx context.Context, streams []Stream) ([]bus.Difference, error) {
	return c.setUp(ctx, streams, nothing)
}

// AddMissing makes what of the topology does not exist yet, and leaves alone what an administrator may have set up
// otherwise.
func (c *Conn) AddMissing(ctx context.Context, streams []Stream) error {
	_, err := c.setUp(ctx, streams, missing)
	return err
}

// extent is how much of a topology is set up.
type extent int

const (
	nothing extent = iota
	missing
	all
)

func (c *Conn) setUp(ctx context.Context, streams []Stream, does extent) (found []bus.Difference, err error) {
	begun := time.Now()
	for _, s := range streams {
		stream, d, err := c.setUpStream(ctx, s.Config, does)
		if err != nil {
			return found, fmt.Errorf("bus: stream %s: %w", s.Config.Name, c.explain(err, api+"STREAM.", begun))
		}
		found = append(found, d...)
		for _, consumer := range s.Consumers {
			d, err := setUpConsumer(ctx, stream, s.Config.Name, consumer, does)
			if err != nil {
				return found, fmt.Errorf("bus: consumer %s of %s: %w", consumer.Durable, s.Config.Name, c.explain(err, api+"CONSUMER.", begun))
			}
			found = append(found, d...)
		}
	}
	return found, nil
}

// setUpStream returns nil for a stream that is not there, and is not made.
func (c *Conn) setUpStream(ctx context.Context, wanted jetstream.StreamConfig, does extent) (jetstream.Stream, []bus.Difference, error) {
	d := bus.Difference{Entity: "stream " + wanted.Name}
	stream, err := c.js.Stream(ctx, wanted.Name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		if d.Missing = true; does != nothing {
			stream, err = c.js.CreateOrUpdateStream(ctx, wanted) // somebody else may be faster
			return stream, []bus.Difference{d}, err
		}
		return nil, []bus.Difference{d}, nil
	case err != nil:
		return nil, nil, err
	}
	config := stream.CachedInfo().Config
	if d.Changes = bring(&config, wanted); len(d.Changes) == 0 || does == missing {
		return stream, nil, nil
	}
	if does == all {
		stream, err = c.js.UpdateStream(ctx, config)
	}
	return stream, []bus.Difference{d}, err
}

func setUpConsumer(ctx context.Context, stream jetstream.Stream, of string, wanted jetstream.ConsumerConfig, does extent) ([]bus.Difference, error) {
	d := bus.Difference{Entity: "consumer " + wanted.Durable + " of " + of}
	var consumer jetstream.Consumer
	err := error(jetstream.ErrConsumerNotFound) // of a stream that is not there
	if stream != nil {
		consumer, err = stream.Consumer(ctx, wanted.Durable)
	}
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		if d.Missing, err = true, nil; does != nothing {
			_, err = stream.CreateOrUpdateConsumer(ctx, wanted)
		}
		return []bus.Difference{d}, err
	case err != nil:
		return nil, err
	}
	config := consumer.CachedInfo().Config
	if len(config.FilterSubjects) == 0 && config.FilterSubject != "" { // the server's form of one
		config.FilterSubject, config.FilterSubjects = "", []string{config.FilterSubject}
	}
	if d.Changes = bring(&config, wanted); len(d.Changes) == 0 || does == missing {
		return nil, nil
	}
	if does == all {
		_, err = stream.UpdateConsumer(ctx, config)
	}
	return []bus.Difference{d}, err
}

// bring sets what the wanted config says and the present one has otherwise, and names it.
func bring[C any](config *C, wanted C) (changes []string) {
	now, want := reflect.ValueOf(config).Elem(), reflect.ValueOf(wanted)
	for i := range want.NumField() {
		if want.Field(i).IsZero() || reflect.DeepEqual(want.Field(i).Interface(), now.Field(i).Interface()) {
			continue
		}
		name, _, _ := strings.Cut(want.Type().Field(i).Tag.Get("json"), ",")
		changes = append(changes, fmt.Sprintf("%s: %s -> %s", name, spelled(now.Field(i)), spelled(want.Field(i))))
		now.Field(i).Set(want.Field(i))
	}
	return changes
}

// spelled is a value as the server's own tools show it.
func spelled(v reflect.Value) string {
	if d, ok := v.Interface().(time.Duration); ok {
		return d.String()
	}
	raw, err := json.Marshal(v.Interface())
	if err != nil {
		return fmt.Sprint(v.Interface())
	}
	return string(raw)
}
