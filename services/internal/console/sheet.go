package console

import (
	"html/template"
	"net/http"
	"strings"
	"time"

	"golang.org/x/text/language"

	"reprotect.example/events"
	"reprotect.example/services/cases"
	"reprotect.example/services/checks"
	"reprotect.example/services/faults"
	"reprotect.example/services/preflight"
	"reprotect.example/services/status"
)

// Languages of the console.
const (
	english    = "en"
	japanese   = "ja"
	langCookie = "reprotect-lang"
)

var matcher = language.NewMatcher([]language.Tag{language.English, language.Japanese})

// langOf is the language that somebody chose, else the one that its browser prefers.
func langOf(r *http.Request) string {
	if c, err := r.Cookie(langCookie); err == nil && (c.Value == english || c.Value == japanese) {
		return c.Value
	}
	if _, i := language.MatchStrings(matcher, r.Header.Get("Accept-Language")); i == 1 {
		return japanese
	}
	return english
}

// Say words a key in the language of the page.
func (d *sheet) Say(key string, args ...any) string { return say(d.Lang, key, args...) }

// nav is a place of the navigation.
type nav struct {
	Path, Name string
	Here       bool
}

// Nav lists the pages.
func (d *sheet) Nav() []nav {
	all := []nav{
		{"/", "overview", false}, {"/cases", "cases", false}, {"/alarms", "alarms", false}, {"/ready-for-failback", "ready", false}, {"/preflight", "preflight", false},
		{"/datastores", "datastores", false}, {"/log", "log", false}, {"/health", "health", false},
	}
	for i := range all {
		all[i].Here = d.Path == all[i].Path
	}
	return all
}

// Live is the address that streams this page; "" where it does not change.
func (d *sheet) Live() string {
	switch d.Name {
	case "refused", "login", "request", "act":
		return ""
	}
	return d.Here()
}

// Here is the address of this page with all that was asked for.
func (d *sheet) Here() string {
	if len(d.Query) == 0 {
		return d.Path
	}
	return d.Path + "?" + d.Query.Encode()
}

// LangLink changes the language and comes back here.
func (d *sheet) LangLink(lang string) string {
	return "/lang/" + lang + "?back=" + template.URLQueryEscaper(d.Here())
}

// FormToken must come back with a form.
func (d *sheet) FormToken() string { return d.console.access.formToken(d.Who) }

// Acts says whether who looks may send commands.
func (d *sheet) Acts() bool { return d.console.mayAct(d.Who, "request") == nil }

// CanLogin says whether a token would let who looks do more.
func (d *sheet) CanLogin() bool { return d.Who.Name == "" && d.console.access.signsIn() }

// CanLeave says whether who looks has signed in here.
func (d *sheet) CanLeave() bool { return d.Who.Name != "" && d.console.access.signsIn() }

// Version of the program.
func (d *sheet) Version() string { return d.console.o.Version }

// Of hands a part of the page to a template of its own.
func (d *sheet) Of(it any) part { return part{d, it} }

type part struct {
	Sheet *sheet
	It    any
}

// Time is a moment, in UTC; the browser shows it in the time of its user beside that.
func (d *sheet) Time(t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	return mark("", "", t, stamp(t))
}

// Ago is how long ago something was. The browser counts on.
func (d *sheet) Ago(t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	return mark("data-since", "", t, cases.Duration(d.Now.Sub(t)))
}

// Since says since when something is.
func (d *sheet) Since(t time.Time) template.HTML {
	if t.IsZero() {
		return ""
	}
	return template.HTML(strings.Replace(template.HTMLEscapeString(d.Say("since")), "%s", string(d.Ago(t)), 1)) //nolint:gosec // escaped
}

// Until counts down to a moment.
func (d *sheet) Until(t time.Time) template.HTML {
	return mark("data-until", d.Say("in"), t, d.Say("in", cases.Duration(t.Sub(d.Now))))
}

// mark is a moment that programs can read. The browser renews the text where an attribute says how.
func mark(attribute, value string, t time.Time, text string) template.HTML {
	if attribute != "" {
		attribute = " " + attribute + "=\"" + template.HTMLEscapeString(value) + "\""
	}
	return template.HTML("<time" + attribute + " datetime=\"" + t.UTC().Format(time.RFC3339) + "\">" + template.HTMLEscapeString(text) + "</time>") //nolint:gosec // escaped
}

// Seconds is a number of seconds as people say it.
func (d *sheet) Seconds(n *int) string { return cases.Duration(time.Duration(*n) * time.Second) }

// Count is a number of something.
func (d *sheet) Count(what string, n int) string {
	if n == 1 {
		return d.Say("one-" + what)
	}
	return d.Say("many-"+what, n)
}

// words of a table, where one that a later version of the product adds must not break the page
func (d *sheet) word(key, otherwise string) string {
	if w, ok := words[key]; ok {
		return w.in(d.Lang)
	}
	return strings.ReplaceAll(otherwise, "-", " ")
}

// For words what is waited for.
func (d *sheet) For(r events.Reason) string {
	if d.Lang == english {
		return cases.For(r)
	}
	return d.word("for-"+string(r), string(r))
}

// StageWord words where a case of the list stands.
func (d *sheet) StageWord(stage string) string {
	switch {
	case strings.HasPrefix(stage, "state-"):
		return d.word(stage, strings.TrimPrefix(stage, "state-"))
	case stage == "alarm", stage == "operator":
		return d.Say("need-" + stage)
	}
	return d.word("stage-"+stage, stage)
}

// KindWord words what kind of event it is.
func (d *sheet) KindWord(kind string) string { return d.word("kind-"+kind, kind) }

// FindingWord words the status of a finding.
func (d *sheet) FindingWord(f events.Finding) string {
	if f.Blocks {
		return d.Say("finding-blocks")
	}
	return d.word("finding-"+f.Status, f.Status)
}

// Because says what is the case by the code of what decided the standing of a machine.
func (d *sheet) Because(standing, code string) string {
	if c, ok := checks.Lookup(code); ok && standing == string(preflight.Unclear) {
		return c.Headline(checks.Unknown, d.Lang)
	} else if ok {
		return c.Headline(checks.Failed, d.Lang)
	}
	if r, ok := faults.Lookup(code); ok {
		return r.In(d.Lang).Title
	}
	return ""
}

// Doing says what a machine is at.
func (d *sheet) Doing(m cases.Machine) string {
	if m.State == events.StateRunning || m.State == events.StateReplicating {
		return cases.Doing(m.State, m.Task, m.Replication)
	}
	return ""
}

// Classes are those of the style sheet.

func (d *sheet) AlarmClass(state string) string {
	return map[string]string{cases.AlarmOpen: "bad", cases.AlarmEnded: "warn", cases.AlarmAcknowledged: "off", cases.AlarmCleared: "good"}[state]
}

func (d *sheet) PartClass(state string) string {
	return map[string]string{status.OK: "good", status.Behind: "warn", status.Down: "bad", status.Unknown: "off"}[state]
}

func (d *sheet) MachineClass(state events.State) string {
	return map[events.State]string{
		events.StateNotStarted: "early", events.StateRunning: "run", events.StateReplicating: "run", events.StateProtected: "good",
		events.StateFailed: "bad", events.StateCancelled: "off",
		events.StateHome: "run", events.StateCommitted: "good", events.StateWithdrawn: "off",
	}[state]
}

func (d *sheet) StandingClass(standing string) string {
	return map[string]string{"blocked": "bad", "unclear": "warn", "later": "early", "ready": "good", "back": "off"}[standing]
}
