package checks

// Listed is a row of the catalogue as people and programs read it, in one language.
type Listed struct {
	Code        string   `json:"code"`
	Level       string   `json:"level"` // block, warn, info
	For         []string `json:"for"`   // classic, modernized
	Refs        []string `json:"refs"`  // of the procedure
	NeverWaived bool     `json:"neverWaived,omitempty"`
	Title       string   `json:"title"`
	Why         string   `json:"why"`
	Remedy      string   `json:"remedy"`
	Reference   string   `json:"reference,omitempty"` // a public page
}

// List is the catalogue in its order and in a language.
func List(lang string) []Listed {
	var rows []Listed
	for _, c := range Catalogue() {
		text := c.In(lang)
		row := Listed{
			Code: c.Code, Level: string(c.Level), Refs: c.Refs, NeverWaived: c.NeverWaived,
			Title: text.Title, Why: text.Why, Remedy: text.Remedy, Reference: c.Reference,
		}
		for _, a := range c.For {
			row.For = append(row.For, string(a))
		}
		rows = append(rows, row)
	}
	return rows
}
