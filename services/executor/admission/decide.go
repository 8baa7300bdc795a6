package admission

import (
	"fmt"
	"time"

	"reprotect.example/services/observed"
)

// inUse is what is in use at a moment, beside the disk slots, which those who wait are indexed by.
type inUse struct {
	jobs   int         // that run, or are about to
	starts []time.Time // of the last minute, oldest first; those that are about to be made count as now
}

// decide says whether a request that waits may start now. Those before it take what they need first: disk slots are
// kept even for who has too few, so that nobody behind takes them, and the limits are kept for all who have slots.
// Whoever has no slots uses up no start.
//
// It is a pure function of who waits, what is in use, the limits and the time.
func decide(queue *tree, mine *entry, in inUse, limits Limits, now time.Time) Decision {
	place, before := queue.before(mine)
	d := Decision{Place: place + 1}
	if s, short := mine.short(); short {
		d.Outcome = NoDiskSlot
		d.Message = fmt.Sprintf("%d disk slots of %s are needed, and of its %d too few are free. They come free as machines fail back", s.disks, s.at.title(), observed.MostDisks)
		return d
	}
	jobs := queue.heldBack(limits.Concurrent, in.jobs, func(e *entry, running int) bool { return running <= e.running })
	starts := queue.heldBack(limits.StartsPerMinute, len(in.starts), func(_ *entry, started int) bool { return started == 0 })
	switch {
	case place < min(jobs, starts):
		d.Outcome = Admitted
		return d
	case jobs <= starts:
		d.Message = fmt.Sprintf("%d reprotect jobs may run at once, and as many do", limits.Concurrent)
	default:
		d.Message = fmt.Sprintf("%d starts a minute are allowed", limits.StartsPerMinute)
	}
	d.Outcome = NotYet
	if limits.StartsPerMinute > 0 {
		over := len(in.starts) + before + mine.machines - limits.StartsPerMinute // starts that must be a minute old for its turn
		d.Soonest = soonest(over, limits.StartsPerMinute, in.starts, now)
	}
	return d
}

// heldBack is the place from which on a limit holds requests back, counted from 0; all of them, when it holds back
// none. Used counts against the limit already, and each request before adds its machines. Who is excepted goes beyond
// the limit: one that is larger than the limit would never start.
func (t *tree) heldBack(limit, used int, excepted func(e *entry, used int) bool) (place int) {
	if limit <= 0 {
		return t.len()
	}
	over := max(limit-used, 0)
	for {
		e, place, before := t.crossing(over)
		if e == nil {
			return t.len()
		}
		if !excepted(e, used+before) {
			return place
		}
		over = before + e.machines // the next one is over as well
	}
}

// soonest is the time until so many of the recent starts, and of those that follow them at that pace, are a minute old.
func soonest(over, minute int, recent []time.Time, now time.Time) time.Duration {
	if over <= 0 || len(recent) == 0 {
		return 0
	}
	rounds, rest := (over-1)/minute, (over-1)%minute
	return recent[min(rest, len(recent)-1)].Add(time.Duration(rounds+1) * time.Minute).Sub(now)
}
