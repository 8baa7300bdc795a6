package workflow

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

type memo struct {
	Said  string         `json:"said,omitempty"`
	Tries map[string]int `json:"tries,omitempty"`
}

// woken is the wake-up that carries what the text says, as a broker delivers it.
func woken(t *testing.T, wait string) bus.Received {
	t.Helper()
	m, err := bus.Wrap(bus.Received{Message: bus.Message{Subject: "s", ID: "i", Data: []byte("{}")}, Sequence: 7}, wait)
	if err != nil {
		t.Fatal(err)
	}
	return bus.Received{Message: m, Woken: true}
}

func TestStateComesBack(t *testing.T) {
	want := memo{Said: "a \"b\"\nc\xc3\xbc", Tries: map[string]int{"web01": 3}}
	state, err := encodeState(want)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 64 << 10} { // of the second the headers are packed
		state := state
		if size > 0 {
			want.Said = strings.Repeat("x", size)
			state, _ = encodeState(want)
		}
		m, err := wrap(bus.Received{Message: bus.Message{Subject: "s", ID: "i", Data: []byte("{}")}, Sequence: 7}, wait{Looks: 2, Position: 5, Chain: "c.", State: state})
		if err != nil {
			t.Fatal(err)
		}
		in := unwrap(bus.Received{Message: m, Woken: true})
		got, err := decodeState[memo](in.wait)
		if err != nil || got.Said != want.Said || !maps.Equal(got.Tries, want.Tries) || in.wait.Looks != 2 || in.wait.Position != 5 || in.wait.Chain != "c." || in.Sequence != 7 {
			t.Errorf("%+v, %v of %+v", got, err, in.wait)
		}
	}
}

// Wake-ups of the program before typed states, as it wrote them.
func TestStateOfBefore(t *testing.T) {
	in := unwrap(woken(t, `{"looks":3,"note":"{\"said\":\"azure\\n2026\\nslow\",\"tries\":{\"web01\":3}}","position":4,"chain":"18.","unknown":1}`))
	got, err := decodeState[memo](in.wait)
	if err != nil || got.Said != "azure\n2026\nslow" || got.Tries["web01"] != 3 || in.wait.Looks != 3 || in.wait.Position != 4 || in.wait.Chain != "18." {
		t.Errorf("%+v, %v of %+v", got, err, in.wait)
	}
	text := unwrap(woken(t, `{"looks":1,"note":"agent\n2026-11-22T09:00:00Z\nits \"agent\"","position":2}`))
	if got, err := decodeState[string](text.wait); err != nil || got != "agent\n2026-11-22T09:00:00Z\nits \"agent\"" {
		t.Errorf("%q, %v", got, err)
	}
	list := unwrap(woken(t, `{"looks":1,"note":"[1,2]","position":2}`))
	if got, err := decodeState[[]int](list.wait); err != nil || len(got) != 2 {
		t.Errorf("%v, %v", got, err)
	}
	none := unwrap(woken(t, `{"looks":1,"position":2}`))
	if got, err := decodeState[memo](none.wait); err != nil || got.Said != "" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestStateThatCannotBeRead(t *testing.T) {
	got, err := decodeState[memo](wait{State: json.RawMessage(`{"said":"x","tries":7}`)})
	if err == nil || got.Said != "" || got.Tries != nil {
		t.Errorf("half a state: %+v, %v", got, err)
	}
	if _, err := encodeState(func() {}); err == nil {
		t.Error("a function was kept")
	}
	broken := woken(t, `{"looks":"many"}`)
	if in := unwrap(broken); in.Subject != broken.Subject || in.wait.Looks != 0 {
		t.Errorf("a wake-up that cannot be read: %+v", in)
	}
}

func TestNothingIsKeptOfNothing(t *testing.T) {
	for what, state := range map[string]any{"none": None{}, "a zero struct": memo{}, "no list": []int(nil), "no text": ""} {
		if raw, err := encodeState(state); err != nil || raw != nil {
			t.Errorf("%s: %s, %v", what, raw, err)
		}
	}
	var h events.Header
	if position(incoming{}, h) != 0 {
		t.Error("a position from nowhere")
	}
}
