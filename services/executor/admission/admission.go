// Package admission is the queue for starts. A case asks for the start of its machines (Request), is told whether it
// may start now (Decision), and if so has a reservation for each of them, until Site Recovery shows what became of it.
//
// What has started is read from looks at the vault. The queue itself knows only who waits, and what was submitted
// since the last look. That is why one process at a time may serve, and why a new one can go on at once: Begin forgets
// everything, and looks must then have begun later (MaxAge).
//
// A request waits from its first Ask until it is admitted, leaves, or has not asked for longer than its Patience.
// A reservation has one of four states:
//
//	held         admitted, and a delivery of its case is about to submit it
//	kept         no delivery is at it, but its case has begun and comes back: until it asks again, or for so long (Keep)
//	unconfirmed  submitted, and Azure's answer was lost: it may have arrived (Submitted without a job)
//	submitted    submitted, and the job is known
//
// The last two end when a look that began later shows where the machine stands. An unconfirmed one that did not
// arrive is kept, if its case asked for that, or ends.
package admission

import (
	"context"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"reprotect.example/services/observed"
)

// Limits pace the starts of a site. Zero means no limit.
type Limits struct {
	StartsPerMinute int
	Concurrent      int // reprotect jobs that run at once
}

// Machine is what the start of one machine takes.
type Machine struct {
	Item   string // ARM id of its replicated item, in any letter case
	Name   string // for people
	Writer string // id of the master target or appliance that writes its disks
	Disks  int
}

// Request is what a case asks for: the start of all of these machines, or of none.
type Request struct {
	ID       string // of who asks: no two requests that wait have the same
	Order    Order
	Machines []Machine
	Running  int           // jobs of the case that run already
	Begun    bool          // machines of the case are under way already: it goes first
	Waited   bool          // it is back from a wait, perhaps in the queue of another process
	Patience time.Duration // who has not asked again for so long does not wait any more
	Forming  time.Duration // after a take-over, time in which all who waited have asked again
}

// Order is what decides who is first: the requests as they came, in each the plan's groups and the request's order.
type Order struct {
	Asked   time.Time
	Request string
	Rank    int
}

// Outcome says what a request is told.
type Outcome int

// Outcomes.
const (
	Admitted   Outcome = iota + 1 // all of its machines are reserved, and are to be submitted, kept or left
	NotYet                        // it waits for its turn
	NoDiskSlot                    // it waits for disk slots at a master target or an appliance (S7, M1)
)

// Turn is that of one admission: what it reserved is held for whoever has it. Zero is nobody's.
type Turn int

// Decision answers a request.
type Decision struct {
	Outcome Outcome
	Turn    Turn          // when admitted: for Keep and Leave
	Place   int           // in the queue, 1 is next
	Message string        // why it waits; empty when admitted
	Soonest time.Duration // it cannot be admitted before; 0: not known
}

// Ledger holds what the starts of one vault take, whichever site they are of: two sites of a vault share its master
// targets and appliances. Two processes that each serve one of these sites do not share a ledger: each sees what the
// other started in its next look.
type Ledger struct {
	now func() time.Time

	mu       sync.Mutex
	tookOver time.Time
	queues   []*Queue
	waiting  *waiting
	use      *use
}

// Queue decides for one site which cases may start: in their order, within the site's limits, and the free disk slots
// of each master target and appliance. Nobody overtakes who waits for the same.
type Queue struct {
	ledger *Ledger
	name   string // tells the requests of one site from those of another
	limits Limits
	pace   *rate.Limiter // smooths the submissions themselves
	slow   *rate.Limiter // of a case that is larger than the starts per minute

	// Under the ledger's lock.
	requests tree // that wait, in order; each weighs the machines that it starts when disk slots allow it
	unknown  bool // cases have come by that waited in the queue of another process
}

// NewLedger makes the ledger of a vault.
func NewLedger(now func() time.Time) *Ledger {
	l := &Ledger{now: now}
	l.begin()
	return l
}

// Queue adds the queue of a site.
func (l *Ledger) Queue(limits Limits) *Queue {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := &Queue{ledger: l, name: strconv.Itoa(len(l.queues)), limits: limits}
	q.begin()
	l.queues = append(l.queues, q)
	l.use.paced = l.use.paced || limits.StartsPerMinute > 0
	return q
}

// Begin forgets everything: this process takes over.
func (l *Ledger) Begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begin()
}

func (l *Ledger) begin() {
	l.tookOver = l.now()
	l.waiting = newWaiting()
	before := l.use
	l.use = newUse(l.waiting)
	if before != nil {
		l.use.turns = before.turns // a delivery from before gives nothing back of what is held now
	}
	for _, q := range l.queues {
		q.begin()
		l.use.paced = l.use.paced || q.limits.StartsPerMinute > 0
	}
}

func (q *Queue) begin() {
	q.requests, q.unknown = tree{}, false
	q.pace, q.slow = rate.NewLimiter(rate.Inf, 1), rate.NewLimiter(rate.Inf, 1)
	if q.limits.StartsPerMinute > 0 {
		perSecond := rate.Limit(q.limits.StartsPerMinute) / 60
		q.pace, q.slow = rate.NewLimiter(max(2*perSecond, 1), 2), rate.NewLimiter(perSecond, 1)
	}
}

// Pace waits until the next machine of a case that starts so many may be submitted.
func (q *Queue) Pace(ctx context.Context, machines int) error {
	q.ledger.mu.Lock()
	limiter := q.pace
	if machines > q.limits.StartsPerMinute {
		limiter = q.slow
	}
	q.ledger.mu.Unlock()
	return limiter.Wait(ctx)
}

// MaxAge is how old a look at the vault may be, most being what its reader bears: it must have begun later than this
// process took over, for only then does it show what the one before submitted.
func (q *Queue) MaxAge(most time.Duration) time.Duration {
	q.ledger.mu.Lock()
	defer q.ledger.mu.Unlock()
	return max(min(most, q.ledger.now().Sub(q.ledger.tookOver)-1), 0)
}

// Ask puts a request into the queue, or finds it there, and says whether it is admitted. The look is taken in when it
// is newer than what is known. What a decision costs does not depend on how many wait.
func (q *Queue) Ask(r Request, vault observed.Vault) Decision {
	l := q.ledger
	r.ID = q.own(r.ID)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if l.use.read(vault, now) {
		l.waiting.expire(now)
	}
	if d, decided := l.use.claim(r); decided {
		return d
	}
	if _, waits := l.waiting.entries[r.ID]; !waits && r.Waited {
		q.unknown = true
	}
	e := l.waiting.put(q, r, now)
	d := decide(&q.requests, e, l.use.now(now), q.limits, now)
	if forming := l.tookOver.Add(r.Forming).Sub(now); d.Outcome == Admitted && q.unknown && forming > 0 {
		return Decision{Outcome: NotYet, Place: d.Place, Soonest: forming, Message: "The queue for starts is formed anew"}
	}
	if d.Outcome == Admitted {
		l.waiting.drop(e)
		d.Turn = l.use.admit(r)
	}
	return d
}

// Leave ends a request: it waits no more, and what it was admitted for and did not submit is free again; but for what
// another delivery of its case holds, whose turn is another one.
func (q *Queue) Leave(id string, turn Turn) {
	l := q.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	l.use.giveBack(q.own(id), turn)
	if e := l.waiting.entries[q.own(id)]; e != nil {
		l.waiting.drop(e)
	}
}

func (q *Queue) own(id string) string { return q.name + "/" + id }

// Keep holds the reservations of a case that has begun, and could not start all of its machines, until it asks again,
// or for so long. That of a submission whose answer was lost is one of them: it may not have arrived. What another
// delivery of the case holds, whose turn is another one, stays its own.
func (q *Queue) Keep(id string, turn Turn, most time.Duration) {
	l := q.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	l.use.keep(q.own(id), turn, l.now().Add(most))
}

// Submitted notes that a machine that was admitted has been submitted now, with its job; "" when the answer was lost.
func (q *Queue) Submitted(item, job string) {
	l := q.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	l.use.submitted(observed.NormalID(item), job, l.now())
}

// Occupied notes the place of a machine whose job runs already, where it is not known: another process started it, or
// a person. Its job counts in the look, its disks do not yet.
func (q *Queue) Occupied(id string, m Machine, job string, vault observed.Vault) {
	l := q.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.use.reserved[observed.NormalID(m.Item)] == nil {
		l.use.hold(&reservation{Machine: m.normal(), request: q.own(id), state: submitted, job: job, at: vault.Began.Add(-1)})
	}
}

// Job is the one that this process started for an item, and when, as long as its reservation stands; else "".
func (q *Queue) Job(item string) (job string, at time.Time) {
	l := q.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.use.reserved[observed.NormalID(item)]; r != nil {
		return r.job, r.at
	}
	return "", time.Time{}
}

// Owner is the item that this process started a job for, as long as its reservation stands.
func (q *Queue) Owner(job string) (item string, known bool) {
	l := q.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.use.reserved {
		if job != "" && observed.NormalID(r.job) == observed.NormalID(job) {
			return r.Item, true
		}
	}
	return "", false
}

func (m Machine) normal() Machine {
	m.Item, m.Writer = observed.NormalID(m.Item), observed.NormalID(m.Writer)
	return m
}
