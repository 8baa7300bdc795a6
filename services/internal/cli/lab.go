package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) labCommand() *cobra.Command {
	var o LabOptions
	c := &cobra.Command{
		Use:   "lab",
		Short: "Run simulated surroundings to work against",
		Long: `Run the simulated surroundings alone, until Ctrl-C: a vCenter and Site Recovery over HTTPS on loopback, and a bus.
Writes DIR/reprotect.yaml, a config with which reprotectd and reprotect work against them, and prints one line of
JSON when everything is ready.`,
		Example: example(
			"reprotect lab --speed 60                          # a simulated minute takes a second",
			"reprotect --config reprotect-lab/reprotect.yaml request web01 --wait",
			"reprotect lab do hold-agent web01"),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := holds(o.Speed > 0, "--speed", "above 0"); err != nil {
				return err
			}
			if err := holds(o.Machines >= 0, "--machines", "0 or more"); err != nil {
				return err
			}
			if err := oneOf("--bus", o.Bus, "nats", "servicebus", "none"); err != nil {
				return err
			}
			ready, stop, err := a.deps.StartLab(cmd.Context(), o)
			if err != nil {
				return err
			}
			defer stop()
			if err := a.printLine(ready); err != nil {
				return err
			}
			<-cmd.Context().Done()
			return nil // a lab that is stopped has done its work
		},
	}
	f := c.Flags()
	f.StringVar(&o.Scenario, "scenario", "", "build the site that `FILE` describes (default: one in which everything is well)")
	f.IntVar(&o.Machines, "machines", 0, "`NUMBER` of machines that failed over (default: as the scenario says)")
	f.Float64Var(&o.Speed, "speed", 1, "how fast time runs: with `60` a simulated minute takes a second")
	f.StringVar(&o.Bus, "bus", "nats", "`BUS` to run: nats, servicebus or none")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:0", "`ADDRESS` of the control API, on loopback; port 0: a free one")
	c.PersistentFlags().StringVar(&o.Dir, "dir", "reprotect-lab", "folder `DIR` of the lab")
	c.AddCommand(a.labDoCommand(&o), a.labCheckCommand(&o))
	return c
}

func (a *app) labDoCommand(o *LabOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "do [ACTION [ARG...]]",
		Short: "Change the running lab",
		Long: `Change the running lab: hold an agent back, add a snapshot, make the next reprotect fail, throttle, and more.
Without an action, list what there is.`,
		ValidArgsFunction: a.offers(func(ctx context.Context) (all []string) {
			actions, _ := a.deps.LabActions(ctx, o.Dir) // no lab, no words
			for _, action := range actions {
				all = append(all, action.Name+"\t"+action.Help)
			}
			return all
		}),
		Example: example("reprotect lab do", "reprotect lab do hold-agent web01", "reprotect lab do fail-next db01 95226"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return a.deps.LabDo(cmd.Context(), o.Dir, args[0], args[1:])
			}
			actions, err := a.deps.LabActions(cmd.Context(), o.Dir)
			switch {
			case err != nil:
				return err
			case a.json():
				return a.printJSON(actions)
			}
			t := newTable("ACTION", "WHAT IT DOES")
			for _, action := range actions {
				t.row(action.Name+" "+action.Args, action.Help)
			}
			t.write(a.stdout)
			return nil
		},
	}
}

func holds(ok bool, flag, must string) error {
	if ok {
		return nil
	}
	return usage("", "%s must be %s", flag, must)
}

func oneOf(flag, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return usage("", "%s %s: must be one of %s", flag, value, strings.Join(allowed, ", "))
}

func (a *app) labCheckCommand(o *LabOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Hold the running lab against its scenario",
		Long: `Show where every machine of the running lab stands, and where its scenario says that it stands in the end. Ends
with 0 when all stand there, with 1 when not.`,
		Example: example("reprotect lab check", "reprotect lab check -o json | jq '.[] | select(.phase != .expect)'"),
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := a.deps.LabCheck(cmd.Context(), o.Dir)
			if err != nil {
				return err
			}
			differ := slices.DeleteFunc(slices.Clone(all), func(s Standing) bool { return s.Phase == s.Expect })
			switch {
			case a.json():
				err = a.printJSON(all)
			case len(differ) == 0:
				_, err = fmt.Fprintf(a.stdout, "%s as expected.\n", plural(len(all), "machine stands", "machines stand"))
			default:
				t := newTable("MACHINE", "STANDS", "EXPECTED", "SUBMITTED")
				for _, s := range differ {
					t.row(s.Machine, s.Phase, s.Expect, fmt.Sprint(s.Submissions))
				}
				t.write(a.stdout)
				a.hint("%d of %s otherwise.", len(differ), plural(len(all), "machine stands", "machines stand"))
			}
			if err == nil && len(differ) > 0 {
				err = errNo
			}
			return err
		},
	}
}
