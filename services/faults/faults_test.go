package faults

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"reprotect.example/services/observed"
)

func TestRowsAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Catalogue() {
		key := strings.ToLower(r.Code) // codes are looked up whatever their case
		if key == "" || seen[key] {
			t.Errorf("%q: no code, or one that is there twice", r.Code)
		}
		seen[key] = true
		switch r.Class {
		case observed.Temporary, observed.Operator, observed.Permanent:
		default:
			t.Errorf("%s: class %q", r.Code, r.Class)
		}
		switch r.For {
		case Azure, VCenter, Reprotect:
		default:
			t.Errorf("%s: area %q", r.Code, r.For)
		}
		if slices.ContainsFunc(slices.Concat(siteRecovery, resourceManager), func(a Row) bool { return a.Code == r.Code }) != (r.Basis != "") {
			t.Errorf("F7 %s: basis %q", r.Code, r.Basis)
		}
		if (r.Basis == Documented) != (r.Basis != "" && r.Reference != "") {
			t.Errorf("F7 %s: it is %s, with page %q", r.Code, r.Basis, r.Reference)
		}
		if r.Basis != "" && !slices.Contains([]Basis{Documented, Recorded, Assumed}, r.Basis) {
			t.Errorf("F7 %s: basis %q", r.Code, r.Basis)
		}
		if r.Warning && r.Class != observed.Temporary {
			t.Errorf("%s: an operation that goes on needs nobody", r.Code)
		}
		for _, ref := range r.Refs {
			if !regexp.MustCompile(`^[SNM]\d+$`).MatchString(ref) {
				t.Errorf("%s: reference %q", r.Code, ref)
			}
		}
		if r.Reference != "" && !strings.HasPrefix(r.Reference, "https://") {
			t.Errorf("%s: page %q", r.Code, r.Reference)
		}
		for _, text := range r.Texts {
			if text != strings.ToLower(text) {
				t.Errorf("%s: words to be recognised must be in lower case: %q", r.Code, text)
			}
		}
	}
	for _, texts := range []map[string]Text{english, japanese} {
		for code := range texts {
			if !seen[strings.ToLower(code)] {
				t.Errorf("texts of %s, which is no row", code)
			}
		}
	}
}

// exactWords are what every language must say as it is: numbers, keys of the config, commands, products.
var exactWords = regexp.MustCompile(`\b(\d+|(azure|vcenter|limits)\.[a-zA-Z]+|reprotect\.[a-z.0-9]+|AZURE_[A-Z_*]+|'reprotect [a-z]+'|dryRun|VMFS|vSAN|NFS|ESXi|VPN|ExpressRoute|DRS|vMotion|JSON|CloudEvents|InMage Scout Application Service)(\b|')`)

// Every error speaks both languages, in full, and about the same values.
func TestTextsAreComplete(t *testing.T) {
	procedure := regexp.MustCompile(` \([SNM]\d+(, [SNM]\d+)*\)`) // numbers for those who work on the product
	for _, r := range Catalogue() {
		if _, ok := japanese[r.Code]; !ok {
			t.Errorf("%s: no Japanese texts", r.Code)
			continue
		}
		en, ja := r.In(English), r.In(Japanese)
		for part, texts := range map[string][2]string{
			"title": {en.Title, ja.Title}, "cause": {en.Cause, ja.Cause}, "remedy": {en.Remedy, ja.Remedy},
		} {
			switch {
			case texts[0] == "" || texts[1] == "":
				t.Errorf("%s: a language has no %s", r.Code, part)
			case isJapanese(texts[0]) || !isJapanese(texts[1]):
				t.Errorf("%s: the %s is not in its language: %q and %q", r.Code, part, texts[0], texts[1])
			case part == "title" && (strings.HasSuffix(texts[0], ".") || strings.HasSuffix(texts[1], "。")):
				t.Errorf("%s: a title has no full stop", r.Code)
			case part != "title" && (!strings.HasSuffix(texts[0], ".") || strings.HasSuffix(texts[0], "..") || !strings.HasSuffix(texts[1], "。")):
				t.Errorf("%s: the %s is no sentence: %q and %q", r.Code, part, texts[0], texts[1])
			}
			for _, exact := range exactWords.FindAllString(procedure.ReplaceAllString(texts[0], ""), -1) {
				if !strings.Contains(texts[1], exact) {
					t.Errorf("%s: the Japanese %s does not say %q", r.Code, part, exact)
				}
			}
		}
		if r.Remedy() != english[r.Code].Remedy || strings.HasSuffix(r.Remedy(), ".") {
			t.Errorf("%s: %q cannot follow a colon", r.Code, r.Remedy())
		}
	}
}

func isJapanese(text string) bool {
	for _, r := range text {
		if unicode.In(r, unicode.Hiragana, unicode.Katakana) {
			return true
		}
	}
	return false
}

func TestLookup(t *testing.T) {
	for _, tt := range []struct {
		code, message string
		area          Area // empty: by the code alone
		want          string
	}{
		{code: "8061", want: "8061"},
		{code: "ep0886", want: "EP0886"},
		{code: "31337"},
		{code: ""},
		{area: Azure, message: "The mobility Agent is not installed on web01", want: "azure.agent-not-installed"},
		{area: Azure, code: "8061", message: "agent is not installed", want: "8061"}, // a code says more than words
		{area: Azure, code: "31337", message: "Another operation in progress", want: "azure.conflict"},
		{area: Azure, code: "internal"}, // the product's own code is not Azure's
		{area: VCenter, message: "agent is not installed"},
	} {
		row, ok := Lookup(tt.code)
		if tt.area != "" {
			row, ok = Recognize(tt.area, tt.code, tt.message)
		}
		if row.Code != tt.want || ok != (tt.want != "") {
			t.Errorf("%s %q, %q: %q, %t, want %q", tt.area, tt.code, tt.message, row.Code, ok, tt.want)
		}
	}
}

func TestSentence(t *testing.T) {
	for clause, want := range map[string]string{"": "", "try again": "Try again.", "Try. Again.": "Try. Again.", "öffnen": "Öffnen."} {
		if got := Sentence(clause); got != want {
			t.Errorf("%q: %q, want %q", clause, got, want)
		}
	}
}
