package cli

import (
	"slices"
	"time"

	"github.com/spf13/cobra"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

func (a *app) watchCommand() *cobra.Command {
	var untilDone bool
	var only []string
	var limit time.Duration
	c := &cobra.Command{
		Use:   "watch [NAME|CASE|REQUEST...]",
		Short: "Watch cases as they move",
		Long: `Watch cases as they move: live bars on a terminal, elsewhere a line when a case gets somewhere else, with -o json an
object a line after each event.

The name of a machine stands for its latest case, the id of a request for all of its cases. Without any, watch everything
that is under way, and before it what has an alarm that wants somebody, until Ctrl-C. With some, or with --until-done, end
when all watched cases have ended: 0 when all ended well, 1 when one did not, or when nothing is under way. A case may
wait for a person for a day: --timeout ends the watch before.`,
		Example: example("reprotect watch", "reprotect watch web01 db01", "reprotect watch r-20261122-ab12cd --timeout 2h", "reprotect watch --until-done -o json"),
		RunE: func(cmd *cobra.Command, words []string) error {
			ctx, stop := within(cmd.Context(), limit)
			defer stop()
			b, err := a.open(ctx)
			if err != nil {
				return err
			}
			defer b.Close()
			f := &follow{bus: b, filters: []string{events.SubjectFacts + ".>"}, over: never, screen: a.watchScreen()}
			if len(words)+len(only) > 0 {
				targets, err := handles(ctx, b, words, only)
				if err != nil {
					return timedOut(ctx, err)
				}
				f.ids = ids(each(targets))
				f.belongs = func(e cases.Entry) bool { return slices.Contains(f.ids, e.Header.Case) }
				if len(f.ids) <= mostFilters {
					f.filters = caseFilters(f.ids)
				}
			}
			if untilDone || len(f.ids) > 0 {
				f.over = allEnded
			}
			if err := f.run(ctx); err != nil {
				return timedOut(ctx, err)
			}
			if len(f.cases()) == 0 {
				return no("'reprotect status' says what needs you, and 'reprotect list' what became of everything.", "nothing is under way")
			}
			return verdict(f.cases())
		},
	}
	c.Flags().BoolVar(&untilDone, "until-done", false, "end when every case has ended")
	c.Flags().StringArrayVar(&only, "case", nil, "the case of that `ID`, and not the latest of a machine; may be repeated")
	addTimeout(c.Flags(), &limit)
	return c
}

// watchScreen shows what is the result of a command, so plain lines go to stdout.
func (a *app) watchScreen() screen {
	switch {
	case a.json():
		return objects{a}
	case terminal(a.stdout) && terminal(a.stderr):
		s := newBars(a.stderr, a.deps.Now, paint(a.color(a.stderr)))
		s.speech = a.speech()
		return s
	}
	return newLines(a.stdout, paint(a.color(a.stdout)), a.speech())
}

// progressScreen shows what goes on beside the result of a command, on stderr.
func (a *app) progressScreen() screen {
	if a.quiet {
		return silent{}
	}
	if terminal(a.stderr) {
		return newBars(a.stderr, a.deps.Now, paint(a.color(a.stderr)))
	}
	return newLines(a.stderr, paint(a.color(a.stderr)), a.speech())
}

// mostFilters of single cases are asked for; of more cases everything is read, and they are picked.
const mostFilters = 20

func caseFilters(ids []string) []string {
	var filters []string
	for _, id := range ids {
		filters = append(filters, factsOf(id))
	}
	return filters
}
