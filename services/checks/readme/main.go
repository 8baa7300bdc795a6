// Command readme renews the tables in the README of the checks: the catalogue, and where each demand of the procedure
// is held. It is run by go generate in the folder of the checks.
package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"reprotect.example/services/checks"
	"reprotect.example/services/faults"
	"reprotect.example/services/observed"
)

const page = "README.md"

func main() {
	if err := run(page); err != nil {
		fmt.Fprintln(os.Stderr, "readme:", err)
		os.Exit(1)
	}
}

func run(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	renewed, err := renew(text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, renewed, 0o600) //nolint:gosec // the page of this folder
}

// renew puts each table between its marks. Every other letter stays.
func renew(text []byte) ([]byte, error) {
	for name, table := range map[string]func([]string) string{"catalogue": catalogue, "demands": demands} {
		begin, end := []byte("<!-- "+name+": made by go generate -->\n"), []byte("<!-- end -->")
		before, rest, found := bytes.Cut(text, begin)
		_, after, ended := bytes.Cut(rest, end)
		if !found || !ended {
			return nil, fmt.Errorf("no place for the table %s: it is made between %q and %q", name, begin, end)
		}
		text = slices.Concat(before, begin, []byte(table(numbers(text))), end, after)
	}
	return text, nil
}

var numbered = regexp.MustCompile(`(?m)^- \*\*([SNM]\d+)\*\*`)

// numbers lists the demands of the procedure, in the order of the page.
func numbers(text []byte) (all []string) {
	for _, m := range numbered.FindAllSubmatch(text, -1) {
		all = append(all, string(m[1]))
	}
	return all
}

func catalogue([]string) string {
	var b strings.Builder
	b.WriteString("| code | level | for | demands | what must be true |\n|---|---|---|---|---|\n")
	for _, c := range checks.Catalogue() {
		level := string(c.Level)
		if c.NeverWaived {
			level += ", never"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", c.Code, level, architectures(c.For), strings.Join(c.Refs, " "), c.Title)
	}
	return b.String()
}

func architectures(all []observed.Architecture) (letters string) {
	for _, a := range all {
		letters += strings.ToUpper(string(a)[:1])
	}
	return letters
}

func demands(numbers []string) string {
	var b strings.Builder
	b.WriteString("| demand | checks | errors | pages |\n|---|---|---|---|\n")
	for _, n := range numbers {
		var held, told, pages []string
		for _, c := range checks.Catalogue() {
			if slices.Contains(c.Refs, n) {
				held, pages = append(held, "`"+c.Code+"`"), append(pages, c.Reference)
			}
		}
		for _, r := range faults.Catalogue() {
			if slices.Contains(r.Refs, n) {
				told, pages = append(told, "`"+r.Code+"`"), append(pages, r.Reference)
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", n, strings.Join(held, " "), strings.Join(told, " "), links(pages))
	}
	return b.String()
}

// links are the pages, each once and by its last word.
func links(addresses []string) string {
	slices.Sort(addresses)
	var all []string
	for _, address := range slices.Compact(addresses) {
		if address != "" {
			all = append(all, fmt.Sprintf("[%s](%s)", cmp.Or(address[strings.LastIndex(address, "/")+1:], address), address))
		}
	}
	return strings.Join(all, " ")
}
