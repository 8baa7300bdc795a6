package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
)

// hops of a case: what each of the six stages publishes.
var hops = []string{"request.accepted", "validation.validated", "placement.placed", "registration.registered", "submission.started", "replication.completed"}

// told are the hops of which the product's notifier tells: one more hop each.
var told = []string{"request.accepted", "submission.started", "replication.completed"}

// bareSize is about what an event of the product takes.
const bareSize = 1024

// barePipeline is as little as a pipeline of as many hops can do on the same streams for the same guarantee: each stage
// publishes the next message, of an id and where its step has no outcome yet, and acknowledges its own.
func barePipeline(ctx context.Context, conn *jetstream.Conn, cases int) (sample, error) {
	var consumers []bus.Consumer
	stage := func(i int) string { return fmt.Sprint("stage", i) }
	for i := range hops {
		filter := "reprotect.command.request"
		if i > 0 {
			filter = "reprotect.event.*.*." + hops[i-1]
		}
		consumers = append(consumers, bus.Consumer{Service: stage(i), Filters: []string{filter}, Pending: 1024})
	}
	consumers = append(consumers, bus.Consumer{Service: "teller", Filters: []string{"reprotect.event.*.*.*.*"}, Pending: 1024})
	if err := conn.SetUp(ctx, jetstream.Topology(1, consumers...)); err != nil {
		return sample{}, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var stages sync.WaitGroup
	defer stages.Wait()
	defer stop()
	pad := strings.Repeat("x", bareSize)
	for i, c := range consumers {
		source, err := conn.Consume(ctx, c)
		if err != nil {
			return sample{}, err
		}
		stages.Go(func() {
			runStage(ctx, conn, source, func(n int, subject string) bus.Message {
				if i < len(hops) {
					step, kind, _ := strings.Cut(hops[i], ".")
					of := fmt.Sprint("b", n)
					return bus.Message{Subject: events.FactSubject("bench", of, step, kind), ID: of + "/" + step, Once: events.OutcomeFilter("bench", of, step)}
				}
				if at := slices.IndexFunc(told, func(hop string) bool { return strings.HasSuffix(subject, hop) }); at >= 0 {
					return bus.Message{Subject: events.NotificationSubject("bench", events.LevelInfo), ID: fmt.Sprintf("b%d/notification/%d", n, at)}
				}
				return bus.Message{}
			})
		})
	}
	send := func(ctx context.Context, n int) error {
		data := fmt.Appendf(nil, `{"n":%d,"pad":"%s"}`, n, pad)
		return conn.Publish(ctx, bus.Message{Subject: "reprotect.command.request", Data: data})
	}
	return measure(ctx, conn, cases, send)
}

// runStage passes messages on as what next makes of them; without a subject it is none.
func runStage(ctx context.Context, conn *jetstream.Conn, source bus.Source, next func(n int, subject string) bus.Message) {
	slots := make(chan struct{}, 64)
	var handlers sync.WaitGroup
	defer handlers.Wait()
	defer source.Close()
	for {
		d, err := source.Next(ctx)
		if err != nil {
			return
		}
		slots <- struct{}{}
		handlers.Go(func() {
			defer func() { <-slots }()
			r := d.Received()
			var body struct{ N int }
			if json.Unmarshal(r.Data, &body) != nil {
				return
			}
			m := next(body.N, r.Subject)
			m.Data = r.Data
			if m.Subject != "" {
				if err := conn.Publish(ctx, m); err != nil && !errors.Is(err, bus.ErrDecided) {
					return // comes again
				}
			}
			_ = d.Ack(ctx) // comes again otherwise
		})
	}
}
