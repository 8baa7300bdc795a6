package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
)

func (a *app) busCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "bus", Short: "Set up and look after the message bus",
		Long:    "Set up the message bus, see how far each service is behind, and look after the messages that were given up\nor that are no outcomes.",
		Example: example("reprotect bus setup", "reprotect bus status", "reprotect bus dead list"),
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(a.busSetupCommand(), a.busStatusCommand(), a.deadCommand(), a.voidCommand())
	return c
}

func (a *app) busSetupCommand() *cobra.Command {
	var dryRun bool
	var sites []string
	c := &cobra.Command{
		Use: "setup", Short: "Make what the product needs on the bus",
		Long: `Make streams and consumers, or bring those that exist up to date. It may be run again at any time, and needs an
account that administers the bus. Print what was made and changed. With --dry-run, print all that there must be and, where
the bus is reached, what would be made and changed.

Where reprotectd runs with --site, its services have subscriptions of their own. Give each such value here, as it is
given there, instead of making those that nobody would read.`,
		Example: example("reprotect bus setup", "reprotect bus setup --dry-run", "reprotect bus setup --dry-run -o json", "reprotect bus setup --site tokyo --site osaka,nagoya"),
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			topology, err := a.deps.Topology(a.config, sites)
			if err != nil {
				return err
			}
			differences, err := a.setUp(cmd.Context(), sites, dryRun)
			if err != nil && !dryRun {
				return err
			}
			if a.json() {
				return a.printJSON(topology.Document)
			}
			if !dryRun {
				showDifferences(a.stdout, differences, "made", "changed")
				a.hint("The bus is set up.")
				return nil
			}
			for _, part := range topology.Parts {
				fmt.Fprintf(a.stdout, "%s\n  takes %s\n", part.Name, strings.Join(part.Takes, ", "))
				for _, r := range part.Readers {
					fmt.Fprintf(a.stdout, "  %s reads %s\n", r.Name, strings.Join(r.Filters, ", "))
				}
			}
			if err != nil {
				a.hint("What of it is there already is not known: %s.", strings.TrimSuffix(err.Error(), "."))
			} else {
				showDifferences(a.stdout, differences, "would be made", "would be changed")
			}
			a.hint("Nothing was made.")
			return nil
		},
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "print what would be made")
	c.Flags().StringArrayVar(&sites, "site", nil, "for a reprotectd that serves only `SITE[,…]`; may be given several times")
	return c
}

func (a *app) setUp(ctx context.Context, sites []string, dry bool) ([]bus.Difference, error) {
	b, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	return b.SetUp(ctx, sites, dry)
}

func showDifferences(w io.Writer, all []bus.Difference, made, changed string) {
	for _, d := range all {
		if d.Missing {
			fmt.Fprintf(w, "%s: %s\n", d.Entity, made)
			continue
		}
		fmt.Fprintf(w, "%s: %s\n", d.Entity, changed)
		for _, what := range d.Changes {
			fmt.Fprintf(w, "  %s\n", what)
		}
	}
	if len(all) == 0 {
		fmt.Fprintln(w, "All is there, and as it must be.")
	}
}

func (a *app) busStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show how far each service is behind",
		Long: `Show how far each service is behind. A dash is what the bus does not say.

On NATS: PENDING: not delivered yet. UNDER WAY: delivered, not done. AGAIN: of these, delivered before. WAITING: asleep
until a wake-up, for an agent or a job.

On Service Bus: PENDING: not done yet, what is under way included. AGAIN: of these, delivered before. WAITING: asleep
until a wake-up or another try, and those that are due and not done. What a process had when it died stays so until the
locks have run out, half a minute at most.`,
		Example: example("reprotect bus status", "reprotect bus status -o json | jq .dead"),
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			s, err := b.Status(cmd.Context())
			switch {
			case err != nil:
				return err
			case a.json():
				return a.printJSON(s)
			}
			p := paint(a.color(a.stdout))
			kept := plural(int(s.Messages), "message", "messages") + ", " + storage(s.Bytes) //nolint:gosec // a count of messages
			if s.Uncounted != "" {
				kept = "not counted: " + s.Uncounted
			}
			fmt.Fprintf(a.stdout, "Server     %s\nEvent log  %s\n", s.Server, kept)
			for _, room := range s.Rooms {
				taken := fmt.Sprintf("%s of %s (%d %%)", storage(room.Bytes), storage(room.Limit), room.Percent())
				switch {
				case room.Limit > 0:
				case room.Bytes < 1<<20: // of no interest
					continue
				default:
					taken = storage(room.Bytes)
				}
				if room.Percent() >= mostTaken {
					taken = p.level(cases.Warn, taken) + ": when it is full, nothing goes on; see what nobody takes below, or give it more room"
				}
				fmt.Fprintf(a.stdout, "Room       %s: %s\n", room.Name, taken)
			}
			dead := plural(int(s.Dead), "dead letter", "dead letters") //nolint:gosec // a count of messages
			if s.Dead > 0 {
				dead = p.level(cases.Warn, dead) + ": 'reprotect bus dead list' shows them"
			}
			fmt.Fprintf(a.stdout, "Given up   %s\n\n", dead)
			t := newTable("SERVICE", "PENDING", "UNDER WAY", "AGAIN", "WAITING")
			for _, l := range s.Services {
				t.row(l.Service, fmt.Sprint(l.Pending), counted(l.UnderWay), counted(l.Redeliver), fmt.Sprint(l.Waiting))
			}
			t.write(a.stdout)
			return nil
		},
	}
}

// counted is a count, or a dash where the bus says none.
func counted(n *int) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprint(*n)
}

func storage(bytes uint64) string {
	if bytes < 1<<20 {
		return fmt.Sprintf("%.1f kB", float64(bytes)/(1<<10))
	}
	return fmt.Sprintf("%.1f MB", float64(bytes)/(1<<20))
}
