package cases

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"reprotect.example/events"
)

// How a line is to be taken.
const (
	Info = "info"
	Good = "good"
	Warn = "warning"
	Bad  = "bad"
)

// Line is one event in plain English.
type Line struct {
	Sequence uint64    `json:"sequence"`
	Time     time.Time `json:"time"`
	Site     string    `json:"site,omitempty"`
	Case     string    `json:"case,omitempty"`
	Kind     string    `json:"kind"`
	ID       string    `json:"id"`
	Level    string    `json:"level"`
	Text     string    `json:"text"`
}

// Describe says in one line what an entry tells. Durations in it are counted from the event's own time, so that
// the text is the same whenever it is read.
func Describe(e Entry) Line {
	level, text := sentence(e)
	return Line{
		Sequence: e.Sequence, Time: e.Time, Site: e.Header.Site, Case: e.Header.Case,
		Kind: cmp.Or(e.Kind.Name, e.Header.Type), ID: e.Header.ID, Level: level, Text: OneLine(text),
	}
}

// OneLine keeps words that came from elsewhere from breaking the line, steering the terminal, or turning the direction in
// which the words behind them are read.
func OneLine(s string) string {
	return strings.Join(strings.FieldsFunc(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s), unicode.IsSpace), " ")
}

func sentence(e Entry) (level, text string) {
	if e.Data == nil {
		return Warn, fmt.Sprintf("%s: cannot be read by this version: %s", cmp.Or(e.Kind.Name, e.Header.Type, e.Subject), e.Problem)
	}
	switch d := e.Data.(type) {
	case events.Request:
		return Info, asked(d)
	case events.Cancel:
		return Info, cmp.Or(d.RequestedBy, "Somebody") + " asks to cancel " + d.Case + because(d.Reason)
	case events.Retry:
		return Info, cmp.Or(d.RequestedBy, "Somebody") + " asks to retry " + d.Case + because(d.Reason)
	case events.Acknowledge:
		return Info, cmp.Or(d.RequestedBy, "Somebody") + " asks to acknowledge " + d.Alarm + because(d.Reason)
	case events.Failback:
		return Info, askedHome(d)
	case events.Onward:
		return Info, cmp.Or(d.RequestedBy, "Somebody") + " asks to " + e.Kind.Name + " " + list(append(some(d.Case), events.Names(d.Machines)...), asIs) + because(d.Reason)
	case events.Home:
		return Good, "Home: " + list(d.Machines, runsAtHome) + "."
	case events.Committed:
		return Good, "Committed: " + list(d.Machines, final) + "."
	case events.Withdrawn:
		return Warn, "Back in Azure: " + list(d.Machines, func(m events.MachineState) string { return Label(m.Machine, m.Item) }) + ". The failback was withdrawn."
	case events.Protected:
		return Good, "Protected to Azure again: " + list(d.Machines, home(d.Case)) + "."
	case events.Accepted:
		if d.Case.Leg != events.LegReprotect {
			return Info, "Accepted, " + legs[d.Case.Leg] + ": " + list(labelled(d.Case), machineKind) + together(d.Case)
		}
		return Info, "Accepted: " + list(labelled(d.Case), machineKind) + together(d.Case)
	case events.Refused:
		return Bad, "Refused, nothing was begun: " + list(d.Problems, events.Problem.Sentence) + "."
	case events.Validated:
		level, text = tally(d.Findings)
		return level, "Checked, nothing blocks: " + text
	case events.Rejected:
		return Bad, "Rejected, nothing was changed: " + list(d.Problems, events.Problem.Sentence) + "."
	case events.Placed:
		return Info, "Datastore chosen: " + list(d.Placements, placement) + "."
	case events.Registered:
		return Info, "Agents are back: " + list(d.Agents, func(a events.Agent) string { return Label(a.Machine, a.Item) + bracket(a.Version) }) + "."
	case events.Started:
		if d.Case.Leg != events.LegReprotect {
			return Info, started[d.Case.Leg] + " started: " + list(d.Jobs, job) + "."
		}
		return Info, "Reprotect started: " + list(d.Jobs, job) + "."
	case events.Rehearsed:
		if d.Case.Leg != events.LegReprotect {
			return Good, "Rehearsed, nothing was changed. A real run would fail back " + list(labelled(events.Case{Machines: d.Would}), wouldGo) + "."
		}
		return Good, "Rehearsed, nothing was changed. A real run would reprotect " + list(labelled(events.Case{Machines: d.Would}), wouldGo) + "."
	case events.Completed:
		return Good, "Protected: " + list(d.Machines, home(d.Case)) + "."
	case events.Failed:
		return Bad, "Failed" + bracket(d.Code) + ": " + d.Message + prefixed(" Azure or vCenter says: ", d.Words) + prefixed(" What to do: ", d.Remedy)
	case events.Cancelled:
		return Warn, "Cancelled" + because(d.Reason)
	case events.Cancelling:
		return Warn, "Will be cancelled at its next move" + prefixed(", asked by ", d.RequestedBy) + because(d.Reason)
	case events.Retrying:
		return Info, "Tries again at its next move" + prefixed(", asked by ", d.RequestedBy) + because(d.Reason)
	case events.Waiting:
		return Warn, waiting(d, e.Time)
	case events.Progressed:
		return Info, fmt.Sprintf("%d %%: %s.", d.Percent, list(d.Machines, machineProgress))
	case events.Violated:
		return Bad, fmt.Sprintf("Attention%s: %s Why it matters: %s What to do: %s", prefixed(", ", Label(d.Machine, d.Item)), stop(d.What), stop(d.Endangers), d.Do)
	case events.Cleared:
		return clearedLevel(d), fmt.Sprintf("Over%s, from %s to %s: %s%s%s", prefixed(", ", d.Machine), stamp(d.From), stamp(d.Until), stop(d.What), prefixed(" What remains: ", d.Remains), prefixed(" What to do: ", d.Do))
	case events.Acknowledged:
		return Info, "Alarm " + d.Violation + " acknowledged" + prefixed(" by ", d.RequestedBy) + because(d.Reason)
	case events.Unwatched:
		return Warn, fmt.Sprintf("Not watched: %s What to do: %s", stop(d.What)+candidates(d.Candidates), d.Do)
	case events.Watched:
		return Info, fmt.Sprintf("%s It was not from %s to %s.", stop(d.What), stamp(d.From), stamp(d.Until))
	case events.Voided:
		return Warn, fmt.Sprintf("What stood under this step, at %d on %s, is void%s%s", d.Sequence, d.Subject, prefixed(", says ", d.RequestedBy), because(d.Reason))
	case events.Returned:
		if d.Undone {
			return Warn, "The failback of " + d.Machine + " was cancelled or failed: it replicates from Azure again, and stands ready for failback."
		}
		return Info, d.Machine + " fails back, or has done so: it stands ready for failback no more."
	case events.Note:
		return noteLevels[d.Level], "Notified: " + d.Title
	}
	return Info, e.Kind.Name
}

func clearedLevel(d events.Cleared) string {
	if d.Remains != "" {
		return Warn
	}
	return Good
}

func candidates(paths []string) string {
	if len(paths) == 0 {
		return ""
	}
	return " It may be " + strings.Join(paths, ", or ") + "."
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

var noteLevels = map[string]string{events.LevelInfo: Info, events.LevelWarning: Warn, events.LevelCritical: Bad}

func asked(r events.Request) string {
	what := list(r.Machines, func(m events.RequestMachine) string { return m.Name })
	if r.Plan != "" {
		what = strings.TrimPrefix(what+", plan "+r.Plan, ", ")
	}
	who := cmp.Or(r.RequestedBy, "Somebody")
	if r.DryRun {
		return who + " asks for a dry run of " + what + because(r.Reason)
	}
	return who + " asks for " + what + because(r.Reason)
}

// labelled are the machines of a case by names that tell them apart.
func labelled(c events.Case) []events.Machine {
	machines := slices.Clone(c.Machines)
	for i, label := range LabelsOf(c) {
		machines[i].Name = label
	}
	return machines
}

// home names the machines that are protected, as those of their case.
func home(c events.Case) func(events.ProtectedState) string {
	return func(p events.ProtectedState) string {
		if i := c.Find(p.Machine, former(p.Item, p.FormerItem)); i >= 0 {
			return Label(p.Machine, c.Beside(i))
		}
		return p.Machine
	}
}

func machineKind(m events.Machine) string {
	return m.Name + bracket(strings.TrimSuffix(m.Architecture+", "+m.OS, ", "))
}

func together(c events.Case) string {
	if len(c.Machines) < 2 {
		return "."
	}
	return ", which go together."
}

// tally counts what the checks found.
func tally(findings []events.Finding) (level, text string) {
	counts := map[string]int{}
	for _, f := range findings {
		counts[f.Status]++
	}
	level = Info
	var parts []string
	for _, s := range []string{"pass", "warn", "unknown", "waived", "fail", "skipped"} {
		if counts[s] == 0 {
			continue
		}
		parts = append(parts, fmt.Sprintf("%d %s", counts[s], s))
		if s != "pass" && s != "skipped" {
			level = Warn
		}
	}
	if parts == nil {
		return level, "no check applies."
	}
	return level, strings.Join(parts, ", ") + "."
}

func placement(p events.Placement) string {
	switch {
	case p.Datastore == "":
		return Label(p.Machine, p.Item) + ": none fits"
	case p.Location == "":
		return Label(p.Machine, p.Item) + " on " + p.Datastore
	}
	return Label(p.Machine, p.Item) + " on " + p.Datastore + ", " + p.Location + " location"
}

func job(j events.Job) string {
	j.Machine = Label(j.Machine, j.Item)
	switch {
	case j.Refused != nil:
		return j.Machine + " (not started: " + strings.TrimSuffix(j.Refused.Message, ".") + ")"
	case j.Job == "":
		return j.Machine + " (replicates back already)"
	case j.Adopted:
		return j.Machine + " (a job ran already: " + j.Job + ")"
	}
	return j.Machine + bracket("job "+j.Job)
}

func wouldGo(m events.Machine) string {
	return m.Name + prefixed(" to ", m.Datastore)
}

func waiting(w events.Waiting, now time.Time) string {
	text := "Waiting for " + For(w.For) + ": " + stop(w.Message)
	if !w.Until.IsZero() {
		text += " Gives up in " + Duration(w.Until.Sub(now)) + "."
	}
	if w.Place > 0 {
		text += fmt.Sprintf(" Place %d in the admission queue.", w.Place)
	}
	return text + prefixed(" What to do: ", w.Remedy)
}

var waitingFor = map[events.Reason]string{
	events.ForAgent: "the agent", events.ForRetentionDrive: "the retention drive", events.ForDiskSlot: "a free disk slot",
	events.ForThrottle: "Azure, which asks for slower calls", events.ForAzure: "Azure", events.ForVCenter: "vCenter",
	events.ForTurn: "its turn", events.ForJob: "another job to end", events.ForOperator: "an operator to correct the cause", events.ForCancel: "its job to end",
	events.ForCommit: "the time of its commit", events.ForReplication: "its replication to move", events.ForOthers: "the other machines of the case",
}

// For words what a case waits for.
func For(why events.Reason) string {
	return cmp.Or(waitingFor[why], strings.ReplaceAll(string(why), "-", " "))
}

func machineProgress(m events.MachineProgress) string {
	m.Machine = Label(m.Machine, m.Item)
	if m.Message != "" && m.State == events.StateFailed {
		return fmt.Sprintf("%s failed%s: %s", m.Machine, bracket(m.Code), strings.TrimSuffix(m.Message, "."))
	}
	return fmt.Sprintf("%s %d %%%s", m.Machine, m.Percent, bracket(Doing(m.State, m.Task, m.Replication)))
}

// Doing says what a machine is at.
func Doing(state events.State, task string, replication *int) string {
	switch {
	case state == events.StateReplicating && replication != nil:
		return fmt.Sprintf("initial replication %d %%", *replication)
	case state == events.StateReplicating:
		return "initial replication"
	case state == events.StateRunning && task != "":
		return task
	}
	return strings.ReplaceAll(string(state), "-", " ")
}

// Duration words a duration as people say it: 45s, 12m, 3h05m, 2d4h.
func Duration(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(d, 0)/time.Second)
	case d < 10*time.Minute && d%time.Minute != 0:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

// most is how many names a line has before it only counts them.
const most = 8

func list[T any](all []T, word func(T) string) string {
	var words []string
	for _, one := range all[:min(len(all), most)] {
		words = append(words, word(one))
	}
	if over := len(all) - most; over > 0 {
		words = append(words, fmt.Sprintf("and %d more", over))
	}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), ", ")
}

func bracket(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

func prefixed(before, s string) string {
	if s == "" {
		return ""
	}
	return before + s
}

func because(reason string) string {
	if reason == "" {
		return "."
	}
	return ": " + stop(reason)
}

// stop ends a sentence that came from elsewhere.
func stop(s string) string {
	if s == "" || strings.HasSuffix(s, ".") || strings.HasSuffix(s, "!") || strings.HasSuffix(s, "?") {
		return s
	}
	return s + "."
}
