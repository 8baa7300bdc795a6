package checks

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
