package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"reprotect.example/events"
	"reprotect.example/services/internal/progress"
)

func (a *app) preflightCommand() *cobra.Command {
	var flags requestFlags
	c := &cobra.Command{
		Use:   "preflight NAME... | --plan PLAN | --file FILE",
		Short: "Check machines now, change nothing",
		Long: `Make every check for machines now. Nothing is changed and nothing is published; the bus is not needed.

Ends with 0 when a request would pass, with 1 when something blocks.`,
		Example: example("reprotect preflight web01 db01", "reprotect preflight --plan ERP -o json | jq '.findings[] | select(.blocks)'"),
		RunE: func(cmd *cobra.Command, names []string) error {
			request, err := a.request(flags, names)
			if err != nil {
				return err
			}
			result, err := a.deps.Preflight(cmd.Context(), a.config, request)
			if err != nil {
				return err
			}
			if a.json() {
				err = a.printJSON(result)
			} else {
				showPreflight(a.stdout, result, paint(a.color(a.stdout)))
			}
			if err == nil && blocked(result) > 0 {
				return errNo
			}
			return err
		},
	}
	flags.what(c.Flags())
	return c
}

// blocked counts what would keep the request from going through.
func blocked(p Preflight) int {
	n := len(p.Problems)
	for _, f := range p.Findings {
		if f.Blocks {
			n++
		}
	}
	for _, placement := range p.Placements {
		if placement.Datastore == "" {
			n++
		}
	}
	return n
}

func showPreflight(w io.Writer, result Preflight, p paint) {
	var machines []string
	for _, m := range result.Machines {
		machines = append(machines, fmt.Sprintf("%s (%s, %s)", m.Name, m.Architecture, m.OS))
	}
	if len(machines) > 0 {
		fmt.Fprintln(w, "Checked "+strings.Join(machines, ", "))
	}
	showProblems(w, result.Problems)
	showFindings(w, result.Findings, p)
	for _, placement := range result.Placements {
		showPlacement(w, placement, p)
	}
	fmt.Fprintln(w)
	if n := blocked(result); n > 0 {
		fmt.Fprintln(w, p.level(progress.Bad, plural(n, "thing blocks.", "things block.")+" A request would be rejected."))
		return
	}
	fmt.Fprintln(w, p.level(progress.Good, "Nothing blocks. A request would go through."))
}

func showPlacement(w io.Writer, placement events.Placement, p paint) {
	fmt.Fprintf(w, "\nDatastore for %s: ", placement.Machine)
	if placement.Datastore == "" {
		fmt.Fprintln(w, p.level(progress.Bad, "none fits"))
		verdicts(placement.Considered, p).write(w)
		return
	}
	fmt.Fprintf(w, "%s (%s location). %s\n", placement.Datastore, placement.Location, placement.Why)
}

func (a *app) datastoresCommand() *cobra.Command {
	var machine, site string
	c := &cobra.Command{
		Use:   "datastores",
		Short: "List the datastores, and which can take a machine",
		Long: `List every datastore that vCenter shows, whether it can take machines back, and why not. With --for, judge them
for that machine: its size, its master target's or appliance's reach. Then the status is 1 when none fits.`,
		Example: example("reprotect datastores", "reprotect datastores --for web01"),
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := a.deps.Datastores(cmd.Context(), a.config, site, machine)
			if err != nil {
				return err
			}
			if a.json() {
				if all == nil {
					all = []events.DatastoreVerdict{}
				}
				err = a.printJSON(all)
			} else {
				verdicts(all, paint(a.color(a.stdout))).write(a.stdout)
			}
			if fits := slices.ContainsFunc(all, func(v events.DatastoreVerdict) bool { return v.Accepted }); err == nil && machine != "" && !fits {
				return errNo
			}
			return err
		},
	}
	c.Flags().StringVar(&machine, "for", "", "judge for the machine `NAME`")
	c.Flags().StringVar(&site, "site", "", "`SITE` of the config (default: its only one)")
	return c
}

func verdicts(all []events.DatastoreVerdict, p paint) *table {
	t := newTable("DATASTORE", "TYPE", "FREE", "ANSWER", "WHY")
	for _, v := range all {
		answer, why := p.level(progress.Good, "accepted"), v.Warning
		switch {
		case !v.Accepted:
			answer, why = p.level(progress.Bad, "refused"), strings.TrimSpace(v.Reason+" "+v.Remedy)
		case v.Warning != "":
			answer = p.level(progress.Warn, "accepted")
		}
		t.row(v.Name, v.Type, size(v.FreeBytes), answer, why)
	}
	return t
}

// size words bytes as vSphere's client does, in powers of 1024.
func size(bytes int64) string {
	if bytes == 0 {
		return ""
	}
	value, unit := float64(bytes)/(1<<30), "GB"
	if value >= 10_000 {
		value, unit = value/1024, "TB"
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}

func (a *app) checksCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "checks [CODE]",
		Short: "Show the catalogue of checks",
		Long: `Show every check that a request must pass, or one of them in full. LEVEL says what a failure does: block ends
the case before anything is changed, warn and info are shown. FOR: c classic, m modernized.`,
		Example: example("reprotect checks", "reprotect checks master-target.snapshots", "reprotect checks -o json"),
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			all := a.deps.Checks()
			if len(args) == 1 {
				all = slices.DeleteFunc(slices.Clone(all), func(c Check) bool { return c.Code != args[0] })
				if len(all) == 0 {
					return usage("'reprotect checks' lists them.", "there is no check %q", args[0])
				}
			}
			switch {
			case a.json() && len(args) == 1:
				return a.printJSON(all[0])
			case a.json():
				return a.printJSON(all)
			case len(args) == 1:
				showCheck(a.stdout, all[0])
				return nil
			}
			t := newTable("CODE", "LEVEL", "FOR", "REFS", "WHAT")
			for _, c := range all {
				t.row(c.Code, checkLevel(c), architectures(c), strings.Join(c.Refs, " "), c.Title)
			}
			t.write(a.stdout)
			return nil
		},
	}
}

func checkLevel(c Check) string {
	if c.NeverWaived {
		return c.Level + ", never waived"
	}
	return c.Level
}

func architectures(c Check) string {
	letters := ""
	for _, f := range c.For {
		letters += f[:min(len(f), 1)]
	}
	return letters
}

func showCheck(w io.Writer, c Check) {
	fmt.Fprintf(w, "%s (%s; %s; %s)\n%s\n", c.Code, checkLevel(c), strings.Join(c.For, " and "), strings.Join(c.Refs, " "), c.Title)
	for _, part := range []struct{ before, text string }{{"Why: ", c.Why}, {"What to do: ", c.Remedy}, {"See ", c.Reference}} {
		if part.text != "" {
			fmt.Fprintf(w, "\n%s%s\n", part.before, part.text)
		}
	}
}
