package sbpeer

import (
	"fmt"
	"strings"
	"time"
)

// Topology is what exists in the namespace.
type Topology struct {
	Topics []Topic
	Queues []Queue
}

// Topic fans messages out to its subscriptions.
type Topic struct {
	Name string
	// DuplicateWindow is how long message ids are remembered from when they are accepted, those of scheduled messages that
	// were cancelled, too. 0: not at all.
	DuplicateWindow time.Duration
	Subscriptions   []Subscription
}

// Subscription keeps a copy of each message of its topic that fits one of the filters.
type Subscription struct {
	Name    string
	Filters []Filter // none: everything
	Receiving
}

// Queue keeps messages for its receivers.
type Queue struct {
	Name string
	// DuplicateWindow as for topics.
	DuplicateWindow time.Duration
	Receiving
}

// Receiving says how messages are handed out.
type Receiving struct {
	// LockDuration of a message or a session. Default: 1 minute.
	LockDuration time.Duration
	// MaxDelivery is after how many deliveries without success a message becomes a dead letter. Default: 10.
	MaxDelivery int
	// TTL is how long a message stands at most; 0: forever.
	TTL time.Duration
	// DeadLetterExpired makes a dead letter of what stood too long, instead of dropping it.
	DeadLetterExpired bool
	// RequiresSession hands messages out by session only.
	RequiresSession bool
	// MaxMessages that are stored, dead letters not counted; over it, sending fails as if the entity were full. 0: no limit.
	MaxMessages int
}

// Filter is a correlation filter: every field that is set must be equal to the message's. The zero value fits everything.
type Filter struct {
	Subject, MessageID, To, ReplyTo, CorrelationID, SessionID, ReplyToSessionID, ContentType string
	// Properties are application properties. A number is equal to one of the same value, whatever its size.
	Properties map[string]any
}

// Setup makes what is missing and brings what exists already to these settings. What the topology does not name stays,
// and so do messages. Whether an entity requires sessions cannot be changed. An error leaves what came before it set up.
func (p *Peer) Setup(t Topology) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range t.Queues {
		e, err := p.entrance(q.Name, true)
		if err != nil {
			return err
		}
		e.window = q.DuplicateWindow
		if err := p.setStore(&e.store, q.Name, q.Receiving); err != nil {
			return err
		}
		e.store.entrance = e
	}
	for _, topic := range t.Topics {
		e, err := p.entrance(topic.Name, false)
		if err != nil {
			return err
		}
		e.window = topic.DuplicateWindow
		for _, s := range topic.Subscriptions {
			if err := p.setSubscription(e, s); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *Peer) entrance(name string, queue bool) (*entrance, error) {
	if err := plainName(name); err != nil {
		return nil, err
	}
	key := strings.ToLower(name)
	e := p.entrances[key]
	if e == nil {
		e = &entrance{peer: p, name: name, queue: queue, remembered: map[string]bool{}, scheduled: map[int64]*message{}}
		p.entrances[key] = e
	}
	if e.queue != queue {
		return nil, fmt.Errorf("%s is a queue, or is a topic, and cannot become the other", name)
	}
	return e, nil
}

func plainName(name string) error {
	if name == "" || strings.Contains(name, "$") || strings.Contains(strings.ToLower(name), "/subscriptions/") {
		return fmt.Errorf("%q is no name of an entity", name)
	}
	return nil
}

func (p *Peer) setSubscription(e *entrance, s Subscription) error {
	if err := plainName(s.Name); err != nil || strings.Contains(s.Name, "/") {
		return fmt.Errorf("%q is no name of a subscription", s.Name)
	}
	for _, known := range e.subscriptions {
		if strings.EqualFold(known.name, s.Name) {
			known.filters = s.Filters
			return p.setStore(&known.store, "", s.Receiving)
		}
	}
	sub := &subscription{name: s.Name, filters: s.Filters}
	if err := p.setStore(&sub.store, e.name+"/Subscriptions/"+s.Name, s.Receiving); err != nil {
		return err
	}
	e.subscriptions = append(e.subscriptions, sub)
	return nil
}

// setStore makes a store and its dead letters, or changes its settings.
func (p *Peer) setStore(at **store, name string, r Receiving) error {
	if r.LockDuration <= 0 {
		r.LockDuration = time.Minute
	}
	if r.MaxDelivery <= 0 {
		r.MaxDelivery = 10
	}
	if s := *at; s != nil {
		if s.RequiresSession != r.RequiresSession {
			return fmt.Errorf("%s: whether sessions are required cannot be changed", s.name)
		}
		s.Receiving = r
		s.dead.LockDuration = r.LockDuration
		return nil
	}
	s := newStore(p, name, r)
	s.dead = newStore(p, name+deadLetterSuffix, Receiving{LockDuration: r.LockDuration})
	p.stores[strings.ToLower(s.name)], p.stores[strings.ToLower(s.dead.name)] = s, s.dead
	*at = s
	return nil
}

const (
	deadLetterSuffix = "/$DeadLetterQueue"
	managementSuffix = "/$management"
	cbsNode          = "$cbs"
)

// node is what a link is to.
type node struct {
	name     string // the entity; for management, too
	entrance *entrance
	store    *store
	// handle answers requests, if the node is one that takes them.
	handle func(c *conn, n node, request *content) []byte
}

// resolve finds the node of an address.
func (p *Peer) resolve(address string) (n node, err *amqpError) {
	key := strings.Trim(strings.ToLower(address), "/")
	if key == cbsNode {
		return node{name: cbsNode, handle: putToken}, nil
	}
	entity, managed := strings.CutSuffix(key, managementSuffix)
	n = node{name: entity, entrance: p.entrances[entity], store: p.stores[entity]}
	if n.entrance == nil && n.store == nil {
		return n, refuse(errNotFound, "the messaging entity %q could not be found", address)
	}
	if managed {
		n.handle = manage
	}
	return n, nil
}
