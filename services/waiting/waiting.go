// Package waiting decides how long a service waits before it looks again, and when it says so.
//
// Waiting is never a failure. A service waits for its surroundings (Azure, vCenter) as long as it takes, and for
// the machine's agent until a deadline that is computed from event times.
package waiting

import (
	"encoding/json"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/observed"
	"reprotect.example/services/workflow"
)

// Told is the wait that a service told last: what it keeps between looks so that the same wait is told once.
type Told struct {
	For     events.Reason `json:"for,omitempty"`
	Since   time.Time     `json:"since,omitzero"`
	Message string        `json:"message,omitempty"`
	Place   int           `json:"place,omitempty"` // in the queue, as coarse as it is told
	At      time.Time     `json:"at,omitzero"`     // when it was told last
	Again   int           `json:"again,omitempty"` // how often it was told since it is the same
}

func told(w events.Waiting) Told {
	t := Told{For: w.For, Since: w.Since.UTC().Round(0), Message: w.Message}
	if w.Place > 0 {
		t.Place = telling(w.Place)
	}
	return t
}

// Equal says whether both tell the same, whenever that was.
func (t Told) Equal(o Told) bool {
	return t.For == o.For && t.Since.Equal(o.Since) && t.Message == o.Message && t.Place == o.Place
}

// UnmarshalJSON also reads the text that stood for it until 2026: reason, time, message and place, a line each.
func (t *Told) UnmarshalJSON(raw []byte) error {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		*t = FromText(text)
		return nil
	}
	type plain Told
	return json.Unmarshal(raw, (*plain)(t))
}

// FromText reads such a text; nothing was told where it is none.
func FromText(text string) (t Told) {
	parts := strings.SplitN(text, "\n", 3)
	if len(parts) < 3 {
		return t
	}
	since, err := time.Parse(time.RFC3339Nano, parts[1])
	if err != nil {
		return t
	}
	t = Told{For: events.Reason(parts[0]), Since: since, Message: parts[2]}
	if i := strings.LastIndexByte(t.Message, '\n'); i >= 0 {
		if place, err := strconv.Atoi(t.Message[i+1:]); err == nil {
			t.Message, t.Place = t.Message[:i], place
		}
	}
	return t
}

// On says that the handler looks again after the pause. The waiting event is drafted when what it says differs
// from what the last look said, so that a long wait is a few events and not hundreds; and while it stays the same at
// growing pauses, with how long it has lasted, so that nobody forgets it. The draft goes to the case of the event
// unless into is given.
func On(w events.Waiting, before Told, now time.Time, pause time.Duration, into ...func(workflow.Draft) workflow.Draft) workflow.Result[Told] {
	w.NextLook = now.Add(pause)
	result := workflow.Result[Told]{After: pause, State: told(w)}
	state := &result.State
	same := state.Equal(before)
	if state.At, state.Again = now.UTC().Round(0), 0; same {
		state.At, state.Again = before.At, before.Again
		if before.At.IsZero() { // an older version did not say
			state.At = now.UTC().Round(0)
		}
	}
	due := same && now.Sub(state.At) >= reminder(state.Again)
	if due {
		state.At, state.Again = now.UTC().Round(0), state.Again+1
		w.Message = strings.TrimRight(w.Message, ". ") + ". This has lasted for " + lasting(now.Sub(w.Since)) + "."
	}
	if !same || due {
		draft := workflow.Fact(events.TypeWaiting, "", w)
		for _, f := range into {
			draft = f(draft)
		}
		result.Publish = []workflow.Draft{draft}
	}
	return result
}

// reminder is the time until a wait is told again that was told again so often: an hour, then twice as long each time,
// and every day in the end.
func reminder(again int) time.Duration { return min(time.Hour<<min(again, 5), 24*time.Hour) }

// lasting words how long a wait has lasted.
func lasting(d time.Duration) string {
	count := func(n time.Duration, unit string) string {
		if n != 1 {
			unit += "s"
		}
		return fmt.Sprintf("%d %s", n, unit)
	}
	switch d = d.Round(time.Minute); {
	case d < 2*time.Hour:
		return count(d/time.Minute, "minute")
	case d < 48*time.Hour:
		return count(d/time.Hour, "hour")
	}
	return count(d/(24*time.Hour), "day")
}

// telling changes when a place in the queue is to be told again: near the front at every step, further back whenever
// half of those before it are through.
func telling(place int) int {
	const near = 10
	if place <= near {
		return place
	}
	return near + bits.Len(uint(place))
}

// Surroundings turns an error of Azure or vCenter into a wait without an end: bad surroundings pass, or somebody
// sees to them. It counts from the first look that failed since the last that did not. An error that is none of theirs
// comes back.
func Surroundings(err error, machines []string, before Told, looks int, now time.Time, look time.Duration, into ...func(workflow.Draft) workflow.Draft) (workflow.Result[Told], error) {
	fault, ok := observed.FaultOf(err)
	if !ok {
		return workflow.Result[Told]{}, err
	}
	w := events.Waiting{
		For: reason(fault.Code), Machines: machines, Code: fault.Code, Remedy: fault.Remedy,
		Message: fault.What, Since: outage(before, now),
	}
	if fault.Words != "" {
		w.Message = fmt.Sprintf("%s: %s", fault.What, fault.Words)
	}
	return On(w, before, now, max(Pause(look, looks), fault.After), into...), nil
}

// outage is when the failures began of which a service told last; now when it told of none.
func outage(before Told, now time.Time) time.Time {
	if slices.Contains([]events.Reason{events.ForThrottle, events.ForVCenter, events.ForAzure}, before.For) {
		return before.Since
	}
	return now.UTC()
}

func reason(code string) events.Reason {
	switch {
	case code == "azure.throttled":
		return events.ForThrottle
	case strings.HasPrefix(code, "vcenter."):
		return events.ForVCenter
	}
	return events.ForAzure
}

// Pause is the time until the next look: look at first, growing by a half each time to ten times look, spread by
// a fifth so that those who wait together do not look together.
func Pause(look time.Duration, looks int) time.Duration {
	return time.Duration(growing(look, looks) * (0.9 + 0.2*rand.Float64()))
}

func growing(look time.Duration, looks int) float64 {
	pause := float64(look)
	for range min(looks, 6) {
		pause *= 1.5
	}
	return min(pause, 10*float64(look))
}

// Next is Pause for who waits for something to show in a look at the vault that others share: counted from when the
// look began that was taken now, for until the next one nothing new can be seen, and never before that next one.
func Next(look time.Duration, looks int, began, now time.Time) time.Duration {
	pause := time.Duration(growing(look, looks) * (1 + 0.1*rand.Float64()))
	if began.IsZero() {
		return pause
	}
	return max(pause-max(now.Sub(began), 0), look/10)
}
