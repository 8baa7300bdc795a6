package checks

import (
	"regexp"
	"testing"
	"unicode"
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
