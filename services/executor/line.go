package executor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"reprotect.example/events"
	"reprotect.example/services/facts"
	"reprotect.example/services/waiting"
)

// mostDisks is how many disks a master target or an appliance takes (S7, M1).
const mostDisks = 60

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
}

// before is the order of the line: the requests as they came, in each the plan's groups and the request's order.
func (e *entry) before(o *entry) int {
	return cmp.Or(e.asked.Compare(o.asked), cmp.Compare(e.request, o.request), cmp.Compare(e.rank, o.rank), cmp.Compare(e.caseID, o.caseID))
}

// start is a submission; its time is zero while it is about to be made.
type start struct {
	item string
	job  string // "" when Azure's answer was lost
	at   time.Time
}

// place is what a machine that is about to start takes until the vault shows it.
type place struct {
	caseID string
	name   string
	writer string
	disks  int
	job    string
	at     time.Time // of the submission; zero before it
}

// look is what counts of a look at the vault.
type look struct {
	began   time.Time      // what was submitted later may not show
	running int            // reprotect jobs
	disks   map[string]int // by writer, of machines that replicate back
	names   map[string]string
	recent  []time.Time // starts of reprotect jobs that are not ours
}

// turn answers a case that asks whether it may start.
type turn struct {
	go_     bool
	reason  string // as in a waiting event
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
	l.pace = rate.NewLimiter(rate.Inf, 1)
	if l.limits.StartsPerMinute > 0 {
		l.pace = rate.NewLimiter(max(2*rate.Limit(l.limits.StartsPerMinute)/60, 1), 2)
	}
}

// age is how old a look at the vault may be: it must have begun later than this process took over, for only then does
// it show what the one before submitted.
func (l *line) age(most time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(min(most, l.now().Sub(l.begun)-1), 0)
}

// writerOf is the id of what writes the disks of a machine on-premises, in lower case.
func writerOf(m events.Machine, fabricID string, vault facts.Vault) string {
	home, _ := vault.Fabric(fabricID) // unknown while the item is being replaced
	for _, f := range append([]facts.Fabric{home}, vault.Fabrics...) {
		if m.Architecture == string(facts.Modernized) {
			if a, ok := f.Appliance(m.Appliance); ok {
				return strings.ToLower(a.ID)
			}
		} else if mt, ok := f.MasterTarget(m.MasterTarget); ok {
			return strings.ToLower(mt.ID)
		}
	}
	return strings.ToLower(m.MasterTarget + m.Appliance)
}

// ask puts a case into the line and says whether it may start now; if so, all of its places are taken, and must be
// started or left. Who waited is back from a wait, perhaps in the line of another process.
func (l *line) ask(e events.Header, c events.Case, starting []events.Machine, items map[string]facts.Item, vault facts.Vault, waited bool, look time.Duration) turn {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.read(vault, now)
	for _, p := range l.given {
		if p.caseID == e.Case && p.at.IsZero() {
			return turn{reason: waiting.ForTurn, place: 1, message: "Another delivery of this case is starting it"}
		}
	}
	mine := l.cases[e.Case]
	if mine == nil {
		mine = &entry{caseID: e.Case, asked: c.RequestedAt, request: e.Request, rank: c.Rank}
		at, _ := slices.BinarySearchFunc(l.waits, mine, (*entry).before)
		l.waits = slices.Insert(l.waits, at, mine)
		l.cases[e.Case] = mine
		l.unknown = l.unknown || waited
	}
	mine.machines, mine.disks = len(starting), map[string]int{}
	for _, m := range starting {
		mine.disks[writerOf(m, items[m.Item].FabricID, vault)] += len(items[m.Item].Disks)
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
	for _, m := range starting {
		item := items[m.Item]
		l.given[m.Item] = &place{caseID: e.Case, name: m.Name, writer: writerOf(m, item.FabricID, vault), disks: len(item.Disks)}
		if l.limits.StartsPerMinute > 0 {
			l.starts = append(l.starts, start{item: m.Item})
		}
	}
	return t
}

// judge walks the line to the case: those before it take what they need first, and nobody overtakes who waits for
// the same.
func (l *line) judge(mine *entry, now time.Time) turn {
	recent, jobs, disks := l.room(now)
	minute, starts := l.limits.StartsPerMinute, len(recent)
	t := turn{}
	for _, e := range l.waits {
		t.place++
		reason, message := "", ""
		for _, writer := range sortedKeys(e.disks) {
			if free := mostDisks - disks[writer]; e.disks[writer] > free {
				reason = waiting.ForDiskSlot
				message = fmt.Sprintf("%d disk slots of %s are needed, and of its %d too few are free. They come free as machines fail back", e.disks[writer], cmp.Or(l.seen.names[writer], writer), mostDisks)
			}
			disks[writer] += e.disks[writer] // kept for it: nobody behind takes them
		}
		switch {
		case reason != "":
		case l.limits.Concurrent > 0 && e.machines > l.limits.Concurrent-jobs && jobs > 0:
			reason, message = waiting.ForTurn, fmt.Sprintf("%d reprotect jobs may run at once, and as many do", l.limits.Concurrent)
		case minute > 0 && e.machines > minute-starts && starts > 0:
			reason, message = waiting.ForTurn, fmt.Sprintf("%d starts a minute are allowed", minute)
		}
		if reason == "" {
			jobs += e.machines
			starts += e.machines
		}
		if e == mine {
			t.go_, t.reason, t.message = reason == "", reason, message
			break
		}
		if reason == waiting.ForTurn { // the site's limits are used up for all behind
			t.place = 1 + l.index(mine)
			t.reason, t.message = reason, message
			break
		}
	}
	if minute > 0 && t.reason == waiting.ForTurn {
		t.soonest = l.soonest(mine, recent, now)
	}
	return t
}

// soonest is the time until the starts per minute let a case go, when all before it go as soon as they may.
func (l *line) soonest(mine *entry, recent []time.Time, now time.Time) time.Duration {
	minute := l.limits.StartsPerMinute
	over := len(recent) - minute // starts that must be a minute old by then
	for _, e := range l.waits[:l.index(mine)+1] {
		over += e.machines
	}
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

// room says what is in use now: the starts in the last minute, oldest first, jobs, and disks by writer.
func (l *line) room(now time.Time) (starts []time.Time, jobs int, disks map[string]int) {
	minuteAgo := now.Add(-time.Minute)
	l.starts = slices.DeleteFunc(l.starts, func(s start) bool { return !s.at.IsZero() && !s.at.After(minuteAgo) })
	for _, s := range l.starts {
		if s.at.IsZero() {
			s.at = now
		}
		starts = append(starts, s.at)
	}
	for _, t := range l.seen.recent {
		if t.After(minuteAgo) {
			starts = append(starts, t)
		}
	}
	slices.SortFunc(starts, time.Time.Compare)
	disks = map[string]int{}
	for writer, n := range l.seen.disks {
		disks[writer] = n
	}
	for _, p := range l.given {
		disks[p.writer] += p.disks
	}
	return starts, l.running(), disks
}

// running counts the reprotect jobs: those that the look shows, and ours that are younger than it.
func (l *line) running() int {
	n := l.seen.running
	for _, p := range l.given {
		if p.at.IsZero() || !p.at.Before(l.seen.began) {
			n++
		}
	}
	return n
}

// read takes what counts from a look, once, and gives up the places that it shows or shows ended.
func (l *line) read(vault facts.Vault, now time.Time) {
	if !vault.Began.After(l.seen.began) {
		return
	}
	ours := map[string]bool{}
	for item, p := range l.given {
		if p.job != "" {
			ours[p.job] = true
		}
		if !p.at.IsZero() && vault.Began.After(p.at) && !held(vault, item, p) {
			delete(l.given, item)
		}
	}
	l.seen = look{began: vault.Began, disks: map[string]int{}, names: map[string]string{}}
	for _, j := range vault.Jobs {
		if j.Scenario != facts.ReprotectScenario {
			continue
		}
		if !j.Done() {
			l.seen.running++
			if !ours[j.ID] {
				l.reserve(vault, j)
			}
		}
		if j.Start.After(now.Add(-time.Minute)) && !slices.ContainsFunc(l.starts, func(s start) bool { return s.job == j.ID }) {
			l.seen.recent = append(l.seen.recent, j.Start)
		}
	}
	for _, i := range vault.Items {
		if i.ReversedOnce() && !i.Home() {
			l.seen.disks[strings.ToLower(i.MasterTargetID+i.ApplianceID)] += len(i.Disks)
		}
	}
	for _, f := range vault.Fabrics {
		for _, a := range f.Appliances {
			l.seen.names[strings.ToLower(a.ID)] = a.Name
		}
		for _, mt := range f.MasterTargets { // it may write for machines that this vault does not show
			id := strings.ToLower(mt.ID)
			l.seen.names[id] = mt.Name
			l.seen.disks[id] = max(l.seen.disks[id], mt.DiskCount-l.pending(id))
		}
	}
	l.waits = slices.DeleteFunc(l.waits, func(e *entry) bool {
		gone := now.After(e.until)
		if gone {
			delete(l.cases, e.caseID)
		}
		return gone
	})
}

// reserve counts the disks of a machine whose job somebody else started, a process before this one or a person, at
// each writer that it may go to: a list of jobs does not say which. Once its case is looked at, occupies knows.
func (l *line) reserve(vault facts.Vault, j facts.Job) {
	for _, i := range vault.ItemsNamed(j.TargetName) {
		if i.ReversedOnce() {
			continue // its own disks count
		}
		for _, f := range vault.Fabrics {
			for _, a := range f.Appliances {
				if i.Architecture == facts.Modernized {
					l.seen.disks[strings.ToLower(a.ID)] += len(i.Disks)
				}
			}
			for _, mt := range f.MasterTargets {
				if i.Architecture == facts.Classic && mt.OS == i.OS {
					l.seen.disks[strings.ToLower(mt.ID)] += len(i.Disks)
				}
			}
		}
	}
}

// pending counts the disks of a writer that are given away and do not show as replicating yet.
func (l *line) pending(writer string) (n int) {
	for _, p := range l.given {
		if p.writer == writer {
			n += p.disks
		}
	}
	return n
}

// held says whether a machine that we submitted still needs the place that we keep for it.
func held(vault facts.Vault, item string, p *place) bool {
	if i, ok := vault.Item(item); ok {
		if i.ReversedOnce() {
			return false // its own disks count from now on
		}
		job, known := vault.Job(p.job)
		// The items of a look are read before its jobs.
		return i.Busy() || known && (!job.Done() || job.State == "Succeeded" && vault.Taken.Sub(job.End) < replacedWithin)
	}
	if _, ok := vault.Became(p.name); ok {
		return false
	}
	return changing(vault, p.name)
}

// submitted notes that a machine was submitted now, with its job where that is known.
func (l *line) submitted(m events.Machine, job string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.given[m.Item]; p != nil {
		p.job, p.at = job, l.now()
		for i, s := range l.starts {
			if s.item == m.Item && s.at.IsZero() {
				l.starts[i].at, l.starts[i].job = p.at, job
			}
		}
	}
}

// occupies notes the place of a machine whose job runs already, where the line does not know it: another process
// started it, or a person. Its job counts in the look, its disks do not yet.
func (l *line) occupies(caseID string, m events.Machine, item facts.Item, job string, vault facts.Vault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.given[m.Item] == nil {
		l.given[m.Item] = &place{
			caseID: caseID, name: m.Name, writer: writerOf(m, item.FabricID, vault), disks: len(item.Disks), job: job, at: vault.Began.Add(-1),
		}
	}
}

// job is the one that this process started for an item, and when, as long as its place is kept; else "".
func (l *line) job(item string) (id string, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p, ok := l.given[item]; ok {
		return p.job, p.at
	}
	return "", time.Time{}
}

// leave gives back the places of a case that were not used, and its place in the line.
func (l *line) leave(caseID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for item, p := range l.given {
		if p.caseID == caseID && p.at.IsZero() {
			delete(l.given, item)
			l.starts = slices.DeleteFunc(l.starts, func(s start) bool { return s.item == item && s.at.IsZero() })
		}
	}
	if e := l.cases[caseID]; e != nil {
		l.drop(e)
	}
}

func (l *line) drop(e *entry) {
	if at := l.index(e); at < len(l.waits) && l.waits[at] == e {
		l.waits = slices.Delete(l.waits, at, at+1)
	}
	delete(l.cases, e.caseID)
}

func sortedKeys(m map[string]int) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
