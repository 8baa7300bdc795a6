package audit

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"time"

	"reprotect.example/services/cases"
)

// weight is how much a line weighs: CEF's severity from 0 to 10, and OCSF's severity_id.
var weight = map[string]struct{ cef, ocsf int }{
	cases.Good: {1, 1}, cases.Info: {3, 1}, cases.Warn: {6, 3}, cases.Bad: {9, 4},
}

var (
	cefHeader = strings.NewReplacer(`\`, `\\`, `|`, `\|`, "\n", " ", "\r", " ")
	cefValue  = strings.NewReplacer(`\`, `\\`, `=`, `\=`, "\n", `\n`, "\r", `\r`)
)

// cef is a row in ArcSight's Common Event Format, version 0: in the header a backslash and a bar are escaped, in the
// extension a backslash, an equals sign and the ends of lines.
func cef(r Row, version string) []byte {
	var b strings.Builder
	b.WriteString("CEF:0")
	for _, field := range []string{"Reprotect", "reprotect", version, r.Kind, r.Text, strconv.Itoa(weight[r.Level].cef)} {
		b.WriteString("|" + cefHeader.Replace(field))
	}
	b.WriteString("|")
	var pairs []string
	for _, p := range []struct{ key, label, value string }{
		{"rt", "", millis(r.Time)}, {"externalId", "", r.ID}, {"msg", "", r.Text}, {"suser", "", r.Who}, {"reason", "", r.Reason}, {"deviceProcessName", "", r.Source},
		{"cs1", "case", r.Case}, {"cs2", "site", r.Site}, {"cs3", "step", r.Step}, {"cs4", "request", r.Request}, {"cs5", "leaf", r.Leaf},
		{"cn1", "position", strconv.FormatUint(r.Position, 10)},
	} {
		if p.value == "" {
			continue
		}
		if p.label != "" {
			pairs = append(pairs, p.key+"Label="+p.label)
		}
		pairs = append(pairs, p.key+"="+cefValue.Replace(p.value))
	}
	b.WriteString(strings.Join(pairs, " "))
	return []byte(b.String())
}

func millis(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}

// ocsfVersion is the version of the Open Cybersecurity Schema Framework whose class API Activity an export has.
const ocsfVersion = "1.3.0"

type ocsfEvent struct {
	ClassUID    int          `json:"class_uid"`
	CategoryUID int          `json:"category_uid"`
	ActivityID  int          `json:"activity_id"`
	TypeUID     int          `json:"type_uid"`
	SeverityID  int          `json:"severity_id"`
	StatusID    int          `json:"status_id"`
	Time        int64        `json:"time"`
	Message     string       `json:"message"`
	Metadata    ocsfMetadata `json:"metadata"`
	Actor       ocsfActor    `json:"actor"`
	API         ocsfAPI      `json:"api"`
	SrcEndpoint ocsfEndpoint `json:"src_endpoint"`
	Unmapped    ocsfUnmapped `json:"unmapped"`
}

type ocsfMetadata struct {
	Version  string      `json:"version"`
	UID      string      `json:"uid"`
	Sequence uint64      `json:"sequence"`
	Product  ocsfProduct `json:"product"`
}

type ocsfProduct struct {
	Name       string `json:"name"`
	VendorName string `json:"vendor_name"`
	Version    string `json:"version"`
}

type ocsfActor struct {
	User ocsfUser `json:"user"`
}

type ocsfUser struct {
	Name string `json:"name"`
}

type ocsfAPI struct {
	Operation string      `json:"operation"`
	Request   ocsfRequest `json:"request"`
}

type ocsfRequest struct {
	UID string `json:"uid"`
}

type ocsfEndpoint struct {
	SvcName string `json:"svc_name"`
}

type ocsfUnmapped struct {
	Case   string `json:"case,omitempty"`
	Site   string `json:"site,omitempty"`
	Step   string `json:"step,omitempty"`
	Reason string `json:"reason,omitempty"`
	Leaf   string `json:"leaf"`
}

// ocsf is a row as an event of the class API Activity (6003).
func ocsf(r Row, version string) ([]byte, error) {
	const class, other = 6003, 99 // a step of a procedure is none of the activities that the class names
	status := 1                   // success
	if r.Level == cases.Bad {
		status = 2 // failure
	}
	var at int64
	if !r.Time.IsZero() {
		at = r.Time.UnixMilli()
	}
	who, source := r.Who, r.Source
	if who == "" {
		who = "Unknown"
	}
	if source == "" {
		source = "Unknown"
	}
	return marshal(ocsfEvent{
		ClassUID: class, CategoryUID: class / 1000, ActivityID: other, TypeUID: class*100 + other, SeverityID: weight[r.Level].ocsf, StatusID: status,
		Time: at, Message: r.Text,
		Metadata: ocsfMetadata{Version: ocsfVersion, UID: r.ID, Sequence: r.Position, Product: ocsfProduct{Name: "Reprotect", VendorName: "Reprotect", Version: version}},
		Actor:    ocsfActor{ocsfUser{who}}, API: ocsfAPI{Operation: r.Kind, Request: ocsfRequest{r.Request}}, SrcEndpoint: ocsfEndpoint{source},
		Unmapped: ocsfUnmapped{Case: r.Case, Site: r.Site, Step: r.Step, Reason: r.Reason, Leaf: r.Leaf},
	})
}

// columns are those of a CSV, for people.
var columns = []string{"position", "time", "kind", "level", "site", "case", "step", "request", "who", "reason", "text", "id", "source", "leaf"}

func (r Row) cells() []string {
	at := ""
	if !r.Time.IsZero() {
		at = r.Time.UTC().Format(time.RFC3339Nano)
	}
	return []string{strconv.FormatUint(r.Position, 10), at, r.Kind, r.Level, r.Site, r.Case, r.Step, r.Request, r.Who, r.Reason, r.Text, r.ID, r.Source, r.Leaf}
}

// csvLine is one line of a CSV as RFC 4180 says, without the end of the line. A cell that a spreadsheet would take for a
// formula begins with an apostrophe, which spreadsheets take for "this is text".
func csvLine(cells []string) ([]byte, error) {
	safe := make([]string, len(cells))
	for i, c := range cells {
		safe[i] = c
		if c != "" && strings.ContainsRune("=+-@\t\r", rune(c[0])) {
			safe[i] = "'" + c
		}
	}
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	if err := w.Write(safe); err != nil {
		return nil, fmt.Errorf("audit: write a line: %w", err)
	}
	w.Flush()
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
