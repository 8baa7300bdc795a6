package servicebus_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/servicebus"
	"reprotect.example/events/bus/servicebus/sbharness"
	"reprotect.example/events/bus/servicebus/sbpeer"
)

// skewed runs a test for clocks that agree, and for one of this machine that is ahead of Azure's and behind it.
func skewed(t *testing.T, f func(t *testing.T, p *sbpeer.Peer)) {
	for _, ahead := range []time.Duration{0, -10 * time.Minute, -20 * time.Second, 20 * time.Second, 10 * time.Minute} {
		t.Run(fmt.Sprintf("Azure ahead by %s", ahead), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f(t, sbharness.PeerAs(t, sbpeer.Options{Ahead: ahead}, validator))
			})
		})
	}
}

// What waited for a handler until its lock ran out is not handed over: the next delivery of it is, and can be settled.
func TestNoLapsedDelivery(t *testing.T) {
	skewed(t, func(t *testing.T, p *sbpeer.Peer) {
		c := sbharness.Connect(t, p)
		spec := validator
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

// F2: whatever the difference of the clocks, a wake-up and another try come when they shall, and the difference is known.
func TestSchedulesByAzuresClock(t *testing.T) {
	skewed(t, func(t *testing.T, p *sbpeer.Peer) {
		c := sbharness.Connect(t, p)
		spec := validator
		spec.AckWait = 30 * time.Second
		source, err := c.Consume(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		defer source.Close()
		publish(t, c, accepted(t, "c1"))
		next := func() (bus.Delivery, time.Duration) {
			begun := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			d, err := source.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			return d, time.Since(begun)
		}
		d, _ := next()
		if ahead := time.Until(p.Now()); (c.Ahead() - ahead).Abs() > time.Second {
			t.Errorf("Azure is ahead by %s, taken to be %s", ahead, c.Ahead())
		}
		for range 3 {
			if err := d.Retry(t.Context(), 20*time.Second); err != nil {
				t.Fatal(err)
			}
			var took time.Duration
			if d, took = next(); took < 19*time.Second || took > 21*time.Second {
				t.Errorf("another try in 20 s came after %s", took)
			}
		}
		for range 3 {
			if err := c.Wake(t.Context(), "validator", "c1", time.Now().Add(30*time.Second), bus.Message{Data: []byte("{}")}); err != nil {
				t.Fatal(err)
			}
			if err := d.Ack(t.Context()); err != nil {
				t.Fatal(err)
			}
			var took time.Duration
			if d, took = next(); took < 29*time.Second || took > 31*time.Second {
				t.Errorf("a wake-up in 30 s came after %s", took)
			}
		}
	})
}
