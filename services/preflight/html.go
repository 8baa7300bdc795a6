package preflight

import (
	"bytes"
	_ "embed"
	"html/template"
	"strings"
	"time"

	"reprotect.example/events"
)

// HTML is one page that needs no other file, no network and no script: it can be sent, stored as evidence and
// printed as it is.
func HTML(r Report, lang string) ([]byte, error) {
	var b bytes.Buffer
	err := page.Execute(&b, sheet{look(r, lang)})
	return b.Bytes(), err
}

//go:embed page.html.tmpl
var pageText string

//go:embed page.css
var style string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"style":    func() template.CSS { return template.CSS(style) }, //nolint:gosec // our own file
	"join":     func(names []string) string { return strings.Join(names, ", ") },
	"size":     Size,
	"sentence": sentence,
	"stamp":    stamp,
	"iso":      func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
}).Parse(pageText))

// sheet is what the template sees.
type sheet struct{ view }

func (s sheet) Say(key string, args ...any) string { return say(s.Lang, key, args...) }

// Standing words an answer.
func (s sheet) Standing(of Standing) string { return say(s.Lang, string(of)) }

// Location words where a machine comes home.
func (s sheet) Location(location string) string { return say(s.Lang, "location-"+location) }

// Known words why a datastore is refused or warned of, and what to do, in the page's language; "" in English, which the
// verdict speaks already.
func (s sheet) Known(v events.DatastoreVerdict) string {
	why, remedy := Known(s.Lang, v)
	return why + remedy
}

// IsShared says whether a finding belongs to all machines of a case.
func (s sheet) IsShared(f shown) bool { return f.finding.Machine == "" }

// Of hands a part of the page to a template of its own.
func (s sheet) Of(it any) part { return part{s, it} }

type part struct {
	Sheet sheet
	It    any
}

// Class names the style of a finding's rank.
func (s shown) Class() string {
	return map[rank]string{blocks: "bad", unread: "unclear", warns: "warn", waived: "note", notes: "note", quiet: "good"}[s.Rank]
}
