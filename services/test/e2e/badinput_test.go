package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"reprotect.example/events"
)

const requests = events.SubjectCommands + ".request"

// envelope is a structured event that asks for web01; change replaces a part of it by another.
func envelope(id string, change ...string) string {
	return strings.NewReplacer(append(change, "ID", id)...).Replace(
		`{"specversion": "1.0", "id": "ID", "source": "/tests", "type": "io.reprotect.request.v1", "data": {"machines": [{"name": "web01"}]}}`)
}

func TestBadRequestsAreRefused(t *testing.T) {
	w := start(t, modernized("web01"), classic("web02"))
	w.serve(w.config)
	for _, tc := range []struct {
		name, subject, body string
		code, place, says   string // place "": the message as a whole
	}{
		{"not JSON", requests, `machines: web01`, "event.not-json", "", "not JSON"},
		{"cut off", requests, `{"machines": [{"name": "web01"}`, "event.not-json", "", "not JSON"},
		{"nothing", requests, ``, "event.not-json", "", "not JSON"},
		{"an array", requests, `[{"name": "web01"}]`, "event.not-json", "", "object"},
		{"unknown field", requests, `{"machines": [{"name": "web01"}], "datastor": "VMFS-01"}`, "event.invalid", "/data/datastor", "not known"},
		{"unknown field of a machine", requests, `{"machines": [{"name": "web01"}, {"name": "web02", "host": "esx01"}]}`, "event.invalid", "/data/machines/1/host", "not known"},
		{"field twice", requests, `{"machines": [{"name": "web01"}], "dryRun": true, "dryRun": false}`, "event.duplicate", "/data/dryRun", "twice"},
		{"wrong type", requests, `{"machines": [{"name": 1}]}`, "event.invalid", "/data/machines/0/name", "string"},
		{"wrong type of the whole", requests, `{"machines": "web01"}`, "event.invalid", "/data/machines", "array"},
		{"no machines", requests, `{"machines": []}`, "event.invalid", "/data/machines", ""},
		{"neither machines nor plan", requests, `{"reason": "CHG0012345"}`, "event.invalid", "/data", "machines, plan"},
		{"300 KB", requests, `{"machines": [{"name": "web01"}], "reason": "` + strings.Repeat("x", 300<<10) + `"}`, "event.too-large", "", "limit"},
		{"wrong specversion", requests, envelope("past", `"1.0"`, `"0.3"`), "event.specversion", "/specversion", "0.3"},
		{"no data", requests, envelope("empty", `, "data": {"machines": [{"name": "web01"}]}`, ``), "event.invalid", "", "data"},
		{"a type from the future", requests, envelope("future", `request.v1`, `request.v2`), "event.type", "/type", "io.reprotect.request.v2"},
		{"another kind of event", requests, envelope("other", `request.v1`, `completed.v1`), "event.type", "/type", "io.reprotect.completed.v1"},
		{"unknown site", requests, `{"site": "osaka", "machines": [{"name": "web01"}]}`, "site.unknown", "/data/site", "osaka"},
		{"unknown machine", requests, `{"machines": [{"name": "web01"}, {"name": "web99"}]}`, "machine.unknown", "/data/machines/1/name", "web99"},
		{"the same machine twice", requests, `{"machines": [{"name": "web01"}, {"name": "WEB01"}]}`, "machine.twice", "/data/machines/1/name", "same machine"},
		{"unknown plan", requests, `{"plan": "ERP"}`, "plan.unknown", "/data/plan", "ERP"},
		{"unknown command", events.SubjectCommands + ".reboot", `{"machines": [{"name": "web01"}]}`, "command.unknown", "", "reprotect.command.reboot"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w.t = t
			sequence := w.publish(tc.subject, "", tc.body)
			id := fmt.Sprintf("r%d", sequence) // what came bare is named by its place in the log
			var structured struct{ ID string }
			if json.Unmarshal([]byte(tc.body), &structured) == nil && structured.ID != "" {
				id = structured.ID
			}
			refused := await(w, events.TypeRefused, events.Token(id))
			problem := refused.Data.Problems[0]
			if problem.Code != tc.code || problem.Place != tc.place || !strings.Contains(problem.Message, tc.says) {
				t.Errorf("refused with %+v, want %s at %q saying %q", problem, tc.code, tc.place, tc.says)
			}
			if problem.Remedy == "" {
				t.Errorf("refused without a remedy: %+v", problem)
			}
			if want := tc.body[:min(len(tc.body), 100)]; refused.Data.Original != "" && !strings.HasPrefix(refused.Data.Original, want) {
				t.Errorf("the original is %.100q, want %.100q", refused.Data.Original, want)
			}
			w.told(refused.Header, events.LevelWarning, "Request refused")
		})
	}
	w.t = t

	unknown := await(w, events.TypeRefused, "", func(r events.Refused) bool { return r.Problems[0].Code == "machine.unknown" })
	if remedy := unknown.Data.Problems[0].Remedy; !strings.Contains(remedy, "web01") || !strings.Contains(remedy, "web02") {
		t.Errorf("names that are alike are not suggested: %s", remedy)
	}
	w.submissions("web01", 0)
	w.completes(w.request("good", "", "web01"))
	w.submissions("web01", 1)
}

// Facts are the services' own. One that was forged or mangled starts nothing and holds nobody up.
func TestBadFactsAreBuried(t *testing.T) {
	w := start(t, modernized("web01"))
	stop := w.serve(w.config, "validator", "datastore")
	placed := await(w, events.TypePlaced, w.request("real", "", "web01"))
	raw, err := events.Encode(placed.Event)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	w.serve(w.config)

	forged := func(site, caseID, step, name string) string { return events.FactSubject(site, caseID, step, name) }
	for _, tc := range []struct{ name, subject, body, says string }{
		{"another case", forged(site, "other", "placement", "placed"), string(raw), "stands on"},
		{"another site", forged("osaka", placed.Case, "placement", "placed"), string(raw), "stands on"},
		{"another step", forged(site, "other", "registration", "registered"), string(raw), "/type"},
		{"not JSON", forged(site, "mangled", "placement", "placed"), "placed!", "not JSON"},
		{"a type from the future", forged(site, "future", "placement", "placed"), strings.ReplaceAll(string(raw), "placed.v1", "placed.v2"), "placed.v2"},
		{"unknown field", forged(site, placed.Case, "placement", "placed"), strings.Replace(string(raw), `"data":{`, `"data":{"surprise":1,`, 1), "surprise"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w.t = t
			sequence := w.publish(tc.subject, "", tc.body)
			w.foreign[sequence] = true
			dead := await(w, events.TypeDead, "", func(d events.Dead) bool { return d.Sequence == sequence && d.Service != "notifier" })
			if d := dead.Data; d.Reason != "malformed" || !strings.Contains(d.Error, tc.says) || d.Subject != tc.subject || string(d.Original) != tc.body {
				t.Errorf("given up as %s: %s, want %q (original: %.100s)", d.Reason, d.Error, tc.says, d.Original)
			}
		})
	}
	w.t = t
	w.completes(placed.Case)
	w.submissions("web01", 1)
}
