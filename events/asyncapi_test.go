package events_test

import (
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"reprotect.example/events"
	"reprotect.example/schemas"
)

func asyncAPI(t *testing.T) map[string]any {
	t.Helper()
	raw, err := fs.ReadFile(schemas.Files(), "asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// at follows a path of keys; nil when there is nothing.
func at(value any, keys ...string) any {
	for _, key := range keys {
		m, _ := value.(map[string]any)
		value = m[key]
	}
	return value
}

func TestAsyncAPIReferencesResolve(t *testing.T) {
	t.Parallel()
	doc := asyncAPI(t)
	if doc["asyncapi"] != "3.0.0" {
		t.Errorf("asyncapi is %v", doc["asyncapi"])
	}
	var walk func(value any)
	walk = func(value any) {
		switch v := value.(type) {
		case []any:
			for _, each := range v {
				walk(each)
			}
		case map[string]any:
			for _, each := range v {
				walk(each)
			}
			ref, ok := v["$ref"].(string)
			if !ok {
				return
			}
			if local, ok := strings.CutPrefix(ref, "#/"); ok {
				if at(doc, strings.Split(local, "/")...) == nil {
					t.Errorf("$ref %s leads nowhere", ref)
				}
			} else if _, err := fs.Stat(schemas.Files(), path.Clean(ref)); err != nil {
				t.Errorf("$ref %s: %v", ref, err)
			}
		}
	}
	walk(doc)
}

func TestAsyncAPIHasAMessageForEveryKind(t *testing.T) {
	t.Parallel()
	doc := asyncAPI(t)
	messages, _ := at(doc, "components", "messages").(map[string]any)
	for _, k := range events.Kinds() {
		message := messages[k.Name]
		if at(message, "name") != k.CloudType() {
			t.Errorf("%s: the message's name is %v", k.Name, at(message, "name"))
		}
		parts, _ := at(message, "payload", "schema", "allOf").([]any)
		if len(parts) != 2 {
			t.Errorf("%s: the payload must be the envelope and the data", k.Name)
			continue
		}
		if ref := at(parts[1], "properties", "data", "$ref"); ref != "./"+k.Name+".v1.schema.json" {
			t.Errorf("%s: the data refers to %v", k.Name, ref)
		}
		if at(parts[1], "properties", "type", "const") != k.CloudType() {
			t.Errorf("%s: the type is %v", k.Name, at(parts[1], "properties", "type", "const"))
		}
	}
	if len(messages) != len(events.Kinds()) {
		t.Errorf("%d messages for %d kinds", len(messages), len(events.Kinds()))
	}
}

// channel finds the channel of a subject among those of NATS, by its address with the parameters as wildcards.
func channel(t *testing.T, doc map[string]any, subject string) map[string]any {
	t.Helper()
	parameter := regexp.MustCompile(`\\\{(\w+)\\\}`)
	var found map[string]any
	for name, each := range at(doc, "channels").(map[string]any) {
		address, _ := at(each, "address").(string)
		if !strings.HasPrefix(name, "nats-") || !regexp.MustCompile("^"+parameter.ReplaceAllString(regexp.QuoteMeta(address), `[^.]+`)+"$").MatchString(subject) {
			continue
		}
		for _, used := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(address, -1) {
			if at(each, "parameters", used[1]) == nil {
				t.Errorf("%s: the parameter %s is not described", name, used[1])
			}
		}
		if found != nil {
			t.Errorf("%s has two channels", subject)
		}
		found = each.(map[string]any)
	}
	if found == nil {
		t.Errorf("%s has no channel", subject)
	}
	return found
}

func TestAsyncAPIChannelsAreTheSubjects(t *testing.T) {
	t.Parallel()
	doc := asyncAPI(t)
	reached := map[string]bool{}
	for _, k := range events.Kinds() {
		var subject string
		switch k.Role {
		case events.Command:
			subject = events.CommandSubject(k)
		case events.Notification:
			subject = events.NotificationSubject("tokyo", events.LevelInfo)
		case events.DeadLetter:
			subject = events.DeadSubject("executor")
		default:
			subject = events.FactSubject("tokyo", "r7-web01", events.StepRequest, k.Name)
		}
		ch := channel(t, doc, subject)
		if at(ch, "messages", k.Name) == nil {
			t.Errorf("%s: its channel %v does not list it", k.Name, at(ch, "address"))
		}
		reached[at(ch, "address").(string)] = true

		topic := map[events.Role]string{events.Command: "servicebus-commands", events.Notification: "servicebus-notifications", events.DeadLetter: ""}
		name, special := topic[k.Role]
		if !special {
			name = "servicebus-reprotect"
		}
		if name != "" && at(doc, "channels", name, "messages", k.Name) == nil {
			t.Errorf("%s: the channel %s does not list it", k.Name, name)
		}
	}
	for name, each := range at(doc, "channels").(map[string]any) {
		if address := at(each, "address").(string); strings.HasPrefix(name, "nats-") && !reached[address] {
			t.Errorf("no kind of event goes to %s", address)
		}
	}
}

func TestAsyncAPIEnumerations(t *testing.T) {
	t.Parallel()
	doc := asyncAPI(t)
	facts := at(doc, "channels", "nats-facts").(map[string]any)
	names := slices.Collect(maps.Keys(at(facts, "messages").(map[string]any)))
	steps := append(events.Steps(), events.StepCancel, events.StepRetry, events.StepProgress, events.StepGuard)
	for parameter, want := range map[string][]string{"name": names, "step": steps} {
		var got []string
		for _, value := range at(facts, "parameters", parameter, "enum").([]any) {
			got = append(got, value.(string))
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", parameter, got, want)
		}
	}
	for _, topic := range []string{"reprotect", "reprotect-notifications"} {
		if !slices.ContainsFunc(slices.Collect(maps.Values(at(doc, "channels").(map[string]any))), func(each any) bool { return at(each, "address") == topic }) {
			t.Errorf("the topic %s is missing", topic)
		}
	}
}
