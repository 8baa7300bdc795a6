package sbpeer

import (
	"container/heap"
	"time"
)

// alarm is something that happens at a time of the peer's clock.
type alarm struct {
	at    time.Time
	order uint64
	place int // in the heap; -1: not set
	ring  func()
}

type alarms []*alarm

func (a alarms) Len() int { return len(a) }
func (a alarms) Less(i, j int) bool {
	if a[i].at.Equal(a[j].at) {
		return a[i].order < a[j].order
	}
	return a[i].at.Before(a[j].at)
}
func (a alarms) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].place, a[j].place = i, j
}
func (a *alarms) Push(x any) {
	x.(*alarm).place = len(*a)
	*a = append(*a, x.(*alarm))
}
func (a *alarms) Pop() any {
	old := *a
	last := old[len(old)-1]
	old[len(old)-1] = nil
	last.place = -1
	*a = old[:len(old)-1]
	return last
}

// now is the peer's time.
func (p *Peer) now() time.Time { return time.Now().Add(p.offset) }

// after sets an alarm; the function runs under the peer's lock.
func (p *Peer) alarmAt(at time.Time, ring func()) *alarm {
	p.rung++
	a := &alarm{at: at, order: p.rung, ring: ring}
	heap.Push(&p.alarms, a)
	if a.place == 0 {
		p.wind()
	}
	return a
}

func (p *Peer) cancel(a *alarm) {
	if a != nil && a.place >= 0 {
		heap.Remove(&p.alarms, a.place)
	}
}

// wind sets the one timer to the first alarm.
func (p *Peer) wind() {
	if p.closed || len(p.alarms) == 0 {
		return
	}
	d := max(p.alarms[0].at.Sub(p.now()), 0)
	if p.timer == nil {
		p.timer = time.AfterFunc(d, p.ringDue)
		return
	}
	p.timer.Reset(d)
}

func (p *Peer) ringDue() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ringAll()
}

// ringAll runs everything that is due, in order of time.
func (p *Peer) ringAll() {
	for now := p.now(); len(p.alarms) > 0 && !p.alarms[0].at.After(now) && !p.closed; {
		heap.Pop(&p.alarms).(*alarm).ring()
	}
	p.wind()
}

// Advance puts the peer's clock forward. What falls due (locks, schedules, times to live, remembered ids) has happened
// when it returns. Tokens and the keep-alive of connections go by the real clock.
func (p *Peer) Advance(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.offset += max(d, 0)
	p.ringAll()
}

// Now gives the peer's time: time.Now, by how much it is ahead of that (Options.Ahead), and what Advance added.
func (p *Peer) Now() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now()
}
