package bus_test

import (
	"testing"
	"time"

	"reprotect.example/events/bus"
)

// F2: the truest of what was seen lately counts, and what may be the way is no difference.
func TestClock(t *testing.T) {
	start := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	type saw struct{ at, ahead time.Duration }
	for name, tt := range map[string]struct {
		saw  []saw
		want time.Duration
	}{
		"nothing":               {nil, 0},
		"the same":              {[]saw{{0, -400 * time.Millisecond}}, 0},
		"ahead":                 {[]saw{{0, 45 * time.Second}, {time.Second, 44 * time.Second}}, 45 * time.Second},
		"behind":                {[]saw{{0, -10 * time.Minute}, {time.Second, -10*time.Minute - 3*time.Second}}, -10 * time.Minute},
		"set right since":       {[]saw{{0, 45 * time.Second}, {3 * time.Minute, 0}}, 0},
		"a late one beside one": {[]saw{{0, 0}, {time.Minute, -20 * time.Second}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var c bus.Clock
			for _, s := range tt.saw {
				local := start.Add(s.at)
				c.Saw(local.Add(s.ahead), local)
			}
			if got := c.Ahead(); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
			if got := c.Brokers(start).Sub(start); got != tt.want {
				t.Errorf("%v by the broker's clock, want %v", got, tt.want)
			}
		})
	}
	var c bus.Clock
	for i := range 100 { // many in a moment push the oldest out
		c.Saw(start.Add(time.Minute-time.Duration(i)*time.Second), start)
	}
	if got := c.Ahead(); got != time.Minute-84*time.Second {
		t.Errorf("%v", got)
	}
}
