package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"reprotect.example/events"
)

// ErrLine: a line was not written by Line, or was changed since.
var ErrLine = errors.New("this line is not as the export wrote it")

// place is what stands before an event in a line: attributes of CloudEvents, in this order.
type place struct {
	Position  uint64 `json:"logposition"`
	Leaf      string `json:"logleaf"`
	Subject   string `json:"logsubject"`
	ID        string `json:"logid,omitempty"`
	Published string `json:"logpublished,omitempty"`
	Headers   string `json:"logheaders,omitempty"` // a JSON object
	Raw       []byte `json:"lograw,omitempty"`     // the event byte for byte, where it was not written compactly
	Bare      bool   `json:"logbare,omitempty"`    // the message was no event: its bytes are the data
}

// placePrefix begins the names of these attributes, and of none that an event may have in a line.
const placePrefix = "log"

// bare is the event that is made around a message which is none.
type bare struct {
	SpecVersion string          `json:"specversion"`
	ID          string          `json:"id"`
	Source      string          `json:"source"`
	Type        string          `json:"type"`
	Time        string          `json:"time,omitempty"`
	ContentType string          `json:"datacontenttype,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
	DataBase64  []byte          `json:"data_base64,omitempty"`
}

// Line is a message as one line of an export, without the end of the line: a CloudEvent in JSON, with its position, its
// leaf and whatever else the leaf covers as extension attributes. ReadLine reads it back byte for byte.
func Line(e Entry) ([]byte, error) {
	leaf := LeafOf(e.Received)
	if e.Leaf != nil {
		leaf = *e.Leaf
	}
	p := place{Position: e.Position, Leaf: leaf.String(), Subject: e.Subject, ID: idOf(e.Received)}
	if !e.Published.IsZero() {
		p.Published = e.Published.UTC().Format(time.RFC3339Nano)
	}
	if e.Headers != nil {
		headers, err := marshal(e.Headers)
		if err != nil {
			return nil, err
		}
		p.Headers = string(headers)
	}
	event, err := eventOf(e, &p)
	if err != nil {
		return nil, err
	}
	before, err := marshal(p)
	if err != nil {
		return nil, err
	}
	return append(append(before[:len(before)-1:len(before)-1], ','), event[1:]...), nil
}

// eventOf is the event of a message, an object in compact JSON; what is special about it goes into p.
func eventOf(e Entry, p *place) ([]byte, error) {
	var compact bytes.Buffer
	isJSON := json.Compact(&compact, e.Data) == nil
	if _, err := events.Parse(e.Data); err == nil && isJSON && compact.Len() > 2 && !hasPlace(compact.Bytes()) {
		if !bytes.Equal(compact.Bytes(), e.Data) {
			p.Raw = e.Data
		}
		return compact.Bytes(), nil
	}
	p.Bare = true
	b := bare{SpecVersion: "1.0", ID: p.ID, Source: "/reprotect/log", Type: "io.reprotect." + e.Subject[strings.LastIndex(e.Subject, ".")+1:] + ".v1", Time: p.Published}
	if b.ID == "" {
		b.ID = fmt.Sprint("r", e.Position)
	}
	if isJSON && bytes.Equal(compact.Bytes(), e.Data) {
		b.ContentType, b.Data = "application/json", e.Data
	} else {
		b.DataBase64 = e.Data
	}
	return marshal(b)
}

// hasPlace says whether an event has attributes that a line would take for its own.
func hasPlace(event []byte) bool {
	var attributes map[string]json.RawMessage
	if err := json.Unmarshal(event, &attributes); err != nil {
		return true // no object
	}
	for name := range attributes {
		if strings.HasPrefix(name, placePrefix) {
			return true
		}
	}
	return false
}

// marshal is json.Marshal that leaves what is for HTML as it is.
func marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("audit: write a line: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// ReadLine reads what Line wrote. Any other line, and one of which any byte was changed, is refused with ErrLine; where
// its position can be read, it stands in the entry all the same.
func ReadLine(line []byte) (e Entry, err error) {
	var p place
	if err := json.Unmarshal(line, &p); err != nil {
		return e, fmt.Errorf("%w: %w", ErrLine, err)
	}
	e.Position, e.Subject, e.ID = p.Position, p.Subject, p.ID
	leaf, err := tlog.ParseHash(p.Leaf)
	if err != nil {
		return e, fmt.Errorf("%w: logleaf: %w", ErrLine, err)
	}
	e.Leaf = &leaf
	if p.Published != "" {
		if e.Published, err = time.Parse(time.RFC3339Nano, p.Published); err != nil {
			return e, fmt.Errorf("%w: logpublished: %w", ErrLine, err)
		}
	}
	if p.Headers != "" {
		if err := json.Unmarshal([]byte(p.Headers), &e.Headers); err != nil {
			return e, fmt.Errorf("%w: logheaders: %w", ErrLine, err)
		}
	}
	if e.Data, err = dataOf(line, p); err != nil {
		return e, err
	}
	again, err := Line(e)
	if err != nil {
		return e, err
	}
	if !bytes.Equal(again, line) {
		return e, ErrLine
	}
	return e, nil
}

// dataOf are the bytes of the message.
func dataOf(line []byte, p place) ([]byte, error) {
	if p.Bare {
		var b bare
		if err := json.Unmarshal(line, &b); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrLine, err)
		}
		if b.Data != nil {
			return b.Data, nil
		}
		return b.DataBase64, nil
	}
	if p.Raw != nil {
		return p.Raw, nil
	}
	rest, err := behind(line)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLine, err)
	}
	return rest, nil
}

// behind is the object of a line without what Line put before the event.
func behind(line []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(line))
	if _, err := d.Token(); err != nil { // the brace
		return nil, err
	}
	for d.More() {
		end := d.InputOffset()
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		if s, ok := name.(string); !ok || !strings.HasPrefix(s, placePrefix) {
			return append([]byte("{"), bytes.TrimLeft(line[end:], ", ")...), nil
		}
		var skipped json.RawMessage
		if err := d.Decode(&skipped); err != nil {
			return nil, err
		}
	}
	return nil, io.ErrUnexpectedEOF
}
