package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// Stream names that outsiders may rely on.
const (
	StreamLog  = "REPROTECT"
	StreamDead = "REPROTECT_DEAD"
)

// Durables for readers that are no service. Whoever may make a durable can have the server send what is stored to any
// subject, so these are made for them.
const (
	DurableAudit   = "audit"   // all of StreamLog and of StreamDead
	DurableChatbot = "chatbot" // the notifications since it was made
)

// StreamWake is the stream of a service's wake-ups: its own affair.
func StreamWake(service string) string { return "REPROTECT_WAKE_" + service }

const wakeSubject = "reprotect-wake."

func timerSubject(service, key string) string { return wakeSubject + service + ".timer." + key }
func dueSubject(service, key string) string   { return wakeSubject + service + ".due." + key }

// Stream is a stream with its durable consumers, as it is set up.
type Stream struct {
	Config    jetstream.StreamConfig     `json:"stream"`
	Consumers []jetstream.ConsumerConfig `json:"consumers,omitempty"`
}

// Topology is everything that must exist on the server for these consumers. Replicas is 1 on a single node and
// 3 or 5 on a cluster.
func Topology(replicas int, consumers ...bus.Consumer) []Stream {
	base := jetstream.StreamConfig{
		Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew,
		Replicas: max(replicas, 1), AllowDirect: true,
	}
	log := base
	log.Name, log.Description = StreamLog, "Reprotect: commands, facts, notifications. The event log."
	log.Subjects = []string{events.SubjectCommands + ".>", events.SubjectFacts + ".>", events.SubjectNotifications + ".>"}
	log.DenyDelete, log.DenyPurge = true, true
	log.Duplicates = 2 * time.Minute

	dead := base
	dead.Name, dead.Description = StreamDead, "Reprotect: messages that a service gave up."
	dead.Subjects = []string{events.SubjectDead + ".>", "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES." + StreamLog + ".>"}

	audit := reader(DurableAudit, jetstream.DeliverAllPolicy, ">")
	bot := reader(DurableChatbot, jetstream.DeliverNewPolicy, events.SubjectNotifications+".>")
	streams := []Stream{{log, []jetstream.ConsumerConfig{audit, bot}}, {dead, []jetstream.ConsumerConfig{audit}}}
	for _, c := range consumers {
		streams[0].Consumers = append(streams[0].Consumers, durable(c, c.Filters...))
		wake := base
		wake.Name, wake.Description = StreamWake(c.Service), "Reprotect: wake-ups of "+c.Service+"."
		wake.Subjects = []string{wakeSubject + c.Service + ".>"}
		wake.Retention = jetstream.WorkQueuePolicy // what fired and was handled goes
		wake.Discard = jetstream.DiscardOld        // demanded by schedules; without limits nothing is discarded
		wake.AllowMsgSchedules, wake.AllowMsgTTL = true, true
		streams = append(streams, Stream{wake, []jetstream.ConsumerConfig{durable(c, dueSubject(c.Service, ">"))}})
	}
	return streams
}

func durable(c bus.Consumer, filters ...string) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: c.Service, FilterSubjects: filters,
		DeliverPolicy: jetstream.DeliverAllPolicy, AckPolicy: jetstream.AckExplicitPolicy,
		AckWait:    orDefault(c.AckWait, 30*time.Second),
		MaxDeliver: -1, // the delivery loop gives up, with a dead letter
		// Enough that a wave of short retries does not keep new work out.
		MaxAckPending: max(c.Pending, 1024),
	}
}

func reader(name string, from jetstream.DeliverPolicy, filter string) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: name, FilterSubjects: []string{filter}, DeliverPolicy: from, AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: 30 * time.Second, MaxDeliver: -1, MaxAckPending: 1024,
	}
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

func isReader(durable string) bool { return durable == DurableAudit || durable == DurableChatbot }

// Lag is how far a service is behind.
type Lag struct {
	Service   string `json:"service"`
	Pending   uint64 `json:"pending"`   // not delivered yet
	UnderWay  int    `json:"underWay"`  // delivered, not settled
	Redeliver int    `json:"redeliver"` // of these, delivered before
	Waiting   uint64 `json:"waiting"`   // wake-ups scheduled or due
}

// Status is the state of the bus as an operator wants it.
type Status struct {
	Server   string `json:"server"`
	Messages uint64 `json:"messages"` // in the event log
	Bytes    uint64 `json:"bytes"`
	Rooms    []Room `json:"rooms"` // the store, and of it each stream
	Dead     uint64 `json:"dead"`
	Services []Lag  `json:"services"`
}

// Room is what a part of the bus has taken of what it may, in bytes. Limit 0: nothing but the disk bounds it, or the server does
// not say.
type Room struct {
	Name  string `json:"name"`
	Bytes uint64 `json:"bytes"`
	Limit uint64 `json:"limit"`
}

// Store says what of the store this account has taken, all copies of a cluster together. Every role may ask.
func (c *Conn) Store(ctx context.Context) (Room, error) {
	begun := time.Now()
	info, err := c.js.AccountInfo(ctx)
	if err != nil {
		return Room{}, fmt.Errorf("bus: room of the store: %w", c.explain(err, api+"INFO", begun))
	}
	return Room{Name: "store", Bytes: info.Store, Limit: uint64(max(info.Limits.MaxStore, 0))}, nil
}

// taken is what a stream has taken. It has room of its own where an administrator gave it a limit.
func taken(s *jetstream.StreamInfo) Room {
	return Room{Name: s.Config.Name, Bytes: s.State.Bytes, Limit: uint64(max(s.Config.MaxBytes, 0))}
}

// Status reads the state of the bus. It needs the rights of an administrator.
func (c *Conn) Status(ctx context.Context) (Status, error) {
	s := Status{Server: c.nc.ConnectedServerName()}
	begun := time.Now()
	log, err := c.js.Stream(ctx, StreamLog)
	if err != nil {
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return s, fmt.Errorf("bus: there is no stream %s: run 'reprotect bus setup': %w", StreamLog, err)
		}
		return s, fmt.Errorf("bus: stream %s: %w", StreamLog, c.explain(err, api+"STREAM.INFO.", begun))
	}
	s.Messages, s.Bytes = log.CachedInfo().State.Msgs, log.CachedInfo().State.Bytes
	store, err := c.Store(ctx)
	if err != nil {
		return s, err
	}
	s.Rooms = []Room{store, taken(log.CachedInfo())}
	if dead, err := c.js.Stream(ctx, StreamDead); err == nil {
		s.Dead = dead.CachedInfo().State.Msgs
		s.Rooms = append(s.Rooms, taken(dead.CachedInfo()))
	}
	consumers := log.ListConsumers(ctx)
	for info := range consumers.Info() {
		if info.Config.Durable == "" || isReader(info.Config.Durable) && info.Delivered.Consumer == 0 {
			continue // nobody reads from it, so nobody is behind
		}
		lag := Lag{Service: info.Config.Durable, Pending: info.NumPending, UnderWay: info.NumAckPending, Redeliver: info.NumRedelivered}
		if wake, err := c.js.Stream(ctx, StreamWake(info.Config.Durable)); err == nil {
			s.Rooms = append(s.Rooms, taken(wake.CachedInfo()))
			lag.Waiting = wake.CachedInfo().State.Msgs
			hold := holdSubject(info.Config.Durable) // who holds the service stands there, too
			if info, err := wake.Info(ctx, jetstream.WithSubjectFilter(hold)); err == nil {
				lag.Waiting -= info.State.Subjects[hold]
			}
		}
		s.Services = append(s.Services, lag)
	}
	if err := consumers.Err(); err != nil {
		return s, fmt.Errorf("bus: consumers of %s: %w", StreamLog, err)
	}
	return s, nil
}
