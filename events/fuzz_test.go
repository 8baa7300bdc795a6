package events_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"reprotect.example/events"
)

// Whatever the bytes: no panic, every error an *Invalid that says something, and what can be read comes back the
// same after it was written again.

func FuzzParse(f *testing.F) {
	for _, raw := range examples(f, "*.json") {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := events.Parse(raw)
		if err != nil {
			mustExplain(t, err)
			return
		}
		if _, err := events.Read(raw); err != nil {
			mustExplain(t, err)
		}
		first, err := events.Encode(e)
		if err != nil {
			if len(raw) < events.MaxSize/6 { // escaping makes six bytes of one at most
				t.Fatalf("what was read cannot be written: %v", err)
			}
			return
		}
		again, err := events.Parse(first)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, first)
		}
		if diff := cmp.Diff(e.Header, again.Header); diff != "" {
			t.Fatalf("the header came back different:\n%s", diff)
		}
		second, err := events.Encode(again)
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("written twice it differs: %v\n%s\n%s", err, first, second)
		}
	})
}

func FuzzParseCommand(f *testing.F) {
	for _, raw := range examples(f, "request.*.json") {
		f.Add(raw, "")
		f.Add(raw, "1.0")
	}
	f.Fuzz(func(t *testing.T, raw []byte, specversion string) {
		var headers map[string]string
		if specversion != "" {
			headers = map[string]string{"ce-specversion": specversion, "ce-id": "r7", "ce-source": "/ops", "ce-type": events.TypeRequest.CloudType()}
		}
		e, err := events.ParseCommand(events.TypeRequest, raw, headers, "seq-41")
		if e.ID == "" {
			t.Fatal("a command without an id cannot be answered")
		}
		if err != nil {
			mustExplain(t, err)
			return
		}
		written, err := events.Encode(e)
		if err != nil {
			if len(raw) < events.MaxSize/6 {
				t.Fatalf("what was read cannot be written: %v", err)
			}
			return
		}
		again, err := events.ParseCommand(events.TypeRequest, written, nil, "other")
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, written)
		}
		if diff := cmp.Diff(e, again, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("it came back different:\n%s", diff)
		}
	})
}

func mustExplain(t *testing.T, err error) {
	t.Helper()
	var invalid *events.Invalid
	if !errors.As(err, &invalid) || len(invalid.Problems) == 0 || invalid.Error() == "" {
		t.Fatalf("%T %v explains nothing", err, err)
	}
}
