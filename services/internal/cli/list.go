package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"reprotect.example/services/cases"
)

func (a *app) listCommand() *cobra.Command {
	var ready bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the cases and where they stand",
		Long: `List every case of the event log and where it stands, the oldest first.

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
	if a.json() {
		return a.printJSON(briefs(listed))
	}
	if len(listed) == 0 {
		a.hint("There are no cases yet. 'reprotect request NAME' makes one.")
		return nil
	}
	t := newTable("CASE", "SITE", "MACHINES", "STATE", "DONE", "SINCE", "UPDATED", "NOTE")
	p, speech := paint(a.color(a.stdout)), a.speech()
	for _, c := range alarmedFirst(slices.Clone(listed), func(c cases.Case) bool { return len(c.Pressing()) > 0 }) {
		t.row(c.ID, c.Site, names(c), p.level(stateLevel(c), string(c.State)), fmt.Sprintf("%d %%", c.Percent), clock(c.Since), clock(c.Updated), note(c, speech))
	}
	t.write(a.stdout)
	return nil
}

// names lists a case's machines as far as a table has room.
func names(c cases.Case) string {
	all := c.Labels()
	if len(all) > 3 {
		return fmt.Sprintf("%s, and %d more", strings.Join(all[:2], ", "), len(all)-2)
	}
	return strings.Join(all, ", ")
}

// note says what a person should know of a case first.
func note(c cases.Case, s speech) string {
	switch {
	case len(c.Pressing()) > 0:
		return alarmed(c.Pressing(), s)
	case len(c.Unwatched) > 0:
		return short(s.title(c.Unwatched[0].Code, c.Unwatched[0].What))
	case c.Waiting != nil:
		text := s.title(c.Waiting.Code, "for "+cases.For(c.Waiting.For))
		if c.Waiting.Place > 0 {
			text += fmt.Sprintf(", place %d", c.Waiting.Place)
		}
		return text
	case c.End && !c.Good:
		return short(s.title(c.Code, c.Why))
	case c.DryRun:
		return "dry run"
	}
	return ""
}

// alarmed says the latest of some alarms.
func alarmed(pressing []cases.Alarm, s speech) string {
	last := pressing[len(pressing)-1]
	return short(s.title(last.Code, last.What))
}

// alarmedFirst puts what has a pressing alarm before the rest, which stays in its order.
func alarmedFirst[T any](all []T, pressing func(T) bool) []T {
	rank := func(e T) int {
		if pressing(e) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(all, func(a, b T) int { return rank(a) - rank(b) })
	return all
}

// short keeps a sentence to what a table has room for, on one line.
func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 70 {
		return string(r[:69]) + "…"
	}
	return s
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
	t.write(a.stdout)
	return nil
}
