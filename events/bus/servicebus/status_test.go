package servicebus_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/go-cmp/cmp"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/servicebus"
)

// What others have in the namespace stays, and so do settings that the topology does not name.
func TestProvisionKeepsWhatIsNotOurs(t *testing.T) {
	n := newNamespace()
	if err := wanted().Provision(t.Context(), n.client(t)); err != nil {
		t.Fatal(err)
	}
	n.put("theirs", "TopicDescription", nil)
	n.put("their-queue", "QueueDescription", nil)
	n.put("reprotect/Subscriptions/theirs", "SubscriptionDescription", nil)
	n.rule("reprotect/Subscriptions/validator/Rules/theirs", `<Filter i:type="FalseFilter"/>`)
	n.at("reprotect").set("UserMetadata", "cost centre 7")
	n.at("reprotect/Subscriptions/validator").set("UserMetadata", "cost centre 8")
	n.at("reprotect").set("DuplicateDetectionHistoryTimeWindow", "PT10M")
	n.at("reprotect/Subscriptions/validator").set("LockDuration", "PT5M")
	before := slices.Sorted(maps.Keys(n.entities))
	if err := wanted().Provision(t.Context(), n.client(t)); err != nil {
		t.Fatal(err)
	}
	n.check(t, wanted())
	if diff := cmp.Diff(before, slices.Sorted(maps.Keys(n.entities))); diff != "" {
		t.Error(diff)
	}
	if a, b := n.at("reprotect").fields["UserMetadata"], n.at("reprotect/Subscriptions/validator").fields["UserMetadata"]; !strings.Contains(a, "7") || !strings.Contains(b, "8") {
		t.Errorf("metadata %q and %q", a, b)
	}
}

// Two rules swap their filters, a third appears, a fourth is no longer wanted: at no time does what passed before and
// is to pass afterwards find no rule.
func TestRulesLeaveNoGap(t *testing.T) {
	topology := func(labels ...string) servicebus.Topology {
		s := servicebus.Subscription{Name: "s", Receiving: servicebus.Receiving{LockDuration: "PT1M", MaxDeliveryCount: 10, TimeToLive: "P14D"}}
		for i, label := range labels {
			s.Rules = append(s.Rules, servicebus.Rule{Name: "r0" + string(rune('1'+i)), Label: label})
		}
		return servicebus.Topology{Topics: []servicebus.Topic{{Name: "t", DuplicateWindow: "P7D", Subscriptions: []servicebus.Subscription{s}}}}
	}
	for name, tt := range map[string]struct{ before, after, keeps []string }{
		"at first":  {nil, []string{"a", "b"}, []string{"a", "b"}}, // from Azure's own rule, which takes everything
		"swap":      {[]string{"a", "b"}, []string{"b", "a"}, []string{"a", "b"}},
		"rotate":    {[]string{"a", "b", "c"}, []string{"c", "a", "d", "b"}, []string{"a", "b", "c"}},
		"fewer":     {[]string{"a", "b", "c"}, []string{"c"}, []string{"c"}},
		"no longer": {[]string{"a", "b"}, nil, []string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNamespace()
			if err := topology(tt.before...).Provision(t.Context(), n.client(t)); err != nil {
				t.Fatal(err)
			}
			n.after = func(call string) {
				var filters []string
				for path, e := range n.entities {
					if strings.HasPrefix(path, "t/subscriptions/s/rules/") {
						filters = append(filters, e.fields["Filter"])
					}
				}
				for _, label := range tt.keeps {
					if !slices.ContainsFunc(filters, func(f string) bool {
						return strings.Contains(f, "TrueFilter") || strings.Contains(f, "<Label>"+label+"</Label>")
					}) {
						t.Errorf("after %s nothing takes %s: %v", call, label, filters)
					}
				}
			}
			if err := topology(tt.after...).Provision(t.Context(), n.client(t)); err != nil {
				t.Fatal(err)
			}
			if len(n.calls) == 0 {
				t.Error("nothing was done")
			}
			var rules []string
			for path := range n.entities {
				if rule, is := strings.CutPrefix(path, "t/subscriptions/s/rules/"); is {
					rules = append(rules, rule)
				}
			}
			if want := max(1, len(tt.after)); len(rules) != want || len(tt.after) > 0 == slices.Contains(rules, "$default") {
				t.Errorf("rules in the end: %v", rules)
			}
		})
	}
}

func TestWhatAzureCannotChange(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(*namespace)
		says  string
	}{
		"topic without duplicate detection": {
			func(n *namespace) { n.put("reprotect", "TopicDescription", nil) },
			"topic reprotect: duplicate detection must be on, is off, and Azure cannot change it: delete the topic",
		},
		"commands with duplicate detection, F9": {
			func(n *namespace) { n.at("reprotect-commands").set("RequiresDuplicateDetection", "true") },
			"topic reprotect-commands: duplicate detection must be off, is on, and Azure cannot change it: delete the topic",
		},
		"partitioned topic": {
			func(n *namespace) { n.at("reprotect").set("EnablePartitioning", "true") },
			"topic reprotect: partitioning must be off, is on, and Azure cannot change it: delete the topic",
		},
		"wake queue without": {
			func(n *namespace) { n.put("reprotect-wake-journal", "QueueDescription", nil) },
			"queue reprotect-wake-journal: duplicate detection must be on",
		},
		"hold queue with": {
			func(n *namespace) { n.at("reprotect-hold").set("RequiresDuplicateDetection", "true") },
			"queue reprotect-hold: duplicate detection must be off",
		},
		"hold queue without sessions": {
			func(n *namespace) { n.at("reprotect-hold").set("RequiresSession", "false") },
			"queue reprotect-hold: sessions must be on",
		},
		"subscription with sessions": {
			func(n *namespace) { n.at("reprotect/Subscriptions/validator").set("RequiresSession", "true") },
			"subscription validator of topic reprotect: sessions must be off",
		},
		"a queue of a topic's name": {
			func(n *namespace) { n.put("reprotect-notifications", "QueueDescription", nil) },
			"topic reprotect-notifications: something else has this name, and it must be a topic",
		},
		"a topic of a queue's name": {
			func(n *namespace) { n.put("reprotect-hold", "TopicDescription", nil) },
			"queue reprotect-hold: something else has this name, and it must be a queue",
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNamespace()
			if err := wanted().Provision(t.Context(), n.client(t)); err != nil {
				t.Fatal(err)
			}
			n.calls = nil
			n.at("reprotect/Subscriptions/audit").set("LockDuration", "PT5M") // which could be changed
			tt.spoil(n)
			err := wanted().Provision(t.Context(), n.client(t))
			if err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "reprotect bus setup") {
				t.Errorf("%v\nwant: %s", err, tt.says)
			}
			if len(n.calls) > 0 {
				t.Errorf("changed all the same: %v", n.calls)
			}
		})
	}
}

func TestAddMissing(t *testing.T) {
	n := newNamespace()
	n.put("reprotect", "TopicDescription", map[string]string{"RequiresDuplicateDetection": element("RequiresDuplicateDetection", "true")})
	n.put("reprotect/Subscriptions/validator", "SubscriptionDescription", nil)
	if err := wanted().AddMissing(t.Context(), n.client(t)); err != nil {
		t.Fatal(err)
	}
	for _, call := range n.calls {
		if call == "PUT reprotect" || strings.Contains(call, "reprotect/Subscriptions/validator") {
			t.Errorf("what was there is touched: %s", call)
		}
	}
	if err := wanted().Provision(t.Context(), n.client(t)); err != nil {
		t.Fatal(err)
	}
	n.check(t, wanted())
}

// Two programs make the same entity at once: who comes second finds it, with what the first one wanted.
func TestMadeBySomebodyElseMeanwhile(t *testing.T) {
	for name, tt := range map[string]struct {
		theirs map[string]string
		says   string
	}{
		"as we would":  {map[string]string{"RequiresDuplicateDetection": element("RequiresDuplicateDetection", "true")}, ""},
		"as we cannot": {nil, "duplicate detection must be on"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNamespace()
			n.before = func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPut && r.URL.Path == "/reprotect" && n.at("reprotect") == nil {
					n.put("reprotect", "TopicDescription", tt.theirs)
				}
				return nil, nil
			}
			err := wanted().Provision(t.Context(), n.client(t))
			switch {
			case tt.says == "" && err == nil:
				n.check(t, wanted())
			case tt.says == "" || err == nil || !strings.Contains(err.Error(), tt.says):
				t.Errorf("%v, want %q", err, tt.says)
			}
		})
	}
}

type credential struct{ err error }

func (c credential) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "token", ExpiresOn: time.Now().Add(time.Hour)}, c.err
}

type noLogin struct{ error }

func (noLogin) NonRetriable() {}

func TestNewAdmin(t *testing.T) {
	const contoso = "contoso.servicebus.windows.net"
	for name, tt := range map[string]struct {
		connection, namespace string
		credential            azcore.TokenCredential
		says                  string
	}{
		"connection string":     {connection: anyKey},
		"its signature":         {connection: "Endpoint=sb://contoso.servicebus.windows.net;SharedAccessSignature=SharedAccessSignature sr=x&sig=y&se=1&skn=z"},
		"credential":            {namespace: contoso, credential: credential{}},
		"stand-in":              {connection: anyKey + ";UseDevelopmentEmulator=true", says: "stand-in"},
		"stand-in, oddly":       {connection: anyKey + ";usedevelopmentemulator=secret-key", says: "stand-in"},
		"not a stand-in":        {connection: anyKey + ";UseDevelopmentEmulator=false"},
		"no connection string":  {connection: "secret-key", says: "shared access policies"},
		"half of one":           {connection: "Endpoint=sb://secret-key:x;SharedAccessKey=secret-key", says: "shared access policies"},
		"nothing":               {says: "needs a connection string"},
		"no credential":         {namespace: contoso, says: "needs a connection string"},
		"an address":            {namespace: "https://" + contoso + "/", credential: credential{}, says: "host name"},
		"somebody in the name":  {namespace: "user:pass@" + contoso, credential: credential{}, says: "host name"},
		"all of it":             {namespace: anyKey, credential: credential{}, says: "host name"},
		"a path behind it":      {namespace: contoso + "/reprotect", credential: credential{}, says: "host name"},
		"connection string won": {connection: anyKey, namespace: "elsewhere.example", credential: credential{}},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNamespace()
			c, err := servicebus.NewAdmin(tt.connection, tt.namespace, tt.credential, n.options())
			switch {
			case err == nil && tt.says == "":
				if err := wanted().AddMissing(t.Context(), c); err != nil {
					t.Error(err)
				}
			case err == nil || tt.says == "" || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "secret-key") || strings.Contains(err.Error(), "c2Vj"):
				t.Errorf("%v, want %q", err, tt.says)
			}
			if errors.Is(err, servicebus.ErrStandIn) != (tt.says == "stand-in") {
				t.Errorf("is it a stand-in: %v", err)
			}
		})
	}
	if _, err := servicebus.NewAdmin(anyKey, "", nil, nil); err != nil {
		t.Error(err)
	}
}

func TestErrorsOfTheAdministration(t *testing.T) {
	always := func(status int, detail string) func(*http.Request) (*http.Response, error) {
		return func(r *http.Request) (*http.Response, error) { return answer(r, status, refusal(detail)), nil }
	}
	down := errors.New("dial tcp: no route to host")
	for name, tt := range map[string]struct {
		before       func(*http.Request) (*http.Response, error)
		login        error
		notPermitted bool
		says         string
	}{
		"no right":     {before: always(401, "Manage,EntityRead claims\n required"), notPermitted: true, says: "Azure Service Bus Data Owner on the namespace (HTTP 401: Manage,EntityRead claims required)"},
		"forbidden":    {before: always(403, "ip"), notPermitted: true, says: "the right Manage"},
		"busy":         {before: always(429, "slow down"), says: "busy: run it again in a minute (HTTP 429: slow down)"},
		"away":         {before: always(503, ""), says: "busy"},
		"refused":      {before: always(400, "SubCode=40000. Basic tier"), says: "refuses (HTTP 400: SubCode=40000. Basic tier)"},
		"conflict":     {before: always(409, "another operation"), says: "somebody else changes it"},
		"unreachable":  {before: func(*http.Request) (*http.Response, error) { return nil, down }, says: "Service Bus not reached: "},
		"no login":     {login: noLogin{errors.New("az login")}, notPermitted: true, says: "no login to Azure: az login"},
		"cannot write": {before: writing(always(401, "Manage claims")), notPermitted: true, says: "topic reprotect: not permitted by the bus"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNamespace()
			n.before = tt.before
			c, err := servicebus.NewAdmin("", "contoso.servicebus.windows.net", credential{tt.login}, n.options())
			if err != nil {
				t.Fatal(err)
			}
			_, counted := servicebus.Status(t.Context(), c)
			for entity, err := range map[string]error{
				"topic reprotect: ":         wanted().Provision(t.Context(), c),
				"bus: topic reprotect: ":    wanted().AddMissing(t.Context(), c),
				"queues reprotect-wake-…: ": counted,
			} {
				says, notPermitted := tt.says, tt.notPermitted
				if name == "cannot write" && entity[0] == 'q' { // counting only reads
					says, notPermitted = "reprotect bus setup", false
				}
				if err == nil || !strings.Contains(err.Error(), entity) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%v\nwant: %s%s", err, entity, says)
				}
				if errors.Is(err, bus.ErrNotPermitted) != notPermitted {
					t.Errorf("not permitted, wrongly or not: %v", err)
				}
			}
		})
	}
}

// writing lets reading through.
func writing(do func(*http.Request) (*http.Response, error)) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodGet {
			return nil, nil
		}
		return do(r)
	}
}

func TestBusyForAMoment(t *testing.T) {
	n := newNamespace()
	turn := 0
	n.before = func(r *http.Request) (*http.Response, error) {
		if turn++; turn%3 > 0 {
			return answer(r, []int{0, 429, 503}[turn%3], refusal("slow down")), nil
		}
		return nil, nil
	}
	if err := wanted().Provision(t.Context(), n.client(t)); err != nil {
		t.Fatal(err)
	}
	n.before = nil
	n.check(t, wanted())
}

func TestProvisionEndsWithItsContext(t *testing.T) {
	n := newNamespace()
	ctx, cancel := context.WithCancel(t.Context())
	n.after = func(string) { cancel() }
	n.before = func(r *http.Request) (*http.Response, error) { return nil, r.Context().Err() }
	if err := wanted().Provision(ctx, n.client(t)); !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "reached") {
		t.Error(err)
	}
	if len(n.calls) != 1 {
		t.Errorf("went on: %v", n.calls)
	}
}

func TestStatus(t *testing.T) {
	n := newNamespace()
	if _, err := servicebus.Status(t.Context(), n.client(t)); !errors.Is(err, bus.ErrMissing) {
		t.Errorf("of an empty namespace: %v", err)
	}
	tokyo := servicebus.NewTopology(bus.Consumer{Service: "executor-tokyo", Filters: []string{"reprotect.event.tokyo.*.registration.registered"}})
	for _, topology := range []servicebus.Topology{wanted(), tokyo} {
		if err := topology.Provision(t.Context(), n.client(t)); err != nil {
			t.Fatal(err)
		}
	}
	n.put("their-queue", "QueueDescription", nil)
	n.put("reprotect/Subscriptions/theirs", "SubscriptionDescription", nil)
	for path, e := range map[string]entity{
		"reprotect":                                     {active: 7},
		"reprotect/Subscriptions/audit":                 {active: 40, dead: 1},
		"reprotect/Subscriptions/marks":                 {active: 500},
		"reprotect/Subscriptions/validator":             {active: 3, dead: 2},
		"reprotect/Subscriptions/journal":               {active: 4, dead: 1},
		"reprotect-notifications/Subscriptions/audit":   {active: 2},
		"reprotect-notifications/Subscriptions/journal": {active: 5},
		"reprotect-wake-validator":                      {active: 1, scheduled: 10, dead: 4},
		"reprotect/Subscriptions/executor-tokyo":        {active: 1, dead: 1},
		"reprotect-wake-executor-tokyo":                 {scheduled: 5},
		"reprotect/Subscriptions/theirs":                {active: 600},
		"their-queue":                                   {active: 800},
		"reprotect-hold":                                {active: 900},
	} {
		at := n.at(path)
		at.active, at.dead, at.scheduled = e.active, e.dead, e.scheduled
	}
	n.calls = nil
	got, err := servicebus.Status(t.Context(), n.client(t))
	if err != nil {
		t.Fatal(err)
	}
	want := servicebus.State{
		Services: []servicebus.ServiceState{
			{Service: "executor-tokyo", Pending: 1, Dead: 1, Waiting: 5},
			{Service: "journal", Pending: 9, Dead: 1},
			{Service: "notifier"},
			{Service: "validator", Pending: 3, Dead: 6, Waiting: 11},
		},
		Pending: 13, Dead: 8, Waiting: 16, Messages: 42, Bytes: 7000,
		Topics: []servicebus.Room{{Name: "reprotect", Bytes: 7000, Limit: 5120 << 20}, {Name: "reprotect-commands", Limit: 5120 << 20}, {Name: "reprotect-notifications", Limit: 5120 << 20}}, // F5b
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	services, err := servicebus.Services(t.Context(), n.client(t))
	if want := []string{"executor-tokyo", "journal", "notifier", "validator"}; err != nil || !slices.Equal(services, want) {
		t.Errorf("services %v, %v", services, err)
	}
	if len(n.calls) > 0 {
		t.Errorf("counting changes %v", n.calls)
	}
	delete(n.entities, "reprotect/subscriptions/executor-tokyo")
	if _, err := servicebus.Status(t.Context(), n.client(t)); !errors.Is(err, bus.ErrMissing) || !strings.Contains(err.Error(), "executor-tokyo") {
		t.Errorf("of a service without subscription: %v", err)
	}
}
