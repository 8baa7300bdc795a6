// Package notifier tells people what happens: one story for each request, and one for each cause that needs a person, with
// its end. The stories are notifications on the bus; channels bring them into chats, mailboxes and pagers.
//
// What was told stands in the event log, and so does everything of which it is told. A process that takes over reads both,
// and goes on where the one before was stopped; it tells nothing twice, since a notification has one id.
package notifier

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
	"reprotect.example/services/workflow"
)

// Log reads what stands in the event log: of every case the facts on which its state depends, and all notifications. Its
// error says that some may be missing.
type Log func(ctx context.Context, each func(bus.Received)) error

// Options of New.
type Options struct {
	Sites    []string // of which stories are told
	Bus      bus.Broker
	Log      Log // nil: there is nothing before
	Pace     Pace
	Link     func(n events.Note, caseID string) string // where the console shows it; nil: nowhere
	Detail   bool                                      // each fact is told on the bus by itself, too
	Channels []*Channel
	Now      func() time.Time
	Logger   *slog.Logger
	Trouble  func(error) // why nothing is told now; nil: it is
}

// Notifier is the service. Its Run must go on beside it.
type Notifier struct {
	o       Options
	mu      sync.Mutex
	log     cases.Log
	digests map[string]*Digest
	serving bool
	moved   chan struct{} // something was taken in
}

// New makes the notifier.
func New(o Options) *Notifier {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Trouble == nil {
		o.Trouble = func(error) {}
	}
	return &Notifier{o: o, digests: map[string]*Digest{}, moved: make(chan struct{}, 1)}
}

// Service tells alone: of two processes each would know a part.
func (n *Notifier) Service() workflow.Service {
	return workflow.Service{
		Name: "notifier", All: true, Alone: true,
		StandBy: func() {
			n.mu.Lock()
			n.serving = false
			n.mu.Unlock()
		},
		Begin: n.begin,
		Routes: []workflow.Route{
			take(n, events.TypeAccepted, accepted),
			take(n, events.TypeRefused, refused),
			take(n, events.TypeValidated, nil),
			take(n, events.TypeRejected, rejected),
			take(n, events.TypePlaced, nil),
			take(n, events.TypeRegistered, nil),
			take(n, events.TypeStarted, started),
			take(n, events.TypeRehearsed, rehearsed),
			take(n, events.TypeCompleted, completed),
			take(n, events.TypeFailed, failed),
			take(n, events.TypeCancelled, cancelled),
			take(n, events.TypeWaiting, waits),
			take(n, events.TypeReturned, nil),
			take(n, events.TypeViolated, violated),
			take(n, events.TypeCleared, cleared),
			take(n, events.TypeAcknowledged, acknowledged),
			take(n, events.TypeUnwatched, unwatched),
			take(n, events.TypeWatched, watched),
			workflow.OnNotification(n.notification),
		},
	}
}

// take takes a fact into where its case stands, and brings it to those who want each by itself.
func take[T any](n *Notifier, t events.Type[T], words func(T) events.Note) workflow.Route {
	return workflow.On(t, "", func(ctx context.Context, e workflow.Event[T], sent Sent) (workflow.Result[Sent], error) {
		n.add(cases.Entry{Time: e.Received, Subject: events.FactSubject(e.Site, e.Case, e.Step, t.Name), Header: e.Header, Kind: t.Kind, Data: e.Data})
		note, worth := worded(t, e, words)
		if !worth {
			return workflow.Result[Sent]{}, nil
		}
		result, err := n.bring(ctx, Message{Header: e.Header, Note: n.linked(note, e.Case)}, sent, e.Received, func(c *Channel) bool { return c.Detail })
		if n.o.Detail && e.Looks == 0 {
			result.Publish = append(result.Publish, workflow.Notify(note))
		}
		return result, err
	}).Each()
}

// notification brings a story to the channels. What was told is taken in again: it may have been told by the process before.
func (n *Notifier) notification(ctx context.Context, e workflow.Event[events.Note], sent Sent) (workflow.Result[Sent], error) {
	if e.Data.Thread == "" {
		return workflow.Result[Sent]{}, nil
	}
	n.mu.Lock()
	n.digest(e.Site).Told(e.Header, e.Data)
	n.mu.Unlock()
	return n.bring(ctx, Message{Header: e.Header, Note: e.Data}, sent, e.Received, func(c *Channel) bool { return !c.Detail })
}

func (n *Notifier) add(e cases.Entry) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, err := n.log.Add(e); err != nil {
		return // no fact
	}
	select {
	case n.moved <- struct{}{}:
	default:
	}
}

// digest is that of a site; n.mu is held.
func (n *Notifier) digest(site string) *Digest {
	d := n.digests[site]
	if d == nil {
		d = NewDigest(site, n.o.Pace)
		n.digests[site] = d
	}
	return d
}

// rereadAfter is when the log is read once more after the beginning: what the process before took shortly before it ended
// may not have stood in a journal yet.
const rereadAfter = 30 * time.Second

// atMostUntold is the pause between two tries to read the log: a journal that begins with this process serves any moment,
// and nobody is told anything before.
const atMostUntold = 2 * time.Second

// begin reads what the log holds, for as long as it takes.
func (n *Notifier) begin(ctx context.Context) {
	for attempt := 1; ; attempt++ {
		err := n.read(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			break
		}
		n.o.Trouble(fmt.Errorf("the event log cannot be read, so nothing is told yet: %w", err))
		if !wait(ctx, min(workflow.Backoff(attempt, 0), atMostUntold)) {
			return
		}
	}
	n.o.Trouble(nil)
	n.mu.Lock()
	n.serving = true
	n.mu.Unlock()
}

func (n *Notifier) read(ctx context.Context) error {
	if n.o.Log == nil {
		return nil
	}
	return n.o.Log(ctx, func(r bus.Received) {
		e := cases.ReadEntry(r)
		if note, ok := e.Data.(events.Note); ok {
			n.mu.Lock()
			n.digest(e.Header.Site).Told(e.Header, note)
			n.mu.Unlock()
			return
		}
		n.add(e)
	})
}

// Run tells what is due until ctx ends, while this process serves.
func (n *Notifier) Run(ctx context.Context) {
	reread := n.o.Now().Add(rereadAfter)
	for {
		pause := n.tell(ctx)
		if n.serves() && n.o.Now().After(reread) {
			if err := n.read(ctx); err == nil {
				reread = n.o.Now().Add(24 * time.Hour)
			}
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-n.moved:
			timer.Stop()
			if !wait(ctx, breath) {
				return
			}
		}
	}
}

// breath is the least time between two looks at where the cases stand.
const breath = time.Second

func (n *Notifier) serves() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.serving
}

// tell publishes what is due, and says when to look again.
func (n *Notifier) tell(ctx context.Context) (pause time.Duration) {
	const atMost = 10 * time.Second
	now := n.o.Now()
	posts, next := n.due(now)
	for _, p := range posts {
		header, err := n.publish(ctx, p, now)
		if err != nil {
			if ctx.Err() == nil {
				n.o.Logger.Warn("a notification is not on the bus, will try again", slog.String("thread", p.Thread), slog.Any("error", err))
			}
			return breath
		}
		n.mu.Lock()
		n.digest(header.Site).Told(header, p.Note)
		n.mu.Unlock()
	}
	if next.IsZero() {
		return atMost
	}
	return min(max(next.Sub(now), breath), atMost)
}

// Remembered is how long the story of what is over is kept in mind.
const remembered = 7 * 24 * time.Hour

func (n *Notifier) due(now time.Time) (posts []sitePost, next time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.serving {
		return nil, time.Time{}
	}
	all := n.log.Cases()
	sites := slices.Clone(n.o.Sites)
	if len(sites) == 0 {
		here := map[string]bool{}
		for _, c := range all {
			here[c.Site] = true
		}
		sites = slices.Sorted(maps.Keys(here))
	}
	for _, site := range sites {
		d := n.digest(site)
		d.Forget(now.Add(-remembered))
		due, at := d.Due(all, now)
		for _, p := range due {
			p.Note = n.linked(p.Note, p.Case)
			posts = append(posts, sitePost{site, p})
		}
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return posts, next
}

type sitePost struct {
	site string
	Post
}

func (n *Notifier) linked(note events.Note, caseID string) events.Note {
	if n.o.Link != nil {
		note.Link = n.o.Link(note, caseID)
	}
	return note
}

func (n *Notifier) publish(ctx context.Context, p sitePost, now time.Time) (events.Header, error) {
	h := events.Header{Site: p.site, Case: p.Case, Request: p.Request, ID: p.Fact}
	draft := workflow.Notify(p.Note).Named(p.Name(), p.Fact)
	err := workflow.Report(ctx, n.o.Bus, "notifier", h, 0, draft, now)
	h.Time = now
	return h, err
}

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
