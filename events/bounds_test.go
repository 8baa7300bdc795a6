package events_test

import (
	"fmt"
	"strings"
	"testing"

	"reprotect.example/events"
)

// F3: every case id that the product makes is one that it takes: a request's id and a machine's name have 48 characters
// each at most, and "--" between them.
func TestTheLongestCaseIsACase(t *testing.T) {
	t.Parallel()
	token := events.Token(strings.Repeat("erp-application-server-tokyo-", 9))
	id := events.Token("123e4567-e89b-12d3-a456-426614174000") + "--" + token
	if len(id) < 80 {
		t.Fatalf("%q is not long", id)
	}
	for name, tt := range map[string]struct {
		id    string
		valid bool
	}{
		"long": {id, true}, "128 characters": {strings.Repeat("a", 128), true}, "too long": {strings.Repeat("a", 129), false}, "none": {"", false},
	} {
		for _, k := range []events.Kind{events.TypeCancel.Kind, events.TypeRetry.Kind} {
			if problems := events.Validate(k, fmt.Appendf(nil, `{"case":%q}`, tt.id)); (problems == nil) != tt.valid {
				t.Errorf("%s of a case whose id is %s: %v", k.Name, name, problems)
			}
		}
	}
}

// F11: the envelope takes every step that an event is published with.
func TestTheEnvelopeTakesEveryStep(t *testing.T) {
	t.Parallel()
	steps := append(events.Steps(), events.StepCancel, events.StepRetry, events.StepProgress, events.StepGuard, "notification")
	for _, step := range steps {
		raw := fmt.Appendf(nil, `{"specversion":"1.0","id":"c1/x","source":"/reprotect/tokyo/notifier","type":"io.reprotect.notification.v1","time":"2026-11-27T12:00:00Z",
			"datacontenttype":"application/json","dataschema":"urn:reprotect:schema:notification:v1","subject":"c1","site":"tokyo","case":"c1","step":%q,"data":{}}`, step)
		if problems := events.Validate(events.Kind{Name: "envelope"}, raw); problems != nil {
			t.Errorf("%s: %v", step, problems)
		}
	}
}
