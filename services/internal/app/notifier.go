package app

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/services/cases"
	"reprotect.example/services/internal/channel"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/internal/journalclient"
	"reprotect.example/services/internal/telemetry"
	"reprotect.example/services/journal"
	"reprotect.example/services/notifier"
)

// notifier joins the notifier with the log, the channels and the console.
func (o outside) notifier(sites map[string]site, served []string) notifier.Options {
	options := notifier.Options{Now: time.Now}
	if o.bus == nil { // only its subscription is asked for
		return options
	}
	options.Sites = served
	if len(served) == 0 {
		options.Sites = slices.Sorted(maps.Keys(sites))
	}
	options.Bus, options.Log, options.Logger = o.bus.Broker, o.told(), telemetry.Slog(o.log)
	options.Link = linkTo(o.config.HTTP.PublicURL)
	for _, n := range o.config.Notify { // stories are told as often as the one wants that wants them most often
		if options.Pace.Digest == 0 || n.Digest < options.Pace.Digest {
			options.Pace.Digest = n.Digest
		}
		if n.Kind == config.KindBus {
			options.Detail = options.Detail || n.Detail == config.DetailMachine
			options.Pace.Stale = n.Stale
		}
	}
	options.Channels = o.channels
	options.Trouble = func(err error) {
		if err != nil { // that it is over is said when the service begins
			o.trouble("", err)
			o.health(err)
		}
	}
	return options
}

// linkTo leads to the console's pages; nil where nobody said how people reach it.
func linkTo(public string) func(events.Note, string) string {
	if public == "" {
		return nil
	}
	public = strings.TrimRight(public, "/")
	return func(n events.Note, caseID string) string {
		if n.Kind == "request" || n.Kind == "summary" || n.Thread == "" && caseID == "" {
			return public + "/"
		}
		return public + "/cases/" + caseID
	}
}

// told reads what the notifier must know of the log: on NATS from the stream, on Service Bus from the journal.
func (o outside) told() notifier.Log {
	read := func(ctx context.Context, filters []string, latest bool, each func(bus.Received) error) error {
		k := kept{o.journal, o.bus.Journal}
		switch {
		case o.bus.NATS != nil:
			return o.bus.NATS.Read(ctx, jetstream.Reading{Stream: jetstream.StreamLog, Filters: filters, Latest: latest}, each)
		case k.ownServes():
			return k.own.Read(ctx, journal.Reading{Filters: filters, Latest: latest}, each)
		case k.other == nil:
			return errors.New("this process knows no journal")
		}
		return k.other.Read(ctx, journalclient.Reading{Filters: filters, Latest: latest}, each)
	}
	return func(ctx context.Context, each func(bus.Received)) error {
		older := []string{events.SubjectNotifications + ".>"}
		for _, kind := range cases.AlsoOlder() {
			older = append(older, events.FactSubject("*", "*", kind.Step, kind.Name))
		}
		one := func(r bus.Received) error {
			each(r)
			return nil
		}
		if err := read(ctx, []string{events.SubjectFacts + ".>"}, true, one); err != nil {
			return err
		}
		return read(ctx, older, false, one)
	}
}

// CheckChannels says what is wrong with the addresses and secrets of the channels; nothing is posted.
func CheckChannels(c config.Config) error {
	_, err := channel.All(c)
	return err
}

// TestChannel posts a sample to a channel of the config.
func TestChannel(ctx context.Context, c config.Config, name string) error {
	to, err := channel.Named(c, name)
	if err != nil {
		return err
	}
	site := "test"
	if names := c.SiteNames(); len(names) > 0 {
		site = names[0]
	}
	return to.Post(ctx, notifier.Sample(site, time.Now()))
}

// ChannelNames lists the channels of a config.
func ChannelNames(c config.Config) []string {
	names := []string{}
	for _, n := range c.Notify {
		if n.Kind != config.KindBus {
			names = append(names, n.Name)
		}
	}
	return names
}
