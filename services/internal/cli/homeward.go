package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

// homeFlags are those of the commands that lead machines home.
type homeFlags struct {
	site       string
	waive      []string
	reason, by string
	wait, yes  bool
	timeout    time.Duration
}

func (f *homeFlags) add(flags *pflag.FlagSet, ask string) {
	flags.StringVar(&f.site, "site", "", "`SITE` of the config (default: its only one)")
	flags.StringArrayVar(&f.waive, "waive", nil, "pass over what stands against it, as `CODE=REASON`; may be repeated; the event log shows it")
	flags.StringVar(&f.reason, "reason", "", "why, for the event log: `TEXT` such as the number of a change")
	flags.StringVar(&f.by, "requested-by", "", "`WHO` asks, for the event log (default: requestedBy of the config, $"+EnvRequestedBy+", else user@host)")
	flags.BoolVar(&f.wait, "wait", false, "follow the cases to their end")
	if ask != "" {
		flags.BoolVar(&f.yes, "yes", false, ask)
	}
	addTimeout(flags, &f.timeout)
}

func (a *app) failbackCommand() *cobra.Command {
	var flags homeFlags
	var plan, until, point, commit string
	var ready, dryRun bool
	c := &cobra.Command{
		Use:   "failback NAME... | --plan PLAN | --ready",
		Short: "Bring machines home that are protected in Azure",
		Long: fmt.Sprintf(`Fail machines back that were reprotected, and are protected in Azure: Azure writes their last changes, switches the Azure VM
off and the VM on-premises on. Each machine is a case, and is judged at this minute before anything is submitted: what stands
against it rejects the case. Print the ids of the cases, one a line.

A case is home when the VM is on and VMware Tools in it answer. With --until home, the default, it ends there: the failback can
still be withdrawn. With --until committed or protected it goes on, once the failback is committed: by 'reprotect commit', or with
--commit 'after 24h' by itself, while the machine is seen to run.

With --plan or --ready, and above %d machines, it asks first, or wants --yes where nobody can be asked.`, manyMachines),
		Example: example(
			"reprotect failback web01 --reason CHG0012345 --wait",
			"reprotect failback --plan ERP --until protected --commit 'after 24h'",
			"reprotect failback --ready --dry-run       # rehearse for all that are ready, change nothing"),
		RunE: func(cmd *cobra.Command, names []string) error {
			f := events.Failback{
				Site: flags.site, Plan: plan, Ready: ready, Until: events.Until(until), Point: point, Commit: commit, DryRun: dryRun, Reason: flags.reason,
			}
			for _, name := range names {
				f.Machines = append(f.Machines, events.NamedMachine{Name: name})
			}
			machines := len(names)
			if len(names) == 0 && plan == "" && !ready {
				return usage("For example: reprotect failback web01", "say which machines: names, or --plan PLAN, or --ready")
			}
			what, most := "Fail back "+plural(machines, "machine", "machines"), manyMachines
			switch {
			case ready:
				machines, most, what = 0, 0, "Fail back every machine that is ready"
			case plan != "":
				machines, most, what = 0, 0, "Fail back the machines of plan "+plan
			}
			return publishHome(cmd.Context(), a, flags, events.TypeFailback, machines, most, what, func(by string, waive map[string]string) events.Failback {
				f.RequestedBy, f.Waive = by, waive
				return f
			}, nil)
		},
	}
	c.Flags().StringVar(&plan, "plan", "", "the machines of the recovery plan `PLAN`")
	c.Flags().BoolVar(&ready, "ready", false, "every machine that is protected in Azure now: see 'reprotect list --ready'")
	c.Flags().StringVar(&until, "until", "", "how far to lead them: `home` (default), committed or protected")
	c.Flags().StringVar(&point, "point", "", "the recovery `POINT`: crash-consistent (default) or application-consistent")
	c.Flags().StringVar(&commit, "commit", "", "`WHEN` to commit: manual (default), or 'after 24h'")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "do every step up to the submission, change nothing")
	flags.add(c.Flags(), "do not ask before many machines are failed back")
	return c
}

func (a *app) commitCommand() *cobra.Command {
	return a.onwardCommand(events.TypeCommit, "Make failbacks final", `Commit the failback of machines that have come home. It is final: the Azure VM is deleted, and a withdrawal is not possible any
more. See that the machine works before: it is rejected where vCenter does not show it on. A failback that waits for its commit
goes on by itself then.

It asks first, or wants --yes where nobody can be asked.`, "do not ask before failbacks are committed",
		"Commit for good the failback of", "reprotect commit web01 --reason 'tested by the owner, CHG0012345'", "reprotect commit web01 db01 --yes --wait")
}

func (a *app) withdrawCommand() *cobra.Command {
	return a.onwardCommand(events.TypeWithdraw, "Give failbacks up, back to Azure", `Withdraw the failback of machines that have come home, and are not committed: they run in Azure again, and may be failed back
again. What changed on-premises meanwhile is lost. Azure can do that for modernized machines only.

It asks first, or wants --yes where nobody can be asked.`, "do not ask before failbacks are withdrawn",
		"Lose what changed on-premises, and withdraw the failback of", "reprotect withdraw web01 --reason 'application does not start'")
}

func (a *app) protectCommand() *cobra.Command {
	return a.onwardCommand(events.TypeProtect, "Protect machines to Azure again", `Let machines replicate to Azure again that are home, and whose failback is committed: with the policy, process server and run-as
account that they had. With --wait, follow them until they are protected.`, "", "", "reprotect protect web01 --wait")
}

// onwardCommand is a command for the next step of some machines, each named by itself or by its case.
func (a *app) onwardCommand(t events.Type[events.Onward], short, long, yes, ask string, examples ...string) *cobra.Command {
	var flags homeFlags
	c := &cobra.Command{
		Use:   t.Name + " NAME... | CASE...",
		Short: short,
		Long: long + `

Each machine is a case of its own; print their ids, one a line.`,
		Example: example(examples...),
		RunE: func(cmd *cobra.Command, words []string) error {
			if len(words) == 0 {
				return usage("For example: reprotect "+t.Name+" web01", "say which: names of machines, or cases")
			}
			most, what := 0, ask+" "+strings.Join(words, ", ")
			if ask == "" {
				most = len(words)
			}
			return publishHome(cmd.Context(), a, flags, t, len(words), most, what, func(by string, waive map[string]string) events.Onward {
				return events.Onward{Site: flags.site, Reason: flags.reason, RequestedBy: by, Waive: waive}
			}, func(ctx context.Context, b Bus, o events.Onward) events.Onward { return named(ctx, b, o, words) })
		},
	}
	flags.add(c.Flags(), yes)
	return c
}

// named says which machines a command is about: a single case by its id, so that the new one follows it; else each machine, those
// of a case by their items. What the event log does not know is the name of a machine.
func named(ctx context.Context, b Bus, o events.Onward, words []string) events.Onward {
	for _, word := range words {
		var c cases.Case
		found := false
		if caseID.MatchString(word) {
			c, found, _ = b.Case(ctx, word) // without the log it is taken for a name
		}
		switch {
		case found && len(c.Machines) > 0 && len(words) == 1:
			o.Case = word
		case found && len(c.Machines) > 0:
			for _, m := range c.Machines {
				o.Machines = append(o.Machines, events.NamedMachine{Name: cmp.Or(m.NewItem, m.Item, m.Name)})
			}
		default:
			o.Machines = append(o.Machines, events.NamedMachine{Name: word})
		}
	}
	return o
}

// publishHome publishes a command that leads machines home, and follows what comes of it. More completes it once the event log
// can be read; nil: it is complete.
func publishHome[T any](ctx context.Context, a *app, flags homeFlags, t events.Type[T], machines, most int, what string,
	data func(by string, waive map[string]string) T, more func(context.Context, Bus, T) T,
) error {
	if err := a.knownSite(flags.site); err != nil {
		return err
	}
	by, err := a.sender(flags.by)
	if err != nil {
		return err
	}
	waive, err := pairs("--waive", flags.waive, nil)
	if err != nil {
		return err
	}
	request := data(by, waive)
	if more == nil {
		if err := valid(t, request); err != nil {
			return err
		}
	}
	if err := a.confirm(flags.yes, max(machines, 1), most, what); err != nil {
		return err
	}
	ctx, stop := within(ctx, flags.timeout)
	defer stop()
	b, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	if more != nil {
		request = more(ctx, b, request)
		if err := valid(t, request); err != nil {
			return err
		}
	}
	q, err := ask(ctx, a, b, t, request, machines)
	if err != nil {
		return timedOut(ctx, err)
	}
	return timedOut(ctx, a.answered(ctx, b, q, flags.wait))
}

// valid holds a command against its schema before it is sent.
func valid[T any](t events.Type[T], data T) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return err
	}
	if problems := events.Validate(t.Kind, raw); problems != nil {
		return usage("'reprotect "+t.Name+" --help' says what may be given.", "the command is not valid: %s", sentences(problems))
	}
	return nil
}
