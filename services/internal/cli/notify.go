package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"reprotect.example/services/cases"
)

func (a *app) notifyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "notify",
		Short: "Try the channels that bring notifications to people",
		Args:  cobra.NoArgs,
	}
	c.AddCommand(a.notifyTestCommand())
	return c
}

// tried is how the test of a channel went.
type tried struct {
	Channel string `json:"channel"`
	OK      bool   `json:"ok"`
	Error   string `json:"error,omitempty"`
}

func (a *app) notifyTestCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "test [NAME]",
		Short: "Post a sample to a channel of the config, or to all",
		Long: `Post a sample message to the channels that the config names under notify, or to one of them, from this machine, without
the bus. Say of each whether it was taken. Levels, routes and quiet hours do not count here.`,
		Example: example("reprotect notify test", "reprotect notify test ops"),
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			all, err := a.deps.Channels(a.config)
			if err != nil {
				return err
			}
			names := all
			if len(args) == 1 {
				if !slices.Contains(all, args[0]) {
					return usage("The config has "+strings.Join(all, ", ")+".", "no channel is named %q", args[0])
				}
				names = args
			}
			if len(names) == 0 {
				return usage("Add one under notify: a name, its kind, and urlFile.", "the config names no channel")
			}
			results, failed := []tried{}, []error{}
			for _, name := range names {
				t := tried{Channel: name, OK: true}
				if err := a.deps.TestChannel(cmd.Context(), a.config, name); err != nil {
					t.OK, t.Error = false, err.Error()
					failed = append(failed, fmt.Errorf("%s: %w", name, err))
				}
				results = append(results, t)
			}
			if a.json() {
				if err := a.printJSON(results); err != nil {
					return err
				}
				return errors.Join(failed...)
			}
			for _, t := range results {
				if t.OK {
					fmt.Fprintf(a.stdout, "%s: taken\n", cases.OneLine(t.Channel))
				}
			}
			return errors.Join(failed...)
		},
	}
}
