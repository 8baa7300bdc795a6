package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
)

// hops of a case: the request and its six outcomes.
var hops = []string{"request.accepted", "validation.validated", "placement.placed", "registration.registered", "submission.started", "replication.completed"}

// bareSize is about what an event of the product takes.
const bareSize = 1024

// barePipeline is as little as a pipeline of as many hops can do on the same streams: each stage publishes the
// next message and acknowledges its own.
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
		stages.Go(func() { runStage(ctx, conn, source, hops[i]) })
	}
	send := func(ctx context.Context, n int) error {
		data := fmt.Appendf(nil, `{"n":%d,"pad":"%s"}`, n, pad)
		return conn.Publish(ctx, bus.Message{Subject: "reprotect.command.request", Data: data})
	}
	return measure(ctx, conn, cases, send)
}

func runStage(ctx context.Context, conn *jetstream.Conn, source bus.Source, hop string) {
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
			subject := fmt.Sprintf("reprotect.event.bench.b%d.%s", body.N, hop)
			if conn.Publish(ctx, bus.Message{Subject: subject, Data: r.Data}) == nil {
				_ = d.Settle(ctx) // comes again otherwise
			}
		})
	}
}
