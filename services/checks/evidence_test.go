package checks

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Each format has as many places in Japanese as it has arguments, each of them taken, and no word of English is left over.
func TestEvidenceTablesAreWhole(t *testing.T) {
	for _, table := range []map[string]string{japaneseEvidence, japaneseClauses} {
		for english, japanese := range table {
			var arguments []string
			n := 0
			text := verb.ReplaceAllStringFunc(english, func(v string) string {
				n++
				argument := fmt.Sprintf("<%d>", n)
				if v == "%d" {
					argument = fmt.Sprint(90 + n)
				}
				arguments = append(arguments, argument)
				if v == "%q" {
					return `"` + argument + `"`
				}
				return argument
			})
			said := fill(japanese, arguments)
			for _, argument := range arguments {
				if !strings.Contains(said, argument) {
					t.Errorf("%q: %s is lost in %q", english, argument, said)
				}
			}
			if left := englishSentence(japanese); left != "" {
				t.Errorf("%q is not the Japanese of %q: %s", japanese, english, left)
			}
			becomes := InJapanese(text)
			if becomes != said {
				becomes = rewordArgument(text, 1)
			}
			if becomes != said {
				t.Errorf("%q becomes %q, not %q", text, becomes, said)
			}
		}
	}
}

// Whatever a verdict says that it found has its Japanese.
func TestEvidenceIsComplete(t *testing.T) {
	composed := map[string]bool{ // of clauses that stand in the table as a whole
		"": true, "%s": true, "%s: %s.": true, "%s.": true, "%s: %d too many.": true, "%s, and %s are free.": true,
		"%s. Together with the rest of the request that is %d too many: some of its machines wait until others have failed back.": true,
		"A commit of the failover of %s runs%s (job %s): the reprotect waits for it.":                                             true, "A failover job holds %s%s: %s (job %s).": true,
		"A reprotect of %s runs already%s (job %s): it will be adopted.": true, "Another job holds %s%s: %s (job %s).": true,
		"The failover%s of %s is not committed. The reprotect commits it, with %s: all other recovery points go, and so does Change recovery point.": true,
		"%s goes to its original location: VM %s, %s": true,
	}
	formats := formatsGiven(t, "pass", "warn", "fail", "unknown", "skipped")
	if len(formats) < 200 {
		t.Fatalf("only %d found in the source", len(formats))
	}
	for _, english := range formats {
		if strings.HasPrefix(english, "%s, whose Storage DRS") || strings.HasPrefix(english, "%s, and its Storage DRS") || composed[english] {
			continue
		}
		if _, ok := japaneseEvidence[english]; !ok {
			t.Errorf("no Japanese for %q", english)
		}
	}
}

// Words of Azure that have the form of a clause of this product are no clause.
func TestForeignWordsThatLookLikeOurs(t *testing.T) {
	for _, words := range []string{"Aaa at aa", "Replication in error", "Stopped on host", "Deleted of late by Azure", "datastore full"} {
		for english, japanese := range map[string]string{
			"Site Recovery says of web01: %s.": "Site Recovery による web01 の報告: %s。",
			"Attested: %s.":                    "保証: %s。",
			"Waived: %s.":                      "免除の理由: %s。",
		} {
			if said, want := InJapanese(fmt.Sprintf(english, words)), fmt.Sprintf(japanese, words); said != want {
				t.Errorf("%q, not %q", said, want)
			}
		}
	}
}

// What no format made stays to the letter, and nothing is lost of what did.
func TestForeignWordsStay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z0-9<>"&%-]{1,12}`).Draw(t, "name")
		words := rapid.StringMatching(`[A-Z][a-z]{2,8}( [a-z]{2,8}){0,4}`).Draw(t, "words")
		said := InJapanese(fmt.Sprintf("VM %s is switched off. Site Recovery says of %s: %s. Attested: %s.", name, name, words, words))
		if strings.Count(said, name) < 2 || strings.Count(said, words) < 2 || englishSentence(said, words) != "" {
			t.Fatalf("%q", said)
		}
		if foreign := "Zq " + words + " zq"; InJapanese(foreign) != foreign {
			t.Fatalf("%q became %q", foreign, InJapanese(foreign))
		}
	})
}

// A list of clauses that hold lists themselves is taken apart at its own marks.
func TestListsInLists(t *testing.T) {
	got := InJapanese("VM MT-01 has 2 snapshot(s): nightly of 2026-11-27 23:07 UTC, old; runs Hard disk 1 on the delta disk [A] MT/MT-000001.vmdk; needs its disks consolidated.")
	want := "VM MT-01: 2 個のスナップショットがあります (nightly (2026年11月27日 23:07 UTC)、old)、Hard disk 1が差分ディスク [A] MT/MT-000001.vmdk で実行されています、ディスクの統合が必要です。"
	if strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

var plainWords = regexp.MustCompile(`[A-Za-z]+(?: [a-z]+){2,}`)

// englishSentence is what reads as English in a Japanese text, beside what is quoted; "" where nothing does.
func englishSentence(text string, quoted ...string) string {
	for _, q := range quoted {
		text = strings.ReplaceAll(text, q, "")
	}
	return plainWords.FindString(text)
}
