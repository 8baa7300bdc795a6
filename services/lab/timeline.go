package lab

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"reprotect.example/services/lab/asrsim"
	"reprotect.example/services/lab/scenario"
)

// Standing is where a machine stands, and where its scenario says that it stands in the end.
type Standing struct {
	Machine     string `json:"machine"`
	Phase       string `json:"phase"` // as asrsim's phases: failed-over, …, protected, home, committed, …, protected-again
	Expect      string `json:"expect"`
	Submissions int    `json:"submissions"` // reprotects that were accepted
}

// AsExpected says whether the machine stands where the scenario says.
func (s Standing) AsExpected() bool {
	return s.Phase == s.Expect || s.Expect == string(asrsim.Home) && s.Phase == string(asrsim.Committed) // it is home, for good
}

// Standings lists where the machines stand, in the scenario's order.
func (l *Lab) Standings() []Standing {
	all := []Standing{}
	for _, m := range l.machines {
		state, err := l.azure.Machine(m.Name)
		if err != nil { // both come from one scenario
			panic(err)
		}
		all = append(all, Standing{m.Name, string(state.Phase), cmp.Or(m.Expect, "protected"), state.Submissions})
	}
	return all
}

// checkTimeline finds steps that no action of the lab is.
func (l *Lab) checkTimeline(steps []scenario.Step) error {
	for _, s := range steps {
		if !slices.ContainsFunc(l.actions, func(a action) bool { return a.Name == s.Do }) {
			return fmt.Errorf("timeline at %s: %q is not an action of the lab: see 'reprotect lab do'", s.At, s.Do)
		}
	}
	return nil
}

// play does each step of the timeline at its time, until the lab closes. Those at its beginning, which say how its
// surroundings are, are done when it returns; one of them that is refused is an error.
func (l *Lab) play(s scenario.Scenario) error {
	steps := slices.SortedStableFunc(slices.Values(s.Timeline), func(a, b scenario.Step) int { return cmp.Compare(a.At, b.At) })
	for len(steps) > 0 && steps[0].At <= 0 {
		if err := l.do(doing{steps[0].Do, steps[0].Args}); err != nil {
			return fmt.Errorf("timeline at its beginning: %w", err)
		}
		steps = steps[1:]
	}
	begun := time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for _, step := range steps {
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Until(begun.Add(s.Real(step.At)))):
			}
			if err := l.do(doing{step.Do, step.Args}); err != nil {
				l.log.Warn("a step of the timeline was refused", zap.Duration("at", step.At), zap.Error(err))
			}
		}
	}()
	l.closes = append(l.closes, func() {
		cancel()
		<-ended
	})
	return nil
}
