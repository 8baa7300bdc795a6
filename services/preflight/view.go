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

// view is a report in the order and the language in which people read it.
type view struct {
	Report
	Lang     string
	Verdict  string
	Scope    string
	Counts   []count
	Shared   section
	Urgent   bool      // something shared blocks or is not known: it comes before the machines
	Machines []section // the worst first
}

type count struct {
	Standing Standing
	N        int
}

// section is what is known of one machine, or of all.
type section struct {
	ID       string
	Name     string
	Kind     string
	Standing Standing
	Reasons  []reason
	Warnings int
	Shown    []shown // what asks for attention, the gravest first
	Folded   []shown
	Placed   *placed
}

// reason is why a machine is not ready, with the place that says more.
type reason struct{ Text, ID string }

// shown is a finding in words.
type shown struct {
	ID       string
	Rank     rank
	Status   string // key of the words
	Code     string
	Title    string
	Evidence string
	Why      string
	Remedy   string
	Numbers  string   // of the procedure
	Page     string   // address
	Machines []string // of a finding of the whole case; none: all

	finding events.Finding
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
	v := view{Report: r, Lang: lang, Verdict: verdict(r, lang), Scope: scope(r, lang)}
	v.Shared = section{ID: "shared"}
	everybody := 0
	for _, c := range r.Cases {
		everybody += len(c.Machines)
		v.share(c)
	}
	for _, group := range [][]shown{v.Shared.Shown, v.Shared.Folded} {
		for i := range group {
			if len(group[i].Machines) == everybody {
				group[i].Machines = nil
			}
		}
	}
	byRank(v.Shared.Shown)
	v.Urgent = len(v.Shared.Shown) > 0 && v.Shared.Shown[0].Rank <= unread
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

func verdict(r Report, lang string) string {
	later := func(m Machine) bool { return m.Stage == NotYet }
	switch n := r.Blocking(); {
	case len(r.Problems) > 0:
		return say(lang, "refused")
	case n == 1:
		return say(lang, "bad-one")
	case n > 1:
		return say(lang, "bad-many", n)
	case slices.ContainsFunc(r.Cases, func(c Case) bool { return slices.ContainsFunc(c.Machines, later) }):
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

// share adds the findings of a whole case to those that machines share; cases often have the same.
func (v *view) share(c Case) {
	var names []string
	for _, m := range c.Machines {
		names = append(names, m.Name)
	}
	for _, f := range c.Findings {
		if f.Machine != "" {
			continue
		}
		to := &v.Shared.Shown
		if rankOf(f) == quiet {
			to = &v.Shared.Folded
		}
		i := slices.IndexFunc(*to, func(s shown) bool { return same(s.finding, f) })
		if i < 0 {
			i = len(*to)
			*to = append(*to, show(f, v.Lang, fmt.Sprintf("shared-%d", len(v.Shared.Shown)+1)))
		}
		(*to)[i].Machines = append((*to)[i].Machines, names...)
	}
}

func (v *view) section(c Case, m Machine, n int) section {
	s := section{ID: fmt.Sprintf("machine-%d", n), Name: m.Name, Kind: kind(m)}
	for _, f := range c.Findings {
		switch {
		case f.Machine != m.Name:
		case rankOf(f) == quiet:
			s.Folded = append(s.Folded, show(f, v.Lang, ""))
		default:
			s.Shown = append(s.Shown, show(f, v.Lang, fmt.Sprintf("%s-%d", s.ID, len(s.Shown)+1)))
			if rankOf(f) == warns {
				s.Warnings++
			}
		}
	}
	byRank(s.Shown)
	if p, ok := c.placement(m.Name); ok {
		s.Placed = &placed{s.ID + "-datastore", p}
	}
	var because []events.Finding
	s.Standing, because = c.standing(m)
	for _, f := range because {
		for _, said := range slices.Concat(v.Shared.Shown, s.Shown) {
			if same(said.finding, f) {
				s.Reasons = append(s.Reasons, reason{say(v.Lang, "demand") + ": " + said.Title, said.ID})
			}
		}
	}
	if s.Placed != nil && s.Placed.Datastore == "" {
		s.Reasons = append(s.Reasons, reason{say(v.Lang, "datastore-none"), s.Placed.ID})
	}
	return s
}

func kind(m Machine) string {
	return strings.Trim(m.Architecture+", "+m.OS, ", ")
}

func byRank(all []shown) {
	slices.SortStableFunc(all, func(a, b shown) int { return cmp.Compare(a.Rank, b.Rank) })
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

// same says whether two findings tell the same of the same machine.
func same(a, b events.Finding) bool {
	return a.Check == b.Check && a.Machine == b.Machine && a.Status == b.Status && a.Level == b.Level && a.Evidence == b.Evidence && a.Remedy == b.Remedy
}

// show puts a finding in words. What the catalogue does not know has its code for a title.
func show(f events.Finding, lang, id string) shown {
	s := shown{ID: id, Rank: rankOf(f), Code: f.Check, Title: f.Check, Evidence: f.Evidence, Remedy: f.Remedy, finding: f}
	s.Numbers, s.Page = citation(f.Reference)
	if c, ok := checks.Lookup(f.Check); ok {
		text := c.In(lang)
		s.Title, s.Why = text.Title, text.Why
	}
	s.Status = map[rank]string{
		blocks: "status-blocks", unread: "status-unknown", warns: "status-warn", waived: "status-waived", notes: "status-info", quiet: "status-" + f.Status,
	}[s.Rank]
	if s.Rank == blocks && f.Status == checks.Unknown {
		s.Status = "status-unknown-blocks"
	}
	return s
}

// Known words why a datastore is refused or warned of, where the language is not that of the verdict itself; what the
// verdict says, with its names and numbers, stands beside it.
func Known(lang string, v events.DatastoreVerdict) (why, remedy string) {
	row, ok := faults.Lookup(v.Code)
	if !ok || lang == faults.English {
		return "", ""
	}
	text := row.In(lang)
	return text.Cause, text.Remedy
}

// sentence makes one of the fragments in which datastores are judged.
func sentence(fragment string) string {
	first, size := utf8.DecodeRuneInString(fragment)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + strings.TrimSuffix(fragment[size:], ".") + "."
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

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
