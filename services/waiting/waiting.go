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
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/observed"
	"reprotect.example/services/workflow"
)

// Reasons to wait, as they stand in a waiting event.
const (
	ForAgent          = events.ForAgent
	ForJob            = events.ForJob
	ForReplication    = events.ForReplication
	ForThrottle       = events.ForThrottle
	ForAzure          = events.ForAzure
	ForVCenter        = events.ForVCenter
	ForRetentionDrive = events.ForRetentionDrive
	ForTurn           = events.ForTurn
	ForDiskSlot       = events.ForDiskSlot
	ForOperator       = events.ForOperator
	ForCancel         = events.ForCancel
	ForOthers         = events.ForOthers
)

// On says that the handler looks again after the pause. The waiting event is drafted when what it says differs
// from what the last look said, so that a long wait is one event and not hundreds. The draft goes to the case of
// the event unless into is given.
func On(w events.Waiting, previous workflow.Wait, now time.Time, pause time.Duration, into ...func(workflow.Draft) workflow.Draft) workflow.Result {
	note := strings.Join([]string{string(w.For), w.Since.UTC().Format(time.RFC3339Nano), w.Message}, "\n")
	if w.Place > 0 {
		note += fmt.Sprintf("\n%d", telling(w.Place))
	}
	w.NextLook = now.Add(pause)
	result := workflow.Result{After: pause, Note: note}
	if previous.Note != note {
		draft := workflow.Fact(events.TypeWaiting, "", w)
		for _, f := range into {
			draft = f(draft)
		}
		result.Publish = []workflow.Draft{draft}
	}
	return result
}

// telling changes when a place in the line is to be told again: near the front at every step, further back whenever
// half of those before it are through.
func telling(place int) int {
	const near = 10
	if place <= near {
		return place
	}
	return near + bits.Len(uint(place))
}

// Surroundings turns an error of Azure or vCenter into a wait without an end: bad surroundings pass, or somebody
// mends them. It counts from the first look that failed since the last that did not. An error that is none of theirs
// comes back.
func Surroundings(err error, machines []string, previous workflow.Wait, now time.Time, look time.Duration, into ...func(workflow.Draft) workflow.Draft) (workflow.Result, error) {
	fault, ok := observed.FaultOf(err)
	if !ok {
		return workflow.Result{}, err
	}
	w := events.Waiting{
		For: reason(fault.Code), Machines: machines, Code: fault.Code, Remedy: fault.Remedy,
		Message: fault.What, Since: outage(previous.Note, now),
	}
	if fault.Words != "" {
		w.Message = fmt.Sprintf("%s: %s", fault.What, fault.Words)
	}
	return On(w, previous, now, max(Pause(look, previous.Looks), fault.After), into...), nil
}

// outage is when the failures began of which the note, as On leaves it, tells; now when it tells of none.
func outage(note string, now time.Time) time.Time {
	parts := strings.SplitN(note, "\n", 3)
	if len(parts) < 3 || !slices.Contains([]events.Reason{ForThrottle, ForVCenter, ForAzure}, events.Reason(parts[0])) {
		return now.UTC()
	}
	since, err := time.Parse(time.RFC3339Nano, parts[1])
	if err != nil {
		return now.UTC()
	}
	return since
}

func reason(code string) events.Reason {
	switch {
	case code == "azure.throttled":
		return ForThrottle
	case strings.HasPrefix(code, "vcenter."):
		return ForVCenter
	}
	return ForAzure
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

// State is what a service keeps between looks beside what it said last, as JSON in the wait's note.
func State[T any](w workflow.Wait) (state T) {
	_ = json.Unmarshal([]byte(w.Note), &state) // none yet: the zero value
	return state
}

// Note writes the state for the next look.
func Note(state any) string {
	raw, _ := json.Marshal(state) // plain structs of strings and numbers cannot fail
	return string(raw)
}
