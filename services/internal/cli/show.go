package cli

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/spf13/cobra"

	"reprotect.example/events"
	"reprotect.example/services/cases"
	"reprotect.example/services/checks"
)

func (a *app) showCommand() *cobra.Command {
	var only []string
	c := &cobra.Command{
		Use:   "show NAME|CASE|REQUEST...",
		Short: "Show a case: state, machines, findings, history",
		Long: `Show where a case and each of its machines stand, every finding that did not pass with its remedy, and its history. The
name of a machine stands for its latest case. With the id of a request, list its cases.

With --lang ja, cause and remedy of every code that the catalogues know are in Japanese. What Azure or vCenter said
stays as it came, and -o json is what the event log says.`,
		Example: example("reprotect show web01", "reprotect show r-20261122-ab12cd--web01 -o json | jq .machines"),
		RunE: func(cmd *cobra.Command, words []string) error {
			if len(words)+len(only) == 0 {
				return usage("For example: reprotect show web01. 'reprotect list' shows them.", "say which: names of machines, cases, or requests")
			}
			b, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			targets, err := handles(cmd.Context(), b, words, only)
			if err != nil {
				return err
			}
			return a.showTargets(targets)
		},
	}
	c.Flags().StringArrayVar(&only, "case", nil, "the case of that `ID`, and not the latest of a machine; may be repeated")
	return c
}

// showTargets shows cases in full, and those of requests as a list; as JSON one document for one case, else an array.
func (a *app) showTargets(targets []target) error {
	if a.json() {
		switch all := each(targets); {
		case len(targets) == 1 && !targets[0].whole:
			return a.printJSON(all[0])
		case len(targets) == 1:
			return a.printJSON(briefs(all))
		default:
			return a.printJSON(all)
		}
	}
	for i, t := range targets {
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		if t.whole {
			a.hint("%s is a request, which has become %s:", t.word, plural(len(t.cases), "case", "cases"))
			if err := a.printCases(t.cases); err != nil {
				return err
			}
			continue
		}
		showCase(a.stdout, t.cases[0], paint(a.color(a.stdout)), a.speech())
	}
	return nil
}

var caseID = regexp.MustCompile(`^[a-z0-9-]{1,128}$`)

// factsOf matches every fact of a case.
func factsOf(id string) string { return events.SubjectFacts + ".*." + id + ".>" }

func showCase(w io.Writer, c cases.Case, p paint, s speech) {
	c = plain(c)
	say := func(name, format string, args ...any) {
		name = s.label(name)
		if text := fmt.Sprintf(format, args...); text != "" {
			fmt.Fprintf(w, "%s%s %s\n", name, strings.Repeat(" ", max(10-lipgloss.Width(name), 0)), text)
		}
	}
	do := func(code, remedy string) {
		for _, l := range s.about(code, remedy) {
			say(l.name, "%s", l.text)
		}
	}
	say("Case", "%s", p.bold(c.ID))
	say("Site", "%s", c.Site)
	showAlarms(w, c, p, s)
	state := ownWord(c)
	if done := done(c); done != "-" {
		state += ", " + done
	}
	say("State", "%s", p.level(stateLevel(c), state))
	say("Why", "%s", c.Why)
	if len(c.Problems) == 0 { // else each has its own
		say("Code", "%s", c.Code)
		say("Azure says", "%s", c.Words)
		do(c.Code, c.Remedy)
	}
	if c.Waiting != nil {
		since := ""
		if !c.Waiting.Since.IsZero() {
			since = ", since " + clock(c.Waiting.Since)
		}
		say("Waits for", "%s%s: %s", cases.For(c.Waiting.For), since, c.Waiting.Message)
		say("Place", "%s", place(c.Waiting))
		say("Gives up", "%s", clock(c.Waiting.Until))
		say("Code", "%s", c.Waiting.Code)
		do(c.Waiting.Code, c.Waiting.Remedy)
	}
	say("Request", "%s", c.Request)
	say("Asked by", "%s", c.RequestedBy)
	say("Reason", "%s", c.Reason)
	say("Plan", "%s", c.Plan)
	say("Retry of", "%s", c.RetryOf)
	if c.DryRun {
		say("Dry run", "nothing is changed")
	}
	say("Since", "%s", clock(c.Since))
	say("Updated", "%s", clock(c.Updated))
	showMachines(w, c, p, s)
	showProblems(w, c.Problems, s)
	showFindings(w, c.Findings, p, s)
	fmt.Fprintf(w, "\n%s\n", s.label("History"))
	for _, l := range c.History {
		fmt.Fprintf(w, "  %s  %s\n", p.faint(clock(l.Time)), p.level(l.Level, l.Text))
	}
}

// showAlarms comes first: nothing about a case is more urgent. Alarms that need nobody any more stand in the history.
func showAlarms(w io.Writer, c cases.Case, p paint, s speech) {
	for _, a := range c.Pressing() {
		times := ""
		if a.State == cases.AlarmEnded {
			times = fmt.Sprintf(" (over, from %s to %s)", clock(a.From), clock(a.Until))
		}
		fmt.Fprintf(w, "\n%s %s%s\n  Why it matters: %s\n", p.level(cases.Bad, strings.TrimSuffix("Attention, "+cases.Label(a.Machine, a.Item), ", ")+":"), a.What, times, cmp.Or(a.Remains, a.Endangers))
		for _, l := range s.about(a.Code, a.Do) {
			fmt.Fprintf(w, "  %s: %s\n", l.name, l.text)
		}
		fmt.Fprintf(w, "  Alarm: %s\n", a.ID)
	}
	for _, u := range c.Unwatched {
		fmt.Fprintf(w, "\n%s %s\n", p.level(cases.Warn, "Not watched, "+u.VM+":"), u.What)
		for _, path := range u.Candidates {
			fmt.Fprintf(w, "  %s\n", path)
		}
		for _, l := range s.about(u.Code, u.Do) {
			fmt.Fprintf(w, "  %s: %s\n", l.name, l.text)
		}
	}
	if len(c.Pressing())+len(c.Unwatched) > 0 {
		fmt.Fprintln(w)
	}
}

func showMachines(w io.Writer, c cases.Case, p paint, s speech) {
	if len(c.Machines) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := newTable("MACHINE", "KIND", "DATASTORE", "LOCATION", "STATE", "DONE", "NOW", "JOB")
	labels := c.Labels()
	for i, m := range c.Machines {
		doing := cases.Doing(m.State, m.Task, m.Replication) + moving(m)
		switch {
		case m.Message != "":
			doing = cases.OneLine(m.Message)
		case !m.Returned.IsZero():
			doing = "its failback was seen " + clock(m.Returned)
		case m.State == events.StateProtected && !m.Since.IsZero():
			doing = "since " + clock(m.Since) + lagged(m)
		}
		level := map[events.State]string{events.StateProtected: cases.Good, events.StateFailed: cases.Bad, events.StateCancelled: cases.Bad}[m.State]
		t.row(labels[i], kind(m), m.Datastore, m.Location, p.level(level, machineWord(c, m)), fmt.Sprintf("%d %%", m.Percent), doing, m.Job)
	}
	t.write(w)
	if len(c.Machines) == 1 {
		return // said above
	}
	for i, m := range c.Machines {
		if m.Message == "" {
			continue
		}
		fmt.Fprintf(w, "  %s: %s", labels[i], m.Message)
		if m.Code != "" {
			fmt.Fprintf(w, " (%s)", m.Code)
		}
		fmt.Fprintln(w)
		for _, l := range s.about(m.Code, m.Remedy) {
			fmt.Fprintf(w, "    %s: %s\n", l.name, l.text)
		}
	}
}

// moving says how fast the data of a machine flows, and until when, where there is a basis for it.
func moving(m cases.Machine) (text string) {
	if m.State != events.StateReplicating {
		return ""
	}
	if m.Rate > 0 {
		text += fmt.Sprintf(", %.1f MB/s", float64(m.Rate)/(1<<20))
	}
	if !m.ETA.IsZero() {
		text += ", done about " + clock(m.ETA)
	}
	return text
}

// lagged says how old the last recovery point was, where Site Recovery told.
func lagged(m cases.Machine) string {
	if m.LagSeconds == nil {
		return ""
	}
	return ", recovery point lag " + lag(m.LagSeconds)
}

func lag(seconds *int) string {
	if seconds == nil {
		return ""
	}
	return cases.Duration(time.Duration(*seconds) * time.Second)
}

// place words where a case stands in the admission queue. It is told at each step near the front, further back now and then.
func place(w *events.Waiting) string {
	if w.Place == 0 {
		return ""
	}
	return fmt.Sprintf("%d in the admission queue when it was told last; it is told again as it moves up", w.Place)
}

func kind(m cases.Machine) string {
	if m.OS == "" {
		return m.Architecture
	}
	return m.Architecture + ", " + m.OS
}

func showProblems(w io.Writer, problems []events.Problem, s speech) {
	if len(problems) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", s.label("Problems"))
	for _, problem := range problems {
		fmt.Fprintf(w, "  %s", problem.Sentence())
		if problem.Code != "" {
			fmt.Fprintf(w, " (%s)", problem.Code)
		}
		fmt.Fprintln(w)
		for _, l := range s.about(problem.Code, problem.Remedy) {
			fmt.Fprintf(w, "    %s: %s\n", l.name, l.text)
		}
	}
}

// showFindings lists what did not pass, and counts the rest.
func showFindings(w io.Writer, findings []events.Finding, p paint, s speech) {
	if len(findings) == 0 {
		return
	}
	passed := 0
	fmt.Fprintf(w, "\n%s\n", s.label("Checks"))
	for _, f := range findings {
		if f.Status == "pass" || f.Status == "skipped" {
			passed++
			continue
		}
		level := cases.Warn
		if f.Blocks {
			level = cases.Bad
		}
		fmt.Fprintf(w, "  %s %s", p.level(level, fmt.Sprintf("%-8s", findingStatus(f))), f.Check)
		switch {
		case f.Machine != "":
			fmt.Fprintf(w, " (%s)", cases.Label(f.Machine, f.Item))
		case len(f.Machines) > 0:
			fmt.Fprintf(w, " (%s: %s)", plural(len(f.Machines), "machine", "machines"), strings.Join(f.Machines, ", "))
		}
		fmt.Fprintln(w)
		var below []labelled
		if check, ok := checks.Lookup(f.Check); ok {
			below = append(below, labelled{"", check.Headline(f.Status, s.lang())})
		}
		below = append(below, labelled{"", saidIn(s.lang(), f.Evidence)})
		for _, l := range s.about(f.Check, f.Remedy) {
			below = append(below, labelled{l.name + ": ", l.text})
		}
		for _, l := range append(below, labelled{"See ", pageOf(f.Reference)}) {
			if l.text != "" {
				fmt.Fprintf(w, "             %s%s\n", l.name, l.text)
			}
		}
	}
	if passed > 0 {
		fmt.Fprintf(w, "  %s passed or did not apply.\n", plural(passed, "check", "checks"))
	}
}

// saidIn gives a language to what events say in English.
func saidIn(lang, text string) string {
	if lang == checks.Japanese {
		return checks.InJapanese(text)
	}
	return text
}

// pageOf is the address in a reference, without the numbers of the procedure before it.
func pageOf(reference string) string {
	if i := strings.Index(reference, "https://"); i >= 0 {
		return reference[i:]
	}
	return ""
}

// findingStatus names what stops a case by that, whatever its status.
func findingStatus(f events.Finding) string {
	if f.Blocks {
		return "BLOCKS"
	}
	return f.Status
}
