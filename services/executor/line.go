package executor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"reprotect.example/events"
	"reprotect.example/services/observed"
	"reprotect.example/services/waiting"
)

// Limits pace the starts of a site. Zero means no limit.
type Limits struct {
	StartsPerMinute int
	Concurrent      int // reprotect jobs that run at once
}

// line decides which cases of a site may start now: in their order, within the starts per minute, the jobs at once,
// and the free disk slots of each master target or appliance.
//
// What has started is read from the vault; the line itself only knows who waits, and what was submitted since the
// last look. That is why one process at a time may serve (bus.Service.Alone), and why a new one can go on at once.
type line struct {
	limits Limits
	pace   *rate.Limiter // smooths the submissions themselves
	slow   *rate.Limiter // of a case that is larger than the starts per minute
	now    func() time.Time

	mu      sync.Mutex
	begun   time.Time // when this process took over
	waits   []*entry  // in order
	cases   map[string]*entry
	given   map[string]*place // by item: started by us, or about to be, and not yet to be seen in the vault
	starts  []start           // of ours, in the last minute
	seen    look
	unknown bool // cases have come by that waited in the line of another process
}

// entry is a case in the line.
type entry struct {
	caseID   string
	asked    time.Time // of the request
	request  string
	rank     int
	machines int
	disks    map[string]int // by writer
	until    time.Time      // who has not asked again by then is not waiting any more
	begun    bool           // some of its machines have started: it goes first
	own      int            // jobs of it that run already
}

// before is the order of the line: who has begun, then the requests as they came, in each the plan's groups and the
// request's order.
func (e *entry) before(o *entry) int {
	first := func(e *entry) int {
		if e.begun {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(first(e), first(o)), e.asked.Compare(o.asked), cmp.Compare(e.request, o.request), cmp.Compare(e.rank, o.rank), cmp.Compare(e.caseID, o.caseID))
}

// turn answers a case that asks whether it may start.
type turn struct {
	go_     bool
	reason  events.Reason
	place   int
	message string
	soonest time.Duration // it cannot be its turn before
}

func newLine(limits Limits, now func() time.Time) *line {
	l := &line{limits: limits, now: now}
	l.begin()
	return l
}

// begin forgets everything: this process takes over.
func (l *line) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun, l.unknown = l.now(), false
	l.waits, l.cases, l.given, l.starts = nil, map[string]*entry{}, map[string]*place{}, nil
	l.seen = look{}
	l.pace, l.slow = rate.NewLimiter(rate.Inf, 1), rate.NewLimiter(rate.Inf, 1)
	if l.limits.StartsPerMinute > 0 {
		perSecond := rate.Limit(l.limits.StartsPerMinute) / 60
		l.pace, l.slow = rate.NewLimiter(max(2*perSecond, 1), 2), rate.NewLimiter(perSecond, 1)
	}
}

// await waits until the next machine of a case that starts so many may be submitted.
func (l *line) await(ctx context.Context, machines int) error {
	if machines > l.limits.StartsPerMinute {
		return l.slow.Wait(ctx)
	}
	return l.pace.Wait(ctx)
}

// age is how old a look at the vault may be: it must have begun later than this process took over, for only then does
// it show what the one before submitted.
func (l *line) age(most time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(min(most, l.now().Sub(l.begun)-1), 0)
}

// wish is what a case asks of the line.
type wish struct {
	caseID   string
	request  string
	of       events.Case
	starting []events.Machine
	items    map[string]observed.Item // by id as in the case
	waited   bool                     // it is back from a wait, perhaps in the line of another process
	begun    bool                     // machines of it are under way already
	running  int                      // jobs of it that run already
}

// ask puts a case into the line and says whether it may start now; if so, all of its places are taken, and must be
// started, kept or left.
func (l *line) ask(w wish, vault observed.Vault, look time.Duration) turn {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.read(vault, now)
	if t := l.taken(w.caseID, w.starting); t != nil {
		return *t
	}
	mine := l.cases[w.caseID]
	if mine != nil && mine.begun != w.begun {
		l.drop(mine)
		mine = nil
	}
	if mine == nil {
		mine = &entry{caseID: w.caseID, asked: w.of.RequestedAt, request: w.request, rank: w.of.Rank, begun: w.begun}
		at, _ := slices.BinarySearchFunc(l.waits, mine, (*entry).before)
		l.waits = slices.Insert(l.waits, at, mine)
		l.cases[w.caseID] = mine
		l.unknown = l.unknown || w.waited
	}
	mine.machines, mine.own, mine.disks = len(w.starting), w.running, map[string]int{}
	for _, m := range w.starting {
		mine.disks[writerOf(m, w.items[m.Item].FabricID, vault)] += len(w.items[m.Item].Disks)
	}
	mine.until = now.Add(15 * look) // longer than the longest pause
	t := l.judge(mine, now)
	if forming := l.begun.Add(look + look/4).Sub(now); t.go_ && l.unknown && forming > 0 {
		t = turn{reason: waiting.ForTurn, place: t.place, soonest: forming, message: "The line for starts is formed anew"}
	}
	if !t.go_ {
		return t
	}
	l.drop(mine)
	for _, m := range w.starting {
		item := w.items[m.Item]
		l.given[m.Item] = &place{caseID: w.caseID, name: m.Name, writer: writerOf(m, item.FabricID, vault), disks: len(item.Disks)}
		if l.limits.StartsPerMinute > 0 {
			l.starts = append(l.starts, start{item: m.Item})
		}
	}
	return t
}

// taken answers a case of which places are given away already: those that were kept for it are its own, and nobody
// else starts what somebody is starting. Nil: the line decides.
func (l *line) taken(caseID string, starting []events.Machine) *turn {
	kept := 0
	for _, m := range starting {
		p := l.given[m.Item]
		switch {
		case p == nil || !p.at.IsZero():
		case p.caseID != caseID:
			return &turn{reason: waiting.ForTurn, place: 1, message: "Another case is starting " + m.Name}
		case p.kept.IsZero():
			return &turn{reason: waiting.ForTurn, place: 1, message: "Another delivery of this case is starting it"}
		default:
			kept++
		}
	}
	if kept < len(starting) {
		if kept > 0 { // not all of them: it asks for all anew
			l.giveBack(caseID)
		}
		return nil
	}
	for _, m := range starting {
		l.given[m.Item].kept = time.Time{}
	}
	return &turn{go_: true}
}

// keep holds the places of a case that has begun, and could not start all of its machines, until it asks again, or for
// so long. The place of a submission whose answer was lost is one of them: it may not have arrived.
func (l *line) keep(caseID string, most time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.given {
		if p.caseID == caseID && p.job == "" {
			p.kept = l.now().Add(most)
		}
	}
}

// judge walks the line to the case: those before it take what they need first, and nobody overtakes who waits for
// the same.
func (l *line) judge(mine *entry, now time.Time) turn {
	recent, jobs, disks := l.room(now)
	minute, starts := l.limits.StartsPerMinute, len(recent)
	blocked := ""           // why nobody from here on may start now
	over := starts - minute // starts that must be a minute old for its turn
	for place, e := range l.waits {
		full := takeSlots(e, disks)
		if full == "" {
			over += e.machines
		}
		switch {
		case full != "" || blocked != "":
		case l.limits.Concurrent > 0 && e.machines > l.limits.Concurrent-jobs && jobs > e.own:
			blocked = fmt.Sprintf("%d reprotect jobs may run at once, and as many do", l.limits.Concurrent)
		case minute > 0 && e.machines > minute-starts && starts > 0:
			blocked = fmt.Sprintf("%d starts a minute are allowed", minute)
		default:
			jobs += e.machines
			starts += e.machines
		}
		if e != mine {
			continue
		}
		t := turn{place: place + 1}
		switch {
		case full != "":
			t.reason = waiting.ForDiskSlot
			t.message = fmt.Sprintf("%d disk slots of %s are needed, and of its %d too few are free. They come free as machines fail back", e.disks[full], cmp.Or(l.seen.names[full], full), mostDisks)
		case blocked != "":
			t.reason, t.message = waiting.ForTurn, blocked
			if minute > 0 {
				t.soonest = soonest(over, minute, recent, now)
			}
		default:
			t.go_ = true
		}
		return t
	}
	return turn{}
}

// takeSlots keeps the slots that a case needs for it, so that nobody behind takes them, and names the writer that has
// too few.
func takeSlots(e *entry, disks map[string]int) (full string) {
	for writer, n := range e.disks {
		if n > mostDisks-disks[writer] && (full == "" || writer < full) {
			full = writer
		}
		disks[writer] += n
	}
	return full
}

// soonest is the time until so many of the recent starts, and of those that follow them at that pace, are a minute old.
func soonest(over, minute int, recent []time.Time, now time.Time) time.Duration {
	if over <= 0 || len(recent) == 0 {
		return 0
	}
	rounds, rest := (over-1)/minute, (over-1)%minute
	return recent[min(rest, len(recent)-1)].Add(time.Duration(rounds+1) * time.Minute).Sub(now)
}

func (l *line) index(e *entry) int {
	at, _ := slices.BinarySearchFunc(l.waits, e, (*entry).before)
	return at
}

// leave gives back the places of a case that were not used, and its place in the line.
func (l *line) leave(caseID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.giveBack(caseID)
	if e := l.cases[caseID]; e != nil {
		l.drop(e)
	}
}

// giveBack gives up the places of a case in which nothing was submitted.
func (l *line) giveBack(caseID string) {
	for item, p := range l.given {
		if p.caseID == caseID && p.at.IsZero() {
			l.giveUp(item)
		}
	}
}

func (l *line) giveUp(item string) {
	delete(l.given, item)
	l.starts = slices.DeleteFunc(l.starts, func(s start) bool { return s.item == item && s.at.IsZero() })
}

func (l *line) drop(e *entry) {
	if at := l.index(e); at < len(l.waits) && l.waits[at] == e {
		l.waits = slices.Delete(l.waits, at, at+1)
	}
	delete(l.cases, e.caseID)
}
