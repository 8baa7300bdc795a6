package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"reprotect.example/services/cases"
)

func (a *app) listCommand() *cobra.Command {
	var ready bool
	var f filters
	c := &cobra.Command{
		Use:   "list",
		Short: "List the cases and where they stand",
		Long: `List every case of the event log and where it stands: those that need a person first, else the oldest first. On a
terminal columns are left out until it fits; into a pipe nothing is cut, and -o wide has every column.

With --ready, list instead the machines that replicate from Azure to on-premises, and whether each may be failed back
now: the vault, Azure and vCenter are asked, and what stands against it is said. What could not be read is not known, and
never ready. Since when a machine is protected, and its alarms, come from the event log, if that can be read.`,
		Example: example("reprotect list", "reprotect list --state open,needs-you --since 2h", "reprotect list --machine 'erp-*' --sort updated --limit 20", "reprotect list --ready", "reprotect list --state failed -o name"),
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, _, err := f.check(a.deps.Now()); err != nil {
				return err
			}
			if ready {
				return a.listReady(cmd.Context(), &f)
			}
			listed, err := a.cases(cmd.Context())
			if err != nil {
				return err
			}
			picked, err := f.cases(listed, a.deps.Now())
			if err != nil {
				return err
			}
			return a.printSorted(picked, len(listed), cases.Places(listed), f.sort == "")
		},
	}
	c.Flags().BoolVar(&ready, "ready", false, "list the machines that are ready for failback")
	f.add(c.Flags())
	c.Flags().StringSliceVar(&f.states, "state", nil, "only cases in these `STATES`: "+strings.Join(stateNames(), ", "))
	c.Flags().StringVar(&f.since, "since", "", "only what moved since `TIME`: 2026-11-27T03:00:00Z, 2026-11-27, or how long ago: 45m, 2h, 3d")
	c.Flags().StringVar(&f.sort, "sort", "", "order by `WORD`: "+strings.Join(sortNames(), ", ")+" (default: what needs a person, then the oldest)")
	return c
}

// cases reads where all cases stand.
func (a *app) cases(ctx context.Context) ([]cases.Case, error) {
	b, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	return b.Cases(ctx)
}

// printCases prints cases: those that need a person first, the others as they come.
func (a *app) printCases(listed []cases.Case) error {
	return a.printSorted(listed, len(listed), cases.Places(listed), true)
}

// printSorted prints some of all cases, with the places that these have.
func (a *app) printSorted(listed []cases.Case, all int, places map[string]int, pressing bool) error {
	if pressing {
		listed = pressingFirst(listed)
	}
	switch {
	case a.json():
		return a.printJSON(briefs(listed))
	case a.onlyNames(ids(listed)):
		return nil
	case all == 0:
		a.hint("There are no cases yet. 'reprotect request NAME' makes one.")
		return nil
	case len(listed) == 0:
		a.hint("None of %s is like that.", plural(all, "case", "cases"))
		return nil
	}
	t := newTable("CASE", "SITE", "MACHINES", "STATE", "DONE", "SINCE", "UPDATED", "REQUEST", "ASKED BY", "REASON", "NOTE")
	p, speech := paint(a.color(a.stdout)), a.speech()
	for _, c := range listed {
		t.row(c.ID, c.Site, names(c), p.level(stateLevel(c), listWord(c)), done(c), clock(c.Since), clock(c.Updated),
			c.Request, cases.OneLine(c.RequestedBy), cases.OneLine(c.Reason), note(c, speech, places[c.ID]))
	}
	if a.output == asWide {
		t.write(a.stdout)
		return nil
	}
	t.without("REQUEST", "ASKED BY", "REASON").fit(width(a.stdout), "UPDATED", "SITE", "SINCE").write(a.stdout)
	return nil
}
