// Package sbtest sets the stand-in for Service Bus up as Azure would be, for tests and the lab.
package sbtest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"reprotect.example/events/bus/servicebus"
	"reprotect.example/events/bus/servicebus/sbpeer"
)

// SetUp makes the entities of a topology. It may be called again at any time.
func SetUp(p *sbpeer.Peer, t servicebus.Topology) error {
	var made sbpeer.Topology
	for _, topic := range t.Topics {
		window, err := duration(topic.DuplicateWindow)
		if err != nil {
			return err
		}
		into := sbpeer.Topic{Name: topic.Name, DuplicateWindow: window}
		for _, s := range topic.Subscriptions {
			receiving, err := receiving(s.Receiving)
			if err != nil {
				return err
			}
			subscription := sbpeer.Subscription{Name: s.Name, Receiving: receiving}
			for _, r := range s.Rules {
				filter := sbpeer.Filter{Subject: r.Label, Properties: map[string]any{}}
				for k, v := range r.Properties {
					filter.Properties[k] = v
				}
				subscription.Filters = append(subscription.Filters, filter)
			}
			into.Subscriptions = append(into.Subscriptions, subscription)
		}
		made.Topics = append(made.Topics, into)
	}
	for _, q := range t.Queues {
		receiving, err := receiving(q.Receiving)
		if err != nil {
			return err
		}
		receiving.RequiresSession = q.RequiresSession
		window, err := duration(q.DuplicateWindow)
		if err != nil {
			return err
		}
		made.Queues = append(made.Queues, sbpeer.Queue{Name: q.Name, DuplicateWindow: window, Receiving: receiving})
	}
	return p.Setup(made)
}

func receiving(r servicebus.Receiving) (sbpeer.Receiving, error) {
	lock, err := duration(r.LockDuration)
	if err != nil {
		return sbpeer.Receiving{}, err
	}
	ttl, err := duration(r.TimeToLive)
	return sbpeer.Receiving{LockDuration: lock, MaxDelivery: r.MaxDeliveryCount, TTL: ttl, DeadLetterExpired: r.DeadLetterExpired}, err
}

// duration reads the ISO 8601 durations that a topology has: whole days, or parts of a day; "" is none.
func duration(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	if days, ok := strings.CutSuffix(strings.TrimPrefix(text, "P"), "D"); ok {
		n, err := strconv.Atoi(days)
		if err != nil {
			return 0, fmt.Errorf("duration %q: %w", text, err)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(strings.ToLower(strings.TrimPrefix(text, "PT")))
	if err != nil {
		return 0, fmt.Errorf("duration %q: %w", text, err)
	}
	return d, nil
}
