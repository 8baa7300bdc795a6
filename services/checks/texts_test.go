package checks

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"reprotect.example/services/observed"
)

// Every check speaks both languages, in full.
func TestTextsAreComplete(t *testing.T) {
	for _, c := range Catalogue() {
		if _, ok := japanese[c.Code]; !ok {
			t.Errorf("%s: no Japanese texts", c.Code)
			continue
		}
		english, japanese := c.In(English), c.In(Japanese)
		for part, texts := range map[string][2]string{
			"title": {english.Title, japanese.Title}, "why": {english.Why, japanese.Why}, "remedy": {english.Remedy, japanese.Remedy},
		} {
			switch {
			case texts[0] == "" || texts[1] == "":
				t.Errorf("%s: a language has no %s", c.Code, part)
			case isJapanese(texts[0]) || !isJapanese(texts[1]):
				t.Errorf("%s: the %s is not in its language: %q and %q", c.Code, part, texts[0], texts[1])
			}
			for _, exact := range exactWords.FindAllString(texts[0], -1) {
				if !regexp.MustCompile(`(^|\W)` + regexp.QuoteMeta(exact) + `($|\W)`).MatchString(texts[1]) {
					t.Errorf("%s: the Japanese %s does not say %q", c.Code, part, exact)
				}
			}
		}
	}
}

// exactWords are what every language must say as it is: numbers, keys of the config, products.
var exactWords = regexp.MustCompile(`\b(\d+|[a-z]+(-[a-z]+)*\.[a-zA-Z]+(-[a-z]+)*=?|vpn|expressroute|logStorageAccount|TRUE|VMFS|vSAN|NFS|FAT32|NTFS|ext4|LSI|RDM|ESXi|NetworkManager|ExpressRoute|DHCP)\b`)

func isJapanese(text string) bool {
	for _, r := range text {
		if unicode.In(r, unicode.Hiragana, unicode.Katakana) {
			return true
		}
	}
	return false
}

func TestJapaneseTextsBelongToChecks(t *testing.T) {
	for code := range japanese {
		if _, ok := Lookup(code); !ok {
			t.Errorf("Japanese texts of %s, which is no check", code)
		}
	}
}

// Whatever a verdict says to do has a Japanese wording about the same values, and no wording is left over.
func TestRemediesAreComplete(t *testing.T) {
	formats := remedyFormats(t)
	for _, english := range formats {
		japanese, ok := japaneseRemedies[english]
		switch {
		case !ok:
			t.Errorf("no Japanese for %q", english)
		case !isJapanese(japanese) || countVerbs(japanese) != countVerbs(english):
			t.Errorf("%q is not the Japanese of %q", japanese, english)
		}
	}
	for english := range japaneseRemedies {
		if !slices.Contains(formats, english) {
			t.Errorf("no check says %q any more", english)
		}
	}
}

func countVerbs(format string) int { return strings.Count(format, "%") }

// remedyFormats reads the formats given to remedy in the source of this package.
func remedyFormats(t *testing.T) []string {
	t.Helper()
	formats := formatsGiven(t, "remedy", "also")
	if len(formats) < 20 {
		t.Fatalf("only %d remedies found in the source", len(formats))
	}
	return formats
}

// formatsGiven reads the first argument of every call of these functions and methods in the source of this package.
func formatsGiven(t *testing.T, to ...string) (formats []string) {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			name := ""
			switch f := call.Fun.(type) {
			case *ast.SelectorExpr:
				name = f.Sel.Name
			case *ast.Ident:
				name = f.Name
			}
			format, literal := call.Args[0].(*ast.BasicLit)
			if !slices.Contains(to, name) || !literal {
				return true
			}
			text, err := strconv.Unquote(format.Value)
			if err != nil {
				t.Fatal(err)
			}
			formats = append(formats, text)
			return true
		})
	}
	return formats
}

// A finding's remedy is in the language that was asked for, the general one and the exact one.
func TestFindingsSpeakTheLanguage(t *testing.T) {
	s := healthy()
	s.Lang = Japanese
	s.mt().Heartbeat = now.Add(-time.Hour)                                                                         // the check's own remedy
	s.Inventory.Datastores[0].Mounts["host-1"] = observed.Mount{Mode: "readOnly", Mounted: true, Accessible: true} // an exact one
	s.dbVM().Disks[1].DatastoreRef = "ds-2"
	s.Inventory.Datastores[1].Maintenance = "inMaintenance" // two at once
	for code, want := range map[string][]string{
		"master-target.connected": {japanese["master-target.connected"].Remedy},
		"datastore.read-write":    {"VMFS-01: データストアをホスト esx01 に", "VMFS-02: メンテナンス モード"},
	} {
		for _, text := range want {
			if f := s.finding(t, code, "db01"); !strings.Contains(f.Remedy, text) {
				t.Errorf("%s: remedy %q does not say %q", code, f.Remedy, text)
			}
		}
	}
}
