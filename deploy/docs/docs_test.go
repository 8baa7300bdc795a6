package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The list names every page, in its order and by its title; each page has one; links between pages lead somewhere.
func TestPages(t *testing.T) {
	list, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed, there []string
	for _, m := range regexp.MustCompile(`(?m)^\| \[(.+?)\]\((.+?)\.md\) \|`).FindAllStringSubmatch(string(list), -1) {
		listed = append(listed, m[2]+": "+m[1])
	}
	for _, p := range Pages() {
		there = append(there, p.Name+": "+p.Title)
		if !strings.HasPrefix(p.Text, "# "+p.Title+"\n") {
			t.Errorf("%s has no title", p.Name)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)#]+?)(?:#[^)]*)?\)`).FindAllStringSubmatch(p.Text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.FromSlash(m[1])); err != nil {
				t.Errorf("%s: %v", p.Name, err)
			}
		}
	}
	if !slices.Equal(listed, there) {
		t.Errorf("README lists\n%s\nthere are\n%s", strings.Join(listed, "\n"), strings.Join(there, "\n"))
	}
}
