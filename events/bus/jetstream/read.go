package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// Reading says what to read of a stream.
type Reading struct {
	Stream  string   // StreamLog or StreamDead
	Filters []string // subject filters; none: everything
	From    uint64   // sequence to begin at; 0: the first
	OnlyNew bool     // begin with what is published from now on
	Latest  bool     // only the last message of each subject
	Follow  bool     // go on for ever instead of ending at the last message
}

// Story returns every fact of a case, in order.
func (c *Conn) Story(ctx context.Context, caseID string) (story []bus.Received, err error) {
	err = c.pages(ctx, events.SubjectFacts+".*."+caseID+".>", 1, func(r bus.Received) error {
		story = append(story, r)
		return nil
	})
	return story, err
}

// Since hands what stands in the event log behind a sequence to each, in order, and ends with the last. Unlike Read it
// needs no consumer, nor the right to make one.
func (c *Conn) Since(ctx context.Context, after uint64, each func(bus.Received) error) error {
	return c.pages(ctx, ">", after+1, each)
}

func (c *Conn) pages(ctx context.Context, filter string, from uint64, each func(bus.Received) error) error {
	for {
		page, last, err := c.page(ctx, StreamLog, filter, from)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, msg := range page {
			r, err := stored(msg)
			if err == nil {
				err = each(r)
			}
			if err != nil {
				return err
			}
		}
		from = last + 1
	}
}

// stored turns an answer of the server's direct get into the bus's form.
func stored(msg *nats.Msg) (r bus.Received, err error) {
	r = received(msg.Header.Get(jetstream.SubjectHeader), msg.Header, msg.Data)
	if r.Sequence, err = strconv.ParseUint(msg.Header.Get(jetstream.SequenceHeader), 10, 64); err != nil {
		return r, fmt.Errorf("message on %s: sequence: %w", r.Subject, err)
	}
	if r.Published, err = time.Parse(time.RFC3339Nano, msg.Header.Get(jetstream.TimeStampHeaer)); err != nil {
		return r, fmt.Errorf("message on %s: %w", r.Subject, err)
	}
	return r, nil
}

// Read hands the messages of a stream to each, in order, without disturbing any service. It ends with each's
// error, with ctx, or at the last message unless it follows.
func (c *Conn) Read(ctx context.Context, r Reading, each func(bus.Received) error) error {
	config := jetstream.OrderedConsumerConfig{FilterSubjects: r.Filters, DeliverPolicy: jetstream.DeliverAllPolicy}
	switch {
	case r.OnlyNew:
		config.DeliverPolicy = jetstream.DeliverNewPolicy
	case r.Latest:
		config.DeliverPolicy = jetstream.DeliverLastPerSubjectPolicy
	case r.From > 0:
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, r.From
	}
	if r.Latest && len(r.Filters) == 0 {
		config.FilterSubjects = []string{">"}
	}
	begun := time.Now()
	consumer, err := c.js.OrderedConsumer(ctx, r.Stream, config)
	if err != nil {
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("bus: there is no stream %s: run 'reprotect bus setup': %w", r.Stream, err)
		}
		return fmt.Errorf("bus: read %s: %w", r.Stream, c.explain(err, api+"CONSUMER.CREATE."+r.Stream+".", begun))
	}
	defer func() { // the server keeps it for minutes otherwise; when this fails, it still goes then
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = c.js.DeleteConsumer(ctx, r.Stream, consumer.CachedInfo().Name)
	}()
	if !r.Follow && consumer.CachedInfo().NumPending == 0 {
		return nil
	}
	messages, err := consumer.Messages(jetstream.PullHeartbeat(5 * time.Second))
	if err != nil {
		return fmt.Errorf("bus: read %s: %w", r.Stream, err)
	}
	defer messages.Stop()
	for {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("bus: read %s: %w", r.Stream, err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return fmt.Errorf("bus: read %s: %w", r.Stream, err)
		}
		got := received(msg.Subject(), msg.Headers(), msg.Data())
		got.Sequence, got.Published, got.Attempt = meta.Sequence.Stream, meta.Timestamp, 1
		if err := each(got); err != nil {
			return err
		}
		if !r.Follow && meta.NumPending == 0 {
			return nil
		}
	}
}
