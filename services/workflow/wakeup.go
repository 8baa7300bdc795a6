package workflow

import (
	"encoding/json"
	"fmt"

	"reprotect.example/events/bus"
)

// wait is what a wake-up carries beside its message.
type wait struct {
	Looks    int             `json:"looks"`           // wake-ups so far
	State    json.RawMessage `json:"state,omitempty"` // what the handler keeps
	Note     string          `json:"note,omitempty"`  // the same, as it was written until 2026: JSON in a string, or a text
	Position int             `json:"position"`        // of the last event published for the case
	Chain    string          `json:"chain,omitempty"` // tells the waits of a message that was requeued from those before
	Anew     anew            `json:"anew,omitzero"`
}

// anew says that a step is decided once more: what stood under it, at Void in the log, was made void by the mark at Mark.
type anew struct {
	Step string `json:"step"`
	Void uint64 `json:"void"`
	Mark uint64 `json:"mark"`
}

// wrap makes the wake-up of a message, with what its handler left for itself.
func wrap(r bus.Received, w wait) (bus.Message, error) {
	state, err := json.Marshal(w)
	if err != nil {
		return bus.Message{}, err
	}
	return bus.Wrap(r, string(state))
}

// unwrap takes the wrapping of a wake-up off.
func unwrap(r bus.Received) incoming {
	original, state := bus.Unwrap(r)
	in := incoming{Received: original}
	if state != "" && json.Unmarshal([]byte(state), &in.wait) != nil {
		return incoming{Received: r}
	}
	if in.wait.Note != "" {
		in.wait.State, in.wait.Note = fromNote(in.wait.Note), ""
	}
	return in
}

// fromNote reads what a program before typed states kept. A state that was a text comes as a JSON string, which its
// type must be able to read.
func fromNote(note string) json.RawMessage {
	if json.Valid([]byte(note)) {
		return json.RawMessage(note)
	}
	text, _ := json.Marshal(note) // strings cannot fail
	return text
}

// decodeState gives a handler the state that it kept; the zero value where there is none.
func decodeState[S any](w wait) (state S, err error) {
	if len(w.State) == 0 {
		return state, nil
	}
	if err := json.Unmarshal(w.State, &state); err != nil {
		var none S
		return none, fmt.Errorf("the state that the handler kept cannot be read: %w", err)
	}
	return state, nil
}

// encodeState is what decodeState reads; nothing where there is nothing to keep.
func encodeState[S any](state S) (json.RawMessage, error) {
	raw, err := json.Marshal(state)
	if err != nil {
		return nil, fmt.Errorf("the state that the handler keeps is no JSON: %w", err)
	}
	if string(raw) == "{}" || string(raw) == "null" || string(raw) == `""` {
		return nil, nil
	}
	return raw, nil
}
