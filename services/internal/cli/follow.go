package cli

import (
	"context"
	"errors"
	"slices"

	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
)

// screen shows cases while they move.
type screen interface {
	begin(listed []cases.Case)
	// event shows what happened, and where its case stands now.
	event(e cases.Entry, c cases.Case)
	end()
}

// follow reads facts as they come, keeps where the cases stand, and shows it, until it is over.
type follow struct {
	bus     Bus
	filters []string
	from    uint64
	ids     []string               // cases that must be there, and count even when they have ended already
	belongs func(cases.Entry) bool // nil: every fact does
	over    func([]cases.Case) bool
	screen  screen

	log     cases.Log
	watched []string
	past    map[string]bool // cases that nobody asked for and that had ended before, and want nobody
}

var errOver = errors.New("over")

// run returns when it is over, with ctx's error, or when the bus fails. What was read stays in the follow.
func (f *follow) run(ctx context.Context) error {
	f.past = map[string]bool{}
	next := f.from
	err := f.bus.Read(ctx, Reading{Filters: f.filters, From: f.from}, func(r bus.Received) error {
		next = r.Sequence + 1
		_, _ = f.take(r)
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range f.ids {
		if _, ok := f.log.Case(id); !ok {
			return noSuchCase(id)
		}
	}
	for _, c := range f.log.Cases() {
		f.past[c.ID] = c.End && len(c.Pressing()) == 0 && len(f.ids) == 0 && f.belongs == nil
		if !f.past[c.ID] {
			f.watched = append(f.watched, c.ID)
		}
	}
	f.screen.begin(pressingFirst(f.cases()))
	defer f.screen.end()
	if f.over(f.cases()) {
		return nil
	}
	err = f.bus.Read(ctx, Reading{Filters: f.filters, From: next, Follow: true}, func(r bus.Received) error {
		e, ok := f.take(r)
		if !ok {
			return nil
		}
		c, _ := f.log.Case(e.Header.Case)
		if !f.past[c.ID] && !slices.Contains(f.watched, c.ID) {
			f.watched = append(f.watched, c.ID)
		}
		f.screen.event(e, c)
		if f.over(f.cases()) {
			return errOver
		}
		return nil
	})
	if errors.Is(err, errOver) {
		return nil
	}
	return err
}

func (f *follow) take(r bus.Received) (cases.Entry, bool) {
	e := cases.ReadEntry(r)
	if f.belongs != nil && !f.belongs(e) {
		return e, false
	}
	_, err := f.log.Add(e)
	return e, err == nil
}

// cases returns those that are watched, in the order in which they came; a request no more once it has become cases.
func (f *follow) cases() []cases.Case {
	var all []cases.Case
	for _, id := range f.watched {
		c, _ := f.log.Case(id)
		all = append(all, c)
	}
	return cases.WithoutBegun(all)
}

func allEnded(listed []cases.Case) bool {
	return !slices.ContainsFunc(listed, func(c cases.Case) bool { return !c.End })
}

func never([]cases.Case) bool { return false }

// verdict is nil when all cases ended as they should. That some did not was shown already.
func verdict(listed []cases.Case) error {
	var verdict error
	for _, c := range listed {
		switch {
		case isRefused(c):
			return refusal(c.Problems)
		case c.End && !c.Good:
			verdict = errNo
		}
	}
	return verdict
}
