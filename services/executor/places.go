package executor

import (
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/observed"
)

// clockStep is more than what Azure's times, in steps of 100 ns, lack of the real ones.
const clockStep = time.Microsecond

// mostDisks is how many disks a master target or an appliance takes (S7, M1).
const mostDisks = 60

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
	kept   time.Time // for a case that has begun, until it asks again, and until then at most
}

// look is what counts of a look at the vault.
type look struct {
	began   time.Time      // what was submitted later may not show
	running int            // reprotect jobs
	disks   map[string]int // by writer, of machines that replicate back
	names   map[string]string
	recent  []time.Time    // starts of reprotect jobs that this process does not know as its own
	foreign map[string]int // by master target: disks of machines that this vault does not show
}

// writerOf is the id of what writes the disks of a machine on-premises, in lower case.
func writerOf(m events.Machine, fabricID string, vault observed.Vault) string {
	home, _ := vault.Fabric(fabricID) // unknown while the item is being replaced
	for _, f := range append([]observed.Fabric{home}, vault.Fabrics...) {
		if m.Architecture == string(observed.Modernized) {
			if a, ok := f.Appliance(m.Appliance); ok {
				return strings.ToLower(a.ID)
			}
		} else if mt, ok := f.MasterTarget(m.MasterTarget); ok {
			return strings.ToLower(mt.ID)
		}
	}
	return strings.ToLower(m.MasterTarget + m.Appliance)
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
func (l *line) read(vault observed.Vault, now time.Time) {
	if !vault.Began.After(l.seen.began) {
		return
	}
	ours := map[string]bool{}
	for item, p := range l.given {
		if p.job != "" {
			ours[p.job] = true
		}
		shown := !p.at.IsZero() && vault.Began.After(p.at)
		switch {
		case p.kept.Before(now) && !p.kept.IsZero() && p.at.IsZero(): // its case does not come back
			l.giveUp(item)
		case !shown || held(vault, item, p):
		case p.kept.IsZero():
			delete(l.given, item)
		default: // it did not arrive
			p.at = time.Time{}
		}
	}
	l.seen = look{began: vault.Began, disks: map[string]int{}, names: map[string]string{}, foreign: l.seen.foreign}
	for _, j := range vault.Jobs {
		if j.Scenario != observed.ReprotectScenario {
			continue
		}
		if !j.Done() {
			l.seen.running++
			if !ours[j.ID] {
				l.reserve(vault, j)
			}
		}
		if j.Start.After(now.Add(-time.Minute)) && !slices.ContainsFunc(l.starts, func(s start) bool { return s.job == j.ID }) {
			l.seen.recent = append(l.seen.recent, j.Start.Add(clockStep))
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
		for _, mt := range f.MasterTargets {
			l.seen.names[strings.ToLower(mt.ID)] = mt.Name
		}
	}
	if !vault.AsOf().Before(vault.Began) || vault.Oldest.IsZero() { // else its counts are of a look before
		l.seen.foreign = l.foreign(vault)
	}
	for id, n := range l.seen.foreign {
		l.seen.disks[id] += n
	}
	l.waits = slices.DeleteFunc(l.waits, func(e *entry) bool {
		gone := now.After(e.until)
		if gone {
			delete(l.cases, e.caseID)
		}
		return gone
	})
}

// foreign counts, for each master target, the disks that it writes for machines which this vault does not show. Its own
// count has those that replicate back, and of those on their way there some, or none: between the two bounds that this
// leaves, the last count stands.
func (l *line) foreign(vault observed.Vault) map[string]int {
	counts := map[string]int{}
	for _, f := range vault.Fabrics {
		for _, mt := range f.MasterTargets {
			id := strings.ToLower(mt.ID)
			most := max(mt.DiskCount-l.seen.disks[id], 0)
			last, known := l.seen.foreign[id]
			if !known {
				last = most
			}
			counts[id] = min(max(last, most-l.pending(id)), most)
		}
	}
	return counts
}

// reserve counts the disks of a machine whose job somebody else started, a process before this one or a person, at
// each writer that it may go to: a list of jobs does not say which. Once its case is looked at, occupies knows.
func (l *line) reserve(vault observed.Vault, j observed.Job) {
	for _, i := range vault.ItemsNamed(j.TargetName) {
		if i.ReversedOnce() {
			continue // its own disks count
		}
		for _, f := range vault.Fabrics {
			for _, a := range f.Appliances {
				if i.Architecture == observed.Modernized {
					l.seen.disks[strings.ToLower(a.ID)] += len(i.Disks)
				}
			}
			for _, mt := range f.MasterTargets {
				if i.Architecture == observed.Classic && mt.OS == i.OS {
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
func held(vault observed.Vault, item string, p *place) bool {
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
func (l *line) occupies(caseID string, m events.Machine, item observed.Item, job string, vault observed.Vault) {
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
