package channel

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"reprotect.example/events"
	"reprotect.example/services/checks"
	"reprotect.example/services/faults"
	"reprotect.example/services/notifier"
)

// page is a message in the language of a channel, as plain text.
type page struct {
	title  string // one line
	level  string // a word for people
	lines  []string
	causes []cause
	link   string
	open   string // what the link says
	foot   string
}

type cause struct{ what, do, machines, next string }

var japanese = map[string]string{
	"info": "情報", "warning": "警告", "critical": "緊急", "open in the console": "コンソールで開く",
	"alarm": "危険", "operator": "対応待ち", "failed": "再保護の失敗", "rejected": "再保護できません", "unwatched": "監視できません", "waiting": "待機中",
	"what": "対処: ", "then": "その後: ", "site": "サイト ",
}

func pageOf(m notifier.Message, lang string) page {
	p := page{title: line(m.Title), level: m.Level, link: m.Link, open: "Open in the console", foot: "Site " + line(m.Site) + " · " + m.Time.UTC().Format("2006-01-02 15:04 MST")}
	for _, text := range strings.Split(m.Text, "\n") {
		if text = line(text); text != "" {
			p.lines = append(p.lines, text)
		}
	}
	if lang != faults.Japanese {
		return p
	}
	p.level, p.open, p.foot = japanese[m.Level], japanese["open in the console"], japanese["site"]+line(m.Site)+" · "+m.Time.UTC().Format("2006-01-02 15:04 MST")
	p.title, p.lines = inJapanese(m), nil
	if c := m.Counts; c != nil {
		p.lines = append(p.lines, fmt.Sprintf("全%d台: 保護済み %d、未完了 %d、失敗 %d", c.Machines, c.Done, c.Left, c.Failed))
	}
	for _, c := range m.Causes {
		what, do := inCatalogue(c.Code)
		what, do = or(what, line(c.What)), or(do, line(c.Do))
		p.causes = append(p.causes, cause{what: what, do: do, machines: few(c.Machines), next: line(c.Next)})
		p.lines = append(p.lines, what+" ("+few(c.Machines)+")")
		if do != "" {
			p.lines = append(p.lines, japanese["what"]+do)
		}
		if c.Next != "" {
			p.lines = append(p.lines, japanese["then"]+line(c.Next))
		}
	}
	if len(p.lines) == 0 { // nothing but the words that are there
		for _, text := range strings.Split(m.Text, "\n") {
			p.lines = append(p.lines, line(text))
		}
	}
	return p
}

// inJapanese is the title; what has no kind of its own keeps its words.
func inJapanese(m notifier.Message) string {
	what := ""
	if len(m.Causes) > 0 {
		what, _ = inCatalogue(m.Causes[0].Code)
		what = or(what, line(m.Causes[0].What))
	}
	switch {
	case m.Kind == "request" && m.Counts != nil && m.State == events.NoteOpen:
		return fmt.Sprintf("再保護の依頼: %s", few(m.Machines))
	case m.Kind == "request" && m.Counts != nil && m.State == events.NoteClosed:
		return fmt.Sprintf("再保護の終了: %d台中%d台を保護", m.Counts.Machines, m.Counts.Done)
	case m.Kind == "request" && m.Counts != nil:
		return fmt.Sprintf("再保護の進行: %d台中%d台を保護", m.Counts.Machines, m.Counts.Done)
	case m.State == events.NoteClosed && what != "":
		return "解消: " + what
	case m.Reminder > 0 && what != "":
		return "継続中: " + what
	case japanese[m.Kind] != "" && what != "":
		return japanese[m.Kind] + ": " + what
	}
	return line(m.Title)
}

func inCatalogue(code string) (what, do string) {
	if row, ok := faults.Lookup(code); ok {
		text := row.In(faults.Japanese)
		return text.Title, text.Remedy
	}
	if check, ok := checks.Lookup(code); ok {
		return "", check.In(faults.Japanese).Remedy
	}
	return "", ""
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func few(machines []string) string {
	const shown = 10
	names := make([]string, 0, shown)
	for _, m := range machines[:min(len(machines), shown)] {
		names = append(names, line(m))
	}
	text := strings.Join(names, ", ")
	if len(machines) > shown {
		text += fmt.Sprintf(", +%d", len(machines)-shown)
	}
	return text
}

// line is text on one line, without what changes its direction or controls a screen.
func line(text string) string { return strings.Join(strings.Fields(printable(text)), " ") }

func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError {
			return '?'
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text)
}

// cut shortens a text to so many bytes, at the end of a character.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	text = text[:max(most-len("…"), 0)]
	for len(text) > 0 && !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	return text + "…"
}
