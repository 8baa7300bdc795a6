package events

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	placeOfMachine = regexp.MustCompile(`^(?:/data)?/machines/(\d+)(?:/(.*))?$`)
	tooFew         = regexp.MustCompile(`min(?:Items|Length|Properties): got \d+, want (\d+)`)
	tooMany        = regexp.MustCompile(`max(?:Items|Length|Properties): got (\d+), want (\d+)`)
)

// Sentence says the problem to a person, without a full stop. A place in the event is for programs: a message that is a
// sentence does without it, and before the words of a schema it is put in plain ones.
func (p Problem) Sentence() string {
	what := strings.TrimSuffix(p.Message, ".")
	if p.Place == "" {
		return what
	}
	if !strings.HasPrefix(p.Place, "/") {
		return p.Place + ": " + what
	}
	if first, _ := utf8.DecodeRuneInString(what); unicode.IsUpper(first) {
		return what
	}
	where := strings.ReplaceAll(strings.TrimPrefix(strings.TrimPrefix(p.Place, "/data"), "/"), "/", ".")
	if m := placeOfMachine.FindStringSubmatch(p.Place); m != nil {
		n, _ := strconv.Atoi(m[1])
		where = strings.TrimSpace(fmt.Sprintf("machine %d %s", n+1, strings.ReplaceAll(m[2], "/", ".")))
	}
	switch few, many := tooFew.FindStringSubmatch(what), tooMany.FindStringSubmatch(what); {
	case few != nil && few[1] == "1":
		what = "must not be empty"
	case few != nil:
		what = "must have " + few[1] + " at least"
	case many != nil:
		what = "has " + many[1] + ", and may have " + many[2] + " at most"
	case strings.HasPrefix(what, "got ") || strings.Contains(what, "does not match pattern"):
		what = "is not written as it must be"
	}
	return strings.TrimSpace(where + " " + what)
}
