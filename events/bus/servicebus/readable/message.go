package readable

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/Azure/go-amqp"
)

// Sections of a message, by the codes of their descriptors. A descriptor may be a symbol, too.
const (
	sectionHeader      = 0x70
	sectionDelivery    = 0x71
	sectionAnnotations = 0x72
	sectionProperties  = 0x73
	sectionApplication = 0x74
	sectionData        = 0x75
	sectionSequence    = 0x76
	sectionValue       = 0x77
	sectionFooter      = 0x78
)

var sectionNames = map[string]uint64{
	"amqp:header:list": sectionHeader, "amqp:delivery-annotations:map": sectionDelivery, "amqp:message-annotations:map": sectionAnnotations,
	"amqp:properties:list": sectionProperties, "amqp:application-properties:map": sectionApplication, "amqp:data:binary": sectionData,
	"amqp:amqp-sequence:list": sectionSequence, "amqp:amqp-value:*": sectionValue, "amqp:footer:map": sectionFooter,
}

// Message makes of an encoded message one that the client libraries read, in no more than so many bytes. Why is empty where
// it is the same. What they have no type for becomes text. Where that does not do, the body says what was wrong, in the
// place of what was sent: whoever reads it as an event refuses it. What the broker says of the message stays.
//
// An answer of the broker that holds messages is looked through, too.
func Message(raw []byte, most int) (message []byte, why string) {
	m, err := decoded(raw)
	if err == nil {
		if inner, is := answered(m); is {
			return answer(m, inner, raw, most)
		}
		return raw, ""
	}
	anew, failed := rebuilt(raw)
	if failed == nil && len(anew) <= most {
		if _, failed = decoded(anew); failed == nil {
			return anew, err.Error()
		}
	}
	if failed != nil {
		err = fmt.Errorf("%w; %w", err, failed)
	}
	return standIn(raw, err, most), err.Error()
}

// decoded reads a message as the client libraries do: an error where they give one, or panic.
func decoded(raw []byte) (m *amqp.Message, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("reading it panicked: %v", p)
		}
	}()
	m = &amqp.Message{}
	if err := m.UnmarshalBinary(raw); err != nil {
		return nil, err
	}
	for k, v := range m.ApplicationProperties {
		if _, is := v.(string); !is && asText[k] {
			return nil, fmt.Errorf("the property %s is no text", k)
		}
	}
	for k, v := range m.Annotations {
		if name, is := k.(string); is && !suits(name, v) {
			return nil, fmt.Errorf("the annotation %s has another type than Azure gives it", name)
		}
	}
	return m, nil
}

// asText are the properties that the SDK takes for text without a look.
var asText = map[string]bool{"DeadLetterReason": true, "DeadLetterErrorDescription": true}

// suits says whether an annotation that the SDK knows has the type that it takes for granted.
func suits(name string, v any) (ok bool) {
	switch name {
	case "x-opt-locked-until", "x-opt-enqueued-time", "x-opt-scheduled-enqueue-time":
		_, ok = v.(time.Time)
	case "x-opt-sequence-number", "x-opt-enqueue-sequence-number":
		_, ok = v.(int64)
	case "x-opt-partition-key", "x-opt-deadletter-source":
		_, ok = v.(string)
		ok = ok || v == nil
	default:
		ok = true
	}
	return ok
}

// answered gives the messages in an answer of the broker: {"messages": [{"message": binary}, …]}.
func answered(m *amqp.Message) (inner []map[string]any, is bool) {
	body, _ := m.Value.(map[string]any)
	items, is := body["messages"].([]any)
	for _, item := range items {
		one, _ := item.(map[string]any)
		if _, binary := one["message"].([]byte); !binary {
			return nil, false
		}
		inner = append(inner, one)
	}
	return inner, is
}

func answer(m *amqp.Message, inner []map[string]any, raw []byte, most int) ([]byte, string) {
	var reasons []string
	for _, one := range inner {
		was := one["message"].([]byte)
		is, why := Message(was, max(len(was), most-len(raw)))
		if why != "" {
			one["message"] = is
			reasons = append(reasons, why)
		}
	}
	if len(reasons) == 0 {
		return raw, ""
	}
	anew, err := m.MarshalBinary()
	if err != nil || len(anew) > most {
		return raw, ""
	}
	return anew, strings.Join(reasons, "; ")
}

// sections hands each section of an encoded message on, in order. It ends at what cannot be cut.
func sections(raw []byte, each func(code uint64, v any)) error {
	for len(raw) > 0 {
		if raw[0] != 0x00 {
			return errors.New("bytes that begin no section")
		}
		descriptor, rest, err := value(raw[1:], 0)
		if err != nil {
			return err
		}
		code, _ := descriptor.(uint64)
		if name, is := descriptor.(string); is {
			code = sectionNames[name]
		}
		if code < sectionHeader || code > sectionFooter {
			return fmt.Errorf("a section of the type %v", descriptor)
		}
		v, after, err := value(rest, 0)
		if err != nil { // the next one may be read all the same
			if len(rest) == 0 {
				return errEnds
			}
			if _, after, err = cut(rest[0], rest[1:]); err != nil {
				return err
			}
		} else {
			each(code, v)
		}
		raw = after
	}
	return nil
}

// rebuilt writes a message anew, with text where the client libraries know no type.
func rebuilt(raw []byte) ([]byte, error) {
	m := amqp.Message{Properties: &amqp.MessageProperties{}}
	err := sections(raw, func(code uint64, v any) {
		ofBroker(&m, code, v)
		switch code {
		case sectionApplication:
			entries, _ := v.([]pair)
			m.ApplicationProperties = map[string]any{}
			for _, p := range entries {
				m.ApplicationProperties[written(p.key)] = simple(written(p.key), p.value)
			}
		case sectionData:
			data, _ := v.([]byte)
			m.Data = append(m.Data, data)
		case sectionSequence:
			m.Sequence = append(m.Sequence, []any{written(v)})
		case sectionValue:
			if m.Value = v; !plain(v) {
				m.Sequence = [][]any{{written(v)}} // as AMQP's own forms are, it is refused in words
				m.Value = nil
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return marshal(&m)
}

// standIn is what is known of a message in the place of one that cannot be written anew.
func standIn(raw []byte, why error, most int) []byte {
	m := amqp.Message{Properties: &amqp.MessageProperties{}}
	_ = sections(raw, func(code uint64, v any) { ofBroker(&m, code, v) }) // what stands before is kept
	m.Data = [][]byte{fmt.Appendf(nil, "(a message that is not read: %v)", why)}
	if b, err := marshal(&m); err == nil && len(b) <= most {
		return b
	}
	m.Properties = &amqp.MessageProperties{}
	if b, err := marshal(&m); err == nil && len(b) <= most {
		return b
	}
	b, _ := marshal(&amqp.Message{Data: [][]byte{nil}})
	return b
}

func marshal(m *amqp.Message) (b []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("writing it panicked: %v", p)
		}
	}()
	return m.MarshalBinary()
}

// ofBroker takes what the broker says of a message, and its properties.
func ofBroker(m *amqp.Message, code uint64, v any) {
	fields, _ := v.([]any)
	field := func(n int) any {
		if n < len(fields) {
			return fields[n]
		}
		return nil
	}
	text := func(n int) *string {
		if field(n) == nil {
			return nil
		}
		s := written(field(n))
		return &s
	}
	switch code {
	case sectionHeader:
		h := &amqp.MessageHeader{Priority: 4}
		h.Durable, _ = field(0).(bool)
		if p, is := field(1).(uint8); is {
			h.Priority = p
		}
		if ttl, is := field(2).(uint32); is {
			h.TTL = time.Duration(ttl) * time.Millisecond
		}
		h.FirstAcquirer, _ = field(3).(bool)
		h.DeliveryCount, _ = field(4).(uint32)
		m.Header = h
	case sectionDelivery, sectionAnnotations:
		entries, _ := v.([]pair)
		kept := amqp.Annotations{}
		for _, p := range entries {
			name, is := p.key.(string)
			if known := strings.HasPrefix(name, "x-opt-"); is && known && plain(p.value) && suits(name, p.value) {
				kept[name] = p.value
			}
		}
		if code == sectionDelivery {
			m.DeliveryAnnotations = kept
		} else {
			m.Annotations = kept
		}
	case sectionProperties:
		p := &amqp.MessageProperties{Subject: text(3), ContentType: text(6), ContentEncoding: text(7), GroupID: text(10)}
		if id := field(0); id != nil {
			p.MessageID = written(id)
		}
		if id := field(5); id != nil {
			p.CorrelationID = written(id)
		}
		m.Properties = p
	}
}

// plain says whether the client library writes and reads a value as it is.
func plain(v any) bool {
	switch v := v.(type) {
	case nil, bool, uint8, uint16, uint32, uint64, int8, int16, int32, int64, float32, float64, time.Time, amqp.UUID, []byte:
		return true
	case string:
		return utf8.ValidString(v)
	}
	return false
}

// simple is the value of a property.
func simple(name string, v any) any {
	if asText[name] || !plain(v) {
		return written(v)
	}
	return v
}

// written is any value as text.
func written(v any) string {
	var text string
	switch v := v.(type) {
	case string:
		text = v
	case time.Time:
		text = v.Format(time.RFC3339Nano)
	case []byte:
		text = string(v)
	case []pair:
		var parts []string
		for _, p := range v {
			parts = append(parts, written(p.key)+": "+written(p.value))
		}
		text = "{" + strings.Join(parts, ", ") + "}"
	case []any:
		var parts []string
		for _, item := range v {
			parts = append(parts, written(item))
		}
		text = "[" + strings.Join(parts, ", ") + "]"
	default:
		text = fmt.Sprint(v)
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

func size(frame []byte) int { return int(binary.BigEndian.Uint32(frame)) }
