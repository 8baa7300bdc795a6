package checks

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"reprotect.example/services/observed"
)

// Statuses of a verdict, and of a finding.
const (
	Passed  = "pass"
	Warned  = "warn"
	Failed  = "fail"
	Unknown = "unknown"
	Skipped = "skipped" // has no meaning for this machine
	Waived  = "waived"  // of findings only: somebody took the responsibility
)

// Verdict is what a check says of one machine. A check of level warn or info that fails becomes a warning; one
// of level block may warn by itself where the fault need not stop the case.
type Verdict struct {
	Status   string
	Evidence string // complete sentences that use the names an operator sees
	Remedy   string // more exact than that of the check; "" takes the check's
	Level    Level  // graver than that of the check; "" takes the check's

	exact []observed.Phrase // what Remedy is made of, for other languages
}

func pass(format string, args ...any) Verdict    { return verdict(Passed, format, args) }
func warn(format string, args ...any) Verdict    { return verdict(Warned, format, args) }
func fail(format string, args ...any) Verdict    { return verdict(Failed, format, args) }
func unknown(format string, args ...any) Verdict { return verdict(Unknown, format, args) }
func skipped(format string, args ...any) Verdict { return verdict(Skipped, format, args) }

func verdict(status, format string, args []any) Verdict {
	return Verdict{Status: status, Evidence: fmt.Sprintf(format, args...)}
}

func (v Verdict) remedy(format string, args ...any) Verdict {
	return v.says(observed.Phrase{English: format, Japanese: japaneseRemedies[format], Args: args})
}

// also adds to what is to be done already.
func (v Verdict) also(format string, args ...any) Verdict {
	p := observed.Phrase{English: format, Japanese: japaneseRemedies[format], Args: args}
	v.Remedy, v.exact = v.Remedy+p.String(), append(slices.Clip(v.exact), p)
	return v
}

// says takes a remedy in both languages.
func (v Verdict) says(p observed.Phrase) Verdict {
	v.Remedy, v.exact = p.String(), []observed.Phrase{p}
	return v
}

// refused is the verdict on a datastore that something stands against.
func refused(r observed.Refusal, name string) Verdict {
	v := Verdict{Status: Failed, Evidence: fmt.Sprintf("Datastore %s: %s.", name, r.Reason)}
	switch {
	case r.Unknown:
		v.Status = Unknown
	case r.Warning:
		v.Status = Warned
	}
	// Of several that are judged together each must be told apart, and the table says "it".
	r.Remedy.English, r.Remedy.Japanese = "Datastore %s: "+r.Remedy.English, "データストア %s: "+r.Remedy.Japanese
	r.Remedy.Args = slices.Concat([]any{name}, r.Remedy.Args)
	return v.says(r.Remedy)
}

// list joins names for a sentence, and counts those beyond the fifth.
func list(names []string) string { return listed(names, ", ") }

// listClauses joins what may hold lists.
func listClauses(all []string) string { return listed(all, "; ") }

func listed(all []string, separator string) string {
	const most = 5
	if len(all) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(all[:most], separator), len(all)-most)
	}
	return strings.Join(all, separator)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func gb(bytes int64) string { return fmt.Sprintf("%.1f GB", float64(bytes)/(1<<30)) }

// severity orders statuses: what decides when several are judged together.
var severity = map[string]int{Skipped: 0, Passed: 1, Warned: 2, Unknown: 3, Failed: 4}

// worst joins several verdicts into one: the gravest status, with the evidence of all that have it.
func worst(verdicts []Verdict) Verdict {
	var joined Verdict
	for _, v := range verdicts {
		switch {
		case joined.Status == "" || severity[v.Status] > severity[joined.Status]:
			joined = v
		case v.Status == joined.Status && v.Evidence != joined.Evidence:
			joined.Evidence += " " + v.Evidence
			if v.Remedy != joined.Remedy {
				joined.Remedy = strings.TrimSpace(joined.Remedy + " " + v.Remedy)
				joined.exact = slices.Concat(joined.exact, v.exact)
			}
		}
	}
	return joined
}

// capital gives a clause its capital letter. A name at its beginning keeps its own.
func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
