package servicebus_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus/servicebus"
	"reprotect.example/events/bus/servicebus/sbpeer"
	"reprotect.example/services/workflow"
)

// skewed runs a test for clocks that agree, and for one of this machine that is ahead of Azure's and behind it.
func skewed(t *testing.T, f func(t *testing.T, p *sbpeer.Peer)) {
	for _, ahead := range []time.Duration{0, -10 * time.Minute, -20 * time.Second, 20 * time.Second, 10 * time.Minute} {
		t.Run(fmt.Sprintf("Azure ahead by %s", ahead), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f(t, peerAs(t, sbpeer.Options{Ahead: ahead}, validator.Consumer()))
			})
		})
	}
}

// Each message is tried twice, since each fails at first, and answered once.
func TestSkewedClocksLoseNothing(t *testing.T) {
	skewed(t, func(t *testing.T, p *sbpeer.Peer) {
		var calls atomic.Int32
		stop := run(t, connect(t, p), workflow.Service{Name: "validator", Routes: []workflow.Route{
			workflow.On(events.TypeAccepted, events.StepValidation, func(_ context.Context, e workflow.Event[events.Accepted], _ string) (workflow.Result[string], error) {
				calls.Add(1)
				if e.Attempt == 1 {
					return workflow.Result[string]{}, errors.New("not yet")
				}
				return workflow.Result[string]{Publish: []workflow.Draft{workflow.Fact(events.TypeValidated, "", events.Validated{Case: e.Data.Case, Findings: []events.Finding{}})}}, nil
			}),
		}})
		c := connect(t, p)
		for i := range 30 {
			publish(t, c, accepted(t, fmt.Sprint("c", i)))
		}
		<-time.After(30 * time.Minute)
		stop()
		if all := subjects(t, c); len(all) != 60 {
			t.Errorf("the log holds %d facts", len(all))
		}
		if n := calls.Load(); n != 60 {
			t.Errorf("%d calls", n)
		}
		for _, store := range []string{servicebus.TopicEvents + "/Subscriptions/validator", "reprotect-wake-validator"} {
			if counts := p.Count(store); counts != (sbpeer.Counts{}) {
				t.Errorf("left in %s: %+v", store, counts)
			}
		}
	})
}

// What waited for a handler until its lock ran out is not handed over: the next delivery of it is, and can be settled.
func TestNoLapsedDelivery(t *testing.T) {
	skewed(t, func(t *testing.T, p *sbpeer.Peer) {
		c := connect(t, p)
		spec := validator.Consumer()
		spec.AckWait = 30 * time.Second
		source, err := c.Consume(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		defer source.Close()
		for i := range 3 {
			publish(t, c, accepted(t, fmt.Sprint("c", i)))
		}
		<-time.After(20 * time.Second) // a handler comes late, but in time
		for _, late := range []time.Duration{0, 31 * time.Second, 0} {
			<-time.After(late)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			d, err := source.Next(ctx)
			cancel()
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Ack(t.Context()); err != nil {
				t.Errorf("%s, attempt %d: %v", d.Received().Subject, d.Received().Attempt, err)
			}
		}
		if counts := p.Count(servicebus.TopicEvents + "/Subscriptions/validator"); counts != (sbpeer.Counts{}) {
			t.Errorf("left: %+v", counts)
		}
	})
}
