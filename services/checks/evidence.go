package checks

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// The log has one language: evidence is English in every event. Who shows it in Japanese takes its sentences for what they
// were made of, their formats, and words them anew.

// InJapanese words evidence, or the reason of a placement, in Japanese. What no format of this product made stays as it is:
// the words of Azure and of vCenter, names, numbers.
func InJapanese(evidence string) string {
	var said strings.Builder
	for rest := strings.TrimSpace(evidence); rest != ""; {
		sentence, more, ok := firstSentence(rest)
		said.WriteString(sentence)
		if !ok && more != "" {
			said.WriteString(" ")
		}
		rest = more
	}
	return utc.ReplaceAllString(said.String(), japaneseDate)
}

// Stamp is a time to the minute, with its zone.
func Stamp(t time.Time, lang string) string {
	if lang == Japanese {
		return utc.ReplaceAllString(stamp(t), japaneseDate)
	}
	return stamp(t)
}

var utc = regexp.MustCompile(`(\d{4})-(\d\d)-(\d\d) (\d\d:\d\d) UTC`)

const japaneseDate = "${1}年${2}月${3}日 $4 UTC"

// wording is a format as an expression that takes a sentence apart, with its Japanese.
type wording struct {
	takes    *regexp.Regexp
	letters  int    // that are not of arguments: the more, the more exact
	marker   string // the longest run of letters, to pass by quickly
	japanese string
	foreign  map[int]bool // arguments that are the words of somebody else, from 1
}

var wordings = sync.OnceValues(func() (sentences, clauses []wording) {
	return wordingsOf(japaneseEvidence), wordingsOf(japaneseClauses)
})

var verb = regexp.MustCompile(`%[sdqv]`)

func wordingsOf(table map[string]string) (all []wording) {
	for english, japanese := range table {
		w := wording{japanese: japanese, foreign: map[int]bool{}}
		eachVerb(japanese, func(verb string, argument int) string {
			w.foreign[argument+1] = verb == "v"
			return ""
		})
		expression, end := "(?s)^", 0
		literal := func(text string) {
			expression += regexp.QuoteMeta(text)
			if w.letters += len(text); len(text) > len(w.marker) {
				w.marker = text
			}
		}
		verbs := verb.FindAllStringIndex(english, -1)
		for i, at := range verbs {
			literal(english[end:at[0]])
			switch v := english[at[0]:at[1]]; {
			case v == "%d":
				expression += `(-?\d+)`
			case v == "%q":
				expression += `"(.*?)"`
			case i == len(verbs)-1 && (strings.HasSuffix(english[:at[0]], ": ") || strings.HasSuffix(english[:at[0]], ". ")):
				expression += `(.*?)` // several sentences, or the words of somebody else
			default:
				expression += `((?:[^.]|\.[^ ])*?)`
			}
			end = at[1]
		}
		literal(english[end:])
		w.takes = regexp.MustCompile(expression + "$")
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b wording) int {
		return cmp.Or(cmp.Compare(b.letters, a.letters), strings.Compare(a.takes.String(), b.takes.String()))
	})
	return all
}

// firstSentence words the shortest beginning of a text that is a sentence of this product, and returns the rest; ok is
// false when there is none: then the first sentence stands as it is.
func firstSentence(text string) (said, rest string, ok bool) {
	sentences, clauses := wordings()
	for at := 0; at < len(text); {
		end := len(text)
		if next := strings.Index(text[at:], ". "); next >= 0 {
			end = at + next + 1
		}
		if said, ok = reword(text[:end], sentences); ok {
			return said, strings.TrimSpace(text[end:]), true
		}
		at = end + 1
	}
	// A clause by itself is the reason of a placement. Those of few letters fit too much.
	short := slices.IndexFunc(clauses, func(w wording) bool { return w.letters < 15 })
	if said, ok = reword(text, clauses[:short]); ok {
		return said, "", true
	}
	first, rest, more := strings.Cut(text, ". ")
	if more {
		first += "."
	}
	return first, rest, false
}

func reword(text string, by []wording) (string, bool) {
	for _, w := range by {
		if !strings.Contains(text, w.marker) {
			continue
		}
		taken := w.takes.FindStringSubmatch(text)
		if taken == nil {
			continue
		}
		for i, argument := range taken {
			if !w.foreign[i] {
				taken[i] = rewordArgument(argument, i)
			}
		}
		return fill(w.japanese, taken[1:]), true
	}
	return text, false
}

// rewordArgument words what stands for a verb: a clause, whole sentences, a list of clauses, or a name, which stays.
func rewordArgument(text string, i int) string {
	if i == 0 { // the sentence itself
		return text
	}
	sentences, clauses := wordings()
	if strings.HasSuffix(text, ".") {
		if said, ok := reword(text, sentences); ok {
			return said
		}
		if strings.Contains(text, ". ") {
			return InJapanese(text)
		}
	}
	byMarks, all, some := rewordList(text, "; ")
	if all { // a clause of such a list may hold a list itself
		return byMarks
	}
	if said, ok := reword(text, clauses); ok {
		return said
	}
	if some {
		return byMarks
	}
	if said, _, some := rewordList(text, ", "); some {
		return said
	}
	return text
}

// rewordList words the clauses of a list: all says that each was one, some that at least one was. A text that is no list has none.
func rewordList(text, separator string) (said string, all, some bool) {
	_, clauses := wordings()
	parts := strings.Split(text, separator)
	all = len(parts) > 1
	for i, part := range parts {
		one, fits := reword(part, clauses)
		parts[i], all, some = one, all && fits, some || fits
	}
	return strings.Join(parts, "、"), all, some && len(parts) > 1
}

var place = regexp.MustCompile(`%(?:\[(\d)\])?([sv])`)

// fill puts arguments into a Japanese format, whose verbs may say which they take; as in fmt, the next takes the one after.
// The verb v takes the words of somebody else, which stay to the letter.
func fill(format string, arguments []string) string {
	return eachVerb(format, func(_ string, argument int) string { return arguments[argument] })
}

// eachVerb replaces the verbs of a format by what becomes of each and the argument that it takes, from 0.
func eachVerb(format string, becomes func(verb string, argument int) string) string {
	next := 0
	return place.ReplaceAllStringFunc(format, func(v string) string {
		m := place.FindStringSubmatch(v)
		if m[1] != "" {
			next = int(m[1][0] - '1')
		}
		next++
		return becomes(m[2], next-1)
	})
}
