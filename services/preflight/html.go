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
	"style": func() template.CSS { return template.CSS(style) }, //nolint:gosec // our own file
	"join":  func(names []string) string { return strings.Join(names, ", ") },
	"size":  Size,
	"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
}).Parse(pageText))

// sheet is what the template sees.
type sheet struct{ view }

func (s sheet) Say(key string, args ...any) string { return say(s.Lang, key, args...) }

// Standing words an answer.
func (s sheet) Standing(of Standing) string { return say(s.Lang, string(of)) }

// Location words where a machine comes home.
func (s sheet) Location(location string) string { return say(s.Lang, "location-"+location) }

// Stamp is a time with its zone.
func (s sheet) Stamp(t time.Time) string { return stamp(t, s.Lang) }

// Judged is why a datastore is refused or warned of, and what to do.
func (s sheet) Judged(v events.DatastoreVerdict) string { return judged(v, s.Lang) }

// Sentence makes one of a clause that this product says in English in its events.
func (s sheet) Sentence(clause string) string { return sentence(inLanguage(clause, s.Lang)) }

// Of hands a part of the page to a template of its own.
func (s sheet) Of(it any) part { return part{s, it, 0} }

// Numbered hands a cause to its template, with its place in the order from 0; below 0 it has none.
func (s sheet) Numbered(i int, it any) part { return part{s, it, i + 1} }

type part struct {
	Sheet  sheet
	It     any
	Number int
}

// Some is as much of what was found as a page has room for; each machine below has its own.
func (c cause) Some() []string { return c.Found[:min(len(c.Found), mostNames)] }

// More counts the rest.
func (c cause) More() int { return len(c.Found) - len(c.Some()) }

// Class names the style of a rank. A badge in words stands beside every colour.
func (r rank) Class() string {
	return map[rank]string{blocks: "bad", unread: "unclear", warns: "warn", waived: "note", notes: "note", quiet: "good"}[r]
}
