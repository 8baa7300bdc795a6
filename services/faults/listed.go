package faults

// Listed is a row of the catalogue as people and programs read it, in one language.
type Listed struct {
	Code      string   `json:"code"`
	Class     string   `json:"class"`             // temporary, operator, permanent
	Warning   bool     `json:"warning,omitempty"` // an operation carries it and goes on
	For       string   `json:"for"`               // azure, vcenter, reprotect
	Refs      []string `json:"refs,omitempty"`    // of the procedure
	Texts     []string `json:"texts,omitempty"`   // words by which it is recognised when it comes without a code
	Title     string   `json:"title"`
	Cause     string   `json:"cause"`
	Remedy    string   `json:"remedy"`
	Reference string   `json:"reference,omitempty"` // a public page
}

// List is the catalogue in its order and in a language.
func List(lang string) []Listed {
	var rows []Listed
	for _, r := range Catalogue() {
		text := r.In(lang)
		rows = append(rows, Listed{
			Code: r.Code, Class: string(r.Class), Warning: r.Warning, For: string(r.For), Refs: r.Refs, Texts: r.Texts,
			Title: text.Title, Cause: text.Cause, Remedy: text.Remedy, Reference: r.Reference,
		})
	}
	return rows
}
