package admission

import (
	"cmp"
	"container/list"
	"slices"
	"time"

	"reprotect.example/services/observed"
)

// waiting holds the requests of all queues of a vault: in order in each queue, and in order at each writer of disks.
// Of those that wait at a writer, the first ones have slots there, up to a place, and from there on none has: slots
// are kept for who has too few. That place moves as slots come free, and as requests come and go before it.
type waiting struct {
	entries map[string]*entry // by the request's id
	writers map[string]*writer
	asked   *list.List // of entries, whoever has not asked for longest first
}

// entry is a request that waits.
type entry struct {
	id       string
	order    Order
	begun    bool
	running  int
	machines int
	needs    []need // by writer, in the order of their ids
	without  int    // of needs: writers without slots for it
	until    time.Time
	queue    *Queue
	asked    *list.Element
}

// need is what a request needs of a writer.
type need struct {
	at    *writer
	disks int
	none  bool // it has no slots there
}

// writer is a master target or an appliance.
type writer struct {
	id, name string
	used     int  // disk slots that are taken, or reserved
	requests tree // that need slots here, in order; each weighs its disks
}

func (w *writer) title() string { return cmp.Or(w.name, w.id) }

// compare is the order of a queue: who has begun, then as asked.
func (e *entry) compare(o *entry) int {
	later := func(e *entry) int {
		if e.begun {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(later(e), later(o)), e.order.Asked.Compare(o.order.Asked), cmp.Compare(e.order.Request, o.order.Request),
		cmp.Compare(e.order.Rank, o.order.Rank), cmp.Compare(e.id, o.id))
}

// short is the first writer that has too few slots for a request, by id.
func (e *entry) short() (n need, short bool) {
	i := slices.IndexFunc(e.needs, func(n need) bool { return n.none })
	if i < 0 {
		return need{}, false
	}
	return e.needs[i], true
}

func (e *entry) at(w *writer) *need {
	i := slices.IndexFunc(e.needs, func(n need) bool { return n.at == w })
	return &e.needs[i]
}

func newWaiting() *waiting {
	return &waiting{entries: map[string]*entry{}, writers: map[string]*writer{}, asked: list.New()}
}

// put adds a request, or brings it up to date.
func (w *waiting) put(q *Queue, r Request, now time.Time) *entry {
	e := w.entries[r.ID]
	if e != nil && (e.begun != r.Begun || e.order != r.Order) {
		w.drop(e)
		e = nil
	}
	if e == nil {
		e = &entry{id: r.ID, order: r.Order, begun: r.Begun, queue: q}
		e.asked = w.asked.PushBack(e)
		w.entries[r.ID] = e
	}
	w.asked.MoveToBack(e.asked)
	e.running, e.machines, e.until = r.Running, len(r.Machines), now.Add(r.Patience)
	w.need(e, needs(r.Machines))
	w.weigh(e)
	return e
}

// needs sums up the disks by writer.
func needs(machines []Machine) map[string]int {
	disks := map[string]int{}
	for _, m := range machines {
		disks[observed.NormalID(m.Writer)] += m.Disks
	}
	return disks
}

// need sets what a request needs of each writer.
func (w *waiting) need(e *entry, disks map[string]int) {
	for _, n := range slices.Clone(e.needs) {
		if _, still := disks[n.at.id]; !still {
			w.release(e, n)
		}
	}
	for id, n := range disks {
		at := w.writer(id)
		i := slices.IndexFunc(e.needs, func(n need) bool { return n.at == at })
		switch {
		case i < 0:
			before, _ := at.requests.before(e)
			none := before > 0 && at.requests.at(before-1).at(at).none // as who stands before it; then it is counted
			i, _ = slices.BinarySearchFunc(e.needs, id, func(n need, id string) int { return cmp.Compare(n.at.id, id) })
			e.needs = slices.Insert(e.needs, i, need{at: at, disks: n, none: none})
			if none {
				e.without++
			}
		case e.needs[i].disks == n:
			continue
		default:
			e.needs[i].disks = n
		}
		at.requests.put(e, n)
		w.refit(at)
	}
}

func (w *waiting) writer(id string) *writer {
	at := w.writers[id]
	if at == nil {
		at = &writer{id: id}
		w.writers[id] = at
	}
	return at
}

// release takes away what a request needs of a writer.
func (w *waiting) release(e *entry, n need) {
	n.at.requests.drop(e)
	if n.none {
		e.without--
	}
	e.needs = slices.DeleteFunc(e.needs, func(o need) bool { return o.at == n.at })
	w.refit(n.at)
}

// use sets how many slots of a writer are taken or reserved.
func (w *waiting) use(at *writer, used int) {
	if at.used != used {
		at.used = used
		w.refit(at)
	}
}

// refit moves the place from which on those who wait at a writer have no slots there.
func (w *waiting) refit(at *writer) {
	_, place, _ := at.requests.crossing(observed.MostDisks - at.used)
	for i := place; i < at.requests.len() && w.fit(at.requests.at(i), at, false); i++ {
	}
	for i := place - 1; i >= 0 && w.fit(at.requests.at(i), at, true); i-- {
	}
}

// fit notes whether a request has slots at a writer, and says whether that is new.
func (w *waiting) fit(e *entry, at *writer, fits bool) (changed bool) {
	n := e.at(at)
	if n.none != fits {
		return false
	}
	n.none = !fits
	if fits {
		e.without--
	} else {
		e.without++
	}
	w.weigh(e)
	return true
}

// weigh lets a request count in its queue for the machines that it starts, once it has all of its slots.
func (w *waiting) weigh(e *entry) {
	weight := e.machines
	if e.without > 0 {
		weight = 0
	}
	e.queue.requests.put(e, weight)
}

func (w *waiting) drop(e *entry) {
	for _, n := range slices.Clone(e.needs) {
		w.release(e, n)
	}
	e.queue.requests.drop(e)
	w.asked.Remove(e.asked)
	delete(w.entries, e.id)
}

// expire drops who has not asked again in time. Patience may differ: who is behind one with more waits for that one.
func (w *waiting) expire(now time.Time) {
	for front := w.asked.Front(); front != nil && now.After(front.Value.(*entry).until); front = w.asked.Front() {
		w.drop(front.Value.(*entry))
	}
}
