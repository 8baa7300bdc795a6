package sbpeer

import (
	"testing"
	"time"
)

// ask sends a request as a client with these rights would, and gives the answer.
func ask(t *testing.T, p *Peer, rights Rights, node, operation string, body any) *content {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	c := newConn(p, nil)
	c.grants = []grant{{rights: rights}}
	n, reason := p.resolve(node)
	if reason != nil {
		t.Fatal(reason)
	}
	b := encode(composite(nil, sectionProperties, "id"), described{uint64(sectionApplication), dict{{"operation", operation}}})
	request, err := parseMessage(encode(b, described{uint64(sectionValue), body}))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := parseMessage(n.handle(c, n, request))
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestManagementRefuses(t *testing.T) {
	p := newPeer(t)
	const ms = "com.microsoft:"
	numbers := dict{{"sequence-numbers", array{of: codeLong, items: []any{int64(99)}}}}
	for name, tt := range map[string]struct {
		node, operation string
		rights          Rights
		body            any
		status          int32
	}{
		"an unknown operation":        {"queue/$management", ms + "destroy", Manage, dict{}, 400},
		"an operation of others":      {"queue/$management", "peek-message", Manage, dict{}, 400},
		"a body that is no map":       {"queue/$management", ms + "peek-message", Manage, "x", 400},
		"without the right":           {"queue/$management", ms + "peek-message", Send, dict{}, 401},
		"without the right to send":   {"queue/$management", ms + "schedule-message", Listen, dict{}, 401},
		"peek at a topic":             {"topic/$management", ms + "peek-message", Manage, dict{}, 400},
		"schedule a dead letter":      {"queue/$deadletterqueue/$management", ms + "schedule-message", Manage, dict{}, 400},
		"peek nowhere":                {"queue/$management", ms + "peek-message", Manage, dict{}, 400},
		"schedule nothing":            {"queue/$management", ms + "schedule-message", Manage, dict{}, 400},
		"schedule no message":         {"queue/$management", ms + "schedule-message", Manage, dict{{"messages", []any{dict{}}}}, 400},
		"schedule nonsense":           {"queue/$management", ms + "schedule-message", Manage, dict{{"messages", []any{dict{{"message", []byte("x")}}}}}, 400},
		"schedule for no time":        {"queue/$management", ms + "schedule-message", Manage, dict{{"messages", []any{dict{{"message", body("1")}}}}}, 400},
		"schedule too much":           {"queue/$management", ms + "schedule-message", Manage, dict{{"messages", []any{dict{{"message", make([]byte, 5000)}}}}}, 400},
		"cancel what is not there":    {"queue/$management", ms + "cancel-scheduled-message", Manage, numbers, 404},
		"cancel nothing":              {"queue/$management", ms + "cancel-scheduled-message", Manage, dict{}, 400},
		"cancel no numbers":           {"queue/$management", ms + "cancel-scheduled-message", Manage, dict{{"sequence-numbers", []any{"1"}}}, 400},
		"receive what is not there":   {"queue/$management", ms + "receive-by-sequence-number", Manage, numbers, 404},
		"receive nothing":             {"queue/$management", ms + "receive-by-sequence-number", Manage, dict{}, 400},
		"renew nothing":               {"queue/$management", ms + "renew-lock", Manage, dict{}, 410},
		"settle nothing":              {"queue/$management", ms + "update-disposition", Manage, dict{{"disposition-status", "completed"}}, 410},
		"settle somehow":              {"queue/$management", ms + "update-disposition", Manage, dict{{"disposition-status", "done"}}, 400},
		"renew no session":            {"queue/$management", ms + "renew-session-lock", Manage, dict{{"session-id", "s"}}, 410},
		"the state of no session":     {"queue/$management", ms + "get-session-state", Manage, dict{{"session-id", "s"}}, 410},
		"set the state of no session": {"queue/$management", ms + "set-session-state", Manage, dict{}, 410},
		"a token of no kind":          {"$cbs", "put-token", 0, "token", 401},
		"another request for tokens":  {"$cbs", "get-token", 0, "token", 400},
	} {
		answer := ask(t, p, tt.rights, tt.node, tt.operation, tt.body)
		if got := answer.application.get("statusCode"); got != tt.status || answer.application.get("errorCondition") == nil || answer.fields[propCorrelationID] != "id" {
			t.Errorf("%s: %v, want %d", name, answer.application, tt.status)
		}
	}
}

func TestFilterFits(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	c, err := parseMessage(encode(composite(nil, sectionProperties, uuid{0xab}, nil, "to", "subject", "reply", "correlation", symbol("json"), nil, nil, nil, "session"),
		described{uint64(sectionApplication), dict{{"s", "x"}, {"n", int16(4)}, {"b", true}, {"f", 1.5}, {"t", now}, {"raw", []byte("x")}}}))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		f    Filter
		want bool
	}{
		"nothing":       {Filter{}, true},
		"every field":   {Filter{MessageID: "ab000000-0000-0000-0000-000000000000", To: "to", Subject: "subject", ReplyTo: "reply", CorrelationID: "correlation", ContentType: "json", SessionID: "session"}, true},
		"one differs":   {Filter{To: "to", Subject: "other"}, false},
		"missing field": {Filter{ReplyToSessionID: "x"}, false},
		"properties":    {Filter{Properties: map[string]any{"s": "x", "n": 4, "b": true, "f": 1.5, "t": now}}, true},
		"other number":  {Filter{Properties: map[string]any{"n": uint64(5)}}, false},
		"other type":    {Filter{Properties: map[string]any{"s": 4}}, false},
		"other text":    {Filter{Properties: map[string]any{"s": "y"}}, false},
		"missing":       {Filter{Properties: map[string]any{"z": "x"}}, false},
		"binary":        {Filter{Properties: map[string]any{"raw": []byte("x")}}, false},
	} {
		if got := tt.f.fits(c); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestTokensDiffer demands that lock tokens are unique, and that their order of bytes can be told.
func TestTokensDiffer(t *testing.T) {
	p := New(Options{})
	seen := map[uuid]bool{}
	for range 100_000 {
		u := p.token()
		if seen[u] || u.swapped().swapped() != u {
			t.Fatalf("token %x", u)
		}
		seen[u] = true
	}
}
