package events

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strconv"
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
	if err := expect(t.Kind, e.Header); err != nil {
		return typed, err
	}
	if problems := check(t.Kind, e.Data); problems != nil {
		return typed, &Invalid{problems}
	}
	return As(t, e)
}

func parseCommand(k Kind, raw []byte, headers map[string]string, fallbackID string) (Event[json.RawMessage], error) {
	attributes, twice := ceAttributes(headers)
	unread := Event[json.RawMessage]{Header: Header{ID: attributes["id"]}}
	if len(raw) > MaxSize {
		return unread, invalid("event.too-large", "", "%d bytes are over the limit of %d: ask for fewer machines at once", len(raw), MaxSize)
	}
	var probe map[string]json.RawMessage
	err := json.Unmarshal(raw, &probe)
	if !json.Valid(raw) {
		return unread, invalid("event.not-json", "", "not JSON: %v", err)
	}
	if probe == nil {
		return unread, invalid("event.not-json", "", "must be a JSON object, one event or the bare data")
	}
	binaryMode := attributes["specversion"] != ""
	structured := probe["specversion"] != nil || strings.HasPrefix(headerValue(headers, "content-type"), "application/cloudevents")
	place := repeated(raw)
	switch {
	case binaryMode && twice != "":
		return unread, invalid("event.duplicate", "/"+twice, "is given by two headers")
	case place != "" && (binaryMode || !structured):
		return unread, invalid("event.duplicate", "/data"+place, "is given twice")
	case place != "":
		return unread, invalid("event.duplicate", place, "is given twice")
	case binaryMode:
		return envelope(binary(attributes, raw))
	case structured:
		return envelope(raw, nil)
	}
	return Event[json.RawMessage]{
		Header: Header{ID: fallbackID, Source: "/bare", Type: k.CloudType()},
		Data:   raw,
	}, nil
}

// envelope reads an event that came from outside, and so may have attributes that no schema allows.
func envelope(raw []byte, err error) (Event[json.RawMessage], error) {
	if err != nil {
		return Event[json.RawMessage]{}, err
	}
	e, err := Parse(raw)
	if err != nil {
		return e, err
	}
	if problems := check(envelopeSchema, raw); problems != nil {
		return e, &Invalid{problems}
	}
	e.Position = 0 // the product's own; never set from outside
	return e, nil
}

// binary builds a structured event from the attributes in the headers; the body is the data.
func binary(attributes map[string]string, raw []byte) ([]byte, error) {
	structured := map[string]any{}
	for name, value := range attributes {
		structured[name] = value
	}
	delete(structured, "position") // a header can only hold a string; see envelope
	structured["data"] = json.RawMessage(raw)
	encoded, err := json.Marshal(structured)
	if err != nil {
		return nil, invalid("event.headers", "", "%v", err)
	}
	return encoded, nil
}

// ceAttributes collects the CloudEvents attributes among the headers. twice names one that two headers give
// differently: neither may win by chance.
func ceAttributes(headers map[string]string) (attributes map[string]string, twice string) {
	attributes = map[string]string{}
	for name, value := range headers {
		lower := strings.ToLower(name)
		for _, prefix := range []string{"ce-", "cloudevents:", "cloudevents_"} {
			attribute, ok := strings.CutPrefix(lower, prefix)
			if !ok {
				continue
			}
			if other, given := attributes[attribute]; given && other != value {
				twice = attribute
			}
			attributes[attribute] = value
		}
	}
	return attributes, twice
}

// repeated finds a field that stands twice in its object, as a JSON pointer. JSON leaves open which one counts,
// and a person who wrote both meant both.
func repeated(raw []byte) string {
	place, _ := repeatedIn(json.NewDecoder(bytes.NewReader(raw)))
	return place
}

func repeatedIn(dec *json.Decoder) (string, error) {
	token, err := dec.Token()
	delim, _ := token.(json.Delim)
	if err != nil || delim == 0 {
		return "", err
	}
	seen := map[string]bool{}
	for i := 0; dec.More(); i++ {
		name := strconv.Itoa(i)
		if delim == '{' {
			key, err := dec.Token()
			if err != nil {
				return "", err
			}
			name = key.(string)
		}
		if seen[name] {
			return pointer(name), nil
		}
		seen[name] = true
		if place, err := repeatedIn(dec); err != nil || place != "" {
			return pointer(name) + place, err
		}
	}
	_, err = dec.Token()
	return "", err
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
// never become the same token. A token stays what it is.
func Token(word string) string {
	token := strings.Trim(unsafe.ReplaceAllString(strings.ToLower(word), "-"), "-")
	if token == word && token != "" && len(token) <= longestToken {
		return token
	}
	sum := sha256.Sum256([]byte(word))
	if len(token) > longestToken-9 {
		token = strings.Trim(token[:longestToken-9], "-")
	}
	return strings.Trim(token+"-"+hex.EncodeToString(sum[:4]), "-")
}
