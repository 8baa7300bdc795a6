package events_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"reprotect.example/events"
)

const (
	bare       = `{"machines":[{"name":"web01"}]}`
	structured = `{"specversion":"1.0","id":"r7","source":"/ops","type":"io.reprotect.request.v1","data":` + bare + `}`
)

func headers(prefix string, more ...string) map[string]string {
	h := map[string]string{
		prefix + "specversion": "1.0", prefix + "id": "r7", prefix + "source": "/ops", prefix + "type": "io.reprotect.request.v1",
		"Content-Type": "application/json",
	}
	for i := 0; i < len(more); i += 2 {
		h[more[i]] = more[i+1]
	}
	return h
}

func TestParseCommandForms(t *testing.T) {
	t.Parallel()
	want := events.Request{Machines: []events.RequestMachine{{Name: "web01"}}}
	for name, c := range map[string]struct {
		raw     string
		headers map[string]string
		id      string
	}{
		"structured":                         {structured, nil, "r7"},
		"structured, named by content type":  {structured, map[string]string{"content-type": "application/cloudevents+json; charset=UTF-8"}, "r7"},
		"structured, data in base64":         {strings.Replace(structured, `"data":`+bare, `"data_base64":"eyJtYWNoaW5lcyI6W3sibmFtZSI6IndlYjAxIn1dfQ=="`, 1), nil, "r7"},
		"structured, unknown extension":      {strings.Replace(structured, `"id"`, `"partitionkey":"a","id"`, 1), nil, "r7"},
		"binary on NATS":                     {bare, headers("ce-"), "r7"},
		"binary on NATS, canonical headers":  {bare, headers("Ce-"), "r7"},
		"binary on Service Bus":              {bare, headers("cloudEvents:"), "r7"},
		"binary on Service Bus, JMS":         {bare, headers("cloudEvents_"), "r7"},
		"binary, same attribute given alike": {bare, headers("ce-", "cloudEvents:id", "r7"), "r7"},
		"binary, position is not for ops":    {bare, headers("ce-", "ce-position", "12"), "r7"},
		"structured, position is not either": {strings.Replace(structured, `"id"`, `"position":12,"id"`, 1), nil, "r7"},
		"bare":                               {bare, nil, "seq-41"},
		"bare with the broker's own headers": {" " + bare + "\n", map[string]string{"Nats-Msg-Id": "x"}, "seq-41"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := events.ParseCommand(events.TypeRequest, []byte(c.raw), c.headers, "seq-41")
			if err != nil {
				t.Fatal(err)
			}
			if e.ID != c.id || e.Type != events.TypeRequest.CloudType() || e.Position != 0 {
				t.Errorf("header %+v, want id %s", e.Header, c.id)
			}
			if diff := cmp.Diff(want, e.Data); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseCommandRefuses(t *testing.T) {
	t.Parallel()
	with := func(old, new string) string { return strings.Replace(structured, old, new, 1) }
	for name, c := range map[string]struct {
		raw     string
		headers map[string]string
		place   string
		code    string
		id      string
	}{
		"nothing":                       {"", nil, "", "event.not-json", "seq-41"},
		"not JSON":                      {"web01", nil, "", "event.not-json", "seq-41"},
		"half of it":                    {bare[:20], nil, "", "event.not-json", "seq-41"},
		"an array":                      {"[" + bare + "]", nil, "", "event.not-json", "seq-41"},
		"null":                          {"null", nil, "", "event.not-json", "seq-41"},
		"trailing garbage":              {bare + "x", nil, "", "event.not-json", "seq-41"},
		"two values":                    {bare + bare, nil, "", "event.not-json", "seq-41"},
		"300 KB":                        {`{"machines":[{"name":"web01"}],"reason":"` + strings.Repeat("x", 300<<10) + `"}`, nil, "", "event.too-large", "seq-41"},
		"300 KB, binary":                {`{"reason":"` + strings.Repeat("x", 300<<10) + `"}`, headers("ce-"), "", "event.too-large", "r7"},
		"unknown field, bare":           {`{"machines":[{"nmae":"x","name":"web01"}]}`, nil, "/data/machines/0/nmae", "event.invalid", "seq-41"},
		"unknown field, structured":     {with(`{"name"`, `{"nmae":"x","name"`), nil, "/data/machines/0/nmae", "event.invalid", "r7"},
		"unknown field, binary":         {`{"machines":[{"nmae":"x","name":"web01"}]}`, headers("ce-"), "/data/machines/0/nmae", "event.invalid", "r7"},
		"a field in capitals":           {`{"machines":[{"name":"web01"}],"Plan":"ERP"}`, nil, "/data/Plan", "event.invalid", "seq-41"},
		"place is escaped":              {`{"plan":"ERP","a/b~c":1}`, nil, "/data/a~1b~0c", "event.invalid", "seq-41"},
		"wrong type":                    {`{"machines":[{"name":1}]}`, nil, "/data/machines/0/name", "event.invalid", "seq-41"},
		"neither machines nor plan":     {`{"dryRun":true}`, nil, "/data", "event.invalid", "seq-41"},
		"field twice":                   {`{"plan":"ERP","machines":[{"name":"a"},{"name":"b","name":"c"}]}`, nil, "/data/machines/1/name", "event.duplicate", "seq-41"},
		"field twice, binary":           {`{"plan":"ERP","plan":"CRM"}`, headers("ce-"), "/data/plan", "event.duplicate", "r7"},
		"attribute twice":               {with(`"id":"r7"`, `"id":"r7","id":"r8"`), nil, "/id", "event.duplicate", "seq-41"},
		"attribute twice, by header":    {bare, headers("ce-", "CE-Source", "/other"), "/source", "event.duplicate", "r7"},
		"attribute in capitals":         {with(`"id":"r7"`, `"id":"r7","Source":"/other"`), nil, "/Source", "event.invalid", "r7"},
		"wrong specversion":             {with(`"1.0"`, `"0.3"`), nil, "/specversion", "event.specversion", "r7"},
		"wrong specversion, binary":     {bare, headers("ce-", "ce-specversion", "0.3"), "/specversion", "event.specversion", "r7"},
		"specversion is a number":       {with(`"1.0"`, `1.0`), nil, "/specversion", "event.invalid", "r7"},
		"no id":                         {with(`"id":"r7",`, ``), nil, "/id", "event.incomplete", "seq-41"},
		"no source":                     {with(`"source":"/ops",`, ``), nil, "/source", "event.incomplete", "r7"},
		"no type":                       {with(`"type":"io.reprotect.request.v1",`, ``), nil, "/type", "event.incomplete", "r7"},
		"type of another kind":          {with(`request.v1`, `cancel.v1`), nil, "/type", "event.type", "r7"},
		"type from the future":          {with(`request.v1`, `request.v2`), nil, "/type", "event.type", "r7"},
		"type of somebody else":         {with(`io.reprotect.request.v1`, `com.example.order`), nil, "/type", "event.type", "r7"},
		"schema of another kind":        {with(`"id"`, `"dataschema":"urn:reprotect:schema:cancel:v1","id"`), nil, "/dataschema", "event.dataschema", "r7"},
		"no data":                       {with(`,"data":`+bare, ``), nil, "", "event.invalid", "r7"},
		"data is null":                  {with(bare, `null`), nil, "/data", "event.invalid", "r7"},
		"data twice":                    {with(`"id"`, `"data_base64":"e30=","id"`), nil, "/data", "event.data", "r7"},
		"base64 of no JSON":             {with(`"data":`+bare, `"data_base64":"eHh4"`), nil, "/data_base64", "event.not-json", "r7"},
		"not base64":                    {with(`"data":`+bare, `"data_base64":"{}"`), nil, "/data_base64", "event.invalid", "r7"},
		"not JSON by its content type":  {with(`"id"`, `"datacontenttype":"application/xml","id"`), nil, "/datacontenttype", "event.content-type", "r7"},
		"time is no time":               {with(`"id":"r7"`, `"id":"r7","time":"today"`), nil, "/time", "event.invalid", "r7"},
		"time is no time, binary":       {bare, headers("ce-", "ce-time", "today"), "/time", "event.invalid", "r7"},
		"site is no token of a subject": {with(`"id":"r7"`, `"id":"r7","site":"tokyo.*"`), nil, "/site", "event.invalid", "r7"},
		"extension with parts":          {with(`"id":"r7"`, `"id":"r7","partitionkey":["a"]`), nil, "/partitionkey", "event.invalid", "r7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := events.ParseCommand(events.TypeRequest, []byte(c.raw), c.headers, "seq-41")
			wantInvalid(t, name, err, c.place)
			if invalid := new(events.Invalid); errors.As(err, &invalid) && invalid.Problems[0].Code != c.code {
				t.Errorf("code %s, want %s", invalid.Problems[0].Code, c.code)
			}
			if err != nil && strings.Contains(err.Error(), "Go ") {
				t.Errorf("%v speaks of Go to people who wrote JSON", err)
			}
			if e.ID != c.id {
				t.Errorf("id %q, want %q: the refusal is to name the request", e.ID, c.id)
			}
		})
	}
}

func TestParseCommandBareExamples(t *testing.T) {
	t.Parallel()
	for name, raw := range examples(t, "request.bare.ok*.json") {
		if e, err := events.ParseCommand(events.TypeRequest, raw, nil, "seq-41"); err != nil || e.ID != "seq-41" {
			t.Errorf("%s: id %q, %v", name, e.ID, err)
		}
	}
}

func TestDecodeIsStrict(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ raw, place string }{
		"type of another kind": {strings.Replace(structured, "request.v1", "cancel.v1", 1), "/type"},
		"schema of another":    {strings.Replace(structured, `"id"`, `"dataschema":"urn:x","id"`, 1), "/dataschema"},
		"unknown field":        {strings.Replace(structured, `{"name"`, `{"nmae":"x","name"`, 1), "/data/machines/0/nmae"},
		"no data":              {strings.Replace(structured, `,"data":`+bare, ``, 1), "/data"},
		"too large":            {structured + strings.Repeat(" ", events.MaxSize), ""},
	} {
		_, err := events.Decode(events.TypeRequest, []byte(c.raw))
		wantInvalid(t, name, err, c.place)
	}
	_, err := events.Read([]byte(strings.Replace(structured, "request.v1", "request.v2", 1)))
	wantInvalid(t, "Read, type from the future", err, "/type")
}

func TestToken(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 60)
	for word, c := range map[string]struct {
		prefix string
		kept   bool
	}{
		"r7-web01":       {"r7-web01", true},
		"a":              {"a", true},
		long[:48]:        {long[:48], true},
		long[:49]:        {long[:39] + "-", false},
		"":               {"", false},
		"Web01":          {"web01-", false},
		"web.01":         {"web-01-", false},
		"a--b":           {"a-b-", false},
		"-a-":            {"a-", false},
		"CHG 0012345/>*": {"chg-0012345-", false},
		"注文":             {"", false},
		"***":            {"", false},
	} {
		got := events.Token(word)
		if !strings.HasPrefix(got, c.prefix) || (got == word) != c.kept {
			t.Errorf("Token(%q) = %q, want %s…, kept as it is: %v", word, got, c.prefix, c.kept)
		}
	}
}

func TestTokenIsSafeAndTellsWordsApart(t *testing.T) {
	t.Parallel()
	words := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-zA-Z0-9 ._-]{0,60}`), rapid.StringMatching(`(Web|web|WEB)[ ._-]?0?1`))
	safe := func(token string) bool {
		return len(token) >= 1 && len(token) <= 48 && strings.Trim(token, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := words.Draw(t, "a"), words.Draw(t, "b")
		ta, tb := events.Token(a), events.Token(b)
		if !safe(ta) {
			t.Fatalf("Token(%q) = %q is not safe in a subject", a, ta)
		}
		if a != b && ta == tb {
			t.Fatalf("%q and %q both become %q", a, b, ta)
		}
		if again := events.Token(ta); again != ta {
			t.Fatalf("a token does not stay: %q becomes %q", ta, again)
		}
	})
}
