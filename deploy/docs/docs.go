// Package docs holds the pages of the documentation, so that the programs can show them where nothing else is reached.
package docs

import (
	"cmp"
	"embed"
	"slices"
	"strings"
)

//go:embed *.md
var files embed.FS

// Page is a page of the documentation.
type Page struct {
	Name  string `json:"name"` // as in 'reprotect docs NAME'
	Title string `json:"title"`
	Text  string `json:"text"` // Markdown
}

// Pages are all pages, in the order in which one reads them: what to do first, then the references.
func Pages() []Page {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic("docs: " + err.Error()) // it is part of the program
	}
	var pages []Page
	for _, entry := range entries {
		name, _ := strings.CutSuffix(entry.Name(), ".md")
		if name == "README" { // the list of the others
			continue
		}
		text, err := files.ReadFile(entry.Name())
		if err != nil {
			panic("docs: " + err.Error())
		}
		first, _, _ := strings.Cut(string(text), "\n")
		pages = append(pages, Page{name, strings.TrimPrefix(first, "# "), string(text)})
	}
	place := func(p Page) int {
		if i := slices.Index(order, p.Name); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortStableFunc(pages, func(a, b Page) int { return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a.Name, b.Name)) })
	return pages
}

var order = []string{"getting-started", "production", "runbook", "troubleshooting", "threat-model"}
