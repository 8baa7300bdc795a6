package workflow

import (
	"context"
	"fmt"
	"sync"
	"time"

	"reprotect.example/events/bus"
)

// occupiedSteps are the steps, by their filters, under which something stands that is no outcome of them.
type occupiedSteps struct {
	tell func(steps int) // how many they are

	mu    sync.Mutex
	steps map[string]bool
}

func (o *occupiedSteps) add(step string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.steps == nil {
		o.steps = map[string]bool{}
	}
	o.steps[step] = true
	o.tell(len(o.steps))
}

func (o *occupiedSteps) remove(step string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.steps[step] {
		delete(o.steps, step)
		o.tell(len(o.steps))
	}
}

// Redecide delivers the event that leads to a step once more to the service that decides it, so that the step is decided anew:
// what stood under it, at void in the event log, was made void by the mark at that other place of it. Called again it does no
// harm: of all who decide the step after one mark, one wins. Service is the name of the durable subscription.
func Redecide(ctx context.Context, b bus.Broker, service string, in bus.Received, step string, void, mark uint64, now time.Time) error {
	m, err := wrap(in, wait{Chain: fmt.Sprintf("%x.", now.UnixNano()), Anew: anew{step, void, mark}})
	if err != nil {
		return fmt.Errorf("the message on %s: %w", in.Subject, err)
	}
	return b.Wake(ctx, service, fmt.Sprintf("anew-%d.%s", void, step), now, m)
}
