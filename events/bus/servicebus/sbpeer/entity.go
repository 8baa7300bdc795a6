package sbpeer

import (
	"fmt"
	"time"
)

// entrance is what messages are sent to: a topic or a queue.
type entrance struct {
	peer          *Peer
	name          string
	queue         bool
	store         *store // of a queue
	subscriptions []*subscription
	window        time.Duration
	full          bool // on demand

	remembered map[string]bool // message ids
	memory     []remembrance   // the same, in order of time
	sequence   int64           // of a topic
	scheduled  map[int64]*message
}

type remembrance struct {
	id string
	at time.Time
}

type subscription struct {
	name    string
	filters []Filter
	store   *store
}

func (e *entrance) next() int64 {
	if e.store != nil {
		return e.store.next()
	}
	e.sequence++
	return e.sequence
}

// accept stores messages, all or none, and gives their sequence numbers. A duplicate is accepted and dropped; it gets a number, too.
func (e *entrance) accept(messages []*content) ([]int64, *amqpError) {
	p := e.peer
	if err := e.room(len(messages)); err != nil {
		return nil, err
	}
	for _, c := range messages {
		if _, set := c.property(propGroupID); !set && e.store != nil && e.store.RequiresSession {
			return nil, refuse(errNotAllowed, "%s requires sessions, and the message names none", e.name)
		}
	}
	numbers := make([]int64, 0, len(messages))
	for _, c := range messages {
		p.stats.Sends++
		p.stats.units += units(c.size)
		number := e.next()
		numbers = append(numbers, number)
		if e.duplicate(c) {
			p.stats.Duplicates++
			continue
		}
		if at, ok := c.scheduledFor(); ok && at.After(p.now()) {
			e.schedule(c, number, at)
			continue
		}
		e.enter(c, number)
	}
	return numbers, nil
}

// room says whether so many messages more may be stored.
func (e *entrance) room(n int) *amqpError {
	if e.full {
		return refuse(errFull, "%s is full", e.name)
	}
	stores := []*store{e.store}
	if e.store == nil {
		stores = stores[:0]
		for _, s := range e.subscriptions {
			stores = append(stores, s.store)
		}
	}
	for _, s := range stores {
		if s.MaxMessages > 0 && len(s.bySequence)+n > s.MaxMessages {
			return refuse(errFull, "%s holds %d messages and is full", s.name, len(s.bySequence))
		}
	}
	return nil
}

// duplicate remembers the id of a message, and says whether it was remembered already.
func (e *entrance) duplicate(c *content) bool {
	if e.window <= 0 || c.id() == nil {
		return false
	}
	now := e.peer.now()
	old := 0
	for old < len(e.memory) && now.Sub(e.memory[old].at) >= e.window {
		delete(e.remembered, e.memory[old].id)
		old++
	}
	e.memory = e.memory[old:]
	id := fmt.Sprintf("%T %v", c.id(), c.id())
	if e.remembered[id] {
		return true
	}
	e.remembered[id] = true
	e.memory = append(e.memory, remembrance{id, now})
	return false
}

// enter hands a message to the queue, or to the subscriptions that want it.
func (e *entrance) enter(c *content, number int64) {
	if e.store != nil {
		e.store.put(&message{content: c, sequence: number, entered: number})
		return
	}
	for _, s := range e.subscriptions {
		e.peer.stats.FilterEvaluations += max(len(s.filters), 1)
		if wants(s.filters, c) {
			s.store.put(&message{content: c, sequence: s.store.next(), entered: number})
		}
	}
}

// schedule keeps a message until its time; then it gets a number anew, as if it had been sent at that moment.
func (e *entrance) schedule(c *content, number int64, at time.Time) {
	m := &message{content: c, sequence: number, entered: number, state: stateScheduled, since: e.peer.now()}
	if e.store != nil {
		e.store.keep(m)
	}
	e.scheduled[number] = m
	m.alarm = e.peer.alarmAt(at, func() {
		e.unschedule(m)
		e.enter(c, e.next())
	})
}

// unschedule forgets a message that was scheduled.
func (e *entrance) unschedule(m *message) {
	delete(e.scheduled, m.sequence)
	e.peer.cancel(m.alarm)
	if e.store != nil {
		e.store.drop(m)
	}
}

// wants says whether a message fits one of the filters.
func wants(filters []Filter, c *content) bool {
	for _, f := range filters {
		if f.fits(c) {
			return true
		}
	}
	return len(filters) == 0
}

func (f *Filter) fits(c *content) bool {
	for _, field := range []struct {
		want  string
		place int
	}{
		{f.Subject, propSubject}, {f.MessageID, propMessageID}, {f.To, propTo}, {f.ReplyTo, propReplyTo},
		{f.CorrelationID, propCorrelationID}, {f.SessionID, propGroupID}, {f.ReplyToSessionID, propReplyGroupID}, {f.ContentType, propContentType},
	} {
		if field.want == "" {
			continue
		}
		if got, _ := c.property(field.place); got != field.want {
			return false
		}
	}
	for key, want := range f.Properties {
		if !equal(c.application.get(key), want) {
			return false
		}
	}
	return true
}

// equal compares an application property with what a filter asks for.
func equal(got, want any) bool {
	if n, ok := want.(int); ok {
		want = int64(n)
	}
	if w, ok := whole(want); ok {
		g, ok := whole(got)
		return ok && g == w
	}
	if w, ok := want.(time.Time); ok {
		g, ok := got.(time.Time)
		return ok && g.Equal(w.Truncate(time.Millisecond))
	}
	switch want.(type) {
	case string, bool, float32, float64:
		return got == want
	}
	return false
}
