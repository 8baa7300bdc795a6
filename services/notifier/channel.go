package notifier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"reprotect.example/events"
	"reprotect.example/services/workflow"
)

// Message is what a channel posts.
type Message struct {
	events.Header
	events.Note
}

// Channel brings notifications to one place.
type Channel struct {
	Name   string
	Detail bool          // each fact by itself, and no stories
	Route  Route         // what it takes
	Quiet  Quiet         // when it takes nothing of level info
	Digest time.Duration // a request that moves is posted at most so often; 0: as often as it is told
	Stale  time.Duration // what is older comes as one summary; 1h
	Rate   rate.Limit    // messages a second at most; 0: 4
	// Post brings one message there. It returns a *Refusal where the other side says more than that it failed, and heeds
	// ctx. After an error the message comes again, so that one that was taken all the same may come twice.
	Post func(ctx context.Context, m Message) error

	once    sync.Once
	limiter *rate.Limiter
	turn    turn
	mu      sync.Mutex
	down    time.Time // until then nothing is tried
	failed  int       // times in a row
	late    *bag
	posted  map[string]time.Time // of requests under way, when of each was told last
}

// Route says which messages a channel takes; an empty list takes any.
type Route struct {
	Levels, Sites, Plans []string
	Machines             []string // patterns, as in web*; one machine that fits is enough
}

// Takes says whether a message fits.
func (r Route) Takes(m Message) bool {
	is := func(list []string, word string) bool {
		return len(list) == 0 || slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, word) })
	}
	if !is(r.Levels, m.Level) || !is(r.Sites, m.Site) || !is(r.Plans, m.Plan) {
		return false
	}
	return len(r.Machines) == 0 || slices.ContainsFunc(r.Machines, func(pattern string) bool {
		return slices.ContainsFunc(m.Machines, func(name string) bool {
			fits, err := path.Match(strings.ToLower(pattern), strings.ToLower(name))
			return err == nil && fits
		})
	})
}

// Quiet are hours of the day in which nothing of level info is posted; it comes when they are over. From may be later than
// To: they then go over midnight.
type Quiet struct {
	From, To time.Duration // since midnight; both 0: never
	Zone     *time.Location
}

// Until says when the quiet hours end in which t lies; zero: it lies in none.
func (q Quiet) Until(t time.Time) time.Time {
	if q.From == q.To {
		return time.Time{}
	}
	if q.Zone != nil {
		t = t.In(q.Zone)
	}
	at := func(day int, d time.Duration) time.Time {
		return time.Date(t.Year(), t.Month(), t.Day()+day, int(d/time.Hour), int(d%time.Hour/time.Minute), 0, 0, t.Location())
	}
	for day := -1; day <= 0; day++ {
		from, to := at(day, q.From), at(day, q.To)
		if q.To < q.From {
			to = at(day+1, q.To)
		}
		if !t.Before(from) && t.Before(to) {
			return to
		}
	}
	return time.Time{}
}

// Refusal is what the other side of a channel answered.
type Refusal struct {
	Status    int           // of HTTP; 0: none
	After     time.Duration // for which it asked
	Permanent bool          // this message is never taken
	Err       error
}

func (r *Refusal) Error() string { return r.Err.Error() }
func (r *Refusal) Unwrap() error { return r.Err }

// Sent is which channels have a message, kept with it while others have not.
type Sent struct {
	Done  []string       `json:"done,omitempty"`
	Lost  []string       `json:"lost,omitempty"` // gave it up, and why
	Tries map[string]int `json:"tries,omitempty"`
}

const (
	giveUp   = 24 * time.Hour   // after which a message is a dead letter
	perPost  = 15 * time.Second // for one try
	inTurn   = time.Minute      // for which a message waits for those before it
	breather = 200 * time.Millisecond
	lateFor  = 2 * time.Second // in which what is late comes together
)

// bring posts a message to every channel that takes it and has not got it, each for itself.
func (n *Notifier) bring(ctx context.Context, m Message, sent Sent, stood time.Time, of func(*Channel) bool) (workflow.Result[Sent], error) {
	type answer struct {
		channel *Channel
		after   time.Duration
		err     error
	}
	answers := make(chan answer)
	asked := 0
	for _, c := range n.o.Channels {
		if of(c) && c.Route.Takes(m) && !slices.Contains(sent.Done, c.Name) {
			asked++
			go func() {
				after, err := c.bring(ctx, m, stood, sent.Tries[c.Name], n.o.Now)
				answers <- answer{c, after, err}
			}()
		}
	}
	after := time.Duration(0)
	for range asked {
		a := <-answers
		name := a.channel.Name
		switch {
		case a.err == nil && a.after == 0:
			sent.Done = append(sent.Done, name)
		case a.err != nil && (permanent(a.err) || n.o.Now().Sub(stood) > giveUp):
			sent.Done, sent.Lost = append(sent.Done, name), append(sent.Lost, fmt.Sprintf("%s: %v", name, a.err))
		default:
			if a.err != nil {
				tries := map[string]int{name: 1}
				for k, v := range sent.Tries {
					tries[k] += v
				}
				sent.Tries = tries
				n.o.Logger.Warn("a message is not taken, will try again", "channel", name, "thread", m.Thread, "after", a.after, "error", a.err)
			}
			if after == 0 || a.after < after {
				after = a.after
			}
		}
	}
	if ctx.Err() != nil {
		return workflow.Result[Sent]{}, ctx.Err()
	}
	if after > 0 {
		return workflow.Result[Sent]{After: after, State: sent}, nil
	}
	if len(sent.Lost) > 0 {
		return workflow.Result[Sent]{}, workflow.Reject("notification.undelivered", "not brought to "+strings.Join(sent.Lost, "; "),
			"Correct the channel in the config, try it with 'reprotect notify test', then requeue the dead letter: it goes to all channels again.")
	}
	return workflow.Result[Sent]{}, nil
}

func permanent(err error) bool {
	var r *Refusal
	return errors.As(err, &r) && r.Permanent
}

// bring posts a message once. It is brought when both are zero; else it is to come again after that time, and err says why
// where the other side did not take it.
func (c *Channel) bring(ctx context.Context, m Message, stood time.Time, tries int, now func() time.Time) (after time.Duration, err error) {
	c.once.Do(func() { c.limiter = rate.NewLimiter(cmp.Or(c.Rate, 4), 1) })
	if c.tooSoon(m) {
		return 0, nil
	}
	if until := c.Quiet.Until(now()); m.Level == events.LevelInfo && !until.IsZero() {
		return until.Sub(now()), nil
	}
	if wait := c.isDown(now()); wait > 0 {
		return wait, nil
	}
	if now().Sub(stood) > cmp.Or(c.Stale, time.Hour) {
		return c.bringLate(ctx, m, tries, now)
	}
	return c.post(ctx, m, tries, now)
}

// tooSoon says whether a request that moves was told here a short time ago: the next message, or its end, says more.
func (c *Channel) tooSoon(m Message) bool {
	if c.Digest == 0 || m.Kind != kindRequest {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	last, told := c.posted[m.Thread]
	if m.State == events.NoteUpdate && told && m.Time.After(last) && m.Time.Sub(last) < c.Digest*9/10 {
		return true
	}
	if c.posted == nil {
		c.posted = map[string]time.Time{}
	}
	if c.posted[m.Thread] = m.Time; m.State == events.NoteClosed {
		delete(c.posted, m.Thread)
	}
	return false
}

func (c *Channel) isDown(now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if wait := c.down.Sub(now); wait > 0 {
		return wait + time.Duration(rand.Int64N(int64(time.Second)))
	}
	return 0
}

// post waits for those before it, and for the rate, then tries once.
func (c *Channel) post(ctx context.Context, m Message, tries int, now func() time.Time) (time.Duration, error) {
	waiting, cancel := context.WithTimeout(ctx, inTurn)
	defer cancel()
	release, err := c.turn.take(waiting, m.Time, m.Number)
	if err != nil {
		return time.Second, nil
	}
	defer release()
	if wait := c.isDown(now()); wait > 0 { // the one before found out
		return wait, nil
	}
	if c.limiter.Wait(waiting) != nil {
		return time.Second, nil
	}
	posting, stop := context.WithTimeout(ctx, perPost)
	defer stop()
	err = c.Post(posting, m)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.failed, c.down = 0, time.Time{}
		return 0, nil
	}
	if permanent(err) {
		return time.Second, err
	}
	c.failed++
	pause := backoff(max(c.failed, tries+1))
	var r *Refusal
	if errors.As(err, &r) && r.After > pause {
		pause = min(r.After, time.Hour)
	}
	c.down = now().Add(pause)
	return pause, err
}

// backoff is the pause after so many failures: one second doubling to five minutes, a quarter of it by chance.
func backoff(failures int) time.Duration {
	pause := min(time.Second<<min(max(failures-1, 0), 9), 5*time.Minute)
	return pause*3/4 + time.Duration(rand.Int64N(int64(pause/4)+1))
}

// bag holds what is late until it is posted as one.
type bag struct {
	messages []Message
	done     chan struct{}
	after    time.Duration
	err      error
}

// bringLate posts what is late as one summary: the first that comes waits for the others, and posts for all.
func (c *Channel) bringLate(ctx context.Context, m Message, tries int, now func() time.Time) (time.Duration, error) {
	c.mu.Lock()
	b, first := c.late, c.late == nil
	if first {
		b = &bag{done: make(chan struct{})}
		c.late = b
	}
	b.messages = append(b.messages, m)
	c.mu.Unlock()
	if first {
		wait(ctx, lateFor)
		c.mu.Lock()
		c.late = nil
		c.mu.Unlock()
		b.after, b.err = c.post(ctx, summaryOf(b.messages), tries, now)
		close(b.done)
	}
	select {
	case <-b.done:
		return b.after, b.err
	case <-ctx.Done():
		return time.Second, nil
	}
}

// summaryOf is one message for all that are late: none of them looks as if it were new.
func summaryOf(late []Message) Message {
	slices.SortFunc(late, func(a, b Message) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Number, b.Number)) })
	last := map[string]Message{}
	var threads []string
	for _, m := range late {
		key := cmp.Or(m.Thread, m.ID)
		if _, known := last[key]; !known {
			threads = append(threads, key)
		}
		last[key] = m
	}
	first := late[0]
	s := Message{Header: late[len(late)-1].Header, Note: events.Note{
		Kind: kindSummary, State: events.NoteClosed, Number: 1, Since: first.Time, Fact: first.Fact, Thread: kindSummary + "/" + first.Site + "/" + events.Token(first.ID),
		Title: fmt.Sprintf("Late: %d messages from %s to %s could not be brought here", len(late), clock(first.Time), clock(late[len(late)-1].Time)),
	}}
	s.ID = first.ID + "-late"
	var lines []string
	for _, key := range threads {
		m := last[key]
		s.Level = worse(s.Level, m.Level)
		lines = append(lines, fmt.Sprintf("%s %s", clock(m.Time), m.Title))
	}
	s.Text = strings.Join(lines, "\n")
	s.Note = bounded(s.Note)
	return s
}

// turn lets one message at a time through, of those that wait the earliest first.
type turn struct {
	mu      sync.Mutex
	busy    bool
	waiting []*waiter
}

type waiter struct {
	at      time.Time
	number  int
	through chan struct{}
}

// take waits for a short time first, in which earlier ones may come.
func (t *turn) take(ctx context.Context, at time.Time, number int) (release func(), err error) {
	if !wait(ctx, breather) {
		return nil, ctx.Err()
	}
	w := &waiter{at, number, make(chan struct{})}
	t.mu.Lock()
	if !t.busy {
		t.busy = true
		t.mu.Unlock()
		return t.release, nil
	}
	t.waiting = append(t.waiting, w)
	t.mu.Unlock()
	select {
	case <-w.through:
		return t.release, nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	i := slices.Index(t.waiting, w)
	if i >= 0 {
		t.waiting = slices.Delete(t.waiting, i, i+1)
	}
	t.mu.Unlock()
	if i < 0 { // it was its turn at the same moment
		t.release()
	}
	return nil, ctx.Err()
}

func (t *turn) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) == 0 {
		t.busy = false
		return
	}
	i := 0
	for j, w := range t.waiting {
		if cmp.Or(w.at.Compare(t.waiting[i].at), cmp.Compare(w.number, t.waiting[i].number)) < 0 {
			i = j
		}
	}
	w := t.waiting[i]
	t.waiting = slices.Delete(t.waiting, i, i+1)
	close(w.through)
}
