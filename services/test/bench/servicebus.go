package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/servicebus"
	"reprotect.example/events/bus/servicebus/sbpeer"
	"reprotect.example/events/bus/servicebus/sbtest"
	"reprotect.example/services/workflow"
)

// serviceBus measures the pipeline on the stand-in for Service Bus, over TCP and the real SDK: cases a second and
// latencies, and what Azure would bill for a case that never has to wait: messages sent and messages delivered.
func serviceBus(ctx context.Context, cases, runs int) error {
	w, err := readWorld(ctx, smallSite())
	if err != nil {
		return err
	}
	var samples []sample
	for range runs {
		s, _, err := onStandIn(ctx, w, w.services(), cases)
		if err != nil {
			return err
		}
		samples = append(samples, s)
	}
	figure := func(name, unit string, value float64, more map[string]any) {
		line := map[string]any{"figure": name, "unit": unit, "product": round(value), "runs": runs}
		for k, v := range more {
			line[k] = v
		}
		emit(line)
	}
	figure("servicebus_rate", "cases/s", median(samples, func(s sample) float64 { return s.rate }), nil)
	for _, p := range []float64{0.5, 0.99} {
		figure(fmt.Sprintf("servicebus_p%d", int(p*100)), "ms", median(samples, func(s sample) float64 { return percentile(s.latencies, p).Seconds() * 1000 }), nil)
	}
	keeps := workflow.Service{Name: "journal", Alone: true, Keep: func(context.Context, bus.Received) func() error { return func() error { return nil } }}
	for _, of := range []struct {
		name     string
		services []workflow.Service
	}{
		{"pipeline", w.services()[:4]}, {"with notifier", w.services()}, {"with notifier and journal", append(w.services(), keeps)},
	} {
		_, billed, err := onStandIn(ctx, w, of.services, cases)
		if err != nil {
			return err
		}
		billed.of = of.name
		billed.emit()
	}
	return idle(ctx, append(w.services(), keeps))
}

// What an installation costs that has nothing to do: its holds, which are renewed.
const (
	idleFor  = time.Minute
	month    = 730 * time.Hour
	included = 13e6 // operations a month in the base price of Standard
)

// idle measures what Azure bills while nothing is asked for.
func idle(ctx context.Context, services []workflow.Service) error {
	peer, conn, stop, err := standIn(ctx, services)
	if err != nil {
		return err
	}
	defer stop()
	// A look says that the connection stands; a renewal falls into each period of the holds.
	if _, _, err := conn.Stands(ctx, "reprotect.event.bench.none.request.accepted"); err != nil {
		return err
	}
	select {
	case <-time.After(5 * time.Second):
	case <-ctx.Done():
		return ctx.Err()
	}
	before := peer.Operations()
	select {
	case <-time.After(idleFor):
	case <-ctx.Done():
		return ctx.Err()
	}
	hourly := float64(peer.Operations()-before) / idleFor.Hours()
	emit(map[string]any{
		"figure": "servicebus_idle", "unit": "operations/hour", "of": "one installation with journal, nothing to do", "product": round(hourly),
		"operations_per_month": round(hourly * month.Hours()), "percent_of_included": round(100 * hourly * month.Hours() / included),
	})
	return nil
}

// billing is what cases cost.
type billing struct {
	of                               string
	cases                            float64
	sends, deliveries, looks, filter float64
}

func (b billing) emit() {
	emit(map[string]any{
		"figure": "servicebus_operations", "unit": "operations/case", "of": b.of, "product": round((b.sends + b.deliveries + b.looks) / b.cases),
		"sent": round(b.sends / b.cases), "delivered": round(b.deliveries / b.cases), "looks": round(b.looks / b.cases),
		"filter_evaluations": round(b.filter / b.cases), "aim": "12 or fewer",
	})
}

// standIn starts services on a namespace of their own, with what else reads there.
func standIn(ctx context.Context, services []workflow.Service, others ...bus.Consumer) (peer *sbpeer.Peer, conn *servicebus.Conn, stop func(), err error) {
	peer = sbpeer.New(sbpeer.Options{})
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	stop = func() {
		cancel()
		running.Wait()
		if conn != nil {
			conn.Close()
		}
		peer.Close()
	}
	consumers := others
	for _, service := range services {
		consumers = append(consumers, service.Consumer())
	}
	if err = peer.Listen(0); err == nil {
		err = sbtest.SetUp(peer, servicebus.NewTopology(consumers...))
	}
	if err == nil {
		conn, err = servicebus.Connect(servicebus.Options{ConnectionString: peer.ConnectionString(), Name: "bench"})
	}
	if err != nil {
		stop()
		return nil, nil, nil, err
	}
	for _, service := range services {
		running.Go(func() { _ = workflow.Run(ctx, conn, service, workflow.Options{}) }) // an end before its time shows as cases that stay out
	}
	return peer, conn, stop, nil
}

// onStandIn runs services on a namespace of their own, and cases through them.
func onStandIn(ctx context.Context, w world, services []workflow.Service, cases int) (s sample, billed billing, err error) {
	reader := bus.Consumer{Service: "bench", Filters: []string{"reprotect.event.*.*.replication.completed"}}
	peer, conn, end, err := standIn(ctx, services, reader)
	if err != nil {
		return s, billed, err
	}
	defer end()
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	source, err := conn.Consume(ctx, reader)
	if err != nil {
		return s, billed, err
	}
	defer source.Close()
	done := make(chan int, manyInFlight)
	running.Go(func() {
		for {
			d, err := source.Next(ctx)
			if err != nil {
				return
			}
			_ = d.Ack(ctx) // else it comes again, and is counted twice
			_, caseID, _, _, _ := events.SplitFact(d.Received().Subject)
			number, _, _ := strings.Cut(strings.TrimPrefix(caseID, "b"), "--")
			if n, err := strconv.Atoi(number); err == nil {
				done <- n
			}
		}
	})
	send := func(ctx context.Context, n int) error {
		return conn.Publish(ctx, request(w.before.Items[n%len(w.before.Items)].Name, n))
	}
	before := peer.Stats()
	took, _, err := drive(ctx, 0, cases, manyInFlight, send, done)
	if err != nil {
		return s, billed, err
	}
	after := peer.Stats()
	s.rate = float64(cases) / took.Seconds()
	billed = billing{
		cases: float64(cases), sends: float64(after.Sends - before.Sends),
		deliveries: float64(after.Deliveries - before.Deliveries - cases), // the benchmark's own reader
		looks:      float64(after.Management - before.Management), filter: float64(after.FilterEvaluations - before.FilterEvaluations),
	}
	_, s.latencies, err = drive(ctx, cases, max(cases/4, 20), fewInFlight, send, done)
	return s, billed, err
}
