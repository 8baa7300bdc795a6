package cli

import (
	"context"

	"github.com/spf13/cobra"

	"reprotect.example/services/cases"
)

func (a *app) listCommand() *cobra.Command {
	var ready bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the cases and where they stand",
		Long: `List every case of the event log and where it stands, the oldest first; before them those that need a
person: with an alarm, until it is over or acknowledged, and those that wait for somebody.

With --ready, list instead the machines that replicate from Azure to on-premises, and whether each may be failed back
now: the vault, Azure and vCenter are asked, and what stands against it is said. What could not be read is not known, and
never ready. Since when a machine is protected, and its alarms, come from the event log, if that can be read.`,
		Example: example("reprotect list", "reprotect list --ready", "reprotect list -o json | jq '.[] | select(.end | not) | .id'"),
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if ready {
				return a.listReady(cmd.Context())
			}
			listed, err := a.cases(cmd.Context())
			if err != nil {
				return err
			}
			return a.printCases(listed)
		},
	}
	c.Flags().BoolVar(&ready, "ready", false, "list the machines that are ready for failback")
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

func (a *app) printCases(listed []cases.Case) error {
	listed = pressingFirst(listed)
	if a.json() {
		return a.printJSON(briefs(listed))
	}
	if len(listed) == 0 {
		a.hint("There are no cases yet. 'reprotect request NAME' makes one.")
		return nil
	}
	t := newTable("CASE", "SITE", "MACHINES", "STATE", "DONE", "SINCE", "UPDATED", "NOTE")
	p, speech, places := paint(a.color(a.stdout)), a.speech(), cases.Places(listed)
	for _, c := range listed {
		t.row(c.ID, c.Site, names(c), p.level(stateLevel(c), listWord(c)), done(c), clock(c.Since), clock(c.Updated), note(c, speech, places[c.ID]))
	}
	t.fit(width(a.stdout), "UPDATED", "SITE", "SINCE").write(a.stdout)
	return nil
}
