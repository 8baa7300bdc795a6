package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/spf13/cobra"

	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
	"reprotect.example/services/status"
)

func (a *app) statusCommand() *cobra.Command {
	var site, request string
	c := &cobra.Command{
		Use:   "status",
		Short: "Say what needs you, and what goes on",
		Long: `Say first what needs a person, grouped by its cause, with what to do and the command that goes on from there: alarms of
the guard, also on machines that are protected; cases that wait for a person; what failed or was rejected and was not
taken up since; requests of yours that were refused lately. Then how many machines stand where, what waits for what,
how far each request is and when it may be done, and how the parts of the product are.

An estimate stands only where there is a basis for it: Site Recovery's own, or the pace of the machines that are done.`,
		Example: example("reprotect status", "reprotect status --request r-20261122-ab12cd", "reprotect status -o json | jq '.needsYou[] | .code, .next'"),
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			view, err := a.view(cmd.Context(), b, site, request)
			switch {
			case err != nil:
				return err
			case a.json():
				return a.printJSON(view)
			}
			showStatus(a.stdout, view, paint(a.color(a.stdout)), width(a.stdout))
			return nil
		},
	}
	c.Flags().StringVar(&site, "site", "", "only `SITE`")
	c.Flags().StringVar(&request, "request", "", "only the request of that `ID`")
	return c
}

// view reads what the status view is made of. That the cases cannot be read is an error; what else cannot, the view says.
func (a *app) view(ctx context.Context, b Bus, site, request string) (status.View, error) {
	listed, err := b.Cases(ctx)
	if err != nil {
		return status.View{}, err
	}
	return a.viewOf(ctx, b, listed, site, request)
}

// viewOf is view, of cases that were read already.
func (a *app) viewOf(ctx context.Context, b Bus, listed []cases.Case, site, request string) (status.View, error) {
	g := status.Given{Cases: listed, Site: site, Request: request, Sender: a.deps.User(), Lang: a.lang, Now: a.deps.Now()}
	g.Health = healthOf(b.Status(ctx))
	err := b.Read(ctx, Reading{Dead: true}, func(r bus.Received) error {
		if l, ok := readLetter(r); ok {
			g.Dead = append(g.Dead, status.Letter{Dead: l.Dead, Time: l.Time})
		}
		return nil
	})
	switch {
	case ctx.Err() != nil:
		return status.View{}, ctx.Err()
	case err != nil:
		g.Health = append(g.Health, status.Part{Part: "dead letters", State: status.Unknown, What: cases.OneLine(err.Error())})
	}
	return status.Of(g), nil
}

// healthOf words what the bus says of itself and of those who read from it.
func healthOf(s Status, err error) []status.Part {
	if err != nil {
		return []status.Part{{Part: "services", State: status.Unknown, What: cases.OneLine(err.Error())}}
	}
	parts := []status.Part{{Part: "bus", State: status.OK, What: s.Server}}
	for _, l := range s.Services {
		p := status.Part{Part: l.Service, State: status.OK}
		if l.Pending > 0 {
			p.State, p.What = status.Behind, fmt.Sprintf("%d not taken up yet", l.Pending)
			if l.UnderWay == nil {
				p.What = fmt.Sprintf("%d not done yet", l.Pending)
			}
		}
		parts = append(parts, p)
	}
	return parts
}

// Words of the kinds of what needs a person.
var needWords = map[string]string{
	status.Alarm: "ALARM", status.Operator: "WAITS FOR YOU", status.Failed: "FAILED", status.Rejected: "REJECTED",
	status.Unwatched: "NOT WATCHED", status.Refused: "REFUSED", status.Dead: "GIVEN UP",
}

func needWord(n status.Need) string {
	if n.Kind == status.Alarm && n.State == cases.AlarmEnded {
		return "ALARM, OVER"
	}
	return needWords[n.Kind]
}

// showStatus prints the view for people; wide is what a terminal has room for, 0: nothing is cut.
func showStatus(w io.Writer, v status.View, p paint, wide int) {
	line := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if wide > 0 {
			text = lipgloss.NewStyle().MaxWidth(wide).Render(text)
		}
		fmt.Fprintln(w, strings.TrimRight(text, " "))
	}
	if len(v.NeedsYou) == 0 {
		line("%s", p.level(cases.Good, "Nothing needs you."))
	} else {
		line("%s", p.bold(fmt.Sprintf("NEEDS YOU: %s", plural(len(v.NeedsYou), "cause", "causes"))))
	}
	for i, n := range v.NeedsYou {
		line("%s", strings.TrimRight(fmt.Sprintf("%2d. %s %s", i+1, p.level(needLevel(n), needWord(n)), n.Code), " "))
		wrapped(w, "    ", cmp.Or(n.Cause, "Nobody has said why."), wide)
		if n.Do != "" {
			wrapped(w, "    ", "Do: "+n.Do, wide)
		}
		wrapped(w, "    ", affected(n, v.AsOf), wide)
		line("    %s", p.bold(n.Next))
	}
	fmt.Fprintln(w)
	wrapped(w, "", "Machines: "+stageLine(v.Stages), wide)
	if bar := stageBar(v.Stages, cmp.Or(min(wide, 72), 72), p); bar != "" {
		line("%s", bar)
	}
	for _, wait := range v.Waits {
		wrapped(w, "  ", "Waiting for "+wait.What+": "+waitLine(wait, v.AsOf), wide)
	}
	for _, r := range v.Requests {
		wrapped(w, "  ", requestLine(r, v.AsOf), wide)
	}
	fmt.Fprintln(w)
	wrapped(w, "", "Health: "+healthLine(v.Health), wide)
	line("As of %s", clock(v.AsOf))
}

// wrapped writes a text below others; a terminal's width breaks it between words.
func wrapped(w io.Writer, indent, text string, wide int) {
	if wide > len(indent)+10 {
		text = lipgloss.NewStyle().Width(wide - len(indent)).Render(text)
	}
	for l := range strings.Lines(text) {
		fmt.Fprintln(w, indent+strings.TrimRight(l, " \n"))
	}
}

func needLevel(n status.Need) string {
	switch n.Kind {
	case status.Unwatched, status.Refused, status.Dead:
		return cases.Warn
	case status.Alarm:
		if n.State == cases.AlarmEnded {
			return cases.Warn
		}
	}
	return cases.Bad
}

// affected says whom a cause concerns, and since when.
func affected(n status.Need, now time.Time) string {
	const most = 6
	names := strings.Join(n.Machines[:min(len(n.Machines), most)], ", ")
	if over := len(n.Machines) - most; over > 0 {
		names += fmt.Sprintf(", and %d more", over)
	}
	var parts []string
	switch {
	case len(n.Machines) > 1:
		parts = append(parts, plural(len(n.Machines), "machine", "machines")+": "+names)
	case len(n.Machines) == 1:
		parts = append(parts, names)
	}
	if !n.Since.IsZero() {
		parts = append(parts, "since "+clock(n.Since)+" ("+cases.Duration(now.Sub(n.Since))+")")
	}
	return strings.Join(parts, ", ")
}

// stageLine counts the machines at each stage where there are any.
func stageLine(stages []status.Stage) string {
	var parts []string
	total := 0
	for _, s := range stages {
		if total += s.Machines; s.Machines > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", s.Machines, stageWords[s.Stage]))
		}
	}
	if total == 0 {
		return "none yet"
	}
	return fmt.Sprintf("%d: %s", total, strings.Join(parts, ", "))
}

var stageWords = map[string]string{
	status.StageChecking: "being checked", status.StagePlacing: "being placed", status.StageAgent: "waiting for their agent", status.StageQueued: "queued",
	status.StageStarting: "starting", status.StageReplicating: "replicating", status.StageProtected: "protected", status.StageReturned: "returned",
	status.StageFailingBack: "failing back", status.StageHome: "home, not committed", status.StageCommitted: "home, committed", status.StageAgain: "protected to Azure again",
	status.StageRehearsed: "rehearsed", status.StageFailed: "failed", status.StageRejected: "rejected", status.StageCancelled: "cancelled",
}

// How the stages look in one bar: a letter for who sees no colour, and how it is to be taken.
var stageMarks = map[string]struct{ mark, level string }{
	status.StageChecking: {"c", cases.Info}, status.StagePlacing: {"p", cases.Info}, status.StageAgent: {"a", cases.Warn}, status.StageQueued: {"q", cases.Warn},
	status.StageStarting: {"s", cases.Info}, status.StageReplicating: {"r", cases.Info}, status.StageProtected: {"█", cases.Good}, status.StageReturned: {"h", cases.Good},
	status.StageFailingBack: {"b", cases.Info}, status.StageHome: {"H", cases.Warn}, status.StageCommitted: {"C", cases.Good}, status.StageAgain: {"P", cases.Good},
	status.StageRehearsed: {"d", cases.Good}, status.StageFailed: {"x", cases.Bad}, status.StageRejected: {"x", cases.Bad}, status.StageCancelled: {"-", cases.Info},
}

// stageBar draws the stages side by side; each that has a machine has a cell at least.
func stageBar(stages []status.Stage, wide int, p paint) string {
	total, parts := 0, 0
	for _, s := range stages {
		total, parts = total+s.Machines, parts+min(s.Machines, 1)
	}
	if total == 0 {
		return ""
	}
	bar := ""
	for _, s := range stages {
		if s.Machines > 0 {
			cells := max(s.Machines*(wide-parts)/total, 1)
			bar += p.level(stageMarks[s.Stage].level, strings.Repeat(stageMarks[s.Stage].mark, cells))
		}
	}
	return bar
}

func waitLine(w status.Wait, now time.Time) string {
	text := plural(w.Machines, "machine", "machines")
	if w.Machines == 0 {
		text = plural(w.Cases, "request", "requests")
	}
	if !w.Since.IsZero() {
		text += ", the longest for " + cases.Duration(now.Sub(w.Since))
	}
	if !w.Until.IsZero() {
		text += ", the first gives up in " + cases.Duration(w.Until.Sub(now))
	}
	return text
}

func requestLine(r status.Request, now time.Time) string {
	text := "Request " + r.ID
	if r.Reason != "" {
		text += " (" + cases.OneLine(r.Reason) + ")"
	}
	if r.Machines == 0 {
		return text + ": has not become cases yet"
	}
	text += fmt.Sprintf(": %d %%, %d of %s done", r.Percent, r.Done, plural(r.Machines, "machine", "machines"))
	if r.Failed > 0 {
		text += fmt.Sprintf(", %d ended without success", r.Failed)
	}
	switch {
	case !r.EndedAt.IsZero():
		return text + ", ended " + clock(r.EndedAt)
	case !r.ETA.IsZero():
		by := map[string]string{status.ByReplication: "as Site Recovery estimates", status.ByPace: "at the pace so far"}[r.Basis]
		return text + ", done about " + clock(r.ETA) + " (in " + cases.Duration(r.ETA.Sub(now)) + ", " + by + ")"
	case r.Basis == status.NeedsPerson:
		return text + ", no estimate while some wait for a person"
	}
	return text + ", no estimate yet"
}

func healthLine(parts []status.Part) string {
	var words []string
	good := 0
	for _, p := range parts {
		if p.State == status.OK {
			good++
			continue
		}
		words = append(words, p.Part+" "+p.State+bracketed(p.What))
	}
	if good > 0 {
		words = append([]string{fmt.Sprintf("%d of %s ok", good, plural(len(parts), "part", "parts"))}, words...)
	}
	return strings.Join(words, "; ")
}

func bracketed(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}
