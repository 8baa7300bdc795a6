package cases

import (
	"cmp"
	"strings"
	"time"

	"reprotect.example/events"
)

// report takes in the reports; last is the latest outcome. A report that was published before it, or beside it by
// a second delivery, is history and no longer the state.
func (c *Case) report(entries []Entry, last Entry) {
	var newest, progress *Entry
	for i, e := range entries {
		switch d := e.Data.(type) {
		case events.Returned:
			for _, m := range c.of(d.Machine, d.FormerItem, d.Item) {
				m.Returned = e.Time
				if d.Undone {
					m.Returned = time.Time{}
				}
			}
		case events.Cancelling:
			c.Cancelled = true
		case events.Retrying:
			c.Retries++
		case events.Progressed:
			progress = newer(progress, &entries[i])
		}
		if passing(e) {
			newest = newer(newest, &entries[i])
		}
	}
	if progress != nil && !c.Good {
		c.progressed(progress.Data.(events.Progressed))
	}
	if c.End {
		return
	}
	if newest != nil && onTheWay(*newest, last) > 0 && c.waits(entries, newest, progress, last) {
		c.State = events.CaseWaiting
	}
	if c.Waiting != nil {
		c.For = c.Waiting.For
	}
	if c.Cancelled {
		c.State, c.Waiting = events.CaseCancelling, nil
	}
}

func newer(a, b *Entry) *Entry {
	if a == nil || onTheWay(*a, *b) < 0 {
		return b
	}
	return a
}

// waits says whether the case stands still by its reports, and takes in what for. The newest of them tells so, or the newest
// progress tells that one of its machines does while the others go their way. Nothing is more urgent than what an operator
// must do.
func (c *Case) waits(entries []Entry, newest, progress *Entry, last Entry) bool {
	if progress != nil && onTheWay(*progress, last) > 0 {
		c.Waiting = standsStill(entries, *progress)
	}
	told, ok := newest.Data.(events.Waiting)
	if ok && (c.Waiting == nil || c.Waiting.For != events.ForOperator) {
		c.Waiting = &told
	}
	return newest.Kind == events.TypeWaiting.Kind || c.Waiting != nil
}

// standsStill is what a machine of a case stands still for while the others go their way, an operator first. The report
// that told it says more; where there is none, it stands still since the progress at the latest.
func standsStill(entries []Entry, progress Entry) *events.Waiting {
	var still *events.MachineProgress
	for _, m := range progress.Data.(events.Progressed).Machines {
		if m.For != "" && (still == nil || m.For == events.ForOperator && still.For != events.ForOperator) {
			still = &m
		}
	}
	if still == nil {
		return nil
	}
	var told *Entry
	for i, e := range entries {
		if w, ok := e.Data.(events.Waiting); ok && tells(w, *still) {
			told = newer(told, &entries[i])
		}
	}
	if told != nil {
		w := told.Data.(events.Waiting)
		return &w
	}
	w := events.Waiting{
		For: still.For, Code: still.Code, Message: still.Message, Remedy: still.Remedy, Machines: []string{still.Machine}, Since: progress.Time, NextLook: progress.Time,
	}
	if still.Item != "" {
		w.Items = []string{still.Item}
	}
	return &w
}

// tells says whether a report tells of what a machine stands still for.
func tells(w events.Waiting, m events.MachineProgress) bool {
	if w.For != m.For || w.Code != m.Code {
		return false
	}
	for i, name := range w.Machines {
		if strings.EqualFold(name, m.Machine) && strings.EqualFold(itemAt(w.Items, i), m.Item) {
			return true
		}
	}
	return len(w.Machines) == 0
}

// progressed takes in the latest progress; of machines that have come to rest the outcome says more.
func (c *Case) progressed(p events.Progressed) {
	c.Percent = max(c.Percent, p.Percent)
	at := c.each(len(p.Machines), func(i int) (string, string) { return p.Machines[i].Machine, p.Machines[i].Item })
	for i, now := range p.Machines {
		m := &c.Machines[at[i]]
		m.Percent, m.Task, m.Replication, m.Bytes = max(m.Percent, now.Percent), now.Task, now.Replication, now.Bytes
		if !c.End {
			m.State, m.ETA, m.Rate, m.Since, m.Job = now.State, now.ETA, now.Rate, now.Since, cmp.Or(now.Job, m.Job)
			m.Code, m.Message, m.Remedy = now.Code, now.Message, now.Remedy
		}
	}
}
