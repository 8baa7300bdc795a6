package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// MaxSize is the most that an encoded event may take, in bytes: what Service Bus Standard carries (256 KB),
// less room for headers. It holds on every bus, so that a site can change its bus.
const MaxSize = 248 << 10

// Header holds the CloudEvents attributes of an event (contract section 2).
type Header struct {
	ID         string    `json:"id"`
	Source     string    `json:"source"`
	Type       string    `json:"type"`
	Subject    string    `json:"subject,omitempty"` // the case
	Time       time.Time `json:"time,omitzero"`
	DataSchema string    `json:"dataschema,omitempty"`

	Site        string `json:"site,omitempty"`
	Case        string `json:"case,omitempty"`
	Step        string `json:"step,omitempty"`
	Request     string `json:"request,omitempty"`   // id of the request
	Causation   string `json:"causation,omitempty"` // id of the event that this one answers
	Position    int    `json:"position,omitempty"`  // rises along a case; numbers the reports
	TraceParent string `json:"traceparent,omitempty"`
}

// Event is an event with its data read.
type Event[T any] struct {
	Header
	Data T
}

type wire struct {
	SpecVersion     string `json:"specversion"`
	DataContentType string `json:"datacontenttype,omitempty"`
	Header
	Data       json.RawMessage `json:"data,omitempty"`
	DataBase64 []byte          `json:"data_base64,omitempty"`
}

// Encode writes an event as structured CloudEvents JSON. It fails, with *Invalid, on an event that Decode would refuse
// for its size.
func Encode[T any](e Event[T]) ([]byte, error) {
	raw, err := json.Marshal(struct {
		SpecVersion     string `json:"specversion"`
		DataContentType string `json:"datacontenttype"`
		Header
		Data T `json:"data"`
	}{"1.0", "application/json", e.Header, e.Data})
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", e.ID, err)
	}
	if len(raw) > MaxSize {
		return nil, fmt.Errorf("event %s: %w", e.ID, invalid("event.too-large", "", "%d bytes are over the limit of %d", len(raw), MaxSize))
	}
	return raw, nil
}

// Invalid says what is wrong with an event, place by place.
type Invalid struct{ Problems []Problem }

func (e *Invalid) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = strings.TrimPrefix(p.Place+": ", ": ") + p.Message
	}
	return strings.Join(lines, "; ")
}

func invalid(code, place, format string, args ...any) *Invalid {
	return &Invalid{[]Problem{{Code: code, Place: place, Message: fmt.Sprintf(format, args...)}}}
}

// Parse reads the envelope of a structured event and leaves the data as it is. Attributes that CloudEvents
// allows and this version does not know are passed over. Errors are *Invalid; the header is filled as far as it
// could be read.
func Parse(raw []byte) (Event[json.RawMessage], error) {
	var e Event[json.RawMessage]
	if len(raw) > MaxSize {
		return e, invalid("event.too-large", "", "%d bytes are over the limit of %d: ask for fewer machines at once", len(raw), MaxSize)
	}
	var w wire
	err := json.Unmarshal(raw, &w)
	e.Header = w.Header
	if err != nil {
		return e, explain(envelopeSchema, raw, err)
	}
	if string(w.Data) == "null" {
		w.Data = nil
	}
	switch {
	case w.SpecVersion != "1.0":
		return e, invalid("event.specversion", "/specversion", "is %q, must be \"1.0\"", w.SpecVersion)
	case w.DataContentType != "" && !isJSON(w.DataContentType):
		return e, invalid("event.content-type", "/datacontenttype", "is %q, must be application/json", w.DataContentType)
	case w.ID == "":
		return e, invalid("event.incomplete", "/id", "is missing")
	case w.Source == "":
		return e, invalid("event.incomplete", "/source", "is missing")
	case w.Type == "":
		return e, invalid("event.incomplete", "/type", "is missing")
	case w.Data != nil && w.DataBase64 != nil:
		return e, invalid("event.data", "/data", "data and data_base64 exclude each other")
	case w.DataBase64 != nil && !json.Valid(w.DataBase64):
		return e, invalid("event.not-json", "/data_base64", "does not hold JSON")
	}
	e.Data = w.Data
	if w.DataBase64 != nil {
		e.Data = w.DataBase64
	}
	return e, nil
}

// As reads the data of a parsed event strictly: an unknown field or a wrong type is an error (*Invalid).
func As[T any](t Type[T], e Event[json.RawMessage]) (Event[T], error) {
	typed := Event[T]{Header: e.Header}
	if err := expect(t.Kind, e.Header); err != nil {
		return typed, err
	}
	if err := strict(e.Data, &typed.Data); err != nil {
		return typed, explain(t.Kind, e.Data, err)
	}
	return typed, nil
}

// expect says whether an event claims to be of a kind, in the version that is known here.
func expect(k Kind, h Header) error {
	if h.Type != k.CloudType() {
		return invalid("event.type", "/type", "is %q, expected %q here", h.Type, k.CloudType())
	}
	if h.DataSchema != "" && h.DataSchema != k.Schema() {
		return invalid("event.dataschema", "/dataschema", "is %q, must be %q", h.DataSchema, k.Schema())
	}
	return nil
}

// Decode reads an event of a known type strictly. Errors are *Invalid.
func Decode[T any](t Type[T], raw []byte) (Event[T], error) {
	if e, ok := decodeAtOnce(t, raw); ok {
		return e, nil
	}
	e, err := Parse(raw)
	if err != nil {
		return Event[T]{Header: e.Header}, err
	}
	return As(t, e)
}

// decodeAtOnce reads what the product itself writes in one pass: no attribute that it does not know, data in
// JSON. Anything else is for the slow way, which also finds the words for what is wrong.
func decodeAtOnce[T any](t Type[T], raw []byte) (Event[T], bool) {
	var w struct {
		SpecVersion     string `json:"specversion"`
		DataContentType string `json:"datacontenttype"`
		Header
		Data *T `json:"data"`
	}
	good := len(raw) <= MaxSize && strict(raw, &w) == nil && w.SpecVersion == "1.0" && w.DataContentType == "application/json" &&
		w.ID != "" && w.Source != "" && w.Data != nil && expect(t.Kind, w.Header) == nil
	if !good {
		return Event[T]{}, false
	}
	return Event[T]{w.Header, *w.Data}, true
}

// Read reads the data of any known kind of event strictly; the result's Data holds the Go type of its kind.
func Read(raw []byte) (Event[any], error) {
	e, err := Parse(raw)
	if err != nil {
		return Event[any]{Header: e.Header}, err
	}
	for _, r := range registry {
		if r.kind.CloudType() == e.Type {
			data, err := r.read(e.Data)
			if err != nil {
				err = explain(r.kind, e.Data, err)
			}
			return Event[any]{Header: e.Header, Data: data}, err
		}
	}
	return Event[any]{Header: e.Header}, invalid("event.type", "/type", "%q is not known to this version", e.Type)
}

func strict(raw json.RawMessage, into any) error {
	if len(raw) == 0 {
		return errors.New("data is missing")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something follows the JSON value")
	}
	return nil
}

func isJSON(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	t = strings.ToLower(strings.TrimSpace(t))
	return t == "application/json" || t == "text/json" || strings.HasSuffix(t, "+json")
}
