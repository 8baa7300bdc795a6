package app

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/workflow"
)

// tidyEvery is how often what is too old is let go from the subscriptions of Service Bus that nobody has to receive from, and
// tidyFirst how long a process has run before the first time: each time is one of a message's hundred deliveries.
const (
	tidyEvery = 24 * time.Hour
	tidyFirst = time.Hour
)

// tidies lets what is too old go, while this process keeps the journal.
func tidies(ctx context.Context, o outside) {
	for wait := tidyFirst; sleep(ctx, wait); wait = tidyEvery {
		if !o.journal.serves.Load() {
			continue
		}
		if err := o.bus.Azure.Tidy(ctx); err != nil && ctx.Err() == nil {
			o.log.Warn("what is too old could not be let go from the bus; it takes up room until somebody receives there", zap.Error(err))
		}
	}
}

// watchedSteps are the steps under which something stands on Service Bus that is no outcome of them. There the bus drops a
// second outcome without a word, so nobody else finds out; the journal sees every message.
type watchedSteps struct {
	mu sync.Mutex
	of map[string]bool
}

func (w *watchedSteps) see(o outside, r bus.Received) {
	caseID, step, why := workflow.Occupies(r)
	_, voidedCase, voidedStep, kind, _ := events.SplitFact(r.Subject)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch at := caseID + "/" + step; {
	case step != "":
		if !w.of[at] {
			o.log.Error("a step is occupied by what is no outcome of it: an administrator makes it void with 'reprotect bus void'", zap.String("case", caseID), zap.String("step", step),
				zap.String("subject", r.Subject), zap.Uint64("sequence", r.Sequence), zap.String("why", why))
		}
		w.of[at] = true
	case kind == events.TypeVoided.Name && w.of[voidedCase+"/"+voidedStep]:
		delete(w.of, voidedCase+"/"+voidedStep)
	default:
		return
	}
	if o.occupied != nil {
		o.occupied("journal", len(w.of))
	}
}
