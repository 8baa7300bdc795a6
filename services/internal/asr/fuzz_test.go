package asr

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// FuzzConvert: whatever body the SDK can decode becomes facts, which JSON can carry in an event.
func FuzzConvert(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		f.Fatalf("no fixtures: %v", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Add([]byte(`{"value":[null,{"properties":null}]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		converts(t, content, item)
		converts(t, content, fabric)
		converts(t, content, job)
		converts(t, content, replicationPolicy)
		converts(t, content, mapping)
		converts(t, content, vCenter)
		converts(t, content, plan)
	})
}

func converts[S, F any](t *testing.T, content []byte, convert func(*S) F) {
	var one S
	if json.Unmarshal(content, &one) != nil {
		return
	}
	if _, err := json.Marshal(convert(&one)); err != nil {
		t.Errorf("facts that JSON cannot carry: %v", err)
	}
}
