package cli

import (
	"github.com/spf13/cobra"

	"reprotect.example/events"
)

func (a *app) watchCommand() *cobra.Command {
	var untilDone bool
	c := &cobra.Command{
		Use:   "watch [CASE...]",
		Short: "Watch cases as they move",
		Long: `Watch cases as they move: live bars on a terminal, plain lines elsewhere, with -o json an object a line.

Without case ids, watch everything that is under way, until Ctrl-C. With case ids, or with --until-done, end when
all watched cases have ended: 0 when all ended well, 1 when one did not.`,
		Example: example("reprotect watch", "reprotect watch r-20261122-ab12cd-web01", "reprotect watch --until-done -o json"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			b, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			f := &follow{bus: b, ids: ids, filters: []string{events.SubjectFacts + ".>"}, over: never, screen: a.watchScreen()}
			if len(ids) > 0 {
				if f.filters, err = caseFilters(ids); err != nil {
					return err
				}
			}
			if untilDone || len(ids) > 0 {
				f.over = allEnded
			}
			if err := f.run(cmd.Context()); err != nil {
				return err
			}
			return verdict(f.cases())
		},
	}
	c.Flags().BoolVar(&untilDone, "until-done", false, "end when every case has ended")
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
	return lines{a.stdout, paint(a.color(a.stdout)), a.speech()}
}

// progressScreen shows what goes on beside the result of a command, on stderr.
func (a *app) progressScreen() screen {
	if terminal(a.stderr) {
		return newBars(a.stderr, a.deps.Now, paint(a.color(a.stderr)))
	}
	return lines{a.stderr, paint(a.color(a.stderr)), a.speech()}
}

func caseFilters(ids []string) ([]string, error) {
	var filters []string
	for _, id := range ids {
		filter, err := caseFilter(id)
		if err != nil {
			return nil, err
		}
		filters = append(filters, filter)
	}
	return filters, nil
}
