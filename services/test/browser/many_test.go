package browser

import (
	"context"
	"fmt"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
	"reprotect.example/services/internal/console"
)

// stored is a journal in memory, with many cases that stand still.
type stored struct{ all []cases.Case }

func (stored) ID() string                           { return "j" }
func (stored) Last(context.Context) (uint64, error) { return 1, nil }
func (s stored) Standings(context.Context, ...string) ([]cases.Case, error) {
	return s.all, nil
}
func (stored) Case(context.Context, string) (cases.Case, bool, error) {
	return cases.Case{}, false, nil
}
func (stored) Story(context.Context, string) ([]bus.Received, error) { return nil, nil }
func (stored) Follow(ctx context.Context, _ []string, _ uint64, _ func(bus.Received) error) error {
	<-ctx.Done()
	return ctx.Err()
}
func (stored) LookBack(context.Context, console.Back) ([]bus.Received, uint64, error) {
	return nil, 0, nil
}
func (stored) Holds(context.Context) (console.Holding, error) { return console.Holding{}, nil }

// many serves a console of so many cases, of which every tenth failed, and returns its address.
func many(t *testing.T, n int) string {
	t.Helper()
	s := stored{}
	begun := time.Now().Add(-time.Hour)
	for i := range n {
		name := fmt.Sprintf("vm%05d", i)
		c := cases.Case{
			ID: fmt.Sprintf("r-%d--%s", i/300, name), Site: "tokyo", Request: fmt.Sprintf("r-%d", i/300), State: events.CaseStarted, Step: events.StepSubmission,
			Percent: i % 100, Since: begun, Updated: begun.Add(time.Duration(i) * time.Millisecond),
			Machines: []cases.Machine{{Name: name, Item: "/items/" + name, State: events.StateReplicating, Percent: i % 100}},
		}
		if i%10 == 0 {
			c.State, c.End, c.EndedAt = events.CaseFailed, true, c.Updated
			c.Code, c.Why, c.Remedy = "95226", "The job failed.", "Look at the job."
			c.Machines[0].State = events.StateFailed
		}
		s.all = append(s.all, c)
	}
	shown := console.New(console.Options{Journal: s, Sites: []string{"tokyo"}, Access: console.Access{Loopback: true}})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { shown.Run(ctx) })
	server := httptest.NewServer(shown.Handler())
	t.Cleanup(func() {
		cancel()
		server.CloseClientConnections()
		server.Close()
		running.Wait()
	})
	return server.URL
}
