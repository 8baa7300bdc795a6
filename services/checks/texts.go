package checks

import (
	"cmp"
	"strings"
)

// Languages in which every text of the catalogue exists, as --lang names them.
const (
	English  = "en"
	Japanese = "ja"
)

// Text is what a check says to people, whatever it found.
type Text struct {
	Title  string // what must be true
	Fault  string // what is the case when it is not
	Unread string // what is the case when it is not known
	Why    string
	Remedy string
}

// In returns the texts of a check in a language. What no table has is English.
func (c Check) In(lang string) Text {
	if text, ok := japanese[c.Code]; ok && lang == Japanese {
		text.Unread = cmp.Or(text.Unread, text.Title+"を確認できません")
		return text
	}
	return Text{Title: c.Title, Fault: c.Fault, Unread: cmp.Or(c.Unread, "It is not known whether "+clause(c.Title)), Why: c.Why, Remedy: c.Remedy}
}

// Headline says what is the case, by the status of a finding: never what ought to be where that is not so.
func (c Check) Headline(status, lang string) string {
	text := c.In(lang)
	switch {
	case status == Unknown:
		return text.Unread
	case status == Failed || status == Warned:
		return text.Fault
	case lang != Japanese && status == Waived:
		return "It is waived that " + clause(c.Title)
	case status == Waived:
		return text.Title + "は免除されています"
	case lang != Japanese && status == Skipped:
		return "It does not matter here whether " + clause(c.Title)
	case status == Skipped:
		return text.Title + "は該当しません"
	}
	return text.Title
}

// clause is a sentence as a part of another. A name at its beginning keeps its letter.
func clause(sentence string) string {
	first, rest, _ := strings.Cut(sentence, " ")
	if strings.ToLower(first[1:]) == first[1:] && !strings.HasPrefix(sentence, "Site Recovery ") {
		first = strings.ToLower(first)
	}
	return first + " " + rest
}

// remedy is what a verdict says to do, else what the check does.
func (c Check) remedy(v Verdict, lang string) string {
	switch {
	case v.Remedy == "":
		return c.In(lang).Remedy
	case lang != Japanese || v.exact == nil:
		return v.Remedy
	}
	var sentences strings.Builder
	for _, p := range v.exact {
		sentences.WriteString(p.InJapanese())
	}
	return sentences.String()
}
