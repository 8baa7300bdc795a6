package events_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	ce "github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/go-cmp/cmp"

	"reprotect.example/events"
)

// CloudEvents' own SDK reads what we write.
func TestCloudEventsReadsOurs(t *testing.T) {
	t.Parallel()
	for name, raw := range examples(t, "*.ok*.json") {
		if strings.HasPrefix(name, "request.bare.") {
			continue
		}
		ours, err := events.Read(raw)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		written, err := events.Encode(ours)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var theirs ce.Event
		if err := json.Unmarshal(written, &theirs); err != nil {
			t.Errorf("%s: their decoder: %v", name, err)
			continue
		}
		if err := theirs.Validate(); err != nil {
			t.Errorf("%s: their validation: %v", name, err)
		}
		extension := func(name string) string { value, _ := theirs.Extensions()[name].(string); return value }
		got := events.Header{
			ID: theirs.ID(), Source: theirs.Source(), Type: theirs.Type(), Subject: theirs.Subject(), Time: theirs.Time(), DataSchema: theirs.DataSchema(),
			Site: extension("site"), Case: extension("case"), Step: extension("step"), Request: extension("request"),
			Causation: extension("causation"), TraceParent: extension("traceparent"), Position: ours.Position,
		}
		if diff := cmp.Diff(ours.Header, got); diff != "" {
			t.Errorf("%s: they read other attributes (-ours +theirs):\n%s", name, diff)
		}
	}
}

// We read what CloudEvents' own SDK writes, as data and as base64.
func TestWeReadCloudEvents(t *testing.T) {
	t.Parallel()
	want := events.Request{Plan: "ERP", DryRun: true}
	for name, data := range map[string]any{"as data": want, "as base64": []byte(`{"plan":"ERP","dryRun":true}`)} {
		theirs := ce.New()
		theirs.SetID("r7")
		theirs.SetSource("/ops/console")
		theirs.SetType(events.TypeRequest.CloudType())
		theirs.SetDataSchema(events.TypeRequest.Schema())
		theirs.SetTime(time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC))
		theirs.SetExtension("site", "tokyo")
		theirs.SetExtension("partitionkey", 7)
		if err := theirs.SetData("application/json", data); err != nil {
			t.Fatal(err)
		}
		theirs.DataBase64 = name == "as base64"
		raw, err := json.Marshal(theirs)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(raw), "data_base64") != theirs.DataBase64 {
			t.Fatalf("%s: their SDK wrote %s", name, raw)
		}
		got, err := events.ParseCommand(events.TypeRequest, raw, nil, "seq-1")
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, raw)
			continue
		}
		if diff := cmp.Diff(want, got.Data); diff != "" || got.Site != "tokyo" || got.ID != "r7" || !got.Time.Equal(theirs.Time()) {
			t.Errorf("%s: header %+v, data %s", name, got.Header, diff)
		}
	}
}
