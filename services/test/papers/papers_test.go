// Package papers holds the pages of the source tree to the code, and the code to the pages: the contract, the
// procedure, and every link.
package papers

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"reprotect.example/events"
	"reprotect.example/services/faults"
)

const (
	root      = "../../.."
	contract  = "events/README.md"
	procedure = "services/checks/README.md"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// tracked lists the files of the source tree whose names match one of the patterns, as git knows them and as they
// would be committed.
func tracked(t *testing.T, patterns ...string) []string {
	t.Helper()
	args := append([]string{"-C", root, "ls-files", "--cached", "--others", "--exclude-standard", "--"}, patterns...)
	out, err := exec.CommandContext(t.Context(), "git", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	names := slices.DeleteFunc(strings.Fields(string(out)), func(name string) bool {
		_, err := os.Stat(filepath.Join(root, name))
		return err != nil // deleted, and not committed yet
	})
	if len(names) == 0 {
		t.Fatalf("no file is like %v", patterns)
	}
	return names
}

// citations finds what a text cites: numbers of the procedure, and sections of the contract.
func citations(text string) (numbers, sections []string) {
	for _, m := range number.FindAllStringSubmatch(text, -1) {
		numbers = append(numbers, m[1])
	}
	for _, m := range section.FindAllStringSubmatch(text, -1) {
		sections = append(sections, m[1])
	}
	return numbers, sections
}

var (
	number  = regexp.MustCompile(`(?:^|[^\w/.-])([SNM]\d{1,2})\b`) // not part of a longer word or of a path
	section = regexp.MustCompile(`(?i)(?:contract|events/README\.md),? section (\d+)`)
	stale   = regexp.MustCompile(`\b(contract|procedure|design)\.md\b`)
	heading = regexp.MustCompile(`(?m)^## (\d+)\. `)
	demand  = regexp.MustCompile(`(?m)^- \*\*([SNM]\d+)\*\*`)
)

func standing(t *testing.T, name string, pattern *regexp.Regexp) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, m := range pattern.FindAllStringSubmatch(read(t, name), -1) {
		found[m[1]] = true
	}
	return found
}

func TestEveryCitationStandsInThePapers(t *testing.T) {
	numbers, sections := standing(t, procedure, demand), standing(t, contract, heading)
	cited := map[string]bool{}
	for _, name := range tracked(t, "*.go", "*.md", "*.json", "*.yaml", "*.tmpl", "*.txtar") {
		text := read(t, name)
		if stale.MatchString(text) {
			t.Errorf("%s cites %s, which is not in the tree", name, stale.FindString(text))
		}
		n, s := citations(text)
		for _, number := range n {
			cited[number] = true
			if !numbers[number] {
				t.Errorf("%s cites %s, which is not in %s", name, number, procedure)
			}
		}
		for _, section := range s {
			cited["section "+section] = true
			if !sections[section] {
				t.Errorf("%s cites section %s, which is not in %s", name, section, contract)
			}
		}
	}
	for _, known := range []string{"S5", "S49", "N2", "M4", "section 2"} { // the code cites these, so the test has seen it
		if !cited[known] {
			t.Errorf("no file cites %s: does the test still read the code?", known)
		}
	}
}

func TestCitations(t *testing.T) {
	numbers, sections := citations("Judged (S7, S8); `Refs: []string{\"N2\",\n \"M4\"}`, not IS50, S1a, /S3x or MT60. As contract section 2 and events/README.md, section 4 say. S5.")
	if want := []string{"S7", "S8", "N2", "M4", "S5"}; !slices.Equal(numbers, want) {
		t.Errorf("numbers %v, want %v", numbers, want)
	}
	if want := []string{"2", "4"}; !slices.Equal(sections, want) {
		t.Errorf("sections %v, want %v", sections, want)
	}
}

func TestContractHasEveryKindOfEvent(t *testing.T) {
	text := read(t, contract)
	for _, k := range events.Kinds() {
		said := []string{"`" + k.Name + "`", "`." + k.Name + "`", "`" + events.CommandSubject(k) + "`", "reprotect." + k.Name + "."}
		if !slices.ContainsFunc(said, func(s string) bool { return strings.Contains(text, s) }) {
			t.Errorf("%s has no event %s", contract, k.Name)
		}
	}
	for _, step := range append(events.Steps(), events.StepCancel, events.StepRetry, events.StepProgress, events.StepGuard) {
		if !strings.Contains(text, "| `"+step+"` |") {
			t.Errorf("%s has no step %s", contract, step)
		}
	}
}

// Codes are public, so each of the product's own stands in section 4, whole or behind its family (`case.*`).
func TestContractHasEveryCode(t *testing.T) {
	text := read(t, contract)
	_, codes, _ := strings.Cut(text, "\n## 4. ")
	codes, _, _ = strings.Cut(codes, "\n## 5. ")
	families := map[string][]string{}
	for _, m := range regexp.MustCompile("`([a-z-]+)\\.\\*` \\(([^)]*)\\)").FindAllStringSubmatch(codes, -1) {
		families[m[1]] = append(families[m[1]], strings.Split(strings.ReplaceAll(m[2], "`", ""), ", ")...)
	}
	for _, r := range faults.Catalogue() {
		family, rest, _ := strings.Cut(r.Code, ".")
		if r.For == faults.Reprotect && !slices.Contains(families[family], rest) && !strings.Contains(codes, "`"+r.Code+"`") {
			t.Errorf("section 4 of %s has no code %s", contract, r.Code)
		}
	}
}

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	links := 0
	for _, page := range tracked(t, "*.md") {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			links++
			to := page
			if target != "" {
				to = path.Join(path.Dir(page), target)
			}
			if _, err := os.Stat(filepath.Join(root, to)); err != nil {
				t.Errorf("%s: the link %s leads nowhere", page, m[1])
				continue
			}
			if anchor != "" && !slices.Contains(anchors(read(t, to)), anchor) {
				t.Errorf("%s: %s has no heading for the link %s", page, to, m[1])
			}
		}
	}
	if links < 20 {
		t.Errorf("only %d links were found: does the test still read them?", links)
	}
}

// anchors are the names under which the headings of a page are reached.
func anchors(text string) (names []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		name := strings.ToLower(strings.TrimSpace(m[1]))
		name = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(name, "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}

// From the front page and from that for contributors one reaches the papers.
func TestPapersAreLinked(t *testing.T) {
	for _, page := range []string{"README.md", "CONTRIBUTING.md"} {
		for _, paper := range []string{contract, procedure, "services/README.md"} {
			if !strings.Contains(read(t, page), "]("+paper) {
				t.Errorf("%s does not link to %s", page, paper)
			}
		}
	}
}
