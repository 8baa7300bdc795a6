package checks

import "strings"

// Languages in which every text of the catalogue exists, as --lang names them.
const (
	English  = "en"
	Japanese = "ja"
)

// Text is what a check says to people, whatever it found.
type Text struct{ Title, Why, Remedy string }

// In returns the texts of a check in a language. What no table has is English.
func (c Check) In(lang string) Text {
	if text, ok := japanese[c.Code]; ok && lang == Japanese {
		return text
	}
	return Text{Title: c.Title, Why: c.Why, Remedy: c.Remedy}
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
