package preflight

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"reprotect.example/events"
	"reprotect.example/services/checks"
	"reprotect.example/services/faults"
)

// view is a report in the order and the language in which people read it: first what there is to see to, then each machine.
type view struct {
	Report
	Lang     string
	Verdict  string
	Scope    string
	Counts   []count
	Causes   []cause
	Machines []section // the worst first
	Checked  []checked
}

type count struct {
	Standing Standing
	N        int
}

// section is what is known of one machine.
type section struct {
	ID       string
	Name     string
	Kind     string
	Standing Standing
	Reasons  []reason // why it is not ready
	Warnings int
	Shown    []shown // what asks for attention, the gravest first
	Folded   []shown
	Placed   *placed
}

// reason is why a machine is not ready, with the cause that says more.
type reason struct{ Text, ID string }

// shown is a finding in words.
type shown struct {
	Rank     rank
	Status   string // key of the words
	Code     string
	Title    string // what is the case
	Evidence string
	Why      string
	Remedy   string
	Page     string // address
}

// rank orders findings by what they ask of the reader.
type rank int

const (
	blocks rank = iota
	unread
	warns
	waived
	notes
	quiet // met, or without meaning for the machine
)

// placed is the datastore of a machine.
type placed struct {
	ID string
	events.Placement
}

func look(r Report, lang string) view {
	v := view{Report: r, Lang: lang, Scope: scope(r, lang), Causes: causes(r, lang), Checked: whatWasChecked(r, lang)}
	v.Verdict = v.verdict()
	for _, c := range r.Cases {
		for _, m := range c.Machines {
			v.Machines = append(v.Machines, v.section(c, m, len(v.Machines)+1))
		}
	}
	order := func(s section) int { return slices.Index(standings, s.Standing) }
	slices.SortStableFunc(v.Machines, func(a, b section) int { return cmp.Compare(order(a), order(b)) })
	for _, standing := range standings {
		n := count{Standing: standing}
		for _, s := range v.Machines {
			if s.Standing == standing {
				n.N++
			}
		}
		if n.N > 0 {
			v.Counts = append(v.Counts, n)
		}
	}
	return v
}

// Blocks are the causes that keep machines from being reprotected; Beside are the others.
func (v view) Blocks() []cause { return v.Causes[:v.blocking()] }

// Beside are the causes that block nothing.
func (v view) Beside() []cause { return v.Causes[v.blocking():] }

func (v view) blocking() int {
	if i := slices.IndexFunc(v.Causes, func(c cause) bool { return c.Rank != blocks }); i >= 0 {
		return i
	}
	return len(v.Causes)
}

func (v view) verdict() string {
	later := func(m Machine) bool { return m.Stage == NotYet }
	lang := v.Lang
	switch n := v.blocking(); {
	case len(v.Problems) > 0:
		return say(lang, "refused")
	case n == 1:
		return say(lang, "fix-one", blocked(v.Causes))
	case n > 1:
		return say(lang, "fix-many", n, blocked(v.Causes))
	case slices.ContainsFunc(v.Cases, func(c Case) bool { return slices.ContainsFunc(c.Machines, later) }):
		return say(lang, "good-later")
	}
	return say(lang, "good")
}

func scope(r Report, lang string) string {
	switch {
	case r.All:
		return say(lang, "scope-all")
	case r.Plan != "":
		return say(lang, "scope-plan", r.Plan)
	}
	return say(lang, "scope-named")
}

func (v *view) section(c Case, m Machine, n int) section {
	s := section{ID: fmt.Sprintf("machine-%d", n), Name: m.Name, Kind: kind(m)}
	for _, f := range c.of(m.Name) {
		switch rank := rankOf(f); rank {
		case quiet:
			s.Folded = append(s.Folded, show(f, v.Lang))
		default:
			s.Shown = append(s.Shown, show(f, v.Lang))
			if rank == warns {
				s.Warnings++
			}
		}
	}
	slices.SortStableFunc(s.Shown, func(a, b shown) int { return cmp.Compare(a.Rank, b.Rank) })
	if p, ok := c.placement(m.Name); ok {
		s.Placed = &placed{s.ID + "-datastore", p}
	}
	s.Standing, _ = c.standing(m)
	if s.Standing != Blocked && s.Standing != Unclear {
		return s
	}
	for _, cause := range v.Causes {
		if cause.Rank <= unread && slices.Contains(cause.Machines, m.Name) && (s.Standing == Unclear || cause.Rank == blocks) {
			s.Reasons = append(s.Reasons, reason{cause.Title, cause.ID})
		}
	}
	return s
}

func kind(m Machine) string {
	return strings.Trim(m.Architecture+", "+m.OS, ", ")
}

func rankOf(f events.Finding) rank {
	switch {
	case f.Blocks:
		return blocks
	case f.Status == checks.Unknown:
		return unread
	case f.Status == checks.Waived:
		return waived
	case f.Status == checks.Passed || f.Status == checks.Skipped:
		return quiet
	case f.Level == string(checks.Info):
		return notes
	}
	return warns
}

// show puts a finding in words. What the catalogue does not know has its code for a title.
func show(f events.Finding, lang string) shown {
	s := shown{Rank: rankOf(f), Code: f.Check, Title: f.Check, Evidence: evidence(f, lang), Remedy: f.Remedy}
	_, s.Page = citation(f.Reference)
	if c, ok := checks.Lookup(f.Check); ok {
		s.Title, s.Why = c.Headline(f.Status, lang), c.In(lang).Why
	} else if f.Check == noDatastore {
		s.Title = say(lang, "datastore-none")
	}
	s.Status = map[rank]string{
		blocks: "status-blocks", unread: "status-unknown", warns: "status-warn", waived: "status-waived", notes: "status-info", quiet: "status-" + f.Status,
	}[s.Rank]
	if s.Rank == blocks && f.Status == checks.Unknown {
		s.Status = "status-unknown-blocks"
	}
	return s
}

// evidence is what was found, in a language.
func evidence(f events.Finding, lang string) string {
	if f.Check == noDatastore { // a clause
		return sentence(inLanguage(f.Evidence, lang))
	}
	return inLanguage(f.Evidence, lang)
}

// inLanguage gives a language to what this product says in English in its events.
func inLanguage(text, lang string) string {
	if lang == checks.Japanese {
		return checks.InJapanese(text)
	}
	return text
}

// Known words why a datastore is refused or warned of, and what to do, where the language is not that of the verdict itself.
// What another version said stands beside the cause that its code has in the catalogue.
func Known(lang string, v events.DatastoreVerdict) (why, remedy string) {
	row, ok := faults.Lookup(v.Code)
	if !ok || lang == faults.English {
		return "", ""
	}
	text, said := row.In(lang), cmp.Or(v.Reason, v.Warning)
	if why = checks.InJapanese(said); why == said {
		why = fmt.Sprintf("%s (%s)", strings.TrimSuffix(text.Cause, "。"), said)
	}
	return why, text.Remedy
}

// judged is why a datastore is refused or warned of, and what to do, in a language.
func judged(v events.DatastoreVerdict, lang string) string {
	why, remedy := v.Reason, v.Remedy
	if v.Accepted {
		why, remedy = v.Warning, ""
	}
	if known, do := Known(lang, v); known != "" {
		why, remedy = known, do
		if v.Accepted {
			remedy = ""
		}
	}
	return strings.TrimSpace(sentence(why) + " " + remedy)
}

// sentence makes one of the fragments in which datastores are judged.
func sentence(fragment string) string {
	first, size := utf8.DecodeRuneInString(fragment)
	switch {
	case size == 0:
		return ""
	case first > unicode.MaxLatin1:
		return strings.TrimSuffix(fragment, "。") + "。"
	}
	return string(unicode.ToUpper(first)) + strings.TrimSuffix(fragment[size:], ".") + "."
}

// stamp is a time with its zone.
func stamp(t time.Time, lang string) string { return checks.Stamp(t, lang) }

// Size words bytes as vSphere's client does, in powers of 1024; "" when they are not known.
func Size(bytes int64) string {
	if bytes == 0 {
		return ""
	}
	value, unit := float64(bytes)/(1<<30), "GB"
	if value >= 10_000 {
		value, unit = value/1024, "TB"
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}
