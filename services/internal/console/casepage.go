package console

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/cases"
	"reprotect.example/services/checks"
	"reprotect.example/services/faults"
)

// caseView is the page of one case.
type caseView struct {
	caseRow
	Failed    []findingView // gravest first
	Quiet     []findingView
	Timeline  []cases.Line // the newest first
	Hidden    int          // lines of progress that are left out
	Graph     graph
	Tasks     []task
	CanCancel bool
	CanRetry  bool
	Took      time.Duration
	Title     string // of its code, from the catalogue
	Remedy    string
}

// findingView is a finding in words.
type findingView struct {
	events.Finding
	Title, Why, Text string // Text: what to do
	Class            string
}

// task is what a job was seen to do.
type task struct {
	Machine, Job, Name string
	From, Until        time.Time
	Now                bool
}

var caseID = regexp.MustCompile(`^[a-z0-9-]{1,128}$`)

// mostLines is how many lines a timeline shows before it only counts those of progress.
const mostLines = 60

func (c *Console) casePage(r *http.Request, d *sheet, _ *snapshot) error {
	id := r.PathValue("id")
	if !caseID.MatchString(id) {
		return says(http.StatusBadRequest, "case.wrong", "this is no case id: those have small letters, digits and hyphens only", "See /cases for all cases.")
	}
	one, found, err := c.o.Journal.Case(r.Context(), id)
	if err != nil {
		return err
	}
	if !found {
		return says(http.StatusNotFound, "case.unknown", "there is no case "+id, "See /cases for all cases.")
	}
	story, err := c.o.Journal.Story(r.Context(), id)
	if err != nil {
		return err
	}
	v := caseView{caseRow: rowOf(&one), Took: one.Took(d.Now)}
	v.Names = one.Labels()
	v.Failed, v.Quiet = findings(one.Findings, d.Lang)
	v.Timeline, v.Hidden = timeline(one.History, d.Query.Get("all") != "")
	v.Title, v.Remedy = "", one.Remedy
	if row, ok := faults.Lookup(one.Code); ok {
		v.Title = row.In(d.Lang).Title
		if d.Lang == japanese {
			v.Remedy = row.In(d.Lang).Remedy
		}
	}
	var progress []seen
	for _, m := range story {
		e := cases.ReadEntry(m)
		if p, ok := e.Data.(events.Progressed); ok {
			progress = append(progress, seen{e.Time, p})
		}
	}
	v.Graph, v.Tasks = draw(progress), tasks(progress, one.End)
	v.CanCancel = !one.End && one.State != events.CaseCancelling
	v.CanRetry = one.End && !one.Good && !one.OfRequest() || one.Waiting != nil && one.Waiting.For == events.ForOperator
	d.It, d.Title = v, cmp.Or(strings.Join(v.Names, ", "), id)
	if len(d.Title) > 60 {
		d.Title = v.Names[0] + " +" + strconv.Itoa(len(v.Names)-1)
	}
	return nil
}

// findings words what the checks found: what asks for somebody, and the rest.
func findings(all []events.Finding, lang string) (loud, quiet []findingView) {
	rank := func(f events.Finding) int {
		switch {
		case f.Blocks:
			return 0
		case f.Status == "fail":
			return 1
		case f.Status == "unknown":
			return 2
		case f.Status == "warn":
			return 3
		case f.Status == "waived":
			return 4
		}
		return 5
	}
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b events.Finding) int { return cmp.Compare(rank(a), rank(b)) })
	for _, f := range all {
		v := findingView{Finding: f, Title: f.Check, Text: f.Remedy, Class: [...]string{"bad", "bad", "warn", "warn", "off", "good"}[rank(f)]}
		if check, ok := checks.Lookup(f.Check); ok {
			text := check.In(lang)
			v.Title, v.Why = check.Headline(f.Status, lang), text.Why
			if lang == japanese && f.Remedy != "" {
				v.Text = text.Remedy
			}
		}
		if lang == japanese {
			v.Evidence = checks.InJapanese(f.Evidence)
		}
		if rank(f) < 5 {
			loud = append(loud, v)
		} else {
			quiet = append(quiet, v)
		}
	}
	return loud, quiet
}

// timeline is the history, the newest first. Of a long one the lines of progress are only counted, unless all is asked for.
func timeline(history []cases.Line, all bool) (lines []cases.Line, hidden int) {
	lines = slices.Clone(history)
	slices.Reverse(lines)
	if all || len(lines) <= mostLines {
		return lines, 0
	}
	short := slices.DeleteFunc(slices.Clone(lines), func(l cases.Line) bool { return l.Kind == events.TypeProgressed.Name })
	return short, len(lines) - len(short)
}

// seen is progress with its time.
type seen struct {
	At time.Time
	events.Progressed
}

// tasks lists what the jobs of a case were seen to do, in order.
func tasks(progress []seen, ended bool) (all []task) {
	current := map[string]int{} // machine -> place in all, from 1
	for _, p := range progress {
		for _, m := range p.Machines {
			name := cases.Label(m.Machine, m.Item)
			doing := cases.Doing(m.State, m.Task, nil)
			at := current[name] - 1
			if at >= 0 && all[at].Name == doing && all[at].Job == m.Job {
				all[at].Until = p.At
				continue
			}
			if at >= 0 {
				all[at].Until, all[at].Now = p.At, false
			}
			all = append(all, task{name, m.Job, doing, p.At, p.At, !ended && m.State != events.StateProtected && m.State != events.StateFailed})
			current[name] = len(all)
		}
	}
	return all
}
