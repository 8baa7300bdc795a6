package servicebus_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus/admin"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/servicebus"
)

// namespace answers the unmodified admin client as Azure does, as its transport. An update replaces the whole entity:
// what the client leaves out falls back to Azure's default.
type namespace struct {
	entities map[string]*entity // by path in lower case
	calls    []string           // but for reading
	before   func(*http.Request) (*http.Response, error)
	after    func(call string)
}

type entity struct {
	name, kind              string            // kind is the XML element: TopicDescription, …
	fields                  map[string]string // XML elements by their names
	active, dead, scheduled int
}

func newNamespace() *namespace { return &namespace{entities: map[string]*entity{}} }

const anyKey = "Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=admin;SharedAccessKey=c2VjcmV0LWtleQ=="

func (n *namespace) options() *admin.ClientOptions {
	return &admin.ClientOptions{ClientOptions: azcore.ClientOptions{Transport: n, Retry: policy.RetryOptions{RetryDelay: time.Microsecond}}}
}

func (n *namespace) client(t *testing.T) *admin.Client {
	t.Helper()
	c, err := servicebus.NewAdmin(anyKey, "", nil, n.options())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// at is an entity that must exist.
func (n *namespace) at(path string) *entity { return n.entities[strings.ToLower(path)] }

var azureDefaults = map[string]map[string]string{
	"TopicDescription": {"RequiresDuplicateDetection": "false", "DuplicateDetectionHistoryTimeWindow": "PT10M", "EnablePartitioning": "false", "Status": "Active"},
	"SubscriptionDescription": {
		"LockDuration": "PT1M", "RequiresSession": "false", "DefaultMessageTimeToLive": "P10675199DT2H48M5.4775807S",
		"DeadLetteringOnMessageExpiration": "false", "MaxDeliveryCount": "10", "Status": "Active",
	},
	"QueueDescription": {
		"LockDuration": "PT1M", "RequiresSession": "false", "DefaultMessageTimeToLive": "P10675199DT2H48M5.4775807S",
		"DeadLetteringOnMessageExpiration": "false", "MaxDeliveryCount": "10", "Status": "Active",
		"RequiresDuplicateDetection": "false", "DuplicateDetectionHistoryTimeWindow": "PT10M", "EnablePartitioning": "false",
	},
	"RuleDescription": {},
}

var unchangeable = []string{"RequiresDuplicateDetection", "RequiresSession", "EnablePartitioning"}

func element(name, text string) string { return "<" + name + ">" + text + "</" + name + ">" }

// canonical is how Azure spells a duration that was written in seconds.
func canonical(text string) string {
	return regexp.MustCompile(`PT\d+S`).ReplaceAllStringFunc(text, func(d string) string {
		length, _ := time.ParseDuration(strings.ToLower(d[2:]))
		return strings.Replace("PT"+strings.ToUpper(length.String()), "M0S", "M", 1)
	})
}

// put makes an entity or replaces it, without any of Azure's objections.
func (n *namespace) put(path, kind string, fields map[string]string) {
	e := &entity{name: path[strings.LastIndex(path, "/")+1:], kind: kind, fields: map[string]string{}}
	for name, text := range azureDefaults[kind] {
		e.fields[name] = element(name, text)
	}
	for name, raw := range fields {
		e.fields[name] = canonical(raw)
	}
	if _, existed := n.entities[strings.ToLower(path)]; !existed && kind == "SubscriptionDescription" {
		defer n.rule(path+"/Rules/$Default", `<Filter i:type="TrueFilter"><SqlExpression>1=1</SqlExpression></Filter>`)
	}
	n.entities[strings.ToLower(path)] = e
}

func (n *namespace) rule(path, filter string) {
	n.put(path, "RuleDescription", map[string]string{"Filter": filter, "Name": element("Name", path[strings.LastIndex(path, "/")+1:])})
}

// set changes a field behind the client's back.
func (e *entity) set(field, text string) { e.fields[field] = element(field, text) }

func (e *entity) xml() string {
	fields := strings.Join(slices.Sorted(maps.Values(e.fields)), "")
	if e.kind == "RuleDescription" && e.fields["Action"] == "" {
		fields += `<Action i:type="EmptyRuleAction"/>`
	}
	if e.kind != "RuleDescription" {
		fields += fmt.Sprintf(`<SizeInBytes>%d</SizeInBytes><MessageCount>%d</MessageCount><CreatedAt>2026-11-20T01:02:03.45Z</CreatedAt><UpdatedAt>2026-11-20T01:02:03.45Z</UpdatedAt><AccessedAt>0001-01-01T00:00:00</AccessedAt>
<CountDetails xmlns:d2p1="x"><d2p1:ActiveMessageCount>%d</d2p1:ActiveMessageCount><d2p1:DeadLetterMessageCount>%d</d2p1:DeadLetterMessageCount><d2p1:ScheduledMessageCount>%d</d2p1:ScheduledMessageCount><d2p1:TransferMessageCount>0</d2p1:TransferMessageCount><d2p1:TransferDeadLetterMessageCount>0</d2p1:TransferDeadLetterMessageCount></CountDetails>`,
			1000*e.active, e.active+e.dead+e.scheduled, e.active, e.dead, e.scheduled)
	}
	return `<entry xmlns="http://www.w3.org/2005/Atom"><title type="text">` + e.name + `</title><content type="application/xml"><` + e.kind +
		` xmlns="http://schemas.microsoft.com/netservices/2010/10/servicebus/connect" xmlns:i="http://www.w3.org/2001/XMLSchema-instance">` + fields + `</` + e.kind + `></content></entry>`
}

// Do implements policy.Transporter.
func (n *namespace) Do(r *http.Request) (*http.Response, error) {
	if n.before != nil {
		if response, err := n.before(r); response != nil || err != nil {
			return response, err
		}
	}
	path := strings.Trim(r.URL.Path, "/")
	if r.URL.Host != "contoso.servicebus.windows.net" || r.URL.Query().Get("api-version") == "" || r.Header.Get("Authorization") == "" {
		return answer(r, http.StatusUnauthorized, refusal("no token for "+r.URL.Host)), nil
	}
	if r.Method != http.MethodGet {
		n.calls = append(n.calls, r.Method+" "+path)
		defer func() {
			if n.after != nil {
				n.after(r.Method + " " + path)
			}
		}()
	}
	e, exists := n.entities[strings.ToLower(path)]
	parent, _, child := strings.Cut(path, "/Subscriptions/")
	switch {
	case r.Method == http.MethodGet && listed[path[strings.LastIndex(path, "/")+1:]] != "":
		kind := listed[path[strings.LastIndex(path, "/")+1:]]
		if topic, _, is := strings.Cut(path, "/"); is && topic != "$Resources" && n.at(topic) == nil {
			break
		}
		return answer(r, http.StatusOK, n.feed(strings.TrimPrefix(strings.ToLower(path)+"/", "$resources/queues/"), kind, r.URL.Query().Get("$top"), r.URL.Query().Get("$skip"))), nil
	case r.Method == http.MethodGet && exists:
		return answer(r, http.StatusOK, e.xml()), nil
	case r.Method == http.MethodGet && !child:
		return answer(r, http.StatusOK, `<feed xmlns="http://www.w3.org/2005/Atom"><title type="text">Publicly Listed Services</title></feed>`), nil
	case r.Method == http.MethodPut && exists && r.Header.Get("If-Match") == "":
		return answer(r, http.StatusConflict, refusal("the entity exists already")), nil
	case r.Method == http.MethodPut && (exists || r.Header.Get("If-Match") == "") && (!child || n.at(parent) != nil):
		return n.write(r, path, e), nil
	case r.Method == http.MethodDelete && exists:
		maps.DeleteFunc(n.entities, func(k string, _ *entity) bool { return strings.HasPrefix(k+"/", strings.ToLower(path)+"/") })
		return answer(r, http.StatusOK, ""), nil
	}
	return answer(r, http.StatusNotFound, refusal("no such entity")), nil
}

func (n *namespace) write(r *http.Request, path string, old *entity) *http.Response {
	raw, _ := io.ReadAll(r.Body)
	var entry struct {
		Content struct {
			Description struct {
				XMLName xml.Name
				Inner   []byte `xml:",innerxml"`
			} `xml:",any"`
		} `xml:"content"`
	}
	if err := xml.Unmarshal(raw, &entry); err != nil {
		return answer(r, http.StatusBadRequest, refusal(err.Error()))
	}
	fields := map[string]string{}
	for d := xml.NewDecoder(bytes.NewReader(entry.Content.Description.Inner)); ; {
		from := d.InputOffset()
		token, err := d.Token()
		if err != nil {
			break
		}
		if start, is := token.(xml.StartElement); is {
			_ = d.Skip() // it was well-formed above
			fields[start.Name.Local] = string(entry.Content.Description.Inner[from:d.InputOffset()])
		}
	}
	for _, f := range unchangeable {
		if old != nil && fields[f] != "" && fields[f] != old.fields[f] {
			return answer(r, http.StatusBadRequest, refusal("The value for the "+f+" property cannot be changed"))
		}
	}
	n.put(path, entry.Content.Description.XMLName.Local, fields)
	return answer(r, http.StatusCreated, n.at(path).xml())
}

// listed are the kinds of entities that can be listed, by the end of the address.
var listed = map[string]string{"Rules": "RuleDescription", "Subscriptions": "SubscriptionDescription", "Queues": "QueueDescription"}

func (n *namespace) feed(prefix, kind, top, skip string) string {
	var entries []string
	for _, path := range slices.Sorted(maps.Keys(n.entities)) {
		if strings.HasPrefix(path, prefix) && n.entities[path].kind == kind {
			entries = append(entries, n.entities[path].xml())
		}
	}
	from, _ := strconv.Atoi(skip)
	most, _ := strconv.Atoi(top)
	entries = entries[min(from, len(entries)):]
	return `<feed xmlns="http://www.w3.org/2005/Atom"><title type="text">List</title>` + strings.Join(entries[:min(most, len(entries))], "") + `</feed>`
}

func refusal(detail string) string {
	return "<Error><Code>0</Code><Detail>" + detail + "</Detail></Error>"
}

func answer(r *http.Request, status int, body string) *http.Response {
	w := httptest.NewRecorder()
	w.WriteHeader(status)
	_, _ = w.WriteString(body)
	response := w.Result()
	response.Request = r
	return response
}

// wanted has a lock duration that Azure spells otherwise, rules of every sort, and services of both topics.
func wanted() servicebus.Topology {
	return servicebus.NewTopology(
		bus.Consumer{Service: "validator", Filters: []string{"reprotect.command.>", "reprotect.event.*.*.registration.registered"}, AckWait: 90 * time.Second},
		bus.Consumer{Service: "notifier", Filters: []string{"reprotect.event.>"}, AckWait: time.Minute},
		bus.Consumer{Service: "journal", Filters: []string{">"}},
	)
}

// stands reads the topology's entities back, and every rule that their subscriptions have.
func (n *namespace) stands(t *testing.T, of servicebus.Topology) servicebus.Topology {
	t.Helper()
	field := func(e *entity, name string) string {
		return strings.TrimSuffix(strings.TrimPrefix(e.fields[name], "<"+name+">"), "</"+name+">")
	}
	receiving := func(e *entity) servicebus.Receiving {
		most, _ := strconv.Atoi(field(e, "MaxDeliveryCount"))
		return servicebus.Receiving{
			LockDuration: field(e, "LockDuration"), MaxDeliveryCount: most, TimeToLive: field(e, "DefaultMessageTimeToLive"),
			DeadLetterExpired: field(e, "DeadLetteringOnMessageExpiration") == "true",
		}
	}
	var is servicebus.Topology
	for _, topic := range of.Topics {
		e := n.at(topic.Name)
		made := servicebus.Topic{Name: e.name}
		if field(e, "RequiresDuplicateDetection") == "true" {
			made.DuplicateWindow = field(e, "DuplicateDetectionHistoryTimeWindow")
		}
		if size, err := strconv.ParseInt(field(e, "MaxSizeInMegabytes"), 10, 32); err == nil {
			made.MaxSize = int32(size)
		}
		for _, s := range topic.Subscriptions {
			path := topic.Name + "/Subscriptions/" + s.Name
			sub := servicebus.Subscription{Name: n.at(path).name, Receiving: receiving(n.at(path))}
			pager := n.client(t).NewListRulesPager(topic.Name, s.Name, &admin.ListRulesOptions{MaxPageSize: 2})
			for pager.More() {
				page, err := pager.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range page.Rules {
					rule := servicebus.Rule{Name: r.Name, Properties: map[string]string{}}
					f, is := r.Filter.(*admin.CorrelationFilter)
					if !is {
						rule.Label = fmt.Sprintf("%T", r.Filter)
						f = &admin.CorrelationFilter{}
					}
					if f.Subject != nil {
						rule.Label = *f.Subject
					}
					for k, v := range f.ApplicationProperties {
						rule.Properties[k] = fmt.Sprint(v)
					}
					sub.Rules = append(sub.Rules, rule)
				}
			}
			made.Subscriptions = append(made.Subscriptions, sub)
		}
		is.Topics = append(is.Topics, made)
	}
	for _, q := range of.Queues {
		made := servicebus.Queue{Name: n.at(q.Name).name, Receiving: receiving(n.at(q.Name)), RequiresSession: field(n.at(q.Name), "RequiresSession") == "true"}
		if field(n.at(q.Name), "RequiresDuplicateDetection") == "true" {
			made.DuplicateWindow = field(n.at(q.Name), "DuplicateDetectionHistoryTimeWindow")
		}
		is.Queues = append(is.Queues, made)
	}
	return is
}

// check holds the namespace to the topology, but for rules of others, which have "theirs" in their names.
func (n *namespace) check(t *testing.T, want servicebus.Topology) {
	t.Helper()
	for i, topic := range want.Topics {
		for j, s := range topic.Subscriptions {
			if len(s.Rules) == 0 {
				want.Topics[i].Subscriptions[j].Rules = []servicebus.Rule{{Name: "$Default", Label: "*admin.TrueFilter"}}
			}
		}
	}
	diff := cmp.Diff(want, n.stands(t, want), cmpopts.EquateEmpty(),
		cmpopts.SortSlices(func(a, b servicebus.Rule) bool { return a.Name < b.Name }),
		cmpopts.IgnoreSliceElements(func(r servicebus.Rule) bool { return strings.Contains(r.Name, "theirs") }),
		cmp.Transformer("canonical", func(r servicebus.Receiving) [4]string {
			return [4]string{canonical(r.LockDuration), r.TimeToLive, strconv.Itoa(r.MaxDeliveryCount), strconv.FormatBool(r.DeadLetterExpired)}
		}))
	if diff != "" {
		t.Errorf("the namespace (-wanted +is):\n%s", diff)
	}
	for name, want := range map[string]string{servicebus.TopicEvents: "true", servicebus.TopicCommands: "false", servicebus.TopicNotifications: "true"} {
		if got := n.at(name).fields["RequiresDuplicateDetection"]; !strings.Contains(got, want) {
			t.Errorf("%s: duplicate detection %s", name, got)
		}
	}
}

func TestProvisionFromNothing(t *testing.T) {
	n := newNamespace()
	if err := wanted().Provision(t.Context(), n.client(t)); err != nil {
		t.Fatal(err)
	}
	n.check(t, wanted())
	n.calls = nil
	if err := wanted().Provision(t.Context(), n.client(t)); err != nil {
		t.Fatal(err)
	}
	if err := wanted().AddMissing(t.Context(), n.client(t)); err != nil {
		t.Fatal(err)
	}
	if len(n.calls) > 0 {
		t.Errorf("the second time changes %v", n.calls)
	}
}

func TestProvisionRepairs(t *testing.T) {
	const sub, audit = "reprotect/Subscriptions/validator", "reprotect/Subscriptions/audit"
	const everything = `<Filter i:type="TrueFilter"/>`
	for name, spoil := range map[string]func(n *namespace){
		"lock":                  func(n *namespace) { n.at(sub).set("LockDuration", "PT5M") },
		"deliveries":            func(n *namespace) { n.at(sub).set("MaxDeliveryCount", "10") },
		"time to live":          func(n *namespace) { n.at(audit).set("DefaultMessageTimeToLive", "PT1H") },
		"expired":               func(n *namespace) { n.at("reprotect-wake-validator").set("DeadLetteringOnMessageExpiration", "false") },
		"size of a topic (F5a)": func(n *namespace) { n.at("reprotect").set("MaxSizeInMegabytes", "1024") },
		"window of a topic":     func(n *namespace) { n.at("reprotect").set("DuplicateDetectionHistoryTimeWindow", "PT10M") },
		"window of a queue": func(n *namespace) {
			n.at("reprotect-wake-validator").set("DuplicateDetectionHistoryTimeWindow", "PT10M")
		},
		"no subscription": func(n *namespace) { delete(n.entities, strings.ToLower(sub)) },
		"no queue":        func(n *namespace) { delete(n.entities, "reprotect-hold") },
		"no rule":         func(n *namespace) { delete(n.entities, strings.ToLower(sub+"/Rules/r02")) },
		"another rule": func(n *namespace) {
			n.rule(sub+"/Rules/r01", `<Filter i:type="CorrelationFilter"><Label>x</Label></Filter>`)
		},
		"a rule with more": func(n *namespace) {
			n.rule(sub+"/Rules/r01", `<Filter i:type="CorrelationFilter"><Label>reprotect.command.request</Label><To>x</To></Filter>`)
		},
		"a rule that acts": func(n *namespace) {
			n.at(sub + "/Rules/r01").fields["Action"] = `<Action i:type="SqlRuleAction"><SqlExpression>SET x = 1</SqlExpression></Action>`
		},
		"a rule of before": func(n *namespace) { n.rule(sub+"/Rules/r99", `<Filter i:type="FalseFilter"/>`) },
		"a mark of before": func(n *namespace) {
			n.rule("reprotect/Subscriptions/marks/Rules/completed", `<Filter i:type="FalseFilter"/>`)
		},
		"Azure's rule":    func(n *namespace) { n.rule(sub+"/Rules/$Default", everything) },
		"a run that died": func(n *namespace) { n.rule(sub+"/Rules/r00", everything) },
		"audit misses some": func(n *namespace) {
			n.rule(audit+"/Rules/$Default", `<Filter i:type="SqlFilter"><SqlExpression>a = 1</SqlExpression></Filter>`)
		},
		"audit has no rule": func(n *namespace) { delete(n.entities, strings.ToLower(audit+"/Rules/$Default")) },
		"nothing but the hold": func(n *namespace) {
			maps.DeleteFunc(n.entities, func(path string, _ *entity) bool { return path != "reprotect-hold" })
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNamespace()
			if err := wanted().Provision(t.Context(), n.client(t)); err != nil {
				t.Fatal(err)
			}
			n.calls = nil
			spoil(n)
			would, err := wanted().Differences(t.Context(), n.client(t))
			if err != nil || len(would) == 0 || len(n.calls) > 0 {
				t.Fatalf("would do %v, and did %v: %v", would, n.calls, err)
			}
			did, err := wanted().Update(t.Context(), n.client(t))
			if err != nil {
				t.Fatal(err)
			}
			n.check(t, wanted())
			if len(n.calls) == 0 {
				t.Error("nothing was done")
			}
			if diff := cmp.Diff(would, did); diff != "" {
				t.Errorf("-would +did:\n%s", diff)
			}
			if left, err := wanted().Differences(t.Context(), n.client(t)); err != nil || len(left) > 0 {
				t.Errorf("still different: %v, %v", left, err)
			}
		})
	}
}
