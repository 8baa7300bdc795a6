package cli

import (
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

With --ready, list instead the machines that are protected from Azure to on-premises, as far as the event log
tells: these may be failed back. A machine leaves that list when the guard has seen its failback.`,
		Example: example("reprotect list", "reprotect list --ready", "reprotect list -o json | jq '.[] | select(.end | not) | .id'"),
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			listed, err := b.Cases(cmd.Context())
			switch {
			case err != nil:
				return err
			case ready:
				return a.printReady(listed)
			}
			return a.printCases(listed)
		},
	}
	c.Flags().BoolVar(&ready, "ready", false, "list the machines that are ready for failback")
	return c
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

func (a *app) printReady(listed []cases.Case) error {
	machines := cases.ReadyMachines(listed)
	if a.json() {
		return a.printJSON(machines)
	}
	if len(machines) == 0 {
		a.hint("No machine is ready for failback yet.")
		return nil
	}
	t := newTable("MACHINE", "SITE", "CASE", "PROTECTED SINCE", "RECOVERY POINT LAG", "LOCATION", "ATTENTION")
	p, speech := paint(a.color(a.stdout)), a.speech()
	for _, m := range machines {
		attention := ""
		if len(m.Alarms) > 0 {
			attention = alarmed(m.Alarms, speech)
		}
		t.row(m.Label, m.Site, m.Case, clock(m.Since), lag(m.LagSeconds), m.Location, p.level(cases.Bad, attention))
	}
	t.fit(width(a.stdout), "LOCATION", "CASE", "SITE", "PROTECTED SINCE").write(a.stdout)
	return nil
}
