package servicebus

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// Application properties. Filters and other clients see type, site, case and step (contract section 2); subject is
// the subject that the message has on NATS; the others are this adapter's own.
const (
	propKind    = "kind" // command, event, notification
	propSubject = "subject"
	propType    = "type"
	propSite    = "site"
	propCase    = "case"
	propStep    = "step"

	propID        = "reprotect-id"        // of a message whose id is too long for Azure
	propKey       = "reprotect-key"       // of a wake-up
	propWoken     = "reprotect-woken"     // it is a wake-up
	propAttempts  = "reprotect-attempts"  // deliveries before this copy was made
	propSequence  = "reprotect-sequence"  // of the original of a copy
	propPublished = "reprotect-published" // likewise
	propDead      = "reprotect-dead"      // of a dead letter: what the delivery loop said of it
)

var ours = []string{
	propKind, propSubject, propType, propSite, propCase, propStep,
	propID, propKey, propWoken, propAttempts, propSequence, propPublished, propDead, "DeadLetterReason", "DeadLetterErrorDescription",
}

const (
	longestID      = 128
	longestMessage = 255 << 10 // with its properties; Standard takes 256 KB with all that AMQP adds
	// longestProperties keeps clear of what Azure takes in one property, 32 KB, and in all with the system's own, 64 KB.
	longestProperties = 32 << 10
)

// outgoing turns a message into Service Bus's form.
func outgoing(m bus.Message) *azservicebus.Message {
	properties := map[string]any{}
	for k, v := range m.Headers {
		properties[k] = v
	}
	if m.Subject != "" {
		properties[propSubject] = m.Subject
		for property, value := range described(m.Subject) {
			properties[property] = value
		}
	}
	id := m.ID
	switch {
	case id == "":
		id = rand.Text()
	case len(id) > longestID:
		properties[propID] = id
		sum := sha256.Sum256([]byte(id))
		id = hex.EncodeToString(sum[:])
	}
	contentType := "application/json"
	if bytes.Contains(m.Data[:min(len(m.Data), 64)], []byte(`"specversion"`)) {
		contentType = "application/cloudevents+json; charset=utf-8"
	}
	out := &azservicebus.Message{Body: m.Data, MessageID: &id, ContentType: &contentType, ApplicationProperties: properties}
	if strings.HasPrefix(m.Subject, events.SubjectCommands+".") {
		out.Subject = &m.Subject
	}
	return out
}

// fits refuses what Azure takes never. It must be known before: of a property that is too long, or of a message that is
// scheduled, Azure's answer passes for a failure of the moment.
func fits(m *azservicebus.Message) error {
	properties := 0
	for k, v := range m.ApplicationProperties {
		properties += len(k) + len(fmt.Sprint(v))
	}
	if size := len(m.Body) + properties; properties > longestProperties || size > longestMessage {
		return fmt.Errorf("%d bytes, %d of them in properties, are over the limits of Service Bus Standard, %d and %d: %w",
			size, properties, longestMessage, longestProperties, bus.ErrTooLarge)
	}
	return nil
}

// described are the properties that filters see of a message on a subject.
func described(subject string) map[string]string {
	properties := map[string]string{}
	tokens := strings.Split(subject, ".")
	if len(tokens) > 1 {
		properties[propKind] = tokens[1]
	}
	name := ""
	if site, caseID, step, kind, ok := events.SplitFact(subject); ok {
		properties[propSite], properties[propCase], properties[propStep], name = site, caseID, step, kind
	} else if strings.HasPrefix(subject, events.SubjectCommands+".") && len(tokens) == 3 {
		name = tokens[2]
	} else if strings.HasPrefix(subject, events.SubjectNotifications+".") && len(tokens) == 4 {
		properties[propSite], name = tokens[2], events.TypeNotification.Name
	}
	if k, known := events.KindOf(name); known {
		properties[propType] = k.CloudType()
	}
	return properties
}

// copied are properties of wake-ups and of copies, which this adapter makes and sends to queues. On a topic they are the
// sender's: a command that says that it is a wake-up would be unwrapped into whatever its sender likes.
var copied = []string{propKey, propWoken, propAttempts, propSequence, propPublished}

// unknownCommand is the subject of what came to the commands and is none that is known.
const unknownCommand = events.SubjectCommands + ".unknown"

// incoming turns a delivered message into the bus's form, whoever sent it. Topic is the one that it was sent to, or "" for
// a queue: to those only services send. What may be sent there is all that it can be.
func incoming(m *azservicebus.ReceivedMessage, topic string) bus.Received {
	text := func(property string) string {
		if topic != "" && slices.Contains(copied, property) {
			return ""
		}
		if v, ok := m.ApplicationProperties[property]; ok {
			return written(v)
		}
		return ""
	}
	number := func(property string) int {
		n, _ := strconv.Atoi(text(property)) // 0 where it is none of ours
		return n
	}
	r := bus.Received{Message: bus.Message{Subject: subjectOf(m, topic, text), ID: m.MessageID, Data: body(m)}, Attempt: deliveries(m) + number(propAttempts)}
	_, said := m.ApplicationProperties[propID]
	if said { // also where the original had none
		r.ID = text(propID)
	}
	switch { // that of the topic is the same for each of its subscriptions
	case m.EnqueuedSequenceNumber != nil && *m.EnqueuedSequenceNumber > 0:
		r.Sequence = uint64(*m.EnqueuedSequenceNumber)
	case m.SequenceNumber != nil:
		r.Sequence = uint64(*m.SequenceNumber) //nolint:gosec // Service Bus counts from 1
	}
	if m.EnqueuedTime != nil {
		r.Published = *m.EnqueuedTime
	}
	if original := number(propSequence); original > 0 {
		r.Sequence = uint64(original)
		r.Published, _ = time.Parse(time.RFC3339Nano, text(propPublished))
	}
	r.Woken = text(propWoken) != ""
	if topic == TopicEvents && strings.HasPrefix(r.Subject, events.SubjectCommands+".") { // as it was done once
		r.Data = []byte("(commands are not taken from the topic " + TopicEvents + ": send it to " + TopicCommands + ")")
	}
	if !said && r.ID == "" && strings.HasPrefix(r.Subject, events.SubjectCommands+".") {
		r.ID = bareID(r)
	}
	for k, v := range m.ApplicationProperties {
		if !slices.Contains(ours, k) {
			if r.Headers == nil {
				r.Headers = map[string]string{}
			}
			if attribute, ok := strings.CutPrefix(k, "cloudEvents_"); ok { // the binding's other prefix
				k = "cloudEvents:" + attribute
			}
			r.Headers[k] = written(v)
		}
	}
	if m.ContentType != nil && !r.Woken && text(propSubject) != r.Subject { // from another client: it says how to read the body
		if r.Headers == nil {
			r.Headers = map[string]string{}
		}
		r.Headers["content-type"] = *m.ContentType
	}
	return r
}

// deliveries counts this one, too. The SDK reads the count only of a message that has properties.
func deliveries(m *azservicebus.ReceivedMessage) int {
	if m.DeliveryCount == 0 && m.RawAMQPMessage != nil && m.RawAMQPMessage.Header != nil {
		return int(m.RawAMQPMessage.Header.DeliveryCount) + 1
	}
	return int(m.DeliveryCount)
}

// written is a property's value as text: a time as CloudEvents write it.
func written(v any) string {
	if t, ok := v.(time.Time); ok {
		return t.UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprint(v)
}

// body is what a message carries. Some clients make a JSON string of what they are given as text already: that is
// unwrapped once.
func body(m *azservicebus.ReceivedMessage) []byte {
	raw := carried(m)
	var inner string
	if trimmed := bytes.TrimSpace(raw); len(trimmed) > 0 && trimmed[0] == '"' && json.Unmarshal(trimmed, &inner) == nil {
		if strings.HasPrefix(strings.TrimSpace(inner), "{") {
			return []byte(inner)
		}
	}
	return raw
}

// carried is what a message carries, in whatever form of AMQP. Of a form that holds no text it says so instead, where the
// JSON would be: whoever reads that refuses it, and the refusal quotes it.
func carried(m *azservicebus.ReceivedMessage) []byte {
	if m.Body != nil || m.RawAMQPMessage == nil { // the SDK reads only a single data section
		return m.Body
	}
	form := "AMQP sequences"
	switch raw := m.RawAMQPMessage.Body; value := raw.Value.(type) {
	case string:
		return []byte(value)
	case []byte:
		return value
	case nil:
		if raw.Sequence == nil {
			return bytes.Join(raw.Data, nil)
		}
	default:
		form = fmt.Sprintf("an AMQP value of the kind %s", reflect.TypeOf(value).Kind())
	}
	return fmt.Appendf(nil, "(a body that is not read: %s; send the JSON as data or as a string)", form)
}

// bareID is the id of a command that came without one. Its number alone comes again in a namespace that is made anew.
// Each subscription must find the same: the minute leaves room for a time that Azure might take for each by itself.
func bareID(r bus.Received) string {
	return fmt.Sprintf("r%d-%s", r.Sequence, r.Published.UTC().Format("200601021504"))
}

// subjectOf is the subject of a message: ours says it; of others' the label or the type does. What was sent to the
// commands is a command, whatever it says of itself.
func subjectOf(m *azservicebus.ReceivedMessage, topic string, text func(string) string) string {
	s := claimed(m, text)
	if topic == TopicCommands && !strings.HasPrefix(s, events.SubjectCommands+".") {
		return unknownCommand
	}
	return s
}

func claimed(m *azservicebus.ReceivedMessage, text func(string) string) string {
	if s := text(propSubject); strings.HasPrefix(s, "reprotect.") { // a property of that name may be the sender's own
		return s
	}
	if m.Subject != nil && strings.HasPrefix(*m.Subject, "reprotect.") {
		return *m.Subject
	}
	for _, property := range []string{propType, "cloudEvents:type", "cloudEvents_type"} {
		k, known := events.KindOf(text(property))
		switch {
		case known && k.Role == events.Command:
			return events.CommandSubject(k)
		case known:
			return events.FactSubject(text(propSite), text(propCase), text(propStep), k.Name)
		}
	}
	if text(propKind) == "command" {
		return unknownCommand
	}
	return ""
}

// copyOf is the same message once more, for a queue: with a new id, since the old one is remembered, and what the
// original was. r is what incoming made of it.
func copyOf(m *azservicebus.ReceivedMessage, r bus.Received) *azservicebus.Message {
	properties := map[string]any{}
	for k, v := range m.ApplicationProperties {
		properties[k] = v
	}
	if r.Subject != "" { // what it was taken for stays so, whatever it claims
		if !r.Woken {
			delete(properties, propWoken)
		}
		label := r.Subject
		if s, _ := properties[propSubject].(string); s != r.Subject {
			delete(properties, propSubject)
		}
		m = &azservicebus.ReceivedMessage{ContentType: m.ContentType, Subject: &label}
	}
	properties[propID], properties[propAttempts] = r.ID, strconv.Itoa(r.Attempt)
	properties[propSequence], properties[propPublished] = strconv.FormatUint(r.Sequence, 10), r.Published.UTC().Format(time.RFC3339Nano)
	sum := sha256.Sum256([]byte(r.ID))
	id := fmt.Sprintf("%s#%d#%d", hex.EncodeToString(sum[:8]), r.Sequence, r.Attempt)
	return &azservicebus.Message{Body: r.Data, MessageID: &id, ContentType: m.ContentType, Subject: m.Subject, ApplicationProperties: properties}
}
