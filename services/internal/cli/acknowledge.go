package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

func (a *app) acknowledgeCommand() *cobra.Command {
	var reason, by string
	c := &cobra.Command{
		Use:   "acknowledge ALARM | CASE | MACHINE",
		Short: "Say that an alarm was seen to",
		Long: `Say that a person has seen to an alarm that does not end by itself, such as that of a machine which was on while
replication wrote to its disks. 'reprotect show CASE' prints the ids of alarms. With a case or a machine, acknowledge all of
its alarms that want somebody.

An alarm that is acknowledged stands in the history of its case, with who saw to it and the reason, and no more at the head of
'list', 'list --ready', 'show' and 'watch'. It is refused where nobody is wanted: the alarm is over and left nothing, or somebody
has acknowledged it.

Print the alarms that were acknowledged.`,
		Example: example(
			"reprotect acknowledge db01 --reason 'resynchronized, INC0042'",
			"reprotect acknowledge r-20261122-ab12cd--db01/guard/7 --reason 'resynchronized, INC0042'"),
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if reason == "" {
				return usage("Say with --reason what was done about it, or why nothing need be.", "an acknowledgement needs a reason")
			}
			b, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			sender, err := a.sender(by)
			if err != nil {
				return err
			}
			word := func(alarm string) events.Acknowledge {
				return events.Acknowledge{Alarm: alarm, Reason: reason, RequestedBy: sender}
			}
			ids, err := pressingOf(cmd.Context(), b, args[0])
			if _, _, isAlarm := cases.AlarmPlace(args[0]); isAlarm && statusOf(err) == exitNotReached {
				return sendUnseen(cmd.Context(), a, b, events.TypeAcknowledge, word(args[0]), err)
			}
			if err != nil {
				return err
			}
			_, refused := change(cmd.Context(), a, b, events.TypeAcknowledge, ids, word)
			if refused != nil && (len(ids) == 1 || !isAnswer(refused)) {
				return refused
			}
			return errors.Join(a.printAcknowledged(cmd.Context(), b, ids), refused)
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "what was done about it, or why nothing need be; required")
	c.Flags().StringVar(&by, "requested-by", "", "`WHO` says so (default: requestedBy of the config, $"+EnvRequestedBy+", else user@host)")
	return c
}

// pressingOf names the alarms that a word stands for: the id of one, or that of a case, or the name of a machine, of which it
// takes all that want somebody.
func pressingOf(ctx context.Context, b Bus, word string) (ids []string, err error) {
	if caseID, _, isAlarm := cases.AlarmPlace(word); isAlarm {
		_, err := caseNow(ctx, b, caseID)
		return []string{word}, err
	}
	all, err := b.Cases(ctx)
	if err != nil {
		return nil, err
	}
	known := false
	for _, c := range all {
		of := slices.DeleteFunc(slices.Clone(c.Machines), func(m cases.Machine) bool { return !strings.EqualFold(m.Name, word) })
		if c.ID == word {
			of = c.Machines
		}
		known = known || len(of) > 0 || c.ID == word
		for _, alarm := range c.Pressing() {
			if slices.ContainsFunc(of, alarm.About) {
				ids = append(ids, alarm.ID)
			}
		}
	}
	switch {
	case !known:
		return nil, usage("'reprotect list' shows cases and machines, 'reprotect show CASE' the ids of alarms.", "%q is no alarm, and no case or machine in the event log", word)
	case ids == nil:
		return nil, no("'reprotect show' tells the history of a case.", "%s has no alarm that wants somebody", word)
	}
	return ids, nil
}

// printAcknowledged prints which of some alarms are acknowledged now.
func (a *app) printAcknowledged(ctx context.Context, b Bus, ids []string) error {
	shown, done := map[string]bool{}, []cases.Alarm{}
	for _, id := range ids {
		caseID, _, _ := cases.AlarmPlace(id)
		if shown[caseID] {
			continue
		}
		shown[caseID] = true
		c, err := caseNow(ctx, b, caseID)
		if err != nil {
			return err
		}
		for _, alarm := range c.Alarms {
			if slices.Contains(ids, alarm.ID) && alarm.State == cases.AlarmAcknowledged {
				done = append(done, alarm)
			}
		}
	}
	if a.json() {
		return a.printJSON(done)
	}
	for _, alarm := range done {
		fmt.Fprintf(a.stdout, "%s  %s\n", alarm.ID, alarm.What)
	}
	return nil
}
