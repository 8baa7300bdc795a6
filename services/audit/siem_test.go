package audit_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"reprotect.example/events/bus"
	"reprotect.example/services/audit"
)

func export(t interface{ Fatal(...any) }, format string, entries ...audit.Entry) string {
	var out bytes.Buffer
	w, err := audit.NewWriter(&out, format, "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := w.Write(e); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

func command(body string) audit.Entry {
	return audit.Entry{Position: 3, Received: bus.Received{Message: bus.Message{Subject: "reprotect.command.request", ID: "r7", Data: []byte(body)}, Published: signed}}
}

var hostile = command(`{"machines":[{"name":"web01"}],"requestedBy":"=cmd|' /C calc'!A0","reason":"a\\b=c|d\ne"}`)

// readCEF is a plain reader of CEF, written from its public description: seven bars that no backslash stands before, then
// pairs whose keys follow a blank.
func readCEF(t *testing.T, line string) (header []string, extension map[string]string) {
	t.Helper()
	field := strings.Builder{}
	rest := ""
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] == '\\' && i+1 < len(line):
			i++
			field.WriteByte(line[i])
		case line[i] == '|':
			header = append(header, field.String())
			field.Reset()
		default:
			field.WriteByte(line[i])
		}
		if len(header) == 7 {
			rest = line[i+1:]
			break
		}
	}
	if len(header) != 7 {
		t.Fatalf("%d header fields: %s", len(header), line)
	}
	extension = map[string]string{}
	keys := regexp.MustCompile(`(^| )([A-Za-z0-9]+)=`).FindAllStringSubmatchIndex(strings.ReplaceAll(rest, `\=`, "\x00\x00"), -1)
	for i, k := range keys {
		end := len(rest)
		if i+1 < len(keys) {
			end = keys[i+1][0]
		}
		value := strings.NewReplacer(`\\`, `\`, `\=`, `=`, `\n`, "\n", `\r`, "\r").Replace(rest[k[1]:end])
		extension[rest[k[4]:k[5]]] = value
	}
	return header, extension
}

func TestCEF(t *testing.T) {
	t.Parallel()
	out := export(t, "cef", hostile)
	if strings.Count(out, "\n") != 1 {
		t.Errorf("more than one line: %q", out)
	}
	header, extension := readCEF(t, strings.TrimSuffix(out, "\n"))
	if want := []string{"CEF:0", "Reprotect", "reprotect", "1.2.3", "request", "=cmd|' /C calc'!A0 asks for web01: a\\b=c|d e.", "3"}; !cmp.Equal(header, want) {
		t.Error(cmp.Diff(want, header))
	}
	want := map[string]string{
		"rt": "1795338000000", "externalId": "r7", "suser": "=cmd|' /C calc'!A0", "reason": "a\\b=c|d\ne", "msg": header[5], "deviceProcessName": "/bare",
		"cn1": "3", "cn1Label": "position", "cs5Label": "leaf", "cs5": audit.LeafOf(hostile.Received).String(),
	}
	if !cmp.Equal(extension, want) {
		t.Error(cmp.Diff(want, extension))
	}
}

func TestCSVHasNoFormulas(t *testing.T) {
	t.Parallel()
	rows, err := csv.NewReader(strings.NewReader(export(t, "csv", hostile, command("no JSON")))).ReadAll()
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, row := range rows {
		if len(row) != len(rows[0]) {
			t.Errorf("%d cells: %q", len(row), row)
		}
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				t.Errorf("a formula: %q", cell)
			}
		}
	}
	if who := rows[1][8]; who != "'=cmd|' /C calc'!A0" || rows[0][8] != "who" {
		t.Errorf("%s: %q", rows[0][8], who)
	}
}

// What the class API Activity of OCSF 1.3.0 requires is there, with the numbers that go together.
func TestOCSF(t *testing.T) {
	t.Parallel()
	entries := append(log(2), hostile, command("no JSON"), audit.Entry{Position: 9})
	for line := range strings.Lines(export(t, "ocsf", entries...)) {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{
			"activity_id", "actor.user.name", "api.operation", "category_uid", "class_uid", "metadata.version", "metadata.product.vendor_name", "severity_id",
			"src_endpoint.svc_name", "time", "type_uid",
		} {
			value := any(e)
			for _, key := range strings.Split(path, ".") {
				value = value.(map[string]any)[key]
			}
			if value == nil || value == "" {
				t.Errorf("%s is missing: %s", path, line)
			}
		}
		if e["type_uid"] != e["class_uid"].(float64)*100+e["activity_id"].(float64) || e["category_uid"] != float64(int(e["class_uid"].(float64))/1000) {
			t.Errorf("numbers that do not go together: %s", line)
		}
	}
}

// A fact names who asked for its case.
func TestWhoAsked(t *testing.T) {
	t.Parallel()
	e := log(1)[0]
	e.Data = []byte(`{"specversion":"1.0","id":"c/request","source":"/reprotect/tokyo/validator","type":"io.reprotect.accepted.v1","site":"tokyo","case":"c","step":"request","request":"r7","subject":"c","data":{"case":{"machines":[{"name":"web01"}],"requestedBy":"ann","reason":"CHG1"}}}`)
	r := audit.RowOf(e)
	if r.Who != "ann" || r.Reason != "CHG1" || r.Case != "c" || r.Site != "tokyo" || r.Step != "request" || r.Request != "r7" || r.Kind != "accepted" || r.Level != "info" {
		t.Errorf("%+v", r)
	}
	c := command(`{"case":"c","reason":"stop"}`)
	c.Subject = "reprotect.command.cancel"
	if r := audit.RowOf(c); r.Reason != "stop" || r.Kind != "cancel" {
		t.Errorf("%+v", r)
	}
}

func TestEveryFormTakesEveryMessage(t *testing.T) {
	t.Parallel()
	if _, err := audit.NewWriter(&bytes.Buffer{}, "pdf", "1"); err == nil {
		t.Error("there is no such form")
	}
	rapid.Check(t, func(t *rapid.T) {
		e := audit.Entry{Position: 1, Received: bus.Received{Message: bus.Message{Subject: rapid.String().Draw(t, "subject"), ID: rapid.String().Draw(t, "id"), Data: []byte(rapid.String().Draw(t, "data"))}}}
		for _, format := range audit.Formats() {
			if lines := strings.Count(strings.TrimSuffix(export(t, format, e), "\n"), "\n"); format != "csv" && lines != 0 {
				t.Fatalf("%s: %d more lines", format, lines)
			}
		}
	})
}
