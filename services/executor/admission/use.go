package admission

import (
	"maps"
	"slices"
	"time"

	"reprotect.example/services/observed"
)

// state of a reservation, as the package says.
type state int

const (
	held state = iota + 1
	kept
	unconfirmed
	submitted
)

// reservation is what a machine takes from its admission until the vault shows it.
type reservation struct {
	Machine

	request string
	state   state
	turn    Turn      // of held
	job     string    // of submitted
	at      time.Time // of the submission; zero before it
	until   time.Time // of kept, and of unconfirmed where its case asked for that; else zero
}

// begins says whether a submission is still to come.
func (r *reservation) begins() bool { return r.state == held || r.state == kept }

// heldBy says whether a delivery that has this turn is about to submit it.
func (r *reservation) heldBy(turn Turn) bool { return r.state == held && r.turn == turn }

// start is a submission; its time is zero while it is about to be made.
type start struct {
	item, job string
	at        time.Time
}

// use is what is in use of a vault: what looks show, and what is reserved since.
type use struct {
	waiting   *waiting                           // which is indexed by the free slots
	paced     bool                               // some site limits the starts per minute
	seen      look                               // the last one
	reserved  map[string]*reservation            // by item
	byRequest map[string]map[string]*reservation // by request, by item
	young     int                                // reservations whose job the look cannot show
	starts    []start                            // of ours, in the last minute
	turns     Turn                               // given so far
}

func newUse(w *waiting) *use {
	return &use{waiting: w, reserved: map[string]*reservation{}, byRequest: map[string]map[string]*reservation{}}
}

// now is what is in use at a time.
func (u *use) now(now time.Time) inUse {
	minuteAgo := now.Add(-time.Minute)
	u.starts = slices.DeleteFunc(u.starts, func(s start) bool { return !s.at.IsZero() && !s.at.After(minuteAgo) })
	var starts []time.Time
	for _, s := range u.starts {
		if s.at.IsZero() {
			s.at = now
		}
		starts = append(starts, s.at)
	}
	for _, t := range u.seen.recent {
		if t.After(minuteAgo) {
			starts = append(starts, t)
		}
	}
	slices.SortFunc(starts, time.Time.Compare)
	return inUse{jobs: u.seen.running + u.young, starts: starts}
}

// claim answers a request of which machines are reserved already: those that were kept for it are its own, and nobody
// else starts what somebody is starting. Else the queue decides.
func (u *use) claim(r Request) (d Decision, decided bool) {
	own := 0
	for _, m := range r.Machines {
		reserved := u.reserved[observed.NormalID(m.Item)]
		switch {
		case reserved == nil || !reserved.begins():
		case reserved.request != r.ID:
			return Decision{Outcome: NotYet, Place: 1, Message: "Another case is starting " + m.Name}, true
		case reserved.state == held:
			return Decision{Outcome: NotYet, Place: 1, Message: "Another delivery of this case is starting it"}, true
		default:
			own++
		}
	}
	if own < len(r.Machines) {
		if own > 0 { // not all of them: it asks for all anew
			u.giveBack(r.ID, 0)
		}
		return Decision{}, false
	}
	u.turns++
	for _, m := range r.Machines {
		reserved := u.reserved[observed.NormalID(m.Item)]
		reserved.state, reserved.turn, reserved.until = held, u.turns, time.Time{}
	}
	return Decision{Outcome: Admitted, Turn: u.turns}, true
}

// admit reserves what a request asked for.
func (u *use) admit(r Request) Turn {
	u.turns++
	for _, m := range r.Machines {
		m = m.normal()
		u.hold(&reservation{Machine: m, request: r.ID, state: held, turn: u.turns})
		if u.paced {
			u.starts = append(u.starts, start{item: m.Item})
		}
	}
	return u.turns
}

// hold adds a reservation, in the place of one that the machine may have had.
func (u *use) hold(r *reservation) {
	if before := u.reserved[r.Item]; before != nil {
		u.free(before)
	}
	u.reserved[r.Item] = r
	if u.byRequest[r.request] == nil {
		u.byRequest[r.request] = map[string]*reservation{}
	}
	u.byRequest[r.request][r.Item] = r
	u.count(r, 1)
}

// free ends a reservation.
func (u *use) free(r *reservation) {
	u.count(r, -1)
	delete(u.reserved, r.Item)
	delete(u.byRequest[r.request], r.Item)
	if len(u.byRequest[r.request]) == 0 {
		delete(u.byRequest, r.request)
	}
}

// count adds what a reservation takes, or takes it away.
func (u *use) count(r *reservation, sign int) {
	at := u.waiting.writer(r.Writer)
	u.waiting.use(at, at.used+sign*r.Disks)
	if u.unseen(r) {
		u.young += sign
	}
}

// unseen says whether the look cannot show a reservation's job.
func (u *use) unseen(r *reservation) bool { return r.begins() || !r.at.Before(u.seen.began) }

// giveBack frees what a request was admitted for and has not submitted, but for what is held by another turn.
func (u *use) giveBack(request string, turn Turn) {
	for _, r := range slices.Collect(maps.Values(u.byRequest[request])) {
		if r.state == kept || r.heldBy(turn) {
			u.giveUp(r)
		}
	}
}

func (u *use) giveUp(r *reservation) {
	u.free(r)
	u.starts = slices.DeleteFunc(u.starts, func(s start) bool { return s.item == r.Item && s.at.IsZero() })
}

func (u *use) keep(request string, turn Turn, until time.Time) {
	for _, r := range u.byRequest[request] {
		switch {
		case r.state == kept || r.heldBy(turn):
			r.state, r.until = kept, until
		case r.state == unconfirmed:
			r.until = until
		}
	}
}

func (u *use) submitted(item, job string, at time.Time) {
	r := u.reserved[item]
	if r == nil {
		return
	}
	u.count(r, -1)
	r.state, r.job, r.at = submitted, job, at
	if job == "" {
		r.state = unconfirmed
	}
	u.count(r, 1)
	for i, s := range u.starts {
		if s.item == item && s.at.IsZero() {
			u.starts[i].at, u.starts[i].job = at, job
		}
	}
}
