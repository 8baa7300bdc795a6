package status

import (
	"math"
	"slices"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

// Request is how far a request has come. A machine counts once: where a case was taken up again, the later one counts.
type Request struct {
	ID       string    `json:"id"`
	Sites    []string  `json:"sites"`
	By       string    `json:"by,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Plan     string    `json:"plan,omitempty"`
	DryRun   bool      `json:"dryRun,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	EndedAt  time.Time `json:"endedAt,omitzero"` // when its last case ended; zero while one is under way
	Machines int       `json:"machines"`         // 0: it has not become cases yet
	Done     int       `json:"done"`             // protected, or rehearsed
	Failed   int       `json:"failed"`           // failed, rejected or cancelled
	Percent  int       `json:"percent"`          // of the way of all its machines; what has ended is at its end
	// ETA is when it may be done: the latest time that Site Recovery gives, or what the pace so far makes of the rest. Zero
	// when there is no basis: Basis says which it is, or why there is none.
	ETA   time.Time `json:"eta,omitzero"`
	Basis string    `json:"basis,omitempty"`
}

// Bases of an estimate.
const (
	ByReplication = "replication" // every machine that is left replicates, and Site Recovery says until when
	ByPace        = "pace"        // as many machines an hour as so far
	NoBasis       = "none"        // too few are done
	NeedsPerson   = "person"      // some wait for a person, so nobody knows
)

// fewest machines that must be done before their pace says something about the others.
const fewest = 3

// requests sums up the requests that are under way, or ended lately.
func requests(all []cases.Case, now time.Time) []Request {
	of := map[string][]cases.Case{}
	var ids []string
	for _, c := range all {
		if c.OfRequest() && c.End { // refused: NeedsYou has it
			continue
		}
		if of[c.Request] == nil {
			ids = append(ids, c.Request)
		}
		of[c.Request] = append(of[c.Request], c)
	}
	open, ended := []Request{}, []Request{}
	for _, id := range ids {
		switch r := sumUp(id, of[id], now); {
		case r.EndedAt.IsZero():
			open = append(open, r)
		case now.Sub(r.EndedAt) <= Lately:
			ended = append(ended, r)
		}
	}
	return append(open, ended...)
}

func sumUp(id string, of []cases.Case, now time.Time) Request {
	r := Request{ID: id, Sites: []string{}}
	under, waitsForPerson := false, false
	for _, c := range of {
		r.Since = earliest(r.Since, c.Since)
		r.By, r.Reason, r.Plan, r.DryRun = or(r.By, c.RequestedBy), or(r.Reason, c.Reason), or(r.Plan, c.Plan), r.DryRun || c.DryRun
		add(&r.Sites, c.Site)
		under = under || !c.End
		waitsForPerson = waitsForPerson || !c.End && c.Waiting != nil && c.Waiting.For == events.ForOperator
		if ended := c.Ended(); ended.After(r.EndedAt) {
			r.EndedAt = ended
		}
	}
	if under {
		r.EndedAt = time.Time{}
	}
	percent, ends := 0, []time.Time{}
	left := []cases.Standing{}
	for _, s := range cases.Standings(of) {
		r.Machines++
		switch stage := StageOf(*s.Case, *s.Machine); stage {
		case StageProtected, StageReturned, StageRehearsed, StageHome, StageCommitted, StageAgain:
			if s.Case.Leg != events.LegReprotect && !s.Case.End { // it is to go on from there
				percent += min(s.Case.Percent, 99)
				left = append(left, s)
				continue
			}
			if s.Machine.State == events.StateWithdrawn && !s.Case.Good {
				r.Failed++
				percent += 100
				continue
			}
			r.Done++
			percent += 100
			ends = append(ends, endOf(s))
		case StageFailed, StageRejected, StageCancelled:
			r.Failed++
			percent += 100
		default:
			percent += min(max(s.Machine.Percent, s.Case.Percent), 99)
			left = append(left, s)
		}
	}
	if r.Machines > 0 {
		r.Percent = percent / r.Machines
	}
	switch {
	case !under:
	case waitsForPerson:
		r.Basis = NeedsPerson
	default:
		r.ETA, r.Basis = estimate(r.Since, ends, left, now)
	}
	return r
}

func endOf(s cases.Standing) time.Time {
	if ended := s.Case.Ended(); !ended.IsZero() {
		return ended
	}
	return s.Machine.Since
}

// estimate says when those that are left may be done.
func estimate(since time.Time, ends []time.Time, left []cases.Standing, now time.Time) (time.Time, string) {
	var latest time.Time
	known := len(left) > 0
	for _, s := range left {
		known = known && s.Machine.ETA.After(now)
		if s.Machine.ETA.After(latest) {
			latest = s.Machine.ETA
		}
	}
	if known {
		return latest.UTC(), ByReplication
	}
	ends = slices.DeleteFunc(ends, time.Time.IsZero)
	if len(ends) < fewest || len(left) == 0 {
		return time.Time{}, NoBasis
	}
	took := slices.MaxFunc(ends, time.Time.Compare).Sub(since)
	if took <= 0 {
		return time.Time{}, NoBasis
	}
	// They end beside each other, so what counts is how many an hour. That is only as exact as the number that is done.
	each := float64(took) / float64(len(ends))
	rest := each * float64(len(left))
	if rest > float64(math.MaxInt64)/2 {
		return time.Time{}, NoBasis
	}
	eta := now.Add(time.Duration(rest)).Round(time.Second)
	if latest.After(eta) {
		eta = latest
	}
	return eta.UTC(), ByPace
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// add keeps a word once.
func add(words *[]string, word string) {
	if word != "" && !slices.Contains(*words, word) {
		*words = append(*words, word)
	}
}
