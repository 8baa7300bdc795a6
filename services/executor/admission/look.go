package admission

import (
	"maps"
	"slices"
	"time"

	"reprotect.example/services/observed"
)

// ReplacedWithin is how long after a successful job the new item may still be on its way.
const ReplacedWithin = 30 * time.Minute

// look is what counts of a look at the vault.
type look struct {
	began   time.Time      // what was submitted later may not show
	running int            // reprotect jobs
	disks   map[string]int // by writer: of machines that replicate back, and may go there
	recent  []time.Time    // starts of reprotect jobs that this process does not know as its own
	foreign map[string]int // by master target: disks of machines that this vault does not show
}

// read takes in what counts of a look, once, and frees the reservations that it shows or shows ended.
func (u *use) read(vault observed.Vault, now time.Time) (news bool) {
	if !vault.Began.After(u.seen.began) {
		return false
	}
	ours := map[string]bool{}
	for _, r := range slices.Collect(maps.Values(u.reserved)) {
		if r.job != "" {
			ours[observed.NormalID(r.job)] = true
		}
		u.settle(r, vault, now)
	}
	before := u.seen
	u.seen = look{began: vault.Began, disks: map[string]int{}, foreign: before.foreign}
	for _, j := range vault.Jobs {
		if j.Scenario != observed.ReprotectScenario {
			continue
		}
		if !j.Done() {
			u.seen.running++
		}
		if changes(j, vault) && !ours[observed.NormalID(j.ID)] {
			u.seen.strangers(vault, j)
		}
		if j.Start.After(now.Add(-time.Minute)) && !slices.ContainsFunc(u.starts, func(s start) bool { return observed.NormalID(s.job) == observed.NormalID(j.ID) }) {
			u.seen.recent = append(u.seen.recent, j.Start.Add(observed.ClockStep))
		}
	}
	for _, i := range vault.Items {
		if !i.ReversedOnce() || i.Home() {
			continue
		}
		if writer := observed.NormalID(i.MasterTargetID + i.ApplianceID); writer != "" {
			u.seen.disks[writer] += i.DiskCount()
		} else { // it could not be read in full
			u.seen.wherever(vault, i)
		}
	}
	u.recount(vault, before)
	return true
}

// settle ends a reservation, or changes its state, as a look shows it.
func (u *use) settle(r *reservation, vault observed.Vault, now time.Time) {
	switch {
	case r.state == kept && r.until.Before(now): // its case does not come back
		u.giveUp(r)
	case r.begins() || !vault.Began.After(r.at) || r.stands(vault):
	case r.state == unconfirmed && !r.until.IsZero(): // it did not arrive
		u.count(r, -1)
		r.state, r.at = kept, time.Time{}
		u.count(r, 1)
	default:
		u.free(r)
	}
}

// recount works out anew what the reservations add to a new look, and what is taken at each writer.
func (u *use) recount(vault observed.Vault, before look) {
	pending := map[string]int{}
	u.young = 0
	for _, r := range u.reserved {
		pending[r.Writer] += r.Disks
		if u.unseen(r) {
			u.young++
		}
	}
	for _, f := range vault.Fabrics {
		for _, a := range f.Appliances {
			u.waiting.writer(observed.NormalID(a.ID)).name = a.Name
		}
		for _, mt := range f.MasterTargets {
			u.waiting.writer(observed.NormalID(mt.ID)).name = mt.Name
		}
	}
	if !vault.AsOf().Before(vault.Began) || vault.Oldest.IsZero() { // else its counts are of a look before
		u.seen.foreign = foreign(vault, u.seen.disks, pending, before.foreign)
	}
	for id, n := range u.seen.foreign {
		u.seen.disks[id] += n
	}
	for id := range u.seen.disks {
		u.waiting.writer(id)
	}
	for id, at := range u.waiting.writers {
		u.waiting.use(at, u.seen.disks[id]+pending[id])
	}
}

// foreign counts, for each master target, the disks that it writes for machines which this vault does not show. Its own
// count has those that replicate back, and of those on their way there some, or none: between the two bounds that this
// leaves, the last count stands.
func foreign(vault observed.Vault, back, pending, before map[string]int) map[string]int {
	counts := map[string]int{}
	for _, f := range vault.Fabrics {
		for _, mt := range f.MasterTargets {
			id := observed.NormalID(mt.ID)
			most := max(mt.DiskCount-back[id], 0)
			last, known := before[id]
			if !known {
				last = most
			}
			counts[id] = min(max(last, most-pending[id]), most)
		}
	}
	return counts
}

// strangers counts the disks of a machine whose job somebody else started, a process before this one or a person, and
// which does not show where they go, at each writer that it may go to: a list of jobs does not say which. Once its case
// is looked at, Occupied tells.
func (s *look) strangers(vault observed.Vault, j observed.Job) {
	for _, i := range vault.ItemsNamed(j.TargetName) {
		if i.ReversedOnce() || i.AtHome() {
			continue // its own disks count, or none
		}
		s.wherever(vault, i)
	}
}

// wherever counts the disks of a machine at each writer that may be its own.
func (s *look) wherever(vault observed.Vault, i observed.Item) {
	for _, f := range vault.Fabrics {
		for _, a := range f.Appliances {
			if i.Architecture == observed.Modernized {
				s.disks[observed.NormalID(a.ID)] += i.DiskCount()
			}
		}
		for _, mt := range f.MasterTargets {
			if i.Architecture == observed.Classic && (mt.OS == i.OS || mt.OS == "" || i.OS == "") {
				s.disks[observed.NormalID(mt.ID)] += i.DiskCount()
			}
		}
	}
}

// stands says whether a machine that was submitted still needs its reservation.
func (r *reservation) stands(vault observed.Vault) bool {
	if i, ok := vault.Item(r.Item); ok {
		if i.ReversedOnce() {
			return false // its own disks count from now on
		}
		job, known := vault.Job(r.job)
		return i.Busy() || known && changes(job, vault)
	}
	if _, ok := vault.Became(r.Name); ok {
		return false
	}
	return Changing(vault, r.Name)
}

// Changing says whether a reprotect of the machine runs or has just run: on the classic path the item is replaced.
func Changing(vault observed.Vault, machine string) bool {
	return slices.ContainsFunc(vault.ReprotectsOf(machine), func(j observed.Job) bool { return changes(j, vault) })
}

// changes says whether a job runs, or has just done its work and its machine may not show it: the items of a look are
// read before its jobs, and on the classic path a new item may still be on its way.
func changes(j observed.Job, vault observed.Vault) bool {
	return !j.Done() || j.State == "Succeeded" && vault.Taken.Sub(j.End) < ReplacedWithin
}
