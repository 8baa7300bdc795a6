package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

func (a *app) watchCommand() *cobra.Command {
	var untilDone bool
	c := &cobra.Command{
		Use:   "watch [CASE|REQUEST...]",
		Short: "Watch cases as they move",
		Long: `Watch cases as they move: live bars on a terminal, plain lines elsewhere, with -o json an object a line.

With the id of a request, watch all of its cases. Without ids, watch everything that is under way, and before it what has an
alarm that wants somebody, until Ctrl-C. With ids, or with --until-done, end when all watched cases have ended: 0 when all ended well, 1 when one did not.`,
		Example: example("reprotect watch", "reprotect watch r-20261122-ab12cd-web01", "reprotect watch --until-done -o json"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			b, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			f := &follow{bus: b, ids: ids, filters: []string{events.SubjectFacts + ".>"}, over: never, screen: a.watchScreen()}
			if len(ids) > 0 {
				if f.ids, err = eachCase(cmd.Context(), b, ids); err != nil {
					return err
				}
				f.belongs = func(e cases.Entry) bool { return slices.Contains(f.ids, e.Header.Case) }
				if len(f.ids) <= mostFilters {
					f.filters = caseFilters(f.ids)
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
	return newLines(a.stdout, paint(a.color(a.stdout)), a.speech())
}

// progressScreen shows what goes on beside the result of a command, on stderr.
func (a *app) progressScreen() screen {
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

// eachCase names the cases that ids stand for, each that of a case or of a request.
func eachCase(ctx context.Context, b Bus, ids []string) ([]string, error) {
	var all []string
	for _, id := range ids {
		c, ofRequest, err := named(ctx, b, id)
		if err != nil {
			return nil, err
		}
		if ofRequest == nil {
			all = append(all, c.ID)
		}
		for _, of := range ofRequest {
			all = append(all, of.ID)
		}
	}
	return all, nil
}
