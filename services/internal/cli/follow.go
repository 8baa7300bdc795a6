package cli

import (
	"context"
	"errors"
	"slices"

	"reprotect.example/events/bus"
	"reprotect.example/services/internal/progress"
)

// screen shows cases while they move.
type screen interface {
	begin(cases []progress.Case)
	// event shows what happened, and where its case stands now.
	event(e progress.Entry, c progress.Case)
	end()
}

// follow reads facts as they come, keeps where the cases stand, and shows it, until it is over.
type follow struct {
	bus     Bus
	filters []string
	from    uint64
	ids     []string                  // cases that must be there, and count even when they have ended already
	belongs func(progress.Entry) bool // nil: every fact does
	over    func([]progress.Case) bool
	screen  screen

	log     progress.Log
	watched []string
	past    map[string]bool // cases that nobody asked for and that had ended before
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
		f.past[c.ID] = c.End && len(f.ids) == 0 && f.belongs == nil
		if !f.past[c.ID] {
			f.watched = append(f.watched, c.ID)
		}
	}
	f.screen.begin(f.cases())
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

func (f *follow) take(r bus.Received) (progress.Entry, bool) {
	e := progress.ReadEntry(r)
	if f.belongs != nil && !f.belongs(e) {
		return e, false
	}
	_, err := f.log.Add(e)
	return e, err == nil
}

// cases returns those that are watched, in the order in which they came; a request no more once it has become cases.
func (f *follow) cases() []progress.Case {
	var all []progress.Case
	for _, id := range f.watched {
		c, _ := f.log.Case(id)
		all = append(all, c)
	}
	return progress.WithoutBegun(all)
}

func allEnded(cases []progress.Case) bool {
	return !slices.ContainsFunc(cases, func(c progress.Case) bool { return !c.End })
}

func never([]progress.Case) bool { return false }

// verdict is nil when all cases ended as they should. That some did not was shown already.
func verdict(cases []progress.Case) error {
	if slices.ContainsFunc(cases, func(c progress.Case) bool { return c.End && !c.Good }) {
		return errNo
	}
	return nil
}
