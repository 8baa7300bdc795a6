package bus_test

import (
	"bytes"
	"compress/flate"
	"reflect"
	"testing"

	"reprotect.example/events/bus"
)

// What claims to be packed and is not stays as it came: the delivery loop makes a dead letter of it.
func TestUnreadableWakeUps(t *testing.T) {
	packed := func(data []byte) []byte {
		var b bytes.Buffer
		w, err := flate.NewWriter(&b, flate.BestSpeed)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	headers := `{"Reprotect-Wait":"{}"}`
	for name, tt := range map[string]struct {
		length string
		data   []byte
	}{
		"no number":       {"many", packed([]byte(headers))},
		"below nothing":   {"-1", packed([]byte(headers))},
		"over the end":    {"24", packed([]byte(headers))},
		"not compressed":  {"23", []byte(headers)},
		"cut off":         {"23", packed([]byte(headers))[:10]},
		"no headers":      {"2", packed([]byte("[]"))},
		"nothing at all":  {"0", nil},
		"far too much":    {"23", packed(append([]byte(headers), make([]byte, 9<<20)...))},
		"without a wait":  {"2", packed([]byte("{}"))},
		"wait of no form": {"22", packed([]byte(`{"Reprotect-Wait":"x"}`))},
	} {
		r := bus.Received{Message: bus.Message{Headers: map[string]string{"Reprotect-Packed": tt.length}, Data: tt.data}, Woken: true}
		if got := bus.Original(r); !reflect.DeepEqual(got, r) {
			t.Errorf("%s: %+v", name, got.Message)
		}
	}
	r := bus.Received{Message: bus.Message{Headers: map[string]string{"Reprotect-Packed": "23"}, Data: packed([]byte(headers + "data"))}, Woken: true}
	if got := bus.Original(r); string(got.Data) != "data" || len(got.Headers) != 0 {
		t.Errorf("one that is right: %+v", got.Message)
	}
}
