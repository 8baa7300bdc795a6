package sbpeer

import (
	"bytes"
	"fmt"
	"time"
)

const (
	sectionHeader      = 0x70
	sectionDelivery    = 0x71
	sectionAnnotations = 0x72
	sectionProperties  = 0x73
	sectionApplication = 0x74
	sectionData        = 0x75
	sectionValue       = 0x77
	sectionFooter      = 0x78

	// formatBatch says that every data section of a transfer is a message of its own.
	formatBatch = 0x80013700

	annotationSchedule = "x-opt-scheduled-enqueue-time"

	// What the service takes in one application property, and in all that stands before the body.
	mostProperty = 32 << 10
	mostHeader   = 64 << 10
)

// content is a message as it was sent. It is never changed, so that subscriptions share it.
type content struct {
	size        int
	durable     any
	priority    any
	ttl         time.Duration // 0: none
	expires     time.Time     // zero: not set
	annotations dict
	properties  []byte // the section as it was sent
	fields      []any  // what stands in it
	appBytes    []byte // the section as it was sent
	application dict
	body        []byte // every section after these
	value       any    // of an amqp-value body
}

// section cuts the first section off an encoded message.
func section(b []byte) (code uint64, raw, rest []byte, err error) {
	if len(b) == 0 || b[0] != codeDescribed {
		return 0, nil, nil, fmt.Errorf("%d bytes that start no section", len(b))
	}
	descriptor, rest, err := decode(b[1:])
	if err != nil {
		return 0, nil, nil, err
	}
	code, ok := descriptor.(uint64)
	if !ok || len(rest) == 0 {
		return 0, nil, nil, fmt.Errorf("a section of type %v", descriptor)
	}
	_, after, err := cut(rest[0], rest[1:])
	if err != nil {
		return 0, nil, nil, err
	}
	return code, b[:len(b)-len(after)], after, nil
}

// parseMessage reads an encoded message. It keeps b.
func parseMessage(b []byte) (*content, error) {
	c := &content{size: len(b)}
	seen := uint64(0)
	for len(b) > 0 {
		code, raw, rest, err := section(b)
		if err != nil {
			return nil, err
		}
		if code < sectionHeader || code > sectionFooter || code < seen {
			return nil, fmt.Errorf("section %#02x is out of place", code)
		}
		seen = code
		if code >= sectionData {
			if err := c.readBody(b); err != nil {
				return nil, err
			}
			return c, nil
		}
		if err := c.read(code, raw); err != nil {
			return nil, fmt.Errorf("section %#02x: %w", code, err)
		}
		b = rest
	}
	return c, nil
}

// oversized refuses properties over the quotas of the service. What it says of one that is too long is no more than
// that it could not process the request; of all together it names the limit.
func (c *content) oversized() *amqpError {
	for _, p := range c.application {
		n := 0
		switch v := p.value.(type) {
		case string:
			n = len(v)
		case []byte:
			n = len(v)
		}
		if n > mostProperty {
			return refuse(errInternal, "The service was unable to process the request; please retry the operation.")
		}
	}
	if c.size-len(c.body) > mostHeader {
		return refuse(errTooBig, "A serialization error occurred while processing the message header stream. "+
			"The serialization process return the following message: The size quota for this stream (%d) has been exceeded.", mostHeader)
	}
	return nil
}

func (c *content) read(code uint64, raw []byte) error {
	v, _, err := decode(raw)
	if err != nil {
		return err
	}
	d := v.(described)
	m, isMap := d.value.(dict)
	fields, isList := d.value.([]any)
	a := &args{name: "section", fields: fields}
	switch code {
	case sectionHeader:
		c.durable, c.priority = a.at(0), a.at(1)
		c.ttl = time.Duration(typed[uint32](a, 2, 0)) * time.Millisecond
		return firstError(a.err, wrongForm(isList))
	case sectionAnnotations:
		c.annotations = m
		return wrongForm(isMap)
	case sectionProperties:
		c.properties, c.fields = raw, fields
		c.expires = typed(a, 8, time.Time{})
		return firstError(a.err, wrongForm(isList))
	case sectionApplication:
		c.appBytes, c.application = raw, m
		return wrongForm(isMap)
	}
	return nil
}

// readBody checks that the rest of the message is sections, and keeps it unread but for a value.
func (c *content) readBody(b []byte) error {
	c.body = b
	for len(b) > 0 {
		code, raw, rest, err := section(b)
		if err != nil {
			return err
		}
		if code == sectionValue {
			v, _, err := decode(raw)
			if err != nil {
				return err
			}
			c.value = v.(described).value
		}
		b = rest
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func wrongForm(ok bool) error {
	if !ok {
		return fmt.Errorf("not of the form that it must have")
	}
	return nil
}

// The places of what Service Bus reads in the properties of a message.
const (
	propMessageID     = 0
	propTo            = 2
	propSubject       = 3
	propReplyTo       = 4
	propCorrelationID = 5
	propContentType   = 6
	propGroupID       = 10
	propReplyGroupID  = 12
)

// property gives a string out of the properties; set is false when it is missing or of another type.
func (c *content) property(place int) (s string, set bool) {
	if place >= len(c.fields) {
		return "", false
	}
	switch v := c.fields[place].(type) {
	case string:
		return v, true
	case symbol:
		return string(v), true
	case uuid:
		return fmt.Sprintf("%x-%x-%x-%x-%x", v[:4], v[4:6], v[6:8], v[8:10], v[10:]), true
	case uint64:
		return fmt.Sprint(v), true
	}
	return "", false
}

// id gives the id of the message, which may be of other types than string.
func (c *content) id() any {
	if len(c.fields) == 0 {
		return nil
	}
	return c.fields[propMessageID]
}

// scheduledFor gives the time for which the sender scheduled the message.
func (c *content) scheduledFor() (at time.Time, ok bool) {
	at, ok = c.annotations.get(annotationSchedule).(time.Time)
	return at, ok
}

// batch gives the messages of a batch.
func (c *content) batch() ([]*content, error) {
	var messages []*content
	for b := c.body; len(b) > 0; {
		code, raw, rest, err := section(b)
		if err != nil {
			return nil, err
		}
		b = rest
		if code != sectionData {
			continue
		}
		v, _, err := decode(raw)
		if err != nil {
			return nil, err
		}
		data, ok := v.(described).value.([]byte)
		if !ok {
			return nil, fmt.Errorf("a data section without data")
		}
		m, err := parseMessage(bytes.Clone(data))
		if err != nil {
			return nil, err
		}
		messages = append(messages, m)
	}
	return messages, nil
}

// reply encodes the answer to a request: a pre-settled message whose body is one value.
func reply(correlation any, status int32, description string, condition symbol, body any) []byte {
	application := dict{{"statusCode", status}, {"statusDescription", description}}
	if condition != "" {
		application = append(application, pair{"errorCondition", condition})
	}
	b := composite(nil, sectionProperties, nil, nil, nil, nil, nil, correlation)
	b = encode(b, described{uint64(sectionApplication), application})
	return encode(b, described{uint64(sectionValue), body})
}
