package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	ce "github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"reprotect.example/events/bus"
	"reprotect.example/services/audit"
)

const fact = `{"specversion":"1.0","id":"c/request","source":"/reprotect/tokyo/validator","type":"io.reprotect.accepted.v1","site":"tokyo","case":"c","step":"request","subject":"c","data":{"case":{"machines":[{"name":"<web01> & \u00fc","logStorageAccount":"x"}]}}}`

// F13a: a line is a CloudEvent for anybody, and gives back the message byte for byte.
func TestALineGivesTheMessageBack(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]bus.Message{
		"a fact":               {Subject: "reprotect.event.tokyo.c.request.accepted", ID: "c/request", Data: []byte(fact)},
		"a fact with spaces":   {Subject: "reprotect.event.tokyo.c.request.accepted", ID: "c/request", Data: []byte(" " + fact + "\n")},
		"headers":              {Subject: "reprotect.command.request", Headers: map[string]string{"ce-type": "x", "<": ">"}, Data: []byte(fact)},
		"bare JSON":            {Subject: "reprotect.command.request", Data: []byte(`{"machines":[{"name":"web01"}]}`)},
		"bare JSON, with id":   {Subject: "reprotect.command.request", ID: "r7", Data: []byte(`{"machines": []}`)},
		"no JSON":              {Subject: "reprotect.command.request", Data: []byte("\xff\x00{")},
		"nothing":              {Subject: "reprotect.command.request", Data: []byte{}},
		"names of the line":    {Subject: "reprotect.command.request", Data: []byte(`{"specversion":"1.0","id":"1","source":"x","type":"y","logposition":"99"}`)},
		"no subject":           {Data: []byte("1")},
		"an attribute of logs": {Subject: "a.b", Data: []byte(`{"specversion":"1.0","id":"1","source":"x","type":"y","data":{"log":1}}`)},
	} {
		e := audit.Entry{Position: 12, Received: bus.Received{Message: m, Sequence: 7, Published: signed.Add(time.Nanosecond)}}
		line, err := audit.Line(e)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if bytes.ContainsAny(line, "\n\r") {
			t.Errorf("%s: more than one line", name)
		}
		var foreign ce.Event
		if err := json.Unmarshal(line, &foreign); err != nil {
			t.Errorf("%s: a foreign reader: %v: %s", name, err, line)
		}
		got, err := audit.ReadLine(line)
		if err != nil {
			t.Fatalf("%s: %v: %s", name, err, line)
		}
		if strings.HasPrefix(e.Subject, "reprotect.command.") {
			e.ID = bus.CommandID(e.Received)
		}
		e.Sequence = 0
		if !cmp.Equal(got.Received, e.Received, cmpopts.EquateEmpty()) || got.Position != 12 || *got.Leaf != audit.LeafOf(e.Received) {
			t.Errorf("%s: %s\n%s", name, cmp.Diff(e.Received, got.Received), line)
		}
		event := slices.Contains([]string{"a fact", "a fact with spaces", "headers", "an attribute of logs"}, name)
		if bytes.Contains(line, []byte(`"logbare"`)) == event {
			t.Errorf("%s: an event is a line as it is, other messages have one made around them: %s", name, line)
		}
	}
}

// Whatever byte of an export is changed, the line is refused or says another leaf than its message has.
func TestNoByteOfALineCanBeChanged(t *testing.T) {
	t.Parallel()
	for _, data := range []string{fact, " " + fact, `{"machines":[]}`, "no JSON"} {
		e := audit.Entry{Position: 12, Received: bus.Received{Message: bus.Message{Subject: "reprotect.command.request", ID: "x", Headers: map[string]string{"a": "b"}, Data: []byte(data)}, Published: signed}}
		line, err := audit.Line(e)
		if err != nil {
			t.Fatal(err)
		}
		for i := range line {
			for _, flip := range []byte{1, 2, 32, 128} {
				forged := bytes.Clone(line)
				forged[i] ^= flip
				got, err := audit.ReadLine(forged)
				switch {
				case errors.Is(err, audit.ErrLine):
				case err != nil:
					t.Fatalf("byte %d: %v", i, err)
				case *got.Leaf == audit.LeafOf(got.Received) && got.Position == e.Position:
					t.Fatalf("byte %d, %q: nobody notices\n%s", i, line[i], forged)
				}
			}
		}
	}
}

func TestWhateverIsStoredCanBeExported(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := audit.Entry{Position: rapid.Uint64Range(1, 1<<53).Draw(t, "position"), Received: bus.Received{
			Message: bus.Message{Subject: rapid.StringMatching(`[a-z]+(\.[a-z0-9-]+){1,5}`).Draw(t, "subject"), ID: rapid.StringMatching(`[ -~]{0,20}`).Draw(t, "id"), Data: []byte(rapid.OneOf(rapid.Just(fact), rapid.String(), rapid.StringMatching(`\{"[a-z]+": ?[0-9]+\}`)).Draw(t, "data"))},
		}}
		line, err := audit.Line(e)
		if err != nil {
			t.Fatal(err)
		}
		got, err := audit.ReadLine(line)
		if err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if !bytes.Equal(got.Data, e.Data) || got.Subject != e.Subject || got.ID != e.ID || *got.Leaf != audit.LeafOf(e.Received) {
			t.Fatalf("%+v\n%+v", got, e)
		}
	})
}
