package servicebus

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// Entities of the namespace. contract section 2 names the topics and the subscription for audit.
const (
	TopicCommands      = "reprotect-commands"      // commands: ops may send here, and nowhere else
	TopicEvents        = "reprotect"               // facts: only services may send here
	TopicNotifications = "reprotect-notifications" // notifications
	SubscriptionAudit  = "audit"                   // of each topic: everything, for whoever audits
	// SubscriptionChatbot, of the notifications, has all of them, for a chat bot. Further bots need one each: who receives takes.
	SubscriptionChatbot = "chatbot"
	subscriptionMarks   = "marks"           // of the marks that services look for; never received, only looked at
	queueHold           = "reprotect-hold"  // a session for each service that one process at a time may serve
	wakePrefix          = "reprotect-wake-" // a queue for each service
)

// topics are all topics. What a message may be goes by the one that it was sent to, since that is what Azure guards.
var topics = []string{TopicEvents, TopicCommands, TopicNotifications}

// Topology is everything that must exist in the namespace. Durations are ISO 8601, as Azure spells them.
type Topology struct {
	Topics []Topic `json:"topics"`
	Queues []Queue `json:"queues"`
}

// Topic fans messages out. Its duplicate detection is what gives each step of a case one outcome. One without a window has none.
type Topic struct {
	Name            string         `json:"name"`
	DuplicateWindow string         `json:"duplicateDetectionHistoryTimeWindow,omitempty"`
	MaxSize         int32          `json:"maxSizeInMegabytes"` // of all its subscriptions together
	Subscriptions   []Subscription `json:"subscriptions"`
}

// Subscription keeps the messages of a topic that fit one of its rules; without rules, all.
type Subscription struct {
	Name string `json:"name"`
	Receiving
	Rules []Rule `json:"rules"`
}

// Rule is a correlation filter: every value must be equal.
type Rule struct {
	Name       string            `json:"name"`
	Label      string            `json:"label,omitempty"`
	Properties map[string]string `json:"properties,omitempty"`
}

// Queue keeps messages for one service.
type Queue struct {
	Name string `json:"name"`
	Receiving
	DuplicateWindow string `json:"duplicateDetectionHistoryTimeWindow,omitempty"`
	RequiresSession bool   `json:"requiresSession"`
}

// Receiving says how messages are handed out.
type Receiving struct {
	LockDuration      string `json:"lockDuration"`
	MaxDeliveryCount  int    `json:"maxDeliveryCount"`
	TimeToLive        string `json:"defaultMessageTimeToLive"`
	DeadLetterExpired bool   `json:"deadLetteringOnMessageExpiration"`
}

const (
	// As long as Azure offers: a case may take a day, and what comes twice may come late.
	duplicateWindow = "P7D"
	// More than the delivery loop lets a message fail: it makes a dead letter of it itself, with a reason.
	maxDeliveries = 100
	holdLock      = "PT10S"
	defaultLock   = 30 * time.Second // where a consumer gives no AckWait
)

// What nobody reads must not fill the topic: its quota is shared by all.
const keptFor = "P14D"

// As large as Standard makes a topic; Azure's own 1,024 are some 17,000 cases that nobody takes away.
const largestTopic = 5120

func receiving(lock string) Receiving {
	return Receiving{LockDuration: lock, MaxDeliveryCount: maxDeliveries, TimeToLive: keptFor, DeadLetterExpired: true}
}

// NewTopology is what these services need, with the lock duration that their AckWait asks for (30 s when none does).
func NewTopology(consumers ...bus.Consumer) Topology {
	onlyLooked := Receiving{LockDuration: "PT1M", MaxDeliveryCount: maxDeliveries, TimeToLive: keptFor}
	// Whoever sends may use an id again, such as that of a change with another machine: Azure would drop that without a word, for
	// as long as it remembers. A command that comes twice is answered once all the same, by the outcomes of its steps.
	commands := Topic{Name: TopicCommands, MaxSize: largestTopic}
	facts := Topic{Name: TopicEvents, DuplicateWindow: duplicateWindow, MaxSize: largestTopic}
	notes := Topic{Name: TopicNotifications, DuplicateWindow: duplicateWindow, MaxSize: largestTopic}
	t := Topology{}
	for _, c := range consumers {
		lock := fmt.Sprintf("PT%gS", cmp.Or(c.AckWait, defaultLock).Seconds())
		wanted := c.Filters
		if c.Narrow != nil {
			wanted = c.Narrow
		}
		for _, topic := range []*Topic{&commands, &facts, &notes} {
			if rules := rulesFor(topic.Name, wanted); rules != nil {
				topic.Subscriptions = append(topic.Subscriptions, Subscription{Name: short(c.Service, 50), Receiving: receiving(lock), Rules: rules})
			}
		}
		t.Queues = append(t.Queues, Queue{Name: wakeQueue(c.Service), Receiving: receiving(lock), DuplicateWindow: duplicateWindow})
	}
	var marks []Rule
	for _, k := range events.Kinds() {
		if k.Mark() {
			marks = append(marks, Rule{Name: k.Name, Properties: map[string]string{propType: k.CloudType()}})
		}
	}
	facts.Subscriptions = append(facts.Subscriptions,
		Subscription{Name: SubscriptionAudit, Receiving: onlyLooked, Rules: []Rule{}}, Subscription{Name: subscriptionMarks, Receiving: onlyLooked, Rules: marks})
	commands.Subscriptions = append(commands.Subscriptions, Subscription{Name: SubscriptionAudit, Receiving: onlyLooked, Rules: []Rule{}})
	notes.Subscriptions = append(notes.Subscriptions, Subscription{Name: SubscriptionAudit, Receiving: onlyLooked, Rules: []Rule{}},
		Subscription{Name: SubscriptionChatbot, Receiving: onlyLooked, Rules: []Rule{}})
	t.Topics = []Topic{facts, commands, notes}
	hold := receiving(holdLock)
	t.Queues = append(t.Queues, Queue{Name: queueHold, Receiving: hold, RequiresSession: true})
	for i := range t.Topics {
		slices.SortFunc(t.Topics[i].Subscriptions, func(a, b Subscription) int { return cmp.Compare(a.Name, b.Name) })
	}
	slices.SortFunc(t.Queues, func(a, b Queue) int { return cmp.Compare(a.Name, b.Name) })
	return t
}

func wakeQueue(service string) string { return wakePrefix + short(service, 50) }

// short keeps a name within what Azure allows; one that had to be cut gets a hash.
func short(name string, most int) string {
	if len(name) <= most {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return name[:most-9] + "-" + hex.EncodeToString(sum[:4])
}

// rulesFor are the rules of a subscription to a topic that let pass what the filters want; nil when they want nothing
// of that topic. A rule may let more pass than a filter: who receives looks again.
func rulesFor(topic string, filters []string) []Rule {
	if topic == TopicCommands { // whoever may send there is answered, however the command is labelled
		if slices.ContainsFunc(filters, func(f string) bool { return f == ">" || strings.HasPrefix(f, events.SubjectCommands+".") }) {
			return []Rule{}
		}
		return nil
	}
	everything := []string{events.SubjectCommands + ".>", events.SubjectFacts + ".>"}
	if topic == TopicNotifications {
		everything = []string{events.SubjectNotifications + ".>"}
	}
	if !slices.ContainsFunc(everything, func(f string) bool { return !slices.Contains(filters, f) }) {
		return []Rule{} // each evaluation of a rule counts against the namespace's rate
	}
	var rules []Rule
	add := func(label string, properties map[string]string) {
		r := Rule{Name: fmt.Sprintf("r%02d", len(rules)+1), Label: label, Properties: properties}
		if !slices.ContainsFunc(rules, func(other Rule) bool { return sameRule(r, other) }) {
			rules = append(rules, r)
		}
	}
	for _, filter := range filters {
		if (filter == ">" || strings.HasPrefix(filter, events.SubjectNotifications+".")) == (topic == TopicNotifications) || filter == ">" {
			addRules(filter, topic, add)
		}
	}
	return rules
}

func sameRule(a, b Rule) bool {
	if a.Label != b.Label || len(a.Properties) != len(b.Properties) {
		return false
	}
	for k, v := range a.Properties {
		if b.Properties[k] != v {
			return false
		}
	}
	return true
}

// addRules translates one filter. Correlation filters compare exactly, so a place that may be anything is left out.
func addRules(filter, topic string, add func(label string, properties map[string]string)) {
	tokens := strings.Split(filter, ".")
	kind := ""
	if len(tokens) > 1 {
		kind = tokens[1]
	}
	switch {
	case strings.HasPrefix(filter, events.SubjectCommands+"."):
		name := tokens[2]
		for _, k := range events.Kinds() {
			if k.Role != events.Command || name != k.Name && name != ">" && name != "*" {
				continue
			}
			// As ops may publish it: with the label, with the type, or as a CloudEvent in binary mode.
			add(events.CommandSubject(k), nil)
			add("", map[string]string{propType: k.CloudType()})
			add("", map[string]string{"cloudEvents:type": k.CloudType()})
		}
		if name == ">" || name == "*" { // what nobody knows, from publishers that say that it is a command
			add("", map[string]string{propKind: kind})
		}
	case strings.HasPrefix(filter, events.SubjectFacts+"."):
		properties := map[string]string{}
		for i, property := range []string{propSite, propCase, propStep} {
			if at := i + 2; at < len(tokens) && tokens[at] != "*" && tokens[at] != ">" {
				properties[property] = tokens[at]
			}
		}
		k, known := events.Kind{}, false
		if len(tokens) == 6 {
			k, known = events.KindOf(tokens[5])
		}
		if known {
			properties[propType] = k.CloudType()
		} else {
			properties[propKind] = kind
		}
		add("", properties)
	case strings.HasPrefix(filter, events.SubjectNotifications+"."):
		add("", map[string]string{propKind: kind})
	case filter == ">" && topic == TopicEvents:
		addRules(events.SubjectCommands+".>", topic, add)
		addRules(events.SubjectFacts+".>", topic, add)
	case filter == ">":
		addRules(events.SubjectNotifications+".>", topic, add)
	}
}
