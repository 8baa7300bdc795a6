package guard

import (
	"time"

	"reprotect.example/events"
)

// news is what is to be told of one way of a subject: that it is so, or that it is over. One of the pointers is set.
type news struct {
	way, count int

	violated  *events.Violated
	cleared   *events.Cleared
	unwatched *events.Unwatched
	watched   *events.Watched
}

// tell notes that a way of a subject is so since then, and returns the news of it.
func (k *known) tell(way int, since time.Time, n news) []news {
	k.Count[way]++
	k.Open[way] = append(k.Open[way], since.UnixMilli())
	n.way, n.count = way, k.Count[way]
	return []news{n}
}

// over ends all that was told of a way and is not over; word makes the news of each.
func (k *known) over(way int, word func(from time.Time) news) (all []news) {
	first := k.Count[way] - len(k.Open[way]) + 1
	for i, since := range k.Open[way] {
		n := word(time.UnixMilli(since).UTC())
		n.way, n.count = way, first+i
		all = append(all, n)
	}
	k.Open[way] = nil
	return all
}

// cleared words the end of a violation that leaves nothing.
func (t subject) cleared(code, what string, until time.Time) func(time.Time) news {
	return func(from time.Time) news {
		return news{cleared: &events.Cleared{Code: code, Machine: t.endangered(), What: what, From: from, Until: until.UTC()}}
	}
}

// dangerous says whether something is told that must not be.
func dangerous(all []news) bool {
	for _, n := range all {
		if n.violated != nil {
			return true
		}
	}
	return false
}

// blind notes that a subject cannot be watched since now, and tells it once.
func (t subject) blind(k known, why unwatched, now time.Time) (known, []news) {
	if len(k.Open[unseen]) > 0 || k.Home {
		return k, nil
	}
	all := k.tell(unseen, now, news{unwatched: &events.Unwatched{
		VM: t.name, Writer: t.writer, Machine: t.endangered(), Code: why.code, What: why.what, Do: why.do, Candidates: why.candidates, Since: now.UTC(),
	}})
	return k, all
}

// sees notes that a subject is watched, and tells it when it was told that it is not.
func (t subject) sees(k known, now time.Time) (known, []news) {
	all := k.over(unseen, func(from time.Time) news {
		return news{watched: &events.Watched{VM: t.name, Writer: t.writer, Machine: t.endangered(), What: t.title() + " is watched again", From: from, Until: now.UTC()}}
	})
	return k, all
}

// leave ends what is open of a subject whose case needs no guard any more, except what damages.
func (t subject) leave(k known, now time.Time) (known, []news) {
	k, all := t.sees(k, now)
	if t.writer == "" {
		return k, all
	}
	for way, code := range []string{relocated: codeMotion, snapshotted: codeSnapshot, loose: codeSnapshot} {
		all = append(all, k.over(way, t.cleared(code, "The machines of the case do not depend on "+t.title()+" any more", now))...)
	}
	return k, all
}
