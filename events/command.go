package events

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strings"
)

// ParseCommand reads what ops put on a command subject, in any of the three forms that the contract allows:
// structured CloudEvents JSON, binary mode (ce- headers, or cloudEvents: properties on Service Bus), or the bare
// data. A bare one gets fallbackID as its id. The data is checked against its schema, so that an error names
// the place. Errors are *Invalid; the header is filled as far as it could be read, its ID always.
func ParseCommand[T any](t Type[T], raw []byte, headers map[string]string, fallbackID string) (Event[T], error) {
	e, err := parseCommand(t.Kind, raw, headers, fallbackID)
	typed := Event[T]{Header: e.Header}
	if typed.ID == "" {
		typed.ID = fallbackID
	}
	if err != nil {
		return typed, err
	}
	if problems := check(t.Kind, e.Data); problems != nil {
		return typed, &Invalid{problems}
	}
	header := typed.Header
	typed, err = As(t, e)
	typed.Header = header
	return typed, err
}

func parseCommand(k Kind, raw []byte, headers map[string]string, fallbackID string) (Event[json.RawMessage], error) {
	attributes := ceAttributes(headers)
	if len(raw) > MaxSize {
		return Event[json.RawMessage]{}, invalid("event.too-large", "", "%d bytes are over the limit of %d: ask for fewer machines at once", len(raw), MaxSize)
	}
	var probe map[string]json.RawMessage
	if err := json.Unmarshal(raw, &probe); err != nil {
		return Event[json.RawMessage]{Header: Header{ID: attributes["id"]}}, invalid("event.not-json", "", "not a JSON object: %v", err)
	}
	switch {
	case attributes["specversion"] != "":
		return binary(attributes, raw)
	case probe["specversion"] != nil || strings.HasPrefix(headerValue(headers, "content-type"), "application/cloudevents"):
		return Parse(raw)
	}
	return Event[json.RawMessage]{
		Header: Header{ID: fallbackID, Source: "/bare", Type: k.CloudType()},
		Data:   raw,
	}, nil
}

// binary builds an event from the attributes in the headers; the body is the data.
func binary(attributes map[string]string, raw []byte) (Event[json.RawMessage], error) {
	envelope := map[string]any{}
	for name, value := range attributes {
		envelope[name] = value
	}
	delete(envelope, "position") // the product's own; never set from outside
	envelope["data"] = json.RawMessage(raw)
	encoded, err := json.Marshal(envelope)
	if err != nil {
		return Event[json.RawMessage]{}, invalid("event.headers", "", "%v", err)
	}
	return Parse(encoded)
}

func ceAttributes(headers map[string]string) map[string]string {
	attributes := map[string]string{}
	for name, value := range headers {
		lower := strings.ToLower(name)
		for _, prefix := range []string{"ce-", "cloudevents:", "cloudevents_"} {
			if attribute, ok := strings.CutPrefix(lower, prefix); ok {
				attributes[attribute] = value
			}
		}
	}
	return attributes
}

func headerValue(headers map[string]string, name string) string {
	for k, v := range headers {
		if strings.EqualFold(k, name) {
			return strings.ToLower(v)
		}
	}
	return ""
}

var unsafe = regexp.MustCompile(`[^a-z0-9]+`)

// longest id that still leaves a case its place in a subject and in a Service Bus MessageID (128 characters).
const longestToken = 48

// Token makes a word that is safe as one token of a subject ([a-z0-9-]+) out of whatever ops put there. A word
// that is safe already stays as it is; one that had to change gets a short hash, so that two different words
// never become the same token.
func Token(word string) string {
	token := strings.Trim(unsafe.ReplaceAllString(strings.ToLower(word), "-"), "-")
	if token == word && len(token) <= longestToken {
		return token
	}
	sum := sha256.Sum256([]byte(word))
	if len(token) > longestToken-9 {
		token = strings.Trim(token[:longestToken-9], "-")
	}
	return strings.Trim(token+"-"+hex.EncodeToString(sum[:4]), "-")
}
