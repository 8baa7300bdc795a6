package workflow

import (
	"encoding/json"

	"reprotect.example/events/bus"
)

// wrap makes the wake-up of a message, with what its handler left for itself.
func wrap(r bus.Received, wait Wait) (bus.Message, error) {
	state, _ := json.Marshal(wait) // two ints and two strings: cannot fail
	return bus.Wrap(r, string(state))
}

// unwrap takes the wrapping of a wake-up off.
func unwrap(r bus.Received) incoming {
	original, state := bus.Unwrap(r)
	in := incoming{Received: original}
	if state != "" && json.Unmarshal([]byte(state), &in.wait) != nil {
		return incoming{Received: r}
	}
	return in
}
