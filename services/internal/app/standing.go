package app

import (
	"context"

	"reprotect.example/services/cases"
	"reprotect.example/services/internal/telemetry"
	"reprotect.example/services/journal"
)

// Standings reads from the journal where the cases of each site stand; telemetry.Metrics.Standings asks it. It is not nil only
// where this process keeps the journal; serves says whether it does so now.
func (a *App) Standings() func(context.Context) (bySite map[string]telemetry.Standing, serves bool, err error) {
	if a.journal == nil {
		return nil
	}
	return func(ctx context.Context) (map[string]telemetry.Standing, bool, error) {
		if !a.journal.serves.Load() {
			return nil, false, nil
		}
		all, err := a.journal.Cases(ctx, journal.CaseFilter{})
		return standingsOf(all), true, err
	}
}

// standingsOf counts cases by site. A site of which all have ended stands there with nothing.
func standingsOf(all []cases.Case) map[string]telemetry.Standing {
	bySite := map[string]telemetry.Standing{}
	for _, c := range all {
		s, known := bySite[c.Site]
		if !known {
			s = telemetry.Standing{Cases: map[string]int{}, Waits: map[string]telemetry.Wait{}, Alarms: map[string]int{}}
			bySite[c.Site] = s
		}
		for _, alarm := range c.Pressing() {
			s.Alarms[alarm.Code]++
		}
		if c.End {
			continue
		}
		s.Cases[string(c.State)]++
		if c.Waiting == nil {
			continue
		}
		w := s.Waits[string(c.Waiting.For)]
		if w.Cases++; w.Cases == 1 || c.Waiting.Since.Before(w.Since) {
			w.Since = c.Waiting.Since
		}
		s.Waits[string(c.Waiting.For)] = w
	}
	return bySite
}
